"""The issues table: consistent reads, and one conditional update for each step of an issue's life."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeSerializer

from library.aws.attributes import plain
from library.aws.calls import AWS_ERRORS
from library.aws.conditional_update import KEY, MAPS, others_came_first, unchanged, update_of
from library.aws.table_failures import table_failed
from library.aws_clients import pages
from library.errors import AccessDenied, AwsCallFailed, AwsUnusable, HammerError, RecordChanged
from library.issues.archive import may_be_archived, without_copies
from library.issues.decisions import Outcome, Skip, Step
from library.issues.row import NO_KEY_FROM, UnreadableIssue, archive_of, from_item, to_item
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
        self,
        account_id: str,
        unreadable: Callable[[UnreadableIssue], None] | None = None,
        *,
        with_archive: bool = False,
    ) -> Iterator[Issue]:
        """Every issue of an account, page by page, as consistent as DynamoDB can be; the archived ones at the end.

        A row that cannot be read raises UnreadableIssue or, if `unreadable` is given, is handed to it and left out.
        """
        if with_archive:
            return without_copies(self._query(account_id, unreadable))
        return self._query(account_id, unreadable, "issue_id < :id", NO_KEY_FROM)

    def archived(self, account_id: str, key_id: str) -> list[Issue]:
        """The archived issues of a key, the one that was closed last at the end. Raises UnreadableIssue."""
        return list(self._query(account_id, None, "begins_with(issue_id, :id)", archive_of(key_id)))

    def has_archive(self, account_id: str) -> bool:
        """Whether any issue of the account is archived."""
        try:
            answer = self._client.query(Limit=1, **self._asked(account_id, "issue_id > :id", NO_KEY_FROM))
        except AWS_ERRORS as error:
            raise self._failed("Query", error) from error
        return bool(answer["Items"])

    def _asked(self, account_id: str, of_id: str, issue_id: str) -> Any:
        values = {":account": {"S": account_id}} | ({":id": {"S": issue_id}} if of_id else {})
        return {
            "TableName": self._table,
            "ConsistentRead": True,
            "KeyConditionExpression": " AND ".join(filter(None, ("account_id = :account", of_id))),
            "ExpressionAttributeValues": values,
        }

    def _query(
        self,
        account_id: str,
        unreadable: Callable[[UnreadableIssue], None] | None,
        of_id: str = "",
        issue_id: str = "",
    ) -> Iterator[Issue]:
        listing = self._client.get_paginator("query").paginate(**self._asked(account_id, of_id, issue_id))
        try:
            for page in pages(listing):
                for item in page["Items"]:
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
        item = self._item(account_id, issue_id)
        return None if item is None else self._issue(item)

    def _item(self, account_id: str, issue_id: str) -> Mapping[str, Any] | None:
        try:
            answer = self._client.get_item(TableName=self._table, Key=_key(account_id, issue_id), ConsistentRead=True)
        except AWS_ERRORS as error:
            raise self._failed("GetItem", error) from error
        return answer.get("Item")

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
        or None if there is nothing to do. When the condition fails, the issue is read again and decided again, the
        archived one if a scan has archived it. What becomes of an archived issue goes on in a row that scans read.
        The step's entry is added to the history in the same write. Raises RecordChanged after ATTEMPTS.
        """
        for _ in range(ATTEMPTS):
            decision = decide(issue)
            if isinstance(decision, Skip):
                return Outcome(issue, issue, refused=decision)
            if decision is None or not decision.changes(issue):
                return Outcome(issue, issue)
            after = replace(decision.recorded, archived=None)
            if self._write(issue, after):
                return Outcome(issue, after, written=True)
            issue = self._latest(account_id, issue_id)
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

    def archive(self, issue: Issue, now: datetime) -> bool:
        """Set an issue aside as of `now` (UTC), if it is still one of those that may be; whether that was done.

        The row is put under its other sort key and deleted in one transaction, with all that anybody has written
        into it. Raises UnreadableIssue.
        """
        item = self._item(issue.account_id, issue.issue_id)
        current = None if item is None else self._issue(item)
        if item is None or current is None or not may_be_archived(current, now):
            return False
        moved = to_item(replace(current, archived=now))
        form = {name: _serialize(moved[name]) for name in ("issue_id", "archived")}
        still = unchanged(item)
        delete = {
            "Key": _key(issue.account_id, issue.issue_id),
            "ConditionExpression": still.condition,
            "ExpressionAttributeNames": still.names,
            "ExpressionAttributeValues": still.values,
        }
        put = {"Item": {**item, **form}}
        both: Any = [{"Put": {"TableName": self._table, **put}}, {"Delete": {"TableName": self._table, **delete}}]
        return self._conditionally(
            "TransactWriteItems", partial(self._client.transact_write_items, TransactItems=both)
        )

    def _issue(self, item: Mapping[str, Any]) -> Issue:
        return from_item(plain(item), self._clock())

    def _latest(self, account_id: str, key_id: str) -> Issue | None:
        issue = self.get(account_id, key_id)
        archived = self.archived(account_id, key_id) if issue is None else []
        return archived[-1] if archived else issue

    def _write(self, before: Issue | None, after: Issue) -> bool:
        if before is None:
            return self._create(after)
        return self._update(before, after) if before.archived is None else self._bring_back(after)

    def _bring_back(self, issue: Issue) -> bool:
        """Write the row of an issue that was archived; as an update, for the host's role may not put."""
        item = {name: _serialize(value) for name, value in to_item(issue).items() if name not in KEY}
        update = partial(
            self._client.update_item,
            TableName=self._table,
            Key=_key(issue.account_id, issue.issue_id),
            UpdateExpression="SET " + ", ".join(f"#{name} = :{name}" for name in item),
            ConditionExpression="attribute_not_exists(issue_id)",
            ExpressionAttributeNames={f"#{name}": name for name in item},
            ExpressionAttributeValues={f":{name}": value for name, value in item.items()},
        )
        return self._conditionally("UpdateItem", update)

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
            if others_came_first(error):
                return False
            raise self._failed(operation, error) from error
        return True

    def _failed(self, operation: str, error: AwsError) -> AwsCallFailed:
        return table_failed(self._client, self._table, operation, error)


def _key(account_id: str, issue_id: str) -> dict[str, Any]:
    return {"account_id": {"S": account_id}, "issue_id": {"S": issue_id}}
