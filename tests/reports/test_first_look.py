"""What a first look makes of the keys of some accounts."""

from __future__ import annotations

from datetime import timedelta

import pytest

from library.issues.listing import RootKeys
from library.reports.first_look import (
    THRESHOLDS,
    AccountKeys,
    FailedAccount,
    FirstLook,
    ScannedAccount,
    Threshold,
    as_object,
    days_to_read,
    first_look,
    rows,
)
from library.reports.first_look_page import page_of
from library.reports.first_look_tables import tables_of
from tests.builders import ACCOUNT, NOW, a_key, days_ago

OTHER = "210987654321"
SECOND = timedelta(seconds=1)


def look(*keys: object, days: int = 90, account: str = ACCOUNT) -> FirstLook:
    return first_look([AccountKeys(account, "", 3, tuple(keys))], [], days, NOW)  # type: ignore[arg-type]


def test_the_longest_idle_come_first_wherever_they_are() -> None:
    here = AccountKeys(
        ACCOUNT, "master", 2, (a_key(key_id="B", last_used=days_ago(100)), a_key(key_id="C", last_used=days_ago(300)))
    )
    there = AccountKeys(OTHER, "slave1", 9, (a_key(key_id="A", last_used=None, create_date=days_ago(200)),))
    found = first_look([here, there], [], 90, NOW)
    assert [(key.account, key.key, key.idle_days) for key in found.idle_keys] == [
        (ACCOUNT, "C", 300),
        (OTHER, "A", 200),
        (ACCOUNT, "B", 100),
    ]
    assert found.accounts == (
        ScannedAccount(ACCOUNT, "master", 2, 2, None, None),
        ScannedAccount(OTHER, "slave1", 9, 1, None, None),
    )


def test_the_account_with_the_most_idle_keys_comes_first() -> None:
    none, one = AccountKeys(ACCOUNT, "", 5, ()), AccountKeys(OTHER, "", 1, (a_key(),))
    assert [account.account for account in first_look([none, one], [], 90, NOW).accounts] == [OTHER, ACCOUNT]


@pytest.mark.parametrize("days", [*THRESHOLDS, 7, 1000])
def test_a_threshold_catches_what_is_idle_for_longer_and_not_for_exactly_so_long(days: int) -> None:
    found = look(
        a_key(key_id="EXACTLY", create_date=days_ago(2000), last_used=days_ago(days)),
        a_key(key_id="LONGER", create_date=days_ago(2000), last_used=days_ago(days) - SECOND),
        days=days,
    )
    assert [key.key for key in found.idle_keys] == ["LONGER"]
    assert Threshold(days, 1) in found.thresholds


def test_every_threshold_is_counted_and_the_asked_one_is_among_them() -> None:
    ages = (10, 31, 45, 61, 91, 181, 366)
    keys = [a_key(key_id=str(age), create_date=days_ago(2000), last_used=days_ago(age)) for age in ages]
    expected = [(30, 6), (45, 4), (60, 4), (90, 3), (180, 2), (365, 1)]
    assert look(*keys, days=45).thresholds == tuple(Threshold(*each) for each in expected)
    assert [each.days for each in look(*keys, days=90).thresholds] == list(THRESHOLDS)


def test_a_key_that_is_off_is_caught_by_no_threshold() -> None:
    found = look(a_key(status="Inactive"), a_key(status="Expired"))
    assert found.idle_keys == ()
    assert {each.keys for each in found.thresholds} == {0}


@pytest.mark.parametrize(("days", "expected"), [(1, 1), (29, 29), (30, 30), (31, 30), (90, 30), (365, 30)])
def test_it_is_read_by_the_smallest_threshold_that_is_counted(days: int, expected: int) -> None:
    assert days_to_read(days) == expected


def test_a_key_that_was_never_used_has_no_last_use_in_the_data() -> None:
    never = a_key(last_used=None, last_used_service=None, last_used_region=None)
    (row,) = rows(look(never))
    assert (row["last_used"], row["last_used_service"], row["idle_days"]) == (None, None, 400)
    assert row["created"] == days_ago(400).isoformat()


def test_the_object_for_json_has_everything_in_plain_values() -> None:
    failed = FailedAccount(OTHER, "slave1", "Access denied")
    account = AccountKeys(ACCOUNT, "master", 3, (a_key(),), 7, RootKeys(1, exact=False))
    found = as_object(first_look([account], [failed], 90, NOW))
    assert found["made_at"] == NOW.isoformat()
    assert found["failed"] == [{"account": OTHER, "account_name": "slave1", "error": "Access denied"}]
    assert found["accounts"] == [
        {
            "account": ACCOUNT,
            "account_name": "master",
            "users": 3,
            "idle_keys": 1,
            "active_keys": 7,
            "root_keys": {"count": 1, "exact": False},
        }
    ]
    assert found["idle_keys"] == [
        {
            "account": ACCOUNT,
            "account_name": "master",
            "user": "alice",
            "key": a_key().key_id,
            "created": days_ago(400).isoformat(),
            "last_used": days_ago(100).isoformat(),
            "last_used_service": "s3",
            "last_used_region": "eu-west-1",
            "idle_days": 100,
        }
    ]


def test_the_page_has_a_row_for_each_key_a_bar_for_each_threshold_and_the_failures() -> None:
    failed = FailedAccount(OTHER, "slave1", "Access denied in slave1")
    never = a_key(key_id="NEVER", last_used=None, last_used_service=None, last_used_region=None)
    accounts = [AccountKeys(ACCOUNT, "master", 3, (a_key(), never), 8, RootKeys(2))]
    page = page_of(first_look(accounts, [failed], 90, NOW))
    assert [row[2] for row in page.listing.rows] == ["NEVER", a_key().key_id]
    assert [row[4] for row in page.listing.rows] == ["never", f"{days_ago(100):%Y-%m-%d %H:%M}\ns3 in eu-west-1"]
    assert page.listing.rows[1][0] == f"{ACCOUNT}\nmaster"
    assert page.listing.rows[1][5] == "100"
    assert page.warnings == [
        "The accounts that could not be scanned are not counted anywhere here.",
        "2 root access keys in 1 account: master (123456789012) has 2. Such a key may do everything in its account, "
        "and no policy of IAM limits it. Sign in as the root user there and delete it; nothing here does that.",
    ]
    (missing,) = page.sections[2].blocks
    assert getattr(missing, "rows", None) == [(f"{OTHER}\nslave1", "Access denied in slave1")]
    (chart,) = page.sections[0].blocks
    assert getattr(chart, "series", None) == {"keys": [2, 2, 2, 1, 1]}
    assert page.headlines[0].note == "2 of 8 active keys (25%)"
    assert [(one.value, one.label) for one in page.headlines] == [
        ("2", "idle keys"),
        ("1", "of them never used"),
        ("400 days", "the longest idle"),
        ("1", "accounts scanned"),
        ("2", "root access keys"),
    ]


@pytest.mark.parametrize(
    ("keys", "titles"),
    [
        ([None], ["Root access keys are not known for 1 account."]),
        ([RootKeys(0)], ["No root access key in 1 account."]),
        ([RootKeys(0), None], ["No root access key in 1 account (not known for 1 account)."]),
        (
            [RootKeys(2), None],
            ["2 root access keys in 1 account (not known for 1 account): the root user can delete them"],
        ),
        ([], []),
    ],
)
def test_the_terminal_ends_with_the_root_access_keys(keys: list[RootKeys | None], titles: list[str]) -> None:
    accounts = [AccountKeys(f"{n:012}", f"n{n}", 1, (), 0, root) for n, root in enumerate(keys)]
    found = [table for table in tables_of(first_look(accounts, [], 90, NOW)) if "oot access key" in table.title]
    assert [table.title for table in found] == titles
    rows = [row for table in found for row in table.rows]
    assert rows == [(f"{n:012}", f"n{n}", f"{root.count}") for n, root in enumerate(keys) if root and root.count]


def test_each_account_says_what_its_idle_keys_are_of_and_the_title_of_how_many_that_is_known() -> None:
    here = AccountKeys(ACCOUNT, "master", 3, (a_key(),), 4, None)
    there = AccountKeys(OTHER, "slave1", 9, (a_key(key_id="B"), a_key(key_id="C")), None, None)
    third = AccountKeys("333333333333", "slave2", 9, (a_key(key_id="D"),), 0, None)
    found = first_look([here, there, third], [], 90, NOW)
    # A count of some hours ago may be behind the keys that are met.
    assert [each.active_keys for each in found.accounts] == [None, 4, 1]
    keys, _, accounts, *_ = tables_of(found)
    assert keys.title == (
        "Not used for more than 90 days, longest idle first: 2 of 5 active keys (40%), not known for 1 account"
    )
    assert [row[2:4] for row in accounts.rows] == [("2", "not known"), ("1", "4"), ("1", "1")]
    (_, where, *_) = page_of(found).sections
    (grid,) = where.blocks
    assert [row[1:3] for row in getattr(grid, "rows", ())] == [("2", "not known"), ("1", "4"), ("1", "1")]


def test_a_look_that_found_nothing_says_of_how_many_keys() -> None:
    (table, *_) = tables_of(first_look([AccountKeys(ACCOUNT, "", 3, (), 12, None)], [], 90, NOW))
    assert table.title == "No Active key was unused for more than 90 days: 0 of 12 active keys (0%)."


def test_the_page_of_a_complete_look_warns_of_nothing() -> None:
    page = page_of(look(a_key()))
    assert page.warnings == []
    assert [section.title for section in page.sections] == ["Which threshold to choose", "Where they are"]
