"""What was deployed is removed and nothing else; what fails is told, and done by the next run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import boto3
import pytest
from click.testing import CliRunner, Result

from deployment import destroy, stacks
from deployment.roles import STACK_SET
from tests.deployment import test_deploy_roles as roles
from tests.wire import Wire, answer, form

if TYPE_CHECKING:
    from pathlib import Path

    from botocore.awsrequest import AWSPreparedRequest, AWSResponse


@pytest.fixture
def folder(scanned: object, tmp_path: Path) -> Path:
    """A configuration of three accounts; both stacks of the main account are there."""
    roles.configure(tmp_path, roles.FIRST, roles.SECOND)
    for stack in roles.OUTPUTS:
        roles.make(stack)
    return tmp_path


def run(folder: Path, *arguments: str, answers: str = "") -> Result:
    result = CliRunner().invoke(destroy.main, [str(folder), *arguments], input=answers)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def deployed() -> list[str]:
    """The stacks of the main account, and the StackSet."""
    client = boto3.Session().client("cloudformation")
    names = [one["StackName"] for one in client.describe_stacks()["Stacks"]]
    found = client.list_stack_sets()["Summaries"]
    return sorted(names + [one["StackSetName"] for one in found if one["Status"] == "ACTIVE"])


def test_the_stacks_and_the_roles_of_every_account_go_after_a_yes(folder: Path) -> None:
    assert roles.run(folder, "--yes").exit_code == 0
    before = [stacks.MAIN_STACK, stacks.HOST_STACK, STACK_SET]
    declined = run(folder, answers="n\n")
    assert (declined.exit_code, deployed()) == (0, before)
    shown = [line.rstrip() for line in declined.output.splitlines()]
    assert shown[1:4] == [
        "stack hammer-reporting-remediation     removed",
        "stack hammer-iam-user-inactive-keys    removed",
        f"StackSet {STACK_SET}  removed, with the roles in {roles.FIRST}, {roles.SECOND}",
    ]
    silent = run(folder)
    assert (silent.exit_code, deployed()) == (2, before)
    done = run(folder, answers="y\n")
    assert (done.exit_code, deployed()) == (0, []), done.output
    assert roles.role_names(roles.FIRST) == roles.role_names(roles.SECOND) == set()
    again = run(folder, "--yes")
    assert (again.exit_code, again.output) == (0, "Nothing is deployed in eu-west-1\n")


def test_an_account_that_keeps_its_roles_is_named_and_the_next_run_goes_on(folder: Path, wire: Wire) -> None:
    assert roles.run(folder, "--yes").exit_code == 0
    results = (
        "<ListStackSetOperationResultsResponse><ListStackSetOperationResultsResult><Summaries>"
        f"<member><Account>{roles.SECOND}</Account><Region>eu-west-1</Region><Status>FAILED</Status>"
        "<StatusReason>the execution role is gone</StatusReason></member>"
        "</Summaries></ListStackSetOperationResultsResult></ListStackSetOperationResultsResponse>"
    )

    def reply(request: AWSPreparedRequest) -> AWSResponse:
        return answer(200, results)

    wire.react("ListStackSetOperationResults", reply)
    failed = run(folder, "--yes")
    assert (failed.exit_code, deployed()) == (1, [STACK_SET])
    assert f"{roles.SECOND}  the execution role is gone" in failed.output
    assert "E-DEPLOY-04 the roles could not be taken out of 1 accounts" in failed.output
    wire.withdraw("ListStackSetOperationResults")
    done = run(folder, "--yes")
    assert (done.exit_code, deployed()) == (0, []), done.output


def test_roles_of_organizational_units_are_taken_out_of_the_units(folder: Path, wire: Wire) -> None:
    organization = boto3.Session().client("organizations")
    organization.create_organization(FeatureSet="ALL")
    root = organization.list_roots()["Roots"][0]["Id"]
    unit = organization.create_organizational_unit(ParentId=root, Name="all")["OrganizationalUnit"]["Id"]
    assert roles.run(folder, "--ou", unit, "--yes").exit_code == 0
    asked = []

    def with_units(request: AWSPreparedRequest) -> AWSResponse:
        return answer(
            200,
            "<DescribeStackSetResponse><DescribeStackSetResult><StackSet><Status>ACTIVE</Status>"
            f"<OrganizationalUnitIds><member>{unit}</member></OrganizationalUnitIds>"
            "</StackSet></DescribeStackSetResult></DescribeStackSetResponse>",
        )

    # The accounts that moto plays do not say of which units they are.
    wire.react("DescribeStackSet", with_units)
    wire.react("DeleteStackInstances", lambda request: asked.append(form(request)))
    done = run(folder, "--yes")
    assert (done.exit_code, deployed()) == (0, []), done.output
    (request,) = asked
    assert request["DeploymentTargets.OrganizationalUnitIds.member.1"] == unit
    assert request["RetainStacks"] == "false"
    assert [name for name in request if name.startswith("Accounts")] == []
