"""Kills a command at each of its outside calls, before and after the call is carried out, and runs it again."""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from deployment.local.jira_stand_in import JiraIssue
from tests.world import LABEL, MAIN, label_of
from tests.world.table import deserialized, let_the_lease_run_out, scanned

if TYPE_CHECKING:
    from collections.abc import Mapping

    from library.issues.record import Issue
    from tests.crash.launcher import Launcher
    from tests.crash.proxy import KillingProxy, Variant
    from tests.world.estate import Estate

_VARIANTS: tuple[Variant, ...] = ("before", "after")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(\+00:00| UTC)|\b\d{8}T\d{6}Z\b")


@dataclass(frozen=True)
class Point:
    """One way to be killed, with an account and issues of its own."""

    name: str
    account: str
    issues: tuple[Issue, ...]


class Sweep(ABC):
    """The same issues in many accounts, one for each point at which the run on that account is killed.

    `code` is the exit code of a run that nobody disturbs.
    """

    name: str
    module: str
    arguments: tuple[str, ...] = ()
    code: Literal[0, 1] = 0
    ACCOUNTS: ClassVar = tuple(str(300000000000 + number) for number in range(200))

    def __init__(self, estate: Estate, proxy: KillingProxy, launcher: Launcher) -> None:
        self._estate, self._proxy, self._launcher = estate, proxy, launcher
        names = {account: f"estate of {account}" for account in self.ACCOUNTS}
        estate.configure(aws={"accounts": {MAIN: "master", **names}})
        self._accounts = iter(self.ACCOUNTS)
        self._rows: dict[str, list[dict[str, Any]]] = {}
        self._points: list[Point] = []

    @abstractmethod
    def _issues(self, account: str) -> tuple[Issue, ...]:
        """Make what the command finds in an account."""

    @abstractmethod
    def _check(self, calls: list[str], output: str) -> None:
        """Whether a run that nobody disturbed has done what the sweep is about."""

    def _facts(self, point: Point) -> Mapping[str, Any]:
        """What is to be the same at every point, besides rows, tickets and messages."""
        return {}

    def _history(self, told: list[dict[str, str]]) -> list[Any]:
        """What of a row's history is to be the same at every point."""
        return list(told)

    def _run_again(self) -> None:
        """Run on all accounts, with nobody killed."""
        for point in self._points:
            self._proxy.expect(None)
            code, output = self._run("--account", point.account)
            assert code == self.code, f"{point.name}\n{output}"

    def play(self) -> None:
        """Run undisturbed, then killed at each point, then again; print the matrix, and hold each to the first."""
        reference = self._point("undisturbed")
        self._proxy.expect(None)
        code, output = self._run("--account", reference.account)
        assert code == self.code, output
        calls = list(self._proxy.calls)
        self._check(calls, output)
        for number, call in enumerate(calls):
            for variant in _VARIANTS:
                self._kill(number, variant, call)
        let_the_lease_run_out()
        self._run_again()
        self._read_rows()
        print(self._matrix(calls, reference))
        for point in self._points:
            assert self._picture(point) == self._picture(reference), point.name

    def _point(self, name: str) -> Point:
        account = next(self._accounts)
        scanned(account, self._estate.now)
        issues = self._issues(account)
        for issue in issues:
            self._estate.put(issue)
        return Point(name, account, issues)

    def _ticket(self, issue: Issue) -> str:
        """Raise a ticket for an issue, as an earlier run would have."""
        key = f"AWSSEC-{issue.account_id[-4:]}{issue.issue_id[-4:]}"
        labels = [LABEL, label_of(issue)]
        self._estate.jira.issues[key] = JiraIssue(
            key, "AWSSEC", "raised before", labels=labels, assignee="alice", creator="hammer"
        )
        return key

    def _run(self, *arguments: str) -> tuple[int, str]:
        aws, started = self._proxy.url("aws"), self._proxy.started
        return self._launcher.run(*self.arguments, *arguments, aws=aws, started=started, module=self.module)

    def _kill(self, number: int, variant: Variant, call: str) -> None:
        let_the_lease_run_out()
        point = self._point(f"{variant} {call} ({number})")
        self._proxy.expect((number, variant))
        code, output = self._run("--account", point.account)
        assert code == -9, f"{point.name}: not killed\n{output}"
        assert self._proxy.calls[-1] == call
        self._points.append(point)

    def _read_rows(self) -> None:
        for row in self._estate.rows():
            plain = deserialized(row)
            plain["history"] = self._history(plain.get("history", []))
            self._rows.setdefault(plain["account_id"], []).append(plain)

    def _picture(self, point: Point) -> dict[str, Any]:
        """How a point has ended, without what differs between two accounts and two moments."""
        tickets = [ticket for issue in point.issues for ticket in self._estate.tickets_of(issue)]
        shown: dict[str, Any] = {
            "rows": self._rows[point.account],
            "tickets": [{name: value for name, value in asdict(each).items() if name != "key"} for each in tickets],
            "Slack": sorted(set(self._said(point))),
            **self._facts(point),
        }
        text = json.dumps(shown, default=str, sort_keys=True)
        for ticket in tickets:
            text = re.sub(rf"\b{ticket.key}\b", "TICKET", text)
        text = re.sub(r"failure [0-9a-f]{16}", "failure DIGEST", text)
        for position, issue in enumerate(point.issues):
            text = text.replace(issue.issue_id, f"KEY-{position}")
        return dict(json.loads(self._timeless(text.replace(point.account, "ACCOUNT"))))

    def _timeless(self, text: str) -> str:
        """Every moment since the test began is the same moment, and so is what is reckoned from it."""
        began = self._estate.now - timedelta(minutes=1)

        def shown(match: re.Match[str]) -> str:
            text = match[0].replace(" UTC", "+00:00")
            moment = datetime.fromisoformat(re.sub(r"^(\d{8}T\d{6})Z$", r"\1+00:00", text))
            return "NOW" if moment >= began else match[0]

        return _MOMENT.sub(shown, text)

    def _matrix(self, calls: list[str], reference: Point) -> str:
        """A table: how each point ended."""
        expected, said = self._picture(reference), len(self._said(reference))
        found = {
            point.name: ("same" if self._picture(point) == expected else "DIFFERENT")
            + (", said again" if len(self._said(point)) > said else "")
            for point in self._points
        }
        lines = [f"{'call':<44} {'killed before it':<20} killed after it"]
        for number, call in enumerate(calls):
            before, after = (found[f"{variant} {call} ({number})"] for variant in _VARIANTS)
            lines.append(f"{number + 1:>2} {call:<41} {before:<20} {after}")
        return "\n".join([f"\n{self.name}: {len(found)} points", *lines])

    def _said(self, point: Point) -> list[tuple[str, str]]:
        return [(recipient, text) for recipient, text in self._estate.messages() if point.account in text]
