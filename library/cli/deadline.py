"""The end of a run: one that lasts too long is stopped as by Ctrl-C, and ended where it is if that is of no use."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from library import messages
from library.cli.exit_codes import FAILED
from library.cli.logs import logger
from library.messages import Message

if TYPE_CHECKING:
    from collections.abc import Iterator

LASTS = timedelta(hours=6)
"""Longer than a first run in a large estate, and than anybody who was asked something is still there to answer."""
GRACE = timedelta(minutes=10)
"""How long it may then take to finish what it has in hand, and to send its log."""


@contextmanager
def ended_in_time() -> Iterator[threading.Event]:
    """Stop the block after LASTS, with KeyboardInterrupt in the main thread; end this process GRACE later.

    What is yielded is set when the time is over.
    """
    over, through = threading.Event(), threading.Event()
    main = threading.main_thread().ident or 0

    def watch() -> None:
        if through.wait(LASTS.total_seconds()):
            return
        over.set()
        hours = f"{LASTS.total_seconds() / 3600:g} hours"
        text = f"This run has lasted for {hours} and is stopped; the next one goes on from what is recorded"
        messages.error(logger, Message.RUN_TOO_LONG, text)
        # A signal of its own: it wakes a main thread that waits for somebody.
        signal.pthread_kill(main, signal.SIGINT)
        if not through.wait(GRACE.total_seconds()):
            os._exit(FAILED)

    thread = threading.Thread(target=watch, name="deadline", daemon=True)
    thread.start()
    try:
        yield over
    finally:
        through.set()
        thread.join()
