"""What a scan is to look at and what it has seen: the access keys of one account."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from library.issues.access_keys import ACTIVE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from library.issues.access_keys import AccessKey


@dataclass(frozen=True, slots=True)
class WatchedKey:
    """A key that is looked at whatever the credential report says; its user as an earlier scan knew them."""

    key_id: str
    user_name: str
    user_id: str


@dataclass(frozen=True, slots=True)
class RuledOut:
    """A user, or one key of a user, that need not be looked at because of the credential report.

    `key_id` None means every key of the user.
    """

    user_name: str
    key_id: str | None = None


@dataclass(frozen=True, slots=True)
class RootKeys:
    """How many access keys of an account's root user are on.

    If that is not `exact`, there is at least one, on or off: IAM's summary of an account says no more.
    """

    count: int
    exact: bool = True


@dataclass(frozen=True, slots=True)
class Listing:
    """Access keys of an account.

    `users` counts all users. Every key of theirs is in `keys` or covered by `ruled_out`. `report_problem` says why
    the credential report could not be used; it is empty if it was used, or was not needed. `root_keys` is None if
    nobody knows. `active_keys` are all that are on, also those ruled out; None if the report does not say how many.
    """

    users: int
    keys: tuple[AccessKey, ...]
    ruled_out: tuple[RuledOut, ...] = ()
    report_problem: str = ""
    root_keys: RootKeys | None = None
    active_keys: int | None = None


def active(keys: Iterable[AccessKey]) -> int:
    """How many of the keys are on."""
    return sum(key.status == ACTIVE for key in keys)
