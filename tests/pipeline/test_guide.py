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
from deployment.local.population import SLAVE
from deployment.local.slack_stand_in import DEFAULT_TOKEN as SLACK_TOKEN
from deployment.local.slack_stand_in import SlackStandIn
from deployment.roles import STACK_SET
from library.config.loading import load
from tests.documents import ROOT, not_said, samples_of, section
from tests.pipeline.conftest import configuration
from tests.world.configuration import write

if TYPE_CHECKING:
    from collections.abc import Iterator

    from deployment.local.scanned_accounts import KeySeed

AMAZON_LINUX = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64"
HOST = (
    'make deploy CONFIG=../hammer-config ARGS="--stack host --parameter VpcId=vpc-… --parameter SubnetId=subnet-… '
    '--parameter KeyName=hammer --parameter SshCidr=192.0.2.0/24"'
)
ROLES = 'make deploy-roles CONFIG=../hammer-config ARGS="--ou ou-abcd-12345678"'
TYPED = {
    "make package": (0, "hammer-reporting-remediation.zip"),
    "make package CONFIG=../hammer-config": (0, "hammer-iam-user-inactive-keys.zip"),
    'make deploy CONFIG=../hammer-config ARGS="--parameter OperatorsEmail=security@example.com"': (
        0,
        "FailuresQueueUrl",
    ),
    ROLES: (0, "Done."),
    # One account has no role, and there are no credentials for JIRA and Slack yet.
    "make check-deployment CONFIG=../hammer-config": (2, "1 of 2 accounts can be scanned; 1 missing"),
    HOST: (0, "StackSet hammer-scanned-account-roles: done"),
    "make put-credentials CONFIG=../hammer-config": (0, "Stored in the secret hammer-credentials of eu-west-1"),
    "make put-credentials": (0, "Stored in the secret hammer-credentials of eu-west-1"),
    "make check-deployment": (0, "2 of 2 accounts can be scanned; 0 missing"),
    "make publish-config ARGS=--previous": (2, "nothing was published before what is in force"),
    "make publish-config CONFIG=../hammer-config": (0, "In force from s3://"),
    "make publish-config": (0, "In force from s3://"),
    "make redrive ARGS=--dry-run": (0, "The queue of failures is empty"),
    "make redrive": (0, "asked for again (3 messages)"),
    "make deploy": (0, "Stack hammer-deployment: no changes"),
    'make deploy ARGS="--stack host"': (0, "Stack hammer-reporting-remediation: no changes"),
    "make destroy CONFIG=../hammer-config": (0, "Done."),
}
"""What is typed, in this order; the exit code, which make gives as 2 whatever it was; and what is said."""

FIVE = re.findall(r"```\n(.*?)\n```", section("deployment/README.md", "## Five commands"), re.DOTALL)[0].splitlines()
"""What leads from a clone to the first scan, as the guide has it."""


def turn_on(folder: Path, **jobs: bool) -> None:
    settings = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    settings["user_inactivekeys"] |= jobs or {"reporting": True}
    write(folder, "config.json", settings)


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
    turn_on(clone.parent / "hammer-config", reporting=False, remediation=False)
    shutil.copytree(clone.parent / "hammer-config", clone / "config")
    return clone


@pytest.fixture
def aws() -> Iterator[EmbeddedAws]:
    with EmbeddedAws() as aws, pytest.MonkeyPatch.context() as patch:
        for name, value in aws.environment().items():
            patch.setenv(name, value)
        yield aws


@pytest.fixture
def integrations(clone: Path) -> Iterator[dict[str, str]]:
    """JIRA and Slack where the configuration says that they are; the addresses by which the guide names these."""
    settings = json.loads((clone / "config" / "config.json").read_text(encoding="utf-8"))
    urls = (settings["jira"]["server"], settings["slack"]["base_url"])
    jira, slack = (urlsplit(url).port or 0 for url in urls)
    with JiraStandIn(port=jira), SlackStandIn(port=slack, channels=channels_of(load(str(clone / "config")))):
        yield dict(zip(urls, ("https://issues.example.com", "https://slack.com/api/"), strict=True))


def typed(clone: Path, command: str, answers: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", command],
        cwd=clone,
        env={**os.environ, "PYTHONPATH": "reporting_remediation", "PYTHONUNBUFFERED": "1"},
        input=answers,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
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
    assert 0 < len(FIVE) <= 5
    folder = f"{tmp_path}/hammer-config"
    *deploying, page = [each.replace("../hammer-config", folder).replace("r-abcd", root) for each in FIVE]
    for command in deploying:
        done = typed(clone, command, "y\ny\n")
        assert done.returncode == 0, f"{command}\n{done.stdout}"
    assert "2 of 2 accounts can be scanned; 0 missing otherwise" in done.stdout
    runs = aws.finished_runs(IDENTIFICATION)
    aws.invoke_schedule()
    aws.wait_for(lambda: aws.finished_runs(IDENTIFICATION) >= runs + 2, "the scan of both accounts", seconds=120)
    looked = typed(clone, page)
    assert looked.returncode == 0, looked.stdout
    assert "The report covers 1 issues" in looked.stdout

    done = typed(clone, f"make destroy CONFIG={folder}", "y\n")
    assert done.returncode == 0, done.stdout
    cloudformation = boto3.Session().client("cloudformation")
    assert [one["StackName"] for one in cloudformation.describe_stacks()["Stacks"]] == [stacks.BUCKET_STACK]
    with pytest.raises(cloudformation.exceptions.StackSetNotFoundException):
        cloudformation.describe_stack_set(StackSetName=STACK_SET)
    tables = ["hammer-iam-user-keys-inactive", "hammer-iam-user-keys-inactive-state"]
    kept = [*(f"AWS::DynamoDB::Table {name}" for name in tables), "AWS::Logs::LogGroup /aws/ec2/hammer-reporting-"]
    assert [one for one in kept if one not in done.stdout] == []
    assert sorted(boto3.Session().client("dynamodb").list_tables()["TableNames"]) == tables
    again = typed(clone, f"make deploy CONFIG={folder} ARGS=--yes")
    assert again.returncode == 0, again.stdout
    assert {tuple(line.split()[:2]) for line in again.stdout.splitlines() if line.startswith("Import")} == {
        ("Import", name) for name in ("IssuesTable", "StateTable", "HostLogGroup")
    }
    assert boto3.Session().client("dynamodb").scan(TableName=tables[0])["Count"] == 1


def refuse_the_scan(aws: EmbeddedAws) -> None:
    aws.accounts.fail(SLAVE, "AssumeRole", "AccessDenied")


def fail_three_scans(aws: EmbeddedAws) -> None:
    refuse_the_scan(aws)
    message = json.dumps({"account_id": SLAVE, "account_name": "slave1"})
    for _ in range(3):
        aws.invoke(IDENTIFICATION, {"Records": [{"EventSource": "aws:sns", "Sns": {"Message": message}}]})
    queue = stacks.outputs(boto3.Session().client("cloudformation"), stacks.MAIN_STACK)["FailuresQueueUrl"]
    sqs = boto3.Session().client("sqs")

    def waiting() -> bool:
        attributes = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
        return attributes["ApproximateNumberOfMessages"] == "3"

    aws.wait_for(waiting, "three failures in the queue", seconds=120)


def unit_and_account() -> tuple[str, str]:
    """An organizational unit and the account that is in it."""
    organization = boto3.Session().client("organizations")
    organization.create_organization(FeatureSet="ALL")
    root = organization.list_roots()["Roots"][0]["Id"]
    unit = organization.create_organizational_unit(ParentId=root, Name="all")["OrganizationalUnit"]["Id"]
    account = organization.create_account(AccountName="slave1", Email="slave1@example.com")["CreateAccountStatus"]
    organization.move_account(AccountId=account["AccountId"], SourceParentId=root, DestinationParentId=unit)
    return unit, account["AccountId"]


def test_the_commands_of_the_guide_do_and_print_what_it_shows(
    aws: EmbeddedAws, clone: Path, integrations: dict[str, str]
) -> None:
    boto3.Session().client("ssm").put_parameter(Name="/images/host", Value="ami-0123456789abcdef0", Type="String")
    ec2 = boto3.Session().client("ec2")
    ec2.create_key_pair(KeyName="hammer")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    shown_as = (
        integrations
        | {
            vpc: "vpc-…",
            ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]: "subnet-…",
        }
        | dict(zip(unit_and_account(), ("ou-abcd-12345678", SLAVE), strict=True))
    )
    before = {
        "make check-deployment CONFIG=../hammer-config": lambda: refuse_the_scan(aws),
        "make publish-config CONFIG=../hammer-config": lambda: turn_on(clone.parent / "hammer-config"),
        "make redrive": lambda: fail_three_scans(aws),
    }
    samples = samples_of("deployment/README.md")
    assert {command for command in samples if command.startswith("make")} <= TYPED.keys()
    for command, (code, said) in TYPED.items():
        before.get(command, aws.accounts.heal)()
        answers = f"\n{JIRA_TOKEN}\n{SLACK_TOKEN}\n" if "put-credentials" in command else "y\ny\n"
        real = command
        for value, name in shown_as.items():
            real = real.replace(name, value)
        done = typed(clone, real, answers)
        output = done.stdout
        for value, name in shown_as.items():
            output = output.replace(value, name)
        assert (done.returncode, said in output) == (code, True), f"{command}\n{output}"
        assert not_said(samples.get(command, ""), output) == [], f"{command}\n{output}"


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
            if "Here: Enter lets" in line:
                assert demo.stdin is not None
                demo.stdin.write("help\n")
                demo.stdin.flush()
            if "Nothing was done." in line:
                # As a terminal does: to make and to all that it runs.
                os.killpg(demo.pid, signal.SIGINT)
    assert any("export AWS_ENDPOINT_URL=" in line for line in told), "".join(told)
    assert not any("days passed" in line for line in told), "".join(told)
    assert any("Stopped; nothing is left running." in line for line in told), "".join(told)
