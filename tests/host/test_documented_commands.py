"""Every command that the documents say to type is run as it is written: here, or by the test that is named here."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from configparser import ConfigParser
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import click
import pytest
from _pytest.mark.expression import Expression

from tests import world
from tests.documents import (
    DOCUMENTS,
    ROOT,
    command_lines,
    commands_of_the_code,
    not_said,
    samples_of,
    steps_of,
)
from tests.pipeline.test_guide import FIVE, TYPED
from tests.world.process import process_environment

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.world.estate import Estate

HERE = {
    "hammer --help": "scan",
    "hammer --version": "1.0.0",
    "hammer restore AKIA…": "There is no terminal to ask at",
    "hammer scan": "alice",
    "hammer scan --days 180 --format csv --output idle.csv": "",
    "hammer scan --accounts 111111111111,222222222222 --role-name audit": "threshold",
    "hammer scan --organization --role-name audit --format html --output idle.html": "",
    "python -m identification.scan": "alice",
    "python -m library.config": "In force from",
    "python -m library.config config": "In force from",
    "python -m remediation.check_access": "2 accounts to remediate, 0 with a refusal",
    "python -m remediation.clean_iam_keys_inactive": "There is no terminal to ask at",
    "python -m remediation.clean_iam_keys_inactive --dry-run": "verdict=would be switched off",
    "python -m remediation.restore_iam_keys --key AKIA…": "There is no terminal to ask at",
    "python -m remediation.restore_iam_keys --since 7d --dry-run": "verdict=would be switched on",
    "python -m remediation.restore_iam_keys --since 30d --dry-run": "verdict=would be switched on",
    "python -m remediation.restore_iam_keys --ticket AWSSEC-12": "There is no terminal to ask at",
    "python -m remediation.show_issue --key AKIA…": "carol",
    "python -m reporting.create_iam_key_inactive_tickets": "Reporting is done: 1 reported",
    "python -m reporting.create_iam_key_inactive_tickets --dry-run": "verdict=would be reported",
    "python -m reporting.create_iam_key_inactive_tickets --limit 20": "Reporting is done: 1 reported",
    "python -m reporting.inactive_keys_report": "inactive-keys-report.html",
    "python -m reporting.inactive_keys_report --format asff --output findings": "findings (3 findings in 1 files)",
}
"""Run by this module, word for word, and what is said then; `AKIA…` stands for the key id of the reader."""

ELSEWHERE = {
    # It writes to /etc/cron.d, so this is the host of a test.
    "python -m cronjobs.automation_scheduler": (
        "tests/deployment/test_host_template.py::test_the_schedule_is_what_the_configuration_says"
    ),
    # Thousands of timelines; the test plays some of them.
    "python -m tests.simulation": (
        "tests/simulation/test_simulation.py::test_no_timeline_switches_off_what_is_protected_or_loses_an_issue"
    ),
    "make new-config ARGS=../hammer-config": (
        "tests/deployment/test_new_config.py::test_what_the_options_say_is_written_and_both_switches_are_off"
    ),
    "make demo": "tests/pipeline/test_demo.py::test_the_story_is_told_to_its_end",
    "make demo-up": "tests/pipeline/test_guide.py::test_the_demo_stays_up_until_ctrl_c",
    "make deploy-roles": (
        "tests/deployment/test_deploy_roles.py::"
        "test_the_roles_come_to_every_account_but_the_main_one_and_to_new_ones_when_run_again"
    ),
    "make destroy": (
        "tests/deployment/test_destroy.py::test_the_stacks_and_the_roles_of_every_account_go_after_a_yes"
    ),
    "python -m reporting.create_iam_key_inactive_tickets --raise-again KEY": (
        "tests/host/test_jira_proofs.py::test_a_ticket_that_was_deleted_before_jira_showed_it_is_raised_again_by_hand"
    ),
    "make bench": "tests/benchmarks/test_benchmarks.py::test_a_part_of_it_can_be_measured",
}
"""Run by another test, which calls the same module; in a comment why not here."""

TIERS = {"make test-pure", "make test-moto", "make test-ministack", "make test-other"}
CHECKS = {"make check", "make coverage"}
ALL_TESTS = "make test"
LOCKS = "make lock"
"""Asks the package index."""

FIVE_MADE = {command for command in FIVE if command.startswith("make ")}
NOT_RUN_HERE = {*TIERS, *CHECKS, ALL_TESTS, LOCKS}


def documented() -> set[str]:
    return {command for document in DOCUMENTS for command in command_lines(document)}


def test_every_command_of_the_documents_is_run_by_a_test() -> None:
    assert documented() == set(HERE) | set(ELSEWHERE) | set(TYPED) | FIVE_MADE | NOT_RUN_HERE


def test_what_a_document_shows_of_a_command_is_compared_with_what_it_prints() -> None:
    samples = {(document, command): said for document in DOCUMENTS for command, said in samples_of(document).items()}
    # The first by the test of the demo, whose estate it is of; the others as they are typed.
    compared = {("README.md", "hammer scan"), *(("deployment/README.md", command) for command in TYPED)}
    assert compared & samples.keys() > {("README.md", "hammer scan")}
    assert [one for one in samples.keys() - compared if not_said(samples[one], HERE.get(one[1], ""))] == []


@pytest.mark.parametrize("command", sorted(ELSEWHERE))
def test_the_test_that_is_named_is_there_and_about_that_module(command: str) -> None:
    file, _, name = ELSEWHERE[command].partition("::")
    code = (ROOT / file).read_text(encoding="utf-8")
    assert name in {node.name for node in ast.parse(code).body if isinstance(node, ast.FunctionDef)}
    (step,) = steps_of(command)
    package, _, module = step[0].rpartition(".")
    assert (
        command in code
        or any(value == step[0] and re.search(rf"\b{name}\b", code) for name, value in vars(world).items())
        or re.search(rf"\b{package}\.{module}\b|from {package} import .*\b{module}\b", code)
        or (
            # The bootstrap of the host runs it.
            step[0]
            in (ROOT / "deployment/cloudformation/reporting-remediation-host.yaml").read_text(encoding="utf-8")
        )
    )


def test_a_change_is_accepted_only_if_the_checks_and_all_tests_have_passed() -> None:
    lines = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert "set -euo pipefail" in lines
    made = {line for line in lines if line.startswith("make ")}
    assert made >= CHECKS
    assert made <= NOT_RUN_HERE
    assert tiers_of(made) == dict.fromkeys(marks(), 1)


def test_every_test_that_make_test_runs_is_in_one_tier() -> None:
    assert tiers_of(TIERS) == dict.fromkeys(marks(), 1)
    ((module, *options),) = steps_of(ALL_TESTS)
    assert module == "pytest"
    assert "-m" not in options


def marks() -> list[str]:
    """The marks of the tiers, of which each test carries one."""
    settings = ConfigParser()
    settings.read(ROOT / "setup.cfg", encoding="utf-8")
    return [line.split(":")[0] for line in settings["tool:pytest"]["markers"].strip().splitlines()]


def tiers_of(commands: Iterable[str]) -> dict[str, int]:
    """How often a test that carries a mark is run by these commands."""
    steps = [step for command in commands for step in steps_of(command) if step[0] == "pytest"]
    chosen = [Expression.compile(step[step.index("-m") + 1]) for step in steps]
    return {mark: [each.evaluate(Carried(mark)) for each in chosen].count(True) for mark in marks()}


@dataclass(frozen=True, slots=True)
class Carried:
    """The mark of a test, as pytest asks for it."""

    mark: str

    def __call__(self, name: str, /, **_: str | int | bool | None) -> bool:
        return name == self.mark


@pytest.mark.parametrize("command", sorted(documented() - NOT_RUN_HERE))
def test_a_command_line_is_one_that_its_program_understands(command: str) -> None:
    """Word by word with the parser of the program, for those that are run elsewhere, too."""
    (step,) = steps_of(command)
    program = commands_of_the_code().get(step[0])
    if program is not None:
        with program.make_context(step[0], step[1:]) as context:
            assert isinstance(context, click.Context)


@pytest.mark.parametrize("command", sorted(HERE))
def test_a_command_does_what_it_is_there_for(estate: Estate, command: str, tmp_path: Path) -> None:
    boto3.client("organizations").create_organization(FeatureSet="ALL")
    estate.add_due_issue("alice")
    estate.add_issue("bob")
    off = estate.add_due_issue(
        "carol",
        ticket="AWSSEC-12",
        key_status="Inactive",
        remediation_started=estate.ago(days=2),
        remediated=estate.ago(days=2),
    )
    clone = tmp_path / "clone"
    clone.mkdir()
    (clone / "config").symlink_to(ROOT / "config")
    (clone / ".venv").symlink_to(sys.prefix)
    # As installed; tests/test_installed.py has it from pip.
    (tmp_path / "hammer").write_text('#!/bin/sh\nexec python -m hammer "$@"\n', encoding="utf-8")
    (tmp_path / "hammer").chmod(0o755)
    done = subprocess.run(
        ["bash", "-c", command.replace("AKIA…", off.issue_id)],
        cwd=clone,
        # `python` is the one of .venv, as in the shell of the host.
        env={
            **process_environment(),
            "PATH": os.pathsep.join((str(Path(sys.executable).parent), str(tmp_path), os.environ["PATH"])),
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert HERE[command] in done.stdout + done.stderr
    for name in re.findall(r"--output (\S+\.\S+)", command):
        assert "alice" in (clone / name).read_text(encoding="utf-8")
