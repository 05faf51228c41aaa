"""What the CloudFormation templates must hold beyond being valid, which cfn-lint checks."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cfnlint.decode import decode  # type: ignore[import-untyped]

FOLDER = Path(__file__).resolve().parents[2] / "deployment" / "cloudformation"
TEMPLATES = sorted(FOLDER.glob("*.yaml"))
# The Service Authorization Reference lists no resource types for these.
WITHOUT_RESOURCES = {
    "iam:ListUsers",
    "iam:GenerateCredentialReport",
    "iam:GetCredentialReport",
    "organizations:ListAccounts",
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


def policy_actions(template: dict[str, Any], role: str) -> set[str]:
    policies = template["Resources"][role]["Properties"]["Policies"]
    return {action for one in statements({"": policies}) for action in actions(one)}


def test_the_issues_table_outlives_its_stack_and_can_be_restored_to_any_point(main_account: dict[str, Any]) -> None:
    (table,) = of_type(main_account, "AWS::DynamoDB::Table").values()
    properties = table["Properties"]
    assert (table["DeletionPolicy"], table["UpdateReplacePolicy"]) == ("Retain", "Retain")
    assert properties["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert properties["SSESpecification"] == {"SSEEnabled": True}
    assert properties["BillingMode"] == "PAY_PER_REQUEST"
    assert properties["TableName"] == "hammer-iam-user-keys-inactive"
    assert {key["KeyType"]: key["AttributeName"] for key in properties["KeySchema"]} == {
        "HASH": "account_id",
        "RANGE": "issue_id",
    }


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


def test_what_fails_for_good_in_either_function_reaches_the_queue_and_the_alarm(main_account: dict[str, Any]) -> None:
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
    (alarm,) = (one["Properties"] for one in of_type(main_account, "AWS::CloudWatch::Alarm").values())
    assert alarm["Dimensions"] == [{"Name": "QueueName", "Value": {"Fn::GetAtt": [queue, "QueueName"]}}]


def test_what_never_reaches_a_function_reaches_the_queue(main_account: dict[str, Any]) -> None:
    (queue,) = of_type(main_account, "AWS::SQS::Queue")
    queue_arn = {"Fn::GetAtt": [queue, "Arn"]}
    (subscription,) = of_type(main_account, "AWS::SNS::Subscription").values()
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
    assert policy_actions(main_account, "InitiationRole") == common | {"sns:Publish", "organizations:ListAccounts"}
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
    look = {"iam:ListUsers", "iam:ListAccessKeys", "iam:GetAccessKeyLastUsed", "iam:ListUserTags"}
    report = {"iam:GenerateCredentialReport", "iam:GetCredentialReport"}
    assert policy_actions(template, "IdentificationRole") == look | report
    assert policy_actions(template, "ReportingRole") == look | {"iam:UpdateAccessKey"}


@pytest.mark.parametrize("role", ["IdentificationRole", "ReportingRole"])
def test_a_role_of_a_scanned_account_trusts_one_role_and_asks_for_the_external_id_if_there_is_one(role: str) -> None:
    template = load(FOLDER / "scanned-account-roles.yaml")
    (trust,) = template["Resources"][role]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"AWS": {"Ref": f"{role}Arn"}}
    assert trust["Condition"]["Fn::If"][1:] == [
        {"StringEquals": {"sts:ExternalId": {"Ref": "ExternalId"}}},
        {"Ref": "AWS::NoValue"},
    ]


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_no_policy_deletes_keys_or_allows_more_than_it_names(path: Path) -> None:
    template = load(path)
    found = statements(template)
    assert found
    for statement in found:
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
    assert not [text for text in texts if ":root" in text or "arn:aws:" in text]
    principals = [one["Principal"] for one in walk(resources) if isinstance(one, dict) and "Principal" in one]
    assert all(principal not in ("*", {"AWS": "*"}) for principal in principals)
