"""How reports write what they show: days, numbers, cells of two lines."""

from __future__ import annotations

from datetime import UTC, datetime


def day(moment: datetime) -> str:
    """The day (UTC) of a moment, as in 2026-11-23."""
    return moment.astimezone(UTC).date().isoformat()


def counted(count: int, one: str, more: str) -> str:
    """A number with what it counts: `1 key`, `1,200 keys`."""
    return f"{count:,} {one if count == 1 else more}"


def two_lines(first: str, second: str) -> str:
    """A cell that shows `second` small, below `first`; without `second`, one line."""
    return f"{first}\n{second}" if second else first
