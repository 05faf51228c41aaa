"""Asks again for the scans that failed permanently, and empties the queue of failures."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import click

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
from library.aws import organizations
from library.aws.calls import AWS_ERRORS
from library.aws.state_table import StateTable, state_table_name
from library.cli.aws_options import aws_options
from library.cli.command import command
from library.errors import HammerError
from library.issues import values
from library.messages import Message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_sqs import SQSClient

    from library.aws_clients import Session
    from library.config.settings import Config

# Long enough to start a thousand runs; a message that was not deleted by then is received again.
_SECONDS_HELD = 600
# Without waiting, SQS asks only some of its servers and may answer that a queue is empty which is not.
_SECONDS_OF_WAITING = 2
_BATCH = 10
# arn:partition:lambda:region:account:function:name, after which a version may follow.
_NAME_IN_AN_ARN = 6
# Of a message whose time is not known it is not known either whether a scan came after it.
_NEVER_MOOT = 1 << 60


@dataclass(frozen=True, slots=True)
class Failure:
    """Something that was asked for and failed permanently.

    `accounts` are the ids of those whose scan was asked for; none if it was that of all. `cause` is the error, empty
    if unknown.
    """

    accounts: tuple[str, ...]
    cause: str


@dataclass(frozen=True, slots=True)
class Stack:
    """Whom to ask: the names of the stack's two functions, and of the accounts by their ids."""

    initiation: str
    identification: str
    account_names: Mapping[str, str]

    def request(self, failure: Failure) -> tuple[str, dict[str, Any]]:
        """The function that gets it again, and the event, in which nothing comes from a message but account ids."""
        if not failure.accounts:
            return self.initiation, {}
        asked = [{"account_id": each, "account_name": self._name(each)} for each in failure.accounts]
        return self.identification, {"Records": [{"Sns": {"Message": json.dumps(each)}} for each in asked]}

    def what(self, failure: Failure) -> str:
        """What a person calls it."""
        scans = ", ".join(f"scan of {each} {self._name(each)}".rstrip() for each in failure.accounts)
        return scans or "scan of all accounts"

    def _name(self, account_id: str) -> str:
        return self.account_names.get(account_id, "")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one event or message; `well` is false if it stays in the queue."""

    what: str
    cause: str
    done: str
    well: bool


def failure_of(body: str, attributes: dict[str, Any], stack: Stack) -> Failure | None:
    """What a message of the queue stands for; None if it is not one of ours.

    There are three kinds: the record that Lambda writes for its on-failure destination, a notification that the
    topic could not deliver, and an event that the schedule could not deliver, which names its target in the
    attributes. A message that is about a function of somebody else is not ours.
    https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
    https://docs.aws.amazon.com/sns/latest/dg/sns-dead-letter-queues.html
    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html
    """
    try:
        content = json.loads(body)
        if "requestPayload" in content:
            error_message = (content.get("responsePayload") or {}).get("errorMessage", "")
            cause = values.text(error_message or content["requestContext"].get("condition", ""))
            function = _name_of(content["requestContext"]["functionArn"])
            if function == stack.identification:
                return Failure(_accounts(content["requestPayload"]["Records"]), cause)
            return Failure((), cause) if function == stack.initiation else None
        if content.get("Type") == "Notification":
            return Failure(_accounts([{"Sns": content}]), "the topic could not deliver it")
        if "TARGET_ARN" in attributes and _name_of(attributes["TARGET_ARN"]["StringValue"]) == stack.initiation:
            cause = attributes.get("ERROR_MESSAGE", {}).get("StringValue", "the schedule could not deliver it")
            return Failure((), cause)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None
    return None


def _name_of(arn: str) -> str:
    return arn.split(":")[_NAME_IN_AN_ARN]


def _accounts(records: list[dict[str, Any]]) -> tuple[str, ...]:
    """The ids of the accounts whose scan these notifications ask for; raises ValueError if there is none."""
    found = tuple(values.account_id(json.loads(record["Sns"]["Message"])["account_id"]) for record in records)
    if not found:
        raise ValueError("no account")
    return found


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
    stack: Stack,
    scanned: Callable[[list[str]], Mapping[str, datetime]],
    *,
    dry_run: bool,
) -> Iterator[Outcome]:
    """Ask the stack's functions again for each scan in the queue, once each, and delete its messages.

    `scanned` says of accounts when their last complete scans began (UTC): what failed before that is dropped.
    Nothing is deleted before the function has accepted the request. A dry run leaves everything as it is. Raises
    botocore's errors if the queue cannot be read or written.
    """
    # All of them first: what goes back into the queue, or fails again, must not be received in the same run.
    waiting = list(received(sqs, queue))
    groups: dict[tuple[str, ...], list[tuple[Any, Failure]]] = {}
    for message in waiting:
        failure = failure_of(message["Body"], message.get("MessageAttributes", {}), stack)
        if failure is None:
            _leave(sqs, queue, message)
            yield Outcome(f"message {message['MessageId']}", "", "left in the queue: it is not understood", False)
        else:
            groups.setdefault(failure.accounts, []).append((message, failure))
    complete = scanned(sorted({each for accounts in groups for each in accounts}))
    for group in groups.values():
        messages = [message for message, _ in group]
        newest = group[-1][1]
        since = _scanned_since(newest.accounts, complete, messages)
        if since is not None:
            done = _dropped(sqs, queue, messages, since, dry_run=dry_run)
            yield Outcome(stack.what(newest), newest.cause, done, True)
            continue
        done, well = _asked_again(sqs, functions, queue, messages, stack.request(newest), dry_run=dry_run)
        yield Outcome(stack.what(newest), newest.cause, done, well)


def _scanned_since(
    accounts: tuple[str, ...], complete: Mapping[str, datetime], messages: list[Any]
) -> datetime | None:
    """When the accounts were scanned to the end after all these messages (UTC); None if one of them was not."""
    times = [complete.get(account_id) for account_id in accounts]
    known = [time for time in times if time is not None]
    if not known or len(known) < len(times):
        return None
    sent = [int(message.get("Attributes", {}).get("SentTimestamp", _NEVER_MOOT)) / 1000 for message in messages]
    return min(known) if min(known).timestamp() > max(sent) else None


def _dropped(sqs: SQSClient, queue: str, messages: list[Any], since: datetime, *, dry_run: bool) -> str:
    """Delete the messages of a scan that has succeeded since."""
    for message in messages:
        if dry_run:
            _leave(sqs, queue, message)
        else:
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    done = "would be dropped" if dry_run else "dropped"
    return f"{done}: scanned to the end since, at {text.utc(since)}"


def _asked_again(
    sqs: SQSClient,
    functions: LambdaClient,
    queue: str,
    messages: list[Any],
    request: tuple[str, dict[str, Any]],
    *,
    dry_run: bool,
) -> tuple[str, bool]:
    """Ask once for what these messages stand for, which is the same; what was done, and whether it went well."""
    function, event = request
    times = f" ({len(messages)} messages)" if len(messages) > 1 else ""
    if dry_run:
        for message in messages:
            _leave(sqs, queue, message)
        return f"would be asked for again{times}", True
    try:
        functions.invoke(FunctionName=function, InvocationType="Event", Payload=json.dumps(event).encode())
    except AWS_ERRORS as error:
        for message in messages:
            _leave(sqs, queue, message)
        return f"left in the queue{times}: {error}", False
    for message in messages:
        sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    return f"asked for again{times}", True


def _leave(sqs: SQSClient, queue: str, message: Any) -> None:
    """Let other readers receive a message at once."""
    sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0)


def _last_scans(states: StateTable, account_ids: list[str]) -> dict[str, datetime]:
    found = states.of_accounts(account_ids, datetime.now(UTC))
    return {account_id: state.scanned for account_id, state in found.items() if state.scanned is not None}


def _account_names(session: Session, settings: Config) -> Mapping[str, str]:
    """What the accounts are called: by the organization, if the configuration wants it, and if it can be asked."""
    found: Mapping[str, str] = {}
    if settings.aws.accounts_from_organization:
        try:
            found = organizations.active_accounts(session.client("organizations"))
        except HammerError as error:
            click.echo(f"The accounts stay without names: {error}")
    return {**found, **settings.aws.accounts}


@command(epilog=EXIT_CODES)
@config_argument
@click.option("--dry-run", is_flag=True, help="Show what lies in the queue, and leave it there.")
@aws_options
def main(config_folder: str | None, dry_run: bool) -> None:
    """Ask again for the scans that failed permanently, and empty the queue of failures.

    A scan that Lambda has tried three times without success is in the queue hammer-iam-user-inactive-keys-failures,
    with its error, and an alarm says so. Once the cause is mended, this starts those scans again, one for each
    account, however often it failed; those of an account that was scanned to the end since are dropped. Only the
    stack's own functions are asked, and of a message only the account's id is used. It is deleted when the function
    has accepted the request; what fails again comes back. CONFIG_FOLDER (config/ if not given) says in which account
    and region the queue is.
    """
    with exit_codes():
        settings = settings_of(config_folder)
        session = main_account_session(settings)
        names = stacks.outputs(session.client("cloudformation"), stacks.MAIN_STACK)
        queue = names["FailuresQueueUrl"]
        asked = _account_names(session, settings)
        stack = Stack(names["InitiationFunctionName"], names["IdentificationFunctionName"], asked)
        sqs, functions = session.client("sqs"), session.client("lambda")
        table = state_table_name(settings.inactive_keys.table_name)
        scanned = partial(_last_scans, StateTable(session.client("dynamodb"), table, click.echo))
        outcomes = list(redrive(sqs, functions, queue, stack, scanned, dry_run=dry_run))
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
