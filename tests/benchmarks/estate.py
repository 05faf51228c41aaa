"""One account for days, in this process: the fake IAM and the tables right below botocore, and a clock that is told.

A scan is the deployed one, from the function's own handler on.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from contextlib import contextmanager
from datetime import UTC, datetime
from threading import Event, Lock
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import boto3
import botocore.handlers

from library.aws import report_request
from library.aws.account_issues import AccountIssues
from library.aws.account_scan import AccountScan
from library.aws.iam_clients import IamClients
from library.aws.issues_table import IssuesTable
from library.aws.sessions import Account as AccountRef
from library.aws.state_table import StateTable, state_table_name
from library.issues.whitelist import Whitelist
from tests.benchmarks.account import ACCOUNT, Account
from tests.benchmarks.fake_iam import Fake
from tests.simulation.outside import Table
from tests.wire import answer, body_of, failure
from tests.world import TABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from botocore.awsrequest import AWSPreparedRequest, AWSResponse

    from library.issues.account_state import AccountState
    from library.issues.record import Issue
    from library.issues.scan_result import ScanResult


class Estate:
    """One account, its tables, and what the last scan has called: by operation, key ids and user names."""

    def __init__(self, account: Account, criteria_days: int) -> None:
        self.account = account
        self.criteria_days = criteria_days
        self.iam = Fake(lambda: self.account.now)
        self.iam.play(account)
        self.issues, self.states = Table("account_id", "issue_id"), Table("id")
        self.calls: Counter[str] = Counter()
        self.looked_at: set[str] = set()
        self.users_asked: list[str] = []
        self.errors: list[str] = []
        self.warnings: list[str] = []
        """Those of all scans."""
        self.latency = 0.0
        """Seconds that each call of IAM takes."""
        self.whitelist = Whitelist({})
        self.looks_before_report = 0
        self._looked = Event()
        self._lock = Lock()
        session = boto3.Session("testing", "testing", region_name="eu-west-1")
        self._client, self._dynamodb = session.client("iam"), session.client("dynamodb")

    @property
    def now(self) -> datetime:
        """The time of the account (UTC)."""
        return datetime.fromtimestamp(self.account.now, UTC)

    def report_comes_after(self, looks: int) -> None:
        """Keep the next credential report back until so many users were looked at."""
        self.looks_before_report = looks
        self._looked.clear()

    def scan(self, seconds_left: Callable[[], float] = lambda: 900.0) -> ScanResult:
        """The hourly scan as of now."""
        self.calls.clear()
        self.looked_at.clear()
        self.users_asked.clear()
        self.errors.clear()
        with _serving(self):
            states = StateTable(self._dynamodb, state_table_name(TABLE), self.errors.append)
            days = self.criteria_days
            scan = AccountScan(ACCOUNT, states, seconds_left, _Log(self), criteria_days=days, now=self.now)
            iam = IamClients(AccountRef(ACCOUNT, "master"), lambda: self._client)
            issues = AccountIssues(
                IssuesTable(self._dynamodb, TABLE, lambda: self.now),
                ACCOUNT,
                self.whitelist,
                lambda error: self.errors.append(str(error)),
                criteria_days=days,
                now=self.now,
            )
            return scan.run(iam, issues)

    def table(self) -> dict[str, Issue]:
        """The issues by key id."""
        with _serving(self):
            return {
                issue.issue_id: issue
                for issue in IssuesTable(self._dynamodb, TABLE, lambda: self.now).of_account(ACCOUNT)
            }

    def state(self) -> AccountState:
        """The state of the account."""
        with _serving(self):
            states = StateTable(self._dynamodb, state_table_name(TABLE), self.errors.append)
            return states.of_account(ACCOUNT, self.now)

    @property
    def iam_calls(self) -> int:
        """The calls of IAM in the last scan, but for those that read tags."""
        return (
            sum(count for name, count in self.calls.items() if name.startswith("iam."))
            - self.calls["iam.ListUserTags"]
        )

    def serve(self, request: AWSPreparedRequest, event_name: str, **_: object) -> AWSResponse:
        """Answer a request of botocore in the place of AWS."""
        if self.latency and ".iam." in event_name:
            time.sleep(self.latency)
        if self.looks_before_report > 0 and event_name.endswith("GetCredentialReport") and not self._looked.wait(60):
            return failure("ReportInProgress", 404)
        with self._lock:
            return self._answer(request, event_name)

    def _answer(self, request: AWSPreparedRequest, event_name: str) -> AWSResponse:
        service, operation = event_name.split(".")[1:]
        self.calls[f"{service}.{operation}"] += 1
        if service == "dynamodb":
            asked = json.loads(body_of(request))
            of_state = asked.get("TableName") == state_table_name(TABLE)
            self.calls[f"{'state' if of_state else 'issues'}.{operation}"] += 1
            return (self.states if of_state else self.issues).answer(operation, asked)
        body = body_of(request)
        if operation == "GetAccessKeyLastUsed":
            self.looked_at.add(parse_qs(body)["AccessKeyId"][0])
        if operation == "ListAccessKeys":
            self.looks_before_report -= 1
            if self.looks_before_report == 0:
                self._looked.set()
            self.users_asked.append(parse_qs(body)["UserName"][0])
            user = self.account.users.get(self.users_asked[-1])
            self.looked_at |= {key.key_id for key in user.keys} if user else set()
        head, _, content = self.iam.answer(body.encode()).partition(b"\r\n\r\n")
        return answer(int(head.split(b" ", 2)[1]), content.decode())


_serving_now: list[Estate] = []


@contextmanager
def _serving(estate: Estate) -> Iterator[None]:
    _serving_now.append(estate)
    try:
        yield
    finally:
        _serving_now.pop()


def _serve(**sent: Any) -> AWSResponse | None:
    return _serving_now[-1].serve(**sent) if _serving_now else None


def install() -> None:
    """Let every client that is made from now on be answered by the estate that is being used."""
    handlers: list[Any] = botocore.handlers.BUILTIN_HANDLERS
    if ("before-send", _serve) not in handlers:
        handlers.append(("before-send", _serve))
    # A report is made at once here.
    vars(report_request)["REPORT_PAUSES"] = (0.0,) * len(report_request.REPORT_PAUSES)


class _Log:
    def __init__(self, estate: Estate) -> None:
        self._estate = estate

    def info(self, msg: object, /, *args: object, **_: object) -> None:
        """Nobody reads it here."""

    def warning(self, msg: object, /, *args: object, **_: object) -> None:
        """Kept."""
        self._estate.warnings.append(str(msg) % args)

    def error(self, msg: object, /, *args: object, **_: object) -> None:
        """Kept."""
        self._estate.errors.append(str(msg) % args)
