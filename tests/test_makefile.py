"""The Makefile finds a Python that is new enough on any machine, or says which one is needed."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MAKE = shutil.which("make") or "make"
TOLD = "Python 3.11 or newer is needed; found: {} where python3.13 python3.12 python3.11 python3 was looked for\n"


def machine(folder: Path, **pythons: str) -> Path:
    """A folder of programs: these names for Python, each a line of sh, and what the Makefile needs besides."""
    programs = folder / "programs"
    programs.mkdir()
    for name in ("sh", "touch", "sed", "expand"):
        (programs / name).symlink_to(shutil.which(name) or name)
    for name, line in pythons.items():
        program = programs / name
        program.write_text(f"#!/bin/sh\n{line}\n", encoding="utf-8")
        program.chmod(0o755)
    return programs


def make(programs: Path, venv: Path) -> subprocess.CompletedProcess[str]:
    """Make the environment `venv` with these programs only, and install nothing into it."""
    return subprocess.run(
        [MAKE, "--no-print-directory", f"VENV={venv}", "PIP=:", f"{venv}/.installed"],
        cwd=ROOT,
        env={"PATH": str(programs), "LC_ALL": "C"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("pythons", "found"),
    [
        ({}, "none,"),
        ({"python3": "echo 3.10"}, "python3 3.10,"),
        ({"python3.11": "exit 127", "python3": "echo 3.9"}, "python3 3.9,"),
    ],
    ids=["none", "too_old", "one_that_does_not_start"],
)
def test_without_a_python_that_is_new_enough_it_says_which_is_needed(
    tmp_path: Path, pythons: dict[str, str], found: str
) -> None:
    done = make(machine(tmp_path, **pythons), tmp_path / "venv")
    assert done.returncode == 2
    assert done.stderr.startswith(TOLD.format(found))
    assert not (tmp_path / "venv").exists()


def test_a_machine_that_has_it_under_one_name_only_is_enough(tmp_path: Path) -> None:
    old, new = 'echo "3.10"', f'exec {sys.executable} "$@"'
    done = make(machine(tmp_path, **{"python3.12": old, "python3": new}), tmp_path / "venv")
    (tmp_path / "venv" / ".installed").unlink()
    assert (done.returncode, done.stderr) == (0, "")
    # Once made, it keeps its Python.
    again = make(tmp_path / "programs", tmp_path / "venv")
    assert (again.returncode, again.stderr) == (0, "")
    own = subprocess.run([tmp_path / "venv/bin/python", "-V"], capture_output=True, text=True, check=True).stdout
    assert own.split() == ["Python", ".".join(map(str, sys.version_info[:3]))]


@pytest.mark.parametrize("given", ["/srv/hammer config", "~/hammer config", "../hammer-config", "s3://bucket/prefix"])
def test_the_folder_of_the_configuration_is_one_word_whatever_is_in_it(tmp_path: Path, given: str) -> None:
    programs = machine(tmp_path, show="printf '%s\\n' \"$@\"")
    (tmp_path / ".installed").touch()
    targets = re.findall(r"^([a-z-]+):.*\n.*\$\(FOLDER\)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert len(targets) == 8
    for target in targets:
        done = subprocess.run(
            [MAKE, f"VENV={tmp_path}", "RUN=show", f"CONFIG={given}", "ARGS=--yes", target],
            cwd=ROOT,
            env={"PATH": str(programs), "HOME": "/home/ann"},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.splitlines()[2:] == [given.replace("~", "/home/ann"), "--yes"], target


def test_every_command_that_takes_a_configuration_gets_it_as_one_word() -> None:
    lines = (ROOT / "Makefile").read_text().splitlines()
    assert [line for line in lines if "$(CONFIG)" in line] == [line for line in lines if line.startswith("FOLDER = ")]
