"""What a scan of an account has to do, and what it knows before it begins."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from library.issues.access_keys import AccessKey
    from library.issues.account_state import Round
    from library.issues.looking import Kept
    from library.issues.memory import Memory


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be scanned, as of `now` (UTC), and what is known of it.

    `issues` are those that have to be kept true. `memory` is None if there is none. `everything` is whether all is
    listed whatever report and memory say. `round` is where an earlier scan was cut off. `wants_tags` is of which idle
    keys the tags of the user are to be read.
    """

    account_id: str
    criteria_days: int
    now: datetime
    issues: Sequence[Kept] = ()
    memory: Memory | None = None
    everything: bool = False
    round: Round | None = None
    wants_tags: Callable[[AccessKey], bool] = field(default=lambda _: False)
