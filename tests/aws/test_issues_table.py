"""The issues table against a DynamoDB that moto plays."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from library.aws.issues_table import ATTEMPTS, IssuesTable
from library.errors import AwsCallFailed, HammerError, RecordChanged
from library.issues.decisions import Outcome, Skip, Step
from library.issues.record import Issue, JiraDetails, RemediationError, SlackDetails, Status, Timestamps
from library.issues.row import UnreadableIssue
from tests.builders import ACCOUNT, KEY, NOW, an_issue, days_ago, details, times
from tests.wire import Wire, body_of, json_failure
from tests.world import TABLE

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_dynamodb import DynamoDBClient


ONE_ROW = {"account_id": {"S": ACCOUNT}, "issue_id": {"S": KEY}}


@pytest.fixture
def table(dynamodb: DynamoDBClient) -> IssuesTable:
    return IssuesTable(dynamodb, TABLE, lambda: NOW)


def put(table: IssuesTable, issue: Issue) -> Issue:
    """Write an issue that is not there yet."""
    outcome = table.step(issue.account_id, issue.issue_id, None, lambda _: Step(issue, "put", "", NOW))
    assert outcome.written
    assert outcome.after is not None
    assert outcome.after == issue
    return outcome.after


def become(issue: Issue) -> Callable[[Issue | None], Step]:
    """A decision for this issue, whatever was read."""
    return lambda _: Step(issue, "become", "", NOW)


def row(dynamodb: DynamoDBClient) -> dict[str, Any]:
    return dict(dynamodb.get_item(TableName=TABLE, Key=ONE_ROW)["Item"])


def with_ticket(issue: Issue) -> Issue:
    times_now = replace(issue.timestamps, reported=NOW)
    return replace(issue, timestamps=times_now, jira=JiraDetails(ticket="AWSSEC-1"))


def get_ticket(issue: Issue | None) -> Step:
    """The step that gives an issue a ticket."""
    assert issue is not None
    return Step(with_ticket(issue), "reported on ticket AWSSEC-1", "as the test asked", NOW)


def get_newer_details(issue: Issue | None) -> Step:
    """The step that refreshes an issue's details."""
    assert issue is not None
    newer = replace(issue.timestamps, updated=NOW)
    return Step(replace(issue, details=details(last_used=days_ago(95)), timestamps=newer), "refreshed", "", NOW)


def test_every_issue_of_the_account_is_read_page_after_page_and_consistently(
    dynamodb: DynamoDBClient, table: IssuesTable, wire: Wire
) -> None:
    # DynamoDB ends a page at 1 MB: five rows of 300 kB need two.
    tags = {"filler": "x" * 300_000}
    expected = {put(table, an_issue(issue_id=f"AKIA{n}", details=details(tags=tags))).issue_id for n in range(5)}
    bodies: list[str] = []
    wire.react("Query", lambda request: bodies.append(body_of(request)))
    assert {issue.issue_id for issue in table.of_account(ACCOUNT)} == expected
    assert len(bodies) == 2
    assert all('"ConsistentRead": true' in body for body in bodies)


def test_the_issues_of_another_account_are_not_read(table: IssuesTable) -> None:
    put(table, an_issue(account_id="210987654321"))
    assert list(table.of_account(ACCOUNT)) == []
    assert table.get(ACCOUNT, KEY) is None


@pytest.mark.parametrize("code", ["ProvisionedThroughputExceededException", "AccessDeniedException"])
def test_a_query_that_fails_raises_and_is_never_an_empty_table(table: IssuesTable, wire: Wire, code: str) -> None:
    wire.react("Query", lambda _: json_failure(code))
    with pytest.raises(AwsCallFailed, match=rf"{TABLE}.*dynamodb:Query.*as the test asked"):
        list(table.of_account(ACCOUNT))


def test_a_query_that_fails_on_its_second_page_raises(table: IssuesTable, wire: Wire) -> None:
    for n in range(5):
        put(table, an_issue(issue_id=f"AKIA{n}", details=details(tags={"filler": "x" * 300_000})))
    wire.react("Query", lambda _: json_failure("InternalServerError") if wire.sent.count("Query") == 2 else None)
    with pytest.raises(AwsCallFailed):
        list(table.of_account(ACCOUNT))


def test_a_get_that_fails_raises_and_is_never_a_missing_issue(table: IssuesTable, wire: Wire) -> None:
    wire.react("GetItem", lambda _: json_failure("InternalServerError"))
    with pytest.raises(AwsCallFailed, match="GetItem"):
        table.get(ACCOUNT, KEY)


def test_an_unreadable_row_is_an_error_that_names_it(dynamodb: DynamoDBClient, table: IssuesTable) -> None:
    dynamodb.put_item(TableName=TABLE, Item={**ONE_ROW, "status": {"S": "odd"}})
    with pytest.raises(UnreadableIssue, match=f"{ACCOUNT}/{KEY}"):
        list(table.of_account(ACCOUNT))


def test_an_unreadable_row_is_handed_over_and_left_out_where_that_is_asked_for(
    dynamodb: DynamoDBClient, table: IssuesTable
) -> None:
    dynamodb.put_item(TableName=TABLE, Item={**ONE_ROW, "status": {"S": "odd"}})
    good = put(table, an_issue(issue_id="AKIAGOOD"))
    errors: list[UnreadableIssue] = []
    assert list(table.of_account(ACCOUNT, errors.append)) == [good]
    assert [f"{ACCOUNT}/{KEY}" in str(error) for error in errors] == [True]


def test_an_issue_with_everything_in_it_comes_back_as_it_was(table: IssuesTable) -> None:
    issue = an_issue(
        jira=JiraDetails("AWSSEC-1", "bob", NOW),
        slack=SlackDetails(NOW, ("#devops", "bob"), NOW),
        remediation_error=RemediationError("throttled", NOW),
        details=details(tags={"owner": "", "größe": "weiß"}),
    )
    put(table, issue)
    assert table.get(ACCOUNT, KEY) == issue
    assert list(table.of_account(ACCOUNT)) == [issue]


def test_an_issue_is_created_only_if_it_is_not_there(table: IssuesTable) -> None:
    there = put(table, with_ticket(an_issue()))
    seen: list[Issue | None] = []

    def decide(record: Issue | None) -> Step | None:
        seen.append(record)
        return Step(an_issue(), "found", "", NOW) if record is None else None

    assert table.step(ACCOUNT, KEY, None, decide) == Outcome(there, there, written=False)
    assert seen == [None, there]
    assert table.get(ACCOUNT, KEY) == there


def test_a_step_that_changes_nothing_writes_nothing(table: IssuesTable, wire: Wire) -> None:
    issue = put(table, an_issue())
    wire.sent.clear()
    assert table.step(ACCOUNT, KEY, issue, lambda _: Step(issue, "", "", NOW)) == Outcome(issue, issue)
    assert table.step(ACCOUNT, KEY, issue, lambda _: None) == Outcome(issue, issue)
    assert wire.sent == []


def test_a_step_that_is_refused_writes_nothing_and_says_why(table: IssuesTable, wire: Wire) -> None:
    issue = put(table, an_issue())
    wire.sent.clear()
    no = Skip("within its retention period", NOW)
    assert table.step(ACCOUNT, KEY, issue, lambda _: no) == Outcome(issue, issue, refused=no)
    assert wire.sent == []


def test_an_outcome_says_what_the_step_was_decided_on_and_what_it_has_made_of_it(table: IssuesTable) -> None:
    stale = put(table, an_issue())
    current = table.change(stale, get_newer_details).after
    outcome = table.change(stale, get_ticket)
    assert current is not None
    assert outcome == Outcome(current, with_ticket(current), written=True)


def test_a_delivery_that_failed_after_its_mark_is_an_entry_alone_in_one_conditional_write(
    dynamodb: DynamoDBClient, table: IssuesTable, wire: Wire
) -> None:
    issue = put(table, an_issue())
    before = row(dynamodb)
    wire.sent.clear()
    bodies: list[str] = []
    wire.react("UpdateItem", lambda request: bodies.append(body_of(request)))
    outcome = table.change(issue, lambda each: Step(each, "Slack not notified yet", "channel_not_found", NOW))
    assert (outcome.written, wire.sent) == (True, ["UpdateItem"])
    assert "SET #history = " in bodies[0]
    assert "#history = :v" in json.loads(bodies[0])["ConditionExpression"]
    after = row(dynamodb)
    assert {**after, "history": None} == {**before, "history": None}
    assert after["history"]["L"][-1]["M"]["what"] == {"S": "Slack not notified yet"}


def test_two_entries_alone_that_are_written_at_once_are_both_kept(table: IssuesTable) -> None:
    stale = put(table, an_issue())
    for channel in ("JIRA", "Slack"):
        table.change(stale, lambda each, channel=channel: Step(each, f"{channel} not notified yet", "", NOW))  # type: ignore[misc]
    after = table.get(ACCOUNT, KEY)
    assert after is not None
    assert [entry["what"] for entry in after.history][1:] == ["JIRA not notified yet", "Slack not notified yet"]


def test_an_update_writes_only_the_attributes_that_changed_and_keeps_those_that_others_added(
    dynamodb: DynamoDBClient, table: IssuesTable, wire: Wire
) -> None:
    issue = put(table, an_issue())
    dynamodb.update_item(
        TableName=TABLE,
        Key=ONE_ROW,
        UpdateExpression="SET report_of_ours = :v, jira_details.board = :v, issue_details.#team = :v",
        ExpressionAttributeNames={"#team": "team"},
        ExpressionAttributeValues={":v": {"S": "foreign"}},
    )
    before = row(dynamodb)
    wire.sent.clear()
    table.change(issue, get_ticket)
    assert wire.sent == ["UpdateItem"]
    before["timestamps"]["M"]["reported"] = {"S": "2026-11-23T12:00:00+00:00"}
    before["jira_details"]["M"]["ticket"] = {"S": "AWSSEC-1"}
    after = row(dynamodb)
    assert len(after["history"]["L"]) == len(before["history"]["L"]) + 1
    assert {**after, "history": None} == {**before, "history": None}


def test_what_is_none_again_is_removed(dynamodb: DynamoDBClient, table: IssuesTable) -> None:
    issue = put(table, with_ticket(an_issue(remediation_error=RemediationError("throttled", NOW))))
    after = replace(issue, remediation_error=None, timestamps=replace(issue.timestamps, reported=None))
    table.change(issue, become(after))
    assert table.get(ACCOUNT, KEY) == after
    assert "remediation_error" not in row(dynamodb)
    assert "reported" not in row(dynamodb)["timestamps"]["M"]


def test_a_concurrent_write_makes_the_step_read_again_and_decide_again(table: IssuesTable) -> None:
    stale = put(table, an_issue())
    reported = table.change(stale, get_ticket).after
    seen: list[Issue | None] = []

    def resolve(record: Issue) -> Step:
        seen.append(record)
        moved = replace(record.timestamps, resolved=NOW, updated=NOW)
        return Step(replace(record, status=Status.RESOLVED, timestamps=moved), "resolved", "", NOW)

    after = table.record(stale, resolve)
    assert seen == [stale, reported]
    assert after == table.get(ACCOUNT, KEY)
    assert (after.status, after.jira.ticket) == (Status.RESOLVED, "AWSSEC-1")


def test_a_step_that_decides_otherwise_after_a_concurrent_write_writes_nothing(
    table: IssuesTable, wire: Wire
) -> None:
    stale = put(table, an_issue())
    off = replace(stale, timestamps=replace(stale.timestamps, remediated=NOW))
    remediated = table.record(stale, become(off))

    def report(record: Issue) -> Step | None:
        return get_ticket(record) if record.timestamps.remediated is None else None

    wire.sent.clear()
    assert table.change(stale, report) == Outcome(remediated, remediated)
    assert wire.sent == ["UpdateItem", "GetItem"]
    assert table.get(ACCOUNT, KEY) == remediated


@pytest.mark.parametrize("step", [with_ticket, lambda issue: replace(issue, status=Status.RESOLVED)])
@pytest.mark.parametrize(
    "other",
    [
        {"status": Status.WHITELISTED},
        *({"timestamps": times(**{each.name: NOW})} for each in fields(Timestamps) if each.name != "updated"),
    ],
)
def test_a_decision_made_on_a_status_or_step_that_changed_is_made_again(
    table: IssuesTable, step: Any, other: dict[str, Any]
) -> None:
    stale = put(table, an_issue())
    current = table.record(stale, become(replace(stale, **other)))
    seen: list[Issue] = []

    def decide(record: Issue) -> Step:
        seen.append(record)
        return Step(step(record), "", "", NOW)

    table.change(stale, decide)
    assert seen == [stale, current]


def test_an_issue_that_was_removed_meanwhile_is_not_half_written_again(
    dynamodb: DynamoDBClient, table: IssuesTable
) -> None:
    stale = put(table, an_issue())
    dynamodb.delete_item(TableName=TABLE, Key=ONE_ROW)
    outcome = table.change(stale, get_ticket)
    assert outcome == Outcome(None, None, refused=Skip("removed from the table by somebody"))
    assert table.get(ACCOUNT, KEY) is None


def test_what_has_happened_to_an_issue_that_was_removed_meanwhile_is_an_error(
    dynamodb: DynamoDBClient, table: IssuesTable
) -> None:
    stale = put(table, an_issue())
    dynamodb.delete_item(TableName=TABLE, Key=ONE_ROW)
    with pytest.raises(HammerError, match=f"issue {ACCOUNT}/{KEY} was removed from the table by somebody"):
        table.record(stale, get_ticket)


def get_resolved(issue: Issue | None) -> Step:
    """The step of a scan of tomorrow that resolves an issue."""
    assert issue is not None
    later = replace(issue.timestamps, resolved=days_ago(-1), updated=days_ago(-1))
    return Step(replace(issue, status=Status.RESOLVED, timestamps=later), "resolved", "", days_ago(-1))


@pytest.mark.parametrize("step", [get_ticket, get_resolved])
def test_a_refresh_of_details_does_not_disturb_another_step_and_both_are_in_the_history(
    table: IssuesTable, wire: Wire, step: Callable[[Issue | None], Step]
) -> None:
    stale = put(table, an_issue())
    table.change(stale, get_newer_details)
    wire.sent.clear()
    table.change(stale, step)
    assert wire.sent == ["UpdateItem", "GetItem", "UpdateItem"]
    after = table.get(ACCOUNT, KEY)
    assert after == step(get_newer_details(stale).after).after
    assert [entry["what"] for entry in after.history][:2] == ["put", "refreshed"]
    assert len(after.history) == 3


def test_a_step_is_added_to_the_history_with_its_own_time_in_the_write_that_carries_it_out(
    table: IssuesTable, wire: Wire
) -> None:
    issue = put(table, an_issue())
    wire.sent.clear()
    table.change(issue, get_ticket)
    assert wire.sent == ["UpdateItem"]
    seen = table.get(ACCOUNT, KEY)
    assert seen is not None
    assert seen.history[-1] == {
        "time": "2026-11-23T12:00:00+00:00",
        "what": "reported on ticket AWSSEC-1",
        "why": "as the test asked",
    }


def test_an_issue_without_a_history_gets_one_with_its_next_step(dynamodb: DynamoDBClient, table: IssuesTable) -> None:
    put(table, an_issue())
    item = row(dynamodb)
    item["history"] = {"NULL": True}
    dynamodb.put_item(TableName=TABLE, Item=item)
    table.step(ACCOUNT, KEY, table.get(ACCOUNT, KEY), get_ticket)
    after = table.get(ACCOUNT, KEY)
    assert after is not None
    assert [entry["what"] for entry in after.history] == ["reported on ticket AWSSEC-1"]


def test_steps_that_two_processes_take_at_once_are_both_kept_however_long_the_history(table: IssuesTable) -> None:
    stale = put(table, an_issue())
    for number in range(60):
        stale = table.record(stale, partial(get_name, name=f"user-{number}"))
    table.change(stale, partial(get_name, name="first"))
    table.change(stale, get_ticket)
    after = table.get(ACCOUNT, KEY)
    assert after is not None
    assert len(after.history) == 50
    assert [entry["what"] for entry in after.history][-3:] == ["user-59", "first", "reported on ticket AWSSEC-1"]


def get_name(issue: Issue, name: str) -> Step:
    return Step(replace(issue, details=replace(issue.details, username=name)), name, "", NOW)


def test_a_record_that_changes_under_every_attempt_is_an_error_and_nothing_is_written(
    dynamodb: DynamoDBClient, table: IssuesTable
) -> None:
    issue = put(table, an_issue())
    decisions: list[Issue | None] = []

    def decide(record: Issue | None) -> Step:
        decisions.append(record)
        dynamodb.update_item(
            TableName=TABLE,
            Key=ONE_ROW,
            UpdateExpression="SET timestamps.reminded = :time",
            ExpressionAttributeValues={":time": {"S": f"2026-11-23T12:00:{len(decisions):02}+00:00"}},
        )
        return get_ticket(record)

    with pytest.raises(RecordChanged, match=f"{ACCOUNT}/{KEY}"):
        table.step(ACCOUNT, KEY, issue, decide)
    assert len(decisions) == ATTEMPTS
    assert "ticket" not in row(dynamodb)["jira_details"]["M"]


@pytest.mark.parametrize("operation", ["PutItem", "UpdateItem"])
def test_a_write_that_fails_raises_and_is_not_tried_again_as_if_the_record_had_changed(
    table: IssuesTable, wire: Wire, operation: str
) -> None:
    record = None if operation == "PutItem" else put(table, an_issue())
    wire.sent.clear()
    wire.react(operation, lambda _: json_failure("AccessDeniedException"))
    with pytest.raises(AwsCallFailed, match=operation):
        table.step(ACCOUNT, KEY, record, lambda _: get_ticket(an_issue()))
    assert wire.sent == [operation]


def test_a_row_of_hammer_without_all_maps_can_be_updated(dynamodb: DynamoDBClient, table: IssuesTable) -> None:
    put(table, an_issue())
    item = row(dynamodb)
    for part in ("jira_details", "slack_details"):
        del item[part]
    item["timestamps"]["M"]["reported"] = {"NULL": True}
    dynamodb.put_item(TableName=TABLE, Item=item)
    after = table.step(ACCOUNT, KEY, table.get(ACCOUNT, KEY), get_ticket).after
    assert after == with_ticket(an_issue())
    assert table.get(ACCOUNT, KEY) == after


def test_an_update_that_dynamodb_refuses_for_another_reason_raises(table: IssuesTable, wire: Wire) -> None:
    issue = put(table, an_issue())
    wire.react("UpdateItem", lambda _: json_failure("ValidationException"))
    with pytest.raises(AwsCallFailed, match=r"UpdateItem.*ValidationException"):
        table.change(issue, get_ticket)
    assert table.get(ACCOUNT, KEY) == issue
