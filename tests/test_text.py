"""Times, accounts and long texts as they are written everywhere."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest

from library import text

LATE = datetime(2026, 3, 8, 23, 59, 59, 999_999, tzinfo=UTC)
IN_TOKYO = LATE.astimezone(timezone(timedelta(hours=9)))


@pytest.mark.parametrize("moment", [LATE, IN_TOKYO], ids=["UTC", "Tokyo"])
def test_a_time_is_written_in_utc_and_not_rounded_up(moment: datetime) -> None:
    assert text.day(moment) == "2026-03-08"
    assert text.minute(moment) == "2026-03-08 23:59"
    assert text.utc(moment) == "2026-03-08 23:59 UTC"
    assert text.iso(moment) == "2026-03-08T23:59:59.999999+00:00"


def test_programs_get_a_day_as_it_is_and_nothing_for_nothing() -> None:
    assert text.iso(LATE.date()) == "2026-03-08"
    assert text.iso(None) is None


@pytest.mark.parametrize(("count", "written"), [(0, "0 days"), (1, "1 day"), (2, "2 days"), (1200, "1200 days")])
def test_one_day_is_a_day(count: int, written: str) -> None:
    assert text.days(count) == written


def test_a_key_that_was_never_used_is_as_old_as_it_is() -> None:
    assert text.last_used_or_created(never_used=True) == "never used, created"
    assert text.last_used_or_created(never_used=False) == "last used"


def test_an_account_has_its_name_before_its_id() -> None:
    assert text.account("123456789012", "master") == "master (123456789012)"
    assert text.account("123456789012", "") == "123456789012"


@pytest.mark.parametrize(("limit", "written"), [(5, "abcde"), (4, "abc…"), (1, "…")])
def test_a_text_that_is_too_long_says_so_within_its_limit(limit: int, written: str) -> None:
    assert text.cut("abcde", limit) == written


@pytest.mark.parametrize("token", ["x", "xoxb-123/~!"])
def test_a_token_is_visible_ascii(token: str) -> None:
    assert text.is_token(token)


@pytest.mark.parametrize("token", ["", " ", "a b", "a\n", "\u00e4", "a\u200b", "a\x7f", "a\tb"])
def test_what_no_header_takes_is_no_token(token: str) -> None:
    assert not text.is_token(token)


# --- foreign texts ---

CONTROLS = [*map(chr, range(0x20)), *map(chr, range(0x7F, 0xA0))]
SEPARATORS = ["\u2028", "\u2029"]
BIDI = [*"\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"]
OTHERS = ["\ufeff", "\u2060", "\ufff9", "\U000e0041", "\ud800"]


@pytest.mark.parametrize("odd", [*CONTROLS, *SEPARATORS, *BIDI, *OTHERS], ids=ascii)
def test_what_ends_a_line_drives_a_terminal_or_turns_text_around_is_escaped(odd: str) -> None:
    assert text.plain(f"a{odd}b").isprintable()
    assert text.plain(f"a{odd}b").encode("ascii").decode("unicode_escape") == f"a{odd}b"
    assert len(text.plain(f"a{odd}b").splitlines()) == 1


@pytest.mark.parametrize(
    "good",
    [
        "",
        "alice",
        "größe",
        "日本\u3000語",
        "👩\u200d💻",
        "نامه\u200cای",
        "a\u00a0b",
        "soft\u00adhyphen",
        r"C:\new",
        "´`'\"",
    ],
)
def test_what_people_write_stays_as_it_is(good: str) -> None:
    assert text.plain(good) == good
    assert json.loads(text.as_json([good])) == [good]
    assert good in text.as_json([good]) or not good.isprintable() or "\\" in good or '"' in good


@pytest.mark.parametrize("lines", [True, False])
def test_json_is_the_same_value_and_nothing_in_it_reaches_a_terminal_as_it_is(*, lines: bool) -> None:
    every = "".join([*CONTROLS, *SEPARATORS, *BIDI, *OTHERS[:-1]])
    value = {every: [every, {"größe": "日本"}], "n": 1}
    written = text.as_json(value, lines=lines)
    assert json.loads(written) == value
    assert "größe" in written
    assert written.replace("\n", "").isprintable()
    assert ("\n" in written) is lines
