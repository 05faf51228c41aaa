"""Rows in a given width: everything that is in them, and no word in two."""

from __future__ import annotations

import pytest

from library.columns import columns, folded, laid_out

HEADINGS = ("account", "key", "why")
LONG = "the retention period is not over yet, and its owner has not been told a date either"
ROWS = [("master (123456789012)", "AKIAIOSFODNN7EXAMPLE", LONG), ("210987654321", "AKIAI44QH8DHBEXAMPLE", "")]


def test_where_there_is_room_each_row_is_a_line_in_columns() -> None:
    for width in (None, 200):
        heading, lines = laid_out(HEADINGS, ROWS, width)
        assert [heading, *lines] == [
            "account                key                   why",
            f"master (123456789012)  AKIAIOSFODNN7EXAMPLE  {LONG}",
            "210987654321           AKIAI44QH8DHBEXAMPLE",
        ]


def test_where_there_is_less_a_long_text_is_folded_and_nothing_else() -> None:
    heading, lines = laid_out(HEADINGS, ROWS, 80)
    assert [heading, *lines] == [
        "account                key                   why",
        "master (123456789012)  AKIAIOSFODNN7EXAMPLE  the retention period is not over",
        "                                             yet, and its owner has not been",
        "                                             told a date either",
        "210987654321           AKIAI44QH8DHBEXAMPLE",
    ]


def test_where_columns_do_not_fit_a_row_is_a_block_that_names_its_cells_and_has_no_empty_ones() -> None:
    assert laid_out(HEADINGS, ROWS, 60) == (
        "",
        [
            "account: master (123456789012)  key: AKIAIOSFODNN7EXAMPLE",
            "    why: the retention period is not over yet, and its owner",
            "    has not been told a date either",
            "account: 210987654321  key: AKIAI44QH8DHBEXAMPLE",
        ],
    )


@pytest.mark.parametrize("width", [1, 10, 20, 40, 60, 80, 100, 160, 240])
def test_in_any_width_every_word_is_there_whole_and_only_a_single_word_is_wider(width: int) -> None:
    rows = [*ROWS, ("x" * 70, "AKIAI44QH8DHBEXAMP2E", f"{LONG} {'y' * 90}")]
    _, lines = laid_out(HEADINGS, rows, width)
    words = [word for line in lines for word in line.split()]
    for cell in (cell for row in rows for cell in row):
        assert set(cell.split()) <= set(words)
    assert [line for line in lines if columns(line) > width and len(line.split()) > 2] == []


def test_rows_that_are_none_leave_the_headings() -> None:
    assert laid_out(HEADINGS, [], 80) == ("account  key  why", [])
    assert laid_out((), [], 80) == ("", [])


def test_signs_that_take_two_columns_or_none_are_counted_so() -> None:
    assert (columns("jürgen"), columns("ju\u0308rgen"), columns("日本")) == (6, 6, 4)
    _, lines = laid_out(("user", "n"), [("日本", "1"), ("ann", "2")], 80)
    assert lines == ["日本  1", "ann   2"]


def test_a_text_is_folded_between_words_only() -> None:
    assert folded("a-b c 123456789012", 6) == ["a-b c", "123456789012"]
    assert folded("", 6) == [""]
