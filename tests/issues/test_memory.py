"""A memory counts as it was written, for its account and criterion, or not at all."""

from __future__ import annotations

import zlib
from datetime import datetime, timedelta
from random import Random

import pytest

from library.issues import memory as module
from library.issues.memory import LARGEST, Memory, from_bytes, to_bytes
from tests.builders import ACCOUNT, NOW

DUE = NOW + timedelta(days=10)
SOME = Memory({b"12345678": None, b"abcdefgh": DUE})


def test_what_was_written_is_read_again() -> None:
    for memory in (SOME, Memory()):
        packed = to_bytes(memory, ACCOUNT, 90)
        assert packed != b""
        assert from_bytes(packed, ACCOUNT, 90, NOW) == (memory, "")


def test_five_thousand_users_are_half_of_what_there_is_room_for() -> None:
    chance = Random(1)
    marks: dict[bytes, datetime | None] = {chance.randbytes(8): None for _ in range(4500)}
    marks |= {chance.randbytes(8): NOW + timedelta(seconds=chance.randrange(5_000_000)) for _ in range(500)}
    assert len(to_bytes(Memory(marks), ACCOUNT, 90)) < LARGEST / 2


def test_what_there_is_no_room_for_is_not_kept() -> None:
    chance = Random(1)
    assert to_bytes(Memory({chance.randbytes(8): None for _ in range(13_000)}), ACCOUNT, 90) == b""


@pytest.mark.parametrize(
    ("account", "criterion", "why"), [("210987654321", 90, "another account's"), (ACCOUNT, 89, "a criterion of 90")]
)
def test_another_account_s_or_criterion_s_is_none(account: str, criterion: int, why: str) -> None:
    memory, problem = from_bytes(to_bytes(SOME, ACCOUNT, 90), account, criterion, NOW)
    assert memory is None
    assert why in problem


def test_no_memory_is_none_without_a_complaint() -> None:
    assert from_bytes(b"", ACCOUNT, 90, NOW) == (None, "")


def test_another_version_is_none() -> None:
    body = b"HM\x02" + bytes(40)
    memory, problem = from_bytes(zlib.compress(bytes(16) + body), ACCOUNT, 90, NOW)
    assert (memory, problem) == (None, "it is of another version")


def test_whatever_is_changed_or_cut_it_is_none() -> None:
    packed = to_bytes(SOME, ACCOUNT, 90)
    chance = Random(1)
    for _ in range(500):
        broken = bytearray(packed)
        broken[chance.randrange(len(broken))] ^= 1 << chance.randrange(8)
        assert from_bytes(bytes(broken), ACCOUNT, 90, NOW)[0] in (None, SOME)
    for length in range(1, len(packed)):
        assert from_bytes(packed[:length], ACCOUNT, 90, NOW)[0] in (None, SOME)
    assert from_bytes(packed[: len(packed) // 2], ACCOUNT, 90, NOW)[0] is None
    for _ in range(500):
        assert from_bytes(chance.randbytes(chance.randrange(1, 200)), ACCOUNT, 90, NOW)[0] is None


def test_a_packet_that_unpacks_to_a_hundred_times_its_size_is_none() -> None:
    assert from_bytes(zlib.compress(bytes(100_000_000)), ACCOUNT, 90, NOW)[0] is None


def test_a_forged_moment_that_no_key_can_have_is_none() -> None:
    for ahead, fine in ((timedelta(days=90), True), (timedelta(days=91), False)):
        packed = to_bytes(Memory({b"12345678": NOW + ahead}), ACCOUNT, 90)
        assert (from_bytes(packed, ACCOUNT, 90, NOW)[0] is not None) is fine


def test_its_version_is_part_of_it() -> None:
    assert module._VERSION in zlib.decompress(to_bytes(SOME, ACCOUNT, 90))
