"""One exchange with Slack: an end for it as a whole, a limit to its answer, and no redirect that is followed.

library/http_limits.py does the same for `requests`; slack_sdk uses urllib.
"""

from __future__ import annotations

import io
import logging
import time
from functools import partial
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from typing import TYPE_CHECKING, Any
from urllib.request import (
    BaseHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    Request,
    build_opener,
)

from slack_sdk import WebClient

from library.errors import MessageError
from library.messages import Message

if TYPE_CHECKING:
    import socket

MOST_BYTES = 10_000_000
"""More than any page of a listing has."""

_REDIRECTS = (301, 302, 303, 307, 308)


class Redirected(MessageError):
    """What answers at Slack's address sends its callers elsewhere."""

    ID = Message.SLACK_REDIRECTS


class LimitedClient(WebClient):
    """A WebClient whose `timeout` (seconds) ends an exchange as a whole; an answer that is too large is an OSError.

    Raises Redirected instead of following one. What fails is raised and not logged: its caller says it.
    """

    def __init__(self, **settings: Any) -> None:
        quiet = logging.getLogger(__name__)
        quiet.addFilter(_below_warning)
        super().__init__(logger=quiet, **settings)

    def _perform_urllib_http_request_internal(self, url: str, req: Request) -> dict[str, Any]:
        opener = build_opener(_Http, _Https, _NoRedirect, _AnyStatus)
        with opener.open(req, timeout=self.timeout) as answer:
            if answer.status in _REDIRECTS:
                address = answer.headers.get("Location", "an address that it does not name")
                raise Redirected(
                    f"{url} redirects to {shown(address)} (HTTP {answer.status}), which is not followed: "
                    "if that is Slack's address, set slack.base_url"
                )
            body = answer.read().decode(errors="replace")
            return {"status": answer.status, "headers": answer.headers, "body": body}


def shown(text: str, limit: int = 200) -> str:
    """A foreign text as a part of a line: without control characters and line breaks, and not longer than `limit`."""
    plain = " ".join("".join(each if each.isprintable() else " " for each in text).split())
    return plain if len(plain) <= limit else f"{plain[: limit - 1]}…"


def _below_warning(record: logging.LogRecord) -> bool:
    return record.levelno < logging.WARNING


class _Bytes(io.RawIOBase):
    """The bytes of an answer, until the deadline and up to the limit."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, deadline: float) -> None:
        self._raw = raw
        self._sock = sock
        self._deadline = deadline
        self._left = MOST_BYTES

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        remaining = self._deadline - time.monotonic()
        if remaining <= 0:
            raise TimeoutError("the answer was not whole in time: timed out")
        self._sock.settimeout(remaining)
        count = self._raw.readinto(buffer)
        self._left -= count or 0
        if self._left < 0:
            raise OSError(f"the answer is larger than {MOST_BYTES} bytes")
        return int(count) if count is not None else None

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Answer(HTTPResponse):
    def __init__(self, sock: socket.socket, *more: Any, deadline: float, **named: Any) -> None:
        super().__init__(sock, *more, **named)
        self.fp.close()
        self.fp = io.BufferedReader(_Bytes(sock.makefile("rb", buffering=0), sock, deadline))


def _limited(connection: HTTPConnection, timeout: float) -> None:
    connection.response_class = partial(_Answer, deadline=time.monotonic() + timeout)  # type: ignore[assignment]


class _HttpConnection(HTTPConnection):
    def __init__(self, host: str, *, timeout: float, **more: Any) -> None:
        super().__init__(host, timeout=timeout, **more)
        _limited(self, timeout)


class _HttpsConnection(HTTPSConnection):
    def __init__(self, host: str, *, timeout: float, **more: Any) -> None:
        super().__init__(host, timeout=timeout, **more)
        _limited(self, timeout)


class _Http(HTTPHandler):
    def http_open(self, req: Request) -> HTTPResponse:
        return self.do_open(_HttpConnection, req)  # type: ignore[arg-type]


class _Https(HTTPSHandler):
    def https_open(self, req: Request) -> HTTPResponse:
        return self.do_open(_HttpsConnection, req, context=self._context)  # type: ignore[arg-type, attr-defined]


class _NoRedirect(HTTPRedirectHandler, BaseHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


class _AnyStatus(HTTPErrorProcessor):
    """Hands on an answer of whatever status, instead of raising it as an error."""

    def http_response(self, _request: Request, response: HTTPResponse) -> HTTPResponse:
        return response

    def https_response(self, _request: Request, response: HTTPResponse) -> HTTPResponse:
        return response
