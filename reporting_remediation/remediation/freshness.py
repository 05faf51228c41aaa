"""Which accounts are left alone, as no complete scan of the last 24 hours has confirmed their issues."""

from __future__ import annotations

from typing import TYPE_CHECKING

from library import messages
from library.cli.logs import logger
from library.issues.decisions import Skip
from library.messages import Message

if TYPE_CHECKING:
    from datetime import datetime

    from library.aws.state_table import StateTable
    from library.issues.account_state import AccountState


class Freshness:
    """What the state table says of the accounts of one run."""

    def __init__(self, table: StateTable) -> None:
        self._table = table
        self._states: dict[str, AccountState] = {}
        self._left_alone: dict[str, Skip] = {}

    def against(self, account_id: str, now: datetime) -> Skip | None:
        """Why no key of the account is switched off at `now` (UTC), which is logged once; None if one may be.

        Raises AwsCallFailed if the state cannot be read.
        """
        if account_id in self._left_alone:
            return self._left_alone[account_id]
        known = self._states.get(account_id)
        # A scan may have gone on while an operator was thinking.
        if known is None or known.doubt(now):
            known = self._states[account_id] = self._table.of_account(account_id, now)
        doubt = known.doubt(now)
        if not doubt:
            return None
        messages.warning(
            logger, Message.ACCOUNT_LEFT_ALONE, f"account {account_id}: no key is switched off, as it is {doubt}"
        )
        self._left_alone[account_id] = Skip(f"its account is {doubt}")
        return self._left_alone[account_id]
