"""Where nothing is switched off in an account: while no complete scan has confirmed its issues."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from library.issues.account_state import AccountState
from tests.builders import NOW, days_ago

SECOND = timedelta(seconds=1)


@pytest.mark.parametrize("scanned", [NOW, days_ago(1)])
def test_an_account_is_not_in_doubt_for_24_hours_from_the_beginning_of_a_complete_scan(scanned: datetime) -> None:
    assert AccountState(scanned=scanned, failing_since=NOW, failure="throttled").doubt(NOW) == ""


def test_after_that_the_last_scan_and_the_cause_are_named() -> None:
    state = AccountState(scanned=days_ago(1) - SECOND)
    assert state.doubt(NOW) == "not scanned since 2026-11-22 11:59 UTC"
    failing = AccountState(scanned=days_ago(3), failing_since=days_ago(2), failure="Access denied")
    assert failing.doubt(NOW) == "not scanned since 2026-11-20 12:00 UTC, because Access denied"


def test_an_account_of_which_nothing_is_known_is_in_doubt() -> None:
    assert AccountState().doubt(NOW) == "never scanned as a whole"
    assert AccountState(failing_since=NOW, failure="throttled").doubt(NOW) == (
        "never scanned as a whole, because throttled"
    )
