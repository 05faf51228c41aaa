"""Access keys of IAM users: list those of a user, look at one, switch one off or on; and the users' tags.

Every function raises AccessDenied or AwsCallFailed if a call fails: a look that failed is not a key that is gone.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, Literal

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
"""What GetAccessKeyLastUsed may answer for a key that is gone: IAM's documentation does not say."""

_NO_SUCH_ENTITY = "NoSuchEntity"


@dataclass(frozen=True, slots=True)
class User:
    """An IAM user as ListUsers has it; `created` is in UTC."""

    name: str
    id: str
    created: datetime


def pages_of_users(iam: IamClients) -> Iterator[list[User]]:
    """Every user of the account, a page of at most 1,000 at a time."""
    for page in iam.pages("ListUsers"):
        yield [User(user["UserName"], user["UserId"], user["CreateDate"]) for user in page["Users"]]


def list_users(iam: IamClients) -> list[User]:
    """Every user of the account."""
    return list(chain.from_iterable(pages_of_users(iam)))


def keys_of_user(iam: IamClients, user_name: str, user_id: str) -> list[AccessKey] | None:
    """The keys of a user, without their last use; None if there is no user of this name."""
    try:
        return [
            AccessKey(key["AccessKeyId"], user_name, user_id, key["Status"], key["CreateDate"])
            for page in iam.pages("ListAccessKeys", UserName=user_name)
            for key in page["AccessKeyMetadata"]
        ]
    except AwsCallFailed as error:
        if error.code == _NO_SUCH_ENTITY:
            return None
        raise


def with_last_use(iam: IamClients, key: AccessKey) -> AccessKey | None:
    """The key with its last use, which is asked for if it is Active; None if it was deleted since it was listed."""
    if key.status != ACTIVE:
        return key
    try:
        answer = iam.call("GetAccessKeyLastUsed", AccessKeyId=key.key_id)
    except AwsCallFailed as error:
        # Such an answer is no proof that the key is gone; the listing is.
        if error.code in MAY_BE_GONE and _listed(iam, key) is None:
            return None
        raise
    use = answer["AccessKeyLastUsed"]
    return replace(
        key,
        last_used=use.get("LastUsedDate"),
        last_used_service=_unless_not_available(use.get("ServiceName")),
        last_used_region=_unless_not_available(use.get("Region")),
    )


def _unless_not_available(value: str | None) -> str | None:
    return None if value == "N/A" else value


def _listed(iam: IamClients, key: AccessKey) -> AccessKey | None:
    """The key as IAM lists it among the keys of its user."""
    keys = keys_of_user(iam, key.user_name, key.user_id) or []
    return next((listed for listed in keys if listed.key_id == key.key_id), None)


def find_access_key(
    iam: IamClients, key_id: str, user_name: str, *, denied_is_gone: bool = False
) -> AccessKey | None:
    """The key as it is at this moment, under its owner's present name; None if it does not exist.

    `user_name` is the last known name of its owner. With `denied_is_gone`, a key that this user does not list and
    that IAM denies us is gone, too. Takes two calls, four if the owner was renamed.
    """
    # A key never changes hands, so its owner's present name is all that may have to be followed.
    key = _key_of(iam, key_id, user_name)
    if key is not None:
        return key
    try:
        present_name = iam.call("GetAccessKeyLastUsed", AccessKeyId=key_id)["UserName"]
    except AwsCallFailed as error:
        if error.code == _NO_SUCH_ENTITY or (denied_is_gone and error.code in MAY_BE_GONE):
            return None
        raise
    return _key_of(iam, key_id, present_name)


def _key_of(iam: IamClients, key_id: str, user_name: str) -> AccessKey | None:
    for key in keys_of_user(iam, user_name, "") or []:
        if key.key_id == key_id:
            return with_last_use(iam, key)
    return None


def set_status(iam: IamClients, key: AccessKey, status: Literal["Active", "Inactive"]) -> None:
    """Switch a key on or off, and read back that it is so.

    Raises AwsCallFailed also if IAM took the call and shows no effect of it.
    """
    iam.call("UpdateAccessKey", UserName=key.user_name, AccessKeyId=key.key_id, Status=status)
    seen = _status_of(iam, key)
    for pause in READ_BACK_PAUSES:
        if seen != status:
            time.sleep(pause)
            seen = _status_of(iam, key)
    if seen != status:
        raise AwsCallFailed(f"key {key.key_id} was set to {status}, but IAM lists it as {seen or 'missing'}")


def _status_of(iam: IamClients, key: AccessKey) -> str | None:
    listed = _listed(iam, key)
    return listed.status if listed else None


def user_tags(iam: IamClients, user_name: str) -> dict[str, str] | None:
    """The tags of a user; None if there is no user of this name any more."""
    try:
        pages = iam.pages("ListUserTags", UserName=user_name)
        return {tag["Key"]: tag["Value"] for page in pages for tag in page["Tags"]}
    except AwsCallFailed as error:
        if error.code == _NO_SUCH_ENTITY:
            return None
        raise


def tags_of_users(iam: IamClients, user_names: Sequence[str]) -> dict[str, dict[str, str] | None]:
    """The tags of several users, by name, fetched side by side."""
    with ThreadPoolExecutor(WORKERS) as pool:
        return dict(zip(user_names, pool.map(lambda name: user_tags(iam, name), user_names), strict=True))
