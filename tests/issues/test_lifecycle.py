"""The life of an issue, row by row and guard by guard; each test's name has the words of the specification."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from library.issues.lifecycle import (
    Close,
    CloseSilently,
    Due,
    ExceptionEnds,
    Finish,
    Remind,
    Report,
    ReportingPolicy,
    Skip,
    TellRemediated,
    exceptions_that_end,
    reconcile,
    remediation_due,
    remediation_verdict,
    reporting_step,
    retention_days,
    second_look,
    verdict_as_the_key_is_on,
)
from library.issues.record import (
    Episode,
    Issue,
    IssueDetails,
    JiraDetails,
    RemediationError,
    Resolution,
    SlackDetails,
    Status,
    Timestamps,
)
from library.issues.whitelist import Exemption, Whitelist
from tests.builders import ACCOUNT, KEY, NOW, a_key, an_issue, days_ago, details, times

if TYPE_CHECKING:
    from collections.abc import Sequence

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
TICKET = JiraDetails(ticket="AWSSEC-1", ticket_assignee_id="bob")
TOLD = SlackDetails(notified=days_ago(18), recipients=("#devops",))
GONE = (Resolution.USED, Resolution.DEACTIVATED, Resolution.DELETED)


def scan(
    record: Issue | None,
    found: IssueDetails | Resolution | None = None,
    *,
    whitelisted: bool = False,
    now: datetime = NOW,
) -> Issue | None:
    """What a scan makes of the record; without `found`, the key is idle and its facts are as before."""
    return reconcile(ACCOUNT, KEY, record, found or details(), whitelisted=whitelisted, now=now)


def reported(**overrides: Any) -> Issue:
    """An open issue that was reported 18 days ago, with a ticket and a message."""
    defaults: dict[str, Any] = {"timestamps": times(reported=days_ago(18)), "jira": TICKET, "slack": TOLD}
    return an_issue(**{**defaults, **overrides})


def resolved(resolution: Resolution, **overrides: Any) -> Issue:
    """A reported issue that a scan resolved two days ago."""
    when = times(updated=days_ago(2), reported=days_ago(18), reminded=days_ago(5), resolved=days_ago(2))
    defaults: dict[str, Any] = {
        "status": Status.RESOLVED,
        "details": details(resolution=resolution),
        "timestamps": when,
    }
    return reported(**{**defaults, **overrides})


def closed(resolution: Resolution | None = Resolution.USED, **overrides: Any) -> Issue:
    """A resolved issue whose ticket was closed a day ago."""
    issue = resolved(Resolution.USED)
    defaults: dict[str, Any] = {
        "status": Status.CLOSED,
        "details": details(resolution=resolution),
        "timestamps": replace(issue.timestamps, closed=days_ago(1)),
    }
    return reported(**{**defaults, **overrides})


NEW_EPISODE = Timestamps(identified=NOW, updated=NOW)
"""The timestamps of a new episode that nothing else is left in."""


# --- the rows of the lifecycle table --------------------------------------------------------------------------


def test_idle_key_without_record_is_open_and_identified_now() -> None:
    assert scan(None) == an_issue(timestamps=NEW_EPISODE, episode=Episode.FIRST)


def test_idle_key_with_open_record_stays_as_before() -> None:
    assert scan(reported()) is None


def test_idle_key_with_open_record_stays_as_before_and_details_are_refreshed_only_if_they_changed() -> None:
    newer = details(last_used=days_ago(95), last_used_service="sts")
    assert scan(reported(), newer) == reported(details=newer, timestamps=times(reported=days_ago(18), updated=NOW))


def test_tags_that_this_scan_did_not_fetch_are_no_change() -> None:
    assert scan(reported(), details(tags=None)) is None


def test_idle_key_with_open_and_remediated_record_begins_a_new_episode_reactivated() -> None:
    record = reported(
        timestamps=times(
            reported=days_ago(18), reminded=days_ago(5), remediation_started=days_ago(4), remediated=days_ago(4)
        ),
        remediation_error=RemediationError("throttled", days_ago(5)),
    )
    assert scan(record) == reported(episode=Episode.REACTIVATED, timestamps=NEW_EPISODE)


def test_idle_key_with_whitelisted_record_is_open() -> None:
    assert scan(an_issue(status=Status.WHITELISTED)) == an_issue(timestamps=times(updated=NOW))


def test_idle_key_with_whitelisted_record_that_was_reported_before_begins_a_new_episode_reopened() -> None:
    record = reported(status=Status.WHITELISTED)
    assert scan(record) == reported(episode=Episode.REOPENED, timestamps=NEW_EPISODE)


@pytest.mark.parametrize("status", [Status.WHITELISTED, Status.CLOSED])
def test_an_exception_takes_no_week_of_grace_from_a_key_that_a_person_had_switched_on_again(status: Status) -> None:
    after = scan(reported(status=status, episode=Episode.REACTIVATED))
    assert after is not None
    assert (after.episode, after.timestamps.reported) == (Episode.REACTIVATED, None)


def test_a_use_ends_what_a_person_decided_before() -> None:
    after = scan(replace(resolved(Resolution.USED), episode=Episode.REACTIVATED))
    assert after is not None
    assert after.episode is Episode.REOPENED


@pytest.mark.parametrize("resolution", [Resolution.REMEDIATED, Resolution.DEACTIVATED])
def test_idle_key_with_resolved_record_that_was_remediated_or_deactivated_is_reactivated(
    resolution: Resolution,
) -> None:
    assert scan(resolved(resolution)) == reported(episode=Episode.REACTIVATED, timestamps=NEW_EPISODE)


@pytest.mark.parametrize("resolution", [Resolution.USED, Resolution.DELETED])
def test_idle_key_with_resolved_record_of_another_resolution_is_reopened(resolution: Resolution) -> None:
    assert scan(resolved(resolution)) == reported(episode=Episode.REOPENED, timestamps=NEW_EPISODE)


@pytest.mark.parametrize(
    ("resolution", "episode"),
    [
        (Resolution.USED, Episode.REOPENED),
        (Resolution.DELETED, Episode.REOPENED),
        (None, Episode.REOPENED),
        (Resolution.DEACTIVATED, Episode.REACTIVATED),
        (Resolution.REMEDIATED, Episode.REACTIVATED),
    ],
)
def test_idle_key_with_closed_record_is_open_as_if_new_with_jira_and_slack_emptied_and_all_timestamps_fresh(
    resolution: Resolution | None, episode: Episode
) -> None:
    record = closed(resolution)
    assert scan(record) == an_issue(episode=episode, timestamps=NEW_EPISODE)


def test_idle_and_whitelisted_key_without_record_is_whitelisted() -> None:
    assert scan(None, whitelisted=True) == an_issue(status=Status.WHITELISTED, timestamps=NEW_EPISODE)


def test_idle_and_whitelisted_key_with_open_record_is_whitelisted() -> None:
    after = scan(reported(), whitelisted=True)
    assert after == reported(status=Status.WHITELISTED, timestamps=times(reported=days_ago(18), updated=NOW))


def test_idle_and_whitelisted_key_with_resolved_record_is_whitelisted() -> None:
    after = scan(resolved(Resolution.USED), whitelisted=True)
    assert after is not None
    assert (after.status, after.jira, after.timestamps.resolved) == (Status.WHITELISTED, TICKET, None)


@pytest.mark.parametrize("record", [reported(status=Status.WHITELISTED), closed()], ids=["whitelisted", "closed"])
def test_idle_and_whitelisted_key_with_whitelisted_or_closed_record_is_unchanged(record: Issue) -> None:
    assert scan(record, details(last_used=days_ago(95)), whitelisted=True) is None


@pytest.mark.parametrize("found", GONE)
@pytest.mark.parametrize("whitelisted", [True, False])
@pytest.mark.parametrize("status", [Status.OPEN, Status.WHITELISTED])
def test_key_not_idle_any_more_off_or_gone_with_open_or_whitelisted_record_is_resolved_with_resolution(
    status: Status, whitelisted: bool, found: Resolution
) -> None:
    assert scan(reported(status=status), found, whitelisted=whitelisted) == reported(
        status=Status.RESOLVED,
        details=details(resolution=found),
        timestamps=times(reported=days_ago(18), updated=NOW, resolved=NOW),
    )


@pytest.mark.parametrize("found", GONE)
@pytest.mark.parametrize("record", [resolved(Resolution.DELETED), closed(), None], ids=["resolved", "closed", "none"])
def test_key_not_idle_any_more_off_or_gone_with_resolved_closed_or_no_record_is_unchanged(
    record: Issue | None, found: Resolution
) -> None:
    assert scan(record, found) is None


# --- what the table leaves to the text ------------------------------------------------------------------------


def test_new_episode_keeps_the_ticket_and_when_it_was_restored_and_owes_nothing_of_the_old_one() -> None:
    record = resolved(
        Resolution.REMEDIATED,
        timestamps=Timestamps(*[days_ago(9)] * 8),
        jira=replace(TICKET, failed=days_ago(9)),
        slack=replace(TOLD, failed=days_ago(9)),
        remediation_error=RemediationError("throttled", days_ago(9)),
    )
    after = scan(record)
    assert after == reported(episode=Episode.REACTIVATED, timestamps=replace(NEW_EPISODE, restored=days_ago(9)))


@pytest.mark.parametrize(
    "switched_off",
    [
        {"remediation_started": days_ago(4), "remediated": days_ago(4)},
        {"remediation_started": days_ago(4)},
        {"remediation_started": days_ago(4), "remediated": days_ago(4), "restored": days_ago(5)},
    ],
    ids=["we switched it off", "we were about to", "we did so again after a restore"],
)
def test_resolution_is_remediated_if_the_key_is_off_and_we_recorded_that_we_did_it_or_were_about_to(
    switched_off: dict[str, datetime],
) -> None:
    after = scan(reported(timestamps=times(reported=days_ago(18), **switched_off)), Resolution.DEACTIVATED)
    assert after is not None
    assert after.details.resolution is Resolution.REMEDIATED


def test_resolution_is_deactivated_if_somebody_else_switched_off_a_key_that_we_had_restored() -> None:
    when = times(reported=days_ago(18), remediation_started=days_ago(4), remediated=days_ago(4), restored=days_ago(3))
    after = scan(reported(timestamps=when), Resolution.DEACTIVATED)
    assert after is not None
    assert after.details.resolution is Resolution.DEACTIVATED


def test_a_key_that_we_switched_off_and_that_was_deleted_then_is_deleted() -> None:
    when = times(reported=days_ago(18), remediation_started=days_ago(4), remediated=days_ago(4))
    after = scan(reported(timestamps=when), Resolution.DELETED)
    assert after is not None
    assert after.details.resolution is Resolution.DELETED


@pytest.mark.parametrize("found", [None, *GONE])
@pytest.mark.parametrize("whitelisted", [True, False])
def test_a_scan_that_began_before_remediation_started_leaves_the_issue_alone(
    found: Resolution | None, whitelisted: bool
) -> None:
    record = reported(timestamps=times(reported=days_ago(18), remediation_started=NOW + SECOND))
    assert scan(record, found or details(last_used=days_ago(95)), whitelisted=whitelisted) is None


@pytest.mark.parametrize("found", [None, *GONE])
@pytest.mark.parametrize("whitelisted", [True, False])
def test_a_scan_that_began_less_than_five_minutes_after_remediated_leaves_the_issue_alone(
    found: Resolution | None, whitelisted: bool
) -> None:
    switched_off = NOW - 5 * MINUTE + SECOND
    record = reported(
        timestamps=times(reported=days_ago(18), remediation_started=switched_off, remediated=switched_off)
    )
    assert scan(record, found, whitelisted=whitelisted) is None


def test_a_scan_that_began_five_minutes_after_remediated_sees_that_the_key_was_switched_on_again() -> None:
    switched_off = NOW - 5 * MINUTE
    record = reported(
        timestamps=times(reported=days_ago(18), remediation_started=switched_off, remediated=switched_off)
    )
    after = scan(record)
    assert after is not None
    assert after.episode is Episode.REACTIVATED


@pytest.mark.parametrize("found", [None, *GONE])
def test_a_scan_that_is_older_than_the_last_one_on_record_changes_nothing(found: Resolution | None) -> None:
    record = an_issue(timestamps=times(updated=NOW + SECOND))
    assert scan(record, found or details(last_used=days_ago(95))) is None


def test_a_key_that_was_switched_on_again_while_it_was_whitelisted_is_still_reactivated_afterwards() -> None:
    exempted = scan(resolved(Resolution.DEACTIVATED), whitelisted=True)
    after = scan(exempted, now=NOW + MINUTE)
    assert after is not None
    assert (after.status, after.episode) == (Status.OPEN, Episode.REACTIVATED)


# --- properties ------------------------------------------------------------------------------------------------

MOMENTS = st.none() | st.integers(-60, 60).map(lambda minutes: NOW + minutes * MINUTE)


def in_order(any_times: Timestamps) -> Timestamps:
    """The same without what cannot be: nothing is reminded of or remediated before it was reported."""
    if any_times.reported is None:
        return replace(any_times, reminded=None, remediation_started=None, remediated=None)
    return any_times if any_times.remediation_started else replace(any_times, remediated=None)


RECORDS = st.builds(
    an_issue,
    status=st.sampled_from(Status),
    episode=st.sampled_from(Episode),
    details=st.builds(
        details,
        last_used=st.sampled_from([days_ago(100), days_ago(95)]),
        tags=st.sampled_from([None, {}, {"owner": "bob"}]),
        resolution=st.none() | st.sampled_from(Resolution),
    ),
    timestamps=st.builds(Timestamps, *([MOMENTS] * 9)).map(in_order),
    jira=st.sampled_from([JiraDetails(), TICKET, replace(TICKET, failed=NOW)]),
    slack=st.sampled_from([SlackDetails(), TOLD, replace(TOLD, failed=NOW)]),
    remediation_error=st.none() | st.just(RemediationError("throttled", NOW)),
)
FOUND = st.sampled_from([details(), details(tags=None), details(last_used=days_ago(95)), *GONE])


@given(record=st.none() | RECORDS, found=FOUND, whitelisted=st.booleans())
def test_reconciling_twice_is_the_same_as_once(
    record: Issue | None, found: IssueDetails | Resolution, whitelisted: bool
) -> None:
    once = scan(record, found, whitelisted=whitelisted)
    assume(once is not None)
    assert scan(once, found, whitelisted=whitelisted) is None


@given(record=RECORDS, found=FOUND, whitelisted=st.booleans())
def test_a_closed_issue_is_never_resolved_or_whitelisted(
    record: Issue, found: IssueDetails | Resolution, whitelisted: bool
) -> None:
    after = scan(replace(record, status=Status.CLOSED), found, whitelisted=whitelisted)
    assert after is None or after.status is Status.OPEN


@given(record=RECORDS, found=FOUND, whitelisted=st.booleans())
def test_a_ticket_is_never_lost_except_from_closed_to_open(
    record: Issue, found: IssueDetails | Resolution, whitelisted: bool
) -> None:
    after = scan(record, found, whitelisted=whitelisted)
    assume(after is not None and record.status is not Status.CLOSED)
    assert after is not None
    assert (after.jira.ticket, after.jira.ticket_assignee_id) == (
        record.jira.ticket,
        record.jira.ticket_assignee_id,
    )


@given(record=st.none() | RECORDS, found=FOUND, whitelisted=st.booleans())
def test_an_issue_is_open_after_a_change_exactly_if_its_key_is_idle_and_not_whitelisted(
    record: Issue | None, found: IssueDetails | Resolution, whitelisted: bool
) -> None:
    after = scan(record, found, whitelisted=whitelisted)
    assume(after is not None)
    assert after is not None
    if isinstance(found, Resolution):
        assert (after.status, after.timestamps.resolved) == (Status.RESOLVED, NOW)
    else:
        assert after.status is (Status.WHITELISTED if whitelisted else Status.OPEN)


@given(record=RECORDS, found=FOUND, whitelisted=st.booleans())
def test_a_scan_never_moves_a_report_and_never_records_a_remediation(
    record: Issue, found: IssueDetails | Resolution, whitelisted: bool
) -> None:
    after = scan(record, found, whitelisted=whitelisted)
    assume(after is not None)
    assert after is not None
    for step in ("reported", "reminded", "remediation_started", "remediated"):
        assert getattr(after.timestamps, step) in (None, getattr(record.timestamps, step))


@given(record=RECORDS, found=FOUND, whitelisted=st.booleans(), days=st.integers(0, 30))
def test_a_key_is_never_due_right_after_a_scan_opened_it(
    record: Issue, found: IssueDetails | Resolution, whitelisted: bool, days: int
) -> None:
    assume(record.status is not Status.OPEN)
    after = scan(record, found, whitelisted=whitelisted)
    assume(after is not None)
    assert after is not None
    assert not isinstance(remediation_verdict(after, days, whitelisted=None, now=NOW), Due)


# --- reporting -------------------------------------------------------------------------------------------------

BOTH = ReportingPolicy(jira=True, slack=True, remediation_days=14, reminder_days=(7, 1))
JIRA_ONLY = replace(BOTH, jira=True, slack=False)
SLACK_ONLY = replace(BOTH, jira=False, slack=True)
NEITHER = replace(BOTH, jira=False, slack=False)


def step(issue: Issue, policy: ReportingPolicy = BOTH, *, whitelisted: bool = False, now: datetime = NOW) -> object:
    return reporting_step(issue, policy, whitelisted=whitelisted, now=now)


@pytest.mark.parametrize("policy", [BOTH, JIRA_ONLY, SLACK_ONLY])
def test_open_and_not_reported_raises_a_ticket_if_jira_is_enabled_and_tells_slack_if_enabled(
    policy: ReportingPolicy,
) -> None:
    assert step(an_issue(), policy) == Report(jira=policy.jira, slack=policy.slack, first=True)


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
    policy = replace(BOTH, remediation_days=retention, reminder_days=(7,))
    issue = reported(timestamps=times(reported=days_ago(retention - 1)))
    assert step(issue, policy) == (Skip("reported before") if due is None else Remind(due))


def test_reminders_come_only_where_remediation_is_on() -> None:
    issue = reported(timestamps=times(reported=days_ago(13)))
    assert step(issue, replace(BOTH, remediation_days=None)) == Skip("reported before")


def test_reminders_of_a_reactivated_key_are_counted_from_its_seven_days() -> None:
    policy = replace(BOTH, remediation_days=0)
    issue = reported(episode=Episode.REACTIVATED, timestamps=times(reported=days_ago(6)))
    assert step(issue, policy) == Remind(1)
    assert step(replace(issue, episode=Episode.REOPENED), policy) == Skip("reported before")


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


# --- exceptions that end ---------------------------------------------------------------------------------------

TODAY = NOW.date()


def ending(*entries: Exemption, issues: Sequence[Issue]) -> list[ExceptionEnds]:
    return exceptions_that_end(issues, Whitelist({ACCOUNT: entries}), NOW)


def until(days: int, pattern: str = "alice") -> Exemption:
    return Exemption(pattern, TODAY + timedelta(days=days))


EXEMPTED = an_issue(status=Status.WHITELISTED)


@pytest.mark.parametrize(("days", "told"), [(-1, False), (0, True), (14, True), (15, False)])
def test_an_exception_is_told_of_from_fourteen_days_before_its_last_day_to_that_day(days: int, told: bool) -> None:
    found = ending(until(days), issues=[EXEMPTED])
    assert found == ([ExceptionEnds(until(days), (EXEMPTED,), said=False)] if told else [])


def test_an_exception_is_told_of_once_for_all_keys_that_it_covers() -> None:
    other = an_issue(status=Status.WHITELISTED, issue_id="AKIAOTHER")
    assert ending(until(3), issues=[EXEMPTED, other]) == [ExceptionEnds(until(3), (EXEMPTED, other), said=False)]


def test_an_exception_that_was_told_of_is_recorded_with_the_keys_that_have_no_record_yet() -> None:
    told = replace(EXEMPTED, slack=SlackDetails(exception_told=until(3).until))
    other = an_issue(status=Status.WHITELISTED, issue_id="AKIAOTHER")
    assert ending(until(3), issues=[told]) == []
    assert ending(until(3), issues=[told, other]) == [ExceptionEnds(until(3), (other,), said=True)]


def test_an_exception_that_was_prolonged_is_told_of_again() -> None:
    told = replace(EXEMPTED, slack=SlackDetails(exception_told=until(3).until))
    assert ending(until(9), issues=[told]) == [ExceptionEnds(until(9), (told,), said=False)]


@pytest.mark.parametrize("longer", [Exemption("AKIA*"), until(40, KEY)], ids=["for good", "longer"])
def test_the_end_of_an_exception_is_nothing_to_a_key_that_another_one_covers_for_longer(longer: Exemption) -> None:
    assert ending(until(3), longer, issues=[EXEMPTED]) == []
    assert ending(longer, until(3), issues=[EXEMPTED]) == []


def test_an_exception_that_matches_no_issue_ends_without_a_word() -> None:
    assert ending(until(3, "bob"), issues=[EXEMPTED]) == []


def test_an_issue_that_was_closed_when_it_was_exempted_counts_and_one_that_went_away_does_not() -> None:
    exempted = replace(EXEMPTED, status=Status.CLOSED)
    assert ending(until(3), issues=[exempted]) == [ExceptionEnds(until(3), (exempted,), said=False)]
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
def test_the_retention_period_is_seven_days_at_the_least_wherever_the_episode_is_reactivated(
    episode: Episode, configured: int, days: int
) -> None:
    issue = reported(episode=episode)
    assert retention_days(issue, configured) == days
    assert remediation_due(issue, configured) == days_ago(18) + timedelta(days=days)


def test_there_is_no_due_date_without_a_report_unless_one_is_about_to_be_made() -> None:
    assert remediation_due(an_issue(), 14) is None
    assert remediation_due(an_issue(), 14, reported=NOW) == NOW + timedelta(days=14)


# --- remediation: the record -----------------------------------------------------------------------------------


def verdict(issue: Issue, days: int = 14, *, whitelisted: str | None = None, now: datetime = NOW) -> object:
    return remediation_verdict(issue, days, whitelisted=whitelisted, now=now)


@pytest.mark.parametrize("days", [0, 1, 14])
def test_due_when_reported_at_least_the_retention_period_times_24_hours_ago(days: int) -> None:
    issue = reported(timestamps=times(reported=days_ago(days)))
    assert verdict(issue, days) == Due(since=NOW)
    assert verdict(issue, days, now=NOW + SECOND) == Due(since=NOW)
    too_early = verdict(issue, days, now=NOW - SECOND)
    assert isinstance(too_early, Skip)
    assert too_early.reason == f"within its retention period of {days} days, due 2026-11-23 12:00 UTC"
    assert too_early.due == NOW


def test_reactivated_is_due_after_seven_days_at_the_least() -> None:
    issue = reported(episode=Episode.REACTIVATED, timestamps=times(reported=days_ago(7)))
    assert verdict(issue, 0) == Due(since=NOW)
    assert isinstance(verdict(issue, 0, now=NOW - SECOND), Skip)


@pytest.mark.parametrize("status", [Status.WHITELISTED, Status.RESOLVED, Status.CLOSED])
def test_skipped_because_not_open(status: Status) -> None:
    assert verdict(reported(status=status)) == Skip(f"{status.value}, not open")


def test_skipped_because_not_reported_yet() -> None:
    assert verdict(an_issue(), 0) == Skip("not reported yet")
    assert verdict(an_issue(timestamps=times(remediation_started=days_ago(1))), 0) == Skip("not reported yet")


def test_skipped_because_whitelisted_now() -> None:
    assert verdict(reported(), whitelisted="alice") == Skip("whitelisted by alice")


SWITCHED_OFF = times(reported=days_ago(18), remediation_started=days_ago(1), remediated=days_ago(1))


def test_skipped_because_already_remediated() -> None:
    assert verdict(reported(timestamps=SWITCHED_OFF)) == Skip("already switched off at 2026-11-22 12:00 UTC")


def test_remediated_with_a_delivery_still_owed_is_told() -> None:
    issue = reported(timestamps=SWITCHED_OFF, slack=replace(TOLD, failed=days_ago(1)))
    assert verdict(issue) == TellRemediated(jira=False, slack=True)


@pytest.mark.parametrize("whitelisted", [None, "alice"])
def test_an_intent_without_remediated_is_looked_at_and_finished(whitelisted: str | None) -> None:
    when = times(reported=days_ago(18), remediation_started=days_ago(1))
    assert verdict(reported(timestamps=when), whitelisted=whitelisted) == Finish()


def test_an_intent_without_remediated_is_finished_even_if_a_scan_has_resolved_the_issue_meanwhile() -> None:
    when = times(reported=days_ago(18), remediation_started=days_ago(1), resolved=days_ago(0.5))
    issue = resolved(Resolution.REMEDIATED, timestamps=when)
    assert verdict(issue) == Finish()
    assert isinstance(verdict(resolved(Resolution.DELETED, timestamps=when)), Skip)


def test_a_failure_to_switch_off_is_tried_again() -> None:
    assert verdict(reported(remediation_error=RemediationError("throttled", days_ago(1)))) == Due(since=days_ago(4))


def test_what_was_announced_and_is_on_is_judged_as_if_it_had_not_been_announced() -> None:
    def judged(issue: Issue, days: int = 14, whitelisted: str | None = None) -> object:
        return verdict_as_the_key_is_on(issue, days, whitelisted=whitelisted, now=NOW)

    issue = reported(timestamps=times(reported=days_ago(14), remediation_started=days_ago(1)))
    assert judged(issue) == Due(since=NOW)
    assert judged(issue, whitelisted="alice") == Skip("whitelisted by alice")
    late = times(reported=days_ago(14) + SECOND, remediation_started=days_ago(1))
    assert judged(reported(timestamps=late)) == Skip(
        f"within its retention period of 14 days, due {NOW + SECOND:%Y-%m-%d %H:%M} UTC", NOW + SECOND
    )
    ended = resolved(Resolution.REMEDIATED, timestamps=replace(issue.timestamps, resolved=days_ago(0.5)))
    assert judged(ended) == Skip("switching it off was announced, but the key is on")
    never_announced = reported(timestamps=times(reported=days_ago(14)))
    assert judged(never_announced) == verdict(never_announced, 14) == Due(since=NOW)


@given(record=RECORDS, days=st.integers(0, 30), whitelisted=st.sampled_from([None, "alice"]))
def test_due_means_open_reported_long_enough_ago_not_remediated_and_not_whitelisted(
    record: Issue, days: int, whitelisted: str | None
) -> None:
    if not isinstance(verdict(record, days, whitelisted=whitelisted), Due):
        return
    assert record.status is Status.OPEN
    assert record.timestamps.reported is not None
    assert record.timestamps.remediated is None
    assert whitelisted is None
    wait = max(days, 7 if record.episode is Episode.REACTIVATED else 0)
    assert (NOW - record.timestamps.reported).total_seconds() >= wait * 24 * 3600


# --- remediation: the second look ------------------------------------------------------------------------------


def look(whitelisted: str | None = None, *, own: bool = False, **key: Any) -> Skip | None:
    return second_look(a_key(**key), 90, whitelisted=whitelisted, own=own, now=NOW)


def test_nothing_speaks_against_a_key_that_exists_is_active_idle_not_whitelisted_and_not_our_own() -> None:
    assert look() is None


def test_the_key_must_still_exist() -> None:
    answer = second_look(None, 90, whitelisted=None, own=False, now=NOW)
    assert answer == Skip("the key does not exist any more")


@pytest.mark.parametrize("status", ["Inactive", "Expired"])
def test_the_key_must_be_active(status: str) -> None:
    assert look(status=status) == Skip(f"the key is {status} already")


@pytest.mark.parametrize("last_used", [days_ago(90), days_ago(0)])
def test_the_key_must_be_idle_by_the_rule(last_used: datetime) -> None:
    assert look(last_used=last_used) == Skip("the key is not idle any more")
    assert look(last_used=days_ago(90) - SECOND) is None


def test_the_key_must_not_be_whitelisted_under_its_current_owner() -> None:
    assert look(whitelisted="alice") == Skip("whitelisted by alice")


def test_the_key_must_not_be_one_of_the_credentials_of_this_very_process() -> None:
    assert look(own=True) == Skip("the key is one of the credentials of this very process")
