"""A run has an end: it is stopped as by Ctrl-C, and ended where it is if it does not stop."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from library.cli import deadline
from library.cli.deadline import ended_in_time
from library.cli.run import run
from tests.cli.test_run import STREAM, configure
from tests.world import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Callable

    from library.config.settings import Config

__all__ = ["configure"]

AT_ONCE = timedelta(seconds=0.01)
DEADLINE = 30


def never(_settings: Config) -> int:
    threading.Event().wait(DEADLINE)
    return 0


@pytest.mark.parametrize("read_only", [True, False])
def test_a_run_that_lasts_too_long_is_stopped_says_so_and_has_failed(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    configure: Callable[..., None],
    read_only: bool,
) -> None:
    monkeypatch.setattr(deadline, "LASTS", AT_ONCE)
    assert run(STREAM, never, read_only=read_only) == 1
    errors = [line for line in capsys.readouterr().err.splitlines() if " ERROR " in line]
    assert len(errors) == 1
    assert " ERROR E-RUN-10 This run has lasted for " in errors[0]


def test_what_ends_in_time_is_left_alone() -> None:
    before = threading.active_count()
    with ended_in_time() as over:
        assert threading.active_count() == before + 1
    assert threading.active_count() == before
    assert not over.is_set()


@pytest.mark.process
def test_a_run_that_does_not_stop_is_ended_where_it_is() -> None:
    code = (
        "import signal, threading\n"
        "from datetime import timedelta\n"
        "from library.cli import deadline\n"
        "deadline.LASTS = deadline.GRACE = timedelta(seconds=0.01)\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "with deadline.ended_in_time():\n"
        "    threading.Event().wait()\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, timeout=DEADLINE, check=False)
    assert done.returncode == 1
