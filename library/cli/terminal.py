"""How a command looks on a terminal and in a pipe: a progress bar, tables."""

from __future__ import annotations

import shutil
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, TextIO

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column
from rich.text import Text

from library.columns import hanging, laid_out
from library.text import plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class Advance(Protocol):
    """What moves a bar on."""

    def __call__(self, counts: str, steps: int = 1, /) -> None:
        """Move on by a number of steps, by none if only the counts have changed."""


def _nowhere(_counts: str, _steps: int = 1, /) -> None:
    """Show nothing."""


@contextmanager
def progress(what: str, total: int) -> Iterator[Advance]:
    """A bar for `total` steps on the terminal, nothing in a pipe; call it after each step, with the counts so far."""
    if not (sys.stderr.isatty() and total):
        yield _nowhere
        return
    columns = (
        # What is too long on a narrow terminal are the counts.
        TextColumn(what, table_column=Column(no_wrap=True, min_width=len(what))),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[counts]}"),
    )
    # Log lines that come meanwhile are written above the bar, each as one line, which the terminal itself breaks.
    with Progress(*columns, console=Console(stderr=True, soft_wrap=True)) as bar:
        task = bar.add_task(what, total=total, counts="")

        def advance(counts: str, steps: int = 1, /) -> None:
            bar.update(task, advance=steps, counts=counts)

        yield advance


def say(text: str, *, err: bool = False) -> None:
    """Print lines of our own making on standard output, or on standard error; nothing in them drives the terminal.

    A part that is somebody else's and may have line breaks has to be made `plain` before.
    """
    click.echo("\n".join(map(plain, text.split("\n"))), err=err)


def in_lines(text: str, indent: int) -> list[str]:
    """One line as it is shown on standard output: on a terminal folded between words, the rest indented."""
    return hanging(text, shutil.get_terminal_size().columns, indent) if sys.stdout.isatty() else [text]


def print_table(
    title: str, headings: Sequence[str], rows: Sequence[Sequence[str]], file: TextIO | None = None
) -> None:
    """Print a table on standard output, or into a file: as wide as the terminal, or as it is in a pipe or a file.

    On a terminal that is too narrow each row is a block of lines. Cells are shown as they are, never taken for
    markup. An empty `title` is left out. Where there is no row, that is said below the title.
    """
    shown = Console(file=file)
    width = shutil.get_terminal_size().columns if shown.is_terminal else None
    heading, lines = laid_out(headings, [[*map(plain, row)] for row in rows], width)
    if headings and not rows:
        heading, lines = ("" if title else heading), ["none"]
    titles = [plain(title)] if width is None else hanging(plain(title), width, 2)
    styled = [Text(each, style="italic") for each in titles if each]
    styled += [Text(heading, style="bold")] if heading else []
    for line in (*styled, *map(Text, lines)):
        # The terminal itself breaks what is wider, so that an id is copied whole.
        shown.print(line, soft_wrap=True)
