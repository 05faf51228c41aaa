"""What an operator reads of a key: its issue, and step by step what has happened to it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import boto3

from library.aws.state_table import state_table_name
from library.issues.record import Resolution, Status
from tests.wire import Wire, json_failure
from tests.world import MAIN, OTHER, SHOW, TABLE

if TYPE_CHECKING:
    from tests.world.estate import Estate


def whats(estate: Estate, key: str) -> list[str]:
    """What the history of a key says, through the command."""
    result = estate.run(SHOW, "--key", key, "--format", "json")
    assert result.exit_code == 0, result.output
    (row,) = json.loads(result.stdout)
    assert all(set(entry) == {"time", "what", "why"} for entry in row["history"])
    return [entry["what"] for entry in row["history"]]


def test_the_history_of_a_key_is_written_by_reporting_remediation_and_restore(estate: Estate) -> None:
    estate.keys(remediation_retention_period=0)
    issue = estate.add_issue("joe", account=OTHER)
    assert estate.report().exit_code == 0
    assert estate.remediate().exit_code == 0
    assert estate.restore("--key", issue.issue_id).exit_code == 0
    ticket = estate.read(issue).jira.ticket
    told = [f"told on ticket {ticket}", "told over Slack: #devops-channel"]
    assert whats(estate, issue.issue_id) == [
        f"reported on ticket {ticket}",
        "reported over Slack: #devops-channel",
        "about to be switched off",
        "switched off",
        *told,
        "about to be switched on again",
        "switched on again",
        *told,
    ]


def test_the_text_shows_the_issue_and_each_step_with_its_reason(estate: Estate) -> None:
    issue = estate.add_due_issue("joe", idle_days=250)
    assert estate.remediate().exit_code == 0
    result = estate.run(SHOW, "--key", issue.issue_id)
    assert result.exit_code == 0
    for line in (
        f"key           {issue.issue_id}",
        f"account       master ({MAIN})",
        "user          joe",
        "status        open, first episode",
        f"ticket        {issue.jira.ticket}",
        "remediation   already switched off at",
        "about to be switched off -- idle for 250 days, due since",
    ):
        assert line in result.stdout


def test_a_failure_is_in_the_history_with_its_cause(estate: Estate) -> None:
    issue = estate.add_due_issue()
    estate.accounts.fail(MAIN, "UpdateAccessKey", "AccessDenied")
    estate.remediate()
    result = estate.run(SHOW, "--key", issue.issue_id)
    assert "could not be switched off -- Access denied in Account" in result.stdout
    assert "last failure  Access denied in Account" in result.stdout


def test_a_delivery_that_failed_is_in_the_history_with_its_cause_and_once_however_often_it_is_tried(
    estate: Estate,
) -> None:
    issue = estate.add_issue("joe")
    for _ in range(3):
        estate.slack_is_down()
        assert estate.report().exit_code == 1
    ticket = estate.read(issue).jira.ticket
    assert whats(estate, issue.issue_id) == [f"reported on ticket {ticket}", "Slack not notified yet"]
    assert "Slack not notified yet -- nobody got the message (" in estate.run(SHOW, "--key", issue.issue_id).stdout


def test_an_issue_from_before_there_was_a_history_is_shown_too(estate: Estate) -> None:
    issue = estate.add_issue(
        status=Status.RESOLVED, resolution=Resolution.USED, reported=estate.ago(days=3), resolved=estate.ago(days=1)
    )
    result = estate.run(SHOW, "--key", issue.issue_id)
    assert result.exit_code == 0
    assert "status        resolved: used, first episode" in result.stdout
    assert "no history recorded" in result.stdout


def test_a_key_without_an_issue_is_said_with_exit_code_1_and_the_others_are_shown(estate: Estate) -> None:
    issue = estate.add_issue()
    result = estate.run(SHOW, "--key", "AKIANOSUCHKEY", "--key", issue.issue_id)
    assert result.exit_code == 1
    assert "--key AKIANOSUCHKEY: no issue of the accounts looked at has this key" in result.output
    assert issue.issue_id in result.stdout


def test_it_says_when_the_account_was_scanned_last_or_that_it_never_was(estate: Estate) -> None:
    issue = estate.add_due_issue()
    shown = estate.run(SHOW, "--key", issue.issue_id).stdout
    assert re.search(rf"last scan +{estate.now:%Y-%m-%d %H:%M} UTC$", shown, re.MULTILINE)
    boto3.client("dynamodb").delete_item(TableName=state_table_name(TABLE), Key={"id": {"S": f"scan#{MAIN}"}})
    shown = estate.run(SHOW, "--key", issue.issue_id).stdout
    assert re.search(r"last scan +never; the account is never scanned as a whole$", shown, re.MULTILINE)


def test_an_account_whose_state_cannot_be_read_is_shown_and_said_and_so_are_the_others(
    estate: Estate, wire: Wire
) -> None:
    here, there = estate.add_due_issue("joe"), estate.add_due_issue("jane", account=OTHER)

    def refuse(request: Any) -> Any:
        return json_failure("AccessDeniedException") if MAIN in request.body.decode() else None

    wire.react("StateTable.GetItem", refuse)
    result = estate.run(SHOW, "--key", here.issue_id, "--key", there.issue_id)
    assert result.exit_code == 1
    assert result.stderr.count(f"so it is not known when {MAIN} was scanned last") == 1
    first, second = result.stdout.split("\n\nkey ")
    assert re.search("last scan +could not look$", first, re.MULTILINE)
    assert "remediation   not known, as it could not be looked up" in first
    assert re.search(f"last scan +{estate.now:%Y-%m-%d}", second)
    assert "remediation   due;" in second


def test_a_key_is_needed(estate: Estate) -> None:
    assert estate.run(SHOW).exit_code == 2


def test_showing_changes_nothing_and_asks_for_no_lease(estate: Estate) -> None:
    issue = estate.add_due_issue()
    other = estate.dialogue("remediation.clean_iam_keys_inactive")
    other.wait_for("[y/N]")
    rows = estate.rows()
    done = estate.process(SHOW, "--key", issue.issue_id)
    assert done.returncode == 0, done.stderr
    assert estate.rows() == rows
    assert (estate.jira.requests, estate.slack.requests) == ([], [])
    other.type("n")
    assert other.exit_code() == 0
