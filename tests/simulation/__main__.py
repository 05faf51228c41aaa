"""Plays many timelines, or shows that planted mistakes are found.

`python -m tests.simulation --timelines 2000 --seed 1` plays; `--plant` copies the code, plants one mistake after the
other into the copy, plays there, and says after how many timelines each was found.
"""

from __future__ import annotations

import argparse
import sys
import time

from hypothesis import seed as with_seed
from hypothesis.errors import HypothesisException
from hypothesis.stateful import run_state_machine_as_test

from tests.simulation.machine import Timelines, profile
from tests.simulation.mistakes import MISTAKES, plant


def play(timelines: int, seed: int, *, shrink: bool) -> bool:
    """Play this number of timelines, and print how long it took; returns whether nothing went wrong."""
    played, began, found = 0, time.process_time(), 0

    class Counted(Timelines):
        def teardown(self) -> None:
            nonlocal played, found
            played += 1
            try:
                super().teardown()
            finally:
                found = found or (played if self.world.wrong or _is_a_failure(sys.exception()) else 0)

    try:
        run_state_machine_as_test(
            with_seed(seed)(Counted), settings=profile(timelines, always_the_same=False, shrink=shrink)
        )
    finally:
        took = time.process_time() - began
        print(f"{played} timelines, {took:.0f} s of CPU, {took / max(played, 1):.2f} s each, seed {seed}")
        print(f"The first thing that went wrong: {f'in timeline {found}' if found else 'none'}", flush=True)
    return not found


def _is_a_failure(error: BaseException | None) -> bool:
    # What steers hypothesis itself is none.
    return isinstance(error, Exception) and not isinstance(error, HypothesisException)


def main() -> None:
    """Play, or plant."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--timelines", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--shrink", action="store_true", help="look for the shortest timeline that fails")
    parser.add_argument(
        "--plant", metavar="NAME", nargs="?", const="", help="plant each mistake (whose name contains this)"
    )
    options = parser.parse_args()
    if options.plant is not None:
        for mistake in (each for each in MISTAKES if options.plant in each.name):
            when, why = plant(mistake, options.timelines, options.seed)
            print(f"{mistake.name:<26} {when:<16} {why[:150]}", flush=True)
    else:
        play(options.timelines, options.seed, shrink=options.shrink)


if __name__ == "__main__":
    main()
