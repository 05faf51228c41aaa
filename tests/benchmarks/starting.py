"""The fourth benchmark: how long a fresh interpreter needs to import each handler, and for its first call."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from rich.table import Table

from tests.benchmarks.account import ACCOUNT
from tests.benchmarks.bars import Bar
from tests.benchmarks.reconciling import configuration
from tests.wire import not_of_aws
from tests.world import HANDLERS, REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.benchmarks.fake_iam import FakeIam

RUNS = 7
BARE = "bare boto3, IAM client"
# What is imported, the client that is made, and the first call.
_CASES = {
    BARE: ("import boto3", "boto3.client('iam')", "client.list_users()"),
    "identification": (
        "import boto3, describe_iam_accesskey_details as handler",
        "boto3.client('iam', config=handler.CLIENT_CONFIG)",
        f"handler.identify('{ACCOUNT}', 'master', datetime.now(UTC))",
    ),
    "initiation": (
        "import boto3, initiate_to_desc_iam_access_keys as handler",
        "boto3.client('sns', config=handler.CLIENT_CONFIG)",
        "handler.initiate()",
    ),
}
# The client and the first call are measured in interpreters of their own: a handler makes its own clients.
_SCRIPT = """
import json, os, sys, time
from datetime import UTC, datetime
out, sys.stdout = sys.stdout, open(os.devnull, "w")
began = time.perf_counter()
{imports}
imported = time.perf_counter()
{then}
print(json.dumps([imported - began, time.perf_counter() - began]), file=out)
"""

Times = dict[str, dict[str, float]]
"""Seconds by case: `import`, `client` (import and first client), `call` (import and first call)."""


def measure_all(fake: FakeIam) -> Times:
    """The median of some runs of each, taken in turns, after one that only warms up."""
    fake.load(0, 0, int(time.time()))
    taken: dict[str, dict[str, list[float]]] = {case: {"import": [], "client": [], "call": []} for case in _CASES}
    with tempfile.TemporaryDirectory() as folder:
        environment = not_of_aws(os.environ)
        environment |= fake.environment | configuration(Path(folder), {ACCOUNT: "master"})
        # The first run compiles everything, whatever the interpreter is told elsewhere.
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        environment |= {
            "PYTHONPYCACHEPREFIX": str(Path(folder) / "compiled"),
            "SNS_ARN": f"arn:aws:sns:eu-west-1:{ACCOUNT}:topic",
            "PYTHONPATH": os.pathsep.join((str(REPOSITORY), str(HANDLERS))),
        }
        for number in range(RUNS + 1):
            for case, (imports, client, call) in _CASES.items():
                for name, then in (("client", f"client = {client}"), ("call", call)):
                    if case == BARE and name == "call":
                        then = f"client = {client}; {call}"
                    imported, all_in_all = _run(_SCRIPT.format(imports=imports, then=then), environment)
                    if number:
                        taken[case]["import"].append(imported)
                        taken[case][name].append(all_in_all)
    return {case: {name: median(times) for name, times in of_case.items()} for case, of_case in taken.items()}


def _run(script: str, environment: dict[str, str]) -> tuple[float, float]:
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, stdout=subprocess.PIPE, text=True, check=True
    )
    imported, all_in_all = json.loads(done.stdout)
    return imported, all_in_all


def _ratio(times: Times, case: str, name: str) -> float:
    return times[case][name] / times[BARE][name]


def table(times: Times) -> Table:
    """One line for each handler."""
    shown = Table(title=f"Starting: milliseconds, median of {RUNS} fresh interpreters", title_justify="left")
    shown.add_column("")
    for name in ("import", "with first client", "× bare", "with first call", "× bare"):
        shown.add_column(name, justify="right")
    for case, of_case in times.items():
        shown.add_row(
            case,
            f"{of_case['import'] * 1000:.0f}",
            f"{of_case['client'] * 1000:.0f}",
            f"{_ratio(times, case, 'client'):.2f}",
            f"{of_case['call'] * 1000:.0f}",
            f"{_ratio(times, case, 'call'):.2f}",
        )
    return shown


def bars(times: Times) -> Iterator[Bar]:
    """Not much more than boto3 costs anybody."""
    for case in times:
        if case != BARE:
            ratio = _ratio(times, case, "client")
            yield Bar(f"{case}, import and first client", f"{ratio:.2f} × bare boto3", "1.5 ×", ratio <= 1.5)
