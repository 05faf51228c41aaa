"""Which closed issues are set aside, how their rows are read, and what becomes of their keys."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import timedelta
from typing import Any

import pytest

from library.issues.archive import latest_of_each_key, may_be_archived, without_copies
from library.issues.record import (
    Episode,
    Issue,
    JiraDetails,
    Resolution,
    RestoreDetails,
    SlackDetails,
    Status,
    Timestamps,
)
from library.issues.reporting import ReportingPolicy, reporting_step
from library.issues.row import NO_KEY_FROM, UnreadableIssue, from_item, row_id, to_item
from library.issues.scanning import Finding, reconcile
from library.issues.switching import SwitchOn, remediation_verdict, restore_verdict
from library.issues.whitelist import Exemption
from tests.builders import ACCOUNT, KEY, NOW, an_issue, days_ago, details, long_closed

SECOND = timedelta(seconds=1)
ENDS = [resolution for resolution in Resolution if resolution is not Resolution.REMEDIATED]
OFF = {"remediation_started": days_ago(368), "remediated": days_ago(367.5)}


def with_times(**changed: Any) -> Issue:
    issue = long_closed()
    return replace(issue, timestamps=replace(issue.timestamps, **changed))


def switched_off(**changed: Any) -> Issue:
    """Closed long ago, since we had switched the key off."""
    issue = with_times(**OFF, **changed)
    return replace(issue, details=replace(issue.details, resolution=Resolution.REMEDIATED))


@pytest.mark.parametrize("resolution", ENDS)
def test_what_was_closed_more_than_365_days_ago_may_be_archived(resolution: Resolution) -> None:
    issue = long_closed(details=details(resolution=resolution))
    assert may_be_archived(issue, NOW)
    exactly = with_times(closed=NOW - timedelta(days=365))
    assert not may_be_archived(exactly, NOW)
    assert may_be_archived(exactly, NOW + SECOND)


def test_so_may_be_that_of_a_key_that_we_have_switched_off_and_of_one_that_was_given_back_and_used() -> None:
    assert may_be_archived(switched_off(), NOW)
    given_back = switched_off(restored=days_ago(366.5))
    assert not may_be_archived(given_back, NOW), "the next scan decides"
    assert may_be_archived(replace(given_back, details=details(resolution=Resolution.USED)), NOW)


@pytest.mark.parametrize("status", [status for status in Status if status is not Status.CLOSED])
def test_an_issue_of_another_status_stays(status: Status) -> None:
    assert not may_be_archived(long_closed(status=status), NOW)


@pytest.mark.parametrize("name", [each.name for each in fields(Timestamps) if each.name != "promised"])
def test_an_issue_to_which_anything_has_happened_within_a_year_stays(name: str) -> None:
    assert not may_be_archived(with_times(**{name: days_ago(364)}), NOW)


@pytest.mark.parametrize(
    "pending",
    [
        {"jira": JiraDetails(ticket="AWSSEC-1", failed=days_ago(400))},
        {"jira": JiraDetails(asked=days_ago(400))},
        {"slack": SlackDetails(failed=days_ago(400))},
        {"slack": SlackDetails(owed=("bob",))},
        {"slack": SlackDetails(exception_owed=("bob",))},
        {"restore": RestoreDetails("arn:aws:iam::123456789012:user/joe", days_ago(366))},
        {"timestamps": replace(long_closed().timestamps, resolved=None)},
        {"timestamps": replace(long_closed().timestamps, closed=None)},
        {"timestamps": replace(switched_off().timestamps, remediated=None), "details": switched_off().details},
        {"archived": days_ago(1)},
    ],
    ids=lambda pending: "-".join(pending),
)
def test_an_issue_with_anything_pending_stays(pending: dict[str, Any]) -> None:
    assert not may_be_archived(replace(switched_off(), **pending), NOW)


@pytest.mark.parametrize("issue", [long_closed(), switched_off()], ids=["gone", "switched off"])
def test_reporting_and_remediation_owe_nothing_to_what_may_be_archived(issue: Issue) -> None:
    policy = ReportingPolicy(jira=True, slack=True, criteria_days=10, retention_days=14, reminder_days=(7, 1))
    assert str(reporting_step(issue, policy, exemption=None, now=NOW)).startswith("Skip(reason='closed'")
    assert "closed, not open" in str(remediation_verdict(issue, 14, exemption=None, now=NOW))


# --- the row --------------------------------------------------------------------------------------------------


def test_an_archived_issue_comes_back_from_its_row_whose_sort_key_no_key_can_have() -> None:
    issue = replace(switched_off(), archived=days_ago(1))
    item = to_item(issue)
    assert from_item(item, NOW) == issue
    assert item["issue_id"] == row_id(issue) == f"~closed#{KEY}#{issue.timestamps.closed:%Y-%m-%dT%H:%M:%S}+00:00"
    assert item["archived"] == {"key_id": KEY, "time": days_ago(1).isoformat()}
    assert all(
        chr(code) < NO_KEY_FROM <= item["issue_id"] for code in range(128) if chr(code).isalnum() or code == 95
    )


@pytest.mark.parametrize("issue_id", [KEY, "~closed#", f"~closed#{KEY}X#2025-01-01", f"~closed#AKIAX#{KEY}"])
def test_a_row_whose_sort_key_and_content_name_two_keys_cannot_be_read(issue_id: str) -> None:
    item = {**to_item(long_closed(archived=NOW)), "issue_id": issue_id}
    with pytest.raises(UnreadableIssue, match="is not that of an archived issue") as raised:
        from_item(item, NOW)
    assert raised.value.issue_id == issue_id


@pytest.mark.parametrize("part", ["key_id", "time"])
def test_a_row_under_such_a_sort_key_that_does_not_say_what_it_is_cannot_be_read(part: str) -> None:
    item = to_item(long_closed(archived=NOW))
    without = {name: value for name, value in item["archived"].items() if name != part}
    for archived in (without, {}, None, "yes"):
        with pytest.raises(UnreadableIssue):
            from_item({**item, "archived": archived}, NOW)


# --- its readers ----------------------------------------------------------------------------------------------


def test_of_each_key_restore_takes_the_issue_that_lives_or_else_the_last_one() -> None:
    living = an_issue()
    first, second = (long_closed(days=days, archived=NOW) for days in (800, 400))
    other = long_closed(issue_id="AKIAOTHER", archived=NOW)
    assert latest_of_each_key([living, first, second, other]) == [living, other]
    assert latest_of_each_key([first, second, other]) == [second, other]
    elsewhere = replace(other, account_id="210987654321")
    assert latest_of_each_key([other, elsewhere]) == [other, elsewhere]


def test_an_archived_issue_that_lives_again_is_read_once() -> None:
    again = replace(switched_off(), restore=RestoreDetails("arn:aws:iam::123456789012:user/joe", NOW))
    archived, older = replace(switched_off(), archived=days_ago(1)), long_closed(days=800, archived=days_ago(400))
    assert list(without_copies([again, older, archived])) == [again, older]
    assert list(without_copies([older, archived])) == [older, archived]


def test_a_key_that_was_switched_off_can_be_given_back_from_the_archive() -> None:
    issue = from_item(to_item(replace(switched_off(), archived=days_ago(1))), NOW)
    assert restore_verdict(issue) == SwitchOn(OFF["remediated"], announced=False)


# --- a key that is idle again ---------------------------------------------------------------------------------


@pytest.mark.parametrize("exempt", [False, True])
@pytest.mark.parametrize("resolution", Resolution)
def test_an_idle_key_with_an_archived_issue_gets_a_new_one_that_knows_only_whether_somebody_switched_it_on(
    resolution: Resolution, exempt: bool
) -> None:
    before = replace(switched_off() if resolution is Resolution.REMEDIATED else long_closed(), archived=days_ago(1))
    before = replace(before, details=replace(before.details, resolution=resolution))
    exemption = Exemption("alice") if exempt else None
    step = reconcile(ACCOUNT, Finding(KEY, "alice", details()), before, exemption=exemption, now=NOW)
    assert step is not None
    by_a_person = resolution in (Resolution.REMEDIATED, Resolution.DEACTIVATED)
    assert step.after == Issue(
        account_id=ACCOUNT,
        issue_id=KEY,
        status=Status.WHITELISTED if exempt else Status.OPEN,
        details=details(),
        timestamps=Timestamps(identified=NOW, updated=NOW),
        episode=Episode.REACTIVATED if by_a_person else Episode.REOPENED,
    )
    assert [entry["what"] for entry in step.recorded.history] == [step.what]
    assert step.why.endswith("; its last issue is archived")


@pytest.mark.parametrize("resolution", Resolution)
def test_a_key_that_is_not_idle_leaves_its_archived_issue_alone(resolution: Resolution) -> None:
    before = long_closed(archived=days_ago(1))
    assert reconcile(ACCOUNT, Finding(KEY, "alice", resolution), before, exemption=None, now=NOW) is None
