"""What is decided about an issue, as a value: a step to take, or why none is taken; and what became of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from library.text import iso

if TYPE_CHECKING:
    from datetime import datetime

    from library.issues.record import Issue

KEPT = 50
"""How many entries of the history are kept, the latest ones: a row has room for 400 kB, and people read the end."""

_WHY_LIMIT = 500


@dataclass(frozen=True, slots=True)
class Skip:
    """Nothing is done with an issue, because of `reason`; `due` is when its key may be switched off, if known."""

    reason: str
    due: datetime | None = None


class Verdict(StrEnum):
    """What became of a key in a run of remediation or restore, in the words of its log line and of its plan."""

    SWITCHED_OFF = "switched off"
    SWITCHED_ON = "switched on"
    TOLD = "told"
    SKIPPED = "skipped"
    FAILED = "failed"
    WOULD_BE_SWITCHED_OFF = "would be switched off"
    WOULD_BE_SWITCHED_ON = "would be switched on"
    WOULD_BE_COMPLETED = "would be completed"
    WOULD_BE_TOLD_AGAIN = "would be told again"


@dataclass(frozen=True, slots=True)
class Step:
    """One change of an issue: `after` it, `what` it is called in the history, `why`, and its `time` (UTC).

    Where `what` is empty it is a mere mark, and the history does not mention it. Where `after` is as before, only the
    history gets its entry.
    """

    after: Issue
    what: str
    why: str
    time: datetime

    @property
    def recorded(self) -> Issue:
        """`after` with the entry of this step in its history: a map of `time` (ISO 8601, UTC), `what` and `why`."""
        if not self.what:
            return self.after
        entry = {"time": iso(self.time), "what": self.what, "why": self.why[:_WHY_LIMIT]}
        return replace(self.after, history=(*self.after.history, entry)[-KEPT:])

    def changes(self, before: Issue | None) -> bool:
        """Whether there is anything to write; the same entry is not written twice in a row for nothing else."""
        if before is None or self.after != before:
            return True
        return bool(self.what) and (not before.history or before.history[-1].get("what") != self.what)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a step: the issue `before` and `after` it, which are the same if nothing was `written`.

    `refused` is why the step was not taken, None if it was taken or there was nothing to do.
    """

    before: Issue | None
    after: Issue | None
    written: bool = False
    refused: Skip | None = None
