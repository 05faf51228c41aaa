"""What bounds one HTTP call of `requests`: an end for the call as a whole, and a limit to its answer.

The timeouts of `requests` are per read: a server that sends one byte now and then keeps a call for ever.
"""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from requests.adapters import HTTPAdapter
from requests.exceptions import ReadTimeout, RequestException
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError

if TYPE_CHECKING:
    from requests import PreparedRequest, Response, Session

ANSWER_BYTES = 20_000_000
"""More than any page of a listing has."""


class AnswerTooLarge(RequestException):
    """The answer is larger than the limit; the rest of it was not read."""


class _Deadline(threading.local):
    """What the call of this thread can be ended by: the connections that it uses."""

    levers: list[socket.socket] | None = None

    def watch(self, lever: socket.socket | None) -> None:
        if self.levers is not None and lever is not None:
            self.levers.append(lever)


_deadline = _Deadline()


class _Lever:
    """Keeps a second handle of a connection's socket, by which another thread can end it, with TLS or without."""

    _lever: socket.socket | None = None

    def _new_conn(self) -> socket.socket:
        sock: socket.socket = super()._new_conn()  # type: ignore[misc]
        # A lever of its own: TLS takes the first handle away, and a closed one's number may be another's by then.
        self._lever = sock.dup()
        _deadline.watch(self._lever)
        return sock

    def request(self, *args: Any, **kwargs: Any) -> None:
        _deadline.watch(self._lever)
        super().request(*args, **kwargs)  # type: ignore[misc]

    def close(self) -> None:
        super().close()  # type: ignore[misc]
        lever, self._lever = self._lever, None
        if lever is not None:
            lever.close()


class _Http(_Lever, HTTPConnection):
    pass


class _Https(_Lever, HTTPSConnection):
    pass


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _Http


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _Https


class LimitedAdapter(HTTPAdapter):
    """Ends each call after `seconds` as a whole, with ReadTimeout, and after `size` bytes, with AnswerTooLarge.

    Without `size` it is ANSWER_BYTES.
    """

    def __init__(self, seconds: float, size: int | None = None) -> None:
        self._seconds = seconds
        self._size = ANSWER_BYTES if size is None else size
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make connections that can be ended."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}

    def proxy_manager_for(self, proxy: str, **proxy_kwargs: Any) -> Any:
        """Make connections that can be ended, through a proxy, too."""
        manager = super().proxy_manager_for(proxy, **proxy_kwargs)
        manager.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}
        return manager

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        """Send a request, and read its answer whole."""
        levers: list[socket.socket] = []
        over = threading.Event()

        def end() -> None:
            over.set()
            for lever in tuple(levers):
                with suppress(OSError):
                    lever.shutdown(socket.SHUT_RDWR)

        timer = threading.Timer(self._seconds, end)
        timer.daemon = True
        timer.start()
        _deadline.levers = levers
        try:
            response = super().send(request, *args, **{**kwargs, "stream": True})
            self._read(response)
        except (RequestException, HTTPError, OSError) as error:
            if over.is_set():
                raise ReadTimeout(f"no whole answer within {self._seconds:g} seconds", request=request) from None
            raise error from None
        finally:
            _deadline.levers = None
            timer.cancel()
        if over.is_set():
            # What the end has cut off may look whole where no length was announced.
            raise ReadTimeout(f"no whole answer within {self._seconds:g} seconds", request=request)
        return response

    def _read(self, response: Response) -> None:
        parts: list[bytes] = []
        left = self._size
        for part in response.iter_content(65536):
            left -= len(part)
            if left < 0:
                response.close()
                raise AnswerTooLarge(f"its answer is larger than {self._size} bytes", response=response)
            parts.append(part)
        response._content = b"".join(parts)
        response._content_consumed = True  # type: ignore[attr-defined]


def limit(session: Session, seconds: float, size: int | None = None) -> None:
    """Bound every call of a session; no redirect is followed, as that turns a POST into a GET.

    A redirect that has an address ends with `requests.exceptions.TooManyRedirects`, which has the answer.
    """
    session.max_redirects = 0
    adapter = LimitedAdapter(seconds, size)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
