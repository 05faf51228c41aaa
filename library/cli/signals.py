"""Ctrl-C and SIGTERM: they end a command between two pieces of work, never in the middle of one."""

from __future__ import annotations

import logging
import os
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from library import messages
from library.messages import Message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

_BOTH = (signal.SIGINT, signal.SIGTERM)

logger = logging.getLogger("hammer")


@contextmanager
def stoppable() -> Iterator[threading.Event]:
    """Let Ctrl-C and SIGTERM set an event, at which the block is to finish what it has begun.

    Raises KeyboardInterrupt once the block is done, if one of them came. A second one ends the process at once.
    """
    asked = threading.Event()

    def ask(_number: int, _frame: FrameType | None) -> None:
        # First of all: the event's lock is not held by this thread when the next signal comes.
        for number in _BOTH:
            signal.signal(number, signal.SIG_DFL)
        asked.set()
        # Past logging and the buffer of standard error: the signal may have come in the middle of either.
        os.write(2, b"Stopping: what is in hand is finished first; once more stops at once\n")

    with _handled(ask, *_BOTH):
        yield asked
    if asked.is_set():
        raise KeyboardInterrupt


@contextmanager
def stoppable_between_keys() -> Iterator[None]:
    """Let SIGTERM end the command as Ctrl-C does: with KeyboardInterrupt, which `uninterrupted` holds back."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    with _handled(stop, signal.SIGTERM):
        yield


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold Ctrl-C and SIGTERM back until the block is done, so that a key is switched and recorded, or untouched.

    Raises KeyboardInterrupt then, if one of them came.
    """
    came = False

    def hold(_number: int, _frame: FrameType | None) -> None:
        nonlocal came
        came = True
        messages.warning(logger, Message.STOPPING, "Stopping as soon as this key is finished and recorded")

    with _handled(hold, *_BOTH):
        yield
    if came:
        raise KeyboardInterrupt


@contextmanager
def _handled(handler: Callable[[int, FrameType | None], None], *numbers: signal.Signals) -> Iterator[None]:
    """Let `handler` take these signals during the block."""
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
