"""Remediation, as the host runs it: which keys are switched off, which never are, what a failure leaves behind."""

from __future__ import annotations

import csv
import io
import json
import signal
import time
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import boto3
import moto.iam.models
import pytest
import time_machine

from library.aws.key_switch import KeySwitch
from library.aws.state_table import state_table_name
from library.cli import wiring
from library.config.loading import load
from library.issues.record import Episode, Issue, RemediationError, Resolution, Status
from tests.wire import Wire, answer, body_of, failure
from tests.world import MAIN, OTHER, OWN_KEY, REGION, REMEDIATION, RETENTION_DAYS, TABLE, table

if TYPE_CHECKING:
    from pathlib import Path

    from botocore.awsrequest import AWSPreparedRequest, AWSResponse

    from tests.world.estate import Estate


def assert_left_alone(estate: Estate, issue: Issue, *, key: str = "Active") -> None:
    """The key and its row are as they were, and nobody was told anything."""
    assert estate.key_status(issue) == key
    assert estate.read(issue) == issue
    assert estate.messages() == []
    assert all(ticket.comments == [] for ticket in estate.tickets_of(issue))


# --- switching off ---


def test_a_key_whose_retention_period_is_over_is_switched_off_recorded_and_told(estate: Estate) -> None:
    issue = estate.add_due_issue("joe")

    result = estate.remediate()

    assert result.exit_code == 0, result.output
    assert estate.key_status(issue) == "Inactive"
    after = estate.read(issue)
    assert after.status is Status.OPEN
    assert after.timestamps.remediation_started is not None
    assert after.timestamps.remediated is not None
    assert estate.now <= after.timestamps.remediation_started <= after.timestamps.remediated
    assert after.remediation_error is None
    assert (after.jira.failed, after.slack.failed) == (None, None)
    assert after.jira.ticket == issue.jira.ticket
    (ticket,) = estate.tickets_of(issue)
    (comment,) = ticket.comments
    assert "Hammer switched this access key off" in comment
    assert "ask #devops-channel: they can have it switched on again" in comment.replace("\\", "")
    ((recipient, text),) = estate.messages()
    assert recipient == "#devops-channel"
    assert "Switched off" in text
    assert issue.issue_id in text
    assert f"/browse/{ticket.key}|Ticket {ticket.key}>" in text
    assert "To get it back, ask `#devops-channel`." in text
    assert f"account={MAIN} user=joe key={issue.issue_id} verdict=switched off" in result.output
    assert "Remediation is done: 1 switched off, 0 completed, 0 skipped, 0 failed" in result.output


def test_keys_of_another_account_are_switched_off_through_the_assumed_role(estate: Estate) -> None:
    issue = estate.add_due_issue("ann", account=OTHER)
    assert estate.remediate().exit_code == 0
    assert estate.key_status(issue) == "Inactive"


def test_a_role_that_cannot_be_assumed_fails_only_its_own_account(estate: Estate) -> None:
    there, here = estate.add_due_issue("ann", account=OTHER, idle_days=300), estate.add_due_issue("joe")
    estate.accounts.fail(OTHER, "AssumeRole", "AccessDenied")
    result = estate.remediate()
    assert result.exit_code == 1
    assert (
        f"Failed to assume role in Account(id='{OTHER}', name='slave1', role='hammer-cloudsec-crossact-ec2') "
        "(sts:AssumeRole)" in result.output
    )
    assert_key_on(estate, there)
    assert estate.key_status(here) == "Inactive"


def assert_key_on(estate: Estate, issue: Issue) -> None:
    assert estate.key_status(issue) == "Active"
    assert estate.read(issue).timestamps.remediated is None


def test_a_second_run_does_nothing_more(estate: Estate) -> None:
    estate.add_due_issue()
    estate.remediate()
    rows, said = estate.rows(), estate.messages()
    result = estate.remediate()
    assert result.exit_code == 0
    assert "already switched off" in result.output
    assert (estate.rows(), estate.messages()) == (rows, said)


def test_a_renamed_user_is_followed(estate: Estate) -> None:
    issue = estate.add_due_issue("joe")
    estate.iam().update_user(UserName="joe", NewUserName="joseph")
    assert estate.remediate().exit_code == 0
    assert estate.key_status(issue) == "Inactive"


def test_retention_period_zero_means_the_next_run(estate: Estate) -> None:
    estate.keys(remediation_retention_period=0)
    issue = estate.add_due_issue(reported=estate.ago(minutes=1))
    assert estate.remediate().exit_code == 0
    assert estate.key_status(issue) == "Inactive"


def test_the_retention_period_is_over_right_after_its_last_moment(estate: Estate) -> None:
    issue = estate.add_due_issue(reported=estate.ago(days=RETENTION_DAYS, seconds=1))
    assert estate.remediate().exit_code == 0
    assert estate.key_status(issue) == "Inactive"


# --- the guards ---


def test_an_account_without_a_complete_scan_in_the_last_day_is_left_alone_with_one_line(estate: Estate) -> None:
    issues = [estate.add_due_issue("joe"), estate.add_due_issue("ann")]
    elsewhere = estate.add_due_issue("kim", account=OTHER)
    table.scanned(MAIN, estate.ago(hours=25))
    result = estate.remediate()
    assert result.exit_code == 0
    why = f"not scanned since {estate.ago(hours=25):%Y-%m-%d %H:%M} UTC"
    line = f"WARNING W-SCAN-02 account {MAIN}: no key is switched off, as it is {why}"
    assert result.output.count(line) == 1
    assert result.output.count(f"verdict=skipped reason=its account is {why}") == 2
    assert [(estate.key_status(issue), estate.read(issue)) for issue in issues] == [
        ("Active", each) for each in issues
    ]
    assert estate.key_status(elsewhere) == "Inactive"


def test_an_account_of_which_no_scan_is_known_is_left_alone_also_by_hand_and_after_a_run_was_cut_off(
    estate: Estate,
) -> None:
    issue = estate.add_due_issue("joe", remediation_started=estate.ago(hours=1))
    boto3.client("dynamodb").delete_item(TableName=state_table_name(TABLE), Key={"id": {"S": f"scan#{MAIN}"}})
    result = estate.run(REMEDIATION)
    assert "reason=its account is never scanned as a whole" in result.output
    assert estate.key_status(issue) == "Active"


def test_a_key_that_was_used_since_its_report_is_left_alone(estate: Estate) -> None:
    issue = estate.add_due_issue("joe", reported=estate.ago(days=201), idle_days=200)
    result = estate.remediate()
    assert "reason=the key was used after it was reported" in result.output
    assert_left_alone(estate, issue)


def test_a_schedule_leaves_a_key_whose_people_were_told_no_date_and_an_operator_is_told_so(estate: Estate) -> None:
    issue = estate.add_due_issue("joe", promised=None)
    result = estate.remediate()
    assert result.exit_code == 0
    assert "verdict=skipped reason=nobody was told a date; reporting tells one" in result.output
    assert_left_alone(estate, issue)

    dialogue = estate.dialogue(REMEDIATION)
    dialogue.wait_for("date told  none")
    dialogue.answer("y")
    assert dialogue.exit_code() == 0, dialogue.screen
    assert estate.key_status(issue) == "Inactive"


def test_an_operator_is_told_what_is_not_known_of_an_smtp_credential(estate: Estate) -> None:
    mailer, other = estate.add_due_issue("ses-smtp-user.20190612", idle_days=300), estate.add_due_issue("joe")
    dialogue = estate.dialogue(REMEDIATION)
    dialogue.wait_for(mailer.issue_id)
    dialogue.wait_for("LastUsedDate is written nowhere. Look at the mail logs first.")
    dialogue.answer("n")
    dialogue.wait_for(other.issue_id)
    dialogue.answer("n")
    assert dialogue.exit_code() == 0, dialogue.screen
    assert dialogue.screen.count("mail logs") == 1


def test_a_date_that_was_told_holds_though_the_period_was_shortened_since(estate: Estate) -> None:
    issue = estate.add_due_issue("joe", reported=estate.ago(days=2))
    estate.keys(remediation_retention_period=1)
    result = estate.remediate()
    assert f"reason=its people were told {estate.ago(days=2 - RETENTION_DAYS):%Y-%m-%d %H:%M} UTC" in result.output
    assert_left_alone(estate, issue)


def test_a_key_that_was_not_reported_is_left_alone(estate: Estate) -> None:
    issue = estate.add_issue()
    result = estate.remediate()
    assert result.exit_code == 0
    assert "verdict=skipped reason=not reported yet" in result.output
    assert_left_alone(estate, issue)


@pytest.mark.parametrize("hours", [1, 24 * 7, 24 * RETENTION_DAYS - 1])
def test_a_key_within_its_retention_period_is_left_alone(estate: Estate, hours: int) -> None:
    issue = estate.add_due_issue(reported=estate.ago(hours=hours))
    result = estate.remediate()
    assert result.exit_code == 0
    assert "reason=within its retention period of 14 days" in result.output
    assert_left_alone(estate, issue)


def test_a_reactivated_key_is_left_alone_for_seven_days_whatever_the_retention_period(estate: Estate) -> None:
    estate.keys(remediation_retention_period=0)
    issue = estate.add_due_issue("joe", episode=Episode.REACTIVATED, reported=estate.ago(days=6, hours=23))
    over = estate.add_due_issue("ann", episode=Episode.REACTIVATED, reported=estate.ago(days=7, minutes=1))
    result = estate.remediate()
    assert "reason=within its retention period of 7 days" in result.output
    assert_key_on(estate, issue)
    assert estate.key_status(over) == "Inactive"


@pytest.mark.parametrize("entry", ["joe", "JOE", "jo?", {"id": "joe", "until": "9999-12-31"}])
def test_a_key_whose_user_is_whitelisted_now_is_left_alone(estate: Estate, entry: object) -> None:
    estate.whitelist(entry)
    issue = estate.add_due_issue("joe")
    result = estate.remediate()
    assert result.exit_code == 0
    assert "reason=whitelisted by 'jo" in result.output.lower()
    assert_left_alone(estate, issue)


def test_a_key_that_is_whitelisted_by_its_id_is_left_alone(estate: Estate) -> None:
    issue = estate.add_due_issue("joe")
    estate.whitelist(issue.issue_id)
    assert estate.remediate().exit_code == 0
    assert_left_alone(estate, issue)


def test_an_exemption_that_has_expired_or_is_of_another_account_holds_nothing_up(estate: Estate) -> None:
    estate.whitelist({"id": "joe", "until": "2020-01-31"})
    issue = estate.add_due_issue("joe")
    assert estate.remediate().exit_code == 0
    assert estate.key_status(issue) == "Inactive"

    estate.whitelist("ann", account=OTHER)
    issue = estate.add_due_issue("ann")
    assert estate.remediate().exit_code == 0
    assert estate.key_status(issue) == "Inactive"


def test_a_key_that_is_whitelisted_under_its_current_owner_is_left_alone(estate: Estate) -> None:
    issue = estate.add_due_issue("joe")
    estate.iam().update_user(UserName="joe", NewUserName="break-glass")
    estate.whitelist("break-glass")
    result = estate.remediate()
    assert result.exit_code == 0
    assert "reason=whitelisted by 'break-glass'" in result.output
    assert_left_alone(estate, issue)


def test_a_key_that_was_used_meanwhile_is_left_alone(estate: Estate) -> None:
    issue = estate.add_due_issue()
    estate.accounts.use_key(MAIN, issue.issue_id, estate.ago(days=89))
    result = estate.remediate()
    assert result.exit_code == 0
    assert "reason=the key is not idle any more" in result.output
    assert_left_alone(estate, issue)


def test_a_key_that_is_inactive_already_is_left_alone(estate: Estate) -> None:
    issue = estate.add_due_issue(key_status="Inactive")
    result = estate.remediate()
    assert result.exit_code == 0
    assert "reason=the key is Inactive already" in result.output
    assert_left_alone(estate, issue, key="Inactive")


def test_a_key_that_was_deleted_is_skipped(estate: Estate) -> None:
    issue = estate.add_due_issue("joe")
    estate.iam().delete_access_key(UserName="joe", AccessKeyId=issue.issue_id)
    result = estate.remediate()
    assert result.exit_code == 0
    assert "reason=the key does not exist any more" in result.output
    assert_left_alone(estate, issue, key="gone")


@pytest.mark.parametrize("user_too", [False, True], ids=["its user is there", "its user is gone"])
def test_a_key_that_its_user_does_not_list_and_that_iam_denies_is_gone_and_no_failure(
    estate: Estate, wire: Wire, user_too: bool
) -> None:
    issue = estate.add_due_issue("joe")
    estate.iam().delete_access_key(UserName="joe", AccessKeyId=issue.issue_id)
    if user_too:
        estate.iam().delete_user(UserName="joe")
    wire.react("GetAccessKeyLastUsed", lambda _: failure("AccessDenied", 403))
    result = estate.remediate()
    assert result.exit_code == 0
    assert "verdict=skipped reason=the key does not exist any more" in result.output
    assert_left_alone(estate, issue, key="gone")


@pytest.mark.parametrize("code", ["NoSuchEntity", "AccessDenied"])
def test_a_key_that_is_deleted_under_the_switch_is_gone_and_no_failure(estate: Estate, wire: Wire, code: str) -> None:
    issue = estate.add_due_issue("joe")

    def delete(_: AWSPreparedRequest) -> AWSResponse:
        wire.withdraw("UpdateAccessKey")
        estate.iam().delete_access_key(UserName="joe", AccessKeyId=issue.issue_id)
        return failure(code, 404)

    wire.react("UpdateAccessKey", delete)
    result = estate.remediate()
    assert result.exit_code == 0
    assert "verdict=skipped reason=the key does not exist any more" in result.output
    after = estate.read(issue)
    assert (after.timestamps.remediation_started, after.remediation_error) == (None, None)
    assert estate.tickets_of(issue)[0].comments == []


def test_the_key_that_signs_the_requests_of_this_process_is_left_alone(
    estate: Estate, monkeypatch: pytest.MonkeyPatch
) -> None:
    # AWS shows a use hours later; moto at once, so that the key would not be idle.
    monkeypatch.setattr(moto.iam.models, "mark_account_as_visited", lambda **_: None)
    issue = estate.add_due_issue("hammer", key_id=OWN_KEY)
    result = estate.remediate()
    assert result.exit_code == 0
    assert "reason=the key is used by Hammer itself" in result.output
    assert_left_alone(estate, issue)


@pytest.mark.parametrize(
    ("operation", "content"),
    [
        ("ListAccessKeys", ""),
        ("ListAccessKeys", "<AccessKeyMetadata/>"),
        ("ListAccessKeys", "<AccessKeyMetadata>none</AccessKeyMetadata><IsTruncated>false</IsTruncated>"),
        ("ListAccessKeys", "<AccessKeyMetadata/><IsTruncated>true</IsTruncated>"),
        ("ListAccessKeys", "<AccessKeyMetadata><member/></AccessKeyMetadata><IsTruncated>false</IsTruncated>"),
        ("GetAccessKeyLastUsed", ""),
        ("GetAccessKeyLastUsed", "<UserName>joe</UserName><AccessKeyLastUsed/>"),
        ("GetAccessKeyLastUsed", "<AccessKeyLastUsed>never</AccessKeyLastUsed>"),
        ("ListUserTags", "<Tags/>"),
        ("ListUserTags", "<Tags><member><Key>a</Key></member></Tags><IsTruncated>false</IsTruncated>"),
    ],
)
def test_an_odd_answer_at_the_last_look_leaves_the_key_alone(
    estate: Estate, wire: Wire, operation: str, content: str
) -> None:
    issue = estate.add_due_issue("joe")
    result = f"<{operation}Result>{content}</{operation}Result>"
    wire.react(operation, lambda _: answer(200, f"<{operation}Response>{result}</{operation}Response>"))
    ended = estate.remediate()
    assert ended.exit_code == 1
    assert f"iam:{operation}" in ended.output
    assert "AWS's answer is not understood" in ended.output
    assert "UpdateAccessKey" not in wire.sent
    assert_left_alone(estate, issue)


@pytest.mark.parametrize("operation", ["GetAccessKeyLastUsed", "ListAccessKeys"])
def test_if_the_look_at_the_key_fails_it_is_skipped_and_the_run_fails(estate: Estate, operation: str) -> None:
    issue = estate.add_due_issue()
    estate.accounts.fail(MAIN, operation, "AccessDenied")
    result = estate.remediate()
    assert result.exit_code == 1
    assert f"Access denied in Account(id='{MAIN}', name='master') (iam:{operation} of " in result.output
    assert_left_alone(estate, issue)


@pytest.mark.parametrize("how", [{"remediation_accounts": [OTHER]}, {"ignore_accounts": [MAIN]}])
def test_an_account_that_is_not_to_be_remediated_is_left_alone(estate: Estate, how: dict[str, object]) -> None:
    estate.keys(**how)
    here, there = estate.add_due_issue("joe"), estate.add_due_issue("ann", account=OTHER)
    assert estate.remediate().exit_code == 0
    assert_key_on(estate, here)
    assert estate.key_status(there) == "Inactive"


@pytest.mark.parametrize("status", [Status.WHITELISTED, Status.RESOLVED, Status.CLOSED])
def test_an_issue_that_is_not_open_is_left_alone(estate: Estate, status: Status) -> None:
    resolution = None if status is Status.WHITELISTED else Resolution.USED
    issue = estate.add_due_issue(status=status, resolution=resolution)
    result = estate.remediate()
    assert result.exit_code == 0
    assert f"reason={status.value}, not open" in result.output
    assert_left_alone(estate, issue)


def test_a_broken_whitelist_is_not_taken_for_an_empty_one(estate: Estate) -> None:
    issue = estate.add_due_issue()
    (estate.folder / "whitelist.json").write_text('{"user_inactivekeys": {', encoding="utf-8")
    result = estate.remediate()
    assert result.exit_code == 2
    assert "whitelist.json" in result.output
    assert_left_alone(estate, issue)
    assert estate.jira.requests == []


# --- ways to run it ---


def test_batch_does_nothing_while_remediation_is_false(estate: Estate) -> None:
    estate.keys(remediation=False)
    issue = estate.add_due_issue()
    result = estate.remediate()
    assert result.exit_code == 0
    assert "--batch does nothing" in result.output
    assert_left_alone(estate, issue)


def test_no_terminal_means_no_and_says_that_batch_exists(estate: Estate) -> None:
    issue = estate.add_due_issue()
    done = estate.process(REMEDIATION)
    assert done.returncode == 0, done.stderr
    assert "nobody could be asked" in done.stderr
    assert "--batch" in done.stderr
    assert_left_alone(estate, issue)


@pytest.mark.parametrize("remediation", [True, False])
def test_the_operator_is_asked_key_by_key_whatever_remediation_is_set_to(estate: Estate, remediation: bool) -> None:
    estate.keys(remediation=remediation)
    refused = estate.add_due_issue("ann", idle_days=300)
    wanted = estate.add_due_issue("joe", idle_days=250)
    enter = estate.add_due_issue("zoe", idle_days=200)

    dialogue = estate.dialogue(REMEDIATION)
    dialogue.wait_for(refused.issue_id)
    dialogue.answer("n")
    for fact in (f"master ({MAIN})", "joe", wanted.issue_id, "250", str(wanted.jira.ticket), "Support-General"):
        dialogue.wait_for(fact)
    dialogue.answer("y")
    dialogue.wait_for(enter.issue_id)
    dialogue.answer("")

    assert dialogue.exit_code() == 0, dialogue.screen
    assert "refused by the operator" in dialogue.screen
    assert estate.key_status(wanted) == "Inactive"
    assert estate.read(wanted).timestamps.remediated is not None
    assert [estate.key_status(issue) for issue in (refused, enter)] == ["Active", "Active"]
    assert estate.read(refused) == refused
    assert estate.read(enter) == enter


def test_a_key_that_is_used_while_the_operator_thinks_is_left_alone(estate: Estate) -> None:
    issue = estate.add_due_issue()
    dialogue = estate.dialogue(REMEDIATION)
    dialogue.wait_for(issue.issue_id)
    dialogue.wait_for("[y/N]")
    estate.accounts.use_key(MAIN, issue.issue_id, estate.now)
    dialogue.type("y")
    assert dialogue.exit_code() == 0, dialogue.screen
    assert "not idle any more" in dialogue.screen
    assert_left_alone(estate, issue)


def test_ctrl_c_ends_between_two_keys_and_what_is_done_is_recorded(estate: Estate) -> None:
    first, second = estate.add_due_issue("ann", idle_days=300), estate.add_due_issue("joe", idle_days=250)
    dialogue = estate.dialogue(REMEDIATION)
    dialogue.answer("y")
    dialogue.wait_for(second.issue_id)
    dialogue.wait_for("[y/N]")
    dialogue.interrupt()
    assert dialogue.exit_code() == 130, dialogue.screen
    assert estate.key_status(first) == "Inactive"
    assert estate.read(first).timestamps.remediated is not None
    assert estate.key_status(second) == "Active"
    assert estate.read(second) == second


def test_while_another_instance_runs_the_exit_code_is_3_and_only_a_dry_run_and_a_restore_work(estate: Estate) -> None:
    issue = estate.add_due_issue()
    other = estate.dialogue(REMEDIATION)
    other.wait_for("[y/N]")

    result = estate.remediate()
    assert result.exit_code == 3
    assert "Another reporting or remediation is running" in result.output
    assert estate.report().exit_code == 3
    assert estate.restore("--since", "3d").exit_code == 0
    assert estate.remediate("--dry-run").exit_code == 0
    assert_left_alone(estate, issue)

    other.type("n")
    assert other.exit_code() == 0
    assert estate.remediate().exit_code == 0
    assert estate.key_status(issue) == "Inactive"


@pytest.mark.parametrize("remediation", [True, False])
def test_a_dry_run_prints_the_plan_and_changes_nothing_anywhere(estate: Estate, remediation: bool) -> None:
    estate.keys(remediation=remediation)
    estate.whitelist("max")
    due = estate.add_due_issue("joe")
    waiting = estate.add_due_issue("ann", reported=estate.ago(days=1))
    exempted = estate.add_due_issue("max")
    untold = estate.add_due_issue("kim", remediated=estate.ago(hours=1), slack_failed=estate.ago(hours=1))
    off = estate.add_due_issue("zoe", key_status="Inactive", remediation_started=estate.ago(hours=1))
    rows, accounts = estate.rows(), json.dumps(estate.accounts.state())

    result = estate.remediate("--dry-run")

    assert result.exit_code == 0, result.output
    plan = {
        issue.issue_id: line
        for line in result.output.splitlines()
        for issue in (due, waiting, exempted, untold, off)
        if line.startswith(f"{MAIN} ") and issue.issue_id in line
    }
    assert "would be switched off" in plan[due.issue_id]
    assert "within its retention period" in plan[waiting.issue_id]
    assert "whitelisted by 'max'" in plan[exempted.issue_id]
    assert "would be told again" in plan[untold.issue_id]
    assert "would be completed" in plan[off.issue_id]
    assert "1 would be switched off, 2 skipped, 0 failed" in result.output
    assert estate.rows() == rows
    assert json.dumps(estate.accounts.state()) == accounts
    assert (estate.jira.requests, estate.slack.requests) == ([], [])


def test_a_dry_run_shows_a_look_that_failed_and_ends_with_1(estate: Estate) -> None:
    issue = estate.add_due_issue()
    estate.accounts.fail(MAIN, "GetAccessKeyLastUsed", "AccessDenied")
    result = estate.remediate("--dry-run")
    assert result.exit_code == 1
    assert "could not be looked at" in result.output
    assert_left_alone(estate, issue)


@pytest.mark.parametrize(("limit", "configured"), [("1", None), ("1", 2), ("2", 1)])
def test_the_smaller_of_both_limits_holds_and_the_longest_idle_key_comes_first(
    estate: Estate, limit: str, configured: int | None
) -> None:
    estate.keys(remediation_max_keys_per_run=configured)
    middle, longest, shortest = (
        estate.add_due_issue(user, idle_days=days) for user, days in (("ann", 250), ("joe", 300), ("zoe", 200))
    )
    result = estate.remediate("--limit", limit)
    assert result.exit_code == 0
    assert "the limit of keys for one run is reached" in result.output
    assert [estate.key_status(issue) for issue in (longest, middle, shortest)] == ["Inactive", "Active", "Active"]


def test_a_limit_of_the_configuration_holds_without_an_option(estate: Estate) -> None:
    estate.keys(remediation_max_keys_per_run=2)
    issues = [estate.add_due_issue(user) for user in ("ann", "joe", "zoe")]
    estate.remediate()
    assert sorted(estate.key_status(issue) for issue in issues) == ["Active", "Inactive", "Inactive"]


def test_a_dry_run_is_capped_as_the_run_would_be(estate: Estate) -> None:
    for user in ("ann", "joe"):
        estate.add_due_issue(user)
    result = estate.remediate("--dry-run", "--limit", "1")
    assert "1 would be switched off, 1 skipped" in result.output


@pytest.mark.parametrize("option", ["--account", "--user", "--key"])
def test_account_user_and_key_narrow_the_run_down(estate: Estate, option: str) -> None:
    meant, spared = estate.add_due_issue("joe"), estate.add_due_issue("ann", account=OTHER)
    value = {"--account": MAIN, "--user": "JOE", "--key": meant.issue_id}[option]
    assert estate.remediate(option, value).exit_code == 0
    assert estate.key_status(meant) == "Inactive"
    assert_key_on(estate, spared)


def test_several_keys_can_be_named(estate: Estate) -> None:
    joe, ann, zoe = (estate.add_due_issue(user) for user in ("joe", "ann", "zoe"))
    assert estate.remediate("--key", joe.issue_id, "--key", ann.issue_id).exit_code == 0
    assert [estate.key_status(issue) for issue in (joe, ann, zoe)] == ["Inactive", "Inactive", "Active"]


def test_a_key_that_names_no_issue_is_said_with_exit_code_1(estate: Estate) -> None:
    issue = estate.add_due_issue()
    result = estate.remediate("--key", "AKIANOSUCHKEY", "--key", issue.issue_id)
    assert result.exit_code == 1
    assert "--key AKIANOSUCHKEY: no issue" in result.output
    assert estate.key_status(issue) == "Inactive"


def test_help_needs_neither_configuration_nor_aws(estate: Estate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HAMMER_CONFIG", str(estate.folder / "nowhere"))
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    done = estate.process(REMEDIATION, "--help")
    assert done.returncode == 0
    for option in ("--batch", "--dry-run", "--limit", "--account", "--user", "--key"):
        assert option in done.stdout


def test_an_unknown_option_is_a_usage_error(estate: Estate) -> None:
    assert estate.process(REMEDIATION, "--dryrun").returncode == 2


def test_batch_works_in_a_process_of_its_own(estate: Estate) -> None:
    issue = estate.add_due_issue()
    done = estate.process(REMEDIATION, "--batch")
    assert done.returncode == 0, done.stderr
    assert f"key={issue.issue_id} verdict=switched off" in done.stderr
    assert estate.key_status(issue) == "Inactive"


# --- the prompt ---


def test_the_prompt_shows_all_that_is_needed_to_decide(estate: Estate) -> None:
    issue = estate.add_due_issue("joe", idle_days=250)
    dialogue = estate.dialogue(REMEDIATION)
    due = issue.timestamps.reported + timedelta(days=RETENTION_DAYS) if issue.timestamps.reported else estate.now
    for fact in (
        f"account    master ({MAIN})",
        "user       joe",
        f"key        {issue.issue_id}",
        f"created    {issue.details.create_date:%Y-%m-%d %H:%M} UTC",
        f"last used  {issue.details.last_used:%Y-%m-%d %H:%M} UTC (s3 in {REGION})",
        "idle days  250",
        f"due since  {due:%Y-%m-%d %H:%M} UTC",
        f"ticket     {issue.jira.ticket}",
        "assignee   Support-General",
    ):
        dialogue.wait_for(fact)
    dialogue.answer("n")
    assert dialogue.exit_code() == 0, dialogue.screen


def test_a_is_yes_to_the_rest_of_its_account_and_to_no_other(estate: Estate) -> None:
    first = estate.add_due_issue("ann", idle_days=300)
    elsewhere = estate.add_due_issue("kim", account=OTHER, idle_days=290)
    second = estate.add_due_issue("joe", idle_days=280)
    dialogue = estate.dialogue(REMEDIATION)
    dialogue.wait_for(first.issue_id)
    dialogue.answer("a")
    dialogue.wait_for(elsewhere.issue_id)
    dialogue.answer("n")
    assert dialogue.exit_code() == 0, dialogue.screen
    assert dialogue.screen.count("[y/N]") == 2
    assert [estate.key_status(issue) for issue in (first, elsewhere, second)] == ["Inactive", "Active", "Inactive"]
    assert "2 switched off, 0 completed, 1 skipped, 0 failed" in dialogue.screen


def test_q_ends_the_run_and_what_was_answered_before_holds(estate: Estate) -> None:
    issues = [estate.add_due_issue(user, idle_days=days) for user, days in (("ann", 300), ("joe", 250), ("zoe", 200))]
    dialogue = estate.dialogue(REMEDIATION)
    dialogue.answer("y")
    dialogue.answer("q")
    assert dialogue.exit_code() == 0, dialogue.screen
    assert [estate.key_status(issue) for issue in issues] == ["Inactive", "Active", "Active"]
    assert "ended by the operator: 1 switched off, 0 completed, 0 skipped, 0 failed, 2 left" in dialogue.screen


def test_an_answer_that_is_not_understood_is_asked_for_again(estate: Estate) -> None:
    issue = estate.add_due_issue()
    dialogue = estate.dialogue(REMEDIATION)
    dialogue.answer("yes please")
    dialogue.wait_for("y, n, a or q; Enter means n")
    dialogue.answer("n")
    assert dialogue.exit_code() == 0, dialogue.screen
    assert_left_alone(estate, issue)


def test_ctrl_d_is_no_to_all_and_says_what_batch_does(estate: Estate) -> None:
    first, second = estate.add_due_issue("ann", idle_days=300), estate.add_due_issue("joe", idle_days=250)
    dialogue = estate.dialogue(REMEDIATION)
    dialogue.wait_for("[y/N]")
    dialogue.press(b"\x04")
    assert dialogue.exit_code() == 0, dialogue.screen
    assert dialogue.screen.count("[y/N]") == 1
    assert dialogue.screen.count("--batch would switch off what may be, without asking") == 1
    assert "W-RUN-04 The input has ended, so every answer after that was no" in dialogue.screen
    for issue in (first, second):
        assert_left_alone(estate, issue)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_a_run_that_is_stopped_at_the_prompt_says_what_it_has_done_and_ends_with_130(
    estate: Estate, number: int
) -> None:
    first, second = estate.add_due_issue("ann", idle_days=300), estate.add_due_issue("joe", idle_days=250)
    dialogue = estate.dialogue(REMEDIATION)
    dialogue.answer("y")
    dialogue.wait_for("[y/N]")
    dialogue.interrupt(number)
    assert dialogue.exit_code() == 130, dialogue.screen
    assert "Remediation is interrupted: 1 switched off, 0 completed, 0 skipped, 0 failed, 1 left" in dialogue.screen
    assert estate.key_status(first) == "Inactive"
    assert estate.read(second) == second


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_a_key_that_is_in_hand_when_the_run_is_stopped_is_finished_first(estate: Estate, number: int) -> None:
    first, second = estate.add_due_issue("ann", idle_days=300), estate.add_due_issue("joe", idle_days=250)
    # The key is off and recorded, and JIRA takes its time to take the comment.
    estate.jira.latency_seconds = 1
    dialogue = estate.dialogue(REMEDIATION, "--batch")
    dialogue.wait_for("verdict=switched off")
    dialogue.interrupt(number)
    assert dialogue.exit_code() == 130, dialogue.screen
    assert "as soon as this key is finished" in dialogue.screen
    assert "interrupted: 1 switched off, 0 completed, 0 skipped, 0 failed, 1 left" in dialogue.screen
    assert len(estate.tickets_of(first)[0].comments) == 1
    assert (estate.read(first).jira.failed, estate.read(first).slack.failed) == (None, None)
    assert estate.read(second) == second


# --- what takes effect within a run ---


def test_an_exemption_that_is_made_while_the_operator_thinks_holds(estate: Estate) -> None:
    issue = estate.add_due_issue("joe")
    dialogue = estate.dialogue(REMEDIATION)
    dialogue.wait_for("[y/N]")
    estate.whitelist("joe")
    dialogue.type("y")
    assert dialogue.exit_code() == 0, dialogue.screen
    assert "whitelisted by 'joe'" in dialogue.screen
    assert_left_alone(estate, issue)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"remediation_retention_period": 400}, "within its retention period of 400 days"),
        ({"inactive_criteria_days": 3000}, "the key is not idle any more"),
        ({"remediation_accounts": []}, "taken out of the configuration's remediation_accounts meanwhile"),
    ],
    ids=["retention", "criterion", "accounts"],
)
def test_a_configuration_that_gives_more_time_while_the_operator_thinks_holds(
    estate: Estate, change: dict[str, object], reason: str
) -> None:
    issue = estate.add_due_issue("joe")
    dialogue = estate.dialogue(REMEDIATION)
    dialogue.wait_for("[y/N]")
    estate.keys(**change)
    dialogue.type("y")
    assert dialogue.exit_code() == 0, dialogue.screen
    assert reason in dialogue.screen
    assert estate.key_status(issue) == "Active"
    assert estate.read(issue).timestamps.remediation_started is None


def test_a_whitelist_that_breaks_while_the_operator_thinks_ends_the_run(estate: Estate) -> None:
    issue = estate.add_due_issue("joe")
    dialogue = estate.dialogue(REMEDIATION)
    dialogue.wait_for("[y/N]")
    (estate.folder / "whitelist.json").write_text("{", encoding="utf-8")
    dialogue.type("y")
    assert dialogue.exit_code() == 2, dialogue.screen
    assert "whitelist.json" in dialogue.screen
    assert_left_alone(estate, issue)


# --- credentials of this process ---


def test_a_key_of_a_profile_on_this_host_is_left_alone_whatever_the_process_runs_on(
    estate: Estate, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    issue, other = estate.add_due_issue("hammer"), estate.add_due_issue("joe")
    profiles = tmp_path / "credentials"
    profiles.write_text(f"[base]\naws_access_key_id = {issue.issue_id}\naws_secret_access_key = secret\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(profiles))
    result = estate.remediate()
    assert result.exit_code == 0
    assert "reason=the key is used by Hammer itself" in result.output
    assert_key_on(estate, issue)
    assert estate.key_status(other) == "Inactive"


def test_no_key_of_the_user_whose_session_token_this_process_has_is_switched_off(
    estate: Estate, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Whoever has a token of moto's is the user moto.
    issue, other = estate.add_due_issue("moto"), estate.add_due_issue("joe")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token")
    result = estate.remediate()
    assert result.exit_code == 0
    assert "reason=the key is used by Hammer itself" in result.output
    assert_key_on(estate, issue)
    assert estate.key_status(other) == "Inactive"


def test_a_role_is_assumed_again_before_its_session_ends(estate: Estate, wire: Wire) -> None:
    issue = estate.add_due_issue("ann", account=OTHER)
    settings = load()
    switch = KeySwitch(wiring.account_access(settings), settings.aws.accounts)
    with time_machine.travel(estate.now, tick=False) as clock:
        for minutes, assumed in ((0, 1), (40, 1), (10, 2), (40, 2)):
            clock.shift(timedelta(minutes=minutes))
            switch.look(issue)
            assert wire.sent.count("AssumeRole") == assumed


# --- the plan for programs ---


def test_a_plan_as_json_comes_alone_on_standard_output(estate: Estate) -> None:
    due = estate.add_due_issue("joe", idle_days=250)
    waiting = estate.add_due_issue("ann", reported=estate.ago(days=1))
    unreported = estate.add_issue("zoe", account=OTHER)
    done = estate.process(REMEDIATION, "--dry-run", "--format", "json")
    assert done.returncode == 0, done.stderr
    plan = {row["key"]: row for row in json.loads(done.stdout)}
    reported = due.timestamps.reported
    assert reported is not None
    assert plan[due.issue_id] == {
        "account": MAIN,
        "account_name": "master",
        "user": "joe",
        "key": due.issue_id,
        "verdict": "would be switched off",
        "reason": f"due since {reported + timedelta(days=RETENTION_DAYS):%Y-%m-%d %H:%M} UTC",
        "due": (reported + timedelta(days=RETENTION_DAYS)).isoformat(),
        "idle_days": 250,
        "created": due.details.create_date.isoformat(),
        "last_used": due.details.last_used.isoformat(),
        "reported": reported.isoformat(),
        "promised": (reported + timedelta(days=RETENTION_DAYS)).isoformat(),
        "ticket": due.jira.ticket,
        "assignee": "Support-General",
    }
    assert plan[waiting.issue_id]["verdict"] == "skipped"
    assert plan[waiting.issue_id]["due"] == (estate.ago(days=1) + timedelta(days=RETENTION_DAYS)).isoformat()
    assert (plan[unreported.issue_id]["reason"], plan[unreported.issue_id]["due"]) == ("not reported yet", None)


def test_a_plan_as_csv_has_the_same_columns_and_quotes_what_needs_it(estate: Estate) -> None:
    issue = estate.add_due_issue('odd "user", with a comma')
    done = estate.process(REMEDIATION, "--dry-run", "--format", "csv")
    assert done.returncode == 0, done.stderr
    (row,) = csv.DictReader(io.StringIO(done.stdout))
    assert row["key"] == issue.issue_id
    assert row["user"] == 'odd "user", with a comma'
    as_json = json.loads(estate.process(REMEDIATION, "--dry-run", "--format", "json").stdout)
    assert list(row) == list(as_json[0])


def test_a_format_without_a_dry_run_is_a_usage_error(estate: Estate) -> None:
    issue = estate.add_due_issue()
    assert estate.remediate("--format", "json").exit_code == 2
    assert_left_alone(estate, issue)


# --- failures ---


def test_a_failure_to_switch_off_is_recorded_as_nothing_but_a_failure(estate: Estate) -> None:
    issue = estate.add_due_issue()
    estate.accounts.fail(MAIN, "UpdateAccessKey", "AccessDenied")

    result = estate.remediate()

    assert result.exit_code == 1
    assert f"key={issue.issue_id} verdict=failed reason=the key could not be switched off: " in result.output
    assert (
        f"Access denied in Account(id='{MAIN}', name='master') (iam:UpdateAccessKey of key {issue.issue_id} of user "
        "'joe'): AccessDenied on UpdateAccessKey, as it was asked for"
    ) in result.output
    assert estate.key_status(issue) == "Active"
    after = estate.read(issue)
    assert after.remediation_error is not None
    assert "iam:UpdateAccessKey" in after.remediation_error.cause
    assert after.remediation_error.time >= estate.now
    assert after.timestamps == issue.timestamps
    (ticket,) = estate.tickets_of(issue)
    (comment,) = ticket.comments
    assert "could not switch this access key" in comment
    assert "iam:UpdateAccessKey" in comment


def test_news_of_a_failure_settles_no_other_delivery_that_jira_owes(estate: Estate) -> None:
    issue = estate.add_due_issue()
    issue = replace(issue, jira=replace(issue.jira, failed=estate.ago(days=2)))
    estate.put(issue)
    estate.accounts.fail(MAIN, "UpdateAccessKey", "AccessDenied")

    assert estate.remediate().exit_code == 1

    assert estate.tickets_of(issue)[0].comments
    assert estate.read(issue).jira.failed == issue.jira.failed


def test_a_failure_gets_one_comment_and_not_one_for_each_run(estate: Estate) -> None:
    issue = estate.add_due_issue()
    estate.accounts.fail(MAIN, "UpdateAccessKey", "AccessDenied")
    for _ in range(3):
        assert estate.remediate().exit_code == 1
    assert len(estate.tickets_of(issue)[0].comments) == 1


def test_the_run_after_a_failure_tries_again_and_clears_the_error(estate: Estate) -> None:
    issue = estate.add_due_issue()
    estate.accounts.fail(MAIN, "UpdateAccessKey", "AccessDenied", times=1)
    assert estate.remediate().exit_code == 1

    assert estate.remediate().exit_code == 0

    assert estate.key_status(issue) == "Inactive"
    after = estate.read(issue)
    assert after.remediation_error is None
    assert after.timestamps.remediated is not None
    assert len(estate.tickets_of(issue)[0].comments) == 2


def test_one_key_that_fails_does_not_stop_the_others(estate: Estate) -> None:
    failing = estate.add_due_issue("ann", account=OTHER, idle_days=300)
    good = estate.add_due_issue("joe")
    estate.accounts.fail(OTHER, "UpdateAccessKey", "AccessDenied")
    result = estate.remediate()
    assert result.exit_code == 1
    assert "Remediation is done: 1 switched off, 0 completed, 0 skipped, 1 failed" in result.output
    assert_key_on(estate, failing)
    assert estate.key_status(good) == "Inactive"


@pytest.mark.parametrize("status", [Status.OPEN, Status.RESOLVED])
def test_a_key_that_is_off_with_an_intent_and_no_remediated_is_completed(estate: Estate, status: Status) -> None:
    resolved: dict[str, Any] = {"resolution": Resolution.REMEDIATED, "resolved": estate.ago(minutes=5)}
    issue = estate.add_due_issue(
        key_status="Inactive",
        remediation_started=estate.ago(minutes=10),
        status=status,
        **(resolved if status is Status.RESOLVED else {}),
    )

    result = estate.remediate()

    assert result.exit_code == 0, result.output
    # The metric of the keys that are switched off counts these lines.
    assert "verdict=switched off reason=an earlier run was cut off; the key is off" in result.output
    assert "Remediation is done: 0 switched off, 1 completed, 0 skipped, 0 failed" in result.output
    after = estate.read(issue)
    assert after.timestamps.remediated is not None
    assert after.status is status
    assert "Hammer switched this access key off" in estate.tickets_of(issue)[0].comments[0]
    assert len(estate.messages()) == 1


def test_an_intent_whose_key_is_still_on_is_carried_out(estate: Estate) -> None:
    issue = estate.add_due_issue(remediation_started=estate.ago(minutes=10))
    assert estate.remediate().exit_code == 0
    assert estate.key_status(issue) == "Inactive"
    assert estate.read(issue).timestamps.remediated is not None


def test_an_intent_does_not_outweigh_a_use_or_an_exemption(estate: Estate) -> None:
    used = estate.add_due_issue("ann", remediation_started=estate.ago(minutes=10))
    exempted = estate.add_due_issue("joe", remediation_started=estate.ago(minutes=10))
    estate.accounts.use_key(MAIN, used.issue_id, estate.now)
    estate.whitelist("joe")
    assert estate.remediate().exit_code == 0
    assert [estate.key_status(issue) for issue in (used, exempted)] == ["Active", "Active"]


def test_an_answer_that_got_lost_is_not_taken_for_a_failure(estate: Estate) -> None:
    issue = estate.add_due_issue(key_status="Inactive", remediation_started=estate.ago(minutes=10))
    error = RemediationError("the connection broke", estate.ago(minutes=10))
    estate.put(replace(issue, remediation_error=error))
    assert estate.remediate().exit_code == 0
    after = estate.read(issue)
    assert after.timestamps.remediated is not None
    assert after.remediation_error is None


def test_a_ticket_that_is_gone_is_a_warning_and_not_a_failure(estate: Estate) -> None:
    issue = estate.add_due_issue(ticket="AWSSEC-77")
    result = estate.remediate()
    assert result.exit_code == 0, result.output
    assert "WARNING" in result.output
    assert "AWSSEC-77" in result.output
    assert estate.key_status(issue) == "Inactive"
    assert estate.read(issue).jira.failed is None


@pytest.mark.parametrize("channel", ["JIRA", "Slack"])
def test_what_a_channel_did_not_take_is_made_up_for_by_the_next_run(estate: Estate, channel: str) -> None:
    issue = estate.add_due_issue()
    if channel == "JIRA":
        estate.jira_is_down()
    else:
        estate.slack_is_down()
    result = estate.remediate()
    assert result.exit_code == 1
    assert f"{channel}: " in result.output
    assert estate.key_status(issue) == "Inactive"
    owed = estate.read(issue)
    assert owed.timestamps.remediated is not None
    assert (owed.jira.failed is not None, owed.slack.failed is not None) == (channel == "JIRA", channel == "Slack")

    assert estate.remediate().exit_code == 0

    after = estate.read(issue)
    assert (after.jira.failed, after.slack.failed) == (None, None)
    assert after.timestamps == owed.timestamps
    assert len(estate.tickets_of(issue)[0].comments) == 1
    assert len(estate.messages()) == 1


def test_with_neither_channel_enabled_the_key_is_switched_off_without_a_secret(estate: Estate) -> None:
    estate.configure(jira={"enabled": False}, slack={"enabled": False}, credentials={"secret_name": "no-such-secret"})
    issue = estate.add_due_issue()
    assert estate.remediate().exit_code == 0
    after = estate.read(issue)
    assert estate.key_status(issue) == "Inactive"
    assert (after.jira.failed, after.slack.failed) == (None, None)


def test_a_secret_that_is_missing_ends_with_2_before_any_key_is_touched(estate: Estate) -> None:
    estate.configure(credentials={"secret_name": "no-such-secret"})
    issue = estate.add_due_issue()
    result = estate.remediate()
    assert result.exit_code == 2
    assert "no-such-secret" in result.output
    assert_left_alone(estate, issue)


def test_a_new_cause_gets_a_comment_of_its_own(estate: Estate) -> None:
    issue = estate.add_due_issue()
    estate.accounts.fail(MAIN, "UpdateAccessKey", "AccessDenied", times=2)
    estate.remediate()
    estate.remediate()
    estate.accounts.fail(MAIN, "UpdateAccessKey", "LimitExceeded", times=1)
    estate.remediate()
    comments = estate.tickets_of(issue)[0].comments
    assert [("AccessDenied" in each or "Access denied" in each, "LimitExceeded" in each) for each in comments] == [
        (True, False),
        (False, True),
    ]
    assert all("the key is still active" in each for each in comments)


def test_where_nobody_knows_whether_the_key_is_off_nothing_is_claimed_and_the_next_run_completes(
    estate: Estate, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    issue = estate.add_due_issue()
    monkeypatch.setattr(time, "sleep", lambda _: None)
    # AWS takes the call and shows no effect of it, not even after a while.
    wire.react("UpdateAccessKey", lambda _: answer(200, "<UpdateAccessKeyResponse/>"))
    result = estate.remediate()
    assert result.exit_code == 1
    assert "was set to Inactive, but IAM lists it as Active" in result.output
    after = estate.read(issue)
    assert after.timestamps.remediated is None
    assert after.timestamps.remediation_started is not None
    (comment,) = estate.tickets_of(issue)[0].comments
    assert "is not known" in comment
    assert "Hammer switched" not in comment

    estate.iam().update_access_key(UserName="joe", AccessKeyId=issue.issue_id, Status="Inactive")
    wire.withdraw("UpdateAccessKey")
    assert estate.remediate().exit_code == 0
    assert estate.read(issue).timestamps.remediated is not None


def test_a_mistake_on_one_key_does_not_stop_the_others(estate: Estate, wire: Wire) -> None:
    odd, good = estate.add_due_issue("ann", idle_days=300), estate.add_due_issue("joe")

    def mistake(request: AWSPreparedRequest) -> None:
        if odd.issue_id in body_of(request):
            raise TypeError("odd")

    wire.react("UpdateAccessKey", mistake)
    done = estate.remediate()
    assert done.exit_code == 1
    assert f"ERROR E-RUN-01 {odd.name}: unexpected TypeError('odd') in " in done.output
    assert estate.key_status(good) == "Inactive"


def test_before_the_first_question_skipped_keys_are_one_line_and_what_batch_would_do_is_said_once(
    estate: Estate,
) -> None:
    asked = [estate.add_due_issue(user) for user in ("ann", "joe")]
    skipped = [estate.add_issue(f"new{number}") for number in range(5)]
    dialogue = estate.dialogue(REMEDIATION)
    dialogue.wait_for("Not to be switched off: 5 (-v and --dry-run say why)")
    dialogue.wait_for("To be looked at and asked about: 2; --batch would switch off what may be, without asking")
    dialogue.wait_for("1 of 2")
    dialogue.answer("n")
    dialogue.wait_for("2 of 2")
    dialogue.answer("n")
    assert dialogue.exit_code() == 0, dialogue.screen
    assert [issue.issue_id for issue in skipped if issue.issue_id in dialogue.screen] == []
    assert all(f"key={issue.issue_id} verdict=skipped reason=refused" in dialogue.screen for issue in asked)
    assert dialogue.screen.count("--batch") == 1
    assert "Remediation is done: 0 switched off, 0 completed, 7 skipped, 0 failed" in dialogue.screen


def test_with_v_each_skipped_key_is_a_line_and_with_q_only_questions_are_asked(estate: Estate) -> None:
    asked, skipped = estate.add_due_issue("ann"), estate.add_issue("new")
    verbose = estate.dialogue(REMEDIATION, "-v")
    verbose.wait_for(f"key={skipped.issue_id} verdict=skipped")
    verbose.answer("n")
    assert verbose.exit_code() == 0, verbose.screen
    assert "Not to be switched off" not in verbose.screen
    quiet = estate.dialogue(REMEDIATION, "-q")
    quiet.wait_for(asked.issue_id)
    quiet.answer("n")
    assert quiet.exit_code() == 0, quiet.screen
    assert "Configuration in force" in verbose.screen
    assert "Configuration in force" not in quiet.screen
    assert skipped.issue_id not in quiet.screen


def test_on_a_terminal_a_plan_says_each_key_once_and_with_v_twice(estate: Estate) -> None:
    due, new = estate.add_due_issue("ann"), estate.add_issue("new")
    for options, times in (("--dry-run",), 1), (("--dry-run", "-v"), 2):
        shown = estate.dialogue(REMEDIATION, *options, columns=80)
        assert shown.exit_code() == 0, shown.screen
        assert [shown.screen.count(issue.issue_id) for issue in (due, new)] == [times, times]
        said = "Nothing was changed; the dry run is done: 1 would be switched off, 1 skipped, 0 failed"
        assert said in shown.screen
        # Each is a block of lines that leaves out what is empty.
        assert "due since 20" in shown.screen
        assert "due (UTC)" not in shown.screen


def test_without_a_terminal_it_is_said_once_before_and_each_skipped_key_is_a_line(estate: Estate) -> None:
    due, new = estate.add_due_issue("ann"), estate.add_issue("new")
    done = estate.process(REMEDIATION)
    assert done.returncode == 0
    said = "W-RUN-04 There is no terminal to ask at, so every answer is no; --batch would switch off what may be"
    assert done.stderr.count("W-RUN-04") == 1
    assert done.stderr.index(said) < done.stderr.index(f"key={due.issue_id} ")
    assert f"key={new.issue_id} verdict=skipped" in done.stderr
