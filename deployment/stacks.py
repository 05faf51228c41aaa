"""CloudFormation stacks: what a change would do, shown before it is done, and how it ended."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError, WaiterError

from deployment.commands import REPOSITORY, DeploymentError
from library.aws.calls import AWS_ERRORS, said_by
from library.aws_clients import pages
from library.errors import ConfigurationError, Problem
from library.messages import Message
from library.text import plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudformation.type_defs import ParameterTypeDef, TagTypeDef

    from library.config.settings import Config

BUCKET_STACK = "hammer-deployment"
MAIN_STACK = "hammer-iam-user-inactive-keys"
HOST_STACK = "hammer-reporting-remediation"
ISSUES_TABLE_PARAMETER = "IssuesTableName"
TEMPLATES = REPOSITORY / "deployment" / "cloudformation"
TEMPLATE_OF = {
    BUCKET_STACK: "bucket.yaml",
    MAIN_STACK: "main-account.yaml",
    HOST_STACK: "reporting-remediation-host.yaml",
}

# Half an hour.
_SECONDS_BETWEEN_LOOKS = 1
_LOOKS = 1800
# The two sentences with which CloudFormation refuses to make an empty change set.
_NOTHING_TO_DO = ("didn't contain changes", "No updates are to be performed")
_STARTED = "REVIEW_IN_PROGRESS"
_ONLY_DELETABLE = "ROLLBACK_COMPLETE"


class StackError(DeploymentError):
    """A stack was refused, failed, or is in a state in which it cannot be changed."""


@dataclass(frozen=True, slots=True)
class Change:
    """What would happen to one resource; `replacement` is `True`, `False`, `Conditional`, or empty if it is new."""

    action: str
    logical_id: str
    kind: str
    replacement: str


@dataclass(frozen=True, slots=True)
class Plan:
    """A change set that CloudFormation has computed, not executed; `arn` is the change set's."""

    stack: str
    arn: str
    creates: bool
    changes: tuple[Change, ...]


def plan(
    cloudformation: CloudFormationClient,
    stack: str,
    body: str,
    parameters: Mapping[str, str],
    tags: Mapping[str, str] | None = None,
) -> Plan | None:
    """What creating or updating the stack would do; None if nothing would change.

    `body` is the template's text. `parameters` that it does not have are left out; on an update, those not given keep
    their values. `tags` become those of the stack and of all that it makes; without any it keeps its own. Raises
    StackError if the template or a parameter is refused, or the stack cannot be changed in its state.
    """
    try:
        existing = _describe(cloudformation, stack)
        if existing is not None and existing["StackStatus"] == _ONLY_DELETABLE:
            raise StackError(
                f"the stack {stack} failed when it was created, and can only be deleted: "
                f"aws cloudformation delete-stack --stack-name {stack}"
            )
        creates = existing is None or existing["StackStatus"] == _STARTED
        kept = {} if existing is None or creates else existing
        made = cloudformation.create_change_set(
            StackName=stack,
            ChangeSetName=f"hammer-{uuid.uuid4().hex[:12]}",
            ChangeSetType="CREATE" if creates else "UPDATE",
            TemplateBody=body,
            Parameters=_values(declared(cloudformation, body), parameters, kept.get("Parameters", [])),
            Tags=tag_list(tags) if tags else kept.get("Tags", []),
            Capabilities=["CAPABILITY_NAMED_IAM"],
            # What outlived an earlier stack, or was Hammer's own, is taken over: the issues table above all.
            ImportExistingResources=True,
        )
        planned = Plan(stack, made["Id"], creates, ())
        if not _has_changes(cloudformation, planned):
            return None
    except AWS_ERRORS as error:
        raise StackError(f"the stack {stack} was refused: {said_by(error)}") from error
    planned = replace(planned, changes=tuple(_changes(cloudformation, planned)))
    if not planned.changes and not creates:
        # Only values that no resource uses are different.
        discard(cloudformation, planned)
        return None
    return planned


def _values(declared: list[str], given: Mapping[str, str], kept: list[dict[str, str]]) -> list[ParameterTypeDef]:
    """The declared parameters that are given, and those that the stack has and keeps."""
    kept_names = {parameter["ParameterKey"] for parameter in kept}
    values: list[ParameterTypeDef] = []
    for name in declared:
        if name in given:
            values.append({"ParameterKey": name, "ParameterValue": given[name]})
        elif name in kept_names:
            values.append({"ParameterKey": name, "UsePreviousValue": True})
    return values


def _has_changes(cloudformation: CloudFormationClient, planned: Plan) -> bool:
    """Wait for the change set, and discard one that is empty; raises StackError if CloudFormation refuses it."""
    try:
        cloudformation.get_waiter("change_set_create_complete").wait(
            ChangeSetName=planned.arn,
            StackName=planned.stack,
            WaiterConfig={"Delay": _SECONDS_BETWEEN_LOOKS, "MaxAttempts": _LOOKS},
        )
    except WaiterError as error:
        answer = cloudformation.describe_change_set(ChangeSetName=planned.arn, StackName=planned.stack)
        reason = answer.get("StatusReason", "")
        discard(cloudformation, planned)
        if any(sentence in reason for sentence in _NOTHING_TO_DO):
            return False
        raise StackError(f"the stack {planned.stack} was refused: {reason or error}") from error
    return True


def declared(cloudformation: CloudFormationClient, body: str) -> list[str]:
    """The names of a template's parameters, as AWS reads it."""
    return [
        parameter["ParameterKey"] for parameter in cloudformation.validate_template(TemplateBody=body)["Parameters"]
    ]


def _describe(cloudformation: CloudFormationClient, stack: str) -> dict[str, Any] | None:
    try:
        (found,) = cloudformation.describe_stacks(StackName=stack)["Stacks"]
    except ClientError as error:
        # This error has no code of its own.
        if "does not exist" in said_by(error):
            return None
        raise
    return None if found["StackStatus"] == "DELETE_COMPLETE" else dict(found)


def _changes(cloudformation: CloudFormationClient, planned: Plan) -> Iterator[Change]:
    token: dict[str, str] = {}
    while True:
        page = cloudformation.describe_change_set(ChangeSetName=planned.arn, StackName=planned.stack, **token)  # type: ignore[arg-type]
        for change in page.get("Changes", []):
            resource = change["ResourceChange"]
            yield Change(
                resource["Action"],
                resource["LogicalResourceId"],
                resource["ResourceType"],
                resource.get("Replacement", ""),
            )
        if not page.get("NextToken"):
            return
        token = {"NextToken": page["NextToken"]}


def discard(cloudformation: CloudFormationClient, planned: Plan) -> None:
    """Delete the change set, and the empty stack that a first one has made."""
    cloudformation.delete_change_set(ChangeSetName=planned.arn, StackName=planned.stack)
    if planned.creates:
        cloudformation.delete_stack(StackName=planned.stack)


def execute(cloudformation: CloudFormationClient, planned: Plan) -> dict[str, str]:
    """Do what was planned, wait for its end, and return the stack's outputs.

    Raises StackError with the resources that failed, and why; CloudFormation has undone its changes then.
    """
    seen = _seen(cloudformation, planned.stack)
    cloudformation.execute_change_set(ChangeSetName=planned.arn, StackName=planned.stack)
    waiter = "stack_create_complete" if planned.creates else "stack_update_complete"
    try:
        cloudformation.get_waiter(waiter).wait(  # type: ignore[call-overload]
            StackName=planned.stack, WaiterConfig={"Delay": _SECONDS_BETWEEN_LOOKS, "MaxAttempts": _LOOKS}
        )
    except WaiterError as error:
        raise StackError(_failures(cloudformation, planned.stack, planned.stack, seen, error)) from error
    return outputs(cloudformation, planned.stack)


def delete(cloudformation: CloudFormationClient, stack: str) -> None:
    """Delete a stack with everything but what its template retains, and wait for its end.

    Raises StackError with the resources that could not be deleted, and why.
    """
    found = _describe(cloudformation, stack)
    if found is None:
        return
    # A stack that is gone is known by its id only.
    arn = str(found["StackId"])
    seen = _seen(cloudformation, arn)
    cloudformation.delete_stack(StackName=arn)
    try:
        cloudformation.get_waiter("stack_delete_complete").wait(
            StackName=arn, WaiterConfig={"Delay": _SECONDS_BETWEEN_LOOKS, "MaxAttempts": _LOOKS}
        )
    except WaiterError as error:
        raise StackError(_failures(cloudformation, stack, arn, seen, error)) from error


def retained(cloudformation: CloudFormationClient, stack: str) -> list[str]:
    """What outlives a deployed stack: type and name of each resource that its template retains."""
    body = (TEMPLATES / TEMPLATE_OF[stack]).read_text(encoding="utf-8")
    logical_ids = set(re.findall(r"^  (\w+):\n    Type: \S+\n    DeletionPolicy: Retain$", body, re.MULTILINE))
    resources = cloudformation.describe_stack_resources(StackName=stack)["StackResources"]
    return [
        f"{one['ResourceType']} {one.get('PhysicalResourceId', '')}".strip()
        for one in resources
        if one["LogicalResourceId"] in logical_ids
    ]


def _seen(cloudformation: CloudFormationClient, stack: str) -> set[str]:
    return {event["EventId"] for event in _events(cloudformation, stack)}


def _failures(cloudformation: CloudFormationClient, stack: str, arn: str, seen: set[str], error: WaiterError) -> str:
    failures = "\n".join(
        f"    {event['LogicalResourceId']} ({event['ResourceType']}): {plain(event.get('ResourceStatusReason', ''))}"
        for event in reversed(_events(cloudformation, arn))
        if event["EventId"] not in seen and event["ResourceStatus"].endswith("_FAILED")
    )
    return f"the stack {stack} failed:\n{failures or f'    {error}'}"


def _events(cloudformation: CloudFormationClient, stack: str) -> list[Any]:
    """The events of the stack, newest first."""
    listing = cloudformation.get_paginator("describe_stack_events").paginate(StackName=stack)
    return [event for page in pages(listing) for event in page["StackEvents"]]


def outputs(cloudformation: CloudFormationClient, stack: str) -> dict[str, str]:
    """The outputs of a stack; raises StackError if there is no such stack."""
    found = _describe(cloudformation, stack)
    if found is None:
        where = f"there is no stack {stack} in {cloudformation.meta.region_name}"
        raise StackError(f"{where}, in the account of these credentials; `make deploy` makes it", id=Message.NO_STACK)
    return _outputs_of(found)


def exists(cloudformation: CloudFormationClient, stack: str) -> bool:
    """Whether there is such a stack, in whatever state."""
    return _describe(cloudformation, stack) is not None


def outputs_if_any(cloudformation: CloudFormationClient, stack: str) -> dict[str, str]:
    """The outputs of a stack; none if there is no such stack."""
    return _outputs_of(_describe(cloudformation, stack) or {})


def _outputs_of(found: Mapping[str, Any]) -> dict[str, str]:
    return {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", [])}


def parameters(cloudformation: CloudFormationClient, stack: str) -> dict[str, str]:
    """The parameters that a stack has now; none if there is no such stack."""
    found = _describe(cloudformation, stack) or {}
    return {parameter["ParameterKey"]: parameter["ParameterValue"] for parameter in found.get("Parameters", [])}


def of_all_roles(cloudformation: CloudFormationClient) -> dict[str, str]:
    """The main stack's parameters that hold for every role of every template."""
    deployed = parameters(cloudformation, MAIN_STACK)
    return {name: deployed[name] for name in ("OrganizationId", "PermissionsBoundary") if name in deployed}


def tags(cloudformation: CloudFormationClient, stack: str) -> dict[str, str]:
    """The tags that a stack and all that it makes bear; none if there is no such stack."""
    return {tag["Key"]: tag["Value"] for tag in (_describe(cloudformation, stack) or {}).get("Tags", [])}


def tag_list(tags: Mapping[str, str]) -> list[TagTypeDef]:
    """Tags in the form that CloudFormation takes."""
    return [{"Key": name, "Value": value} for name, value in tags.items()]


def refuse_another_table(cloudformation: CloudFormationClient, settings: Config) -> None:
    """Raise ConfigurationError if the deployed main stack has another issues table than the configuration names.

    Functions and host would look for a table that does not exist and that no role allows, and everything that is
    known of the issues would stay in the previous one.
    """
    deployed = outputs_if_any(cloudformation, MAIN_STACK).get("TableName")
    wanted = settings.inactive_keys.table_name
    if deployed not in (None, wanted):
        expected = (
            f'"{deployed}", the issues table of the deployed stack {MAIN_STACK}. For a new, empty table deploy with '
            f"--parameter {ISSUES_TABLE_PARAMETER}={wanted}"
        )
        place = "user_inactivekeys.ddb.table_name"
        raise ConfigurationError([Problem("config.json", place, f'"{wanted}"', expected)])
