"""The host's bootstrap, run as its template has it, in a folder that stands for the machine."""

from __future__ import annotations

import hashlib
import json
import shutil
import stat
import subprocess
import zipfile
from dataclasses import replace
from pathlib import Path

import boto3
import pytest

from deployment.build_packages import build_host
from deployment.local.estate import CONFIG
from deployment.publish_config import publish
from tests.world.bootstrap import STAND_INS, Machine, launched, user_data

UPGRADE = "dnf upgrade --security --releasever=latest --refresh --assumeyes"


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
    assert (booted.root / "etc/hammer").is_dir()


def test_the_schedule_is_what_the_configuration_says(booted: Machine) -> None:
    wanted = json.loads((CONFIG / "config.json").read_text())
    jobs = {path.name: path.read_text() for path in (booted.root / "etc/cron.d").iterdir()}
    assert set(jobs) == {
        f"hammer-iam-user-inactive-keys-{job}"
        for job in ("reporting", "remediation")
        if wanted["user_inactivekeys"][job]
    } | {"hammer-schedule", "hammer-security-updates"}
    again = f"cd {booted.home} && venv/bin/python -m cronjobs.automation_scheduler"
    assert jobs.pop("hammer-schedule") == f"7 * * * * root {again} 2>&1 | logger -t hammer-schedule\n"
    del jobs["hammer-security-updates"]
    for job in jobs.values():
        assert f"cd {booted.home} && {booted.home}/venv/bin/python -m " in job
    assert booted.calls()[-2:] == [
        "systemctl enable --now crond",
        "cfn-signal --exit-code 0 --stack hammer-host --resource HostGroup --region eu-west-1",
    ]


def test_the_package_comes_from_the_bucket_and_what_runs_it_from_amazon_linux(booted: Machine) -> None:
    calls = booted.calls()
    assert "dnf install --assumeyes python3.11 python3.11-pip cronie aws-cfn-bootstrap nftables" in calls
    source = "s3://hammer-deployment-123456789012-eu-west-1/packages/host-1.zip"
    assert f"aws s3 cp {source} {booted.home}/package.zip" in calls


def test_a_later_boot_needs_neither_the_package_nor_package_servers(machine: Machine) -> None:
    machine.boot()
    crond = machine.root / "usr/bin/crond"
    crond.parent.mkdir(parents=True)
    crond.touch()
    machine.package.unlink()
    run = machine.boot(stand_ins=STAND_INS | {"dnf": "exit 1"})
    assert run.returncode == 0, run.stderr
    calls = [call for call in machine.calls() if call.startswith(("aws", "dnf", "python3.11"))]
    assert calls[0] == UPGRADE
    assert [call.split()[1] for call in calls[1:]] == ["logs", "logs"]
    assert calls[-1].endswith("message=ERROR E-RUN-11 The security updates of the host could not be installed")
    assert machine.shell("python -m remediation.clean_iam_keys_inactive --help")


def test_security_updates_come_at_boot_before_anything_else_of_ours_and_once_a_week(booted: Machine) -> None:
    calls = booted.calls()
    assert calls.index(UPGRADE) < next(place for place, call in enumerate(calls) if call.startswith("aws s3 cp"))
    assert not [call for call in calls if call.startswith("aws logs")]
    job = (booted.root / "etc/cron.d/hammer-security-updates").read_text()
    when, _, command = job.partition(" root ")
    assert when == "40 4 * * 0"
    commands = booted.root.parent / "commands"
    subprocess.run([command.split()[0]], env={"PATH": f"{commands}:/usr/bin:/bin"}, check=True)
    assert booted.calls()[len(calls) :] == [UPGRADE]


def test_only_root_reaches_the_metadata_where_the_role_s_credentials_are(booted: Machine) -> None:
    rules = booted.root / "etc/sysconfig/nftables.conf"
    refused = [" ".join(line.split()) for line in rules.read_text().splitlines() if "reject" in line]
    assert refused == [
        "ip daddr 169.254.169.254 meta skuid != 0 reject",
        "ip6 daddr fd00:ec2::254 meta skuid != 0 reject",
    ]
    calls = booted.calls()
    assert calls.index(f"nft --file {rules}") < calls.index(UPGRADE)
    assert "systemctl enable nftables" in calls


def test_the_folder_of_the_logs_is_root_s_alone(booted: Machine) -> None:
    assert stat.S_IMODE((booted.root / "var/log/hammer").stat().st_mode) == 0o700


def test_a_boot_says_no_password(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://joe:hunter2@proxy.example:3128")
    run = machine.boot()
    assert run.returncode == 0, run.stderr
    # It was there to be said.
    jobs = [path for path in (machine.root / "etc/cron.d").iterdir() if "hunter2" in path.read_text()]
    assert jobs
    assert {stat.S_IMODE(path.stat().st_mode) for path in jobs} == {0o600}
    assert "hunter2" not in run.stdout + run.stderr + "".join(machine.calls())


def test_another_package_is_installed_in_place_of_the_one_before(machine: Machine, tmp_path: Path) -> None:
    machine.boot()
    (machine.home / "library" / "forgotten.py").touch()
    config = Path(shutil.copytree(CONFIG, tmp_path / "config"))
    (config / "whitelist.json").write_text("{}")
    another = build_host(str(config), tmp_path / "another")
    machine = replace(machine, package=another, digest=hashlib.sha256(another.read_bytes()).hexdigest())
    run = machine.boot(HostPackageKey="packages/host-2.zip")
    assert run.returncode == 0, run.stderr
    assert not (machine.home / "library" / "forgotten.py").exists()
    assert any("packages/host-2.zip" in call for call in machine.calls())


def test_a_package_that_is_not_the_one_that_was_built_is_not_unpacked(machine: Machine) -> None:
    built = machine.package.read_bytes()
    with zipfile.ZipFile(machine.package, "a") as archive:
        archive.writestr("library/planted.py", "")
    refused = machine.boot()
    assert refused.returncode == 1
    (told,) = [call for call in machine.calls() if call.startswith("aws logs put-log-events")]
    assert "ERROR E-RUN-08 The bootstrap of the host failed: checking that packages/host-1.zip is what was bu" in told
    assert [path.name for path in machine.home.iterdir()] == ["package.zip"]
    assert not (machine.root / "etc/cron.d").exists()
    # Nor is anything of it left when the right one is there again.
    machine.package.write_bytes(built)
    again = machine.boot()
    assert again.returncode == 0, again.stderr
    assert not (machine.home / "library" / "planted.py").exists()


@pytest.mark.parametrize(
    ("broken", "step"),
    [
        ({"dnf": "exit 1"}, "installing packages"),
        ({"aws": '[ "$1" = logs ]'}, "installing packages/host-1.zip"),
        ({"nft": "exit 1"}, "keeping the metadata for root"),
        ({"systemctl": '[ "$3" != crond ]'}, "writing the schedule"),
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


def test_a_configuration_in_s3_is_the_one_source_of_the_host_and_the_package_s_own_is_gone(
    scanned: object, machine: Machine
) -> None:
    source = "s3://hammer-deployment/config"
    s3 = boto3.Session().client("s3", region_name="us-east-1")
    s3.create_bucket(Bucket="hammer-deployment")
    publish(s3, CONFIG, source)
    run = machine.boot(ConfigSource=source)
    assert run.returncode == 0, run.stderr
    assert f"Configuration in force: {source}, digest " in run.stdout
    settings = (machine.home / "config.ini").read_text().splitlines()
    assert settings[:3] == [
        "LOG_GROUP=/aws/ec2/hammer-reporting-remediation",
        "AWS_DEFAULT_REGION=eu-west-1",
        f"HAMMER_CONFIG={source}",
    ]
    assert not (machine.home / "config").exists()
    # Whatever a shell has to be told, some shell is not told.
    assert machine.shell("env | grep HAMMER_ || true") == ""
    jobs = {path.name: path.read_text() for path in (machine.root / "etc/cron.d").iterdir()}
    assert set(jobs) == {
        "hammer-schedule",
        "hammer-security-updates",
        "hammer-iam-user-inactive-keys-reporting",
        "hammer-iam-user-inactive-keys-remediation",
    }
    assert not [name for name, job in jobs.items() if "HAMMER_CONFIG" in job]
    # What the alarms on a silent host count, from its first boot on.
    logs = boto3.Session().client("logs", region_name="eu-west-1")
    told = logs.filter_log_events(logGroupName="/aws/ec2/hammer-reporting-remediation")["events"]
    closing = "INFO Run of cronjobs.automation_scheduler ended with 0, reporting=on remediation=on"
    assert [event["message"] for event in told] == [closing]


def test_the_stack_s_floor_is_in_config_ini_and_holds_in_every_command(machine: Machine) -> None:
    run = machine.boot(LeastCriterionDays="120", LeastRetentionDays="28", MostKeysPerRun="5")
    assert run.returncode == 0, run.stderr
    assert (machine.home / "config.ini").read_text().splitlines()[-3:] == [
        "LEAST_CRITERION_DAYS=120",
        "LEAST_RETENTION_DAYS=28",
        "MOST_KEYS_PER_RUN=5",
    ]
    said = [" ".join(line.split()) for line in machine.shell("python -m library.config").splitlines()]
    in_force = {"inactive_criteria_days 120", "remediation_retention_period 28", "remediation_max_keys_per_run 5"}
    assert in_force <= set(said)


def test_without_a_key_pair_nobody_is_made(machine: Machine) -> None:
    shutil.rmtree(machine.root / "home")
    run = machine.boot()
    assert run.returncode == 0, run.stderr
    assert not (machine.root / "home").exists()
