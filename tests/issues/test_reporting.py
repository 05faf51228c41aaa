"""What people are to be told, and when; each test's name has the words of the specification."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from library.issues.decisions import Skip
from library.issues.record import Episode, Issue, JiraDetails, Resolution, SlackDetails, Status
from library.issues.reporting import (
    CLOSING_WAITS_FOR_JIRA,
    Close,
    CloseSilently,
    ExemptionEnds,
    Remind,
    Report,
    ReportingPolicy,
    TellDate,
    TellRemediated,
    exemptions_that_end,
    remediation_date,
    reminder_step,
    reporting_step,
    retention_days,
    retention_over,
)
from library.issues.whitelist import Exemption, Whitelist
from library.text import utc
from tests.builders import ACCOUNT, KEY, NOW, an_issue, days_ago, details, times
from tests.issues.builders import SECOND, TICKET, TOLD, closed, reported, resolved

if TYPE_CHECKING:
    from collections.abc import Sequence

# --- reporting -------------------------------------------------------------------------------------------------

BOTH = ReportingPolicy(jira=True, slack=True, retention_days=14, reminder_days=(7, 1))
JIRA_ONLY = replace(BOTH, jira=True, slack=False)
SLACK_ONLY = replace(BOTH, jira=False, slack=True)
NEITHER = replace(BOTH, jira=False, slack=False)


ALICE = Exemption("alice")


def step(issue: Issue, policy: ReportingPolicy = BOTH, *, whitelisted: bool = False, now: datetime = NOW) -> object:
    return reporting_step(issue, policy, exemption=ALICE if whitelisted else None, now=now)


@pytest.mark.parametrize("policy", [BOTH, JIRA_ONLY, SLACK_ONLY])
def test_open_and_not_reported_raises_a_ticket_if_jira_is_enabled_and_tells_slack_if_enabled(
    policy: ReportingPolicy,
) -> None:
    assert step(an_issue(), policy) == Report(jira=policy.jira, slack=policy.slack, first=True)


@pytest.mark.parametrize("issue", [an_issue(), reported()], ids=["new", "to be told a date"])
def test_of_a_key_that_is_not_idle_by_the_days_in_force_here_nobody_is_told(issue: Issue) -> None:
    days = (NOW - issue.details.last_used).days + 1
    here = replace(BOTH, criteria_days=days)
    idle_from = issue.details.last_used + timedelta(days=days)
    assert step(issue, here, now=idle_from) == Skip(f"not idle by the {days} days that are in force here")
    assert not isinstance(step(issue, here, now=idle_from + SECOND), Skip)


def test_open_and_not_reported_with_a_ticket_kept_from_an_earlier_episode_is_reported_again() -> None:
    assert step(an_issue(jira=TICKET, episode=Episode.REOPENED)) == Report(jira=True, slack=True, first=True)


@pytest.mark.parametrize("issue", [an_issue(), reported(), resolved(Resolution.USED)])
def test_with_neither_enabled_nothing_is_reported(issue: Issue) -> None:
    assert step(issue, NEITHER) == Skip("neither JIRA nor Slack is enabled")


@pytest.mark.parametrize(
    "issue",
    [
        an_issue(),
        reported(timestamps=times(reported=days_ago(13.5))),
        reported(jira=replace(TICKET, failed=days_ago(1))),
    ],
    ids=["not reported", "a reminder is due", "a delivery is owed"],
)
def test_an_open_issue_that_the_whitelist_names_by_now_is_not_reported_or_reminded_of(issue: Issue) -> None:
    assert isinstance(step(issue), Report | Remind)
    assert step(issue, whitelisted=True) == Skip("whitelisted by now, the next scan records it")


@pytest.mark.parametrize(
    ("jira", "slack", "owed"),
    [
        (replace(TICKET, failed=days_ago(1)), TOLD, Report(jira=True, slack=False, first=False)),
        (TICKET, replace(TOLD, failed=days_ago(1)), Report(jira=False, slack=True, first=False)),
    ],
    ids=["jira", "slack"],
)
def test_a_failed_delivery_is_made_up_for_in_a_later_run(
    jira: JiraDetails, slack: SlackDetails, owed: Report
) -> None:
    issue = reported(jira=jira, slack=slack, timestamps=times(reported=days_ago(1)))
    assert step(issue) == owed


def test_a_channel_that_stays_down_does_not_keep_the_other_one_from_reminding() -> None:
    issue = reported(timestamps=times(reported=days_ago(8)), jira=JiraDetails(failed=days_ago(8)))
    assert step(issue) == Remind(7)
    said = replace(issue, timestamps=replace(issue.timestamps, reminded=days_ago(1)))
    assert step(said) == Report(jira=True, slack=False, first=False)


def test_a_failed_delivery_on_a_channel_that_is_off_by_now_waits() -> None:
    issue = reported(jira=replace(TICKET, failed=days_ago(1)), timestamps=times(reported=days_ago(1)))
    assert step(issue, SLACK_ONLY) == Skip("reported before")


def test_a_channel_that_was_not_enabled_then_owes_nothing() -> None:
    issue = an_issue(timestamps=times(reported=days_ago(1)), jira=TICKET)
    assert step(issue, BOTH) == Skip("reported before")


@pytest.mark.parametrize(
    ("since_report", "due"),
    [
        (timedelta(days=7) - SECOND, None),
        (timedelta(days=7), 7),
        (timedelta(days=13) - SECOND, 7),
        (timedelta(days=13), 1),
        (timedelta(days=14), 1),
    ],
)
def test_a_reminder_is_due_when_its_step_is_reached_and_only_the_nearest_step(
    since_report: timedelta, due: int | None
) -> None:
    issue = reported(timestamps=times(reported=NOW - since_report))
    assert step(issue) == (Skip("reported before") if due is None else Remind(due))


@pytest.mark.parametrize(
    ("reminded", "due"), [(days_ago(1), 1), (NOW - SECOND, 1), (NOW, None)], ids=["day before", "just before", "now"]
)
def test_each_reminder_step_is_said_once(reminded: datetime, due: int | None) -> None:
    issue = reported(timestamps=times(reported=days_ago(13), reminded=reminded))
    assert step(issue) == (Skip("reported before") if due is None else Remind(due))


@pytest.mark.parametrize(("retention", "due"), [(7, None), (8, 7), (5, None)])
def test_reminder_steps_as_long_as_the_retention_period_or_longer_are_left_out(
    retention: int, due: int | None
) -> None:
    policy = replace(BOTH, retention_days=retention, reminder_days=(7,))
    issue = reported(timestamps=times(reported=days_ago(retention - 1), promised=days_ago(-1)))
    assert step(issue, policy) == (Skip("reported before") if due is None else Remind(due))


def test_reminders_come_only_where_remediation_is_on() -> None:
    issue = reported(timestamps=times(reported=days_ago(13)))
    assert step(issue, replace(BOTH, retention_days=None)) == Skip("reported before")


def test_an_issue_that_was_not_reported_has_no_reminder() -> None:
    assert reminder_step(an_issue(), BOTH, NOW) is None


def test_reminders_of_a_reactivated_key_are_counted_from_its_seven_days() -> None:
    policy = replace(BOTH, retention_days=0)
    issue = reported(episode=Episode.REACTIVATED, timestamps=times(reported=days_ago(6), promised=days_ago(-1)))
    assert step(issue, policy) == Remind(1)
    on_the_day = replace(issue, timestamps=times(reported=days_ago(6), promised=days_ago(6)))
    assert step(replace(on_the_day, episode=Episode.REOPENED), policy) == Skip("reported before")


# --- the date --------------------------------------------------------------------------------------------------

WHILE_OFF = reported(timestamps=times(reported=days_ago(60), promised=None))
"""Reported while remediation was off, or by an older version: nobody was told a date."""


@pytest.mark.parametrize(
    ("episode", "retention", "days"),
    [
        (Episode.FIRST, 14, 7),
        (Episode.FIRST, 7, 7),
        (Episode.FIRST, 3, 3),
        (Episode.FIRST, 0, 0),
        (Episode.REACTIVATED, 0, 7),
        (Episode.REACTIVATED, 30, 7),
    ],
)
def test_who_was_told_no_date_is_told_one_the_retention_period_from_now_and_at_most_seven_days_of_it(
    episode: Episode, retention: int, days: int
) -> None:
    policy = replace(BOTH, retention_days=retention)
    assert step(replace(WHILE_OFF, episode=episode), policy) == TellDate(NOW + timedelta(days=days))


def test_the_date_that_is_told_late_is_never_before_the_retention_period_is_over() -> None:
    issue = reported(timestamps=times(reported=days_ago(1), promised=None))
    assert step(issue, replace(BOTH, retention_days=30)) == TellDate(days_ago(-29))


def test_where_remediation_is_off_nobody_is_told_a_date() -> None:
    assert step(WHILE_OFF, replace(BOTH, retention_days=None)) == Skip("reported before")


def test_a_channel_that_is_owed_the_report_does_not_keep_the_other_one_from_being_told_the_date() -> None:
    assert step(replace(WHILE_OFF, jira=replace(TICKET, failed=days_ago(1)))) == TellDate(days_ago(-7))


def test_nobody_is_told_a_date_of_what_the_whitelist_names_by_now_or_of_what_is_switched_off() -> None:
    assert step(WHILE_OFF, whitelisted=True) == Skip("whitelisted by now, the next scan records it")
    off = replace(WHILE_OFF.timestamps, remediation_started=days_ago(1), remediated=days_ago(1))
    assert isinstance(step(replace(WHILE_OFF, timestamps=off)), Skip)


def test_a_date_that_moves_later_with_a_lengthened_period_is_told_and_none_that_moves_earlier() -> None:
    issue = reported(timestamps=times(reported=days_ago(2)))
    assert step(issue, replace(BOTH, retention_days=30)) == TellDate(days_ago(-28))
    assert step(issue, replace(BOTH, retention_days=3)) == Skip("reported before")
    assert step(issue, BOTH) == Skip("reported before")


def test_reminders_count_from_the_date_that_was_told_whatever_the_period_is_by_now() -> None:
    told = times(reported=days_ago(2), promised=days_ago(-7))
    assert step(reported(timestamps=told), replace(BOTH, retention_days=3)) == Remind(7)
    assert step(reported(timestamps=told), replace(BOTH, retention_days=3), now=NOW - SECOND) == Skip(
        "reported before"
    )


def test_reminder_steps_that_reach_back_to_when_the_date_was_told_are_left_out() -> None:
    told = reported(timestamps=times(reported=days_ago(60), promised=days_ago(-7), date_told=NOW))
    assert step(told) == Skip("reported before")
    assert step(told, now=days_ago(-6)) == Remind(1)


@pytest.mark.parametrize(
    "issue",
    [
        resolved(Resolution.USED),
        reported(status=Status.WHITELISTED, timestamps=times(reported=days_ago(18), updated=days_ago(2))),
    ],
    ids=["resolved", "whitelisted"],
)
def test_resolved_or_whitelisted_and_reported_is_closed(issue: Issue) -> None:
    assert step(issue) == Close(slack=True)


@pytest.mark.parametrize("status", [Status.RESOLVED, Status.WHITELISTED])
def test_resolved_or_whitelisted_with_a_ticket_kept_from_an_earlier_episode_is_closed(status: Status) -> None:
    assert step(an_issue(status=status, jira=TICKET)) == Close(slack=True)


@pytest.mark.parametrize("status", [Status.RESOLVED, Status.WHITELISTED])
def test_slack_is_not_told_twice_if_only_the_ticket_could_not_be_closed(status: Status) -> None:
    when = times(updated=days_ago(2), reported=days_ago(18))
    if status is Status.RESOLVED:
        when = replace(when, resolved=days_ago(2))
    told = reported(status=status, timestamps=when, slack=replace(TOLD, notified=days_ago(1)))
    assert step(replace(told, jira=replace(TICKET, failed=days_ago(1)))) == Close(slack=False)
    # Without a ticket that held it up, it was the report that Slack took, while the scan was running.
    assert step(told) == Close(slack=True)
    # Nor if that report did not get through to JIRA.
    same_run = replace(told.timestamps, reported=days_ago(1))
    assert step(replace(told, timestamps=same_run, jira=replace(TICKET, failed=days_ago(1)))) == Close(slack=True)


@pytest.mark.parametrize("said", ["reported", "reminded"])
def test_slack_is_told_of_an_end_that_was_found_by_a_scan_which_began_before_the_last_message(said: str) -> None:
    when = replace(times(updated=days_ago(2), reported=days_ago(18), resolved=days_ago(2)), **{said: days_ago(1)})
    issue = resolved(Resolution.USED, timestamps=when, slack=replace(TOLD, notified=days_ago(1)))
    assert step(issue) == Close(slack=True)


def test_slack_is_not_told_where_it_is_not_enabled() -> None:
    assert step(resolved(Resolution.USED), JIRA_ONLY) == Close(slack=False)


@pytest.mark.parametrize("policy", [BOTH, NEITHER])
def test_resolved_never_reported_and_without_ticket_is_closed_without_a_word(policy: ReportingPolicy) -> None:
    assert step(an_issue(status=Status.RESOLVED), policy) == CloseSilently()


def test_whitelisted_and_never_reported_is_nothing() -> None:
    assert step(an_issue(status=Status.WHITELISTED)) == Skip("whitelisted, never reported")


def test_closed_is_nothing() -> None:
    assert step(closed()) == Skip("closed")


def test_what_could_not_be_said_when_the_key_was_switched_off_is_made_up_for() -> None:
    when = times(reported=days_ago(18), remediation_started=days_ago(1), remediated=days_ago(1))
    owing = reported(timestamps=when, jira=replace(TICKET, failed=days_ago(1)))
    assert step(owing) == TellRemediated(jira=True, slack=False)
    assert step(owing, whitelisted=True) == TellRemediated(jira=True, slack=False)
    assert isinstance(step(reported(timestamps=when)), Skip)


# --- exemptions that end ---------------------------------------------------------------------------------------

TODAY = NOW.date()


def ending(*entries: Exemption, issues: Sequence[Issue]) -> list[ExemptionEnds]:
    return exemptions_that_end(issues, Whitelist({ACCOUNT: entries}), NOW)


def until(days: int, pattern: str = "alice") -> Exemption:
    return Exemption(pattern, TODAY + timedelta(days=days))


EXEMPTED = an_issue(status=Status.WHITELISTED)


@pytest.mark.parametrize(("days", "told"), [(-1, False), (0, True), (14, True), (15, False)])
def test_an_exemption_is_told_of_from_fourteen_days_before_its_last_day_to_that_day(days: int, told: bool) -> None:
    found = ending(until(days), issues=[EXEMPTED])
    assert found == ([ExemptionEnds(until(days), (EXEMPTED,), said=False)] if told else [])


def test_an_exemption_is_told_of_once_for_all_keys_that_it_covers() -> None:
    other = an_issue(status=Status.WHITELISTED, issue_id="AKIAOTHER")
    assert ending(until(3), issues=[EXEMPTED, other]) == [ExemptionEnds(until(3), (EXEMPTED, other), said=False)]


def test_an_exemption_that_was_told_of_is_recorded_with_the_keys_that_have_no_record_yet() -> None:
    told = replace(EXEMPTED, slack=SlackDetails(exception_told=until(3).until))
    other = an_issue(status=Status.WHITELISTED, issue_id="AKIAOTHER")
    assert ending(until(3), issues=[told]) == []
    assert ending(until(3), issues=[told, other]) == [ExemptionEnds(until(3), (other,), said=True)]


def test_an_exemption_that_was_prolonged_is_told_of_again() -> None:
    told = replace(EXEMPTED, slack=SlackDetails(exception_told=until(3).until))
    assert ending(until(9), issues=[told]) == [ExemptionEnds(until(9), (told,), said=False)]


@pytest.mark.parametrize("longer", [Exemption("AKIA*"), until(40, KEY)], ids=["permanently", "longer"])
def test_the_end_of_an_exemption_is_nothing_to_a_key_that_another_one_covers_for_longer(longer: Exemption) -> None:
    assert ending(until(3), longer, issues=[EXEMPTED]) == []
    assert ending(longer, until(3), issues=[EXEMPTED]) == []


def test_the_end_of_an_exemption_is_nothing_to_a_key_whose_user_has_the_tag() -> None:
    tagged = an_issue(status=Status.WHITELISTED, details=details(tags={"hammer": "Never"}))
    assert ending(until(3), issues=[tagged]) == []


def test_an_exemption_that_matches_no_issue_ends_without_a_word() -> None:
    assert ending(until(3, "bob"), issues=[EXEMPTED]) == []


def test_an_issue_that_was_closed_when_it_was_exempted_counts_and_one_that_went_away_does_not() -> None:
    exempted = replace(EXEMPTED, status=Status.CLOSED)
    assert ending(until(3), issues=[exempted]) == [ExemptionEnds(until(3), (exempted,), said=False)]
    gone = replace(exempted, timestamps=replace(exempted.timestamps, resolved=days_ago(2)))
    assert ending(until(3), issues=[gone, an_issue(), resolved(Resolution.USED)]) == []


# --- the retention period --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("episode", "configured", "days"),
    [
        (Episode.FIRST, 0, 0),
        (Episode.FIRST, 14, 14),
        (Episode.REOPENED, 3, 3),
        (Episode.REACTIVATED, 0, 7),
        (Episode.REACTIVATED, 6, 7),
        (Episode.REACTIVATED, 7, 7),
        (Episode.REACTIVATED, 14, 14),
    ],
)
def test_the_retention_period_is_at_least_seven_days_wherever_the_episode_is_reactivated(
    episode: Episode, configured: int, days: int
) -> None:
    issue = reported(episode=episode)
    assert retention_days(issue, configured) == days
    assert retention_over(issue, configured) == days_ago(18) + timedelta(days=days)


def test_without_a_report_there_is_no_end_and_the_date_is_that_of_a_report_that_is_about_to_be_made() -> None:
    assert retention_over(an_issue(), 14) is None
    assert remediation_date(an_issue(), 14, NOW) == NOW + timedelta(days=14)


# --- a key that was switched on again ---

RESTORED = times(
    reported=days_ago(20), remediated=days_ago(3), resolved=days_ago(2.9), updated=days_ago(2.9), restored=days_ago(1)
)


@pytest.mark.parametrize("status", [Status.RESOLVED, Status.CLOSED])
def test_a_key_that_was_switched_on_again_is_never_said_to_be_off_and_what_is_owed_of_it_is_paid(
    status: Status,
) -> None:
    issue = resolved(Resolution.REMEDIATED, status=status, timestamps=RESTORED)
    assert step(issue) == Skip(f"switched on again at {utc(days_ago(1))}; the next scan decides")
    owing = replace(issue, jira=replace(TICKET, failed=days_ago(1)))
    assert step(owing) == TellRemediated(jira=True, slack=False)
    assert step(replace(owing, slack=replace(TOLD, failed=days_ago(1))), SLACK_ONLY) == TellRemediated(
        jira=False, slack=True
    )


def test_it_is_closed_once_a_scan_has_seen_what_became_of_it() -> None:
    issue = resolved(Resolution.DELETED, timestamps=replace(RESTORED, resolved=NOW, updated=NOW))
    assert step(issue) == Close(slack=True)


@pytest.mark.parametrize("status", [Status.RESOLVED, Status.WHITELISTED])
def test_an_issue_with_a_ticket_is_not_closed_while_jira_is_switched_off(status: Status) -> None:
    issue = resolved(Resolution.USED, status=status)
    assert isinstance(step(issue), Close)
    assert step(issue, SLACK_ONLY) == CLOSING_WAITS_FOR_JIRA
    assert isinstance(step(replace(issue, jira=JiraDetails()), SLACK_ONLY), Close)
