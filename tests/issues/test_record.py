"""The issue and its row."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from hypothesis import given
from hypothesis import strategies as st

from library.issues.record import (
    Episode,
    Issue,
    IssueDetails,
    JiraDetails,
    RemediationError,
    Resolution,
    RestoreDetails,
    SlackDetails,
    Status,
    Timestamps,
    details_of,
)
from library.issues.row import UnreadableIssue, from_item, to_item
from library.text import iso
from tests.builders import ACCOUNT, KEY, NOW, a_key, an_issue, days_ago, details, times

if TYPE_CHECKING:
    from collections.abc import Iterator

TEXT = st.text(min_size=1, max_size=20)
MAYBE_TEXT = st.none() | TEXT
TEXTS = st.lists(TEXT, max_size=3).map(tuple)
LATEST = datetime(2100, 1, 1, tzinfo=UTC)
TIMES = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))
MAYBE_TIME = st.none() | TIMES
ISSUES = st.builds(
    Issue,
    account_id=st.from_regex(r"\A[0-9]{12}\Z"),
    issue_id=st.from_regex(r"\A[A-Z0-9]{16,20}\Z"),
    status=st.sampled_from(Status),
    details=st.builds(
        IssueDetails,
        create_date=TIMES,
        last_used=TIMES,
        username=TEXT,
        never_used=st.booleans(),
        user_id=st.text(max_size=20),
        last_used_service=MAYBE_TEXT,
        last_used_region=MAYBE_TEXT,
        tags=st.none() | st.dictionaries(TEXT, st.text(max_size=20), max_size=3),
        resolution=st.none() | st.sampled_from(Resolution),
    ),
    timestamps=st.builds(Timestamps, *([MAYBE_TIME] * 9)),
    episode=st.sampled_from(Episode),
    jira=st.builds(JiraDetails, st.none() | st.from_regex(r"\A[A-Z][A-Z0-9_]+-[0-9]+\Z"), MAYBE_TEXT, MAYBE_TIME),
    slack=st.builds(SlackDetails, MAYBE_TIME, TEXTS, MAYBE_TIME, TEXTS, st.none() | st.dates(), TEXTS),
    remediation_error=st.none() | st.builds(RemediationError, TEXT, TIMES),
    restore=st.none() | st.builds(RestoreDetails, TEXT, TIMES),
    history=st.lists(st.fixed_dictionaries({"time": TIMES.map(iso), "what": TEXT, "why": TEXT}), max_size=3).map(
        tuple
    ),
)


@given(ISSUES)
def test_an_issue_comes_back_from_its_row_as_it_was(issue: Issue) -> None:
    back = from_item(to_item(issue), LATEST)
    assert (back, back.history) == (issue, issue.history)


@given(ISSUES)
def test_an_issue_comes_back_from_dynamodb_as_it_was(issue: Issue) -> None:
    stored = {name: TypeSerializer().serialize(value) for name, value in to_item(issue).items()}
    read = {name: TypeDeserializer().deserialize(value) for name, value in stored.items()}
    assert from_item(read, LATEST) == issue


@given(ISSUES)
def test_a_row_has_texts_and_truths_only_and_no_null(issue: Issue) -> None:
    assert {type(leaf) for leaf in _leaves(to_item(issue))} <= {str, bool}


def _leaves(value: object) -> Iterator[object]:
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _leaves(inner)
    else:
        yield value


def test_the_row_has_the_names_that_operators_write_their_reports_on() -> None:
    issue = an_issue(
        status=Status.RESOLVED,
        details=details(resolution=Resolution.REMEDIATED),
        timestamps=Timestamps(*[NOW] * 11),
        episode=Episode.REOPENED,
        jira=JiraDetails("AWSSEC-1", "bob", NOW),
        slack=SlackDetails(NOW, ("#devops",), NOW, ("bob",), NOW.date(), ("alice",)),
        remediation_error=RemediationError("throttled", NOW),
        restore=RestoreDetails("arn:aws:iam::123456789012:user/bob", NOW),
        history=({"time": "2026-11-23T12:00:00+00:00", "what": "found", "why": "idle"},),
    )
    now = "2026-11-23T12:00:00+00:00"
    steps = (
        "identified updated reported promised date_told reminded remediation_started remediated restored resolved "
        "closed"
    )
    assert to_item(issue) == {
        "account_id": ACCOUNT,
        "issue_id": KEY,
        "status": "resolved",
        "episode": "reopened",
        "issue_details": {
            "create_date": "2025-10-19T12:00:00+00:00",
            "last_used": "2026-08-15T12:00:00+00:00",
            "username": "alice",
            "never_used": False,
            "user_id": "AIDAALICE",
            "last_used_service": "s3",
            "last_used_region": "eu-west-1",
            "tags": {"owner": "bob"},
            "resolution": "remediated",
        },
        "timestamps": dict.fromkeys(steps.split(), now),
        "jira_details": {"ticket": "AWSSEC-1", "ticket_assignee_id": "bob", "failed": now},
        "slack_details": {
            "notified": now,
            "recipients": ["#devops"],
            "failed": now,
            "owed": ["bob"],
            "exception_told": "2026-11-23",
            "exception_owed": ["alice"],
        },
        "remediation_error": {"cause": "throttled", "time": now},
        "restore_details": {"by": "arn:aws:iam::123456789012:user/bob", "started": now},
        "history": [{"time": now, "what": "found", "why": "idle"}],
    }


def test_what_has_not_happened_is_left_out() -> None:
    item = to_item(an_issue())
    assert set(item["timestamps"]) == {"identified", "updated"}
    assert item["jira_details"] == {}
    assert "remediation_error" not in item


def test_times_are_written_in_iso_8601_with_plus_00_00_whatever_their_zone() -> None:
    zone = timezone(timedelta(hours=2))
    issue = an_issue(details=details(create_date=datetime(2018, 2, 14, 18, 48, 2, tzinfo=zone)))
    assert to_item(issue)["issue_details"]["create_date"] == "2018-02-14T16:48:02+00:00"


def test_a_key_that_was_never_used_has_its_creation_as_last_use_and_says_so() -> None:
    found = details_of(a_key(last_used=None, last_used_service=None, last_used_region=None), None)
    row = to_item(an_issue(details=found))["issue_details"]
    assert row["last_used"] == row["create_date"]
    assert row["never_used"] is True
    assert "last_used_service" not in row
    assert "tags" not in row


def test_a_row_of_hammer_which_has_fewer_parts_is_read() -> None:
    issue = from_item(
        {
            "account_id": ACCOUNT,
            "issue_id": KEY,
            "status": "open",
            "issue_details": {
                "create_date": "2018-02-14T16:48:02+00:00",
                "last_used": "2018-02-28T17:46:00+00:00",
                "username": "test-user",
            },
            "timestamps": {"identified": "2018-03-28T17:46:00.123456+00:00", "reported": None},
            "jira_details": {"ticket": None, "other": "kept elsewhere"},
        },
        NOW,
    )
    assert issue == Issue(
        account_id=ACCOUNT,
        issue_id=KEY,
        status=Status.OPEN,
        details=IssueDetails(
            create_date=datetime(2018, 2, 14, 16, 48, 2, tzinfo=UTC),
            last_used=datetime(2018, 2, 28, 17, 46, tzinfo=UTC),
            username="test-user",
        ),
        timestamps=Timestamps(identified=datetime(2018, 3, 28, 17, 46, 0, 123456, tzinfo=UTC)),
    )


@pytest.mark.parametrize("part", ["timestamps", "jira_details", "slack_details", "episode"])
@pytest.mark.parametrize("how", ["absent", "null"])
def test_a_part_that_is_absent_or_null_counts_as_empty(part: str, how: str) -> None:
    item = to_item(an_issue())
    item[part] = None
    if how == "absent":
        del item[part]
    read = from_item(item, NOW)
    assert read == (an_issue(timestamps=Timestamps()) if part == "timestamps" else an_issue())


def test_a_time_without_zone_is_utc() -> None:
    item = to_item(an_issue(timestamps=times(reported=days_ago(1))))
    item["timestamps"]["reported"] = "2026-11-22T12:00:00"
    assert from_item(item, NOW).timestamps.reported == days_ago(1)


@pytest.mark.parametrize(
    "damage",
    [
        {"status": "odd"},
        {"status": None},
        {"episode": "second"},
        {"issue_details": None},
        {"issue_details": {"username": "alice"}},
        {"issue_details": {"create_date": "2018-02-14T16:48:02+00:00"}},
        {"issue_details": {"create_date": "yesterday", "username": "alice"}},
        {"issue_details": {"create_date": "2018-02-14T16:48:02+00:00", "username": 7}},
        {"issue_details": "text"},
        {"timestamps": {"reported": "yesterday"}},
        {"timestamps": {"reported": 17}},
        {"timestamps": ["reported"]},
        {"jira_details": {"failed": "yesterday"}},
        {"slack_details": {"notified": "yesterday"}},
        {"remediation_error": {"cause": "without a time"}},
    ],
)
def test_a_row_that_cannot_be_read_is_an_error_that_names_it(damage: dict[str, Any]) -> None:
    with pytest.raises(UnreadableIssue, match=f"{ACCOUNT}/{KEY}"):
        from_item({**to_item(an_issue()), **damage}, NOW)


@pytest.mark.parametrize("missing", ["account_id", "issue_id", "status", "issue_details"])
def test_a_row_without_a_part_that_must_be_there_is_an_error(missing: str) -> None:
    item = to_item(an_issue())
    del item[missing]
    with pytest.raises(UnreadableIssue, match=missing):
        from_item(item, NOW)
