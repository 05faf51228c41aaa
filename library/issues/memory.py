"""What a scan remembers of earlier live looks, in few bytes, which count only if they are as they were written."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from struct import Struct
from struct import error as struct_error
from typing import TYPE_CHECKING

from library.issues.looking import MARK_BYTES, REPORT_LIFE

if TYPE_CHECKING:
    from collections.abc import Mapping

LARGEST = 100_000
"""Bytes, compressed. Of 5,000 users all of whom have an idle key it takes half of that."""
_LARGEST_UNPACKED = 10 * LARGEST

_VERSION = b"HM\x01"
_HEADER = Struct(">3sI")
_ENTRY = Struct(f">{MARK_BYTES}sI")
_CHECKSUM_BYTES = 16


@dataclass(frozen=True, slots=True)
class Memory:
    """Marks of groups (see library.issues.looking), each with the moment (UTC) from which on it does not count."""

    marks: Mapping[bytes, datetime | None] = field(default_factory=dict)


def to_bytes(memory: Memory, account_id: str, criteria_days: int) -> bytes:
    """The memory of an account, made with this criterion; empty if it would be too large to keep."""
    entries = (_ENTRY.pack(mark, int(due.timestamp()) if due else 0) for mark, due in sorted(memory.marks.items()))
    body = _HEADER.pack(_VERSION, criteria_days) + b"".join(entries)
    packed = zlib.compress(_checksum(body, account_id) + body, level=6)
    return packed if len(packed) <= LARGEST else b""


def from_bytes(packed: bytes, account_id: str, criteria_days: int, now: datetime) -> tuple[Memory | None, str]:
    """The memory of an account; if it is of no use at `now` (UTC) with this criterion, None and why."""
    if not packed:
        return None, ""
    try:
        unpacked = zlib.decompressobj().decompress(packed, _LARGEST_UNPACKED)
        checksum, body = unpacked[:_CHECKSUM_BYTES], unpacked[_CHECKSUM_BYTES:]
        version, made_with = _HEADER.unpack_from(body)
        entries = list(_ENTRY.iter_unpack(body[_HEADER.size :]))
        if version != _VERSION:
            return None, "it is of another version"
        if checksum != _checksum(body, account_id):
            return None, "it is damaged, or another account's"
        if made_with != criteria_days:
            return None, f"it was made with a criterion of {made_with} days"
    except (zlib.error, struct_error) as error:
        return None, f"it is not readable: {error}"
    latest = (now + timedelta(days=criteria_days) + REPORT_LIFE).timestamp()
    if any(due > latest for _, due in entries):
        return None, "it says that a key will grow idle later than one that was made now"
    return Memory({mark: datetime.fromtimestamp(due, UTC) if due else None for mark, due in entries}), ""


def _checksum(body: bytes, account_id: str) -> bytes:
    return blake2b(body, digest_size=_CHECKSUM_BYTES, key=account_id.encode()[:64]).digest()
