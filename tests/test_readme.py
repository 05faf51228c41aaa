"""The README against the code: what it says of options and configuration is so."""

from __future__ import annotations

import json
import re
from pathlib import Path

import click
import pytest

from remediation import clean_iam_keys_inactive, restore_iam_keys
from reporting import create_iam_key_inactive_tickets

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "command",
    [clean_iam_keys_inactive.main, restore_iam_keys.main, create_iam_key_inactive_tickets.main],
    ids=["clean", "restore", "report"],
)
def test_every_option_of_every_command_is_in_the_readme(command: click.Command) -> None:
    options = {name for parameter in command.params for name in parameter.opts}
    assert {name for name in options if name not in README} == set()


def test_every_option_that_the_readme_names_exists() -> None:
    known = {
        name
        for command in (clean_iam_keys_inactive.main, restore_iam_keys.main)
        for parameter in command.params
        for name in parameter.opts
    }
    assert set(re.findall(r"(?<![-\w])--[a-z-]+\b(?!-)", README)) - known == set()


def test_every_setting_of_the_sample_configuration_is_in_the_reference() -> None:
    sample = json.loads((ROOT / "config" / "config.json").read_text(encoding="utf-8"))
    for section, content in sample.items():
        if section.startswith("__comment"):
            continue
        names = [f"{section}.{name}" for name in content] if isinstance(content, dict) else [section]
        for name in names:
            assert f"`{name}`" in README or "__comment" in name, name


def test_every_make_target_that_the_readme_names_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"`?make ([a-z-]+)", README)):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
