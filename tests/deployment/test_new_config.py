"""A configuration to begin with: valid, and it neither tells nor changes anything."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from deployment import new_config
from library.config.loading import load
from library.config.settings import AccountRef

MAIN, OTHER = "123456789012", "210987654321"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(new_config.main, arguments)


def test_what_the_options_say_is_written_and_both_switches_are_off(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "config"
    channels = ["--jira-server", "https://jira.acme.test", "--jira-project", "SEC", "--slack-owner", "#sec"]
    result = run(str(folder), "--region", "eu-central-1", "--account", f"{MAIN}=main", "--account", OTHER, *channels)
    assert result.exit_code == 0, result.output
    written = load(str(folder))
    assert written.warnings == ()
    assert (written.aws.region, written.aws.main_account_id) == ("eu-central-1", MAIN)
    assert written.accounts() == (AccountRef(MAIN, "main"), AccountRef(OTHER, OTHER))
    keys = written.inactive_keys
    assert (keys.enabled, keys.reporting, keys.remediation) == (True, False, False)
    assert (written.jira.enabled, written.jira.server) == (True, "https://jira.acme.test")
    assert written.slack.enabled
    assert (written.owners.default.jira_project, written.owners.default.slack_owner) == ("SEC", ("#sec",))


def test_without_channels_and_with_an_organization(tmp_path: Path) -> None:
    assert run(str(tmp_path), "--region", "us-east-1", "--account", MAIN, "--organization").exit_code == 0
    written = load(str(tmp_path))
    assert (written.jira.enabled, written.slack.enabled) == (False, False)
    assert written.aws.accounts_from_organization


@pytest.mark.parametrize("name", ["config.json", "whitelist.json", "ticket_owners.json"])
def test_nothing_that_is_there_is_overwritten(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    result = run(str(tmp_path), "--region", "us-east-1", "--account", MAIN)
    assert (result.exit_code, name in result.output) == (2, True)
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [(name, "mine")]


@pytest.mark.parametrize(
    "arguments", [[], ["--region", "us-east-1"], ["--account", MAIN], ["--region", "us-east-1", "--account", "12"]]
)
def test_without_a_terminal_what_is_missing_or_wrong_is_a_usage_error(tmp_path: Path, arguments: list[str]) -> None:
    assert run(str(tmp_path / "new"), *arguments).exit_code == 2
    assert not (tmp_path / "new").exists()


@pytest.mark.process
def test_at_a_terminal_it_asks(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    answers = ["eu-west-1", "12", MAIN, "main", OTHER, "", "", "n", "https://jira.acme.test", "SEC", "#sec"]
    process = subprocess.Popen(
        [sys.executable, "-m", "deployment.new_config", str(tmp_path)],
        cwd=Path(__file__).parents[2],
        # Nobody's credentials.
        env={
            "PATH": os.environ["PATH"],
            "AWS_EC2_METADATA_DISABLED": "true",
            "HOME": str(tmp_path / "home"),
            "LANG": "C.UTF-8",
        },
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    os.write(ours, ("\n".join(answers) + "\n").encode())
    said, _ = process.communicate(timeout=60)
    os.close(ours)
    os.close(theirs)
    assert process.returncode == 0, said
    assert "An account id has 12 digits." in said
    written = load(str(tmp_path))
    assert written.accounts() == (AccountRef(MAIN, "main"), AccountRef(OTHER, OTHER))
    assert (written.jira.server, written.owners.default.slack_owner) == ("https://jira.acme.test", ("#sec",))
