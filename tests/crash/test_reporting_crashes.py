"""Reporting is killed at each of its outside calls, before and after the call is carried out, and then run again."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from boto3.dynamodb.types import TypeDeserializer

from deployment.local.jira_stand_in import JiraIssue
from library.issues import (
    Episode,
    Issue,
    IssueDetails,
    JiraDetails,
    Resolution,
    SlackDetails,
    Status,
    Timestamps,
)
from tests.crash.launcher import Launcher
from tests.crash.proxy import KillingProxy, Variant
from tests.host.conftest import LABEL, MAIN, REGION, Estate, label_of

pytestmark = pytest.mark.moto

VARIANTS: tuple[Variant, ...] = ("before", "after")
EXCEPTION_ENDS_IN_DAYS = 5


@dataclass(frozen=True)
class Scenario:
    """An issue that reporting is about to do something with; `kept` is the status of the ticket it has, if any."""

    id: str
    status: Status = Status.OPEN
    episode: Episode = Episode.FIRST
    resolution: Resolution | None = None
    kept: str | None = None
    lost_ticket: bool = False
    unrecorded_ticket: bool = False
    owed: tuple[str, ...] = ()
    days_ago: Mapping[str, float] = field(default_factory=dict)
    whitelisted: bool = False
    issues: int = 1
    tags: Mapping[str, str] = field(default_factory=dict)


SCENARIOS = (
    Scenario("raise, with assignee and link", tags={"owner": "alice"}),
    Scenario("remind", kept="To Do", days_ago={"reported": 8}),
    Scenario("comment on a new episode", episode=Episode.REOPENED, kept="To Do"),
    Scenario("raise anew what was deleted", episode=Episode.REACTIVATED, lost_ticket=True),
    Scenario(
        "close, used",
        status=Status.RESOLVED,
        resolution=Resolution.USED,
        kept="To Do",
        days_ago={"reported": 8, "resolved": 0.1},
    ),
    Scenario("close, whitelisted", status=Status.WHITELISTED, kept="To Do", days_ago={"reported": 8}),
    Scenario("remind, with the report still owed", owed=("jira", "slack"), days_ago={"reported": 8}),
    Scenario(
        "tell that the key was switched off",
        owed=("jira", "slack"),
        kept="To Do",
        days_ago={"reported": 20, "remediation_started": 0.1, "remediated": 0.1},
    ),
    Scenario(
        "close what a killed run left",
        status=Status.RESOLVED,
        resolution=Resolution.DELETED,
        unrecorded_ticket=True,
        days_ago={"resolved": 0.1},
    ),
    Scenario("tell that an exception ends", status=Status.WHITELISTED, whitelisted=True, issues=2),
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
    """One way to be killed, with an account of its own; `said` is how often Slack had the news after all."""

    name: str
    account: str
    issues: tuple[Issue, ...]


class Sweep:
    """The same issue in many accounts, one for each point at which the run on that account is killed."""

    def __init__(self, estate: Estate, proxy: KillingProxy, launcher: Launcher, scenario: Scenario) -> None:
        self._estate, self._proxy, self._launcher, self._scenario = estate, proxy, launcher, scenario
        accounts = [str(300000000000 + number) for number in range(200)]
        estate.configure(aws={"accounts": {MAIN: "master", **{each: f"estate of {each}" for each in accounts}}})
        estate.owners(
            {
                "jira_project": "AWSSEC",
                "jira_owner": "Support-General",
                "jira_parent_ticket": "AWSSEC-1",
                "slack_owner": "#devops-channel",
            }
        )
        last_day = (estate.now + timedelta(days=EXCEPTION_ENDS_IN_DAYS)).date().isoformat()
        entries = [{"id": "joe*", "until": last_day}] if scenario.whitelisted else []
        exceptions = {"user_inactivekeys": dict.fromkeys(accounts, entries)}
        (estate.folder / "whitelist.json").write_text(json.dumps(exceptions), encoding="utf-8")
        self._accounts = iter(accounts)
        self._rows: dict[str, list[dict[str, Any]]] = {}
        self.points: list[Point] = []
        self.reference = self._point("undisturbed")

    def undisturbed(self) -> list[str]:
        """Run on the first account: the calls that it makes."""
        self._proxy.expect(None)
        code, output = self._run(self.reference)
        assert code == 0, output
        calls = list(self._proxy.calls)
        assert len(calls) > 2, "nothing was done at all"
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
        """Run on all accounts, with nobody killed."""
        self._proxy.expect(None)
        code, output = self._launcher.run(aws=self._proxy.url("aws"))
        assert code == 0, output
        for row in self._estate.rows():
            plain = {name: TypeDeserializer().deserialize(value) for name, value in row.items()}
            self._rows.setdefault(plain["account_id"], []).append(plain)

    def picture(self, point: Point) -> dict[str, Any]:
        """How a point has ended, without what differs between two accounts and two moments."""
        tickets = [ticket for issue in point.issues for ticket in self._estate.tickets_of(issue)]
        shown: dict[str, Any] = {
            "rows": self._rows[point.account],
            "tickets": [{name: value for name, value in asdict(each).items() if name != "key"} for each in tickets],
            "Slack": sorted(set(self._said(point))),
        }
        text = json.dumps(shown, default=str, sort_keys=True)
        for ticket in tickets:
            text = re.sub(rf"\b{ticket.key}\b", "TICKET", text)
        for position, issue in enumerate(point.issues):
            text = text.replace(issue.issue_id, f"KEY-{position}")
        return dict(json.loads(self._timeless(text.replace(point.account, "ACCOUNT"))))

    def matrix(self, calls: list[str]) -> str:
        """What became of each point."""
        expected = self.picture(self.reference)
        said = len(self._said(self.reference))
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
        return [(recipient, text) for recipient, text in self._estate.messages() if point.account in text]

    def _run(self, point: Point) -> tuple[int, str]:
        arguments = ("--account", point.account)
        return self._launcher.run(*arguments, aws=self._proxy.url("aws"), started=self._proxy.started)

    def _timeless(self, text: str) -> str:
        """Every moment since the test began is the same moment, and so is what is reckoned from it."""
        began = self._estate.now - timedelta(minutes=1)

        def shown(match: re.Match[str]) -> str:
            moment = datetime.fromisoformat(match[0].replace(" UTC", "+00:00"))
            return "NOW" if moment >= began else match[0]

        return re.sub(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(\+00:00| UTC)", shown, text)

    def _point(self, name: str) -> Point:
        account = next(self._accounts)
        return Point(name, account, tuple(self._issue(account, number) for number in range(self._scenario.issues)))

    def _issue(self, account: str, number: int) -> Issue:
        estate, scenario = self._estate, self._scenario
        days: dict[str, float] = {"identified": 21, "updated": 0.1, **scenario.days_ago}
        reported = estate.ago(days=days["reported"]) if "reported" in days else None
        issue = Issue(
            account_id=account,
            issue_id=f"AKIA{account}{number:04}",
            status=scenario.status,
            episode=scenario.episode,
            details=IssueDetails(
                create_date=estate.ago(days=400),
                last_used=estate.ago(days=200, hours=12),
                username=f"joe{number}",
                last_used_service="s3",
                last_used_region=REGION,
                tags=scenario.tags,
                resolution=scenario.resolution,
            ),
            timestamps=Timestamps(**{name: estate.ago(days=each) for name, each in days.items()}),
            jira=JiraDetails(
                ticket="AWSSEC-9999" if scenario.lost_ticket else None,
                failed=reported if "jira" in scenario.owed else None,
            ),
            slack=SlackDetails(
                notified=reported if scenario.kept else None, failed=reported if "slack" in scenario.owed else None
            ),
        )
        if scenario.kept or scenario.unrecorded_ticket:
            key = f"AWSSEC-{account[-4:]}{number}"
            labels = [LABEL, label_of(issue)]
            estate.jira.issues[key] = JiraIssue(key, "AWSSEC", "raised before", labels=labels, assignee="alice")
            if scenario.kept:
                issue = replace(issue, jira=replace(issue.jira, ticket=key, ticket_assignee_id="alice"))
        estate.put(issue)
        return issue
