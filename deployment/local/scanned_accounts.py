"""Plays IAM and STS of the scanned accounts: moto over HTTP, with a control endpoint that ages keys.

`python -m deployment.local.scanned_accounts --port N` serves the AWS calls and, below `/_stand_in/`, the control
endpoint. `Control` is its client. Times are UTC. What moto does differently from AWS and would hide a bug is mended.
"""

import functools
import hashlib
import io
import json
import threading
import urllib.error
import urllib.parse
import urllib.request
from base64 import b32encode
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any, NotRequired, Self, TypedDict, cast
from xml.sax.saxutils import escape

import click
from moto.core.responses import ActionResult
from moto.iam.exceptions import NoSuchEntity, ValidationError
from moto.iam.models import AccessKeyLastUsed, IAMBackend, get_account_id_from, iam_backends
from moto.iam.responses import IamResponse
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from moto.sts.models import sts_backends
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_HOST = "127.0.0.1"
_CONTROL = "/_stand_in/"
_PARTITION = "aws"
# IAM's default and largest page, API reference of ListUsers and ListAccessKeys.
_PAGE = 100
_LARGEST_PAGE = 1000
_FOR_GOOD = -1
_STATUS_OF_ERROR = {"AccessDenied": 403, "ServiceUnavailable": 503, "InternalFailure": 500}


class KeySeed(TypedDict):
    """An access key to be made. Ages are days before the population's `now`, fractions allowed.

    Without `id` the key gets one that depends on account, user and position only. Without `last_used_days_ago`, or
    with None, it was never used.
    """

    created_days_ago: float
    last_used_days_ago: NotRequired[float | None]
    id: NotRequired[str]
    service: NotRequired[str]
    region: NotRequired[str]
    status: NotRequired[str]


class UserSeed(TypedDict):
    """A user to be made; without `created_days_ago` as old as the oldest key, without `path` under `/`."""

    keys: list[KeySeed]
    path: NotRequired[str]
    tags: NotRequired[dict[str, str]]
    created_days_ago: NotRequired[float]


Population = Mapping[str, Mapping[str, UserSeed]]
"""Users by account id and user name."""


class KeyState(TypedDict):
    """A key as it is now; times in ISO 8601, `last_used` None for a key that was never used."""

    id: str
    status: str
    created: str
    last_used: str | None
    service: str | None
    region: str | None


class UserState(TypedDict):
    """A user as it is now."""

    user_id: str
    created: str
    tags: dict[str, str]
    keys: list[KeyState]


State = dict[str, dict[str, UserState]]
"""Users by account id and user name, accounts without users left out."""


class Control:
    """Talks to the control endpoint of the server at `url`.

    Every method raises RuntimeError with the server's words if the server refuses.
    """

    def __init__(self, url: str) -> None:
        self._url = url + _CONTROL

    def populate(self, population: Population, now: datetime) -> None:
        """Make these users with their keys, aged as seen from `now`; a user that exists already is made anew."""
        self._call("POST", "population", {"now": now.isoformat(), "accounts": population})

    def use_key(self, account: str, key: str, at: datetime | None, service: str = "s3") -> None:
        """Set when a key was used last; None makes it a key that was never used."""
        self._call(
            "POST",
            "last_use",
            {"account": account, "key": key, "at": at.isoformat() if at else None, "service": service},
        )

    def let_time_pass(self, days: float) -> None:
        """Move every time of every user and key so many days back, as if they had passed."""
        self._call("POST", "time", {"days": days})

    def fail(self, account: str, operation: str, code: str, times: int = _FOR_GOOD) -> None:
        """Let an operation (`ListUsers`) on an account fail with an AWS error code (`AccessDenied`, `Throttling`).

        It fails `times` times, or for good with -1. For AssumeRole the account is the one whose role is asked for.
        """
        self._call("POST", "faults", {"account": account, "operation": operation, "code": code, "times": times})

    def heal(self) -> None:
        """End all failures."""
        self._call("DELETE", "faults", None)

    def reset(self) -> None:
        """Remove all users, keys and sessions of all accounts, and end all failures."""
        self._call("POST", "reset", None)

    def state(self) -> State:
        """All users with their keys, as they are now."""
        return cast("State", self._call("GET", "state", None))

    def _call(self, method: str, action: str, body: object) -> object:
        request = urllib.request.Request(self._url + action, json.dumps(body).encode(), method=method)
        # No proxy: the server is on this machine.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=30) as response:
                return json.loads(response.read())
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{method} {_CONTROL}{action}: {error.read().decode()}") from error


class ScannedAccounts:
    """The server, on a thread of its own; port 0 takes a free one. A context manager.

    moto keeps its accounts per process, so one server per process.
    """

    def __init__(self, port: int = 0) -> None:
        _mend_moto()
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
    account: str
    operation: str
    code: str
    times: int


class _Application:
    """Answers the control endpoint and injected faults, and hands everything else to moto."""

    def __init__(self) -> None:
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._lock = threading.Lock()
        self._faults: list[_Fault] = []
        self._actions: dict[tuple[str, str], Callable[[Any], object]] = {
            ("POST", "population"): self._populate,
            ("POST", "last_use"): self._use_key,
            ("POST", "time"): self._let_time_pass,
            ("POST", "faults"): self._add_fault,
            ("DELETE", "faults"): self._remove_faults,
            ("POST", "reset"): self._reset,
            ("GET", "state"): self._state,
        }

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if environ["PATH_INFO"].startswith(_CONTROL):
            return self._control(Request(environ))(environ, start_response)
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        failure = self._failure(body.decode(), environ.get("HTTP_AUTHORIZATION", ""))
        if failure is not None:
            return failure(environ, start_response)
        return cast("Iterable[bytes]", self._moto(environ, start_response))

    def _control(self, request: Request) -> Response:
        action = self._actions.get((request.method, request.path.removeprefix(_CONTROL)))
        if action is None:
            return Response(f"unknown: {request.method} {request.path}", status=404)
        try:
            with self._lock:
                answer = action(json.loads(request.get_data() or b"null"))
        except (ValueError, KeyError, TypeError) as error:
            return Response(f"{type(error).__name__}: {error}", status=400)
        return Response(json.dumps(answer), mimetype="application/json")

    def _populate(self, body: dict[str, Any]) -> None:
        now = datetime.fromisoformat(body["now"])
        for account, users in body["accounts"].items():
            for name, seed in users.items():
                _make_user(account, name, seed, now)

    def _use_key(self, body: dict[str, Any]) -> None:
        key = _backend(body["account"]).access_keys[body["key"]]
        at = body["at"]
        key.last_used = (
            AccessKeyLastUsed(_naive(datetime.fromisoformat(at)), body["service"], "eu-west-1") if at else None
        )

    def _let_time_pass(self, body: dict[str, Any]) -> None:
        passed = timedelta(days=body["days"])
        for account in iam_backends:
            for user in _backend(account).users.values():
                user.create_date -= passed
                for key in user.access_keys:
                    key.create_date -= passed
                    used = key.last_used
                    if used:
                        key.last_used = AccessKeyLastUsed(used.timestamp - passed, used.service, used.region)

    def _add_fault(self, body: dict[str, Any]) -> None:
        self._faults.append(_Fault(**body))

    def _remove_faults(self, _body: object) -> None:
        self._faults.clear()

    def _reset(self, _body: object) -> None:
        iam_backends.reset()
        sts_backends.reset()
        self._faults.clear()

    def _state(self, _body: object) -> State:
        backends = {account: _backend(account) for account in sorted(iam_backends)}
        return {
            account: {
                user.name: _state_of_user(user) for user in sorted(backend.users.values(), key=lambda user: user.name)
            }
            for account, backend in backends.items()
            if backend.users
        }

    def _failure(self, body: str, authorization: str) -> Response | None:
        parameters = dict(urllib.parse.parse_qsl(body))
        operation = parameters.get("Action", "")
        if operation == "AssumeRole":
            account = parameters["RoleArn"].split(":")[4]
        else:
            credential = authorization.partition("Credential=")[2]
            account = get_account_id_from(credential.partition("/")[0])
        with self._lock:
            for fault in self._faults:
                if (fault.account, fault.operation) == (account, operation) and fault.times != 0:
                    if fault.times > 0:
                        fault.times -= 1
                    return _error(fault.code, operation)
        return None


def _error(code: str, operation: str) -> Response:
    """An error as IAM and STS, which speak AWS's query protocol, write it."""
    message = f"{code} on {operation}, as it was asked for"
    text = (
        f"<ErrorResponse><Error><Type>Sender</Type><Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
        "</Error><RequestId>00000000-0000-0000-0000-000000000000</RequestId></ErrorResponse>"
    )
    return Response(text, status=_STATUS_OF_ERROR.get(code, 400), mimetype="text/xml")


def _backend(account: str) -> IAMBackend:
    return iam_backends[account][_PARTITION]


def _make_user(account: str, name: str, seed: UserSeed, now: datetime) -> None:
    backend = _backend(account)
    if name in backend.users:
        for key in list(backend.users[name].access_keys):
            backend.delete_access_key(key.access_key_id, name)
        backend.delete_user(name)
    tags = [{"Key": key, "Value": value} for key, value in seed.get("tags", {}).items()]
    user = backend.create_user("us-east-1", name, seed.get("path", "/"), tags)
    user.id = _derived_id("AIDA", account, name)
    ages = [key["created_days_ago"] for key in seed["keys"]]
    user.create_date = _ago(now, seed.get("created_days_ago", max(ages, default=0)))
    for position, key_seed in enumerate(seed["keys"]):
        key = backend.create_access_key(name, status=key_seed.get("status", "Active"))
        del backend.access_keys[key.access_key_id]
        key.access_key_id = key_seed.get("id") or _derived_id("AKIA", account, name, str(position))
        if key.access_key_id in backend.access_keys:
            raise ValueError(f"key {key.access_key_id} of account {account} exists already")
        backend.access_keys[key.access_key_id] = key
        key.create_date = _ago(now, key_seed["created_days_ago"])
        used = key_seed.get("last_used_days_ago")
        if used is not None:
            key.last_used = AccessKeyLastUsed(
                _ago(now, used), key_seed.get("service", "s3"), key_seed.get("region", "eu-west-1")
            )


def _derived_id(prefix: str, *parts: str) -> str:
    """An id in IAM's alphabet and length that is the same in every run."""
    return prefix + b32encode(hashlib.sha256("/".join(parts).encode()).digest()).decode()[:16]


def _ago(now: datetime, days: float) -> datetime:
    return _naive(now - timedelta(days=days))


def _naive(moment: datetime) -> datetime:
    """UTC without a zone, in whole seconds: what moto computes with, as exact as IAM is."""
    return moment.astimezone(UTC).replace(tzinfo=None, microsecond=0)


def _iso(moment: datetime) -> str:
    return moment.replace(tzinfo=UTC, microsecond=0).isoformat()


def _state_of_user(user: Any) -> UserState:
    return {
        "user_id": user.id,
        "created": _iso(user.create_date),
        "tags": {tag["Key"]: tag["Value"] for tag in user.tags or []},
        "keys": [
            {
                "id": key.access_key_id,
                "status": key.status,
                "created": _iso(key.create_date),
                "last_used": _iso(key.last_used.timestamp) if key.last_used else None,
                "service": key.last_used.service if key.last_used else None,
                "region": key.last_used.region if key.last_used else None,
            }
            for key in user.access_keys
        ],
    }


class _QuietRequestHandler(MotoRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Stay silent: one line per call would bury the errors."""


@functools.cache
def _mend_moto() -> None:
    """Make moto's IAM answer as AWS does where a difference would hide a bug."""
    _page("list_users", "Users", lambda user: user.name)
    _page("list_access_keys", "AccessKeyMetadata", lambda key: key.access_key_id)

    def get_access_key_last_used(self: IAMBackend, access_key_id: str) -> dict[str, Any]:
        # moto searches every account, and every key for each call.
        key = self.access_keys.get(access_key_id)
        if key is None or key.user_name is None:
            raise NoSuchEntity(f"The Access Key with id {access_key_id} cannot be found")
        return {"user_name": key.user_name, "last_used": key.last_used}

    rename = IAMBackend.update_user

    def update_user(
        self: IAMBackend, user_name: str, new_path: str | None = None, new_user_name: str | None = None
    ) -> None:
        # moto leaves the keys and tags of a renamed user with the old name.
        tags = self.list_user_tags(user_name)
        rename(self, user_name, new_path, new_user_name)
        user = self.get_user(new_user_name or user_name)
        self.tagger.tag_resource(user.arn, tags)
        for key in user.access_keys:
            key.user_name = user.name

    for replacement in (get_access_key_last_used, update_user):
        setattr(IAMBackend, replacement.__name__, replacement)


def _page(operation: str, entries: str, identity: Callable[[Any], str]) -> None:
    """Make an operation honour MaxItems and Marker, which moto ignores.

    The marker is the last entry's name, so that an entry that goes away between two pages hides no other.
    """
    unpaged = getattr(IamResponse, operation)

    def paged(self: IamResponse) -> ActionResult:
        size = int(self._get_param("MaxItems") or _PAGE)
        if not 1 <= size <= _LARGEST_PAGE:
            raise ValidationError(
                f"1 validation error detected: Value '{size}' at 'maxItems' failed to satisfy constraint: "
                f"Member must have value between 1 and {_LARGEST_PAGE}"
            )
        marker = self._get_param("Marker") or ""
        result = dict(unpaged(self).result)
        left = [entry for entry in sorted(result[entries], key=identity) if identity(entry) > marker]
        result[entries] = left[:size]
        result["IsTruncated"] = len(left) > size
        result["Marker"] = identity(left[size - 1]) if len(left) > size else None
        return ActionResult(result)

    setattr(IamResponse, operation, paged)


@click.command()
@click.option("--port", type=int, required=True, help="Port on 127.0.0.1.")
def main(port: int) -> None:
    """Serve IAM and STS of the scanned accounts until the process is ended."""
    server = ScannedAccounts(port)
    server.start()
    click.echo(f"IAM and STS of the scanned accounts: {server.url}")
    server.wait()


if __name__ == "__main__":
    main()
