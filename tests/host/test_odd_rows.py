"""One bad row ends nothing but itself: each command names it at ERROR, serves all others, and fails by its exit code.

tests/issues/test_odd_rows.py reads every odd value at every place; here each of the values and each of the places is
once among the rows.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from library.issues.record import Status
from library.issues.row import UnreadableIssue, from_item
from library.issues.whitelist import Whitelist
from tests.builders import KEY, NOW, an_issue, times
from tests.host.test_upgrade import scan
from tests.notifications.test_news import terms
from tests.odd import every_odd_row
from tests.world import MAIN, REMEDIATION, REPORTING, RESTORE, SHOW, TABLE, table

if TYPE_CHECKING:
    from pathlib import Path

    from tests.world.estate import Estate

REPORT, CHECK = "reporting.inactive_keys_report", "remediation.check_access"
OF_THE_KEY = ("account_id", "issue_id")


def is_readable(row: dict[str, Any], now: datetime) -> bool:
    try:
        from_item(row, now)
    except UnreadableIssue:
        return False
    return True


def some_odd_rows(now: datetime) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Rows that cannot be read, with each value and each place where there is such a row; and one for each place
    that can be."""
    seen: set[object] = set()
    bad, harmless = [], {}
    for path, value, row in every_odd_row(now, lambda path: path[0] not in OF_THE_KEY):
        if is_readable(row, now):
            harmless[path] = row
        elif not {path, repr(value)} <= seen:
            seen |= {path, repr(value)}
            bad.append(row)
    return bad, list(harmless.values())


@pytest.fixture(scope="module")
def odd_rows() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    return some_odd_rows(datetime.now(UTC))


@pytest.fixture
def bad(estate: Estate, odd_rows: tuple[list[dict[str, Any]], list[dict[str, Any]]]) -> list[str]:
    """The keys of the rows in the table that cannot be read, beside others that look odd and can be."""
    bad, harmless = odd_rows
    named = [f"AKIABAD{number:013}" for number in range(len(bad))]
    odd = [f"AKIAODD{number:013}" for number in range(len(harmless))]
    with boto3.resource("dynamodb").Table(TABLE).batch_writer() as batch:
        for issue_id, row in zip((*named, *odd), (*bad, *harmless), strict=True):
            batch.put_item({**row, "account_id": MAIN, "issue_id": issue_id})
    assert len(named) > 70
    return named


def named_at_error(output: str) -> list[str]:
    """The keys of the rows of which a line at ERROR says that they cannot be read."""
    return re.findall(rf"ERROR E-TABLE-02 issue {MAIN}/(\w+) cannot be read", output)


def untouched(bad: list[str]) -> dict[str, Any]:
    """The bad rows as they are in the table."""
    return {row["issue_id"]["S"]: row for row in table.rows() if row["issue_id"]["S"] in bad}


def test_reporting_reports_the_others(estate: Estate, bad: list[str]) -> None:
    issue, before = estate.add_issue("joe"), untouched(bad)
    planned = estate.run(REPORTING, "--dry-run")
    assert (planned.exit_code, named_at_error(planned.output)) == (1, bad)
    assert issue.issue_id in planned.stdout
    done = estate.report()
    assert (done.exit_code, named_at_error(done.output)) == (1, bad)
    assert estate.read(issue).timestamps.reported is not None
    assert "unexpected" not in planned.output + done.output
    assert untouched(bad) == before


def test_remediation_switches_the_others_off(estate: Estate, bad: list[str]) -> None:
    issue, before = estate.add_due_issue("joe"), untouched(bad)
    for form in ("table", "json", "csv"):
        planned = estate.run(REMEDIATION, "--dry-run", "--format", form)
        assert (planned.exit_code, named_at_error(planned.output)) == (1, bad)
        assert issue.issue_id in planned.stdout
    done = estate.remediate()
    assert (done.exit_code, named_at_error(done.output)) == (1, bad)
    assert estate.key_status(issue) == "Inactive"
    assert "unexpected" not in planned.output + done.output
    assert untouched(bad) == before


def test_restore_switches_the_others_on(estate: Estate, bad: list[str]) -> None:
    off = {"key_status": "Inactive", "remediated": estate.ago(days=1)}
    issue, before = estate.add_due_issue("joe", **off), untouched(bad)
    planned = estate.run(RESTORE, "--since", "3000d", "--dry-run")
    assert (planned.exit_code, named_at_error(planned.output)) == (1, bad)
    assert issue.issue_id in planned.stdout
    done = estate.restore("--since", "3000d")
    assert (done.exit_code, named_at_error(done.output)) == (1, bad)
    assert estate.key_status(issue) == "Active"
    assert "unexpected" not in planned.output + done.output
    assert untouched(bad) == before


@pytest.mark.parametrize("form", ["text", "json"])
def test_show_issue_shows_the_others(estate: Estate, bad: list[str], form: str) -> None:
    issue = estate.add_issue("joe")
    odd = [row["issue_id"]["S"] for row in table.rows() if row["issue_id"]["S"] not in bad]
    asked = [part for key in (*bad, *odd) for part in ("--key", key)]
    done = estate.run(SHOW, *asked, "--format", form)
    assert (done.exit_code, named_at_error(done.output)) == (1, bad)
    assert issue.issue_id in odd
    assert all(key in done.stdout for key in odd)
    assert "has this key" not in done.output
    assert "unexpected" not in done.output


@pytest.mark.parametrize("form", ["html", "csv", "json", "asff"])
def test_a_report_has_the_others_and_names_the_bad_ones(
    estate: Estate, bad: list[str], tmp_path: Path, form: str
) -> None:
    issue, report = estate.add_issue("joe"), tmp_path / "report"
    done = estate.run(REPORT, "--format", form, "--output", str(report))
    assert (done.exit_code, named_at_error(done.output)) == (1, bad)
    text = "".join(file.read_text() for file in report.iterdir()) if form == "asff" else report.read_text()
    assert issue.issue_id in text
    assert form in ("csv", "asff") or all(key in text for key in bad)
    assert "unexpected" not in done.output


def test_check_access_looks_at_the_users_of_the_others(estate: Estate, bad: list[str]) -> None:
    estate.add_issue("joe")
    done = estate.run(CHECK)
    assert "2 accounts to remediate" in done.output
    assert bad


def test_a_scan_is_complete_without_them(estate: Estate, bad: list[str], caplog: pytest.LogCaptureFixture) -> None:
    idle, gone, before = estate.add_key("joe"), estate.add_issue("jim"), untouched(bad)
    estate.iam().delete_access_key(UserName="jim", AccessKeyId=gone.issue_id)
    in_the_way = bad[0]
    estate.add_key("jack", key_id=in_the_way)
    scan()
    logged = [(record.levelname, record.getMessage()) for record in caplog.records]
    errors = [said for level, said in logged if level == "ERROR"]
    named = [match[1] for said in errors if (match := re.search(rf"E-TABLE-02 issue {MAIN}/(\w+) cannot", said))]
    assert named == bad
    found = {row["issue_id"]["S"]: row["status"]["S"] for row in table.rows() if row["issue_id"]["S"] not in bad}
    assert (found[idle], found[gone.issue_id]) == (Status.OPEN, Status.RESOLVED)
    assert untouched(bad) == before
    assert "Scan is complete" in [said for _, said in logged]


def test_an_issue_with_which_something_is_wrong_has_no_task_and_costs_the_others_nothing() -> None:
    from reporting.tasks import tasks_of

    odd = an_issue(issue_id="AKIAODD", timestamps=replace(times(), reported=7))  # type: ignore[arg-type]
    counts: Counter[str] = Counter()
    tasks = tasks_of([odd, an_issue()], terms(), Whitelist({}), None, counts, NOW)
    assert [task.issue.issue_id for task in tasks] == [KEY]
    assert counts["failed"] == 1
