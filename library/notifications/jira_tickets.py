"""What is asked of JIRA, Server or Cloud: tickets, their comments and their closing."""

from __future__ import annotations

import logging
import threading
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from library import messages
from library.errors import TicketError
from library.messages import Message
from library.notifications.jira_client import PAGES, Endless
from library.notifications.jira_closing import Closing, TicketArchived, is_done
from library.notifications.jira_creation import Creation, Ticket
from library.notifications.jira_errors import NotShown, Refused
from library.notifications.jira_people import identity
from library.notifications.jira_rules import TicketRules
from library.notifications.jira_search import TicketSearch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from library.notifications.jira_calls import JiraCalls
    from library.notifications.jira_creation import Journal
    from library.notifications.jira_words import NewTicket

log = logging.getLogger(__name__)

_COMMENTS_PER_PAGE = 100


@dataclass(frozen=True, slots=True)
class Looked:
    """What JIRA shows of a ticket; it is ours if we have created it, or if it has the label of the issue."""

    is_open: bool
    is_ours: bool


def warn_of_missing(ticket: str, said: str) -> None:
    """One line at WARNING for what a ticket is without."""
    messages.warning(log, Message.TICKET_WITHOUT_A_PART, f"The ticket {ticket} {said}")


class JiraTickets:
    """Tickets of one JIRA; several threads may share them.

    `projects` has, by the project's key, what holds there instead of the `rules` of the same name. `missing` is told
    the key of a ticket, and what it is without, as in `The ticket …`. Every method raises TicketError for a call that
    failed.
    """

    def __init__(
        self,
        calls: JiraCalls,
        rules: TicketRules | None = None,
        projects: Mapping[str, Mapping[str, Any]] | None = None,
        missing: Callable[[str, str], None] = warn_of_missing,
    ) -> None:
        self._calls = calls
        self._creation = Creation(calls, missing)
        self.missing = missing
        self._rules = rules or TicketRules()
        self._projects = projects or {}
        self._browsable: dict[str, bool | None] = {}
        self._newest: dict[str, datetime | None] = {}
        self._search = TicketSearch(calls)
        self._lock = threading.Lock()
        self._closing = Closing(calls)

    @property
    def browse_url(self) -> str:
        """Where people open JIRA, which is asked for it if it has to be; empty if nobody knows."""
        return self._calls.browse_url

    def _rules_of(self, project: str) -> TicketRules:
        return replace(self._rules, **self._projects.get(project, {}))

    def log_in(self) -> str:
        """Who the credentials belong to, as JIRA shows the name; raises TicketError if JIRA does not take them."""
        return str(self._calls.read("say who is logged in", lambda client: client.myself()["displayName"]))

    def find_open(self, label: str) -> Ticket | None:
        """The oldest ticket of our own making that has this label and is not done."""
        return self._search.open_ticket(label)

    def newest_shown(self, project: str, label: str) -> datetime | None:
        """When JIRA made the newest ticket of our own making that its search shows in this project, looked up once.

        `label` is one that all our tickets have. None if it shows none.
        """
        with self._lock:
            if project not in self._newest:
                self._newest[project] = self._search.newest(project, label)
            return self._newest[project]

    def raise_ticket(self, new: NewTicket, journal: Journal | None = None) -> Ticket:
        """Create a ticket, without looking whether there is one: that is `find_open`.

        An assignee, a priority or a link that JIRA does not take costs a warning, not the ticket. Raises Unanswered
        if it is not known whether there is a ticket now.
        """
        if self._browse(new.project) is False:
            raise TicketError(
                f"JIRA does not let this user browse the project {new.project}, so no ticket is raised there, which "
                "would not be found again: give it the permission Browse Projects",
                id=Message.NOT_BROWSABLE,
            )
        ticket = self._creation.create(
            new, self._rules_of(new.project), journal, lambda: self.find_open(new.labels[-1])
        )
        if journal is not None:
            journal.made(ticket)
        if new.parent_ticket:
            self.link(ticket.key, new.parent_ticket)
        return ticket

    def may_browse(self, project: str) -> bool:
        """Whether JIRA says that this user may see the tickets of a project, unless one hides itself."""
        return self._browse(project) is True

    def _browse(self, project: str) -> bool | None:
        """As `may_browse`; None where JIRA does not say."""
        with self._lock:
            if project not in self._browsable:
                self._browsable[project] = self._asked_whether_browsable(project)
            return self._browsable[project]

    def _asked_whether_browsable(self, project: str) -> bool | None:
        try:
            shown = self._calls.read(
                f"show the permissions in {project}",
                lambda client: client.my_permissions(projectKey=project, permissions="BROWSE_PROJECTS"),
            )
        except Refused as error:
            if error.status == HTTPStatus.UNAUTHORIZED:
                raise
            return None
        said = shown["permissions"].get("BROWSE_PROJECTS")
        return None if said is None else bool(said["havePermission"])

    def link(self, ticket: str, parent: str) -> None:
        """Link the ticket to its parent, which changes nothing if it is; a failure costs a warning."""
        kind = self._rules_of(_project_of(ticket)).link_type
        try:
            self._calls.change(f"link {ticket} to {parent}", lambda client: client.link(kind, ticket, parent))
        except TicketError as error:
            self.missing(ticket, f"stays without a link: {error}")

    def look(self, ticket: str, label: str = "") -> Looked:
        """What JIRA shows of a ticket of the issue with this label; raises NotShown if it shows none."""
        shown = self._issue(ticket)
        creator = identity(shown["fields"].get("creator"))
        is_ours = creator == identity(self._calls.me) or label in _labels_of(shown)
        return Looked(is_open=not is_done(shown), is_ours=is_ours)

    def comment(self, ticket: str, text: str, reference: str) -> None:
        """Write a comment, unless there is one that has `reference` in it, as `text` must; raises NotShown."""
        with _shown(ticket):
            if not self._has_comment(ticket, reference):
                self._calls.change(f"comment on {ticket}", lambda client: client.add_comment(ticket, text))

    def close(self, ticket: str, label: str = "") -> None:
        """Add the label, if one is given, and close the ticket; one that is done is left as it is.

        Raises TicketError if its status is not done afterwards; TicketArchived if it is archived and refuses that.
        """
        issue = self._issue(ticket)
        if is_done(issue):
            return
        # Before the transition, so that a run that dies in between has both still to do.
        if label and label not in _labels_of(issue):
            self._add_label(ticket, label)
        with _shown(ticket):
            self._close(ticket, issue)

    def _close(self, ticket: str, issue: Mapping[str, Any]) -> None:
        try:
            rules = self._rules_of(_project_of(ticket))
            self._closing.close(ticket, rules.close_transitions, rules.close_fields)
        except TicketError as error:
            if error.id is Message.NO_CLOSING_TRANSITION and self._is_archived(issue):
                raise TicketArchived(f"the ticket {ticket} is archived and stays as it is: {error}") from None
            raise

    def _is_archived(self, issue: Mapping[str, Any]) -> bool:
        if issue["fields"].get("archiveddate"):
            return True
        project = str(issue["key"]).rpartition("-")[0]
        shown = self._calls.read(f"show the project {project}", lambda client: client.asked(f"project/{project}"))
        return bool(shown.get("archived"))

    def _issue(self, ticket: str) -> dict[str, Any]:
        with _shown(ticket):
            return self._closing.shown(ticket)

    def _has_comment(self, ticket: str, reference: str) -> bool:
        seen: set[str] = set()
        for _ in range(PAGES):
            page = self._calls.read(
                f"show the comments of {ticket}",
                lambda client: client.comments(ticket, start_at=len(seen), max_results=_COMMENTS_PER_PAGE),
            )
            # JIRA may return fewer than asked for, or, when it is old, all of them each time.
            fresh = [comment.raw for comment in page if comment.raw["id"] not in seen]
            if any(reference in comment["body"] for comment in fresh):
                return True
            if not fresh:
                return False
            seen.update(comment["id"] for comment in fresh)
        raise TicketError(f"JIRA did not show the comments of {ticket}: {Endless()}", id=Message.NOT_JIRA)

    def _add_label(self, ticket: str, label: str) -> None:
        try:
            self._calls.change(f"label {ticket} {label}", lambda client: client.label(ticket, label))
        except Refused as error:
            self.missing(ticket, f"stays without the label {label}: {error}")


@contextmanager
def _shown(ticket: str) -> Iterator[None]:
    try:
        yield
    except Refused as error:
        if error.status != HTTPStatus.NOT_FOUND:
            raise
        project = _project_of(ticket)
        raise NotShown(
            f"JIRA does not show the ticket {ticket}: either it was deleted, or this user may not see it, because of "
            f"the permission Browse Projects in {project} or of the ticket's security level"
        ) from None


def _labels_of(issue: Mapping[str, Any]) -> list[str]:
    return issue["fields"].get("labels") or []


def _project_of(ticket: str) -> str:
    return ticket.rpartition("-")[0]
