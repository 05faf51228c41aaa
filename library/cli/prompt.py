"""Asks the operator at the terminal about one key after another."""

from __future__ import annotations

import shutil
import sys
from enum import Enum
from typing import TYPE_CHECKING

import click

from library.columns import hanging
from library.text import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

CHOICES = "[y/N] (a: yes to the rest of this account, q: quit)"


class Answer(Enum):
    """What the operator wants for one key."""

    YES = "yes"
    NO = "refused by the operator"
    QUIT = "the operator has quit"
    NOBODY = "nobody could be asked"


_ANSWERS = {"y": Answer.YES, "yes": Answer.YES, "": Answer.NO, "n": Answer.NO, "no": Answer.NO, "q": Answer.QUIT}


class Prompt:
    """Asks one question about each key. Without a terminal, or at the end of the input, every answer is no."""

    def __init__(self, question: str) -> None:
        self._question = question
        self._agreed: set[str] = set()
        self.nobody_there = not sys.stdin.isatty()
        """Whether nobody can be asked, or not any more."""

    def ask(self, account_id: str, facts: Sequence[tuple[str, str]], place: str) -> Answer:
        """Show the facts of a key of an account, each with its name, and ask until the answer is understood.

        `place` is that among all keys, like `3 of 40`.
        """
        if account_id in self._agreed:
            return Answer.YES
        if self.nobody_there:
            return Answer.NOBODY
        click.echo(f"\n{place}")
        width = shutil.get_terminal_size().columns
        for name, value in facts:
            click.echo("\n".join(hanging(f"  {name:<10} {plain(value)}", width, 13)))
        while True:
            try:
                typed = input(f"{self._question} {CHOICES} ").strip().lower()
            except EOFError:
                click.echo()
                self.nobody_there = True
                return Answer.NOBODY
            if typed == "a":
                self._agreed.add(account_id)
                return Answer.YES
            if typed in _ANSWERS:
                return _ANSWERS[typed]
            click.echo("  y, n, a or q; Enter means n")
