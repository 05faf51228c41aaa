"""The embedded AWS: it starts, takes the project's template, carries a scan through, and leaves nothing running."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import boto3
import pytest

from deployment.local.children import EmbeddedAwsError
from deployment.local.embedded_aws import REGION, TEMPLATE, EmbeddedAws

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
REPOSITORY = Path(__file__).resolve().parents[2]
IDENTIFICATION = "hammer-describe-iam-user-inactive-keys"

# As small as a pipeline can be: what is tested here is the way through it, not the product.
HANDLERS = {
    "initiate_to_desc_iam_access_keys.py": """
import boto3, json, os
def lambda_handler(event, context):
    assert event["detail-type"] == "Scheduled Event"
    assert "HAMMER_CONFIG" not in os.environ
    for account in ("123456789012", "210987654321"):
        boto3.client("sns").publish(TopicArn=os.environ["SNS_ARN"], Message=json.dumps({"account_id": account}))
""",
    "describe_iam_accesskey_details.py": """
import boto3, json
def lambda_handler(event, context):
    account = json.loads(event["Records"][0]["Sns"]["Message"])["account_id"]
    session = boto3.Session()
    if account != "123456789012":
        role = f"arn:aws:iam::{account}:role/hammer-cloudsec-crossact-id"
        assumed = boto3.client("sts").assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
        session = boto3.Session(assumed["AccessKeyId"], assumed["SecretAccessKey"], assumed["SessionToken"])
    for user in session.client("iam").list_users()["Users"]:
        item = {"account_id": {"S": account}, "issue_id": {"S": user["UserName"]}}
        boto3.client("dynamodb").put_item(TableName="hammer-iam-user-keys-inactive", Item=item)
""",
}


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    package = tmp_path_factory.mktemp("package") / "stand-in.zip"
    with zipfile.ZipFile(package, "w") as archive:
        for name, text in HANDLERS.items():
            archive.writestr(name, text)
    return package


@pytest.fixture(scope="module")
def aws(package: Path) -> Iterator[EmbeddedAws]:
    with EmbeddedAws() as aws:
        aws.deploy(package)
        yield aws


@pytest.fixture
def session(aws: EmbeddedAws, monkeypatch: pytest.MonkeyPatch) -> boto3.Session:
    for name, value in aws.environment().items():
        monkeypatch.setenv(name, value)
    return boto3.Session()


on_linux = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes in /proc")


def processes_with(text: str) -> list[str]:
    """The processes that have a text in their environment, children of children included."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if text.encode() in (process / "environ").read_bytes():
                found.append(process.name)
        except OSError:
            # It ended while it was looked at, or belongs to somebody else.
            continue
    return found


def test_the_schedule_reaches_users_of_all_accounts_through_the_deployed_stack(
    aws: EmbeddedAws, session: boto3.Session
) -> None:
    aws.accounts.populate({"123456789012": {"alice": {"keys": []}}, "210987654321": {"bob": {"keys": []}}}, NOW)
    before = aws.finished_runs(IDENTIFICATION)
    aws.invoke_schedule()
    aws.wait_for(lambda: aws.finished_runs(IDENTIFICATION) >= before + 2, "both scans")
    items = session.client("dynamodb").scan(TableName="hammer-iam-user-keys-inactive")["Items"]
    assert sorted((item["account_id"]["S"], item["issue_id"]["S"]) for item in items) == [
        ("123456789012", "alice"),
        ("210987654321", "bob"),
    ]


def test_a_function_that_fails_permanently_is_tried_three_times_and_its_event_reaches_the_failures_queue(
    aws: EmbeddedAws, session: boto3.Session
) -> None:
    sqs = session.client("sqs")
    queue = sqs.get_queue_url(QueueName="hammer-iam-user-inactive-keys-failures")["QueueUrl"]
    before = aws.finished_runs(IDENTIFICATION)
    aws.invoke(IDENTIFICATION, {"this is": "no message"})
    messages = aws.wait_for(lambda: sqs.receive_message(QueueUrl=queue).get("Messages"), "the event in the queue")
    assert messages is not None
    assert json.loads(messages[0]["Body"])["requestPayload"] == {"this is": "no message"}
    assert aws.finished_runs(IDENTIFICATION) == before + 3
    assert any("KeyError" in line for line in aws.log(IDENTIFICATION))


def test_a_command_in_its_environment_is_in_the_main_account_and_its_region(
    aws: EmbeddedAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "production")
    program = (
        "import boto3; s = boto3.Session(); print(s.region_name, s.client('sts').get_caller_identity()['Account'])"
    )
    run = subprocess.run(
        [sys.executable, "-c", program],
        env=aws.process_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.split() == [REGION, "123456789012"]


def test_what_does_not_come_to_pass_in_time_is_named(aws: EmbeddedAws) -> None:
    with pytest.raises(EmbeddedAwsError, match="without success for the end of the world"):
        aws.wait_for(lambda: False, "the end of the world", seconds=0)


def test_a_stack_that_fails_is_told_with_the_resource_and_its_reason(aws: EmbeddedAws, tmp_path: Path) -> None:
    template = tmp_path / "template.json"
    resource = {
        "Type": "AWS::Lambda::EventInvokeConfig",
        "Properties": {"FunctionName": "nobody", "Qualifier": "$LATEST"},
    }
    template.write_text(json.dumps({"Resources": {"OfNoFunction": resource}}), encoding="utf-8")
    with pytest.raises(EmbeddedAwsError, match=r"OfNoFunction \(AWS::Lambda::EventInvokeConfig\): .*nobody"):
        aws.create_stack("fails", template, {})


def test_the_roles_of_a_scanned_account_can_be_deployed_with_and_without_an_external_id(
    aws: EmbeddedAws, session: boto3.Session
) -> None:
    template = TEMPLATE.with_name("scanned-account-roles.yaml")
    trusted = {
        "IdentificationRoleArn": "arn:aws:iam::123456789012:role/hammer-describe-iam-user-inactive-keys",
        "ReportingRoleArn": "arn:aws:iam::123456789012:role/reporting",
    }
    outputs = aws.create_stack("without", template, trusted)
    assert outputs["ReportingRoleArn"].endswith(":role/hammer-cloudsec-crossact-ec2")
    names = {"RoleNameIdentification": "other-id", "RoleNameReporting": "other-ec2", "ExternalId": "secret"}
    aws.create_stack("with", template, trusted | names)
    # The roles are in ministack's own IAM, which nothing else uses.
    iam = session.client("iam", endpoint_url=aws.environment()["AWS_ENDPOINT_URL"])
    conditions = {}
    for name in ("hammer-cloudsec-crossact-id", "other-id"):
        document = iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]
        (statement,) = json.loads(json.dumps(document))["Statement"]
        conditions[name] = statement["Condition"]
    trusted_one = {"ArnEquals": {"aws:PrincipalArn": trusted["IdentificationRoleArn"]}}
    assert conditions == {
        "hammer-cloudsec-crossact-id": trusted_one,
        "other-id": {**trusted_one, "StringEquals": {"sts:ExternalId": "secret"}},
    }


def test_a_parameter_that_the_template_does_not_allow_is_told(aws: EmbeddedAws) -> None:
    with pytest.raises(EmbeddedAwsError, match="LogRetentionDays"):
        aws.create_stack("other", TEMPLATE, {"ArtifactBucket": "any", "ArtifactKey": "any", "LogRetentionDays": "7"})


@on_linux
@pytest.mark.parametrize("taken", ["port", "accounts_port"])
def test_a_taken_port_gives_one_clear_message_and_leaves_nothing_running(
    taken: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        number = other.getsockname()[1]
        aws = EmbeddedAws(port=number) if taken == "port" else EmbeddedAws(accounts_port=number)
        with pytest.raises(EmbeddedAwsError, match=rf"^port {number} .* cannot be used .*\n?$"):
            aws.start()
    assert processes_with(str(tmp_path)) == []


def test_what_the_shell_has_set_does_not_reach_the_functions(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HAMMER_CONFIG", "/nowhere")
    monkeypatch.setenv("AWS_ENDPOINT_URL_SNS", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_PROFILE", "production")
    with EmbeddedAws() as aws:
        aws.deploy(package)
        aws.invoke_schedule()
        aws.wait_for(lambda: aws.finished_runs(IDENTIFICATION) >= 2, "both scans")


@on_linux
def test_stopping_leaves_no_process_no_file_and_no_open_port(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    aws = EmbeddedAws()
    aws.start()
    aws.deploy(package)
    aws.invoke_schedule()
    aws.wait_for(lambda: aws.finished_runs(IDENTIFICATION) >= 2, "both scans")
    # Both servers, and a process for each function at least.
    assert len(processes_with(str(tmp_path))) >= 4
    aws.stop()
    assert processes_with(str(tmp_path)) == []
    assert list(tmp_path.iterdir()) == []
    for endpoint in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_IAM"):
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", int(aws.environment()[endpoint].rpartition(":")[2]))) != 0
    aws.stop()


@on_linux
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda how: how.name)
def test_nothing_is_left_running_when_its_program_is_killed(how: signal.Signals, tmp_path: Path) -> None:
    program = (
        "import signal, time\n"
        "from deployment.local.embedded_aws import EmbeddedAws\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "with EmbeddedAws():\n"
        "    print('up', flush=True)\n"
        "    time.sleep(600)\n"
    )
    with (
        (tmp_path / "errors").open("w+") as errors,
        subprocess.Popen(
            [sys.executable, "-c", program],
            cwd=REPOSITORY,
            env=os.environ | {"TMPDIR": str(tmp_path)},
            stdout=subprocess.PIPE,
            stderr=errors,
        ) as parent,
    ):
        try:
            assert parent.stdout is not None
            assert parent.stdout.readline() == b"up\n", (tmp_path / "errors").read_text()
            assert len(processes_with(str(tmp_path))) >= 3
            parent.send_signal(how)
            parent.wait(timeout=30)
        finally:
            parent.kill()
    EmbeddedAws().wait_for(lambda: not processes_with(str(tmp_path)), "the end of all processes")
