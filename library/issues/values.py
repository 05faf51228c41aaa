"""The values of an item of a table, each checked by type and range as it is read; each function raises ValueError."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar

from library.text import cut

if TYPE_CHECKING:
    from collections.abc import Mapping

_Word = TypeVar("_Word", bound=StrEnum)
AHEAD = timedelta(days=1)
"""How far ahead of our clock something may have happened by somebody else's."""
_OLDEST = datetime(2000, 1, 1, tzinfo=UTC)
# With days to add to it, and days to take from it.
_LATEST = datetime(9000, 1, 1, tzinfo=UTC)
# DynamoDB keeps numbers of 38 digits.
_LARGEST_NUMBER = 10**18
_SHOWN = 80


def shown(value: object) -> str:
    """A value as a message names it, cut off where it is long."""
    return cut(repr(value), _SHOWN)


def text(value: object) -> str:
    """Any text."""
    if not isinstance(value, str):
        raise ValueError(f"{shown(value)} is not a text")
    return value


def name(value: object) -> str:
    """A text that is not empty."""
    if not text(value):
        raise ValueError("an empty text")
    return text(value)


def account_id(value: object) -> str:
    """An account's id: 12 digits."""
    return _like(r"[0-9]{12}", value, "an account id")


def key_id(value: object) -> str:
    """An access key id (IAM API reference, `AccessKey`: `\\w+`, at most 128)."""
    return _like(r"\w{1,128}", value, "an access key id")


def ticket(value: object) -> str:
    """The key of a JIRA ticket, `AWSSEC-12`."""
    return _like(r"[A-Z][A-Z0-9_]+-[0-9]+", value, "the key of a ticket")


def _like(pattern: str, value: object, what: str) -> str:
    if not re.fullmatch(pattern, text(value), re.ASCII):
        raise ValueError(f"{shown(value)} is not {what}")
    return text(value)


def one_of(kind: type[_Word], value: object) -> _Word:
    """One of the words of an enumeration."""
    try:
        return kind(text(value))
    except ValueError:
        raise ValueError(f"{shown(value)} is none of {', '.join(kind)}") from None


def texts(value: object) -> tuple[str, ...]:
    """A list of texts."""
    if not isinstance(value, list):
        raise ValueError(f"{shown(value)} is not a list")
    return tuple(text(one) for one in value)


def mapping(value: object) -> Mapping[str, Any]:
    """A map."""
    if not isinstance(value, dict):
        raise ValueError(f"{shown(value)} is not a map")
    return value


def truth(value: object) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise ValueError(f"{shown(value)} is neither true nor false")
    return value


def number(value: object) -> int:
    """A whole number that is not negative."""
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)) or not 0 <= value <= _LARGEST_NUMBER:
        raise ValueError(f"{shown(value)} is not a whole number of at least 0")
    if value != int(value):
        raise ValueError(f"{shown(value)} is not a whole number")
    return int(value)


def binary(value: object) -> bytes:
    """Bytes, in DynamoDB's own type or Python's."""
    content = getattr(value, "value", value)
    if not isinstance(content, bytes):
        raise ValueError(f"{shown(value)} is not binary")
    return content


def past(value: object, now: datetime) -> datetime:
    """A time (UTC) at which something can have happened: not before 2000, at most AHEAD of `now`."""
    return _between(_OLDEST, value, now + AHEAD)


def moment(value: object) -> datetime:
    """A time (UTC) that may be still to come."""
    return _between(_OLDEST, value, _LATEST)


def _between(first: datetime, value: object, last: datetime) -> datetime:
    try:
        time = datetime.fromisoformat(text(value))
        time = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"{shown(value)} is not a time of ISO 8601") from None
    if not first <= time <= last:
        raise ValueError(f"{shown(value)} is no time at which that can be")
    return time


def day(value: object) -> date:
    """A day as `2026-11-23`."""
    try:
        return date.fromisoformat(text(value))
    except ValueError:
        raise ValueError(f"{shown(value)} is not a day like 2026-11-23") from None
