"""The figures of a report: each issue is counted once, at its place and in its week, from one time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest

from library.issues.record import JiraDetails, RemediationError, Resolution, SlackDetails, Status
from library.issues.whitelist import BY_TAG, Exemption, Whitelist
from library.reports.entries import Failure, Standing, standing
from library.reports.figures import AHEAD, WEEKS, AccountFigures, Figures, Week, figures, histogram
from tests.builders import ACCOUNT, KEY, NOW, an_issue, days_ago, details, times
from tests.reports.builders import LAST_SCAN, OTHER, in_force, scans

MONDAY = datetime(2026, 11, 23, tzinfo=UTC)
"""NOW is this day, at noon."""

SECOND = timedelta(seconds=1)


def of(*issues: Any, **settings: Any) -> Figures:
    return figures(issues, (), scans(), in_force(**settings), NOW)


# --- where they stand ---


@pytest.mark.parametrize(
    ("status", "happened", "expected"),
    [
        (Status.OPEN, {}, Standing.OPEN),
        (Status.OPEN, {"remediation_started": days_ago(1)}, Standing.OPEN),
        (Status.OPEN, {"remediated": days_ago(1)}, Standing.SWITCHED_OFF),
        (Status.OPEN, {"remediated": days_ago(2), "restored": days_ago(1)}, Standing.SWITCHED_ON),
        (Status.OPEN, {"remediated": days_ago(1), "restored": days_ago(2)}, Standing.SWITCHED_OFF),
        (Status.OPEN, {"restored": days_ago(1)}, Standing.OPEN),
        (Status.WHITELISTED, {"remediated": days_ago(2), "restored": days_ago(1)}, Standing.WHITELISTED),
        (Status.WHITELISTED, {}, Standing.WHITELISTED),
        (Status.RESOLVED, {"resolved": days_ago(1)}, Standing.RESOLVED),
        (Status.CLOSED, {"resolved": days_ago(1), "closed": days_ago(1)}, Standing.RESOLVED),
        (Status.CLOSED, {"closed": days_ago(1)}, Standing.WHITELISTED),
    ],
)
def test_an_issue_stands_where_its_key_is(status: Status, happened: dict[str, Any], expected: Standing) -> None:
    assert standing(an_issue(status=status, timestamps=times(**happened))) is expected


def test_a_key_that_was_switched_on_again_counts_as_on_until_a_scan_has_seen_it() -> None:
    back = times(remediated=days_ago(2), resolved=days_ago(1.5), restored=days_ago(1))
    gone = replace(back, resolved=days_ago(0.5))
    restored = an_issue(status=Status.RESOLVED, details=details(resolution=Resolution.REMEDIATED), timestamps=back)
    seen = an_issue(
        issue_id="B", status=Status.RESOLVED, details=details(resolution=Resolution.DELETED), timestamps=gone
    )
    assert (standing(restored), standing(seen)) == (Standing.SWITCHED_ON, Standing.RESOLVED)
    (account, _) = of(restored).accounts
    assert (account.open, account.switched_off, account.resolved) == (1, 0, 0)
    assert [(week.switched_off, week.resolved) for week in of(restored).weeks] == [(0, 0)] * WEEKS
    assert sum(week.resolved for week in of(seen).weeks) == 1


def test_every_issue_is_listed_the_open_ones_first_then_the_longest_idle() -> None:
    old = an_issue(issue_id="A", details=details(last_used=days_ago(300)))
    young = an_issue(issue_id="B", details=details(last_used=days_ago(100)))
    ended = an_issue(issue_id="C", status=Status.RESOLVED, details=details(last_used=days_ago(900)))
    found = of(ended, young, old).entries
    assert [entry.issue.issue_id for entry in found] == ["A", "B", "C"]
    assert [entry.idle_days for entry in found] == [300, 100, 900]


def test_accounts_are_counted_the_one_with_the_most_open_issues_first() -> None:
    found = of(
        an_issue(issue_id="A", account_id=OTHER, details=details(last_used=days_ago(120.9))),
        an_issue(issue_id="B", account_id=OTHER, jira=JiraDetails(failed=days_ago(1))),
        an_issue(issue_id="C", status=Status.WHITELISTED, details=details(last_used=days_ago(999))),
        an_issue(
            issue_id="D",
            status=Status.RESOLVED,
            timestamps=times(remediated=days_ago(3), resolved=days_ago(2)),
        ),
    )
    assert found.accounts == (
        AccountFigures(account_id=OTHER, name="slave1", open=2, failures=1, longest_idle=120, last_scan=LAST_SCAN),
        AccountFigures(
            account_id=ACCOUNT, name="master", whitelisted=1, switched_off=1, resolved=1, last_scan=LAST_SCAN
        ),
    )
    assert found.total == AccountFigures(
        account_id="",
        name="All accounts",
        open=2,
        whitelisted=1,
        switched_off=1,
        resolved=1,
        failures=1,
        longest_idle=120,
    )


def test_an_account_without_issues_is_there_with_nothing() -> None:
    assert of().accounts == (
        AccountFigures(account_id=ACCOUNT, name="master", last_scan=LAST_SCAN),
        AccountFigures(account_id=OTHER, name="slave1", last_scan=LAST_SCAN),
    )


# --- how old ---


@pytest.mark.parametrize(
    ("days", "span"),
    [
        (0, "under 30 days"),
        (29, "under 30 days"),
        (30, "30 to 59 days"),
        (89, "60 to 89 days"),
        (90, "90 to 179 days"),
        (179, "90 to 179 days"),
        (180, "180 to 364 days"),
        (364, "180 to 364 days"),
        (365, "1 to 2 years"),
        (730, "2 to 3 years"),
        (1095, "3 to 5 years"),
        (1824, "3 to 5 years"),
        (1825, "5 years or more"),
        (99999, "5 years or more"),
    ],
)
def test_a_span_begins_with_its_first_day(days: int, span: str) -> None:
    assert histogram([days])[0] == (span, 1)


def test_every_span_from_the_first_that_has_a_key_is_there() -> None:
    assert histogram([800, 400, 401]) == (
        ("1 to 2 years", 2),
        ("2 to 3 years", 1),
        ("3 to 5 years", 0),
        ("5 years or more", 0),
    )
    assert histogram([]) == ()


def test_only_keys_that_are_on_have_an_age() -> None:
    off = an_issue(issue_id="A", timestamps=times(remediated=days_ago(1)))
    ended = an_issue(issue_id="B", status=Status.RESOLVED)
    found = of(off, ended, an_issue()).idle
    assert (found[0], sum(count for _, count in found)) == (("90 to 179 days", 1), 1)


# --- the trend ---


def test_a_week_begins_on_monday_and_the_period_with_the_twelfth_before_this_one() -> None:
    first = MONDAY - timedelta(weeks=WEEKS - 1)
    issues = [
        an_issue(issue_id=str(number), timestamps=times(identified=moment))
        for number, moment in enumerate((MONDAY, MONDAY - SECOND, first, first - SECOND))
    ]
    found = of(*issues)
    assert found.since == first == datetime(2026, 8, 31, tzinfo=UTC)
    assert len(found.weeks) == 13
    assert found.weeks[0] == Week(date(2026, 8, 31), 1, 0, 0)
    assert found.weeks[-2:] == (Week(date(2026, 11, 16), 1, 0, 0), Week(date(2026, 11, 23), 1, 0, 0))
    assert sum(week.opened for week in found.weeks) == 3


def test_a_week_is_that_of_utc() -> None:
    monday_in_the_east = datetime(2026, 11, 23, 3, tzinfo=timezone(timedelta(hours=5)))
    assert of(an_issue(timestamps=times(identified=monday_in_the_east))).weeks[-2].opened == 1


def test_what_was_resolved_and_switched_off_counts_in_its_own_week() -> None:
    happened = times(identified=days_ago(40), remediated=MONDAY - SECOND, resolved=MONDAY)
    found = of(an_issue(status=Status.CLOSED, timestamps=happened))
    assert found.weeks[-2:] == (Week(date(2026, 11, 16), 0, 0, 1), Week(date(2026, 11, 23), 0, 1, 0))
    assert (found.total.resolved, found.total.switched_off) == (1, 1)


def test_the_period_begins_with_its_first_moment() -> None:
    first = MONDAY - timedelta(weeks=WEEKS - 1)
    found = of(an_issue(status=Status.CLOSED, timestamps=times(remediated=first, resolved=first)))
    assert (found.total.resolved, found.total.switched_off) == (1, 1)


def test_what_ended_before_the_period_is_not_of_the_period() -> None:
    before = MONDAY - timedelta(weeks=WEEKS - 1) - SECOND
    found = of(an_issue(status=Status.CLOSED, timestamps=times(remediated=before, resolved=before)))
    assert (found.total.resolved, found.total.switched_off) == (0, 0)
    assert found.count(Standing.RESOLVED) == 1


# --- what will be switched off ---


def reported(ago: float, **overrides: Any) -> Any:
    return an_issue(timestamps=times(reported=days_ago(ago)), **overrides)


def test_a_key_is_due_its_retention_period_after_the_report() -> None:
    (entry,) = of(reported(4)).planned
    assert entry.due == NOW + timedelta(days=10)


def test_a_key_whose_time_is_up_is_due_since_then() -> None:
    (entry,) = of(reported(20)).planned
    assert entry.due == days_ago(6)


@pytest.mark.parametrize(("over", "planned"), [(timedelta(), 1), (SECOND, 0)])
def test_a_report_looks_thirty_days_ahead(over: timedelta, planned: int) -> None:
    issue = an_issue(timestamps=times(reported=NOW + AHEAD - timedelta(days=60) + over))
    found = of(issue, retention_days=60)
    assert len(found.planned) == planned
    assert found.entries[0].due == NOW + AHEAD + over


def test_the_earliest_comes_first() -> None:
    found = of(reported(1, issue_id="late"), reported(5, issue_id="early"))
    assert [entry.issue.issue_id for entry in found.planned] == ["early", "late"]


@pytest.mark.parametrize(
    ("issue", "settings"),
    [
        (an_issue(), {}),
        (reported(20), {"remediation_accounts": frozenset({OTHER})}),
        (reported(20), {"whitelist": Whitelist({ACCOUNT: (Exemption("alice"),)})}),
        (reported(20, status=Status.WHITELISTED), {}),
        (reported(20, status=Status.RESOLVED), {}),
        (an_issue(timestamps=times(reported=days_ago(20), remediated=days_ago(1))), {}),
    ],
    ids=["not reported", "another account", "an exception", "whitelisted", "resolved", "off already"],
)
def test_what_remediation_leaves_alone_is_not_planned(issue: Any, settings: dict[str, Any]) -> None:
    found = of(issue, **settings)
    assert (found.planned, found.entries[0].due, found.by_hand) == ((), None, 0)


def test_a_key_that_is_not_idle_by_the_days_in_force_here_is_planned_for_when_it_will_be() -> None:
    issue = reported(20)
    days = (NOW - issue.details.last_used).days + 3
    (entry,) = of(issue, criteria_days=days).planned
    assert entry.due == issue.details.last_used + timedelta(days=days)


def test_without_automatic_remediation_nothing_is_planned_and_what_is_due_by_hand_is_counted() -> None:
    found = of(reported(20, issue_id="A"), reported(13, issue_id="B"), remediation=False)
    assert (found.planned, found.by_hand) == ((), 1)


def test_a_key_that_a_person_switched_on_again_has_its_week() -> None:
    issue = an_issue(timestamps=times(reported=days_ago(1), promised=days_ago(-6)))
    again = replace(issue, episode=type(issue.episode).REACTIVATED)
    assert of(again, retention_days=0).planned[0].due == NOW + timedelta(days=6)


def test_a_key_that_a_run_was_cut_off_at_is_due_again_unless_an_exception_covers_it_by_now() -> None:
    issue = an_issue(timestamps=times(reported=days_ago(20), remediation_started=days_ago(1)))
    assert of(issue).planned[0].due == days_ago(6)
    assert of(issue, whitelist=Whitelist({ACCOUNT: (Exemption("alice"),)})).planned == ()


# --- exceptions ---


def test_exceptions_are_counted_with_the_idle_keys_they_are_for_the_next_to_end_first() -> None:
    entries = (
        Exemption("alice", reason="needed"),
        Exemption("a*", date(2026, 11, 23)),
        Exemption("bob", date(2026, 11, 22)),
    )
    found = of(
        an_issue(issue_id="A", status=Status.WHITELISTED),
        an_issue(issue_id="B"),
        an_issue(issue_id="C", status=Status.RESOLVED, timestamps=times(resolved=days_ago(1))),
        an_issue(issue_id="D", account_id=OTHER),
        whitelist=Whitelist({ACCOUNT: entries}),
    ).exemptions
    assert [(each.exemption.id, each.holds, each.keys) for each in found] == [
        ("bob", False, 0),
        ("a*", True, 2),
        ("alice", True, 2),
    ]


def test_the_users_tag_is_an_exception_of_each_account_in_which_a_key_is_exempt_by_it() -> None:
    tagged = details(tags={"hammer": "never"})
    found = of(
        an_issue(issue_id="A", status=Status.WHITELISTED, details=tagged),
        an_issue(issue_id="B", details=tagged),
        an_issue(issue_id="C", status=Status.RESOLVED, details=tagged, timestamps=times(resolved=days_ago(1))),
        an_issue(issue_id="D", account_id=OTHER),
    )
    (each,) = found.exemptions
    assert (each.account_id, each.exemption, each.holds, each.keys) == (ACCOUNT, BY_TAG, True, 2)
    assert {entry.issue.issue_id for entry in found.entries if entry.exemption == BY_TAG} == {"A", "B", "C"}
    assert [entry.due for entry in found.entries if entry.issue.issue_id == "B"] == [None]


def test_exceptions_of_accounts_that_are_not_reported_on_are_left_out() -> None:
    whitelist = Whitelist({OTHER: (Exemption("alice"),)})
    assert of(whitelist=whitelist, accounts={ACCOUNT: "master"}).exemptions == ()


# --- failures ---


def test_every_failure_of_an_issue_counts_and_what_could_not_be_read_comes_first() -> None:
    issue = an_issue(
        remediation_error=RemediationError("AccessDenied", days_ago(1)),
        jira=JiraDetails(failed=days_ago(2)),
        slack=SlackDetails(failed=days_ago(3)),
    )
    unread = Failure(OTHER, "could not be read: a row", "no status")
    found = figures([issue], [unread], scans(), in_force(), NOW)
    assert [(each.what, each.since) for each in found.failures] == [
        ("could not be read: a row", None),
        ("could not be switched off", days_ago(1)),
        ("JIRA was not told", days_ago(2)),
        ("Slack was not told", days_ago(3)),
    ]
    assert {account.account_id: account.failures for account in found.accounts} == {ACCOUNT: 3, OTHER: 1}


def test_a_closed_issue_that_owes_its_end_to_somebody_says_to_whom() -> None:
    owing = SlackDetails(failed=days_ago(3), owed=("bob", "#ops"))
    issue = an_issue(status=Status.CLOSED, slack=owing, jira=JiraDetails(failed=days_ago(2)))
    (failure,) = figures([issue], [], scans(), in_force(), NOW).failures
    assert (failure.what, failure.since) == ("not told over Slack: bob, #ops", days_ago(3))


def test_a_closed_issue_has_no_failure_any_more() -> None:
    error = RemediationError("AccessDenied", days_ago(1))
    ended = details(resolution=Resolution.USED)
    assert of(an_issue(status=Status.CLOSED, remediation_error=error, details=ended)).failures == ()


def test_an_issue_with_which_something_is_wrong_costs_the_others_nothing() -> None:
    odd = an_issue(issue_id="AKIAODD", details=details(tags=["no map"]), remediation_error="no error")
    unread = [Failure(ACCOUNT, "could not be read: a row", "x")]
    found = figures([odd, an_issue()], unread, scans(), in_force(), NOW)
    assert [entry.issue.issue_id for entry in found.entries] == [KEY]
    assert [(failure.key, failure.cause[:10]) for failure in found.unread] == [("", "x"), ("AKIAODD", "unexpected")]
    assert sum(week.opened for week in found.weeks) == 1
