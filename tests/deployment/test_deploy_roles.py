"""The StackSet with the roles of the scanned accounts: made, brought to what is new, and what failed is told."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import boto3
import click
import pytest
from click.testing import CliRunner, Result

from deployment import deploy_roles, stacks
from deployment.roles import STACK_SET
from library.config.loading import load
from tests.wire import Wire, answer, failure, form

if TYPE_CHECKING:
    from pathlib import Path

    from botocore.awsrequest import AWSPreparedRequest, AWSResponse
    from mypy_boto3_cloudformation import CloudFormationClient

    from library.config.settings import Config


MAIN, FIRST, SECOND = "123456789012", "210987654321", "321098765432"
OUTPUTS = {
    stacks.MAIN_STACK: {"IdentificationRoleArn": f"arn:aws:iam::{MAIN}:role/hammer-describe-iam-user-inactive-keys"},
    stacks.HOST_STACK: {"ReportingRoleArn": f"arn:aws:iam::{MAIN}:role/hammer-reporting-remediation"},
}


@pytest.fixture
def folder(scanned: object, tmp_path: Path) -> Path:
    """A configuration of three accounts; both stacks of the main account are there, with what is read of them."""
    configure(tmp_path, FIRST, SECOND)
    for stack in OUTPUTS:
        make(stack)
    return tmp_path


@pytest.fixture
def without_host(scanned: object, tmp_path: Path) -> Path:
    """The same before the host is deployed."""
    configure(tmp_path, FIRST, SECOND)
    make(stacks.MAIN_STACK)
    return tmp_path


def make(stack: str) -> None:
    template = {
        "Resources": {"Any": {"Type": "AWS::SNS::Topic"}},
        "Outputs": {name: {"Value": value} for name, value in OUTPUTS[stack].items()},
    }
    boto3.Session().client("cloudformation").create_stack(StackName=stack, TemplateBody=json.dumps(template))


def configure(folder: Path, *accounts: str) -> None:
    main = {
        "aws": {
            "region": "eu-west-1",
            "main_account_id": MAIN,
            "accounts": {account: f"name of {account}" for account in (MAIN, *accounts)},
            "external_id": "agreed",
        },
        "user_inactivekeys": {"inactive_criteria_days": 90},
    }
    (folder / "config.json").write_text(json.dumps(main))


def run(folder: Path, *arguments: str, answers: str = "") -> Result:
    result = CliRunner().invoke(deploy_roles.main, [str(folder), *arguments], input=answers)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def parameters() -> dict[str, str]:
    stack_set = boto3.Session().client("cloudformation").describe_stack_set(StackSetName=STACK_SET)["StackSet"]
    return {one["ParameterKey"]: one["ParameterValue"] for one in stack_set["Parameters"]}


def accounts_with_the_roles() -> set[str]:
    client = boto3.Session().client("cloudformation")
    return {one["Account"] for one in client.list_stack_instances(StackSetName=STACK_SET)["Summaries"]}


def adding(client: CloudFormationClient, settings: Config) -> click.Command:
    """What a deployment of the host ends with, as a command, for its answers and its output."""
    return click.Command("add", callback=lambda: deploy_roles.add_the_host(client, settings, ask=True))


def accounts_of(request: AWSPreparedRequest) -> set[str]:
    return {value for name, value in form(request).items() if name.startswith("Accounts.member.")}


def role_names(account: str) -> set[str]:
    role = f"arn:aws:iam::{account}:role/administrator"
    credentials = boto3.Session().client("sts").assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
    iam = boto3.Session().client(
        "iam",
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"],
    )
    return {role["RoleName"] for role in iam.list_roles()["Roles"]}


def test_the_roles_come_to_every_account_but_the_main_one_and_to_new_ones_when_run_again(
    folder: Path, wire: Wire
) -> None:
    brought_to = []
    wire.react("CreateStackInstances", lambda request: brought_to.append(accounts_of(request)))
    configure(folder, FIRST)
    made = run(folder, answers="y\n")
    assert made.exit_code == 0, made.output
    assert accounts_with_the_roles() == {FIRST}
    assert role_names(FIRST) == {"hammer-cloudsec-crossact-id", "hammer-cloudsec-crossact-ec2"}
    configure(folder, FIRST, SECOND)
    shown = run(folder, answers="n\n")
    assert [line.split() for line in shown.output.splitlines()[1:3]] == [[FIRST, "updated"], [SECOND, "new"]]
    assert "Nothing was changed" in shown.output
    assert accounts_with_the_roles() == {FIRST}
    assert run(folder, "--yes").exit_code == 0
    assert accounts_with_the_roles() == {FIRST, SECOND}
    assert brought_to == [{FIRST}, {SECOND}]
    assert parameters() == {
        **OUTPUTS[stacks.MAIN_STACK],
        **OUTPUTS[stacks.HOST_STACK],
        "RoleNameIdentification": "hammer-cloudsec-crossact-id",
        "RoleNameReporting": "hammer-cloudsec-crossact-ec2",
        "ExternalId": "agreed",
        "RolePath": "",
    }
    stack_set = boto3.Session().client("cloudformation").describe_stack_set(StackSetName=STACK_SET)["StackSet"]
    assert stack_set["PermissionModel"] == "SELF_MANAGED"


def test_without_a_host_no_account_gets_a_role_that_switches_keys_until_there_is_one(without_host: Path) -> None:
    made = run(without_host, answers="y\n")
    assert made.exit_code == 0, made.output
    assert "There is no host yet" in made.output
    assert role_names(FIRST) == {"hammer-cloudsec-crossact-id"}
    client, settings = boto3.Session().client("cloudformation"), load(str(without_host))
    make(stacks.HOST_STACK)

    def add(answer: str) -> str:
        return CliRunner().invoke(adding(client, settings), [], input=answer).output

    assert "until `make deploy-roles`" in add("n\n")
    assert parameters()["ReportingRoleArn"] == ""
    assert [line.split() for line in add("y\n").splitlines()[1:3]] == [[FIRST, "updated"], [SECOND, "updated"]]
    assert parameters()["ReportingRoleArn"] == OUTPUTS[stacks.HOST_STACK]["ReportingRoleArn"]
    assert add("") == "", "nothing is left to do"


def test_the_host_asks_for_no_roles_where_none_were_deployed(folder: Path, wire: Wire) -> None:
    def refuse(request: AWSPreparedRequest) -> AWSResponse | None:
        # So AWS answers an account that is no delegated administrator.
        return failure("ValidationError") if form(request)["CallAs"] == "DELEGATED_ADMIN" else None

    client = boto3.Session().client("cloudformation")
    assert CliRunner().invoke(adding(client, load(str(folder))), []).output == ""
    wire.react("DescribeStackSet", refuse)
    assert CliRunner().invoke(adding(client, load(str(folder))), []).output == ""
    assert wire.sent.count("DescribeStackSet") == 4


def test_the_roles_have_the_path_of_the_configuration_and_the_main_stack_s_organization_boundary_and_tags(
    folder: Path,
) -> None:
    client = boto3.Session().client("cloudformation")
    given = {"OrganizationId": "o-abcdefghij", "PermissionsBoundary": "security/limit"}
    template = dict(client.get_template(StackName=stacks.MAIN_STACK)["TemplateBody"])
    template["Parameters"] = {name: {"Type": "String", "Default": ""} for name in given}
    client.update_stack(
        StackName=stacks.MAIN_STACK,
        TemplateBody=json.dumps(template),
        Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in given.items()],
        Tags=[{"Key": "team", "Value": "security"}],
    )
    settings = json.loads((folder / "config.json").read_text())
    settings["aws"]["role_path"] = "/security/"
    (folder / "config.json").write_text(json.dumps(settings))
    for _ in ("new", "updated"):
        made = run(folder, "--account", FIRST, "--yes")
        assert made.exit_code == 0, made.output
        assert parameters().items() >= (given | {"RolePath": "/security/"}).items()
        stack_set = client.describe_stack_set(StackSetName=STACK_SET)["StackSet"]
        assert stack_set["Tags"] == [{"Key": "team", "Value": "security"}]


def test_one_account_can_be_named(folder: Path) -> None:
    assert run(folder, "--account", SECOND, "--yes").exit_code == 0
    assert accounts_with_the_roles() == {SECOND}


def test_organizational_units_get_the_roles_and_so_do_accounts_that_join_later(folder: Path, wire: Wire) -> None:
    asked = []
    for operation in ("CreateStackSet", "CreateStackInstances"):
        wire.react(operation, lambda request: asked.append(form(request)))
    organization = boto3.Session().client("organizations")
    organization.create_organization(FeatureSet="ALL")
    root = organization.list_roots()["Roots"][0]["Id"]
    unit = organization.create_organizational_unit(ParentId=root, Name="all")["OrganizationalUnit"]["Id"]
    made = run(folder, "--ou", unit, "--delegated-admin", "--yes")
    assert made.exit_code == 0, made.output
    made_set, brought = asked
    assert (made_set["PermissionModel"], made_set["AutoDeployment.Enabled"]) == ("SERVICE_MANAGED", "true")
    assert brought["DeploymentTargets.OrganizationalUnitIds.member.1"] == unit
    assert {one["CallAs"] for one in asked} == {"DELEGATED_ADMIN"}


def test_accounts_that_fail_are_named_with_the_reason(folder: Path, wire: Wire) -> None:
    results = (
        "<ListStackSetOperationResultsResponse><ListStackSetOperationResultsResult><Summaries>"
        f"<member><Account>{FIRST}</Account><Region>eu-west-1</Region><Status>SUCCEEDED</Status></member>"
        f"<member><Account>{SECOND}</Account><Region>eu-west-1</Region><Status>FAILED</Status>"
        "<StatusReason>Account should have AWSCloudFormationStackSetExecutionRole</StatusReason></member>"
        "</Summaries></ListStackSetOperationResultsResult></ListStackSetOperationResultsResponse>"
    )

    def reply(request: AWSPreparedRequest) -> AWSResponse:
        return answer(200, results)

    wire.react("ListStackSetOperationResults", reply)
    failed = run(folder, "--yes")
    assert failed.exit_code == 1
    assert SECOND in failed.output
    assert "AWSCloudFormationStackSetExecutionRole" in failed.output
    assert "could not be deployed into 1 accounts" in failed.output


@pytest.mark.parametrize("operation", ["SUCCEEDED", "FAILED"])
@pytest.mark.parametrize("result", ["FAILED", "CANCELLED", None])
def test_a_suspended_account_is_said_and_is_no_failure(
    folder: Path, wire: Wire, operation: str, result: str | None
) -> None:
    def one(*parts: str) -> str:
        return f"<member>{''.join(parts)}<Region>eu-west-1</Region></member>"

    def react(name: str, content: str) -> None:
        wire.react(
            name, lambda _: answer(200, f"<{name}Response><{name}Result>{content}</{name}Result></{name}Response>")
        )

    results = [one(f"<Account>{FIRST}</Account>", "<Status>SUCCEEDED</Status>")]
    if result is not None:
        results.append(one(f"<Account>{SECOND}</Account>", f"<Status>{result}</Status>"))
    detailed = "<StackInstanceStatus><DetailedStatus>SKIPPED_SUSPENDED_ACCOUNT</DetailedStatus></StackInstanceStatus>"
    assert run(folder, "--yes").exit_code == 0
    react("ListStackSetOperationResults", f"<Summaries>{''.join(results)}</Summaries>")
    react("DescribeStackSetOperation", f"<StackSetOperation><Status>{operation}</Status></StackSetOperation>")
    instances = one(f"<Account>{FIRST}</Account>") + one(f"<Account>{SECOND}</Account>", detailed)
    react("ListStackInstances", f"<Summaries>{instances}</Summaries>")
    done = run(folder, "--yes")
    assert done.exit_code == 0, done.output
    assert f"Left out, as AWS has suspended them: {SECOND}" in done.output


@pytest.mark.parametrize(
    "odd",
    [
        (400, ""),
        (400, "<ErrorResponse/>"),
        (400, "<ErrorResponse><Error/></ErrorResponse>"),
        (400, "<html>"),
        (200, "{"),
    ],
)
@pytest.mark.parametrize("call", ["DescribeStacks", "DescribeStackSet", "CreateStackSet", "ListStackInstances"])
def test_an_answer_without_what_errors_have_is_one_message(
    folder: Path, wire: Wire, call: str, odd: tuple[int, str]
) -> None:
    wire.react(call, lambda _: answer(*odd))
    failed = run(folder, "--yes")
    assert failed.exit_code == 1
    assert failed.output.splitlines()[-1].startswith(("E-DEPLOY-", "E-AWS-")), failed.output


def test_without_the_stacks_of_the_main_account_there_is_one_message(scanned: object, tmp_path: Path) -> None:
    configure(tmp_path, FIRST)
    refused = run(tmp_path, "--yes")
    assert refused.exit_code == 1
    assert refused.output == (
        "E-DEPLOY-02 there is no stack hammer-iam-user-inactive-keys in eu-west-1, in the account of these "
        "credentials; `make deploy` makes it\n"
    )


def test_units_and_accounts_together_are_refused(folder: Path) -> None:
    refused = run(folder, "--ou", "ou-abcd-12345678", "--account", FIRST, "--yes")
    assert (refused.exit_code, "not both" in refused.output) == (2, True)
