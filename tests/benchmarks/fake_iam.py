"""A fake IAM over HTTP: fast, slow as AWS on purpose, throttling, counting; `python -m tests.benchmarks.fake_iam`.

It plays one account (see `account`), in a process of its own, so that it shares no interpreter with what is measured.
`FakeIam` starts it and talks to its control endpoint. SNS's PublishBatch and an empty DynamoDB table are there, too.
"""

from __future__ import annotations

import asyncio
import base64
import http.client
import json
import math
import subprocess
import sys
import time
from bisect import bisect_right
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self, cast
from urllib.parse import parse_qsl

from tests.benchmarks.account import DAY, SAME_SECOND, Account, Fact, Kind, Oddities, Report, User
from tests.wire import SAFE
from tests.world import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

REPORT_LIFE = 4 * 3600
"""So old a credential report may get (IAM User Guide, "Getting credential reports")."""

_HOST = "127.0.0.1"
_CONTROL = "/_fake/"
_LARGEST_PAGE, _PAGE = 1000, 100
_NAMESPACE = "https://iam.amazonaws.com/doc/2010-05-08/"
_REQUEST_ID = "<ResponseMetadata><RequestId>00000000-0000-0000-0000-000000000000</RequestId></ResponseMetadata>"


@dataclass(frozen=True, slots=True)
class Limits:
    """How slow it is: seconds per call and per report; calls a second and at once per API; 0 a second is no limit."""

    latency: float = 0.0
    report_seconds: float = 0.0
    rate: float = 0.0
    burst: int = 100
    page_size: int = _LARGEST_PAGE


@dataclass(frozen=True, slots=True)
class Counts:
    """Calls since the last reset by operation: those answered, with success or an error, and those throttled."""

    served: dict[str, int]
    throttled: dict[str, int]

    @property
    def calls(self) -> int:
        """All calls."""
        return sum(self.served.values()) + sum(self.throttled.values())


@dataclass(frozen=True, slots=True)
class KeyOfUser:
    """A key and whose it is."""

    key_id: str
    user_name: str
    user_id: str
    active: bool


class FakeIam:
    """The running fake, a context manager; it ends with this process, however that ends."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks.fake_iam"],
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # Ctrl-C is for the parent; this one ends when its standard input does.
            start_new_session=True,
        )
        assert self._process.stdout is not None
        self._port = int(self._process.stdout.readline())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate()

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://{_HOST}:{self._port}"

    @property
    def environment(self) -> dict[str, str]:
        """What lets botocore talk to it, and to nothing else."""
        return SAFE | {"AWS_ENDPOINT_URL": self.url}

    def load(self, users: int, seed: int, now: int, kind: Kind = "usual", same_second: float = SAME_SECOND) -> None:
        """Start again with an account (see `Account`) without a report and without limits."""
        self._call("load", users=users, seed=seed, now=now, kind=kind, same_second=same_second)

    def limit(self, limits: Limits) -> None:
        """Be so slow from now on, with full buckets."""
        self._call("limit", **asdict(limits))

    def make_report(self, age: float, oddities: Oddities | None = None, seed: int = 0) -> None:
        """Have a report of the account as it is, made `age` seconds ago. Later reports have the same oddities."""
        self._call("report", age=age, oddities=asdict(oddities or Oddities()), seed=seed)

    def start_report(self, seconds: float, oddities: Oddities | None = None, seed: int = 0) -> None:
        """Be in the middle of making a report of the account as it is, for somebody else, ready after `seconds`."""
        self._call("start_report", seconds=seconds, oddities=asdict(oddities or Oddities()), seed=seed)

    def drift(self, events: Mapping[str, int], seed: int, since: int) -> None:
        """Let things happen to the account: see `Account.drift`."""
        self._call("drift", events=dict(events), seed=seed, since=since)

    def reset_counts(self) -> None:
        """Count from zero, with full buckets."""
        self._call("reset_counts")

    def counts(self) -> Counts:
        """What was called."""
        return Counts(**self._call("counts"))

    def idle_keys(self, criteria_days: int) -> list[Fact]:
        """The truth."""
        return [tuple(fact) for fact in self._call("idle_keys", criteria_days=criteria_days)]

    def all_keys(self) -> list[KeyOfUser]:
        """All keys as they are now."""
        return [KeyOfUser(*key) for key in self._call("keys")]

    def allowance(self, criteria_days: int, *, cached: bool) -> int:
        """The calls that a scan needs by the report that was served last.

        One for each user with an idle-looking key, for each such key, for each page of users, and three. The report
        is `cached` if it was made before the scan: see `Report.idle_looking`.
        """
        return sum(self._call("allowance", criteria_days=criteria_days, cached=cached))

    def _call(self, action: str, **arguments: object) -> Any:
        connection = http.client.HTTPConnection(_HOST, self._port, timeout=60)
        try:
            connection.request("POST", _CONTROL + action, json.dumps(arguments))
            response = connection.getresponse()
            body = response.read()
            if response.status != 200:
                raise RuntimeError(f"{action}: {body.decode()}")
            return json.loads(body)
        finally:
            connection.close()


class _Refused(Exception):
    """An error for the caller: HTTP status, AWS's code, and words."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


Parameters = dict[str, str]


class Fake:
    """The account, its reports and its limits; answers are rendered once and kept until something changes."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self.refuse = ""
        """The name of a user whom a policy protects."""
        self.no_report = False
        self._account = Account(0, 0, int(clock()))
        self._report: Report | None = None
        self._being_made: tuple[Report, float] | None = None
        self._oddities, self._report_seed = Oddities(), 0
        self._rendered: dict[tuple[str, str], bytes] = {}
        self._names: list[str] = []
        self._owner_of: dict[str, User] = {}
        self._limit()
        self.reset_counts()
        self.changed()
        self._operations: dict[str, Callable[[Parameters], str]] = {
            "ListUsers": self._list_users,
            "ListAccessKeys": self._list_access_keys,
            "GetAccessKeyLastUsed": self._last_used,
            "ListUserTags": self._list_user_tags,
            "GenerateCredentialReport": self._generate_report,
            "GetCredentialReport": self._get_report,
            "GetAccountSummary": self._summary,
            "PublishBatch": _publish_batch,
        }
        self._lasting = {"ListUsers", "ListAccessKeys", "GetAccessKeyLastUsed", "ListUserTags"}
        self._controls: dict[str, Callable[..., object]] = {
            "load": self._load,
            "limit": self._limit,
            "report": self._make_report,
            "start_report": self._start_report,
            "drift": self._drift,
            "reset_counts": self.reset_counts,
            "counts": self._counts,
            "idle_keys": self._idle_keys,
            "keys": self._keys,
            "allowance": self._allowance,
        }

    # --- the control endpoint -----------------------------------------------------------------------------------

    def control(self, action: str, body: bytes) -> bytes:
        """Answer the control endpoint."""
        try:
            answer = self._controls[action](**json.loads(body or b"{}"))
        except (KeyError, TypeError, ValueError) as error:
            return _http(400, f"{type(error).__name__}: {error}".encode())
        return _http(200, json.dumps(answer).encode())

    def _load(self, users: int, seed: int, now: int, kind: Kind, same_second: float) -> None:
        self._account = Account(users, seed, now, kind, same_second)
        self._report = self._being_made = None
        self._oddities, self._report_seed = Oddities(), 0
        self._limit()
        self.reset_counts()
        self.changed()

    def play(self, account: Account) -> None:
        """Play this account, which may change as it likes if that is said: see `changed`."""
        self._account = account
        self.changed()

    def _limit(self, **limits: Any) -> None:
        self.limits = Limits(**limits)
        self._refill()
        self._rendered.clear()

    def make_report(self, age: float) -> None:
        """Have a report of the account as it is, made `age` seconds ago."""
        self._report = self._snapshot(int(self._clock() - age))

    def _make_report(self, age: float, oddities: dict[str, Any], seed: int) -> None:
        self._oddities, self._report_seed = Oddities(**oddities), seed
        self._report = self._snapshot(int(self._clock() - age))

    def _start_report(self, seconds: float, oddities: dict[str, Any], seed: int) -> None:
        self._oddities, self._report_seed = Oddities(**oddities), seed
        self._being_made = (self._snapshot(int(self._clock())), time.monotonic() + seconds)

    def _snapshot(self, generated: int) -> Report:
        return Report(self._account, generated, self._oddities, self._report_seed)

    def _drift(self, events: dict[str, int], seed: int, since: int) -> None:
        self._account.drift(events, seed, since)
        self.changed()

    def changed(self) -> None:
        """Forget the answers that were kept."""
        self._rendered.clear()
        users = self._account.users
        self._names = sorted(users)
        self._owner_of = {key.key_id: user for user in users.values() for key in user.keys}

    def reset_counts(self) -> None:
        """Count from zero, with full buckets."""
        self._served: Counter[str] = Counter()
        self._throttled: Counter[str] = Counter()
        self._refill()

    def _counts(self) -> dict[str, dict[str, int]]:
        return {"served": dict(self._served), "throttled": dict(self._throttled)}

    def _idle_keys(self, criteria_days: int) -> list[Fact]:
        return self._account.idle_keys(criteria_days)

    def _keys(self) -> list[tuple[str, str, str, bool]]:
        users = self._account.users.values()
        return [(key.key_id, user.name, user.user_id, key.active) for user in users for key in user.keys]

    def _allowance(self, criteria_days: int, cached: bool) -> tuple[int, int, int, int]:
        if self._report is None:
            raise ValueError("there is no report")
        users, keys = self._report.idle_looking(self._account.now - criteria_days * DAY, cached=cached)
        return users, keys, math.ceil(len(self._names) / _LARGEST_PAGE), 3

    # --- limits -------------------------------------------------------------------------------------------------

    def _refill(self) -> None:
        self._buckets: defaultdict[str, list[float]] = defaultdict(
            lambda: [float(self.limits.burst), time.monotonic()]
        )

    def _has_token(self, operation: str) -> bool:
        if not self.limits.rate:
            return True
        bucket = self._buckets[operation]
        now = time.monotonic()
        tokens = min(self.limits.burst, bucket[0] + (now - bucket[1]) * self.limits.rate)
        allowed = tokens >= 1
        bucket[:] = [tokens - allowed, now]
        return allowed

    # --- AWS's calls --------------------------------------------------------------------------------------------

    def answer(self, body: bytes) -> bytes:
        """Answer a call of AWS's query protocol; one in JSON is taken for one of DynamoDB's on an empty table."""
        if body.startswith(b"{"):
            tables = json.loads(body).get("RequestItems", ())
            batch: dict[str, object] = {"Responses": {table: [] for table in tables}, "UnprocessedKeys": {}}
            text = json.dumps({"Count": 0, "Items": [], "ScannedCount": 0, **batch})
            return _http(200, text.encode(), "application/x-amz-json-1.0")
        parameters = dict(parse_qsl(body.decode()))
        operation = parameters.get("Action", "")
        if not self._has_token(operation):
            self._throttled[operation] += 1
            return _error(400, "Throttling", "Rate exceeded")
        self._served[operation] += 1
        subject = "\n".join(parameters.get(name, "") for name in ("UserName", "AccessKeyId", "Marker", "MaxItems"))
        known = self._rendered.get((operation, subject))
        if known is not None:
            return known
        try:
            if operation not in self._operations:
                raise _Refused(400, "InvalidAction", f"Could not find operation {operation}")
            answer = _result(operation, self._operations[operation](parameters))
        except _Refused as error:
            return _error(error.status, error.code, error.message)
        if operation in self._lasting:
            self._rendered[operation, subject] = answer
        return answer

    def _list_users(self, parameters: Parameters) -> str:
        size = int(parameters.get("MaxItems", _PAGE))
        if not 1 <= size <= _LARGEST_PAGE:
            raise _Refused(400, "ValidationError", f"Value '{size}' at 'maxItems' failed to satisfy constraint")
        begin = 0
        if marker := parameters.get("Marker"):
            begin = bisect_right(self._names, base64.urlsafe_b64decode(marker).decode())
        page = self._names[begin : begin + min(size, self.limits.page_size)]
        end = begin + len(page)
        more = end < len(self._names)
        position = f"<Marker>{base64.urlsafe_b64encode(page[-1].encode()).decode()}</Marker>" if more else ""
        members = "".join(
            f"<member><Path>{user.path}</Path><UserName>{user.name}</UserName><UserId>{user.user_id}</UserId>"
            f"<Arn>{user.arn}</Arn><CreateDate>{_time(user.created)}</CreateDate></member>"
            for user in (self._account.users[name] for name in page)
        )
        return f"<IsTruncated>{'true' if more else 'false'}</IsTruncated>{position}<Users>{members}</Users>"

    def _user(self, parameters: Parameters) -> User:
        name = parameters.get("UserName", "")
        if name and name == self.refuse:
            raise _Refused(403, "AccessDenied", "with an explicit deny in a service control policy")
        user = self._account.users.get(name)
        if user is None:
            raise _Refused(404, "NoSuchEntity", f"The user with name {name} cannot be found.")
        return user

    def _list_access_keys(self, parameters: Parameters) -> str:
        user = self._user(parameters)
        members = "".join(
            f"<member><UserName>{user.name}</UserName><AccessKeyId>{key.key_id}</AccessKeyId>"
            f"<Status>{'Active' if key.active else 'Inactive'}</Status>"
            f"<CreateDate>{_time(key.created)}</CreateDate></member>"
            for key in user.keys
        )
        return (
            f"<UserName>{user.name}</UserName><IsTruncated>false</IsTruncated>"
            f"<AccessKeyMetadata>{members}</AccessKeyMetadata>"
        )

    def _last_used(self, parameters: Parameters) -> str:
        key_id = parameters.get("AccessKeyId", "")
        owner = self._owner_of.get(key_id)
        if owner is None:
            raise _Refused(404, "NoSuchEntity", f"The Access Key with id {key_id} cannot be found")
        key = next(key for key in owner.keys if key.key_id == key_id)
        if key.used is None:
            use = "<ServiceName>N/A</ServiceName><Region>N/A</Region>"
        else:
            use = (
                f"<LastUsedDate>{_time(key.used)}</LastUsedDate><ServiceName>{key.service}</ServiceName>"
                f"<Region>{key.region}</Region>"
            )
        return f"<UserName>{owner.name}</UserName><AccessKeyLastUsed>{use}</AccessKeyLastUsed>"

    def _list_user_tags(self, parameters: Parameters) -> str:
        tag = f"<member><Key>owner</Key><Value>{self._user(parameters).name}</Value></member>"
        return f"<IsTruncated>false</IsTruncated><Tags>{tag}</Tags>"

    def _summary(self, _parameters: Parameters) -> str:
        present = int(self._account.root_keys > 0)
        return f"<SummaryMap><entry><key>AccountAccessKeysPresent</key><value>{present}</value></entry></SummaryMap>"

    def _generate_report(self, _parameters: Parameters) -> str:
        if self.no_report:
            raise _Refused(403, "AccessDenied", "not authorized to perform: iam:GenerateCredentialReport")
        self._finish_report()
        if self._being_made is not None:
            return "<State>INPROGRESS</State>"
        if self._report is not None and self._clock() - self._report.generated < REPORT_LIFE:
            return "<State>COMPLETE</State>"
        words = "No report exists. Starting a new report generation task"
        self._being_made = (self._snapshot(int(self._clock())), time.monotonic() + self.limits.report_seconds)
        return f"<State>STARTED</State><Description>{words}</Description>"

    def _get_report(self, _parameters: Parameters) -> str:
        self._finish_report()
        if self._being_made is not None:
            raise _Refused(404, "ReportInProgress", "Report is being generated")
        if self._report is None:
            raise _Refused(410, "ReportNotPresent", "No report exists. Generate one first.")
        if self._clock() - self._report.generated >= REPORT_LIFE:
            raise _Refused(410, "ReportExpired", "The report has expired. Generate a new one.")
        content = base64.b64encode(self._report.csv().encode()).decode()
        generated = _time(self._report.generated)
        return (
            f"<Content>{content}</Content><GeneratedTime>{generated}</GeneratedTime>"
            "<ReportFormat>text/csv</ReportFormat>"
        )

    def _finish_report(self) -> None:
        if self._being_made is not None and time.monotonic() >= self._being_made[1]:
            self._report, self._being_made = self._being_made[0], None


def _publish_batch(parameters: Parameters) -> str:
    entries = [value for name, value in parameters.items() if name.endswith(".Id")]
    members = "".join(f"<member><Id>{entry}</Id><MessageId>{entry}</MessageId></member>" for entry in entries)
    return f"<Successful>{members}</Successful><Failed/>"


def _time(moment: int) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _result(operation: str, result: str) -> bytes:
    text = (
        f'<{operation}Response xmlns="{_NAMESPACE}"><{operation}Result>{result}</{operation}Result>{_REQUEST_ID}'
        f"</{operation}Response>"
    )
    return _http(200, text.encode(), "text/xml")


def _error(status: int, code: str, message: str) -> bytes:
    text = (
        f'<ErrorResponse xmlns="{_NAMESPACE}"><Error><Type>Sender</Type><Code>{code}</Code>'
        f"<Message>{message}</Message></Error><RequestId>00000000-0000-0000-0000-000000000000</RequestId>"
        "</ErrorResponse>"
    )
    return _http(status, text.encode(), "text/xml")


def _http(status: int, body: bytes, kind: str = "application/json") -> bytes:
    return f"HTTP/1.1 {status} -\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


class _Connection(asyncio.Protocol):
    """One connection, kept open; parses no more of HTTP than botocore and http.client send."""

    def __init__(self, fake: Fake) -> None:
        self._fake = fake
        self._received = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        while True:
            end = self._received.find(b"\r\n\r\n")
            if end < 0:
                return
            head = self._received[:end]
            begin = head.lower().find(b"\r\ncontent-length:")
            length = int(head[begin + 17 :].split(b"\r\n", 1)[0]) if begin >= 0 else 0
            if len(self._received) < end + 4 + length:
                return
            body = self._received[end + 4 : end + 4 + length]
            self._received = self._received[end + 4 + length :]
            self._answer(head, body)

    def _answer(self, head: bytes, body: bytes) -> None:
        path = head.split(b" ", 2)[1].decode()
        if path.startswith(_CONTROL):
            self._send(self._fake.control(path.removeprefix(_CONTROL), body))
            return
        answer, latency = self._fake.answer(body), self._fake.limits.latency
        if latency:
            asyncio.get_running_loop().call_later(latency, self._send, answer)
        else:
            self._send(answer)

    def _send(self, answer: bytes) -> None:
        assert self._transport is not None
        if not self._transport.is_closing():
            self._transport.write(answer)


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    fake = Fake()
    server = await loop.create_server(lambda: _Connection(fake), _HOST, 0, backlog=1000)
    print(server.sockets[0].getsockname()[1], flush=True)
    # Nobody writes to it: it closes when the parent ends.
    await loop.run_in_executor(None, sys.stdin.buffer.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(_serve())
