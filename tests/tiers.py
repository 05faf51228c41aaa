"""The tiers of the tests, each after what it needs; `pytest -m TIER` runs one. `tests/conftest.py` takes these hooks.

A test is in the tier of its folder or file, or in that of its mark. Otherwise it is in `moto` if it asks for the
server of the scanned accounts, and in `pure` if not: then it may start no process, and without the others it runs
without moto.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

TESTS = Path(__file__).resolve().parent
PURE = "pure"
TIERS = {
    "aws": "moto",
    "benchmarks": "process",
    "browser": "browser",
    "config/test_command.py": "process",
    "contract/test_slack_emulator.py": "process",
    "crash": "moto",
    "deployment/test_all_stacks.py": "ministack",
    "deployment/test_build_packages.py": "process",
    "deployment/test_embedded_aws.py": "ministack",
    "deployment/test_host_template.py": "process",
    "deployment/test_scanned_accounts.py": "moto",
    "host": "moto",
    "identification": "moto",
    "pipeline": "ministack",
    "simulation": "simulation",
    "test_contracts.py": "process",
    "test_installed.py": "process",
    "test_makefile.py": "process",
    "test_tiers.py": "process",
}
"""By folder, or by file where a folder has several."""


def tier_of(path: Path) -> str | None:
    """The tier of all tests below this path, None if each of them has its own."""
    inside = path.relative_to(TESTS).as_posix() if path.is_relative_to(TESTS) else ""
    return next((tier for place, tier in TIERS.items() if f"{inside}/".startswith(f"{place}/")), None)


def pytest_configure(config: pytest.Config) -> None:
    """Take moto away from a run of the pure tier."""
    if config.option.markexpr == PURE:
        sys.modules["moto"] = None  # type: ignore[assignment]


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not even import the tests that the pure tier leaves out."""
    return True if config.option.markexpr == PURE and tier_of(collection_path) is not None else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with its tier, before `-m` chooses."""
    for item in items:
        asks_for = getattr(item, "fixturenames", ())
        by_hand = [mark.name for mark in item.iter_markers() if mark.name in TIERS.values()]
        tier = tier_of(item.path) or next(iter(by_hand), None) or ("moto" if "moto_server" in asks_for else PURE)
        item.add_marker(tier)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Let no pure test start a process."""
    with pytest.MonkeyPatch.context() as patch:
        if item.get_closest_marker(PURE) is not None:
            patch.setattr(subprocess.Popen, "__init__", _refuse)
            patch.setattr(os, "fork", _refuse)
        return (yield)


def _refuse(*_: object, **__: object) -> NoReturn:
    raise AssertionError(
        "a pure test starts no process: give its file a tier in tests/tiers.py, or mark it `process`"
    )
