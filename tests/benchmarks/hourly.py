"""What an hour costs: nothing changed, the report made anew, a month of an account, IAM at 5 calls a second."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.table import Table

from library.aws.account_scan import CutOff
from library.issues.record import Status
from tests.benchmarks import drifting
from tests.benchmarks.account import Account
from tests.benchmarks.bars import Bar
from tests.benchmarks.estate import Estate, install

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

SIZES = (70, 1000, 5000)
DAYS, SEED, HOUR = 90, 3, 3600
LATENCY = 0.04
SLOW_RATE, LAMBDA_SECONDS = 5, 900
LARGEST = 5000


@dataclass(frozen=True, slots=True)
class Measured:
    """Scans of one size: calls of IAM of the first, of an unchanged hour, and of one whose report is made anew.

    `wall` is the seconds of the unchanged hour, `memory` the bytes that are remembered.
    """

    users: int
    issues: int
    first: int
    unchanged: int
    anew: int
    writes: int
    states: int
    wall: float
    memory: int


@dataclass(frozen=True, slots=True)
class Slow:
    """A first scan of the largest account without a report, at so few calls a second of each API.

    Time is counted by the calls and not waited for.
    """

    attempts: int
    asked_twice: int
    missing: int


@dataclass(frozen=True, slots=True)
class Hours:
    """All that is measured here."""

    sizes: tuple[Measured, ...]
    month: drifting.Month
    slow: Slow


def measure_all(console: Console) -> Hours:
    """One after the other; a few minutes."""
    install()
    sizes = []
    for users in SIZES:
        with console.status(f"{users} users …"):
            sizes.append(_measure(users))
    with console.status("a month …"):
        month = drifting.a_month()
    with console.status("slow …"):
        slow = _slow()
    return Hours(tuple(sizes), month, slow)


def _measure(users: int) -> Measured:
    account = Account(users, SEED, 1_800_000_000)
    estate = Estate(account, DAYS)
    estate.scan()
    first = estate.iam_calls
    account.now += 2 * HOUR
    estate.iam.changed()
    # What has grown idle meanwhile is looked at now; the hour after it is the unchanged one.
    estate.scan()
    account.now += 60
    estate.latency = LATENCY
    began = time.perf_counter()
    estate.scan()
    wall = time.perf_counter() - began
    unchanged, writes = estate.iam_calls, estate.calls["issues.PutItem"] + estate.calls["issues.UpdateItem"]
    states = estate.calls["state.UpdateItem"]
    estate.latency = 0
    account.now += 5 * HOUR
    idle = {fact[0] for fact in account.idle_keys(DAYS)} | set(estate.table())
    for user in account.users.values():
        for key in user.keys:
            if key.active and key.used is not None and key.key_id not in idle:
                key.used = account.now - 60
    estate.iam.changed()
    estate.scan()
    return Measured(
        users=users,
        issues=len(estate.table()),
        first=first,
        unchanged=unchanged,
        anew=estate.iam_calls,
        writes=writes,
        states=states,
        wall=wall,
        memory=len(estate.state().memory),
    )


def _slow() -> Slow:
    account = Account(LARGEST, SEED, 1_800_000_000)
    estate = Estate(account, DAYS)
    estate.iam.no_report = True
    asked: Counter[str] = Counter()
    idle = {fact[0] for fact in account.idle_keys(DAYS)}
    attempts = 0
    while estate.state().scanned is None and attempts < 9:
        attempts += 1
        with suppress(CutOff):
            estate.scan(lambda: LAMBDA_SECONDS - max(estate.calls.values(), default=0) / SLOW_RATE)
        asked.update(estate.users_asked)
        account.now += 60
    found = {key for key, issue in estate.table().items() if issue.status is Status.OPEN}
    return Slow(attempts, len([name for name, count in asked.items() if count > 1]), len(idle - found))


def table(hours: Hours) -> Table:
    """One line for each size."""
    shown = Table(
        title=f"An hour: calls of IAM, {LATENCY * 1000:.0f} ms each; the tables answer in this process",
        title_justify="left",
    )
    for name in (
        *("users", "issues", "first scan", "unchanged", "report made anew", "writes: issues", "state", "wall s"),
        "remembered bytes",
    ):
        shown.add_column(name, justify="right")
    for run in hours.sizes:
        shown.add_row(
            *(
                str(count)
                for count in (run.users, run.issues, run.first, run.unchanged, run.anew, run.writes, run.states)
            ),
            f"{run.wall:.2f}",
            str(run.memory),
        )
    month, scans = hours.month, drifting.MONTH
    shown.caption = (
        f"A month of {drifting.ORDINARY} users, {scans} scans: {month.calls / scans:.1f} calls an hour, "
        f"{month.with_tags / scans:.1f} with those for tags. {LARGEST} users without a report at {SLOW_RATE} calls a "
        f"second: {hours.slow.attempts} attempts"
    )
    return shown


def bars(hours: Hours) -> Iterator[Bar]:
    """What CONTRIBUTING.md promises."""
    for run in hours.sizes:
        yield Bar(f"{run.users} users, unchanged hour, calls", str(run.unchanged), "2", run.unchanged <= 2)
        yield Bar(f"{run.users} users, report made anew, calls", str(run.anew), "4", run.anew <= 4)
        yield Bar(f"{run.users} users, writes of issues in it", str(run.writes), "0", run.writes == 0)
        yield Bar(f"{run.users} users, writes of the state in it", str(run.states), "1", run.states == 1)
    largest = hours.sizes[-1]
    yield Bar(f"{largest.users} users, unchanged hour, wall", f"{largest.wall:.2f} s", "1 s", largest.wall < 1)
    yield Bar(f"{largest.users} users, remembered bytes", str(largest.memory), "100000", largest.memory <= 100_000)
    average = hours.month.calls / drifting.MONTH
    yield Bar("a month of an ordinary account, calls an hour", f"{average:.1f}", "10", average <= 10)
    slow = hours.slow
    yield Bar(
        f"{LARGEST} users, no report, {SLOW_RATE} calls/s, attempts", str(slow.attempts), "3", slow.attempts <= 3
    )
    yield Bar("users asked twice in them", str(slow.asked_twice), "0", slow.asked_twice == 0)
    yield Bar("idle keys that were not found in them", str(slow.missing), "0", slow.missing == 0)
