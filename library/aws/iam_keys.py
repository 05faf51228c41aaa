"""Access keys of IAM users: list those of a user, look at one, switch one off or on; and the users' tags."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from botocore.exceptions import ClientError

from library.aws.iam_clients import WORKERS
from library.errors import AwsCallFailed
from library.issues.access_keys import ACTIVE, AccessKey

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from library.aws.iam_clients import IamClients

READ_BACK_PAUSES = (1.0, 2.0, 4.0)
"""Seconds before each further look at a key that was switched, as IAM is eventually consistent."""
MAY_BE_GONE = ("NoSuchEntity", "AccessDenied")
"""Codes of errors that IAM may answer for a key that is gone."""


@dataclass(frozen=True, slots=True)
class User:
    """An IAM user as ListUsers has it; `created` is in UTC."""

    name: str
    id: str
    created: datetime


def pages_of_users(iam: IamClients) -> Iterator[list[User]]:
    for page in iam.pages("ListUsers"):
        yield [User(user["UserName"], user["UserId"], user["CreateDate"]) for user in page["Users"]]


def listed_keys(iam: IamClients, user_name: str, user_id: str) -> list[AccessKey] | None:
    try:
        return [
            AccessKey(key["AccessKeyId"], user_name, user_id, key["Status"], key["CreateDate"])
            for page in iam.pages("ListAccessKeys", UserName=user_name)
            for key in page["AccessKeyMetadata"]
        ]
    except iam.of("ListAccessKeys").exceptions.NoSuchEntityException:
        return None


def with_last_use(iam: IamClients, key: AccessKey) -> Iterator[AccessKey]:
    if key.status != ACTIVE:
        yield key
        return
    try:
        answer = iam.of("GetAccessKeyLastUsed").get_access_key_last_used(AccessKeyId=key.key_id)
    except ClientError as error:
        # IAM does not document what it answers for a key that is gone, so the listing decides whether it is.
        listed = listed_keys(iam, key.user_name, key.user_id) or ()
        if error.response["Error"]["Code"] in MAY_BE_GONE and all(k.key_id != key.key_id for k in listed):
            return
        raise
    use = answer["AccessKeyLastUsed"]
    yield replace(
        key,
        last_used=use.get("LastUsedDate"),
        last_used_service=_named(use.get("ServiceName")),
        last_used_region=_named(use.get("Region")),
    )


def _named(value: str | None) -> str | None:
    return None if value in (None, "N/A") else value


def find_access_key(iam: IamClients, key_id: str, user_name: str) -> AccessKey | None:
    """The key as it is at this moment, under its owner's present name; None if it does not exist.

    `user_name` is the last known name of its owner. Raises botocore's ClientError or BotoCoreError: a look that
    failed is not a key that is gone.
    """
    # A key never changes hands, so its owner's present name is all that may have to be followed.
    key = _key_of(iam, key_id, user_name)
    if key is not None:
        return key
    client = iam.of("GetAccessKeyLastUsed")
    try:
        present_name = client.get_access_key_last_used(AccessKeyId=key_id)["UserName"]
    except client.exceptions.NoSuchEntityException:
        return None
    return _key_of(iam, key_id, present_name)


def _key_of(iam: IamClients, key_id: str, user_name: str) -> AccessKey | None:
    for key in listed_keys(iam, user_name, "") or ():
        if key.key_id == key_id:
            return next(with_last_use(iam, key), None)
    return None


def set_status(iam: IamClients, key: AccessKey, status: Literal["Active", "Inactive"]) -> None:
    """Switch a key on or off, and read back that it is so.

    Raises botocore's ClientError or BotoCoreError, and AwsCallFailed if IAM took the call and shows no effect of it.
    """
    iam.of("UpdateAccessKey").update_access_key(UserName=key.user_name, AccessKeyId=key.key_id, Status=status)
    seen = _status_of(iam, key)
    for pause in READ_BACK_PAUSES:
        if seen != status:
            time.sleep(pause)
            seen = _status_of(iam, key)
    if seen != status:
        raise AwsCallFailed(f"key {key.key_id} was set to {status}, but IAM lists it as {seen or 'missing'}")


def _status_of(iam: IamClients, key: AccessKey) -> str | None:
    listed = listed_keys(iam, key.user_name, key.user_id) or []
    return next((k.status for k in listed if k.key_id == key.key_id), None)


def user_tags(iam: IamClients, user_name: str) -> dict[str, str] | None:
    """The tags of a user; None if the user does not exist any more."""
    try:
        pages = iam.pages("ListUserTags", UserName=user_name)
        return {tag["Key"]: tag["Value"] for page in pages for tag in page["Tags"]}
    except iam.of("ListUserTags").exceptions.NoSuchEntityException:
        return None


def tags_of_users(iam: IamClients, user_names: Sequence[str]) -> dict[str, dict[str, str] | None]:
    """The tags of several users, by name, fetched side by side."""
    with ThreadPoolExecutor(WORKERS) as pool:
        return dict(zip(user_names, pool.map(lambda name: user_tags(iam, name), user_names), strict=True))
