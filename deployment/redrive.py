"""Asks again for the scans that failed permanently, and empties the queue of failures."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
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
from library import text
from library.aws.state_table import StateTable, state_table_name
from library.cli.command import command
from library.messages import Message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_sqs import SQSClient

# Long enough to start a thousand runs; a message that was not deleted by then is received again.
_SECONDS_HELD = 600
# Without waiting, SQS asks only some of its servers and may answer that a queue is empty which is not.
_SECONDS_OF_WAITING = 2
_BATCH = 10
_PARTS_OF_A_FUNCTION_ARN = 7
_LONGEST_EVENT_SHOWN = 200
# Of a message whose time is not known it is not known either whether a scan came after it.
_NEVER_MOOT = 1 << 60


@dataclass(frozen=True, slots=True)
class Failure:
    """An event that failed permanently.

    `function` (ARN or name) is to get it again. `what` is what a person calls it, and `cause` the error,
    empty if unknown.
    """

    function: str
    event: dict[str, Any]
    what: str
    cause: str

    @property
    def accounts(self) -> list[str]:
        """The ids of the accounts whose scan it asks for; none if it asks for all."""
        return [message["account_id"] for message in _messages(self.event)]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one event or message; `well` is false if it stays in the queue."""

    what: str
    cause: str
    done: str
    well: bool


def failure_of(body: str, attributes: dict[str, Any], subscriber: str) -> Failure | None:
    """What a message of the queue stands for; None if it is not one of ours.

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
            error_message = (content.get("responsePayload") or {}).get("errorMessage", "")
            cause = error_message or content["requestContext"].get("condition", "")
            # A run's ARN ends with the version.
            parts = content["requestContext"]["functionArn"].split(":")
            return Failure(":".join(parts[:_PARTS_OF_A_FUNCTION_ARN]), payload, _called(payload), cause)
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
    """What the event asks for, in a person's words; events with the same words are equal."""
    if "Records" in event:
        return ", ".join(f"scan of {each['account_id']} {each['account_name']}" for each in _messages(event))
    if event.get("source") == "aws.events":
        return "scan of all accounts"
    return json.dumps(event, sort_keys=True)[:_LONGEST_EVENT_SHOWN]


def _messages(event: dict[str, Any]) -> list[dict[str, str]]:
    return [json.loads(record["Sns"]["Message"]) for record in event.get("Records", [])]


def received(sqs: SQSClient, queue: str) -> Iterator[Any]:
    """Every message that is in the queue now; each is held back from other readers for ten minutes."""
    while True:
        answer = sqs.receive_message(
            QueueUrl=queue,
            MaxNumberOfMessages=_BATCH,
            VisibilityTimeout=_SECONDS_HELD,
            WaitTimeSeconds=_SECONDS_OF_WAITING,
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["SentTimestamp"],
        )
        if not answer.get("Messages"):
            return
        yield from answer["Messages"]


def redrive(
    sqs: SQSClient,
    functions: LambdaClient,
    queue: str,
    subscriber: str,
    scanned: Callable[[list[str]], Mapping[str, datetime]],
    *,
    dry_run: bool,
) -> Iterator[Outcome]:
    """Give each event in the queue to its function again, equal ones once, and delete its messages.

    `scanned` says of accounts when their last complete scans began (UTC): what failed before that is dropped.
    Nothing is deleted before the function has accepted the event. A dry run leaves everything as it is. Raises
    botocore's errors if the queue cannot be read or written.
    """
    # All of them first: what goes back into the queue, or fails again, must not be received in the same run.
    waiting = list(received(sqs, queue))
    groups: dict[tuple[str, str], list[tuple[Any, Failure]]] = {}
    for message in waiting:
        failure = failure_of(message["Body"], message.get("MessageAttributes", {}), subscriber)
        if failure is None:
            _leave(sqs, queue, message)
            yield Outcome(f"message {message['MessageId']}", "", "left in the queue: it is not understood", False)
        else:
            groups.setdefault((failure.function, failure.what), []).append((message, failure))
    complete = scanned(sorted({each for group in groups.values() for _, found in group for each in found.accounts}))
    for group in groups.values():
        messages = [message for message, _ in group]
        newest = group[-1][1]
        since = _scanned_since(newest.accounts, complete, messages)
        if since is not None:
            yield _dropped(sqs, queue, messages, newest, since, dry_run=dry_run)
            continue
        yield _asked_again(sqs, functions, queue, messages, newest, dry_run=dry_run)


def _scanned_since(accounts: list[str], complete: Mapping[str, datetime], messages: list[Any]) -> datetime | None:
    """When the accounts were scanned to the end after all these messages (UTC); None if one of them was not."""
    times = [complete.get(account_id) for account_id in accounts]
    known = [time for time in times if time is not None]
    if not known or len(known) < len(times):
        return None
    sent = [int(message.get("Attributes", {}).get("SentTimestamp", _NEVER_MOOT)) / 1000 for message in messages]
    return min(known) if min(known).timestamp() > max(sent) else None


def _dropped(
    sqs: SQSClient, queue: str, messages: list[Any], failure: Failure, since: datetime, *, dry_run: bool
) -> Outcome:
    """Delete the messages of a scan that has succeeded since."""
    for message in messages:
        if dry_run:
            _leave(sqs, queue, message)
        else:
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    done = "would be dropped" if dry_run else "dropped"
    return Outcome(failure.what, failure.cause, f"{done}: scanned to the end since, at {text.utc(since)}", True)


def _asked_again(
    sqs: SQSClient, functions: LambdaClient, queue: str, messages: list[Any], failure: Failure, *, dry_run: bool
) -> Outcome:
    """Give the event of these messages, which all mean the same, to its function once."""
    times = f" ({len(messages)} messages)" if len(messages) > 1 else ""
    if dry_run:
        for message in messages:
            _leave(sqs, queue, message)
        return Outcome(failure.what, failure.cause, f"would be asked for again{times}", True)
    try:
        functions.invoke(
            FunctionName=failure.function, InvocationType="Event", Payload=json.dumps(failure.event).encode()
        )
    except (ClientError, BotoCoreError) as error:
        for message in messages:
            _leave(sqs, queue, message)
        return Outcome(failure.what, failure.cause, f"left in the queue{times}: {error}", False)
    for message in messages:
        sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    return Outcome(failure.what, failure.cause, f"asked for again{times}", True)


def _leave(sqs: SQSClient, queue: str, message: Any) -> None:
    """Let other readers receive a message at once."""
    sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0)


def _last_scans(states: StateTable, account_ids: list[str]) -> dict[str, datetime]:
    found = states.of_accounts(account_ids, datetime.now(UTC))
    return {account_id: state.scanned for account_id, state in found.items() if state.scanned is not None}


@command(epilog=EXIT_CODES)
@config_argument
@click.option("--dry-run", is_flag=True, help="Show what lies in the queue, and leave it there.")
def main(config_folder: str | None, dry_run: bool) -> None:
    """Ask again for the scans that failed permanently, and empty the queue of failures.

    A scan that Lambda has tried three times without success is in the queue hammer-iam-user-inactive-keys-failures,
    with its error, and an alarm says so. Once the cause is mended, this starts those scans again, one for each
    account, however often it failed; those of an account that was scanned to the end since are dropped. A message is
    deleted when its function has accepted the event; what fails again comes back. CONFIG_FOLDER (config/ if not
    given) says in which account and region the queue is.
    """
    with exit_codes():
        settings = settings_of(config_folder)
        session = main_account_session(settings)
        names = stacks.outputs(session.client("cloudformation"), stacks.MAIN_STACK)
        queue, function = names["FailuresQueueUrl"], names["IdentificationFunctionName"]
        sqs, functions = session.client("sqs"), session.client("lambda")
        table = state_table_name(settings.inactive_keys.table_name)
        scanned = partial(_last_scans, StateTable(session.client("dynamodb"), table, click.echo))
        outcomes = list(redrive(sqs, functions, queue, function, scanned, dry_run=dry_run))
        if not outcomes:
            click.echo("The queue of failures is empty")
            return
        rows = [(outcome.what, outcome.cause, outcome.done) for outcome in outcomes]
        print_table(("what", "why it had failed", "what was done"), rows)
        left = [outcome for outcome in outcomes if not outcome.well]
        if left:
            raise DeploymentError(f"{len(left)} stay in the queue", id=Message.LEFT_IN_THE_QUEUE)


if __name__ == "__main__":
    main()
