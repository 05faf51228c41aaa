"""`hammer check-config`: `python -m library.config`, whose room knows nothing of click."""

from __future__ import annotations

import sys

import click

from library.cli.command import command
from library.config.__main__ import check


@command()
@click.argument("folder", required=False)
def main(folder: str | None) -> None:
    """Check the configuration and print what is in force, defaults included.

    FOLDER is a folder or s3://bucket/prefix; without it, what the environment variable HAMMER_CONFIG names, otherwise
    config/ beside the code. All errors of all files are printed at once. A folder is checked without AWS.

    Exit codes: 0 valid, 1 what was found cannot be printed, 2 not valid.
    """
    sys.exit(check(folder))
