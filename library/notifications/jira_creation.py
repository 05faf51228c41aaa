"""How a ticket is raised with all that JIRA takes of it; what a project refuses is not tried again in a run."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Protocol

from library.notifications.jira_errors import Refused
from library.notifications.jira_people import Assignees
from library.notifications.jira_rules import is_about_project, optional_to_leave_out

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from library.notifications.jira_calls import JiraCalls
    from library.notifications.jira_rules import TicketRules
    from library.notifications.jira_words import NewTicket

Causes = dict[str, str]
"""Why JIRA refuses what it refuses, by `priority`, `assignee`, or `assignee alice` where it refuses a person only."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """What we know of a ticket: its key (`AWSSEC-12`), and a user name (Server) or an account id (Cloud)."""

    key: str
    assignee: str | None


class Journal(Protocol):
    """Is told what becomes of a new ticket, at once, and records it."""

    def asking(self) -> None:
        """JIRA is about to be asked for it."""

    def made(self, ticket: Ticket) -> None:
        """JIRA has given it."""


class Creation:
    """Raises tickets of one JIRA; several threads may share it.

    `missing` is told the key of a ticket and what it is without, as in `The ticket …`.
    """

    def __init__(self, calls: JiraCalls, missing: Callable[[str, str], None]) -> None:
        self._calls, self._missing = calls, missing
        self._assignees = Assignees(calls)
        # By project, why JIRA takes no ticket as we raise them there.
        self._closed_to_us: dict[str, Refused] = {}
        # By project, what JIRA took tickets without, and not with.
        self._refused: dict[str, Causes] = {}

    def create(
        self, new: NewTicket, rules: TicketRules, journal: Journal | None, find: Callable[[], Ticket | None]
    ) -> Ticket:
        """The new ticket, without the priority or assignee that JIRA refuses.

        It is what `find` finds instead, where a rate limit has held it up. Raises TicketError.
        """
        if new.project in self._closed_to_us:
            raise self._closed_to_us[new.project]
        refused, lacks = dict(self._refused.get(new.project, {})), Causes()
        people = self._people(new, refused, lacks)
        person = next(people, None)
        if journal is not None:
            journal.asking()
        while True:
            optional = self._optional(rules, person, refused, lacks)
            try:
                ticket = self._created(new.project, {**_required(new, rules), **optional}, person, find)
                break
            except Refused as error:
                parts = optional_to_leave_out(optional, error, person)
                if not parts:
                    if is_about_project(error):
                        self._closed_to_us[new.project] = error
                    raise
                for part in parts:
                    name = _of_person(person, refused, error) if part == "assignee" else part
                    refused[name] = lacks[name] = str(error)
                person = next(people, None) if "assignee" in parts else person
        self._refused.setdefault(new.project, {}).update(refused)
        self._say(ticket.key, lacks)
        return ticket

    def _people(self, new: NewTicket, refused: Causes, lacks: Causes) -> Iterator[str]:
        """Whom JIRA may assign the ticket to, but for those whom it refuses."""
        found: Iterator[str] = filter(None, new.assignees)
        if "assignee" not in refused:
            found = self._assignees.in_order(new.project, new.assignees)
        for person in found:
            name = next((name for name in ("assignee", f"assignee {person}") if name in refused), None)
            if name is None:
                yield person
            else:
                lacks[name] = refused[name]
            if "assignee" in refused:
                return

    def _optional(self, rules: TicketRules, person: str | None, refused: Causes, lacks: Causes) -> dict[str, Any]:
        optional: dict[str, Any] = {}
        if rules.priority and "priority" not in rules.fields_:
            if "priority" in refused:
                lacks["priority"] = refused["priority"]
            else:
                optional["priority"] = {"name": rules.priority}
        if person is not None:
            optional["assignee"] = {"accountId" if self._calls.is_cloud else "name": person}
        return optional

    def _created(
        self, project: str, fields: dict[str, Any], person: str | None, find: Callable[[], Ticket | None]
    ) -> Ticket:
        return self._calls.change(
            f"raise a ticket in {project}",
            lambda client: Ticket(str(client.create_issue(fields=fields, prefetch=False).key), person),
            look_first=find,
        )

    def _say(self, ticket: str, lacks: Causes) -> None:
        for cause in dict.fromkeys(lacks.values()):
            parts = sorted({name.partition(" ")[0] for name in lacks if lacks[name] == cause})
            self._missing(ticket, f"is not raised with this {' and '.join(parts)}: {cause}")


def _required(new: NewTicket, rules: TicketRules) -> dict[str, Any]:
    return {
        "issuetype": {"name": rules.issue_type},
        **rules.fields_,
        "project": {"key": new.project},
        "summary": new.summary,
        "description": new.description,
        "labels": list(new.labels),
    }


def _of_person(person: str | None, refused: Causes, error: Refused) -> str:
    """Whether JIRA refuses this person, or any: it says so by the status, or says the same of two people."""
    name, cause = f"assignee {person}", str(error)
    same = any(said == cause and other.startswith("assignee ") and other != name for other, said in refused.items())
    return "assignee" if same or (error.status == HTTPStatus.FORBIDDEN and not error.fields) else name
