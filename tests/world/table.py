"""The issues table: made, written and read past the code that is tested."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import boto3
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

from library.aws.lease import LEASE
from library.aws.state_table import state_table_name
from library.issues.row import from_item, to_item
from tests.world import TABLE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from library.issues.record import Issue


def create() -> None:
    """Make the empty table and that of the state beside it, as the template does."""
    boto3.client("dynamodb").create_table(
        TableName=state_table_name(TABLE),
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
    )
    boto3.client("dynamodb").create_table(
        TableName=TABLE,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": "account_id", "AttributeType": "S"},
            {"AttributeName": "issue_id", "AttributeType": "S"},
        ],
        KeySchema=[
            {"AttributeName": "account_id", "KeyType": "HASH"},
            {"AttributeName": "issue_id", "KeyType": "RANGE"},
        ],
    )


def scanned(account_id: str, at: datetime) -> None:
    """Write that the last complete scan of an account began then (UTC)."""
    item = {"id": f"scan#{account_id}", "scanned": at.isoformat(), "version": "of a test"}
    boto3.client("dynamodb").put_item(TableName=state_table_name(TABLE), Item=serialized(item))


def begin_a_run_on_a_laptop() -> None:
    """Write the lease of reporting on another machine, whoever has it now."""
    now = datetime.now(UTC).replace(microsecond=0)
    holder = {"command": "reporting.x", "who": "alice", "host": "laptop", "process": 4711, "since": now.isoformat()}
    item = {"id": LEASE, "run": "of a laptop", "ends": (now + timedelta(minutes=10)).isoformat(), **holder}
    boto3.client("dynamodb").put_item(TableName=state_table_name(TABLE), Item=serialized(item))


def let_the_lease_run_out() -> None:
    """Write the lease, if somebody has it, as if its run had begun ten minutes earlier and died at once."""
    client, name, key = boto3.client("dynamodb"), state_table_name(TABLE), {"id": {"S": LEASE}}
    item = deserialized(client.get_item(TableName=name, Key=key, ConsistentRead=True).get("Item", {}))
    if "ends" in item:
        ends = datetime.fromisoformat(item["ends"]) - timedelta(minutes=10)
        client.put_item(TableName=name, Item=serialized({**item, "ends": ends.isoformat(timespec="seconds")}))


def serialized(item: Mapping[str, Any]) -> dict[str, Any]:
    """A row as DynamoDB writes it."""
    serialize = TypeSerializer().serialize
    return {name: serialize(value) for name, value in item.items()}


def deserialized(item: Mapping[str, Any]) -> dict[str, Any]:
    """A row as plain values."""
    deserialize = TypeDeserializer().deserialize
    return {name: deserialize(value) for name, value in item.items()}


def put(issue: Issue) -> None:
    """Write the whole row."""
    boto3.client("dynamodb").put_item(TableName=TABLE, Item=serialized(to_item(issue)))


def read(issue: Issue) -> Issue:
    """The issue as it is in the table now."""
    key = {"account_id": {"S": issue.account_id}, "issue_id": {"S": issue.issue_id}}
    found = boto3.client("dynamodb").get_item(TableName=TABLE, Key=key, ConsistentRead=True)
    return from_item(deserialized(found["Item"]), datetime.now(UTC))


def rows() -> list[dict[str, Any]]:
    """The whole table, as DynamoDB writes it."""
    return [dict(item) for item in boto3.client("dynamodb").scan(TableName=TABLE, ConsistentRead=True)["Items"]]
