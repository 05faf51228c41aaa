"""The locked requirements hold what their lists ask for, all that this needs, and nothing without its digest."""

from __future__ import annotations

import re
import zipfile
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from typing import TYPE_CHECKING

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from deployment.build_packages import build
from deployment.commands import REPOSITORY
from deployment.pins import BuildError, Pin, pins
from tests.documents import rows, section

if TYPE_CHECKING:
    from pathlib import Path

LISTS = ("requirements", "requirements-lambda", "requirements-dev")
MAKEFILE = (REPOSITORY / "Makefile").read_text(encoding="utf-8")


def asked(name: str) -> list[Requirement]:
    """What a list asks for, with the lists that it includes."""
    found = []
    for line in (REPOSITORY / f"{name}.in").read_text(encoding="utf-8").splitlines():
        included = re.fullmatch(r"-r ([\w-]+)\.in", line)
        if included:
            found += asked(included[1])
        elif line and not line.startswith(("#", "-c ")):
            found.append(Requirement(line.partition("#")[0].strip()))
    return found


def locked(name: str) -> list[Pin]:
    return list(pins(REPOSITORY / f"{name}.txt"))


def here(needed: Requirement, extras: set[str]) -> bool:
    return needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in extras or {""})


def needed_here(wanted: list[Requirement]) -> set[str]:
    """The packages that are needed on this machine, as what is installed says."""
    ahead, found = [one for one in wanted if here(one, set())], set()
    while ahead:
        one = ahead.pop()
        if (canonicalize_name(one.name), frozenset(one.extras)) in found:
            continue
        found.add((canonicalize_name(one.name), frozenset(one.extras)))
        more = map(Requirement, requires(one.name) or [])
        ahead += [each for each in more if here(each, {"", *one.extras})]
    return {name for name, _ in found}


def test_the_makefile_locks_and_installs_these_lists() -> None:
    assert f"LISTS := {' '.join(LISTS)}\n" in MAKEFILE
    installs = re.findall(r"\$\(PIP\) install (.*)", MAKEFILE)
    assert installs == [
        "--require-hashes --only-binary :all: -r requirements-dev.txt",
        "--no-build-isolation --no-deps -e .",
    ]


@pytest.mark.parametrize("name", LISTS)
def test_a_lock_has_each_version_that_its_list_asks_for_and_is_made_by_make(name: str) -> None:
    assert (REPOSITORY / f"{name}.txt").read_text(encoding="utf-8").splitlines()[1] == "#    make lock"
    exact = {(canonicalize_name(one.name), str(one.specifier).removeprefix("==")) for one in asked(name)}
    assert exact
    assert exact <= {(pin.name, pin.version) for pin in locked(name)}


@pytest.mark.parametrize("name", LISTS)
def test_a_lock_has_all_that_is_needed_and_nothing_else(name: str) -> None:
    of_this_machine = {pin.name for pin in locked(name) if not pin.marker or Marker(pin.marker).evaluate()}
    assert of_this_machine == needed_here(asked(name))


def test_the_functions_list_names_all_that_is_in_their_lock() -> None:
    assert {canonicalize_name(one.name) for one in asked("requirements-lambda")} == {
        pin.name for pin in locked("requirements-lambda")
    }


def test_the_three_locks_agree_on_every_version() -> None:
    development = {(pin.name, pin.version): set(pin.hashes) for pin in locked("requirements-dev")}
    for name in LISTS[:2]:
        for pin in locked(name):
            assert development[pin.name, pin.version] == set(pin.hashes), pin.name


def test_what_is_installed_here_is_what_is_locked() -> None:
    others = {}
    for pin in locked("requirements-lambda") + locked("requirements"):
        try:
            found = version(pin.name)
        except PackageNotFoundError:
            found = "none"
        if found != pin.version:
            others[pin.name] = (found, pin.version)
    assert others == {}


@pytest.mark.parametrize(
    "line",
    [
        "boto3==1.43.106",
        "boto3>=1.43.106 --hash=sha256:" + "0" * 64,
        "boto3==1.43.106 --hash=md5:" + "0" * 32,
        "boto3==1.43.106 --hash=sha256:" + "0" * 63,
        "--index-url https://example.com/simple",
        "--find-links wheels",
        "--no-binary boto3",
        "boto3 @ https://example.com/boto3.whl --hash=sha256:" + "0" * 64,
        "./boto3.whl --hash=sha256:" + "0" * 64,
    ],
)
def test_a_line_that_names_no_version_with_digests_is_refused(line: str, tmp_path: Path) -> None:
    lock = tmp_path / "requirements.txt"
    good = "click==8.5.1 \\\n    --hash=sha256:" + "0" * 64
    lock.write_text(f"{good}\n    # via nobody\n")
    assert list(pins(lock)) == [Pin("click", "8.5.1", "", ("0" * 64,))]
    lock.write_text(f"{good}\n{line}\n")
    with pytest.raises(BuildError, match=r"requirements\.txt: found "):
        list(pins(lock))


def licence_of(package: str) -> str:
    """All that the package's metadata says of its licence."""
    said = metadata(package)
    names = ("License-Expression", "License", "Classifier")
    values = [value for name in names for value in said.get_all(name) or []]
    return " ".join(value for value in values if "::" not in value or value.startswith("License "))


def test_every_package_that_is_passed_on_or_fetched_has_one_row_with_its_licence() -> None:
    found = {
        package: cells[0]
        for cells in rows(section("CONTRIBUTING.md", "## What their licences ask for"))
        for package in cells[1].split(", ")
    }
    of_all = [pin.name for name in LISTS[:2] for pin in locked(name)]
    assert sorted(found) == sorted(set(of_all))
    assert {name: licence_of(name) for name, licence in found.items() if licence not in licence_of(name)} == {}


def test_every_package_of_the_functions_brings_the_text_of_its_licence_into_the_zip(tmp_path: Path) -> None:
    with zipfile.ZipFile(build(None, tmp_path)) as archive:
        texts = [name for name in archive.namelist() if re.search(r"\.dist-info/(?:.*/)?LICENSE", name)]
    brought = {canonicalize_name(text.partition("-")[0]) for text in texts}
    assert brought == {pin.name for pin in locked("requirements-lambda")}
