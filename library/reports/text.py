"""How reports write numbers, and cells of two lines or with a link."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

_FOR_PROGRAMS = "api.atlassian.com"
"""Where JIRA Cloud takes scoped tokens; nobody can open a ticket there."""


class Linked(str):
    """A cell whose last line is a link to `url`; everywhere else it is the text that it is."""

    __slots__ = ("url",)
    url: str

    def __new__(cls, text: str, url: str) -> Linked:
        """The text, and the address."""
        linked = super().__new__(cls, text)
        linked.url = url
        return linked


def linked(text: str, url: str) -> str:
    """A cell whose last line leads to `url`; without one, the text alone."""
    return Linked(text, url) if url else text


def ticket_url(server: str, ticket: str | None) -> str:
    """Where people open a ticket of the JIRA at this address; empty if that is not known, or not on the web."""
    address = urlsplit(server)
    of_the_web = address.scheme in ("http", "https") and address.hostname not in (None, _FOR_PROGRAMS)
    if not ticket or not of_the_web:
        return ""
    return f"{server.rstrip('/')}/browse/{quote(ticket, safe='')}"


def counted(count: int, one: str, more: str) -> str:
    """A number with what it counts: `1 key`, `1,200 keys`."""
    return f"{count:,} {one if count == 1 else more}"


def two_lines(first: str, second: str) -> str:
    """A cell that shows `second` small, below `first`; without `second`, one line."""
    return f"{first}\n{second}" if second else first
