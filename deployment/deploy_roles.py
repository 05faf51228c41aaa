"""Deploys the two roles of every scanned account by a CloudFormation StackSet."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import click
from botocore.exceptions import ClientError

from deployment import stacks
from deployment.commands import (
    EXIT_CODES,
    DeploymentError,
    agreed,
    config_argument,
    exit_codes,
    main_account_session,
    print_table,
    settings_of,
)
from library.cli.command import command
from library.messages import Message

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_cloudformation import CloudFormationClient

STACK_SET = "hammer-scanned-account-roles"
TEMPLATE = stacks.TEMPLATES / "scanned-account-roles.yaml"

# An hour.
_SECONDS_BETWEEN_LOOKS = 5
_LOOKS = 720
# One account that fails holds up no other one; what failed is reported one by one.
_PREFERENCES: Any = {"FailureTolerancePercentage": 100, "MaxConcurrentPercentage": 100}


@dataclass(frozen=True, slots=True)
class Targets:
    """Where the roles are wanted: accounts by id, or organizational units (`ou-…`, or the root, `r-…`)."""

    accounts: tuple[str, ...] = ()
    units: tuple[str, ...] = ()


class Roles:
    """The StackSet with the roles, in one region only: roles are global in an account.

    For organizational units its permissions are managed by AWS Organizations; for accounts it assumes their role
    AWSCloudFormationStackSetExecutionRole. Every method raises botocore's ClientError.
    """

    def __init__(self, client: CloudFormationClient, region: str, *, delegated: bool) -> None:
        self._client = client
        self._region = region
        self._as: Literal["SELF", "DELEGATED_ADMIN"] = "DELEGATED_ADMIN" if delegated else "SELF"

    def exists(self) -> bool:
        """Whether the StackSet was made already."""
        try:
            found = self._client.describe_stack_set(StackSetName=STACK_SET, CallAs=self._as)["StackSet"]
        except self._client.exceptions.StackSetNotFoundException:
            return False
        return found.get("Status") != "DELETED"

    def present(self) -> set[str]:
        """The accounts, and the organizational units asked for, that have the roles or failed to get them."""
        pages = self._client.get_paginator("list_stack_instances").paginate(StackSetName=STACK_SET, CallAs=self._as)
        instances = [instance for page in pages for instance in page["Summaries"]]
        accounts = {instance["Account"] for instance in instances}
        return accounts | {instance.get("OrganizationalUnitId", "") for instance in instances} - {""}

    def put(self, parameters: Mapping[str, str], targets: Targets, *, exists: bool) -> list[tuple[str, str]]:
        """Create or update the StackSet, bring it to the targets that lack it, and wait for the end of both.

        Returns the accounts in which it failed, each with the reason. Raises DeploymentError if an operation failed
        as a whole.
        """
        template: dict[str, Any] = {
            "StackSetName": STACK_SET,
            "TemplateBody": TEMPLATE.read_text(encoding="utf-8"),
            "Parameters": [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
            "Capabilities": ["CAPABILITY_NAMED_IAM"],
            "CallAs": self._as,
        }
        failed = []
        if exists:
            updated = self._client.update_stack_set(**template, OperationPreferences=_PREFERENCES)
            failed += self._wait(updated["OperationId"])
        elif targets.units:
            automatic: Any = {"Enabled": True, "RetainStacksOnAccountRemoval": False}
            self._client.create_stack_set(**template, PermissionModel="SERVICE_MANAGED", AutoDeployment=automatic)
        else:
            self._client.create_stack_set(**template, PermissionModel="SELF_MANAGED")
        return failed + self._bring_to(targets)

    def _bring_to(self, targets: Targets) -> list[tuple[str, str]]:
        present = self.present()
        units = [unit for unit in targets.units if unit not in present]
        accounts = [account for account in targets.accounts if account not in present]
        if not units and not accounts:
            return []
        where: Any = {"DeploymentTargets": {"OrganizationalUnitIds": units}} if units else {"Accounts": accounts}
        created = self._client.create_stack_instances(
            StackSetName=STACK_SET,
            Regions=[self._region],
            OperationPreferences=_PREFERENCES,
            CallAs=self._as,
            **where,
        )
        return self._wait(created["OperationId"])

    def _wait(self, operation: str) -> list[tuple[str, str]]:
        """Wait for the end of an operation; returns the accounts in which it failed, each with the reason."""
        for _ in range(_LOOKS):
            found = self._client.describe_stack_set_operation(
                StackSetName=STACK_SET, OperationId=operation, CallAs=self._as
            )["StackSetOperation"]
            if found["Status"] not in ("RUNNING", "QUEUED", "STOPPING"):
                break
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        pages = self._client.get_paginator("list_stack_set_operation_results").paginate(
            StackSetName=STACK_SET, OperationId=operation, CallAs=self._as
        )
        failed = [
            (result["Account"], result.get("StatusReason") or result["Status"])
            for page in pages
            for result in page["Summaries"]
            if result["Status"] != "SUCCEEDED"
        ]
        if found["Status"] != "SUCCEEDED" and not failed:
            raise DeploymentError(
                f"the operation {operation} of StackSet {STACK_SET} ended as {found['Status']}",
                id=Message.STACK_SET_FAILED,
            )
        return failed


@command(epilog=EXIT_CODES)
@config_argument
@click.option(
    "--ou", "units", multiple=True, help="An organizational unit, or the root of the organization; repeatable."
)
@click.option("--account", "accounts", multiple=True, help="An account by its id; repeatable.")
@click.option(
    "--delegated-admin", is_flag=True, help="The main account is not the organization's management account."
)
@click.option("--yes", is_flag=True, help="Do not ask.")
def main(
    config_folder: str | None, units: tuple[str, ...], accounts: tuple[str, ...], delegated_admin: bool, yes: bool
) -> None:
    """Deploy the two roles into the scanned accounts, with the role names and the external id of CONFIG_FOLDER.

    With --ou into every account of organizational units, those that join them later included; the organization
    must trust CloudFormation StackSets for that. Without it into accounts: those given, else all that config.json
    names except the main account, which needs no roles; each must have the role
    AWSCloudFormationStackSetExecutionRole, and the main account AWSCloudFormationStackSetAdministrationRole.

    Deploy both stacks of the main account first: AWS refuses a role that trusts another one that does not exist.
    Run it again after a change: the roles that are there are updated, and those that are missing are added.
    """
    with exit_codes():
        if units and accounts:
            raise click.UsageError("give --ou or --account, not both: a StackSet has one kind of target")
        settings = settings_of(config_folder)
        session = main_account_session(settings)
        client = session.client("cloudformation")
        parameters = {
            "IdentificationRoleArn": stacks.outputs(client, stacks.MAIN_STACK)["IdentificationRoleArn"],
            "ReportingRoleArn": stacks.outputs(client, stacks.HOST_STACK)["ReportingRoleArn"],
            "RoleNameIdentification": settings.aws.role_name_identification,
            "RoleNameReporting": settings.aws.role_name_reporting,
            "ExternalId": settings.aws.external_id,
        }
        others = tuple(account for account in settings.aws.accounts if account != settings.aws.main_account_id)
        wanted = accounts or others
        targets = Targets(units=units) if units else Targets(accounts=wanted)
        roles = Roles(client, settings.aws.region, delegated=delegated_admin)
        try:
            exists = roles.exists()
            present = roles.present() if exists else set()
            print_table(("where", "the roles there"), _rows(targets, present))
            if not yes and not agreed(f"Deploy StackSet {STACK_SET}?"):
                click.echo("Nothing was changed")
                return
            failed = roles.put(parameters, targets, exists=exists)
        except ClientError as error:
            raise DeploymentError(
                f"StackSet {STACK_SET}: {error.response['Error']['Message']}", id=Message.STACK_SET_FAILED
            ) from error
        if failed:
            print_table(("account", "why the roles are not there"), failed)
            raise DeploymentError(
                f"the roles could not be deployed into {len(failed)} accounts; mend it and run again",
                id=Message.STACK_SET_FAILED,
            )
        click.echo("Done. What still may be missing is shown by deployment.check_deployment.")


def _rows(targets: Targets, present: set[str]) -> list[tuple[str, str]]:
    """Each target, and each place that has the roles already, with what would become of the roles there."""
    asked_for = (*targets.units, *targets.accounts)
    rows = [(place, "updated" if place in present else "new") for place in asked_for]
    for place in sorted(present.difference(asked_for)):
        is_account_of_a_unit = bool(targets.units) and place.isdecimal()
        if not is_account_of_a_unit:
            rows.append((place, "updated, too"))
    return rows


if __name__ == "__main__":
    main()
