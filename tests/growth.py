"""How the work of a piece of code grows with its input: steps are counted, so that no clock decides.

A step is a line of the project's own code that runs, or a comparison of two texts of the kind below: what a list or a
tuple is searched for takes no line, and one comparison for each of its items.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

_ROOT = Path(__file__).resolve().parents[1]
_OURS = tuple(str(_ROOT / room) for room in ("library", "identification", "reporting_remediation", "deployment"))

FEW, MANY = 200, 2_000
"""The sizes of the inputs."""
MOST = 1.5
"""How much more than in proportion the steps may grow, as sorting does."""


class Text(str):
    """A text that counts with how many others it is compared."""

    __slots__ = ()
    compared = 0

    def __eq__(self, other: object) -> bool:
        Text.compared += 1
        return str.__eq__(self, other)

    __hash__ = str.__hash__


def steps(work: Callable[[], object]) -> int:
    """How many steps some work takes in this thread."""
    lines = 0

    def count(_frame: FrameType, event: str, _argument: Any) -> Any:
        nonlocal lines
        lines += event == "line"
        return count

    def enter(frame: FrameType, _event: str, _argument: Any) -> Any:
        return count if frame.f_code.co_filename.startswith(_OURS) else None

    before, compared = sys.gettrace(), Text.compared
    sys.settrace(enter)
    try:
        work()
    finally:
        sys.settrace(before)
    return lines + Text.compared - compared


def growth(work_on: Callable[[int], Callable[[], object]], few: int = FEW, many: int = MANY) -> float:
    """How the steps grow with the input: 1 in proportion, 10 with its square. `work_on` makes the work of a size."""
    at_first, in_the_end = steps(work_on(few)), steps(work_on(many))
    # Work that does nothing would grow like nothing else.
    assert in_the_end > many
    return in_the_end / at_first / (many / few)
