"""How the product writes times, accounts, errors and long texts, the same in every room."""

from __future__ import annotations

import json
import re
import traceback
import unicodedata
from datetime import UTC, datetime
from pathlib import PurePath
from typing import TYPE_CHECKING, overload

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import date

_LONGEST_ERROR = 1000
_PLACES = 5
_JOINERS = "\u00ad\u200c\u200d"
_NEVER_PLAIN = ("Cc", "Cf", "Cs", "Zl", "Zp")


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


def listed(names: Collection[str], most: int = 5) -> str:
    """`a, b`, or `a, b, c, d, e and 12 more` where there are more names than `most`."""
    shown = ", ".join([*names][:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown


def last_used_or_created(*, never_used: bool) -> str:
    """What a time of an issue's details called `last_used` is: that of the last use, or of the creation."""
    return "never used, created" if never_used else "last used"


def account(account_id: str, name: str) -> str:
    """`master (123456789012)`, or the id alone if the account has no name."""
    return f"{name} ({account_id})" if name else account_id


def cut(text: str, limit: int) -> str:
    """The text, or as much of it as fits `limit` characters together with `…` in place of the rest."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def unexpected(error: BaseException) -> str:
    """An error that nobody has thought of, in one line: what it is, and the innermost places where it came up."""
    try:
        what = plain(repr(error))
    except Exception:
        what = type(error).__name__
    frames = traceback.extract_tb(error.__traceback__)[-_PLACES:]
    # The paths of machines are nobody's business.
    places = (f"{'/'.join(PurePath(frame.filename).parts[-2:])} line {frame.lineno}" for frame in reversed(frames))
    where = f" in {', called in '.join(places)}" if frames else ""
    return f"unexpected {cut(what, _LONGEST_ERROR)}{where}"


def plain(text: str) -> str:
    """The text on one line and harmless: what ends a line, drives a terminal or turns text around is escaped.

    That is all of Unicode's control, format and separating characters but spaces and what joins letters or emoji.
    """
    return text if text.isprintable() else "".join(map(_escaped, text))


def as_json(value: object, *, lines: bool = True) -> str:
    """JSON with the texts as people read them, and in it escaped what `plain` escapes; on one line unless `lines`."""
    indent, separators = (2, None) if lines else (None, (",", ":"))
    found = json.dumps(value, indent=indent, separators=separators, ensure_ascii=False, default=str)
    if found.replace("\n", "").isprintable():
        return found
    # A line feed can only be the form's: in a text it is escaped already.
    return "".join(each if each == "\n" or _is_plain(each) else json.dumps(each)[1:-1] for each in found)


def _escaped(character: str) -> str:
    return character if _is_plain(character) else character.encode("unicode_escape").decode()


def _is_plain(character: str) -> bool:
    return character in _JOINERS or unicodedata.category(character) not in _NEVER_PLAIN


def is_token(text: str) -> bool:
    """Whether a text can be a token: visible ASCII characters only, and at least one.

    A token becomes an HTTP header, and http.client quotes a header that it refuses, secret and all.
    """
    return re.fullmatch(r"[!-~]+", text) is not None
