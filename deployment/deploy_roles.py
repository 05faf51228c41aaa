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

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_cloudformation import CloudFormationClient

STACK_SET = "hammer-scanned-account-roles"
TEMPLATE = stacks.TEMPLATES / "scanned-account-roles.yaml"

_SECONDS_BETWEEN_LOOKS = 5
_LOOKS = 720


@dataclass(frozen=True, slots=True)
class Targets:
    """Where the roles are wanted: accounts by id, or organizational units (`ou-…`, or the root, `r-…`)."""

    accounts: tuple[str, ...] = ()
    units: tuple[str, ...] = ()


class Roles:
    """The StackSet with the roles, in one region only: roles are global in an account.

    Organizational units take a StackSet with permissions managed by AWS Organizations, accounts one that assumes
    AWSCloudFormationStackSetExecutionRole there. Every method raises botocore's ClientError.
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
        found = [instance for page in pages for instance in page["Summaries"]]
        return {one["Account"] for one in found} | {one.get("OrganizationalUnitId", "") for one in found} - {""}

    def put(self, parameters: Mapping[str, str], targets: Targets, *, exists: bool) -> list[tuple[str, str]]:
        """Create or update the StackSet, bring it to the targets that lack it, and wait.

        Returns the accounts in which it failed, each with the reason.
        """
        template: dict[str, Any] = {
            "StackSetName": STACK_SET,
            "TemplateBody": TEMPLATE.read_text(encoding="utf-8"),
            "Parameters": [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
            "Capabilities": ["CAPABILITY_NAMED_IAM"],
            "CallAs": self._as,
        }
        # One account that fails holds up no other one; what failed is reported one by one.
        preferences: Any = {"FailureTolerancePercentage": 100, "MaxConcurrentPercentage": 100}
        failed = []
        if exists:
            updated = self._client.update_stack_set(**template, OperationPreferences=preferences)
            failed += self._wait(updated["OperationId"])
        elif targets.units:
            automatic: Any = {"Enabled": True, "RetainStacksOnAccountRemoval": False}
            self._client.create_stack_set(**template, PermissionModel="SERVICE_MANAGED", AutoDeployment=automatic)
        else:
            self._client.create_stack_set(**template, PermissionModel="SELF_MANAGED")
        present = self.present()
        units = [unit for unit in targets.units if unit not in present]
        accounts = [account for account in targets.accounts if account not in present]
        if units or accounts:
            where: Any = {"DeploymentTargets": {"OrganizationalUnitIds": units}} if units else {"Accounts": accounts}
            created = self._client.create_stack_instances(
                StackSetName=STACK_SET,
                Regions=[self._region],
                OperationPreferences=preferences,
                CallAs=self._as,
                **where,
            )
            failed += self._wait(created["OperationId"])
        return failed

    def _wait(self, operation: str) -> list[tuple[str, str]]:
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
            (one["Account"], one.get("StatusReason") or one["Status"])
            for page in pages
            for one in page["Summaries"]
            if one["Status"] != "SUCCEEDED"
        ]
        if found["Status"] != "SUCCEEDED" and not failed:
            raise DeploymentError(f"the operation {operation} of StackSet {STACK_SET} ended as {found['Status']}")
        return failed


@click.command(epilog=EXIT_CODES)
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
    names, the main account excepted, which needs no roles; each must have the role
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
        wanted = accounts or tuple(one for one in settings.aws.accounts if one != settings.aws.main_account_id)
        targets = Targets(units=units) if units else Targets(accounts=wanted)
        roles = Roles(client, settings.aws.region, delegated=delegated_admin)
        try:
            exists = roles.exists()
            present = roles.present() if exists else set()
            rows = [(one, "updated" if one in present else "new") for one in (*targets.units, *targets.accounts)]
            others = sorted(present - set(targets.units) - set(targets.accounts))
            rows += [(one, "updated, too") for one in others if not targets.units or not one.isdecimal()]
            print_table(("where", "the roles there"), rows)
            if not yes and not agreed(f"Deploy StackSet {STACK_SET}?"):
                click.echo("Nothing was changed")
                return
            failed = roles.put(parameters, targets, exists=exists)
        except ClientError as error:
            raise DeploymentError(f"StackSet {STACK_SET}: {error.response['Error']['Message']}") from error
        if failed:
            print_table(("account", "why the roles are not there"), failed)
            raise DeploymentError(
                f"the roles could not be deployed into {len(failed)} accounts; mend it and run again"
            )
        click.echo("Done. What still may be missing is shown by deployment.check_deployment.")


if __name__ == "__main__":
    main()
