"""What every command has in common: `-h`, and an output that any terminal, pipe or file can take."""

from __future__ import annotations

import inspect
import io
import os
import sys
from functools import partial
from typing import Any, NoReturn

import click

from library.cli.codes import FAILED
from library.messages import Message, line

_EXIT_CODES = "Exit codes: "
SETTINGS = {"help_option_names": ["-h", "--help"]}


class Writing:
    """For a command of click: what cannot be written is said, or nobody reads it, and there is no traceback."""

    def main(self, *given: Any, **named: Any) -> NoReturn:
        """Run as click does, with the exit code 1 if standard output cannot be written."""
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                # A terminal that lacks a character shows its number.
                stream.reconfigure(errors="backslashreplace")
        try:
            try:
                super().main(*given, **named)  # type: ignore[misc]
            finally:
                sys.stdout.flush()
        except OSError as error:
            # Python would try again at its end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.__stdout__.fileno() if sys.__stdout__ else 1)
            if not isinstance(error, BrokenPipeError):
                text = f"A file or the network is not usable: {error}"
                click.echo(line(Message.FILE_OR_NETWORK, text), err=True)
            sys.exit(FAILED)
        raise AssertionError("click ends with an exit code")


class Command(Writing, click.Command):
    """A command; its exit codes are said after its options, wherever its docstring has them."""

    def __init__(self, *given: Any, **named: Any) -> None:
        """As click does."""
        super().__init__(*given, **named)
        before, begun, codes = inspect.cleandoc(self.help or "").partition(f"\n\n{_EXIT_CODES}")
        if begun:
            codes, _, after = codes.partition("\n\n")
            self.help, self.epilog = f"{before}\n\n{after}".rstrip(), f"{_EXIT_CODES}{codes}"


class Group(Writing, click.Group):
    """A command of commands."""


command = partial(click.command, cls=Command, context_settings=SETTINGS)
"""The decorator, in the place of click's own."""
