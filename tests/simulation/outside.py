"""AWS, JIRA and Slack in this process, right below the clients, where calls can be cut, failed and held up."""

from __future__ import annotations

import concurrent.futures
import copy
import json
import os
import re
import time
import urllib.request
from collections import Counter
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import Message
from io import BytesIO
from typing import TYPE_CHECKING, Any, Literal, TypeVar
from unittest import mock
from urllib.error import URLError
from urllib.parse import parse_qsl, urlsplit
from urllib.response import addinfourl
from xml.sax.saxutils import escape

import botocore.retries.bucket
import botocore.retries.quota
import requests
import time_machine
from botocore.exceptions import ConnectionClosedError

from deployment.local.jira_stand_in import JiraRequest, JiraStandIn
from deployment.local.slack_stand_in import SlackStandIn, arguments_of
from deployment.local.stand_in import Raw, Silence
from library.aws.lease import LEASE
from library.aws.state_table import state_table_name
from library.aws_clients import Session
from library.cli import stop_file
from library.notifications.http_limits import LimitedAdapter
from tests.wire import SAFE, answer, body_of, failure, form, json_failure, not_of_aws
from tests.world import MAIN, OWN_KEY, REGION, SECRET, TABLE
from tests.world.configuration import CREDENTIALS, PARENT
from tests.world.table import deserialized

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from botocore.awsrequest import AWSPreparedRequest, AWSResponse

T = TypeVar("T")

JIRA_URL = "https://jira.example"
SLACK_URL = "https://slack.example/api/"
PAGE = 2
CALL_TAKES = timedelta(milliseconds=200)

# Between these calls and the one that switches the key off nobody can look again.
LAST_LOOK = ("GetAccessKeyLastUsed", "UpdateAccessKey")


class Cut(BaseException):
    """The process was killed: no `except Exception` may stop this."""


# --- what may happen to a command ---

When = int | tuple[str, int]
"""Which of a command's calls: its number among all, or among those of one operation."""


@dataclass(frozen=True)
class CutOff:
    """The process is killed at this call, which was carried out before (`done`) or never went out."""

    call: When
    done: bool


@dataclass(frozen=True)
class Fault:
    """This call fails and, if `lasting`, every further one of the same operation.

    `lost` is a call that was carried out, and whose answer did not arrive.
    """

    call: When
    how: Literal["throttled", "denied", "reset", "lost"]
    lasting: bool


Act = tuple[Any, ...]


@dataclass(frozen=True)
class Meanwhile:
    """Right before this call, or the next that may be, the command is held up while these acts happen."""

    call: When
    acts: tuple[Act, ...]


Plan = CutOff | Fault | Meanwhile | None


@dataclass
class Command:
    """One run of one of our commands, and how far it came."""

    name: str
    began: datetime
    plan: Plan = None
    calls: Counter[str] = field(default_factory=Counter)
    reached: bool = False
    dead: bool = False
    held_up: bool = False
    refused: bool = False
    failing: str = ""

    def called(self, operation: str) -> bool:
        """Count a call; whether it is the one that the plan means."""
        self.calls[operation] += 1
        if self.plan is None:
            return False
        when = self.plan.call
        now = self.calls.total() == when if isinstance(when, int) else (operation, self.calls[operation]) == when
        self.reached = self.reached or now
        return now


# --- IAM ---


@dataclass
class User:
    """An IAM user; `protected` is how IAM refuses to switch their keys off, empty if it does not."""

    account: str
    name: str
    id: str
    created: datetime
    tags: dict[str, str] = field(default_factory=dict)
    protected: Literal["", "AccessDenied", "ServiceFailure"] = ""


@dataclass
class Key:
    """An access key as it really is, and what really became of it.

    `told` is when people first could read of the present episode, `dates` are those that it names for switching the
    key off, as far as they could read them. `our_offs` are the times at which our own call
    switched it off. `off_known` says that the table shows that it is off, `on_again` when it was switched on after
    that. `intended` says that it was switched off by a person just when we had announced to do so.
    """

    id: str
    user: User
    created: datetime
    status: str = "Active"
    last_used: datetime | None = None
    exists: bool = True
    told: datetime | None = None
    dates: list[datetime] = field(default_factory=list)
    our_offs: list[datetime] = field(default_factory=list)
    off_known: bool = False
    on_again: datetime | None = None
    intended: bool = False

    @property
    def idle_since(self) -> datetime:
        return self.last_used or self.created


class Iam:
    """Users and keys of both accounts, which pages with two entries, and says what our code asks for.

    `stale` are the keys of which it still lists an earlier status: IAM is eventually consistent.
    """

    def __init__(self) -> None:
        self.users: list[User] = []
        self.keys: dict[str, Key] = {}
        self.stale: dict[str, str] = {}
        self.switching: Callable[[Key, str], None] = lambda key, status: None
        self.forbidden: Callable[[str], None] = lambda operation: None
        self.refused: Callable[[], None] = lambda: None

    def keys_of(self, user: User) -> list[Key]:
        return [key for key in self.keys.values() if key.exists and key.user is user]

    def user(self, account: str, name: str) -> User | None:
        return next((u for u in self.users if u.account == account and u.name.lower() == name.lower()), None)

    def answer(self, account: str, operation: str, asked: dict[str, str]) -> AWSResponse:
        user = self.user(account, asked["UserName"]) if "UserName" in asked else None
        if "UserName" in asked and user is None:
            return failure("NoSuchEntity", 404)
        if operation == "GenerateCredentialReport":
            # Then every key is listed, and each timeline sees what happens at once.
            return failure("AccessDenied", 403)
        if operation == "ListUsers":
            users = sorted((u for u in self.users if u.account == account), key=lambda u: u.name)
            return _page(operation, "Users", [_user(u) for u in users], asked)
        if operation == "ListAccessKeys":
            assert user is not None
            return _page(operation, "AccessKeyMetadata", [self._key(k) for k in self.keys_of(user)], asked)
        if operation == "ListUserTags":
            assert user is not None
            return _page(operation, "Tags", [{"Key": k, "Value": v} for k, v in user.tags.items()], asked)
        return self._answer_about_a_key(account, operation, asked, user)

    def _answer_about_a_key(
        self, account: str, operation: str, asked: dict[str, str], user: User | None
    ) -> AWSResponse:
        key = self.keys.get(asked.get("AccessKeyId", ""))
        if key is None or not key.exists or key.user.account != account or user not in (None, key.user):
            return failure("NoSuchEntity", 404)
        if operation == "GetAccessKeyLastUsed":
            used = {"Region": "N/A", "ServiceName": "N/A"}
            if key.last_used is not None:
                used = {"Region": REGION, "ServiceName": "s3", "LastUsedDate": _time(key.last_used)}
            return _answer(operation, _xml({"UserName": key.user.name, "AccessKeyLastUsed": used}))
        if operation == "UpdateAccessKey":
            if key.user.protected and asked["Status"] == "Inactive":
                self.refused()
                return failure(key.user.protected, 403 if key.user.protected == "AccessDenied" else 500)
            self.switching(key, asked["Status"])
            return _answer(operation, "")
        self.forbidden(operation)
        return failure("InvalidAction")

    def _key(self, key: Key) -> dict[str, str]:
        created, status = _time(key.created), self.stale.get(key.id, key.status)
        return {"UserName": key.user.name, "AccessKeyId": key.id, "Status": status, "CreateDate": created}


def _page(operation: str, name: str, entries: list[dict[str, str]], asked: dict[str, str]) -> AWSResponse:
    start = int(asked.get("Marker", 0))
    end = start + PAGE
    members = "".join(f"<member>{_xml(entry)}</member>" for entry in entries[start:end])
    more = f"<IsTruncated>true</IsTruncated><Marker>{end}</Marker>" if end < len(entries) else ""
    return _answer(operation, f"<{name}>{members}</{name}>{more or '<IsTruncated>false</IsTruncated>'}")


def _answer(operation: str, result: str) -> AWSResponse:
    inner = f"<{operation}Result>{result}</{operation}Result>"
    return answer(200, f"<{operation}Response>{inner}<ResponseMetadata/></{operation}Response>")


def _xml(values: dict[str, Any]) -> str:
    return "".join(
        f"<{name}>{_xml(value) if isinstance(value, dict) else escape(value)}</{name}>"
        for name, value in values.items()
    )


def _time(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _user(user: User) -> dict[str, str]:
    arn = f"arn:aws:iam::{user.account}:user/{user.name}"
    return {"Path": "/", "UserName": user.name, "UserId": user.id, "Arn": arn, "CreateDate": _time(user.created)}


# --- DynamoDB ---


class Table:
    """A table: rows as DynamoDB writes them, and the expressions that our code sends; `key` is what its rows have."""

    def __init__(self, *key: str) -> None:
        self.rows: dict[tuple[str, ...], dict[str, Any]] = {}
        self._key = key

    def answer(self, operation: str, asked: dict[str, Any]) -> AWSResponse:
        if operation == "Query":
            found = [row for _, row in sorted(self.rows.items()) if _is_asked_for(row, asked)][: asked.get("Limit")]
            return answer(200, json.dumps({"Items": found, "Count": len(found)}))
        if operation == "TransactWriteItems":
            put, delete = (next(iter(each.values())) for each in asked["TransactItems"])
            where = self.where(delete)
            if not self._holds(delete, self.rows.get(where, {})):
                return json_failure("TransactionCanceledException")
            self.rows[self.where(put)] = put["Item"]
            del self.rows[where]
            return answer(200, "{}")
        where = self.where(asked)
        row = self.rows.get(where)
        if operation == "GetItem":
            return answer(200, json.dumps({} if row is None else {"Item": row}))
        if not self._holds(asked, row or {}):
            return _refused(row if "ReturnValuesOnConditionCheckFailure" in asked else None)
        if operation == "PutItem":
            self.rows[where] = asked["Item"]
        else:
            changed = copy.deepcopy(row or asked["Key"])
            if not self._update(asked, changed):
                return json_failure("ValidationException")
            self.rows[where] = changed
        return answer(200, "{}")

    def where(self, asked: dict[str, Any]) -> tuple[str, ...]:
        """Which row a request is about."""
        named = asked.get("Key") or asked["Item"]
        return tuple(named[name]["S"] for name in self._key)

    def _holds(self, asked: dict[str, Any], row: dict[str, Any]) -> bool:
        if "ConditionExpression" not in asked:
            return True
        # With a few words replaced it is an expression of Python's.
        text = re.sub(
            r"[#:\w.]+", lambda word: _WORDS.get(word[0], f"value({word[0]!r})"), asked["ConditionExpression"]
        )
        means = {
            "attribute_exists": bool,
            "attribute_not_exists": lambda found: not found,
            "attribute_type": lambda found, kind: kind["S"] in found,
            "value": lambda name: _Value(_found(asked, row, name) or {}),
        }
        return bool(eval(text.replace("=", "=="), {"__builtins__": {}}, means))

    def _update(self, asked: dict[str, Any], row: dict[str, Any]) -> bool:
        """Change the row; whether every map that it writes into is there."""
        verb = ""
        for part in re.findall(r"SET|REMOVE|[^\s,=]+(?: = [^\s,]+)?", asked["UpdateExpression"]):
            if part in ("SET", "REMOVE"):
                verb = part
                continue
            path, _, value = part.partition(" = ")
            *parents, last = [asked.get("ExpressionAttributeNames", {}).get(each, each) for each in path.split(".")]
            there = row
            for parent in parents:
                if "M" not in there.get(parent, {}):
                    return False
                there = there[parent]["M"]
            if verb == "SET":
                there[last] = asked["ExpressionAttributeValues"][value]
            else:
                there.pop(last, None)
        return True


def _is_asked_for(row: dict[str, Any], asked: dict[str, Any]) -> bool:
    values, condition = asked["ExpressionAttributeValues"], asked["KeyConditionExpression"]
    issue_id, limit = row["issue_id"]["S"], values.get(":id", {}).get("S", "")
    holds = {
        "account_id = :account": True,
        "account_id = :account AND issue_id < :id": issue_id < limit,
        "account_id = :account AND issue_id > :id": issue_id > limit,
        "account_id = :account AND begins_with(issue_id, :id)": issue_id.startswith(limit),
    }
    return bool(row["account_id"] == values[":account"] and holds[condition])


class _Value(dict[str, Any]):
    """A value as DynamoDB writes it, which it compares with others of its type."""

    def __lt__(self, other: _Value) -> bool:
        return "S" in self and "S" in other and bool(self["S"] < other["S"])


def _refused(row: dict[str, Any] | None) -> AWSResponse:
    code = "ConditionalCheckFailedException"
    found = {} if row is None else {"Item": row}
    return answer(400, json.dumps({"__type": f"com.amazonaws#{code}", "message": "not met", **found}))


_FUNCTIONS = ("attribute_exists", "attribute_not_exists", "attribute_type")
_WORDS = {"AND": "and", "OR": "or", "NOT": "not", **{name: name for name in _FUNCTIONS}}


def _found(asked: dict[str, Any], row: dict[str, Any], name: str) -> Any:
    if name.startswith(":"):
        return asked["ExpressionAttributeValues"][name]
    found: Any = {"M": row}
    for part in name.split("."):
        found = (found or {}).get("M", {}).get(asked.get("ExpressionAttributeNames", {}).get(part, part))
    return found


# --- everything that is called ---


class _Jira(JiraStandIn):
    @property
    def url(self) -> str:
        return JIRA_URL


class Outside:
    """All that our commands call, and the clock. `act` carries out what happens while a command is held up."""

    def __init__(self, start: datetime) -> None:
        self.iam = Iam()
        self.table = Table("account_id", "issue_id")
        self.states = Table("id")
        self.jira = _Jira(issues=[PARENT])
        self.slack = SlackStandIn(page_size=10)
        self.running: list[Command] = []
        self.act: Callable[[Act], None] = lambda act: None
        self.jira_answered: Callable[[JiraRequest, int, Any], None] = lambda request, status, body: None
        self.slack_answered: Callable[[str, dict[str, Any]], None] = lambda method, arguments: None
        self.row_written: Callable[[str, str], None] = lambda account, key: None
        self.state_written: Callable[[str, str | None], None] = lambda account, scanned: None
        self._clock = time_machine.travel(start, tick=False)
        self._stack = ExitStack()

    @property
    def now(self) -> datetime:
        return datetime.now(UTC)

    def pass_time(self, span: timedelta) -> None:
        self._travelling.shift(span)

    def start(self, folder: Path) -> None:
        stack = self._stack
        self._travelling = self._clock.start()
        stack.callback(self._clock.stop)
        ours = {
            "AWS_ACCESS_KEY_ID": OWN_KEY,
            "HAMMER_CONFIG": str(folder),
        }
        stack.enter_context(mock.patch.dict(os.environ, {**not_of_aws(os.environ), **SAFE, **ours}, clear=True))
        for target, name, replacement in (
            # One thread, so that a timeline can be repeated; and nobody waits but the clock.
            (concurrent.futures.ThreadPoolExecutor, "submit", _at_once),
            (stop_file, "STOP_FILE", folder / "stop"),
            (time, "sleep", lambda seconds: self.pass_time(timedelta(seconds=seconds))),
            (botocore.retries.bucket.TokenBucket, "acquire", lambda *_args, **_kwargs: True),
            (botocore.retries.quota.RetryQuota, "acquire", lambda _, amount: bool(amount)),
            # To make one takes longer than all its calls.
            (Session, "__init__", _begun_once),
            (Session, "client", _kept_client),
            (LimitedAdapter, "send", lambda _, request, **_kwargs: self._to_jira(request)),
            (urllib.request.OpenerDirector, "open", lambda _, request, **_kwargs: self._to_slack(request)),
        ):
            stack.enter_context(mock.patch.object(target, name, replacement))
        stack.enter_context(mock.patch.dict(_AWS, {"now": self._to_aws}))

    def stop(self) -> None:
        self._stack.close()

    @contextmanager
    def command(self, name: str, plan: Plan) -> Iterator[Command]:
        command = Command(name, self.now, plan)
        self.running.append(command)
        try:
            yield command
        finally:
            self.running.pop()

    def row(self, account: str, key: str) -> dict[str, Any] | None:
        """A row of the table, without a call."""
        row = self.table.rows.get((account, key))
        return None if row is None else deserialized(row)

    # --- the calls ---

    def _call(self, operation: str, carry_out: Callable[[], T], fail: Callable[[str], T]) -> T:
        command = self.running[-1]
        if command.dead:
            raise Cut
        now = command.called(operation)
        self.pass_time(CALL_TAKES)
        plan = command.plan
        if isinstance(plan, Meanwhile) and command.reached and not command.held_up:
            if operation not in LAST_LOOK:
                command.held_up = True
                for act in plan.acts:
                    # Between the last reading of the whitelist and the call that switches a key off nobody can know.
                    if act[0] != "except" or operation.startswith(("jira", "slack")):
                        self.act(act)
        elif isinstance(plan, CutOff) and now:
            if plan.done:
                carry_out()
            command.dead = True
            raise Cut
        elif isinstance(plan, Fault) and (now or (plan.lasting and operation == command.failing)):
            command.failing = operation
            if plan.how == "lost":
                carry_out()
            return fail(plan.how)
        return carry_out()

    def _to_aws(self, request: AWSPreparedRequest, event_name: str, **_: object) -> AWSResponse:
        service, operation = event_name.split(".")[1:]
        leased = service == "dynamodb" and json.loads(body_of(request)).get("Key") == {"id": {"S": LEASE}}

        def fail(how: str) -> AWSResponse:
            kind = json_failure if service in ("dynamodb", "secrets-manager") else failure
            if how == "throttled":
                return kind("ThrottlingException" if service == "dynamodb" else "Throttling", 400)
            if how == "denied":
                return kind("AccessDeniedException" if service == "dynamodb" else "AccessDenied", 403)
            raise ConnectionClosedError(endpoint_url=request.url)

        called = f"lease {operation}" if leased else operation
        return self._call(called, lambda: self._aws(request, service, operation), fail)

    def _aws(self, request: AWSPreparedRequest, service: str, operation: str) -> AWSResponse:
        if service == "dynamodb":
            return self._dynamodb(request, operation)
        if service == "secrets-manager":
            return answer(200, json.dumps({"Name": SECRET, "SecretString": json.dumps(CREDENTIALS)}))
        asked = form(request)
        if operation == "AssumeRole":
            account = asked["RoleArn"].split(":")[4]
            expires = _time(self.now + timedelta(hours=1))
            keys = {"AccessKeyId": f"ASIA{account}", "SecretAccessKey": "s", "SessionToken": "t"}
            return _answer(operation, _xml({"Credentials": {**keys, "Expiration": expires}}))
        if operation == "GetCallerIdentity":
            return _answer(operation, _xml({"Arn": f"arn:aws:iam::{MAIN}:user/hammer", "Account": MAIN}))
        signed = request.headers["Authorization"]
        signer = (signed.decode() if isinstance(signed, bytes) else signed).split("Credential=")[1].split("/")[0]
        return self.iam.answer(MAIN if signer == OWN_KEY else signer.removeprefix("ASIA"), operation, asked)

    def _dynamodb(self, request: AWSPreparedRequest, operation: str) -> AWSResponse:
        asked = json.loads(body_of(request))
        if operation == "TransactWriteItems":
            return self.table.answer(operation, asked)
        if asked["TableName"] == state_table_name(TABLE):
            answered = self.states.answer(operation, asked)
            if operation == "UpdateItem" and answered.status_code == 200:
                (where,) = self.states.where(asked)
                state = self.states.rows[(where,)].get("scanned")
                self.state_written(where.removeprefix("scan#"), state["S"] if state else None)
            return answered
        answered = self.table.answer(operation, asked)
        if operation not in ("Query", "GetItem") and answered.status_code == 200:
            self.row_written(*self.table.where(asked))
        return answered

    def _to_jira(self, request: requests.PreparedRequest) -> requests.Response:
        address = urlsplit(str(request.url))
        assert str(request.url).startswith(JIRA_URL), request.url
        body = json.loads(request.body) if request.body else None
        authorization = str(request.headers.get("Authorization", ""))
        made = JiraRequest(str(request.method), address.path, dict(parse_qsl(address.query)), body, "Bearer")

        def carry_out() -> requests.Response:
            answered = self.jira.answer(made, authorization, str(request.url))
            assert not isinstance(answered, (Raw, Silence))
            self.jira_answered(made, answered[0], answered[2])
            return _response(request, *answered)

        def fail(how: str) -> requests.Response:
            if how == "throttled":
                return _response(request, 429, {"Retry-After": "1"}, {"errorMessages": ["as the timeline has it"]})
            if how == "denied":
                return _response(request, 403, {}, {"errorMessages": ["as the timeline has it"]})
            raise requests.exceptions.ConnectionError("as the timeline has it")

        return self._call(f"jira {made.method}", carry_out, fail)

    def _to_slack(self, request: urllib.request.Request) -> addinfourl:
        assert request.full_url.startswith(SLACK_URL), request.full_url
        method = request.full_url.removeprefix(SLACK_URL)
        data = request.data
        arguments = arguments_of(str(request.get_header("Content-type")), data if isinstance(data, bytes) else b"")

        def carry_out() -> addinfourl:
            answered = self.slack.answer(method, str(request.get_header("Authorization")), arguments)
            assert not isinstance(answered, (Raw, Silence))
            if answered[2].get("ok"):
                self.slack_answered(method, arguments)
            return _opened(request, *answered)

        def fail(how: str) -> addinfourl:
            if how == "throttled":
                return _opened(request, 429, {"Retry-After": "1"}, {"ok": False, "error": "ratelimited"})
            if how == "denied":
                return _opened(request, 200, {}, {"ok": False, "error": "not_in_channel"})
            raise URLError(ConnectionResetError("as the timeline has it"))

        return self._call(f"slack {method}", carry_out, fail)


_AWS: dict[str, Callable[..., AWSResponse]] = {}
_begin_session = Session.__init__
_make_client: Callable[..., Any] = Session.client
_sessions: dict[tuple[tuple[str, Any], ...], dict[str, Any]] = {}


def _begun_once(session: Any, **arguments: Any) -> None:
    kept = tuple(sorted(arguments.items()))
    if kept not in _sessions:
        _begin_session(session, **arguments)
        session.events.register("before-send", lambda **sent: _AWS["now"](**sent))
        session.kept_clients = {}
        _sessions[kept] = vars(session)
    session.__dict__ = _sessions[kept]


def _kept_client(session: Any, service: str, **more: Any) -> Any:
    """The client of this service, without what an earlier command has registered with it."""
    if service not in session.kept_clients:
        made = _make_client(session, service, **more)
        registered: list[tuple[Any, ...]] = []
        register = made.meta.events.register

        def remember(*handler: Any) -> None:
            registered.append(handler)
            register(*handler)

        made.meta.events.register = remember
        session.kept_clients[service] = made, registered
    kept, before = session.kept_clients[service]
    for handler in before:
        kept.meta.events.unregister(*handler)
    before.clear()
    return kept


def _at_once(
    _: concurrent.futures.Executor, call: Callable[..., T], *args: object, **kwargs: object
) -> concurrent.futures.Future[T]:
    future: concurrent.futures.Future[T] = concurrent.futures.Future()
    try:
        future.set_result(call(*args, **kwargs))
    except BaseException as error:
        future.set_exception(error)
    return future


def _response(request: requests.PreparedRequest, status: int, headers: Any, body: Any) -> requests.Response:
    response = requests.Response()
    response.status_code, response.url, response.request = status, str(request.url), request
    response.headers.update({"Content-Type": "application/json", **headers})
    response._content = b"" if body is None else json.dumps(body).encode()
    response._content_consumed = True  # type: ignore[attr-defined]
    return response


def _opened(request: urllib.request.Request, status: int, headers: Any, body: Any) -> addinfourl:
    message = Message()
    for name, value in {"Content-Type": "application/json; charset=utf-8", **headers}.items():
        message[name] = value
    opened = addinfourl(BytesIO(json.dumps(body).encode()), message, request.full_url, status)
    opened.msg = ""  # type: ignore[attr-defined]
    return opened
