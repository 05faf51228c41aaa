"""Sessions of other accounts, and the words of AWS's errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, EndpointConnectionError

from library.aws.sessions import Account, account_session, aws_errors
from library.errors import AccessDenied, AwsCallFailed
from tests.builders import ACCOUNT, NOW
from tests.conftest import Wire, form

if TYPE_CHECKING:
    import boto3
    from botocore.awsrequest import AWSPreparedRequest

    from deployment.local.scanned_accounts import Control

pytestmark = pytest.mark.moto

MAIN = Account(ACCOUNT, "master")
SLAVE = Account("210987654321", "slave1", "hammer-cloudsec-crossact-id")


def session_of(
    account: Account, *, region: str = "eu-west-1", partition: str = "aws", external_id: str = ""
) -> boto3.Session:
    return account_session(
        account, region=region, partition=partition, external_id=external_id, purpose="hammer-identification"
    )


@pytest.fixture
def assumed(scanned: Control, wire: Wire) -> list[dict[str, str]]:
    """The parameters of each AssumeRole."""
    seen: list[dict[str, str]] = []

    def remember(request: AWSPreparedRequest) -> None:
        seen.append(form(request))

    wire.react("AssumeRole", remember)
    return seen


def users_of(account: Account) -> list[str]:
    client = session_of(account).client("iam", config=Config(retries={"total_max_attempts": 1}))
    with aws_errors(account):
        return [user["UserName"] for user in client.list_users()["Users"]]


def test_no_role_is_assumed_in_the_main_account(scanned: Control, assumed: list[dict[str, str]]) -> None:
    scanned.populate({MAIN.id: {"alice": {"keys": []}}, SLAVE.id: {"bob": {"keys": []}}}, NOW)
    assert users_of(MAIN) == ["alice"]
    assert assumed == []


def test_the_role_is_assumed_in_another_account(scanned: Control, assumed: list[dict[str, str]]) -> None:
    scanned.populate({MAIN.id: {"alice": {"keys": []}}, SLAVE.id: {"bob": {"keys": []}}}, NOW)
    assert users_of(SLAVE) == ["bob"]
    assert [(call["RoleArn"], call["RoleSessionName"]) for call in assumed] == [
        ("arn:aws:iam::210987654321:role/hammer-cloudsec-crossact-id", "hammer-identification")
    ]


def test_an_external_id_is_sent_only_if_there_is_one(assumed: list[dict[str, str]]) -> None:
    session_of(SLAVE)
    session_of(SLAVE, external_id="shared-word")
    assert [call.get("ExternalId") for call in assumed] == [None, "shared-word"]


@pytest.mark.parametrize(
    ("region", "partition"),
    [("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov"), ("eu-west-1", "aws")],
)
def test_the_role_is_named_in_the_partition_of_the_region(
    assumed: list[dict[str, str]], region: str, partition: str
) -> None:
    session = session_of(SLAVE, region=region, partition=partition)
    assert session.region_name == region
    assert assumed[0]["RoleArn"].startswith(f"arn:{partition}:iam::210987654321:role/")


def test_a_role_that_may_not_be_assumed_names_account_and_role(scanned: Control) -> None:
    scanned.fail(SLAVE.id, "AssumeRole", "AccessDenied")
    with pytest.raises(AccessDenied) as caught:
        session_of(SLAVE)
    assert str(caught.value).startswith(
        "Failed to assume role in Account(id='210987654321', name='slave1', role='hammer-cloudsec-crossact-id') "
        "(sts:AssumeRole)"
    )


def test_a_role_that_could_not_be_assumed_for_another_reason_is_no_denial(scanned: Control) -> None:
    scanned.fail(SLAVE.id, "AssumeRole", "MalformedPolicyDocument")
    with pytest.raises(AwsCallFailed, match="Failed to assume role in Account") as caught:
        session_of(SLAVE)
    assert not isinstance(caught.value, AccessDenied)


def test_a_denied_call_names_account_role_and_api_call(scanned: Control) -> None:
    scanned.fail(SLAVE.id, "ListUsers", "AccessDenied")
    with pytest.raises(AccessDenied) as caught:
        users_of(SLAVE)
    assert str(caught.value) == (
        "Access denied in Account(id='210987654321', name='slave1', role='hammer-cloudsec-crossact-id') "
        "(iam:ListUsers)"
    )


def test_a_denied_call_in_the_main_account_names_no_role(scanned: Control) -> None:
    scanned.fail(MAIN.id, "ListUsers", "AccessDenied")
    with pytest.raises(AccessDenied) as caught:
        users_of(MAIN)
    assert str(caught.value) == "Access denied in Account(id='123456789012', name='master') (iam:ListUsers)"


def test_another_failure_is_no_denial_and_says_what_aws_said(scanned: Control) -> None:
    scanned.fail(MAIN.id, "ListUsers", "Throttling")
    with pytest.raises(AwsCallFailed, match=r"Account\(id='123456789012'.*iam:ListUsers.*Throttling") as caught:
        users_of(MAIN)
    assert not isinstance(caught.value, AccessDenied)


@pytest.mark.parametrize("code", ["AccessDenied", "AccessDeniedException", "UnauthorizedOperation"])
def test_every_way_in_which_aws_says_no_is_a_denial(code: str) -> None:
    with pytest.raises(AccessDenied, match="iam:GetAccessKeyLastUsed"), aws_errors(SLAVE):
        raise ClientError({"Error": {"Code": code, "Message": "no"}}, "GetAccessKeyLastUsed")


def test_an_aws_that_cannot_be_reached_is_an_error_that_names_the_account() -> None:
    with pytest.raises(AwsCallFailed, match="slave1"), aws_errors(SLAVE):
        raise EndpointConnectionError(endpoint_url="https://iam.amazonaws.com")


def test_an_error_of_our_own_passes_through() -> None:
    with pytest.raises(ValueError, match="ours"), aws_errors(MAIN):
        raise ValueError("ours")
