"""How the product writes times, accounts and long texts, the same in every room."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, overload

if TYPE_CHECKING:
    from datetime import date


def day(moment: datetime) -> str:
    """`2026-03-08`, the day in UTC of an aware time."""
    return f"{moment.astimezone(UTC):%Y-%m-%d}"


def minute(moment: datetime) -> str:
    """`2026-03-08 09:30`, in UTC, of an aware time; for columns whose heading says UTC."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}"


def utc(moment: datetime) -> str:
    """`2026-03-08 09:30 UTC`, of an aware time."""
    return f"{minute(moment)} UTC"


@overload
def iso(moment: date) -> str: ...
@overload
def iso(moment: date | None) -> str | None: ...
def iso(moment: date | None) -> str | None:
    """`2026-03-08T09:30:00+00:00`, in UTC, of an aware time, and `2026-03-08` of a day; None stays None."""
    if isinstance(moment, datetime):
        return moment.astimezone(UTC).isoformat()
    return None if moment is None else moment.isoformat()


def days(count: int) -> str:
    """`1 day`, `7 days`."""
    return "1 day" if count == 1 else f"{count} days"


def last_used_or_created(*, never_used: bool) -> str:
    """What a time of an issue's details called `last_used` is: that of the last use, or of the creation."""
    return "never used, created" if never_used else "last used"


def account(account_id: str, name: str) -> str:
    """`master (123456789012)`, or the id alone if the account has no name."""
    return f"{name} ({account_id})" if name else account_id


def cut(text: str, limit: int) -> str:
    """The text, or as much of it as fits `limit` characters together with `…` in place of the rest."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def is_token(text: str) -> bool:
    """Whether a text can be a token: visible ASCII characters only, and at least one.

    A token becomes an HTTP header, and http.client quotes a header that it refuses, secret and all.
    """
    return re.fullmatch(r"[!-~]+", text) is not None
