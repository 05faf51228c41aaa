"""What is asked of JIRA, Server or Cloud: tickets, their comments and their closing."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from library import messages
from library.errors import TicketError
from library.messages import Message
from library.notifications.jira_errors import Refused, TicketGone
from library.notifications.jira_people import Assignees, identity

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from library.notifications.jira_calls import JiraCalls
    from library.notifications.jira_words import NewTicket

log = logging.getLogger(__name__)

_COMMENTS_PER_PAGE = 100
_LINK = "relates to"
_RESOLUTIONS = ("done", "fixed", "resolved")


@dataclass(frozen=True, slots=True)
class Ticket:
    """What we know of a ticket: its key (`AWSSEC-12`), and a user name (Server) or an account id (Cloud)."""

    key: str
    assignee: str | None


class JiraTickets:
    """Tickets of one JIRA; several threads may share them.

    An empty `priority` means JIRA's default one; `close_transitions` are names, the first that is on offer is taken.
    Every method raises TicketError for a call that failed.
    """

    def __init__(
        self,
        calls: JiraCalls,
        *,
        issue_type: str = "Task",
        priority: str = "Major",
        close_transitions: Sequence[str] = ("Close Issue", "Done"),
    ) -> None:
        self._calls = calls
        self._assignees = Assignees(calls)
        self._issue_type = issue_type
        self._priority = priority
        self._close_transitions = tuple(close_transitions)

    def log_in(self) -> str:
        """Who the credentials belong to, as JIRA shows the name; raises TicketError if JIRA does not take them."""
        return str(self._calls.read("say who is logged in", lambda client: client.myself()["displayName"]))

    def find_open(self, label: str) -> Ticket | None:
        """The oldest ticket that has this label and is not done."""
        jql = f'labels = "{_quoted(label)}" AND statusCategory != Done ORDER BY created ASC'
        found = self._calls.read(
            f"look for tickets with the label {label}",
            # Not limited to one: Cloud may fill a page with less than it was asked for.
            lambda client: [
                Ticket(str(issue.key), identity(issue.raw["fields"]["assignee"]))
                for issue in client.search_issues(jql, maxResults=0, fields=["assignee", "status"])
                # The index may lag behind the ticket.
                if not _is_done(issue.raw)
            ],
        )
        return found[0] if found else None

    def raise_ticket(self, new: NewTicket) -> Ticket:
        """Create a ticket, without looking whether there is one: that is `find_open`.

        An assignee, a priority or a link that JIRA does not take costs a warning, not the ticket.
        """
        ticket = self._create(new)
        if new.parent_ticket:
            self.link(ticket.key, new.parent_ticket)
        return ticket

    def link(self, ticket: str, parent: str) -> None:
        """Link the ticket to its parent, which changes nothing if it is; a failure costs a warning."""
        try:
            self._calls.change(
                f"link {ticket} to {parent}", lambda client: client.create_issue_link(_LINK, ticket, parent)
            )
        except TicketError as error:
            messages.warning(log, Message.TICKET_WITHOUT_A_PART, f"The ticket {ticket} stays without a link: {error}")

    def is_open(self, ticket: str) -> bool:
        """Whether the ticket exists and is not done."""
        try:
            return not _is_done(self._issue(ticket).raw)
        except TicketGone:
            return False

    def comment(self, ticket: str, text: str, reference: str) -> None:
        """Write a comment, unless there is one that has `reference` in it, as `text` must; raises TicketGone."""
        with _gone(ticket):
            if not self._has_comment(ticket, reference):
                self._calls.change(f"comment on {ticket}", lambda client: client.add_comment(ticket, text))

    def close(self, ticket: str, label: str = "") -> None:
        """Add the label, if one is given, and close the ticket; one that is done or gone is left as it is.

        Of the transitions on offer the first configured one is taken, else one that leads to the status category
        done; if there is none, TicketError is raised.
        """
        try:
            issue = self._issue(ticket)
            if _is_done(issue.raw):
                return
            # Before the transition, so that a run that dies in between has both still to do.
            if label and label not in issue.raw["fields"]["labels"]:
                self._add_label(ticket, issue, label)
            with _gone(ticket):
                self._close(ticket)
        except TicketGone:
            return

    def _create(self, new: NewTicket) -> Ticket:
        required = {
            "project": {"key": new.project},
            "issuetype": {"name": self._issue_type},
            "summary": new.summary,
            "description": new.description,
            "labels": list(new.labels),
        }
        optional: dict[str, Any] = {"priority": {"name": self._priority}} if self._priority else {}
        assignees = self._assignees.in_order(new.project, new.assignees)
        assignee = next(assignees, None)
        while True:
            if assignee is not None:
                optional["assignee"] = {"accountId" if self._calls.is_cloud else "name": assignee}
            try:
                return self._created(new, {**required, **optional}, assignee)
            except Refused as error:
                refused = _to_leave_out(optional, error)
                if not refused:
                    raise
                parts = " and ".join(sorted(refused))
                messages.warning(
                    log, Message.TICKET_WITHOUT_A_PART, f"The ticket is not raised with this {parts}: {error}"
                )
                for name in refused:
                    del optional[name]
                if "assignee" in refused:
                    # Without the permission to assign anybody, the next need not be tried.
                    assignee = next(assignees, None) if error.fields else None

    def _created(self, new: NewTicket, fields: dict[str, Any], assignee: str | None) -> Ticket:
        return self._calls.change(
            f"raise a ticket in {new.project}",
            lambda client: Ticket(str(client.create_issue(fields=fields, prefetch=False).key), assignee),
            look_first=lambda: self.find_open(new.labels[-1]),
        )

    def _issue(self, ticket: str) -> Any:
        with _gone(ticket):
            return self._calls.read(f"show {ticket}", lambda client: client.issue(ticket, fields="status,labels"))

    def _has_comment(self, ticket: str, reference: str) -> bool:
        seen: set[str] = set()
        while True:
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

    def _add_label(self, ticket: str, issue: Any, label: str) -> None:
        # What JIRA takes for its own address may be plain http behind a proxy, where credentials must not go.
        issue.self = f"{self._calls.server}/rest/api/2/issue/{ticket}"
        try:
            self._calls.change(f"label {ticket} {label}", lambda _: issue.add_field_value("labels", label))
        except Refused as error:
            messages.warning(
                log, Message.TICKET_WITHOUT_A_PART, f"The ticket {ticket} stays without the label {label}: {error}"
            )

    def _close(self, ticket: str) -> None:
        offered: list[dict[str, Any]] = self._calls.read(
            f"show the transitions of {ticket}",
            lambda client: client.transitions(ticket, expand="transitions.fields"),
        )
        chosen = self._closing(offered)
        if chosen is None:
            names = ", ".join(str(transition["name"]) for transition in offered) or "none"
            raise TicketError(
                f"JIRA offers no transition that closes {ticket}: configure one (it offers {names})",
                id=Message.NO_CLOSING_TRANSITION,
            )
        fields = _required_resolution(chosen)
        self._calls.change(
            f"close {ticket} by '{chosen['name']}'",
            lambda client: client.transition_issue(ticket, chosen["id"], fields=fields),
        )

    def _closing(self, offered: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
        for name in self._close_transitions:
            for transition in offered:
                if transition["name"].strip().casefold() == name.strip().casefold():
                    return transition
        return next((each for each in offered if each["to"]["statusCategory"]["key"] == "done"), None)


@contextmanager
def _gone(ticket: str) -> Iterator[None]:
    try:
        yield
    except Refused as error:
        if error.status != HTTPStatus.NOT_FOUND:
            raise
        raise TicketGone(f"the ticket {ticket} is gone from JIRA, or this user may not see it any more") from None


def _to_leave_out(optional: Mapping[str, Any], error: Refused) -> set[str]:
    """The optional fields without which JIRA may take the ticket; empty if the refusal is not about them."""
    if error.status == HTTPStatus.FORBIDDEN and not error.fields:
        return optional.keys() & {"assignee"}
    # Any other status may come after the ticket was created.
    if error.status in (HTTPStatus.BAD_REQUEST, HTTPStatus.FORBIDDEN):
        return optional.keys() & error.fields
    return set()


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')


def _is_done(issue: Mapping[str, Any]) -> bool:
    return bool(issue["fields"]["status"]["statusCategory"]["key"] == "done")


def _required_resolution(transition: Mapping[str, Any]) -> dict[str, Any]:
    """The one field that closing a ticket commonly asks for."""
    field = transition.get("fields", {}).get("resolution", {})
    allowed = field.get("allowedValues") or []
    if not field.get("required") or not allowed:
        return {}
    usual = [value for value in allowed if value["name"].casefold() in _RESOLUTIONS]
    return {"resolution": {"id": (usual or allowed)[0]["id"]}}
