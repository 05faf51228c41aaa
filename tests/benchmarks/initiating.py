"""The third benchmark: asking for the scans of a thousand accounts."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from tests.benchmarks import worker
from tests.benchmarks.account import ACCOUNT
from tests.benchmarks.bars import Bar
from tests.benchmarks.fake_iam import FakeIam, Limits
from tests.benchmarks.reconciling import configuration

if TYPE_CHECKING:
    from collections.abc import Iterator

ACCOUNTS = 1000
LATENCY = 0.04


def measure(fake: FakeIam) -> dict[str, Any]:
    """One run of the handler's work, after everything was imported."""
    fake.load(0, 0, int(time.time()))
    fake.limit(Limits(LATENCY))
    accounts = {str(int(ACCOUNT) + number): f"account{number}" for number in range(ACCOUNTS)}
    with tempfile.TemporaryDirectory() as folder:
        settings = configuration(Path(folder), accounts)
        topic = {"SNS_ARN": f"arn:aws:sns:eu-west-1:{ACCOUNT}:topic"}
        return worker.run(fake.environment | settings | topic, job="initiate")


def table(done: dict[str, Any]) -> Table:
    """The one line."""
    shown = Table(title=f"Initiating: {LATENCY * 1000:.0f} ms per call", title_justify="left")
    for name in ("accounts", "wall s", "calls", "of the state table"):
        shown.add_column(name, justify="right")
    shown.add_row(str(done["accounts"]), f"{done['wall']:.2f}", str(done["calls"]), str(done["of_state"]))
    return shown


def bars(done: dict[str, Any]) -> Iterator[Bar]:
    """Ten to a call, and soon."""
    yield Bar(f"{ACCOUNTS} accounts, calls", str(done["calls"]), "100", done["calls"] <= 100)
    yield Bar(f"{ACCOUNTS} accounts, calls of the state table", str(done["of_state"]), "12", done["of_state"] <= 12)
    yield Bar(f"{ACCOUNTS} accounts, wall", f"{done['wall']:.2f} s", "2 s", done["wall"] < 2)
