"""Lays out rows for people, in a given width: no word is ever broken, as ids are copied and looked for."""

from __future__ import annotations

import unicodedata
from itertools import zip_longest
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_GAP = "  "
_INDENT = "    "
_FOLDED = 24
"""What is no wider keeps its line: a time, a key, an account."""


def laid_out(headings: Sequence[str], rows: Sequence[Sequence[str]], width: int | None) -> tuple[str, list[str]]:
    """The line of headings and the lines of the rows; a width of None has room for everything.

    They are columns, in which long texts are folded between words. Where that does not fit, each row is a block of
    lines that names its cells, there is no line of headings (`""`), and empty cells are left out. Cells are single
    lines. A line is wider than `width` only where a single word is.
    """
    widths = [max(map(columns, column)) for column in zip(headings, *rows, strict=True)]
    if width is not None:
        fitted = _fitted(widths, [headings, *rows], width)
        if fitted is None:
            return "", [line for row in rows for line in _block(headings, row, width)]
        widths = fitted
    if not widths:
        return "", []
    # Headings have no long texts, so they take one line.
    first, *lines = [line for row in (headings, *rows) for line in _in_columns(row, widths)]
    return first, lines


def folded(text: str, width: int) -> list[str]:
    """The text in lines of at most `width` columns, or of a word that is wider."""
    lines: list[str] = []
    for word in text.split(" "):
        if lines and columns(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines or [""]


def hanging(text: str, width: int, indent: int) -> list[str]:
    """As `folded`, and every line but the first begins with an indent."""
    first, *more = folded(text, width)
    return [first, *(" " * indent + line for line in folded(" ".join(more), width - indent) if more)]


def columns(text: str) -> int:
    """How many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(each) else 2 if unicodedata.east_asian_width(each) in "WF" else 1 for each in text
    )


def _fitted(natural: list[int], rows: Sequence[Sequence[str]], width: int) -> list[int] | None:
    """The width of each column, None if they do not fit beside each other."""
    words = [max(columns(word) for cell in column for word in cell.split(" ")) for column in zip(*rows, strict=True)]
    widths = [min(wide, max(_FOLDED, word)) for wide, word in zip(natural, words, strict=True)]
    room = width - len(_GAP) * (len(widths) - 1) - sum(widths)
    if room < 0:
        return None
    wanting = sorted((wide - least, number) for number, (wide, least) in enumerate(zip(natural, widths, strict=True)))
    for position, (more, number) in enumerate(wanting):
        given = min(more, room // (len(wanting) - position))
        widths[number] += given
        room -= given
    return widths


def _in_columns(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    cells = [folded(cell, width) for cell, width in zip(row, widths, strict=True)]
    return [
        _GAP.join(part + " " * (width - columns(part)) for part, width in zip(parts, widths, strict=True)).rstrip()
        for parts in zip_longest(*cells, fillvalue="")
    ]


def _block(headings: Sequence[str], row: Sequence[str], width: int) -> list[str]:
    lines: list[str] = []
    for heading, cell in zip(headings, row, strict=True):
        if not cell.strip():
            continue
        item = f"{heading}: {cell}"
        if lines and columns(f"{lines[-1]}{_GAP}{item}") <= width:
            lines[-1] += f"{_GAP}{item}"
        else:
            begun = _INDENT if lines else ""
            lines += hanging(begun + item, width, len(_INDENT))
    return lines
