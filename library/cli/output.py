"""Where the result of a command goes."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pathlib import Path


plan_format = click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "csv"]),
    help="With --dry-run: how to print the plan. JSON and CSV come alone on standard output.  [default: table]",
)


def form_of_plan(form: str | None, *, dry_run: bool) -> str:
    """The form of a dry run's plan; raises UsageError if one is given without it."""
    if form is not None and not dry_run:
        raise click.UsageError("--format is for the plan of a --dry-run")
    return form or "table"


def check_output(form: str, output: Path | None) -> None:
    """Say before the work, which may take an hour, that its result cannot go there (`None`: standard output).

    Raises BadParameter if no file can be made at `output`, UsageError for a page (`html`) that would fill a terminal.
    """
    if output is None:
        if form == "html" and sys.stdout.isatty():
            raise click.UsageError("a page is for a file: add --output FILE")
    elif not output.exists() and not os.access(folder := output.absolute().parent, os.W_OK):
        said = f"the folder {folder} does not exist, or no file can be made in it"
        raise click.BadParameter(said, param_hint="'--output'")
