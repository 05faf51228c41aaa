"""Whether a key may be switched off, and on again; each test's name has the words of the specification."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from library.issues.decisions import Skip
from library.issues.record import Episode, Issue, RemediationError, Resolution, RestoreDetails, Status
from library.issues.reporting import TellRemediated
from library.issues.switching import (
    Due,
    Finish,
    SwitchOn,
    remediation_verdict,
    restore_look,
    restore_verdict,
    second_look,
    verdict_ignoring_intent,
)
from library.issues.whitelist import Exemption
from tests.builders import NOW, a_key, an_issue, days_ago, times
from tests.issues.builders import RECORDS, SECOND, TOLD, reported, resolved

if TYPE_CHECKING:
    from datetime import datetime

    from library.issues.access_keys import AccessKey

ALICE = Exemption("alice")


# --- remediation: the record -----------------------------------------------------------------------------------


def verdict(
    issue: Issue,
    days: int = 14,
    *,
    exemption: Exemption | None = None,
    now: datetime = NOW,
    by_hand: bool = False,
) -> object:
    return remediation_verdict(issue, days, exemption=exemption, now=now, by_hand=by_hand)


@pytest.mark.parametrize("days", [0, 1, 14])
def test_due_when_reported_at_least_the_retention_period_times_24_hours_ago(days: int) -> None:
    issue = reported(timestamps=times(reported=days_ago(days), promised=NOW))
    assert verdict(issue, days) == Due(since=NOW)
    assert verdict(issue, days, now=NOW + SECOND) == Due(since=NOW)
    too_early = verdict(issue, days, now=NOW - SECOND)
    assert isinstance(too_early, Skip)
    written = "1 day" if days == 1 else f"{days} days"
    assert too_early.reason == f"within its retention period of {written}, due 2026-11-23 12:00 UTC"
    assert too_early.due == NOW


def test_reactivated_is_due_after_seven_days_at_least() -> None:
    issue = reported(episode=Episode.REACTIVATED, timestamps=times(reported=days_ago(7), promised=days_ago(7)))
    assert verdict(issue, 0) == Due(since=NOW)
    assert isinstance(verdict(issue, 0, now=NOW - SECOND), Skip)


UNTOLD = reported(timestamps=times(reported=days_ago(60), promised=None))


def test_a_schedule_switches_off_nothing_whose_people_were_told_no_date_and_an_operator_may() -> None:
    assert verdict(UNTOLD) == Skip("nobody was told a date; reporting tells one")
    assert verdict(UNTOLD, by_hand=True) == Due(since=days_ago(46))
    announced = replace(UNTOLD, timestamps=replace(UNTOLD.timestamps, remediation_started=days_ago(1)))
    judged = verdict_ignoring_intent(announced, 14, exemption=None, now=NOW)
    assert judged == Skip("nobody was told a date; reporting tells one")
    assert isinstance(verdict_ignoring_intent(announced, 14, exemption=None, now=NOW, by_hand=True), Due)


def test_a_period_that_was_shortened_since_does_not_bring_the_date_forward() -> None:
    issue = reported(timestamps=times(reported=days_ago(2), promised=days_ago(-28)))
    assert verdict(issue, 1) == Skip("its people were told 2026-12-21 12:00 UTC", days_ago(-28))
    assert verdict(issue, 1, now=days_ago(-28)) == Due(since=days_ago(-28))
    assert verdict(issue, 1, by_hand=True) == Due(since=days_ago(1))


def test_a_period_that_was_lengthened_since_holds_and_so_does_it_for_an_operator() -> None:
    issue = reported(timestamps=times(reported=days_ago(18), promised=days_ago(4)))
    for by_hand in (False, True):
        answer = verdict(issue, 30, by_hand=by_hand)
        assert answer == Skip("within its retention period of 30 days, due 2026-12-05 12:00 UTC", days_ago(-12))


@pytest.mark.parametrize("status", [Status.WHITELISTED, Status.RESOLVED, Status.CLOSED])
def test_skipped_because_not_open(status: Status) -> None:
    assert verdict(reported(status=status)) == Skip(f"{status.value}, not open")


def test_skipped_because_not_reported_yet() -> None:
    assert verdict(an_issue(), 0) == Skip("not reported yet")
    assert verdict(an_issue(timestamps=times(remediation_started=days_ago(1))), 0) == Skip("not reported yet")


def test_skipped_because_whitelisted_now() -> None:
    assert verdict(reported(), exemption=ALICE) == Skip("whitelisted by 'alice'")


SWITCHED_OFF = times(reported=days_ago(18), remediation_started=days_ago(1), remediated=days_ago(1))


def test_skipped_because_already_remediated() -> None:
    assert verdict(reported(timestamps=SWITCHED_OFF)) == Skip("already switched off at 2026-11-22 12:00 UTC")


def test_remediated_with_a_delivery_still_owed_is_told() -> None:
    issue = reported(timestamps=SWITCHED_OFF, slack=replace(TOLD, failed=days_ago(1)))
    assert verdict(issue) == TellRemediated(jira=False, slack=True)


@pytest.mark.parametrize("exemption", [None, ALICE])
def test_an_intent_without_remediated_is_looked_at_and_finished(exemption: Exemption | None) -> None:
    when = times(reported=days_ago(18), remediation_started=days_ago(1))
    assert verdict(reported(timestamps=when), exemption=exemption) == Finish()


def test_an_intent_without_remediated_is_finished_even_if_a_scan_has_resolved_the_issue_meanwhile() -> None:
    when = times(reported=days_ago(18), remediation_started=days_ago(1), resolved=days_ago(0.5))
    issue = resolved(Resolution.REMEDIATED, timestamps=when)
    assert verdict(issue) == Finish()
    assert isinstance(verdict(resolved(Resolution.DELETED, timestamps=when)), Skip)


def test_a_failure_to_switch_off_is_tried_again() -> None:
    assert verdict(reported(remediation_error=RemediationError("throttled", days_ago(1)))) == Due(since=days_ago(4))


def test_what_was_announced_and_is_on_is_judged_as_if_it_had_not_been_announced() -> None:
    def judged(issue: Issue, days: int = 14, exemption: Exemption | None = None) -> object:
        return verdict_ignoring_intent(issue, days, exemption=exemption, now=NOW)

    issue = reported(timestamps=times(reported=days_ago(14), remediation_started=days_ago(1)))
    assert judged(issue) == Due(since=NOW)
    assert judged(issue, exemption=ALICE) == Skip("whitelisted by 'alice'")
    late = times(reported=days_ago(14) + SECOND, remediation_started=days_ago(1))
    assert judged(reported(timestamps=late)) == Skip(
        f"within its retention period of 14 days, due {NOW + SECOND:%Y-%m-%d %H:%M} UTC", NOW + SECOND
    )
    ended = resolved(Resolution.REMEDIATED, timestamps=replace(issue.timestamps, resolved=days_ago(0.5)))
    assert judged(ended) == Skip("switching it off was announced, but the key is on")
    never_announced = reported(timestamps=times(reported=days_ago(14)))
    assert judged(never_announced) == verdict(never_announced, 14) == Due(since=NOW)


@given(record=RECORDS, days=st.integers(0, 30), exemption=st.sampled_from([None, ALICE]))
def test_due_means_open_reported_long_enough_ago_not_remediated_and_not_whitelisted(
    record: Issue, days: int, exemption: Exemption | None
) -> None:
    if not isinstance(verdict(record, days, exemption=exemption), Due):
        return
    assert record.status is Status.OPEN
    assert record.timestamps.reported is not None
    assert record.timestamps.remediated is None
    assert exemption is None
    wait = max(days, 7 if record.episode is Episode.REACTIVATED else 0)
    assert (NOW - record.timestamps.reported).total_seconds() >= wait * 24 * 3600
    assert record.timestamps.promised is not None
    assert record.timestamps.promised <= NOW


# --- remediation: the second look ------------------------------------------------------------------------------


def look(exemption: Exemption | None = None, *, own: bool = False, **key: Any) -> AccessKey | Skip:
    return second_look(reported(), a_key(**key), 90, exemption=exemption, own=own, now=NOW)


def test_nothing_speaks_against_a_key_that_exists_is_active_idle_not_whitelisted_and_not_our_own() -> None:
    assert look() == a_key()


def test_the_key_must_still_exist() -> None:
    answer = second_look(reported(), None, 90, exemption=None, own=False, now=NOW)
    assert answer == Skip("the key does not exist any more")


@pytest.mark.parametrize("status", ["Inactive", "Expired"])
def test_the_key_must_be_active(status: str) -> None:
    assert look(status=status) == Skip(f"the key is {status} already")


@pytest.mark.parametrize("last_used", [days_ago(90), days_ago(0)])
def test_the_key_must_be_idle_by_the_rule(last_used: datetime) -> None:
    assert look(last_used=last_used) == Skip("the key is not idle any more")
    assert look(last_used=days_ago(90) - SECOND) == a_key(last_used=days_ago(90) - SECOND)


def test_the_key_must_not_have_been_used_since_it_was_reported() -> None:
    issue = reported(timestamps=times(reported=days_ago(100)))
    used = a_key(last_used=days_ago(100) + SECOND)
    answer = second_look(issue, used, 90, exemption=None, own=False, now=NOW)
    assert answer == Skip("the key was used after it was reported; the next scan begins a new episode")
    before = a_key(last_used=days_ago(100))
    assert second_look(issue, before, 90, exemption=None, own=False, now=NOW) == before
    never_used = a_key(last_used=None)
    assert second_look(issue, never_used, 90, exemption=None, own=False, now=NOW) == never_used


def test_the_key_must_not_be_whitelisted_under_its_current_owner() -> None:
    assert look(exemption=ALICE) == Skip("whitelisted by 'alice'")


def test_the_key_must_not_be_one_of_the_credentials_of_this_very_process() -> None:
    assert look(own=True) == Skip("the key is used by Hammer itself")


# --- going back ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("issue", "verdict"),
    [
        (reported(), Skip("this system did not switch the key off")),
        (reported(timestamps=SWITCHED_OFF), SwitchOn(days_ago(1), announced=False)),
        (
            reported(timestamps=replace(SWITCHED_OFF, remediated=None)),
            SwitchOn(days_ago(1), announced=False),
        ),
        (
            reported(timestamps=replace(SWITCHED_OFF, restored=days_ago(5))),
            SwitchOn(days_ago(1), announced=False),
        ),
        (
            reported(timestamps=replace(SWITCHED_OFF, restored=NOW)),
            Skip("switched on again at 2026-11-23 12:00 UTC"),
        ),
        (
            reported(timestamps=replace(SWITCHED_OFF, restored=NOW), slack=replace(TOLD, failed=NOW)),
            TellRemediated(jira=False, slack=True),
        ),
        (
            reported(timestamps=SWITCHED_OFF, restore=RestoreDetails("bob", NOW)),
            SwitchOn(days_ago(1), announced=True),
        ),
        (reported(restore=RestoreDetails("bob", NOW)), SwitchOn(None, announced=True)),
        (
            reported(timestamps=SWITCHED_OFF, restore=RestoreDetails("bob", days_ago(2))),
            SwitchOn(days_ago(1), announced=False),
        ),
        (
            reported(timestamps=replace(SWITCHED_OFF, restored=NOW), restore=RestoreDetails("bob", days_ago(0.5))),
            Skip("switched on again at 2026-11-23 12:00 UTC"),
        ),
    ],
    ids=[
        "not by us",
        "by us",
        "by us, and cut off",
        "by us, after a restore",
        "restored",
        "restored, and not told",
        "about to be restored",
        "about to be restored, and a scan came first",
        "by us, after an intent to restore",
        "restored as it was intended",
    ],
)
def test_only_what_this_system_switched_off_may_be_switched_on_again(issue: Issue, verdict: object) -> None:
    assert restore_verdict(issue) == verdict


def test_only_a_key_that_exists_and_is_inactive_may_be_switched_on_again() -> None:
    assert restore_look(a_key(status="Inactive")) == a_key(status="Inactive")
    assert restore_look(None) == Skip("the key does not exist any more")
    assert restore_look(a_key()) == Skip("the key is on already")
    assert restore_look(a_key(status="Expired")) == Skip("the key is Expired")
