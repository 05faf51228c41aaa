"""The project as pip and pipx install it: one command with all subcommands, and what it needs is asked for."""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
import venv
from importlib.metadata import Distribution, PathDistribution
from typing import TYPE_CHECKING

import pytest

from hammer.__main__ import IN_A_CLONE, SUBCOMMANDS, main
from tests.documents import ROOT, commands_of_the_code

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with nothing but the project's wheel, built from a copy of the files that git knows."""
    folder = tmp_path_factory.mktemp("installed")
    source = folder / "source"
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    for name in filter(None, names):
        if not name.startswith("tests/") and (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    offline = ["--no-deps", "--no-index"]
    wheels = folder / "wheels"
    subprocess.run([*pip, "wheel", *offline, "--no-build-isolation", "-w", wheels, source], check=True)
    venv.create(folder / "venv")
    (wheel,) = wheels.iterdir()
    subprocess.run([*pip, "--python", folder / "venv" / "bin" / "python", "install", *offline, wheel], check=True)
    return folder / "venv"


def run(installed: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command that pip has made, in a folder where no code is; its dependencies are those of the tests."""
    return subprocess.run(
        [installed / "bin" / "hammer", *arguments],
        cwd=installed,
        env={"PYTHONPATH": sysconfig.get_path("purelib"), "PYTHONSAFEPATH": "1", **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def metadata(installed: Path) -> Distribution:
    (found,) = installed.rglob("hammer_iam_user_inactive_keys-*.dist-info")
    return PathDistribution(found)


def test_what_is_installed_asks_for_all_that_the_requirements_name(installed: Path) -> None:
    pins = re.findall(r"^[\w.-]+==\S+", (ROOT / "requirements.in").read_text(encoding="utf-8"), re.M)
    assert "click" in {pin.partition("==")[0] for pin in pins}
    assert sorted(metadata(installed).requires or []) == sorted(pins)


def test_the_command_says_its_version_and_what_there_is(installed: Path) -> None:
    version = run(installed, "--version")
    assert (version.returncode, version.stdout) == (0, f"hammer, version {metadata(installed).version}\n")
    done = run(installed, "-h", COLUMNS="80", LINES="24")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80
    assert [name for name in (*SUBCOMMANDS, *IN_A_CLONE) if not re.search(rf"\b{name}\b", done.stdout)] == []


def test_the_help_and_the_completion_of_commands_import_nothing_of_aws(installed: Path) -> None:
    for arguments, variables in ((["-h"], {}), (["--version"], {}), ([], {"_HAMMER_COMPLETE": "bash_source"})):
        done = run(installed, *arguments, PYTHONPROFILEIMPORTTIME="1", **variables)
        assert done.returncode == 0
        imported = set(re.findall(r"\| +([a-z0-9_]+)$", done.stderr, re.MULTILINE))
        assert "click" in imported
        assert imported & {"botocore", "boto3", "rich", "jira", "slack_sdk", "jinja2"} == set()


@pytest.mark.parametrize("name", SUBCOMMANDS)
def test_every_subcommand_is_installed(installed: Path, name: str) -> None:
    done = run(installed, name, "-h", AWS_ENDPOINT_URL="http://127.0.0.1:1")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"Usage: hammer {name} ")


def test_a_command_that_needs_a_clone_says_so(installed: Path) -> None:
    done = run(installed, "deploy")
    assert done.returncode == 2
    assert "deploy needs a clone of the repository: `make deploy` there" in done.stderr


def test_the_page_is_installed_with_what_it_is_made_of(installed: Path) -> None:
    assert {path.name for path in installed.rglob("library/reports/templates/*")} == {
        path.name for path in (ROOT / "library/reports/templates").iterdir()
    }


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("hammer re", {"report", "remediate", "restore", "redrive"}),
        ("hammer show --k", {"--key"}),
        ("hammer --v", {"--version"}),
    ],
)
def test_the_shell_completes_commands_and_options(installed: Path, words: str, found: set[str]) -> None:
    count = str(len(words.split()) - 1)
    done = run(installed, _HAMMER_COMPLETE="bash_complete", COMP_WORDS=words, COMP_CWORD=count)
    assert done.returncode == 0
    assert {line.partition(",")[2] for line in done.stdout.split()} == found


def test_every_command_of_the_code_is_a_subcommand() -> None:
    modules = {each.module for each in (*SUBCOMMANDS.values(), *IN_A_CLONE.values())}
    assert modules == {*commands_of_the_code(), "hammer.check_config"}
    assert main.list_commands(None) == [*SUBCOMMANDS, *IN_A_CLONE]  # type: ignore[arg-type]
