"""What the CloudFormation templates must hold beyond being valid, which cfn-lint checks."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cfnlint.api import lint, lint_file  # type: ignore[import-untyped]
from cfnlint.decode import decode  # type: ignore[import-untyped]

from library.aws.lease import LEASE
from library.cli.logs import log_decision
from library.cli.run import closing_line
from library.config.floor import floor_of
from library.config.formats import is_role_path
from library.config.loading import load as load_config
from library.issues.decisions import Verdict
from library.issues.whitelist import NEVER, TAG
from tests.world.log_filters import matches

FOLDER = Path(__file__).resolve().parents[2] / "deployment" / "cloudformation"
TEMPLATES = sorted(FOLDER.glob("*.yaml"))
# The streams of the log group, which the manual names.
SCHEDULE = "cronjobs.automation_scheduler"
REPORTING, REMEDIATION = "reporting.create_iam_user_inactive_keys_tickets", "remediation.clean_iam_user_inactive_keys"
FUNCTIONS = ("Initiation", "Identification")
ROLE = "AWS::IAM::Role"
# The Service Authorization Reference lists no resource types for these.
WITHOUT_RESOURCES = {
    "iam:ListUsers",
    "iam:GenerateCredentialReport",
    "iam:GetCredentialReport",
    "organizations:ListAccounts",
    "logs:DescribeLogGroups",
    # This one does, but the agent's own instance is not known to its role's policy.
    "ssm:UpdateInstanceInformation",
    "ssmmessages:CreateControlChannel",
    "ssmmessages:CreateDataChannel",
    "ssmmessages:OpenControlChannel",
    "ssmmessages:OpenDataChannel",
}


def load(path: Path) -> dict[str, Any]:
    template, problems = decode(str(path))
    assert not problems
    assert isinstance(template, dict)
    return template


def of_type(template: dict[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    return {name: one for name, one in template["Resources"].items() if one["Type"] == kind}


def walk(value: Any) -> Iterator[Any]:
    yield value
    if isinstance(value, dict):
        for one in value.values():
            yield from walk(one)
    elif isinstance(value, list):
        for one in value:
            yield from walk(one)


def statements(template: dict[str, Any]) -> list[dict[str, Any]]:
    """Every statement of every policy, those under a condition of the template included."""
    return [one for one in walk(template) if isinstance(one, dict) and "Effect" in one and "Action" in one]


def actions(statement: dict[str, Any]) -> list[str]:
    found = statement["Action"]
    return [found] if isinstance(found, str) else found


@pytest.fixture
def main_account() -> dict[str, Any]:
    return load(FOLDER / "main-account.yaml")


@pytest.fixture
def host() -> dict[str, Any]:
    return load(FOLDER / "reporting-remediation-host.yaml")


def policy_actions(template: dict[str, Any], role: str) -> set[str]:
    policies = template["Resources"][role]["Properties"]["Policies"]
    return {action for one in statements({"": policies}) for action in actions(one)}


TABLES = {
    "IssuesTable": ({"Ref": "IssuesTableName"}, {"HASH": "account_id", "RANGE": "issue_id"}),
    "StateTable": ({"Fn::Sub": "${IssuesTableName}-state"}, {"HASH": "id"}),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_table_outlives_its_stack_and_can_be_restored_to_any_point(main_account: dict[str, Any], name: str) -> None:
    tables = of_type(main_account, "AWS::DynamoDB::Table")
    assert set(tables) == set(TABLES)
    table, (called, keys) = tables[name], TABLES[name]
    properties = table["Properties"]
    assert (table["DeletionPolicy"], table["UpdateReplacePolicy"]) == ("Retain", "Retain")
    assert properties["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert properties["SSESpecification"] == {"SSEEnabled": True}
    assert properties["DeletionProtectionEnabled"] is True
    assert properties["BillingMode"] == "PAY_PER_REQUEST"
    assert properties["TableName"] == called
    assert {key["KeyType"]: key["AttributeName"] for key in properties["KeySchema"]} == keys


def test_functions_and_log_groups_have_the_names_of_the_manual(main_account: dict[str, Any]) -> None:
    functions = [one["Properties"] for one in of_type(main_account, "AWS::Lambda::Function").values()]
    assert {one["FunctionName"]: one["Handler"] for one in functions} == {
        "hammer-initiate-iam-user-inactive-keys": "initiate_to_desc_iam_access_keys.lambda_handler",
        "hammer-describe-iam-user-inactive-keys": "describe_iam_accesskey_details.lambda_handler",
    }
    groups = [one["Properties"] for one in of_type(main_account, "AWS::Logs::LogGroup").values()]
    assert {one["LogGroupName"] for one in groups} == {
        "/aws/lambda/hammer-initiate-iam-user-inactive-keys",
        "/aws/lambda/hammer-describe-iam-user-inactive-keys",
        "/aws/ec2/hammer-reporting-remediation",
    }
    assert all("RetentionInDays" in one for one in groups)


def test_what_fails_permanently_in_either_function_reaches_the_queue_and_the_alarm(
    main_account: dict[str, Any],
) -> None:
    (queue,) = of_type(main_account, "AWS::SQS::Queue")
    queue_arn = {"Fn::GetAtt": [queue, "Arn"]}
    configurations = [one["Properties"] for one in of_type(main_account, "AWS::Lambda::EventInvokeConfig").values()]
    assert {one["FunctionName"]["Ref"] for one in configurations} == set(
        of_type(main_account, "AWS::Lambda::Function")
    )
    for configuration in configurations:
        assert configuration["MaximumRetryAttempts"] == 2
        assert configuration["DestinationConfig"] == {"OnFailure": {"Destination": queue_arn}}
    for role in ("InitiationRole", "IdentificationRole"):
        assert "sqs:SendMessage" in policy_actions(main_account, role)
    alarm = main_account["Resources"]["FailuresAlarm"]["Properties"]
    assert alarm["Dimensions"] == [{"Name": "QueueName", "Value": {"Fn::GetAtt": [queue, "QueueName"]}}]
    assert (alarm["Threshold"], alarm["ComparisonOperator"]) == (0, "GreaterThanThreshold")


def test_every_alarm_tells_the_operators(main_account: dict[str, Any], host: dict[str, Any]) -> None:
    alarms = {name: one["Properties"] for name, one in of_type(main_account, "AWS::CloudWatch::Alarm").items()}
    assert set(alarms) == {
        "FailuresAlarm",
        "NoScanAlarm",
        "AccountsNotScannedAlarm",
        "HostErrorsAlarm",
        *(f"{who}{what}Alarm" for who in FUNCTIONS for what in ("Errors", "Throttles", "Duration")),
    }
    assert all(one["AlarmActions"] == [{"Ref": "OperatorsTopic"}] for one in alarms.values())
    of_the_host = {name: one["Properties"] for name, one in of_type(host, "AWS::CloudWatch::Alarm").items()}
    assert set(of_the_host) == {"ReportingSilenceAlarm", "RemediationSilenceAlarm", "ManyKeysAlarm"}
    assert all(one["AlarmActions"] == [{"Ref": "OperatorsTopicArn"}] for one in of_the_host.values())


@pytest.mark.parametrize("who", FUNCTIONS)
def test_a_function_is_watched_for_errors_throttles_and_the_end_of_its_time(
    main_account: dict[str, Any], who: str
) -> None:
    function = main_account["Resources"][f"{who}Function"]["Properties"]
    for what in ("Errors", "Throttles", "Duration"):
        alarm = main_account["Resources"][f"{who}{what}Alarm"]["Properties"]
        assert (alarm["Namespace"], alarm["MetricName"]) == ("AWS/Lambda", what)
        assert alarm["Dimensions"] == [{"Name": "FunctionName", "Value": {"Ref": f"{who}Function"}}]
        assert alarm["Threshold"] == (function["Timeout"] * 1000 * 80 // 100 if what == "Duration" else 0)


@pytest.mark.parametrize(
    ("file", "name", "statistic"),
    [
        ("main-account", "NoScan", "SampleCount"),
        ("reporting-remediation-host", "ReportingSilence", "Sum"),
        ("reporting-remediation-host", "RemediationSilence", "Sum"),
    ],
)
def test_what_does_not_happen_raises_an_alarm(file: str, name: str, statistic: str) -> None:
    alarm = load(FOLDER / f"{file}.yaml")["Resources"][f"{name}Alarm"]["Properties"]
    assert (alarm["TreatMissingData"], alarm["ComparisonOperator"]) == ("breaching", "LessThanThreshold")
    assert (alarm["Statistic"], alarm["Threshold"]) == (statistic, 1)


def test_the_alarm_for_missing_scans_waits_three_hours_unless_told_otherwise(main_account: dict[str, Any]) -> None:
    alarm = main_account["Resources"]["NoScanAlarm"]["Properties"]
    assert (alarm["Period"], alarm["EvaluationPeriods"]) == (3600, {"Ref": "HoursWithoutScan"})
    assert main_account["Parameters"]["HoursWithoutScan"]["Default"] == 3
    assert (alarm["Namespace"], alarm["MetricName"], alarm["Statistic"]) == ("Hammer", "duration", "SampleCount")
    assert alarm["Dimensions"] == [{"Name": "service", "Value": {"Ref": "IdentificationFunction"}}]


def metrics_of(dashboard: dict[str, Any]) -> set[tuple[str, ...]]:
    body = re.sub(r"\$\{(\w+)[^}]*}", r"\1", dashboard["Properties"]["DashboardBody"]["Fn::Sub"])
    return {
        tuple(metric[:-1])
        for widget in json.loads(body)["widgets"]
        for metric in widget["properties"].get("metrics", ())
        if metric[0] == "Hammer"
    }


def test_the_dashboards_show_what_the_scans_and_the_host_count(
    main_account: dict[str, Any], host: dict[str, Any]
) -> None:
    filters = of_type(main_account, "AWS::Logs::MetricFilter").values()
    (of_host,) = zip(*(one["Properties"]["MetricTransformations"] for one in filters), strict=True)
    assert {one["MetricName"] for one in of_host} == {"host_errors", "switched_off"}
    # A metric for each account would cost more than all the rest.
    assert all("Dimensions" not in one for one in of_host)
    of_scans = {
        ("Hammer", name, "service", "IdentificationFunction")
        for name in ("opened", "resolved", "duration", "oldest_open_issue_days")
    }
    not_scanned = ("Hammer", "accounts_not_scanned", "service", "InitiationFunction")
    # Where there is no host, nothing is shown of it.
    assert metrics_of(main_account["Resources"]["Dashboard"]) == of_scans | {not_scanned}
    assert metrics_of(host["Resources"]["Dashboard"]) == {("Hammer", one["MetricName"]) for one in of_host}


@pytest.mark.parametrize("file", ["main-account.yaml", "reporting-remediation-host.yaml"])
def test_each_alarm_is_on_one_dashboard(file: str, main_account: dict[str, Any], host: dict[str, Any]) -> None:
    shown = [one["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"] for one in (main_account, host)]
    for name, alarm in of_type(load(FOLDER / file), "AWS::CloudWatch::Alarm").items():
        named = f':alarm:{alarm["Properties"]["AlarmName"]}"'
        assert sum(body.count(f"${{{name}.Arn}}") + body.count(named) for body in shown) == 1, name


def test_an_alarm_on_silence_is_there_as_soon_as_a_host_is_that_has_left_its_first_line(host: dict[str, Any]) -> None:
    for name in ("Reporting", "Remediation"):
        assert host["Resources"][f"{name}SilenceAlarm"]["DependsOn"] == "HostGroup"
    filters = {name for name, one in host["Resources"].items() if one["Type"] == "AWS::Logs::MetricFilter"}
    assert set(host["Resources"]["HostGroup"]["DependsOn"]) == filters


def test_the_metric_counts_the_keys_that_were_switched_off_and_no_others(
    main_account: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    pattern = main_account["Resources"]["SwitchedOff"]["Properties"]["FilterPattern"]
    with caplog.at_level("INFO", "hammer"):
        for verdict in Verdict:
            log_decision("123456789012", "joe", "AKIA1", verdict, "verdict=switched off said a tag")
    lines = [f"INFO {message}" for message in caplog.messages]
    counted = [verdict for verdict, line in zip(Verdict, lines, strict=True) if matches(pattern, line)]
    assert counted == [Verdict.SWITCHED_OFF]


@pytest.mark.parametrize("reporting", [True, False])
@pytest.mark.parametrize("remediation", [True, False])
def test_a_command_counts_as_silent_unless_it_ends_or_a_closing_line_says_that_it_is_off(
    tmp_path: Path, reporting: bool, remediation: bool
) -> None:
    config: dict[str, Any] = {
        "aws": {"region": "eu-west-1", "main_account_id": "123456789012", "accounts": {"123456789012": "main"}},
        "user_inactivekeys": {"inactive_criteria_days": 90, "reporting": reporting, "remediation": remediation},
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    settings = load_config(str(tmp_path), alone=True)
    host = load(FOLDER / "reporting-remediation-host.yaml")
    filters = [one["Properties"] for one in of_type(host, "AWS::Logs::MetricFilter").values()]

    def counted(line: str) -> set[str]:
        return {
            one["MetricTransformations"][0]["MetricName"] for one in filters if matches(one["FilterPattern"], line)
        }

    off = {"reporting_ended_or_off"} if not reporting else set()
    off |= {"remediation_ended_or_off"} if not remediation else set()
    for code in (0, 1):
        names = (REPORTING, REMEDIATION, "remediation.x", SCHEDULE)
        line = {name: f"INFO {closing_line(name, code, settings)}" for name in names}
        assert counted(line[REPORTING]) == {"reporting_ended_or_off"} | off
        assert counted(line[REMEDIATION]) == {"remediation_ended_or_off"} | off
        assert counted(line["remediation.x"]) == counted(line[SCHEDULE]) == off
        assert counted(f"ERROR E-JIRA-03 {line[REPORTING]}") == set()
        assert counted(f"INFO account=1 reason={line[REMEDIATION]}") == set()
    alarms = [host["Resources"][f"{name}SilenceAlarm"]["Properties"] for name in ("Reporting", "Remediation")]
    assert {one["MetricName"] for one in alarms} == {"reporting_ended_or_off", "remediation_ended_or_off"}
    assert all(one["TreatMissingData"] == "breaching" for one in alarms)


def test_the_secret_has_no_value_of_the_template(main_account: dict[str, Any]) -> None:
    (secret,) = of_type(main_account, "AWS::SecretsManager::Secret").values()
    assert set(secret["Properties"]) == {"Name", "Description"}
    assert main_account["Parameters"]["CredentialsSecretName"]["Default"] == "hammer-credentials"


@pytest.mark.parametrize("name", ["Bucket", "LogBucket"])
def test_each_bucket_outlives_its_stack_and_lets_nobody_else_in(name: str) -> None:
    template = load(FOLDER / "bucket.yaml")
    bucket = template["Resources"][name]
    properties = bucket["Properties"]
    assert (bucket["DeletionPolicy"], bucket["UpdateReplacePolicy"]) == ("Retain", "Retain")
    assert set(properties["PublicAccessBlockConfiguration"].values()) == {True}
    assert len(properties["PublicAccessBlockConfiguration"]) == 4
    assert properties["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    (rule,) = properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    (policy,) = [
        one["Properties"]["PolicyDocument"]["Statement"]
        for one in of_type(template, "AWS::S3::BucketPolicy").values()
        if one["Properties"]["Bucket"] == {"Ref": name}
    ]
    statement = policy[-1]
    assert (statement["Effect"], statement["Principal"], statement["Action"]) == ("Deny", "*", "s3:*")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert len(statement["Resource"]) == 2


def test_the_bucket_keeps_versions_and_has_a_log_of_who_was_there() -> None:
    buckets = of_type(load(FOLDER / "bucket.yaml"), "AWS::S3::Bucket")
    assert buckets["Bucket"]["Properties"]["VersioningConfiguration"] == {"Status": "Enabled"}
    logging = buckets["Bucket"]["Properties"]["LoggingConfiguration"]
    assert logging == {"DestinationBucketName": {"Ref": "LogBucket"}}
    # Delivery is refused to a bucket whose policy does not allow it yet.
    assert buckets["Bucket"]["DependsOn"] == "LogBucketPolicy"
    assert "LoggingConfiguration" not in buckets["LogBucket"]["Properties"]


def test_the_host_is_one_encrypted_machine_without_a_public_address_and_with_the_second_metadata_version(
    host: dict[str, Any],
) -> None:
    group = host["Resources"]["HostGroup"]
    assert (group["Properties"]["MinSize"], group["Properties"]["MaxSize"]) == ("1", "1")
    data = host["Resources"]["HostTemplate"]["Properties"]["LaunchTemplateData"]
    assert data["MetadataOptions"] == {"HttpTokens": "required", "HttpPutResponseHopLimit": 1}
    assert [disk["Ebs"]["Encrypted"] for disk in data["BlockDeviceMappings"]] == [True]
    assert [each["AssociatePublicIpAddress"] for each in data["NetworkInterfaces"]] == [{"Ref": "PublicAddress"}]
    parameters = host["Parameters"]
    assert parameters["PublicAddress"]["Default"] == "false"
    # Not the image that was the newest when the stack was deployed.
    assert data["ImageId"] == {"Fn::Sub": "resolve:ssm:${ImageId}"}
    assert "/al2023-ami-kernel-default-arm64" in parameters["ImageId"]["Default"]
    # 30 days, in seconds; the old one goes first.
    assert group["Properties"]["MaxInstanceLifetime"] == 30 * 86_400
    policy = {"MinHealthyPercentage": 0, "MaxHealthyPercentage": 100}
    assert group["Properties"]["InstanceMaintenancePolicy"] == policy
    (security,) = of_type(host, "AWS::EC2::SecurityGroup").values()
    condition, ingress, otherwise = security["Properties"]["SecurityGroupIngress"]["Fn::If"]
    assert [(one["FromPort"], one["ToPort"], one["CidrIp"]) for one in ingress] == [(22, 22, {"Ref": "SshCidr"})]
    assert (condition, otherwise) == ("SshIsOpen", {"Ref": "AWS::NoValue"})
    assert parameters["SshCidr"]["Default"] == ""


def test_the_host_may_use_the_table_of_the_main_stack(main_account: dict[str, Any], host: dict[str, Any]) -> None:
    tables = [
        one["Resource"]["Fn::Sub"] for one in statements(host) if any(a.startswith("dynamodb:") for a in actions(one))
    ]
    names = {table.rpartition(":table/")[2] for table in tables}
    assert names == {"${IssuesTableName}", "${IssuesTableName}-state"}
    # The embedded AWS does not know this key of a condition.
    (lease,) = [one for one in statements(host) if one.get("Sid") == "Lease"]
    assert lease["Action"] == "dynamodb:UpdateItem"
    assert lease["Condition"] == {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": [LEASE]}}
    for one in (main_account, host):
        parameter = one["Parameters"]["IssuesTableName"]
        assert parameter["Default"] == "hammer-iam-user-keys-inactive"
        # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html
        pattern = re.compile(parameter["AllowedPattern"])
        assert pattern.search("a.B_3-")
        assert pattern.search("x" * 255)
        assert not any(pattern.search(name) for name in ("ab", "my table", "x" * 256, "a/b", "tablé"))


def test_many_keys_in_a_day_raise_an_alarm_that_counts_the_lines_of_keys_switched_off(
    main_account: dict[str, Any], host: dict[str, Any]
) -> None:
    alarm = host["Resources"]["ManyKeysAlarm"]["Properties"]
    (counted,) = main_account["Resources"]["SwitchedOff"]["Properties"]["MetricTransformations"]
    assert (alarm["Namespace"], alarm["MetricName"]) == (counted["MetricNamespace"], counted["MetricName"])
    assert (alarm["Statistic"], alarm["Period"], alarm["EvaluationPeriods"]) == ("Sum", 86_400, 1)
    assert (alarm["Threshold"], alarm["ComparisonOperator"]) == ({"Ref": "MostKeysPerDay"}, "GreaterThanThreshold")
    assert alarm["AlarmActions"] == [{"Ref": "OperatorsTopicArn"}]
    assert host["Parameters"]["MostKeysPerDay"]["Default"] == 25


@pytest.mark.parametrize(
    ("name", "least"), [("LeastCriterionDays", "0"), ("LeastRetentionDays", "0"), ("MostKeysPerRun", "1")]
)
def test_the_host_s_floor_is_a_number_that_config_ini_takes_or_none(
    host: dict[str, Any], name: str, least: str
) -> None:
    parameter = host["Parameters"][name]
    assert parameter["Default"] == ""
    line = re.sub(r"(?<!^)(?=[A-Z])", "_", name).upper()
    for text in ("", least, "1", "28", "99999"):
        assert re.search(parameter["AllowedPattern"], text)
        floor_of([{line: text}])
    for text in ("-1", "1.5", "many", " ", str(int(least) - 1)):
        assert not re.search(parameter["AllowedPattern"], text)


def test_a_host_that_does_not_come_up_fails_its_stack_and_two_never_work_at_once(host: dict[str, Any]) -> None:
    group = host["Resources"]["HostGroup"]
    assert group["CreationPolicy"]["ResourceSignal"]["Count"] == 1
    update = group["UpdatePolicy"]["AutoScalingRollingUpdate"]
    assert (update["MinInstancesInService"], update["WaitOnResourceSignals"]) == (0, True)


def test_the_host_may_do_what_it_does_and_nothing_else(host: dict[str, Any]) -> None:
    assert {one for one in policy_actions(host, "HostRole") if not one.startswith("ssm")} == {
        "sts:AssumeRole",
        "iam:ListAccessKeys",
        "iam:GetAccessKeyLastUsed",
        "iam:ListUserTags",
        "iam:UpdateAccessKey",
        "dynamodb:Query",
        "dynamodb:GetItem",
        "dynamodb:BatchGetItem",
        "dynamodb:UpdateItem",
        "secretsmanager:GetSecretValue",
        "s3:GetObject",
        "logs:CreateLogStream",
        "logs:PutLogEvents",
        "logs:DescribeLogGroups",
        "organizations:ListAccounts",
    }


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_the_linter_of_cloudformation_finds_nothing(path: Path) -> None:
    assert lint_file(path) == []


def test_the_linter_of_cloudformation_finds_what_it_is_for() -> None:
    wrong = (FOLDER / "bucket.yaml").read_text().replace("BucketName:", "BucketNam:")
    assert "E3002" in {one.rule.id for one in lint(wrong)}


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_every_parameter_says_what_it_is(path: Path) -> None:
    assert all(one.get("Description") for one in load(path).get("Parameters", {}).values())


def test_what_never_reaches_a_function_reaches_the_queue(main_account: dict[str, Any]) -> None:
    (queue,) = of_type(main_account, "AWS::SQS::Queue")
    queue_arn = {"Fn::GetAtt": [queue, "Arn"]}
    subscription = main_account["Resources"]["DescribeSubscription"]
    (rule,) = of_type(main_account, "AWS::Events::Rule").values()
    assert subscription["Properties"]["RedrivePolicy"] == {"deadLetterTargetArn": queue_arn}
    assert [one["DeadLetterConfig"] for one in rule["Properties"]["Targets"]] == [{"Arn": queue_arn}]
    (policy,) = of_type(main_account, "AWS::SQS::QueuePolicy").values()
    assert {one["Principal"]["Service"] for one in statements(policy)} == {
        "sns.amazonaws.com",
        "events.amazonaws.com",
    }
    assert all("aws:SourceArn" in one["Condition"]["ArnEquals"] for one in statements(policy))


def test_every_function_can_be_invoked_by_one_source_only(main_account: dict[str, Any]) -> None:
    permissions = [one["Properties"] for one in of_type(main_account, "AWS::Lambda::Permission").values()]
    assert {one["Principal"] for one in permissions} == {"sns.amazonaws.com", "events.amazonaws.com"}
    assert all(one["SourceArn"] for one in permissions)


def test_the_functions_may_do_what_they_do_and_nothing_else(main_account: dict[str, Any]) -> None:
    common = {"logs:CreateLogStream", "logs:PutLogEvents", "sqs:SendMessage"}
    assert policy_actions(main_account, "InitiationRole") == common | {
        "sns:Publish",
        "organizations:ListAccounts",
        "dynamodb:GetItem",
        "dynamodb:BatchGetItem",
        "dynamodb:PutItem",
    }
    assert policy_actions(main_account, "IdentificationRole") == common | {
        "sts:AssumeRole",
        "iam:ListUsers",
        "iam:ListAccessKeys",
        "iam:GetAccessKeyLastUsed",
        "iam:ListUserTags",
        "iam:GenerateCredentialReport",
        "iam:GetCredentialReport",
        "dynamodb:Query",
        "dynamodb:GetItem",
        "dynamodb:PutItem",
        "dynamodb:UpdateItem",
        "dynamodb:DeleteItem",
    }


def test_listing_the_organization_is_allowed_only_if_it_is_asked_for(main_account: dict[str, Any]) -> None:
    policies = main_account["Resources"]["InitiationRole"]["Properties"]["Policies"]
    (choice,) = [one["Fn::If"] for one in walk(policies) if isinstance(one, dict) and "Fn::If" in one]
    condition, allowed, otherwise = choice
    assert main_account["Conditions"][condition] == {"Fn::Equals": [{"Ref": "AccountsFromOrganization"}, "true"]}
    assert actions(allowed) == ["organizations:ListAccounts"]
    assert otherwise == {"Ref": "AWS::NoValue"}
    assert main_account["Parameters"]["AccountsFromOrganization"]["Default"] == "false"


def test_only_the_reporting_role_of_a_scanned_account_may_switch_keys_off() -> None:
    template = load(FOLDER / "scanned-account-roles.yaml")
    look = {"iam:ListAccessKeys", "iam:GetAccessKeyLastUsed"}
    assert policy_actions(template, "IdentificationRole") == look | {
        "iam:ListUsers",
        "iam:ListUserTags",
        "iam:GenerateCredentialReport",
        "iam:GetCredentialReport",
    }
    assert policy_actions(template, "ReportingRole") == look | {"iam:ListUserTags", "iam:UpdateAccessKey"}


@pytest.mark.parametrize(
    ("file", "role"),
    [("reporting-remediation-host.yaml", "HostRole"), ("scanned-account-roles.yaml", "ReportingRole")],
)
def test_a_role_that_may_switch_keys_is_denied_those_of_users_with_the_tag(file: str, role: str) -> None:
    found = statements({"": load(FOLDER / file)["Resources"][role]["Properties"]["Policies"]})
    (denied,) = [one for one in found if one["Effect"] == "Deny"]
    (allowed,) = [one for one in found if one["Effect"] == "Allow" and "iam:UpdateAccessKey" in actions(one)]
    assert denied["Action"] == "iam:UpdateAccessKey"
    assert denied["Resource"] == allowed["Resource"]
    assert denied["Condition"] == {"StringEqualsIgnoreCase": {f"aws:ResourceTag/{TAG}": NEVER}}


@pytest.mark.parametrize("role", ["IdentificationRole", "ReportingRole"])
def test_a_role_of_a_scanned_account_trusts_one_role_and_asks_for_the_external_id_if_there_is_one(role: str) -> None:
    template = load(FOLDER / "scanned-account-roles.yaml")
    (trust,) = template["Resources"][role]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    # IAM would keep a role as the principal by its id, which one that is made anew does not have.
    root, account = trust["Principal"]["AWS"]["Fn::Sub"]
    assert root == "arn:${AWS::Partition}:iam::${Account}:root"
    assert account == {"Account": {"Fn::Select": [4, {"Fn::Split": [":", {"Ref": f"{role}Arn"}]}]}}
    assert trust["Condition"]["ArnEquals"] == {"aws:PrincipalArn": {"Ref": f"{role}Arn"}}
    condition, asked_for, otherwise = trust["Condition"]["StringEquals"]["Fn::If"]
    nothing = {"Ref": "AWS::NoValue"}
    assert asked_for == {
        "sts:ExternalId": {"Fn::If": ["ExternalIdIsAskedFor", {"Ref": "ExternalId"}, nothing]},
        "aws:PrincipalOrgID": {"Fn::If": ["OrganizationIsAskedFor", {"Ref": "OrganizationId"}, nothing]},
    }
    assert otherwise == nothing
    any_of = template["Conditions"][condition]["Fn::Or"]
    assert {one["Condition"] for one in any_of} == {"ExternalIdIsAskedFor", "OrganizationIsAskedFor"}


@pytest.mark.parametrize("role", ["IdentificationRole", "ReportingRole"])
def test_whom_a_role_of_a_scanned_account_trusts_is_named_without_wildcards(role: str) -> None:
    parameter = load(FOLDER / "scanned-account-roles.yaml")["Parameters"][f"{role}Arn"]
    pattern = re.compile(parameter["AllowedPattern"], re.ASCII)
    assert pattern.search("arn:aws-cn:iam::123456789012:role/security/hammer-describe")
    for name in ("*", "hammer-*", "hammer-?", "${x}", ""):
        assert not pattern.search(f"arn:aws:iam::123456789012:role/{name}")


ALL_ROLES = [
    (path.name, name) for path in TEMPLATES for name in load(path)["Resources"] if of_type(load(path), ROLE).get(name)
]


@pytest.mark.parametrize(("file", "name"), ALL_ROLES)
def test_each_role_can_be_given_a_path_and_a_permissions_boundary_and_has_neither_by_default(
    file: str, name: str
) -> None:
    template = load(FOLDER / file)
    properties = template["Resources"][name]["Properties"]
    boundary = {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:policy/${PermissionsBoundary}"}
    assert properties["PermissionsBoundary"] == {"Fn::If": ["HasBoundary", boundary, {"Ref": "AWS::NoValue"}]}
    # Not "/": to give a role that is there a path means to replace it, which its name does not allow.
    assert properties["Path"] == {"Fn::If": ["HasPath", {"Ref": "RolePath"}, {"Ref": "AWS::NoValue"}]}
    for condition, parameter in (("HasBoundary", "PermissionsBoundary"), ("HasPath", "RolePath")):
        assert template["Conditions"][condition] == {"Fn::Not": [{"Fn::Equals": [{"Ref": parameter}, ""]}]}
        assert template["Parameters"][parameter]["Default"] == ""
    pattern = re.compile(template["Parameters"]["RolePath"]["AllowedPattern"], re.ASCII)
    for path in ("/", "/security/", "/a/b.c/", "security/", "/security", "/a//b/", "/*/"):
        assert bool(pattern.search(path)) == is_role_path(path)


@pytest.mark.parametrize(
    ("file", "role", "assumed"),
    [
        ("main-account.yaml", "IdentificationRole", "RoleNameIdentification"),
        ("reporting-remediation-host.yaml", "HostRole", "RoleNameReporting"),
    ],
)
def test_a_role_may_assume_roles_of_one_name_and_path_and_only_of_the_organization_if_one_is_given(
    file: str, role: str, assumed: str
) -> None:
    found = statements({"": load(FOLDER / file)["Resources"][role]["Properties"]["Policies"]})
    (statement,) = [one for one in found if "sts:AssumeRole" in actions(one)]
    arn, variables = statement["Resource"]["Fn::Sub"]
    assert arn == f"arn:${{AWS::Partition}}:iam::*:role${{Path}}${{{assumed}}}"
    assert variables == {"Path": {"Fn::If": ["HasPath", {"Ref": "RolePath"}, "/"]}}
    in_the_organization = {"StringEquals": {"aws:ResourceOrgID": {"Ref": "OrganizationId"}}}
    assert statement["Condition"] == {
        "Fn::If": ["OrganizationIsAskedFor", in_the_organization, {"Ref": "AWS::NoValue"}]
    }


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_no_policy_deletes_keys_or_allows_more_than_it_names(path: Path) -> None:
    template = load(path)
    found = statements(template)
    assert found
    for statement in found:
        if statement["Effect"] == "Deny":
            continue
        for action in actions(statement):
            assert "*" not in action
            assert action.lower() != "iam:deleteaccesskey"
        if statement.get("Resource") == "*":
            assert set(actions(statement)) <= WITHOUT_RESOURCES
        assert "NotAction" not in statement
        assert "NotResource" not in statement


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_no_template_trusts_a_whole_account_or_names_a_partition(path: Path) -> None:
    resources = load(path)["Resources"]
    texts = [one for one in walk(resources) if isinstance(one, str)]
    assert not [text for text in texts if "arn:aws:" in text]
    accounts = [one for one in statements(resources) if ":root" in str(one.get("Principal"))]
    assert all("aws:PrincipalArn" in one["Condition"]["ArnEquals"] for one in accounts)
    assert len([text for text in texts if ":root" in text]) == len(accounts)
    # The one service whose name as a principal is another one in another partition.
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
    assert not [text for text in texts if "ec2.amazonaws.com" in text]
    granted = [one for one in walk(resources) if isinstance(one, dict) and one.get("Effect") != "Deny"]
    principals = [one["Principal"] for one in granted if "Principal" in one]
    assert all(principal not in ("*", {"AWS": "*"}) for principal in principals)
