"""The state table: one item per account (`scan#<account id>`), read without trust and written under a condition."""

from __future__ import annotations

import secrets
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeSerializer

from library.aws.answers import not_understood
from library.aws.attributes import plain
from library.aws.calls import AWS_ERRORS
from library.aws.table_failures import table_failed
from library.errors import AwsCallFailed, RecordChanged
from library.issues.account_state import ATTRIBUTES, AccountState, from_item, isoformat, times_of, to_item
from library.issues.scan_watch import Watch
from library.messages import Message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import datetime

    from mypy_boto3_dynamodb import DynamoDBClient

ATTEMPTS = 5
"""How often a change reads and decides again before it gives up; each time somebody else has written."""
_BATCH = 100
"""Items of one BatchGetItem (DynamoDB API reference)."""
_BATCH_GET = "dynamodb:BatchGetItem"
_BATCH_ROUNDS = 8
_BATCH_PAUSE = 0.1
_WITHOUT_MEMORY = ("id", "version", *(name for name in ATTRIBUTES if name != "memory"))

_WATCH = "initiation"

_serialize = TypeSerializer().serialize


def state_table_name(issues_table_name: str) -> str:
    """The name of the state table beside an issues table."""
    return f"{issues_table_name}-state"


class StateTable:
    """The items of one table; every method raises AwsCallFailed if DynamoDB fails permanently.

    Of an item that is not as this version writes it, what is not understood is not known; `odd` is told of it, one
    sentence each, which names the item.
    """

    def __init__(self, client: DynamoDBClient, table_name: str, odd: Callable[[str], object]) -> None:
        self._client = client
        self._table = table_name
        self._odd = odd

    def of_account(self, account_id: str, now: datetime) -> AccountState:
        """The state of an account as it is read at `now` (UTC); an empty one if there is none."""
        key = _id(account_id)
        get = partial(self._client.get_item, TableName=self._table, Key={"id": {"S": key}}, ConsistentRead=True)
        answer = self._call("GetItem", get)
        return self._state(key, answer.get("Item") or {}, now)

    def of_accounts(self, account_ids: Iterable[str], now: datetime) -> dict[str, AccountState]:
        """The states of several accounts, without their memories; an account without an item is left out."""
        wanted = {_id(account_id): account_id for account_id in account_ids}
        found: dict[str, AccountState] = {}
        ids = list(wanted)
        for first in range(0, len(ids), _BATCH):
            for key, item in self._batch(ids[first : first + _BATCH]):
                if key in wanted:
                    found[wanted[key]] = self._state(key, item, now)
        return found

    def watch(self, now: datetime) -> Watch:
        """What the initiation keeps, as it is read at `now` (UTC)."""
        get = partial(self._client.get_item, TableName=self._table, Key={"id": {"S": _WATCH}}, ConsistentRead=True)
        item = self._call("GetItem", get).get("Item") or {}
        values = plain(item)
        asked, problems = times_of(values.get("asked"), now)
        told, more_problems = times_of(values.get("told"), now)
        self._complain(_WATCH, (*problems, *more_problems))
        return Watch(asked, told)

    def keep_watch(self, watch: Watch) -> None:
        """Write what the initiation keeps."""
        item: Any = {"id": _WATCH, "asked": isoformat(watch.asked), "told": isoformat(watch.told)}
        serialized = {name: _serialize(value) for name, value in item.items()}
        self._call("PutItem", partial(self._client.put_item, TableName=self._table, Item=serialized))

    def change(
        self,
        account_id: str,
        before: AccountState,
        decide: Callable[[AccountState], AccountState | None],
        now: datetime,
    ) -> AccountState:
        """Write what `decide` makes of the state, on the condition that nobody wrote since it was read as `before`.

        `decide` returns the state as it shall be, or None to leave it. When the condition fails, the item is read and
        decided again. Returns the state as it is then. Raises RecordChanged after ATTEMPTS.
        """
        for _ in range(ATTEMPTS):
            after = decide(before)
            if after is None or after == before:
                return before
            if version := self._write(_id(account_id), before, after):
                return replace(after, version=version)
            before = self.of_account(account_id, now)
        raise RecordChanged(f"state of account {account_id}: changed {ATTEMPTS} times while it was being written")

    def _write(self, key: str, before: AccountState, after: AccountState) -> str:
        """The new version; empty if somebody has written since `before` was read."""
        old, new = to_item(before), to_item(after)
        # What an item has too much, or not as it should be, goes with the first write. The memory is large.
        sets = {name: value for name, value in new.items() if name != "memory" or old.get(name) != value}
        removes = [name for name in ATTRIBUTES if name not in new]
        sets["version"] = version = secrets.token_hex(8)
        values = {f":{name}": _serialize(value) for name, value in sets.items()}
        condition = "#version = :before"
        if before.version is None:
            condition = "attribute_not_exists(#version) OR attribute_type(#version, :before)"
        values[":before"] = _serialize("NULL" if before.version is None else before.version)
        update = "SET " + ", ".join(f"#{name} = :{name}" for name in sets)
        update += " REMOVE " + ", ".join(f"#{name}" for name in removes) if removes else ""
        try:
            self._call(
                "UpdateItem",
                lambda: self._client.update_item(
                    TableName=self._table,
                    Key={"id": {"S": key}},
                    UpdateExpression=update,
                    ConditionExpression=condition,
                    ExpressionAttributeNames={f"#{name}": name for name in (*sets, *removes)},
                    ExpressionAttributeValues=values,
                ),
            )
        except AwsCallFailed as error:
            if error.code == "ConditionalCheckFailedException":
                return ""
            raise
        return version

    def _batch(self, ids: list[str]) -> Iterator[tuple[str, Mapping[str, Any]]]:
        request: Any = {
            self._table: {
                "Keys": [{"id": {"S": one}} for one in ids],
                "ProjectionExpression": ", ".join(f"#{name}" for name in _WITHOUT_MEMORY),
                "ExpressionAttributeNames": {f"#{name}": name for name in _WITHOUT_MEMORY},
                "ConsistentRead": True,
            }
        }
        for number in range(_BATCH_ROUNDS):
            if number:
                time.sleep(_BATCH_PAUSE * 2**number)
            items, request = self._call("BatchGetItem", partial(self._part_of_batch, request))
            yield from items
            if not request:
                return
        text = f"table {self._table!r} ({_BATCH_GET}): items are left out again and again"
        raise AwsCallFailed(text, call=_BATCH_GET, id=Message.TABLE_FAILED)

    def _part_of_batch(self, request: Any) -> tuple[list[tuple[str, Mapping[str, Any]]], Any]:
        """The items by their ids, and what is to be asked for again."""
        answer = self._client.batch_get_item(RequestItems=request)
        items = answer.get("Responses", {}).get(self._table)
        if items is None:
            if not answer["UnprocessedKeys"]:
                raise not_understood(f"it lacks Responses[{self._table}]")
            return [], answer["UnprocessedKeys"]
        found: list[tuple[str, Mapping[str, Any]]] = []
        for number, item in enumerate(items):
            key = plain(item).get("id")
            if not isinstance(key, str):
                raise not_understood(f"Responses[{self._table}][{number}] lacks an id that is text")
            found.append((key, item))
        return found, answer["UnprocessedKeys"]

    def _state(self, key: str, item: Mapping[str, Any], now: datetime) -> AccountState:
        state, problems = from_item(plain(item), now)
        self._complain(key, problems)
        return state

    def _complain(self, key: str, problems: Iterable[str]) -> None:
        for problem in problems:
            self._odd(f"item {key!r} of table {self._table!r} is not as it should be, {problem}; it is not used")

    def _call(self, operation: str, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except AWS_ERRORS as error:
            raise table_failed(self._client, self._table, operation, error) from error


def _id(account_id: str) -> str:
    return f"scan#{account_id}"
