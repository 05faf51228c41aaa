"""A call to JIRA, and what it may be answered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from deployment.local.jira_stand_in.site import JiraSite

API = "/rest/api/2/"

Reply = tuple[int, Any]
"""A status, and a body for JSON."""


@dataclass(frozen=True, slots=True)
class JiraRequest:
    """A call as it came in; values of a parameter that was given repeatedly are joined by commas.

    `scheme` is how it was signed (`Bearer`, `Basic`, `OAuth`); no header is kept, so no credential is.
    """

    method: str
    path: str
    query: Mapping[str, str]
    body: Any
    scheme: str = ""


@dataclass(frozen=True, slots=True)
class Call:
    """A call that is carried out; `logged_in` is whether its credentials are right, `address` begins JIRA's links."""

    request: JiraRequest
    logged_in: bool
    address: str

    @property
    def query(self) -> Mapping[str, str]:
        """The parameters."""
        return self.request.query

    @property
    def body(self) -> Any:
        """What came as JSON."""
        return self.request.body


class Refusal(Exception):
    """The call is answered with this status and JIRA's error body: `messages`, and `errors` by field."""

    def __init__(self, status: int, *messages: str, **errors: str) -> None:
        self.status = status
        self.body = {"errorMessages": list(messages), "errors": errors}
        super().__init__(status)


def page_of(site: JiraSite, call: Call, entries: Sequence[Any], name: str) -> dict[str, Any]:
    """The page of a listing that is asked for by `startAt` and `maxResults`; its entries are under `name`."""
    start, size = int(call.query.get("startAt", 0)), page_size(site, call)
    return {"startAt": start, "maxResults": size, "total": len(entries), name: entries[start : start + size]}


def page_size(site: JiraSite, call: Call) -> int:
    """How many entries a page has, at most."""
    return min(int(call.query.get("maxResults", site.page_size)), site.page_size)
