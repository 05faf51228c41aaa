"""The child processes of the embedded AWS: they end with the program that has started them, however it ends."""

from __future__ import annotations

import contextlib
import http.client
import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from library.errors import HammerError

HOST = "127.0.0.1"
SECONDS_TO_START = 60
SECONDS_BETWEEN_LOOKS = 0.1

_REPOSITORY = Path(__file__).resolve().parents[2]
_SECONDS_TO_ANSWER = 5
_LOG_LINES_SHOWN = 15
# Below the ports that systems give to outgoing connections, which could take a port between the look and the start.
# Drawn at random, because several of these may start at the same moment.
_PORT_RANGE = range(20000, 32000)
_PORTS_TRIED = 50
_SOME_PORTS = random.SystemRandom()

# Runs a module as `python -m` does. Its standard input is a pipe whose other end only the parent holds: when the
# parent ends, even by SIGKILL, the pipe closes, and the child ends with everything that it has started.
_LAUNCHER = """
import os, runpy, signal, sys, threading
def end_with_parent():
    os.read(0, 1)
    os.killpg(0, signal.SIGKILL)
threading.Thread(target=end_with_parent, daemon=True).start()
sys.argv = sys.argv[1:]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""


class EmbeddedAwsError(HammerError):
    """The embedded AWS did not start, did not take the stack, or did not get to a state in time."""


class Child:
    """A module that runs as `python -m` does, in its own process group, its output in the file `log`.

    `name` is how messages call it; `command` is the module with its arguments.
    """

    def __init__(self, name: str, command: list[str], environment: dict[str, str], log: Path) -> None:
        self._name = name
        self._command = command
        self._environment = environment
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, without waiting for it."""
        with self._log.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _LAUNCHER, *self._command],
                cwd=_REPOSITORY,
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_until_it_answers(self, port: int, path: str) -> None:
        """Wait for its answer to a GET. Raises EmbeddedAwsError after SECONDS_TO_START, or once it has ended."""
        deadline = time.monotonic() + SECONDS_TO_START
        # Its own log must name the port: an answer alone could be another server's.
        while not (f"http://{HOST}:{port}" in self._log.read_text(errors="replace") and _answers(port, path)):
            self.raise_if_ended()
            if time.monotonic() > deadline:
                raise EmbeddedAwsError(
                    f"{self._name} did not answer on port {port} within {SECONDS_TO_START} seconds:\n"
                    + self._last_lines()
                )
            time.sleep(SECONDS_BETWEEN_LOOKS)

    def raise_if_ended(self) -> None:
        """Raise EmbeddedAwsError with the last lines of its output if it has ended."""
        code = self._process.poll() if self._process else None
        if code is not None:
            raise EmbeddedAwsError(f"{self._name} ended with code {code}:\n{self._last_lines()}")

    def kill(self) -> None:
        """End it at once, with everything that it has started."""
        if self._process is None:
            return
        # Before the leader is waited for: until then no other group can have its number. Nothing that the processes
        # hold is worth an orderly end.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.communicate()
        self._process = None

    def _last_lines(self) -> str:
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(f"    {line}" for line in lines[-_LOG_LINES_SHOWN:])


def usable_ports(*wanted: int | None) -> list[int]:
    """The wanted ports, and any free one for None. Raises EmbeddedAwsError if a wanted one is taken."""
    with contextlib.ExitStack() as probes:
        # Hold each until all are found: else the same one could be found twice.
        return [_hold(probes.enter_context(socket.socket()), port) for port in wanted]


def _hold(probe: socket.socket, wanted: int | None) -> int:
    # As servers do: a port that was in use a moment ago counts as free.
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    for port in [wanted] if wanted is not None else _SOME_PORTS.sample(_PORT_RANGE, _PORTS_TRIED):
        try:
            probe.bind((HOST, port))
        except OSError as error:
            reason = error.strerror
        else:
            return port
    if wanted is None:
        raise EmbeddedAwsError(f"found no free port of {HOST} in {_PORTS_TRIED} attempts ({reason})")
    raise EmbeddedAwsError(
        f"port {wanted} of {HOST} cannot be used ({reason}); stop the program that has it, or choose another port"
    )


def _answers(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=_SECONDS_TO_ANSWER)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
