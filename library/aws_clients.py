"""Clients of AWS whose calls have an end: each attempt as a whole, all attempts of a call, answers, listings."""

from __future__ import annotations

import io
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

import boto3
from botocore.awsrequest import (
    AWSHTTPConnection,
    AWSHTTPConnectionPool,
    AWSHTTPSConnection,
    AWSHTTPSConnectionPool,
)
from botocore.exceptions import BotoCoreError, ConnectionClosedError, HTTPClientError, ReadTimeoutError
from urllib3.exceptions import HTTPError

from library.limits import ANSWER_BYTES, PAGES, Lever, ended_after

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from botocore.awsrequest import AWSPreparedRequest, AWSRequest, AWSResponse
    from botocore.client import BaseClient

_T = TypeVar("_T")
_ATTEMPT = 2
"""An attempt may take so many times what its client waits for a connection and for one read."""
_CALL = 5
"""No attempt begins after so many times what one may take."""
_BEGAN = "hammer_began"


class AnswerTooLarge(BotoCoreError):
    """The answer is larger than any that AWS gives; the rest of it was not read."""

    fmt = "the answer of {endpoint_url} is larger than {size} bytes"


class CallWithoutEnd(BotoCoreError):
    """The attempts of a call have taken so long that no other one is made."""

    fmt = "{operation} was tried for {seconds:.0f} seconds, and is not tried again"


class ListingWithoutEnd(BotoCoreError):
    """A listing has more pages than any that AWS gives."""

    fmt = "the listing has more than {pages} pages, and is not read on"


class Session(boto3.Session):
    """boto3's, but its clients end what they begin.

    An attempt ends, also if AWS's answer trickles, within twice the client's two timeouts, and is tried again as any
    that times out; the last attempt of a call begins within five times that. An answer of more than ANSWER_BYTES is
    AnswerTooLarge, which is not tried again. What is streamed has been read by then, too.
    """

    if not TYPE_CHECKING:

        def client(self, *args: Any, **kwargs: Any) -> BaseClient:
            """A client of a service."""
            client = super().client(*args, **kwargs)
            _bound(client)
            return client


def pages(listing: Iterable[_T], most: int = PAGES) -> Iterator[_T]:
    """The pages of a listing; raises ListingWithoutEnd after `most`."""
    for number, page in enumerate(listing):
        if number >= most:
            raise ListingWithoutEnd(pages=most)
        yield page


class _Http(Lever, AWSHTTPConnection):  # type: ignore[misc]
    pass


class _Https(Lever, AWSHTTPSConnection):  # type: ignore[misc]
    pass


class _HttpPool(AWSHTTPConnectionPool):
    ConnectionCls = _Http


class _HttpsPool(AWSHTTPSConnectionPool):
    ConnectionCls = _Https


def _bound(client: BaseClient) -> None:
    config: Any = client.meta.config
    seconds = _ATTEMPT * (config.connect_timeout + config.read_timeout)

    def begin(request: AWSRequest, operation_name: str, **_: object) -> None:
        spent = time.monotonic() - request.context.setdefault(_BEGAN, time.monotonic())
        if spent > _CALL * seconds:
            raise CallWithoutEnd(operation=operation_name, seconds=spent)

    client.meta.events.register("request-created", begin)
    endpoint: Any = client._endpoint  # type: ignore[attr-defined]
    # The functions run on Lambda's own botocore, where these parts may be others: their time is Lambda's then.
    with suppress(AttributeError):
        endpoint.http_session = _BoundedHttp(endpoint.http_session, seconds)


class _BoundedHttp:
    """Sends what a client of AWS sends, and reads the answers whole."""

    def __init__(self, http: Any, seconds: float) -> None:
        self._http = http
        self._seconds = seconds
        http._pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}
        http._manager.pool_classes_by_scheme = http._pool_classes_by_scheme

    def send(self, request: AWSPreparedRequest) -> AWSResponse:
        """The answer to a request; raises as botocore's own does, and AnswerTooLarge."""
        response: Any = None
        streamed, request.stream_output = request.stream_output, True
        with ended_after(self._seconds) as call:
            try:
                response = self._http.send(request)
                content = _read(response)
            except HTTPError as error:
                if not call.over:
                    raise ConnectionClosedError(error=error, request=request, endpoint_url=request.url) from error
            except (HTTPClientError, OSError):
                if not call.over:
                    raise
            finally:
                request.stream_output = streamed
        # What the end has cut off may look whole where no length was announced.
        if call.over:
            raise ReadTimeoutError(endpoint_url=request.url)
        response._content = content
        if streamed:
            response.raw = io.BytesIO(content)
        answer: AWSResponse = response
        return answer

    def close(self) -> None:
        """Close all connections."""
        self._http.close()


def _read(response: AWSResponse) -> bytes:
    parts: list[bytes] = []
    left = ANSWER_BYTES
    for part in response.raw.stream(65536):
        left -= len(part)
        if left < 0:
            response.raw.close()
            raise AnswerTooLarge(endpoint_url=response.url, size=ANSWER_BYTES)
        parts.append(part)
    return b"".join(parts)
