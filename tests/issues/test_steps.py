"""Every change of an issue: what the issue becomes, and what its history says of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from library.issues import steps, switch_steps
from library.issues.decisions import KEPT, Step
from library.issues.deliveries import Failure
from library.issues.record import (
    Episode,
    Issue,
    JiraDetails,
    RemediationError,
    Resolution,
    RestoreDetails,
    SlackDetails,
    Status,
)
from library.issues.scanning import Finding, reconcile
from library.issues.steps import Occasion
from library.issues.whitelist import Exemption
from tests.builders import ACCOUNT, KEY, NOW, an_issue, days_ago, details, times
from tests.issues.builders import TICKET, TOLD, closed, reported, resolved

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

ALICE = Exemption("alice")
BY = "arn:aws:iam::123456789012:user/bob"
IDLE = "last used 2026-08-15 12:00 UTC"
DUE = times(reported=days_ago(15))
ANNOUNCED = replace(DUE, remediation_started=days_ago(1))
OFF = replace(ANNOUNCED, remediated=days_ago(1))
JIRA_FAILED = [Failure("JIRA", "503")]
SLACK_FAILED = [Failure("Slack", "channel_not_found")]


def said(step: Step | None) -> tuple[str, str]:
    """What the history says of a step, and why."""
    assert step is not None
    (entry,) = step.recorded.history
    assert entry["time"] == "2026-11-23T12:00:00+00:00"
    return entry["what"], entry["why"]


# --- what a scan finds -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("issue", "found", "exemption", "what", "why"),
    [
        (None, details(), None, "found", f"idle: {IDLE}"),
        (None, details(never_used=True), None, "found", "idle: never used, created 2026-08-15 12:00 UTC"),
        (None, details(), ALICE, "found, whitelisted", f"idle: {IDLE}; exemption 'alice' covers it"),
        (an_issue(), details(), ALICE, "whitelisted", "exemption 'alice' covers it"),
        (an_issue(status=Status.WHITELISTED), details(), None, "open", "no exemption covers it any more"),
        (an_issue(), Resolution.USED, None, "resolved", "the key is not idle any more: used"),
        (
            an_issue(timestamps=OFF),
            Resolution.DEACTIVATED,
            None,
            "resolved",
            "the key is not idle any more: remediated",
        ),
        (resolved(Resolution.USED), details(), None, "a new episode, reopened", f"it is idle again: {IDLE}"),
        (
            reported(status=Status.WHITELISTED),
            details(),
            None,
            "a new episode, reopened",
            f"it is idle again or its exemption has ended: {IDLE}",
        ),
        (
            an_issue(timestamps=OFF),
            details(),
            None,
            "a new episode, reactivated",
            f"somebody switched the key on again, and it is idle: {IDLE}",
        ),
        (closed(), details(), None, "a new episode, reopened", f"it is idle again: {IDLE}"),
        (
            an_issue(),
            details(username="alicia", last_used_region=None),
            None,
            "details changed",
            "username: alice -> alicia, last_used_region: eu-west-1 -> none",
        ),
        (
            an_issue(),
            details(last_used=days_ago(95)),
            None,
            "details changed",
            "last_used: 2026-08-15 12:00 UTC -> 2026-08-20 12:00 UTC",
        ),
    ],
)
def test_a_scan_says_what_it_has_made_of_the_issue(
    issue: Issue | None, found: Any, exemption: Exemption | None, what: str, why: str
) -> None:
    step = reconcile(ACCOUNT, Finding(KEY, "alice", found), issue, exemption=exemption, now=NOW)
    assert said(step) == (what, why)


# --- what people are told --------------------------------------------------------------------------------------


def on_ticket(
    issue: Issue,
    occasion: Occasion,
    *,
    told: Issue | None = None,
    slack_follows: bool = True,
    date: datetime | None = None,
) -> Step:
    """JIRA has taken a message on the ticket AWSSEC-1."""
    return steps.jira_confirmed(
        issue, occasion, told=told or issue, ticket=TICKET, slack_follows=slack_follows, now=NOW, date=date
    )


def over_slack(
    issue: Issue,
    occasion: Occasion,
    *,
    told: Issue | None = None,
    failures: list[Failure] | None = None,
    date: datetime | None = None,
) -> Step:
    """Slack has taken a message for #ops and bob."""
    return steps.slack_confirmed(
        issue,
        occasion,
        told=told or issue,
        recipients=("#ops", "bob"),
        failures=failures or (),
        now=NOW,
        date=date,
    )


def test_a_report_on_a_ticket_is_recorded_with_it_and_slack_is_owed_the_message_until_it_has_it() -> None:
    issue = an_issue(jira=JiraDetails(failed=days_ago(1)))
    step = on_ticket(issue, Occasion.REPORT)
    after = an_issue(timestamps=times(reported=NOW, promised=None), jira=TICKET, slack=SlackDetails(failed=NOW))
    assert step.after == after
    assert said(step) == ("reported on ticket AWSSEC-1", "")


def test_nothing_is_owed_to_slack_where_nothing_is_said_there() -> None:
    step = on_ticket(an_issue(), Occasion.REPORT, slack_follows=False)
    assert step.after == an_issue(timestamps=times(reported=NOW, promised=None), jira=TICKET)


def test_a_message_that_slack_is_owed_is_owed_since_the_first_time() -> None:
    owing = an_issue(slack=SlackDetails(failed=days_ago(3)))
    assert on_ticket(owing, Occasion.REPORT).after.slack.failed == days_ago(3)


def test_a_report_over_slack_is_recorded_with_who_has_got_it() -> None:
    step = over_slack(an_issue(slack=SlackDetails(failed=days_ago(1))), Occasion.REPORT)
    assert step.after == an_issue(
        timestamps=times(reported=NOW, promised=None), slack=SlackDetails(notified=NOW, recipients=("#ops", "bob"))
    )
    assert said(step) == ("reported over Slack: #ops, bob", "")


def test_what_jira_did_not_take_is_owed_and_said_with_what_slack_took() -> None:
    step = over_slack(an_issue(), Occasion.REPORT, failures=JIRA_FAILED)
    assert step.after.jira == JiraDetails(failed=NOW)
    assert said(step) == ("reported over Slack: #ops, bob", "JIRA not notified yet: 503")


def test_the_first_confirmation_says_when_an_issue_was_reported() -> None:
    assert over_slack(reported(), Occasion.REPORT).after.timestamps == times(reported=days_ago(18))


@pytest.mark.parametrize(
    ("before", "named", "after"),
    [
        (None, days_ago(-14), days_ago(-14)),
        (days_ago(-14), days_ago(-30), days_ago(-30)),
        (days_ago(-14), days_ago(-7), days_ago(-14)),
        (days_ago(-14), None, days_ago(-14)),
        (None, None, None),
    ],
    ids=["first", "later", "earlier", "no date", "never a date"],
)
@pytest.mark.parametrize("occasion", [Occasion.REPORT, Occasion.DATE, Occasion.REMINDER])
def test_promised_is_the_latest_date_that_a_confirmed_message_named(
    occasion: Occasion, before: datetime | None, named: datetime | None, after: datetime | None
) -> None:
    issue = reported(timestamps=times(reported=days_ago(18), promised=before))
    for step in (on_ticket(issue, occasion, date=named), over_slack(issue, occasion, date=named)):
        assert step.after.timestamps.promised == after
        assert step.after.timestamps.reported == days_ago(18)


def test_what_no_channel_took_promises_nothing() -> None:
    issue = reported(timestamps=times(reported=days_ago(18), promised=None))
    assert steps.not_notified(issue, JIRA_FAILED, NOW).after.timestamps == issue.timestamps


def test_a_date_that_is_told_after_the_report_is_recorded_with_the_moment() -> None:
    issue = reported(timestamps=times(reported=days_ago(18), promised=None))
    step = on_ticket(issue, Occasion.DATE, date=days_ago(-7))
    assert step.after.timestamps == replace(issue.timestamps, promised=days_ago(-7), date_told=NOW)
    assert said(step) == ("told a date on ticket AWSSEC-1", "")
    assert said(over_slack(issue, Occasion.DATE, date=days_ago(-7)))[0] == "told a date over Slack: #ops, bob"


def test_a_reminder_is_recorded_each_time() -> None:
    issue = reported(timestamps=times(reported=days_ago(18), reminded=days_ago(5)))
    for step in (on_ticket(issue, Occasion.REMINDER), over_slack(issue, Occasion.REMINDER)):
        assert step.after.timestamps == times(reported=days_ago(18), reminded=NOW)
    assert said(on_ticket(issue, Occasion.REMINDER))[0] == "reminded on ticket AWSSEC-1"


def test_news_moves_no_time_of_a_report() -> None:
    step = on_ticket(reported(jira=replace(TICKET, failed=days_ago(1))), Occasion.NEWS, slack_follows=False)
    assert step.after == reported()
    assert said(step) == ("told on ticket AWSSEC-1", "")


@pytest.mark.parametrize("occasion", Occasion)
def test_a_message_about_the_episode_before_is_no_report_of_this_one(occasion: Occasion) -> None:
    current, old = an_issue(timestamps=times(identified=NOW)), reported()
    for step in (
        on_ticket(current, occasion, told=old, date=days_ago(-7)),
        over_slack(current, occasion, told=old, date=days_ago(-7)),
    ):
        assert step.after.timestamps == current.timestamps


def test_where_nothing_was_said_on_a_ticket_that_slack_is_owed_is_a_mere_mark() -> None:
    step = steps.jira_confirmed(an_issue(), Occasion.NEWS, told=an_issue(), ticket=None, slack_follows=True, now=NOW)
    assert step.after == an_issue(slack=SlackDetails(failed=NOW))
    assert step.recorded.history == ()


def test_what_no_channel_took_is_owed_by_both() -> None:
    step = steps.not_notified(an_issue(), [*JIRA_FAILED, *SLACK_FAILED], NOW)
    assert step.after == an_issue(jira=JiraDetails(failed=NOW), slack=SlackDetails(failed=NOW))
    assert said(step) == ("JIRA, Slack not notified yet", "503; channel_not_found")


def test_a_delivery_that_failed_after_its_mark_changes_only_the_history_and_says_so_once() -> None:
    marked = on_ticket(an_issue(), Occasion.REPORT).recorded
    failed = steps.not_notified(marked, SLACK_FAILED, NOW)
    assert failed.after == marked
    assert failed.changes(marked)
    whats = [entry["what"] for entry in failed.recorded.history]
    assert whats == ["reported on ticket AWSSEC-1", "Slack not notified yet"]
    assert not steps.not_notified(failed.recorded, SLACK_FAILED, NOW).changes(failed.recorded)


def test_that_an_exemption_ends_is_told_with_its_last_day() -> None:
    step = steps.told_that_exemption_ends(an_issue(), NOW.date(), NOW)
    assert step.after == an_issue(slack=SlackDetails(exception_told=NOW.date()))
    assert said(step) == ("told over Slack that the exemption ends", "its last day is 2026-11-23")


def close(
    issue: Issue,
    *,
    told: Issue | None = None,
    recipients: tuple[str, ...] | None = ("#ops",),
    failures: list[Failure] | None = None,
) -> Step | None:
    return steps.closed(issue, told=told or issue, recipients=recipients, failures=failures or [], now=NOW)


def test_an_issue_whose_end_everybody_has_heard_of_is_closed_and_owes_nothing() -> None:
    issue = resolved(Resolution.USED, jira=replace(TICKET, failed=days_ago(1)))
    step = close(issue)
    assert step is not None
    assert step.after == replace(
        issue,
        status=Status.CLOSED,
        timestamps=replace(issue.timestamps, closed=NOW),
        jira=TICKET,
        slack=SlackDetails(notified=NOW, recipients=("#ops",)),
    )
    assert said(step) == ("closed, told over Slack: #ops", "everybody was told of its end")


def test_slack_that_was_told_in_an_earlier_run_stays_as_it_is() -> None:
    step = close(resolved(Resolution.USED, slack=replace(TOLD, failed=days_ago(1))), recipients=None)
    assert step is not None
    assert step.after.slack == TOLD
    assert said(step) == ("closed", "everybody was told of its end")


def test_an_issue_of_which_nobody_knew_is_closed_without_a_word() -> None:
    step = close(an_issue(status=Status.RESOLVED), recipients=None)
    assert said(step) == ("closed", "nobody had been told of it")


def test_an_issue_is_not_closed_as_long_as_a_channel_does_not_know() -> None:
    issue = resolved(Resolution.USED)
    step = close(issue, failures=JIRA_FAILED)
    assert step is not None
    assert (step.after.status, step.after.jira.failed, step.after.slack.notified) == (Status.RESOLVED, NOW, NOW)
    assert said(step) == ("told over Slack: #ops", "JIRA not notified yet: 503")
    unheard = close(issue, recipients=None, failures=[*JIRA_FAILED, *SLACK_FAILED])
    assert said(unheard) == ("JIRA, Slack not notified yet", "503; channel_not_found")


def test_an_issue_that_a_scan_has_opened_again_meanwhile_is_not_closed() -> None:
    again, ended = reported(episode=Episode.REOPENED, timestamps=times(identified=NOW)), resolved(Resolution.USED)
    step = close(again, told=ended)
    assert step is not None
    assert step.after == replace(again, slack=SlackDetails(notified=NOW, recipients=("#ops",)))
    assert said(step)[0] == "told over Slack: #ops"
    assert close(again, told=ended, recipients=None) is None


@pytest.mark.parametrize("failures", [[], JIRA_FAILED], ids=["all have heard", "JIRA has not"])
def test_an_issue_whose_key_was_switched_on_again_while_its_end_was_said_is_not_closed(
    failures: list[Failure],
) -> None:
    ended = resolved(Resolution.REMEDIATED)
    back = replace(ended, timestamps=replace(ended.timestamps, restored=NOW))
    assert close(back, told=ended, failures=failures) is None


def test_what_a_restore_owes_is_owed_still_if_it_came_while_the_issue_was_talked_about() -> None:
    before = reported(jira=TICKET, slack=TOLD)
    back = replace(
        before,
        timestamps=replace(before.timestamps, restored=days_ago(0.1)),
        jira=replace(TICKET, failed=days_ago(0.1)),
        slack=replace(TOLD, failed=days_ago(0.1)),
    )
    assert on_ticket(back, Occasion.NEWS, told=before).after.jira.failed == days_ago(0.1)
    assert over_slack(back, Occasion.NEWS, told=before).after.slack.failed == days_ago(0.1)
    assert on_ticket(back, Occasion.NEWS, told=back, slack_follows=False).after.jira.failed is None
    assert over_slack(back, Occasion.NEWS, told=back).after.slack.failed is None


# --- switching off and on --------------------------------------------------------------------------------------

BOTH = ("JIRA", "Slack")


def test_the_intent_to_switch_off_is_recorded_and_taken_back() -> None:
    announced = switch_steps.about_to_switch_off(reported(), "idle for 100 days", NOW)
    assert announced.after == reported(timestamps=times(reported=days_ago(18), remediation_started=NOW))
    assert said(announced) == ("about to be switched off", "idle for 100 days")
    withdrawn = switch_steps.not_switched_off(announced.after, "the key is used", NOW)
    assert withdrawn.after == reported()
    assert said(withdrawn) == ("not switched off after all", "the key is used")


@pytest.mark.parametrize(("stays_on", "intent"), [(True, None), (False, days_ago(1))])
def test_a_failure_to_switch_off_takes_the_intent_back_only_if_it_is_certain_that_the_key_is_on(
    stays_on: bool, intent: Any
) -> None:
    step = switch_steps.could_not_switch_off(an_issue(timestamps=ANNOUNCED), "denied", NOW, stays_on=stays_on)
    assert step.after.timestamps == replace(ANNOUNCED, remediation_started=intent)
    assert step.after.remediation_error == RemediationError("denied", NOW)
    assert said(step) == ("could not be switched off", "denied")


@pytest.mark.parametrize(
    ("ticket", "channels", "jira", "slack"),
    [
        (TICKET, BOTH, NOW, NOW),
        (TICKET, ("Slack",), None, NOW),
        (TICKET, ("JIRA",), NOW, None),
        (JiraDetails(), BOTH, None, NOW),
        (JiraDetails(failed=days_ago(2)), BOTH, days_ago(2), NOW),
    ],
    ids=["both", "Slack only", "JIRA only", "no ticket", "JIRA owed before"],
)
def test_every_enabled_channel_is_owed_the_news_from_the_moment_a_key_is_switched(
    ticket: JiraDetails, channels: tuple[str, ...], jira: object, slack: object
) -> None:
    issue = an_issue(timestamps=ANNOUNCED, jira=ticket)
    off = switch_steps.switched_off(issue, "idle", NOW, channels=channels)
    on = switch_steps.switched_on(issue, "wanted", NOW, channels=channels)
    for step in (off, on):
        assert (step.after.jira.failed, step.after.slack.failed) == (jira, slack)


def test_switched_off_forgets_an_earlier_failure() -> None:
    issue = an_issue(timestamps=ANNOUNCED, remediation_error=RemediationError("denied", days_ago(2)))
    step = switch_steps.switched_off(issue, "idle for 100 days", NOW, channels=())
    assert step.after == an_issue(timestamps=replace(ANNOUNCED, remediated=NOW))
    assert said(step) == ("switched off", "idle for 100 days")


def test_switched_off_does_not_outlive_a_restore_that_came_before_it_was_recorded() -> None:
    times = replace(ANNOUNCED, remediated=ANNOUNCED.remediation_started, restored=days_ago(0.5))
    overtaken = switch_steps.switched_off(an_issue(timestamps=times), "idle", NOW, channels=BOTH)
    assert overtaken.after.timestamps == times
    assert overtaken.after.on_again_since == days_ago(0.5)
    assert said(overtaken) == ("switched off, and on again before that was recorded", "idle")
    earlier = replace(ANNOUNCED, restored=days_ago(9))
    assert switch_steps.switched_off(an_issue(timestamps=earlier), "idle", NOW, channels=()).after.timestamps == (
        replace(earlier, remediated=NOW)
    )


def test_the_intent_to_switch_on_is_recorded_with_who_wants_it_and_taken_back() -> None:
    issue = an_issue(timestamps=OFF, restore=RestoreDetails("somebody before", days_ago(9)))
    announced = switch_steps.about_to_switch_on(issue, BY, NOW)
    assert announced.after == replace(issue, restore=RestoreDetails(BY, NOW))
    assert said(announced) == ("about to be switched on again", f"wanted by {BY}")
    withdrawn = switch_steps.not_switched_on(announced.after, issue.restore, "denied", NOW)
    assert withdrawn.after == issue
    assert said(withdrawn) == ("not switched on after all", "denied")


@pytest.mark.parametrize(("timestamps", "off_at"), [(OFF, days_ago(1)), (ANNOUNCED, days_ago(1)), (DUE, None)])
def test_switched_on_ends_a_remediation_even_one_that_was_cut_off(timestamps: Any, off_at: Any) -> None:
    issue = an_issue(timestamps=timestamps, restore=RestoreDetails(BY, NOW))
    step = switch_steps.switched_on(issue, f"wanted by {BY}", NOW, channels=())
    assert step.after.timestamps == replace(timestamps, restored=NOW, remediated=off_at)
    assert said(step) == ("switched on again", f"wanted by {BY}")


# --- the history -----------------------------------------------------------------------------------------------


def renamed(issue: Issue, name: str) -> Step:
    return steps.refreshed(issue, details(username=name), NOW)


def test_the_last_fifty_steps_are_kept() -> None:
    issue = an_issue()
    for number in range(KEPT + 7):
        issue = renamed(issue, f"user-{number}").recorded
    assert len(issue.history) == KEPT == 50
    assert issue.history[-1]["why"].endswith(f"-> user-{KEPT + 6}")
    assert issue.history[0]["why"].endswith("-> user-7")


def test_a_reason_is_cut_where_it_would_fill_the_row() -> None:
    _, why = said(switch_steps.could_not_switch_off(an_issue(), "x" * 10_000, NOW, stays_on=True))
    assert why == "x" * 500


@pytest.mark.parametrize(
    ("change", "writes"),
    [
        (lambda issue: Step(issue, "", "", NOW), False),
        (lambda issue: Step(issue, "told", "", NOW), True),
        (lambda issue: Step(replace(issue, status=Status.CLOSED), "", "", NOW), True),
    ],
    ids=["nothing", "an entry alone", "a mere mark"],
)
def test_a_step_changes_the_issue_or_its_history_or_nothing(change: Callable[[Issue], Step], writes: bool) -> None:
    assert change(an_issue()).changes(an_issue()) is writes
    assert change(an_issue()).changes(None)
