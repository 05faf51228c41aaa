"""Commands as processes of their own: without a terminal, as cron starts them, or on one, as an operator does."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import signal
import subprocess
import sys
import time
from typing import IO, TYPE_CHECKING

from tests.world import HOST_CODE, REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_DEADLINE_SECONDS = 60


def process_environment() -> dict[str, str]:
    """The environment of this process, with the code where the host has it."""
    path = os.pathsep.join((str(REPOSITORY), str(HOST_CODE)))
    return {**os.environ, "PYTHONPATH": path, "TERM": "dumb"}


def run_in(folder: Path, module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command as cron does: a process of its own, no terminal."""
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        env=process_environment(),
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_DEADLINE_SECONDS,
        check=False,
    )


@contextlib.contextmanager
def started(folder: Path, module: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A command in a process of its own, without a terminal, which has ended when the block has."""
    process = subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        env=process_environment(),
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
            process.wait(_DEADLINE_SECONDS)
        finally:
            process.kill()


def read_to(lines: IO[str] | None, text: str) -> str:
    """All up to the line that has this text."""
    seen = ""
    for line in lines or ():
        seen += line
        if text in line:
            return seen
    raise AssertionError(f"{text!r} was not said:\n{seen}")


class Dialogue:
    """A command that runs on a pseudo-terminal, as in an operator's shell."""

    def __init__(self, module: str, *arguments: str, cwd: Path, kind: str, columns: int = 200) -> None:
        self._terminal, far_end = pty.openpty()
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            env={**process_environment(), "TERM": kind, "COLUMNS": str(columns)},
            cwd=cwd,
            stdin=far_end,
            stdout=far_end,
            stderr=far_end,
            start_new_session=True,
        )
        os.close(far_end)
        self.screen = ""
        self._read_to = 0

    def wait_for(self, text: str) -> None:
        """Return when `text` shows up on the screen after what was waited for last."""
        deadline = time.monotonic() + _DEADLINE_SECONDS
        while text not in self.screen[self._read_to :]:
            if time.monotonic() > deadline or not self._read_more():
                raise AssertionError(f"{text!r} did not show up on the screen:\n{self.screen}")
        self._read_to = self.screen.index(text, self._read_to) + len(text)

    def answer(self, line: str) -> None:
        """Wait for the prompt and type a line."""
        self.wait_for("[y/N]")
        self.type(line)

    def type(self, line: str) -> None:
        os.write(self._terminal, f"{line}\n".encode())

    def press(self, characters: bytes) -> None:
        """Press keys without Enter, as Ctrl-D."""
        os.write(self._terminal, characters)

    def interrupt(self, number: int = signal.SIGINT) -> None:
        """Press Ctrl-C at a prompt, or send another signal."""
        self._process.send_signal(number)
        # A signal that comes before the process really waits for input is seen only when the line ends.
        with contextlib.suppress(OSError):
            self.type("")

    def exit_code(self) -> int:
        """Wait for the end, and return the exit code."""
        deadline = time.monotonic() + _DEADLINE_SECONDS
        while self._read_more() and time.monotonic() < deadline:
            pass
        return self._process.wait(_DEADLINE_SECONDS)

    def end(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        if self._terminal >= 0:
            os.close(self._terminal)
            self._terminal = -1

    def _read_more(self) -> bool:
        ready, _, _ = select.select([self._terminal], [], [], 0.2)
        if not ready:
            return True
        try:
            read = os.read(self._terminal, 65536)
        except OSError:
            # Linux answers so when the far end was closed.
            return False
        self.screen += read.decode(errors="replace")
        return bool(read)
