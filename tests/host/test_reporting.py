"""Reporting, as the host runs it: what people are told of idle keys, and what is recorded of it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from deployment.local.jira_stand_in import Transition
from deployment.local.stand_in import Silence
from library.issues.record import Episode, Issue, Resolution, Status
from library.issues.scanning import Finding, reconcile
from library.issues.whitelist import Exemption
from tests.wire import body_of
from tests.world import LABEL, MAIN, OTHER, REPORTING, TABLE, label_of

if TYPE_CHECKING:
    from botocore.awsrequest import AWSPreparedRequest

    from tests.wire import Wire
    from tests.world.estate import Estate


CREATION = "/rest/api/2/issue"


def test_an_open_issue_is_reported_to_jira_and_slack_and_both_are_recorded(estate: Estate) -> None:
    issue = estate.add_issue("joe")

    result = estate.report()

    assert result.exit_code == 0, result.output
    (ticket,) = estate.tickets_of(issue)
    assert ticket.project == "AWSSEC"
    assert ticket.labels == [LABEL, label_of(issue)]
    assert ticket.assignee == "Support-General"
    assert ticket.links == ["AWSSEC-1"]
    for fact in ("joe", issue.issue_id, MAIN, "master", "200 days"):
        assert fact in ticket.description
    ((recipient, text),) = estate.messages()
    assert recipient == "#devops-channel"
    assert issue.issue_id in text
    assert f"{estate.jira.url}/browse/{ticket.key}" in text
    after = estate.read(issue)
    assert after.status is Status.OPEN
    assert after.timestamps.reported is not None
    assert after.timestamps.reported >= estate.now
    assert (after.jira.ticket, after.jira.ticket_assignee_id, after.jira.failed) == (
        ticket.key,
        "Support-General",
        None,
    )
    assert (after.slack.notified, after.slack.recipients) == (after.timestamps.reported, ("#devops-channel",))
    assert (
        "Reporting is done: 1 reported, 0 told a date, 0 reminded, 0 closed, 0 told, 0 skipped, 0 failed"
        in result.output
    )
    assert f"account={MAIN} user=joe key={issue.issue_id} verdict=reported" in result.output


def test_both_labels_are_set_in_the_call_that_creates_the_ticket(estate: Estate) -> None:
    issue = estate.add_issue()
    estate.report()
    (creation,) = [r for r in estate.jira.requests if (r.method, r.path) == ("POST", CREATION)]
    assert creation.body["fields"]["labels"] == [LABEL, label_of(issue)]


def test_a_second_run_says_nothing_again(estate: Estate) -> None:
    issue = estate.add_issue()
    estate.report()
    rows, said = estate.rows(), estate.messages()

    result = estate.report()

    assert result.exit_code == 0
    assert estate.rows() == rows
    assert estate.messages() == said
    (ticket,) = estate.tickets_of(issue)
    assert ticket.comments == []


def test_the_date_of_automatic_remediation_is_given_only_if_it_will_happen(estate: Estate) -> None:
    estate.keys(remediation_accounts=[OTHER])
    here, there = estate.add_issue("joe"), estate.add_issue("ann", account=OTHER)
    estate.report()
    assert "Automatic remediation" not in estate.tickets_of(here)[0].description
    assert "Automatic remediation" in estate.tickets_of(there)[0].description


@pytest.mark.parametrize(
    ("owner", "assignee"),
    [("alice", "alice"), ("alice@example.com", "alice"), ("nobody-jira-knows", "Support-General")],
)
def test_the_owner_tag_names_the_assignee_if_jira_knows_that_user(estate: Estate, owner: str, assignee: str) -> None:
    issue = estate.add_issue(tags={"owner": owner})
    assert estate.report().exit_code == 0
    assert estate.tickets_of(issue)[0].assignee == assignee
    assert estate.read(issue).jira.ticket_assignee_id == assignee


def test_settings_of_the_account_precede_the_global_ones_one_by_one(estate: Estate) -> None:
    estate.owners(
        {
            "account": {OTHER: {"jira_owner": "Support-Cloud", "jira_project": "", "slack_owner": "#cloud-team"}},
            "jira_project": "AWSSEC",
            "jira_owner": "Support-General",
            "slack_owner": ["#devops-channel", "bob"],
        }
    )
    issue = estate.add_issue(account=OTHER)

    assert estate.report().exit_code == 0

    (ticket,) = estate.tickets_of(issue)
    assert (ticket.project, ticket.assignee, ticket.links) == ("AWSSEC", "Support-Cloud", [])
    assert [recipient for recipient, _ in estate.messages()] == ["#cloud-team", "#devops-channel", "bob"]


def test_the_default_owner_is_left_alone_without_notify_default_owner(estate: Estate) -> None:
    estate.configure(slack={"notify_default_owner": False})
    estate.owners(
        {"account": {OTHER: {"slack_owner": "#cloud-team"}}, "jira_project": "AWSSEC", "slack_owner": "bob"}
    )
    estate.add_issue("ann", account=OTHER)
    estate.report()
    assert [recipient for recipient, _ in estate.messages()] == ["#cloud-team"]


def test_a_parent_ticket_that_does_not_exist_costs_a_warning_and_not_the_ticket(estate: Estate) -> None:
    estate.owners({"jira_project": "AWSSEC", "jira_parent_ticket": "AWSSEC-999", "slack_owner": "bob"})
    issue = estate.add_issue()
    result = estate.report()
    assert result.exit_code == 0
    assert "WARNING" in result.output
    assert estate.read(issue).jira.ticket == estate.tickets_of(issue)[0].key


def test_a_ticket_that_was_raised_but_not_recorded_is_found_again_by_its_label(estate: Estate) -> None:
    issue = estate.add_issue()
    ticket = estate.add_ticket(issue)

    assert estate.report().exit_code == 0

    assert [found.key for found in estate.tickets_of(issue)] == [ticket]
    assert estate.read(issue).jira.ticket == ticket
    assert estate.read(issue).timestamps.reported is not None


def test_a_ticket_whose_creation_lost_its_answer_is_not_raised_twice(estate: Estate) -> None:
    issue = estate.add_issue()
    estate.jira.fail_next("POST", CREATION, after_doing=True, silence=Silence.RESET)
    assert estate.report().exit_code == 1

    assert estate.report().exit_code == 0

    (ticket,) = estate.tickets_of(issue)
    assert estate.read(issue).jira.ticket == ticket.key


def test_a_done_ticket_with_the_label_is_not_taken_for_the_one_to_raise(estate: Estate) -> None:
    issue = estate.add_issue()
    old = estate.add_ticket(issue, status="Done")
    estate.report()
    assert estate.read(issue).jira.ticket not in (None, old)


def test_jira_down_does_not_hold_up_slack_and_is_made_up_for_later(estate: Estate) -> None:
    issue = estate.add_issue()
    estate.jira_is_down()

    result = estate.report()

    assert result.exit_code == 1
    assert "JIRA" in result.output
    assert "1 failed" in result.output
    first = estate.read(issue)
    assert first.timestamps.reported is not None
    assert first.jira.failed is not None
    assert first.jira.ticket is None
    assert first.slack.notified == first.timestamps.reported
    assert len(estate.messages()) == 1

    assert estate.report().exit_code == 0

    after = estate.read(issue)
    assert after.jira.ticket == estate.tickets_of(issue)[0].key
    assert after.jira.failed is None
    assert after.timestamps.reported == first.timestamps.reported
    assert len(estate.messages()) == 1


def test_slack_down_does_not_hold_up_jira_and_is_made_up_for_later(estate: Estate) -> None:
    issue = estate.add_issue()
    estate.slack_is_down()

    assert estate.report().exit_code == 1

    first = estate.read(issue)
    assert first.timestamps.reported is not None
    assert first.slack.failed is not None
    assert first.slack.notified is None
    assert first.jira.ticket == estate.tickets_of(issue)[0].key

    assert estate.report().exit_code == 0

    after = estate.read(issue)
    assert after.slack.failed is None
    assert after.slack.recipients == ("#devops-channel",)
    assert after.timestamps.reported == first.timestamps.reported
    assert [recipient for recipient, _ in estate.messages()] == ["#devops-channel"]
    assert len(estate.tickets_of(issue)) == 1


def test_with_both_channels_down_nothing_is_marked_reported(estate: Estate) -> None:
    issue = estate.add_issue()
    estate.jira_is_down()
    estate.slack_is_down()
    assert estate.report().exit_code == 1
    after = estate.read(issue)
    assert after.timestamps.reported is None
    assert after.jira.failed is not None
    assert after.slack.failed is not None

    assert estate.report().exit_code == 0
    after = estate.read(issue)
    assert after.timestamps.reported is not None
    assert (after.jira.failed, after.slack.failed) == (None, None)


def test_slack_has_confirmed_when_one_recipient_of_two_got_the_message(estate: Estate) -> None:
    estate.configure(jira={"enabled": False})
    estate.owners({"slack_owner": ["#no-such-channel", "bob"]})
    issue = estate.add_issue()
    result = estate.report()
    assert result.exit_code == 0
    assert "#no-such-channel did not get the message" in result.output
    assert estate.read(issue).slack.recipients == ("bob",)
    assert estate.read(issue).timestamps.reported is not None


def test_a_channel_that_was_not_enabled_owes_nothing_when_it_is_enabled_later(estate: Estate) -> None:
    estate.configure(slack={"enabled": False})
    issue = estate.add_issue()
    assert estate.report().exit_code == 0
    assert estate.read(issue).timestamps.reported is not None

    estate.configure(slack={"enabled": True})

    assert estate.report().exit_code == 0
    assert estate.messages() == []


def test_jira_alone_sets_reported_and_slack_alone_does_too(estate: Estate) -> None:
    estate.configure(jira={"enabled": False})
    issue = estate.add_issue()
    assert estate.report().exit_code == 0
    after = estate.read(issue)
    assert after.timestamps.reported == after.slack.notified
    assert after.jira.ticket is None
    assert estate.jira.requests == []


def test_with_neither_channel_enabled_there_is_a_warning_and_nothing_is_marked_reported(estate: Estate) -> None:
    estate.configure(jira={"enabled": False}, slack={"enabled": False})
    estate.add_issue()
    rows = estate.rows()
    result = estate.report()
    assert result.exit_code == 0
    assert "WARNING W-RUN-02 Neither JIRA nor Slack is enabled" in result.output
    assert estate.rows() == rows


def test_reporting_false_says_so_and_does_nothing(estate: Estate) -> None:
    estate.keys(reporting=False)
    estate.add_issue()
    rows = estate.rows()
    result = estate.report()
    assert result.exit_code == 0
    assert "Reporting is switched off" in result.output
    assert estate.rows() == rows
    assert (estate.jira.requests, estate.messages()) == ([], [])


def test_only_the_accounts_to_report_on_are_reported(estate: Estate) -> None:
    estate.keys(accounts=[OTHER])
    here, there = estate.add_issue("joe"), estate.add_issue("ann", account=OTHER)
    estate.report()
    assert estate.read(here).timestamps.reported is None
    assert estate.read(there).timestamps.reported is not None


# --- reminders ---


def test_a_reminder_is_said_once_on_each_channel_when_its_step_is_reached(estate: Estate) -> None:
    issue = estate.add_due_issue(reported=estate.ago(days=8))

    result = estate.report()

    assert result.exit_code == 0
    assert "1 reminded" in result.output
    (ticket,) = estate.tickets_of(issue)
    (comment,) = ticket.comments
    assert "within 7 days" in comment
    ((_, text),) = estate.messages()
    assert "within 7 days" in text
    assert estate.read(issue).timestamps.reminded is not None

    assert estate.report().exit_code == 0
    assert len(ticket.comments) == 1
    assert len(estate.messages()) == 1


def test_before_the_first_step_nobody_is_reminded(estate: Estate) -> None:
    estate.add_due_issue(reported=estate.ago(days=6))
    estate.report()
    assert estate.messages() == []


def test_after_runs_that_did_not_happen_only_the_nearest_step_is_said(estate: Estate) -> None:
    issue = estate.add_due_issue(reported=estate.ago(days=13, hours=12))
    estate.report()
    estate.report()
    (comment,) = estate.tickets_of(issue)[0].comments
    assert "within 1 day" in comment
    assert len(estate.messages()) == 1


def test_the_next_step_is_said_after_the_first(estate: Estate) -> None:
    issue = estate.add_due_issue(reported=estate.ago(days=13, hours=12), reminded=estate.ago(days=6))
    estate.report()
    (comment,) = estate.tickets_of(issue)[0].comments
    assert "within 1 day" in comment


def test_a_step_as_long_as_the_retention_period_is_not_said(estate: Estate) -> None:
    estate.keys(remediation_retention_period=7, reminder_days_before_remediation=[7])
    estate.add_due_issue(reported=estate.ago(days=3))
    estate.report()
    assert estate.messages() == []


@pytest.mark.parametrize("settings", [{"remediation": False}, {"remediation_accounts": [OTHER]}])
def test_nobody_is_reminded_where_remediation_is_off(estate: Estate, settings: dict[str, object]) -> None:
    estate.keys(**settings)
    estate.add_due_issue(reported=estate.ago(days=8))
    assert estate.report().exit_code == 0
    assert estate.messages() == []


def test_nobody_is_reminded_of_what_the_whitelist_names_by_now(estate: Estate) -> None:
    estate.whitelist("joe")
    estate.add_due_issue("joe", reported=estate.ago(days=8))
    assert estate.report().exit_code == 0
    assert estate.messages() == []


def test_people_who_were_told_no_date_are_told_one_on_the_ticket_and_over_slack_once(estate: Estate) -> None:
    issue = estate.add_due_issue(reported=estate.ago(days=60), promised=None)
    assert estate.report().exit_code == 0
    told = estate.read(issue).timestamps
    assert told.promised is not None
    assert told.date_told is not None
    assert told.promised - told.date_told == timedelta(days=7)
    when = f"in the first remediation run after {told.promised:%Y-%m-%d %H:%M} UTC"
    ((_, message),) = estate.messages()
    ((comment,),) = [ticket.comments for ticket in estate.tickets_of(issue)]
    assert (when in message, when in comment) == (True, True)
    assert estate.report().exit_code == 0
    assert len(estate.messages()) == 1
    assert estate.read(issue).timestamps == told


def test_a_channel_that_could_not_say_the_date_makes_up_for_it_and_the_other_one_has_promised_it(
    estate: Estate,
) -> None:
    issue = estate.add_due_issue(reported=estate.ago(days=60), promised=None)
    estate.slack_is_down()
    assert estate.report().exit_code == 1
    promised = estate.read(issue).timestamps.promised
    assert promised is not None
    assert estate.messages() == []
    assert estate.report().exit_code == 0
    ((_, message),) = estate.messages()
    assert f"after {promised:%Y-%m-%d %H:%M} UTC" in message
    assert estate.read(issue).timestamps.promised == promised
    assert len(estate.tickets_of(issue)[0].comments) == 1


def test_a_date_that_no_channel_could_say_is_not_promised(estate: Estate) -> None:
    issue = estate.add_due_issue(reported=estate.ago(days=60), promised=None)
    estate.jira_is_down()
    estate.slack_is_down()
    assert estate.report().exit_code == 1
    assert estate.read(issue).timestamps.promised is None


def test_a_reminder_that_one_channel_could_not_say_is_made_up_for_by_that_channel(estate: Estate) -> None:
    issue = estate.add_due_issue(reported=estate.ago(days=8))
    estate.slack_is_down()
    assert estate.report().exit_code == 1
    assert estate.messages() == []
    assert estate.report().exit_code == 0
    assert len(estate.messages()) == 1
    assert "within 7 days" in estate.messages()[0][1]
    assert len(estate.tickets_of(issue)[0].comments) == 1


def test_a_jira_that_is_down_since_the_report_does_not_keep_slack_from_reminding(estate: Estate) -> None:
    issue = estate.add_issue(reported=estate.ago(days=8), jira_failed=estate.ago(days=8))
    estate.jira_is_down()

    assert estate.report().exit_code == 1

    ((_, text),) = estate.messages()
    assert "within 7 days" in text
    assert "*Inactive IAM access key*" not in text
    assert estate.read(issue).jira.failed == issue.jira.failed

    assert estate.report().exit_code == 0
    (ticket,) = estate.tickets_of(issue)
    assert ["within 7 days" in comment for comment in ticket.comments] == [True]
    assert estate.read(issue).jira.failed is None
    assert len(estate.messages()) == 1


def test_slack_gets_the_report_that_it_missed_together_with_the_reminder(estate: Estate) -> None:
    issue = estate.add_due_issue(reported=estate.ago(days=8), slack_failed=estate.ago(days=8))
    estate.put(replace(issue, slack=replace(issue.slack, notified=None)))

    assert estate.report().exit_code == 0

    ((_, text),) = estate.messages()
    assert "*Inactive IAM access key*" in text
    assert "within 7 days" in text
    assert estate.read(issue).slack.failed is None


def test_a_reminder_that_nobody_heard_leaves_what_was_owed_before(estate: Estate) -> None:
    issue = estate.add_issue(
        reported=estate.ago(days=8), jira_failed=estate.ago(days=8), slack_failed=estate.ago(days=2)
    )
    rows = estate.rows()
    estate.jira_is_down()
    estate.slack_is_down()
    assert estate.report().exit_code == 1
    assert estate.rows() == rows
    assert estate.read(issue).timestamps.reminded is None


def test_a_reminder_that_no_channel_could_say_is_said_by_the_next_run(estate: Estate) -> None:
    issue = estate.add_due_issue(reported=estate.ago(days=8))
    estate.slack_is_down()
    estate.jira_is_down()
    assert estate.report().exit_code == 1
    assert estate.read(issue).timestamps.reminded is None
    assert estate.report().exit_code == 0
    assert len(estate.messages()) == 1
    assert len(estate.tickets_of(issue)[0].comments) == 1


# --- the end of an issue ---


@pytest.mark.parametrize(
    ("resolution", "words"),
    [
        (Resolution.USED, "in use again"),
        (Resolution.DEACTIVATED, "somebody switched the access key off"),
        (Resolution.DELETED, "was deleted"),
        (Resolution.REMEDIATED, "Hammer switched the access key off"),
    ],
)
def test_a_resolved_issue_is_commented_with_the_reason_and_closed(
    estate: Estate, resolution: Resolution, words: str
) -> None:
    times: dict[str, Any] = {"remediated": estate.ago(hours=2)} if resolution is Resolution.REMEDIATED else {}
    issue = estate.add_due_issue(status=Status.RESOLVED, resolution=resolution, resolved=estate.ago(hours=1), **times)

    result = estate.report()

    assert result.exit_code == 0, result.output
    (ticket,) = estate.tickets_of(issue)
    assert ticket.status == "Closed"
    (comment,) = ticket.comments
    assert words in comment
    ((_, text),) = estate.messages()
    assert words in text
    after = estate.read(issue)
    assert after.status is Status.CLOSED
    assert after.timestamps.closed is not None
    assert after.jira.ticket == ticket.key


def test_a_whitelisted_issue_is_labelled_and_closed(estate: Estate) -> None:
    estate.whitelist("joe")
    issue = estate.add_due_issue("joe", status=Status.WHITELISTED)
    assert estate.report().exit_code == 0
    (ticket,) = estate.tickets_of(issue)
    assert "whitelisted" in ticket.labels
    assert ticket.status == "Closed"
    assert "exemption" in ticket.comments[0]
    assert estate.read(issue).status is Status.CLOSED
    assert len(estate.messages()) == 1


def test_a_ticket_that_was_deleted_counts_as_closed(estate: Estate) -> None:
    issue = estate.add_due_issue(
        ticket="AWSSEC-77", status=Status.RESOLVED, resolution=Resolution.USED, resolved=estate.ago(hours=1)
    )
    assert estate.report().exit_code == 0
    assert estate.read(issue).status is Status.CLOSED


def test_a_ticket_that_was_closed_by_hand_counts_as_closed(estate: Estate) -> None:
    issue = estate.add_due_issue(status=Status.RESOLVED, resolution=Resolution.USED, resolved=estate.ago(hours=1))
    (ticket,) = estate.tickets_of(issue)
    ticket.status = "Done"
    assert estate.report().exit_code == 0
    assert estate.read(issue).status is Status.CLOSED
    assert (ticket.status, ticket.comments) == ("Done", [])


def test_without_a_configured_transition_one_that_leads_to_done_is_taken(estate: Estate) -> None:
    estate.jira.site.transitions = (
        Transition("Start", "In Progress", "indeterminate"),
        Transition("Shelve", "Shelved", "done"),
    )
    issue = estate.add_due_issue(status=Status.RESOLVED, resolution=Resolution.USED, resolved=estate.ago(hours=1))
    assert estate.report().exit_code == 0
    assert estate.tickets_of(issue)[0].status == "Shelved"


def test_without_any_fitting_transition_the_issue_stays_resolved_and_the_run_fails(estate: Estate) -> None:
    estate.jira.site.transitions = (Transition("Start", "In Progress", "indeterminate"),)
    issue = estate.add_due_issue(status=Status.RESOLVED, resolution=Resolution.USED, resolved=estate.ago(hours=1))

    for _ in range(2):
        result = estate.report()
        assert result.exit_code == 1
        assert "no transition" in result.output
        assert estate.read(issue).status is Status.RESOLVED

    (ticket,) = estate.tickets_of(issue)
    assert len(ticket.comments) == 1
    assert len(estate.messages()) == 1


def test_a_closing_that_slack_did_not_take_is_said_by_the_next_run(estate: Estate) -> None:
    issue = estate.add_due_issue(status=Status.RESOLVED, resolution=Resolution.USED, resolved=estate.ago(hours=1))
    estate.slack_is_down()
    assert estate.report().exit_code == 1
    assert estate.read(issue).status is Status.RESOLVED
    assert estate.report().exit_code == 0
    assert estate.read(issue).status is Status.CLOSED
    assert len(estate.messages()) == 1
    assert len(estate.tickets_of(issue)[0].comments) == 1


def test_resolved_and_never_reported_is_closed_without_a_word(estate: Estate) -> None:
    issue = estate.add_issue(status=Status.RESOLVED, resolution=Resolution.USED, resolved=estate.ago(hours=1))
    assert estate.report().exit_code == 0
    assert estate.read(issue).status is Status.CLOSED
    assert estate.messages() == []
    assert estate.tickets_of(issue) == []


def test_the_ticket_that_a_crash_left_for_a_resolved_issue_is_found_by_its_label_and_closed(estate: Estate) -> None:
    issue = estate.add_issue(status=Status.RESOLVED, resolution=Resolution.USED, resolved=estate.ago(hours=1))
    estate.add_ticket(issue)
    assert estate.report().exit_code == 0
    (ticket,) = estate.tickets_of(issue)
    assert ticket.status == "Closed"
    assert "in use again" in ticket.comments[0]
    assert estate.read(issue).status is Status.CLOSED


def test_whitelisted_and_never_reported_gets_nothing(estate: Estate) -> None:
    estate.whitelist("joe")
    estate.add_issue("joe", status=Status.WHITELISTED)
    rows = estate.rows()
    assert estate.report().exit_code == 0
    assert estate.rows() == rows
    assert estate.messages() == []


@pytest.mark.parametrize("entry", ["joe", "JOE", "j*", {"id": "joe", "until": "9999-12-31"}])
def test_an_open_issue_that_the_whitelist_names_by_now_is_not_reported(estate: Estate, entry: object) -> None:
    estate.whitelist(entry)
    estate.add_issue("joe")
    rows = estate.rows()
    result = estate.report()
    assert result.exit_code == 0
    assert "whitelisted by now" in result.output
    assert estate.rows() == rows
    assert estate.messages() == []


# --- another episode ---


@pytest.mark.parametrize(
    ("episode", "words"), [(Episode.REOPENED, "an issue again"), (Episode.REACTIVATED, "switched this access key on")]
)
def test_a_new_episode_comments_on_the_kept_ticket(estate: Estate, episode: Episode, words: str) -> None:
    issue = estate.add_issue(episode=episode)
    issue = replace(issue, jira=replace(issue.jira, ticket=estate.add_ticket(issue)))
    estate.put(issue)

    assert estate.report().exit_code == 0

    (ticket,) = estate.tickets_of(issue)
    (comment,) = ticket.comments
    assert words in comment
    after = estate.read(issue)
    assert after.jira.ticket == ticket.key
    assert after.timestamps.reported is not None
    assert len(estate.messages()) == 1


@pytest.mark.parametrize("end", ["deleted", "closed"])
def test_a_kept_ticket_that_is_deleted_or_closed_is_replaced_by_a_new_one(estate: Estate, end: str) -> None:
    issue = estate.add_issue(episode=Episode.REOPENED)
    kept = estate.add_ticket(issue)
    estate.put(replace(issue, jira=replace(issue.jira, ticket=kept, seen=estate.ago(days=30))))
    if end == "deleted":
        del estate.jira.issues[kept]
    else:
        estate.jira.issues[kept].status = "Done"

    assert estate.report().exit_code == 0

    new = estate.read(issue).jira.ticket
    assert new not in (None, kept)
    assert new in estate.jira.issues
    assert estate.jira.issues[str(new)].labels == [LABEL, label_of(issue)]


def test_a_resolved_issue_with_a_ticket_kept_from_an_earlier_episode_has_it_closed(estate: Estate) -> None:
    issue = estate.add_issue(
        episode=Episode.REOPENED,
        status=Status.RESOLVED,
        resolution=Resolution.DELETED,
        resolved=estate.ago(hours=1),
    )
    estate.put(replace(issue, jira=replace(issue.jira, ticket=estate.add_ticket(issue))))
    assert estate.report().exit_code == 0
    assert estate.tickets_of(issue)[0].status == "Closed"
    assert estate.read(issue).status is Status.CLOSED


def scan(estate: Estate, issue: Issue, *, whitelisted: bool = False) -> Issue:
    """What a scan that finds the key idle makes of the issue now."""
    record = estate.read(issue)
    found = Finding(issue.issue_id, record.details.username, replace(record.details, resolution=None))
    exemption = Exemption(record.details.username) if whitelisted else None
    step = reconcile(issue.account_id, found, record, exemption=exemption, now=datetime.now(UTC))
    after = step.after if step is not None else None
    if after is not None:
        estate.put(after)
    return after or record


def test_an_exemption_that_comes_and_goes_between_two_runs_ends_in_a_comment_on_the_same_ticket(
    estate: Estate,
) -> None:
    issue = estate.add_issue()
    assert estate.report().exit_code == 0
    (ticket,) = estate.tickets_of(issue)

    scan(estate, issue, whitelisted=True)
    assert scan(estate, issue).episode is Episode.REOPENED
    assert estate.report().exit_code == 0

    assert estate.tickets_of(issue) == [ticket]
    assert ["an issue again" in comment for comment in ticket.comments] == [True]
    assert "whitelisted" not in ticket.labels
    assert ["(again)" in text for _, text in estate.messages()] == [False, True]


def test_a_key_that_is_exempted_closed_and_no_longer_exempted_gets_a_ticket_of_its_own(estate: Estate) -> None:
    issue = estate.add_issue()
    assert estate.report().exit_code == 0
    scan(estate, issue, whitelisted=True)
    assert estate.report().exit_code == 0
    assert estate.read(issue).status is Status.CLOSED

    assert scan(estate, issue).status is Status.OPEN
    assert estate.report().exit_code == 0

    old, new = estate.tickets_of(issue)
    assert (old.status, "whitelisted" in old.labels) == ("Closed", True)
    assert ["exemption" in comment for comment in old.comments] == [True]
    assert (new.status, new.labels) == ("To Do", [LABEL, label_of(issue)])
    assert estate.read(issue).jira.ticket == new.key
    assert [text.split("*")[1] for _, text in estate.messages()] == [
        "Inactive IAM access key",
        "Closed:",
        "Inactive IAM access key",
    ]


# --- exemptions that end ---


def in_days(estate: Estate, days: int) -> str:
    return (estate.now + timedelta(days=days)).date().isoformat()


def test_an_exemption_that_ends_soon_is_said_once_for_all_its_keys(estate: Estate) -> None:
    until = in_days(estate, 10)
    estate.whitelist({"id": "ci-*", "until": until, "reason": "build farm", "owner": "Bob Brown"})
    issues = [estate.add_issue(f"ci-{number}", status=Status.WHITELISTED) for number in range(3)]

    result = estate.report()

    assert result.exit_code == 0, result.output
    ((recipient, text),) = estate.messages()
    assert recipient == "#devops-channel"
    for said in ("ci-*", until, "build farm", "Bob Brown", *(issue.issue_id for issue in issues)):
        assert said in text
    assert [str(estate.read(issue).slack.exception_told) for issue in issues] == [until] * 3
    assert f"exemption=ci-* verdict=told reason=ends after {until}" in result.output
    assert "1 told" in result.output

    rows = estate.rows()
    assert estate.report().exit_code == 0
    assert len(estate.messages()) == 1
    assert estate.rows() == rows


def test_an_exemption_of_an_issue_whose_ticket_was_closed_for_it_is_said_too(estate: Estate) -> None:
    estate.whitelist({"id": "joe", "until": in_days(estate, 3)})
    estate.add_due_issue("joe", status=Status.WHITELISTED)
    assert estate.report().exit_code == 0
    assert [text.split("*")[1] for _, text in estate.messages()][1:] == ["An exemption ends soon:"]
    assert estate.report().exit_code == 0
    assert len(estate.messages()) == 2


def test_the_end_of_an_exemption_that_slack_did_not_take_is_said_by_the_next_run(estate: Estate) -> None:
    estate.whitelist({"id": "joe", "until": in_days(estate, 3)})
    issue = estate.add_issue("joe", status=Status.WHITELISTED)
    estate.slack_is_down()
    result = estate.report()
    assert result.exit_code == 1
    assert f"account {MAIN} exemption 'joe': Slack:" in result.output
    assert estate.read(issue).slack.exception_told is None
    assert estate.report().exit_code == 0
    assert len(estate.messages()) == 1


def test_what_people_are_told_later_does_not_lose_that_they_were_told_of_the_exemption(estate: Estate) -> None:
    estate.whitelist({"id": "joe", "until": in_days(estate, 3)})
    issue = estate.add_issue("joe", status=Status.WHITELISTED)
    assert estate.report().exit_code == 0
    estate.put(replace(estate.read(issue), status=Status.OPEN))
    estate.whitelist()
    assert estate.report().exit_code == 0
    assert str(estate.read(issue).slack.exception_told) == in_days(estate, 3)


def test_without_slack_nothing_is_recorded_of_an_exemption_that_ends(estate: Estate) -> None:
    estate.configure(slack={"enabled": False})
    estate.whitelist({"id": "joe", "until": in_days(estate, 3)})
    estate.add_issue("joe", status=Status.WHITELISTED)
    rows = estate.rows()
    assert estate.report().exit_code == 0
    assert estate.rows() == rows


# --- failures ---


def test_a_mistake_on_one_issue_does_not_stop_the_others(estate: Estate, wire: Wire) -> None:
    odd, good = estate.add_issue("joe"), estate.add_issue("ann")

    def mistake(request: AWSPreparedRequest) -> None:
        if odd.issue_id in body_of(request):
            raise TypeError("odd")

    wire.react("UpdateItem", mistake)
    result = estate.report()
    assert result.exit_code == 1
    assert f"ERROR E-RUN-01 account {MAIN} key {odd.issue_id}: unexpected: TypeError('odd') in " in result.output
    assert "1 reported, 0 told a date, 0 reminded, 0 closed, 0 told, 0 skipped, 1 failed" in result.output
    assert len(estate.tickets_of(good)) == 1


def test_each_failure_is_one_line_with_account_key_channel_and_cause(estate: Estate) -> None:
    issue = estate.add_issue()
    estate.jira_is_down()
    estate.slack_is_down()
    lines = [line for line in estate.report().stderr.splitlines() if " ERROR " in line]
    assert [line.split(" ERROR ")[1].split(": ")[:2] for line in lines] == [
        [f"E-JIRA-03 account {MAIN} key {issue.issue_id}", "JIRA"],
        [f"E-SLACK-01 account {MAIN} key {issue.issue_id}", "Slack"],
    ]


def test_news_of_a_key_that_was_switched_off_raises_the_ticket_that_jira_never_got(estate: Estate) -> None:
    issue = estate.add_issue(
        reported=estate.ago(days=20),
        remediation_started=estate.ago(hours=2),
        remediated=estate.ago(hours=2),
        jira_failed=estate.ago(days=20),
    )
    assert estate.report().exit_code == 0
    (ticket,) = estate.tickets_of(issue)
    assert "Automatic remediation" not in ticket.description
    assert ["Hammer switched this access key off" in comment for comment in ticket.comments] == [True]
    assert estate.read(issue).jira.failed is None
    said = estate.report().output
    assert "0 told, 1 skipped" in said


def test_one_issue_that_fails_does_not_stop_the_others(estate: Estate) -> None:
    estate.owners({"account": {MAIN: {"jira_project": "NOSUCH"}}, "jira_project": "AWSSEC", "slack_owner": "bob"})
    failing, good = estate.add_issue("joe"), estate.add_issue("ann", account=OTHER)

    result = estate.report()

    assert result.exit_code == 1
    assert (
        "Reporting is done: 1 reported, 0 told a date, 0 reminded, 0 closed, 0 told, 0 skipped, 1 failed"
        in result.output
    )
    assert estate.read(failing).jira.failed is not None
    assert len(estate.tickets_of(good)) == 1


def test_a_row_that_cannot_be_read_is_named_and_does_not_stop_the_other_account(estate: Estate) -> None:
    elsewhere = estate.add_issue("ann", account=OTHER)
    broken = {"account_id": {"S": MAIN}, "issue_id": {"S": "AKIABROKEN"}, "status": {"S": "nonsense"}}
    boto3.client("dynamodb").put_item(TableName=TABLE, Item=broken)

    result = estate.report()

    assert result.exit_code == 1
    assert f"{MAIN}/AKIABROKEN" in result.output
    assert estate.read(elsewhere).timestamps.reported is not None


def test_an_account_without_a_jira_project_is_an_error_that_names_the_setting(estate: Estate) -> None:
    estate.owners({"slack_owner": "bob"})
    issue = estate.add_issue()
    result = estate.report()
    assert result.exit_code == 1
    assert "jira_project" in result.output
    assert estate.read(issue).slack.notified is not None


def test_a_secret_without_the_jira_entry_is_named_with_exit_code_2(estate: Estate) -> None:
    estate.secret({"slack": {"api_token": "xoxb-stand-in"}})
    estate.add_issue()
    rows = estate.rows()
    result = estate.report()
    assert result.exit_code == 2
    assert "hammer-credentials" in result.output
    assert "jira" in result.output
    assert estate.rows() == rows


def test_a_broken_whitelist_stops_reporting_with_exit_code_2(estate: Estate) -> None:
    (estate.folder / "whitelist.json").write_text("{", encoding="utf-8")
    estate.add_issue()
    rows = estate.rows()
    result = estate.report()
    assert result.exit_code == 2
    assert "whitelist.json" in result.output
    assert estate.rows() == rows
    assert (estate.jira.requests, estate.messages()) == ([], [])


def test_no_credential_is_ever_logged(estate: Estate) -> None:
    estate.add_issue()
    estate.jira_is_down()
    estate.slack_is_down()
    output = estate.report().output
    assert "jira-stand-in-token" not in output
    assert "xoxb-" not in output


# --- all of it ---


def test_jira_cloud_from_the_report_to_the_closed_ticket(estate: Estate) -> None:
    jira = estate.use_cloud()
    issue = estate.add_issue(tags={"Owner": "alice@example.com"})
    assert estate.report().exit_code == 0
    (ticket,) = estate.tickets_of(issue)
    assert ticket.assignee == "712020:alice"
    assert ticket.links == ["AWSSEC-1"]
    reported = estate.read(issue)
    assert reported.jira.ticket == ticket.key
    assert reported.jira.ticket_assignee_id == "712020:alice"

    estate.put(
        replace(
            reported,
            status=Status.RESOLVED,
            details=replace(reported.details, resolution=Resolution.USED),
            timestamps=replace(reported.timestamps, resolved=reported.timestamps.reported),
        )
    )
    assert estate.report().exit_code == 0
    assert ticket.status == "Closed"
    assert len(ticket.comments) == 1
    assert estate.read(issue).status is Status.CLOSED
    assert list(jira.issues) == ["AWSSEC-1", ticket.key]


def test_the_command_works_in_a_process_of_its_own(estate: Estate) -> None:
    issue = estate.add_issue()
    done = estate.process(REPORTING)
    assert done.returncode == 0, done.stderr
    assert f"key={issue.issue_id} verdict=reported" in done.stderr
    assert estate.read(issue).timestamps.reported is not None


def test_help_needs_neither_configuration_nor_aws(estate: Estate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HAMMER_CONFIG", str(estate.folder / "nowhere"))
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    done = estate.process(REPORTING, "--help")
    assert done.returncode == 0
    assert "Usage" in done.stdout


def test_the_log_goes_to_the_stream_of_the_manual(estate: Estate) -> None:
    (estate.folder / "config.ini").write_text("LOG_GROUP=/aws/ec2/hammer-reporting-remediation\n", encoding="utf-8")
    issue = estate.add_issue()
    assert estate.report().exit_code == 0
    logs = boto3.client("logs")
    events = logs.get_log_events(
        logGroupName="/aws/ec2/hammer-reporting-remediation",
        logStreamName="reporting.create_iam_user_inactive_keys_tickets",
    )["events"]
    assert [event for event in events if f"key={issue.issue_id} verdict=reported" in event["message"]]
    assert "jira-stand-in-token" not in json.dumps(events)
