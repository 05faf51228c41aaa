"""Ends the run on an account in which switching fails again and again, so that not every key of it is tried."""

from __future__ import annotations

from collections import Counter

from library import messages
from library.cli.logs import logger
from library.issues.decisions import Skip
from library.messages import Message


class Brake:
    """Counts the failures in a row in each account; at `limit` of them its other keys are left, None means never."""

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self._in_a_row: Counter[str] = Counter()

    def succeeded(self, account_id: str) -> None:
        """A key of the account was switched."""
        self._in_a_row[account_id] = 0

    def failed(self, account_id: str) -> None:
        """A key of the account could not be looked at or switched; the last failure that counts is said."""
        self._in_a_row[account_id] += 1
        if self._in_a_row[account_id] == self._limit:
            text = f"{self._limit} failures to switch off in a row; the run on this account ends here"
            messages.error(logger, Message.FAILURES_IN_A_ROW, f"account {account_id}: {text}")

    def against(self, account_id: str) -> Skip | None:
        """Why no other key of the account is tried; None if one may be."""
        if self._limit is None or self._in_a_row[account_id] < self._limit:
            return None
        return Skip(f"stopped for this account after {self._limit} failures in a row")
