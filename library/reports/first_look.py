"""What a first look at some accounts found: the idle keys, and what each threshold would catch."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from library.issues.access_keys import AccessKey, idle_days, is_idle
from library.reports.shares import at_least

if TYPE_CHECKING:
    from collections.abc import Sequence

    from library.issues.listing import RootKeys

THRESHOLDS = (30, 60, 90, 180, 365)
"""Days without use to choose from; a look counts how many keys each of them would catch."""


@dataclass(frozen=True, slots=True)
class AccountKeys:
    """The keys of one account as a scan saw them, whose criterion was `days_to_read` days; `users` counts all users.

    `name` is empty where it is not known, `active_keys` and `root_keys` are None. `active_keys` are all that are on,
    also those that the scan had not to look at.
    """

    id: str
    name: str
    users: int
    keys: tuple[AccessKey, ...]
    active_keys: int | None = None
    root_keys: RootKeys | None = None


@dataclass(frozen=True, slots=True)
class FailedAccount:
    """An account that could not be scanned; `error` names account, role and API call."""

    account: str
    account_name: str
    error: str


@dataclass(frozen=True, slots=True)
class IdleKey:
    """One idle key; the names are those of the JSON objects and the CSV columns.

    Times are aware and in UTC. `last_used`, its service and its region are None for a key that was never used.
    `account_name` is empty where it is not known.
    """

    account: str
    account_name: str
    user: str
    key: str
    created: datetime
    last_used: datetime | None
    last_used_service: str | None
    last_used_region: str | None
    idle_days: int


@dataclass(frozen=True, slots=True)
class ScannedAccount:
    """How many users an account has, and idle keys of `active_keys` that are on, None if that is not known.

    The access keys of its root user are in neither.
    """

    account: str
    account_name: str
    users: int
    idle_keys: int
    active_keys: int | None
    root_keys: RootKeys | None


@dataclass(frozen=True, slots=True)
class Threshold:
    """How many keys are idle for more than `days`."""

    days: int
    keys: int


@dataclass(frozen=True, slots=True)
class FirstLook:
    """The whole answer, as of `made_at` (UTC), about keys idle for more than `days`.

    `idle_keys` are longest idle first, `accounts` those with the most idle keys first. `thresholds` has THRESHOLDS
    and `days` itself, ascending; they count the keys of all `accounts`, of none of the `failed` ones.
    """

    made_at: datetime
    days: int
    idle_keys: tuple[IdleKey, ...]
    thresholds: tuple[Threshold, ...]
    accounts: tuple[ScannedAccount, ...]
    failed: tuple[FailedAccount, ...]


def days_to_read(days: int) -> int:
    """The criterion (days) to scan by, so that the counts of all thresholds are exact and not only that of `days`.

    A scan does not ask for the last use of a key that is younger than its criterion. No threshold is below 30 days,
    so scanning by 30 costs one more call for each key that is 30 to `days` days old, and none for younger ones.
    """
    return min(days, *THRESHOLDS)


def first_look(
    accounts: Sequence[AccountKeys], failed: Sequence[FailedAccount], days: int, now: datetime
) -> FirstLook:
    """Judge keys that were scanned by `days_to_read(days)`, as of `now` (UTC), by the rule of the functions."""
    keys = [(account, key) for account in accounts for key in account.keys]
    idle = [(account, key) for account, key in keys if is_idle(key, days, now)]
    idle.sort(key=_longest_idle_first)
    per_account = Counter(account.id for account, _ in idle)
    return FirstLook(
        made_at=now,
        days=days,
        idle_keys=tuple(_row(account, key, now) for account, key in idle),
        thresholds=tuple(
            Threshold(limit, sum(is_idle(key, limit, now) for _, key in keys))
            for limit in sorted({*THRESHOLDS, days})
        ),
        accounts=tuple(
            _account(account, per_account[account.id])
            for account in sorted(accounts, key=lambda account: (-per_account[account.id], account.id))
        ),
        failed=tuple(failed),
    )


def _account(account: AccountKeys, idle: int) -> ScannedAccount:
    active = at_least(idle, account.active_keys)
    return ScannedAccount(account.id, account.name, account.users, idle, active, account.root_keys)


def _longest_idle_first(found: tuple[AccountKeys, AccessKey]) -> tuple[datetime, str, str]:
    account, key = found
    return key.idle_since, account.id, key.key_id


def _row(account: AccountKeys, key: AccessKey, now: datetime) -> IdleKey:
    return IdleKey(
        account=account.id,
        account_name=account.name,
        user=key.user_name,
        key=key.key_id,
        created=key.create_date,
        last_used=key.last_used,
        last_used_service=key.last_used_service,
        last_used_region=key.last_used_region,
        idle_days=idle_days(key.idle_since, now),
    )


def as_object(look: FirstLook) -> dict[str, object]:
    """The look for JSON: the fields of FirstLook, times in ISO 8601."""
    return {name: _in_json(value) for name, value in asdict(look).items()}


def rows(look: FirstLook) -> list[dict[str, object]]:
    """The idle keys for CSV: the fields of IdleKey, times in ISO 8601."""
    return [{name: _in_json(value) for name, value in asdict(key).items()} for key in look.idle_keys]


def _in_json(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, tuple):
        return [_in_json(each) for each in value]
    return {name: _in_json(each) for name, each in value.items()} if isinstance(value, dict) else value
