"""Ends the run on an account in which switching fails again and again, so that not every key of it is tried."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from library import messages
from library.cli.logs import logger
from library.issues.decisions import Skip
from library.messages import Message

if TYPE_CHECKING:
    from collections.abc import Callable

    from library.errors import AwsCallFailed


class Brake:
    """Counts the failures in a row in each account; at `limit` of them its other keys are left, None means never.

    A failure that is `about_one_user` of an account, which is asked only then, says nothing of the others' keys: what
    nobody can switch off protects nobody else.
    """

    def __init__(self, limit: int | None, about_one_user: Callable[[str, AwsCallFailed], bool]) -> None:
        self._limit = limit
        self._about_one_user = about_one_user
        self._in_a_row: dict[str, list[AwsCallFailed]] = defaultdict(list)
        self._stopped: set[str] = set()

    def succeeded(self, account_id: str) -> None:
        """A key of the account was switched."""
        self._in_a_row[account_id].clear()

    def failed(self, account_id: str, error: AwsCallFailed) -> None:
        """A key of the account could not be looked at or switched; the last failure that counts is said."""
        errors = self._in_a_row[account_id]
        errors.append(error)
        if len(errors) != self._limit:
            return
        errors[:] = [each for each in errors if not self._about_one_user(account_id, each)]
        if len(errors) == self._limit:
            self._stopped.add(account_id)
            text = f"{self._limit} failures to switch off in a row; the run on this account ends here"
            messages.error(logger, Message.FAILURES_IN_A_ROW, f"account {account_id}: {text}")

    def against(self, account_id: str) -> Skip | None:
        """Why no other key of the account is tried; None if one may be."""
        if account_id not in self._stopped:
            return None
        return Skip(f"stopped for this account after {self._limit} failures in a row")
