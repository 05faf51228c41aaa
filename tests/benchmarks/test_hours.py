"""An account for hours, in this process: what a scan costs, what it finds, and how it ends when it cannot."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import botocore.handlers
import pytest

from library.aws import hourly_scan, report_request
from library.aws.account_issues import ARCHIVED_PER_SCAN
from library.aws.account_scan import CutOff
from library.errors import AccessDenied
from library.issues.account_state import UNMATCHED_KEPT
from library.issues.counter_check import PERIOD
from library.issues.record import Status
from library.issues.row import to_item
from library.issues.whitelist import Exemption, Whitelist
from tests.benchmarks import drifting
from tests.benchmarks.account import ACCOUNT, Account
from tests.benchmarks.estate import Estate, install
from tests.builders import long_closed
from tests.growth import MOST, growth
from tests.world.table import serialized

if TYPE_CHECKING:
    from collections.abc import Callable

    from botocore.awsrequest import AWSResponse

HOUR = 3600
NOW = 1_800_000_000
DAYS = 90


@pytest.fixture(autouse=True)
def _installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(botocore.handlers, "BUILTIN_HANDLERS", list(botocore.handlers.BUILTIN_HANDLERS))
    monkeypatch.setattr(report_request, "REPORT_PAUSES", report_request.REPORT_PAUSES)
    install()


@pytest.fixture
def estate() -> Estate:
    """Seventy users, nothing scanned yet."""
    return Estate(Account(70, 3, NOW), DAYS)


def later(estate: Estate, seconds: float = HOUR) -> None:
    estate.account.now += int(seconds)
    estate.iam.changed()


def time_for(looks: int) -> Callable[[], float]:
    """A clock by which there is time for so many groups of users."""
    seconds = iter([900.0] * looks)
    return lambda: next(seconds, 0.0)


def live(estate: Estate) -> set[str]:
    return {key for key, issue in estate.table().items() if issue.status is Status.OPEN}


def idle(estate: Estate) -> set[str]:
    return {fact[0] for fact in estate.account.idle_keys(DAYS)}


@pytest.mark.parametrize("seed", [10, 13, 17])
def test_whatever_drifts_the_table_is_what_a_listing_at_the_report_s_time_or_later_finds(seed: int) -> None:
    outcome = drifting.try_seed(seed, 12)
    assert outcome.wrong == []
    assert outcome.scans == 12
    assert outcome.changed > 0


def test_an_hour_without_a_change_costs_two_calls_and_one_write(estate: Estate) -> None:
    estate.scan()
    assert live(estate) == idle(estate)
    for _ in range(3):
        later(estate)
        estate.scan()
        assert estate.calls["iam.GenerateCredentialReport"] == estate.calls["iam.GetCredentialReport"] == 1
        assert estate.iam_calls == 2
        assert estate.calls["state.UpdateItem"] == 1
        assert not {"issues.PutItem", "issues.UpdateItem"} & set(estate.calls)


@pytest.mark.parametrize("root_keys", [0, 1, 2])
def test_root_keys_are_the_report_s_and_cost_no_call_and_no_issue(estate: Estate, root_keys: int) -> None:
    estate.account.root_keys = root_keys
    for wait in (0, HOUR, 5 * HOUR):
        later(estate, wait)
        estate.scan()
        assert estate.state().seen.root_keys == root_keys  # type: ignore[union-attr]
        assert estate.calls["iam.GetAccountSummary"] == 0
        assert live(estate) == idle(estate)


def on(estate: Estate) -> int:
    return sum(key.active for user in estate.account.users.values() for key in user.keys)


def test_the_keys_that_are_on_are_counted_with_and_without_a_report(estate: Estate) -> None:
    estate.scan()
    assert estate.state().seen.active_keys == on(estate) > len(idle(estate))  # type: ignore[union-attr]
    estate.iam.no_report = True
    later(estate)
    estate.scan()
    assert estate.state().seen.active_keys == on(estate)  # type: ignore[union-attr]


def test_a_scan_that_went_on_where_one_was_cut_off_does_not_count_its_part_for_the_account(estate: Estate) -> None:
    estate.iam.no_report = True
    with pytest.raises(CutOff):
        estate.scan(time_for(30))
    later(estate, 60)
    estate.scan()
    assert estate.state().scanned is not None
    assert estate.state().seen is not None
    assert estate.state().seen.active_keys is None  # type: ignore[union-attr]


def test_without_a_report_root_keys_are_not_known_any_more(estate: Estate) -> None:
    estate.account.root_keys = 1
    estate.scan()
    estate.iam.no_report = True
    later(estate)
    estate.scan()
    assert estate.state().seen is not None
    assert estate.state().seen.root_keys is None  # type: ignore[union-attr]


def test_a_report_that_is_made_anew_costs_no_look_though_keys_were_used(estate: Estate) -> None:
    estate.scan()
    later(estate, 5 * HOUR)
    for user in estate.account.users.values():
        for key in user.keys:
            if key.active and key.key_id not in idle(estate) and key.used is not None:
                key.used = estate.account.now - 60
    estate.scan()
    assert estate.iam_calls <= 4


def test_a_report_that_is_late_is_not_waited_for_idly_and_taken_when_it_comes(
    estate: Estate, monkeypatch: pytest.MonkeyPatch
) -> None:
    estate.scan()
    gone = next(user for user in estate.account.users.values() if {key.key_id for key in user.keys} & live(estate))
    gone.slots = [None, None]
    later(estate, 5 * HOUR)
    estate.report_comes_after(3)
    with monkeypatch.context() as patch:
        patch.setattr(hourly_scan, "PATIENCE_WITH_MEMORY", 0.0)
        patch.setattr(hourly_scan, "PACE", 0.0)
        estate.scan()
    assert estate.looks_before_report <= 0
    assert live(estate) == idle(estate)
    assert estate.state().seen is not None
    assert estate.state().seen.report_made == estate.now  # type: ignore[union-attr]
    estate.scan()
    assert estate.iam_calls == 2


def test_a_lost_or_broken_memory_costs_looks_and_changes_nothing(estate: Estate) -> None:
    estate.scan()
    before = estate.table()
    for broken in (None, {"B": "AAAA"}, {"S": "x"}):
        later(estate)
        (row,) = estate.states.rows.values()
        row.pop("memory", None)
        if broken:
            row["memory"] = broken
        estate.scan()
        assert estate.iam_calls > 10
        assert estate.table() == before
        later(estate, 60)
        estate.scan()
        assert estate.iam_calls == 2


def test_once_a_week_everything_is_listed(estate: Estate) -> None:
    estate.scan()
    full = 0
    for _ in range(int(PERIOD.total_seconds()) // (6 * HOUR)):
        later(estate, 6 * HOUR)
        estate.scan()
        full += estate.calls["iam.ListAccessKeys"] == len(estate.account.users)
    assert full == 1
    assert estate.errors == []


def test_a_shortcut_that_was_wrong_is_an_error_with_user_and_row(estate: Estate) -> None:
    # A report that says of an idle key that it was used: so AWS would have to lie.
    estate.scan()
    key_id = min(live(estate))
    owner = next(user for user in estate.account.users.values() if any(key.key_id == key_id for key in user.keys))
    del estate.issues.rows["123456789012", key_id]
    key = next(key for key in owner.keys if key.key_id == key_id)
    true_use, errors = key.used, []
    for _ in range(int(PERIOD.total_seconds()) // (6 * HOUR)):
        later(estate, 6 * HOUR)
        key.used = estate.account.now - HOUR
        estate.iam.make_report(0)
        key.used = true_use
        estate.iam.changed()
        estate.scan()
        errors += estate.errors
    (error,) = [error for error in errors if "shortcut was wrong" in error]
    assert key_id in error
    assert f"{owner.name!r}" in error
    assert "in use" in error
    assert key_id in live(estate)


def test_a_user_who_is_protected_stops_nobody_else_s_scan_and_loses_nothing(estate: Estate) -> None:
    estate.scan()
    protected = next(user for user in estate.account.users.values() if {k.key_id for k in user.keys} & live(estate))
    others = {fact[0] for fact in estate.account.idle_keys(DAYS) if fact[1] != protected.name}
    estate.issues.rows.clear()
    (row,) = estate.states.rows.values()
    row.pop("memory")
    later(estate)
    estate.iam.refuse = protected.name
    with pytest.raises(AccessDenied, match=f"1 of 70 users .*{protected.name}"):
        estate.scan()
    assert live(estate) == others
    state = estate.state()
    assert protected.name in state.failure
    assert state.failing_since == estate.now
    assert state.scanned != estate.now
    estate.iam.refuse = ""
    later(estate)
    estate.scan()
    assert live(estate) == idle(estate)
    assert (estate.state().failing_since, estate.state().failure) == (None, "")


def test_nothing_of_a_protected_user_is_resolved(estate: Estate) -> None:
    estate.scan()
    protected = next(user for user in estate.account.users.values() if {k.key_id for k in user.keys} & live(estate))
    before = live(estate)
    for user in (protected, next(u for u in estate.account.users.values() if u is not protected and u.keys)):
        user.slots = [None, None]
    later(estate, 5 * HOUR)
    estate.iam.refuse = protected.name
    with pytest.raises(AccessDenied):
        estate.scan()
    assert before - live(estate) == before - idle(estate) - {k for k in before if _user(estate, k) == protected.name}


def _user(estate: Estate, key_id: str) -> str:
    return estate.table()[key_id].details.username


def test_a_scan_whose_time_ends_is_gone_on_from_and_nobody_is_asked_twice(estate: Estate) -> None:
    estate.iam.no_report = True
    asked: list[str] = []
    said = ""
    attempts = 0
    while estate.state().scanned is None:
        attempts += 1
        try:
            estate.scan(time_for(20))
        except CutOff as error:
            said = str(error)
            state = estate.state()
            assert state.round is not None
            assert (state.scanned, state.failure) == (None, said)
        asked += estate.users_asked
        later(estate, 120)
    assert attempts > 2
    assert "of 70 users, the next scan goes on from" in said
    assert sorted(asked) == sorted(estate.account.users)
    assert live(estate) == idle(estate)
    assert estate.state().round is None


def test_a_cut_off_round_resolves_only_in_the_end_what_it_has_found_ended(estate: Estate) -> None:
    estate.scan()
    gone = sorted(live(estate))[:3]
    for user in estate.account.users.values():
        user.slots = [None if key is not None and key.key_id in gone else key for key in user.slots]
    estate.iam.no_report = True
    later(estate)
    while True:
        try:
            estate.scan(time_for(20))
        except CutOff:
            assert set(gone) <= live(estate)
            later(estate, 120)
        else:
            break
    assert live(estate) == idle(estate)


def test_an_entry_of_the_whitelist_that_means_nothing_is_in_the_state_until_it_means_something(
    estate: Estate,
) -> None:
    user = next(iter(estate.account.users.values()))
    key = min(idle(estate))
    estate.whitelist = Whitelist(
        {ACCOUNT: tuple(map(Exemption, (user.name, key, "mistyped", "AKIAMISTYPED00000001")))}
    )
    estate.scan()
    assert estate.state().unmatched == ("mistyped",)
    for _ in range(int(PERIOD.total_seconds()) // (6 * HOUR)):
        later(estate, 6 * HOUR)
        estate.scan()
    assert estate.state().unmatched == ("AKIAMISTYPED00000001", "mistyped")
    later(estate)
    estate.scan()
    assert estate.state().unmatched == ("AKIAMISTYPED00000001", "mistyped")
    assert estate.iam_calls <= 4
    estate.whitelist = Whitelist({ACCOUNT: (Exemption(user.name), Exemption(key))})
    later(estate)
    estate.scan()
    assert estate.state().unmatched == ()


def test_of_many_entries_that_mean_nothing_the_first_are_named_once(estate: Estate) -> None:
    many = UNMATCHED_KEPT + 100
    estate.whitelist = Whitelist({ACCOUNT: tuple(Exemption(f"mistyped-{number:03}") for number in range(many))})
    for _ in range(2):
        estate.scan()
        later(estate)
    assert len(estate.state().unmatched) == UNMATCHED_KEPT
    (warning,) = [line for line in estate.warnings if "mistyped-" in line]
    assert warning.endswith(f", mistyped-{UNMATCHED_KEPT - 1} and 100 more")


def test_an_hour_of_an_account_with_100_000_archived_issues_reads_none_of_them(
    estate: Estate, monkeypatch: pytest.MonkeyPatch
) -> None:
    def item(number: int) -> dict[str, Any]:
        issue = long_closed(estate.now, account_id=ACCOUNT, issue_id=f"AKIAOLD{number:013}")
        return serialized(to_item(issue))

    for old in map(item, range(ARCHIVED_PER_SCAN + 1)):
        estate.issues.rows[ACCOUNT, old["issue_id"]["S"]] = old
    estate.scan()
    assert estate.calls["issues.TransactWriteItems"] == ARCHIVED_PER_SCAN
    later(estate)
    estate.scan()
    assert estate.calls["issues.TransactWriteItems"] == 1
    (*_, archived) = (row for row in estate.issues.rows.values() if "archived" in row)
    for number in range(100_000):
        estate.issues.rows[ACCOUNT, f"~closed#AKIA{number:016}#"] = {
            **archived,
            "issue_id": {"S": f"~closed#AKIA{number:016}#"},
        }
    read: list[int] = []
    answered = estate.issues.answer

    def answer(operation: str, asked: dict[str, Any]) -> AWSResponse:
        found = answered(operation, asked)
        read.append(json.loads(found.text)["Count"])
        return found

    monkeypatch.setattr(estate.issues, "answer", answer)
    later(estate)
    estate.scan()
    assert {name: count for name, count in estate.calls.items() if name.startswith("issues.")} == {"issues.Query": 1}
    assert read == [sum("archived" not in row for row in estate.issues.rows.values())]
    assert estate.errors == []


def test_a_scan_takes_steps_of_the_size_of_its_account() -> None:
    """The first one, which opens every issue; one that sees nothing new; and one that everything is new to."""

    def scanning(size: int) -> Callable[[], object]:
        estate = Estate(Account(size, 3, NOW), DAYS)

        def work() -> None:
            estate.scan()
            later(estate)
            estate.scan()
            later(estate, DAYS * 24 * HOUR)
            estate.scan()
            assert len(live(estate)) == len(idle(estate)) > size // 2

        return work

    assert growth(scanning, 40, 400) < MOST
