"""What a scan says of itself: the lines and the counts."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import pytest

from library.issues.decisions import Outcome
from library.issues.listing import RuledOut
from library.issues.record import Resolution, Status
from library.issues.scan_result import (
    AccountSeen,
    Decided,
    Line,
    ScanResult,
    line_of_issue,
    lines_of_the_rest,
    result_of,
)
from library.issues.scanning import Finding
from tests.builders import KEY, NOW, a_key, an_issue, days_ago, details, times
from tests.issues.builders import GONE, SECOND

if TYPE_CHECKING:
    from collections.abc import Sequence

    from library.issues.access_keys import AccessKey
    from library.issues.record import Issue, IssueDetails

NOTHING = AccountSeen(0, 0, 0)
OPEN = an_issue(timestamps=times(identified=NOW))


def decided(found: IssueDetails | Resolution, before: Issue | None, after: Issue | None) -> Decided:
    return Decided(Finding(KEY, "alice", found), Outcome(before, after, written=before != after))


def line(found: IssueDetails | Resolution, before: Issue | None, after: Issue | None) -> Line:
    return line_of_issue(decided(found, before, after), 90, NOW)


def counts(*decisions: Decided, account: AccountSeen = NOTHING, others: Sequence[Issue] = ()) -> ScanResult:
    outcomes = [each.outcome for each in decisions]
    after = [outcome.after for outcome in outcomes if outcome.after is not None]
    return result_of(account, outcomes, [*after, *others], 7, NOW)


# --- lines -----------------------------------------------------------------------------------------------------


def test_a_new_issue_is_a_change_with_the_verdict_and_how_long_the_key_is_idle() -> None:
    assert line(details(), None, OPEN) == Line(
        "Issue is changed", "alice", KEY, "open", "last used 100 days ago, more than 90"
    )


def test_of_a_key_never_used_the_creation_is_said() -> None:
    never = details(never_used=True, last_used=days_ago(400))
    assert line(never, None, OPEN).reason == "never used, created 400 days ago, more than 90"


def test_days_are_whole_ones_rounded_down() -> None:
    almost = details(last_used=days_ago(92) + SECOND)
    assert line(almost, None, OPEN).reason == "last used 91 days ago, more than 90"


def test_an_issue_that_stays_as_it_was_is_unchanged() -> None:
    unchanged = line(details(), OPEN, OPEN)
    assert (unchanged.text, unchanged.verdict) == ("Issue is unchanged", "open")


@pytest.mark.parametrize("status", Status)
def test_the_verdict_is_the_status_by_now(status: Status) -> None:
    assert line(details(), OPEN, an_issue(status=status)).verdict == status.value


@pytest.mark.parametrize("resolution", GONE)
def test_a_key_that_is_not_idle_any_more_says_why(resolution: Resolution) -> None:
    after = an_issue(status=Status.RESOLVED, details=details(resolution=resolution))
    assert line(resolution, OPEN, after) == Line("Issue is changed", "alice", KEY, "resolved", resolution.value)


def test_an_issue_knows_better_than_the_scan_who_switched_the_key_off() -> None:
    after = an_issue(status=Status.RESOLVED, details=details(resolution=Resolution.REMEDIATED))
    assert line(Resolution.DEACTIVATED, OPEN, after).reason == "remediated"


def test_an_issue_that_was_removed_meanwhile_has_no_status() -> None:
    gone = line(Resolution.DELETED, None, None)
    assert (gone.text, gone.verdict, gone.reason) == ("Issue is unchanged", "none", "deleted")


def rest(
    keys: Sequence[AccessKey] = (), ruled_out: Sequence[RuledOut] = (), decided: Sequence[str] = ()
) -> list[tuple[str | None, ...]]:
    lines = lines_of_the_rest(keys, ruled_out, decided, NOW)
    return [(each.text, each.user, each.key, each.verdict, each.reason) for each in lines]


@pytest.mark.parametrize(
    ("key", "verdict", "reason"),
    [
        (a_key(last_used=days_ago(2)), "in use", "last used 2 days ago"),
        (a_key(last_used=None, create_date=days_ago(3)), "in use", "created 3 days ago"),
        (a_key(status="Inactive"), "off", "status Inactive"),
        (a_key(status="Expired"), "off", "status Expired"),
    ],
)
def test_a_key_without_a_finding_is_left_alone_with_a_reason(key: AccessKey, verdict: str, reason: str) -> None:
    assert rest([key]) == [("Key is left alone", "alice", KEY, verdict, reason)]


def test_a_key_with_a_finding_has_had_its_line() -> None:
    assert rest([a_key()], decided=[KEY]) == []


def test_what_the_report_ruled_out_is_left_alone_too() -> None:
    assert rest(ruled_out=[RuledOut("bob"), RuledOut("carol", KEY)]) == [
        ("User is left alone", "bob", None, "in use", "by the credential report"),
        ("Key is left alone", "carol", KEY, "in use", "by the credential report"),
    ]


# --- counts ----------------------------------------------------------------------------------------------------


def test_a_scan_that_found_nothing_counts_what_it_looked_at() -> None:
    assert asdict(counts(account=AccountSeen(users=5, users_not_asked=3, keys=4))) == {
        "users": 5,
        "users_not_asked": 3,
        "keys": 4,
        "idle_keys": 0,
        "opened": 0,
        "resolved": 0,
        "oldest_open_issue_days": 0,
        "api_calls": 7,
    }


@pytest.mark.parametrize(
    ("before", "after", "opened"),
    [
        (None, Status.OPEN, 1),
        (Status.RESOLVED, Status.OPEN, 1),
        (Status.WHITELISTED, Status.OPEN, 1),
        (Status.CLOSED, Status.OPEN, 1),
        (Status.OPEN, Status.OPEN, 0),
        (None, Status.WHITELISTED, 0),
        (Status.OPEN, Status.WHITELISTED, 0),
    ],
)
def test_an_issue_is_opened_when_it_was_not_open_before(before: Status | None, after: Status, opened: int) -> None:
    was = None if before is None else an_issue(status=before)
    result = counts(decided(details(), was, an_issue(status=after)))
    assert (result.opened, result.resolved, result.idle_keys) == (opened, 0, 1)


def test_idle_keys_are_those_with_an_issue_whether_this_scan_has_looked_at_them_or_not() -> None:
    assert counts(others=[an_issue(status=status) for status in Status]).idle_keys == 2


@pytest.mark.parametrize(("before", "resolved"), [(Status.OPEN, 1), (Status.WHITELISTED, 1), (Status.RESOLVED, 0)])
def test_an_issue_is_resolved_when_it_was_not_before(before: Status, resolved: int) -> None:
    result = counts(decided(Resolution.USED, an_issue(status=before), an_issue(status=Status.RESOLVED)))
    assert (result.opened, result.resolved, result.idle_keys) == (0, resolved, 0)


def test_a_refreshed_issue_is_neither_opened_nor_resolved() -> None:
    result = counts(decided(details(), OPEN, an_issue(details=details(username="alice.married"))))
    assert (result.opened, result.resolved) == (0, 0)


def test_the_oldest_open_issue_is_counted_from_its_identification_in_whole_days() -> None:
    ages = [an_issue(timestamps=times(identified=days_ago(days))) for days in (3, 8.99, 0)]
    assert counts(*(decided(details(), issue, issue) for issue in ages)).oldest_open_issue_days == 8


def test_an_issue_that_is_not_open_or_not_there_is_not_the_oldest() -> None:
    over = [an_issue(status=status) for status in Status if status is not Status.OPEN]
    assert counts(*(decided(details(), issue, issue) for issue in [*over, None])).oldest_open_issue_days == 0


def test_an_issue_that_a_later_scan_identified_counts_as_new() -> None:
    later = an_issue(timestamps=times(identified=NOW + SECOND))
    assert counts(decided(details(), later, later)).oldest_open_issue_days == 0
