"""What a scan makes of an issue, row by row and guard by guard; each name has the words of the specification."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from library.issues.record import (
    Episode,
    Issue,
    IssueDetails,
    RemediationError,
    Resolution,
    Status,
    Timestamps,
)
from library.issues.scanning import Finding, begins_episode, ended_finding, idle_finding, reconcile
from library.issues.switching import Due, remediation_verdict
from library.issues.whitelist import Exemption
from tests.builders import ACCOUNT, KEY, NOW, a_key, an_issue, days_ago, details, times
from tests.issues.builders import FOUND, GONE, MINUTE, RECORDS, SECOND, TICKET, TOLD, closed, reported, resolved

if TYPE_CHECKING:
    from datetime import datetime

    from library.issues.access_keys import AccessKey


def scan(
    issue: Issue | None,
    found: IssueDetails | Resolution | None = None,
    *,
    whitelisted: bool = False,
    now: datetime = NOW,
) -> Issue | None:
    """The issue after a scan, None if it stays; without `found`, the key is idle and its facts are as before."""
    finding = Finding(KEY, "alice", found or details())
    step = reconcile(ACCOUNT, finding, issue, exemption=Exemption("alice") if whitelisted else None, now=now)
    return None if step is None else step.after


NEW_EPISODE = Timestamps(identified=NOW, updated=NOW)
"""The timestamps of a new episode that nothing else is left in."""


# --- the rows of the lifecycle table --------------------------------------------------------------------------


def test_idle_key_without_record_is_open_and_identified_now() -> None:
    assert scan(None) == an_issue(timestamps=NEW_EPISODE, episode=Episode.FIRST)


def test_idle_key_with_open_record_stays_as_before() -> None:
    assert scan(reported()) is None


def test_idle_key_with_open_record_stays_as_before_and_details_are_refreshed_only_if_they_changed() -> None:
    newer = details(last_used=days_ago(95), last_used_service="sts")
    assert scan(reported(), newer) == reported(details=newer, timestamps=times(reported=days_ago(18), updated=NOW))


def test_idle_key_last_used_after_its_report_begins_a_new_episode_though_no_scan_saw_it_in_use() -> None:
    newer = details(last_used=days_ago(95))
    record = reported(episode=Episode.REACTIVATED, timestamps=times(reported=days_ago(95) - SECOND))
    after = scan(record, newer)
    assert after == reported(details=newer, episode=Episode.REOPENED, timestamps=NEW_EPISODE)
    assert scan(reported(timestamps=times(reported=days_ago(95))), newer) == reported(
        details=newer, timestamps=times(reported=days_ago(95), updated=NOW)
    )


def test_tags_that_this_scan_did_not_fetch_are_no_change() -> None:
    assert scan(reported(), details(tags=None)) is None


def test_idle_key_with_open_and_remediated_record_begins_a_new_episode_reactivated() -> None:
    record = reported(
        timestamps=times(
            reported=days_ago(18), reminded=days_ago(5), remediation_started=days_ago(4), remediated=days_ago(4)
        ),
        remediation_error=RemediationError("throttled", days_ago(5)),
    )
    assert scan(record) == reported(episode=Episode.REACTIVATED, timestamps=NEW_EPISODE)


def test_idle_key_with_whitelisted_record_is_open() -> None:
    assert scan(an_issue(status=Status.WHITELISTED)) == an_issue(timestamps=times(updated=NOW))


def test_idle_key_with_whitelisted_record_that_was_reported_before_begins_a_new_episode_reopened() -> None:
    record = reported(status=Status.WHITELISTED)
    assert scan(record) == reported(episode=Episode.REOPENED, timestamps=NEW_EPISODE)


@pytest.mark.parametrize("status", [Status.WHITELISTED, Status.CLOSED])
def test_an_exemption_takes_no_week_of_grace_from_a_key_that_a_person_had_switched_on_again(status: Status) -> None:
    after = scan(reported(status=status, episode=Episode.REACTIVATED))
    assert after is not None
    assert (after.episode, after.timestamps.reported) == (Episode.REACTIVATED, None)


def test_a_use_ends_what_a_person_decided_before() -> None:
    after = scan(replace(resolved(Resolution.USED), episode=Episode.REACTIVATED))
    assert after is not None
    assert after.episode is Episode.REOPENED


@pytest.mark.parametrize("resolution", [Resolution.REMEDIATED, Resolution.DEACTIVATED])
def test_idle_key_with_resolved_record_that_was_remediated_or_deactivated_is_reactivated(
    resolution: Resolution,
) -> None:
    assert scan(resolved(resolution)) == reported(episode=Episode.REACTIVATED, timestamps=NEW_EPISODE)


@pytest.mark.parametrize("resolution", [Resolution.USED, Resolution.DELETED])
def test_idle_key_with_resolved_record_of_another_resolution_is_reopened(resolution: Resolution) -> None:
    assert scan(resolved(resolution)) == reported(episode=Episode.REOPENED, timestamps=NEW_EPISODE)


@pytest.mark.parametrize(
    ("resolution", "episode"),
    [
        (Resolution.USED, Episode.REOPENED),
        (Resolution.DELETED, Episode.REOPENED),
        (None, Episode.REOPENED),
        (Resolution.DEACTIVATED, Episode.REACTIVATED),
        (Resolution.REMEDIATED, Episode.REACTIVATED),
    ],
)
def test_idle_key_with_closed_record_is_open_as_if_new_with_jira_and_slack_emptied_and_all_timestamps_fresh(
    resolution: Resolution | None, episode: Episode
) -> None:
    record = closed(resolution)
    assert scan(record) == an_issue(episode=episode, timestamps=NEW_EPISODE)


def test_idle_and_whitelisted_key_without_record_is_whitelisted() -> None:
    assert scan(None, whitelisted=True) == an_issue(status=Status.WHITELISTED, timestamps=NEW_EPISODE)


def test_idle_and_whitelisted_key_with_open_record_is_whitelisted() -> None:
    after = scan(reported(), whitelisted=True)
    assert after == reported(status=Status.WHITELISTED, timestamps=times(reported=days_ago(18), updated=NOW))


def test_idle_and_whitelisted_key_with_resolved_record_is_whitelisted() -> None:
    after = scan(resolved(Resolution.USED), whitelisted=True)
    assert after is not None
    assert (after.status, after.jira, after.timestamps.resolved) == (Status.WHITELISTED, TICKET, None)


@pytest.mark.parametrize("record", [reported(status=Status.WHITELISTED), closed()], ids=["whitelisted", "closed"])
def test_idle_and_whitelisted_key_with_whitelisted_or_closed_record_is_unchanged(record: Issue) -> None:
    assert scan(record, details(last_used=days_ago(95)), whitelisted=True) is None


@pytest.mark.parametrize("found", GONE)
@pytest.mark.parametrize("whitelisted", [True, False])
@pytest.mark.parametrize("status", [Status.OPEN, Status.WHITELISTED])
def test_key_not_idle_any_more_off_or_gone_with_open_or_whitelisted_record_is_resolved_with_resolution(
    status: Status, whitelisted: bool, found: Resolution
) -> None:
    assert scan(reported(status=status), found, whitelisted=whitelisted) == reported(
        status=Status.RESOLVED,
        details=details(resolution=found),
        timestamps=times(reported=days_ago(18), updated=NOW, resolved=NOW),
    )


@pytest.mark.parametrize("found", GONE)
@pytest.mark.parametrize("record", [resolved(Resolution.DELETED), closed(), None], ids=["resolved", "closed", "none"])
def test_key_not_idle_any_more_off_or_gone_with_resolved_closed_or_no_record_is_unchanged(
    record: Issue | None, found: Resolution
) -> None:
    assert scan(record, found) is None


# --- what the table leaves to the text ------------------------------------------------------------------------


def test_new_episode_keeps_the_ticket_and_when_it_was_restored_and_owes_nothing_of_the_old_one() -> None:
    record = resolved(
        Resolution.REMEDIATED,
        timestamps=Timestamps(*[days_ago(9)] * 10),
        jira=replace(TICKET, failed=days_ago(9)),
        slack=replace(TOLD, failed=days_ago(9)),
        remediation_error=RemediationError("throttled", days_ago(9)),
    )
    after = scan(record)
    assert after == reported(episode=Episode.REACTIVATED, timestamps=replace(NEW_EPISODE, restored=days_ago(9)))


@pytest.mark.parametrize(
    "switched_off",
    [
        {"remediation_started": days_ago(4), "remediated": days_ago(4)},
        {"remediation_started": days_ago(4)},
        {"remediation_started": days_ago(4), "remediated": days_ago(4), "restored": days_ago(5)},
    ],
    ids=["we switched it off", "we were about to", "we did so again after a restore"],
)
def test_resolution_is_remediated_if_the_key_is_off_and_we_recorded_that_we_did_it_or_were_about_to(
    switched_off: dict[str, datetime],
) -> None:
    after = scan(reported(timestamps=times(reported=days_ago(18), **switched_off)), Resolution.DEACTIVATED)
    assert after is not None
    assert after.details.resolution is Resolution.REMEDIATED


def test_resolution_is_deactivated_if_somebody_else_switched_off_a_key_that_we_had_restored() -> None:
    when = times(reported=days_ago(18), remediation_started=days_ago(4), remediated=days_ago(4), restored=days_ago(3))
    after = scan(reported(timestamps=when), Resolution.DEACTIVATED)
    assert after is not None
    assert after.details.resolution is Resolution.DEACTIVATED


def test_a_key_that_we_switched_off_and_that_was_deleted_then_is_deleted() -> None:
    when = times(reported=days_ago(18), remediation_started=days_ago(4), remediated=days_ago(4))
    after = scan(reported(timestamps=when), Resolution.DELETED)
    assert after is not None
    assert after.details.resolution is Resolution.DELETED


@pytest.mark.parametrize("found", [None, *GONE])
@pytest.mark.parametrize("whitelisted", [True, False])
def test_a_scan_that_began_before_remediation_started_leaves_the_issue_alone(
    found: Resolution | None, whitelisted: bool
) -> None:
    record = reported(timestamps=times(reported=days_ago(18), remediation_started=NOW + SECOND))
    assert scan(record, found or details(last_used=days_ago(95)), whitelisted=whitelisted) is None


@pytest.mark.parametrize("found", [None, *GONE])
@pytest.mark.parametrize("whitelisted", [True, False])
def test_a_scan_that_began_less_than_five_minutes_after_remediated_leaves_the_issue_alone(
    found: Resolution | None, whitelisted: bool
) -> None:
    switched_off = NOW - 5 * MINUTE + SECOND
    record = reported(
        timestamps=times(reported=days_ago(18), remediation_started=switched_off, remediated=switched_off)
    )
    assert scan(record, found, whitelisted=whitelisted) is None


def test_a_scan_that_began_five_minutes_after_remediated_sees_that_the_key_was_switched_on_again() -> None:
    switched_off = NOW - 5 * MINUTE
    record = reported(
        timestamps=times(reported=days_ago(18), remediation_started=switched_off, remediated=switched_off)
    )
    after = scan(record)
    assert after is not None
    assert after.episode is Episode.REACTIVATED


@pytest.mark.parametrize("found", [None, *GONE])
def test_a_scan_that_is_older_than_the_last_one_on_record_changes_nothing(found: Resolution | None) -> None:
    record = an_issue(timestamps=times(updated=NOW + SECOND))
    assert scan(record, found or details(last_used=days_ago(95))) is None


def test_a_key_that_was_switched_on_again_while_it_was_whitelisted_is_still_reactivated_afterwards() -> None:
    exempted = scan(resolved(Resolution.DEACTIVATED), whitelisted=True)
    after = scan(exempted, now=NOW + MINUTE)
    assert after is not None
    assert (after.status, after.episode) == (Status.OPEN, Episode.REACTIVATED)


# --- properties ------------------------------------------------------------------------------------------------


@given(record=st.none() | RECORDS, found=FOUND, whitelisted=st.booleans())
def test_reconciling_twice_is_the_same_as_once(
    record: Issue | None, found: IssueDetails | Resolution, whitelisted: bool
) -> None:
    once = scan(record, found, whitelisted=whitelisted)
    assume(once is not None)
    assert scan(once, found, whitelisted=whitelisted) is None


@given(record=RECORDS, found=FOUND, whitelisted=st.booleans())
def test_a_closed_issue_is_never_resolved_or_whitelisted(
    record: Issue, found: IssueDetails | Resolution, whitelisted: bool
) -> None:
    after = scan(replace(record, status=Status.CLOSED), found, whitelisted=whitelisted)
    assert after is None or after.status in (Status.OPEN, Status.CLOSED)


@given(record=RECORDS, found=FOUND, whitelisted=st.booleans())
def test_a_ticket_is_never_lost_except_from_closed_to_open(
    record: Issue, found: IssueDetails | Resolution, whitelisted: bool
) -> None:
    after = scan(record, found, whitelisted=whitelisted)
    assume(after is not None and record.status is not Status.CLOSED)
    assert after is not None
    assert (after.jira.ticket, after.jira.ticket_assignee_id) == (
        record.jira.ticket,
        record.jira.ticket_assignee_id,
    )


@given(record=st.none() | RECORDS, found=FOUND, whitelisted=st.booleans())
def test_an_issue_is_open_after_a_change_exactly_if_its_key_is_idle_and_not_whitelisted(
    record: Issue | None, found: IssueDetails | Resolution, whitelisted: bool
) -> None:
    after = scan(record, found, whitelisted=whitelisted)
    assume(after is not None)
    assert after is not None
    if isinstance(found, Resolution):
        assert (after.status, after.timestamps.resolved) == (Status.RESOLVED, NOW)
    else:
        assert after.status is (Status.WHITELISTED if whitelisted else Status.OPEN)


@given(record=RECORDS, found=FOUND, whitelisted=st.booleans())
def test_a_scan_never_moves_a_report_and_never_records_a_remediation(
    record: Issue, found: IssueDetails | Resolution, whitelisted: bool
) -> None:
    after = scan(record, found, whitelisted=whitelisted)
    assume(after is not None)
    assert after is not None
    for step in ("reported", "reminded", "remediation_started", "remediated"):
        assert getattr(after.timestamps, step) in (None, getattr(record.timestamps, step))


@given(record=RECORDS, found=FOUND, whitelisted=st.booleans(), days=st.integers(0, 30))
def test_a_key_is_never_due_right_after_a_scan_opened_it(
    record: Issue, found: IssueDetails | Resolution, whitelisted: bool, days: int
) -> None:
    assume(record.status is not Status.OPEN)
    after = scan(record, found, whitelisted=whitelisted)
    assume(after is not None)
    assert after is not None
    assert not isinstance(remediation_verdict(after, days, exemption=None, now=NOW), Due)


# --- findings --------------------------------------------------------------------------------------------------


def test_an_idle_key_is_found_with_its_facts_and_the_tags_of_its_user() -> None:
    assert idle_finding(a_key(), None, {"owner": "bob"}) == Finding(KEY, "alice", details())
    assert idle_finding(a_key(), None, None) == Finding(KEY, "alice", details(tags=None))


def test_tags_that_were_read_count_and_else_those_that_the_issue_knows() -> None:
    assert idle_finding(a_key(), an_issue(), None).found == details()
    assert idle_finding(a_key(), an_issue(), {"owner": "eve"}).found == details(tags={"owner": "eve"})


@pytest.mark.parametrize(
    ("key", "resolution"),
    [
        (a_key(last_used=days_ago(90)), Resolution.USED),
        (a_key(status="Inactive"), Resolution.DEACTIVATED),
        (a_key(status="Expired"), Resolution.DEACTIVATED),
        (None, Resolution.DELETED),
    ],
    ids=["used", "off", "expired", "gone"],
)
def test_an_issue_whose_key_is_not_idle_has_ended_for_a_reason(key: AccessKey | None, resolution: Resolution) -> None:
    assert ended_finding(an_issue(), key) == Finding(KEY, "alice", resolution)


@pytest.mark.parametrize("status", Status)
def test_tags_are_read_when_an_episode_begins_and_where_nobody_knows_them(status: Status) -> None:
    assert begins_episode(None)
    assert begins_episode(an_issue(status=status, details=details(tags=None)))
    assert begins_episode(an_issue(status=status)) is (status in (Status.RESOLVED, Status.CLOSED))


# --- a key that was switched on again after its issue had been resolved ---

RESTORED = resolved(
    Resolution.REMEDIATED,
    timestamps=times(
        reported=days_ago(20), remediated=days_ago(3), resolved=days_ago(2), updated=days_ago(2), restored=days_ago(1)
    ),
)


def test_a_resolved_issue_whose_key_was_switched_on_again_is_watched_and_resolved_by_what_is_seen() -> None:
    assert RESTORED.is_live
    assert not resolved(Resolution.REMEDIATED).is_live
    for seen in GONE:
        after = scan(RESTORED, seen)
        assert after is not None
        assert (after.status, after.details.resolution, after.timestamps.resolved) == (Status.RESOLVED, seen, NOW)
        assert after.on_again_since is None
    again = scan(RESTORED)
    assert again is not None
    assert (again.status, again.episode, again.jira) == (Status.OPEN, Episode.REACTIVATED, RESTORED.jira)


def test_a_closed_issue_whose_key_was_switched_on_again_stays_closed_and_says_what_is_seen_of_it() -> None:
    issue = replace(RESTORED, status=Status.CLOSED, timestamps=replace(RESTORED.timestamps, closed=days_ago(1.5)))
    assert issue.is_live
    for seen in GONE:
        after = scan(issue, seen)
        assert after is not None
        assert after == replace(
            issue,
            details=replace(issue.details, resolution=seen),
            timestamps=replace(issue.timestamps, updated=NOW),
        )
        assert (after.on_again_since, after.is_live) == (None, False)
        assert scan(after, seen) is None


@pytest.mark.parametrize("issue", [RESTORED, replace(RESTORED, status=Status.OPEN)])
def test_a_scan_that_still_sees_a_key_off_right_after_it_was_switched_on_again_says_nothing_of_it(
    issue: Issue,
) -> None:
    restored = issue.timestamps.restored
    assert restored is not None
    assert scan(issue, Resolution.DEACTIVATED, now=restored + 5 * MINUTE - SECOND) is None
    after = scan(issue, Resolution.DEACTIVATED, now=restored + 5 * MINUTE)
    assert after is not None
    assert after.details.resolution is Resolution.DEACTIVATED
