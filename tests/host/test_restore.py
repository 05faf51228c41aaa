"""Going back: keys that this system switched off are switched on again, and nothing else is."""

from __future__ import annotations

import csv
import io
import json
import shutil
import signal
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import boto3
import pytest

from deployment.local.stand_in import Raw, Rule, Silence
from library.issues.record import Episode, Issue, Resolution, RestoreDetails, Status
from library.issues.scanning import Finding, reconcile
from library.text import utc
from tests.wire import Wire, answer
from tests.world import MAIN, OTHER, REGION, REMEDIATION, REPORTING, RESTORE, SECRET, SHOW, TABLE
from tests.world.configuration import CREDENTIALS, OWNERS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.world.estate import Estate


def scanned(issue: Issue, now: datetime) -> Issue:
    """The issue after a scan at `now` that finds its key idle."""
    step = reconcile(
        issue.account_id,
        Finding(issue.issue_id, issue.details.username, issue.details),
        issue,
        exemption=None,
        now=now,
    )
    assert step is not None
    return step.after


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
    assert "Restore is done: 1 switched on, 0 completed, 0 skipped, 0 failed" in result.output


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

    after = scanned(record, now)
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
    assert f"key={failing.issue_id} verdict=failed reason=the key could not be switched on: " in result.output
    assert "(iam:UpdateAccessKey of key " in result.output
    assert estate.read(failing) == failing
    assert estate.key_status(good) == "Active"


def test_help_needs_neither_configuration_nor_aws(estate: Estate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HAMMER_CONFIG", str(estate.folder / "nowhere"))
    done = estate.process(RESTORE, "--help")
    assert done.returncode == 0
    assert "--since" in done.stdout


def test_by_the_number_of_the_ticket_alone_as_its_comment_says_the_key_can_be_switched_on_again(
    estate: Estate,
) -> None:
    issue = estate.add_due_issue("joe")
    assert estate.process(REMEDIATION, "--batch").returncode == 0
    (ticket,) = estate.tickets_of(issue)
    assert "by the number of this ticket" in ticket.comments[0]
    done = estate.process(RESTORE, "--ticket", ticket.key, "--batch")
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


# --- who, and what a run that was cut off has left ---

BY = "arn:aws:iam::123456789012:user/bob"


def test_who_wanted_it_is_recorded_and_said_everywhere(estate: Estate) -> None:
    issue = switched_off(estate, "joe")
    estate.restore("--key", issue.issue_id)
    who = _caller()
    after = estate.read(issue)
    assert after.restore is not None
    assert after.restore.by == who
    assert after.timestamps.restored is not None
    assert after.restore.started < after.timestamps.restored
    assert who.replace(":", "") in estate.tickets_of(issue)[0].comments[-1].replace("&#58;", "").replace(":", "")
    assert who in estate.messages()[-1][1]
    assert [(entry["what"], entry["why"]) for entry in after.history][:1] == [
        ("about to be switched on again", f"wanted by {who}")
    ]


def _caller() -> str:
    return str(boto3.client("sts").get_caller_identity()["Arn"])


def test_what_a_run_has_switched_on_and_not_recorded_is_completed_in_the_name_of_who_began_it(estate: Estate) -> None:
    issue = switched_off(estate, "joe")
    estate.put(replace(issue, restore=RestoreDetails(BY, estate.ago(minutes=5))))
    estate.iam().update_access_key(UserName="joe", AccessKeyId=issue.issue_id, Status="Active")
    result = estate.restore("--since", "3d")
    assert result.exit_code == 0, result.output
    assert f"verdict=switched on reason=wanted by {BY}; an earlier run was cut off, the key is on" in result.output
    assert "0 switched on, 1 completed" in result.output
    after = estate.read(issue)
    assert after.timestamps.restored is not None
    assert BY.rpartition("/")[2] in estate.tickets_of(issue)[0].comments[-1]
    assert BY in estate.messages()[-1][1]


def test_it_is_completed_even_if_a_scan_came_first(estate: Estate) -> None:
    issue = switched_off(estate, "joe")
    begun = replace(issue, restore=RestoreDetails(BY, estate.ago(minutes=5)))
    estate.iam().update_access_key(UserName="joe", AccessKeyId=issue.issue_id, Status="Active")
    again = scanned(begun, datetime.now(UTC))
    assert again.timestamps.remediated is None
    estate.put(again)
    assert "1 completed" in estate.restore("--since", "3d").output
    assert estate.read(issue).timestamps.restored is not None
    assert len(estate.messages()) == 1


def test_an_intent_whose_key_is_still_off_is_carried_out(estate: Estate) -> None:
    issue = switched_off(estate, "joe")
    estate.put(replace(issue, restore=RestoreDetails(BY, estate.ago(minutes=5))))
    assert estate.restore("--key", issue.issue_id).exit_code == 0
    assert estate.key_status(issue) == "Active"
    after = estate.read(issue)
    assert after.restore is not None
    assert after.restore.by == _caller()


def test_a_key_that_a_remediation_switched_off_and_did_not_record_is_brought_back_and_stays(estate: Estate) -> None:
    issue = estate.add_due_issue("joe", key_status="Inactive", remediation_started=estate.ago(minutes=10))
    assert estate.restore("--key", issue.issue_id).exit_code == 0
    assert estate.key_status(issue) == "Active"
    assert estate.remediate().exit_code == 0
    assert estate.key_status(issue) == "Active"
    after = estate.read(issue)
    assert scanned(after, datetime.now(UTC)).episode is Episode.REACTIVATED


def test_what_was_not_told_is_told_by_the_next_restore(estate: Estate) -> None:
    issue = switched_off(estate, "joe")
    estate.slack_is_down()
    assert estate.restore("--key", issue.issue_id).exit_code == 1
    result = estate.restore("--key", issue.issue_id)
    assert result.exit_code == 0
    assert "1 completed" in result.output
    assert estate.messages()[-1][1].startswith("*Switched on again:*")
    assert _caller() in estate.messages()[-1][1]
    assert len(estate.tickets_of(issue)[0].comments) == 1


def test_a_refusal_of_iam_leaves_no_intent_behind(estate: Estate) -> None:
    issue = switched_off(estate, "joe")
    estate.accounts.fail(MAIN, "UpdateAccessKey", "AccessDenied", times=1)
    assert estate.restore("--key", issue.issue_id).exit_code == 1
    assert estate.read(issue).restore is None
    assert estate.messages() == []
    assert estate.tickets_of(issue)[0].comments == []


def test_where_nobody_knows_whether_the_key_is_on_nothing_is_claimed_and_the_next_run_completes(
    estate: Estate, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    issue = switched_off(estate, "joe")
    monkeypatch.setattr(time, "sleep", lambda _: None)
    wire.react("UpdateAccessKey", lambda _: answer(200, "<UpdateAccessKeyResponse/>"))
    result = estate.restore("--key", issue.issue_id)
    assert result.exit_code == 1
    assert "was set to Active, but IAM lists it as Inactive" in result.output
    assert estate.read(issue).restore is not None
    assert estate.read(issue).timestamps.restored is None
    assert estate.messages() == []
    wire.withdraw("UpdateAccessKey")
    estate.iam().update_access_key(UserName="joe", AccessKeyId=issue.issue_id, Status="Active")
    assert "1 completed" in estate.restore("--key", issue.issue_id).output


def test_a_key_that_is_expired_is_no_key_that_we_switched_off(estate: Estate) -> None:
    issue = switched_off(estate, "joe")
    estate.iam().update_access_key(UserName="joe", AccessKeyId=issue.issue_id, Status="Expired")
    result = estate.restore("--key", issue.issue_id)
    assert result.exit_code == 0
    assert "reason=the key is Expired" in result.output
    assert estate.read(issue) == issue


# --- the prompt and the plan ---


def test_the_prompt_takes_a_and_q(estate: Estate) -> None:
    issues = [switched_off(estate, user, account=account) for account, user in ((MAIN, "ann"), (MAIN, "joe"))]
    elsewhere = [switched_off(estate, user, account=OTHER) for user in ("kim", "zoe")]
    dialogue = estate.dialogue(RESTORE, "--since", "3d")
    used = f"{issues[0].details.last_used:%Y-%m-%d %H:%M} UTC (s3 in {REGION})"
    for fact in (f"master ({MAIN})", f"last used  {used}", "off since", "ticket", "Support-General"):
        dialogue.wait_for(fact)
    dialogue.answer("a")
    dialogue.wait_for(f"slave1 ({OTHER})")
    dialogue.answer("q")
    assert dialogue.exit_code() == 0, dialogue.screen
    assert [estate.key_status(issue) for issue in issues] == ["Active", "Active"]
    assert [estate.key_status(issue) for issue in elsewhere] == ["Inactive", "Inactive"]
    said = "Restore is ended by the operator: 2 switched on, 0 completed, 0 skipped, 0 failed, 2 left"
    assert said in dialogue.screen


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_a_stop_at_the_prompt_ends_with_130(estate: Estate, number: int) -> None:
    issue = switched_off(estate, "joe")
    dialogue = estate.dialogue(RESTORE, "--key", issue.issue_id)
    dialogue.wait_for("[y/N]")
    dialogue.interrupt(number)
    assert dialogue.exit_code() == 130, dialogue.screen
    assert "Restore is interrupted: 0 switched on, 0 completed, 0 skipped, 0 failed, 1 left" in dialogue.screen
    assert estate.read(issue) == issue


def test_ctrl_d_is_no_to_all(estate: Estate) -> None:
    issues = [switched_off(estate, "ann"), switched_off(estate, "joe")]
    dialogue = estate.dialogue(RESTORE, "--since", "3d")
    dialogue.wait_for("[y/N]")
    dialogue.press(b"\x04")
    assert dialogue.exit_code() == 0, dialogue.screen
    assert dialogue.screen.count("[y/N]") == 1
    assert {estate.key_status(issue) for issue in issues} == {"Inactive"}


def test_the_plan_can_be_had_as_json(estate: Estate) -> None:
    issue, other = switched_off(estate, "joe"), estate.add_due_issue("ann")
    done = estate.process(RESTORE, "--key", issue.issue_id, "--key", other.issue_id, "--dry-run", "--format", "json")
    assert done.returncode == 0, done.stderr
    assert {row["key"]: (row["verdict"], row["reason"][:12]) for row in json.loads(done.stdout)} == {
        issue.issue_id: ("would be switched on", "switched off"),
        other.issue_id: ("skipped", "this system "),
    }


def test_an_account_that_is_unknown_is_said_with_exit_code_2(estate: Estate) -> None:
    issue = switched_off(estate, "joe")
    result = estate.restore("--since", "3d", "--account", "999999999999")
    assert result.exit_code == 2
    assert "--account 999999999999: not one of aws.accounts" in result.output
    assert estate.key_status(issue) == "Inactive"


# --- the way back stands alone: the table and IAM are enough ---


def breakages(estate: Estate, what: str) -> None:
    """Break something that a restore has no need of."""
    match what:
        case "no secret":
            boto3.client("secretsmanager").delete_secret(SecretId=SECRET, ForceDeleteWithoutRecovery=True)
        case "broken whitelist":
            (estate.folder / "whitelist.json").write_text("{", encoding="utf-8")
        case "broken owners":
            estate.owners({"jira_projekt": "AWSSEC"})
        case "broken config.ini":
            (estate.folder / "config.ini").mkdir()


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("no secret", "E-RUN-06 Nobody can be told now, which the next report makes up for: Secret"),
        (
            "broken whitelist",
            "E-CONFIG-01 Nobody can be told now, which the next report makes up for: whitelist.json",
        ),
        ("broken owners", "W-CONFIG-01 ticket_owners.json: jira_projekt"),
        ("broken config.ini", "E-CONFIG-01 Nobody can be told now, which the next report makes up for: config.ini"),
    ],
)
def test_a_key_is_switched_on_whatever_is_broken_beside_and_people_are_told_once_it_is_mended(
    estate: Estate, what: str, said: str
) -> None:
    issue = switched_off(estate, "joe")
    breakages(estate, what)
    result = estate.restore("--key", issue.issue_id)
    assert result.exit_code == 1
    assert said in result.output
    assert estate.key_status(issue) == "Active"
    owing = estate.read(issue)
    assert owing.on_again_since is not None
    assert None not in (owing.jira.failed, owing.slack.failed)

    if what == "no secret":
        boto3.client("secretsmanager").create_secret(Name=SECRET, SecretString=json.dumps(CREDENTIALS))
    if what == "broken config.ini":
        (estate.folder / "config.ini").rmdir()
    estate.whitelist()
    estate.owners(OWNERS)
    assert estate.report().exit_code == 0
    assert estate.messages()[-1][1].startswith("*Switched on again:*")
    assert "on again" in estate.tickets_of(issue)[0].comments[-1]


CONFIG_BREAKAGES: dict[str, Callable[[Path], object]] = {
    "removed": lambda path: path.unlink(),
    "emptied": lambda path: path.write_bytes(b""),
    "not JSON any more": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "not UTF-8": lambda path: path.write_bytes(path.read_bytes() + b"\xff"),
    "a list": lambda path: path.write_text("[]"),
    "a link to nowhere": lambda path: (
        path.rename(path.with_suffix(".old")).with_suffix(".json").symlink_to("nowhere")
    ),
    "a folder": lambda path: path.rename(path.with_suffix(".old")).with_suffix(".json").mkdir(),
    "without a folder": lambda path: shutil.rmtree(path.parent),
}


@pytest.mark.parametrize("broken", CONFIG_BREAKAGES.values(), ids=CONFIG_BREAKAGES)
def test_a_key_is_switched_on_without_a_config_and_people_are_told_once_it_is_mended(
    estate: Estate, broken: Callable[[Path], object]
) -> None:
    here, there = switched_off(estate, "joe"), switched_off(estate, "ann", account=OTHER)
    files = {path.name: path.read_bytes() for path in estate.folder.iterdir() if path.is_file()}
    broken(estate.folder / "config.json")

    result = estate.restore("--key", here.issue_id)
    assert result.exit_code == 1
    said = " ".join(result.output.split())
    assert said.count("W-CONFIG-01") == 1
    used = f"the table '{TABLE}' in {REGION} and the accounts {MAIN} are used"
    assert used in said
    assert said.count("E-CONFIG-01 Nobody can be told now, which the next report makes up for: ") == 1
    assert "in force" not in said
    assert "ended with 1, reporting=unknown remediation=unknown" in said
    assert estate.key_status(here) == "Active"
    # The account of the credentials is all that is known; another one is named.
    assert "no issue" in estate.restore("--key", there.issue_id).output
    assert estate.restore("--key", there.issue_id, "--account", OTHER).exit_code == 1
    for issue in (here, there):
        assert estate.key_status(issue) == "Active"
        owing = estate.read(issue)
        assert owing.on_again_since is not None
        assert None not in (owing.jira.failed, owing.slack.failed)
    # Nothing else goes on like that.
    assert (estate.report().exit_code, estate.remediate().exit_code) == (2, 2)

    shutil.rmtree(estate.folder, ignore_errors=True)
    estate.folder.mkdir()
    for name, content in files.items():
        (estate.folder / name).write_bytes(content)
    assert estate.report().exit_code == 0
    for issue in (here, there):
        assert "on again" in estate.tickets_of(issue)[0].comments[-1]
    assert len(estate.messages()) == 2


@pytest.mark.parametrize("source", ["s3://nowhere/config", "s3://", "/nowhere"])
def test_a_key_is_switched_on_where_the_configuration_cannot_be_reached(
    estate: Estate, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    issue = switched_off(estate, "joe")
    monkeypatch.setenv("HAMMER_CONFIG", source)
    result = estate.restore("--key", issue.issue_id)
    assert result.exit_code == 1
    said = " ".join(result.output.split())
    assert (said.count("W-CONFIG-01"), said.count("E-CONFIG-01 Nobody can be told now")) == (1, 1)
    assert said.count("E-CONFIG-01") == 1
    assert estate.key_status(issue) == "Active"
    assert None not in (estate.read(issue).jira.failed, estate.read(issue).slack.failed)


@pytest.mark.parametrize(
    ("section", "changed"),
    [
        ("aws", {"regiom": "eu-west-1"}),
        ("aws", {"region": 5}),
        ("aws", {"main_account_id": 5}),
        ("aws", {"accounts": {MAIN: "master", OTHER: "slave1", "12": "x"}}),
        ("cronjobs", {"reporting": "now and then"}),
        ("jira", {"server": 5}),
        ("slack", {"enabled": "perhaps"}),
        ("user_inactivekeys", {"inactive_criteria_days": "many"}),
        ("user_inactivekeys", {"remediaton": True}),
    ],
)
def test_what_is_right_in_a_broken_config_is_used_for_a_restore(
    estate: Estate, section: str, changed: dict[str, object]
) -> None:
    issue = switched_off(estate, "ann", account=OTHER)
    estate.configure(**{section: changed})
    result = estate.restore("--key", issue.issue_id)
    assert result.exit_code == 1
    assert f"and the accounts {MAIN}, {OTHER}" in " ".join(result.output.split())
    assert estate.key_status(issue) == "Active"
    owing = estate.read(issue)
    assert None not in (owing.jira.failed, owing.slack.failed)


def test_a_jira_that_answers_byte_by_byte_holds_no_key_up(estate: Estate) -> None:
    issues = [switched_off(estate, "joe"), switched_off(estate, "ann")]
    said: list[list[str]] = []

    def slow(_request: object) -> bool:
        # The keys as they are when JIRA is asked for something first.
        if not said:
            said.append([estate.key_status(issue) for issue in issues])
        return True

    estate.jira.add_rule(Rule(slow, Raw(body=b"{}", pause_seconds=0.01), times=1))
    estate.restore("--since", "3d")
    assert said == [["Active", "Active"]]


def test_an_open_prompt_does_not_hold_a_restore_up(estate: Estate) -> None:
    issue = switched_off(estate, "joe")
    estate.add_due_issue("ann")
    prompt = estate.dialogue(REMEDIATION)
    prompt.wait_for("[y/N]")
    result = estate.restore("--key", issue.issue_id)
    assert result.exit_code == 0, result.output
    assert estate.key_status(issue) == "Active"


def test_a_report_that_hangs_in_jira_does_not_hold_a_restore_up(estate: Estate) -> None:
    issue, _ = switched_off(estate, "joe"), estate.add_issue("ann")
    waits = threading.Event()

    def reached(_request: object) -> bool:
        waits.set()
        return True

    estate.jira.add_rule(Rule(reached, Silence.HANGING, times=1))
    report = estate.dialogue(REPORTING)
    assert waits.wait(60), report.screen
    result = estate.restore("--key", issue.issue_id)
    assert result.exit_code == 0, result.output
    assert estate.key_status(issue) == "Active"
    assert estate.read(issue).on_again_since is not None


def test_every_command_says_that_the_key_is_on_again_and_none_that_it_is_off(estate: Estate) -> None:
    issue = switched_off(estate, "joe")
    estate.jira_is_down()
    assert estate.restore("--key", issue.issue_id).exit_code == 1
    restored = estate.read(issue).timestamps.restored
    assert restored is not None
    again = f"switched on again at {utc(restored)}; the next scan decides"
    assert f"remediation   {again}; JIRA will be told" in estate.run(SHOW, "--key", issue.issue_id).stdout
    assert "switched off, but not" not in estate.run(REMEDIATION, "--dry-run").output
    assert estate.report().exit_code == 0
    assert f"remediation   {again}\n" in estate.run(SHOW, "--key", issue.issue_id).stdout
    assert f"reason={again}" in estate.run(REMEDIATION, "--dry-run").output
    (row,) = csv.DictReader(io.StringIO(estate.run("reporting.inactive_keys_report", "--format", "csv").stdout))
    assert row["standing"] == "switched on again"


def test_a_ticket_is_not_closed_after_its_key_was_switched_on_again(estate: Estate) -> None:
    issue = switched_off(estate, "joe", days_ago=1)
    details = replace(issue.details, resolution=Resolution.REMEDIATED)
    times = replace(issue.timestamps, resolved=estate.ago(hours=20), updated=estate.ago(hours=20))
    estate.put(replace(issue, status=Status.RESOLVED, details=details, timestamps=times))
    assert estate.restore("--key", issue.issue_id).exit_code == 0
    told = len(estate.messages())
    result = estate.report()
    assert result.exit_code == 0
    assert "verdict=skipped reason=switched on again at" in result.output
    (ticket,) = estate.tickets_of(issue)
    assert ticket.status == "To Do"
    assert "stayed off" not in " ".join(ticket.comments)
    assert len(estate.messages()) == told
    assert scanned(estate.read(issue), datetime.now(UTC)).episode is Episode.REACTIVATED
