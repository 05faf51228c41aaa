"""What the JIRA and the Slack stand-in share: a server on a local port, from start to stop."""

from __future__ import annotations

import json
import socket
import struct
import threading
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping
    from types import TracebackType


class Silence(Enum):
    """What a client gets instead of an answer."""

    RESET = "a reset connection"
    HANGING = "nothing, until it goes away itself"


class StandIn:
    """A server on a local port, from `start()` to `stop()` or for the length of a `with`.

    `handler` answers the requests, and finds this object as `stand_in`. Without `port` a free one is chosen. Every
    answer takes `latency_seconds` longer than it needs; calls that come at the same time wait at the same time.
    """

    def __init__(
        self, handler: type[StandInHandler], host: str, port: int, tls: ssl.SSLContext | None = None
    ) -> None:
        self.latency_seconds = 0.0
        self._handler = handler
        self._address = (host, port)
        self._tls = tls
        self._lock = threading.Lock()
        self._server: ThreadingHTTPServer | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Where the server is, without a slash at the end."""
        if self._server is None:
            raise RuntimeError(f"the {type(self).__name__} is not started")
        host, port = self._server.server_address[:2]
        return f"{'https' if self._tls else 'http'}://{host!s}:{port}"

    def start(self) -> Self:
        """Listen; raises OSError if the port is taken."""
        handler = type("Handler", (self._handler,), {"stand_in": self})
        self._server = _Server(self._address, handler)
        if self._tls is not None:
            # The handshake is left to the thread of the connection, so that a client that breaks it off hurts nobody.
            self._server.socket = self._tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        # The short poll makes stop() quick.
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.005,), daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop listening; what was received stays readable."""
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()
            self._server = self._thread = None

    def wait(self) -> None:
        """Block until another thread stops the server."""
        if self._thread is not None:
            self._thread.join()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Stay silent about clients that go away, as one that does not trust the certificate does."""


class StandInHandler(BaseHTTPRequestHandler):
    """Sends JSON, or leaves the client without an answer."""

    stand_in: StandIn

    def send(self, answer: tuple[int, Mapping[str, str], Any] | Silence) -> None:
        """Answer with status, headers and JSON, or as the silence has it."""
        if self.stand_in.latency_seconds:
            threading.Event().wait(self.stand_in.latency_seconds)
        if answer is Silence.RESET:
            self.reset()
        elif answer is Silence.HANGING:
            self.connection.recv(1)
            self.close_connection = True
        else:
            self.send_json(*answer)

    def send_json(self, status: int, headers: Mapping[str, str], body: Any) -> None:
        """Answer with `body` as JSON, with nothing if it is None."""
        payload = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json;charset=UTF-8")
        if status != 204:
            self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def reset(self) -> None:
        """Drop the connection without an answer."""
        # Lingering for zero seconds makes the kernel send a reset instead of an orderly end.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def log_message(self, format: str, *args: object) -> None:
        """Stay silent: what came in is shown by `/_stand_in/state`."""
