"""Access keys in IAM: list them all, look at one again, switch one off or on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from botocore.exceptions import ClientError

from library.access_keys import ACTIVE, AccessKey
from library.errors import AwsCallFailed

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient

WORKERS = 10
PAGE_SIZE = 1000
"""The largest page that IAM's listings give (IAM API reference, MaxItems)."""
RENAME_ROUNDS = 3
"""How often users that vanished during the scan are looked for under a new name before the scan gives up."""

_MAY_BE_GONE = ("NoSuchEntity", "AccessDenied")

User = tuple[str, str]
"""User name and user id."""


@dataclass(frozen=True, slots=True)
class Listing:
    """Every access key of an account, and the number of its users."""

    users: int
    keys: tuple[AccessKey, ...]


class CallCounter:
    """Counts the requests that a client sends, retries included."""

    def __init__(self, client: IAMClient) -> None:
        self._calls: list[None] = []
        client.meta.events.register("before-send.iam", self._count)

    def _count(self, **_: object) -> None:
        self._calls.append(None)

    @property
    def calls(self) -> int:
        """Requests sent so far."""
        return len(self._calls)


def list_access_keys(client: IAMClient) -> Listing:
    """Every key of every user, with its last use if it is Active; complete, or an error is raised.

    A user or key that was deleted meanwhile is left out; a user that was renamed meanwhile is followed by its id.
    Raises botocore's ClientError or BotoCoreError, and AwsCallFailed if users keep vanishing under the scan.
    """
    users = _list_users(client)
    count = len(users)
    keys: list[AccessKey] = []
    with ThreadPoolExecutor(WORKERS) as pool:
        for _ in range(RENAME_ROUNDS):
            vanished: set[str] = set()
            for user, found in zip(users, pool.map(lambda user: _keys_of(client, user), users), strict=True):
                if found is None:
                    vanished.add(user[1])
                else:
                    keys.extend(found)
            users = [user for user in _list_users(client) if user[1] in vanished] if vanished else []
            if not users:
                return Listing(count, tuple(keys))
    raise AwsCallFailed(f"users are being renamed faster than they can be listed: {sorted(vanished)}")


def _list_users(client: IAMClient) -> list[User]:
    pages = client.get_paginator("list_users").paginate(PaginationConfig={"PageSize": PAGE_SIZE})
    return [(user["UserName"], user["UserId"]) for page in pages for user in page["Users"]]


def _keys_of(client: IAMClient, user: User) -> list[AccessKey] | None:
    keys = _listed_keys(client, *user)
    return None if keys is None else [seen for key in keys for seen in _with_last_use(client, key)]


def _listed_keys(client: IAMClient, user_name: str, user_id: str) -> list[AccessKey] | None:
    pages = client.get_paginator("list_access_keys").paginate(
        UserName=user_name, PaginationConfig={"PageSize": PAGE_SIZE}
    )
    try:
        return [
            AccessKey(key["AccessKeyId"], user_name, user_id, key["Status"], key["CreateDate"])
            for page in pages
            for key in page["AccessKeyMetadata"]
        ]
    except client.exceptions.NoSuchEntityException:
        return None


def _with_last_use(client: IAMClient, key: AccessKey) -> Iterator[AccessKey]:
    if key.status != ACTIVE:
        yield key
        return
    try:
        use = client.get_access_key_last_used(AccessKeyId=key.key_id)["AccessKeyLastUsed"]
    except ClientError as error:
        # IAM does not document what it answers for a key that is gone, so the listing decides whether it is.
        listed = _listed_keys(client, key.user_name, key.user_id) or ()
        if error.response["Error"]["Code"] in _MAY_BE_GONE and all(k.key_id != key.key_id for k in listed):
            return
        raise
    yield replace(
        key,
        last_used=use.get("LastUsedDate"),
        last_used_service=_named(use.get("ServiceName")),
        last_used_region=_named(use.get("Region")),
    )


def _named(value: str | None) -> str | None:
    return None if value in (None, "N/A") else value


def find_access_key(client: IAMClient, key_id: str, user_name: str) -> AccessKey | None:
    """The key as it is at this moment, under its owner's present name; None if it does not exist.

    `user_name` is the last known name of its owner. Raises botocore's ClientError or BotoCoreError: a look that
    failed is not a key that is gone.
    """
    # A key never changes hands, so its owner's present name is all that may have to be followed.
    key = _key_of(client, key_id, user_name)
    if key is not None:
        return key
    try:
        present_name = client.get_access_key_last_used(AccessKeyId=key_id)["UserName"]
    except client.exceptions.NoSuchEntityException:
        return None
    return _key_of(client, key_id, present_name)


def _key_of(client: IAMClient, key_id: str, user_name: str) -> AccessKey | None:
    for key in _listed_keys(client, user_name, "") or ():
        if key.key_id == key_id:
            return next(_with_last_use(client, key), None)
    return None


def set_status(client: IAMClient, key: AccessKey, status: Literal["Active", "Inactive"]) -> None:
    """Switch a key on or off, and read back that it is so.

    Raises botocore's ClientError or BotoCoreError, and AwsCallFailed if IAM took the call without effect.
    """
    client.update_access_key(UserName=key.user_name, AccessKeyId=key.key_id, Status=status)
    listed = _listed_keys(client, key.user_name, key.user_id) or []
    seen = next((k.status for k in listed if k.key_id == key.key_id), None)
    if seen != status:
        raise AwsCallFailed(f"key {key.key_id} was set to {status}, but IAM lists it as {seen or 'missing'}")


def user_tags(client: IAMClient, user_name: str) -> dict[str, str] | None:
    """The tags of a user; None if the user does not exist any more."""
    try:
        pages = client.get_paginator("list_user_tags").paginate(UserName=user_name)
        return {tag["Key"]: tag["Value"] for page in pages for tag in page["Tags"]}
    except client.exceptions.NoSuchEntityException:
        return None


def tags_of_users(client: IAMClient, user_names: Sequence[str]) -> dict[str, dict[str, str] | None]:
    """The tags of several users, by name, fetched side by side."""
    with ThreadPoolExecutor(WORKERS) as pool:
        return dict(zip(user_names, pool.map(lambda name: user_tags(client, name), user_names), strict=True))
