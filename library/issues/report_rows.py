"""What the credential report says of the users of an account, as far as it concerns idle keys."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


class SlotKind(StrEnum):
    """What the report says of one of a user's two places for a key."""

    EMPTY = "empty"
    OFF = "off"
    IN_USE = "in use"
    HELD = "held"
    """On, and not used lately: it may be idle."""
    ODD = "odd"
    """Not understood: it may be idle, and may change without a trace."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One place for a key; `may_be_idle` is whether its key would be idle if it were on, as far as the report knows.

    `rotated` and `used` are the report's texts where the key may be idle, `used` empty if it was never used.
    """

    kind: SlotKind
    may_be_idle: bool = False
    rotated: str = ""
    used: str = ""

    @property
    def held(self) -> tuple[str, ...]:
        """What is held against its key; the times of a slot that is not held may change as they like."""
        return (self.kind.value, self.rotated, self.used) if self.kind is SlotKind.HELD else (self.kind.value,)


@dataclass(frozen=True, slots=True)
class Row:
    """A user of the report; `created` in UTC, `more_keys` if keys may be idle that no slot shows."""

    user: str
    created: datetime
    slots: tuple[Slot, ...]
    more_keys: bool = False

    @property
    def held(self) -> bool:
        """Whether the report does not rule out that a key of this user is idle."""
        return self.more_keys or any(slot.kind in (SlotKind.HELD, SlotKind.ODD) for slot in self.slots)

    @property
    def shows_all(self) -> bool:
        """Whether nothing can happen to the keys of this user that would not change the row."""
        return not self.more_keys and all(slot.kind is not SlotKind.ODD for slot in self.slots)

    def __str__(self) -> str:
        slots = (
            " ".join(filter(None, (slot.kind, slot.rotated and f"rotated {slot.rotated}", slot.used)))
            for slot in self.slots
        )
        return f"{self.user}, created {self.created.isoformat()}: {'; '.join(slots)}"


@dataclass(frozen=True, slots=True)
class Group:
    """The users of the report who were created in one second (UTC), mostly one."""

    created: datetime
    rows: tuple[Row, ...]

    @property
    def held(self) -> bool:
        """Whether the report does not rule out that a key of theirs is idle."""
        return any(row.held for row in self.rows)

    def slots(self, kind: SlotKind) -> list[Slot]:
        """All their slots of a kind."""
        return [slot for row in self.rows for slot in row.slots if slot.kind is kind]
