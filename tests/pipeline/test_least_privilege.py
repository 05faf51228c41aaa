"""The templates' policies are enough for everything that runs, and no statement of them is too much."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
import sys
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.loaders import JSONFileLoader
from cfnlint.decode import decode  # type: ignore[import-untyped]
from click.testing import CliRunner

from deployment.build_packages import build
from deployment.local.embedded_aws import MAIN_ACCOUNT, REGION, TEMPLATE, EmbeddedAws
from deployment.local.estate import IDENTIFICATION, INITIATION, REMEDIATION, REPORTING
from deployment.local.slack_stand_in import DEFAULT_TOKEN, SlackStandIn
from library.aws import permissions
from library.aws.permissions import NO_KEY
from library.aws.state_table import state_table_name
from library.cli import wiring
from library.config.loading import load
from library.errors import HammerError
from library.issues.row import to_item
from tests.builders import long_closed
from tests.pipeline.conftest import HOST_LOG_GROUP
from tests.world import HANDLERS, OTHER, SECRET, TABLE
from tests.world.table import serialized

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path
    from types import ModuleType


CONFIGURATION = "hammer-configuration"
PACKAGE_KEY = "packages/hammer-reporting-remediation.zip"
EXTERNAL_ID = "open-sesame"
PATH = "/security/hammer/"
OLD = long_closed(datetime.now(UTC), account_id=MAIN_ACCOUNT)
HOST = "hammer-reporting-remediation"
PAGE = "reporting.inactive_keys_report"
PROTECTED = {"break-glass": "never", "auditor": "Never"}
"""Users, each with the value of the tag `hammer`."""
OTHERWISE_TAGGED = "another"
LOOKING, SWITCHING = "hammer-cloudsec-crossact-id", "hammer-cloudsec-crossact-ec2"
ROLES = {
    ("main-account.yaml", "InitiationRole"): (MAIN_ACCOUNT, INITIATION),
    ("main-account.yaml", "IdentificationRole"): (MAIN_ACCOUNT, IDENTIFICATION),
    ("reporting-remediation-host.yaml", "HostRole"): (MAIN_ACCOUNT, HOST),
    ("scanned-account-roles.yaml", "IdentificationRole"): (OTHER, LOOKING),
    ("scanned-account-roles.yaml", "ReportingRole"): (OTHER, SWITCHING),
}


@dataclass(frozen=True)
class Statement:
    """A statement of a deployed role's policy, by its Sid."""

    account: str
    role: str
    policy: str
    sid: str

    def __str__(self) -> str:
        return f"{self.role} {self.sid}"


def _sids(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if "Sid" in node:
            yield str(node["Sid"])
        for one in node.values():
            yield from _sids(one)
    elif isinstance(node, list):
        for one in node:
            yield from _sids(one)


def _statements() -> Iterator[Statement]:
    """Every statement that any role of any template has, those under a condition included."""
    for file in sorted({file for file, _ in ROLES}):
        template, _ = decode(str(TEMPLATE.with_name(file)))
        for name, resource in template["Resources"].items():
            properties = resource.get("Properties", {})
            if resource["Type"] == "AWS::IAM::Role":
                for policy in properties["Policies"]:
                    for sid in _sids(policy):
                        yield Statement(*ROLES[file, name], policy["PolicyName"], sid)
            elif resource["Type"] == "AWS::IAM::Policy":
                for role in properties["Roles"]:
                    for sid in _sids(properties["PolicyDocument"]):
                        yield Statement(*ROLES[file, role["Ref"]], properties["PolicyName"], sid)


class Denied(AssertionError):
    """Something that has to work did not."""


class Deployment:
    """The deployed templates, and everything that runs under their roles."""

    def __init__(self, aws: EmbeddedAws, folder: Path) -> None:
        self.aws = aws
        self.folder = folder
        self._clients: dict[tuple[str, str], Any] = {}
        self.keys: dict[str, str] = {}
        self.found_by_the_pipeline: list[dict[str, Any]] = []
        self.scanned_by_the_pipeline: list[dict[str, Any]] = []

    def root(self, service: str, account: str = MAIN_ACCOUNT) -> Any:
        """A client of an account's root, whom no policy binds."""
        return self._client(service, {"aws_access_key_id": account, "aws_secret_access_key": "any"})

    def acting_as(self, service: str, role: str) -> Any:
        """A client of a role of the main account."""
        return self._client(service, self._session(role))

    def in_the_scanned_account(self, service: str, role: str) -> Any:
        """A client of a scanned account's role, assumed by the role that it trusts."""
        trusted = IDENTIFICATION if role == LOOKING else HOST
        credentials = self.acting_as("sts", trusted).assume_role(
            RoleArn=ROLE + role, RoleSessionName="test", ExternalId=EXTERNAL_ID
        )["Credentials"]
        return self._client(service, _as_arguments(credentials))

    def _client(self, service: str, credentials: dict[str, str]) -> Any:
        # A client is expensive to make. What it may do is decided again at each call.
        place = (service, credentials["aws_access_key_id"])
        if place not in self._clients:
            session = boto3.Session(region_name=REGION, **credentials)  # type: ignore[arg-type]
            endpoint = self.aws.environment()["AWS_ENDPOINT_URL"]
            self._clients[place] = session.client(service, endpoint_url=endpoint)  # type: ignore[call-overload]
        return self._clients[place]

    @cache  # noqa: B019
    def _session(self, role: str) -> dict[str, str]:
        arn = f"arn:aws:iam::{MAIN_ACCOUNT}:role/{role}"
        # Root stands in for the service that the role trusts.
        return _as_arguments(self.root("sts").assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"])

    def become(self, role: str, patch: pytest.MonkeyPatch, source: str) -> None:
        """Give this process the role's credentials and where the configuration is, as its machine has them."""
        for name, value in self.aws.environment().items():
            patch.setenv(name, value)
        # It keeps the credentials that it was made with.
        patch.setattr(boto3, "DEFAULT_SESSION", None)
        for name, value in self._session(role).items():
            patch.setenv(name.upper(), value)
        patch.setenv("HAMMER_CONFIG", source)

    def run_the_pipeline(self) -> None:
        """Let the schedule start the deployed functions; what follows is done in this process, which is faster."""
        self.aws.invoke_schedule()
        self.aws.wait_for(lambda: len(self._rows()) == len(self.keys), "the scans", seconds=120)
        self.found_by_the_pipeline = self._rows()
        # A row is written as soon as its key is found, the state at the end of the scan.
        self.aws.wait_for(lambda: len(self._states()) == len(self.keys), "the scans' ends", seconds=120)
        self.scanned_by_the_pipeline = self._states()
        sns = self.root("sns")
        for one in sns.list_subscriptions()["Subscriptions"]:
            sns.unsubscribe(SubscriptionArn=one["SubscriptionArn"])

    def _states(self) -> list[dict[str, Any]]:
        states = self.root("dynamodb").scan(TableName=state_table_name(TABLE))["Items"]
        return [state for state in states if state["id"]["S"].startswith("scan#")]

    def _rows(self) -> list[dict[str, Any]]:
        return list(self.root("dynamodb").scan(TableName=TABLE)["Items"])

    @contextmanager
    def without(self, statement: Statement) -> Iterator[None]:
        """Take one statement out of a role's policy, for a while."""
        iam = self.root("iam", statement.account)
        policy = {"RoleName": statement.role, "PolicyName": statement.policy}
        document = iam.get_role_policy(**policy)["PolicyDocument"]
        rest = [one for one in document["Statement"] if one["Sid"] != statement.sid]
        assert len(rest) == len(document["Statement"]) - 1
        if rest:
            iam.put_role_policy(**policy, PolicyDocument=json.dumps(document | {"Statement": rest}))
        else:
            iam.delete_role_policy(**policy)
        try:
            yield
        finally:
            iam.put_role_policy(**policy, PolicyDocument=json.dumps(document))

    def start_anew(self, issues: Sequence[dict[str, Any]] = (), states: Sequence[dict[str, Any]] = ()) -> None:
        """Leave nothing but these issues and states in the tables, and switch all keys on."""
        table = self.root("dynamodb")
        for item in self._rows():
            table.delete_item(TableName=TABLE, Key={name: item[name] for name in ("account_id", "issue_id")})
        for item in table.scan(TableName=state_table_name(TABLE))["Items"]:
            table.delete_item(TableName=state_table_name(TABLE), Key={"id": item["id"]})
        for item in issues:
            table.put_item(TableName=TABLE, Item=item)
        for item in states:
            table.put_item(TableName=state_table_name(TABLE), Item=item)
        for account, key in self.keys.items():
            self.root("iam", account).update_access_key(UserName="idle", AccessKeyId=key, Status="Active")

    def statuses(self) -> set[str]:
        """The status of the idle keys of both accounts."""
        return {
            key["Status"]
            for account in self.keys
            for key in self.root("iam", account).list_access_keys(UserName="idle")["AccessKeyMetadata"]
        }

    # ---- What runs under each role, with its very code. Each raises if it does not do all of its work. ----

    def initiation(self) -> None:
        """The initiation function."""
        with pytest.MonkeyPatch.context() as patch:
            self.become(INITIATION, patch, f"s3://{CONFIGURATION}/hammer")
            arn = f"arn:aws:sns:{REGION}:{MAIN_ACCOUNT}:hammer-describe-iam-user-inactive-keys-lambda"
            patch.setenv("SNS_ARN", arn)
            _handler("initiate_to_desc_iam_access_keys").initiate()
        self._whether_a_file_is_there(INITIATION)
        self._what_lambda_does(INITIATION)

    def identification(self) -> None:
        """The identification function, in the main account and in a scanned one."""
        with pytest.MonkeyPatch.context() as patch:
            self.become(IDENTIFICATION, patch, f"s3://{CONFIGURATION}/hammer")
            module = _handler("describe_iam_accesskey_details")
            for account in self.keys:
                found = module.identify(account, "name", module.datetime.now(module.UTC))
                assert (found.idle_keys, found.opened) == (1, 1)
        if OLD.issue_id in {row["issue_id"]["S"] for row in self._rows()}:
            raise Denied("a closed issue stays where each scan reads it")
        self._whether_a_file_is_there(IDENTIFICATION)
        self._what_lambda_does(IDENTIFICATION)

    def _what_lambda_does(self, role: str) -> None:
        """Lambda writes a function's log, and hands on what failed permanently, with the function's role."""
        self._log(role, f"/aws/lambda/{role}")
        queue = self.root("sqs").get_queue_url(QueueName="hammer-iam-user-inactive-keys-failures")["QueueUrl"]
        self.acting_as("sqs", role).send_message(QueueUrl=queue, MessageBody="{}")

    def _whether_a_file_is_there(self, role: str) -> None:
        # AWS asks for this permission before it says that an object does not exist; ministack does not.
        self.acting_as("s3", role).list_objects_v2(Bucket=CONFIGURATION, Prefix="hammer/whitelist.json")

    def _log(self, role: str, group: str) -> None:
        logs = self.acting_as("logs", role)
        stream = f"test-{uuid.uuid4()}"
        logs.create_log_stream(logGroupName=group, logStreamName=stream)
        logs.put_log_events(
            logGroupName=group, logStreamName=stream, logEvents=[{"timestamp": 1_795_000_000_000, "message": "test"}]
        )

    def host(self) -> None:
        """The host: what its bootstrap fetches, both of its jobs, and the report."""
        with pytest.MonkeyPatch.context() as patch:
            self.become(HOST, patch, str(self.folder))
            load(f"s3://{CONFIGURATION}/hammer")
            self._whether_a_file_is_there(HOST)
            settings = load()
            access = wiring.account_access(settings)
            for account in self.keys:
                if refusals := permissions.of_remediation(access, account, "name", ["idle"]):
                    raise Denied(str(refusals))
            name = settings.inactive_keys.table_name
            if refusals := permissions.of_table(access, name) + permissions.of_state(access, name):
                raise Denied(str(refusals))
            self.acting_as("s3", HOST).get_object(Bucket=f"hammer-deployment-{MAIN_ACCOUNT}", Key=PACKAGE_KEY)
            before = self._host_lines()
            for module, *arguments in ((REPORTING,), (PAGE, "--format", "json"), (REMEDIATION, "--batch")):
                run = CliRunner().invoke(importlib.import_module(module).main, arguments)
                if run.exit_code:
                    raise Denied(f"{module} ended with code {run.exit_code}\n{run.output}")
            if self._host_lines() == before:
                raise Denied("nothing came into the host's log group")
        assert self.statuses() == {"Inactive"}
        self._protected_users()
        self._session_manager()

    def _protected_users(self) -> None:
        """Keys of users with the tag are not switched, off or on, by either role; of such a key, none need exist."""
        for client in (self.acting_as("iam", HOST), self.in_the_scanned_account("iam", SWITCHING)):
            for user in PROTECTED:
                for status in ("Inactive", "Active"):
                    switch = partial(client.update_access_key, UserName=user, AccessKeyId=NO_KEY, Status=status)
                    if not refused(switch):
                        raise Denied(f"the key of {user} could be set to {status}")
            # Allowed: there is no such key.
            with pytest.raises(client.exceptions.NoSuchEntityException):
                client.update_access_key(UserName=OTHERWISE_TAGGED, AccessKeyId=NO_KEY, Status="Inactive")

    def _host_lines(self) -> int:
        return len(self.root("logs").filter_log_events(logGroupName=HOST_LOG_GROUP)["events"])

    def _session_manager(self) -> None:
        # These calls are the agent's: no client offers them, so IAM's own simulator is asked.
        actions = ["ssm:UpdateInstanceInformation"]
        actions += [f"ssmmessages:{do}{kind}Channel" for do in ("Create", "Open") for kind in ("Control", "Data")]
        answers = self.root("iam").simulate_principal_policy(
            PolicySourceArn=f"arn:aws:iam::{MAIN_ACCOUNT}:role/{HOST}", ActionNames=actions
        )["EvaluationResults"]
        if {one["EvalActionName"] for one in answers if one["EvalDecision"] == "allowed"} != set(actions):
            raise Denied("Session Manager")

    def prepare(self, role: str) -> Callable[[], None]:
        """Make the estate ready for what needs this role, directly or by assuming it, and return that."""
        if role == INITIATION:
            return self.initiation
        if role in (IDENTIFICATION, LOOKING):
            self.start_anew([serialized(to_item(OLD))])
            return self.identification
        self.start_anew(self.found_by_the_pipeline, self.scanned_by_the_pipeline)
        return self.host


def _as_arguments(credentials: dict[str, str]) -> dict[str, str]:
    return {
        "aws_access_key_id": credentials["AccessKeyId"],
        "aws_secret_access_key": credentials["SecretAccessKey"],
        "aws_session_token": credentials["SessionToken"],
    }


def _handler(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"least_privilege_{name}", HANDLERS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # A dataclass looks its module up.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def _settings(slack: str) -> dict[str, Any]:
    return {
        "aws": {
            "region": REGION,
            "main_account_id": MAIN_ACCOUNT,
            "external_id": EXTERNAL_ID,
            "role_path": PATH,
            "accounts": {MAIN_ACCOUNT: "master", OTHER: "slave1"},
            "accounts_from_organization": True,
        },
        "slack": {"enabled": True, "base_url": f"{slack}/api/"},
        "user_inactivekeys": {
            "accounts": [MAIN_ACCOUNT, OTHER],
            "remediation_accounts": [MAIN_ACCOUNT, OTHER],
            "inactive_criteria_days": 90,
            "reporting": True,
            "remediation": True,
        },
    }


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """All templates, deployed into an AWS that asks for permissions, and an idle key in each of two accounts."""
    folder = tmp_path_factory.mktemp("config")
    package = build(None, tmp_path_factory.mktemp("package"))
    with pytest.MonkeyPatch.context() as patch, EmbeddedAws(permissions=True) as aws, SlackStandIn() as slack:
        # Each session reads botocore's data again, which is most of what these tests would take.
        patch.setattr(JSONFileLoader, "_load_file", cache(JSONFileLoader._load_file))  # type: ignore[attr-defined]
        deployment = Deployment(aws, folder)
        settings = json.dumps(_settings(slack.url))
        (folder / "config.json").write_text(settings)
        (folder / "ticket_owners.json").write_text(json.dumps({"slack_owner": ["bob"]}))
        (folder / "config.ini").write_text(f"LOG_GROUP={HOST_LOG_GROUP}\n")
        s3 = deployment.root("s3")
        s3.create_bucket(Bucket=CONFIGURATION, CreateBucketConfiguration={"LocationConstraint": REGION})
        s3.put_object(Bucket=CONFIGURATION, Key="hammer/config.json", Body=settings.encode())
        organization = {
            "AccountsFromOrganization": "true",
            "ConfigSource": f"s3://{CONFIGURATION}/hammer",
            "RolePath": PATH,
        }
        outputs = aws.deploy(package, organization)
        bucket = f"hammer-deployment-{MAIN_ACCOUNT}"
        s3.put_object(Bucket=bucket, Key=PACKAGE_KEY, Body=b"")
        secret = json.dumps({"slack": {"api_token": DEFAULT_TOKEN}})
        deployment.root("secretsmanager").put_secret_value(SecretId=SECRET, SecretString=secret)
        ec2 = deployment.root("ec2")
        subnet = ec2.describe_subnets()["Subnets"][0]
        host = aws.create_stack(
            HOST,
            TEMPLATE.with_name("reporting-remediation-host.yaml"),
            organization
            | {
                "VpcId": subnet["VpcId"],
                "SubnetId": subnet["SubnetId"],
                "ArtifactBucket": bucket,
                "HostPackageKey": PACKAGE_KEY,
                "HostPackageDigest": hashlib.sha256(b"").hexdigest(),
                "OperatorsTopicArn": outputs["OperatorsTopicArn"],
                # The only one of these images that ministack knows.
                "ImageId": "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64",
            },
        )
        trusted = {
            "IdentificationRoleArn": outputs["IdentificationRoleArn"],
            "ReportingRoleArn": host["ReportingRoleArn"],
            "ExternalId": EXTERNAL_ID,
            "RolePath": PATH,
        }
        cloudformation = deployment.root("cloudformation", OTHER)
        cloudformation.create_stack(
            StackName="roles",
            TemplateBody=TEMPLATE.with_name("scanned-account-roles.yaml").read_text(),
            Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in trusted.items()],
            Capabilities=["CAPABILITY_NAMED_IAM"],
        )
        cloudformation.get_waiter("stack_create_complete").wait(StackName="roles", WaiterConfig={"Delay": 1})
        for account in (MAIN_ACCOUNT, OTHER):
            iam = deployment.root("iam", account)
            iam.create_user(UserName="idle")
            for user, value in {**PROTECTED, OTHERWISE_TAGGED: "later"}.items():
                iam.create_user(UserName=user, Tags=[{"Key": "hammer", "Value": value}])
            deployment.keys[account] = iam.create_access_key(UserName="idle")["AccessKey"]["AccessKeyId"]
        deployment.run_the_pipeline()
        yield deployment


def test_the_deployed_functions_scan_all_accounts_under_their_own_roles(deployment: Deployment) -> None:
    found = {(row["account_id"]["S"], row["issue_id"]["S"]) for row in deployment.found_by_the_pipeline}
    assert found == set(deployment.keys.items())


@pytest.mark.parametrize("role", [INITIATION, IDENTIFICATION, HOST])
def test_a_role_may_do_all_that_its_machine_does(deployment: Deployment, role: str) -> None:
    deployment.prepare(role)()


@pytest.mark.filterwarnings("ignore::watchtower.WatchtowerWarning")
@pytest.mark.parametrize("statement", list(_statements()), ids=str)
def test_no_statement_can_be_spared(
    deployment: Deployment, statement: Statement, caplog: pytest.LogCaptureFixture
) -> None:
    work = deployment.prepare(statement.role)
    with deployment.without(statement), pytest.raises((HammerError, ClientError, Denied)) as failure:
        work()
    said = f"{failure.value}{caplog.text}"
    assert isinstance(failure.value, Denied) or re.search("(?i)denied|AuthorizationError|not authorized", said), said


ROLE = f"arn:aws:iam::{OTHER}:role{PATH}"
KEY = {"UserName": "idle", "AccessKeyId": "AKIAIOSFODNN7EXAMPLE"}
ROW = {"account_id": {"S": MAIN_ACCOUNT}, "issue_id": {"S": "AKIAIOSFODNN7EXAMPLE"}}
OF_NOBODY = {"RoleSessionName": "test", "ExternalId": EXTERNAL_ID}
SWITCH_OFF = ("iam", "update_access_key", {**KEY, "Status": "Inactive"})
# What none of the roles may do, wherever it acts.
NEVER: list[tuple[str, str, dict[str, Any]]] = [
    ("iam", "delete_access_key", KEY),
    ("iam", "create_access_key", {"UserName": "idle"}),
    ("iam", "delete_user", {"UserName": "idle"}),
    ("iam", "attach_user_policy", {"UserName": "idle", "PolicyArn": "arn:aws:iam::aws:policy/AdministratorAccess"}),
    ("iam", "put_role_policy", {"RoleName": HOST, "PolicyName": "more", "PolicyDocument": "{}"}),
    ("iam", "update_assume_role_policy", {"RoleName": HOST, "PolicyDocument": "{}"}),
    ("dynamodb", "delete_table", {"TableName": TABLE}),
    ("dynamodb", "scan", {"TableName": TABLE}),
    ("s3", "list_buckets", {}),
    ("s3", "put_object", {"Bucket": CONFIGURATION, "Key": "hammer/whitelist.json", "Body": b"{}"}),
    ("s3", "delete_object", {"Bucket": CONFIGURATION, "Key": "hammer/config.json"}),
    ("secretsmanager", "put_secret_value", {"SecretId": SECRET, "SecretString": "{}"}),
    ("logs", "delete_log_group", {"logGroupName": HOST_LOG_GROUP}),
    ("logs", "delete_log_stream", {"logGroupName": HOST_LOG_GROUP, "logStreamName": "any"}),
    ("lambda", "update_function_code", {"FunctionName": IDENTIFICATION, "ZipFile": b""}),
    ("sts", "assume_role", {"RoleArn": f"{ROLE}OrganizationAccountAccessRole", **OF_NOBODY}),
]
OF_THE_HOST: list[tuple[str, str, dict[str, Any]]] = [
    ("secretsmanager", "get_secret_value", {"SecretId": SECRET}),
    ("sts", "assume_role", {"RoleArn": ROLE + SWITCHING, **OF_NOBODY}),
    SWITCH_OFF,
]
OF_THE_SCAN: list[tuple[str, str, dict[str, Any]]] = [
    ("dynamodb", "delete_item", {"TableName": TABLE, "Key": ROW}),
    ("dynamodb", "put_item", {"TableName": TABLE, "Item": ROW}),
    ("sts", "assume_role", {"RoleArn": ROLE + LOOKING, **OF_NOBODY}),
]
OF_THE_TABLE: list[tuple[str, str, dict[str, Any]]] = [
    ("dynamodb", "update_item", {"TableName": TABLE, "Key": ROW}),
    ("dynamodb", "get_item", {"TableName": TABLE, "Key": ROW}),
]
OF_THE_STATES: list[tuple[str, str, dict[str, Any]]] = [
    ("dynamodb", "put_item", {"TableName": state_table_name(TABLE), "Item": {"id": {"S": "lease"}}}),
    ("dynamodb", "delete_item", {"TableName": state_table_name(TABLE), "Key": {"id": {"S": "lease"}}}),
]
FORBIDDEN = {
    INITIATION: [*NEVER, *OF_THE_HOST, *OF_THE_SCAN, *OF_THE_TABLE, ("iam", "list_users", {})],
    IDENTIFICATION: [*NEVER, *OF_THE_HOST],
    HOST: [*NEVER, *OF_THE_SCAN, ("iam", "list_users", {}), *OF_THE_STATES],
    LOOKING: [*NEVER, *OF_THE_HOST, *OF_THE_SCAN, *OF_THE_TABLE],
    SWITCHING: [
        *NEVER,
        *OF_THE_SCAN,
        ("iam", "list_users", {}),
        *OF_THE_TABLE,
        ("secretsmanager", "get_secret_value", {"SecretId": SECRET}),
    ],
}


def refused(call: Callable[[], object]) -> bool:
    try:
        call()
    except ClientError as error:
        return error.response["Error"]["Code"] in ("AccessDenied", "AccessDeniedException", "AuthorizationError")
    return False


@pytest.mark.parametrize("role", FORBIDDEN)
def test_a_role_may_do_nothing_else(deployment: Deployment, role: str) -> None:
    client = deployment.in_the_scanned_account if role in (LOOKING, SWITCHING) else deployment.acting_as
    allowed = [
        f"{service}:{call}"
        for service, call, parameters in FORBIDDEN[role]
        if not refused(partial(getattr(client(service, role), call), **parameters))
    ]
    assert allowed == []


@pytest.mark.parametrize(
    ("role", "trusted", "other"), [(LOOKING, IDENTIFICATION, HOST), (SWITCHING, HOST, IDENTIFICATION)]
)
def test_a_role_of_a_scanned_account_trusts_one_role_that_knows_the_external_id(
    deployment: Deployment, role: str, trusted: str, other: str
) -> None:
    def asks(sts: Any, **external: str) -> bool:
        return not refused(lambda: sts.assume_role(RoleArn=ROLE + role, RoleSessionName="test", **external))

    known = {"ExternalId": EXTERNAL_ID}
    assert asks(deployment.acting_as("sts", trusted), **known)
    assert not asks(deployment.acting_as("sts", trusted))
    assert not asks(deployment.acting_as("sts", trusted), ExternalId="guessed")
    assert not asks(deployment.acting_as("sts", other), **known)
    assert not asks(deployment.acting_as("sts", INITIATION), **known)
    assert not asks(deployment.root("sts"), **known)
    assert not asks(deployment.root("sts", "333333333333"), **known)
