"""A row that cannot be read is named and fails the run; it stops neither its account nor any other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import boto3
import pytest

from tests.world import MAIN, TABLE

if TYPE_CHECKING:
    from tests.world.estate import Estate


BROKEN = "AKIABROKENROW0000000"


@pytest.fixture
def broken_row(estate: Estate) -> None:
    """A row of the main account that lacks everything but its keys and a status."""
    item = {"account_id": {"S": MAIN}, "issue_id": {"S": BROKEN}, "status": {"S": "open"}}
    boto3.client("dynamodb").put_item(TableName=TABLE, Item=item)


@pytest.mark.usefixtures("broken_row")
def test_reporting_reports_the_other_issues_of_the_account_and_exits_1(estate: Estate) -> None:
    issue = estate.add_issue("joe")
    result = estate.report()
    assert result.exit_code == 1
    assert BROKEN in result.output
    assert estate.read(issue).timestamps.reported is not None


@pytest.mark.usefixtures("broken_row")
def test_remediation_switches_off_the_other_keys_of_the_account_and_exits_1(estate: Estate) -> None:
    issue = estate.add_due_issue("joe")
    result = estate.remediate()
    assert result.exit_code == 1
    assert BROKEN in result.output
    assert estate.key_status(issue) == "Inactive"


@pytest.mark.usefixtures("broken_row")
def test_restore_switches_on_the_other_keys_of_the_account_and_exits_1(estate: Estate) -> None:
    issue = estate.add_due_issue("joe", key_status="Inactive", remediated=estate.ago(days=1))
    result = estate.restore("--key", issue.issue_id)
    assert result.exit_code == 1
    assert BROKEN in result.output
    assert estate.key_status(issue) == "Active"
