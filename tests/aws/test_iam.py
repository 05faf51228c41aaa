"""The IAM adapter against the scanned accounts' server, whose listings have pages."""

from __future__ import annotations

import re
import time
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config

from library.aws.iam_clients import IamClients
from library.aws.iam_keys import READ_BACK_PAUSES, find_access_key, set_status, tags_of_users, user_tags
from library.aws.iam_scan import list_access_keys
from library.aws.live_looks import RENAME_ROUNDS
from library.aws.sessions import CLIENT_CONFIG, Account
from library.errors import AccessDenied, AwsCallFailed
from library.issues.access_keys import AccessKey, is_long_ago
from library.issues.listing import Listing
from tests.builders import ACCOUNT, NOW, days_ago
from tests.wire import Wire, answer, failure, form, small_pages

if TYPE_CHECKING:
    from botocore.awsrequest import AWSPreparedRequest, AWSResponse
    from mypy_boto3_iam import IAMClient

    from deployment.local.scanned_accounts import Control, UserSeed


KEYS = ["AKIAALICE0000000001A", "AKIAALICE0000000002A"]
ALICE: UserSeed = {
    "keys": [
        {"id": KEYS[0], "created_days_ago": 400, "last_used_days_ago": 100, "service": "sts", "region": "us-east-1"},
        {"id": KEYS[1], "created_days_ago": 200},
    ],
    "tags": {"owner": "bob"},
}
BOB: UserSeed = {"keys": [{"id": "AKIABOB0000000000001", "created_days_ago": 300, "status": "Inactive"}]}


@pytest.fixture
def iam(scanned: Control, wire: Wire) -> IamClients:
    """IAM of an account with alice and bob."""
    scanned.populate({ACCOUNT: {"alice": ALICE, "bob": BOB}}, NOW)
    return IamClients(Account(ACCOUNT, "master"), partial(boto3.Session().client, "iam", config=CLIENT_CONFIG))


@pytest.fixture
def other(iam: IamClients) -> IAMClient:
    """Somebody else at work in the account."""
    return boto3.Session().client("iam", config=Config(user_agent_extra="somebody-else"))


def listed(iam: IamClients) -> Listing:
    return list_access_keys(iam, lambda moment: is_long_ago(moment, 90, NOW))


def by_id(listing: Listing) -> dict[str, AccessKey]:
    assert len({key.key_id for key in listing.keys}) == len(listing.keys)
    return {key.key_id: key for key in listing.keys}


def once(wire: Wire, operation: str, expected: dict[str, str], what: Any) -> None:
    """Do something right before the first request of that operation with these parameters goes out."""
    done: list[bool] = []

    def react(request: AWSPreparedRequest) -> None:
        if not done and expected.items() <= form(request).items():
            done.append(True)
            what()

    wire.react(operation, react)


def test_a_listing_has_every_key_with_its_facts(iam: IamClients) -> None:
    listing = listed(iam)
    keys = by_id(listing)
    assert listing.users == 2
    assert keys == {
        KEYS[0]: AccessKey(
            KEYS[0], "alice", keys[KEYS[0]].user_id, "Active", days_ago(400), days_ago(100), "sts", "us-east-1"
        ),
        KEYS[1]: AccessKey(KEYS[1], "alice", keys[KEYS[0]].user_id, "Active", days_ago(200)),
        "AKIABOB0000000000001": AccessKey(
            "AKIABOB0000000000001", "bob", keys["AKIABOB0000000000001"].user_id, "Inactive", days_ago(300)
        ),
    }
    assert re.fullmatch("AIDA[A-Z2-7]{16}", keys[KEYS[0]].user_id)


def test_the_last_use_is_asked_for_active_keys_only(iam: IamClients, wire: Wire) -> None:
    listed(iam)
    assert wire.sent.count("GetAccessKeyLastUsed") == 2


def test_an_account_without_users_is_an_empty_listing(iam: IamClients, scanned: Control) -> None:
    scanned.reset()
    assert listed(iam) == Listing(0, (), active_keys=0)


def test_250_users_on_pages_of_100_are_all_listed_each_once(iam: IamClients, scanned: Control, wire: Wire) -> None:
    names = [f"user{number:03}" for number in range(250)]
    scanned.reset()
    scanned.populate({ACCOUNT: {name: {"keys": [{"created_days_ago": 9}]} for name in names}}, NOW)
    small_pages(iam.of("ListUsers"), "iam.ListUsers", {"MaxItems": 100})
    listing = listed(iam)
    assert wire.sent.count("ListUsers") == 3
    assert listing.users == 250
    assert sorted(key.user_name for key in by_id(listing).values()) == names


def test_keys_on_several_pages_are_all_listed(iam: IamClients, wire: Wire) -> None:
    small_pages(iam.of("ListAccessKeys"), "iam.ListAccessKeys", {"MaxItems": 1})
    assert set(KEYS) < set(by_id(listed(iam)))
    assert wire.sent.count("ListAccessKeys") == 3


def test_a_user_who_vanishes_during_the_scan_is_simply_gone(iam: IamClients, other: IAMClient, wire: Wire) -> None:
    def delete() -> None:
        for key in KEYS:
            other.delete_access_key(UserName="alice", AccessKeyId=key)
        other.delete_user(UserName="alice")

    once(wire, "ListAccessKeys", {"UserName": "alice"}, delete)
    assert {key.user_name for key in listed(iam).keys} == {"bob"}


def test_a_key_that_vanishes_during_the_scan_is_simply_gone(iam: IamClients, other: IAMClient, wire: Wire) -> None:
    def delete() -> None:
        other.delete_access_key(UserName="alice", AccessKeyId=KEYS[0])

    once(wire, "GetAccessKeyLastUsed", {"AccessKeyId": KEYS[0]}, delete)
    assert set(by_id(listed(iam))) == {KEYS[1], "AKIABOB0000000000001"}


def test_a_user_who_is_renamed_during_the_scan_is_followed(iam: IamClients, other: IAMClient, wire: Wire) -> None:
    before = by_id(listed(iam))
    once(
        wire,
        "ListAccessKeys",
        {"UserName": "alice"},
        lambda: other.update_user(UserName="alice", NewUserName="alice.married"),
    )
    after = by_id(listed(iam))
    assert set(after) == set(before)
    assert {after[key].user_name for key in KEYS} == {"alice.married"}
    assert {after[key].user_id for key in KEYS} == {before[KEYS[0]].user_id}


def test_users_who_are_renamed_without_end_are_an_error_and_no_short_listing(
    iam: IamClients, other: IAMClient, wire: Wire
) -> None:
    renames: list[str] = []

    def rename(request: AWSPreparedRequest) -> None:
        if form(request)["UserName"].startswith("alice"):
            renames.append("x")
            other.update_user(UserName=form(request)["UserName"], NewUserName="alice" + "x" * len(renames))

    wire.react("ListAccessKeys", rename)
    with pytest.raises(AwsCallFailed, match="renamed"):
        listed(iam)
    assert len(renames) == RENAME_ROUNDS


@pytest.mark.usefixtures("no_backoff")
@pytest.mark.parametrize("operation", ["ListUsers", "ListAccessKeys", "GetAccessKeyLastUsed"])
@pytest.mark.parametrize("code", ["Throttling", "ServiceUnavailable"])
def test_throttling_is_retried_through(iam: IamClients, scanned: Control, operation: str, code: str) -> None:
    calm = listed(iam)
    scanned.fail(ACCOUNT, operation, code, times=5)
    before = iam.calls
    assert by_id(listed(iam)) == by_id(calm)
    assert iam.calls - before == 1 + 2 + 2 + 5


@pytest.mark.usefixtures("no_backoff")
@pytest.mark.parametrize("operation", ["ListUsers", "ListAccessKeys", "GetAccessKeyLastUsed"])
@pytest.mark.parametrize("code", ["AccessDenied", "Throttling", "ServiceUnavailable", "InternalFailure"])
def test_a_call_that_fails_for_good_raises_and_is_never_taken_for_never_used(
    iam: IamClients, scanned: Control, operation: str, code: str
) -> None:
    scanned.fail(ACCOUNT, operation, code)
    with pytest.raises(AwsCallFailed, match=rf"\(iam:{operation}.*{code} on {operation}") as caught:
        listed(iam)
    assert caught.value.code == code


def test_a_second_page_that_is_denied_raises(iam: IamClients, scanned: Control, wire: Wire) -> None:
    small_pages(iam.of("ListUsers"), "iam.ListUsers", {"MaxItems": 1})
    once(wire, "ListUsers", {"Marker": "alice"}, lambda: scanned.fail(ACCOUNT, "ListUsers", "AccessDenied"))
    with pytest.raises(AccessDenied, match="iam:ListUsers"):
        listed(iam)


# --- one key ---------------------------------------------------------------------------------------------------


def test_a_key_is_found_as_it_is_at_this_moment(iam: IamClients) -> None:
    found = find_access_key(iam, KEYS[0], "alice")
    assert found is not None
    assert (found.user_name, found.status, found.create_date, found.last_used) == (
        "alice",
        "Active",
        days_ago(400),
        days_ago(100),
    )
    never_used = find_access_key(iam, KEYS[1], "alice")
    assert never_used is not None
    assert never_used.last_used is None


def test_a_key_that_is_off_is_found_as_off(iam: IamClients) -> None:
    found = find_access_key(iam, "AKIABOB0000000000001", "bob")
    assert found is not None
    assert found.status == "Inactive"


def test_a_use_since_the_scan_is_seen(iam: IamClients, scanned: Control) -> None:
    scanned.use_key(ACCOUNT, KEYS[0], NOW - timedelta(hours=1))
    found = find_access_key(iam, KEYS[0], "alice")
    assert found is not None
    assert found.last_used == NOW - timedelta(hours=1)


def test_the_key_of_a_renamed_user_is_found_under_the_present_name(iam: IamClients, other: IAMClient) -> None:
    other.update_user(UserName="alice", NewUserName="alice.married")
    found = find_access_key(iam, KEYS[0], "alice")
    assert found is not None
    assert found.user_name == "alice.married"


def test_a_key_that_vanishes_is_gone_also_if_its_last_use_is_denied_then(
    iam: IamClients, other: IAMClient, wire: Wire
) -> None:
    def delete(request: AWSPreparedRequest) -> AWSResponse | None:
        if form(request).get("AccessKeyId") != KEYS[0]:
            return None
        other.delete_access_key(UserName="alice", AccessKeyId=KEYS[0])
        return failure("AccessDenied", 403)

    wire.react("GetAccessKeyLastUsed", delete)
    listing = listed(iam)
    assert set(by_id(listing)) == {KEYS[1], "AKIABOB0000000000001"}


def test_a_key_that_does_not_exist_is_none(iam: IamClients) -> None:
    assert find_access_key(iam, "AKIANOSUCHKEY0000000", "alice") is None


@pytest.mark.parametrize("operation", ["ListAccessKeys", "GetAccessKeyLastUsed"])
def test_a_look_that_is_denied_raises_and_is_no_key_that_is_gone(
    iam: IamClients, scanned: Control, operation: str
) -> None:
    scanned.fail(ACCOUNT, operation, "AccessDenied")
    with pytest.raises(AccessDenied, match=f"iam:{operation}"):
        find_access_key(iam, KEYS[0], "alice")


@pytest.mark.parametrize("status", ["Inactive", "Active"])
def test_a_key_is_switched_and_no_other_one(iam: IamClients, scanned: Control, status: Any) -> None:
    key = find_access_key(iam, KEYS[0], "alice")
    assert key is not None
    if status == "Active":
        set_status(iam, key, "Inactive")
    set_status(iam, key, status)
    keys = scanned.state()[ACCOUNT]["alice"]["keys"]
    assert {seen["id"]: seen["status"] for seen in keys} == {KEYS[0]: status, KEYS[1]: "Active"}


def test_switching_off_is_read_back_and_without_effect_is_an_error(
    iam: IamClients, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = find_access_key(iam, KEYS[0], "alice")
    assert key is not None
    wire.react("UpdateAccessKey", lambda _: answer(200, "<UpdateAccessKeyResponse/>"))
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    with pytest.raises(AwsCallFailed, match=f"{KEYS[0]} was set to Inactive, but IAM lists it as Active"):
        set_status(iam, key, "Inactive")
    assert tuple(pauses) == READ_BACK_PAUSES


def test_switching_off_that_shows_late_is_no_failure(
    iam: IamClients, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = find_access_key(iam, KEYS[0], "alice")
    assert key is not None
    wire.react("UpdateAccessKey", lambda _: answer(200, "<UpdateAccessKeyResponse/>"))
    client = iam.of("ListUsers")

    def takes_effect(_seconds: float) -> None:
        wire.withdraw("UpdateAccessKey")
        client.update_access_key(UserName="alice", AccessKeyId=KEYS[0], Status="Inactive")

    monkeypatch.setattr(time, "sleep", takes_effect)
    set_status(iam, key, "Inactive")
    assert wire.sent[-2:] == ["UpdateAccessKey", "ListAccessKeys"]


def test_switching_off_that_is_denied_raises(iam: IamClients, scanned: Control) -> None:
    key = find_access_key(iam, KEYS[0], "alice")
    assert key is not None
    scanned.fail(ACCOUNT, "UpdateAccessKey", "AccessDenied")
    with pytest.raises(AccessDenied, match="iam:UpdateAccessKey"):
        set_status(iam, key, "Inactive")


# --- tags ------------------------------------------------------------------------------------------------------


def test_tags_are_fetched_by_user(iam: IamClients) -> None:
    assert tags_of_users(iam, ["alice", "bob", "nobody"]) == {"alice": {"owner": "bob"}, "bob": {}, "nobody": None}


def test_tags_that_are_denied_raise(iam: IamClients, scanned: Control) -> None:
    scanned.fail(ACCOUNT, "ListUserTags", "AccessDenied")
    with pytest.raises(AccessDenied, match="iam:ListUserTags"):
        user_tags(iam, "alice")
