"""The operator at the terminal of a command that works key by key: is asked, and may stop it between two keys."""

from __future__ import annotations

import signal
import sys
from contextlib import contextmanager
from enum import Enum
from typing import TYPE_CHECKING

import click

from library.cli.run import logger

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

CHOICES = "[y/N] (a: yes to the rest of this account, q: quit)"
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Answer(Enum):
    """What the operator wants for one key."""

    YES = "yes"
    NO = "refused by the operator"
    QUIT = "the operator has quit"
    NOBODY = "nobody could be asked"


class Prompt:
    """Asks for one key after the other; nobody at a terminal, or the end of input, means no to all of them."""

    def __init__(self, question: str) -> None:
        self._question = question
        self._agreed: set[str] = set()
        self.nobody_there = False
        """Whether there was a question that nobody could be asked."""

    def ask(self, account_id: str, facts: Sequence[tuple[str, str]]) -> Answer:
        """Show the facts of a key of an account, each with its name, and ask."""
        if account_id in self._agreed:
            return Answer.YES
        if self.nobody_there or not sys.stdin.isatty():
            self.nobody_there = True
            return Answer.NOBODY
        click.echo("\n" + "\n".join(f"  {name:<10} {value}" for name, value in facts))
        while True:
            try:
                answer = input(f"{self._question} {CHOICES} ").strip().lower()
            except EOFError:
                click.echo()
                self.nobody_there = True
                return Answer.NOBODY
            if answer in ("y", "yes"):
                return Answer.YES
            if answer in ("", "n", "no"):
                return Answer.NO
            if answer == "a":
                self._agreed.add(account_id)
                return Answer.YES
            if answer == "q":
                return Answer.QUIT
            click.echo("  y, n, a or q; Enter means n")


@contextmanager
def stoppable_between_keys() -> Iterator[None]:
    """SIGTERM ends the command as Ctrl-C does: with KeyboardInterrupt, outside of `uninterrupted`."""

    def stop(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold Ctrl-C and SIGTERM back until the block is done, so that the key in hand is finished or untouched."""
    came: list[int] = []

    def hold(number: int, _frame: object) -> None:
        came.append(number)
        logger.warning("Stopping as soon as this key is finished and recorded")

    before = {number: signal.signal(number, hold) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if came:
            raise KeyboardInterrupt
