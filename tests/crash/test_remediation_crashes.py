"""Remediation and restore are killed at each outside call, before and after it is carried out, and then run again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from library.issues.record import (
    Issue,
    IssueDetails,
    JiraDetails,
    Resolution,
    SlackDetails,
    Status,
    Timestamps,
)
from tests.crash.sweep import Point, Sweep
from tests.world import REGION, REMEDIATION, RESTORE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.crash.launcher import Launcher
    from tests.crash.proxy import KillingProxy
    from tests.world.estate import Estate


@dataclass(frozen=True)
class Scenario:
    """A key and the command that is about to do something with it; `refused` is whether IAM refuses to switch it.

    `archived` is whether its issue was closed, and a scan has archived it.
    """

    id: str
    module: str
    arguments: tuple[str, ...]
    key_status: str = "Active"
    days_ago: tuple[tuple[str, float], ...] = ()
    refused: bool = False
    archived: bool = False


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
    Scenario(
        "switch on again from the archive",
        RESTORE,
        ("--batch", "--since", "3d"),
        key_status="Inactive",
        days_ago=(("remediation_started", 2), ("remediated", 2), ("resolved", 1), ("closed", 1)),
        archived=True,
    ),
)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.id)
def test_killed_at_any_call_and_run_again_it_ends_as_if_undisturbed(
    estate: Estate, proxy: KillingProxy, launcher: Launcher, scenario: Scenario
) -> None:
    SwitchSweep(estate, proxy, launcher, scenario).play()


class SwitchSweep(Sweep):
    """One key in each account."""

    def __init__(self, estate: Estate, proxy: KillingProxy, launcher: Launcher, scenario: Scenario) -> None:
        super().__init__(estate, proxy, launcher)
        self._scenario = scenario
        self.name, self.module, self.arguments = scenario.id, scenario.module, scenario.arguments
        self.code = 1 if scenario.refused else 0

    def _check(self, calls: list[str], output: str) -> None:
        told = {"POST 2/issue/KEY/comment", *([] if self._scenario.refused else ["chat.postMessage"])}
        assert {"UpdateAccessKey", *told} <= set(calls), output

    def _facts(self, point: Point) -> Mapping[str, Any]:
        return {"keys": [self._estate.key_status(issue) for issue in point.issues]}

    def _history(self, told: list[dict[str, str]]) -> list[Any]:
        # Two runs leave more traces than one, and announce twice what they do once; in the same order, though.
        return list(dict.fromkeys(entry["what"] for entry in told))

    def _issues(self, account: str) -> tuple[Issue, ...]:
        estate, scenario = self._estate, self._scenario
        key = estate.add_key("joe", account=account, status=scenario.key_status, key_id=f"AKIA{account}0001")
        if scenario.refused:
            estate.accounts.fail(account, "UpdateAccessKey", "AccessDenied")
        days = {"identified": 21.0, "updated": 21.0, "reported": 20.0, "promised": 6.0, **dict(scenario.days_ago)}
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
        if scenario.archived:
            ended = replace(issue.details, resolution=Resolution.REMEDIATED)
            issue = replace(issue, status=Status.CLOSED, details=ended, archived=estate.ago(hours=1))
        return (replace(issue, jira=JiraDetails(ticket=self._ticket(issue), ticket_assignee_id="alice")),)
