"""The first benchmark: reading the keys of an account in the plain way, by the full listing, and by the report."""

from __future__ import annotations

import time
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

from rich.table import Table

from tests.benchmarks import worker
from tests.benchmarks.account import EVENTS
from tests.benchmarks.bars import Bar
from tests.benchmarks.fake_iam import Counts, FakeIam, Limits

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rich.console import Console

SIZES = (100, 1000, 5000)
CRITERIA_DAYS = 90
SEED = 3
LATENCY = 0.04
REPORT_SECONDS = 3.0
RATE, BURST = 20.0, 100
REPORT_AGE = 3.5 * 3600
PAGE = 1000
# Of each kind of event one for this many users, in the hours since the report was made.
USERS_PER_EVENT = 200

_NAMES: Mapping[worker.How, str] = {
    "sequential": "sequential",
    "listing": "full listing",
    "report": "by the report",
}


@dataclass(frozen=True, slots=True)
class Measured:
    """One run; `wall` and `cpu` in seconds, `memory` in MB, `report` is `made`, `drifted` or none was read.

    `allowance` is how many calls the report that was read justifies. `extrapolated` means that the run was not done:
    its figures are those of a smaller one, call by call.
    """

    users: int
    throttled: bool
    report: str
    how: worker.How
    wall: float
    cpu: float
    cpu_in_all: float
    memory: float
    calls: int
    served: int
    floor: float
    allowance: int | None
    right: bool
    extrapolated: bool = False

    @property
    def limit(self) -> str:
        """Whether it was throttled, as it is shown."""
        return "throttled" if self.throttled else "unthrottled"


def measure_all(fake: FakeIam, *, quick: bool, console: Console) -> list[Measured]:
    """All runs, one after the other; `quick` leaves out the sequential one of the largest account."""
    found: list[Measured] = []
    for users in SIZES:
        if quick and users == max(SIZES):
            found.append(_extrapolated(fake, _sequential(found, SIZES[-2]), users))
        for how, report, throttled in _plan():
            if how == "sequential" and quick and users == max(SIZES):
                continue
            run = _measure(fake, users, how, report, throttled=throttled)
            found.append(run)
            name = f"{users} users, {run.limit}, {_NAMES[how]} {run.report}".rstrip()
            console.print(f"  {name}: {run.wall:.1f} s", highlight=False)
    return found


def _plan() -> Iterator[tuple[worker.How, str, bool]]:
    yield "sequential", "", False
    for throttled in (False, True):
        # It does not look at the report.
        yield "listing", "", throttled
        yield "report", "made", throttled
        yield "report", "drifted", throttled


def _measure(fake: FakeIam, users: int, how: worker.How, report: str, *, throttled: bool) -> Measured:
    now = int(time.time())
    fake.load(users, SEED, now)
    if report == "drifted":
        fake.make_report(REPORT_AGE)
        fake.drift(dict.fromkeys(EVENTS, max(1, users // USERS_PER_EVENT)), SEED, int(now - REPORT_AGE))
    fake.limit(Limits(LATENCY, REPORT_SECONDS, RATE if throttled else 0, BURST))
    done = worker.run(fake.environment, job="scan", how=how, criteria_days=CRITERIA_DAYS, now=now)
    counts = fake.counts()
    read_report = "GetCredentialReport" in counts.served
    return Measured(
        users=users,
        throttled=throttled,
        report=report if read_report else "",
        how=how,
        wall=done["wall"],
        cpu=done["cpu"],
        cpu_in_all=done["cpu_in_all"],
        memory=done["memory"],
        calls=done["calls"],
        served=sum(counts.served.values()),
        floor=_floor(counts, made=read_report and report == "made", throttled=throttled),
        allowance=fake.allowance(CRITERIA_DAYS, cached=report == "drifted") if read_report else None,
        right=[tuple(fact) for fact in done["idle"]] == fake.idle_keys(CRITERIA_DAYS) and not done["problem"],
    )


def _floor(counts: Counts, *, made: bool, throttled: bool) -> float:
    """The seconds below which nobody gets who makes these calls.

    Some cannot be made at once: a page of users is asked for after the one before, a report after it was made, the
    keys of a user after both, their last use after that. Throttled, the slowest API has to serve its share.
    """
    making = REPORT_SECONDS if made else 0.0
    in_a_row = ("ListUsers", "GenerateCredentialReport", "GetCredentialReport")
    chain = LATENCY * (2 + sum(counts.served.get(name, 0) for name in in_a_row))
    serving = max((served - BURST) / RATE for served in counts.served.values()) if throttled else 0.0
    return making + max(chain, serving)


def _extrapolated(fake: FakeIam, small: Measured, users: int) -> Measured:
    """What a smaller sequential run says of a larger one, call by call."""
    fake.load(users, SEED, int(time.time()))
    pages = ceil(users / PAGE)
    calls = pages + users + sum(key.active for key in fake.all_keys())
    share = calls / small.calls
    return Measured(
        users=users,
        throttled=False,
        report="",
        how="sequential",
        wall=small.wall * share,
        cpu=small.cpu * share,
        cpu_in_all=small.cpu_in_all * share,
        memory=small.memory,
        calls=calls,
        served=calls,
        floor=LATENCY * (2 + pages),
        allowance=None,
        right=small.right,
        extrapolated=True,
    )


def _sequential(runs: list[Measured], users: int) -> Measured:
    return next(run for run in runs if run.users == users and run.how == "sequential")


def table(runs: list[Measured]) -> Table:
    """All runs, one to a line."""
    shown = Table(
        title=f"Reading the keys of an account: {LATENCY * 1000:.0f} ms per call, {REPORT_SECONDS:.0f} s per report; "
        f"throttled is {RATE:.0f} calls a second and {BURST} at once for each API",
        title_justify="left",
    )
    shown.add_column("users", justify="right")
    shown.add_column("limit")
    shown.add_column("way")
    shown.add_column("report")
    for name in ("wall s", "calls", "served", "per user", "CPU s", "with imports", "peak MB"):
        shown.add_column(name, justify="right")
    shown.add_column("equals truth")
    for name in ("× sequential", "floor s", "× floor"):
        shown.add_column(name, justify="right")
    for number, run in enumerate(runs):
        shown.add_row(
            str(run.users),
            run.limit,
            _NAMES[run.how] + (" (extrapolated)" if run.extrapolated else ""),
            {"made": "made in scan", "drifted": f"{REPORT_AGE / 3600:g} h old"}.get(run.report, "-"),
            f"{run.wall:.1f}",
            str(run.calls),
            str(run.served),
            f"{run.calls / run.users:.2f}",
            f"{run.cpu:.1f}",
            f"{run.cpu_in_all:.1f}",
            f"{run.memory:.0f}",
            "yes" if run.right else "NO",
            f"{_sequential(runs, run.users).wall / run.wall:.1f}",
            f"{run.floor:.1f}",
            f"{run.wall / run.floor:.2f}",
            end_section=number + 1 < len(runs) and runs[number + 1].users != run.users,
        )
    return shown


def bars(runs: list[Measured]) -> Iterator[Bar]:
    """What the largest account must reach, and that every result is right."""
    users = max(SIZES)
    sequential = _sequential(runs, users)
    for run in runs:
        if (run.users, run.how) != (users, "report"):
            continue
        name = f"{users} users, {run.limit}, report {run.report or 'not read'}"
        if run.allowance is None:
            yield Bar(f"{name}, the report", "not read", "read", reached=False)
        else:
            yield Bar(f"{name}, calls served", str(run.served), f"{run.allowance}", run.served <= run.allowance)
        if run.throttled:
            ratio = run.wall / run.floor
            yield Bar(f"{name}, wall", f"{ratio:.2f} × the floor", "1.25 ×", ratio <= 1.25)
        elif run.report == "made":
            ratio = sequential.wall / run.wall
            yield Bar(f"{name}, wall", f"{ratio:.1f} × faster than sequential", "45 ×", ratio >= 45)
        if not run.throttled:
            # The sequential run was not throttled. Waiting for IAM costs CPU, too, which the table shows.
            share = run.cpu / sequential.cpu
            yield Bar(f"{name}, client CPU", f"{share:.2f} of sequential", "0.25", share <= 0.25)
        yield Bar(f"{name}, peak memory", f"{run.memory:.0f} MB", "200 MB", run.memory <= 200)
    wrong = sum(not run.right for run in runs)
    yield Bar("results that differ from the truth", str(wrong), "0", wrong == 0)
