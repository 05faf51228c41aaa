"""Going back: keys that this system switched off are switched on again, and nothing else is."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from library.issues import Episode, Issue, Status
from library.lifecycle import reconcile
from tests.host.conftest import MAIN, OTHER, REMEDIATION, RESTORE, Estate

pytestmark = pytest.mark.moto


def switched_off(estate: Estate, user: str, *, account: str = MAIN, days_ago: float = 1) -> Issue:
    """An issue whose key this system has switched off."""
    return estate.add_due_issue(
        user,
        account=account,
        key_status="Inactive",
        remediation_started=estate.ago(days=days_ago, minutes=1),
        remediated=estate.ago(days=days_ago),
    )


def test_a_key_is_switched_on_again_recorded_and_told(estate: Estate) -> None:
    issue = estate.add_due_issue("joe")
    assert estate.remediate().exit_code == 0
    before = estate.read(issue)

    result = estate.restore("--key", issue.issue_id)

    assert result.exit_code == 0, result.output
    assert estate.key_status(issue) == "Active"
    after = estate.read(issue)
    assert after.timestamps.restored is not None
    assert before.timestamps.remediated is not None
    assert after.timestamps.restored > before.timestamps.remediated
    assert after.status is Status.OPEN
    assert "switched on again" in estate.messages()[-1][1].lower()
    comment = estate.tickets_of(issue)[0].comments[-1]
    assert "switch this access key" in comment
    assert "on again" in comment
    assert f"account={MAIN} user=joe key={issue.issue_id} verdict=switched on" in result.output
    assert "Restore is done: 1 switched on, 0 skipped, 0 failed" in result.output


@pytest.mark.parametrize("account", [MAIN, OTHER])
def test_ticket_names_the_key_to_restore(estate: Estate, account: str) -> None:
    meant, other = switched_off(estate, "joe", account=account), switched_off(estate, "ann")
    assert estate.restore("--ticket", str(meant.jira.ticket)).exit_code == 0
    assert estate.key_status(meant) == "Active"
    assert estate.key_status(other) == "Inactive"
    assert estate.read(other) == other


@pytest.mark.parametrize("form", ["days", "date"])
def test_since_names_every_key_switched_off_from_then_on(estate: Estate, form: str) -> None:
    # The midnight is taken from a day that is far enough from both keys.
    since = "4d" if form == "days" else f"{estate.ago(days=4):%Y-%m-%d}"
    recent, old = switched_off(estate, "joe", days_ago=3), switched_off(estate, "ann", days_ago=6)
    assert estate.restore("--since", since).exit_code == 0
    assert estate.key_status(recent) == "Active"
    assert estate.key_status(old) == "Inactive"


def test_since_is_inclusive_for_the_whole_of_its_day(estate: Estate) -> None:
    issue = switched_off(estate, "joe", days_ago=2)
    assert estate.restore("--since", f"{estate.ago(days=2):%Y-%m-%d}").exit_code == 0
    assert estate.key_status(issue) == "Active"


def test_a_key_that_somebody_else_switched_off_stays_off(estate: Estate) -> None:
    issue = estate.add_due_issue("joe", key_status="Inactive")
    result = estate.restore("--key", issue.issue_id)
    assert result.exit_code == 0
    assert "reason=this system did not switch the key off" in result.output
    assert estate.key_status(issue) == "Inactive"
    assert estate.read(issue) == issue


def test_a_key_that_was_restored_before_and_switched_off_by_somebody_since_stays_off(estate: Estate) -> None:
    issue = switched_off(estate, "joe")
    estate.restore("--key", issue.issue_id)
    estate.iam().update_access_key(UserName="joe", AccessKeyId=issue.issue_id, Status="Inactive")
    rows = estate.rows()
    result = estate.restore("--key", issue.issue_id)
    assert result.exit_code == 0
    assert "switched on again at" in result.output
    assert estate.key_status(issue) == "Inactive"
    assert estate.rows() == rows


def test_only_an_inactive_key_is_restored(estate: Estate) -> None:
    on, gone = switched_off(estate, "joe"), switched_off(estate, "ann")
    estate.iam().update_access_key(UserName="joe", AccessKeyId=on.issue_id, Status="Active")
    estate.iam().delete_access_key(UserName="ann", AccessKeyId=gone.issue_id)
    result = estate.restore("--since", "3d")
    assert result.exit_code == 0
    assert "the key is on already" in result.output
    assert "the key does not exist any more" in result.output
    assert (estate.read(on), estate.read(gone)) == (on, gone)
    assert estate.messages() == []


def test_a_restored_key_begins_a_new_episode_reactivated_with_the_next_scan(estate: Estate) -> None:
    issue = switched_off(estate, "joe")
    estate.restore("--key", issue.issue_id)
    record = estate.read(issue)
    now = datetime.now(UTC)

    after = reconcile(MAIN, issue.issue_id, record, issue.details, whitelisted=False, now=now)

    assert after is not None
    assert (after.status, after.episode) == (Status.OPEN, Episode.REACTIVATED)
    assert (after.timestamps.reported, after.timestamps.remediated) == (None, None)
    assert after.jira.ticket == issue.jira.ticket


def test_a_restored_key_is_not_switched_off_again_by_the_next_remediation(estate: Estate) -> None:
    issue = switched_off(estate, "joe")
    estate.restore("--key", issue.issue_id)
    assert estate.remediate().exit_code == 0
    assert estate.key_status(issue) == "Active"


def test_a_dry_run_changes_nothing_anywhere(estate: Estate) -> None:
    switched_off(estate, "joe")
    rows, accounts = estate.rows(), json.dumps(estate.accounts.state())
    result = estate.restore("--since", "3d", "--dry-run")
    assert result.exit_code == 0
    assert "would be switched on" in result.output
    assert estate.rows() == rows
    assert json.dumps(estate.accounts.state()) == accounts
    assert (estate.jira.requests, estate.slack.requests) == ([], [])


def test_the_operator_is_asked_key_by_key(estate: Estate) -> None:
    first, second = switched_off(estate, "ann"), switched_off(estate, "joe")
    dialogue = estate.dialogue(RESTORE, "--since", "3d")
    answers = {first.issue_id: "y", second.issue_id: "n"}
    for key in sorted(answers):
        dialogue.wait_for(key)
        dialogue.answer(answers[key])
    assert dialogue.exit_code() == 0, dialogue.screen
    assert estate.key_status(first) == "Active"
    assert estate.key_status(second) == "Inactive"


def test_no_terminal_means_no(estate: Estate) -> None:
    issue = switched_off(estate, "joe")
    done = estate.process(RESTORE, "--key", issue.issue_id)
    assert done.returncode == 0
    assert "--batch" in done.stderr
    assert estate.key_status(issue) == "Inactive"


def test_limit_account_and_user_narrow_it_down(estate: Estate) -> None:
    joe, ann = switched_off(estate, "joe"), switched_off(estate, "ann", account=OTHER)
    estate.restore("--since", "3d", "--account", OTHER, "--user", "JOE")
    assert [estate.key_status(issue) for issue in (joe, ann)] == ["Inactive", "Inactive"]
    estate.restore("--since", "3d", "--limit", "1")
    assert sorted(estate.key_status(issue) for issue in (joe, ann)) == ["Active", "Inactive"]


def test_keys_that_need_no_restoring_do_not_use_up_the_limit(estate: Estate) -> None:
    issues = switched_off(estate, "joe"), switched_off(estate, "ann")
    first, second = sorted(issues, key=lambda issue: issue.issue_id)
    estate.iam().update_access_key(UserName=first.details.username, AccessKeyId=first.issue_id, Status="Active")
    estate.restore("--since", "3d", "--limit", "1")
    assert estate.key_status(second) == "Active"


@pytest.mark.parametrize(("option", "value"), [("--key", "AKIANOSUCHKEY"), ("--ticket", "AWSSEC-999")])
def test_a_key_or_ticket_that_names_no_issue_is_said_with_exit_code_1(
    estate: Estate, option: str, value: str
) -> None:
    result = estate.restore(option, value)
    assert result.exit_code == 1
    assert f"{option} {value}: no issue" in result.output


@pytest.mark.parametrize("arguments", [[], ["--since", "yesterday"], ["--since", "2026-13-01"]])
def test_without_a_choice_that_can_be_understood_it_is_a_usage_error(estate: Estate, arguments: list[str]) -> None:
    assert estate.restore(*arguments).exit_code == 2


def test_a_failure_to_switch_on_is_said_with_exit_code_1_and_not_recorded_as_done(estate: Estate) -> None:
    failing, good = switched_off(estate, "ann", account=OTHER), switched_off(estate, "joe")
    estate.accounts.fail(OTHER, "UpdateAccessKey", "AccessDenied")
    result = estate.restore("--since", "3d")
    assert result.exit_code == 1
    assert "(iam:UpdateAccessKey)" in result.output
    assert estate.read(failing) == failing
    assert estate.key_status(good) == "Active"


def test_help_needs_neither_configuration_nor_aws(estate: Estate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HAMMER_CONFIG", str(estate.folder / "nowhere"))
    done = estate.process(RESTORE, "--help")
    assert done.returncode == 0
    assert "--since" in done.stdout


def test_what_the_remediation_comment_says_to_type_brings_the_key_back(estate: Estate) -> None:
    issue = estate.add_due_issue("joe")
    assert estate.process(REMEDIATION, "--batch").returncode == 0
    comment = estate.tickets_of(issue)[0].comments[0]
    (command,) = [line for line in comment.splitlines() if line.startswith("python -m ")]
    _, _, module, *arguments = command.split()
    done = estate.process(module, *arguments, "--batch")
    assert done.returncode == 0, done.stderr
    assert estate.key_status(issue) == "Active"


@pytest.mark.parametrize("channel", ["JIRA", "Slack"])
def test_a_channel_that_did_not_take_the_word_on_the_restoring_gets_that_word_later(
    estate: Estate, channel: str
) -> None:
    issue = switched_off(estate, "joe")
    if channel == "JIRA":
        estate.jira_is_down()
    else:
        estate.slack_is_down()
    result = estate.restore("--key", issue.issue_id)
    assert result.exit_code == 1
    assert estate.key_status(issue) == "Active"

    assert estate.report().exit_code == 0

    ((_, text),) = estate.messages()
    assert text.startswith("*Switched on again:*")
    (comment,) = estate.tickets_of(issue)[0].comments
    assert "had Hammer switch this access key" in comment
    assert (estate.read(issue).jira.failed, estate.read(issue).slack.failed) == (None, None)
