"""One source of configuration on a host: whatever a command is started from, the same exemption protects a key."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import boto3
import pytest

from deployment.publish_config import publish
from library.config.loading import load
from library.config.settings import DIGEST_SHOWN
from tests.wire import SAFE
from tests.world import OWN_KEY, REMEDIATION, REPORTING, RESTORE
from tests.world.bootstrap import Machine, launched

if TYPE_CHECKING:
    from pathlib import Path

    from library.issues.record import Issue
    from tests.world.estate import Estate

SOURCE = "s3://hammer-deployment/config"
JOB = "hammer-iam-user-inactive-keys-remediation"


class Host(NamedTuple):
    """A machine that reads its configuration from S3, a key that is due, and what stands for network and role."""

    machine: Machine
    issue: Issue
    given: dict[str, str]
    digest: str


Way = Callable[[Machine], tuple[str, dict[str, str]]]


@pytest.fixture
def host(estate: Estate, tmp_path: Path) -> Host:
    """A key is due; the whitelist in S3 has its user, the one of the package's day has not."""
    issue = estate.add_due_issue()
    estate.whitelist()
    machine = launched(tmp_path, estate.folder, with_configuration=False)
    estate.whitelist({"id": "joe", "reason": "in the source in force only"})
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket="hammer-deployment", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    publish(s3, estate.folder, SOURCE)
    run = machine.boot(ConfigSource=SOURCE)
    assert run.returncode == 0, run.stderr
    given = SAFE | {"AWS_ENDPOINT_URL": boto3.client("iam").meta.endpoint_url, "AWS_ACCESS_KEY_ID": OWN_KEY}
    given.pop("AWS_DEFAULT_REGION", None)
    return Host(machine, issue, given, load(SOURCE).digest[:DIGEST_SHOWN])


def _assignments(lines: list[str]) -> dict[str, str]:
    pairs = [line.partition("=") for line in lines if line[:1].isalpha() and "=" in line.split(" ")[0]]
    return {name: value.strip('"') for name, _, value in pairs}


def login_shell(machine: Machine) -> tuple[str, dict[str, str]]:
    """`sudo su -`: the profile of the machine is read."""
    return f". {machine.root}/etc/profile.d/hammer.sh; python", {"PATH": "/usr/bin:/bin", "HOME": "/root"}


def plain_sh(machine: Machine) -> tuple[str, dict[str, str]]:
    """`sh` without a profile."""
    return f"{machine.home}/venv/bin/python", {"PATH": "/usr/bin:/bin", "HOME": "/root"}


def sudo(machine: Machine) -> tuple[str, dict[str, str]]:
    """`sudo python -m …`: the environment is cleared, and the path is that of sudoers."""
    lines = (machine.root / "etc/sudoers.d/hammer").read_text().splitlines()
    (path,) = [line.partition(" = ")[2] for line in lines if "secure_path" in line]
    return "python", {"PATH": path, "HOME": "/root", "SUDO_USER": "centos"}


def session_manager(machine: Machine) -> tuple[str, dict[str, str]]:
    """Run Command: no profile, and not even a home."""
    return f"{machine.home}/venv/bin/python", {"PATH": "/sbin:/bin:/usr/sbin:/usr/bin"}


def cron(machine: Machine) -> tuple[str, dict[str, str]]:
    """As crond starts the remediation's job: with the variables of its file."""
    lines = (machine.root / "etc/cron.d" / JOB).read_text().splitlines()
    return f"{machine.home}/venv/bin/python", {"HOME": "/root", "LOGNAME": "root"} | _assignments(lines)


# Each command as `python -m` starts it, one after the other: most of a process of its own would be imports.
ALL = """
import io, json, runpy, sys
from contextlib import redirect_stderr, redirect_stdout
sys.path.insert(0, ".")
ended = []
for command in json.loads(sys.argv[1]):
    sys.argv, said, code = command[:], io.StringIO(), 0
    with redirect_stdout(said), redirect_stderr(said):
        try:
            runpy.run_module(command[0], run_name="__main__", alter_sys=True)
        except SystemExit as end:
            code = end.code or 0
    ended.append([code, said.getvalue()])
print(json.dumps(ended))
"""


def run(host: Host, way: Way, commands: list[list[str]]) -> list[tuple[int, str]]:
    """Exit code and output of each command, started with this environment and the machine's way to AWS alone."""
    python, environment = way(host.machine)
    line = f"cd {host.machine.home}; {python} -c {shlex.quote(ALL)} {shlex.quote(json.dumps(commands))}"
    done = subprocess.run(
        ["sh", "-c", line], env=host.given | environment, capture_output=True, text=True, timeout=120, check=True
    )
    return [(code, said) for code, said in json.loads(done.stdout)]


def test_each_command_reads_the_one_source_of_the_host_from_wherever_it_is_started(
    estate: Estate, host: Host, tmp_path: Path
) -> None:
    key, page, reason = host.issue.issue_id, tmp_path / "report.json", "in the source in force only"
    protected = {
        (REPORTING, "--dry-run"): "",
        (REMEDIATION, "--batch"): "whitelisted by 'joe'",
        (REMEDIATION, "--dry-run"): "whitelisted by 'joe'",
        (RESTORE, "--dry-run", "--key", key): "",
        ("remediation.show_issue", "--key", key): "whitelisted by 'joe'",
        ("remediation.check_access",): "",
        ("reporting.inactive_keys_report", "--format", "json", "--output", str(page)): "",
        ("cronjobs.automation_scheduler", "--folder", str(host.machine.root / "etc/cron.d")): "",
        ("library.config",): reason,
    }
    for way in (login_shell, plain_sh, sudo, session_manager, cron):
        page.unlink(missing_ok=True)
        done = run(host, way, [list(command) for command in protected])
        for (command, words), (code, said) in zip(protected.items(), done, strict=True):
            told = f"{command} from {way.__name__}:\n{said}"
            assert code == 0, told
            first = " ".join(said.splitlines()[:2] if command == ("library.config",) else said.splitlines()[:1])
            assert (SOURCE in first, f"igest {host.digest}" in first) == (True, True), told
            assert words in said, told
        assert reason in page.read_text()
        assert estate.key_status(host.issue) == "Active"


def test_jobs_are_not_written_by_a_shell_that_was_told_another_source_than_they_would_read(
    estate: Estate, host: Host
) -> None:
    cron_folder = host.machine.root / "etc/cron.d"
    before = {path.name: path.read_text() for path in cron_folder.iterdir()}
    estate.keys(remediation=False)
    told = {"HAMMER_CONFIG": str(estate.folder)}
    command = ["cronjobs.automation_scheduler", "--folder", str(cron_folder)]
    ((code, said),) = run(Host(host.machine, host.issue, host.given | told, host.digest), plain_sh, [command])
    assert code == 2
    assert f"variable HAMMER_CONFIG: found {estate.folder}; expected {SOURCE}, which config.ini of this host" in said
    assert {path.name: path.read_text() for path in cron_folder.iterdir()} == before
