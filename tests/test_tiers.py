"""Each test is in one tier, and the pure one starts no process and does without moto."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.tiers import TESTS, TIERS, tier_of

if TYPE_CHECKING:
    from pathlib import Path

ROOT = TESTS.parent
IMPURE = {
    "starts_a_process": "import subprocess, sys\n    subprocess.run([sys.executable, '-c', ''])",
    "forks": "import os\n    os.fork() or os._exit(0)",
    "imports_moto": "from moto import mock_aws",
    "asks_for_a_fixture_that_starts_one": "",
}


def pure_tier(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the pure tier, of these files if any are given, in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-m", "pure", *arguments],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_"))},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("place", TIERS)
def test_what_has_a_tier_is_there(place: str) -> None:
    assert (TESTS / place).exists()
    assert tier_of(TESTS / place) == tier_of(TESTS / place / "test_of_tomorrow.py") == TIERS[place]
    assert tier_of(TESTS / f"{place}_of_tomorrow") is None


def test_a_pure_test_that_starts_a_process_or_needs_moto_fails(tmp_path: Path) -> None:
    (tmp_path / "test_impure.py").write_text(
        "import pytest, subprocess, sys\n"
        "@pytest.fixture(scope='session')\n"
        "def started():\n    subprocess.run([sys.executable, '-c', ''])\n"
        + "".join(
            f"def test_that_{name}({'started' if 'fixture' in name else ''}):\n    {code or 'pass'}\n"
            for name, code in IMPURE.items()
        )
        + "def test_that_does_neither(): pass\n",
        encoding="utf-8",
    )
    done = pure_tier("-p", "tests.tiers", str(tmp_path))
    assert set(re.findall(r"^(?:FAILED|ERROR) .*::test_that_(\w+)", done.stdout, re.M)) == set(IMPURE), done.stdout
    assert "1 passed" in done.stdout


def test_the_pure_tier_is_collected_without_moto() -> None:
    done = pure_tier("--collect-only")
    assert done.returncode == 0, done.stdout
    found = set(re.findall(r"^tests/(\w+)/.*::", done.stdout, re.M))
    assert found >= {"issues", "notifications", "reports", "config", "deployment"}
    assert not found & set(TIERS)


def test_a_test_of_a_folder_with_a_tier_is_not_pure() -> None:
    done = pure_tier("--collect-only", "tests/aws")
    assert "no tests collected" in done.stdout
