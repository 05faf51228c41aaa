"""The log of a command: lines on standard error and, on the host, in a file."""

from __future__ import annotations

import logging
import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from library.cli.loudness import is_quiet, is_verbose
from library.text import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = Path("/var/log/hammer")
LOG_FORMAT = "%(asctime)s %(levelname)s %(message)s"

logger = logging.getLogger("hammer")


def log_decision(account_id: str, user: str, key: str, verdict: str, reason: str) -> None:
    """The one line at INFO that every decision on a key gets."""
    logger.info("account=%s user=%s key=%s verdict=%s reason=%s", account_id, user, key, verdict, reason)


class OneLine(logging.Formatter):
    """Each record on one line, without anything that drives a terminal: its parts may be anybody's words."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        return plain(super().format(record))


@contextmanager
def logging_to_standard_error() -> Iterator[None]:
    """Our log lines go to standard error, with `-q` from WARNING on; the levels are put back at the end."""
    levels = {"": logging.WARNING, "hammer": logging.INFO, "library": logging.INFO}
    before = {name: logging.getLogger(name).level for name in levels}
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    try:
        with logging_to(_StandardError(logging.WARNING if is_quiet() else logging.NOTSET)):
            yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)


@contextmanager
def logging_to(*handlers: logging.Handler) -> Iterator[None]:
    """Log lines go to these, too, which are closed at the end."""
    root = logging.getLogger()
    for handler in handlers:
        handler.setFormatter(OneLine(LOG_FORMAT))
        root.addHandler(handler)
    try:
        yield
    finally:
        for handler in handlers:
            root.removeHandler(handler)
            handler.close()


@contextmanager
def summed_up_on_a_terminal(wanted: bool = True) -> Iterator[bool]:
    """Keep lines at INFO of the block from the terminal; whether they are: not with `-v`, and not in a pipe."""
    hidden = wanted and sys.stderr.isatty() and not is_verbose()
    terminals = [each for each in logging.getLogger().handlers if isinstance(each, _StandardError)] if hidden else []
    levels = [each.level for each in terminals]
    for each in terminals:
        each.setLevel(logging.WARNING)
    try:
        yield hidden
    finally:
        for each, level in zip(terminals, levels, strict=True):
            each.setLevel(level)


def log_files(stream: str, folder: Path = FOLDER) -> list[logging.Handler]:
    """A handler for the file of a log stream; none where the folder is missing or may not be written to.

    Raises OSError if the folder may be written to, but not the file.
    """
    if folder.is_dir() and os.access(folder, os.W_OK):
        return [logging.FileHandler(folder / f"{stream}.log", encoding="utf-8")]
    return []


def _for_people(record: logging.LogRecord) -> str:
    """The line for somebody who sees it come: no time, and a level only where something is wrong."""
    return (_PLAIN if record.levelno <= logging.INFO else _WITH_LEVEL).format(record)


_PLAIN, _WITH_LEVEL = OneLine("%(message)s"), OneLine("%(levelname)s %(message)s")


class _StandardError(logging.Handler):
    """Writes to whatever standard error is at that moment: a progress bar replaces it while it is shown.

    In a pipe or a file a line has time and level, as in every other log.
    """

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        try:
            sys.stderr.write(f"{_for_people(record) if sys.stderr.isatty() else self.format(record)}\n")
            # So that a line stands where it was said, among those of standard output, too.
            sys.stderr.flush()
        except Exception:
            # As every handler of logging does: a terminal that went away must not stop the work.
            self.handleError(record)
