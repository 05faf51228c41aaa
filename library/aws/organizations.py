"""The accounts of the AWS Organization."""

from __future__ import annotations

from typing import TYPE_CHECKING

from library.aws.answers import not_understood
from library.aws.calls import AWS_ERRORS, error_of, sentence_of, unusable
from library.aws_clients import pages
from library.errors import AwsCallFailed
from library.messages import Message

if TYPE_CHECKING:
    from mypy_boto3_organizations import OrganizationsClient
    from mypy_boto3_organizations.type_defs import AccountTypeDef

CONFIGURED_OTHERWISE = "set aws.accounts_from_organization to false and list the accounts"


def active_accounts(client: OrganizationsClient, instead: str = CONFIGURED_OTHERWISE) -> dict[str, str]:
    """Names of the organization's ACTIVE accounts by account id, all of them.

    Raises AccessDenied or AwsCallFailed; `instead` is what it tells the operator to do if the listing cannot be
    allowed.
    """
    try:
        listing = client.get_paginator("list_accounts").paginate()
        accounts = [account for page in pages(listing) for account in page["Accounts"]]
        if not accounts:
            raise not_understood("it names no account")
    except AWS_ERRORS as error:
        for_all = unusable("organizations:ListAccounts", error)
        if for_all is not None:
            raise for_all from error
        said = sentence_of(error).removesuffix(".")
        raise error_of(
            "organizations:ListAccounts",
            error,
            f"The organization's accounts cannot be listed (organizations:ListAccounts): {said}. "
            f"Allow it to this role, or {instead}.",
            id=Message.ORGANIZATION_NOT_LISTED,
        ) from error
    return {account["Id"]: account.get("Name", "") for account in accounts if _state(account) == "ACTIVE"}


def _state(account: AccountTypeDef) -> str:
    # AWS has announced the end of `Status` for 2026-09-09; `State` has come in its place.
    state = account.get("State") or account.get("Status")
    if not state:
        raise AwsCallFailed(
            f"The organization's account {account['Id']} has neither State nor Status "
            "(organizations:ListAccounts), so it is not known whether it is active",
            id=Message.ORGANIZATION_NOT_LISTED,
        )
    return state
