"""Asking an operator about the keys of one run: how many there are is said before, and each has its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from library import messages
from library.cli.logs import logger, summed_up_on_a_terminal
from library.cli.prompt import Answer, Prompt
from library.messages import Message
from remediation import question
from remediation.switching import Proceed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from library.issues.record import Issue
    from library.issues.reporting import TellRemediated
    from remediation.switching import Ready, Way


class Asking:
    """The questions of one run; `names` are those of the accounts by id."""

    def __init__(self, way: Way, names: Mapping[str, str]) -> None:
        self._way = way
        self._names = names
        self._prompt = Prompt(way.question)
        self._places: dict[str, int] = {}
        self._nobody_at_first = False

    def begin(
        self, issues: Sequence[Issue], judged: Callable[[Issue], Proceed | TellRemediated | None]
    ) -> list[Issue]:
        """The issues that are not ruled out by themselves; says once how many they are, and what --batch would do.

        `judged` gives None for one that is ruled out, and says why.
        """
        left = []
        with summed_up_on_a_terminal() as hidden:
            for issue in issues:
                verdict = judged(issue)
                if verdict is not None:
                    left.append(issue)
                if isinstance(verdict, Proceed):
                    self._places[issue.issue_id] = len(self._places) + 1
        if hidden and (skipped := len(issues) - len(left)):
            logger.info("Not to be switched %s: %d (-v and --dry-run say why)", self._way.name, skipped)
        if self._places:
            self._say_what_batch_would_do()
        return left

    def _say_what_batch_would_do(self) -> None:
        keys = len(self._places)
        batch = f"--batch would switch {self._way.name} what may be, without asking"
        if self._prompt.nobody_there:
            self._nobody_at_first = True
            text = f"There is no terminal to ask at, so every answer is no; {batch} (at most {keys})"
            messages.warning(logger, Message.NOBODY_TO_ASK, text)
        else:
            logger.info("To be looked at and asked about: %d; %s", keys, batch)

    def ask(self, issue: Issue, ready: Ready, now: datetime) -> Answer:
        """Show the key of an issue, and ask."""
        place = self._places.setdefault(issue.issue_id, len(self._places) + 1)
        facts = question.facts(issue, self._names.get(issue.account_id, ""), ready, self._way.since, now)
        return self._prompt.ask(issue.account_id, facts, f"{place} of {len(self._places)}")

    def end(self) -> None:
        """Say that nobody was there any more, if that is so."""
        if self._prompt.nobody_there and self._places and not self._nobody_at_first:
            messages.warning(logger, Message.NOBODY_TO_ASK, "The input has ended, so every answer after that was no")
