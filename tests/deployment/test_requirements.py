"""What is imported is declared in the file that installs it, and what is declared is used or says why it is there."""

from __future__ import annotations

import ast
import re
import sys
import zipfile
from importlib.metadata import packages_distributions
from typing import TYPE_CHECKING

import pytest

from deployment.build_packages import build
from deployment.commands import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

OURS = {"library", "reporting", "remediation", "cronjobs", "identification", "deployment"}
FROM_THE_RUNTIME = {"boto3", "botocore", "urllib3"}
"""Lambda's own copies are used, so the zip holds none; the last one is what botocore calls with."""


def declared(file: str) -> dict[str, str]:
    """The packages that a file of requirements pins, each with the reason on its line."""
    lines = (REPOSITORY / file).read_text(encoding="utf-8").splitlines()
    pins = [re.fullmatch(r"([\w.-]+)==[^\s#]+(?:\s+#\s*(.+))?", line) for line in lines]
    return {normal(pin[1]): pin[2] or "" for pin in pins if pin}


def normal(package: str) -> str:
    return re.sub(r"[-_.]+", "-", package).lower()


def packages_of(sources: Iterable[str]) -> set[str]:
    """The packages whose modules the sources import when they run."""
    installed = packages_distributions()
    modules = {name.partition(".")[0] for source in sources for name in imported(ast.parse(source))}
    foreign = modules - set(sys.stdlib_module_names) - OURS
    return {normal(installed[name][0]) for name in foreign}


def imported(node: ast.AST) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            yield str(child.module)
        elif not (isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"):
            yield from imported(child)


@pytest.fixture(scope="module")
def used_on_the_host() -> set[str]:
    """By the commands, and by the first look, which runs where they run."""
    folders = [REPOSITORY / name for name in ("library", "reporting_remediation")]
    files = [path for folder in folders for path in folder.rglob("*.py")]
    files += (REPOSITORY / "identification").glob("*.py")
    return packages_of(path.read_text(encoding="utf-8") for path in files)


@pytest.fixture(scope="module")
def used_in_the_functions(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    def ours(name: str) -> bool:
        return name.endswith(".py") and (name.startswith("library/") or name.startswith(handlers))

    handlers = ("initiate_", "describe_")
    with zipfile.ZipFile(build(None, tmp_path_factory.mktemp("build"))) as package:
        sources = [package.read(name).decode() for name in package.namelist() if ours(name)]
    assert len(sources) > len(handlers)
    return packages_of(sources) - FROM_THE_RUNTIME


def test_what_runs_on_the_host_imports_only_what_its_requirements_name(used_on_the_host: set[str]) -> None:
    assert used_on_the_host - declared("requirements.in").keys() == set()


def test_what_the_functions_import_is_named_by_the_requirements_of_their_zip(used_in_the_functions: set[str]) -> None:
    assert used_in_the_functions - declared("requirements-lambda.in").keys() == set()


def test_nothing_is_installed_that_is_not_used_or_says_why(
    used_on_the_host: set[str], used_in_the_functions: set[str]
) -> None:
    for file, used in (
        ("requirements.in", used_on_the_host),
        ("requirements-lambda.in", used_in_the_functions),
    ):
        assert {name for name, reason in declared(file).items() if not reason} <= used, file


def test_both_files_pin_the_same_version_of_what_they_share() -> None:
    files = [REPOSITORY / f"requirements{which}.in" for which in ("", "-lambda")]
    host, functions = (
        dict(re.findall(r"^([\w.-]+)==(\S+)", file.read_text(encoding="utf-8"), re.MULTILINE)) for file in files
    )
    shared = host.keys() & functions.keys()
    assert shared
    assert {name: host[name] for name in shared} == {name: functions[name] for name in shared}
