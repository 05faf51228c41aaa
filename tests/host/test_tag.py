"""The tag `hammer` = `never`: no command switches a key of that user off, and each says why."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import pytest

from tests.wire import failure
from tests.world import MAIN, OTHER, REMEDIATION, REPORTING, RESTORE, SHOW

if TYPE_CHECKING:
    from library.issues.record import Issue
    from tests.wire import Wire
    from tests.world.estate import Estate

NEVER = {"owner": "ann", "hammer": "never"}
WHY = "whitelisted by the user's tag 'hammer: never'"
REPORT = "reporting.inactive_keys_report"


def tag(estate: Estate, issue: Issue, name: str = "hammer", value: str = "never") -> None:
    """Tag the issue's user, now."""
    iam = estate.iam(issue.account_id)
    iam.tag_user(UserName=issue.details.username, Tags=[{"Key": name, "Value": value}])


def assert_left_alone(estate: Estate, issue: Issue) -> None:
    """The key is on, and nothing is left of an intent."""
    now = estate.read(issue).timestamps
    assert (estate.key_status(issue), now.remediation_started, now.remediated) == ("Active", None, None)


def test_what_the_last_scan_has_read_of_the_tag_is_enough_for_every_command(estate: Estate, wire: Wire) -> None:
    due, new = estate.add_due_issue("joe", tags=NEVER), estate.add_issue("sue", tags=NEVER)
    for batch in ((), ("--batch",), ("--dry-run",)):
        result = estate.run(REMEDIATION, *batch)
        assert result.exit_code == 0
        assert f"key={due.issue_id} verdict=skipped reason={WHY}" in result.output
    assert "ListUserTags" not in wire.sent
    assert_left_alone(estate, due)
    result = estate.run(REPORTING)
    assert f"key={new.issue_id} verdict=skipped reason=whitelisted by now" in result.output
    assert estate.read(new).timestamps.reported is None
    assert WHY in estate.run(SHOW, "--key", due.issue_id).output


def test_the_report_has_the_tag_among_the_exemptions(estate: Estate) -> None:
    issue = estate.add_due_issue("joe", tags=NEVER)
    (row,) = csv.DictReader(estate.run(REPORT, "--format", "csv").stdout.splitlines())
    assert (row["key"], row["exception"], row["exception_reason"]) == (
        issue.issue_id,
        "hammer: never",
        "by the user's tag",
    )
    assert row["due"] == ""


@pytest.mark.parametrize("account", [MAIN, OTHER])
@pytest.mark.parametrize("value", ["never", "NEVER", "Never "])
def test_a_user_who_was_tagged_since_the_last_scan_is_left_alone(estate: Estate, account: str, value: str) -> None:
    issue = estate.add_due_issue("joe", account=account)
    tag(estate, issue, value=value)
    result = estate.remediate()
    assert result.exit_code == 0
    assert f"key={issue.issue_id} verdict=skipped reason={WHY}" in result.output
    assert_left_alone(estate, issue)


@pytest.mark.parametrize(
    ("name", "value"), [("hammer", "later"), ("hammer", ""), ("Hammer", "never"), ("x", "never")]
)
def test_any_other_tag_protects_nobody(estate: Estate, name: str, value: str) -> None:
    issue = estate.add_due_issue("joe")
    tag(estate, issue, name, value)
    assert estate.remediate().exit_code == 0
    assert estate.key_status(issue) == "Inactive"


def test_a_user_who_is_tagged_while_the_operator_thinks_is_left_alone(estate: Estate) -> None:
    issue = estate.add_due_issue("joe")
    dialogue = estate.dialogue(REMEDIATION)
    dialogue.wait_for("[y/N]")
    tag(estate, issue)
    dialogue.type("y")
    assert dialogue.exit_code() == 0
    assert WHY in " ".join(dialogue.screen.split())
    assert_left_alone(estate, issue)


def test_where_the_tags_cannot_be_read_the_key_stays_as_it_is(estate: Estate) -> None:
    issue = estate.add_due_issue("joe")
    estate.accounts.fail(MAIN, "ListUserTags", "AccessDenied")
    result = estate.remediate()
    assert result.exit_code == 1
    assert f"ERROR E-KEY-01 {issue.name}" in result.output
    assert "the tags of the key's user could not be read: Access denied in Account(" in result.output
    assert "(iam:ListUserTags of user 'joe')" in result.output
    assert_left_alone(estate, issue)


def test_the_tags_are_read_at_each_look_of_what_may_go_off_and_of_nothing_else(estate: Estate, wire: Wire) -> None:
    off = estate.add_due_issue("joe")
    estate.add_due_issue("sue", idle_days=3)
    estate.add_due_issue("ann", key_status="Inactive")
    assert estate.remediate().exit_code == 0
    assert estate.key_status(off) == "Inactive"
    assert wire.sent.count("ListUserTags") == 2


def test_a_restore_that_the_role_is_denied_for_the_tag_says_so_and_what_to_do(estate: Estate, wire: Wire) -> None:
    off = estate.add_due_issue(
        "joe", key_status="Inactive", remediation_started=estate.ago(hours=2), remediated=estate.ago(hours=1)
    )
    other = estate.add_due_issue(
        "sue", key_status="Inactive", remediation_started=estate.ago(hours=2), remediated=estate.ago(hours=1)
    )
    tag(estate, off)
    wire.react("UpdateAccessKey", lambda _: failure("AccessDenied", 403))
    result = estate.run(RESTORE, "--batch", "--since", "1d")
    assert result.exit_code == 1
    lines = result.output.splitlines()
    (said,) = [line for line in lines if f"E-KEY-02 {off.name}" in line]
    (plain,) = [line for line in lines if f"E-KEY-02 {other.name}" in line]
    assert "The user has the tag hammer: never, for which the role may switch none of their keys" in said
    assert "take the tag off for as long" in said
    assert "hammer: never" not in plain
    assert {estate.key_status(issue) for issue in (off, other)} == {"Inactive"}
    assert not any(estate.read(issue).timestamps.restored for issue in (off, other))
