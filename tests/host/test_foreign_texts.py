"""No text of anybody else's drives a terminal, ends a line or forges one, whichever command it comes to."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from deployment.local.jira_stand_in import Transition
from library.issues.record import RemediationError, Status
from tests.cli.conftest import sent_to_cloudwatch
from tests.host.test_nothing_is_silent import said_in_cloudwatch
from tests.host.test_upgrade import scan
from tests.wire import STATE, answer
from tests.world import MAIN, OTHER, REMEDIATION, REPORTING, RESTORE, SHOW
from tests.world.table import serialized

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from botocore.awsrequest import AWSPreparedRequest, AWSResponse
    from click.testing import Result

    from library.issues.record import Issue
    from tests.wire import Wire
    from tests.world.estate import Estate

__all__ = ["sent_to_cloudwatch"]

REPORT, CHECK = "reporting.inactive_keys_report", "remediation.check_access"
SCHEDULE = "cronjobs.automation_scheduler"

CONTROLS = "".join(map(chr, [*range(1, 0x20), *range(0x7F, 0xA0)]))
SEPARATORS, BIDI = "\u2028\u2029", "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
ANSI = "\x1b[2J\x1b[1;31m\x1b]0;title\x07\x9b31m\x1b[8m"
FORGED = "\n2026-11-25 08:00:00,000 ERROR E-RUN-01 forged\nERROR E-RUN-01 forged\nINFO Run of forged ended with 0"
HOSTILE = f"eve{ANSI}{CONTROLS}{SEPARATORS}{BIDI}{FORGED}"
LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} (INFO|WARNING|ERROR) .*")


def hostile(status: int = 400) -> Callable[[AWSPreparedRequest], AWSResponse]:
    """An AWS whose error has somebody's words in it."""
    body = {"__type": "com.amazonaws#AccessDeniedException", "message": HOSTILE}
    return lambda _: answer(status, json.dumps(body))


def hostile_issue(estate: Estate, user: str, **facts: Any) -> Issue:
    """An issue all texts of which are hostile, but for what names its key; `user` is IAM's name."""
    issue = estate.add_due_issue(user, **facts)
    details = replace(
        issue.details,
        user_id=HOSTILE,
        last_used_service=HOSTILE,
        last_used_region=HOSTILE,
        tags={"owner": HOSTILE, HOSTILE: HOSTILE},
    )
    after = replace(
        issue,
        details=details,
        jira=replace(issue.jira, ticket_assignee_id=HOSTILE),
        remediation_error=RemediationError(HOSTILE, estate.now),
        history=({"time": estate.now.isoformat(), "what": HOSTILE, "why": HOSTILE},),
    )
    estate.put(after)
    return after


def renamed(estate: Estate, issue: Issue) -> None:
    """An issue whose user has a hostile name."""
    estate.put(replace(issue, details=replace(issue.details, username=HOSTILE)))


def assert_harmless(done: Result, *others: str) -> None:
    for text in (done.output, *others):
        assert not [each for each in text if not each.isprintable() and each != "\n"]
    for text in (done.stderr, *others):
        assert not [line for line in text.splitlines() if line.startswith((*FORGED.splitlines()[1:],))]
    assert all(LINE.fullmatch(line) for line in done.stderr.splitlines())


@pytest.fixture
def world(estate: Estate, wire: Wire, sent_to_cloudwatch: list[str]) -> list[str]:
    """Rows, owners, exemptions, account names, JIRA and Slack say hostile things; what the log group was sent."""
    (estate.folder / "config.ini").write_text("LOG_GROUP=/hammer/host\n")
    estate.configure(aws={"accounts_from_organization": True})
    listed = [{"Id": MAIN, "Name": HOSTILE, "State": "ACTIVE", "Status": "ACTIVE"}]
    wire.react("ListAccounts", lambda _: answer(200, json.dumps({"Accounts": listed})))
    hostile_issue(estate, "due")
    hostile_issue(estate, "off", key_status="Inactive", remediated=estate.ago(days=1))
    hostile_issue(estate, "ended", status=Status.RESOLVED, resolved=estate.ago(hours=1))
    renamed(estate, hostile_issue(estate, "renamed"))
    fresh = estate.add_issue("fresh", tags={"owner": HOSTILE})
    renamed(estate, fresh)
    estate.whitelist({"id": HOSTILE, "reason": HOSTILE, "owner": HOSTILE}, {"id": "off", "reason": HOSTILE})
    refused = {"errorMessages": [HOSTILE], "errors": {HOSTILE: HOSTILE}}
    estate.jira.fail_next(
        "POST", "/rest/api/2/issue", status=400, body=refused, headers={"X-Seraph-LoginReason": "x"}
    )
    estate.jira.site.transitions = (Transition(HOSTILE, "Closed", "done", refuses=HOSTILE),)
    estate.slack.fail_next("chat.postMessage", status=200, error=HOSTILE)
    row = {"account_id": MAIN, "issue_id": f"A{HOSTILE}", "status": HOSTILE}
    boto3.client("dynamodb").put_item(TableName="hammer-iam-user-keys-inactive", Item=serialized(row))
    return sent_to_cloudwatch


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        (REPORTING, ()),
        (REPORTING, ("--dry-run",)),
        (REMEDIATION, ("--batch",)),
        *((REMEDIATION, ("--dry-run", "--format", form)) for form in ("table", "json", "csv")),
        (RESTORE, ("--batch", "--since", "3000d")),
        *((RESTORE, ("--dry-run", "--since", "3000d", "--format", form)) for form in ("table", "json", "csv")),
        *((REPORT, ("--format", form, "--output", "/dev/stdout")) for form in ("csv", "json")),
        *((REPORT, ("--format", form)) for form in ("csv", "json", "asff")),
        (CHECK, ()),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_no_text_of_the_table_jira_slack_the_whitelist_or_the_organization_gets_through(
    estate: Estate, world: list[str], command: str, arguments: tuple[str, ...]
) -> None:
    done = estate.run(command, *arguments)
    assert done.exit_code in (0, 1)
    assert_harmless(done, *said_in_cloudwatch(world))
    assert r"\x1b[2J" in done.output or r"\u001b[2J" in done.output


@pytest.mark.parametrize("form", ["text", "json"])
def test_no_text_of_an_issue_that_is_shown_gets_through(estate: Estate, world: list[str], form: str) -> None:
    keys = [part for row in estate.rows() for part in ("--key", row["issue_id"]["S"])]
    done = estate.run(SHOW, *keys, "--format", form)
    assert_harmless(done)
    assert r"\x1b[2J" in done.output


@pytest.mark.parametrize(
    "operation", ["Query", "StateTable.UpdateItem", "GetSecretValue", "ListAccounts", "UpdateItem"]
)
@pytest.mark.parametrize("command", [REPORTING, REMEDIATION])
def test_no_text_of_an_error_of_aws_gets_through(
    estate: Estate, world: list[str], wire: Wire, command: str, operation: str
) -> None:
    wire.withdraw(operation)
    wire.react(operation, hostile())
    done = estate.run(command, *(["--batch"] if command == REMEDIATION else []))
    assert done.exit_code in (1, 2)
    assert_harmless(done, *said_in_cloudwatch(world))
    assert r"\x1b[2J" in done.stderr


def test_no_text_of_what_a_check_was_refused_gets_through(estate: Estate, wire: Wire) -> None:
    wire.react("UpdateItem", hostile())
    done = estate.run(CHECK)
    assert done.exit_code == 1
    assert_harmless(done)
    assert r"\x1b[2J" in done.stdout


def test_no_text_of_the_lease_gets_through(estate: Estate, world: list[str]) -> None:
    odd = dict.fromkeys(("command", "who", "host", "process", "since", "run"), HOSTILE)
    ends = estate.now.isoformat(timespec="seconds")
    boto3.client("dynamodb").put_item(TableName=STATE, Item=serialized({**odd, "id": "lease", "ends": ends}))
    done = estate.run(REPORTING)
    assert done.exit_code == 3
    assert_harmless(done, *said_in_cloudwatch(world))


def test_no_text_that_a_prompt_shows_gets_through(estate: Estate) -> None:
    hostile_issue(estate, "due")
    dialogue = estate.dialogue(REMEDIATION)
    dialogue.answer("n")
    dialogue.exit_code()
    assert "\x1b" not in dialogue.screen
    assert r"eve\x1b[2J" in dialogue.screen


def test_no_text_of_a_scan_gets_through(estate: Estate, world: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    estate.whitelist()
    scan()
    lines = capsys.readouterr().out.splitlines()
    assert all(line.isprintable() and json.loads(line) for line in lines)
    assert any("\\u001b[2J" in line or "\\\\x1b[2J" in line for line in lines)


def test_no_text_of_a_configuration_gets_through(estate: Estate, tmp_path: Path) -> None:
    estate.settings["aws"]["region"] = HOSTILE
    estate.configure(aws={HOSTILE: HOSTILE}, jira={"priority": HOSTILE})
    for command in (REPORTING, REPORT, CHECK):
        done = estate.run(command)
        assert done.exit_code == 2
        assert_harmless(done)
    done = estate.run(SCHEDULE, "--folder", str(tmp_path))
    assert done.exit_code == 2
    assert done.stderr.replace("\n", "").isprintable()
    assert OTHER not in done.stderr
