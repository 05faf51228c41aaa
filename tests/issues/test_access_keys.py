"""The rule, at its boundary."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from library.issues.access_keys import idle_days, is_idle
from tests.builders import NOW, a_key, days_ago

SECOND = timedelta(seconds=1)
TIMES = st.datetimes(datetime(2010, 1, 1), datetime(2026, 11, 23), timezones=st.just(UTC))


@pytest.mark.parametrize("days", [1, 10, 90, 3650])
@pytest.mark.parametrize(
    ("more", "idle"), [(-SECOND, False), (timedelta(0), False), (timedelta(microseconds=1), True), (SECOND, True)]
)
@pytest.mark.parametrize("used", [True, False])
def test_a_key_is_idle_from_the_first_moment_after_exactly_n_days(
    days: int, more: timedelta, idle: bool, used: bool
) -> None:
    since = days_ago(days) - more
    key = a_key(create_date=days_ago(4000), last_used=since) if used else a_key(create_date=since, last_used=None)
    assert is_idle(key, days, NOW) is idle


def test_a_use_counts_and_not_the_age() -> None:
    assert not is_idle(a_key(create_date=days_ago(4000), last_used=days_ago(1)), 10, NOW)


def test_a_key_that_was_never_used_counts_from_its_creation() -> None:
    key = a_key(create_date=days_ago(11), last_used=None)
    assert key.idle_since == days_ago(11)
    assert is_idle(key, 10, NOW)


@pytest.mark.parametrize("status", ["Inactive", "Expired", "active", ""])
def test_only_an_active_key_is_ever_idle(status: str) -> None:
    assert not is_idle(a_key(status=status, last_used=days_ago(4000)), 1, NOW)


def test_times_of_another_zone_are_the_same_moment() -> None:
    zone = timezone(timedelta(hours=9))
    key = a_key(last_used=days_ago(10).astimezone(zone))
    assert not is_idle(key, 10, NOW)
    assert is_idle(key, 10, (NOW + SECOND).astimezone(zone))


def test_a_use_in_the_future_is_no_idleness() -> None:
    assert not is_idle(a_key(last_used=NOW + timedelta(days=400)), 1, NOW)


@given(created=TIMES, used=st.none() | TIMES, days=st.integers(1, 3650))
def test_idle_is_more_than_n_times_24_hours_without_use(created: datetime, used: datetime | None, days: int) -> None:
    quiet = (NOW - (used or created)).total_seconds()
    assert is_idle(a_key(create_date=created, last_used=used), days, NOW) == (quiet > days * 24 * 3600)


@given(used=TIMES, days=st.integers(1, 3650), later=st.timedeltas(timedelta(0), timedelta(days=4000)))
def test_a_key_that_is_idle_stays_idle_until_it_is_used(used: datetime, days: int, later: timedelta) -> None:
    key = a_key(last_used=used)
    assert not is_idle(key, days, NOW) or is_idle(key, days, NOW + later)


@pytest.mark.parametrize(
    ("quiet", "days"),
    [(timedelta(0), 0), (timedelta(days=1) - SECOND, 0), (timedelta(days=1), 1), (timedelta(days=2) - SECOND, 1)],
)
def test_idle_days_are_whole_days_rounded_down(quiet: timedelta, days: int) -> None:
    assert idle_days(NOW - quiet, NOW) == days
