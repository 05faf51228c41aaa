"""`make bench` measures: one of its parts, whatever the bars say on the machine that runs the tests."""

from __future__ import annotations

import re
import subprocess
import sys

from tests.documents import ROOT, steps_of


def test_a_part_of_it_can_be_measured() -> None:
    ((module, *options),) = steps_of("make bench")
    assert (module, options) == ("tests.benchmarks", [])
    done = subprocess.run(
        [sys.executable, "-m", module, "--table", "3"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode in (0, 1), done.stderr
    assert re.search(r"^  ok  .*1000 accounts, calls: 100 \(bar: 100\)$", done.stdout, re.MULTILINE), done.stdout
