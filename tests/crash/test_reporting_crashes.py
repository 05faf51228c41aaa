"""Reporting is killed at each of its outside calls, before and after the call is carried out, and then run again."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from library.issues.record import (
    Episode,
    Issue,
    IssueDetails,
    JiraDetails,
    Resolution,
    SlackDetails,
    Status,
    Timestamps,
)
from tests.crash.sweep import Sweep
from tests.world import REGION, REPORTING, RETENTION_DAYS
from tests.world.configuration import OWNERS, write_whitelist

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.crash.launcher import Launcher
    from tests.crash.proxy import KillingProxy
    from tests.world.estate import Estate


EXCEPTION_ENDS_IN_DAYS = 5
TO_BOB = "D00000002"


@dataclass(frozen=True)
class Scenario:
    """An issue that reporting is about to do something with; `kept` is the status of the ticket it has, if any.

    `untold` is whether its report named no date, as remediation was off then. Of two recipients over Slack, one is
    `alone` owed an earlier message; the conversation `unreached` takes none until everybody is killed.
    """

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
    untold: bool = False
    alone: str = ""
    unreached: str = ""


SCENARIOS = (
    Scenario("raise, with assignee and link", tags={"owner": "alice"}),
    Scenario("remind", kept="To Do", days_ago={"reported": 8}),
    Scenario("tell a date after the report", kept="To Do", days_ago={"reported": 60}, untold=True),
    Scenario("comment on a new episode", episode=Episode.REOPENED, kept="To Do"),
    Scenario("raise again what was deleted", episode=Episode.REACTIVATED, lost_ticket=True),
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
    Scenario("tell that an exemption ends", status=Status.WHITELISTED, whitelisted=True, issues=2),
    Scenario("report, and one of two is not reached", unreached=TO_BOB),
    Scenario(
        "close, and one of two is not reached",
        status=Status.RESOLVED,
        resolution=Resolution.USED,
        kept="To Do",
        days_ago={"reported": 8, "resolved": 0.1},
        unreached=TO_BOB,
    ),
    Scenario(
        "pay what a closed issue owes to one",
        status=Status.CLOSED,
        resolution=Resolution.USED,
        kept="Done",
        days_ago={"reported": 8, "resolved": 0.1, "closed": 0.1},
        alone="bob",
    ),
)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.id)
def test_killed_at_any_call_and_run_again_it_ends_as_if_undisturbed(
    estate: Estate, proxy: KillingProxy, launcher: Launcher, scenario: Scenario
) -> None:
    ReportSweep(estate, proxy, launcher, scenario).play()


class ReportSweep(Sweep):
    """One issue in each account, or several."""

    module = REPORTING

    def __init__(self, estate: Estate, proxy: KillingProxy, launcher: Launcher, scenario: Scenario) -> None:
        super().__init__(estate, proxy, launcher)
        self._scenario = scenario
        self.name = scenario.id
        last_day = (estate.now + timedelta(days=EXCEPTION_ENDS_IN_DAYS)).date().isoformat()
        entries = [{"id": "joe*", "until": last_day}] if scenario.whitelisted else []
        write_whitelist(estate.folder, dict.fromkeys(self.ACCOUNTS, entries))
        if scenario.alone or scenario.unreached:
            estate.owners({**OWNERS, "slack_owner": ["#devops-channel", "bob"]})
        if scenario.unreached:
            self.code = 1
            # A run that has nothing to say on a ticket does not ask JIRA where people open it.
            estate.configure(jira={"browse_url": estate.jira.url})
            estate.slack.fail_next(
                "chat.postMessage", status=200, error="fatal_error", channel=scenario.unreached, times=None
            )

    def _history(self, told: list[dict[str, str]]) -> list[Any]:
        # One run has said it to both, or each was told by another one.
        both = self._scenario.unreached
        return [entry for entry in told if not (both and "Slack" in entry["what"])]

    def _check(self, calls: list[str], output: str) -> None:
        assert len(calls) > 2, f"nothing was done at all\n{output}"

    def _run_again(self) -> None:
        self._proxy.expect(None)
        self._estate.slack.heal()
        self._an_hour_later()
        code, output = self._run()
        assert code == 0, output

    def _an_hour_later(self) -> None:
        """The next run comes as cron starts it: what a killed one has asked JIRA for was asked for an hour ago."""
        for point in self._points:
            for issue in map(self._estate.read, point.issues):
                if issue.jira.asked is not None:
                    asked = issue.jira.asked - timedelta(hours=1)
                    self._estate.put(replace(issue, jira=replace(issue.jira, asked=asked)))

    def _issues(self, account: str) -> tuple[Issue, ...]:
        return tuple(self._issue(account, number) for number in range(self._scenario.issues))

    def _issue(self, account: str, number: int) -> Issue:
        estate, scenario = self._estate, self._scenario
        days: dict[str, float] = {"identified": 21, "updated": 0.1, **scenario.days_ago}
        reported = estate.ago(days=days["reported"]) if "reported" in days else None
        if reported is not None and not scenario.untold:
            days["promised"] = days["reported"] - RETENTION_DAYS
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
                seen=estate.ago(days=21) if scenario.lost_ticket else None,
                failed=reported if "jira" in scenario.owed else None,
            ),
            slack=SlackDetails(
                notified=reported if scenario.kept else None,
                failed=reported if "slack" in scenario.owed or scenario.alone else None,
                owed=(scenario.alone,) if scenario.alone else (),
            ),
        )
        ticket = self._ticket(issue) if scenario.kept or scenario.unrecorded_ticket else None
        if scenario.kept:
            kept = replace(issue.jira, ticket=ticket, ticket_assignee_id="alice", seen=estate.ago(days=20))
            issue = replace(issue, jira=kept)
        return issue
