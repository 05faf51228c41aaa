"""Where the log lines of a command go, and that nothing of that stays behind."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import re
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click
import pytest

from library.cli.cloudwatch import logging_to_cloudwatch
from library.cli.logs import (
    log_decision,
    log_files,
    logger,
    logging_to,
    logging_to_standard_error,
    summed_up_on_a_terminal,
)
from library.cli.loudness import quiet_option, verbose_option
from tests.cli.conftest import LOG_CALLS
from tests.wire import json_failure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.wire import Wire

LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} (INFO|WARNING|ERROR) .*")


@pytest.fixture(autouse=True)
def handlers_are_put_back() -> Iterator[None]:
    root = logging.getLogger()
    handlers = list(root.handlers)
    loggers = {name: logging.getLogger(name) for name in ("", "hammer", "library")}
    before = {name: one.level for name, one in loggers.items()}
    for one in loggers.values():
        one.setLevel(logging.ERROR)
    yield
    assert (root.handlers, {one.level for one in loggers.values()}) == (handlers, {logging.ERROR})
    for name, level in before.items():
        loggers[name].setLevel(level)


def test_our_lines_go_to_standard_error_with_time_and_level(capsys: pytest.CaptureFixture[str]) -> None:
    with logging_to_standard_error():
        logger.info("from us")
        logging.getLogger("library.issues").info("from the library")
        logging.getLogger("botocore").info("from somebody else")
        logging.getLogger("somebody").warning("a warning of somebody else")
    logger.error("after the end")
    captured = capsys.readouterr()
    lines = captured.err.splitlines()
    assert captured.out == ""
    assert [line.split(" ", 2)[2] for line in lines] == [
        "INFO from us",
        "INFO from the library",
        "WARNING a warning of somebody else",
    ]
    assert all(LINE.fullmatch(line) for line in lines)


def test_a_decision_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with logging_to_standard_error():
        log_decision("123456789012", "alice", "AKIA1", "skipped", "not reported yet")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith(" INFO account=123456789012 user=alice key=AKIA1 verdict=skipped reason=not reported yet")


def test_the_same_lines_go_to_the_file_of_the_stream_after_those_of_earlier_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for run in ("first", "second"):
        with logging_to_standard_error(), logging_to(*log_files("reporting.x", tmp_path)):
            logger.info("%s run: ünïcode", run)
    written = (tmp_path / "reporting.x.log").read_text(encoding="utf-8")
    assert written == capsys.readouterr().err
    assert [line.split()[3] for line in written.splitlines()] == ["first", "second"]


def test_the_file_is_closed_in_the_end(tmp_path: Path) -> None:
    (file,) = log_files("reporting.x", tmp_path)
    with logging_to(file):
        logger.info("written")
    assert isinstance(file, logging.FileHandler)
    assert file.stream is None


def test_where_the_folder_is_missing_there_is_no_file(tmp_path: Path) -> None:
    assert log_files("reporting.x", tmp_path / "missing") == []


def test_a_standard_error_that_takes_no_more_stops_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def log_to(full: TextIO) -> None:
        with (
            logging_to_standard_error(),
            logging_to(*log_files("x", tmp_path)),
            monkeypatch.context() as patch,
        ):
            patch.setattr(sys, "stderr", full)
            logger.info("still here")

    # Closing it fails, too.
    with contextlib.suppress(OSError), Path("/dev/full").open("w", buffering=1) as full:
        log_to(full)
    assert "still here" in (tmp_path / "x.log").read_text()


# --- CloudWatch Logs ---


def test_the_lines_of_the_block_go_to_the_stream(wire: Wire, sent_to_cloudwatch: list[str]) -> None:
    with logging_to_standard_error(), logging_to_cloudwatch("/hammer/host", "reporting.x", "eu-west-1"):
        logger.warning("seen by the alarm")
    assert wire.sent[-1] == "PutLogEvents"
    assert '"logGroupName": "/hammer/host"' in sent_to_cloudwatch[-1]
    assert '"logStreamName": "reporting.x"' in sent_to_cloudwatch[-1]
    assert '"message": "WARNING seen by the alarm"' in sent_to_cloudwatch[-1]


def test_without_a_log_group_nothing_is_sent(wire: Wire) -> None:
    with logging_to_standard_error(), logging_to_cloudwatch(None, "reporting.x", "eu-west-1"):
        logger.warning("nobody hears")
    assert wire.sent == []


def test_a_cloudwatch_that_refuses_costs_a_warning(wire: Wire, capsys: pytest.CaptureFixture[str]) -> None:
    for operation in LOG_CALLS:
        wire.react(operation, lambda _: json_failure("AccessDeniedException"))
    with logging_to_standard_error(), logging_to_cloudwatch("/hammer/host", "reporting.x", "eu-west-1"):
        logger.info("the work goes on")
    first, second = capsys.readouterr().err.splitlines()
    assert " WARNING W-RUN-01 CloudWatch Logs cannot be reached, this run is logged here only: " in first
    assert "AccessDeniedException" in first
    assert second.endswith("the work goes on")


def test_a_cloudwatch_that_cannot_be_reached_costs_a_warning(
    monkeypatch: pytest.MonkeyPatch, no_backoff: None, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    with logging_to_standard_error(), logging_to_cloudwatch("/hammer/host", "reporting.x", None):
        logger.info("the work goes on")
    first, second = capsys.readouterr().err.splitlines()
    assert " WARNING W-RUN-01 CloudWatch Logs cannot be reached" in first
    assert second.endswith("the work goes on")


# --- foreign texts ---


def test_a_record_is_one_line_in_every_log_whatever_is_in_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], wire: Wire, sent_to_cloudwatch: list[str]
) -> None:
    forged = "joe\n2026-11-25 08:00:00,000 ERROR E-RUN-01 forged\r\x85\u2028\u2029\x1b]0;title\x07\x9b31m\u202e"
    with (
        logging_to_standard_error(),
        logging_to(*log_files("x", tmp_path)),
        logging_to_cloudwatch("/hammer/host", "x", "eu-west-1"),
    ):
        log_decision("123456789012", forged, "AKIA1", "skipped", forged)
        try:
            raise ValueError(forged)
        except ValueError:
            logging.getLogger("urllib3").warning("of a library: %s", forged, exc_info=True)
    for lines in (capsys.readouterr().err.splitlines(), (tmp_path / "x.log").read_text("utf-8").splitlines()):
        assert len(lines) == 2
        assert all(line.isprintable() and LINE.fullmatch(line) for line in lines)
    events = json.loads(sent_to_cloudwatch[-1])["logEvents"]
    assert len(events) == 2
    assert all(event["message"].isprintable() for event in events)


class Terminal(io.StringIO):
    """What a terminal shows."""

    def isatty(self) -> bool:
        return True


def test_who_sees_a_line_come_is_told_no_time_and_a_level_where_something_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", shown := Terminal())
    with logging_to_standard_error(), logging_to(*log_files("stream", tmp_path)):
        logger.info("done")
        logger.warning("odd\x1b[2J")
        logger.error("wrong")
    assert shown.getvalue() == "done\nWARNING odd\\x1b[2J\nERROR wrong\n"
    written = (tmp_path / "stream.log").read_text(encoding="utf-8").splitlines()
    assert all(LINE.fullmatch(line) for line in written)


@pytest.mark.parametrize(
    ("verbose", "terminal", "hidden"), [(False, True, True), (True, True, False), (False, False, False)]
)
def test_what_is_summed_up_on_a_terminal_is_in_the_files_line_by_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verbose: bool, terminal: bool, hidden: bool
) -> None:
    shown = Terminal() if terminal else io.StringIO()
    monkeypatch.setattr(sys, "stderr", shown)
    with logged_by(*(["-v"] if verbose else [])), logging_to(*log_files("stream", tmp_path)):
        with summed_up_on_a_terminal() as found:
            log_decision("123456789012", "joe", "AKIA", "skipped", "not reported yet")
        logger.info("afterwards")
    assert found is hidden
    assert ("key=AKIA" in shown.getvalue()) is not hidden
    assert "afterwards" in shown.getvalue()
    assert "key=AKIA" in (tmp_path / "stream.log").read_text(encoding="utf-8")


def test_quiet_shows_warnings_only_and_the_files_have_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", shown := Terminal())
    with logged_by("-q"), logging_to(*log_files("stream", tmp_path)):
        logger.info("a decision")
        logger.warning("a warning")
    assert shown.getvalue() == "WARNING a warning\n"
    assert "a decision" in (tmp_path / "stream.log").read_text(encoding="utf-8")


@contextlib.contextmanager
def logged_by(*options: str) -> Iterator[None]:
    """Log as a command with these options does."""
    command = quiet_option(verbose_option(click.Command("any")))
    with command.make_context("any", list(options)), logging_to_standard_error():
        yield
