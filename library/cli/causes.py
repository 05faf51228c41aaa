"""What failed in a run, or is missing after it, by cause: one line for each, however many issues it has met."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from library import messages
from library.cli.logs import logger
from library.messages import Message

if TYPE_CHECKING:
    from library.issues.deliveries import Failure

# Of these the text differs only by what was not even tried.
_ONE_CAUSE = (Message.JIRA_GIVEN_UP,)


class Causes:
    """Collects failures and what is missing, and says each cause once; several threads may add to it."""

    def __init__(self) -> None:
        self._failures: dict[tuple[str, str], list[tuple[str, Failure]]] = {}
        self._missing: dict[str, dict[str, str]] = {}

    def add(self, where: str, failure: Failure) -> None:
        """A failure of the issue that `where` names."""
        text = "" if failure.id in _ONE_CAUSE else _without_numbers(failure.cause)
        self._failures.setdefault((failure.id, f"{failure.channel} {text}"), []).append((where, failure))

    def missing(self, ticket: str, said: str) -> None:
        """What a ticket is without, as in `The ticket …`, and why."""
        self._missing.setdefault(_without_numbers(said), {}).setdefault(ticket, said)

    def say(self) -> None:
        """One line for each cause, with what it met first and how many more: at ERROR, or for tickets at WARNING."""
        for tickets in self._missing.values():
            (ticket, said), *rest = tickets.items()
            more = f" (and {len(rest)} more)" if rest else ""
            messages.warning(logger, Message.TICKET_WITHOUT_A_PART, f"The ticket {ticket}{more} {said}")
        for met in self._failures.values():
            (where, first), *others = met
            failure = first.with_more(other for _, other in others)
            more = f" and {len(others)} more" if others else ""
            messages.error(logger, failure.id, f"{where}{more}: {failure.channel}: {failure.said}")


def _without_numbers(text: str) -> str:
    """Those of tickets and accounts make no other cause, nor do the ids of access keys."""
    return re.sub(r"\b[A-Z0-9]{16,128}\b|\d+", "#", text)
