"""The accounts of the AWS Organization."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from library.aws.calls import error_of, sentence_of
from library.messages import Message

if TYPE_CHECKING:
    from mypy_boto3_organizations import OrganizationsClient

CONFIGURED_OTHERWISE = "set aws.accounts_from_organization to false and list the accounts"


def active_accounts(client: OrganizationsClient, instead: str = CONFIGURED_OTHERWISE) -> dict[str, str]:
    """Names of the organization's ACTIVE accounts by account id, all of them.

    Raises AccessDenied or AwsCallFailed; `instead` is what it tells the operator to do if the listing cannot be
    allowed.
    """
    try:
        pages = client.get_paginator("list_accounts").paginate()
        return {a["Id"]: a["Name"] for page in pages for a in page["Accounts"] if a["Status"] == "ACTIVE"}
    except (ClientError, BotoCoreError) as error:
        said = sentence_of(error).removesuffix(".")
        raise error_of(
            "organizations:ListAccounts",
            error,
            f"The organization's accounts cannot be listed (organizations:ListAccounts): {said}. "
            f"Allow it to this role, or {instead}.",
            id=Message.ORGANIZATION_NOT_LISTED,
        ) from error
