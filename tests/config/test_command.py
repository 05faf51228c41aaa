"""`python -m library.config`: what is in force, or what is wrong."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable

import pytest

from library.config.__main__ import main
from tests.config.conftest import LINE, MASTER, ROOT, SLAVE, SMALLEST, Folder, with_value


def test_the_settings_of_business_units_are_printed_and_comments_in_them_ignored(
    folder: Folder, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.write(owners={**LINE, "bu": {**LINE["bu"], "__comment": "why"}})
    monkeypatch.setattr(sys, "argv", ["config", str(folder.path)])
    assert main() == 0
    printed = capsys.readouterr().out
    assert re.search(r"^ +bu sales +- +Sales +SALES-1 +#sales$", printed, re.MULTILINE)
    assert re.search(r"^ +bu sales, product shop +SHOP +Shop +- +#shop, ann$", printed, re.MULTILINE)


Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def command(tmp_path_factory: pytest.TempPathFactory) -> Command:
    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        kept = {key: value for key, value in os.environ.items() if key != "HAMMER_CONFIG"}
        environment = {**kept, "PYTHONPATH": str(ROOT), **variables}
        return subprocess.run(
            [sys.executable, "-m", "library.config", *arguments],
            cwd=tmp_path_factory.mktemp("elsewhere"),
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_the_command_prints_what_is_in_force(command: Command) -> None:
    done = command()
    assert (done.returncode, done.stderr) == (0, "")
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert f"In force from {ROOT / 'config'}" in lines
    assert "region eu-west-1" in lines
    assert "partition aws" in lines
    assert f"accounts {MASTER} master, {SLAVE} slave1" in lines
    assert "ddb.table_name hammer-iam-user-keys-inactive" in lines
    assert "inactive_criteria_days 90" in lines
    assert "remediation_max_keys_per_run 10" in lines
    assert "reporting false" in lines
    demo = [" ".join(line.split()) for line in command(str(ROOT / "deployment/local/config")).stdout.splitlines()]
    assert "remediation_max_keys_per_run no limit" in demo
    assert f"{SLAVE} AWSSEC Support-Cloud AWSSEC-1 #slave1-team" in demo


def test_the_command_marks_exceptions_that_have_expired(folder: Folder, command: Command) -> None:
    entries = [{"id": "old", "until": "2001-01-31", "reason": "gone"}, {"id": "new", "until": "9999-12-31"}, "ever"]
    folder.write(whitelist={"user_inactivekeys": {MASTER: entries}})
    lines = [" ".join(line.split()) for line in command(str(folder.path)).stdout.splitlines()]
    assert f"{MASTER} old EXPIRED 2001-01-31 - gone" in lines
    assert f"{MASTER} new until 9999-12-31 - -" in lines
    assert f"{MASTER} ever always - -" in lines


def test_the_command_prints_warnings_to_stderr_and_succeeds(folder: Folder, command: Command) -> None:
    folder.write(whitelist=None)
    done = command(HAMMER_CONFIG=str(folder.path))
    assert done.returncode == 0
    assert done.stderr == "warning: whitelist.json: no such file, so no key is exempt\n"


def test_the_command_prints_one_error_per_line_and_exits_with_two(folder: Folder, command: Command) -> None:
    document = with_value(SMALLEST, "aws/region", "here\nand there")
    folder.write(document | {"sl\nack": 5}, "{", {"jira_project": 5})
    done = command(str(folder.path))
    assert (done.returncode, done.stdout) == (2, "")
    assert [line.split(":")[0] for line in done.stderr.splitlines()] == [
        "config.json",
        "config.json",
        "whitelist.json",
        "ticket_owners.json",
    ]


@pytest.mark.parametrize(
    "server",
    ["https://joe:topsecret@issues.example.com", "https://topsecret@issues.example.com", "ftp://a:topsecret@b"],
)
def test_the_command_prints_no_password_of_a_url(folder: Folder, command: Command, server: str) -> None:
    document = with_value(SMALLEST, "jira/server", server)
    document["whitelisting_procedure_url"] = server
    folder.write(document)
    done = command(str(folder.path))
    assert "//***@" in done.stdout + done.stderr
    assert "topsecret" not in done.stdout + done.stderr


def test_the_command_says_so_when_there_is_no_folder(command: Command) -> None:
    done = command("nowhere")
    assert done.returncode == 2
    assert done.stderr.startswith("nowhere: found no such folder")


def test_help_needs_neither_configuration_nor_aws(command: Command) -> None:
    done = command("--help", HAMMER_CONFIG="s3://nowhere", HOME="/nonexistent")
    assert done.returncode == 0
    for word in ("HAMMER_CONFIG", "s3://bucket/prefix", "Exit code", "ticket_owners.json"):
        assert word in done.stdout


def test_an_unknown_option_is_a_usage_error(command: Command) -> None:
    assert command("--verbose").returncode == 2


def test_settings_from_a_folder_need_neither_boto3_nor_a_screen_library() -> None:
    script = (
        "import sys; from library.config.loading import load; load(sys.argv[1]);"
        "print([m for m in ('boto3', 'botocore', 'click', 'rich', 'jira', 'slack_sdk') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(ROOT / "config")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"
