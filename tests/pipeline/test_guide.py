"""The guide to the deployment, typed line by line in a clone of its own, against the embedded AWS."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import boto3
import pytest

from deployment import stacks
from deployment.local.embedded_aws import EmbeddedAws
from deployment.local.estate import IDENTIFICATION, channels_of
from deployment.local.jira_stand_in import DEFAULT_TOKEN as JIRA_TOKEN
from deployment.local.jira_stand_in import JiraStandIn
from deployment.local.slack_stand_in import DEFAULT_TOKEN as SLACK_TOKEN
from deployment.local.slack_stand_in import SlackStandIn
from deployment.roles import STACK_SET
from library.config.loading import load
from tests.documents import ROOT, section
from tests.pipeline.conftest import configuration

if TYPE_CHECKING:
    from collections.abc import Iterator

    from deployment.local.scanned_accounts import KeySeed

AMAZON_LINUX = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64"
HOST = (
    'make deploy CONFIG=../hammer-config ARGS="--stack host --parameter VpcId=vpc-… --parameter SubnetId=subnet-… '
    '--parameter KeyName=hammer --parameter SshCidr=192.0.2.0/24"'
)
TYPED = {
    "make package": (0, "hammer-reporting-remediation.zip"),
    "make package CONFIG=../hammer-config": (0, "hammer-iam-user-inactive-keys.zip"),
    'make deploy CONFIG=../hammer-config ARGS="--parameter OperatorsEmail=security@example.com"': (
        0,
        "FailuresQueueUrl",
    ),
    HOST: (0, "Stack hammer-reporting-remediation: done"),
    # Without credentials for JIRA and Slack yet.
    "make check-deployment CONFIG=../hammer-config": (2, "2 of 2 accounts can be scanned; 1 things are missing"),
    "make put-credentials CONFIG=../hammer-config": (0, "Stored in the secret hammer-credentials of eu-west-1"),
    "make put-credentials": (0, "Stored in the secret hammer-credentials of eu-west-1"),
    "make check-deployment": (0, "2 of 2 accounts can be scanned; 0 things are missing"),
    "make publish-config CONFIG=../hammer-config": (0, "In force from s3://"),
    "make publish-config": (0, "In force from s3://"),
    "make publish-config ARGS=--previous": (2, "nothing was published before what is in force"),
    "make redrive ARGS=--dry-run": (0, "The queue of failures is empty"),
    "make redrive": (0, "The queue of failures is empty"),
    "make deploy": (0, "Stack hammer-deployment: no changes"),
    'make deploy ARGS="--stack host"': (0, "Stack hammer-reporting-remediation: no changes"),
}
"""What is typed, in this order; the exit code, which make gives as 2 whatever it was; and what is said."""


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository beside a configuration, with the packages of this Python as its `.venv`."""
    clone = tmp_path_factory.mktemp("work") / "clone"
    clone.mkdir()
    unwanted = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for folder in ("deployment", "hammer", "identification", "library", "reporting_remediation"):
        shutil.copytree(ROOT / folder, clone / folder, ignore=unwanted)
    for file in ("Makefile", "pyproject.toml", "setup.cfg", *(path.name for path in ROOT.glob("requirements*.txt"))):
        shutil.copy(ROOT / file, clone)
    # Names under /aws/ are AWS's own, and the embedded one lacks that of the current Amazon Linux.
    host = clone / "deployment" / "cloudformation" / "reporting-remediation-host.yaml"
    text = host.read_text(encoding="utf-8")
    assert text.count(AMAZON_LINUX) == 1
    host.write_text(text.replace(AMAZON_LINUX, "/images/host"), encoding="utf-8")
    (clone / ".venv").mkdir()
    for part in ("bin", "lib", "pyvenv.cfg"):
        (clone / ".venv" / part).symlink_to(Path(sys.prefix) / part)
    (clone / ".venv" / ".installed").touch()
    configuration(clone.parent / "hammer-config")
    (clone.parent / "hammer-config" / "config.ini").unlink()
    shutil.copytree(clone.parent / "hammer-config", clone / "config")
    return clone


@pytest.fixture
def aws() -> Iterator[EmbeddedAws]:
    with EmbeddedAws() as aws, pytest.MonkeyPatch.context() as patch:
        for name, value in aws.environment().items():
            patch.setenv(name, value)
        yield aws


@pytest.fixture
def integrations(clone: Path) -> Iterator[None]:
    """JIRA and Slack where the configuration says that they are."""
    settings = json.loads((clone / "config" / "config.json").read_text(encoding="utf-8"))
    urls = (settings["jira"]["server"], settings["slack"]["base_url"])
    jira, slack = (urlsplit(url).port or 0 for url in urls)
    with JiraStandIn(port=jira), SlackStandIn(port=slack, channels=channels_of(load(str(clone / "config")))):
        yield


def typed(clone: Path, command: str, answers: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", command],
        cwd=clone,
        env={**os.environ, "PYTHONPATH": "reporting_remediation"},
        input=answers,
        capture_output=True,
        text=True,
        timeout=300,
        # Without a terminal of its own, what is hidden when it is typed is read from standard input.
        start_new_session=True,
        check=False,
    )


def test_five_commands_lead_from_a_clone_to_the_first_scan_of_an_organization_and_one_back(
    aws: EmbeddedAws, clone: Path, tmp_path: Path
) -> None:
    organization = boto3.Session().client("organizations")
    organization.create_organization(FeatureSet="ALL")
    root = organization.list_roots()["Roots"][0]["Id"]
    account = organization.create_account(AccountName="grown", Email="grown@example.com")["CreateAccountStatus"]
    key: KeySeed = {"created_days_ago": 400, "last_used_days_ago": 200}
    aws.accounts.populate({account["AccountId"]: {"alice": {"keys": [key]}}}, datetime.now(UTC))
    (block,) = re.findall(r"```\n(.*?)```", section("deployment/README.md", "## Five commands"), re.DOTALL)
    commands = block.strip().splitlines()
    assert 0 < len(commands) <= 5
    folder = f"{tmp_path}/hammer-config"
    commands = [each.replace("../hammer-config", folder).replace("r-abcd", root) for each in commands]
    *deploying, page = commands
    for command in deploying:
        done = typed(clone, command, "y\ny\n")
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    assert "2 of 2 accounts can be scanned; 0 things are missing otherwise" in done.stdout
    runs = aws.finished_runs(IDENTIFICATION)
    aws.invoke_schedule()
    aws.wait_for(lambda: aws.finished_runs(IDENTIFICATION) >= runs + 2, "the scan of both accounts", seconds=120)
    looked = typed(clone, page)
    assert looked.returncode == 0, looked.stderr
    assert "The report covers 1 issues" in looked.stderr

    done = typed(clone, f"make destroy CONFIG={folder}", "y\n")
    assert done.returncode == 0, done.stdout + done.stderr
    cloudformation = boto3.Session().client("cloudformation")
    assert [one["StackName"] for one in cloudformation.describe_stacks()["Stacks"]] == [stacks.BUCKET_STACK]
    with pytest.raises(cloudformation.exceptions.StackSetNotFoundException):
        cloudformation.describe_stack_set(StackSetName=STACK_SET)
    tables = ["hammer-iam-user-keys-inactive", "hammer-iam-user-keys-inactive-state"]
    kept = [*(f"AWS::DynamoDB::Table {name}" for name in tables), "AWS::Logs::LogGroup /aws/ec2/hammer-reporting-"]
    assert [one for one in kept if one not in done.stdout] == []
    assert sorted(boto3.Session().client("dynamodb").list_tables()["TableNames"]) == tables
    again = typed(clone, f"make deploy CONFIG={folder} ARGS=--yes")
    assert again.returncode == 0, again.stdout + again.stderr
    assert {tuple(line.split()[:2]) for line in again.stdout.splitlines() if line.startswith("Import")} == {
        ("Import", name) for name in ("IssuesTable", "StateTable", "HostLogGroup")
    }
    assert boto3.Session().client("dynamodb").scan(TableName=tables[0])["Count"] == 1


def test_the_commands_of_the_guide_do_what_it_says(aws: EmbeddedAws, clone: Path, integrations: None) -> None:
    boto3.Session().client("ssm").put_parameter(Name="/images/host", Value="ami-0123456789abcdef0", Type="String")
    ec2 = boto3.Session().client("ec2")
    ec2.create_key_pair(KeyName="hammer")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
    for command, (code, said) in TYPED.items():
        answers = f"\n{JIRA_TOKEN}\n{SLACK_TOKEN}\n" if "put-credentials" in command else "y\ny\n"
        done = typed(clone, command.replace("vpc-…", vpc).replace("subnet-…", subnet), answers)
        assert (done.returncode, said in done.stdout + done.stderr) == (code, True), (
            f"{command}\n{done.stdout}\n{done.stderr}"
        )


def test_the_demo_stays_up_until_ctrl_c(clone: Path) -> None:
    with subprocess.Popen(
        ["bash", "-c", "exec make demo-up"],
        cwd=clone,
        env={**os.environ, "PYTHONPATH": "reporting_remediation"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as demo:
        assert demo.stdout is not None
        told = []
        for line in demo.stdout:
            told.append(line)
            if "s and Enter lets the schedule fire" in line:
                # As a terminal does: to make and to all that it runs.
                os.killpg(demo.pid, signal.SIGINT)
    assert any("export AWS_ENDPOINT_URL=" in line for line in told), "".join(told)
    assert any("Stopped; nothing is left running." in line for line in told), "".join(told)
