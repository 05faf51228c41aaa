"""The state of an account: read attribute by attribute, what is odd is named; and which accounts are not scanned."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from library.issues.account_state import LONGEST_CAUSE, AccountState, Round, Seen, from_item, to_item
from library.issues.scan_watch import Watch, look_over
from tests.builders import ACCOUNT, NOW

HOUR = timedelta(hours=1)
OTHER = "210987654321"
WHOLE = AccountState(
    scanned=NOW - HOUR,
    seen=Seen(70, 80, 20, NOW - 3 * HOUR, active_keys=60, root_keys=1),
    failing_since=NOW,
    failure="denied",
    full_listing=NOW - 30 * HOUR,
    tags_read=NOW - 2 * HOUR,
    round=Round(NOW, NOW - 900 * HOUR, 10, 70, ("AKIA1",), ("alice",)),
    memory=b"\x00\x01",
)
ODD: tuple[Any, ...] = (
    "",
    "x",
    "1999-12-31T00:00:00+00:00",
    "2027-01-01",
    "0001-01-01T00:00:00+14:00",
    -1,
    1.5,
    Decimal("0.5"),
)
ODD += (True, [], ["x", 1], {}, {"x": "y"}, b"x", {1, 2})


def test_a_state_comes_back_as_it_was() -> None:
    assert from_item(to_item(WHOLE), NOW) == (WHOLE, ())
    assert from_item({}, NOW) == (AccountState(), ())


@pytest.mark.parametrize("count", [None, 0, 1, 2])
@pytest.mark.parametrize("name", ["active_keys", "root_keys"])
def test_no_key_is_kept_and_is_not_the_same_as_an_entry_of_before_that_does_not_know(
    name: str, count: int | None
) -> None:
    counts: dict[str, Any] = {name: count}
    state = replace(WHOLE, seen=Seen(1, 2, 3, NOW, **counts))
    assert (name in to_item(state)["seen"]) is (count is not None)
    assert from_item(to_item(state), NOW) == (state, ())


def paths(item: dict[str, Any]) -> list[tuple[str, ...]]:
    return [(name,) for name in item] + [
        (name, part) for name in item if isinstance(item[name], dict) for part in item[name]
    ]


@pytest.mark.parametrize("odd", ODD, ids=repr)
@pytest.mark.parametrize("path", paths(to_item(WHOLE)), ids=".".join)
def test_whatever_stands_in_an_item_reading_it_ends_well(path: tuple[str, ...], odd: object) -> None:
    item = to_item(WHOLE)
    place = item if len(path) == 1 else item[path[0]]
    place[path[-1]] = odd
    state, problems = from_item(item, NOW)
    assert all(path[-1] in problem for problem in problems)
    # What is not concerned is as it was.
    if path[0] != "scanned":
        assert state.scanned == WHOLE.scanned
    assert to_item(state).keys() <= to_item(WHOLE).keys()


def test_the_first_failure_and_the_last_cause_are_kept_until_a_scan_is_complete() -> None:
    once = AccountState().failed("first", NOW)
    assert once is not None
    twice = once.failed("x" * 5000, NOW + HOUR)
    assert twice is not None
    assert (twice.failing_since, twice.failure) == (NOW, "x" * LONGEST_CAUSE)
    done = twice.complete(Seen(1, 1, 1), b"", NOW + 2 * HOUR, everything=False, tags_read=NOW)
    assert done is not None
    assert (done.failing_since, done.failure, done.scanned) == (None, "", NOW + 2 * HOUR)
    assert done.failed("late", NOW) is None, "a scan that began before the complete one"
    assert done.complete(Seen(1, 1, 1), b"", NOW, everything=False, tags_read=NOW) is None


def test_a_round_is_gone_on_from_for_half_a_day() -> None:
    assert WHOLE.resumable(NOW + 12 * HOUR) == WHOLE.round
    assert WHOLE.resumable(NOW + 13 * HOUR) is None


def test_an_account_is_told_of_after_a_day_at_once_and_then_daily() -> None:
    states = {ACCOUNT: AccountState(scanned=NOW, failing_since=NOW + HOUR, failure="denied")}
    watch, told = Watch(), []
    for hour in range(80):
        overview = look_over([ACCOUNT, OTHER], states, watch, NOW + hour * HOUR)
        told += [(hour, each.account_id, each.cause) for each in overview.to_tell]
        watch = overview.watch
    assert told == [
        *((25, ACCOUNT, "denied"), (25, OTHER, "no scan has said why")),
        *((49, ACCOUNT, "denied"), (49, OTHER, "no scan has said why")),
        *((73, ACCOUNT, "denied"), (73, OTHER, "no scan has said why")),
    ]
    scanned = {each: AccountState(scanned=NOW + 80 * HOUR) for each in (ACCOUNT, OTHER)}
    assert look_over([ACCOUNT, OTHER], scanned, watch, NOW + 81 * HOUR).watch == Watch()
