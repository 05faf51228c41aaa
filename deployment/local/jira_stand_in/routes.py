"""Which call is carried out by what, and whether its caller has to be logged in."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING
from urllib.parse import unquote

from deployment.local.jira_stand_in import people, search, tickets, workflow
from deployment.local.jira_stand_in.calls import API, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from deployment.local.jira_stand_in.calls import Call, Reply
    from deployment.local.jira_stand_in.site import JiraSite


class Access(Enum):
    """What a caller who is not logged in gets."""

    OPEN = "the same as everybody"
    LOGIN = "a refusal"
    HIDDEN = "the answer for things that are not there; Server refuses"


@dataclass(frozen=True, slots=True)
class Route:
    """A call by its method and path; each group of the pattern is handed to `carry_out`."""

    method: str
    pattern: str
    access: Access
    carry_out: Callable[..., Reply]


_TICKET = r"issue/([^/]+)"
ROUTES = (
    Route("GET", "serverInfo", Access.OPEN, people.server_info),
    Route("GET", "myself", Access.LOGIN, people.myself),
    Route("GET", "user/assignable/search", Access.LOGIN, people.assignable),
    Route("GET", "mypermissions", Access.LOGIN, people.my_permissions),
    Route("GET", r"project/([^/]+)", Access.HIDDEN, people.project),
    Route("GET", "search", Access.HIDDEN, search.search),
    Route("GET", "search/jql", Access.HIDDEN, search.search_by_token),
    Route("GET", r"issue/createmeta/([^/]+)/issuetypes", Access.LOGIN, tickets.issue_types),
    Route("GET", r"issue/createmeta/([^/]+)/issuetypes/([^/]+)", Access.LOGIN, tickets.wanted_fields),
    Route("POST", "issue", Access.LOGIN, tickets.create),
    Route("GET", _TICKET, Access.HIDDEN, tickets.read),
    Route("PUT", _TICKET, Access.HIDDEN, tickets.edit),
    Route("DELETE", _TICKET, Access.HIDDEN, tickets.delete),
    Route("GET", f"{_TICKET}/comment", Access.HIDDEN, tickets.comments),
    Route("POST", f"{_TICKET}/comment", Access.HIDDEN, tickets.comment),
    Route("GET", f"{_TICKET}/transitions", Access.HIDDEN, workflow.transitions),
    Route("POST", f"{_TICKET}/transitions", Access.HIDDEN, workflow.take),
    Route("GET", "issueLinkType", Access.LOGIN, tickets.link_types),
    Route("POST", "issueLink", Access.HIDDEN, tickets.link),
)


def carry_out(site: JiraSite, call: Call) -> Reply:
    """Carry out a call; what is refused is answered with JIRA's error body."""
    try:
        for route in ROUTES:
            match = re.fullmatch(re.escape(API) + route.pattern, call.request.path)
            if match and route.method == call.request.method:
                _check_access(site, call, route.access)
                return route.carry_out(site, call, *map(unquote, match.groups()))
        _check_access(site, call, Access.HIDDEN)
        raise Refusal(404, f"{call.request.method} {call.request.path} is not known here.")
    except Refusal as refusal:
        return refusal.status, refusal.body


def _check_access(site: JiraSite, call: Call, access: Access) -> None:
    if call.logged_in:
        return
    # Server refuses wrong credentials everywhere, and a call without any unless it is open to all. Cloud takes wrong
    # credentials for none, and shows what everybody may see.
    if site.flavour == "server" and (call.request.scheme or access is not Access.OPEN):
        raise Refusal(401, "You are not authenticated. Authentication required to perform this operation.")
    if access is Access.LOGIN:
        raise Refusal(401, "Client must be authenticated to access this resource.")
