"""The deployment's commands on the embedded AWS, one after the other, as in an afternoon."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import boto3
import pytest
from click.testing import CliRunner, Result

from deployment import check_deployment, deploy, publish_config, redrive, stacks
from deployment.local.embedded_aws import EmbeddedAws
from deployment.local.estate import IDENTIFICATION, INITIATION
from deployment.local.population import MASTER, SLAVE
from library.config.loading import load
from tests.pipeline.conftest import configuration

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from click import Command

    from deployment.local.scanned_accounts import KeySeed


BUCKET = "hammer-deployment-123456789012-eu-west-1"
PUBLISHED = f"s3://{BUCKET}/config"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = configuration(tmp_path_factory.mktemp("estate") / "config")
    (folder / "config.ini").unlink()
    return folder


@pytest.fixture(scope="module")
def aws(folder: Path) -> Iterator[EmbeddedAws]:
    """The embedded AWS with nothing in it, which every client of this process reaches."""
    with EmbeddedAws() as aws, pytest.MonkeyPatch.context() as patch:
        for name, value in aws.environment().items():
            patch.setenv(name, value)
        yield aws


@pytest.fixture(scope="module")
def deployed(aws: EmbeddedAws, folder: Path) -> EmbeddedAws:
    assert run(deploy.main, str(folder), "--yes").exit_code == 0
    return aws


@pytest.fixture(scope="module")
def host(deployed: EmbeddedAws) -> list[str]:
    """The arguments that deploy the host into a network of the embedded AWS."""
    session = boto3.Session()
    # Names under /aws/ are AWS's own, and this one lacks the one of the current Amazon Linux.
    session.client("ssm").put_parameter(Name="/images/host", Value="ami-0123456789abcdef0", Type="String")
    ec2 = session.client("ec2")
    ec2.create_key_pair(KeyName="hammer")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
    values = {
        "VpcId": vpc,
        "SubnetId": subnet,
        "KeyName": "hammer",
        "SshCidr": "192.0.2.0/24",
        "ImageId": "/images/host",
    }
    return [
        "--stack",
        "host",
        *(part for name, value in values.items() for part in ("--parameter", f"{name}={value}")),
    ]


def run(command: Command, *arguments: str, answers: str = "") -> Result:
    result = CliRunner().invoke(command, arguments, input=answers)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def change(folder: Path, **keys: object) -> None:
    settings = json.loads((folder / "config.json").read_text())
    settings["user_inactivekeys"].update(keys)
    (folder / "config.json").write_text(json.dumps(settings))


def scan(aws: EmbeddedAws, accounts: int = 2) -> None:
    runs = aws.finished_runs(IDENTIFICATION)
    aws.invoke_schedule()
    aws.wait_for(lambda: aws.finished_runs(IDENTIFICATION) >= runs + accounts, "the scans", seconds=120)


def test_a_first_plan_that_is_taken_back_leaves_no_stack(aws: EmbeddedAws) -> None:
    cloudformation = boto3.Session().client("cloudformation")
    template = stacks.TEMPLATES / "bucket.yaml"
    planned = stacks.plan(cloudformation, "declined", template.read_text(encoding="utf-8"), {})
    assert planned is not None
    assert planned.creates
    stacks.discard(cloudformation, planned)
    with pytest.raises(stacks.StackError, match="there is no stack declined"):
        stacks.outputs(cloudformation, "declined")


def test_the_first_deployment_shows_what_it_makes_and_prints_the_outputs(deployed: EmbeddedAws, folder: Path) -> None:
    names = stacks.outputs(boto3.Session().client("cloudformation"), stacks.MAIN_STACK)
    assert names["IdentificationFunctionName"] == IDENTIFICATION
    deployed.accounts.populate({MASTER: {}, SLAVE: {}}, datetime.now(UTC))
    scan(deployed)
    functions = boto3.Session().client("lambda")
    for function in (INITIATION, IDENTIFICATION):
        environment = functions.get_function_configuration(FunctionName=function)["Environment"]["Variables"]
        assert environment["HAMMER_CONFIG"] == PUBLISHED
    again = run(deploy.main, str(folder))
    assert again.exit_code == 0
    assert again.output.splitlines() == [
        "Stack hammer-deployment: no changes",
        "Stack hammer-iam-user-inactive-keys: no changes",
    ]


def test_a_change_is_shown_before_it_is_made_and_the_rest_keeps_its_values(
    deployed: EmbeddedAws, folder: Path
) -> None:
    logs = boto3.Session().client("logs")

    def retention() -> int:
        groups = logs.describe_log_groups(logGroupNamePrefix=f"/aws/lambda/{INITIATION}")["logGroups"]
        return groups[0]["retentionInDays"]

    declined = run(deploy.main, str(folder), "--parameter", "LogRetentionDays=30", answers="n\n")
    rows = [line.split() for line in declined.output.splitlines()]
    assert ["Modify", "InitiationLogGroup", "AWS::Logs::LogGroup"] in [row[:3] for row in rows]
    assert "nothing was changed" in declined.output
    silent = run(deploy.main, str(folder), "--parameter", "LogRetentionDays=30")
    assert "--yes does not ask" in silent.output
    assert (declined.exit_code, silent.exit_code, retention()) == (0, 2, 90)
    done = run(deploy.main, str(folder), "--parameter", "LogRetentionDays=30", answers="y\n")
    assert (done.exit_code, retention()) == (0, 30)
    assert "hammer-iam-user-keys-inactive" in done.output
    source = run(deploy.main, str(folder), "--yes", "--parameter", "ConfigSource=s3://elsewhere/prod")
    assert (source.exit_code, retention()) == (0, 30)
    parameters = stacks.parameters(boto3.Session().client("cloudformation"), stacks.MAIN_STACK)
    assert parameters["ConfigSource"] == "s3://elsewhere/prod"
    kept = run(deploy.main, str(folder), "--yes")
    assert kept.output.endswith("Stack hammer-iam-user-inactive-keys: no changes\n")
    unread = run(publish_config.main, str(folder))
    assert unread.exit_code == 1
    assert unread.output.splitlines()[-1] == (
        f"E-DEPLOY-05 Published at {PUBLISHED}, but not read there by hammer-iam-user-inactive-keys "
        f"(from s3://elsewhere/prod): deploy with --parameter ConfigSource={PUBLISHED}"
    )
    back = run(deploy.main, str(folder), "--yes", "--parameter", f"ConfigSource={PUBLISHED}")
    assert back.exit_code == 0
    assert f"In force from {PUBLISHED}" in run(publish_config.main, str(folder)).output.splitlines()


def test_the_host_is_deployed_into_a_subnet_with_the_same_configuration(
    deployed: EmbeddedAws, folder: Path, host: list[str]
) -> None:
    session = boto3.Session()
    done = run(deploy.main, str(folder), *host, answers="y\n")
    assert done.exit_code == 0, done.output
    assert done.output.splitlines()[:2] == [
        "Stack hammer-deployment: no changes",
        "Stack hammer-reporting-remediation is new:",
    ]
    assert "arn:aws:iam::123456789012:role/hammer-reporting-remediation" in done.output
    parameters = stacks.parameters(session.client("cloudformation"), stacks.HOST_STACK)
    assert parameters["ConfigSource"] == PUBLISHED
    topic = stacks.outputs(session.client("cloudformation"), stacks.MAIN_STACK)["OperatorsTopicArn"]
    assert parameters["OperatorsTopicArn"] == topic
    built = session.client("s3").get_object(Bucket=BUCKET, Key=parameters["HostPackageKey"])["Body"].read()
    assert parameters["HostPackageDigest"] == hashlib.sha256(built).hexdigest()
    of_the_functions = stacks.parameters(session.client("cloudformation"), stacks.MAIN_STACK)["ArtifactKey"]
    for package in (parameters["HostPackageKey"], of_the_functions):
        # It is read from elsewhere, so no old copy of it can be read by mistake.
        content = session.client("s3").get_object(Bucket=BUCKET, Key=package)["Body"].read()
        names = zipfile.ZipFile(io.BytesIO(content)).namelist()
        assert ("library/config/loading.py" in names, [n for n in names if n.startswith("config/")]) == (True, [])
    again = run(deploy.main, str(folder), "--stack", "host")
    assert again.output.splitlines()[-1] == "Stack hammer-reporting-remediation: no changes"


def test_what_holds_for_all_roles_is_given_to_the_main_stack_and_comes_to_the_host_s_with_its_next_deployment(
    deployed: EmbeddedAws, folder: Path, host: list[str]
) -> None:
    session = boto3.Session()
    cloudformation = session.client("cloudformation")
    # IAM is that of the scanned accounts' stand-in; the roles are in the other one.
    iam = session.client("iam", endpoint_url=deployed.environment()["AWS_ENDPOINT_URL"])
    assert run(deploy.main, str(folder), *host, "--yes").exit_code == 0
    of_all = ("--parameter", "OrganizationId=o-abcdefghij", "--parameter", "PermissionsBoundary=limit")
    for arguments in ((*of_all, "--tag", "team=security"), ("--stack", "host")):
        done = run(deploy.main, str(folder), *arguments, "--yes")
        assert done.exit_code == 0, done.output
    for stack, role in ((stacks.MAIN_STACK, IDENTIFICATION), (stacks.HOST_STACK, "hammer-reporting-remediation")):
        parameters = stacks.parameters(cloudformation, stack)
        assert (parameters["OrganizationId"], parameters["PermissionsBoundary"]) == ("o-abcdefghij", "limit")
        assert {"Key": "team", "Value": "security"} in iam.list_role_tags(RoleName=role)["Tags"]
        policies = iam.list_role_policies(RoleName=role)["PolicyNames"]
        documents = [iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"] for name in policies]
        assert "aws:ResourceOrgID" in json.dumps(documents)
    kept = run(deploy.main, str(folder), "--yes")
    assert kept.output.splitlines()[-1] == "Stack hammer-iam-user-inactive-keys: no changes"
    assert stacks.tags(cloudformation, stacks.MAIN_STACK) == {"team": "security"}
    back = run(
        deploy.main, str(folder), "--yes", "--parameter", "OrganizationId=", "--parameter", "PermissionsBoundary="
    )
    assert back.exit_code == 0, back.output


@pytest.mark.parametrize(
    ("parameter", "code", "said"),
    [
        ("LogRetentionDays=7", 1, "LogRetentionDays"),
        ("LogRetentionDays", 2, "is not NAME=VALUE"),
        ("NoSuchParameter=1", 2, "NoSuchParameter"),
    ],
)
def test_a_parameter_that_cannot_be_is_refused(
    deployed: EmbeddedAws, folder: Path, parameter: str, code: int, said: str
) -> None:
    refused = run(deploy.main, str(folder), "--yes", "--parameter", parameter)
    assert (refused.exit_code, said in refused.output) == (code, True), refused.output


def test_a_stack_that_fails_is_told_with_each_resource_and_its_reason(aws: EmbeddedAws) -> None:
    lost = {"FunctionName": "nobody", "Qualifier": "$LATEST"}
    resources = {"OfNoFunction": {"Type": "AWS::Lambda::EventInvokeConfig", "Properties": lost}}
    template = json.dumps({"Resources": resources})
    cloudformation = boto3.Session().client("cloudformation")
    planned = stacks.plan(cloudformation, "fails", template, {})
    assert planned is not None
    assert [(one.action, one.logical_id) for one in planned.changes] == [("Add", "OfNoFunction")]
    with pytest.raises(stacks.StackError, match=r"OfNoFunction \(AWS::Lambda::EventInvokeConfig\): .*nobody"):
        stacks.execute(cloudformation, planned)
    with pytest.raises(stacks.StackError, match="can only be deleted: aws cloudformation delete-stack"):
        stacks.plan(cloudformation, "fails", template, {})


def test_what_outlived_its_stack_is_taken_over_by_the_next_one(aws: EmbeddedAws) -> None:
    table = {
        "Type": "AWS::DynamoDB::Table",
        "DeletionPolicy": "Retain",
        "Properties": {
            "TableName": "outlives",
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        },
    }
    template = json.dumps({"Resources": {"Table": table}})
    session = boto3.Session()
    cloudformation, dynamodb = session.client("cloudformation"), session.client("dynamodb")
    first = stacks.plan(cloudformation, "first", template, {})
    assert first is not None
    stacks.execute(cloudformation, first)
    dynamodb.put_item(TableName="outlives", Item={"id": {"S": "a row"}})
    cloudformation.delete_stack(StackName="first")
    second = stacks.plan(cloudformation, "second", template, {})
    assert second is not None
    assert [one.action for one in second.changes] == ["Import"]
    stacks.execute(cloudformation, second)
    assert dynamodb.scan(TableName="outlives")["Count"] == 1


def test_a_published_change_holds_from_the_next_scan_on_and_a_deployment_leaves_it_alone(
    deployed: EmbeddedAws, folder: Path
) -> None:
    key: KeySeed = {"created_days_ago": 400, "last_used_days_ago": 200}
    deployed.accounts.populate({SLAVE: {"alice": {"keys": [key]}}}, datetime.now(UTC))
    change(folder, inactive_criteria_days=300)
    published = run(publish_config.main, str(folder), "--yes")
    assert published.exit_code == 0, published.output
    scan(deployed)
    table = boto3.Session().client("dynamodb")
    assert table.scan(TableName="hammer-iam-user-keys-inactive")["Count"] == 0
    change(folder, inactive_criteria_days=90)
    deployment = run(deploy.main, str(folder), "--yes")
    assert deployment.exit_code == 0, deployment.output
    assert f"Not in force: config.json in {folder}; something else is in force at" in deployment.output
    assert load(PUBLISHED).inactive_keys.inactive_criteria_days == 300
    asked = run(publish_config.main, str(folder), answers="y\n")
    assert (asked.exit_code, "keys are idle earlier" in asked.output) == (0, True)
    scan(deployed)
    assert table.scan(TableName="hammer-iam-user-keys-inactive")["Count"] == 1


def test_a_broken_published_file_fails_the_scan_that_is_put_back_when_it_is_mended(
    deployed: EmbeddedAws, folder: Path
) -> None:
    s3 = boto3.Session().client("s3")
    sqs = boto3.Session().client("sqs")
    queue = stacks.outputs(boto3.Session().client("cloudformation"), stacks.MAIN_STACK)["FailuresQueueUrl"]

    def waiting() -> int:
        attributes = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
        return int(attributes["ApproximateNumberOfMessages"])

    assert run(redrive.main, str(folder)).output == "The queue of failures is empty\n"
    pointer = s3.get_object(Bucket=BUCKET, Key="config/current.json")["Body"].read()
    s3.put_object(Bucket=BUCKET, Key="config/current.json", Body=b"{}")
    message = json.dumps({"account_id": SLAVE, "account_name": "slave1"})
    for _ in range(2):
        deployed.invoke(IDENTIFICATION, {"Records": [{"EventSource": "aws:sns", "Sns": {"Message": message}}]})
    deployed.invoke_schedule()
    deployed.wait_for(lambda: waiting() == 3, "three failures in the queue", seconds=120)
    s3.put_object(Bucket=BUCKET, Key="config/current.json", Body=pointer)

    sqs.send_message(QueueUrl=queue, MessageBody="what is this")
    shown = run(redrive.main, str(folder), "--dry-run")
    assert shown.exit_code == 1
    assert waiting() == 4, "a dry run takes nothing out"
    before = deployed.finished_runs(IDENTIFICATION)
    done = run(redrive.main, str(folder))
    assert done.exit_code == 1, "what is not understood stays"
    for line in ("scan of 210987654321 slave1", "scan of all accounts", "asked for again (2 messages)"):
        assert line in done.output
    assert "current.json: found no files" in done.output
    assert "1 stay in the queue" in done.output
    # One of the account, and of both by way of the schedule's event.
    deployed.wait_for(lambda: deployed.finished_runs(IDENTIFICATION) >= before + 3, "the scans", seconds=120)
    assert waiting() == 1
    sqs.purge_queue(QueueUrl=queue)


def test_the_check_names_what_is_refused_where_and_what_to_do(deployed: EmbeddedAws, folder: Path) -> None:
    key: KeySeed = {"created_days_ago": 400, "last_used_days_ago": 200}
    deployed.accounts.populate({SLAVE: {"alice": {"keys": [key]}}}, datetime.now(UTC))
    session = boto3.Session()
    topic = stacks.outputs(session.client("cloudformation"), stacks.MAIN_STACK)["OperatorsTopicArn"]
    missing = run(check_deployment.main, str(folder))
    assert missing.exit_code == 1
    assert "nobody has subscribed" in missing.output
    assert "run `make put-credentials`" in missing.output
    assert "2 of 2 accounts can be scanned; 2 missing otherwise" in missing.output

    secret = json.dumps({"jira": {"token": "a"}, "slack": {"api_token": "b"}})
    session.client("secretsmanager").put_secret_value(SecretId="hammer-credentials", SecretString=secret)
    queue = session.client("sqs").create_queue(QueueName="operators")["QueueUrl"]
    arn = session.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]
    session.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn["QueueArn"])
    well = run(check_deployment.main, str(folder))
    assert well.exit_code == 0, well.output
    # Neither JIRA nor Slack is there, which is no obstacle.
    assert [line.partition(" ")[0] for line in well.output.splitlines()[:2]] == ["W-JIRA-07", "W-SLACK-03"]
    assert "2 of 2 accounts can be scanned; 0 missing otherwise" in well.output.splitlines()

    deployed.accounts.fail(SLAVE, "ListUserTags", "AccessDenied")
    refused = run(check_deployment.main, str(folder))
    assert refused.exit_code == 1
    assert "iam:ListUserTags" in refused.output
    assert "deploy the roles there again" in refused.output
    assert "1 of 2 accounts can be scanned" in refused.output
    deployed.accounts.heal()
    deployed.accounts.fail(SLAVE, "AssumeRole", "AccessDenied")
    refused = run(check_deployment.main, str(folder))
    deployed.accounts.heal()
    assert (refused.exit_code, "sts:AssumeRole" in refused.output) == (1, True)
    assert "must trust the function's role" in refused.output


def test_the_check_finds_a_function_that_runs_other_code_than_was_deployed(
    deployed: EmbeddedAws, folder: Path, tmp_path: Path
) -> None:
    session = boto3.Session()
    functions, s3 = session.client("lambda"), session.client("s3")
    deployed_with = stacks.parameters(session.client("cloudformation"), stacks.MAIN_STACK)["ArtifactKey"]
    built = s3.get_object(Bucket=BUCKET, Key=deployed_with)["Body"].read()
    assert f"-{hashlib.sha256(built).hexdigest()}.zip" in deployed_with
    assert "runs code" not in run(check_deployment.main, str(folder)).output
    changed = tmp_path / "changed.zip"
    changed.write_bytes(built)
    with zipfile.ZipFile(changed, "a") as archive:
        archive.writestr("library/planted.py", "")
    functions.update_function_code(FunctionName=INITIATION, ZipFile=changed.read_bytes())
    found = run(check_deployment.main, str(folder))
    assert found.exit_code == 1
    (said,) = [line for line in found.output.splitlines() if "runs code with the SHA-256" in line]
    assert hashlib.sha256(changed.read_bytes()).hexdigest() in said
    assert deployed_with in said
    # The package itself was replaced, too: the next deployment sees it, and then the remedy helps.
    s3.put_object(Bucket=BUCKET, Key=deployed_with, Body=changed.read_bytes())
    replaced = f"s3://{BUCKET}/{deployed_with} was not what its name says, and is replaced by what was built here"
    assert replaced in run(deploy.main, str(folder), "--yes").output.splitlines()
    (remedy,) = [line for line in found.output.splitlines() if "update-function-code" in line]
    assert remedy.endswith(f"--function-name {INITIATION} --s3-bucket {BUCKET} --s3-key {deployed_with}")
    functions.update_function_code(FunctionName=INITIATION, S3Bucket=BUCKET, S3Key=deployed_with)
    assert "runs code" not in run(check_deployment.main, str(folder)).output


def test_a_table_that_the_deployed_stack_does_not_have_is_refused_until_it_is_asked_for(
    deployed: EmbeddedAws, folder: Path, host: list[str]
) -> None:
    cloudformation = boto3.Session().client("cloudformation")
    assert run(deploy.main, str(folder), *host, "--yes").exit_code == 0
    key: KeySeed = {"created_days_ago": 400, "last_used_days_ago": 200}
    deployed.accounts.populate({MASTER: {}, SLAVE: {"alice": {"keys": [key]}}}, datetime.now(UTC))
    scan(deployed)
    change(folder, **{"ddb.table_name": "my-own-table"})
    refused = (
        'E-CONFIG-01 config.json: user_inactivekeys.ddb.table_name: found "my-own-table"; expected '
        '"hammer-iam-user-keys-inactive", the issues table of the deployed stack hammer-iam-user-inactive-keys. '
        "For a new, empty table deploy with --parameter IssuesTableName=my-own-table\n"
    )
    for command, *arguments in (
        (deploy.main, "--yes"),
        (deploy.main, "--yes", "--stack", "host"),
        (check_deployment.main,),
        (publish_config.main,),
    ):
        result = run(command, str(folder), *arguments)
        assert (result.exit_code, result.output) == (2, refused)
    other = run(deploy.main, str(folder), "--yes", "--parameter", "IssuesTableName=another")
    assert other.exit_code == 2
    assert "config.json names my-own-table" in other.output
    assert stacks.parameters(cloudformation, stacks.MAIN_STACK)["IssuesTableName"] == "hammer-iam-user-keys-inactive"

    done = run(deploy.main, str(folder), "--yes", "--parameter", "IssuesTableName=my-own-table")
    assert done.exit_code == 0, done.output
    assert stacks.outputs(cloudformation, stacks.MAIN_STACK)["TableName"] == "my-own-table"
    assert run(publish_config.main, str(folder), "--yes").exit_code == 0
    scan(deployed)
    table = boto3.Session().client("dynamodb")
    assert table.scan(TableName="my-own-table")["Count"] == 1
    assert table.scan(TableName="hammer-iam-user-keys-inactive")["Count"] == 1, "the old one is kept"

    checked = run(check_deployment.main, str(folder))
    assert checked.exit_code == 1
    assert "2 of 2 accounts can be scanned" in checked.output
    assert "host: hammer-reporting-remediation\n    its role may use the table hammer-iam-user" in checked.output
    assert run(deploy.main, str(folder), "--yes", "--stack", "host").exit_code == 0
    assert "its role may use the table" not in run(check_deployment.main, str(folder)).output
