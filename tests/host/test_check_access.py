"""What the host would be refused is said before a run finds out, and saying it changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import boto3
import pytest

from tests.wire import Wire, json_failure
from tests.world import MAIN, OTHER

if TYPE_CHECKING:
    from tests.world.estate import Estate


CHECK = "remediation.check_access"


def test_a_host_that_may_do_everything_hears_so_and_nothing_changes(estate: Estate) -> None:
    issue = estate.add_due_issue()
    estate.add_key("ann", account=OTHER)
    rows, state = estate.rows(), estate.accounts.state()
    result = estate.run(CHECK)
    assert (result.exit_code, result.output.splitlines()[-1]) == (0, "2 accounts to remediate, 0 with a refusal")
    assert (estate.rows(), estate.accounts.state()) == (rows, state)
    assert estate.key_status(issue) == "Active"


@pytest.mark.parametrize(
    ("operation", "account", "remedy"),
    [
        ("UpdateAccessKey", OTHER, "deploy the roles there again"),
        ("ListAccessKeys", OTHER, "deploy the roles there again"),
        ("GetAccessKeyLastUsed", OTHER, "deploy the roles there again"),
        ("UpdateAccessKey", MAIN, "deploy the host's stack again"),
    ],
)
def test_a_call_that_is_refused_is_named_with_its_account_and_what_to_do(
    estate: Estate, operation: str, account: str, remedy: str
) -> None:
    estate.add_issue("joe", account=MAIN)
    estate.add_issue("ann", account=OTHER)
    estate.accounts.fail(account, operation, "AccessDenied")
    result = estate.run(CHECK)
    assert result.exit_code == 1
    assert f"iam:{operation}\n" in result.output
    assert account in result.output
    assert remedy in result.output
    assert result.output.splitlines()[-1] == "2 accounts to remediate, 1 with a refusal"


def test_a_role_that_cannot_be_assumed_is_named(estate: Estate) -> None:
    estate.accounts.fail(OTHER, "AssumeRole", "AccessDenied")
    result = estate.run(CHECK)
    assert result.exit_code == 1
    assert f"{OTHER} slave1: sts:AssumeRole\n" in result.output
    assert "hammer-cloudsec-crossact-ec2 must trust this host's role" in result.output


def test_a_table_and_a_secret_that_are_refused_are_named(estate: Estate, wire: Wire) -> None:
    wire.react("UpdateItem", lambda request: json_failure("AccessDeniedException"))
    wire.react("StateTable.UpdateItem", lambda request: json_failure("AccessDeniedException"))
    estate.secret({"slack": {"api_token": "xoxb-1"}})
    result = estate.run(CHECK)
    assert result.exit_code == 1
    assert "issues table: dynamodb:UpdateItem\n" in result.output
    assert "state table: dynamodb:UpdateItem\n" in result.output
    assert "entry jira is missing" in result.output
    assert "store them: `make put-credentials`" in result.output


def test_only_what_remediation_calls_is_asked_for(estate: Estate, wire: Wire) -> None:
    estate.add_issue("joe")
    wire.sent.clear()
    assert estate.run(CHECK).exit_code == 0
    assert {call for call in wire.sent if call.endswith(("Users", "Keys", "Key", "Used", "Tags", "Report"))} == {
        *("ListAccessKeys", "GetAccessKeyLastUsed", "ListUserTags", "UpdateAccessKey")
    }


def test_an_issue_whose_user_is_gone_hides_nothing(estate: Estate) -> None:
    gone = estate.add_issue("aaron", account=OTHER)
    estate.add_issue("zoe", account=OTHER)
    iam = estate.iam(OTHER)
    iam.delete_access_key(UserName="aaron", AccessKeyId=gone.issue_id)
    iam.delete_user(UserName="aaron")
    estate.accounts.fail(OTHER, "GetAccessKeyLastUsed", "AccessDenied")
    result = estate.run(CHECK)
    assert (result.exit_code, "iam:GetAccessKeyLastUsed\n" in result.output) == (1, True)


def test_a_user_without_keys_and_an_account_without_users_are_no_refusal(estate: Estate) -> None:
    boto3.client("iam").create_user(UserName="nobody")
    assert estate.run(CHECK).exit_code == 0
