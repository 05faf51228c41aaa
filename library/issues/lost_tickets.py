"""The ticket of an issue from when it is asked for until JIRA shows it, and when a lost one is asked for again."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from enum import Enum
from typing import TYPE_CHECKING

from library.issues.decisions import Skip, Step

if TYPE_CHECKING:
    from datetime import datetime

    from library.issues.record import Issue

LOOKED_FOR = timedelta(minutes=15)
"""JIRA's search may be this much behind: a ticket that may have been made is looked for, and not asked for again.

So much may, too, its clock differ from ours, and a call that we have given up still be on its way.
"""


class Fate(Enum):
    """What became of a ticket that was asked for, whose answer was lost, and that JIRA's search does not show."""

    LOOKED_FOR = "it may be shown any moment"
    UNKNOWN = "it was not made, or this user may not see it, or the search lags for longer than it ever should"
    NOT_MADE = "it would be shown if it were there"


def fate(asked: datetime, newest_shown: datetime | None, now: datetime) -> Fate:
    """What became at `now` of the ticket that was asked for at `asked`.

    `newest_shown` is when JIRA made the newest ticket that its search shows of those that we have raised in the same
    project, None if it shows none. It has to be looked up before the lost ticket is searched for: the search may
    catch up in between.

    That a search finds nothing proves nothing, as it does not tell what is not there from what it hides (by a
    security level, or without Browse Projects) and from what it has not indexed yet. Proof is a ticket of the same
    maker in the same project that was made later, and is shown: the lost one came before it into the index, and has
    the security level that the project gives to new tickets. That misleads only where somebody has changed this level
    between the two, and not that of the tickets that were there.

    No cheaper proof was found. A ticket of ours from before `asked` shows neither that the index has caught up nor
    what level new tickets have by now. The metadata of a creation name the field `security` only to those who may
    set it, and `project/…/securitylevel` only the levels that this user is in, while JIRA gives the project's default
    level to all. So the first ticket of a project that is lost is owed until another one is made there, or a person
    has looked.
    """
    if now - asked < LOOKED_FOR:
        return Fate.LOOKED_FOR
    if newest_shown is not None and newest_shown - asked >= LOOKED_FOR:
        return Fate.NOT_MADE
    return Fate.UNKNOWN


def asked_for(issue: Issue, project: str, now: datetime) -> Step:
    """JIRA is about to be asked for a ticket in this project, which may be there from now on."""
    return Step(replace(issue, jira=replace(issue.jira, asked=now, asked_in=project)), "", "", now)


def not_made(issue: Issue, now: datetime) -> Step:
    """JIRA has refused the ticket that it was asked for."""
    return Step(replace(issue, jira=replace(issue.jira, asked=None, asked_in=None)), "", "", now)


def made(issue: Issue, ticket: str, assignee: str | None, seen: datetime | None, now: datetime) -> Step:
    """JIRA has given the issue this ticket, on which nothing more was said yet; `seen` if it has shown it, too."""
    jira = replace(issue.jira, ticket=ticket, ticket_assignee_id=assignee, asked=None, asked_in=None, seen=seen)
    return Step(replace(issue, jira=jira), "", "", now)


def not_there(issue: Issue, now: datetime) -> Step | Skip:
    """A person has looked, and JIRA has no ticket of this issue: what it never showed us is forgotten.

    Not before a person's search would find it, either.
    """
    jira, forgotten = issue.jira, []
    if jira.asked is not None and now - jira.asked < LOOKED_FOR:
        return Skip(f"JIRA's search may not show its ticket before {jira.asked + LOOKED_FOR:%H:%M} UTC: look then")
    if jira.asked is not None:
        forgotten.append("the ticket that was asked for")
        jira = replace(jira, asked=None, asked_in=None)
    if jira.ticket is not None and jira.seen is None:
        forgotten.append(f"the ticket {jira.ticket}")
        jira = replace(jira, ticket=None, ticket_assignee_id=None)
    if not forgotten:
        return Skip("it has no ticket that JIRA has not shown")
    return Step(
        replace(issue, jira=jira),
        f"{' and '.join(forgotten)} forgotten",
        "an operator says that JIRA has none",
        now,
    )
