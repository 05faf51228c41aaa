"""The sentences about root access keys: what is not known is never told as if there were none."""

from __future__ import annotations

from datetime import timedelta

import pytest

from library.issues.account_state import AccountState, Seen
from library.issues.listing import RootKeys
from library.reports.figures import figures
from library.reports.page import Headline
from library.reports.report_page import page_of
from library.reports.root_keys import RootOf, cell, found, headlines, what_to_do
from library.reports.scans import Scans
from tests.builders import ACCOUNT, NOW
from tests.reports.builders import OTHER, in_force, scans

NONE, ONE, TWO, SOME = RootKeys(0), RootKeys(1), RootKeys(2), RootKeys(1, exact=False)


def roots(*keys: RootKeys | None) -> list[RootOf]:
    return [RootOf(f"{number:012}", f"n{number}", each) for number, each in enumerate(keys)]


@pytest.mark.parametrize(
    ("keys", "said", "value", "note", "tone"),
    [
        ((NONE,), "No root access key in 1 account", "0", "", "good"),
        ((NONE, NONE), "No root access key in 2 accounts", "0", "", "good"),
        (
            (NONE, None),
            "No root access key in 1 account (not known for 1 account)",
            "0",
            "not known for 1 account",
            "calm",
        ),
        ((ONE,), "1 root access key in 1 account", "1", "in 1 account", "bad"),
        ((ONE, NONE, TWO), "3 root access keys in 2 accounts", "3", "in 2 accounts", "bad"),
        (
            (TWO, None, None),
            "2 root access keys in 1 account (not known for 2 accounts)",
            "2",
            "in 1 account; not known for 2 accounts",
            "bad",
        ),
        ((SOME,), "At least 1 root access key in 1 account", "1 or more", "in 1 account", "bad"),
        ((SOME, TWO), "At least 3 root access keys in 2 accounts", "3 or more", "in 2 accounts", "bad"),
    ],
)
def test_how_many_there_are(keys: tuple[RootKeys | None, ...], said: str, value: str, note: str, tone: str) -> None:
    assert found(roots(*keys)) == said
    (headline,) = headlines(roots(*keys))
    assert headline == Headline(value, "root access keys", note, tone)  # type: ignore[arg-type]


@pytest.mark.parametrize("accounts", [1, 2])
def test_where_nothing_is_known_there_is_no_figure(accounts: int) -> None:
    unknown = roots(*[None] * accounts)
    assert found(unknown) == f"Root access keys are not known for {accounts} account{'s' * (accounts > 1)}"
    assert headlines(unknown) == []
    assert what_to_do(unknown) == ""


def test_without_an_account_there_is_no_figure() -> None:
    assert (headlines([]), what_to_do([])) == ([], "")


def test_the_accounts_are_named_those_with_the_most_first_and_five_of_them() -> None:
    some = what_to_do(roots(NONE, ONE, None, TWO, SOME))
    assert some.startswith(
        "At least 4 root access keys in 3 accounts (not known for 1 account): n3 (000000000003) has 2; "
        "n1 (000000000001) has 1; n4 (000000000004) has 1 or 2. Such a key "
    )
    five, six = what_to_do(roots(*[ONE] * 5)), what_to_do(roots(*[ONE] * 6))
    assert "n4 (000000000004) has 1. " in five
    assert "n4 (000000000004) has 1; and 1 other account. " in six
    assert "; and 2 other accounts. " in what_to_do(roots(*[ONE] * 7))


def test_without_a_key_there_is_nothing_to_do() -> None:
    assert what_to_do(roots(NONE, None)) == ""


@pytest.mark.parametrize(
    ("keys", "shown"), [(None, "not known"), (NONE, "0"), (ONE, "1"), (TWO, "2"), (SOME, "1 or 2")]
)
def test_the_keys_of_one_account(keys: RootKeys | None, shown: str) -> None:
    assert cell(keys) == shown


# --- in the report ---


def state(root_keys: int | None, hours: float = 1) -> AccountState:
    return AccountState(scanned=NOW - timedelta(hours=hours), seen=Seen(1, 2, 0, NOW, root_keys=root_keys))


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        (state(0), 0),
        (state(1), 1),
        (state(2), 2),
        (state(None), None),
        (AccountState(scanned=NOW), None),
        (AccountState(), None),
        (AccountState(failing_since=NOW, failure="denied"), None),
        (state(0, hours=25), None),
        (state(2, hours=25), 2),
    ],
)
def test_an_account_s_last_complete_scan_says_it_and_none_of_long_ago_is_not_none_now(
    of: AccountState, expected: int | None
) -> None:
    assert scans(master=of).root_keys(ACCOUNT, NOW) == expected


def test_an_account_that_is_not_scanned_any_more_and_a_table_that_cannot_be_read_do_not_say_that_there_is_none() -> (
    None
):
    assert Scans({ACCOUNT: state(0)}, frozenset({OTHER})).root_keys(ACCOUNT, NOW) is None
    assert scans("denied").root_keys(ACCOUNT, NOW) is None


def test_the_report_has_a_figure_a_warning_and_a_column() -> None:
    settings = in_force()
    page = page_of(figures([], [], scans(master=state(2)), settings, NOW), settings)
    assert page.headlines[-1] == Headline("2", "root access keys", "in 1 account; not known for 1 account", "bad")
    assert page.warnings[0].startswith(
        f"2 root access keys in 1 account (not known for 1 account): master ({ACCOUNT}) has 2. "
    )
    (grid,) = page.sections[0].blocks
    assert [row[7] for row in getattr(grid, "rows", ())] == ["2", "not known", ""]
