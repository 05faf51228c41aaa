"""Ctrl-C and SIGTERM: they end a command between two pieces of work; the third of them ends it wherever it is."""

from __future__ import annotations

import logging
import os
import select
import signal
import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from library import messages
from library.cli.codes import INTERRUPTED
from library.messages import Message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

_BOTH = (signal.SIGINT, signal.SIGTERM)
_TOO_MANY = 3

logger = logging.getLogger("hammer")


@contextmanager
def ended_by_the_third() -> Iterator[None]:
    """Let the third Ctrl-C or SIGTERM in the block end this process at once, whatever it waits for.

    What was done until then is recorded or owed, as after any other death of a run. A signal that has no handler of
    Python's does what it always does. In the main thread only.
    """
    # Handlers run in the main thread, once it is out of the call that it waits in. This socket is written to at once.
    hears, says = socket.socketpair()
    says.setblocking(False)
    before = signal.set_wakeup_fd(says.fileno(), warn_on_full_buffer=False)
    threading.Thread(target=_count, args=(hears,), name="signals", daemon=True).start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        says.close()


def _count(hears: socket.socket) -> None:
    came = 0
    with hears:
        while numbers := hears.recv(64):
            for _ in range(sum(numbers.count(number) for number in _BOTH)):
                came += 1
                if came == _TOO_MANY - 1:
                    _say("The next Ctrl-C or SIGTERM ends this at once, whatever it waits for")
                elif came == _TOO_MANY:
                    _say("Ended at once; the next run goes on from what is recorded")
                    os._exit(INTERRUPTED)


def _say(text: str) -> None:
    """Past logging and the buffer of standard error: a signal may come in the middle of either. Waits for nobody."""
    if select.select([], [2], [], 0)[1]:
        os.write(2, f"{text}\n".encode())


@contextmanager
def stoppable() -> Iterator[threading.Event]:
    """Let Ctrl-C and SIGTERM set an event, at which the block is to finish what it has begun.

    Raises KeyboardInterrupt once the block is done, if one of them came.
    """
    asked, came = threading.Event(), False

    def ask(_number: int, _frame: FrameType | None) -> None:
        nonlocal came
        # Once only, as the next signal may come while this thread has the event's lock.
        if not came:
            came = True
            asked.set()
            _say("Stopping: what is in hand is finished first; the third signal stops at once")

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
