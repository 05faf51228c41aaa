"""What is measured, in a process of its own: `python -m tests.benchmarks.worker '{"job": "scan", …}'`.

The answer is one line of JSON on standard output. Which AWS is talked to, the environment says.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import boto3
import botocore.handlers

from tests.benchmarks import baseline
from tests.benchmarks.account import ACCOUNT, Fact
from tests.wire import not_of_aws
from tests.world import HANDLERS, REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from types import ModuleType

    from botocore.awsrequest import AWSPreparedRequest

    from library.issues.listing import Listing, WatchedKey

How = Literal["sequential", "listing", "report"]


def run(environment: Mapping[str, str], **job: object) -> dict[str, Any]:
    """Do a job in a process of its own and return its answer. Raises CalledProcessError."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.worker", json.dumps(job)],
        cwd=REPOSITORY,
        env=not_of_aws(os.environ) | dict(environment),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


# --- a scan of the keys ------------------------------------------------------------------------------------------


def listing(
    session: boto3.Session, how: How, criteria_days: int, now: datetime, watched: Collection[WatchedKey] = ()
) -> tuple[Listing, int]:
    """What this project finds, with the report or without, and how many calls it took."""
    from library.aws.iam_clients import IamClients
    from library.aws.iam_scan import list_access_keys, scan_access_keys
    from library.aws.sessions import CLIENT_CONFIG, Account
    from library.issues.access_keys import is_long_ago

    iam = IamClients(Account(ACCOUNT, "master"), partial(session.client, "iam", config=CLIENT_CONFIG))
    rule = partial(is_long_ago, criteria_days=criteria_days, now=now)
    found = list_access_keys(iam, rule) if how == "listing" else scan_access_keys(iam, rule, watched, now)
    return found, iam.calls


def idle_keys(found: Listing, criteria_days: int, now: datetime) -> list[Fact]:
    """The idle ones, sorted, in the words of the fake."""
    from library.issues.access_keys import is_idle

    return sorted(
        (
            key.key_id,
            key.user_name,
            key.user_id,
            int(key.create_date.timestamp()),
            int(key.last_used.timestamp()) if key.last_used else None,
        )
        for key in found.keys
        if is_idle(key, criteria_days, now)
    )


def scan(how: How, criteria_days: int, now: int) -> dict[str, Any]:
    """Scan once, after everything was imported; `cpu` does not count the imports, `cpu_in_all` does."""
    moment = datetime.fromtimestamp(now, UTC)
    if how != "sequential":
        importlib.import_module("library.aws.sessions")
        importlib.import_module("library.aws.iam_scan")
    cpu, began = _cpu_seconds(), time.perf_counter()
    if how == "sequential":
        idle, calls = baseline.idle_keys(criteria_days, moment)
        problem = ""
    else:
        found, calls = listing(boto3.Session(), how, criteria_days, moment)
        idle, problem = idle_keys(found, criteria_days, moment), found.report_problem
    return {
        "wall": time.perf_counter() - began,
        "cpu": _cpu_seconds() - cpu,
        "cpu_in_all": _cpu_seconds(),
        "memory": _peak_memory(),
        "calls": calls,
        "idle": idle,
        "problem": problem,
    }


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _peak_memory() -> float:
    """In MB. Not `ru_maxrss` where Linux says better: that one begins with the peak of the parent."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


# --- the handlers ------------------------------------------------------------------------------------------------


def handler(name: str) -> ModuleType:
    """The module of a function, its log thrown away."""
    sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115
    sys.path.insert(0, str(HANDLERS))
    return importlib.import_module(name)


def count_calls() -> Counter[str]:
    """Count what all clients that are made from now on send: `dynamodb.Query` and so on, retries included."""
    counts: Counter[str] = Counter()

    def count(request: AWSPreparedRequest, event_name: str, **_: object) -> None:
        counts[event_name.removeprefix("before-send.")] += 1

    handlers: list[Any] = botocore.handlers.BUILTIN_HANDLERS
    handlers.append(("before-send", count))
    return counts


def identify(now: int, times: int) -> dict[str, Any]:
    """Make a new table, and scan and reconcile some times; one answer for each."""
    from tests.world import table

    counts = count_calls()
    module = handler("describe_iam_accesskey_details")
    dynamodb = boto3.client("dynamodb")
    for name in dynamodb.list_tables()["TableNames"]:
        dynamodb.delete_table(TableName=name)
    table.create()
    scans: list[dict[str, Any]] = []
    for number in range(times):
        counts.clear()
        moment = datetime.fromtimestamp(now, UTC) + timedelta(seconds=number)
        cpu, began = _cpu_seconds(), time.perf_counter()
        result = module.identify(ACCOUNT, "master", moment)
        scans.append(
            {
                "wall": time.perf_counter() - began,
                "cpu": _cpu_seconds() - cpu,
                "idle": result.idle_keys,
                "calls": sum(count for name, count in counts.items() if name.startswith("iam.")),
                "reads": counts["dynamodb.Query"] + counts["dynamodb.GetItem"],
                # One of them is the account's state.
                "writes": sum(counts[f"dynamodb.{name}"] for name in ("PutItem", "UpdateItem", "BatchWriteItem")) - 1,
            }
        )
    return {"scans": scans, "memory": _peak_memory()}


def initiate() -> dict[str, Any]:
    """Ask for the scans of all accounts."""
    counts = count_calls()
    module = handler("initiate_to_desc_iam_access_keys")
    began = time.perf_counter()
    accounts = module.initiate()["accounts"]
    wall = time.perf_counter() - began
    messages = counts["sns.PublishBatch"]
    return {"wall": wall, "accounts": accounts, "calls": messages, "of_state": sum(counts.values()) - messages}


_JOBS: dict[str, Callable[..., dict[str, Any]]] = {"scan": scan, "identify": identify, "initiate": initiate}


def main() -> None:
    """Do the job that the command line names."""
    job = json.loads(sys.argv[1])
    answer = _JOBS[job.pop("job")](**job)
    assert sys.__stdout__ is not None
    print(json.dumps(answer), file=sys.__stdout__)


if __name__ == "__main__":
    main()
