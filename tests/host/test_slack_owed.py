"""A recipient whom a passing fault kept from a message gets it in a later run, and nobody else gets it again."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from library.issues.record import Episode, Resolution, Status
from tests.world import REPORTING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from click.testing import Result

    from library.issues.record import Issue
    from tests.world.estate import Estate

POST = "chat.postMessage"
BOTH = {"jira_project": "AWSSEC", "slack_owner": ["#devops-channel", "bob"]}
TO_BOB = "D00000002"


def report(estate: Estate, _issue: Issue) -> Result:
    return estate.report()


def remediate(estate: Estate, _issue: Issue) -> Result:
    return estate.remediate()


def restore(estate: Estate, issue: Issue) -> Result:
    return estate.restore("--key", issue.issue_id)


@dataclass(frozen=True)
class Kind:
    """One kind of news: the issue that it is about, what says it, and how its message begins."""

    id: str
    begins: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    days_ago: Mapping[str, float] = field(default_factory=dict)
    run: Callable[[Estate, Issue], Result] = report
    key_status: str = "Active"
    status_after: Status = Status.OPEN
    exemption: str = ""


KINDS = (
    Kind("report", "Inactive IAM access key"),
    Kind("new episode", "Inactive IAM access key", {"episode": Episode.REOPENED}),
    Kind("told date", "Inactive IAM access key", {"promised": None}, {"reported": 60}),
    Kind("reminder", "Reminder:", {}, {"reported": 8}),
    Kind("switched off", "Switched off:", {}, {"reported": 15}, remediate),
    Kind(
        "restored",
        "Switched on again:",
        {},
        {"reported": 20, "remediation_started": 2, "remediated": 2},
        restore,
        key_status="Inactive",
    ),
    Kind(
        "closed",
        "Closed:",
        {"status": Status.RESOLVED, "resolution": Resolution.USED},
        {"reported": 8, "resolved": 0.1},
        status_after=Status.CLOSED,
    ),
    Kind(
        "closed for an exemption",
        "Closed:",
        {"status": Status.WHITELISTED},
        {"reported": 8},
        status_after=Status.CLOSED,
    ),
    Kind(
        "an exemption ends",
        "An exemption ends soon:",
        {"status": Status.WHITELISTED},
        status_after=Status.WHITELISTED,
        exemption="joe",
    ),
)


def issue_of(estate: Estate, kind: Kind) -> Issue:
    estate.owners(BOTH)
    if kind.exemption:
        estate.whitelist({"id": kind.exemption, "until": (estate.now + timedelta(days=3)).date().isoformat()})
    times: dict[str, Any] = {name: estate.ago(days=days) for name, days in kind.days_ago.items()}
    make = estate.add_due_issue if "reported" in times else estate.add_issue
    return make(key_status=kind.key_status, **kind.facts, **times)


def fail_bob(estate: Estate, times: int | None = 1) -> None:
    estate.slack.fail_next(POST, status=200, error="fatal_error", channel=TO_BOB, times=times)


def told(estate: Estate) -> list[tuple[str, str]]:
    """Who was told, and the bold words that the message begins with."""
    return [(recipient, text.split("*")[1]) for recipient, text in estate.messages()]


@pytest.mark.parametrize("jira", [True, False], ids=["with JIRA", "Slack alone"])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.id)
def test_who_did_not_get_it_gets_it_in_the_next_run_and_nobody_else_does(
    estate: Estate, kind: Kind, jira: bool
) -> None:
    issue = issue_of(estate, kind)
    estate.jira.site.base_url = "https://acme.example.net"
    if not jira:
        estate.configure(jira={"enabled": False})
        issue = replace(issue, jira=replace(issue.jira, ticket=None))
        estate.put(issue)
    fail_bob(estate)

    result = kind.run(estate, issue)

    assert result.exit_code == 1, result.output
    (line,) = [line for line in result.stderr.splitlines() if " ERROR " in line]
    assert "E-SLACK-01" in line
    assert "Slack: bob did not get the message: Slack answered fatal_error" in line
    owing = estate.read(issue)
    assert owing.status is kind.status_after
    assert (owing.slack.owed or owing.slack.exception_owed) == ("bob",)
    assert told(estate) == [("#devops-channel", kind.begins)]

    again = estate.run(REPORTING)

    assert again.exit_code == 0, again.output
    assert told(estate) == [("#devops-channel", kind.begins), ("bob", kind.begins)]
    paid = estate.read(issue)
    # Not to where programs find JIRA, though the second run had nothing to do there.
    where = {
        link.partition("/browse/")[0]
        for _, text in estate.messages()
        for link in text.split("<")
        if "/browse/" in link
    }
    assert where == ({"https://acme.example.net"} if paid.jira.ticket else set())
    assert (paid.slack.owed, paid.slack.exception_owed, paid.slack.failed) == ((), (), None)
    assert paid.status is kind.status_after
    if not kind.exemption:
        assert paid.slack.recipients == ("#devops-channel", "bob")
    rows, tickets = estate.rows(), {key: list(each.comments) for key, each in estate.jira.issues.items()}

    assert estate.run(REPORTING).exit_code == 0
    assert len(estate.messages()) == 2
    assert estate.rows() == rows
    assert {key: list(each.comments) for key, each in estate.jira.issues.items()} == tickets


def test_it_is_owed_for_as_long_as_the_fault_lasts(estate: Estate) -> None:
    issue = issue_of(estate, KINDS[0])
    fail_bob(estate, times=3)
    for _ in range(3):
        assert estate.report().exit_code == 1
        assert estate.read(issue).slack.owed == ("bob",)
    assert estate.report().exit_code == 0
    assert [recipient for recipient, _ in told(estate)] == ["#devops-channel", "bob"]


def test_while_it_is_owed_the_key_was_reported_with_its_date(estate: Estate) -> None:
    issue = issue_of(estate, KINDS[0])
    fail_bob(estate)
    estate.report()
    times = estate.read(issue).timestamps
    assert times.reported is not None
    assert times.promised == times.reported + timedelta(days=14)


@pytest.mark.parametrize("kind", KINDS[3:8], ids=lambda kind: kind.id)
def test_newer_news_is_for_everybody_and_pays_what_was_owed(estate: Estate, kind: Kind) -> None:
    issue = issue_of(estate, kind)
    reported = issue.timestamps.reported
    estate.put(replace(issue, slack=replace(issue.slack, failed=reported, owed=("bob",))))

    assert kind.run(estate, issue).exit_code == 0

    assert told(estate) == [("#devops-channel", kind.begins), ("bob", kind.begins)]
    assert (estate.read(issue).slack.owed, estate.read(issue).slack.failed) == ((), None)


def test_what_the_end_of_an_issue_owes_follows_it_while_its_ticket_cannot_be_closed(estate: Estate) -> None:
    issue = issue_of(estate, KINDS[6])
    estate.jira_is_down()
    fail_bob(estate)
    assert estate.report().exit_code == 1
    owing = estate.read(issue)
    assert (owing.status, owing.slack.owed, owing.jira.failed is None) == (Status.RESOLVED, ("bob",), False)

    assert estate.report().exit_code == 0
    assert estate.read(issue).status is Status.CLOSED
    assert told(estate) == [("#devops-channel", "Closed:"), ("bob", "Closed:")]


def test_who_cannot_be_reached_any_more_is_owed_nothing(estate: Estate) -> None:
    issue = issue_of(estate, KINDS[0])
    fail_bob(estate)
    estate.report()
    estate.slack.fail_next("users.list", status=200, error="user_not_visible")

    result = estate.report()

    assert result.exit_code == 0, result.output
    assert "W-SLACK-01" in result.output
    after = estate.read(issue)
    assert (after.slack.owed, after.slack.failed, after.slack.recipients) == ((), None, ("#devops-channel",))
    assert after.history[-1]["what"] == "reported over Slack: nobody is left who is owed it"


def test_whoever_takes_the_place_of_one_who_was_owed_it_gets_it(estate: Estate) -> None:
    estate.configure(jira={"enabled": False})
    issue = issue_of(estate, KINDS[0])
    fail_bob(estate)
    estate.report()
    estate.owners({**BOTH, "slack_owner": "alice"})
    assert estate.report().exit_code == 0
    assert [recipient for recipient, _ in told(estate)] == ["#devops-channel", "alice"]
    assert estate.read(issue).slack.owed == ()


def test_a_slack_that_is_switched_off_owes_nothing_until_it_is_on(estate: Estate) -> None:
    issue = issue_of(estate, KINDS[6])
    fail_bob(estate)
    estate.report()
    estate.configure(slack={"enabled": False})
    assert estate.report().exit_code == 0
    assert estate.read(issue).slack.owed == ("bob",)
    estate.configure(slack={"enabled": True})
    assert estate.report().exit_code == 0
    assert [recipient for recipient, _ in told(estate)] == ["#devops-channel", "bob"]


def test_the_plan_names_those_alone_who_are_owed_it(estate: Estate) -> None:
    issue_of(estate, KINDS[0])
    fail_bob(estate)
    estate.report()
    plan = estate.run(REPORTING, "--dry-run").output
    assert re.search(r"\bbob\b", plan)
    assert "#devops-channel" not in plan
