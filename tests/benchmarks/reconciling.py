"""The second benchmark: what a scan writes when all is new, and when nothing is."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from deployment.local.embedded_aws import EmbeddedAws
from tests.benchmarks import worker
from tests.benchmarks.account import ACCOUNT, Kind
from tests.benchmarks.bars import Bar
from tests.world import CRITERIA_DAYS, REGION
from tests.world.configuration import write

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from tests.benchmarks.fake_iam import FakeIam

CASES: tuple[tuple[int, Kind, int], ...] = ((100, "none idle", 0), (50, "all idle", 100), (5000, "all idle", 10_000))
"""Users, what their keys are, and the issues that this makes."""
SEED = 5


@dataclass(frozen=True, slots=True)
class Measured:
    """One scan of an account with this many issues; `wall` and `cpu` in seconds."""

    issues: int
    again: bool
    wall: float
    cpu: float
    iam_calls: int
    reads: int
    writes: int
    found: int
    memory: float


def configuration(folder: Path, accounts: dict[str, str]) -> dict[str, str]:
    """Write a configuration for these accounts, and say where it is."""
    aws = {"region": REGION, "main_account_id": ACCOUNT, "accounts": accounts}
    write(folder, "config.json", {"aws": aws, "user_inactivekeys": {"inactive_criteria_days": CRITERIA_DAYS}})
    return {"HAMMER_CONFIG": str(folder)}


def measure_all(fake: FakeIam, console: Console) -> list[Measured]:
    """A first scan and another one for each number of issues; the table is ministack's, IAM answers at once."""
    found: list[Measured] = []
    with EmbeddedAws() as aws, tempfile.TemporaryDirectory() as folder:
        settings = configuration(Path(folder), {ACCOUNT: "master"})
        environment = aws.process_environment() | {"AWS_ENDPOINT_URL_IAM": fake.url} | settings
        for users, kind, issues in CASES:
            now = int(time.time())
            fake.load(users, SEED, now, kind)
            with console.status(f"{issues} issues …"):
                done = worker.run(environment, job="identify", now=now, times=2)
            found += (_measured(issues, again, done) for again in (False, True))
    return found


def _measured(issues: int, again: bool, done: dict[str, Any]) -> Measured:
    scan = done["scans"][again]
    return Measured(
        issues=issues,
        again=again,
        wall=scan["wall"],
        cpu=scan["cpu"],
        iam_calls=scan["calls"],
        reads=scan["reads"],
        writes=scan["writes"],
        found=scan["idle"],
        memory=done["memory"],
    )


def table(runs: list[Measured]) -> Table:
    """All scans, one to a line."""
    shown = Table(title="Reconciling: ministack's DynamoDB, an IAM without latency", title_justify="left")
    shown.add_column("issues", justify="right")
    shown.add_column("scan")
    for name in ("wall s", "CPU s", "calls of IAM", "reads", "writes", "peak MB of both"):
        shown.add_column(name, justify="right")
    for run in runs:
        shown.add_row(
            str(run.issues),
            "again, nothing changed" if run.again else "first",
            f"{run.wall:.1f}",
            f"{run.cpu:.1f}",
            str(run.iam_calls),
            str(run.reads),
            str(run.writes),
            f"{run.memory:.0f}",
            end_section=run.again,
        )
    return shown


def bars(runs: list[Measured]) -> Iterator[Bar]:
    """Every issue is written once, and never again."""
    for run in runs:
        if run.found != run.issues:
            yield Bar(f"{run.issues} issues, idle keys found", str(run.found), str(run.issues), reached=False)
        if run.again:
            yield Bar(f"{run.issues} issues, writes of a scan without change", str(run.writes), "0", run.writes == 0)
