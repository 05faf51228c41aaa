"""What the credential report rules out, value by value."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest

from library.aws.credential_report import EVERYTHING, NOTHING, CredentialReport, Suspicion, UnusableReport
from library.issues.access_keys import is_long_ago
from library.issues.report_rows import SlotKind
from tests.builders import NOW, days_ago

CRITERION = 90
OLD, LATELY = days_ago(400), days_ago(3)
CUTOFF = days_ago(CRITERION)
SECOND = timedelta(seconds=1)
HEADER = (
    "user,arn,user_creation_time,password_enabled,"
    "access_key_1_active,access_key_1_last_rotated,access_key_1_last_used_date,"
    "access_key_2_active,access_key_2_last_rotated,access_key_2_last_used_date,cert_1_active"
)
ROOT = "<root_account>,arn:aws:iam::1:root,2014-01-01T00:00:00+00:00,not_supported,true,N/A,N/A,false,N/A,N/A,false"
EMPTY = "false,N/A,N/A"


def slot(active: str = "true", rotated: str | datetime = OLD, used: str | datetime = "N/A") -> str:
    return ",".join(value if isinstance(value, str) else value.isoformat() for value in (active, rotated, used))


def row(name: str, first: str = EMPTY, second: str = EMPTY, created: datetime = OLD) -> str:
    return f"{name},arn:aws:iam::1:user/{name},{created.isoformat()},false,{first},{second},false"


def read(content: bytes) -> CredentialReport:
    return CredentialReport(content, lambda moment: is_long_ago(moment, CRITERION, NOW), NOW)


@dataclass(frozen=True)
class Read:
    """A report that is known to be fresh or not."""

    report: CredentialReport
    fresh: bool

    def suspicion(self, created: datetime, users: int) -> Suspicion:
        return self.report.suspicion(created, users, may_be_on=not self.fresh)


def report(*rows: str, fresh: bool = False, header: str = HEADER) -> Read:
    content = "\n".join([header, *([ROOT] if header == HEADER else []), *rows]) + "\n"
    return Read(read(content.encode()), fresh)


def root_of(*cells: str, more: str = "") -> int | None:
    row = f"<root_account>,arn,2014-01-01T00:00:00+00:00,not_supported,{','.join(cells)}{more}"
    return read("\n".join([HEADER + (",additional_credentials_info" if more else ""), row]).encode()).root_keys


@pytest.mark.parametrize("second", ["true", "false"])
@pytest.mark.parametrize("first", ["true", "false"])
def test_the_keys_of_the_root_user_are_counted_that_are_on(first: str, second: str) -> None:
    slots = (first, str(OLD), "N/A", second, "N/A", "N/A", "false")
    assert root_of(*slots) == [first, second].count("true")


@pytest.mark.parametrize("odd", ["", "N/A", "TRUE", "False", "not_supported", "no_information", "1"])
@pytest.mark.parametrize("place", [0, 3])
def test_a_word_that_is_not_understood_does_not_say_that_there_is_no_root_key(place: int, odd: str) -> None:
    slots = ["false", "N/A", "N/A", "false", "N/A", "N/A", "false"]
    slots[place] = odd
    assert root_of(*slots) is None


def test_a_report_without_a_whole_row_of_the_root_user_does_not_say_that_there_is_no_root_key() -> None:
    assert read(f"{HEADER}\n{row('alice')}".encode()).root_keys is None
    assert root_of("false", "N/A", "N/A") is None
    whole = ("false", "N/A", "N/A", "false", "N/A", "N/A", "false")
    assert root_of(*whole, more=",1 more access key") is None
    assert root_of(*whole, more=",N/A") == 0


def test_the_keys_of_users_are_counted_on_or_off_and_those_of_the_root_user_are_not() -> None:
    found = report(row("alice", slot(), slot("false")), row("bob", slot(used=LATELY)), row("carol")).report
    assert (found.keys, found.root_keys) == (3, 1)


@pytest.mark.parametrize(
    ("slots", "expected"),
    [
        ([slot()], 1),
        ([slot(used=LATELY), slot()], 2),
        ([slot("false"), EMPTY], 0),
        ([slot(rotated="odd"), slot(used="odd")], 2),
        ([slot(), slot("")], None),
        ([slot("TRUE")], None),
        ([slot("not_supported", "N/A", "N/A")], None),
        ([], 0),
    ],
)
def test_the_keys_of_users_are_counted_that_are_on(slots: list[str], expected: int | None) -> None:
    rows = [row(f"user{number}", each) for number, each in enumerate(slots)]
    assert report(*rows).report.active_keys == expected


def test_more_keys_than_the_report_shows_are_not_counted_as_none() -> None:
    header = f"{HEADER},additional_credentials_info"
    assert report(f"{row('alice', slot())},N/A", header=header).report.active_keys == 1
    assert report(f"{row('alice', slot())},1 more", header=header).report.active_keys is None
    assert report(row("alice", slot()), row("bob").rpartition(",false")[0]).report.active_keys is None


def suspicion_of(first: str, *, created: datetime = OLD, fresh: bool = False) -> Suspicion:
    return report(row("alice", first, created=created), fresh=fresh).suspicion(created, 1)


def test_a_user_without_keys_is_ruled_out() -> None:
    assert suspicion_of(EMPTY) == NOTHING


@pytest.mark.parametrize(
    ("used", "ruled_out"),
    [(LATELY, True), (CUTOFF + SECOND, True), (CUTOFF, True), (CUTOFF - SECOND, False), (days_ago(400), False)],
)
@pytest.mark.parametrize("active", ["true", "false"])
def test_a_key_that_was_used_within_the_criterion_is_ruled_out(active: str, used: datetime, ruled_out: bool) -> None:
    assert (suspicion_of(slot(active, used=used)) == NOTHING) is ruled_out


@pytest.mark.parametrize("used", ["N/A", "no_information", "not_supported", "", "2026-11-2", "2026-11-22T10:00:00"])
@pytest.mark.parametrize("active", ["true", "false", "", "TRUE", "no_information"])
def test_a_key_without_a_known_use_is_as_old_as_its_user(active: str, used: str) -> None:
    assert suspicion_of(slot(active, used=used)) == Suspicion(1, frozenset({"alice"}), (OLD,))
    assert suspicion_of(slot(active, rotated=LATELY, used=used), created=CUTOFF) == NOTHING


def test_a_late_rotation_does_not_make_an_old_key_young() -> None:
    assert suspicion_of(slot(rotated=LATELY)) == Suspicion(1, frozenset({"alice"}), (LATELY,))


def test_a_slot_that_is_off_is_suspicious_in_a_cached_report_only() -> None:
    assert suspicion_of(slot("false")).slots == 1
    assert suspicion_of(slot("false"), fresh=True) == NOTHING
    assert suspicion_of(slot("true"), fresh=True).slots == 1


def test_a_slot_that_is_off_in_a_fresh_report_still_counts_beside_a_suspicious_one() -> None:
    fresh = report(row("alice", slot("false"), slot("true", rotated=days_ago(200))), fresh=True)
    assert fresh.suspicion(OLD, 1) == Suspicion(2, frozenset({"alice"}), (days_ago(200),))


def test_a_slot_that_is_off_in_a_fresh_report_is_no_reason_to_ask_others_of_the_same_second() -> None:
    rows = [row("alice", slot()), row("bob", slot("false"))]
    assert report(*rows, fresh=True).suspicion(OLD, 2) == Suspicion(1, frozenset({"alice"}), (OLD,))
    assert report(*rows).suspicion(OLD, 2) == Suspicion(2, frozenset({"alice", "bob"}), (OLD, OLD))


def test_users_of_one_second_are_one_group() -> None:
    both = report(row("alice", slot()), row("bob", slot(used=LATELY)))
    assert both.suspicion(OLD, 2) == Suspicion(1, frozenset({"alice"}), (OLD,))
    assert both.suspicion(OLD, 1) == Suspicion(1, frozenset({"alice"}), (OLD,))


def test_a_user_whom_the_report_does_not_have_is_never_ruled_out_unless_it_is_young() -> None:
    one = report(row("alice", slot(used=LATELY)))
    assert one.suspicion(OLD, 2) == EVERYTHING
    assert one.suspicion(days_ago(399), 1) == EVERYTHING
    assert one.suspicion(LATELY, 1) == NOTHING
    assert report(row("alice", slot(), created=LATELY)).suspicion(LATELY, 1) == NOTHING


def test_the_row_of_the_root_user_is_no_user() -> None:
    assert report().suspicion(datetime.fromisoformat("2014-01-01T00:00:00+00:00"), 1) == EVERYTHING


def test_other_columns_and_another_order_change_nothing() -> None:
    names = ["new", *reversed(HEADER.split(",")), "newer"]
    values = dict(zip(HEADER.split(","), row("alice", slot()).split(","), strict=True))
    other = report(",".join(values.get(name, "x") for name in names), header=",".join(names))
    assert other.suspicion(OLD, 1) == suspicion_of(slot())


@pytest.mark.parametrize("name", ['"a,b"', "a,b", ",", '","', "arn", "=cmd", "+1", "@x"])
def test_commas_in_a_name_shift_no_column_quoted_or_not(name: str) -> None:
    plain = name.strip('"')
    cells = f"{name},arn:aws:iam::1:user/{name},{OLD.isoformat()},false,{slot()},{EMPTY},false"
    if name != plain:
        cells = cells.replace(f"arn:aws:iam::1:user/{name}", f'"arn:aws:iam::1:user/{plain}"')
    assert report(cells).suspicion(OLD, 1) == Suspicion(1, frozenset({plain}), (OLD,))
    assert report(cells.replace(slot(), slot(used=LATELY))).suspicion(OLD, 1) == NOTHING


def test_a_row_that_is_cut_short_rules_nobody_out() -> None:
    whole = row("alice", slot("false", used=LATELY))
    assert report(whole).suspicion(OLD, 1) == NOTHING
    assert report(whole[: whole.index(LATELY.isoformat())]).suspicion(OLD, 1) == Suspicion(
        sys.maxsize, frozenset({"alice"}), (OLD,)
    )


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "lacks the columns"),
        (b"<html>", "lacks the columns"),
        (HEADER.replace("access_key_2_active", "x").encode(), "lacks the columns access_key_2_active"),
        (f"{HEADER}\nalice,arn:aws:iam::1:user/alice,N/A,false,{EMPTY},{EMPTY},false".encode(), "'alice'"),
        (f"{HEADER}\nalice,arn".encode(), "no creation time of the user 'alice'"),
        (f'{HEADER}\n"alice'.encode(), "not CSV"),
        (b"\xff\xfe", "not CSV in UTF-8"),
        (f"x,{HEADER}\n1,2,{row('a,b')}".encode(), "cells"),
    ],
)
def test_what_is_no_credential_report_is_not_used(content: bytes, complaint: str) -> None:
    with pytest.raises(UnusableReport, match=complaint):
        read(content)


def test_a_byte_order_mark_and_empty_lines_do_no_harm() -> None:
    content = f"\ufeff{HEADER}\r\n{row('alice', slot())}\r\n\r\n".encode()
    assert read(content).suspicion(OLD, 1, may_be_on=True).names == {"alice"}


MORE = f"{HEADER},additional_credentials_info"


@pytest.mark.parametrize(("info", "more"), [("3 access keys", True), ("N/A", False), ("", False), ("0", False)])
def test_who_has_more_keys_than_two_slots_show_is_never_ruled_out(info: str, more: bool) -> None:
    busy = report(f"{row('alice', slot(used=LATELY))},{info}", header=MORE)
    assert (busy.suspicion(OLD, 1).slots >= sys.maxsize) is more
    (group,) = busy.report.groups.values()
    assert (group.held, group.rows[0].shows_all) == (more, not more)
    young = report(f"{row('alice', created=LATELY)},{info}", header=MORE)
    assert young.suspicion(LATELY, 1) == NOTHING
    assert not young.report.groups[LATELY].held


@pytest.mark.parametrize(
    ("first", "kind"),
    [
        (EMPTY, SlotKind.EMPTY),
        (slot("false"), SlotKind.OFF),
        (slot("false", used=LATELY), SlotKind.OFF),
        (slot(used=LATELY), SlotKind.IN_USE),
        (slot(rotated="N/A", used=LATELY), SlotKind.IN_USE),
        (slot(), SlotKind.HELD),
        (slot(used=OLD), SlotKind.HELD),
        (slot(used="no_information"), SlotKind.ODD),
        (slot("TRUE"), SlotKind.ODD),
        (slot(rotated="N/A"), SlotKind.ODD),
    ],
)
def test_what_a_slot_is(first: str, kind: SlotKind) -> None:
    (group,) = report(row("alice", first)).report.groups.values()
    assert group.rows[0].slots[0].kind is kind
