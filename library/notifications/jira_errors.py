"""What a call to JIRA that failed means, in one sentence.

`doing` is what the call was to do, as in `JIRA did not …`.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from jira import JIRAError
from requests.exceptions import ConnectTimeout, SSLError, Timeout

from library.errors import TicketError
from library.messages import Message

if TYPE_CHECKING:
    from collections.abc import Collection

_SAID_LIMIT = 500


class Refused(TicketError):
    """JIRA understood the call and will not do it; `fields` are those that it names as the reason."""

    def __init__(
        self, sentence: str, status: int, fields: Collection[str] = (), *, id: Message | None = None
    ) -> None:
        self.status = status
        self.fields = frozenset(fields)
        super().__init__(sentence, id=id)


class TicketGone(TicketError):
    """The ticket does not exist any more."""

    ID = Message.TICKET_GONE


def retry_after(error: Exception) -> int | None:
    """Seconds that JIRA asks to wait for."""
    asked = _header(error, "Retry-After") if isinstance(error, JIRAError) else ""
    return int(asked) if asked.isdecimal() else None


def answered(doing: str, error: JIRAError) -> TicketError:
    """What an answer that is not a success means."""
    status = error.status_code
    if status == HTTPStatus.UNAUTHORIZED:
        return Refused(
            f"JIRA did not {doing}: it does not accept the credentials (HTTP 401)", status, id=Message.JIRA_LOGIN
        )
    denied = _header(error, "X-Authentication-Denied-Reason")
    if status == HTTPStatus.FORBIDDEN and denied:
        return Refused(
            f"JIRA did not {doing}: it denies the login (HTTP 403, {_line(denied)})", status, id=Message.JIRA_LOGIN
        )
    body = _body(error)
    if status is None or not body.keys() & {"errorMessages", "errors"}:
        # Of a proxy, for example; its 404 says nothing about a ticket.
        return TicketError(
            f"JIRA did not {doing}: HTTP {status}, and not in the form that JIRA answers in", id=Message.NOT_JIRA
        )
    messages, fields = body.get("errorMessages") or [], body.get("errors") or {}
    said = ", ".join(map(_line, [*messages, *(f"{name}: {text}" for name, text in fields.items())]))
    sentence = f"JIRA did not {doing}: HTTP {status}" + (f", {said[:_SAID_LIMIT]}" if said else "")
    if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return TicketError(sentence)
    return Refused(sentence, status, fields)


def unreachable(doing: str, error: OSError, timeout: tuple[float, float]) -> TicketError:
    """What it means that no answer came; `timeout` has the seconds to connect and to be answered."""
    return TicketError(f"JIRA could not be reached to {doing}: {_cause(error, timeout)}", id=Message.JIRA_UNREACHABLE)


def _header(error: JIRAError, name: str) -> str:
    return str(error.response.headers.get(name, "")) if error.response is not None else ""


def _body(error: JIRAError) -> dict[str, Any]:
    """The JSON object that came with an answer; empty if none did."""
    try:
        body = json.loads(error.response.text) if error.response is not None else None
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _line(said: object) -> str:
    return " ".join(str(said).split()).rstrip(".")


def _cause(error: OSError, timeout: tuple[float, float]) -> str:
    if isinstance(error, SSLError):
        return f"its certificate cannot be verified; a private CA belongs into ca_bundle ({_root(error)})"
    if isinstance(error, Timeout):
        seconds = timeout[0] if isinstance(error, ConnectTimeout) else timeout[1]
        return f"no answer within {seconds} seconds"
    return _root(error)


def _root(error: BaseException) -> str:
    """The innermost error, which names the cause without the layers around it."""
    while inner := error.__cause__ or error.__context__:
        error = inner
    strerror = getattr(error, "strerror", None)
    return _line(strerror or error or type(error).__name__)
