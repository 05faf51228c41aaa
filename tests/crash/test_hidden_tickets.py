"""Reporting is killed after each of its writes in a JIRA that hides new tickets, or whose search lags behind.

A kill at a call that only reads leaves what the write before it has left, so that those are no points of their own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from library.issues.lost_tickets import LOOKED_FOR
from tests.crash.test_reporting_crashes import ReportSweep, Scenario
from tests.world.table import let_the_lease_run_out

if TYPE_CHECKING:
    from tests.crash.launcher import Launcher
    from tests.crash.proxy import KillingProxy
    from tests.crash.sweep import Point
    from tests.world.estate import Estate

_READS = re.compile(r"GET .*|Query|GetItem|GetSecretValue|users\.list|conversations\.list|auth\.test")
_SCENARIO = Scenario("raise", tags={"owner": "alice"})


@dataclass(frozen=True)
class Site:
    """What JIRA's search shows of a new ticket: nothing if it is `hidden`, else all after `lag`."""

    id: str
    hidden: bool = False
    lag: timedelta = timedelta(0)


SITES = (
    Site("visible"),
    Site("hidden", hidden=True),
    Site("20 minutes behind", lag=timedelta(minutes=20)),
    Site("behind for ever", lag=timedelta.max),
)


@pytest.mark.parametrize("slack", [True, False], ids=["JIRA and Slack", "JIRA only"])
@pytest.mark.parametrize("site", SITES, ids=lambda site: site.id)
def test_killed_after_any_write_an_issue_has_one_ticket_at_most(
    estate: Estate, proxy: KillingProxy, launcher: Launcher, site: Site, slack: bool
) -> None:
    HiddenSweep(estate, proxy, launcher, site, slack=slack).play()


class HiddenSweep(ReportSweep):
    """One issue in each account, of which nobody has heard."""

    def __init__(self, estate: Estate, proxy: KillingProxy, launcher: Launcher, site: Site, *, slack: bool) -> None:
        super().__init__(estate, proxy, launcher, _SCENARIO)
        self.name = site.id
        self.code = 1 if site.hidden else 0
        self._site, self._slack = site, slack
        estate.configure(slack={"enabled": slack})
        estate.jira.site.hides_new, estate.jira.site.lags = site.hidden, bool(site.lag)

    def play(self) -> None:
        reference = self._point("undisturbed")
        self._proxy.expect(None)
        code, output = self._run("--account", reference.account)
        assert code == self.code, output
        calls = list(self._proxy.calls)
        assert "POST 2/issue" in calls
        for number, call in enumerate(calls):
            if not _READS.fullmatch(call):
                self._kill(number, "after", call)
        owed = self._rounds(reference)
        self._read_rows()
        for point in self._points:
            self._hold(point, reference, owed)

    def _rounds(self, reference: Point) -> set[str]:
        """Runs that nobody disturbs, with a new issue in the second one; the ids of what the last one owes."""
        passed = timedelta(0)
        for wait in (timedelta(0), LOOKED_FOR + timedelta(minutes=1), timedelta(hours=1)):
            self._pass(wait, [*self._points, reference])
            passed += wait
            if passed == wait > timedelta(0):
                self._points.append(self._point("found later"))
            if passed > self._site.lag:
                self._estate.jira.site.unsearchable.clear()
                self._estate.jira.site.lags = False
            let_the_lease_run_out()
            self._proxy.expect(None)
            code, output = self._run()
            for point in self._points:
                assert len(self._estate.tickets_of(point.issues[0])) <= 1, f"{point.name} after {passed}\n{output}"
            lines = re.findall(r" ERROR (E-JIRA-\d\d) ", output)
            assert code == (1 if lines else 0), output
            # One line for each cause, as there is one project.
            assert len(lines) == len(set(lines)), output
        return set(lines)

    def _hold(self, point: Point, reference: Point, owed: set[str]) -> None:
        """A point has ended as the one that nobody disturbed or, where JIRA does not show it, its ticket is owed."""
        issue = self._estate.read(point.issues[0])
        assert {who for who, _ in self._said(point)} == {who for who, _ in self._said(reference)}, point.name
        if issue.jira.asked is None:
            assert self._picture(point) == self._picture(reference), point.name
            assert bool(owed) is self._site.hidden or self._site.lag == timedelta.max, owed
        else:
            assert self._site.hidden or self._site.lag == timedelta.max, point.name
            assert (issue.jira.failed is not None, issue.jira.ticket) == (True, None), point.name
            assert (issue.timestamps.reported is not None) is self._slack, point.name
            assert "E-JIRA-11" in owed

    def _pass(self, span: timedelta, points: list[Point]) -> None:
        """Let what was asked for and made until now lie back by so much more."""
        for point in points:
            issue = self._estate.read(point.issues[0])
            if issue.jira.asked is not None:
                self._estate.put(replace(issue, jira=replace(issue.jira, asked=issue.jira.asked - span)))
        for ticket in self._estate.jira.issues.values():
            ticket.created = (datetime.fromisoformat(ticket.created) - span).isoformat(timespec="milliseconds")

    def _history(self, told: list[dict[str, str]]) -> list[Any]:
        # It says what failed in between, and so do further messages over Slack.
        return []

    def _picture(self, point: Point) -> dict[str, Any]:
        picture = super()._picture(point)
        tickets = [{name: each[name] for name in each if name != "created"} for each in picture["tickets"]]
        return {"rows": picture["rows"], "tickets": tickets}
