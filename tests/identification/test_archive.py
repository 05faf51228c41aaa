"""Scans that set closed issues aside at their end, and what they make of a key whose issue is there."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from library.aws import account_issues
from library.aws.account_scan import SPARE_SECONDS
from library.aws.issues_table import IssuesTable
from library.issues.record import Episode, Issue, Resolution, Status
from library.issues.switching import Due, remediation_verdict
from tests.builders import long_closed
from tests.identification.test_lambdas import (
    IDENTIFICATION,
    IDLE,
    MAIN,
    SLAVE,
    Context,
    configure,
    identify,
    issues,
    load,
    logged,
)
from tests.wire import Wire, answer, body_of, json_failure
from tests.world import TABLE
from tests.world.table import put, rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_dynamodb import DynamoDBClient

    from deployment.local.scanned_accounts import Control
    from tests.identification.test_lambdas import Configure

__all__ = ["configure"]

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")


class Killed(BaseException):
    """The function's process has died."""


def old(key: str = "AKIAOLD", *, days: float = 400, **overrides: Any) -> Issue:
    return long_closed(datetime.now(UTC), days=days, account_id=MAIN, issue_id=key, **overrides)


def ended(resolution: Resolution, key: str = IDLE) -> Issue:
    """An issue of a key that has ended so, closed long ago."""
    issue = old(key)
    return replace(issue, details=replace(issue.details, resolution=resolution, username="alice"))


def everything(dynamodb: DynamoDBClient) -> list[Issue]:
    return list(IssuesTable(dynamodb, TABLE).of_account(MAIN, with_archive=True))


def archived(dynamodb: DynamoDBClient) -> list[str]:
    return [issue.issue_id for issue in everything(dynamodb) if issue.archived is not None]


@pytest.fixture
def account(scanned: Control, dynamodb: DynamoDBClient) -> Control:
    """The main account with an idle key of alice."""
    scanned.populate({MAIN: {"alice": {"keys": [{"id": IDLE, "created_days_ago": 900}]}}}, datetime.now(UTC))
    return scanned


def test_a_scan_archives_what_was_closed_long_ago_and_then_finds_nothing_to_do(
    account: Control, dynamodb: DynamoDBClient, wire: Wire, capsys: pytest.CaptureFixture[str]
) -> None:
    recent, elsewhere = old("AKIARECENT", days=300), replace(old("AKIAOTHER"), account_id=SLAVE)
    for issue in (old(), recent, elsewhere):
        put(issue)
    identify()
    assert archived(dynamodb) == ["AKIAOLD"]
    assert issues(dynamodb).keys() == {IDLE, "AKIARECENT"}
    assert issues(dynamodb)["AKIARECENT"] == recent
    assert issues(dynamodb, SLAVE) == {"AKIAOTHER": elsewhere}
    assert "1 closed issues older than a year are archived" in [line.get("message") for line in logged(capsys)]
    before = rows()
    wire.sent.clear()
    identify()
    assert "TransactWriteItems" not in wire.sent
    assert (wire.sent.count("Query"), rows()) == (1, before)


def test_a_scan_archives_a_few_the_oldest_first_and_later_ones_the_rest(
    account: Control, dynamodb: DynamoDBClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account_issues, "ARCHIVED_PER_SCAN", 2)
    for days, key in enumerate(("AKIAC", "AKIAE", "AKIAB", "AKIAD", "AKIAA")):
        put(old(key, days=400 + days))
    found = []
    for _ in range(3):
        identify()
        found.append(archived(dynamodb))
    assert found == [["AKIAA", "AKIAD"], ["AKIAA", "AKIAB", "AKIAD", "AKIAE"], [f"AKIA{each}" for each in "ABCDE"]]


@pytest.mark.parametrize("seconds", [SPARE_SECONDS, SPARE_SECONDS + 1])
def test_a_scan_near_its_deadline_archives_nothing(
    account: Control, dynamodb: DynamoDBClient, seconds: float
) -> None:
    put(old())
    message = json.dumps({"account_id": MAIN, "account_name": "master"})
    event = {"Records": [{"EventSource": "aws:sns", "Sns": {"Message": message}}]}
    load(IDENTIFICATION).lambda_handler(event, Context(seconds=seconds))
    assert archived(dynamodb) == ([] if seconds == SPARE_SECONDS else ["AKIAOLD"])


@pytest.mark.parametrize(
    ("operation", "reaction"),
    [
        ("TransactWriteItems", lambda _: json_failure("AccessDeniedException")),
        ("TransactWriteItems", lambda _: json_failure("ValidationException")),
        ("GetItem", lambda _: json_failure("ResourceNotFoundException")),
        ("GetItem", lambda _: answer(200, '{"Item": {"status": {"S": "odd"}}}')),
        ("GetItem", lambda _: answer(200, '{"Item": [7]}')),
    ],
    ids=["denied", "refused", "no table", "a row that changes its form", "an odd answer"],
)
def test_what_fails_when_archiving_is_one_warning_and_the_scan_is_complete(
    account: Control,
    dynamodb: DynamoDBClient,
    wire: Wire,
    capsys: pytest.CaptureFixture[str],
    operation: str,
    reaction: Callable[[Any], Any],
) -> None:
    for number in range(3):
        put(old(f"AKIA{number}"))
    before = rows()
    wire.react(operation, reaction)
    identify()
    wire.withdraw(operation)
    lines = logged(capsys)
    warned = [line for line in lines if line.get("level") in ("WARNING", "ERROR")]
    (warning,) = [line for line in warned if "W-SCAN-01" not in line["message"]]
    said = "W-SCAN-04 Closed issues older than a year stay where each scan reads them: "
    assert (warning["level"], warning["message"][: len(said)]) == ("WARNING", said)
    assert "Scan is complete" in [line.get("message") for line in lines]
    assert [row for row in rows() if row["issue_id"]["S"] != IDLE] == before
    assert issues(dynamodb)[IDLE].status is Status.OPEN
    identify()
    assert archived(dynamodb) == ["AKIA0", "AKIA1", "AKIA2"]


def test_an_issue_that_can_never_be_archived_holds_up_no_other_and_is_told(
    account: Control, dynamodb: DynamoDBClient, wire: Wire, capsys: pytest.CaptureFixture[str]
) -> None:
    put(old("AKIALARGE", days=900))
    put(old())
    refused = {
        "__type": "com.amazonaws#TransactionCanceledException",
        "Message": "Item size has exceeded the maximum allowed size",
        "CancellationReasons": [{"Code": "ValidationError"}, {"Code": "None"}],
    }
    wire.react(
        "TransactWriteItems",
        lambda request: answer(400, json.dumps(refused)) if "AKIALARGE" in body_of(request) else None,
    )
    identify()
    assert archived(dynamodb) == ["AKIAOLD"]
    (warning,) = [line["message"] for line in logged(capsys) if "W-SCAN-04" in line.get("message", "")]
    assert "Item size has exceeded" in warning


# --- a key whose issue is archived ----------------------------------------------------------------------------


@pytest.mark.parametrize("resolution", Resolution)
def test_a_key_that_is_idle_again_gets_an_issue_of_its_own_with_nothing_of_the_old_one(
    account: Control, dynamodb: DynamoDBClient, wire: Wire, resolution: Resolution
) -> None:
    before = ended(resolution)
    put(before)
    assert IssuesTable(dynamodb, TABLE).archive(before, datetime.now(UTC))
    identify()
    new, kept = everything(dynamodb)
    assert replace(kept, archived=None) == before
    by_a_person = resolution in (Resolution.REMEDIATED, Resolution.DEACTIVATED)
    assert (new.status, new.episode) == (Status.OPEN, Episode.REACTIVATED if by_a_person else Episode.REOPENED)
    assert (new.jira.ticket, new.slack.notified, new.timestamps.promised, new.timestamps.reported) == (None,) * 4
    assert [entry["what"] for entry in new.history] == ["found"]
    wire.sent.clear()
    identify()
    assert wire.sent.count("Query") == 1


def test_a_key_that_a_person_has_switched_on_again_stays_on_for_a_week_though_its_old_issue_is_archived(
    account: Control, dynamodb: DynamoDBClient
) -> None:
    put(ended(Resolution.REMEDIATED))
    assert IssuesTable(dynamodb, TABLE).archive(ended(Resolution.REMEDIATED), datetime.now(UTC))
    identify()
    reported = datetime.now(UTC)
    issue = issues(dynamodb)[IDLE]
    issue = replace(issue, timestamps=replace(issue.timestamps, reported=reported, promised=reported))

    def verdict(days: float) -> object:
        return remediation_verdict(issue, 0, exemption=None, now=reported + timedelta(days=days))

    assert not isinstance(verdict(6.9), Due)
    assert isinstance(verdict(7), Due)


def test_an_exempt_key_whose_issue_is_archived_is_whitelisted(
    account: Control, dynamodb: DynamoDBClient, configure: Configure
) -> None:
    put(ended(Resolution.USED))
    assert IssuesTable(dynamodb, TABLE).archive(ended(Resolution.USED), datetime.now(UTC))
    configure(whitelist={MAIN: ["alice"]})
    identify()
    assert [issue.status for issue in everything(dynamodb)] == [Status.WHITELISTED, Status.CLOSED]


def test_an_archived_issue_that_cannot_be_read_is_named_and_its_key_is_left_alone(
    account: Control, dynamodb: DynamoDBClient, capsys: pytest.CaptureFixture[str]
) -> None:
    put(ended(Resolution.REMEDIATED))
    assert IssuesTable(dynamodb, TABLE).archive(ended(Resolution.REMEDIATED), datetime.now(UTC))
    (row,) = rows()
    dynamodb.put_item(TableName=TABLE, Item={**row, "episode": {"S": "odd"}})
    identify()
    assert issues(dynamodb) == {}
    errors = [line["message"] for line in logged(capsys) if line.get("level") == "ERROR"]
    assert [f"E-TABLE-02 issue {MAIN}/~closed#{IDLE}#" in error for error in errors] == [True]


# --- a scan that dies -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("transaction", [0, 2])
@pytest.mark.parametrize("how", ["before", "after", "lost"])
def test_a_scan_that_dies_at_a_transaction_or_hears_nothing_of_it_loses_and_doubles_nothing(
    account: Control, dynamodb: DynamoDBClient, wire: Wire, transaction: int, how: str
) -> None:
    written = [old(f"AKIA{number}", days=400 - number) for number in range(3)]
    for issue in written:
        put(issue)
    seen: list[str] = []

    def disturb(request: Any) -> Any:
        body = body_of(request)
        if body in seen or len(seen) > transaction:
            return None
        seen.append(body)
        if len(seen) <= transaction:
            return None
        if how != "before":
            boto3.client("dynamodb").transact_write_items(**json.loads(body))
        if how == "lost":
            return json_failure("InternalServerError", 500)
        raise Killed

    wire.react("TransactWriteItems", disturb)
    try:
        identify()
        assert how == "lost"
    except Killed:
        assert how != "lost"
    wire.withdraw("TransactWriteItems")
    done = transaction + (how != "before")
    found = [replace(issue, archived=None) for issue in everything(dynamodb) if issue.issue_id != IDLE]
    assert sorted(found, key=lambda issue: issue.issue_id) == written
    assert how == "lost" or archived(dynamodb) == [issue.issue_id for issue in written[:done]]
    identify()
    assert archived(dynamodb) == [issue.issue_id for issue in written]
    assert [replace(issue, archived=None) for issue in everything(dynamodb)][1:] == written
    assert len(rows()) == len(written) + 1
