"""How many of the active keys are idle: the rounding, and accounts of which it is not known."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from library.issues.account_state import AccountState, Seen
from library.reports.figures import figures
from library.reports.report_page import page_of
from library.reports.scans import Scans
from library.reports.shares import Share, at_least, of_active
from tests.builders import ACCOUNT, NOW, an_issue
from tests.reports.builders import OTHER, in_force, scans

if TYPE_CHECKING:
    from library.reports.page import Page


@pytest.mark.parametrize(
    ("idle", "active", "expected"),
    [
        (37, 412, "37 of 412 active keys (9%)"),
        (0, 412, "0 of 412 active keys (0%)"),
        (0, 0, "0 of 0 active keys"),
        (1, 1, "1 of 1 active key (100%)"),
        (1, 100, "1 of 100 active keys (1%)"),
        (1, 101, "1 of 101 active keys (under 1%)"),
        (999, 1000, "999 of 1,000 active keys (99%)"),
        (1000, 1000, "1,000 of 1,000 active keys (100%)"),
    ],
)
def test_a_share_of_some_is_never_none_and_never_all(idle: int, active: int, expected: str) -> None:
    assert of_active([Share(idle, active)]) == expected


def test_accounts_of_which_it_is_not_known_are_left_out_of_both_numbers_and_said() -> None:
    shares = [Share(2, 10), Share(5, None), Share(1, 10)]
    assert of_active(shares) == "3 of 20 active keys (15%), not known for 1 account"
    assert of_active([*shares, Share(0, None)]) == "3 of 20 active keys (15%), not known for 2 accounts"


@pytest.mark.parametrize("shares", [[Share(2, None), Share(5, None)], [Share(1, None)]])
def test_where_it_is_known_of_no_account_that_is_said(shares: list[Share]) -> None:
    assert of_active(shares) == "of how many active keys is not known"


@pytest.mark.parametrize(("active", "expected"), [(None, None), (0, 3), (2, 3), (3, 3), (4, 4)])
def test_there_are_never_fewer_active_keys_than_idle_ones(active: int | None, expected: int | None) -> None:
    assert at_least(3, active) == expected


# --- in the report ---


def state(active_keys: int | None, hours: float = 1) -> AccountState:
    return AccountState(scanned=NOW - timedelta(hours=hours), seen=Seen(1, 9, 0, NOW, active_keys=active_keys))


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        (state(0), 0),
        (state(7), 7),
        (state(None), None),
        (AccountState(scanned=NOW), None),
        (AccountState(), None),
        (state(7, hours=25), None),
    ],
)
def test_only_a_complete_scan_of_the_last_day_says_it(of: AccountState, expected: int | None) -> None:
    assert scans(master=of).active_keys(ACCOUNT, NOW) == expected
    assert Scans({ACCOUNT: of}, frozenset({OTHER})).active_keys(ACCOUNT, NOW) is None


def page(master: AccountState, other: AccountState) -> Page:
    settings = in_force()
    issues = [an_issue(issue_id="A"), an_issue(issue_id="B"), an_issue(issue_id="C", account_id=OTHER)]
    return page_of(figures(issues, [], scans(master=master, other=other), settings, NOW), settings)


def cells(page: Page) -> list[str]:
    (grid,) = page.sections[0].blocks
    return [row[1] for row in getattr(grid, "rows", ())]


def test_the_report_says_it_of_each_account_and_of_all() -> None:
    found = page(master=state(20), other=state(0))
    assert found.headlines[0].note == "3 of 21 active keys (14%); the longest for 100 days"
    assert cells(found) == ["2\nof 20 active", "1\nof 1 active", "3\nof 21 active"]


def test_the_report_says_it_where_it_is_not_known() -> None:
    found = page(master=state(20), other=AccountState(scanned=NOW))
    assert found.headlines[0].note == "2 of 20 active keys (10%), not known for 1 account; the longest for 100 days"
    assert cells(found) == ["2\nof 20 active", "1\nactive not known", "3\nactive not known"]
