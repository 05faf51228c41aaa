"""How many of the active keys are idle: a count says little without what it is of."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from library.reports.text import counted

if TYPE_CHECKING:
    from collections.abc import Sequence


class Share(NamedTuple):
    """The idle keys of an account, and how many of its users' keys are on, idle or not; None if that is not known."""

    idle: int
    active: int | None


def at_least(idle: int, active: int | None) -> int | None:
    """The active keys by a count that may be some hours older than that of the idle ones, all of which are active."""
    return None if active is None else max(idle, active)


def of_active(shares: Sequence[Share]) -> str:
    """`37 of 412 active keys (9%)`, of the accounts of which it is known, and of how many it is not."""
    known = [(each.idle, each.active) for each in shares if each.active is not None]
    if not known:
        return "of how many active keys is not known"
    idle, active = (sum(numbers) for numbers in zip(*known, strict=True))
    unknown = len(shares) - len(known)
    missing = f", not known for {counted(unknown, 'account', 'accounts')}" if unknown else ""
    return f"{idle:,} of {counted(active, 'active key', 'active keys')}{_percent(idle, active)}{missing}"


def _percent(idle: int, active: int) -> str:
    """In whole percent; neither 0% of some nor 100% of nearly all."""
    if not active:
        return ""
    if 0 < idle * 100 < active:
        return " (under 1%)"
    rounded = round(idle * 100 / active)
    return f" ({min(rounded, 99) if idle < active else rounded}%)"
