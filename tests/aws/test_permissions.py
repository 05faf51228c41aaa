"""What of an account's work is refused, tried against the scanned accounts' server and moto's DynamoDB."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from library.aws import permissions
from library.aws.permissions import Refusal
from library.aws.sessions import AccountAccess
from tests.builders import ACCOUNT, NOW
from tests.wire import STATE, Wire, json_failure
from tests.world import TABLE

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from deployment.local.scanned_accounts import Control, UserSeed


OTHER = "210987654321"
ACCESS = AccountAccess("eu-west-1", "aws", ACCOUNT, "audit")


@pytest.fixture(autouse=True)
def accounts(scanned: Control, dynamodb: DynamoDBClient, wire: Wire) -> Control:
    """Two accounts, each with a user who has no key and one who has two."""
    users: dict[str, UserSeed] = {
        "amy": {"keys": []},
        "bob": {"keys": [{"created_days_ago": 9}, {"created_days_ago": 8}]},
    }
    scanned.populate({ACCOUNT: users, OTHER: users}, NOW)
    wire.sent.clear()
    return scanned


def of_identification(account: str = OTHER) -> list[Refusal]:
    return permissions.of_identification(ACCESS, TABLE, account, "name")


def of_remediation(*users: str) -> list[Refusal]:
    return permissions.of_remediation(ACCESS, OTHER, "name", users)


@pytest.mark.parametrize("account", [ACCOUNT, OTHER])
def test_what_a_scan_takes_is_tried_once_and_nothing_is_changed(
    accounts: Control, dynamodb: DynamoDBClient, wire: Wire, account: str
) -> None:
    before = accounts.state()
    assert of_identification(account) == []
    assert sorted(set(wire.sent) - {"AssumeRole"}) == [
        "DeleteItem",
        "GenerateCredentialReport",
        "GetAccessKeyLastUsed",
        "GetCredentialReport",
        "GetItem",
        "ListAccessKeys",
        "ListUserTags",
        "ListUsers",
        "PutItem",
        "Query",
        "StateTable.GetItem",
        "StateTable.UpdateItem",
        "UpdateItem",
    ]
    assert wire.sent.count("ListAccessKeys") == 2, "amy has no key, bob has"
    assert wire.sent.count("GetAccessKeyLastUsed") == 1
    assert wire.sent.count("AssumeRole") == (account == OTHER)
    assert accounts.state() == before
    assert dynamodb.scan(TableName=TABLE)["Items"] == dynamodb.scan(TableName=STATE)["Items"] == []


@pytest.mark.parametrize(
    "operation", ["ListUsers", "ListAccessKeys", "GetAccessKeyLastUsed", "ListUserTags", "GetCredentialReport"]
)
def test_a_call_of_iam_that_is_refused_is_named_once_with_what_aws_said(accounts: Control, operation: str) -> None:
    accounts.fail(OTHER, operation, "AccessDenied")
    said = f"AccessDenied: AccessDenied on {operation}, as it was asked for"
    assert of_identification() == [Refusal(f"iam:{operation}", said)]


@pytest.mark.parametrize("operation", ["Query", "GetItem", "UpdateItem"])
def test_a_call_of_the_table_that_is_refused_is_named(wire: Wire, operation: str) -> None:
    wire.react(operation, lambda _: json_failure("AccessDeniedException"))
    (refusal,) = permissions.of_table(ACCESS, TABLE)
    assert refusal.call == f"dynamodb:{operation}"
    assert refusal.said.startswith("AccessDeniedException: ")
    assert of_identification() == [refusal]


@pytest.mark.parametrize("operation", ["GetItem", "BatchGetItem", "UpdateItem"])
def test_a_call_of_the_state_table_that_is_refused_is_named(
    dynamodb: DynamoDBClient, wire: Wire, operation: str
) -> None:
    assert permissions.of_state(ACCESS, TABLE) == []
    assert dynamodb.scan(TableName=STATE)["Items"] == []
    wire.react(f"StateTable.{operation}", lambda _: json_failure("AccessDeniedException"))
    (refusal,) = permissions.of_state(ACCESS, TABLE)
    assert refusal.call == f"dynamodb:{operation}"
    assert refusal.said.startswith(f"table {STATE}: AccessDeniedException: ")
    assert of_identification() == ([] if operation == "BatchGetItem" else [refusal])


def test_without_the_role_nothing_else_of_the_account_is_tried(accounts: Control, wire: Wire) -> None:
    accounts.fail(OTHER, "AssumeRole", "AccessDenied")
    (refusal,) = of_remediation("bob")
    assert refusal.call == "sts:AssumeRole"
    assert "Failed to assume role in Account(id='210987654321', name='name', role='audit')" in refusal.said
    assert wire.sent == ["AssumeRole"]


def test_switching_is_tried_on_a_user_who_cannot_be(accounts: Control, wire: Wire) -> None:
    before = accounts.state()
    assert of_remediation("gone", "bob") == []
    assert wire.sent == [
        *("AssumeRole", "ListAccessKeys", "ListAccessKeys", "GetAccessKeyLastUsed"),
        *("ListUserTags", "UpdateAccessKey"),
    ]
    accounts.fail(OTHER, "UpdateAccessKey", "AccessDenied")
    assert [refusal.call for refusal in of_remediation("bob")] == ["iam:UpdateAccessKey"]
    assert accounts.state() == before


def test_of_an_account_without_a_known_user_the_listing_is_tried_and_no_key_looked_at(wire: Wire) -> None:
    assert of_remediation() == []
    assert wire.sent == ["AssumeRole", "ListAccessKeys", "ListUserTags", "UpdateAccessKey"]


@pytest.mark.usefixtures("no_backoff")
def test_an_aws_that_cannot_be_reached_refuses_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    refused = permissions.of_table(ACCESS, TABLE)
    assert [refusal.call for refusal in refused] == ["dynamodb:Query", "dynamodb:GetItem", "dynamodb:UpdateItem"]
    assert {refusal.said for refusal in refused} == {'Could not connect to the endpoint URL: "http://127.0.0.1:1/"'}
