"""Plays many timelines, or shows that planted mistakes are found.

`python -m tests.simulation --timelines 2000 --seed 1` plays; `--plant` copies the code, plants one mistake after the
other into the copy, plays there, and says after how many timelines each was found.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from hypothesis import seed as with_seed
from hypothesis.stateful import run_state_machine_as_test

from tests.simulation.machine import Timelines, profile
from tests.world import HANDLERS, REPOSITORY

PARTS = ("library", "identification", "reporting_remediation", "deployment", "tests")


@dataclass(frozen=True)
class Mistake:
    """`planted` in the place of `right`, wherever that stands in the file."""

    name: str
    file: str
    right: str
    planted: str


_SWITCH = '    iam.call("UpdateAccessKey", UserName=key.user_name, AccessKeyId=key.key_id, Status=status)\n'
_LOOK = '    if key is None:\n        return Skip("the key does not exist any more")\n    if key.status != ACTIVE:'
MISTAKES = (
    Mistake("no second look", "library/issues/switching.py", _LOOK, f"    return key\n{_LOOK}"),
    Mistake("`>=` for `>`", "library/issues/access_keys.py", "now - moment > timedelta", "now - moment >= timedelta"),
    Mistake(
        "retention from detection",
        "library/issues/reporting.py",
        "start = reported or issue.timestamps.reported",
        "start = reported or (issue.timestamps.reported and issue.timestamps.identified)",
    ),
    Mistake("whitelist ignored", "library/issues/switching.py", "    if exemption is not None:", "    if False:"),
    Mistake(
        "failure recorded as done",
        "library/aws/iam_keys.py",
        _SWITCH,
        f"    try:\n    {_SWITCH}    except AwsCallFailed:\n        return\n",
    ),
    Mistake(
        "whole-item put",
        "library/aws/issues_table.py",
        "else self._update(issue, after)",
        "else self._client.put_item(TableName=self._table, Item=_serialize(to_item(after))['M']) is not None",
    ),
    Mistake(
        "late scan believed",
        "library/issues/scanning.py",
        "    times = issue.timestamps\n    return (\n",
        "    times = issue.timestamps\n    return False and (\n",
    ),
    Mistake(
        "no week of grace", "library/issues/reporting.py", "REACTIVATED_GRACE_DAYS = 7", "REACTIVATED_GRACE_DAYS = 0"
    ),
)


def play(timelines: int, seed: int, *, shrink: bool) -> bool:
    """Play so many timelines, and print how many and how long it took; whether nothing went wrong."""
    played, began, found = 0, time.process_time(), 0

    class Counted(Timelines):
        def teardown(self) -> None:
            nonlocal played, found
            played += 1
            try:
                super().teardown()
            finally:
                found = found or (played if self.world.wrong else 0)

    try:
        run_state_machine_as_test(
            with_seed(seed)(Counted), settings=profile(timelines, always_the_same=False, shrink=shrink)
        )
    finally:
        took = time.process_time() - began
        print(f"{played} timelines, {took:.0f} s of CPU, {took / max(played, 1):.2f} s each, seed {seed}")
        print(f"The first thing that went wrong: {f'in timeline {found}' if found else 'none'}", flush=True)
    return not found


def plant(mistake: Mistake, timelines: int, seed: int) -> str:
    """When the mistake was found, in a copy of the code."""
    with tempfile.TemporaryDirectory(prefix="hammer-planted-") as folder:
        for part in PARTS:
            shutil.copytree(REPOSITORY / part, Path(folder) / part, ignore=shutil.ignore_patterns("__pycache__"))
        file = Path(folder) / mistake.file
        text = file.read_text(encoding="utf-8")
        if mistake.right not in text:
            raise SystemExit(f"{mistake.name}: {mistake.file} has no {mistake.right!r}")
        file.write_text(text.replace(mistake.right, mistake.planted), encoding="utf-8")
        path = os.pathsep.join(
            str(Path(folder) / part) for part in ("", "reporting_remediation", HANDLERS.relative_to(REPOSITORY))
        )
        done = subprocess.run(
            [sys.executable, "-m", "tests.simulation", "--timelines", str(timelines), "--seed", str(seed)],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
    when = next(line for line in done.stdout.splitlines() if line.startswith("The first thing"))
    why = next((line for line in done.stderr.splitlines() if line.startswith("AssertionError")), "")
    return f"{mistake.name:<26} {when.rpartition(': ')[2]:<16} {why[:150]}"


def main() -> None:
    """Play, or plant."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--timelines", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--shrink", action="store_true", help="look for the shortest timeline that fails")
    parser.add_argument("--plant", metavar="NAME", nargs="?", const="", help="plant each mistake (that is called so)")
    options = parser.parse_args()
    if options.plant is not None:
        for mistake in (each for each in MISTAKES if options.plant in each.name):
            print(plant(mistake, options.timelines, options.seed), flush=True)
    else:
        play(options.timelines, options.seed, shrink=options.shrink)


if __name__ == "__main__":
    main()
