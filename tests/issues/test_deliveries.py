"""Who is owed a message over Slack: everybody, or those alone whom a passing fault kept from it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from library.issues import steps
from library.issues.deliveries import JIRA, SLACK, Failure, owing
from library.issues.record import Episode, Issue, Resolution, SlackDetails, Status
from library.issues.reporting import (
    Close,
    ExemptionEnds,
    Report,
    ReportingPolicy,
    exemptions_that_end,
    reporting_step,
)
from library.issues.steps import Occasion
from library.issues.whitelist import Exemption, Whitelist
from tests.builders import ACCOUNT, NOW, an_issue, days_ago, details
from tests.issues.builders import TICKET, closed, reported, resolved

BOB = Failure(SLACK, "fatal_error", recipients=("bob",), alone=True)
ALL = Failure(SLACK, "fatal_error", recipients=("#ops", "bob"))
NO_TICKET = Failure(JIRA, "503")
TO_BOB = SlackDetails(notified=days_ago(1), recipients=("#ops",), failed=days_ago(1), owed=("bob",))
POLICY = ReportingPolicy(jira=True, slack=True)


def over_slack(issue: Issue, *recipients: str, failures: tuple[Failure, ...] = ()) -> SlackDetails:
    return steps.slack_confirmed(
        issue, Occasion.NEWS, told=issue, recipients=recipients, failures=failures, now=NOW
    ).after.slack


def end(issue: Issue, *failures: Failure, recipients: tuple[str, ...] | None = ("#ops",)) -> Issue:
    step = steps.closed(issue, told=issue, recipients=recipients, failures=failures, now=NOW)
    assert step is not None
    return step.after


@pytest.mark.parametrize(
    ("before", "alone", "owed"),
    [
        (SlackDetails(), ("bob",), ("bob",)),
        (SlackDetails(), (), ()),
        (TO_BOB, ("bob",), ("bob",)),
        (TO_BOB, (), ()),
        (replace(TO_BOB, owed=()), ("bob",), ()),
    ],
    ids=["him alone", "everybody", "still", "everybody by now", "everybody as before"],
)
def test_where_everybody_is_owed_it_nobody_is_owed_it_alone(
    before: SlackDetails, alone: tuple[str, ...], owed: tuple[str, ...]
) -> None:
    after = owing(an_issue(slack=before), (SLACK,), NOW, alone).slack
    assert after == replace(before, failed=before.failed or NOW, owed=owed)


def test_what_some_have_got_is_owed_to_the_others() -> None:
    owed = SlackDetails(notified=NOW, recipients=("#ops",), failed=NOW, owed=("bob",))
    assert over_slack(an_issue(), "#ops", failures=(BOB,)) == owed
    assert over_slack(an_issue(slack=TO_BOB), "#ops", failures=(BOB,)) == owed


def test_what_one_was_owed_is_paid_and_all_have_it() -> None:
    assert over_slack(an_issue(slack=TO_BOB), "bob") == SlackDetails(notified=NOW, recipients=("#ops", "bob"))


def test_newer_news_for_everybody_pays_what_was_owed() -> None:
    assert over_slack(an_issue(slack=TO_BOB), "#ops", "bob") == SlackDetails(NOW, ("#ops", "bob"))


def test_where_nobody_is_left_who_is_owed_it_nothing_was_said() -> None:
    issue = an_issue(slack=TO_BOB)
    step = steps.slack_confirmed(issue, Occasion.REPORT, told=issue, recipients=(), now=NOW, date=NOW)
    assert step.after == replace(issue, slack=replace(TO_BOB, failed=None, owed=()))


def test_who_is_not_reached_in_a_later_run_either_is_owed_it_alone() -> None:
    assert steps.not_notified(an_issue(slack=TO_BOB), [BOB], NOW).after.slack == TO_BOB
    assert steps.not_notified(an_issue(slack=TO_BOB), [NO_TICKET], NOW).after.slack == TO_BOB
    assert steps.not_notified(an_issue(slack=TO_BOB), [ALL], NOW).after.slack == replace(TO_BOB, owed=())


def test_a_restore_meanwhile_is_owed_to_everybody() -> None:
    told = an_issue()
    restored = replace(told, timestamps=replace(told.timestamps, restored=NOW), slack=SlackDetails(failed=NOW))
    after = steps.slack_confirmed(
        restored, Occasion.NEWS, told=told, recipients=("#ops",), failures=(BOB,), now=NOW
    ).after.slack
    assert (after.failed, after.owed) == (NOW, ())


def test_until_slack_has_it_those_are_owed_it_whom_it_is_for() -> None:
    for alone in ((), ("bob",)):
        step = steps.jira_confirmed(
            an_issue(slack=TO_BOB),
            Occasion.NEWS,
            told=an_issue(),
            ticket=TICKET,
            slack_follows=True,
            alone=alone,
            now=NOW,
        )
        assert step.after.slack.owed == alone


def test_an_issue_whose_end_some_have_heard_is_closed_and_owes_it_to_the_others() -> None:
    after = end(resolved(Resolution.USED), BOB)
    assert (after.status, after.slack.owed) == (Status.CLOSED, ("bob",))
    assert reporting_step(after, POLICY, exemption=None, now=NOW) == Close(slack=True, jira=False, alone=("bob",))
    assert over_slack(after, "bob") == SlackDetails(NOW, ("#ops", "bob"))


@pytest.mark.parametrize("failures", [(ALL,), (NO_TICKET,), (NO_TICKET, BOB)])
def test_an_issue_whose_end_a_channel_has_not_heard_is_not_closed(failures: tuple[Failure, ...]) -> None:
    after = end(resolved(Resolution.USED), *failures, recipients=None if ALL in failures else ("#ops",))
    assert after.status is Status.RESOLVED


def test_the_end_that_jira_has_delayed_is_said_to_those_alone_who_have_not_heard_it() -> None:
    ended = end(resolved(Resolution.USED), NO_TICKET, BOB)
    step = reporting_step(ended, POLICY, exemption=None, now=NOW)
    assert step == Close(slack=True, alone=("bob",))
    assert end(ended, BOB, recipients=None).slack.owed == ("bob",)
    after = end(ended, recipients=("bob",))
    assert (after.status, after.slack.recipients, after.slack.failed) == (Status.CLOSED, ("#ops", "bob"), None)


def test_what_a_report_owes_is_paid_with_the_end_if_that_comes_first() -> None:
    issue = resolved(Resolution.USED, slack=TO_BOB)
    assert reporting_step(issue, POLICY, exemption=None, now=NOW) == Close(slack=True)


def test_an_open_issue_says_again_what_it_owes() -> None:
    step = reporting_step(reported(slack=TO_BOB), POLICY, exemption=None, now=NOW)
    assert step == Report(jira=False, slack=True, first=False)


def test_a_closed_issue_owes_nothing_while_slack_is_switched_off() -> None:
    issue = closed(slack=TO_BOB)
    step = reporting_step(issue, replace(POLICY, slack=False), exemption=None, now=NOW)
    assert not isinstance(step, Close)


@pytest.mark.parametrize("begin", [steps.new_episode, steps.found_again])
def test_a_new_episode_owes_nothing_as_everybody_is_told_of_it(begin: object) -> None:
    assert callable(begin)
    after = begin(closed(slack=TO_BOB), details(), Episode.REOPENED, NOW).after
    assert (after.slack.failed, after.slack.owed) == (None, ())


def test_that_an_exemption_ends_is_owed_to_those_who_have_not_heard_it() -> None:
    until = Exemption("alice", NOW.date())
    issue = an_issue(status=Status.WHITELISTED)
    told = steps.told_that_exemption_ends(issue, until.until, NOW, [BOB]).after
    assert told.slack == SlackDetails(exception_told=NOW.date(), exception_owed=("bob",))
    other = an_issue(status=Status.WHITELISTED, issue_id="AKIAOTHER")
    found = exemptions_that_end([told, other], Whitelist({ACCOUNT: (until,)}), NOW)
    assert found == [ExemptionEnds(until, (told, other), said=False, alone=("bob",))]
    paid = steps.told_that_exemption_ends(told, until.until, NOW).after
    assert exemptions_that_end([paid], Whitelist({ACCOUNT: (until,)}), NOW) == []


@pytest.mark.parametrize(
    ("failures", "said"),
    [
        ([BOB], "bob did not get the message: fatal_error"),
        ([ALL], "nobody got the message (#ops, bob: fatal_error)"),
        ([BOB, BOB, ALL], "bob, #ops did not get the message: fatal_error"),
        ([NO_TICKET, NO_TICKET], "503"),
        ([BOB, replace(BOB, recipients=())], "fatal_error"),
        (
            [replace(BOB, recipients=(f"user{number}",)) for number in range(9)],
            "user0, user1, user2, user3, user4 and 4 more did not get the message: fatal_error",
        ),
    ],
)
def test_one_cause_is_said_once_with_those_whom_it_has_met(failures: list[Failure], said: str) -> None:
    first, *others = failures
    assert first.with_more(others).said == said
