"""How long a run goes on trying a service that fails."""

from __future__ import annotations

import threading
import time

FAILURES_IN_A_ROW = 3
"""After this number of calls in a row that failed on the service's side, the rest of the run does not try it."""


class Patience:
    """Counts the failures of one service; several threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failures_in_a_row = 0
        self._last_failure = 0.0
        self._given_up = ""

    @property
    def given_up(self) -> str:
        """Why the service is not tried any more in this run; empty while it is."""
        return self._given_up

    def answered(self) -> None:
        """The service did what was asked of it, or refused to: it is there."""
        self._failures_in_a_row = 0

    def failed(self, began: float, cause: str) -> None:
        """A call that began at `began` (of `time.monotonic`) failed on the service's side."""
        with self._lock:
            # What several threads tried at the same time counts once: it takes time to show that a service is down.
            if began < self._last_failure:
                return
            self._last_failure = time.monotonic()
            self._failures_in_a_row += 1
            if self._failures_in_a_row == FAILURES_IN_A_ROW:
                self._given_up = cause

    def give_up(self, cause: str) -> None:
        """Do not try the service any more in this run, whatever came before."""
        self._given_up = cause
