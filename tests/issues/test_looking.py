"""Whom a scan looks at: after each thing that can happen to a user whom the scan before has looked at."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from library.issues.looking import REPORT_LIFE, Why, due_after, kept, plan, remember
from library.issues.memory import Memory
from library.issues.record import Issue, Resolution, Status
from library.issues.report_rows import Group, Row, Slot, SlotKind
from tests.builders import ACCOUNT, KEY, NOW, a_key, an_issue, days_ago, details, times

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from library.issues.access_keys import AccessKey

CRITERION = 90
CREATED, MADE = days_ago(500), NOW - timedelta(hours=1)
EMPTY, OFF, IN_USE = Slot(SlotKind.EMPTY), Slot(SlotKind.OFF, True, "2025"), Slot(SlotKind.IN_USE)
USED, NEVER = Slot(SlotKind.HELD, True, "2025", "2026"), Slot(SlotKind.HELD, True, "2025")
OTHER = "AKIAOTHER00000000001"


def report(*rows: Row) -> Mapping[datetime, Group]:
    groups: defaultdict[datetime, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row.created].append(row)
    return {created: Group(created, tuple(of_group)) for created, of_group in groups.items()}


def alice(*slots: Slot, **other: Any) -> Row:
    return replace(Row("alice", CREATED, slots or (USED, EMPTY)), **other)


def whom(groups: Mapping[datetime, Group], memory: Memory, *issues: Issue, exempt: bool = False) -> dict[str, Why]:
    """Why each user is looked at in the next scan; an issue that is looked at by itself is there by its key."""
    found = plan(ACCOUNT, groups, kept(issues, lambda _: exempt, NOW), memory, NOW)
    users = {row.user: why for created, why in found.groups.items() for row in groups[created].rows}
    return users | {issue.key_id: Why.CHECK for issue in found.singly}


def memory_of(
    groups: Mapping[datetime, Group], keys: Sequence[AccessKey], *issues: Issue, exempt: bool = False
) -> Memory:
    """What is remembered after everybody was looked at and had these keys."""
    marks = remember(
        ACCOUNT,
        groups,
        dict.fromkeys(groups, keys),
        kept(issues, lambda _: exempt, NOW),
        criteria_days=CRITERION,
        report_made=MADE,
        now=NOW,
    )
    return Memory(marks)


def after(
    before: Row, then: Row | None, keys: Sequence[AccessKey] = (a_key(),), issue: Issue | None = None
) -> dict[str, Why]:
    """Whom the next scan looks at, whose report has `then` in the place of `before`."""
    issues = [an_issue() if issue is None else issue]
    return whom(report(*([then] if then else [])), memory_of(report(before), keys, *issues), *issues)


# --- nothing has changed ---------------------------------------------------------------------------------------


def test_without_a_memory_everybody_is_looked_at_whom_the_report_does_not_rule_out() -> None:
    users = report(
        alice(),
        Row("bob", days_ago(400), (IN_USE, OFF)),
        Row("carol", days_ago(401), (NEVER, EMPTY)),
        Row("dave", days_ago(402), (EMPTY, EMPTY)),
    )
    assert whom(users, Memory()) == {"alice": Why.NOT_KNOWN, "carol": Why.NOT_KNOWN}


@pytest.mark.parametrize("second", [EMPTY, OFF, IN_USE])
def test_nobody_is_looked_at_again_while_the_report_holds_the_same(second: Slot) -> None:
    assert after(alice(USED, second), alice(USED, second)) == {}


def test_a_key_that_is_in_use_every_day_costs_nothing() -> None:
    # The times of such a slot are not part of the row.
    busy = a_key(key_id=OTHER, last_used=days_ago(0))
    assert after(alice(USED, IN_USE), alice(USED, IN_USE), [a_key(), busy]) == {}


def test_an_idle_key_that_is_exempt_is_known_too() -> None:
    issue, groups = an_issue(status=Status.WHITELISTED), report(alice())
    assert whom(groups, memory_of(groups, [a_key()], issue, exempt=True), issue, exempt=True) == {}


# --- something has changed -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "then",
    [
        alice(IN_USE, EMPTY),
        alice(replace(USED, used="2027"), EMPTY),
        alice(replace(USED, rotated="2027"), EMPTY),
        alice(OFF, EMPTY),
        alice(EMPTY, EMPTY),
        alice(USED, NEVER),
        alice(USED, OFF),
        alice(created=days_ago(2)),
        alice(user="alice.married"),
    ],
    ids=["used", "used long ago", "switched", "off", "deleted", "new key", "new key off", "re-created", "renamed"],
)
def test_a_user_of_whom_the_report_holds_something_else_is_looked_at(then: Row) -> None:
    found = after(alice(), then)
    assert Why.NOT_KNOWN in found.values()
    # Whatever became of her key, the issue is not left out.
    assert {then.user, KEY} & set(found)
    assert (KEY in found) is (then.user != "alice")


def test_a_user_who_is_gone_from_the_report_is_looked_for_by_her_issue() -> None:
    assert after(alice(), None) == {KEY: Why.CHECK}


def test_two_users_who_have_changed_names_are_both_looked_at() -> None:
    bob = Row("bob", days_ago(300), (IN_USE, EMPTY))
    memory = memory_of(report(alice(), bob), [a_key()], an_issue())
    swapped = report(alice(user="bob"), replace(bob, user="alice"))
    assert whom(swapped, memory, an_issue()) == {"bob": Why.NOT_KNOWN, "alice": Why.NOT_KNOWN}


def test_a_user_whose_key_is_used_and_who_has_no_issue_is_left_alone() -> None:
    groups = report(alice(IN_USE, EMPTY))
    assert whom(groups, memory_of(report(alice()), [])) == {}


@pytest.mark.parametrize("row", [alice(more_keys=True), alice(Slot(SlotKind.ODD, True, "x", "y"), EMPTY)])
def test_whom_the_report_does_not_show_in_full_is_looked_at_in_every_scan(row: Row) -> None:
    assert after(row, row) == {"alice": Why.NOT_SHOWN}


def test_an_issue_that_somebody_has_removed_from_the_table_is_looked_for() -> None:
    groups = report(alice())
    memory = memory_of(groups, [a_key()], an_issue())
    assert whom(groups, memory) == {"alice": Why.NOT_KNOWN}
    gone = an_issue(status=Status.RESOLVED, timestamps=times(resolved=days_ago(1)))
    assert whom(groups, memory, gone) == {"alice": Why.NOT_KNOWN}


# --- what changes without a change in the report -----------------------------------------------------------------


def young(days: float) -> AccessKey:
    return a_key(key_id=OTHER, create_date=days_ago(days), last_used=None)


def test_a_young_key_that_was_never_used_is_due_when_it_grows_idle() -> None:
    groups = report(alice(USED, NEVER))
    memory = memory_of(groups, [a_key(), young(30)], an_issue())
    (due,) = memory.marks.values()
    assert due == days_ago(30) + timedelta(days=CRITERION)
    issues = kept([an_issue()], lambda _: False, NOW)
    assert plan(ACCOUNT, groups, issues, memory, due).groups == {}
    assert plan(ACCOUNT, groups, issues, memory, due + timedelta(seconds=1)).groups == {CREATED: Why.DUE}


def test_where_each_idle_key_is_an_issue_nothing_is_due() -> None:
    assert set(memory_of(report(alice()), [a_key()], an_issue()).marks.values()) == {None}


@pytest.mark.parametrize(
    ("row", "keys"),
    [
        (alice(), [a_key(status="Inactive")]),
        (alice(), []),
        (alice(), [a_key(last_used=days_ago(0))]),
        (alice(OFF, EMPTY), [a_key()]),
        (alice(NEVER, EMPTY), [a_key()]),
        (alice(USED, EMPTY), [a_key(last_used=None)]),
    ],
    ids=["off since", "deleted since", "used since", "on since", "used since, long ago", "another one"],
)
def test_a_look_that_found_something_else_than_the_report_holds_counts_until_the_next_report(
    row: Row, keys: list[AccessKey]
) -> None:
    (group,) = report(row).values()
    due = due_after(group, keys, criteria_days=CRITERION, report_made=MADE, now=NOW)
    assert due == MADE + REPORT_LIFE


@pytest.mark.parametrize("exempt_then", [True, False])
def test_an_issue_whose_exemption_begins_or_ends_is_looked_at(exempt_then: bool) -> None:
    groups = report(alice())
    issue = an_issue(status=Status.OPEN if exempt_then else Status.WHITELISTED)
    memory = memory_of(groups, [a_key()], issue, exempt=not exempt_then)
    assert whom(groups, memory, issue, exempt=exempt_then) == {"alice": Why.EXEMPTION}


def test_the_closed_issue_of_an_exempt_key_is_looked_at_when_the_exemption_ends_and_then_known() -> None:
    groups = report(alice())
    closed = an_issue(status=Status.CLOSED, timestamps=times(reported=days_ago(30), closed=days_ago(29)))
    memory = memory_of(groups, [a_key()], closed, exempt=True)
    assert whom(groups, memory, closed, exempt=True) == {}
    assert whom(groups, memory, closed, exempt=False) == {"alice": Why.NOT_KNOWN}
    opened = an_issue()
    assert whom(groups, memory_of(groups, [a_key()], opened), opened) == {}


def test_a_group_whose_issue_could_not_be_changed_is_not_remembered() -> None:
    assert memory_of(report(alice()), [a_key(status="Inactive")], an_issue()).marks == {}
    assert memory_of(report(alice()), [a_key()]).marks == {}
    assert memory_of(report(alice()), [a_key()], an_issue(), exempt=True).marks == {}


# --- in somebody's hands -----------------------------------------------------------------------------------------

HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("changes", "looked_at"),
    [
        ({"reported": days_ago(7)}, True),
        ({"reported": days_ago(7) - HOUR}, False),
        ({"reported": days_ago(30), "remediation_started": days_ago(1)}, True),
        ({"reported": days_ago(30), "remediated": days_ago(8)}, True),
        ({"reported": days_ago(30), "restored": days_ago(8)}, True),
        ({"reported": days_ago(30), "restored": days_ago(25)}, False),
    ],
)
def test_an_issue_in_somebody_s_hands_is_looked_at_in_every_scan(
    changes: dict[str, datetime], looked_at: bool
) -> None:
    issue, groups = an_issue(timestamps=times(**changes)), report(alice())
    memory = memory_of(groups, [a_key()], issue)
    assert whom(groups, memory, issue) == ({KEY: Why.CHECK} if looked_at else {})


@pytest.mark.parametrize(
    ("status", "resolved", "restored", "looked_at"),
    [
        (Status.RESOLVED, days_ago(2), days_ago(1), True),
        (Status.RESOLVED, days_ago(1), days_ago(2), False),
        # It waits for this scan, however long that takes.
        (Status.RESOLVED, days_ago(9), days_ago(8), True),
        (Status.CLOSED, days_ago(2), days_ago(1), True),
        (Status.CLOSED, days_ago(1), days_ago(2), False),
        (Status.CLOSED, days_ago(9), days_ago(8), True),
    ],
)
def test_a_key_that_was_switched_on_again_after_its_issue_had_ended_is_looked_at(
    status: Status, resolved: datetime, restored: datetime, looked_at: bool
) -> None:
    issue = an_issue(
        status=status,
        details=details(resolution=Resolution.REMEDIATED),
        timestamps=times(remediated=days_ago(10), resolved=resolved, restored=restored),
    )
    seen = whom(report(alice(OFF, EMPTY)), Memory(), issue)
    assert seen in (({KEY: Why.CHECK}, {"alice": Why.NOT_KNOWN}) if looked_at else ({},))


def test_who_is_looked_at_as_a_user_is_not_looked_at_by_the_issue_once_more() -> None:
    issue = an_issue(timestamps=times(reported=days_ago(1)))
    assert whom(report(alice()), Memory(), issue) == {"alice": Why.NOT_KNOWN}
