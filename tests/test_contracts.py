"""The contracts of `.importlinter` fail when they should: one offending module is put into a copy of the code."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from configparser import ConfigParser
from contextlib import contextmanager
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from packaging.utils import canonicalize_name

from deployment.pins import pins

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

REPOSITORY = Path(__file__).resolve().parents[1]
LINT_IMPORTS = Path(sys.executable).with_name("lint-imports")
CONTRACTS = ConfigParser()
CONTRACTS.read(REPOSITORY / ".importlinter")

ADAPTERS = ("library.notifications", "library.aws", "library.config", "library.reports")
ROOMS = ("library.issues", *ADAPTERS, "library.cli")
COMMANDS = ("reporting", "remediation", "cronjobs", "identification", "deployment")
CLIENTS = ("boto3", "botocore", "jira", "slack_sdk", "requests", "urllib3", "click", "rich", "marshmallow")
OF_THE_HOST = ("jira", "slack_sdk", "watchtower", "requests", "click", "rich", "jinja2", "pygal")

FORBIDDEN: dict[str, dict[str, tuple[str, ...]]] = {
    "library.columns": {"pure": CLIENTS, "rooms": (*ROOMS, "library.errors"), "commands": COMMANDS},
    "library.errors": {"pure": CLIENTS, "rooms": (*ROOMS, "library.text"), "commands": COMMANDS},
    "library.text": {"pure": CLIENTS, "rooms": (*ROOMS, "library.errors"), "commands": COMMANDS},
    "library.issues": {"pure": CLIENTS, "rooms": (*ADAPTERS, "library.cli"), "commands": COMMANDS},
    **{room: {"rooms": (*ADAPTERS, "library.cli"), "commands": COMMANDS} for room in ADAPTERS},
    "library.cli": {"commands": COMMANDS},
    **{command: {"commands": (*COMMANDS, "hammer")} for command in COMMANDS},
}
"""What a module may not import, by the contract that says so, and by the package that the module is in."""
FORBIDDEN["library.aws"] |= {"functions": OF_THE_HOST}
FORBIDDEN["library.config"] |= {"functions": OF_THE_HOST}
FORBIDDEN["identification"] |= {
    "first_look": ("jira", "slack_sdk", "watchtower", "library.config", "library.notifications")
}


class Copy:
    """A copy of the code, in which something may be wrong."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for part in ("hammer", "library", "identification", "reporting_remediation", "deployment"):
            shutil.copytree(REPOSITORY / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(REPOSITORY / ".importlinter", folder)

    def place_of(self, module: str) -> Path:
        """The folder of a package, or the file of a module."""
        root = "reporting_remediation" if module in ("reporting", "remediation", "cronjobs") else "."
        path = self._folder / root / module.replace(".", "/")
        return path if path.is_dir() else path.with_suffix(".py")

    @contextmanager
    def changed(self, file: Path, text: str) -> Iterator[None]:
        """This text at the end of a file, or in a new one."""
        before = file.read_text(encoding="utf-8") if file.exists() else None
        file.write_text(f"{before or ''}\n{text}", encoding="utf-8")
        try:
            yield
        finally:
            if before is None:
                file.unlink()
            else:
                file.write_text(before, encoding="utf-8")

    def check(self) -> tuple[int, dict[str, str]]:
        """The exit code of `lint-imports`, and what it says of each contract that is broken."""
        done = subprocess.run(
            [LINT_IMPORTS, "--no-logo", "--no-cache"],
            cwd=self._folder,
            env={**os.environ, "PYTHONPATH": os.pathsep.join((".", "reporting_remediation")), "COLUMNS": "400"},
            capture_output=True,
            text=True,
            check=False,
        )
        parts = re.split(r"^(.+)\n-{5,}$", done.stdout, flags=re.MULTILINE)
        told = dict(zip(parts[1::2], parts[2::2], strict=True))
        return done.returncode, {name: told[title] for title, name in self.names().items() if title in told}

    @staticmethod
    def names() -> dict[str, str]:
        """What the contracts are called in `.importlinter`, by their titles."""
        return {
            section["name"]: title.rpartition(":")[2]
            for title, section in CONTRACTS.items()
            if title.startswith("importlinter:contract:")
        }


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    return Copy(tmp_path_factory.mktemp("copy"))


def test_the_copy_keeps_all_contracts(copy: Copy) -> None:
    assert copy.check() == (0, {})


def test_every_contract_is_broken_by_one_of_these_tests() -> None:
    assert {name for wrong in FORBIDDEN.values() for name in wrong} == set(Copy.names().values())


@pytest.mark.parametrize(("package", "forbidden"), FORBIDDEN.items(), ids=FORBIDDEN)
def test_a_module_that_imports_what_its_room_may_not_breaks_the_contract(
    copy: Copy, package: str, forbidden: Mapping[str, tuple[str, ...]]
) -> None:
    place = copy.place_of(package)
    # Of this name nobody has heard.
    file, module = (place / "weather.py", f"{package}.weather") if place.is_dir() else (place, package)
    imports = {name: [each for each in found if each != package] for name, found in forbidden.items()}
    with copy.changed(file, "".join(f"import {each}\n" for found in imports.values() for each in found)):
        code, broken = copy.check()
    assert code == 1
    for name, found in imports.items():
        assert [each for each in found if f" {module} -> {each} (" not in broken.get(name, "")] == [], broken


def test_a_module_of_the_library_without_a_room_breaks_the_contract(copy: Copy) -> None:
    with copy.changed(copy.place_of("library") / "weather.py", "import datetime\n"):
        code, broken = copy.check()
    assert code == 1
    assert "library.weather" in broken["rooms"]


def test_an_import_in_a_function_of_a_package_below_a_room_breaks_the_contract(copy: Copy) -> None:
    folder = copy.place_of("library.issues") / "climate"
    folder.mkdir()
    with (
        copy.changed(folder / "__init__.py", ""),
        copy.changed(folder / "weather.py", "def today():\n    from botocore.session import Session\n"),
    ):
        code, broken = copy.check()
    shutil.rmtree(folder)
    assert code == 1
    assert "library.issues.climate.weather -> botocore (l.3)" in broken["pure"]


def brought() -> set[str]:
    """The distributions that the requirements of the host and of the functions bring, with all that these need."""
    locks = (REPOSITORY / "requirements.txt", REPOSITORY / "requirements-lambda.txt")
    return {pin.name for lock in locks for pin in pins(lock)}


def test_the_pure_rooms_may_import_no_package_that_the_requirements_bring() -> None:
    distributions = brought()
    assert {"boto3", "jira", "urllib3", "marshmallow", "typing-extensions"} <= distributions
    packages = {
        package
        for package, names in packages_distributions().items()
        if distributions & {canonicalize_name(name) for name in names} and not package.startswith("_")
    }
    assert set(CONTRACTS["importlinter:contract:pure"]["forbidden_modules"].split()) == packages
