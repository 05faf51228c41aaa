"""What the scanned accounts are filled with, and what they hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NotRequired, TypedDict


class KeySeed(TypedDict):
    """An access key to be made. Ages are days before the population's `now`, fractions allowed.

    Without `id` the key gets one that depends on account, user and position only. Without `last_used_days_ago`, or
    with None, it was never used.
    """

    created_days_ago: float
    last_used_days_ago: NotRequired[float | None]
    id: NotRequired[str]
    service: NotRequired[str]
    region: NotRequired[str]
    status: NotRequired[str]


class UserSeed(TypedDict):
    """A user to be made; without `created_days_ago` as old as the oldest key, without `path` under `/`."""

    keys: list[KeySeed]
    path: NotRequired[str]
    tags: NotRequired[dict[str, str]]
    created_days_ago: NotRequired[float]


Population = Mapping[str, Mapping[str, UserSeed]]
"""Users by account id and user name."""


class KeyState(TypedDict):
    """A key as it is now; times in ISO 8601 (UTC), `last_used` None for a key that was never used."""

    id: str
    status: str
    created: str
    last_used: str | None
    service: str | None
    region: str | None


class UserState(TypedDict):
    """A user as it is now."""

    user_id: str
    created: str
    tags: dict[str, str]
    keys: list[KeyState]


State = dict[str, dict[str, UserState]]
"""Users by account id and user name, accounts without users left out."""
