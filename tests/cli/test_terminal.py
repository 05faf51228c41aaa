"""What a command shows on a terminal, and how plain that is in a pipe."""

from __future__ import annotations

import contextlib
import os
import pty
import sys
from typing import TYPE_CHECKING

from library.cli.terminal import progress

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest


def test_in_a_pipe_there_is_no_bar(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("Scanning", 2) as advance:
        advance("1 user")
        advance("2 users", 0)
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "")


@contextlib.contextmanager
def screen(monkeypatch: pytest.MonkeyPatch, columns: int = 120) -> Iterator[int]:
    """A terminal that is standard error; what it shows can be read from this end."""
    near_end, far_end = pty.openpty()
    with open(far_end, "w", encoding="utf-8") as terminal, monkeypatch.context() as patch:  # noqa: PTH123
        patch.setenv("TERM", "xterm")
        patch.setenv("COLUMNS", str(columns))
        patch.setattr(sys, "stderr", terminal)
        yield near_end
    os.close(near_end)


def read_to(terminal: int, ending: str) -> str:
    """What a terminal shows up to an ending; it is handed out in pieces."""
    shown = b""
    while not shown.endswith(ending.encode()):
        shown += os.read(terminal, 65536)
    return shown.decode()


def test_a_terminal_shows_how_far_the_work_is_and_what_was_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    with screen(monkeypatch) as near_end:
        with progress("Scanning", 2) as advance:
            advance("1 user")
            advance("5 users", 1)
        sys.stderr.write("end")
        sys.stderr.flush()
        shown = read_to(near_end, "end")
    assert "Scanning" in shown
    assert "2/2" in shown
    assert "5 users" in shown


def test_on_a_narrow_terminal_it_says_what_it_does_and_as_much_of_the_counts_as_there_is_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with screen(monkeypatch, columns=80) as near_end:
        with progress("Reporting", 2) as advance:
            advance("1 failed, 2 skipped, 3 closed, 4 reminded, 5 told a date, 6 reported, and more of this kind", 2)
        sys.stderr.write("end")
        sys.stderr.flush()
        shown = read_to(near_end, "end")
    assert "Reporting" in shown
    assert "1 failed, 2 skipped" in shown


def test_a_line_of_the_log_above_the_bar_stays_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    line = f"WARNING account 123456789012 role arn:aws:iam::123456789012:role/{'x' * 64} key AKIAEXAMPLE000000000"
    with screen(monkeypatch, columns=80) as near_end:
        with progress("Reporting", 1) as advance:
            sys.stderr.write(f"{line}\n")
            advance("1 reported")
        sys.stderr.write("end")
        sys.stderr.flush()
        assert line in read_to(near_end, "end")


def test_nothing_to_do_needs_no_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    with screen(monkeypatch) as near_end:
        with progress("Scanning", 0):
            pass
        sys.stderr.write("end")
        sys.stderr.flush()
        assert read_to(near_end, "end") == "end"
