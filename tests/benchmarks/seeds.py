"""The proof by many accounts: whatever drifts, the scan by the report finds what is true."""

from __future__ import annotations

import multiprocessing
import os
import random
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import boto3
from rich.table import Table

from library.issues.listing import WatchedKey
from tests.benchmarks import worker
from tests.benchmarks.account import EVENTS, Oddities
from tests.benchmarks.bars import Bar
from tests.benchmarks.fake_iam import REPORT_LIFE, FakeIam, KeyOfUser, Limits

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

SEEDS = 200
PROCESSES = 2
CRITERIA_DAYS = 90
_SCENES = ("cached", "cached", "cached", "cached", "cached", "cached", "in progress", "expired")


@dataclass(frozen=True, slots=True)
class Outcome:
    """One account: what was wrong (nothing, if all is well), and whether a report was used."""

    seed: int
    scene: str
    wrong: tuple[str, ...]
    used_report: bool
    idle: int


def try_seed(fake: FakeIam, session: boto3.Session, seed: int, scenes: Sequence[str] = _SCENES) -> Outcome:
    """Make the account of a seed, let it drift, scan it in both ways, and compare. The session leads to the fake."""
    chance = random.Random(f"{seed} scene")
    scene = chance.choice(scenes)
    now = int(time.time())
    users = chance.randint(160, 220)
    fake.load(users, seed, now, same_second=chance.choice((0, 0.1, 0.5)))
    age = chance.uniform(0, REPORT_LIFE - 300)
    oddities = _oddities(chance)
    before = fake.all_keys()
    if scene == "in progress":
        age = 0
        fake.start_report(0.5, oddities, seed)
    else:
        fake.make_report(age if scene == "cached" else REPORT_LIFE, oddities, seed)
    fake.drift({name: chance.randint(0, 8) for name in EVENTS}, seed, int(now - max(age, 1)))
    fake.limit(Limits(page_size=chance.choice((50, 1000))))
    truth = fake.idle_keys(CRITERIA_DAYS)
    watched = chance.sample(before, 6)
    moment = datetime.fromtimestamp(now, UTC)
    found, _ = worker.listing(session, "report", CRITERIA_DAYS, moment, [_watched(key) for key in watched])
    full, _ = worker.listing(session, "listing", CRITERIA_DAYS, moment)
    wrong = [
        *_difference("scan by the report", worker.idle_keys(found, CRITERIA_DAYS, moment), truth),
        *_difference("full listing", worker.idle_keys(full, CRITERIA_DAYS, moment), truth),
    ]
    seen = {KeyOfUser(key.key_id, key.user_name, key.user_id, key.status == "Active") for key in found.keys}
    looked_for = {key.key_id for key in watched}
    there = [key for key in fake.all_keys() if key.key_id in looked_for]
    wrong += [f"watched, but not looked at: {key}" for key in there if key not in seen]
    used = "GetCredentialReport" in fake.counts().served and not found.report_problem
    return Outcome(seed, scene, tuple(wrong), used, len(truth))


def _watched(key: KeyOfUser) -> WatchedKey:
    return WatchedKey(key.key_id, key.user_name, key.user_id)


def _oddities(chance: random.Random) -> Oddities:
    return Oddities(
        odd_values=chance.choice((0, 0, 0, 5)),
        missing_rows=chance.choice((0, 0, 0, 5)),
        short_rows=chance.choice((0, 0, 0, 0, 0, 2)),
        unquoted_commas=chance.random() < 0.1,
        other_order=chance.random() < 0.3,
        more_columns=chance.random() < 0.3,
        zulu=chance.random() < 0.3,
    )


def _difference(name: str, found: Sequence[object], truth: Sequence[object]) -> Iterator[str]:
    for fact in found:
        if fact not in truth:
            yield f"{name}: not idle, or otherwise: {fact}"
    for fact in truth:
        if fact not in found:
            yield f"{name}: overlooked: {fact}"


def _try(seeds: Iterable[int]) -> list[Outcome]:
    with FakeIam() as fake:
        os.environ.update(fake.environment)
        session = boto3.Session()
        return [try_seed(fake, session, seed) for seed in seeds]


def try_all() -> list[Outcome]:
    """Every seed, in processes that have a fake each."""
    shares = [range(first, SEEDS, PROCESSES) for first in range(PROCESSES)]
    with ProcessPoolExecutor(PROCESSES, multiprocessing.get_context("spawn")) as pool:
        return [outcome for outcomes in pool.map(_try, shares) for outcome in outcomes]


def table(outcomes: Sequence[Outcome]) -> Table:
    """How many accounts of each kind there were, and what was wrong."""
    shown = Table(
        title=f"{SEEDS} small accounts, each with its own drift, in both ways, against the truth",
        title_justify="left",
    )
    shown.add_column("report before the scan")
    for name in ("accounts", "report was used", "idle keys", "wrong answers"):
        shown.add_column(name, justify="right")
    for scene in sorted(set(_SCENES)):
        of_scene = [outcome for outcome in outcomes if outcome.scene == scene]
        shown.add_row(
            scene,
            str(len(of_scene)),
            str(sum(outcome.used_report for outcome in of_scene)),
            str(sum(outcome.idle for outcome in of_scene)),
            str(sum(bool(outcome.wrong) for outcome in of_scene)),
        )
    return shown


def bars(outcomes: Sequence[Outcome]) -> Iterator[Bar]:
    """No wrong answer."""
    wrong = [outcome for outcome in outcomes if outcome.wrong]
    yield Bar("accounts with a wrong answer", str(len(wrong)), "0", not wrong)
    for outcome in wrong[:10]:
        yield Bar(f"seed {outcome.seed} ({outcome.scene})", "; ".join(outcome.wrong[:3]), "nothing", reached=False)
