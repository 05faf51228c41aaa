"""A run of reporting as a whole: the plan, its limits, many issues at the same time, and being stopped."""

from __future__ import annotations

import contextlib
import csv
import json
import signal
import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from deployment.local.jira_stand_in import JiraRequest, JiraStandIn
from library.aws.state_table import state_table_name
from library.issues.record import Resolution, Status
from reporting.create_iam_key_inactive_tickets import WORKERS
from reporting.plan import FIELDS
from tests.world import MAIN, OTHER, REPORTING, TABLE
from tests.world.process import read_to, started

if TYPE_CHECKING:
    from tests.world.estate import Estate


CREATION = "/rest/api/2/issue"
SECONDS = 60


# --- the dry run ---


def test_a_dry_run_prints_what_would_be_done_per_account_and_owner(estate: Estate) -> None:
    estate.add_issue("old", idle_days=300)
    estate.add_issue("older", idle_days=400, tags={"owner": "alice"})
    estate.add_issue("ann", account=OTHER)
    estate.add_due_issue("soon", reported=estate.ago(days=8))
    estate.add_due_issue("used", status=Status.RESOLVED, resolution=Resolution.USED, resolved=estate.ago(hours=1))

    result = estate.run(REPORTING, "--dry-run")

    assert result.exit_code == 0, result.output
    plan, _, totals = result.stdout.partition("Per account and owner")
    for user, verdict in (("old", "reported"), ("older", "reported"), ("soon", "reminded"), ("used", "closed")):
        assert [line for line in plan.splitlines() if f" {user} " in line and f"would be {verdict}" in line], user
    rows = [line.split() for line in totals.splitlines() if line.startswith(("master", "slave1"))]
    assert rows == [
        ["master", f"({MAIN})", "Support-General", "#devops-channel", "1", "0", "1", "1", "0"],
        ["master", f"({MAIN})", "alice", "alice,", "#devops-channel", "1", "0", "0", "0", "0"],
        ["slave1", f"({OTHER})", "Support-General", "#devops-channel", "1", "0", "0", "0", "0"],
    ]
    assert "Nothing was changed; a run would have: 3 reported, 0 told a date, 1 reminded, 1 closed" in result.output


def test_a_dry_run_names_those_who_would_be_told_that_an_exemption_ends(estate: Estate) -> None:
    estate.whitelist({"id": "ci-*", "until": f"{estate.now + timedelta(days=10):%Y-%m-%d}"})
    estate.add_issue("ci-1", status=Status.WHITELISTED, tags={"owner": "alice"})

    planned = estate.run(REPORTING, "--dry-run")
    assert estate.report().exit_code == 0

    plan, _, totals = planned.stdout.partition("Per account and owner")
    assert [line for line in plan.splitlines() if " ci-* " in line and "would be told" in line]
    (row,) = [line.split() for line in totals.splitlines() if line.startswith("master")]
    assert row == ["master", f"({MAIN})", "Support-General", "#devops-channel", "0", "0", "0", "0", "1"]
    assert [recipient for recipient, _ in estate.messages()] == ["#devops-channel"]


def test_a_plan_for_programs_says_the_same(estate: Estate) -> None:
    new, due = estate.add_issue("=ann"), estate.add_due_issue("joe", reported=estate.ago(days=8))
    shown = estate.run(REPORTING, "--dry-run").stdout
    found = json.loads(estate.run(REPORTING, "--dry-run", "--format", "json").stdout)
    assert {each["key"]: (each["user"], each["verdict"], each["ticket"]) for each in found} == {
        new.issue_id: ("=ann", "would be reported", None),
        due.issue_id: ("joe", "would be reminded", due.jira.ticket),
    }
    rows = list(csv.DictReader(estate.run(REPORTING, "--dry-run", "--format", "csv").stdout.splitlines()))
    assert [row["user"].lstrip("'") for row in rows] == [each["user"] for each in found]
    for row, each in zip(rows, found, strict=True):
        assert {*row} == {*each} == {*FIELDS}
        assert (row["account"], int(row["idle_days"])) == (each["account"], each["idle_days"]) == (MAIN, 200)
        assert row["slack"] == ", ".join(each["slack"]) != ""
        assert all(text in shown for text in (row["slack"], each["owner"], each["reason"]))


def test_the_form_of_a_plan_is_for_a_dry_run(estate: Estate) -> None:
    refused = estate.run(REPORTING, "--format", "json")
    assert (refused.exit_code, "--format is for the plan of a --dry-run" in refused.output) == (2, True)


def test_a_dry_run_changes_nothing_anywhere_and_needs_no_lease(estate: Estate) -> None:
    (estate.folder / "config.ini").write_text("LOG_GROUP=/aws/ec2/hammer-reporting-remediation\n", encoding="utf-8")
    estate.add_issue()
    estate.add_due_issue("soon", reported=estate.ago(days=8))
    rows = estate.rows()

    assert estate.run(REPORTING, "--dry-run").exit_code == 0

    assert estate.rows() == rows
    # What JIRA and Slack would refuse is asked for, which changes nothing there.
    assert {request.method for request in estate.jira.requests} == {"GET"}
    assert {request.api_method for request in estate.slack.requests} == {"auth.test", "conversations.list"}
    assert boto3.client("logs").describe_log_groups()["logGroups"] == []
    states = boto3.client("dynamodb").scan(TableName=state_table_name(TABLE))["Items"]
    assert {state["id"]["S"] for state in states} == {f"scan#{MAIN}", f"scan#{OTHER}"}


@pytest.mark.parametrize(
    "off",
    [
        {"user_inactivekeys": {"reporting": False}},
        {"jira": {"enabled": False}},
        {"jira": {"enabled": False}, "slack": {"enabled": False}},
    ],
    ids=["reporting", "jira", "both channels"],
)
def test_a_dry_run_works_whatever_is_switched_off(estate: Estate, off: dict[str, dict[str, object]]) -> None:
    estate.configure(**off)
    estate.secret({})
    estate.add_issue("joe")
    result = estate.run(REPORTING, "--dry-run")
    assert result.exit_code == 0, result.output
    assert "would be reported" in result.stdout


def test_what_a_dry_run_says_is_what_the_run_then_does(estate: Estate) -> None:
    for number in range(3):
        estate.add_issue(f"user-{number}")
    estate.add_due_issue("soon", reported=estate.ago(days=8))
    estate.add_issue("exempt", status=Status.WHITELISTED)
    planned = estate.run(REPORTING, "--dry-run", "--limit", "2").stderr
    done = estate.run(REPORTING, "--limit", "2").stderr
    counted = "2 reported, 0 told a date, 1 reminded, 0 closed, 0 told, 2 skipped, 0 failed"
    assert counted in planned
    assert f"Reporting is done: {counted}" in done


# --- narrowed down ---


def test_the_limit_takes_the_longest_idle_and_lets_reminders_and_closings_go_on(estate: Estate) -> None:
    ages = {"young": 100, "oldest": 900, "middle": 500, "old": 700}
    issues = {user: estate.add_issue(user, idle_days=days) for user, days in ages.items()}
    soon = estate.add_due_issue("soon", reported=estate.ago(days=8))
    used = estate.add_due_issue(
        "used", status=Status.RESOLVED, resolution=Resolution.USED, resolved=estate.ago(hours=1)
    )

    result = estate.run(REPORTING, "--limit", "2")

    assert result.exit_code == 0, result.output
    assert {user for user, issue in issues.items() if estate.read(issue).timestamps.reported} == {"oldest", "old"}
    assert estate.read(soon).timestamps.reminded is not None
    assert estate.read(used).status is Status.CLOSED
    assert "the limit of 2 new reports is reached" in result.output


def test_a_delivery_that_is_owed_does_not_count_for_the_limit(estate: Estate) -> None:
    owed = estate.add_due_issue("owed", reported=estate.ago(days=1), slack_failed=estate.ago(days=1), idle_days=900)
    new = estate.add_issue("new")
    assert estate.run(REPORTING, "--limit", "1").exit_code == 0
    assert estate.read(owed).slack.failed is None
    assert estate.read(new).timestamps.reported is not None


def test_only_the_chosen_accounts_are_looked_at(estate: Estate) -> None:
    here, there = estate.add_issue("joe"), estate.add_issue("ann", account=OTHER)
    assert estate.run(REPORTING, "--account", OTHER).exit_code == 0
    assert estate.read(here).timestamps.reported is None
    assert estate.read(there).timestamps.reported is not None
    assert estate.run(REPORTING, "--account", OTHER, "--account", MAIN).exit_code == 0
    assert estate.read(here).timestamps.reported is not None


@pytest.mark.parametrize("account", ["999999999999", OTHER, "slave1"])
@pytest.mark.parametrize("more", [(), ("--dry-run",)])
def test_an_account_that_is_not_reported_on_is_a_usage_error(
    estate: Estate, account: str, more: tuple[str, ...]
) -> None:
    estate.keys(ignore_accounts=[OTHER])
    issue = estate.add_issue()
    result = estate.run(REPORTING, "--account", MAIN, "--account", account, *more)
    assert result.exit_code == 2
    assert account in result.output
    assert estate.read(issue).timestamps.reported is None


# --- many issues at the same time ---


class GatedJira(JiraStandIn):
    """A JIRA in which the first creations wait for each other, or, with `shut`, until the gate is opened."""

    def __init__(self, parties: int, *, shut: bool = False) -> None:
        super().__init__(issues=["AWSSEC-1"])
        self.arrived = threading.Barrier(parties)
        self.opened = threading.Event()
        if not shut:
            self.opened.set()

    def answer(self, request: JiraRequest, authorization: str, url: str) -> Any:
        """Wait before a ticket is raised."""
        if (request.method, request.path) == ("POST", CREATION) and not self.arrived.broken:
            with contextlib.suppress(threading.BrokenBarrierError):
                self.arrived.wait(SECONDS)
            self.opened.wait(SECONDS)
        return super().answer(request, authorization, url)


def test_several_issues_are_in_hand_at_the_same_time_and_each_gets_its_own_ticket_and_message(estate: Estate) -> None:
    jira = GatedJira(parties=6)
    estate.use_jira(jira)
    issues = [estate.add_issue(f"user-{number}") for number in range(6)]

    result = estate.report()

    assert result.exit_code == 0, result.output
    assert not jira.arrived.broken, "the creations did not come at the same time"
    assert "6 reported" in result.output
    for issue in issues:
        (ticket,) = estate.tickets_of(issue)
        assert estate.read(issue).jira.ticket == ticket.key
    assert sorted(text.split("`")[1] for _, text in estate.messages()) == sorted(each.issue_id for each in issues)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_between_two_issues_and_what_was_done_is_recorded(estate: Estate, number: int) -> None:
    jira = GatedJira(parties=WORKERS + 1, shut=True)
    estate.use_jira(jira)
    issues = [estate.add_issue(f"user-{number:02}", idle_days=400 - number) for number in range(WORKERS + 3)]

    with started(estate.folder, REPORTING) as process:
        jira.arrived.wait(SECONDS)
        jira.arrived.abort()
        process.send_signal(number)
        assert process.stderr is not None
        seen = read_to(process.stderr, "Stopping")
        jira.opened.set()
        rest = process.stderr.read()

    assert process.returncode == 130, seen + rest
    assert f"Reporting was stopped, 3 left: {WORKERS} reported" in rest
    assert "what was done until now is recorded" in rest
    for issue in issues[:WORKERS]:
        assert estate.read(issue).jira.ticket == estate.tickets_of(issue)[0].key
        assert estate.read(issue).slack.notified is not None
    for issue in issues[WORKERS:]:
        assert estate.tickets_of(issue) == []
    assert estate.report().exit_code == 0
    assert [len(estate.tickets_of(issue)) for issue in issues] == [1] * len(issues)
    assert len(estate.messages()) == len(issues)


# --- a bar on the terminal ---


def test_on_a_terminal_a_bar_shows_how_far_it_is(estate: Estate) -> None:
    for number in range(3):
        estate.add_issue(f"user-{number}")
    dialogue = estate.dialogue(REPORTING, kind="xterm")
    assert dialogue.exit_code() == 0, dialogue.screen
    assert "━" in dialogue.screen
    assert "3/3" in dialogue.screen
    assert "3 reported, 0 told a date, 0 reminded" in dialogue.screen


def test_on_a_terminal_a_plan_says_each_key_once_and_with_v_twice(estate: Estate) -> None:
    new, exempt = estate.add_issue("ann"), estate.add_issue("exempt", status=Status.WHITELISTED)
    for options, new_is_said, exempt_is_said in (("--dry-run",), 1, 0), (("--dry-run", "-v"), 2, 1):
        shown = estate.dialogue(REPORTING, *options)
        assert shown.exit_code() == 0, shown.screen
        assert shown.screen.count(new.issue_id) == new_is_said
        assert shown.screen.count(exempt.issue_id) == exempt_is_said
        assert "1 reported, " in shown.screen
        assert "1 skipped, " in shown.screen


def test_in_a_pipe_there_is_no_bar(estate: Estate) -> None:
    estate.add_issue()
    done = estate.process(REPORTING)
    assert done.returncode == 0, done.stderr
    assert "━" not in done.stdout + done.stderr
    assert "\x1b" not in done.stdout + done.stderr
