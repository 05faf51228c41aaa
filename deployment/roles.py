"""The StackSet with the two roles of every scanned account: made, brought to what is new, and taken away."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self

import click
from botocore.exceptions import ClientError

from deployment import stacks
from deployment.commands import DeploymentError, print_table
from library.aws.calls import AWS_ERRORS, code_of, said_by
from library.aws_clients import pages
from library.messages import Message

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudformation.type_defs import StackSetTypeDef

    from library.config.settings import Config

STACK_SET = "hammer-scanned-account-roles"
TEMPLATE = stacks.TEMPLATES / "scanned-account-roles.yaml"
HOST_PARAMETER = "ReportingRoleArn"
"""Empty as long as there is no host; then no account has the role that switches keys."""

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

    @classmethod
    def found(cls, client: CloudFormationClient, region: str) -> Self | None:
        """The StackSet that is there, whichever account administers it; None if there is none."""
        if (roles := cls(client, region, delegated=False)).exists():
            return roles
        try:
            delegated = cls(client, region, delegated=True)
            return delegated if delegated.exists() else None
        except ClientError as error:
            # So an account is answered that is no delegated administrator.
            if code_of(error) == "ValidationError":
                return None
            raise

    def exists(self) -> bool:
        """Whether the StackSet was made already."""
        return self._described() is not None

    def _described(self) -> StackSetTypeDef | None:
        try:
            found = self._client.describe_stack_set(StackSetName=STACK_SET, CallAs=self._as)["StackSet"]
        except self._client.exceptions.StackSetNotFoundException:
            return None
        return None if found.get("Status") == "DELETED" else found

    def know_the_host(self) -> bool:
        """Whether the StackSet was deployed with a host."""
        described = self._described()
        parameters = described.get("Parameters", []) if described else []
        return any(one["ParameterKey"] == HOST_PARAMETER and one["ParameterValue"] for one in parameters)

    def present(self) -> set[str]:
        """The accounts, and the organizational units asked for, that have the roles or failed to get them."""
        accounts, units = self._places()
        return accounts | units

    def _places(self) -> tuple[set[str], set[str]]:
        """The accounts that have the roles or failed to get them, and the organizational units asked for."""
        listing = self._client.get_paginator("list_stack_instances").paginate(StackSetName=STACK_SET, CallAs=self._as)
        instances = [instance for page in pages(listing) for instance in page["Summaries"]]
        described = self._described()
        units = {instance.get("OrganizationalUnitId", "") for instance in instances} - {""}
        # A unit without an account has no instance.
        units |= set(described.get("OrganizationalUnitIds", []) if described else [])
        return {instance["Account"] for instance in instances}, units

    def remove(self) -> list[tuple[str, str]]:
        """Take the roles away from every place that has them, then the StackSet, unless an account fails.

        Returns the accounts in which it failed, each with the reason. Raises DeploymentError as `put` does.
        """
        accounts, units = self._places()
        if accounts or units:
            targets: Any = {"OrganizationalUnitIds": sorted(units)}
            where: Any = {"DeploymentTargets": targets} if units else {"Accounts": sorted(accounts)}
            deleted = self._client.delete_stack_instances(
                StackSetName=STACK_SET,
                Regions=[self._region],
                RetainStacks=False,
                OperationPreferences=_PREFERENCES,
                CallAs=self._as,
                **where,
            )
            if failed := self._wait(deleted["OperationId"]):
                return failed
        self._client.delete_stack_set(StackSetName=STACK_SET, CallAs=self._as)
        return []

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
        if tags := stacks.tags(self._client, stacks.MAIN_STACK):
            template["Tags"] = stacks.tag_list(tags)
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
        """Wait for the end of an operation; returns the accounts in which it failed, each with the reason.

        Suspended ones, which AWS leaves out, are said, and are no failure.
        """
        for _ in range(_LOOKS):
            found = self._client.describe_stack_set_operation(
                StackSetName=STACK_SET, OperationId=operation, CallAs=self._as
            )["StackSetOperation"]
            if found["Status"] not in ("RUNNING", "QUEUED", "STOPPING"):
                break
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        listing = self._client.get_paginator("list_stack_set_operation_results").paginate(
            StackSetName=STACK_SET, OperationId=operation, CallAs=self._as
        )
        suspended = self._suspended()
        if suspended:
            click.echo(f"Left out, as AWS has suspended them: {', '.join(sorted(suspended))}")
        failed = [
            (result["Account"], result.get("StatusReason") or result["Status"])
            for page in pages(listing)
            for result in page["Summaries"]
            if result["Status"] != "SUCCEEDED" and result["Account"] not in suspended
        ]
        if found["Status"] != "SUCCEEDED" and not failed and not suspended:
            raise DeploymentError(
                f"the operation {operation} of StackSet {STACK_SET} ended as {found['Status']}",
                id=Message.STACK_SET_FAILED,
            )
        return failed

    def _suspended(self) -> set[str]:
        listing = self._client.get_paginator("list_stack_instances").paginate(StackSetName=STACK_SET, CallAs=self._as)
        return {
            instance["Account"]
            for page in pages(listing)
            for instance in page["Summaries"]
            if instance.get("StackInstanceStatus", {}).get("DetailedStatus") == "SKIPPED_SUSPENDED_ACCOUNT"
        }


def parameters_of(client: CloudFormationClient, settings: Config) -> dict[str, str]:
    """The template's parameters, for the stacks of the main account as they are now, with a host or without one.

    Raises StackError if the main stack is not there.
    """
    return {
        "IdentificationRoleArn": stacks.outputs(client, stacks.MAIN_STACK)["IdentificationRoleArn"],
        HOST_PARAMETER: stacks.outputs_if_any(client, stacks.HOST_STACK).get(HOST_PARAMETER, ""),
        "RoleNameIdentification": settings.aws.role_name_identification,
        "RoleNameReporting": settings.aws.role_name_reporting,
        "ExternalId": settings.aws.external_id,
        "RolePath": settings.aws.role_path,
    } | stacks.of_all_roles(client)


@contextmanager
def told() -> Iterator[None]:
    """Raise DeploymentError for what CloudFormation says of the StackSet."""
    try:
        yield
    except AWS_ERRORS as error:
        raise DeploymentError(f"StackSet {STACK_SET}: {said_by(error)}", id=Message.STACK_SET_FAILED) from error


def refuse_failures(failed: Sequence[tuple[str, str]], what: str) -> None:
    """Print the accounts in which it failed, and raise DeploymentError that says `what` could not be done there."""
    if failed:
        print_table(("account", "why"), failed)
        raise DeploymentError(
            f"the roles could not be {what} {len(failed)} accounts; mend it and run again",
            id=Message.STACK_SET_FAILED,
        )
