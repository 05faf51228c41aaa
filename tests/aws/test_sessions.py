"""Sessions in the main account and, through a role, in others."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from library.aws.sessions import Account, AccountAccess
from library.errors import AccessDenied, AwsCallFailed
from tests.builders import ACCOUNT, NOW
from tests.wire import Wire, form

if TYPE_CHECKING:
    import boto3
    from botocore.awsrequest import AWSPreparedRequest

    from deployment.local.scanned_accounts import Control


ROLE = "hammer-cloudsec-crossact-id"
ACCESS = AccountAccess("eu-west-1", "aws", ACCOUNT, ROLE)
MAIN, SLAVE = ACCESS.account_of(ACCOUNT, "master"), ACCESS.account_of("210987654321", "slave1")


def session_of(account: Account, access: AccountAccess = ACCESS) -> boto3.Session:
    return access.session_in(account, "hammer-identification")


@pytest.fixture
def assumed(scanned: Control, wire: Wire) -> list[dict[str, str]]:
    """The parameters of each AssumeRole."""
    seen: list[dict[str, str]] = []

    def remember(request: AWSPreparedRequest) -> None:
        seen.append(form(request))

    wire.react("AssumeRole", remember)
    return seen


def users_of(account: Account) -> list[str]:
    return [user["UserName"] for user in session_of(account).client("iam").list_users()["Users"]]


def test_a_role_is_for_every_account_but_ones_own() -> None:
    assert Account(ACCOUNT, "master") == MAIN
    assert Account("210987654321", "slave1", ROLE) == SLAVE


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


def test_the_role_s_path_is_part_of_its_arn(assumed: list[dict[str, str]]) -> None:
    session_of(SLAVE, replace(ACCESS, role_path="/security/hammer/"))
    (call,) = assumed
    assert call["RoleArn"] == "arn:aws:iam::210987654321:role/security/hammer/hammer-cloudsec-crossact-id"


def test_an_external_id_is_sent_only_if_there_is_one(assumed: list[dict[str, str]]) -> None:
    session_of(SLAVE)
    session_of(SLAVE, replace(ACCESS, external_id="shared-word"))
    assert [call.get("ExternalId") for call in assumed] == [None, "shared-word"]


@pytest.mark.parametrize(
    ("region", "partition"),
    [("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov"), ("eu-west-1", "aws")],
)
def test_the_role_is_named_in_the_partition_of_the_region(
    assumed: list[dict[str, str]], region: str, partition: str
) -> None:
    session = session_of(SLAVE, replace(ACCESS, region=region, partition=partition))
    assert session.region_name == region
    assert assumed[0]["RoleArn"].startswith(f"arn:{partition}:iam::210987654321:role/")


def test_a_role_that_may_not_be_assumed_names_account_and_role_and_says_what_aws_said(scanned: Control) -> None:
    scanned.fail(SLAVE.id, "AssumeRole", "AccessDenied")
    with pytest.raises(AccessDenied) as caught:
        session_of(SLAVE)
    assert str(caught.value) == (
        "Failed to assume role in Account(id='210987654321', name='slave1', role='hammer-cloudsec-crossact-id') "
        "(sts:AssumeRole): AccessDenied on AssumeRole, as it was asked for"
    )
    assert (caught.value.call, caught.value.code, caught.value.status) == ("sts:AssumeRole", "AccessDenied", 403)


def test_a_role_that_could_not_be_assumed_for_another_reason_is_no_denial(scanned: Control) -> None:
    scanned.fail(SLAVE.id, "AssumeRole", "MalformedPolicyDocument")
    with pytest.raises(AwsCallFailed, match=r"Failed to assume role in Account.*MalformedPolicyDocument") as caught:
        session_of(SLAVE)
    assert not isinstance(caught.value, AccessDenied)
    assert caught.value.code == "MalformedPolicyDocument"


def test_a_session_asks_the_given_client_for_the_role(assumed: list[dict[str, str]], wire: Wire) -> None:
    sts = session_of(MAIN).client("sts")
    asked: list[str] = []
    sts.meta.events.register("before-send.sts", lambda **_: asked.append("this one"))
    ACCESS.session_in(SLAVE, "hammer-first-look", sts)
    assert asked == ["this one"]
    assert [call["RoleSessionName"] for call in assumed] == ["hammer-first-look"]
