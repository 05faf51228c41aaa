"""The engine of the JIRA and the Slack stand-in: a server on a local port, and rules that answer in its place."""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import ssl
    from types import TracebackType

HOST = "127.0.0.1"
STATE = "/_stand_in/state"
"""The path at which a stand-in shows what it has received."""

Answer = tuple[int, Mapping[str, str], Any]
"""Status, headers, and the body that is sent as JSON; bytes are sent as a page of HTML, None as an empty body."""

Request = TypeVar("Request")


@dataclass(frozen=True, slots=True)
class Raw:
    """An answer that is sent as it is written here, whatever a client makes of it.

    Of `body` only the first `sent` bytes are sent (None: all of them), then the connection ends. Between two bytes,
    those of the headers included, `pause_seconds` pass.
    """

    status: int = HTTPStatus.OK
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    sent: int | None = None
    pause_seconds: float = 0.0


class Silence(Enum):
    """What a client gets instead of an answer."""

    RESET = "a reset connection"
    HANGING = "nothing until the client goes away"
    CUT = "half of an answer, and an orderly end"
    TRICKLE = "an answer of one byte at a time, which never ends"
    NOT_TLS = "what is no TLS, in the middle of a connection that was"


@dataclass(slots=True)
class Rule(Generic[Request]):
    """Answers calls that it `applies` to, in the place of the stand-in.

    With `after_doing` the call is carried out first, and its real answer is lost. `times` is how many more calls the
    rule answers, None for all.
    """

    applies: Callable[[Request], bool]
    answer: Answer | Raw | Silence
    after_doing: bool = False
    times: int | None = None


class StandIn(ABC, Generic[Request]):
    """A server on a local port, from `start()` to `stop()` or for the length of a `with`.

    `handler` answers the calls, and finds this object as `stand_in`. Without `port` a free one is chosen. `requests`
    are the calls that came in, the oldest first. Every answer takes `latency_seconds` longer than it needs; calls
    that come at the same time wait at the same time.
    """

    def __init__(self, handler: type[StandInHandler], port: int, tls: ssl.SSLContext | None = None) -> None:
        self.latency_seconds = 0.0
        self.requests: list[Request] = []
        self._rules: list[Rule[Request]] = []
        self._handler = handler
        self._port = port
        self._tls = tls
        self._lock = threading.Lock()
        self._server: ThreadingHTTPServer | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Where the server is, without a slash at the end. Raises RuntimeError if it is not started."""
        if self._server is None:
            raise RuntimeError(f"the {type(self).__name__} is not started")
        return f"{'https' if self._tls else 'http'}://{HOST}:{self._server.server_port}"

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """Everything that was received, for JSON; served under STATE."""

    def add_rule(self, rule: Rule[Request]) -> None:
        """Let a rule answer calls from now on; of several that apply, the oldest does."""
        with self._lock:
            self._rules.append(rule)

    def heal(self) -> None:
        """End all failures."""
        with self._lock:
            self._rules.clear()

    def respond(self, request: Request, carry_out: Callable[[], Answer]) -> Answer | Raw | Silence:
        """Keep the call, and answer it by the first rule that applies, or by carrying it out."""
        with self._lock:
            self.requests.append(request)
            rule = self._rule_for(request)
            if rule is None:
                return carry_out()
            if rule.after_doing:
                carry_out()
            return rule.answer

    def _rule_for(self, request: Request) -> Rule[Request] | None:
        for rule in self._rules:
            if rule.times != 0 and rule.applies(request):
                if rule.times is not None:
                    rule.times -= 1
                return rule
        return None

    def start(self) -> Self:
        """Listen; raises OSError if the port is taken."""
        handler = type("Handler", (self._handler,), {"stand_in": self})
        self._server = _Server((HOST, self._port), handler)
        if self._tls is not None:
            # The thread of the connection does the handshake, so that a client that breaks it off disturbs nobody.
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


@contextmanager
def until_ended() -> Iterator[None]:
    """A block that Ctrl-C or SIGTERM end quietly."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt):
        yield


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Stay silent about clients that go away, as one that does not trust the certificate does."""


class StandInHandler(BaseHTTPRequestHandler):
    """Reads calls, and sends JSON or leaves the client without an answer."""

    stand_in: StandIn[Any]

    def call(self, body: bytes) -> None:
        """Answer the call at hand."""
        raise NotImplementedError

    def do_GET(self) -> None:
        """Show the state, or answer a call."""
        if urlsplit(self.path).path == STATE:
            self.send_json(HTTPStatus.OK, {}, self.stand_in.state())
        else:
            self.call(self._body())

    def do_POST(self) -> None:
        """Answer a call."""
        self.call(self._body())

    def do_PUT(self) -> None:
        """Answer a call."""
        self.call(self._body())

    def do_DELETE(self) -> None:
        """Answer a call."""
        self.call(self._body())

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def send(self, answer: Answer | Raw | Silence) -> None:
        """Send an answer, or stay silent in the way that is asked for."""
        if self.stand_in.latency_seconds:
            threading.Event().wait(self.stand_in.latency_seconds)
        if isinstance(answer, Silence):
            self._stay_silent(answer)
        elif isinstance(answer, Raw):
            self._send_raw(answer)
        else:
            self.send_json(*answer)

    def send_json(self, status: int, headers: Mapping[str, str], body: Any) -> None:
        """Answer with `body` as JSON, as a page if it is bytes, with nothing if it is None."""
        is_page = isinstance(body, bytes)
        payload = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", f"{'text/html' if is_page else 'application/json'};charset=UTF-8")
        if status != HTTPStatus.NO_CONTENT:
            self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def _send_raw(self, answer: Raw) -> None:
        self.close_connection = True
        headers = {"Content-Type": "text/html", "Content-Length": str(len(answer.body)), **answer.headers}
        lines = [
            f"HTTP/1.1 {answer.status} {answer.status}",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        whole = "\r\n".join([*lines, "", ""]).encode() + answer.body[: answer.sent]
        step = 1 if answer.pause_seconds else len(whole)
        # A client that has had enough goes away.
        with suppress(OSError):
            for start in range(0, len(whole), step):
                self.wfile.write(whole[start : start + step])
                time.sleep(answer.pause_seconds)

    def _stay_silent(self, how: Silence) -> None:
        self.close_connection = True
        if how is Silence.HANGING:
            self.connection.recv(1)
            return
        if how in (Silence.CUT, Silence.TRICKLE):
            self._send_in_part(forever=how is Silence.TRICKLE)
            return
        if how is Silence.NOT_TLS:
            os.write(self.connection.fileno(), b"HTTP/1.1 502 Bad Gateway\r\n\r\n")
            return
        # With a linger time of zero the kernel sends a reset instead of an orderly end.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def _send_in_part(self, *, forever: bool) -> None:
        self.wfile.write(b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n{"')
        with suppress(OSError):
            while forever:
                threading.Event().wait(0.02)
                self.wfile.write(b" ")

    def log_message(self, format: str, *args: object) -> None:
        """Stay silent: STATE shows what came in."""
