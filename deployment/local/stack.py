"""Creates a CloudFormation stack on the embedded AWS, and says why one failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError, WaiterError

from deployment.local.children import SECONDS_TO_START, EmbeddedAwsError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mypy_boto3_cloudformation import CloudFormationClient


def create_stack(
    cloudformation: CloudFormationClient, name: str, template: Path, parameters: Mapping[str, str]
) -> dict[str, str]:
    """Create a stack, wait for it, and return its outputs.

    Raises EmbeddedAwsError with the reason if the stack is refused, and with the resources that failed, and why, if
    it does not come up.
    """
    try:
        cloudformation.create_stack(
            StackName=name,
            TemplateBody=template.read_text(encoding="utf-8"),
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
            Capabilities=["CAPABILITY_NAMED_IAM"],
        )
        cloudformation.get_waiter("stack_create_complete").wait(
            StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": SECONDS_TO_START}
        )
    except ClientError as error:
        raise EmbeddedAwsError(f"the stack {name} was refused: {error}") from error
    except WaiterError as error:
        raise EmbeddedAwsError(f"the stack {name} failed:\n{_failures(cloudformation, name)}") from error
    (stack,) = cloudformation.describe_stacks(StackName=name)["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}


def _failures(cloudformation: CloudFormationClient, stack: str) -> str:
    events = cloudformation.describe_stack_events(StackName=stack)["StackEvents"]
    return "\n".join(
        f"    {event['LogicalResourceId']} ({event['ResourceType']}): {event.get('ResourceStatusReason', '')}"
        for event in reversed(events)
        if event["ResourceStatus"].endswith("_FAILED")
    )
