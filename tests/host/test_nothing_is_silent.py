"""Whatever ends a command or fails in it, at whatever stage, is a line at ERROR in the log group and an exit code."""

from __future__ import annotations

import json
import socket
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from xml.parsers.expat import ExpatError

import boto3
import pytest
import urllib3

from tests.cli.conftest import sent_to_cloudwatch
from tests.wire import STATE
from tests.world import REMEDIATION, REPORTING, RESTORE
from tests.world.table import serialized

if TYPE_CHECKING:
    from click.testing import Result

    from tests.wire import Wire
    from tests.world.estate import Estate

__all__ = ["sent_to_cloudwatch"]

ODD = (
    *(MemoryError(), RecursionError("too deep"), KeyError("x"), UnicodeDecodeError("utf-8", b"\xff", 0, 1, "odd")),
    *(StopIteration(), AssertionError(), ZeroDivisionError(), TypeError("odd"), AttributeError("odd")),
    *(urllib3.exceptions.LocationParseError("http://x"), ExpatError("odd")),
)
"""What nobody expects of a call, a library's own errors among them."""
ENDS = (SystemExit(0), SystemExit("bye"), GeneratorExit())
"""What no `except Exception` holds up."""

STAGES = {
    REPORTING: ("ListAccounts", "StateTable.UpdateItem", "GetSecretValue", "Query", "UpdateItem", "JIRA", "Slack"),
    REMEDIATION: (
        *("ListAccounts", "StateTable.UpdateItem", "GetSecretValue", "Query", "StateTable.GetItem", "ListAccessKeys"),
        *("GetAccessKeyLastUsed", "UpdateAccessKey", "UpdateItem", "JIRA", "Slack"),
    ),
    RESTORE: (
        *("ListAccounts", "Query", "GetCallerIdentity", "ListAccessKeys", "UpdateAccessKey", "UpdateItem"),
        *("GetSecretValue", "JIRA", "Slack"),
    ),
}


class Raising:
    """Raises at the first use, and counts how often it was used."""

    def __init__(self, error: BaseException) -> None:
        self.error = error
        self.used = 0

    def __call__(self, *_: object) -> None:
        self.used += 1
        raise self.error


def break_at(stage: str, raising: Raising, estate: Estate, wire: Wire, patch: pytest.MonkeyPatch) -> None:
    """Let the call of a stage raise, deep in the library that makes it."""
    outside = {"JIRA": estate.jira.url, "Slack": estate.slack.base_url}.get(stage)
    if outside is None:
        wire.react(stage, raising)
        return
    connect, port = socket.socket.connect, urlsplit(outside).port

    def odd(self: socket.socket, address: Any) -> None:
        if address[1] == port:
            raising()
        connect(self, address)

    patch.setattr(socket.socket, "connect", odd)


def said_in_cloudwatch(bodies: list[str]) -> list[str]:
    """The log lines that the group was sent."""
    return [event["message"] for body in bodies for event in json.loads(body).get("logEvents", ())]


def run(estate: Estate, command: str) -> Result:
    if command == REPORTING:
        estate.add_issue("joe")
        return estate.report()
    if command == REMEDIATION:
        estate.add_due_issue("joe")
        return estate.remediate()
    issue = estate.add_due_issue("joe", key_status="Inactive", remediated=estate.ago(days=1))
    return estate.restore("--key", issue.issue_id)


def pairs() -> list[tuple[str, str, BaseException]]:
    """Each stage of each command with one error of either kind, so that each error is met several times."""
    stages = [(command, stage) for command, stages in STAGES.items() for stage in stages]
    return [
        (command, stage, errors[number % len(errors)])
        for errors in (ODD, ENDS)
        for number, (command, stage) in enumerate(stages)
    ]


@pytest.fixture
def logged(estate: Estate, wire: Wire, sent_to_cloudwatch: list[str]) -> list[str]:
    (estate.folder / "config.ini").write_text("LOG_GROUP=/hammer/host\n")
    return sent_to_cloudwatch


@pytest.mark.parametrize(
    ("command", "stage", "error"),
    [
        pytest.param(command, stage, error, id=f"{command.split('.')[1]}-{stage}-{type(error).__name__}")
        for command, stage, error in pairs()
    ],
)
def test_what_is_raised_at_any_stage_is_said_in_the_log_group(
    estate: Estate,
    wire: Wire,
    logged: list[str],
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    stage: str,
    error: BaseException,
) -> None:
    raising = Raising(error)
    estate.configure(aws={"accounts_from_organization": stage == "ListAccounts"})
    break_at(stage, raising, estate, wire, monkeypatch)
    done = run(estate, command)
    assert raising.used
    assert done.exit_code == 1
    errors = [line for line in said_in_cloudwatch(logged) if line.startswith("ERROR E-")]
    assert errors
    # Those of JIRA and Slack may have words of their own for what a call has raised.
    assert stage in ("JIRA", "Slack") or any(type(error).__name__ in line for line in errors)
    assert all(len(line.splitlines()) == 1 for line in errors)
    assert "Traceback" not in done.output


@pytest.mark.parametrize(
    ("command", "called"),
    [
        (REPORTING, "reporting.create_iam_user_inactive_keys_tickets"),
        (REMEDIATION, "remediation.clean_iam_user_inactive_keys"),
        (RESTORE, "remediation.restore_iam_keys"),
    ],
)
def test_a_command_that_comes_to_its_end_says_so_once(
    estate: Estate, logged: list[str], command: str, called: str
) -> None:
    run(estate, command)
    closing = [line for line in said_in_cloudwatch(logged) if " ended with " in line]
    assert closing == [f"INFO Run of {called} ended with 0, reporting=on remediation=on"]


def test_a_command_that_does_not_get_the_lease_says_so(estate: Estate, logged: list[str]) -> None:
    ends = (estate.now + timedelta(minutes=2)).isoformat(timespec="seconds")
    item = serialized({"id": "lease", "ends": ends, "run": "another's"})
    boto3.client("dynamodb").put_item(TableName=STATE, Item=item)
    assert run(estate, REPORTING).exit_code == 3
    said = said_in_cloudwatch(logged)
    assert any(line.startswith("ERROR E-RUN-02 Another reporting or remediation is running") for line in said)
    assert not any(" ended with " in line for line in said)
