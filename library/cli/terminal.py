"""How a command looks on a terminal and in a pipe: a progress bar, tables."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, TextIO

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from library.text import plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PIPE_WIDTH = 240
"""Columns of a table in a pipe: wide enough that nothing is cut off."""


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
        TextColumn(what),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[counts]}"),
    )
    # Log lines that come meanwhile are written above the bar.
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(what, total=total, counts="")

        def advance(counts: str, steps: int = 1, /) -> None:
            bar.update(task, advance=steps, counts=counts)

        yield advance


def console(file: TextIO | None = None) -> Console:
    """Where people read: coloured and as wide as the terminal, plain and wide enough in a pipe or a file."""
    plain = Console(file=file)
    return plain if plain.is_terminal else Console(file=file, width=PIPE_WIDTH)


def say(text: str, *, err: bool = False) -> None:
    """Print lines of our own making on standard output, or on standard error; nothing in them drives the terminal.

    A part that is somebody else's and may have line breaks has to be made `plain` before.
    """
    click.echo("\n".join(map(plain, text.split("\n"))), err=err)


def table_of(title: str, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """A table whose columns line up; cells are shown as they are, never taken for markup."""
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*(Text(plain(cell)) for cell in row))
    return table
