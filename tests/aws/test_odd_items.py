"""Odd items of the state table, and rows that change their form under a step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from library.aws.issues_table import IssuesTable
from library.aws.lease import LEASE, Holder, Lease
from library.aws.state_table import StateTable, state_table_name
from library.errors import AlreadyRunning
from library.issues.account_state import AccountState, Seen, to_item
from library.issues.row import UnreadableIssue
from library.issues.scan_watch import Watch
from library.issues.steps import refreshed
from tests.builders import ACCOUNT, KEY, NOW, an_issue, days_ago, details
from tests.odd import one_of_each_type
from tests.world import TABLE
from tests.world.table import put, serialized

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from library.issues.decisions import Step
    from library.issues.record import Issue

STATE = state_table_name(TABLE)
OTHER = "210987654321"
WHOLE = AccountState(
    scanned=NOW, seen=Seen(7, 8, 2), failing_since=NOW, failure="denied", memory=b"\x00", unmatched=("x",)
)


def write(dynamodb: DynamoDBClient, key: str, item: dict[str, Any]) -> None:
    dynamodb.put_item(TableName=STATE, Item=serialized({**item, "id": key}))


@pytest.mark.parametrize("place", [*to_item(WHOLE), "version"])
def test_an_odd_state_is_named_read_beside_others_and_written_over(dynamodb: DynamoDBClient, place: str) -> None:
    said: list[str] = []
    table = StateTable(dynamodb, STATE, said.append)
    write(dynamodb, f"scan#{OTHER}", to_item(WHOLE))
    for value in one_of_each_type(NOW):
        write(dynamodb, f"scan#{ACCOUNT}", {**to_item(WHOLE), place: value})
        assert table.of_accounts([ACCOUNT, OTHER], NOW)[OTHER].scanned == NOW
        after = table.change(
            ACCOUNT,
            table.of_account(ACCOUNT, NOW),
            lambda state: state.complete(Seen(1, 1, 1), b"", NOW, everything=False, tags_read=NOW),
            NOW,
        )
        assert table.of_account(ACCOUNT, NOW) == after
        assert after.scanned is not None
    assert place in ("failing", "version") or said
    assert all(f"scan#{ACCOUNT}" in sentence for sentence in said)


@pytest.mark.parametrize("place", ["asked", "told"])
def test_odd_notes_of_the_initiation_are_named_and_written_over(dynamodb: DynamoDBClient, place: str) -> None:
    said: list[str] = []
    table = StateTable(dynamodb, STATE, said.append)
    for value in one_of_each_type(NOW):
        for inner in (value, {ACCOUNT: value}):
            write(dynamodb, "initiation", {place: inner})
            table.keep_watch(table.watch(NOW))
    table.keep_watch(Watch({ACCOUNT: NOW}, {}))
    assert table.watch(NOW).asked == {ACCOUNT: NOW}
    assert said


@pytest.mark.parametrize("place", ["run", "ends", "command", "who", "host", "process", "since"])
def test_an_odd_lease_is_another_runs_or_free(dynamodb: DynamoDBClient, place: str) -> None:
    holder = Holder("remediation.x", "root", "ip-10-0-0-7", 4711, NOW)
    outcomes = set()
    for value in one_of_each_type(NOW):
        dynamodb.delete_item(TableName=STATE, Key={"id": {"S": LEASE}})
        Lease(dynamodb, STATE, holder).take()
        found = dynamodb.get_item(TableName=STATE, Key={"id": {"S": LEASE}})["Item"]
        dynamodb.put_item(TableName=STATE, Item={**found, **serialized({place: value})})
        outcomes.add(taken(Lease(dynamodb, STATE, holder)))
    assert outcomes == ({"free"} if place == "ends" else {"another's"})


def taken(lease: Lease) -> str:
    """What came of a run that wanted it."""
    try:
        lease.take()
    except AlreadyRunning as error:
        return "another's" if str(error).isprintable() else str(error)
    lease.hold()
    lease.give_back()
    return "free"


def worse(name: str) -> dict[str, Any]:
    return {
        "UpdateExpression": "SET #name = :odd",
        "ExpressionAttributeNames": {"#name": name},
        "ExpressionAttributeValues": {":odd": {"S": "odd"}},
    }


@pytest.mark.parametrize("name", ["status", "timestamps", "issue_details"])
def test_a_row_that_loses_its_form_under_a_step_is_named(dynamodb: DynamoDBClient, name: str) -> None:
    table, issue = IssuesTable(dynamodb, TABLE, lambda: NOW), an_issue()
    put(issue)
    where = {"account_id": {"S": ACCOUNT}, "issue_id": {"S": KEY}}

    def decide(current: Issue | None) -> Step:
        dynamodb.update_item(TableName=TABLE, Key=where, **worse(name))
        return refreshed(current or issue, details(last_used=days_ago(95)), NOW)

    with pytest.raises(UnreadableIssue, match=f"{ACCOUNT}/{KEY}") as raised:
        table.step(ACCOUNT, KEY, issue, decide)
    assert raised.value.issue_id == KEY
