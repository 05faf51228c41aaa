"""The benchmark of reporting: a first run that raises a thousand tickets in a JIRA that takes its time."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from rich.console import Console
from rich.table import Table

from deployment.local.scanned_accounts.server import ScannedAccounts
from library.issues.record import Issue, IssueDetails, Status, Timestamps
from reporting.create_iam_key_inactive_tickets import WORKERS
from tests.benchmarks.bars import Bar, show
from tests.world import MAIN, label_of
from tests.world.estate import Estate, estate_at
from tests.world.process import process_environment

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ISSUES = 1000
SAMPLE = 40
LATENCY = 0.1
SIXTH = 6
_RUN = """
import sys
from library.cli.run import run
from reporting.create_iam_key_inactive_tickets import STREAM, Reporting
from reporting.options import Options
sys.exit(run(STREAM, lambda settings: Reporting(settings, Options(), lambda: None, int(sys.argv[1])).run()))
"""


@dataclass(frozen=True, slots=True)
class Run:
    """What came of one run; `ordered` if every issue's calls came in their order, one ticket each."""

    workers: int
    issues: int
    wall: float
    calls: int
    ordered: bool

    @property
    def per_thousand(self) -> float:
        """Seconds for a thousand issues."""
        return self.wall / self.issues * 1000


def measure_all(console: Console, *, issues: int = ISSUES) -> list[Run]:
    """One issue after the other, of which a sample is enough, and then as many at once as the command works on."""
    runs = []
    with _estate() as estate:
        for workers, count in ((1, SAMPLE), (WORKERS, issues)):
            with console.status(f"{count} issues, {workers} at a time …"):
                runs.append(_measure(estate, workers, count))
    return runs


@contextmanager
def _estate() -> Iterator[Estate]:
    with (
        tempfile.TemporaryDirectory() as folder,
        ScannedAccounts() as aws,
        pytest.MonkeyPatch.context() as patch,
        estate_at(aws.url, Path(folder) / "config", patch) as estate,
    ):
        yield estate


def _measure(estate: Estate, workers: int, count: int) -> Run:
    issues = [_issue(estate, f"AKIA{workers:02}{number:014}") for number in range(count)]
    for issue in issues:
        estate.put(issue)
    estate.jira.requests.clear()
    estate.jira.latency_seconds = LATENCY
    began = time.perf_counter()
    ended = subprocess.run(
        [sys.executable, "-c", _RUN, str(workers)],
        env=process_environment(),
        cwd=estate.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    wall = time.perf_counter() - began
    if ended.returncode:
        raise RuntimeError(f"reporting ended with code {ended.returncode}\n{ended.stderr[-2000:]}")
    return Run(workers, count, wall, len(estate.jira.requests), _in_order(estate, issues))


def table(runs: Sequence[Run]) -> Table:
    """One line for each run."""
    shown = Table(title=f"Reporting new issues: {LATENCY * 1000:.0f} ms per JIRA call", title_justify="left")
    for name in ("workers", "issues", "JIRA calls", "wall s", "s per 1,000", "order kept"):
        shown.add_column(name, justify="right")
    for run in runs:
        shown.add_row(
            str(run.workers),
            str(run.issues),
            str(run.calls),
            f"{run.wall:.1f}",
            f"{run.per_thousand:.0f}",
            "yes" if run.ordered else "NO",
        )
    return shown


def bars(runs: Sequence[Run]) -> Iterator[Bar]:
    """A sixth of the sequential time, and nothing mixed up on the way.

    Held against JIRA's own share of that time, which no machine can make shorter: every call, one after the other.
    """
    parallel = runs[-1]
    limit = parallel.calls * LATENCY / SIXTH
    what = f"{parallel.issues} issues, a sixth of {parallel.calls} calls one after the other"
    yield Bar(what, f"{parallel.wall:.0f} s", f"{limit:.0f} s", parallel.wall <= limit)
    ordered = all(run.ordered for run in runs)
    yield Bar("order of each issue's calls", "kept" if ordered else "NOT kept", "kept", ordered)


def _issue(estate: Estate, key: str) -> Issue:
    return Issue(
        account_id=MAIN,
        issue_id=key,
        status=Status.OPEN,
        details=IssueDetails(estate.ago(days=400), estate.ago(days=200), f"user of {key}", tags={}),
        timestamps=Timestamps(identified=estate.now, updated=estate.now),
    )


def _in_order(estate: Estate, issues: Sequence[Issue]) -> bool:
    """Whether each issue's one ticket was looked for, then raised, then linked, and then recorded."""
    labels = {ticket.key: ticket.labels[-1] for ticket in estate.jira.issues.values() if ticket.labels}
    seen: dict[str, list[str]] = {label: [] for label in labels.values()}
    for request in estate.jira.requests:
        body = request.body or {}
        if "jql" in request.query:
            seen[request.query["jql"].split('"')[1]].append("look")
        elif "fields" in body:
            seen[body["fields"]["labels"][-1]].append("raise")
        elif "inwardIssue" in body:
            seen[labels[body["inwardIssue"]["key"]]].append("link")
    recorded = {row["issue_id"]["S"]: row["jira_details"]["M"].get("ticket", {}).get("S") for row in estate.rows()}
    return all(
        seen[label_of(issue)] == ["look", "raise", "link"]
        and labels.get(recorded[issue.issue_id] or "") == label_of(issue)
        for issue in issues
    )


if __name__ == "__main__":
    terminal = Console()
    measured = measure_all(terminal)
    terminal.print(table(measured))
    sys.exit(0 if show(terminal, bars(measured)) else 1)
