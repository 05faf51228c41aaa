"""The accounts of the organization, from moto's Organizations."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.config import Config

from library.aws.organizations import active_accounts
from library.errors import AccessDenied, AwsCallFailed
from tests.wire import Wire, answer, json_failure, small_pages

if TYPE_CHECKING:
    from mypy_boto3_organizations import OrganizationsClient

    from deployment.local.scanned_accounts import Control


@pytest.fixture
def client(scanned: Control, wire: Wire) -> OrganizationsClient:
    client = boto3.Session().client("organizations", config=Config(retries={"total_max_attempts": 1}))
    client.create_organization(FeatureSet="ALL")
    return client


def create(client: OrganizationsClient, name: str) -> str:
    made = client.create_account(AccountName=name, Email=f"{name}@example.com")
    return made["CreateAccountStatus"]["AccountId"]


def test_active_accounts_are_listed_by_id_with_their_names(client: OrganizationsClient) -> None:
    accounts = active_accounts(client)
    assert list(accounts.values()) == ["master"]
    made = {create(client, "slave1"): "slave1", create(client, "slave2"): "slave2"}
    assert active_accounts(client) == accounts | made


def test_an_account_that_is_not_active_is_left_out(client: OrganizationsClient) -> None:
    closed, kept = create(client, "closed"), create(client, "kept")
    client.close_account(AccountId=closed)
    assert kept in active_accounts(client)
    assert closed not in active_accounts(client)


def test_accounts_on_several_pages_are_all_listed(client: OrganizationsClient, wire: Wire) -> None:
    made = {create(client, f"slave{number}") for number in range(7)}
    small_pages(client, "organizations.ListAccounts", {"MaxResults": 3})
    assert made < set(active_accounts(client))
    assert wire.sent.count("ListAccounts") == 3


def test_a_denied_listing_says_what_to_do(client: OrganizationsClient, wire: Wire) -> None:
    wire.react("ListAccounts", lambda _: json_failure("AccessDeniedException"))
    with pytest.raises(AccessDenied, match=r"organizations:ListAccounts.*aws\.accounts_from_organization") as caught:
        active_accounts(client)
    assert (caught.value.call, caught.value.code) == ("organizations:ListAccounts", "AccessDeniedException")


def test_a_listing_that_fails_is_an_error_and_no_empty_organization(client: OrganizationsClient, wire: Wire) -> None:
    wire.react("ListAccounts", lambda _: json_failure("TooManyRequestsException"))
    with pytest.raises(AwsCallFailed) as caught:
        active_accounts(client)
    assert not isinstance(caught.value, AccessDenied)


def listed(wire: Wire, *accounts: dict[str, str]) -> None:
    wire.react("ListAccounts", lambda _: answer(200, json.dumps({"Accounts": accounts})))


@pytest.mark.parametrize(
    ("fields", "active"),
    [
        ({"State": "ACTIVE"}, True),
        ({"State": "ACTIVE", "Status": "SUSPENDED"}, True),
        ({"State": "SUSPENDED", "Status": "ACTIVE"}, False),
        ({"State": "PENDING_ACTIVATION"}, False),
        ({"Status": "ACTIVE"}, True),
    ],
)
def test_the_state_counts_and_where_there_is_none_the_status(
    client: OrganizationsClient, wire: Wire, fields: dict[str, str], active: bool
) -> None:
    listed(wire, {"Id": "210987654321", "Name": "grown", **fields})
    assert active_accounts(client) == ({"210987654321": "grown"} if active else {})


def test_an_account_with_neither_is_an_error_that_names_it(client: OrganizationsClient, wire: Wire) -> None:
    listed(wire, {"Id": "210987654321", "Name": "grown"})
    with pytest.raises(AwsCallFailed, match="210987654321 has neither State nor Status"):
        active_accounts(client)


def test_an_account_may_lack_a_name(client: OrganizationsClient, wire: Wire) -> None:
    listed(wire, {"Id": "210987654321", "State": "ACTIVE"})
    assert active_accounts(client) == {"210987654321": ""}
