"""A run from its beginning to its exit code: configuration, lease, logs and what the body does."""

from __future__ import annotations

import json
import logging
import os
import pwd
import socket
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import time_machine
import urllib3

from library.cli.run import run, run_with_lease
from library.errors import ConfigurationError, Problem, TicketError
from tests.wire import STATE, answer, json_failure

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mypy_boto3_dynamodb import DynamoDBClient

    from library.cli.run import Hold
    from library.config.settings import Config
    from tests.wire import Wire


class Unspeakable(Exception):
    """A foreign library's, which even cannot be shown."""

    def __repr__(self) -> str:
        raise RuntimeError


ODD = (
    *(MemoryError(), RecursionError("too deep"), KeyError("x"), SystemExit(0), SystemExit("bye"), GeneratorExit()),
    *(UnicodeDecodeError("utf-8", b"\xff", 0, 1, "odd"), StopIteration(), AssertionError(), Unspeakable("x")),
    urllib3.exceptions.LocationParseError("http://x"),
)

MAIN, OTHER = "123456789012", "210987654321"
STREAM = "reporting.x"


@pytest.fixture
def configure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Writes the configuration that the runs of a test load."""
    monkeypatch.setenv("HAMMER_CONFIG", str(tmp_path))

    def write(*, whitelist: dict[str, Any] | None = None, **aws: Any) -> None:
        config = {
            "aws": {"region": "eu-west-1", "main_account_id": MAIN, "accounts": {MAIN: "main"}, **aws},
            "user_inactivekeys": {"inactive_criteria_days": 90},
        }
        (tmp_path / "config.json").write_text(json.dumps(config))
        (tmp_path / "whitelist.json").write_text(json.dumps({"user_inactivekeys": whitelist or {}}))
        (tmp_path / "ticket_owners.json").write_text("{}")

    write()
    return write


pytestmark = pytest.mark.usefixtures("configure")


@pytest.mark.parametrize("read_only", [False, True])
def test_the_body_gets_the_configuration_and_its_answer_is_the_exit_code(read_only: bool, wire: Wire) -> None:
    seen = []

    def body(settings: Config) -> int:
        seen.append(settings.aws.main_account_id)
        return 7

    assert run(STREAM, body, read_only=read_only) == 7
    assert seen == [MAIN]
    assert wire.sent == []


def raising(error: BaseException) -> Callable[[Config], int]:
    def body(_settings: Config) -> int:
        raise error

    return body


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (TicketError("JIRA: 500"), 1, "ERROR E-JIRA-03 JIRA: 500"),
        (
            ConfigurationError([Problem("whitelist.json", "", "{", "JSON")]),
            2,
            "ERROR E-CONFIG-01 whitelist.json: found {",
        ),
        (KeyboardInterrupt(), 130, "ERROR E-RUN-04 Interrupted; what was done until now is recorded"),
        (OSError("no space left"), 1, "ERROR E-RUN-03 A file or the network is not usable: no space left"),
        # A time-out is no sign of another run.
        (TimeoutError("too slow"), 1, "ERROR E-RUN-03 A file or the network is not usable: too slow"),
    ],
)
def test_what_ends_the_body_is_one_line_and_an_exit_code(
    error: BaseException, code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(STREAM, raising(error)) == code
    first, line = capsys.readouterr().err.splitlines()
    assert " INFO Configuration in force: " in first
    assert said in line


@pytest.mark.parametrize("error", ODD, ids=lambda error: type(error).__name__)
def test_what_nobody_has_thought_of_is_one_line_that_says_where_it_came_up(
    error: BaseException, capsys: pytest.CaptureFixture[str]
) -> None:
    before = list(logging.getLogger().handlers)
    assert run(STREAM, raising(error)) == 1
    _, line = capsys.readouterr().err.splitlines()
    assert f" ERROR E-RUN-01 unexpected {type(error).__name__}" in line
    assert " in cli/test_run.py line " in line
    assert ", called in cli/run.py line " in line
    assert logging.getLogger().handlers == before


@pytest.mark.parametrize("read_only", [False, True])
def test_a_configuration_that_is_wrong_ends_the_run_before_the_body(
    read_only: bool, configure: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    configure(region="", main_account_id="1")
    assert run(STREAM, raising(AssertionError()), read_only=read_only) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) >= 2
    assert all(" ERROR E-CONFIG-01 config.json: aws." in line for line in lines)


def test_warnings_of_the_configuration_come_first(
    configure: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    configure(whitelist={OTHER: ["alice"]})
    assert run(STREAM, lambda _: 0) == 0
    assert (
        f" WARNING W-CONFIG-01 whitelist.json: user_inactivekeys: {OTHER} is not an account of"
        in capsys.readouterr().err
    )


# --- the lease ---


def run_alone(body: Callable[[Config, Hold], int], *, dry_run: bool = False) -> int:
    return run_with_lease(STREAM, body, dry_run=dry_run)


def no_work(_settings: Config, _hold: Hold) -> int:
    raise AssertionError


def leases(dynamodb: DynamoDBClient) -> list[dict[str, Any]]:
    """The lease's item, if somebody has it."""
    items = dynamodb.scan(TableName=STATE)["Items"]
    return [dict(item) for item in items if item["id"] == {"S": "lease"} and "ends" in item]


def test_two_runs_that_change_something_exclude_each_other(
    dynamodb: DynamoDBClient, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUDO_USER", "alice")

    def body(_settings: Config, _hold: Hold) -> int:
        return run_alone(no_work)

    assert run_alone(body) == 3
    line, *_ = [line for line in capsys.readouterr().err.splitlines() if " ERROR " in line]
    where = f"{socket.gethostname()} (process {os.getpid()})"
    assert (
        f" ERROR E-RUN-02 Another reporting or remediation is running: {STREAM}, started by alice on {where}" in line
    )


def test_a_user_without_a_name_is_named_by_their_number(
    dynamodb: DynamoDBClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SUDO_USER", "LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", {}.__getitem__)
    assert run_alone(lambda _settings, _hold: len(leases(dynamodb)) - 1) == 0
    (item,) = dynamodb.scan(TableName=STATE)["Items"]
    assert item["who"] == {"S": f"user {os.getuid()}"}


@pytest.mark.parametrize("other", ["a dry run", "a run that only reads", "a restore"])
def test_what_changes_nothing_and_what_gives_keys_back_needs_no_lease(dynamodb: DynamoDBClient, other: str) -> None:
    def body(_settings: Config, _hold: Hold) -> int:
        if other == "a dry run":
            return run_alone(lambda _settings, _hold: 7, dry_run=True)
        return run(STREAM, lambda _: 7, read_only=other != "a restore", alone=other == "a restore")

    assert run_alone(body) == 7


@pytest.mark.parametrize(
    "error",
    [TicketError("JIRA: 500"), KeyboardInterrupt(), ZeroDivisionError()],
    ids=lambda error: type(error).__name__,
)
def test_the_lease_is_held_while_the_body_works_and_given_back_however_it_ends(
    dynamodb: DynamoDBClient, error: BaseException
) -> None:
    def body(_settings: Config, hold: Hold) -> int:
        hold()
        assert len(leases(dynamodb)) == 1
        raise error

    assert run_alone(body) in (1, 130)
    assert leases(dynamodb) == []
    assert run_alone(lambda _settings, _hold: 0) == 0


@pytest.mark.usefixtures("dynamodb")
def test_a_state_table_that_cannot_be_written_ends_the_run_before_anything_is_changed(
    wire: Wire, capsys: pytest.CaptureFixture[str]
) -> None:
    wire.react("StateTable.UpdateItem", lambda _: json_failure("AccessDeniedException"))
    assert run_alone(no_work) == 1
    first, line = capsys.readouterr().err.splitlines()
    assert " INFO Configuration in force: " in first
    assert f" ERROR E-TABLE-01 the lease in table '{STATE}' (dynamodb:UpdateItem): " in line


def test_a_lease_that_is_lost_ends_the_run(dynamodb: DynamoDBClient, capsys: pytest.CaptureFixture[str]) -> None:
    def body(_settings: Config, hold: Hold) -> int:
        dynamodb.delete_item(TableName=STATE, Key={"id": {"S": "lease"}})
        with time_machine.travel(datetime.now(UTC) + timedelta(minutes=1)):
            hold()
        return 0

    assert run_alone(body) == 1
    assert " ERROR E-RUN-09 This run has lost its lease, as its item was removed" in capsys.readouterr().err


@pytest.mark.usefixtures("dynamodb", "no_backoff")
def test_a_lease_that_cannot_be_given_back_is_said_and_costs_the_run_nothing(
    wire: Wire, capsys: pytest.CaptureFixture[str]
) -> None:
    def body(_settings: Config, _hold: Hold) -> int:
        wire.react("StateTable.UpdateItem", lambda _: json_failure("InternalServerError", 500))
        return 0

    assert run_alone(body) == 0
    assert " WARNING W-RUN-07 The lease could not be given back, and is over by itself" in capsys.readouterr().err


# --- the organization ---


def organization(*accounts: str) -> Callable[[object], Any]:
    listed = [{"Id": account, "Name": f"name of {account}", "Status": "ACTIVE"} for account in accounts]
    return lambda _: answer(200, json.dumps({"Accounts": listed}))


def test_the_accounts_of_the_organization_are_added_before_the_body(
    configure: Callable[..., None], wire: Wire
) -> None:
    configure(accounts_from_organization=True)
    wire.react("GetItem", lambda _: answer(200, "{}"))
    wire.react("ListAccounts", organization(MAIN, OTHER))
    seen: list[dict[str, str]] = []

    def body(settings: Config) -> int:
        seen.append(dict(settings.aws.accounts))
        return 0

    assert run(STREAM, body) == 0
    assert seen == [{MAIN: "main", OTHER: f"name of {OTHER}"}]


def test_what_only_the_organization_shows_to_be_wrong_is_warned_of(
    configure: Callable[..., None], wire: Wire, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(accounts_from_organization=True, whitelist={OTHER: ["alice"], "333333333333": ["bob"]})
    wire.react("GetItem", lambda _: answer(200, "{}"))
    wire.react("ListAccounts", organization(MAIN, OTHER))
    assert run(STREAM, lambda _: 0) == 0
    (line,) = [line for line in capsys.readouterr().err.splitlines() if " WARNING " in line]
    assert "333333333333 is not an account of aws.accounts or the organization" in line


def test_an_organization_that_cannot_be_listed_ends_the_run(
    configure: Callable[..., None], wire: Wire, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(accounts_from_organization=True)
    wire.react("GetItem", lambda _: answer(200, "{}"))
    wire.react("ListAccounts", lambda _: json_failure("AccessDeniedException"))
    assert run(STREAM, raising(AssertionError())) == 1
    assert "organizations:ListAccounts" in capsys.readouterr().err


# --- CloudWatch ---


@pytest.fixture
def events(tmp_path: Path, sent_to_cloudwatch: list[str]) -> list[str]:
    """What CloudWatch Logs is sent, on a host that has a log group."""
    (tmp_path / "config.ini").write_text("LOG_GROUP=/hammer/host\n")
    return sent_to_cloudwatch


def test_a_configuration_that_is_wrong_is_said_where_the_alarm_looks(
    configure: Callable[..., None], events: list[str]
) -> None:
    configure(main_account_id="1")
    assert run(STREAM, raising(AssertionError())) == 2
    assert '"message": "ERROR E-CONFIG-01 config.json: aws.main_account_id: found' in events[-1]


def test_what_ends_the_body_is_said_where_the_alarm_looks(events: list[str]) -> None:
    assert run(STREAM, raising(TicketError("JIRA: 500"))) == 1
    assert '"message": "ERROR E-JIRA-03 JIRA: 500"' in events[-1]


@pytest.mark.usefixtures("dynamodb")
def test_that_another_run_is_at_work_is_said_where_the_alarm_looks(events: list[str]) -> None:
    assert run_alone(lambda _settings, _hold: run_alone(no_work)) == 3
    assert any('"message": "ERROR E-RUN-02 Another reporting or remediation is running' in each for each in events)


@pytest.mark.parametrize("error", ODD, ids=lambda error: type(error).__name__)
def test_what_nobody_has_thought_of_is_said_where_the_alarm_looks(events: list[str], error: BaseException) -> None:
    assert run(STREAM, raising(error)) == 1
    assert f'"message": "ERROR E-RUN-01 unexpected {type(error).__name__}' in events[-1]


def test_what_ends_a_run_before_its_configuration_is_read_is_said_there_too(
    events: list[str], tmp_path: Path
) -> None:
    # Deeper than the reader of JSON can go.
    (tmp_path / "config.json").write_text("[" * 100_000)
    assert run(STREAM, raising(AssertionError())) in (1, 2)
    assert '"message": "ERROR E-' in events[-1]


def test_a_run_that_came_to_its_end_has_one_closing_line_and_no_other_has_one(events: list[str]) -> None:
    assert run(STREAM, lambda _: 1, command="reporting.y") == 1
    sent = "".join(events)
    assert sent.count("Run of ") == 1
    assert '"message": "INFO Run of reporting.y ended with 1, reporting=off remediation=off"' in sent
    events.clear()
    run(STREAM, raising(TicketError("JIRA: 500")))
    assert "Run of " not in "".join(events)


def test_a_run_that_only_reads_sends_no_log(events: list[str], wire: Wire) -> None:
    assert run(STREAM, raising(TicketError("JIRA: 500")), read_only=True) == 1
    assert wire.sent == []
