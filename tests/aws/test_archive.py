"""Closed issues that are set aside in the issues table: by one transaction, and readable ever after."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from library.aws.issues_table import IssuesTable
from library.errors import AwsCallFailed
from library.issues import switch_steps
from library.issues.decisions import Outcome, Skip
from library.issues.record import Resolution, Status
from library.issues.row import UnreadableIssue, row_id, to_item
from tests.builders import ACCOUNT, KEY, NOW, an_issue, days_ago, details, long_closed
from tests.wire import Wire, answer, body_of, json_failure
from tests.world import TABLE
from tests.world.table import deserialized, put, rows, serialized

if TYPE_CHECKING:
    from collections.abc import Callable

    from botocore.awsrequest import AWSResponse
    from mypy_boto3_dynamodb import DynamoDBClient

    from library.issues.decisions import Step
    from library.issues.record import Issue

LIVE = {"account_id": {"S": ACCOUNT}, "issue_id": {"S": KEY}}
JOE = "arn:aws:iam::123456789012:user/joe"
TIMES = replace(long_closed().timestamps, remediation_started=days_ago(368), remediated=days_ago(367.5))
OFF = long_closed(timestamps=TIMES, details=details(resolution=Resolution.REMEDIATED))
"""Of a key that we have switched off."""


@pytest.fixture
def table(dynamodb: DynamoDBClient) -> IssuesTable:
    return IssuesTable(dynamodb, TABLE, lambda: NOW)


def archived(table: IssuesTable, issue: Issue) -> Issue:
    """Write an issue, and set it aside."""
    put(issue)
    assert table.archive(issue, NOW)
    return replace(issue, archived=NOW)


def wanted_on(issue: Issue | None) -> Step | Skip:
    return Skip("gone") if issue is None else switch_steps.about_to_switch_on(issue, JOE, NOW)


# --- setting aside --------------------------------------------------------------------------------------------


def test_the_row_is_moved_by_one_transaction_with_all_that_anybody_has_written_into_it(
    dynamodb: DynamoDBClient, table: IssuesTable, wire: Wire
) -> None:
    issue = long_closed()
    ours = serialized(to_item(issue))
    theirs: dict[str, Any] = {
        "our-notes.2": {"L": [{"N": "1.50"}, {"NULL": True}]},
        "#x": {"SS": ["a", "b"]},
        "history_": {"S": ""},
    }
    dynamodb.put_item(TableName=TABLE, Item={**ours, **theirs})
    wire.sent.clear()
    assert table.archive(issue, NOW)
    assert wire.sent == ["GetItem", "TransactWriteItems"]
    moved = replace(issue, archived=NOW)
    assert rows() == [
        {**ours, **theirs, **{name: serialized(to_item(moved))[name] for name in ("issue_id", "archived")}}
    ]


def test_what_may_not_be_archived_any_more_stays(table: IssuesTable, wire: Wire) -> None:
    read = long_closed()
    for current in (an_issue(), replace(read, slack=replace(read.slack, owed=("bob",)))):
        put(current)
        before = rows()
        assert not table.archive(read, NOW)
        assert rows() == before
    assert not table.archive(long_closed(issue_id="AKIAGONE"), NOW)
    assert "TransactWriteItems" not in wire.sent


def _changes() -> list[tuple[str, Any]]:
    """Each attribute that a row has or may have, with another value, and without one."""
    item = serialized(to_item(long_closed(restore=None)))
    new = ("remediation_error", "restore_details", "archived")
    changed: list[tuple[str, Any]] = [(name, {"M": {"by": {"S": "x"}}}) for name in (*item, *new)]
    changed += [(name, None) for name in item]
    return [(name, value) for name, value in changed if name not in LIVE]


@pytest.mark.parametrize(("name", "value"), _changes(), ids=lambda each: each if isinstance(each, str) else "")
def test_a_row_that_somebody_changes_before_the_transaction_stays_as_they_have_written_it(
    dynamodb: DynamoDBClient, table: IssuesTable, wire: Wire, name: str, value: Any
) -> None:
    issue = long_closed()
    put(issue)
    theirs = {**serialized(to_item(issue)), **({name: value} if value else {})}
    if value is None:
        del theirs[name]
    wire.react("TransactWriteItems", lambda _: dynamodb.put_item(TableName=TABLE, Item=theirs) and None)
    assert not table.archive(issue, NOW)
    assert rows() == [theirs]


def test_a_row_that_somebody_removes_before_the_transaction_is_not_written_again(
    dynamodb: DynamoDBClient, table: IssuesTable, wire: Wire
) -> None:
    issue = long_closed()
    put(issue)
    wire.react("TransactWriteItems", lambda _: dynamodb.delete_item(TableName=TABLE, Key=LIVE) and None)
    assert not table.archive(issue, NOW)
    assert rows() == []


@pytest.mark.parametrize("code", ["AccessDeniedException", "InternalServerError"])
def test_a_transaction_that_fails_raises_and_moves_nothing(table: IssuesTable, wire: Wire, code: str) -> None:
    issue = long_closed()
    put(issue)
    before = rows()
    wire.react("TransactWriteItems", lambda _: json_failure(code, 500 if code == "InternalServerError" else 400))
    with pytest.raises(AwsCallFailed, match=f"table '{TABLE}' \\(dynamodb:TransactWriteItems\\): "):
        table.archive(issue, NOW)
    assert rows() == before


def _cancelled(*codes: str) -> Callable[[object], AWSResponse]:
    said = {"__type": "com.amazonaws#TransactionCanceledException", "Message": "Transaction cancelled"}
    return lambda _: answer(400, json.dumps(said | {"CancellationReasons": [{"Code": code} for code in codes]}))


@pytest.mark.parametrize("codes", [("TransactionConflict", "None"), ("None", "ConditionalCheckFailed")])
def test_a_transaction_that_others_came_before_is_left_for_the_next_scan(
    table: IssuesTable, wire: Wire, codes: tuple[str, ...]
) -> None:
    issue = long_closed()
    put(issue)
    wire.react("TransactWriteItems", _cancelled(*codes))
    assert not table.archive(issue, NOW)


@pytest.mark.parametrize(
    "codes",
    [
        ("ValidationError", "None"),
        ("ConditionalCheckFailed", "ThrottlingError"),
        ("None", "ItemCollectionSizeLimitExceeded"),
        ("None", "None"),
        (),
    ],
)
def test_a_transaction_that_is_cancelled_for_another_reason_raises(
    table: IssuesTable, wire: Wire, codes: tuple[str, ...]
) -> None:
    issue = long_closed()
    put(issue)
    wire.react("TransactWriteItems", _cancelled(*codes))
    with pytest.raises(AwsCallFailed, match=r"dynamodb:TransactWriteItems.*Transaction cancelled"):
        table.archive(issue, NOW)


def test_a_row_that_cannot_be_read_stays(dynamodb: DynamoDBClient, table: IssuesTable) -> None:
    item = {**serialized(to_item(long_closed())), "episode": {"S": "odd"}}
    dynamodb.put_item(TableName=TABLE, Item=item)
    with pytest.raises(UnreadableIssue):
        table.archive(long_closed(), NOW)
    assert rows() == [item]


def test_a_key_that_is_closed_again_after_years_keeps_its_first_issue(table: IssuesTable) -> None:
    first = archived(table, long_closed(days=800))
    second = archived(table, long_closed(days=400))
    assert table.archived(ACCOUNT, KEY) == [first, second]
    assert len(rows()) == 2


# --- reading --------------------------------------------------------------------------------------------------


def test_a_scan_reads_none_that_is_archived_and_who_wants_them_reads_all(table: IssuesTable, wire: Wire) -> None:
    filler = {"filler": "x" * 300_000}
    old = [
        archived(table, long_closed(issue_id=f"AKIA{n}", details=details(tags=filler, resolution=Resolution.USED)))
        for n in range(5)
    ]
    last = an_issue(issue_id="z" * 128)
    for issue in (an_issue(), last):
        put(issue)
    bodies: list[dict[str, Any]] = []
    wire.react("Query", lambda request: bodies.append(json.loads(body_of(request))))
    assert list(table.of_account(ACCOUNT)) == [an_issue(), last]
    assert len(bodies) == 1
    assert list(table.of_account(ACCOUNT, with_archive=True)) == [an_issue(), last, *old]
    assert len(bodies) == 3, "DynamoDB ends a page at 1 MB"
    assert all(body["ConsistentRead"] is True for body in bodies)


def test_the_archived_issues_of_a_key_are_no_other_keys_and_no_other_accounts(table: IssuesTable) -> None:
    assert not table.has_archive(ACCOUNT)
    mine = archived(table, long_closed())
    archived(table, long_closed(issue_id=f"{KEY}X"))
    archived(table, long_closed(account_id="210987654321"))
    put(an_issue())
    assert table.archived(ACCOUNT, KEY) == [mine]
    assert table.archived(ACCOUNT, KEY[:-1]) == []
    assert table.has_archive(ACCOUNT)
    assert not table.has_archive("333333333333")


def test_an_archived_row_that_cannot_be_read_is_named_and_costs_no_other(
    dynamodb: DynamoDBClient, table: IssuesTable
) -> None:
    good, bad = archived(table, long_closed(issue_id="AKIAGOOD")), archived(table, long_closed())
    item = {**serialized(to_item(bad)), "status": {"S": "odd"}}
    dynamodb.put_item(TableName=TABLE, Item=item)
    errors: list[UnreadableIssue] = []
    assert list(table.of_account(ACCOUNT, errors.append, with_archive=True)) == [good]
    assert [error.issue_id for error in errors] == [row_id(bad)]
    assert list(table.of_account(ACCOUNT)) == []
    with pytest.raises(UnreadableIssue):
        table.archived(ACCOUNT, KEY)


@pytest.mark.parametrize("read", ["archived", "has_archive", "of_account"])
def test_an_archive_that_cannot_be_read_is_never_an_empty_one(table: IssuesTable, wire: Wire, read: str) -> None:
    reads: dict[str, Callable[[], object]] = {
        "archived": lambda: table.archived(ACCOUNT, KEY),
        "has_archive": lambda: table.has_archive(ACCOUNT),
        "of_account": lambda: list(table.of_account(ACCOUNT, with_archive=True)),
    }
    wire.react("Query", lambda _: json_failure("AccessDeniedException"))
    with pytest.raises(AwsCallFailed, match="dynamodb:Query"):
        reads[read]()


# --- a step of an archived issue ------------------------------------------------------------------------------


def test_a_step_of_an_archived_issue_goes_on_in_a_row_that_scans_read_and_is_read_once(
    table: IssuesTable, wire: Wire
) -> None:
    old = archived(table, OFF)
    kept = rows()
    wire.sent.clear()
    outcome = table.change(old, wanted_on)
    assert wire.sent == ["UpdateItem"], "the host may not put"
    after = outcome.after
    assert outcome.written
    assert after is not None
    assert (after.archived, after.status, after.restore and after.restore.by) == (None, Status.CLOSED, JOE)
    assert [entry["what"] for entry in after.history] == ["closed", "about to be switched on again"]
    assert table.get(ACCOUNT, KEY) == after
    assert list(table.of_account(ACCOUNT)) == list(table.of_account(ACCOUNT, with_archive=True)) == [after]
    assert [row for row in rows() if row["issue_id"] != LIVE["issue_id"]] == kept


def test_it_is_archived_again_over_itself(table: IssuesTable) -> None:
    old = archived(table, OFF)
    announced = table.record(old, wanted_on)  # type: ignore[arg-type]
    back = table.record(announced, lambda issue: switch_steps.not_switched_on(issue, None, "the key is gone", NOW))
    assert table.archive(back, NOW)
    (row,) = rows()
    what = [entry["what"] for entry in deserialized(row)["history"]]
    assert what == ["closed", "about to be switched on again", "not switched on after all"]


def test_a_step_of_an_archived_issue_whose_key_has_a_new_one_by_now_decides_on_that(table: IssuesTable) -> None:
    old = archived(table, OFF)
    put(an_issue())
    seen: list[Issue | None] = []

    def decide(issue: Issue | None) -> Step | Skip:
        seen.append(issue)
        return wanted_on(issue) if issue and issue.archived else Skip("another one")

    assert table.change(old, decide) == Outcome(an_issue(), an_issue(), refused=Skip("another one"))
    assert seen == [old, an_issue()]
    assert len(rows()) == 2


def test_a_step_of_an_issue_that_a_scan_archives_meanwhile_is_taken_all_the_same(table: IssuesTable) -> None:
    old = archived(table, OFF)
    after = table.change(OFF, wanted_on).after
    assert after is not None
    assert after.restore is not None
    assert list(table.of_account(ACCOUNT, with_archive=True)) == [after]
    assert table.archived(ACCOUNT, KEY) == [old]
