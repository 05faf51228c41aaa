"""The guide to the deployment: its commands and options are there, its stacks have these names, its sums add up."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from deployment import roles, stacks
from deployment.stacks import TEMPLATE_OF
from tests.documents import commands_of_the_code, options_of, targets_of

TEXT = (Path(__file__).resolve().parents[2] / "deployment" / "README.md").read_text(encoding="utf-8")
COMMANDS = {
    target: command
    for module, command in commands_of_the_code().items()
    if module.startswith("deployment.")
    for target in targets_of(module)
}


def test_every_command_is_shown() -> None:
    assert len(COMMANDS) > 6
    assert set(re.findall(r"\bmake ([a-z-]+)", TEXT)) - {"bench", "demo"} == set(COMMANDS)


@pytest.mark.parametrize("target", COMMANDS)
def test_every_option_that_is_shown_is_one_of_the_command(target: str) -> None:
    shown = re.findall(rf"make {target}(?: CONFIG=\S+)? ARGS=(\"[^\"]*\"|\S+)", TEXT)
    assert {name for text in shown for name in re.findall(r"--[a-z-]+", text)} <= options_of(COMMANDS[target])
    assert COMMANDS[target].help


def test_the_parameters_that_are_shown_are_those_of_the_templates() -> None:
    templates = [(stacks.TEMPLATES / name).read_text(encoding="utf-8") for name in TEMPLATE_OF.values()]
    named = set(re.findall(r"--parameter \"?(\w+)=", TEXT))
    assert {"VpcId", "SubnetId", "ConfigSource", "OperatorsEmail"} <= named
    assert {name for name in named if not any(f"\n  {name}:\n    Type:" in text for text in templates)} == set()


def test_the_stacks_have_the_names_of_the_table() -> None:
    for stack, template in {**TEMPLATE_OF, roles.STACK_SET: roles.TEMPLATE.name}.items():
        assert re.search(rf"^\| `{template}` \| .*`{stack}` \|", TEXT, re.MULTILINE)
        assert (stacks.TEMPLATES / template).is_file()


def test_a_template_is_small_enough_to_be_sent_with_the_call() -> None:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html"""
    for template in stacks.TEMPLATES.glob("*.yaml"):
        assert template.stat().st_size <= 51_200, template.name


def test_the_costs_add_up() -> None:
    section = TEXT.partition("## What it costs")[2].partition("\n## ")[0]
    costs = [float(found) for found in re.findall(r"\| (\d+\.\d\d) \|$", section, re.MULTILINE)]
    (total,) = re.findall(r"\*\*(\d+\.\d\d)\*\*", section)
    assert round(sum(costs), 2) == float(total)
    thousands = [found.replace(",", "") for found in re.findall(r"([\d,]+) × 5 s × 0\.5 GB = ([\d,]+)", section)[0]]
    assert int(thousands[0]) * 5 * 0.5 == int(thousands[1])
    assert round(int(thousands[1]) * 0.0000133334, 2) == costs[0]
