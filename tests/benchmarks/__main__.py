"""Measures the scan beside the plain way and holds it to its bars: `python -m tests.benchmarks`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable

import click
from rich.console import Console
from rich.table import Table

from tests.benchmarks import drifting, hourly, initiating, large, reconciling, reporting, scanning, seeds, starting
from tests.benchmarks.bars import Bar, show
from tests.benchmarks.fake_iam import FakeIam

Part = Callable[[FakeIam, Console, bool], tuple[Table, Iterable[Bar]]]


def _scanning(fake: FakeIam, console: Console, quick: bool) -> tuple[Table, Iterable[Bar]]:
    runs = scanning.measure_all(fake, quick=quick, console=console)
    return scanning.table(runs), scanning.bars(runs)


def _reconciling(fake: FakeIam, console: Console, quick: bool) -> tuple[Table, Iterable[Bar]]:
    runs = reconciling.measure_all(fake, console)
    return reconciling.table(runs), reconciling.bars(runs)


def _initiating(fake: FakeIam, console: Console, quick: bool) -> tuple[Table, Iterable[Bar]]:
    done = initiating.measure(fake)
    return initiating.table(done), initiating.bars(done)


def _starting(fake: FakeIam, console: Console, quick: bool) -> tuple[Table, Iterable[Bar]]:
    times = starting.measure_all(fake)
    return starting.table(times), starting.bars(times)


def _seeds(fake: FakeIam, console: Console, quick: bool) -> tuple[Table, Iterable[Bar]]:
    with console.status(f"{seeds.SEEDS} accounts …"):
        outcomes = seeds.try_all()
    return seeds.table(outcomes), seeds.bars(outcomes)


def _reporting(fake: FakeIam, console: Console, quick: bool) -> tuple[Table, Iterable[Bar]]:
    runs = reporting.measure_all(console)
    return reporting.table(runs), reporting.bars(runs)


def _hourly(fake: FakeIam, console: Console, quick: bool) -> tuple[Table, Iterable[Bar]]:
    hours = hourly.measure_all(console)
    return hourly.table(hours), hourly.bars(hours)


def _drifting(fake: FakeIam, console: Console, quick: bool) -> tuple[Table, Iterable[Bar]]:
    with console.status(f"{drifting.SEEDS} accounts, {drifting.HOURS} hours each …"):
        outcomes = drifting.try_all()
    return drifting.table(outcomes), drifting.bars(outcomes)


def _large(fake: FakeIam, console: Console, quick: bool) -> tuple[Table, Iterable[Bar]]:
    runs = large.measure_all(console)
    return large.table(runs), large.bars(runs)


PARTS: dict[int, Part] = {1: _scanning, 2: _reconciling, 3: _initiating, 4: _starting, 5: _seeds, 6: _reporting}
PARTS |= {7: _hourly, 8: _drifting, 9: _large}


@click.command()
@click.option("--quick", is_flag=True, help="Compute the largest sequential listing (8 minutes) from a smaller one.")
@click.option(
    "--table",
    "numbers",
    type=click.Choice([str(number) for number in PARTS]),
    multiple=True,
    help="Only this: 1 reading, 2 reconciling, 3 initiating, 4 starting, 5 the proof by many accounts, 6 reporting, "
    "7 an hour, 8 the proof by many hours, 9 large inputs.",
)
def main(quick: bool, numbers: tuple[str, ...]) -> None:
    """Measure everything, about an hour; exit code 1 if a bar was missed."""
    console = Console(width=None if sys.stdout.isatty() else 190)
    reached = True
    with FakeIam() as fake:
        for number, part in PARTS.items():
            if numbers and str(number) not in numbers:
                continue
            table, bars = part(fake, console, quick)
            console.print(table)
            reached &= show(console, bars)
    sys.exit(0 if reached else 1)


if __name__ == "__main__":
    main()
