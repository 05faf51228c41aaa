"""What bounds one HTTP call of `requests`: an end for the call as a whole, and a limit to its answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from requests.adapters import HTTPAdapter
from requests.exceptions import ReadTimeout, RequestException
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError

from library.limits import ANSWER_BYTES, Lever, ended_after

if TYPE_CHECKING:
    from requests import PreparedRequest, Response, Session


class AnswerTooLarge(RequestException):
    """The answer is larger than the limit; the rest of it was not read."""


class _Http(Lever, HTTPConnection):
    pass


class _Https(Lever, HTTPSConnection):
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
        try:
            with ended_after(self._seconds) as call:
                response = super().send(request, *args, **{**kwargs, "stream": True})
                self._read(response)
        except (RequestException, HTTPError, OSError) as error:
            if call.over:
                raise ReadTimeout(f"no whole answer within {self._seconds:g} seconds", request=request) from None
            raise error from None
        if call.over:
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
