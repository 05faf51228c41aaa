"""The operator's word that JIRA has no ticket of an issue, which nobody else can know where JIRA may hide one."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from library import messages
from library.cli.logs import log_decision, logger
from library.cli.one_by_one import by_itself
from library.issues import lost_tickets
from library.issues.decisions import Outcome, Skip
from library.messages import Message

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Collection, Iterator, Sequence
    from datetime import datetime

    from library.issues.decisions import Step
    from library.issues.record import Issue

    Change = Callable[[Issue, Callable[[Issue], Step | Skip]], Outcome]

RAISE_AGAIN = (
    "JIRA has no ticket with the label of this access key, as somebody who sees all tickets has found: forget the "
    "one that was asked for or never shown, and raise it if it is due. Repeatable."
)
"""What the option says of itself."""


def forget_tickets(
    issues: Sequence[Issue], keys: Sequence[str], change: Change, counts: Counter[str], now: datetime
) -> list[Issue]:
    """The issues, where those of `keys` know nothing more of a ticket that JIRA never showed us.

    What cannot be done is said and counted as `failed`.
    """
    for key in set(keys) - {issue.issue_id for issue in issues}:
        _refuse(key, "no issue that is reported on has this key", counts)
    return list(_forgotten(issues, keys, change, counts, now))


def _forgotten(
    issues: Sequence[Issue], keys: Collection[str], change: Change, counts: Counter[str], now: datetime
) -> Iterator[Issue]:
    for issue in issues:
        after: Issue | None = issue
        if issue.issue_id in keys:
            with by_itself(issue.name, counts):
                outcome = change(issue, partial(lost_tickets.not_there, now=now))
                after = outcome.after
                if outcome.refused is not None:
                    _refuse(issue.issue_id, outcome.refused.reason, counts)
                elif outcome.after is not None:
                    what = "its ticket is forgotten, as --raise-again says that JIRA has none"
                    log_decision(issue.account_id, issue.details.username, issue.issue_id, "forgotten", what)
        if after is not None:
            yield after


def only_thought_of(issue: Issue, decide: Callable[[Issue], Step | Skip]) -> Outcome:
    """The change without the table, for a dry run."""
    decision = decide(issue)
    if isinstance(decision, Skip):
        return Outcome(issue, issue, refused=decision)
    return Outcome(issue, decision.after)


def _refuse(key: str, why: str, counts: Counter[str]) -> None:
    counts["failed"] += 1
    messages.error(logger, Message.NOTHING_NAMED_SO, f"--raise-again {key}: {why}")
