"""The benchmark of large inputs: ten times the exemptions, owners or rows take about ten times the CPU."""

from __future__ import annotations

import gc
import json
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from library.config.loading import load
from library.issues.record import Status
from library.issues.row import to_item
from library.issues.whitelist import Exemption, Whitelist
from library.notifications.terms import Terms
from library.reports.entries import ReportSettings
from library.reports.figures import figures
from library.reports.report_page import page_of
from library.reports.scans import Scans
from reporting.tasks import tasks_of
from tests.benchmarks.account import ACCOUNT, Account
from tests.benchmarks.bars import Bar
from tests.benchmarks.estate import Estate, install
from tests.builders import NOW, an_issue, days_ago, details, times
from tests.world import table as rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rich.console import Console

    from library.issues.record import Issue

ENTRIES, ROWS, TENTH = 20_000, 100_000, 10
MOST = 15.0
"""How many times the CPU of a tenth the whole may take; in proportion it is 10."""


@dataclass(frozen=True, slots=True)
class Measured:
    """CPU seconds of the same work at a tenth of the size and at the size."""

    what: str
    size: int
    tenth: float
    whole: float


def measure_all(console: Console, *, entries: int = ENTRIES, issues: int = ROWS) -> list[Measured]:
    """Each work with a tenth of its input, and with all of it."""
    install()
    works: list[tuple[str, int, Callable[[int], Callable[[], object]]]] = [
        ("exemptions and owners, read and checked", entries, _loading),
        ("the same again, nothing changed", entries, _loading_again),
        ("rows, each looked up among a fifth as many exemptions", issues, _finding),
        ("closed rows of an account of 70 users, scanned", issues, _scanning),
        ("rows, planned by reporting", issues, _planning),
        ("rows, report and page", issues, _reporting),
    ]
    found = []
    for what, size, work in works:
        with console.status(f"{size} {what} …"):
            found.append(Measured(what, size, _cpu(work(size // TENTH)), _cpu(work(size))))
    return found


def _cpu(work: Callable[[], object]) -> float:
    # What an earlier work has left is not to be collected in the time of this one.
    gc.collect()
    began = time.process_time()
    work()
    return time.process_time() - began


def _loading(size: int) -> Callable[[], object]:
    folder = Path(tempfile.mkdtemp())
    aws = {"region": "eu-west-1", "main_account_id": ACCOUNT, "accounts": {ACCOUNT: "master"}}
    contents = {
        "config": {"aws": aws, "user_inactivekeys": {"inactive_criteria_days": 90}},
        "whitelist": {"user_inactivekeys": {ACCOUNT: [entry.id for entry in _exemptions(size)]}},
        "ticket_owners": {"bu": {f"unit {number}": {"jira_owner": "ann"} for number in range(size)}},
    }
    for name, content in contents.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    return lambda: load(str(folder))


def _loading_again(size: int) -> Callable[[], object]:
    work = _loading(size)
    work()
    return work


def _exemptions(size: int) -> tuple[Exemption, ...]:
    return tuple(Exemption(f"user-{number}" if number % 2 else f"ci-{number}-*") for number in range(size))


def _whitelist(size: int) -> Whitelist:
    return Whitelist({ACCOUNT: _exemptions(size // 5)})


def _issues(size: int, status: Status | None = None) -> list[Issue]:
    any_status = (Status.OPEN, Status.WHITELISTED, Status.CLOSED)
    return [
        an_issue(
            account_id=ACCOUNT,
            issue_id=f"AKIAOLD{number:013}",
            status=status or any_status[number % 3],
            details=details(username=f"user-{number}"),
            timestamps=times(reported=days_ago(18), resolved=days_ago(3), closed=days_ago(2)),
        )
        for number in range(size)
    ]


def _finding(size: int) -> Callable[[], object]:
    whitelist = _whitelist(size)
    return lambda: [whitelist.find(ACCOUNT, f"user-{number}", "AKIA", NOW) for number in range(size)]


def _scanning(size: int) -> Callable[[], object]:
    estate = Estate(Account(70, 3, 1_800_000_000), 90)
    for issue in _issues(size, Status.CLOSED):
        estate.issues.rows[ACCOUNT, issue.issue_id] = rows.serialized(to_item(issue))
    return estate.scan


def _planning(size: int) -> Callable[[], object]:
    issues, whitelist = _issues(size), _whitelist(size)
    owners = load(str(Path(__file__).resolve().parents[2] / "config")).owners
    terms = Terms(owners=owners, criteria_days=90, retention_days=14, remediated_accounts=frozenset({ACCOUNT}))
    return lambda: tasks_of(issues, terms, whitelist, None, Counter(), NOW)


def _reporting(size: int) -> Callable[[], object]:
    issues = _issues(size)
    settings = ReportSettings(
        accounts={ACCOUNT: "master"},
        table_name="issues",
        criteria_days=90,
        reporting=True,
        remediation=True,
        remediation_accounts=frozenset({ACCOUNT}),
        retention_days=14,
        max_keys_per_run=None,
        whitelist=_whitelist(size),
    )
    scans = Scans({}, frozenset({ACCOUNT}))
    return lambda: page_of(figures(issues, [], scans, settings, NOW), settings)


def table(runs: Sequence[Measured]) -> Table:
    """One line for each work."""
    shown = Table(title="Large inputs, in this process", title_justify="left")
    shown.add_column("how many", justify="right")
    shown.add_column("what")
    for name in ("CPU s of a tenth", "CPU s"):
        shown.add_column(name, justify="right")
    for run in runs:
        shown.add_row(f"{run.size:,}", run.what, f"{run.tenth:.2f}", f"{run.whole:.2f}")
    return shown


def bars(runs: Sequence[Measured]) -> Iterator[Bar]:
    """Nothing takes time by the square of its input, which would be a hundred times that of a tenth."""
    for run in runs:
        # What takes no time at a tenth has no ratio.
        times_more = run.whole / max(run.tenth, 0.01)
        what = f"{run.size:,} {run.what}, as against a tenth"
        yield Bar(what, f"{times_more:.1f} ×", f"{MOST:.0f} ×", times_more <= MOST)
