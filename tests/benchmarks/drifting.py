"""The proof by many hours: whatever drifts, the table is what a listing at the report's time or later would find."""

from __future__ import annotations

import multiprocessing
import random
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.table import Table

from library.errors import HammerError
from library.issues.record import Status
from tests.benchmarks.account import DAY, EVENTS, MORE_EVENTS, Account
from tests.benchmarks.bars import Bar
from tests.benchmarks.estate import Estate, install

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

SEEDS, HOURS, PROCESSES = 200, 72, 2
USERS = (20, 60)
CRITERIA = (1, 2, 10, 90, 90, 90)
HOUR, LATEST_REPORT = 3600, 5 * 3600

Names = dict[str, str]
"""User names by the ids of idle keys."""


@dataclass(slots=True)
class Outcome:
    """What came of one account: scans, calls of IAM, changed issues, what was wrong."""

    seed: int
    scans: int = 0
    calls: int = 0
    changed: int = 0
    wrong: list[str] = field(default_factory=list)


def try_seed(seed: int, hours: int) -> Outcome:
    """Let an account drift and be scanned every hour; after each scan compare the table with what was true."""
    chance = random.Random(f"{seed} hours")
    start = 1_800_000_000
    days = chance.choice(CRITERIA)
    account = Account(chance.randint(*USERS), seed, start, same_second=chance.choice((0, 0.1, 0.5)))
    estate, outcome = Estate(account, days), Outcome(seed)
    truths: list[tuple[int, Names]] = []
    before: dict[str, Status] = {}
    for hour in range(hours):
        if hour:
            account.now += HOUR + chance.randint(-60, 60)
            busy = chance.random() < 0.4
            events = {name: chance.choice((0, 0, 1, 2)) if busy else 0 for name in (*EVENTS, *MORE_EVENTS)}
            account.drift(events, seed * 1000 + hour, account.now - HOUR)
            estate.iam.changed()
        truths.append((account.now, {key: user for key, user, *_ in account.idle_keys(days)}))
        try:
            estate.scan()
        except HammerError as error:
            outcome.wrong.append(f"hour {hour}: the scan failed: {error}")
        outcome.scans += 1
        outcome.calls += estate.iam_calls
        after = {key: issue.status for key, issue in estate.table().items()}
        changed = {key for key in after if after[key] is not before.get(key)}
        outcome.changed += len(changed)
        outcome.wrong += [f"hour {hour}: {text}" for text in _wrong(estate, truths, changed)]
        before = after
    return outcome


def _wrong(estate: Estate, truths: Sequence[tuple[int, Names]], changed: set[str]) -> Iterator[str]:
    state = estate.state()
    made = state.seen.report_made.timestamp() if state.seen and state.seen.report_made else 0
    if estate.account.now - made > LATEST_REPORT:
        yield f"the report is {estate.account.now - made} seconds old"
    window = [idle for moment, idle in truths if moment >= made]
    live = {key: issue for key, issue in estate.table().items() if issue.status in (Status.OPEN, Status.WHITELISTED)}
    for key in set.intersection(*(set(idle) for idle in window)) - live.keys():
        yield f"{key} of {window[-1][key]} is idle since before the report and has no issue"
    for key, issue in live.items():
        names = {idle[key] for idle in window if key in idle}
        if not names:
            yield f"{key} of {issue.details.username} was idle at no time since the report and has an issue"
        elif issue.details.username not in names:
            yield f"{key} is of {names}, and not of {issue.details.username}"
    for key in changed - estate.looked_at:
        yield f"the issue of {key} was changed without a look"
    yield from estate.errors


def _try(seeds: Iterable[int]) -> list[Outcome]:
    install()
    return [try_seed(seed, HOURS) for seed in seeds]


def try_all() -> list[Outcome]:
    """Every seed, in two processes."""
    shares = [range(first, SEEDS, PROCESSES) for first in range(PROCESSES)]
    with ProcessPoolExecutor(PROCESSES, multiprocessing.get_context("spawn")) as pool:
        return [outcome for outcomes in pool.map(_try, shares) for outcome in outcomes]


def table(outcomes: Sequence[Outcome]) -> Table:
    """All of it in one line."""
    shown = Table(title=f"{SEEDS} accounts that drift for {HOURS} hours, scanned every hour", title_justify="left")
    for name in ("scans", "issues changed", "calls of IAM an hour and user", "wrong answers"):
        shown.add_column(name, justify="right")
    scans = sum(outcome.scans for outcome in outcomes)
    shown.add_row(
        str(scans),
        str(sum(outcome.changed for outcome in outcomes)),
        f"{sum(outcome.calls for outcome in outcomes) / scans / (sum(USERS) / 2):.2f}",
        str(sum(len(outcome.wrong) for outcome in outcomes)),
    )
    return shown


def bars(outcomes: Sequence[Outcome]) -> Iterator[Bar]:
    """No wrong answer."""
    wrong = [f"seed {outcome.seed}: {text}" for outcome in outcomes for text in outcome.wrong]
    yield Bar(
        "wrong answers, changes without a live look, reports older than 4 h and a scan",
        str(len(wrong)),
        "0",
        not wrong,
    )
    for text in wrong[:10]:
        yield Bar("wrong", text, "nothing", reached=False)


# --- a month ---------------------------------------------------------------------------------------------------

MONTH = 720
ORDINARY = 70
# How often a day; an account of 70 users has that.
A_DAY: Mapping[str, float] = {
    "key in use": 200,
    "key used": 0.3,
    "key created": 0.5,
    "key rotated": 0.5,
    "key deleted": 0.2,
    "key switched off": 0.2,
    "key switched on": 0.1,
    "user created": 0.2,
    "user deleted": 0.1,
    "user renamed": 0.05,
}


@dataclass(frozen=True, slots=True)
class Month:
    """Calls of IAM in a month of hourly scans: all but those for tags, and with them."""

    calls: int
    with_tags: int
    writes: int
    states: int


def a_month(seed: int = 7) -> Month:
    """Simulate it, with two issues in somebody's hands at any time."""
    install()
    chance = random.Random(f"{seed} month")
    account = Account(ORDINARY, seed, 1_800_000_000)
    estate = Estate(account, 90)
    totals: Counter[str] = Counter()
    for hour in range(MONTH):
        if hour:
            account.now += HOUR
            events = {name: _times(chance, rate / 24) for name, rate in A_DAY.items()}
            account.drift(events, seed * 1000 + hour, account.now - HOUR)
            estate.iam.changed()
        _keep_in_hands(estate, 2)
        estate.scan()
        totals.update(estate.calls)
    calls = {name: count for name, count in totals.items() if name.startswith("iam.")}
    writes = totals["issues.PutItem"] + totals["issues.UpdateItem"]
    with_tags = sum(calls.values())
    return Month(with_tags - calls["iam.ListUserTags"], with_tags, writes, totals["state.UpdateItem"])


def _times(chance: random.Random, mean: float) -> int:
    whole, rest = divmod(mean, 1)
    return int(whole) + (chance.random() < rest)


def _keep_in_hands(estate: Estate, number: int) -> None:
    """Let so many issues have been reported in the last days."""
    week = estate.account.now - 7 * DAY
    rows = [row for row in estate.issues.rows.values() if row["status"] == {"S": "open"}]
    reported = [row for row in rows if _reported(row) > week]
    others = [row for row in rows if row not in reported]
    for row in others[: number - len(reported)]:
        row["timestamps"]["M"]["reported"] = {"S": estate.now.isoformat()}


def _reported(row: dict[str, dict[str, dict[str, dict[str, str]]]]) -> float:
    from datetime import datetime

    found = row["timestamps"]["M"].get("reported", {}).get("S")
    return datetime.fromisoformat(found).timestamp() if found else 0
