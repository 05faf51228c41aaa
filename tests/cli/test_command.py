"""Whatever standard output is, a command ends with an exit code and a sentence, never with a traceback."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from hammer.__main__ import main
from library.cli.command import Command
from tests.documents import ROOT, commands_of_the_code

COMMANDS = commands_of_the_code()
SAMPLES = (["-m", "hammer", "--help"], ["-m", "library.config", str(ROOT / "config")])
"""Of click, and the one that has none of it."""


@pytest.mark.parametrize("module", COMMANDS)
def test_every_command_takes_h_and_a_terminal_that_lacks_characters(module: str) -> None:
    assert isinstance(COMMANDS[module], Command)
    done = CliRunner(charset="ascii").invoke(COMMANDS[module], ["-h"])
    assert (done.exit_code, done.stderr) == (0, "")
    assert "-h, --help" in done.stdout


@pytest.mark.parametrize("module", COMMANDS)
def test_every_help_has_the_exit_codes_last_says_what_an_option_takes_and_fits_a_narrow_terminal(module: str) -> None:
    shown = CliRunner().invoke(COMMANDS[module], ["-h"]).stdout
    _, options, codes = shown.rpartition("  Exit codes: ")
    assert options
    assert codes.count("\n\n") == 0
    assert re.findall(r" (?:TEXT|INTEGER|FLOAT)\b.*", shown) == []
    assert [line for line in shown.splitlines() if len(line) > 80] == []


def test_the_help_of_hammer_fits_a_screen_with_the_prompt_below_it() -> None:
    lines = CliRunner().invoke(main, ["--help"]).stdout.splitlines()
    assert len(lines) < 24
    assert max(map(len, lines)) <= 80


def test_a_command_that_is_none_is_a_usage_error() -> None:
    assert CliRunner().invoke(main, ["sow"]).exit_code == 2


@pytest.mark.process
@pytest.mark.parametrize("arguments", SAMPLES, ids=["click", "argparse"])
def test_a_full_disk_is_said(arguments: list[str]) -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = subprocess.run(
            [sys.executable, *arguments], cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 1
    assert done.stderr.endswith("[Errno 28] No space left on device\n")
    assert "Traceback" not in done.stderr


@pytest.mark.process
@pytest.mark.parametrize("arguments", SAMPLES, ids=["click", "argparse"])
def test_a_reader_that_went_away_is_no_matter(arguments: list[str]) -> None:
    ours, theirs = os.pipe()
    os.close(ours)
    try:
        done = subprocess.run(
            [sys.executable, *arguments], cwd=ROOT, stdout=theirs, stderr=subprocess.PIPE, text=True, check=False
        )
    finally:
        os.close(theirs)
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.process
def test_the_configuration_is_shown_on_a_terminal_that_lacks_characters(tmp_path: Path) -> None:
    for name in ("whitelist.json", "ticket_owners.json"):
        (tmp_path / name).write_text("{}", encoding="utf-8")
    text = (ROOT / "config/config.json").read_text(encoding="utf-8").replace("hammer-credentials", "hammer-…")
    (tmp_path / "config.json").write_text(text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "library.config", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONIOENCODING": "latin-1"},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert rb"hammer-\u2026" in done.stdout
