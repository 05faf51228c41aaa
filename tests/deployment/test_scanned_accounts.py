"""The scanned accounts' IAM and STS: real pages, ages as they were asked for, failures on demand."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from deployment.local.scanned_accounts import Control, KeySeed
from deployment.local.scanned_accounts.server import ScannedAccounts

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient


NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
MAIN = "123456789012"
SLAVE = "210987654321"
ONCE = Config(proxies={}, retries={"total_max_attempts": 1, "mode": "standard"})


@pytest.fixture(scope="module")
def server() -> Iterator[ScannedAccounts]:
    with ScannedAccounts() as server:
        yield server


@pytest.fixture
def control(server: ScannedAccounts) -> Iterator[Control]:
    control = Control(server.url)
    control.reset()
    yield control
    control.reset()


def iam(server: ScannedAccounts, account: str) -> "IAMClient":
    """IAM of the main account with its own credentials, of any other with those of a role there."""
    session = boto3.Session(aws_access_key_id=MAIN, aws_secret_access_key="x", region_name="eu-west-1")
    if account != MAIN:
        sts = session.client("sts", endpoint_url=server.url, config=ONCE)
        assumed = sts.assume_role(RoleArn=f"arn:aws:iam::{account}:role/any", RoleSessionName="test")["Credentials"]
        session = boto3.Session(
            aws_access_key_id=assumed["AccessKeyId"],
            aws_secret_access_key=assumed["SecretAccessKey"],
            aws_session_token=assumed["SessionToken"],
            region_name="eu-west-1",
        )
    return session.client("iam", endpoint_url=server.url, config=ONCE)


def users_seen(client: "IAMClient", page_size: int | None = None) -> list[list[str]]:
    pages = client.get_paginator("list_users").paginate(PaginationConfig={"PageSize": page_size} if page_size else {})
    return [[user["UserName"] for user in page["Users"]] for page in pages]


def test_250_users_come_in_pages_of_100_each_once(server: ScannedAccounts, control: Control) -> None:
    expected = [f"user{number:03}" for number in range(250)]
    control.populate({SLAVE: {name: {"keys": []} for name in expected}}, NOW)
    client = iam(server, SLAVE)
    first = client.list_users()
    assert (len(first["Users"]), first["IsTruncated"]) == (100, True)
    pages = users_seen(client)
    assert [len(page) for page in pages] == [100, 100, 50]
    assert sorted(name for page in pages for name in page) == expected
    assert [len(page) for page in users_seen(client, 125)] == [125, 125]


def test_a_user_deleted_between_two_pages_hides_no_other(server: ScannedAccounts, control: Control) -> None:
    control.populate({SLAVE: {name: {"keys": []} for name in ("a", "b", "c")}}, NOW)
    client = iam(server, SLAVE)
    first = client.list_users(MaxItems=2)
    client.delete_user(UserName="a")
    second = client.list_users(MaxItems=2, Marker=first["Marker"])
    assert [user["UserName"] for user in second["Users"]] == ["c"]


def test_keys_come_in_pages_too(server: ScannedAccounts, control: Control) -> None:
    control.populate({SLAVE: {"bob": {"keys": [{"created_days_ago": 1}, {"created_days_ago": 2}]}}}, NOW)
    client = iam(server, SLAVE)
    pages = list(client.get_paginator("list_access_keys").paginate(UserName="bob", PaginationConfig={"PageSize": 1}))
    assert [len(page["AccessKeyMetadata"]) for page in pages] == [1, 1]
    assert len({page["AccessKeyMetadata"][0]["AccessKeyId"] for page in pages}) == 2


def test_a_page_size_that_iam_does_not_allow_is_refused(server: ScannedAccounts, control: Control) -> None:
    with pytest.raises(ClientError, match="ValidationError"):
        iam(server, SLAVE).list_users(MaxItems=1001)


def test_ages_ids_and_status_are_what_was_asked_for(server: ScannedAccounts, control: Control) -> None:
    key_id = "AKIAI6UV7TCFQNA623TA"
    control.populate(
        {
            SLAVE: {
                "bob": {
                    "tags": {"owner": "alice"},
                    "created_days_ago": 400,
                    "keys": [
                        {"id": key_id, "created_days_ago": 300, "last_used_days_ago": 10.5, "service": "sqs"},
                        {"created_days_ago": 20, "status": "Inactive"},
                    ],
                }
            }
        },
        NOW,
    )
    client = iam(server, SLAVE)
    (user,) = client.list_users()["Users"]
    assert user["CreateDate"] == NOW - timedelta(days=400)
    assert client.list_user_tags(UserName="bob")["Tags"] == [{"Key": "owner", "Value": "alice"}]
    keys = {key["Status"]: key for key in client.list_access_keys(UserName="bob")["AccessKeyMetadata"]}
    assert keys["Active"]["AccessKeyId"] == key_id
    assert keys["Active"]["CreateDate"] == NOW - timedelta(days=300)
    used = client.get_access_key_last_used(AccessKeyId=key_id)
    assert used["UserName"] == "bob"
    assert used["AccessKeyLastUsed"] == {
        "LastUsedDate": NOW - timedelta(days=10.5),
        "ServiceName": "sqs",
        "Region": "eu-west-1",
    }
    never = client.get_access_key_last_used(AccessKeyId=keys["Inactive"]["AccessKeyId"])["AccessKeyLastUsed"]
    assert never == {"ServiceName": "N/A", "Region": "N/A"}


def test_ids_are_the_same_in_every_run(server: ScannedAccounts, control: Control) -> None:
    control.populate({SLAVE: {"bob": {"keys": [{"created_days_ago": 1}]}}}, NOW)
    before = control.state()
    control.reset()
    assert control.state() == {}
    control.populate({SLAVE: {"bob": {"keys": [{"created_days_ago": 1}]}}}, NOW)
    assert control.state() == before
    control.populate({SLAVE: {"bob": {"keys": [{"created_days_ago": 1}]}}}, NOW)
    assert control.state() == before


def test_accounts_keep_their_keys_apart(server: ScannedAccounts, control: Control) -> None:
    control.populate({account: {"bob": {"keys": [{"created_days_ago": 1}]}} for account in (MAIN, SLAVE)}, NOW)
    of_main, of_slave = (control.state()[account]["bob"]["keys"][0]["id"] for account in (MAIN, SLAVE))
    assert of_main != of_slave
    assert iam(server, MAIN).list_access_keys(UserName="bob")["AccessKeyMetadata"][0]["AccessKeyId"] == of_main
    assert iam(server, SLAVE).list_access_keys(UserName="bob")["AccessKeyMetadata"][0]["AccessKeyId"] == of_slave
    with pytest.raises(ClientError, match="NoSuchEntity"):
        iam(server, MAIN).get_access_key_last_used(AccessKeyId=of_slave)


def test_a_key_is_used_and_switched_off_and_the_state_shows_it(server: ScannedAccounts, control: Control) -> None:
    control.populate({SLAVE: {"bob": {"keys": [{"created_days_ago": 30}]}}}, NOW)
    (key,) = control.state()[SLAVE]["bob"]["keys"]
    assert (key["status"], key["last_used"]) == ("Active", None)
    control.use_key(SLAVE, key["id"], NOW - timedelta(days=1))
    iam(server, SLAVE).update_access_key(UserName="bob", AccessKeyId=key["id"], Status="Inactive")
    (key,) = control.state()[SLAVE]["bob"]["keys"]
    assert (key["status"], key["last_used"]) == ("Inactive", "2026-11-22T12:00:00+00:00")


def test_a_renamed_user_keeps_keys_and_tags(server: ScannedAccounts, control: Control) -> None:
    control.populate({SLAVE: {"bob": {"tags": {"owner": "alice"}, "keys": [{"created_days_ago": 30}]}}}, NOW)
    client = iam(server, SLAVE)
    before = control.state()[SLAVE]["bob"]
    client.update_user(UserName="bob", NewUserName="robert")
    assert control.state()[SLAVE] == {"robert": before}
    assert client.get_access_key_last_used(AccessKeyId=before["keys"][0]["id"])["UserName"] == "robert"


def test_an_operation_fails_permanently_on_its_account_only_until_it_is_healed(
    server: ScannedAccounts, control: Control
) -> None:
    control.fail(SLAVE, "ListUsers", "AccessDenied")
    client = iam(server, SLAVE)
    for _ in range(3):
        with pytest.raises(ClientError, match="AccessDenied") as caught:
            client.list_users()
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    assert iam(server, MAIN).list_users()["Users"] == []
    control.heal()
    assert client.list_users()["Users"] == []


def test_an_operation_fails_as_often_as_asked_and_then_works(server: ScannedAccounts, control: Control) -> None:
    control.fail(SLAVE, "ListUsers", "Throttling", times=2)
    client = iam(server, SLAVE)
    for _ in range(2):
        with pytest.raises(ClientError, match="Throttling"):
            client.list_users()
    assert client.list_users()["Users"] == []


def test_a_role_that_may_not_be_assumed_is_refused_for_its_account(server: ScannedAccounts, control: Control) -> None:
    control.fail(SLAVE, "AssumeRole", "AccessDenied")
    with pytest.raises(ClientError, match="AccessDenied"):
        iam(server, SLAVE)
    assert iam(server, "333333333333").list_users()["Users"] == []


def test_a_wrong_order_is_refused_with_a_reason(control: Control) -> None:
    with pytest.raises(RuntimeError, match="AKIANOBODY"):
        control.use_key(SLAVE, "AKIANOBODY", NOW)


def test_time_passes_for_every_user_and_key(server: ScannedAccounts, control: Control) -> None:
    keys: list[KeySeed] = [{"created_days_ago": 5, "last_used_days_ago": 2}, {"created_days_ago": 1}]
    control.populate({MAIN: {"alice": {"keys": keys}}, SLAVE: {"bob": {"keys": []}}}, NOW)
    control.let_time_pass(10)
    state = control.state()
    assert {(key["created"], key["last_used"]) for key in state[MAIN]["alice"]["keys"]} == {
        ((NOW - timedelta(days=15)).isoformat(), (NOW - timedelta(days=12)).isoformat()),
        ((NOW - timedelta(days=11)).isoformat(), None),
    }
    assert state[SLAVE]["bob"]["created"] == (NOW - timedelta(days=10)).isoformat()


def test_a_user_has_the_path_that_was_asked_for(server: ScannedAccounts, control: Control) -> None:
    control.populate({MAIN: {"alice": {"path": "/staff/", "keys": []}}}, NOW)
    assert iam(server, MAIN).get_user(UserName="alice")["User"]["Arn"] == f"arn:aws:iam::{MAIN}:user/staff/alice"
