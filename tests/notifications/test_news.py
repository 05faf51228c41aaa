"""What is said of an issue, to whom and where: all of it without a table, without JIRA and without Slack."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from library.config.owners import Owner, TicketOwners
from library.issues.deliveries import JIRA, SLACK, Failure
from library.issues.record import Episode, Issue, Resolution, RestoreDetails, Status
from library.issues.reporting import (
    Close,
    CloseSilently,
    ExemptionEnds,
    Remind,
    Report,
    ReportingPolicy,
    TellDate,
    TellRemediated,
)
from library.issues.steps import Occasion
from library.issues.whitelist import Exemption
from library.notifications import jira_words, news, slack_words
from library.notifications.news import CloseTicket, CommentOnTicket, News, RaiseTicket
from library.notifications.terms import Audience, Terms
from tests.builders import ACCOUNT, KEY, NOW, an_issue, days_ago, details, times
from tests.issues.builders import TICKET, reported, resolved

if TYPE_CHECKING:
    from library.issues.decisions import Step

OWNERS = TicketOwners(
    default=Owner("AWSSEC", "Support-General", "AWSSEC-1", ("#devops-channel",)),
    accounts={ACCOUNT: Owner(slack_owner=("#cloud-team",))},
)
FIRST = Report(jira=True, slack=True, first=True)
OWED = Report(jira=True, slack=True, first=False)
BOTH = TellRemediated(jira=True, slack=True)
LOST = Failure(SLACK, "Slack answered fatal_error")


def terms(**differing: Any) -> Terms:
    usual: dict[str, Any] = {
        "owners": OWNERS,
        "criteria_days": 90,
        "retention_days": 14,
        "account_names": {ACCOUNT: "master"},
        "remediated_accounts": frozenset({ACCOUNT}),
        "reminder_days": (7, 1),
        "jira_server": "https://jira.example.com",
    }
    return Terms(**{**usual, **differing})


def of_step(issue: Issue, step: news.Owed, **differing: Any) -> News:
    return news.of_step(issue, step, terms(**differing), NOW)


def owing(issue: Issue, *channels: str) -> Issue:
    """The same issue, whose last message these channels did not take."""
    jira = replace(issue.jira, failed=days_ago(1)) if JIRA in channels else issue.jira
    slack = replace(issue.slack, failed=days_ago(1)) if SLACK in channels else issue.slack
    return replace(issue, jira=jira, slack=slack)


def on_the_ticket(what: News) -> list[str]:
    """The first paragraph of each comment."""
    return [comment.text.split("\n\n")[0] for comment in what.comments]


def over_slack(what: News) -> list[str]:
    """The part in bold of each message."""
    return [message.naming(None).split("*")[1] for message in what.messages]


# --- the report ---


def test_the_first_report_raises_a_ticket_with_the_words_and_the_people_of_the_issue() -> None:
    issue = an_issue()
    context = terms().context(issue, NOW)
    what = of_step(issue, FIRST)
    assert what.on_ticket == RaiseTicket(
        jira_words.NewTicket(
            project="AWSSEC",
            summary=jira_words.summary(issue, context),
            description=jira_words.description(issue, context),
            labels=("inactive-iam-keys", f"hammer-{ACCOUNT}-{KEY}"),
            assignees=("bob", "Support-General"),
            parent_ticket="AWSSEC-1",
        )
    )
    assert what.comments == ()
    assert what.messages == (slack_words.report(issue, context),)
    assert (what.verdict, what.reason, what.time) == ("reported", "first episode", NOW)
    assert (what.settles, what.ends) == (True, False)


def test_the_report_gives_the_date_of_the_remediation_counted_from_now_or_from_the_report_before() -> None:
    first = of_step(an_issue(), FIRST)
    again = of_step(owing(reported(), SLACK), replace(OWED, jira=False))
    assert f"after {NOW + timedelta(days=14):%Y-%m-%d}" in first.messages[0].naming(None)
    assert f"after {days_ago(4):%Y-%m-%d}" not in again.messages[0].naming(None)
    assert "in the next remediation run" in again.messages[0].naming(None)


def test_where_remediation_is_off_no_date_is_given() -> None:
    what = of_step(an_issue(), FIRST, remediated_accounts=frozenset())
    assert "Hammer will" not in what.messages[0].naming(None)


def test_the_report_of_a_new_episode_is_a_comment_on_the_ticket_that_is_there() -> None:
    what = of_step(reported(episode=Episode.REOPENED), FIRST)
    assert on_the_ticket(what) == [
        "This access key is an issue again: it is active and idle, and no exemption covers it."
    ]
    assert what.reason == "reopened episode"


@pytest.mark.parametrize(
    ("step", "jira", "slack"),
    [(OWED, True, True), (replace(OWED, slack=False), True, False), (replace(OWED, jira=False), False, True)],
)
def test_a_channel_that_is_owed_nothing_is_told_nothing(step: Report, jira: bool, slack: bool) -> None:
    what = of_step(reported(), step)
    assert (isinstance(what.on_ticket, RaiseTicket), bool(what.messages)) == (jira, slack)
    assert what.reason == "delivery that was still owed"


def test_a_report_that_is_owed_since_before_a_reminder_has_the_reminder_with_it() -> None:
    issue = reported(timestamps=times(reported=days_ago(8), reminded=days_ago(1)))
    assert over_slack(of_step(issue, OWED)) == ["Reminder:"]
    assert over_slack(of_step(owing(issue, SLACK), OWED)) == ["Reminder:"]
    never_told = replace(owing(issue, SLACK), slack=replace(owing(issue, SLACK).slack, notified=None))
    assert over_slack(of_step(never_told, OWED)) == ["Inactive IAM access key", "Reminder:"]
    (reminder,) = on_the_ticket(of_step(issue, OWED))
    assert reminder.endswith("will be switched off within 7 days.")
    assert of_step(issue, OWED).occasion is Occasion.REMINDER


WHILE_OFF = reported(timestamps=times(reported=days_ago(60), promised=None))
WEEK = TellDate(NOW + timedelta(days=7))


def test_a_date_is_told_on_the_ticket_and_over_slack_and_each_confirmation_promises_it() -> None:
    what = of_step(WHILE_OFF, WEEK)
    assert isinstance(what.on_ticket, RaiseTicket)
    (comment,) = what.comments
    (message,) = what.messages
    for text in (comment.text, message.naming("AWSSEC-1")):
        assert "in the first remediation run after 2026-11-30 12:00 UTC" in text
    assert (what.date, what.verdict, what.reason) == (
        WEEK.date,
        "told a date",
        "remediation after 2026-11-30 12:00 UTC",
    )
    assert (what.settles, what.owed_unheard) == (True, False)


def test_whoever_has_missed_the_report_is_told_it_with_the_date() -> None:
    what = of_step(replace(owing(WHILE_OFF, JIRA), episode=Episode.REOPENED), WEEK)
    assert [text.split(":")[0] for text in on_the_ticket(what)] == [
        "This access key is an issue again",
        "This access key has not been used for 100 days.",
    ]


def test_a_channel_that_has_missed_the_date_gets_the_same_words_later_and_a_later_reminder_in_its_place() -> None:
    told = replace(WHILE_OFF.timestamps, promised=WEEK.date, date_told=NOW)
    later = of_step(owing(replace(WHILE_OFF, timestamps=told), JIRA, SLACK), OWED)
    first = of_step(WHILE_OFF, WEEK)
    assert later.messages == first.messages
    assert on_the_ticket(later) == on_the_ticket(first)
    assert (later.occasion, later.date) == (Occasion.DATE, WEEK.date)
    reminded = replace(told, date_told=days_ago(6), promised=days_ago(-1), reminded=NOW)
    after = of_step(owing(replace(WHILE_OFF, timestamps=reminded), SLACK), replace(OWED, jira=False))
    assert (over_slack(after), after.occasion) == (["Reminder:"], Occasion.REMINDER)


def test_every_message_that_names_a_date_says_so_and_no_other() -> None:
    assert of_step(an_issue(), FIRST).date == NOW + timedelta(days=14)
    assert of_step(reported(), Remind(7)).date == days_ago(4)
    assert of_step(an_issue(), FIRST, remediated_accounts=frozenset()).date is None
    assert of_step(resolved(Resolution.USED), Close(slack=True)).date is None


def test_slack_has_missed_the_report_if_it_was_last_told_before_this_episode() -> None:
    issue = owing(reported(timestamps=times(identified=days_ago(9), reported=days_ago(8))), SLACK)
    assert over_slack(of_step(issue, Remind(7))) == ["Inactive IAM access key", "Reminder:"]
    for notified in (days_ago(9), days_ago(8)):
        told = replace(issue, slack=replace(issue.slack, notified=notified))
        assert over_slack(of_step(told, Remind(7))) == ["Reminder:"]
    no_episode = replace(issue, timestamps=replace(issue.timestamps, identified=None))
    assert over_slack(of_step(no_episode, Remind(7))) == ["Reminder:"]


# --- reminders ---


def test_a_reminder_is_said_on_both_channels() -> None:
    what = of_step(reported(), Remind(1))
    assert isinstance(what.on_ticket, RaiseTicket)
    assert [comment.reference.split()[3:5] for comment in what.comments] == [["reminder", "1"]]
    assert over_slack(what) == ["Reminder:"]
    assert (what.verdict, what.reason) == ("reminded", "1 day before remediation")


def test_a_reminder_to_a_jira_that_missed_the_new_episode_tells_it_too() -> None:
    issue = reported(episode=Episode.REACTIVATED)
    assert len(of_step(issue, Remind(7)).comments) == 1
    episode, reminder = on_the_ticket(of_step(owing(issue, JIRA), Remind(7)))
    assert episode.startswith("Somebody switched this access key on again")
    assert reminder.startswith("*Reminder:*")


# --- the end ---


@pytest.mark.parametrize("resolution", list(Resolution))
def test_the_end_closes_the_ticket_with_its_reason(resolution: Resolution) -> None:
    issue = resolved(resolution)
    what = of_step(issue, Close(slack=True))
    assert what.on_ticket == CloseTicket("")
    assert what.comments == (jira_words.closing_comment(issue, terms().context(issue, NOW)),)
    assert over_slack(what) == ["Closed:"]
    assert (what.verdict, what.reason, what.settles, what.ends) == ("closed", resolution.value, False, True)


def test_the_end_by_an_exemption_labels_the_ticket() -> None:
    was_used = details(resolution=Resolution.USED)
    what = of_step(reported(status=Status.WHITELISTED, details=was_used), Close(slack=True))
    assert what.on_ticket == CloseTicket("whitelisted")
    assert what.reason == "whitelisted"


def test_a_slack_that_was_told_of_the_end_is_not_told_again() -> None:
    assert of_step(resolved(Resolution.USED), Close(slack=False)).messages == ()


def test_an_issue_nobody_was_told_of_ends_without_a_message() -> None:
    what = of_step(an_issue(status=Status.RESOLVED), CloseSilently())
    assert (what.messages, what.reason, what.on_ticket) == ((), "never reported", CloseTicket(""))


def test_a_ticket_that_does_not_say_yet_that_the_key_was_switched_off_says_it_before_it_is_closed() -> None:
    issue = resolved(Resolution.REMEDIATED)
    interrupted = replace(issue, timestamps=replace(issue.timestamps, remediation_started=days_ago(3)))
    for untold in (owing(issue, JIRA), interrupted):
        switched_off, closed = on_the_ticket(of_step(untold, Close(slack=True)))
        assert switched_off.startswith("Hammer switched this access key off")
        assert closed.startswith("Closed:")
    assert len(of_step(owing(resolved(Resolution.USED), JIRA), Close(slack=True)).comments) == 1


# --- an exemption that ends ---


def test_the_end_of_an_exemption_is_told_to_those_of_the_account_and_not_to_the_owner_of_its_first_key() -> None:
    issues = (an_issue(status=Status.WHITELISTED),)
    ending = ExemptionEnds(Exemption("ci-*", date(2026, 12, 1), "", ""), issues, said=False)
    what = news.exemption_ends(ending, terms(), NOW)
    assert (what.audience.slack, what.audience.slack_otherwise) == (("#cloud-team",), (("#devops-channel",),))
    assert over_slack(what) == ["An exemption ends soon:"]
    assert (what.on_ticket, what.verdict, what.reason) == (None, "told", "ends after 2026-12-01")
    assert news.exemption_ends(replace(ending, said=True), terms(), NOW).messages == ()


# --- what remediation has done ---

SWITCHED_OFF = reported(timestamps=times(reported=days_ago(18), remediated=days_ago(2)))


def test_that_a_key_was_switched_off_is_said_on_the_ticket_as_it_is() -> None:
    what = of_step(SWITCHED_OFF, BOTH)
    assert what.on_ticket == CommentOnTicket("AWSSEC-1")
    assert on_the_ticket(what)[0].startswith("Hammer switched this access key off")
    assert over_slack(what) == ["Switched off:"]
    assert (what.verdict, what.reason) == ("told", "that the key was switched off")


@pytest.mark.parametrize("jira", [False, True])
@pytest.mark.parametrize("slack", [False, True])
def test_only_the_channels_that_are_owed_the_news_get_it(jira: bool, slack: bool) -> None:
    restored = replace(SWITCHED_OFF, timestamps=replace(SWITCHED_OFF.timestamps, restored=days_ago(1)))
    for issue in (SWITCHED_OFF, restored):
        what = of_step(issue, TellRemediated(jira=jira, slack=slack))
        assert (what.on_ticket is not None, bool(what.messages)) == (jira, slack)


def test_without_a_ticket_one_is_raised_for_the_news_only_if_jira_is_owed_it() -> None:
    no_ticket = replace(SWITCHED_OFF, jira=replace(TICKET, ticket=None))
    assert of_step(no_ticket, BOTH).on_ticket is None
    assert isinstance(of_step(owing(no_ticket, JIRA), BOTH).on_ticket, RaiseTicket)


@pytest.mark.parametrize(
    ("restore", "who"),
    [(RestoreDetails("arn:aws:iam::1:user/ann", days_ago(1)), "arn:aws:iam::1:user/ann"), (None, "Somebody")],
)
def test_news_that_is_overtaken_says_that_the_key_is_on_again(restore: RestoreDetails | None, who: str) -> None:
    after = replace(SWITCHED_OFF.timestamps, restored=days_ago(1))
    what = of_step(replace(SWITCHED_OFF, timestamps=after, restore=restore), BOTH)
    assert over_slack(what) == ["Switched on again:"]
    assert f"by `{who}`" in what.messages[0].naming(None)
    assert what.reason == "that the key was switched on again"


def test_a_key_that_was_switched_off_again_since_it_was_restored_is_off() -> None:
    issue = replace(SWITCHED_OFF, timestamps=replace(SWITCHED_OFF.timestamps, restored=days_ago(3)))
    assert over_slack(of_step(issue, BOTH)) == ["Switched off:"]


def test_that_a_key_was_switched_on_again_is_said_on_both_channels() -> None:
    what = news.switched_on(SWITCHED_OFF, "arn:aws:iam::1:user/ann", terms(), NOW)
    assert what.on_ticket == CommentOnTicket("AWSSEC-1")
    assert over_slack(what) == ["Switched on again:"]


def test_a_failure_to_switch_off_is_said_on_the_ticket_alone_and_settles_nothing() -> None:
    what = news.not_switched_off(SWITCHED_OFF, terms(), NOW)
    assert (what.on_ticket, what.messages, what.settles) == (CommentOnTicket("AWSSEC-1"), (), False)
    assert on_the_ticket(what)[0].startswith("Hammer could not switch this access key")
    assert news.not_switched_off(an_issue(), terms(), NOW).on_ticket is None


# --- how it is recorded ---


def recorded(
    what: News,
    issue: Issue,
    *,
    heard: bool = True,
    recipients: tuple[str, ...] | None = ("#devops-channel",),
    failures: tuple[Failure, ...] = (),
) -> Step | None:
    return news.last_step(what, issue, told=issue, heard=heard, recipients=recipients, failures=failures)


def test_what_slack_has_taken_is_recorded_as_that() -> None:
    step = recorded(of_step(an_issue(), FIRST), an_issue())
    assert step is not None
    assert step.what == "reported over Slack: #devops-channel"
    assert step.after.timestamps.reported == NOW


def test_what_a_channel_did_not_take_is_recorded_with_the_cause() -> None:
    step = recorded(of_step(reported(), OWED), reported(), recipients=None, failures=(LOST,))
    assert step is not None
    assert (step.what, step.why, step.after.slack.failed) == ("Slack not notified yet", LOST.cause, NOW)


def test_of_what_jira_alone_has_taken_nothing_more_is_recorded() -> None:
    assert recorded(of_step(reported(), replace(OWED, slack=False)), reported(), recipients=None) is None


def test_a_reminder_that_nobody_heard_leaves_no_delivery_owed() -> None:
    what = of_step(reported(), Remind(7))
    assert recorded(what, reported(), heard=False, recipients=None, failures=(LOST,)) is None
    step = recorded(what, reported(), heard=True, recipients=None, failures=(LOST,))
    assert step is not None
    assert step.after.slack.failed == NOW


def test_a_reminder_that_is_said_once_more_to_one_channel_stays_owed_by_it() -> None:
    issue = owing(reported(timestamps=times(reported=days_ago(8), reminded=days_ago(1))), SLACK)
    step = recorded(of_step(issue, replace(OWED, jira=False)), issue, heard=False, recipients=None, failures=(LOST,))
    assert step is not None
    assert (step.what, step.after.slack.failed) == ("Slack not notified yet", days_ago(1))


@pytest.mark.parametrize(("failures", "status"), [((), Status.CLOSED), ((LOST,), Status.RESOLVED)])
def test_the_end_closes_the_issue_once_every_channel_has_taken_it(
    failures: tuple[Failure, ...], status: Status
) -> None:
    issue = resolved(Resolution.USED)
    step = recorded(of_step(issue, Close(slack=True)), issue, recipients=None, failures=failures)
    assert step is not None
    assert step.after.status is status


# --- the terms ---


def test_the_audience_of_an_issue_begins_with_the_owner_and_ends_with_those_always_told() -> None:
    found = terms(always_told=("#devops-channel", "#cloud-team")).audience(an_issue())
    assert found == Audience(
        jira_project="AWSSEC",
        jira_parent_ticket="AWSSEC-1",
        assignees=("bob", "Support-General"),
        slack=("bob", "#cloud-team", "#devops-channel"),
        slack_otherwise=(("#devops-channel",),),
    )


def test_without_owners_nobody_is_told() -> None:
    found = terms(owners=TicketOwners(Owner(), {})).audience(an_issue(details=details(tags=None)))
    assert found == Audience("", "", (), (), ())


def test_the_policy_has_a_retention_only_where_keys_are_switched_off() -> None:
    both = ReportingPolicy(jira=True, slack=True, criteria_days=90, retention_days=14, reminder_days=(7, 1))
    assert terms().policy(ACCOUNT) == both
    assert terms().policy("210987654321") == replace(both, retention_days=None)
    assert terms(jira=False, slack=False).policy(ACCOUNT) == replace(both, jira=False, slack=False)


def test_the_words_of_a_key_that_is_off_promise_no_remediation() -> None:
    context = terms().context(SWITCHED_OFF, NOW)
    assert context.remediation_due is None
    assert (context.account_name, context.criteria_days, context.now) == ("master", 90, NOW)


def test_an_account_without_a_name_is_called_by_its_id() -> None:
    assert terms(account_names={}).context(an_issue(), NOW).account_name == ACCOUNT


def test_every_occasion_is_counted_under_its_own_name() -> None:
    found = {of_step(an_issue(), FIRST).verdict, of_step(reported(), Remind(7)).verdict}
    found.add(of_step(reported(), TellDate(NOW)).verdict)
    found |= {of_step(SWITCHED_OFF, BOTH).verdict, of_step(resolved(Resolution.USED), Close(slack=True)).verdict}
    assert found == {*(occasion.value for occasion in Occasion), "closed"}
