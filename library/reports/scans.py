"""When the accounts of a report were scanned last, by their states: one that never was is not a clean one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from library.issues.account_state import AccountState
from library.reports.entries import Failure

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

NOT_SCANNED = "no complete scan for a day"
"""The failure of an account of which the report may lack keys."""
NOT_LOOKED_UP = "could not look"
NOT_WANTED = "not to be scanned (user_inactivekeys.accounts)"


@dataclass(frozen=True, slots=True)
class Scans:
    """What is known of the scans of accounts: `states` by account id; without one an account never was scanned.

    `wanted` are the ids of the accounts that are to be scanned. `problem` is why the states could not be read, empty
    if they could.
    """

    states: Mapping[str, AccountState]
    wanted: frozenset[str]
    problem: str = ""

    def began(self, account_id: str) -> datetime | None:
        """When the last complete scan of an account began (UTC); None if there was none, or it is not known."""
        return self._state(account_id).scanned

    def doubt(self, account_id: str, now: datetime) -> str:
        """Why the issues of an account may be out of date at `now` (UTC); empty if a complete scan confirms them."""
        if self.problem:
            return NOT_LOOKED_UP
        return self._state(account_id).doubt(now) if account_id in self.wanted else NOT_WANTED

    def unmatched(self, account_id: str) -> tuple[str, ...]:
        """The entries of the whitelist that mean no user and no key, by the last complete scan."""
        return self._state(account_id).unmatched

    def active_keys(self, account_id: str, now: datetime) -> int | None:
        """How many keys of the users are on, by the last complete scan; None if that is not known, or long ago."""
        seen = self._state(account_id).seen
        return None if seen is None or self.doubt(account_id, now) else seen.active_keys

    def root_keys(self, account_id: str, now: datetime) -> int | None:
        """How many access keys of the root user are on, by the last complete scan; None if that is not known.

        That there was none long ago does not say that there is none now.
        """
        seen = self._state(account_id).seen
        keys = None if seen is None else seen.root_keys
        return keys or (None if self.doubt(account_id, now) else keys)

    def failures(self, account_ids: Mapping[str, str], now: datetime) -> Iterator[Failure]:
        """One for each account that is to be scanned and has had no complete scan for a day."""
        for account_id in account_ids:
            if not self.problem and account_id in self.wanted and self.doubt(account_id, now):
                state = self._state(account_id)
                yield Failure(account_id, NOT_SCANNED, state.failure or "no scan has said why", state.scanned)

    def _state(self, account_id: str) -> AccountState:
        return self.states.get(account_id, AccountState())
