"""A proxy that counts calls, and at one of them kills the process that makes it."""

from __future__ import annotations

import http.client
import os
import re
import signal
import threading
from concurrent.futures import Future
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Literal, Self
from urllib.parse import SplitResult, parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

Variant = Literal["before", "after"]
_SECONDS = 60
_NOT_PASSED_ON = {"connection", "transfer-encoding", "keep-alive"}


class KillingProxy:
    """Passes calls on to `upstreams` (addresses by name), each of which it plays at a port of its own.

    `calls` names the calls of the present run, in order. A context manager.
    """

    def __init__(self, upstreams: Mapping[str, str]) -> None:
        self.calls: list[str] = []
        self._lock = threading.Lock()
        self._fatal: tuple[int, Variant] | None = None
        self._pid: Future[int] = Future()
        self._servers = {
            name: ThreadingHTTPServer(
                ("127.0.0.1", 0), type("Handler", (_Handler,), {"proxy": self, "upstream": urlsplit(url)})
            )
            for name, url in upstreams.items()
        }

    def url(self, name: str) -> str:
        """Where an upstream is played, without a slash at the end."""
        return f"http://127.0.0.1:{self._servers[name].server_port}"

    def expect(self, fatal: tuple[int, Variant] | None) -> None:
        """A new run begins: kill it at its call number `fatal`, before or after the call is carried out."""
        self.calls, self._fatal, self._pid = [], fatal, Future()

    def started(self, pid: int) -> None:
        """Which process is to be killed."""
        self._pid.set_result(pid)

    def take(self, call: str) -> Variant | None:
        """Count a call: whether it is the fatal one."""
        with self._lock:
            self.calls.append(call)
            fatal = self._fatal
            return fatal[1] if fatal is not None and fatal[0] == len(self.calls) - 1 else None

    def kill(self) -> None:
        """Kill the process as nothing else can: it cannot do a thing any more, not even close a file."""
        os.kill(self._pid.result(_SECONDS), signal.SIGKILL)

    def __enter__(self) -> Self:
        for server in self._servers.values():
            server.daemon_threads = True
            threading.Thread(target=server.serve_forever, args=(0.005,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for server in self._servers.values():
            server.shutdown()
            server.server_close()


class _Handler(BaseHTTPRequestHandler):
    proxy: KillingProxy
    upstream: SplitResult

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        variant = self.proxy.take(self._name(body))
        if variant == "before":
            self.proxy.kill()
            return
        connection = http.client.HTTPConnection(self.upstream.netloc, timeout=_SECONDS)
        try:
            connection.request(self.command, self.path, body, dict(self.headers.items()))
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        if variant == "after":
            self.proxy.kill()
            return
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in {*_NOT_PASSED_ON, "content-length"}:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_DELETE = _pass_on

    def _name(self, body: bytes) -> str:
        target = self.headers.get("X-Amz-Target")
        if target:
            return target.rpartition(".")[2]
        if body.startswith(b"Action="):
            return parse_qs(body.decode())["Action"][0]
        path = urlsplit(self.path).path
        if path.startswith("/api/"):
            return path.removeprefix("/api/")
        return f"{self.command} {re.sub(r'[A-Z]+-[0-9]+', 'KEY', path.removeprefix('/rest/api/'))}"

    def log_message(self, format: str, *args: object) -> None:
        """Stay silent."""
