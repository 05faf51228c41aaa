"""Puts back what lies in the queue of failures: asks once more for each scan that failed for good."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click
from botocore.exceptions import BotoCoreError, ClientError

from deployment import stacks
from deployment.commands import (
    EXIT_CODES,
    DeploymentError,
    config_argument,
    exit_codes,
    main_account_session,
    print_table,
    settings_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_sqs import SQSClient

# Long enough to start a thousand runs; a message that was not deleted by then is seen again.
_SECONDS_HELD = 600
_SECONDS_OF_WAITING = 2
_BATCH = 10


@dataclass(frozen=True, slots=True)
class Failure:
    """An event that failed for good: the function (ARN) that is to get it again, and what a person calls it."""

    function: str
    event: dict[str, Any]
    what: str
    cause: str


def failure_of(body: str, attributes: dict[str, Any], subscriber: str) -> Failure | None:
    """What a message of the queue stands for; None if it is none of ours.

    There are three kinds: the record that Lambda writes for its on-failure destination, a notification that the
    topic could not deliver to `subscriber` (a function's ARN or name), and an event that the schedule could not
    deliver, which names its target in the attributes.
    https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
    https://docs.aws.amazon.com/sns/latest/dg/sns-dead-letter-queues.html
    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html
    """
    try:
        content = json.loads(body)
        if "requestPayload" in content:
            payload = content["requestPayload"]
            said = (content.get("responsePayload") or {}).get("errorMessage", "")
            cause = said or content["requestContext"].get("condition", "")
            # The ARN of a run names the version, too.
            function = ":".join(content["requestContext"]["functionArn"].split(":")[:7])
            return Failure(function, payload, _called(payload), cause)
        if content.get("Type") == "Notification":
            event = {"Records": [{"EventSource": "aws:sns", "EventVersion": "1.0", "Sns": content}]}
            return Failure(subscriber, event, _called(event), "the topic could not deliver it")
        if "TARGET_ARN" in attributes:
            cause = attributes.get("ERROR_MESSAGE", {}).get("StringValue", "the schedule could not deliver it")
            return Failure(attributes["TARGET_ARN"]["StringValue"], content, _called(content), cause)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return None


def _called(event: dict[str, Any]) -> str:
    """What the event asks for; two that ask for the same are the same to us."""
    if "Records" in event:
        messages = [json.loads(record["Sns"]["Message"]) for record in event["Records"]]
        return ", ".join(f"scan of {one['account_id']} {one['account_name']}" for one in messages)
    return "scan of all accounts" if event.get("source") == "aws.events" else json.dumps(event, sort_keys=True)[:200]


def received(sqs: SQSClient, queue: str) -> Iterator[Any]:
    """Every message that is in the queue now; each is held back from others for ten minutes."""
    while True:
        answer = sqs.receive_message(
            QueueUrl=queue,
            MaxNumberOfMessages=_BATCH,
            VisibilityTimeout=_SECONDS_HELD,
            WaitTimeSeconds=_SECONDS_OF_WAITING,
            MessageAttributeNames=["All"],
        )
        if not answer.get("Messages"):
            return
        yield from answer["Messages"]


def let_go(sqs: SQSClient, queue: str, message: Any) -> None:
    """Leave a message in the queue for whoever asks next."""
    sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0)


def redrive(
    sqs: SQSClient, functions: LambdaClient, queue: str, subscriber: str, *, dry_run: bool
) -> Iterator[tuple[str, str, str, bool]]:
    """Give each event in the queue to its function again, the same one once, and take its messages out.

    Yields what it was, why it had failed, what was done, and whether that went well. Nothing is taken out before
    the function has accepted the event. A dry run leaves everything as it is.
    """
    # All of them first: what goes back into the queue, or fails again, must not be taken up in the same run.
    waiting = list(received(sqs, queue))
    groups: dict[tuple[str, str], list[tuple[Any, Failure]]] = {}
    for message in waiting:
        failure = failure_of(message["Body"], message.get("MessageAttributes", {}), subscriber)
        if failure is None:
            let_go(sqs, queue, message)
            yield f"message {message['MessageId']}", "", "left in the queue: it is not understood", False
        else:
            groups.setdefault((failure.function, failure.what), []).append((message, failure))
    for (function, what), group in groups.items():
        newest = group[-1][1]
        times = f" ({len(group)} messages)" if len(group) > 1 else ""
        try:
            if not dry_run:
                functions.invoke(
                    FunctionName=function, InvocationType="Event", Payload=json.dumps(newest.event).encode()
                )
        except (ClientError, BotoCoreError) as error:
            for message, _ in group:
                let_go(sqs, queue, message)
            yield what, newest.cause, f"left in the queue{times}: {error}", False
            continue
        for message, _ in group:
            if dry_run:
                let_go(sqs, queue, message)
            else:
                sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        yield what, newest.cause, f"{'would be asked' if dry_run else 'asked'} for again{times}", True


@click.command(epilog=EXIT_CODES)
@config_argument
@click.option("--dry-run", is_flag=True, help="Show what lies in the queue, and leave it there.")
def main(config_folder: str | None, dry_run: bool) -> None:
    """Ask again for the scans that failed for good, and empty the queue of failures.

    A scan that Lambda has tried three times in vain is in the queue hammer-iam-user-inactive-keys-failures, with its
    error; an alarm says so. Once the cause is mended, this starts those scans again, each account's once, however
    often it failed. A message is deleted when its function has accepted the event; what fails again comes back.
    CONFIG_FOLDER (config/ if not given) says in which account and region the queue is.
    """
    with exit_codes():
        settings = settings_of(config_folder)
        session = main_account_session(settings)
        names = stacks.outputs(session.client("cloudformation"), stacks.MAIN_STACK)
        done = list(
            redrive(
                session.client("sqs"),
                session.client("lambda"),
                names["FailuresQueueUrl"],
                names["IdentificationFunctionName"],
                dry_run=dry_run,
            )
        )
        if not done:
            click.echo("The queue of failures is empty")
            return
        print_table(("what", "why it had failed", "what was done"), [row[:3] for row in done])
        left = sum(not well for *_, well in done)
        if left:
            raise DeploymentError(f"{left} stay in the queue")


if __name__ == "__main__":
    main()
