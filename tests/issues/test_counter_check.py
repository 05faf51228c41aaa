"""The counter-check as a function of values: when it is due, and what a shortcut would have missed."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from library.issues.counter_check import PERIOD, USE_LAG, contradictions, is_due
from library.issues.looking import Kept, Plan, Why
from library.issues.report_rows import Group, Row, Slot, SlotKind
from tests.builders import ACCOUNT, KEY, NOW, a_key, days_ago

if TYPE_CHECKING:
    from library.issues.access_keys import AccessKey

CREATED = days_ago(400)
REPORT_MADE = NOW - timedelta(hours=2)
NO_PLAN = Plan({}, ())
CRITERIA_DAYS = 90
IN_USE = a_key(last_used=days_ago(5))


def told(
    *keys: AccessKey, plan: Plan = NO_PLAN, group: Group | None = None, issues: tuple[Kept, ...] = ()
) -> list[str]:
    groups = {} if group is None else {CREATED: group}
    found = contradictions(
        plan,
        groups,
        {CREATED: keys},
        issues,
        criteria_days=CRITERIA_DAYS,
        report_made=REPORT_MADE,
        now=NOW,
    )
    return list(found)


def group(*kinds: SlotKind) -> Group:
    return Group(CREATED, (Row("alice", CREATED, tuple(Slot(kind) for kind in kinds)),))


def kept(*, live: bool = True, standing: bool = True) -> Kept:
    facts: dict[str, Any] = {"user_id": "AIDAALICE", "exempt": False, "settled": True, "in_hands": False}
    return Kept(KEY, "alice", live=live, standing=standing, **facts)


@pytest.mark.parametrize("account", [ACCOUNT, "210987654321", "000000000000"])
def test_it_is_due_once_a_week_at_a_moment_of_the_account(account: str) -> None:
    moments = [NOW + timedelta(hours=hour) for hour in range(2 * 7 * 24)]
    turns = [after for before, after in pairwise(moments) if is_due(account, before, after)]
    assert [later - earlier for earlier, later in pairwise(turns)] == [PERIOD]
    assert not is_due(account, None, NOW)
    assert is_due(account, NOW - PERIOD, NOW)


def test_accounts_are_not_all_listed_in_one_hour() -> None:
    due = [is_due(str(100000000000 + number), NOW - timedelta(days=1), NOW) for number in range(700)]
    assert sum(due) == pytest.approx(100, abs=40)


def test_an_idle_key_without_an_issue_that_the_report_did_not_show_is_told_with_its_row() -> None:
    (sentence,) = told(a_key(), group=group(SlotKind.IN_USE, SlotKind.EMPTY))
    assert sentence.startswith(f"key {KEY} of user 'alice' is idle and has no issue")
    assert sentence.endswith(f"the report's row: alice, created {CREATED.isoformat()}: in use; empty")
    (sentence,) = told(a_key())
    assert sentence.endswith("no row")


def test_what_the_scan_looks_at_anyway_is_no_contradiction() -> None:
    assert told(a_key(), plan=Plan({CREATED: Why.NOT_KNOWN}, ())) == []


def test_an_idle_key_with_a_standing_issue_is_none() -> None:
    assert told(a_key(), issues=(kept(),)) == []
    assert len(told(a_key(), issues=(kept(standing=False, live=False),))) == 1


def test_a_key_that_was_off_in_the_report_may_have_been_switched_on_since() -> None:
    other = a_key(key_id="AKIAOTHER00000000000")
    assert told(a_key(), group=group(SlotKind.OFF, SlotKind.EMPTY)) == []
    assert len(told(a_key(), other, group=group(SlotKind.OFF, SlotKind.IN_USE))) == 1


def test_a_key_in_use_whose_issue_is_live_is_told_if_the_report_could_know() -> None:
    (sentence,) = told(IN_USE, issues=(kept(),))
    assert f"was used at {days_ago(5).isoformat()} and its issue is not resolved" in sentence


@pytest.mark.parametrize(
    ("key", "issue"),
    [
        (IN_USE, kept(live=False)),
        (a_key(last_used=days_ago(5), status="Inactive"), kept()),
        (a_key(last_used=None, create_date=days_ago(5)), kept()),
        (a_key(), kept()),
    ],
    ids=["not live", "switched off", "never used", "still idle"],
)
def test_other_keys_with_an_issue_are_left_to_the_scan(key: AccessKey, issue: Kept) -> None:
    assert told(key, issues=(issue,)) == []


@pytest.mark.parametrize(("used", "sentences"), [(timedelta(0), 0), (timedelta(seconds=1), 1)])
def test_a_use_may_be_missing_in_the_report_for_four_hours(used: timedelta, sentences: int) -> None:
    key = a_key(last_used=REPORT_MADE - USE_LAG - used)
    assert len(told(key, issues=(kept(),))) == sentences
