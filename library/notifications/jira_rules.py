"""How tickets are raised and closed, by configuration, and what may be left out of one that JIRA refuses."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from library.notifications.jira_errors import Refused


_OF_ONE_TICKET = {"summary", "description", "labels", "assignee"}


@dataclass(frozen=True, slots=True)
class TicketRules:
    """How tickets are raised and closed.

    An empty `priority` means JIRA's default one. `fields_` and `close_fields` are JIRA's own JSON by the field's id,
    for the creation and for the transitions that have them on their screens. `close_transitions` are names in order
    of preference. `link_type` is a name, or what the link is called in either direction.
    """

    issue_type: str = "Task"
    priority: str = "Major"
    fields_: Mapping[str, Any] = field(default_factory=dict)
    close_transitions: tuple[str, ...] = ("Close Issue", "Done")
    close_fields: Mapping[str, Any] = field(default_factory=dict)
    link_type: str = "relates to"


def optional_to_leave_out(optional: Mapping[str, Any], error: Refused, person: str | None) -> set[str]:
    """The optional fields without which JIRA may take the ticket; empty if the refusal is not about them.

    `person` is the assignee.
    """
    if error.status == HTTPStatus.FORBIDDEN and not error.fields:
        return optional.keys() & {"assignee"}
    # Any other status may come after the ticket was created.
    if error.status in (HTTPStatus.BAD_REQUEST, HTTPStatus.FORBIDDEN):
        said = " ".join(error.messages).casefold()
        return {name for name in optional if name in error.fields or _is_about(name, said, person)}
    return set()


def _is_about(name: str, said: str, person: str | None) -> bool:
    """Whether JIRA speaks of a field, or of the person in it (`User 'alice' cannot be assigned issues.`)."""
    named = person is not None and re.search(rf"(?<!\w){re.escape(person.casefold())}(?!\w)", said)
    return name in said or (name == "assignee" and bool(named))


def is_about_project(error: Refused) -> bool:
    """Whether every ticket of the project would be refused so: a field that it wants, an issue type that it lacks."""
    return error.status == HTTPStatus.BAD_REQUEST and bool(error.fields - _OF_ONE_TICKET)
