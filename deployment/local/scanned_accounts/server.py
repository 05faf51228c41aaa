"""The server of the scanned accounts: the control endpoint, faults that were asked for, and moto for the rest."""

from __future__ import annotations

import io
import json
import threading
import urllib.parse
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Self, cast
from xml.sax.saxutils import escape

from moto.iam.models import get_account_id_from, iam_backends
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from moto.sts.models import sts_backends
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from deployment.local.scanned_accounts import users
from deployment.local.scanned_accounts.control import CONTROL
from deployment.local.scanned_accounts.mended_moto import mend

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from deployment.local.scanned_accounts.seeds import State

_HOST = "127.0.0.1"
_STATUS_OF_ERROR = {"AccessDenied": 403, "ServiceUnavailable": 503, "InternalFailure": 500}
_STATUS_OF_OTHERS = 400


class ScannedAccounts:
    """The server, on a thread of its own; port 0 takes a free one. A context manager.

    moto keeps its accounts per process, so one server per process. Raises OSError if the port is taken.
    """

    def __init__(self, port: int = 0) -> None:
        mend()
        self._server = make_server(_HOST, port, _Application(), threaded=True, request_handler=_QuietRequestHandler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        """Where the AWS calls and the control endpoint are served."""
        return f"http://{_HOST}:{self._server.server_port}"

    def start(self) -> None:
        """Serve; calls that come in from now on are answered."""
        self._thread.start()

    def wait(self) -> None:
        """Return when the server was stopped."""
        self._thread.join()

    def stop(self) -> None:
        """End the server and free its port."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


@dataclass(slots=True)
class _Fault:
    """An operation on an account that fails `times` more times, always if it is negative."""

    account: str
    operation: str
    code: str
    times: int

    def applies(self, account: str, operation: str) -> bool:
        return self.times != 0 and (self.account, self.operation) == (account, operation)

    def answer(self) -> Response:
        if self.times > 0:
            self.times -= 1
        return _error(self.code, self.operation)


class _Application:
    """Answers the control endpoint and injected faults, and hands everything else to moto."""

    def __init__(self) -> None:
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._lock = threading.Lock()
        self._faults: list[_Fault] = []
        self._actions: dict[tuple[str, str], Callable[[Any], object]] = {
            ("POST", "population"): _populate,
            ("POST", "last_use"): _use_key,
            ("POST", "time"): _let_time_pass,
            ("POST", "faults"): self._add_fault,
            ("DELETE", "faults"): self._remove_faults,
            ("POST", "reset"): self._reset,
            ("GET", "state"): _state,
        }

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"].startswith(CONTROL):
            return self._control(Request(environ))(environ, start_response)
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        failure = self._failure(body.decode(), environ.get("HTTP_AUTHORIZATION", ""))
        if failure is not None:
            return failure(environ, start_response)
        return cast("Iterable[bytes]", self._moto(environ, start_response))

    def _control(self, request: Request) -> Response:
        action = self._actions.get((request.method, request.path.removeprefix(CONTROL)))
        if action is None:
            return Response(f"unknown: {request.method} {request.path}", status=404)
        try:
            with self._lock:
                answer = action(json.loads(request.get_data() or b"null"))
        except (ValueError, KeyError, TypeError) as error:
            return Response(f"{type(error).__name__}: {error}", status=400)
        return Response(json.dumps(answer), mimetype="application/json")

    def _add_fault(self, body: dict[str, Any]) -> None:
        self._faults.append(_Fault(**body))

    def _remove_faults(self, _body: object) -> None:
        self._faults.clear()

    def _reset(self, _body: object) -> None:
        iam_backends.reset()
        sts_backends.reset()
        self._faults.clear()

    def _failure(self, body: str, authorization: str) -> Response | None:
        parameters = dict(urllib.parse.parse_qsl(body))
        operation = parameters.get("Action", "")
        if operation == "AssumeRole":
            account = parameters["RoleArn"].split(":")[4]
        else:
            credential = authorization.partition("Credential=")[2]
            account = get_account_id_from(credential.partition("/")[0])
        with self._lock:
            fault = next((fault for fault in self._faults if fault.applies(account, operation)), None)
            return None if fault is None else fault.answer()


def _populate(body: dict[str, Any]) -> None:
    now = datetime.fromisoformat(body["now"])
    for account, seeds in body["accounts"].items():
        for name, seed in seeds.items():
            users.make_user(account, name, seed, now)


def _use_key(body: dict[str, Any]) -> None:
    at = datetime.fromisoformat(body["at"]) if body["at"] else None
    users.use_key(body["account"], body["key"], at, body["service"])


def _let_time_pass(body: dict[str, Any]) -> None:
    users.let_time_pass(timedelta(days=body["days"]))


def _state(_body: object) -> State:
    return users.state()


def _error(code: str, operation: str) -> Response:
    """An error as IAM and STS, which speak AWS's query protocol, write it."""
    message = f"{code} on {operation}, as it was asked for"
    text = (
        f"<ErrorResponse><Error><Type>Sender</Type><Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
        "</Error><RequestId>00000000-0000-0000-0000-000000000000</RequestId></ErrorResponse>"
    )
    return Response(text, status=_STATUS_OF_ERROR.get(code, _STATUS_OF_OTHERS), mimetype="text/xml")


class _QuietRequestHandler(MotoRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Stay silent: one line per call would bury the errors."""
