"""What a call to JIRA that failed means, in one sentence.

`doing` is what the call was to do, as in `JIRA did not …`.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from html import unescape
from http import HTTPStatus
from ssl import SSLCertVerificationError
from typing import TYPE_CHECKING, Any

from jira import JIRAError
from requests.exceptions import ConnectTimeout, Timeout
from urllib3.exceptions import NewConnectionError

from library.errors import TicketError
from library.messages import Message
from library.notifications.facts import clean
from library.text import cut

if TYPE_CHECKING:
    from collections.abc import Collection

    from requests import Response

    from library.notifications.jira_client import Unproven

_SAID_LIMIT = 500
_DENIED = "X-Authentication-Denied-Reason"
_HEADERS = (_DENIED, "X-Seraph-LoginReason")


class Refused(TicketError):
    """JIRA understood the call and will not do it.

    `fields` are those that it names as the reason, `messages` what it says of no field in particular.
    """

    def __init__(
        self,
        sentence: str,
        status: int,
        fields: Collection[str] = (),
        *,
        messages: Collection[str] = (),
        id: Message | None = None,
    ) -> None:
        self.status = status
        self.fields = frozenset(fields)
        self.messages = tuple(messages)
        super().__init__(sentence, id=id)


class NotShown(TicketError):
    """JIRA does not show the ticket: it was deleted, or this user may not see it, and JIRA does not say which."""

    ID = Message.TICKET_GONE


class Unanswered(TicketError):
    """Whether JIRA has done what it was asked for is not known."""


def retry_after(error: Exception) -> float | None:
    """Seconds that JIRA asks to wait for, which it says as a number or as a date (RFC 9110, 10.2.3)."""
    asked = _header(error.response, "Retry-After").strip() if isinstance(error, JIRAError) else ""
    if asked.isdecimal():
        return int(asked)
    try:
        return max(0.0, (parsedate_to_datetime(asked) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


def answered(doing: str, error: JIRAError) -> TicketError:
    """What an answer that is not a success means."""
    status = error.status_code
    said = _said(error.response)
    words = f"HTTP {status}" + (f", {said}" if said else "")
    if status == HTTPStatus.UNAUTHORIZED:
        return Refused(
            f"JIRA did not {doing}: it does not accept the credentials ({words})", status, id=Message.JIRA_LOGIN
        )
    if status == HTTPStatus.FORBIDDEN and _header(error.response, _DENIED):
        return Refused(f"JIRA did not {doing}: it denies the login ({words})", status, id=Message.JIRA_LOGIN)
    body = _body(error.response)
    if status is None or not body.keys() & {"errorMessages", "errors"}:
        # Of a proxy, for example; its 404 says nothing about a ticket.
        return Unanswered(
            f"JIRA did not {doing}: HTTP {status}, and not in the form that JIRA answers in"
            + (f" ({said})" if said else ""),
            id=Message.NOT_JIRA,
        )
    sentence = f"JIRA did not {doing}: {words}"
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return TicketError(sentence)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Unanswered(sentence)
    fields = body.get("errors")
    return Refused(sentence, status, fields if isinstance(fields, dict) else (), messages=_messages(body))


def unproven(doing: str, error: Unproven) -> TicketError:
    """What an answer means that is neither a refusal nor the documented success."""
    said = _said(error.response)
    words = f"{error.said} ({said})" if said else error.said
    kind = TicketError if error.response.is_redirect else Unanswered
    return kind(f"JIRA did not {doing}: {clean(words)}", id=Message.NOT_JIRA)


def unreachable(doing: str, error: OSError, answer_seconds: float) -> TicketError:
    """What it means that no answer came within `answer_seconds`, or at all."""
    cause = _cause(error, answer_seconds)
    kind = TicketError if _was_never_sent(error) else Unanswered
    return kind(f"JIRA could not be reached to {doing}: {cause}", id=Message.JIRA_UNREACHABLE)


def _was_never_sent(error: OSError) -> bool:
    reason = getattr(error.args[0], "reason", None) if error.args else None
    # What else goes wrong in TLS may come with the answer.
    return _is_about_certificate(error) or isinstance(error, ConnectTimeout) or isinstance(reason, NewConnectionError)


def _is_about_certificate(error: OSError) -> bool:
    return isinstance(_innermost(error), SSLCertVerificationError)


def _header(response: Response | None, name: str) -> str:
    return str(response.headers.get(name, "")) if response is not None else ""


def _body(response: Response | None) -> dict[str, Any]:
    """The JSON object that came with an answer; empty if none did."""
    try:
        body = json.loads(response.content) if response is not None else None
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _said(response: Response | None) -> str:
    """JIRA's own words, in whichever of its shapes they came; the title of a page."""
    if response is None:
        return ""
    body, words = _body(response), [_header(response, name) for name in _HEADERS]
    words += _messages(body)
    fields = body.get("errors")
    if isinstance(fields, dict):
        words += [f"{name}: {text}" for name, text in fields.items()]
    if not body:
        title = re.search(r"(?is)<title[^>]*>(.*?)</title>", response.text[:100_000])
        words += [f"a page with the title '{clean(unescape(title[1]))}'"] if title else []
    return cut(", ".join(clean(word).rstrip(".") for word in words if word), _SAID_LIMIT)


def _messages(body: dict[str, Any]) -> list[str]:
    several = body.get("errorMessages")
    single = [body.get("message"), body.get("errorMessage")]
    return [str(each) for each in [*(several if isinstance(several, list) else [several]), *single] if each]


def _cause(error: OSError, answer_seconds: float) -> str:
    if _is_about_certificate(error):
        return f"its certificate cannot be verified; a private CA belongs into ca_bundle ({_root(error)})"
    if isinstance(error, ConnectTimeout):
        return "no connection in time"
    if isinstance(error, Timeout):
        return f"no answer within {answer_seconds} seconds"
    return _root(error)


def _innermost(error: BaseException) -> BaseException:
    while inner := error.__cause__ or error.__context__:
        error = inner
    return error


def _root(error: BaseException) -> str:
    """The innermost error, which names the cause without the layers around it."""
    error = _innermost(error)
    strerror = getattr(error, "strerror", None)
    return clean(strerror or error or type(error).__name__).rstrip(".")
