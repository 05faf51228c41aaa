"""Who may do what, asked of a simulation of IAM: the roles' policies as the templates make them, and a request."""

from __future__ import annotations

import importlib
import json
import sys
from dataclasses import dataclass, field
from importlib.resources import files
from types import ModuleType
from typing import Any

import pytest
from ministack.core.iam_evaluator import (
    EvalContext,
    evaluate,
    evaluate_resource_policy,
    evaluate_trust_policy,
    parse_policy_document,
)

from tests.world.iam_documents import REGION, Stack

MAIN, OTHER, STRANGER = "123456789012", "210987654321", "999999999999"
ORGANIZATION, ANOTHER_ORGANIZATION = "o-abcdefghij", "o-zyxwvutsrq"
PATH = "/security/"
EXTERNAL_ID = "open-sesame"
BUCKET = f"hammer-deployment-{MAIN}-{REGION}"
YES, NO = True, False
# What most calls come with: over TLS, by a machine, which has no MFA.
TLS = {"aws:SecureTransport": "true"}
INSIDE = {"aws:ResourceOrgID": ORGANIZATION}
OUTSIDE = {"aws:ResourceOrgID": ANOTHER_ORGANIZATION}


def stacks(partition: str = "aws", **given: str) -> dict[str, Stack]:
    """All stacks that have roles, with what they need and these parameters, where they have them."""
    arn = f"arn:{partition}"
    # The ARNs of roles that a scanned account's stack is given are the outputs of the others.
    path = given.get("RolePath") or "/"
    needed = {
        "main-account.yaml": {"ArtifactBucket": BUCKET, "ArtifactKey": "packages/functions.zip"},
        "reporting-remediation-host.yaml": {
            "VpcId": "vpc-1",
            "SubnetId": "subnet-1",
            "ArtifactBucket": BUCKET,
            "HostPackageKey": "packages/host.zip",
            "HostPackageDigest": "0" * 64,
            "OperatorsTopicArn": f"{arn}:sns:{REGION}:{MAIN}:hammer-operators",
        },
        "scanned-account-roles.yaml": {
            "IdentificationRoleArn": f"{arn}:iam::{MAIN}:role{path}hammer-describe-iam-user-inactive-keys",
            "ReportingRoleArn": f"{arn}:iam::{MAIN}:role{path}hammer-reporting-remediation",
        },
        "bucket.yaml": {},
    }
    made = {}
    for file, own in needed.items():
        account = OTHER if file.startswith("scanned") else MAIN
        declared = Stack.parameters_of(file)
        asked = {name: value for name, value in given.items() if name in declared}
        made[file.removesuffix(".yaml")] = Stack.of(file, account, partition, **own, **asked)
    return made


STRICT = stacks(
    OrganizationId=ORGANIZATION,
    RolePath=PATH,
    ExternalId=EXTERNAL_ID,
    AccountsFromOrganization="true",
    ConfigSource=f"s3://{BUCKET}/config",
)
PLAIN = stacks()
"""All parameters that need not be given are left out."""
ROLES = {
    "initiation": ("main-account", "InitiationRole"),
    "scan": ("main-account", "IdentificationRole"),
    "host": ("reporting-remediation-host", "HostRole"),
    "looking": ("scanned-account-roles", "IdentificationRole"),
    "switching": ("scanned-account-roles", "ReportingRole"),
}


@dataclass(frozen=True)
class Role:
    """A role that makes a call; `name` in ROLES, or the ARN of one that no template has."""

    name: str
    estate: dict[str, Stack] = field(default_factory=lambda: STRICT, repr=False)
    organization: str = ORGANIZATION
    id: str = "AROA1"

    @property
    def arn(self) -> str:
        if self.name not in ROLES:
            return self.name
        stack, role = ROLES[self.name]
        return self.estate[stack].arn(role)

    def calls(self, action: str, resource: str, context: dict[str, Any]) -> EvalContext:
        """The context of a call, whose keys are those of IAM."""
        given = {name.lower(): value for name, value in (TLS | context).items()}
        return EvalContext(
            principal_arn=self.arn,
            principal_type="AssumedRole",
            principal_account=self.arn.split(":")[4],
            action=action,
            resource_arn=resource,
            region=REGION,
            secure_transport=given.pop("aws:securetransport") == "true",
            service_context=given,
            principal_keys={
                "aws:principalorgid": self.organization,
                "aws:userid": f"{self.id}:session",
                "aws:multifactorauthpresent": None,
            },
        )

    def may(self, action: str, resource: str, **context: Any) -> bool:
        """Whether its own policies allow the call."""
        stack, role = ROLES[self.name]
        policies = [parse_policy_document(document) for document in self.estate[stack].policies(role)]
        return bool(evaluate(self.calls(action, resource, context), policies).decision == "Allow")

    def is_trusted_by(self, trusting: str, **context: Any) -> bool:
        """Whether a role's trust policy lets it in; what its own policies say is another question."""
        stack, role = ROLES[trusting]
        place = self.estate[stack]
        session = self.arn.replace(":iam:", ":sts:").replace(":role/", ":assumed-role/") + "/session"
        asked = self.calls("sts:AssumeRole", place.arn(role), context)
        return bool(evaluate_trust_policy(place.trust(role), session, asked))


def user(name: str = "joe", account: str = MAIN) -> str:
    return f"arn:aws:iam::{account}:user/{name}"


def of(service: str, place: str) -> str:
    return f"arn:aws:{service}:{REGION}:{MAIN}:{place}"


ISSUES, STATE = (of("dynamodb", f"table/hammer-iam-user-keys-inactive{end}") for end in ("", "-state"))
QUEUE = of("sqs", "hammer-iam-user-inactive-keys-failures")
SECRET = of("secretsmanager", "secret:hammer-credentials-AbC123")
HOST_LOG = of("logs", "log-group:/aws/ec2/hammer-reporting-remediation:log-stream:any")
SCAN_LOG = of("logs", "log-group:/aws/lambda/hammer-describe-iam-user-inactive-keys:log-stream:any")
CONFIG = f"arn:aws:s3:::{BUCKET}/config/whitelist.json"
LOOKING, SWITCHING = (STRICT["scanned-account-roles"].arn(ROLES[name][1]) for name in ("looking", "switching"))
TAG = "aws:ResourceTag/hammer"
KEYS = "dynamodb:LeadingKeys"

# Who, what, on what, in which circumstances, and whether it may.
OWN_POLICIES: list[tuple[str, str, str, dict[str, Any], bool]] = [
    ("initiation", "sns:Publish", of("sns", "hammer-describe-iam-user-inactive-keys-lambda"), {}, YES),
    ("initiation", "sns:Publish", of("sns", "hammer-operators"), {}, NO),
    ("initiation", "organizations:ListAccounts", "*", {}, YES),
    ("initiation", "dynamodb:BatchGetItem", STATE, {}, YES),
    ("initiation", "dynamodb:Query", ISSUES, {}, NO),
    ("initiation", "sts:AssumeRole", LOOKING, INSIDE, NO),
    ("initiation", "iam:ListUsers", "*", {}, NO),
    ("initiation", "s3:GetObject", CONFIG, {}, YES),
    ("scan", "sts:AssumeRole", LOOKING, INSIDE, YES),
    ("scan", "sts:AssumeRole", LOOKING, OUTSIDE, NO),
    # An account of no organization.
    ("scan", "sts:AssumeRole", LOOKING, {}, NO),
    ("scan", "sts:AssumeRole", SWITCHING, INSIDE, NO),
    ("scan", "sts:AssumeRole", f"arn:aws:iam::{OTHER}:role/hammer-cloudsec-crossact-id", INSIDE, NO),
    ("scan", "sts:AssumeRole", f"arn:aws:iam::{OTHER}:role/OrganizationAccountAccessRole", INSIDE, NO),
    ("scan", "iam:GetAccessKeyLastUsed", user(), {}, YES),
    ("scan", "iam:UpdateAccessKey", user(), {}, NO),
    ("scan", "dynamodb:PutItem", ISSUES, {}, YES),
    ("scan", "dynamodb:DeleteItem", ISSUES, {}, YES),
    ("scan", "dynamodb:DeleteItem", STATE, {}, NO),
    ("scan", "dynamodb:DeleteTable", ISSUES, {}, NO),
    ("scan", "secretsmanager:GetSecretValue", SECRET, {}, NO),
    ("scan", "s3:GetObject", CONFIG, {}, YES),
    ("scan", "s3:PutObject", CONFIG, {}, NO),
    ("scan", "s3:GetObject", f"arn:aws:s3:::{BUCKET}/packages/host.zip", {}, NO),
    ("scan", "sqs:SendMessage", QUEUE, {}, YES),
    ("scan", "sqs:ReceiveMessage", QUEUE, {}, NO),
    ("scan", "logs:PutLogEvents", SCAN_LOG, {}, YES),
    ("scan", "logs:PutLogEvents", HOST_LOG, {}, NO),
    ("host", "iam:UpdateAccessKey", user(), {}, YES),
    ("host", "iam:UpdateAccessKey", user("people/joe"), {}, YES),
    ("host", "iam:UpdateAccessKey", user(), {TAG: "never"}, NO),
    ("host", "iam:UpdateAccessKey", user(), {TAG: "NEVER"}, NO),
    ("host", "iam:UpdateAccessKey", user(), {TAG: "later"}, YES),
    ("host", "iam:UpdateAccessKey", user(), {"aws:ResourceTag/nail": "never"}, YES),
    # Somebody else's user, without that account's role.
    ("host", "iam:UpdateAccessKey", user(account=OTHER), {}, NO),
    ("host", "iam:GetAccessKeyLastUsed", user(), {TAG: "never"}, YES),
    ("host", "iam:DeleteAccessKey", user(), {}, NO),
    ("host", "iam:CreateAccessKey", user(), {}, NO),
    ("host", "iam:UntagUser", user(), {TAG: "never"}, NO),
    ("host", "iam:ListUsers", "*", {}, NO),
    ("host", "iam:PutRolePolicy", "arn:aws:iam::123456789012:role/security/hammer-reporting-remediation", {}, NO),
    ("host", "sts:AssumeRole", SWITCHING, INSIDE, YES),
    ("host", "sts:AssumeRole", SWITCHING, OUTSIDE, NO),
    ("host", "sts:AssumeRole", SWITCHING, {}, NO),
    ("host", "sts:AssumeRole", LOOKING, INSIDE, NO),
    ("host", "dynamodb:UpdateItem", ISSUES, {}, YES),
    ("host", "dynamodb:PutItem", ISSUES, {}, NO),
    ("host", "dynamodb:DeleteItem", ISSUES, {}, NO),
    ("host", "dynamodb:UpdateItem", STATE, {KEYS: ["lease"]}, YES),
    ("host", "dynamodb:UpdateItem", STATE, {KEYS: [f"scan#{OTHER}"]}, NO),
    ("host", "dynamodb:UpdateItem", STATE, {KEYS: ["lease", f"scan#{OTHER}"]}, NO),
    ("host", "dynamodb:PutItem", STATE, {KEYS: ["lease"]}, NO),
    ("host", "dynamodb:GetItem", STATE, {KEYS: [f"scan#{OTHER}"]}, YES),
    ("host", "secretsmanager:GetSecretValue", SECRET, {}, YES),
    ("host", "secretsmanager:PutSecretValue", SECRET, {}, NO),
    ("host", "secretsmanager:GetSecretValue", of("secretsmanager", "secret:hammer-credentials-old-AbC123"), {}, NO),
    ("host", "s3:GetObject", CONFIG, {}, YES),
    ("host", "s3:PutObject", CONFIG, {}, NO),
    ("host", "s3:GetObject", f"arn:aws:s3:::{BUCKET}/packages/host.zip", {}, YES),
    ("host", "s3:GetObject", f"arn:aws:s3:::{BUCKET}/packages/functions.zip", {}, NO),
    ("host", "s3:PutObject", f"arn:aws:s3:::{BUCKET}/packages/host.zip", {}, NO),
    ("host", "logs:PutLogEvents", HOST_LOG, {}, YES),
    ("host", "logs:DeleteLogStream", HOST_LOG, {}, NO),
    ("host", "lambda:InvokeFunction", of("lambda", "function:hammer-describe-iam-user-inactive-keys"), {}, NO),
    ("looking", "iam:ListUsers", "*", {}, YES),
    ("looking", "iam:ListAccessKeys", user(account=OTHER), {}, YES),
    ("looking", "iam:UpdateAccessKey", user(account=OTHER), {}, NO),
    ("looking", "iam:ListAccessKeys", user(), {}, NO),
    ("switching", "iam:UpdateAccessKey", user(account=OTHER), {}, YES),
    ("switching", "iam:UpdateAccessKey", user(account=OTHER), {TAG: "never"}, NO),
    ("switching", "iam:UpdateAccessKey", user(account=OTHER), {TAG: "Never"}, NO),
    ("switching", "iam:DeleteAccessKey", user(account=OTHER), {}, NO),
    ("switching", "iam:ListUsers", "*", {}, NO),
    ("switching", "sts:AssumeRole", LOOKING, INSIDE, NO),
]


@pytest.mark.parametrize(
    ("who", "action", "resource", "context", "may"),
    OWN_POLICIES,
    ids=lambda value: str(value) if isinstance(value, (str, bool)) else "-".join(value),
)
def test_a_role_s_own_policies_allow(
    who: str, action: str, resource: str, context: dict[str, Any], may: bool
) -> None:
    assert Role(who).may(action, resource, **context) is may


IN_THE_KNOW = {"sts:ExternalId": EXTERNAL_ID}
ANEW = "AROA2"
SAME_NAME = "hammer-describe-iam-user-inactive-keys"

# Which role lets whom in, with what it says.
TRUST: list[tuple[str, Role, dict[str, str], bool]] = [
    ("looking", Role("scan"), IN_THE_KNOW, YES),
    # As a principal of its own it would have been refused.
    ("looking", Role("scan", id=ANEW), IN_THE_KNOW, YES),
    ("looking", Role("scan"), {}, NO),
    ("looking", Role("scan"), {"sts:ExternalId": "guessed"}, NO),
    ("looking", Role("scan", organization=ANOTHER_ORGANIZATION), IN_THE_KNOW, NO),
    ("looking", Role("scan", organization=""), IN_THE_KNOW, NO),
    ("looking", Role("host"), IN_THE_KNOW, NO),
    ("looking", Role("initiation"), IN_THE_KNOW, NO),
    ("looking", Role(f"arn:aws:iam::{MAIN}:role{PATH}administrator"), IN_THE_KNOW, NO),
    ("looking", Role(f"arn:aws:iam::{MAIN}:role/{SAME_NAME}"), IN_THE_KNOW, NO),
    ("looking", Role(f"arn:aws:iam::{MAIN}:role{PATH}{SAME_NAME}-2"), IN_THE_KNOW, NO),
    ("looking", Role(f"arn:aws:iam::{STRANGER}:role{PATH}{SAME_NAME}"), IN_THE_KNOW, NO),
    ("looking", Role(f"arn:aws:iam::{OTHER}:role{PATH}{SAME_NAME}"), IN_THE_KNOW, NO),
    ("switching", Role("host"), IN_THE_KNOW, YES),
    ("switching", Role("host", id=ANEW), IN_THE_KNOW, YES),
    ("switching", Role("host"), {}, NO),
    ("switching", Role("host", organization=ANOTHER_ORGANIZATION), IN_THE_KNOW, NO),
    ("switching", Role("scan"), IN_THE_KNOW, NO),
    ("switching", Role("looking"), IN_THE_KNOW, NO),
    ("looking", Role("scan", PLAIN, organization=""), {}, YES),
    ("looking", Role("host", PLAIN), {}, NO),
    ("switching", Role("host", PLAIN, organization=""), {}, YES),
    ("switching", Role(f"arn:aws:iam::{MAIN}:role/administrator", PLAIN), {}, NO),
]


@pytest.mark.parametrize(("trusting", "who", "context", "may"), TRUST, ids=str)
def test_a_scanned_account_s_role_lets_in(trusting: str, who: Role, context: dict[str, str], may: bool) -> None:
    assert who.is_trusted_by(trusting, **context) is may


@pytest.mark.parametrize(
    ("who", "action", "resource"),
    [
        ("initiation", "organizations:ListAccounts", "*"),
        ("host", "organizations:ListAccounts", "*"),
        ("initiation", "s3:GetObject", CONFIG),
        ("scan", "s3:GetObject", CONFIG),
        ("host", "s3:GetObject", CONFIG),
    ],
)
def test_what_no_parameter_asks_for_is_not_allowed(who: str, action: str, resource: str) -> None:
    assert Role(who).may(action, resource)
    assert not Role(who, PLAIN).may(action, resource)


@pytest.mark.parametrize("who", ["scan", "host"])
def test_without_an_organization_the_roles_of_any_account_may_be_asked(who: str) -> None:
    name = {"scan": "id", "host": "ec2"}[who]
    for context in (INSIDE, OUTSIDE, {}):
        arn = f"arn:aws:iam::{OTHER}:role/hammer-cloudsec-crossact-{name}"
        assert Role(who, PLAIN).may("sts:AssumeRole", arn, **context)


def asked(document: dict[str, Any], who: Role, action: str, resource: str, service: str, **context: Any) -> str:
    return str(evaluate_resource_policy(document, who.calls(action, resource, context), service or None).decision)


@pytest.mark.parametrize(
    ("partition", "service", "may"),
    [
        ("aws", "ec2.amazonaws.com", "Allow"),
        ("aws-us-gov", "ec2.amazonaws.com", "Allow"),
        ("aws-cn", "ec2.amazonaws.com.cn", "Allow"),
        ("aws-cn", "ec2.amazonaws.com", "ImplicitDeny"),
        ("aws", "lambda.amazonaws.com", "ImplicitDeny"),
    ],
)
def test_the_host_s_role_is_that_of_an_instance(partition: str, service: str, may: str) -> None:
    trust = stacks(partition)["reporting-remediation-host"].trust("HostRole")
    assert asked(trust, Role("host"), "sts:AssumeRole", "*", service) == may


@pytest.mark.parametrize("account", [MAIN, STRANGER])
def test_nobody_from_outside_publishes_to_the_topic_of_the_scans(account: str) -> None:
    policy = STRICT["main-account"].policy_of("DescribeTopicPolicy")
    topic = of("sns", "hammer-describe-iam-user-inactive-keys-lambda")
    who = Role(f"arn:aws:iam::{account}:role/any")
    expected = "ImplicitDeny" if account == MAIN else "Deny"
    assert asked(policy, who, "sns:Publish", topic, "") == expected


@pytest.mark.parametrize(
    ("service", "source", "may"),
    [
        ("sns.amazonaws.com", of("sns", "hammer-describe-iam-user-inactive-keys-lambda"), "Allow"),
        ("sns.amazonaws.com", of("sns", "another"), "ImplicitDeny"),
        ("events.amazonaws.com", of("events", "rule/hammer-initiate-iam-user-inactive-keys"), "Allow"),
        ("events.amazonaws.com", of("events", "rule/another"), "ImplicitDeny"),
        ("s3.amazonaws.com", f"arn:aws:s3:::{BUCKET}", "ImplicitDeny"),
    ],
)
def test_the_queue_of_failures_takes_messages_of_topic_and_schedule_only(service: str, source: str, may: str) -> None:
    policy = STRICT["main-account"].policy_of("FailuresQueuePolicy")
    who = Role(f"arn:aws:iam::{STRANGER}:role/any")
    assert asked(policy, who, "sqs:SendMessage", QUEUE, service, **{"aws:SourceArn": source}) == may


@pytest.mark.parametrize(("tls", "expected"), [("true", "ImplicitDeny"), ("false", "Deny")])
def test_the_bucket_is_asked_over_tls_only(tls: str, expected: str) -> None:
    policy = STRICT["bucket"].policy_of("BucketPolicy")
    who = Role(f"arn:aws:iam::{MAIN}:role/administrator")
    assert asked(policy, who, "s3:GetObject", CONFIG, "", **{"aws:SecureTransport": tls}) == expected


@pytest.mark.parametrize(
    ("policy", "action", "place", "may"),
    [
        ("PublishConfiguration", "s3:PutObject", "config/current.json", YES),
        ("PublishConfiguration", "s3:GetObject", "config/previous.json", YES),
        ("PublishConfiguration", "s3:PutObject", "packages/host.zip", NO),
        ("PublishConfiguration", "s3:GetObject", "packages/host.zip", NO),
        ("PublishConfiguration", "s3:PutObject", "configuration", NO),
        ("PublishConfiguration", "s3:DeleteObject", "config/current.json", NO),
        ("PublishConfiguration", "s3:DeleteObjectVersion", "config/current.json", NO),
        ("PublishConfiguration", "s3:ListBucket", "", YES),
        ("PublishConfiguration", "s3:PutBucketPolicy", "", NO),
        ("UploadPackages", "s3:PutObject", "packages/host.zip", YES),
        ("UploadPackages", "s3:GetObject", "packages/host.zip", YES),
        ("UploadPackages", "s3:PutObject", "config/current.json", NO),
        ("UploadPackages", "s3:GetObject", "config/current.json", YES),
        ("UploadPackages", "s3:DeleteObject", "packages/host.zip", NO),
        ("UploadPackages", "s3:DeleteObjectVersion", "packages/host.zip", NO),
        ("UploadPackages", "s3:ListBucket", "", YES),
        ("UploadPackages", "s3:PutBucketLogging", "", NO),
    ],
)
def test_who_writes_the_configuration_writes_no_code_and_the_other_way_round(
    policy: str, action: str, place: str, may: bool
) -> None:
    who = Role(f"arn:aws:iam::{MAIN}:role/somebody")
    resource = f"arn:aws:s3:::{BUCKET}/{place}".rstrip("/")
    document = parse_policy_document(STRICT["bucket"].policy_of(policy))
    assert (evaluate(who.calls(action, resource, {}), [document]).decision == "Allow") is may


@pytest.mark.parametrize(
    ("stack", "may"),
    [
        ("hammer-deployment", YES),
        ("hammer-iam-user-inactive-keys", YES),
        ("hammer-reporting-remediation", YES),
        ("another", NO),
    ],
)
def test_who_publishes_the_configuration_sees_who_reads_it(stack: str, may: bool) -> None:
    who = Role(f"arn:aws:iam::{MAIN}:role/somebody")
    document = parse_policy_document(STRICT["bucket"].policy_of("PublishConfiguration"))
    arn = f"arn:aws:cloudformation:{REGION}:{MAIN}:stack/{stack}/0123"
    assert (evaluate(who.calls("cloudformation:DescribeStacks", arn, {}), [document]).decision == "Allow") is may
    assert evaluate(who.calls("cloudformation:UpdateStack", arn, {}), [document]).decision != "Allow"


@pytest.mark.parametrize(
    ("service", "source", "may"),
    [
        ("logging.s3.amazonaws.com", f"arn:aws:s3:::{BUCKET}", "Allow"),
        ("logging.s3.amazonaws.com", "arn:aws:s3:::another", "ImplicitDeny"),
        ("s3.amazonaws.com", f"arn:aws:s3:::{BUCKET}", "ImplicitDeny"),
    ],
)
def test_the_log_of_the_bucket_takes_that_of_this_bucket_only(service: str, source: str, may: str) -> None:
    policy = STRICT["bucket"].policy_of("LogBucketPolicy")
    who = Role(f"arn:aws:iam::{STRANGER}:role/any")
    place = f"arn:aws:s3:::hammer-deployment-log-{MAIN}-{REGION}/2026-11-25"
    context = {"aws:SourceArn": source, "aws:SourceAccount": MAIN}
    assert asked(policy, who, "s3:PutObject", place, service, **context) == may
    assert asked(policy, who, "s3:GetObject", place, service, **context) == "ImplicitDeny"


@pytest.fixture
def linter(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """parliament, which asks setuptools where its files are. The setuptools of today do not say that any more."""
    resources = ModuleType("pkg_resources")
    resources.resource_filename = lambda package, name: str(files(package) / name)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pkg_resources", resources)
    return importlib.import_module("parliament")


@pytest.mark.parametrize("estate", [STRICT, PLAIN], ids=["all parameters", "no parameters"])
def test_a_policy_linter_finds_nothing_in_any_policy(estate: dict[str, Stack], linter: ModuleType) -> None:
    documents = [document for place, role in ROLES.values() for document in estate[place].policies(role)]
    of_resources = [
        ("main-account", "DescribeTopicPolicy"),
        ("main-account", "FailuresQueuePolicy"),
        ("bucket", "BucketPolicy"),
        ("bucket", "LogBucketPolicy"),
        ("bucket", "PublishConfiguration"),
        ("bucket", "UploadPackages"),
    ]
    documents += [estate[place].policy_of(name) for place, name in of_resources]
    for document in documents:
        found = linter.analyze_policy_string(json.dumps(document)).findings
        assert [f"{one.issue} {one.detail}" for one in found] == [], document


def test_the_policy_linter_finds_what_it_is_for(linter: ModuleType) -> None:
    statement = {"Effect": "Allow", "Action": "iam:UpdateAccessKey", "Resource": "arn:aws:s3:::bucket"}
    document = json.dumps({"Version": "2012-10-17", "Statement": statement})
    assert [one.issue for one in linter.analyze_policy_string(document).findings] == ["RESOURCE_MISMATCH"]


def _simulated(*statements: dict[str, Any], context: dict[str, Any], resource: str = user()) -> str:
    document = parse_policy_document({"Statement": list(statements)})
    return str(evaluate(Role("host").calls("iam:UpdateAccessKey", resource, context), [document]).decision)


ALLOW = {"Effect": "Allow", "Action": "*", "Resource": "*"}


def _if(operator: str, key: str, value: object) -> dict[str, Any]:
    return {**ALLOW, "Condition": {operator: {key: value}}}


@pytest.mark.parametrize(
    ("statements", "context", "decision"),
    [
        ([], {}, "ImplicitDeny"),
        ([ALLOW], {}, "Allow"),
        ([ALLOW, {**ALLOW, "Effect": "Deny"}], {}, "Deny"),
        ([{**ALLOW, "Effect": "Deny"}, ALLOW], {}, "Deny"),
        ([ALLOW, {**_if("StringEquals", "x:y", "z"), "Effect": "Deny"}], {"x:y": "other"}, "Allow"),
        # Case matters in a resource and not in an action.
        ([{**ALLOW, "Action": "IAM:updateaccesskey"}], {}, "Allow"),
        ([{**ALLOW, "Resource": user("JOE")}], {}, "ImplicitDeny"),
        ([{**ALLOW, "Action": "iam:Update*"}], {}, "Allow"),
        ([{**ALLOW, "Action": "iam:Update?"}], {}, "ImplicitDeny"),
        ([{**ALLOW, "Resource": user("jo?")}], {}, "Allow"),
        # A key that is not there: false, but for the three ways to say otherwise.
        ([_if("StringEquals", "x:y", "z")], {}, "ImplicitDeny"),
        ([_if("StringEqualsIfExists", "x:y", "z")], {}, "Allow"),
        ([_if("StringNotEquals", "x:y", "z")], {}, "Allow"),
        ([_if("ForAllValues:StringEquals", "x:y", "z")], {}, "Allow"),
        ([_if("ForAnyValue:StringEquals", "x:y", "z")], {}, "ImplicitDeny"),
        ([_if("StringEqualsIfExists", "x:y", "z")], {"x:y": "other"}, "ImplicitDeny"),
        ([_if("ForAllValues:StringEquals", "x:y", ["a", "b"])], {"x:y": ["a", "b"]}, "Allow"),
        ([_if("ForAllValues:StringEquals", "x:y", ["a", "b"])], {"x:y": ["a", "c"]}, "ImplicitDeny"),
        ([_if("ForAnyValue:StringEquals", "x:y", ["a", "b"])], {"x:y": ["a", "c"]}, "Allow"),
        ([_if("StringEquals", "x:y", ["a", "b"])], {"x:y": "b"}, "Allow"),
        ([_if("StringEqualsIgnoreCase", "x:y", "Z")], {"X:Y": "z"}, "Allow"),
        ([_if("StringLike", "x:y", "a*c")], {"x:y": "abc"}, "Allow"),
        ([_if("StringEquals", "x:y", "a*c")], {"x:y": "abc"}, "ImplicitDeny"),
        ([_if("ArnLike", "x:y", "arn:aws:iam::*:role/a")], {"x:y": "arn:aws:iam::1:role/a"}, "Allow"),
        ([_if("ArnEquals", "x:y", "arn:aws:iam::1:role/a")], {"x:y": "arn:aws:iam::1:role/A"}, "ImplicitDeny"),
        ([_if("Null", "aws:MultiFactorAuthPresent", "true")], {}, "Allow"),
        ([_if("Bool", "aws:MultiFactorAuthPresent", "true")], {}, "ImplicitDeny"),
    ],
)
def test_the_simulation_decides_as_iam_does(
    statements: list[dict[str, Any]], context: dict[str, Any], decision: str
) -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html, and its chapter on
    condition operators.
    """
    assert _simulated(*statements, context=context) == decision
