"""The issues table: consistent reads, and one conditional update for each step of an issue's life."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeSerializer

from library.aws.attributes import plain
from library.aws.calls import AWS_ERRORS, code_of, part_of
from library.aws.conditional_update import MAPS, update_of
from library.aws.table_failures import table_failed
from library.aws_clients import pages
from library.errors import AccessDenied, AwsCallFailed, AwsUnusable, HammerError, RecordChanged
from library.issues.decisions import Outcome, Skip, Step
from library.issues.row import UnreadableIssue, from_item, to_item
from library.messages import Message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from mypy_boto3_dynamodb import DynamoDBClient

    from library.aws.calls import AwsError
    from library.issues.record import Issue

ATTEMPTS = 5
"""How often a step reads and decides again before it gives up; each time somebody else has written."""

_serialize = TypeSerializer().serialize


class IssuesTable:
    """The rows of one table; every method raises AwsCallFailed if DynamoDB fails permanently.

    `clock` says when (UTC) a row is read, after which nothing in it can have happened.
    """

    def __init__(
        self, client: DynamoDBClient, table_name: str, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._client = client
        self._table = table_name
        self._clock = clock

    def of_account(
        self, account_id: str, unreadable: Callable[[UnreadableIssue], None] | None = None
    ) -> Iterator[Issue]:
        """Every issue of an account, page by page, as consistent as DynamoDB can be.

        A row that cannot be read raises UnreadableIssue or, if `unreadable` is given, is handed to it and left out.
        """
        listing = self._client.get_paginator("query").paginate(
            TableName=self._table,
            ConsistentRead=True,
            KeyConditionExpression="account_id = :account",
            ExpressionAttributeValues={":account": {"S": account_id}},
        )
        try:
            for page in pages(listing):
                for item in part_of(page, "Items", "dynamodb:Query", f"table {self._table!r}"):
                    try:
                        issue = self._issue(item)
                    except UnreadableIssue as error:
                        if unreadable is None:
                            raise
                        unreadable(error)
                    else:
                        yield issue
        except AWS_ERRORS as error:
            raise self._failed("Query", error) from error

    def get(self, account_id: str, issue_id: str) -> Issue | None:
        """The issue as it is in the table at this moment, None if there is none. Raises UnreadableIssue."""
        try:
            answer = self._client.get_item(TableName=self._table, Key=_key(account_id, issue_id), ConsistentRead=True)
        except AWS_ERRORS as error:
            raise self._failed("GetItem", error) from error
        return self._issue(answer["Item"]) if "Item" in answer else None

    def reach(self) -> None:
        """Raises AwsUnusable if no account's issues can be had: for the credentials, the network or the table."""
        try:
            self._client.get_item(TableName=self._table, Key=_key("-", "-"))
        except AWS_ERRORS as error:
            failure = self._failed("GetItem", error)
            if isinstance(failure, AccessDenied):
                failure = AwsUnusable(str(failure), call=failure.call, code=failure.code, id=failure.id)
            if isinstance(failure, AwsUnusable):
                raise failure from error

    def step(
        self,
        account_id: str,
        issue_id: str,
        issue: Issue | None,
        decide: Callable[[Issue | None], Step | Skip | None],
    ) -> Outcome:
        """Take one step: write what `decide` makes of the issue, on the condition that nobody wrote since.

        `issue` is what was read of it last, None if there was none. `decide` returns the step, or why none is taken,
        or None if there is nothing to do. When the condition fails, the issue is read again and decided again. The
        step's entry is added to the history in the same write. Raises RecordChanged after ATTEMPTS.
        """
        for _ in range(ATTEMPTS):
            decision = decide(issue)
            if isinstance(decision, Skip):
                return Outcome(issue, issue, refused=decision)
            if decision is None or not decision.changes(issue):
                return Outcome(issue, issue)
            after = decision.recorded
            written = self._create(after) if issue is None else self._update(issue, after)
            if written:
                return Outcome(issue, after, written=True)
            issue = self.get(account_id, issue_id)
        raise RecordChanged(
            f"issue {account_id}/{issue_id}: changed {ATTEMPTS} times while this step was deciding; nothing written"
        )

    def change(self, issue: Issue, decide: Callable[[Issue], Step | Skip | None]) -> Outcome:
        """As `step`, of an issue that was read before; refused if somebody has removed it from the table since."""
        return self.step(
            issue.account_id,
            issue.issue_id,
            issue,
            lambda current: Skip("removed from the table by somebody") if current is None else decide(current),
        )

    def record(self, issue: Issue, decide: Callable[[Issue], Step | None]) -> Issue:
        """As `change`, for what has happened already; returns the issue as it is then.

        Raises HammerError if somebody has removed the issue from the table.
        """
        after = self.change(issue, decide).after
        if after is None:
            raise HammerError(
                f"issue {issue.account_id}/{issue.issue_id} was removed from the table by somebody",
                id=Message.ROW_REMOVED,
            )
        return after

    def _issue(self, item: Mapping[str, Any]) -> Issue:
        return from_item(plain(item), self._clock())

    def _create(self, issue: Issue) -> bool:
        create = partial(
            self._client.put_item,
            TableName=self._table,
            Item={name: _serialize(value) for name, value in to_item(issue).items()},
            ConditionExpression="attribute_not_exists(issue_id)",
        )
        return self._conditionally("PutItem", create)

    def _update(self, before: Issue, after: Issue) -> bool:
        wanted = update_of(to_item(before), to_item(after))
        update = partial(
            self._client.update_item,
            TableName=self._table,
            Key=_key(before.account_id, before.issue_id),
            UpdateExpression=wanted.expression,
            ConditionExpression=wanted.condition,
            ExpressionAttributeNames=wanted.names,
            ExpressionAttributeValues={name: _serialize(value) for name, value in wanted.values.items()},
        )
        try:
            return self._conditionally("UpdateItem", update)
        except AwsCallFailed as error:
            # Rows of Hammer's own lack some maps, and DynamoDB writes nothing into a map that is not there.
            if error.code != "ValidationException":
                raise
            self._add_missing_maps(before)
        try:
            return self._conditionally("UpdateItem", update)
        except AwsCallFailed as error:
            if error.code != "ValidationException":
                raise
            # A map has become something else, or the row is as large as a row may be.
            where = f"{before.account_id}/{before.issue_id}"
            raise UnreadableIssue(f"issue {where} cannot be written to: {error}", before.issue_id) from error

    def _add_missing_maps(self, issue: Issue) -> None:
        for attribute in MAPS:
            self._conditionally(
                "UpdateItem",
                partial(
                    self._client.update_item,
                    TableName=self._table,
                    Key=_key(issue.account_id, issue.issue_id),
                    UpdateExpression="SET #map = :empty",
                    ConditionExpression="attribute_exists(issue_id) AND "
                    "(attribute_not_exists(#map) OR attribute_type(#map, :null))",
                    ExpressionAttributeNames={"#map": attribute},
                    ExpressionAttributeValues={":empty": {"M": {}}, ":null": {"S": "NULL"}},
                ),
            )

    def _conditionally(self, operation: str, call: Callable[[], object]) -> bool:
        try:
            call()
        except AWS_ERRORS as error:
            if code_of(error) == "ConditionalCheckFailedException":
                return False
            raise self._failed(operation, error) from error
        return True

    def _failed(self, operation: str, error: AwsError) -> AwsCallFailed:
        return table_failed(self._client, self._table, operation, error)


def _key(account_id: str, issue_id: str) -> dict[str, Any]:
    return {"account_id": {"S": account_id}, "issue_id": {"S": issue_id}}
