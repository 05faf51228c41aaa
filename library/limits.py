"""What bounds the calls to the outside: an end for each call as a whole, limits to answers and listings.

The timeouts of HTTP clients are per read: a server that sends one byte now and then keeps a call for ever. So a
connection has a second handle of its socket, by which one thread for all calls ends those whose time is over.
"""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager, suppress
from math import inf
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

ANSWER_BYTES = 20_000_000
"""More than any page of a listing has, and any file of the configuration."""
PAGES = 2_000
"""More than any listing has: two million users, 2 GB of rows, 40,000 accounts of an organization."""


class Call:
    """A call of one thread; `over` is whether its time has ended before it was through."""

    def __init__(self, ends: float) -> None:
        self.ends = ends
        self.over = False
        self._levers: list[socket.socket] = []
        self._left: list[socket.socket] = []

    def watch(self, lever: socket.socket) -> None:
        """It uses this connection from now on."""
        self._levers.append(lever)
        if self.over:
            self.end()

    def leave(self, lever: socket.socket) -> None:
        """Its connection is closed, which an answer without a length outlives: it is read on."""
        self._left.append(lever)

    def close(self) -> None:
        """It is through."""
        for lever in self._left:
            lever.close()

    def end(self) -> None:
        """Cut off what it waits for."""
        self.over = True
        for lever in tuple(self._levers):
            with suppress(OSError):
                lever.shutdown(socket.SHUT_RDWR)


class _Watch:
    """Ends the calls that are overdue, from one thread, which is woken for none that ends in time."""

    def __init__(self) -> None:
        self._news = threading.Condition()
        self._calls: set[Call] = set()
        self._thread: threading.Thread | None = None
        self._wakes = inf

    def begin(self, call: Call) -> None:
        with self._news:
            self._calls.add(call)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="deadlines", daemon=True)
                self._thread.start()
            if call.ends < self._wakes:
                self._news.notify()

    def end(self, call: Call) -> None:
        with self._news:
            self._calls.discard(call)

    def _run(self) -> None:
        with self._news:
            while True:
                now = time.monotonic()
                for call in [call for call in self._calls if call.ends <= now]:
                    self._calls.discard(call)
                    call.end()
                self._wakes = min((call.ends for call in self._calls), default=inf)
                self._news.wait(None if self._wakes == inf else self._wakes - now)


_watch = _Watch()
_of_thread = threading.local()


@contextmanager
def ended_after(seconds: float) -> Iterator[Call]:
    """Cut off, once so many seconds are over, every connection with a `Lever` that the block uses."""
    call = Call(time.monotonic() + seconds)
    before = getattr(_of_thread, "call", None)
    _of_thread.call = call
    _watch.begin(call)
    try:
        yield call
    finally:
        _of_thread.call = before
        _watch.end(call)
        call.close()


class Lever:
    """For a connection of urllib3: keeps a second handle of its socket, with TLS or without."""

    _lever: socket.socket | None = None

    def _new_conn(self) -> socket.socket:
        sock: socket.socket = super()._new_conn()  # type: ignore[misc]
        # A lever of its own: TLS takes the first handle away, and a closed one's number may be another's by then.
        self._lever = sock.dup()
        self._watched()
        return sock

    def request(self, *args: Any, **kwargs: Any) -> Any:
        """Send a request; it is one of the call at hand."""
        self._watched()
        return super().request(*args, **kwargs)  # type: ignore[misc]

    def close(self) -> None:
        """Close both handles, the second one at the end of the call at hand."""
        super().close()  # type: ignore[misc]
        lever, self._lever = self._lever, None
        call = _call_at_hand()
        if lever is not None and call is not None:
            call.leave(lever)
        elif lever is not None:
            lever.close()

    def _watched(self) -> None:
        call = _call_at_hand()
        if call is not None and self._lever is not None:
            call.watch(self._lever)


def _call_at_hand() -> Call | None:
    call: Call | None = getattr(_of_thread, "call", None)
    return call
