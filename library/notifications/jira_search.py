"""What JIRA's search shows of our own tickets."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from library.notifications.jira_closing import is_done
from library.notifications.jira_creation import Ticket
from library.notifications.jira_errors import Refused
from library.notifications.jira_people import identity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from library.notifications.jira_calls import JiraCalls


class TicketSearch:
    """Searches one JIRA, whose index may lag behind; its methods raise TicketError for a call that failed."""

    def __init__(self, calls: JiraCalls) -> None:
        self._calls = calls

    def open_ticket(self, label: str) -> Ticket | None:
        """The oldest ticket that we have raised with this label and that is not done."""
        found = self._ours(
            f"look for tickets with the label {label}",
            f"labels = {_quoted(label)} AND statusCategory != Done ORDER BY created ASC",
            "assignee",
        )
        # The index may lag behind the ticket.
        shown = [each for each in found if not is_done(each)]
        return Ticket(str(shown[0]["key"]), identity(shown[0]["fields"].get("assignee"))) if shown else None

    def newest(self, project: str, label: str) -> datetime | None:
        """When JIRA made the newest ticket that we have raised in this project with this label.

        None if it shows none, does not say when that was, or refuses to search the project, as one that it hides.
        """
        try:
            found = self._ours(
                f"look for our newest ticket in {project}",
                f"project = {_quoted(project)} AND labels = {_quoted(label)} ORDER BY created DESC",
                "created",
                limit=_NEWEST,
            )
        except Refused as error:
            if error.status != HTTPStatus.BAD_REQUEST:
                raise
            return None
        made = [moment for each in found if (moment := _moment(each["fields"].get("created"))) is not None]
        return max(made, default=None)

    def _ours(self, doing: str, jql: str, field: str, limit: int = 0) -> Sequence[dict[str, Any]]:
        """The tickets that a query finds, at most `limit`, as JIRA shows them; those of other people are left out."""
        me = identity(self._calls.me)
        found = self._calls.read(doing, lambda client: client.found(jql, (field, "status", "creator"), limit))
        return [each for each in found if identity(each["fields"].get("creator")) == me]


_NEWEST = 50
"""Among so many of the newest tickets with our label one is our own, unless other people make copies of them."""


def _moment(value: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
