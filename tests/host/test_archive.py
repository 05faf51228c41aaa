"""Closed issues that a scan has set aside: every command that looks back finds them, and keys are given back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import boto3
import pytest

from library.aws.issues_table import IssuesTable
from library.issues.record import Episode, Issue, Resolution, Status
from tests.host.test_upgrade import scan
from tests.world import MAIN, REMEDIATION, REPORTING, SHOW, TABLE
from tests.world.table import deserialized

if TYPE_CHECKING:
    from tests.world.estate import Estate

REPORT = "reporting.inactive_keys_report"


def archived(estate: Estate, user: str = "joe") -> Issue:
    """An issue whose key we switched off over a year ago, and which a scan has set aside since."""
    issue = estate.add_due_issue(
        user,
        key_status="Inactive",
        status=Status.CLOSED,
        resolution=Resolution.REMEDIATED,
        reported=estate.ago(days=420),
        updated=estate.ago(days=399),
        remediation_started=estate.ago(days=400, minutes=1),
        remediated=estate.ago(days=400),
        resolved=estate.ago(days=399),
        closed=estate.ago(days=398),
    )
    estate.jira.issues[str(issue.jira.ticket)].status = "Closed"
    table = IssuesTable(boto3.client("dynamodb"), TABLE)
    assert table.archive(issue, estate.now)
    (found,) = table.archived(MAIN, issue.issue_id)
    return found


def status_of(estate: Estate, issue: Issue) -> list[str]:
    """What stands in the rows of its key, the one that scans read first."""
    of_key = [row for row in map(deserialized, estate.rows()) if issue.issue_id in row["issue_id"]]
    return [row["status"] for row in sorted(of_key, key=lambda row: str(row["issue_id"]))]


@pytest.mark.parametrize("by", ["key", "ticket", "user", "since"])
def test_a_key_whose_issue_is_archived_is_switched_on_again_and_told_and_the_next_scan_begins_anew(
    estate: Estate, by: str
) -> None:
    issue = archived(estate)
    named = {"key": issue.issue_id, "ticket": str(issue.jira.ticket), "user": "joe", "since": "410d"}
    result = estate.restore(f"--{by}", named[by])
    assert result.exit_code == 0, result.output
    assert estate.key_status(issue) == "Active"
    assert f"key={issue.issue_id} verdict=switched on" in result.output
    after = estate.read(issue)
    assert after.timestamps.restored is not None
    assert after.timestamps.remediated == issue.timestamps.remediated
    assert "on again" in estate.messages()[-1][1].lower()
    if by == "key":
        scan()
        new = estate.read(issue)
        assert (new.status, new.episode) == (Status.OPEN, Episode.REACTIVATED)
        assert (new.timestamps.promised, new.timestamps.reported, new.jira.ticket) == (None, None, None)
        assert status_of(estate, issue) == ["open", "closed"]


def test_what_a_restore_of_an_archived_issue_could_not_say_is_said_by_the_next_report(estate: Estate) -> None:
    issue = archived(estate)
    estate.slack_is_down()
    assert estate.restore("--key", issue.issue_id).exit_code == 1
    assert estate.read(issue).slack.failed is not None
    said = len(estate.messages())
    assert estate.report().exit_code == 0
    assert estate.read(issue).slack.failed is None
    assert "on again" in estate.messages()[said][1].lower()


def test_the_issue_of_a_key_that_lives_comes_before_its_archived_one(estate: Estate) -> None:
    old = archived(estate)
    estate.iam().update_access_key(UserName="joe", AccessKeyId=old.issue_id, Status="Active")
    scan()
    before = estate.rows()
    result = estate.restore("--key", old.issue_id)
    assert "1 skipped" in result.output
    assert "reason=this system did not switch the key off" in result.output
    assert estate.rows() == before


def test_a_key_whose_archived_issue_cannot_be_read_is_named_and_the_others_are_given_back(estate: Estate) -> None:
    bad, good = archived(estate), archived(estate, "ann")
    (row,) = (row for row in estate.rows() if bad.issue_id in row["issue_id"]["S"])
    boto3.client("dynamodb").put_item(TableName=TABLE, Item={**row, "episode": {"S": "odd"}})
    result = estate.restore("--since", "410d")
    assert result.exit_code == 1
    assert f"E-TABLE-02 issue {MAIN}/~closed#{bad.issue_id}#" in result.output
    assert (estate.key_status(good), estate.key_status(bad)) == ("Active", "Inactive")


@pytest.mark.parametrize("by", ["key", "ticket", "user"])
def test_an_archived_issue_is_shown_with_when_it_was_archived(estate: Estate, by: str) -> None:
    issue = archived(estate)
    named = {"key": issue.issue_id, "ticket": str(issue.jira.ticket), "user": "joe"}
    result = estate.run(SHOW, f"--{by}", named[by])
    assert result.exit_code == 0, result.output
    assert f"key           {issue.issue_id}" in result.stdout
    assert "status        closed: remediated, first episode" in result.stdout
    assert f"archived      {estate.now:%Y-%m-%d %H:%M} UTC; scans do not read it any more" in result.stdout
    (shown,) = json.loads(estate.run(SHOW, f"--{by}", named[by], "--format", "json").stdout)
    assert (shown["issue_id"], shown["archived"]["key_id"]) == (issue.issue_id, issue.issue_id)


@pytest.mark.parametrize("by", ["key", "user"])
def test_a_key_with_an_issue_and_an_archived_one_is_shown_with_both(estate: Estate, by: str) -> None:
    old = archived(estate)
    estate.iam().update_access_key(UserName="joe", AccessKeyId=old.issue_id, Status="Active")
    scan()
    named = {"key": old.issue_id, "user": "joe"}
    shown = json.loads(estate.run(SHOW, f"--{by}", named[by], "--format", "json").stdout)
    assert [(each["status"], "archived" in each) for each in shown] == [("open", False), ("closed", True)]
    assert estate.run(SHOW, f"--{by}", named[by]).stdout.count("\narchived      ") == 1


def test_an_archived_issue_that_was_restored_is_shown_once(estate: Estate) -> None:
    old = archived(estate)
    assert estate.restore("--key", old.issue_id).exit_code == 0
    for by, value in (("key", old.issue_id), ("user", "joe")):
        (shown,) = json.loads(estate.run(SHOW, f"--{by}", value, "--format", "json").stdout)
        assert "archived" not in shown
        assert [entry["what"] for entry in shown["history"]][:2] == [
            "about to be switched on again",
            "switched on again",
        ]


def test_the_report_has_archived_issues_as_before(estate: Estate) -> None:
    old = archived(estate)
    estate.add_issue("ann")
    (ann, row) = json.loads(estate.run(REPORT, "--format", "json").stdout)["issues"]
    assert (ann["user"], row["key"], row["status"]) == ("ann", old.issue_id, "closed")
    assert estate.run(REPORT, "--format", "asff").exit_code == 0


@pytest.mark.parametrize("by", ["key", "user"])
def test_a_run_that_names_the_key_of_an_archived_issue_says_that_it_is_closed(estate: Estate, by: str) -> None:
    issue = archived(estate)
    before = estate.rows()
    for module, reason in ((REMEDIATION, "closed, not open"), (REPORTING, "closed")):
        result = estate.run(module, f"--{by}", {"key": issue.issue_id, "user": "joe"}[by], "--dry-run")
        assert result.exit_code == 0, result.output
        assert f"key={issue.issue_id} verdict=skipped reason={reason}\n" in result.output
    assert estate.rows() == before


def test_reporting_and_remediation_leave_the_archive_alone(estate: Estate) -> None:
    archived(estate)
    before = estate.rows()
    for result in (estate.report(), estate.remediate(), estate.run(REMEDIATION, "--dry-run")):
        assert result.exit_code == 0
        assert "joe" not in result.output
    assert estate.rows() == before
    assert estate.messages() == []
