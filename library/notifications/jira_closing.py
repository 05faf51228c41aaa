"""How a ticket is brought to a status of the category done, whatever its workflow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from library.errors import TicketError
from library.messages import Message
from library.notifications.jira_errors import Refused

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from library.notifications.jira_calls import JiraCalls

_STEPS = 5
_WELCOME = ("done", "fixed", "resolved")
# What a report on it would count as no work at all.
_UNWELCOME = ("duplicate", "invalid", "won't do", "won't fix", "wont do", "wont fix", "cannot reproduce", "declined")

Ticket = dict[str, Any]
"""A ticket as JIRA shows one, with its `status` and whether it is archived."""


class TicketArchived(TicketError):
    """The ticket refuses every change permanently, as it or its project is archived."""

    ID = Message.TICKET_ARCHIVED


def is_done(ticket: Mapping[str, Any]) -> bool:
    """Whether the status of a ticket is of the category done."""
    return bool(ticket["fields"]["status"]["statusCategory"]["key"] == "done")


class Closing:
    """Closes tickets of one JIRA."""

    def __init__(self, calls: JiraCalls) -> None:
        self._calls = calls

    def close(self, ticket: str, names: Sequence[str], fields: Mapping[str, Any]) -> None:
        """Take transitions until the ticket's status is done, at most five.

        Those with these `names` come first, in their order. `fields` are JIRA's own JSON by the field's id, and sent
        to the screens that have them.
        Raises TicketError if none leads there, with what is offered and what JIRA says of those that it refused.
        """
        refusals: dict[str, Refused] = {}
        taken: set[str] = set()
        for _ in range(_STEPS):
            offered = self._offered(ticket)
            for transition in candidates(offered, names):
                if transition["id"] in refusals.keys() | taken:
                    continue
                if self._taken(ticket, transition, values(transition, fields), refusals):
                    break
            else:
                raise self._stuck(ticket, offered, refusals)
            taken.add(transition["id"])
            if is_done(self.shown(ticket)):
                return
        raise TicketError(
            f"JIRA has not closed {ticket} after {_STEPS} transitions: its status is "
            f"'{self.shown(ticket)['fields']['status']['name']}'",
            id=Message.NO_CLOSING_TRANSITION,
        )

    def shown(self, ticket: str) -> Ticket:
        """The ticket as it is now."""
        shown: Ticket = self._calls.read(
            f"show {ticket}", lambda client: client.issue(ticket, fields="status,labels,creator,archiveddate").raw
        )
        return shown

    def _offered(self, ticket: str) -> list[dict[str, Any]]:
        offered: list[dict[str, Any]] = self._calls.read(
            f"show the transitions of {ticket}",
            lambda client: client.transitions(ticket, expand="transitions.fields"),
        )
        return offered

    def _taken(
        self, ticket: str, transition: dict[str, Any], values: dict[str, Any], refusals: dict[str, Refused]
    ) -> bool:
        try:
            self._calls.change(
                f"close {ticket} by '{transition['name']}'",
                lambda client: client.take(ticket, str(transition["id"]), values),
            )
        except Refused as error:
            if error.status in (401, 404):
                raise
            refusals[transition["id"]] = error
            return False
        return True

    def _stuck(self, ticket: str, offered: Sequence[dict[str, Any]], refusals: Mapping[str, Refused]) -> TicketError:
        if refusals:
            said = "; ".join(dict.fromkeys(map(str, refusals.values())))
            return TicketError(
                f"JIRA refuses every transition that closes {ticket}: jira.close_fields has what its screens ask for "
                f"({said})",
                id=Message.NO_CLOSING_TRANSITION,
            )
        names = ", ".join(str(transition["name"]) for transition in offered) or "none"
        return TicketError(
            f"JIRA offers no transition that closes {ticket}, whose status is "
            f"'{self.shown(ticket)['fields']['status']['name']}': configure one (it offers {names})",
            id=Message.NO_CLOSING_TRANSITION,
        )


def candidates(offered: Sequence[dict[str, Any]], names: Sequence[str]) -> list[dict[str, Any]]:
    """The configured ones in their order, of one name the one that leads to done first; then what else does."""
    configured = [
        each
        for name in names
        for each in sorted(offered, key=lambda each: not _leads_to_done(each))
        if _folded(each["name"]) == _folded(name)
    ]
    others = [each for each in offered if _leads_to_done(each) and each not in configured]
    return [*configured, *others]


def values(transition: dict[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    """What the screen of the transition has a place for; JIRA refuses any other field."""
    screen = transition.get("fields") or {}
    allowed = (screen.get("resolution") or {}).get("allowedValues") or []
    usual = {"resolution": {"id": _resolution(allowed)["id"]}} if allowed else {}
    return {**usual, **{name: value for name, value in fields.items() if name in screen}}


def _folded(name: object) -> str:
    return str(name).strip().casefold()


def _leads_to_done(transition: Mapping[str, Any]) -> bool:
    return bool(((transition.get("to") or {}).get("statusCategory") or {}).get("key") == "done")


def _resolution(allowed: Sequence[dict[str, Any]]) -> dict[str, Any]:
    names = [_folded(each.get("name", "")).replace("\N{RIGHT SINGLE QUOTATION MARK}", "'") for each in allowed]
    welcome = [each for wanted in _WELCOME for each, name in zip(allowed, names, strict=True) if name == wanted]
    neutral = [each for each, name in zip(allowed, names, strict=True) if name not in _UNWELCOME]
    return (welcome or neutral or list(allowed))[0]
