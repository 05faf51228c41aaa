"""The `jira` client for one thread: bounded calls, no redirects, and a proof wanted of each answer."""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from jira import JIRA
from requests_oauthlib import OAuth1  # type: ignore[import-untyped]

from library.notifications.http_limits import limit
from library.notifications.jira_shapes import is_answer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from requests import Response

_CONNECT_SECONDS = 5
_KEY = re.compile(r"[A-Z][A-Z0-9_]*-[0-9]+")
_TICKETS_PER_PAGE = 100
_ENTRIES_PER_PAGE = 200
PAGES = 200
"""More than any listing of ours has."""
_REDIRECTS = (301, 302, 303, 307, 308)

# Method, path, the status that says that it was done, and what the answer has to name of what was made, by
# https://docs.atlassian.com/software/jira/docs/api/REST/9.12.0/ and
# https://developer.atlassian.com/cloud/jira/platform/rest/v2/
_PROOFS = (
    ("GET", r".*", HTTPStatus.OK, ""),
    ("POST", r"issue", HTTPStatus.CREATED, "key"),
    ("POST", r"issue/[^/]+/comment", HTTPStatus.CREATED, "id"),
    ("POST", r"issue/[^/]+/transitions", HTTPStatus.NO_CONTENT, ""),
    ("POST", r"issueLink", HTTPStatus.CREATED, ""),
    ("PUT", r"issue/[^/]+", HTTPStatus.NO_CONTENT, ""),
)


class Unproven(Exception):
    """JIRA did not refuse, and its answer does not say that it did what was asked; `said` completes a sentence."""

    def __init__(self, said: str, response: Response) -> None:
        self.said = said
        self.response = response
        super().__init__(said)


class Endless(Exception):
    """A listing has more pages than any has."""

    def __init__(self) -> None:
        super().__init__(f"its listing has more than {PAGES} pages")


class JiraClient(JIRA):
    """A client that trusts no answer without its proof; it contacts nobody when it is made.

    `login` are arguments of the `jira` client, or `oauth1`, those of an OAuth 1 signature. Its calls raise, beside
    what the `jira` client raises, Unproven, and what `http_limits` raises.
    """

    def __init__(self, server: str, login: Mapping[str, Any], *, verify: str | bool, answer_seconds: float) -> None:
        login = dict(login)
        signature = login.pop("oauth1", None)
        self._link_types: list[dict[str, Any]] | None = None
        super().__init__(
            server,
            options={"verify": verify},
            # The client would repeat a creation whose answer was lost, and wait for ever for one that never comes.
            max_retries=0,
            timeout=(_CONNECT_SECONDS, answer_seconds),
            # Its log has headers and bodies in it.
            logging=False,
            get_server_info=False,
            **login,
        )
        if signature is not None:
            # Not by the client, which would try it at once, and without the limits.
            self._session.auth = OAuth1(**signature)
        limit(self._session, _CONNECT_SECONDS + answer_seconds)
        self._session.hooks["response"].append(_prove)

    def label(self, ticket: str, label: str) -> None:
        """Add a label to those of a ticket."""
        self._session.put(self._get_url(f"issue/{ticket}"), data=json.dumps({"update": {"labels": [{"add": label}]}}))

    def take(self, ticket: str, transition: str, fields: Mapping[str, Any]) -> None:
        """Take a transition by its id, with the values of its screen."""
        body = {"transition": {"id": transition}, **({"fields": dict(fields)} if fields else {})}
        self._session.post(self._get_url(f"issue/{ticket}/transitions"), data=json.dumps(body))

    def link(self, kind: str, ticket: str, other: str) -> None:
        """Link two tickets; `kind` is the name of a link, or what it is called at either end."""
        if self._link_types is None:
            self._link_types = self._get_json("issueLinkType")["issueLinkTypes"]
        types, ways = self._link_types or [], ("name", "outward", "inward")
        name, way = next(
            ((each["name"], way) for way in ways for each in types if each.get(way) == kind), (kind, "name")
        )
        ends = (other, ticket) if way == "inward" else (ticket, other)
        body = {"type": {"name": name}, "inwardIssue": {"key": ends[0]}, "outwardIssue": {"key": ends[1]}}
        self._session.post(self._get_url("issueLink"), data=json.dumps(body))

    def asked(self, path: str, **parameters: str | int) -> Any:
        """The answer to a question that the `jira` client has no method for."""
        return self._get_json(path, params=parameters)

    def listed(self, path: str) -> list[Mapping[str, Any]]:
        """All of a listing of the creation's metadata, which each flavour has under another name; raises Endless."""
        entries: list[Mapping[str, Any]] = []
        for _ in range(PAGES):
            page = self._get_json(path, params={"startAt": len(entries), "maxResults": _ENTRIES_PER_PAGE})
            fresh = page.get("values") or page.get("issueTypes") or page.get("fields") or []
            entries += fresh
            if not fresh or len(entries) >= (page.get("total") or 0):
                return entries
        raise Endless

    def found(self, jql: str, fields: Sequence[str], limit: int = 0) -> list[dict[str, Any]]:
        """The tickets that a query finds, at most `limit` if there is one, with these fields; raises Endless."""
        size = min(limit, _TICKETS_PER_PAGE) if limit else _TICKETS_PER_PAGE
        question = {"jql": jql, "fields": ",".join(fields), "maxResults": size}
        path, where = ("search/jql", {}) if self._is_cloud else ("search", {"startAt": 0})
        tickets: list[dict[str, Any]] = []
        for _ in range(PAGES):
            page = self._get_json(path, params={**question, **where})
            # It may have less than was asked for, and Cloud's even nothing though there is more. Server's total also
            # counts what its index has not forgotten yet.
            tickets += page["issues"]
            if self._is_cloud:
                where = {"nextPageToken": page.get("nextPageToken")}
                is_last = where["nextPageToken"] is None
            else:
                where = {"startAt": len(tickets)}
                is_last = not page["issues"] or len(tickets) >= page["total"]
            if is_last or (limit and len(tickets) >= limit):
                return tickets[: limit or None]
        raise Endless


def _prove(response: Response, *_args: object, **_kwargs: object) -> None:
    """Raise Unproven unless a success is the one that is documented; refusals are left to the client."""
    status = response.status_code
    if status in _REDIRECTS:
        raise Unproven(f"it redirects to {response.headers.get('Location') or 'nowhere'} (HTTP {status})", response)
    if status >= HTTPStatus.BAD_REQUEST:
        return
    method = response.request.method or ""
    path = (response.request.path_url.partition("?")[0]).partition("/rest/api/")[2].partition("/")[2]
    proof = next((each for each in _PROOFS if each[0] == method and re.fullmatch(each[1], path)), None)
    if proof is None or status != proof[2]:
        raise Unproven(f"HTTP {status} is not how JIRA says that it did so", response)
    if status == HTTPStatus.NO_CONTENT or (path == "issueLink" and not response.content):
        return
    _prove_body(response, path if method == "GET" else "", proof[3])


def _prove_body(response: Response, question: str, name: str) -> None:
    """Raise Unproven for what is no answer to the `question`, or does not name what was made."""
    try:
        body = json.loads(response.content)
    except ValueError:
        raise Unproven("what answered at its address is not JIRA", response) from None
    if not isinstance(body, dict | list) or (question and not is_answer(question, body)):
        raise Unproven("what answered at its address is not JIRA", response)
    if name:
        made = body.get(name) if isinstance(body, dict) else None
        if not isinstance(made, str) or (name == "key" and not _KEY.fullmatch(made)):
            raise Unproven(f"its answer does not name the {name} of what was made", response)
