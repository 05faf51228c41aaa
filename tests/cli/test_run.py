"""A run from its beginning to its exit code: configuration, lock, logs and what the body does."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import pytest

from library.cli.run import lock, run
from library.errors import AlreadyRunning, ConfigurationError, Problem, TicketError
from tests.wire import answer, json_failure

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from library.config.settings import Config
    from tests.wire import Wire

MAIN, OTHER = "123456789012", "210987654321"
STREAM = "reporting.x"


@pytest.fixture
def configure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Writes the configuration that the runs of a test load, and gives them a lock of their own."""
    monkeypatch.setenv("HAMMER_CONFIG", str(tmp_path))
    monkeypatch.setenv("HAMMER_LOCK_FOLDER", str(tmp_path))

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
        # A time-out that is not the lock's is no sign of another run.
        (TimeoutError("too slow"), 1, "ERROR E-RUN-03 A file or the network is not usable: too slow"),
    ],
)
def test_what_ends_the_body_is_one_line_and_an_exit_code(
    error: BaseException, code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(STREAM, raising(error)) == code
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line


def test_a_mistake_of_ours_keeps_its_traceback() -> None:
    before = list(logging.getLogger().handlers)
    with pytest.raises(ZeroDivisionError):
        run(STREAM, raising(ZeroDivisionError()))
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


# --- the lock ---


def test_two_runs_that_change_something_exclude_each_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with lock():
        assert run(STREAM, raising(AssertionError())) == 3
    (line,) = capsys.readouterr().err.splitlines()
    place = tmp_path / "hammer-reporting-remediation.lock"
    assert line.endswith(
        f" ERROR E-RUN-02 Another reporting or remediation is running (lock {place}); try again later"
    )


def test_a_run_that_only_reads_needs_no_lock() -> None:
    with lock():
        assert run(STREAM, lambda _: 0, read_only=True) == 0


def test_the_lock_is_held_while_the_body_works_and_is_free_after_it_however_it_ends() -> None:
    def body(_settings: Config) -> int:
        with pytest.raises(AlreadyRunning), lock():
            raise AssertionError("locked twice")
        raise TicketError("JIRA: 500")

    assert run(STREAM, body) == 1
    with lock():
        pass


def test_a_lock_file_that_an_earlier_run_left_behind_locks_nobody_out(tmp_path: Path) -> None:
    (tmp_path / "hammer-reporting-remediation.lock").touch()
    assert run(STREAM, lambda _: 0) == 0


def test_a_folder_that_takes_no_lock_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HAMMER_LOCK_FOLDER", "/dev/null/nowhere")
    assert run(STREAM, raising(AssertionError())) == 1
    assert " ERROR E-RUN-03 A file or the network is not usable: " in capsys.readouterr().err


# --- the organization ---


def organization(*accounts: str) -> Callable[[object], Any]:
    listed = [{"Id": account, "Name": f"name of {account}", "Status": "ACTIVE"} for account in accounts]
    return lambda _: answer(200, json.dumps({"Accounts": listed}))


def test_the_accounts_of_the_organization_are_added_before_the_body(
    configure: Callable[..., None], wire: Wire
) -> None:
    configure(accounts_from_organization=True)
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
    wire.react("ListAccounts", organization(MAIN, OTHER))
    assert run(STREAM, lambda _: 0) == 0
    (line,) = [line for line in capsys.readouterr().err.splitlines() if " WARNING " in line]
    assert "333333333333 is not an account of aws.accounts or the organization" in line


def test_an_organization_that_cannot_be_listed_ends_the_run(
    configure: Callable[..., None], wire: Wire, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(accounts_from_organization=True)
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


def test_a_run_that_only_reads_sends_no_log(events: list[str], wire: Wire) -> None:
    assert run(STREAM, raising(TicketError("JIRA: 500")), read_only=True) == 1
    assert wire.sent == []
