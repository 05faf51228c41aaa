"""What cannot be written after the work is said before it, and a page does not fill a terminal."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

import click
import pytest

from library.cli.output import check_output

if TYPE_CHECKING:
    from pathlib import Path


class Terminal(io.StringIO):
    """What a terminal shows."""

    def isatty(self) -> bool:
        return True


def test_a_page_needs_a_file_or_a_pipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check_output("html", None)
    monkeypatch.setattr(sys, "stdout", Terminal())
    for form in ("table", "csv", "json"):
        check_output(form, None)
    check_output("html", tmp_path / "page.html")
    with pytest.raises(click.UsageError, match="add --output FILE"):
        check_output("html", None)


def test_a_file_needs_a_folder_unless_it_is_there(tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.write_text("old")
    for good in (there, tmp_path / "new"):
        check_output("json", good)
    with pytest.raises(click.BadParameter, match="does not exist, or no file can be made in it"):
        check_output("json", tmp_path / "nowhere" / "new")
