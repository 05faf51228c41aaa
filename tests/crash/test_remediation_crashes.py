"""Remediation and restore are killed at each outside call, before and after it is carried out, and then run again."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from boto3.dynamodb.types import TypeDeserializer

from deployment.local.jira_stand_in import JiraIssue
from library.issues import Issue, IssueDetails, JiraDetails, SlackDetails, Status, Timestamps
from tests.crash.launcher import Launcher
from tests.crash.proxy import KillingProxy, Variant
from tests.host.conftest import LABEL, MAIN, REGION, REMEDIATION, RESTORE, Estate, label_of

pytestmark = pytest.mark.moto

VARIANTS: tuple[Variant, ...] = ("before", "after")


@dataclass(frozen=True)
class Scenario:
    """A key and the command that is about to do something with it; `refused` is whether IAM refuses to switch it."""

    id: str
    module: str
    arguments: tuple[str, ...]
    key_status: str = "Active"
    days_ago: tuple[tuple[str, float], ...] = ()
    refused: bool = False


SCENARIOS = (
    Scenario("switch off", REMEDIATION, ("--batch",)),
    Scenario("fail to switch off", REMEDIATION, ("--batch",), refused=True),
    Scenario(
        "switch on again",
        RESTORE,
        ("--batch", "--since", "3d"),
        key_status="Inactive",
        days_ago=(("remediation_started", 2), ("remediated", 2)),
    ),
)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.id)
def test_killed_at_any_call_and_run_again_it_ends_as_if_undisturbed(
    estate: Estate, proxy: KillingProxy, launcher: Launcher, scenario: Scenario
) -> None:
    sweep = Sweep(estate, proxy, launcher, scenario)
    calls = sweep.undisturbed()

    for number, call in enumerate(calls):
        for variant in VARIANTS:
            sweep.killed(number, variant, call)
    sweep.everything_again()

    print(sweep.matrix(calls))
    for point in sweep.points:
        assert sweep.picture(point) == sweep.picture(sweep.reference), point.name


@dataclass(frozen=True)
class Point:
    """One way to be killed, with an account and an issue of its own."""

    name: str
    issue: Issue


class Sweep:
    """The same issue in many accounts, one for each point at which the run on that account is killed."""

    def __init__(self, estate: Estate, proxy: KillingProxy, launcher: Launcher, scenario: Scenario) -> None:
        self._estate, self._proxy, self._launcher, self._scenario = estate, proxy, launcher, scenario
        accounts = [str(300000000000 + number) for number in range(120)]
        estate.configure(aws={"accounts": {MAIN: "master", **{each: f"estate of {each}" for each in accounts}}})
        self._accounts = iter(accounts)
        self._rows: dict[str, dict[str, Any]] = {}
        self.points: list[Point] = []
        self.reference = self._point("undisturbed")

    @property
    def _expected_code(self) -> int:
        return 1 if self._scenario.refused else 0

    def undisturbed(self) -> list[str]:
        """Run on the first account: the calls that it makes."""
        self._proxy.expect(None)
        code, output = self._run(self.reference)
        assert code == self._expected_code, output
        calls = list(self._proxy.calls)
        told = (
            {"POST 2/issue/KEY/comment"}
            if self._scenario.refused
            else {"POST 2/issue/KEY/comment", "chat.postMessage"}
        )
        assert {"UpdateAccessKey", *told} <= set(calls), output
        return calls

    def killed(self, number: int, variant: Variant, call: str) -> None:
        """Run on the next account, and be killed at this call."""
        point = self._point(f"{variant} {call} ({number})")
        self._proxy.expect((number, variant))
        code, output = self._run(point)
        assert code == -9, f"{point.name}: not killed\n{output}"
        assert self._proxy.calls[-1] == call
        self.points.append(point)

    def everything_again(self) -> None:
        """Run each account again, with nobody killed."""
        for point in self.points:
            self._proxy.expect(None)
            code, output = self._run(point)
            assert code == self._expected_code, f"{point.name}\n{output}"
        for row in self._estate.rows():
            plain = {name: TypeDeserializer().deserialize(value) for name, value in row.items()}
            self._rows[plain["account_id"]] = plain

    def picture(self, point: Point) -> dict[str, Any]:
        """How a point has ended, without what differs between two accounts and two moments."""
        tickets = self._estate.tickets_of(point.issue)
        row = dict(self._rows[point.issue.account_id])
        shown: dict[str, Any] = {
            # Two runs leave more traces than one, and announce twice what they do once; in the same order, though.
            "history": list(dict.fromkeys(entry["what"] for entry in row.pop("history"))),
            "row": row,
            "tickets": [{name: value for name, value in asdict(each).items() if name != "key"} for each in tickets],
            "Slack": sorted(set(self._said(point))),
            "key": self._estate.key_status(point.issue),
        }
        text = json.dumps(shown, default=str, sort_keys=True)
        for ticket in tickets:
            text = re.sub(rf"\b{ticket.key}\b", "TICKET", text)
        text = re.sub(r"failure [0-9a-f]{16}", "failure DIGEST", text)
        text = text.replace(point.issue.issue_id, "KEY").replace(point.issue.account_id, "ACCOUNT")
        return dict(json.loads(self._timeless(text)))

    def matrix(self, calls: list[str]) -> str:
        """What became of each point."""
        expected, said = self.picture(self.reference), len(self._said(self.reference))
        found = {
            point.name: ("same" if self.picture(point) == expected else "DIFFERENT")
            + (", said again" if len(self._said(point)) > said else "")
            for point in self.points
        }
        lines = [f"{'call':<44} {'killed before it':<20} killed after it"]
        for number, call in enumerate(calls):
            before, after = (found[f"{variant} {call} ({number})"] for variant in VARIANTS)
            lines.append(f"{number + 1:>2} {call:<41} {before:<20} {after}")
        return "\n".join([f"\n{self._scenario.id}: {len(found)} points", *lines])

    def _said(self, point: Point) -> list[tuple[str, str]]:
        account = point.issue.account_id
        return [(recipient, text) for recipient, text in self._estate.messages() if account in text]

    def _run(self, point: Point) -> tuple[int, str]:
        arguments = (*self._scenario.arguments, "--account", point.issue.account_id)
        return self._launcher.run(
            *arguments, aws=self._proxy.url("aws"), started=self._proxy.started, module=self._scenario.module
        )

    def _timeless(self, text: str) -> str:
        """Every moment since the test began is the same moment."""
        began = self._estate.now - timedelta(minutes=1)

        def shown(match: re.Match[str]) -> str:
            text = match[0].replace(" UTC", "+00:00")
            moment = datetime.fromisoformat(re.sub(r"^(\d{8}T\d{6})Z$", r"\1+00:00", text))
            return "NOW" if moment >= began else match[0]

        long = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(\+00:00| UTC)"
        return re.sub(rf"{long}|\b\d{{8}}T\d{{6}}Z\b", shown, text)

    def _point(self, name: str) -> Point:
        account, estate, scenario = next(self._accounts), self._estate, self._scenario
        key = estate.add_key("joe", account=account, status=scenario.key_status, key_id=f"AKIA{account}0001")
        if scenario.refused:
            estate.accounts.fail(account, "UpdateAccessKey", "AccessDenied")
        days = {"identified": 21.0, "updated": 21.0, "reported": 20.0, **dict(scenario.days_ago)}
        issue = Issue(
            account_id=account,
            issue_id=key,
            status=Status.OPEN,
            details=IssueDetails(
                create_date=estate.ago(days=400),
                last_used=estate.ago(days=200, hours=12),
                username="joe",
                last_used_service="s3",
                last_used_region=REGION,
                tags={},
            ),
            timestamps=Timestamps(**{name: estate.ago(days=each) for name, each in days.items()}),
            slack=SlackDetails(notified=estate.ago(days=20), recipients=("#devops-channel",)),
        )
        ticket = f"AWSSEC-{account[-4:]}"
        estate.jira.issues[ticket] = JiraIssue(
            ticket, "AWSSEC", "raised before", labels=[LABEL, label_of(issue)], assignee="alice"
        )
        issue = replace(issue, jira=JiraDetails(ticket=ticket, ticket_assignee_id="alice"))
        estate.put(issue)
        return Point(name, issue)
