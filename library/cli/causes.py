"""What failed in a run, by cause: one line for each, however many issues it has met."""

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
    """Collects failures, and says each cause once; several threads may add to it."""

    def __init__(self) -> None:
        self._failures: dict[tuple[str, str], list[tuple[str, Failure]]] = {}

    def add(self, where: str, failure: Failure) -> None:
        """A failure of the issue that `where` names."""
        # The numbers of tickets and accounts make no other cause.
        text = "" if failure.id in _ONE_CAUSE else re.sub(r"\d+", "#", failure.cause)
        self._failures.setdefault((failure.id, f"{failure.channel} {text}"), []).append((where, failure))

    def say(self) -> None:
        """One line at ERROR for each cause, with what it met first and how many more."""
        for met in self._failures.values():
            (where, first), *others = met
            failure = first.with_more(other for _, other in others)
            more = f" and {len(others)} more" if others else ""
            messages.error(logger, failure.id, f"{where}{more}: {failure.channel}: {failure.said}")
