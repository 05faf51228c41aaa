"""Starts a command of the host as a process of its own, without waiting for its imports each time.

A launcher has everything imported, has read what botocore knows of AWS, and has done nothing; each run is a fork of
it, which takes a hundredth of a second where a new interpreter takes one. It is an ordinary process, and killed like
one.
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any, Self

from tests.aws_models import aws_models_read_once
from tests.world import REMEDIATION, REPORTING, RESTORE
from tests.world.process import process_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType


class Launcher:
    """Runs one command after the other, each with the environment of that moment. A context manager."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.launcher"],
            env=process_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def run(
        self, *arguments: str, aws: str, started: Callable[[int], None] = lambda _: None, module: str = REPORTING
    ) -> tuple[int, str]:
        """Run the command to its end: its exit code, negative if a signal ended it, and what it printed.

        `aws` is where it finds AWS. `started` is handed the number of its process while it runs.
        """
        assert self._process.stdin is not None
        environment = {**process_environment(), "AWS_ENDPOINT_URL": aws}
        self._process.stdin.write(json.dumps([module, arguments, environment]) + "\n")
        self._process.stdin.flush()
        started(self._answer()["pid"])
        ended = self._answer()
        return ended["code"], ended["output"]

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        return dict(json.loads(self._process.stdout.readline()))


def serve() -> None:
    """Fork one process for each line of standard input, one after the other."""
    mains = {name: import_module(name).main for name in (REPORTING, REMEDIATION, RESTORE)}
    # Else the collector would look at what is inherited, and so copy it, in every fork.
    gc.collect()
    gc.freeze()
    for line in sys.stdin:
        module, arguments, environment = json.loads(line)
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(read)
            os.environ.update(environment)
            _become(mains[module], arguments, write)
        os.close(write)
        print(json.dumps({"pid": pid}), flush=True)
        with os.fdopen(read, encoding="utf-8") as printed:
            output = printed.read()
        _, status = os.waitpid(pid, 0)
        print(json.dumps({"code": os.waitstatus_to_exitcode(status), "output": output}), flush=True)


def _become(main: Callable[[Sequence[str]], object], arguments: Sequence[str], output: int) -> None:
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, source in ((0, nothing), (1, output), (2, output)):
        os.dup2(source, number)
    # Python's own still take the pipe for what they were opened on.
    sys.stdout, sys.stderr = (os.fdopen(number, "w", closefd=False) for number in (1, 2))
    code = 70
    try:
        main(arguments)
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    with aws_models_read_once("dynamodb", "iam", "secretsmanager", "sts"):
        serve()
