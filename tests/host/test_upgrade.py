"""A table written by Hammer itself is read as it is, and its issues are carried on to their ends."""

from __future__ import annotations

import importlib.util
import json
import sys
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import boto3

from library.issues.record import Episode, Issue, Resolution, Status
from library.issues.row import from_item
from tests.world import HANDLERS, MAIN, REMEDIATION, REPORTING, TABLE
from tests.world.table import serialized

if TYPE_CHECKING:
    from datetime import datetime

    from tests.world.estate import Estate


HANDLER = HANDLERS / "describe_iam_accesskey_details.py"


class Context:
    """What Lambda says about the function and the call."""

    function_name = "hammer"
    memory_limit_in_mb = 512
    invoked_function_arn = "arn:aws:lambda:eu-west-1:123456789012:function:hammer"
    aws_request_id = "52fdfc07-2182-154f-163f-5f0f9a621d72"

    def get_remaining_time_in_millis(self) -> int:
        return 900_000


def scan() -> None:
    spec = importlib.util.spec_from_file_location(HANDLER.stem, HANDLER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[HANDLER.stem] = module
    spec.loader.exec_module(module)
    for handler in module.logger.handlers:
        # The logger of an earlier test of this process has that test's terminal.
        handler.stream = sys.stdout
    message = json.dumps({"account_id": MAIN, "account_name": "master"})
    module.lambda_handler({"Records": [{"EventSource": "aws:sns", "Sns": {"Message": message}}]}, Context())


def hammers_row(
    estate: Estate,
    user: str,
    *,
    status: str = "open",
    ticket: str | None = None,
    idle_days: float = 200,
    key_status: str = "Active",
    **times: datetime,
) -> str:
    """An idle key, and its row as Hammer writes it: six attributes, times with microseconds, null for what is not."""
    key = estate.add_key(user, idle_days=idle_days, status=key_status)
    moments: dict[str, datetime | None] = {
        "identified": estate.ago(days=60),
        "updated": estate.ago(days=60),
        "reported": None,
    }
    moments |= {"remediated": None, "closed": None, **times}
    item: dict[str, Any] = {
        "account_id": MAIN,
        "issue_id": key,
        "status": status,
        "issue_details": {
            "username": user,
            "last_used": estate.ago(days=200).replace(microsecond=0).isoformat(),
            "create_date": estate.ago(days=400).replace(microsecond=0).isoformat(),
        },
        "timestamps": {name: moment.isoformat() if moment else None for name, moment in moments.items()},
        # Hammer puts the assignee beside the ticket, and business unit and product, which it reads from tags.
        "jira_details": {"ticket": ticket, "ticket_assignee_id": "bob", "business_unit": None, "product": None}
        if ticket
        else {},
    }
    boto3.client("dynamodb").put_item(TableName=TABLE, Item=serialized(item))
    return key


def ticket(estate: Estate, user: str) -> str:
    """A ticket of Hammer's own: without our labels."""
    issue = estate.add_issue(f"{user}-for-the-ticket")
    key = estate.add_ticket(issue)
    estate.jira.issues[key].labels[:] = ["inactive-iam-keys"]
    where = {"account_id": {"S": MAIN}, "issue_id": {"S": issue.issue_id}}
    boto3.client("dynamodb").delete_item(TableName=TABLE, Key=where)
    boto3.client("iam").delete_access_key(UserName=f"{user}-for-the-ticket", AccessKeyId=issue.issue_id)
    return key


def issues(estate: Estate) -> dict[str, Issue]:
    table = boto3.resource("dynamodb").Table(TABLE)
    found = [from_item(item, estate.now) for item in table.scan()["Items"]]
    return {issue.details.username: issue for issue in found}


def test_a_reported_issue_keeps_its_ticket_is_told_a_date_and_switched_off_when_that_has_come(estate: Estate) -> None:
    due, early = ticket(estate, "due"), ticket(estate, "early")
    hammers_row(estate, "due", ticket=due, reported=estate.ago(days=15))
    hammers_row(estate, "early", ticket=early, reported=estate.ago(days=3))
    tickets = set(estate.jira.issues)
    scan()
    assert estate.run(REPORTING).exit_code == 0
    assert estate.run(REMEDIATION, "--batch").exit_code == 0
    told = issues(estate)["due"]
    assert estate.key_status(told) == "Active", "nobody had been told a date"
    promised = told.timestamps.promised
    assert promised is not None
    assert promised - estate.now >= timedelta(days=7)
    assert any(f"after {promised:%Y-%m-%d %H:%M} UTC" in comment for comment in estate.jira.issues[due].comments)
    estate.put(replace(told, timestamps=replace(told.timestamps, promised=estate.ago(hours=1))))
    assert estate.run(REMEDIATION, "--batch").exit_code == 0
    assert set(estate.jira.issues) == tickets, "no second ticket"
    found = issues(estate)
    assert {user: estate.key_status(issue) for user, issue in found.items()} == {"due": "Inactive", "early": "Active"}
    assert found["due"].timestamps.remediated is not None
    assert found["due"].timestamps.reported == estate.ago(days=15)
    assert any("switched this access key off" in comment for comment in estate.jira.issues[due].comments)


def test_an_issue_that_hammer_had_not_reported_is_reported(estate: Estate) -> None:
    hammers_row(estate, "silent")
    scan()
    assert estate.run(REPORTING).exit_code == 0
    issue = issues(estate)["silent"]
    assert issue.timestamps.reported is not None
    assert issue.jira.ticket in estate.jira.issues
    assert estate.run(REMEDIATION, "--batch").exit_code == 0
    assert estate.key_status(issue) == "Active", "it was reported only now"


def test_a_key_that_hammer_switched_off_is_resolved_and_its_ticket_closed(estate: Estate) -> None:
    key = ticket(estate, "off")
    reported, remediated = estate.ago(days=30), estate.ago(days=5)
    hammers_row(estate, "off", ticket=key, key_status="Inactive", reported=reported, remediated=remediated)
    scan()
    assert estate.run(REPORTING).exit_code == 0
    issue = issues(estate)["off"]
    assert (issue.status, issue.details.resolution) == (Status.CLOSED, Resolution.REMEDIATED)
    assert estate.jira.issues[key].status == "Closed"


def test_a_key_that_was_switched_on_again_after_hammer_gets_its_full_time(estate: Estate) -> None:
    key = ticket(estate, "again")
    hammers_row(estate, "again", ticket=key, reported=estate.ago(days=30), remediated=estate.ago(days=5))
    scan()
    assert estate.run(REPORTING).exit_code == 0
    assert estate.run(REMEDIATION, "--batch").exit_code == 0
    issue = issues(estate)["again"]
    assert (issue.status, issue.episode, issue.jira.ticket) == (Status.OPEN, Episode.REACTIVATED, key)
    assert estate.key_status(issue) == "Active"


def test_rows_that_hammer_ended_stay_ended_until_their_keys_are_idle_again(estate: Estate) -> None:
    resolved = ticket(estate, "resolved")
    hammers_row(
        estate,
        "resolved",
        status="resolved",
        ticket=resolved,
        idle_days=1,
        reported=estate.ago(days=30),
        resolved=estate.ago(days=1),
    )
    hammers_row(estate, "closed", status="closed", idle_days=1, closed=estate.ago(days=9))
    hammers_row(estate, "idle-again", status="closed", ticket="AWSSEC-77", closed=estate.ago(days=9))
    hammers_row(estate, "exempt", status="whitelisted")
    estate.whitelist("exempt")
    scan()
    assert estate.run(REPORTING).exit_code == 0
    found = issues(estate)
    assert {user: issue.status for user, issue in found.items()} == {
        "resolved": Status.CLOSED,
        "closed": Status.CLOSED,
        "idle-again": Status.OPEN,
        "exempt": Status.WHITELISTED,
    }
    assert estate.jira.issues[resolved].status == "Closed"
    assert found["idle-again"].jira.ticket not in (None, "AWSSEC-77")


def test_a_key_that_was_never_used_is_known_as_such_after_the_next_scan(estate: Estate) -> None:
    key = hammers_row(estate, "unused", idle_days=400)
    estate.accounts.use_key(MAIN, key, None)
    scan()
    issue = issues(estate)["unused"]
    assert (issue.details.never_used, issue.details.last_used) == (True, issue.details.create_date)
