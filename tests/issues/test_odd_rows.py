"""Whatever stands in a row: either it is read, and everything can be made of it, or it is said which row it is."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from boto3.dynamodb.types import TypeSerializer

from library.issues import memory
from library.issues.account_state import AccountState, Round, Seen, times_of
from library.issues.account_state import from_item as state_from_item
from library.issues.account_state import to_item as state_to_item
from library.issues.decisions import Skip
from library.issues.looking import kept
from library.issues.record import Issue, Resolution, Timestamps, details_of
from library.issues.reporting import exemptions_that_end, reporting_step
from library.issues.row import UnreadableIssue, from_item, to_item
from library.issues.scanning import Finding, reconcile
from library.issues.switching import remediation_verdict, restore_verdict, verdict_ignoring_intent, where_it_stands
from library.issues.whitelist import Exemption, Whitelist
from library.notifications import news
from library.reports import asff, report_data
from library.reports.figures import figures
from library.reports.report_page import page_of
from tests.builders import ACCOUNT, KEY, NOW, a_key
from tests.notifications.test_news import terms
from tests.odd import every_odd_row, odd_values, places, whole_rows, with_odd
from tests.reports.builders import in_force, scans

SECOND = timedelta(seconds=1)
ENDS = Exemption("alice", NOW.date())
WHITELIST = Whitelist({ACCOUNT: (ENDS,)})
POLICIES = [terms(jira=jira, slack=slack) for jira in (True, False) for slack in (True, False)]


def make_everything_of(issue: Issue) -> None:
    """Whatever scans, commands and reports make of an issue without asking anybody."""
    for exemption in (None, ENDS):
        for each in POLICIES:
            step = reporting_step(issue, each.policy(ACCOUNT), exemption=exemption, now=NOW)
            if not isinstance(step, Skip):
                news.of_step(issue, step, each, NOW)
        for by_hand in (True, False):
            remediation_verdict(issue, 14, exemption=exemption, now=NOW, by_hand=by_hand)
            verdict_ignoring_intent(issue, 14, exemption=exemption, now=NOW, by_hand=by_hand)
        for found in (details_of(a_key(), None), *Resolution):
            reconcile(ACCOUNT, Finding(KEY, "alice", found), issue, exemption=exemption, now=NOW)
    restore_verdict(issue)
    where_it_stands(issue)
    kept([issue], lambda _: False, NOW)
    exemptions_that_end([issue], WHITELIST, NOW)


def report_on(issues: list[Issue]) -> None:
    """Every form of the report; the accounts of odd rows are whatever they say."""
    settings = in_force(accounts={issue.account_id: "" for issue in issues})
    found = figures(issues, (), scans(), settings, NOW)
    assert found.unread == ()
    page_of(found, settings)
    report_data.as_csv(found, settings.accounts)
    report_data.as_json(found, settings.accounts)
    asff.as_json(asff.findings(found, region="eu-west-1", partition="aws", criteria_days=90))


def read_or_named(row: dict[str, Any]) -> Issue | UnreadableIssue:
    try:
        return from_item(row, NOW)
    except UnreadableIssue as error:
        return error


def test_whatever_stands_wherever_in_a_row_the_row_is_read_or_named() -> None:
    outcomes: Counter[str] = Counter()
    readable = []
    for path, _, row in every_odd_row(NOW):
        read = read_or_named(row)
        outcomes[type(read).__name__] += 1
        if isinstance(read, Issue):
            make_everything_of(read)
            assert from_item(to_item(read), NOW) == read
            readable.append(read)
        else:
            assert path[:1] in (("account_id",), ("issue_id",)) or f"issue {ACCOUNT}/{KEY} " in str(read)
            assert str(path[0]) in str(read)
            assert str(read).isprintable()
            assert len(str(read)) < 500
    report_on(readable)
    assert outcomes["UnreadableIssue"] > 10_000
    assert outcomes["Issue"] > 5_000


def one(path: str, value: object) -> dict[str, Any]:
    """A whole row with this value at this path."""
    return with_odd(to_item(next(whole_rows(NOW))), tuple(path.split(".")), value)


PAST = [
    *("issue_details.create_date", "issue_details.last_used", "jira_details.failed", "jira_details.asked"),
    *("jira_details.seen", "slack_details.notified", "slack_details.failed", "remediation_error.time"),
    *(
        "restore_details.started",
        *(f"timestamps.{each.name}" for each in fields(Timestamps) if each.name != "promised"),
    ),
]


@pytest.mark.parametrize("path", PAST)
def test_nothing_has_happened_before_2000_or_more_than_a_day_ahead(path: str) -> None:
    first, last = datetime(2000, 1, 1, tzinfo=UTC), NOW + timedelta(days=1)
    for good in (first, last):
        from_item(one(path, good.isoformat()), NOW)
    for bad in (first - SECOND, last + SECOND):
        with pytest.raises(UnreadableIssue, match=path):
            from_item(one(path, bad.isoformat()), NOW)


def test_only_what_was_promised_may_be_still_to_come() -> None:
    path, later = "timestamps.promised", NOW + timedelta(days=400)
    assert from_item(one(path, later.isoformat()), NOW).timestamps.promised == later
    for bad in ("1999-12-31T23:59:59+00:00", "9999-12-31T23:59:59-14:00"):
        with pytest.raises(UnreadableIssue, match=path):
            from_item(one(path, bad), NOW)


@pytest.mark.parametrize(
    "ticket", ["A-1", "awssec-1", "AWSSEC", "AWSSEC-", "AWSSEC-1\n", " AWSSEC-1", "1A-1", "ÄB-1", ""]
)
def test_a_ticket_is_the_key_of_a_ticket(ticket: str) -> None:
    with pytest.raises(UnreadableIssue, match=r"jira_details\.ticket"):
        from_item(one("jira_details.ticket", ticket), NOW)


@pytest.mark.parametrize("ticket", ["AB-1", "AWSSEC-12", "A1_B-0"])
def test_a_ticket_of_any_project_is_one(ticket: str) -> None:
    assert from_item(one("jira_details.ticket", ticket), NOW).jira.ticket == ticket


# --- the state table ----------------------------------------------------------------------------------------------


WHOLE_STATE = AccountState(
    scanned=NOW,
    seen=Seen(70, 80, 20, NOW, active_keys=60, root_keys=1),
    failing_since=NOW,
    failure="denied",
    full_listing=NOW,
    tags_read=NOW,
    round=Round(NOW, NOW, 10, 70, ("AKIA1",), ("alice",)),
    memory=b"\x00",
    version="1",
)


def make_everything_of_state(state: AccountState) -> None:
    """Whatever scans and commands make of the state of an account."""
    state.doubt(NOW)
    state.unscanned_since(NOW, NOW)
    state.resumable(NOW)
    memory.from_bytes(state.memory, ACCOUNT, 90, NOW)
    assert state_from_item(state_to_item(state), NOW)[1] == ()
    for after in (
        state.failed("x", NOW),
        state.cut_off(state.round, b"", "x", NOW),
        state.complete(Seen(1, 1, 1), b"", NOW, everything=True, tags_read=NOW),
    ):
        # As it is written.
        TypeSerializer().serialize(state_to_item(after or state))


def test_whatever_stands_in_the_state_of_an_account_the_rest_of_it_is_used() -> None:
    item = {**state_to_item(WHOLE_STATE), "version": "1"}
    named = 0
    for path in places(item):
        for value in odd_values(NOW):
            state, problems = state_from_item(with_odd(item, path, value), NOW)
            make_everything_of_state(state)
            named += bool(problems)
            if path[0] != "scanned":
                assert state.scanned == NOW
    assert named > 500


def test_whatever_stands_in_what_the_initiation_keeps_the_rest_of_it_is_used() -> None:
    for value in odd_values(NOW):
        times, problems = times_of({ACCOUNT: NOW.isoformat(), "x": value}, NOW)
        assert times[ACCOUNT] == NOW
        assert len(times) == 2 or problems or value is None
        times_of(value, NOW)
