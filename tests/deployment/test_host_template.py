"""The host's bootstrap, run as its template has it, in a folder that stands for the machine."""

from __future__ import annotations

import email
import json
import os
import shutil
import stat
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import pytest
from cfnlint.decode import decode  # type: ignore[import-untyped]

from deployment.build_packages import build_host
from deployment.local.estate import CONFIG
from deployment.publish_config import publish

if TYPE_CHECKING:
    from collections.abc import Mapping

REPOSITORY = Path(__file__).resolve().parents[2]
TEMPLATE = REPOSITORY / "deployment" / "cloudformation" / "reporting-remediation-host.yaml"
PARAMETERS = {
    "AWS::Region": "eu-west-1",
    "AWS::StackName": "hammer-host",
    "ArtifactBucket": "hammer-deployment-123456789012-eu-west-1",
    "HostPackageKey": "packages/host-1.zip",
    "ConfigSource": "",
    "PipIndexUrl": "",
}
SITE = f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
# What only AWS or root of a real machine can do; each writes down how it was called.
STAND_INS = {
    "aws": 'if [ "$1 $2" = "s3 cp" ]; then cp "$PACKAGE" "$4"; fi',
    "cfn-signal": "exit 1",
    "chown": "",
    "dnf": "",
    "id": '[ "$1" = -u ] && echo 0 || exit 1',
    # pip, too, comes from where these tests have it, and finds there all that is required: nothing is downloaded.
    "python3.11": f'''
if [ "$2" != venv ]; then exec {sys.executable} "$@"; fi
{sys.executable} -m venv --without-pip "$3" && echo "{sysconfig.get_path("purelib")}" > "$3/{SITE}/tests.pth"
''',
    "rpm": '[ -e "$HAMMER_ROOT/usr/bin/crond" ]',
    "systemctl": "",
    "useradd": 'mkdir -p "$HAMMER_ROOT/home/$2"',
}


def user_data(**parameters: str) -> dict[str, str]:
    """The parts of the user data by their content type, with these parameters of the template."""
    template, _ = decode(str(TEMPLATE))
    text: str = template["Resources"]["HostTemplate"]["Properties"]["LaunchTemplateData"]["UserData"]["Fn::Base64"][
        "Fn::Sub"
    ]
    for name, value in (PARAMETERS | parameters).items():
        text = text.replace(f"${{{name}}}", value)
    parts = email.message_from_string(text.replace("${!", "${"))
    found = {}
    for part in parts.walk():
        if not part.is_multipart():
            content = part.get_payload(decode=True)
            assert isinstance(content, bytes)
            found[part.get_content_type()] = content.decode()
    return found


@dataclass(frozen=True)
class Machine:
    """A folder in which the bootstrap finds what a freshly launched machine has."""

    root: Path
    package: Path

    def boot(
        self, *, stand_ins: Mapping[str, str] = STAND_INS, **parameters: str
    ) -> subprocess.CompletedProcess[str]:
        """Run the bootstrap as cloud-init does."""
        commands = self.root.parent / "commands"
        shutil.rmtree(commands, ignore_errors=True)
        commands.mkdir()
        calls = self.root.parent / "calls"
        for name, body in stand_ins.items():
            path = commands / name
            path.write_text(f'#!/bin/bash\necho "{name} $*" >> "{calls}"\n{body}\n')
            path.chmod(0o755)
        calls.unlink(missing_ok=True)
        script = self.root.parent / "user-data.sh"
        script.write_text(user_data(**parameters)["text/x-shellscript"])
        environment = dict(os.environ) | {
            "HAMMER_ROOT": str(self.root),
            "PACKAGE": str(self.package),
            "PATH": f"{commands}:{os.environ['PATH']}",
        }
        return subprocess.run(
            ["bash", str(script)], env=environment, cwd="/", capture_output=True, text=True, timeout=300
        )

    def calls(self) -> list[str]:
        """What the bootstrap asked of AWS and of the machine, in order."""
        lines = (self.root.parent / "calls").read_text().splitlines()
        return [line for line in lines if not line.startswith("id ")]

    @property
    def home(self) -> Path:
        """Where the commands are."""
        return self.root / "hammer-correlation-engine"

    def shell(self, command: str, *, path: str = "/usr/bin:/bin") -> str:
        """What a command prints that an operator gives after `sudo su -` and `cd /hammer-correlation-engine`."""
        profile = self.root / "etc/profile.d/hammer.sh"
        run = subprocess.run(
            ["bash", "-c", f". {profile}\ncd {self.home}\n{command}"],
            env={"PATH": f"{self.root.parent / 'commands'}:{path}"},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return run.stdout


def launched(folder: Path) -> Machine:
    """A new machine with the key pair that it was launched with, and the host's package."""
    authorized = folder / "root" / "home" / "ec2-user" / ".ssh" / "authorized_keys"
    authorized.parent.mkdir(parents=True)
    authorized.write_text("ssh-ed25519 AAAA operator\n")
    return Machine(folder / "root", build_host(str(CONFIG), folder))


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine before its first boot."""
    return launched(tmp_path)


@pytest.fixture(scope="module")
def booted(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """A machine after its first boot, to be looked at only."""
    machine = launched(tmp_path_factory.mktemp("booted"))
    run = machine.boot()
    assert run.returncode == 0, run.stderr
    return machine


def test_cloud_init_runs_the_bootstrap_at_each_boot() -> None:
    parts = user_data()
    assert set(parts) == {"text/cloud-config", "text/x-shellscript"}
    assert parts["text/cloud-config"].split() == [
        *("#cloud-config", "cloud_final_modules:", "-", "[scripts-user,", "always]"),
    ]
    assert parts["text/x-shellscript"].startswith("#!/bin/bash\n")
    assert "${" not in parts["text/x-shellscript"].replace("${needed[@]}", "").replace("${HAMMER_ROOT:-}", "")


def test_the_user_data_is_shorter_than_ec2_takes() -> None:
    assert len(user_data()["text/x-shellscript"].encode()) < 16_000 - 1_000


def test_after_the_first_boot_the_manual_s_steps_work(booted: Machine) -> None:
    said = booted.shell("python -m remediation.clean_iam_keys_inactive --help")
    assert said.startswith("Usage: python -m remediation.clean_iam_keys_inactive")
    assert booted.shell("command -v python").strip() == f"{booted.home}/venv/bin/python"
    where = booted.shell("python -c 'import library.config.sources as c; print(c.CODE, c.log_group())'")
    assert where.split() == [str(booted.home), "/aws/ec2/hammer-reporting-remediation"]
    assert booted.shell("echo $AWS_DEFAULT_REGION $HAMMER_CONFIG").split() == ["eu-west-1"]
    sudoers = booted.root / "etc/sudoers.d/hammer"
    assert f"secure_path = {booted.home}/venv/bin:" in sudoers.read_text()
    assert stat.S_IMODE(sudoers.stat().st_mode) == 0o440
    keys = booted.root / "home/centos/.ssh/authorized_keys"
    assert keys.read_text() == "ssh-ed25519 AAAA operator\n"
    assert stat.S_IMODE(keys.parent.stat().st_mode) == 0o700
    assert (booted.root / "var/log/hammer").is_dir()


def test_the_schedule_is_what_the_configuration_says(booted: Machine) -> None:
    wanted = json.loads((CONFIG / "config.json").read_text())
    jobs = {path.name: path.read_text() for path in (booted.root / "etc/cron.d").iterdir()}
    assert set(jobs) == {
        f"hammer-iam-user-inactive-keys-{job}"
        for job in ("reporting", "remediation")
        if wanted["user_inactivekeys"][job]
    }
    for job in jobs.values():
        assert f"cd {booted.home} && {booted.home}/venv/bin/python -m " in job
    assert booted.calls()[-2:] == [
        "systemctl enable --now crond",
        "cfn-signal --exit-code 0 --stack hammer-host --resource HostGroup --region eu-west-1",
    ]


def test_the_package_comes_from_the_bucket_and_what_runs_it_from_amazon_linux(booted: Machine) -> None:
    calls = booted.calls()
    assert "dnf install --assumeyes python3.11 python3.11-pip cronie aws-cfn-bootstrap" in calls
    source = "s3://hammer-deployment-123456789012-eu-west-1/packages/host-1.zip"
    assert f"aws s3 cp {source} {booted.home}/package.zip" in calls


def test_a_later_boot_needs_neither_the_package_nor_package_servers(machine: Machine) -> None:
    machine.boot()
    crond = machine.root / "usr/bin/crond"
    crond.parent.mkdir(parents=True)
    crond.touch()
    machine.package.unlink()
    run = machine.boot()
    assert run.returncode == 0, run.stderr
    assert not [call for call in machine.calls() if call.startswith(("aws", "dnf", "python3.11"))]
    assert machine.shell("python -m remediation.clean_iam_keys_inactive --help")


def test_another_package_is_installed_in_place_of_the_one_before(machine: Machine) -> None:
    machine.boot()
    (machine.home / "library" / "forgotten.py").touch()
    machine.boot(HostPackageKey="packages/host-2.zip")
    assert not (machine.home / "library" / "forgotten.py").exists()
    assert any("packages/host-2.zip" in call for call in machine.calls())


@pytest.mark.parametrize(
    ("broken", "step"),
    [
        ({"dnf": "exit 1"}, "installing packages"),
        ({"aws": '[ "$1" = logs ]'}, "installing packages/host-1.zip"),
        ({"systemctl": "exit 1"}, "writing the schedule"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_bootstrap_that_fails_signals_and_raises_the_alarm_on_errors(
    machine: Machine, broken: dict[str, str], step: str
) -> None:
    run = machine.boot(stand_ins=STAND_INS | broken)
    assert run.returncode == 1
    calls = machine.calls()
    assert "cfn-signal --exit-code 1 --stack hammer-host --resource HostGroup --region eu-west-1" in calls
    (told,) = [call for call in calls if call.startswith("aws logs put-log-events")]
    assert "--log-group-name /aws/ec2/hammer-reporting-remediation --log-stream-name bootstrap" in told
    assert f",message=ERROR E-RUN-08 The bootstrap of the host failed: {step}" in told


def test_a_boot_after_one_that_failed_begins_again(machine: Machine) -> None:
    machine.boot(stand_ins=STAND_INS | {"aws": "exit 1"})
    run = machine.boot()
    assert run.returncode == 0, run.stderr
    assert machine.shell("python -m remediation.clean_iam_keys_inactive --help")


def test_a_broken_configuration_fails_the_bootstrap(machine: Machine) -> None:
    machine.boot()
    (machine.home / "config" / "whitelist.json").write_text("{")
    run = machine.boot()
    assert run.returncode == 2
    assert "whitelist.json" in run.stdout + run.stderr


def test_a_configuration_in_s3_reaches_the_shell_the_jobs_and_the_schedule(scanned: object, machine: Machine) -> None:
    source = "s3://hammer-deployment/config"
    s3 = boto3.Session().client("s3", region_name="us-east-1")
    s3.create_bucket(Bucket="hammer-deployment")
    publish(s3, CONFIG, source)
    run = machine.boot(ConfigSource=source)
    assert run.returncode == 0, run.stderr
    assert machine.shell("echo $HAMMER_CONFIG").strip() == source
    assert "env_keep" in (machine.root / "etc/sudoers.d/hammer").read_text()
    jobs = {path.name: path.read_text().splitlines() for path in (machine.root / "etc/cron.d").iterdir()}
    assert set(jobs) == {
        "hammer-schedule",
        "hammer-iam-user-inactive-keys-reporting",
        "hammer-iam-user-inactive-keys-remediation",
    }
    for lines in jobs.values():
        assert {"AWS_DEFAULT_REGION=eu-west-1", f'HAMMER_CONFIG="{source}"'} <= set(lines)
    again = f"cd {machine.home} && venv/bin/python -m cronjobs.automation_scheduler"
    assert f"7 * * * * root {again} 2>&1 | logger -t hammer-schedule" in jobs["hammer-schedule"]


def test_without_a_key_pair_nobody_is_made(machine: Machine) -> None:
    shutil.rmtree(machine.root / "home")
    run = machine.boot()
    assert run.returncode == 0, run.stderr
    assert not (machine.root / "home").exists()
