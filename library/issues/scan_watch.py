"""Which accounts are not scanned, and whether that is to be said now: at once of a new one, and then once a day."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from library.issues.account_state import AccountState

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime

TOLD_AGAIN = timedelta(hours=23, minutes=30)
"""An account that is not scanned is told of again after this: once a day, as no schedule is exact to the second."""


@dataclass(frozen=True, slots=True)
class Watch:
    """What the initiation keeps, times in UTC by account id.

    `asked` is when a scan of an account that never had a complete one was asked for first, `told` when it was said
    last that an account is not scanned.
    """

    asked: Mapping[str, datetime] = field(default_factory=dict)
    told: Mapping[str, datetime] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Unscanned:
    """An account without a complete scan for a day: `since` when (UTC), and why as far as that is known."""

    account_id: str
    since: datetime
    cause: str


@dataclass(frozen=True, slots=True)
class Overview:
    """The accounts that are not scanned, those of them `to_tell` of now, and what the next run has to know."""

    unscanned: tuple[Unscanned, ...]
    to_tell: tuple[Unscanned, ...]
    watch: Watch


def look_over(
    account_ids: Collection[str], states: Mapping[str, AccountState], watch: Watch, now: datetime
) -> Overview:
    """Look over the states of all accounts whose scans are asked for at `now` (UTC)."""
    never = [each for each in account_ids if each not in states or states[each].scanned is None]
    asked = {account_id: watch.asked.get(account_id, now) for account_id in never}
    unscanned = []
    for account_id in account_ids:
        state = states.get(account_id, AccountState())
        since = state.unscanned_since(now, asked.get(account_id))
        if since is not None:
            unscanned.append(Unscanned(account_id, since, state.failure or "no scan has said why"))
    to_tell = [each for each in unscanned if _is_due(watch.told.get(each.account_id), now)]
    names = {each.account_id for each in unscanned}
    told = {account_id: time for account_id, time in watch.told.items() if account_id in names}
    told |= {each.account_id: now for each in to_tell}
    return Overview(tuple(unscanned), tuple(to_tell), Watch(asked, told))


def _is_due(told: datetime | None, now: datetime) -> bool:
    return told is None or now - told >= TOLD_AGAIN
