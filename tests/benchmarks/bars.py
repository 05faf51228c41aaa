"""What a benchmark must reach, and whether it did."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console


@dataclass(frozen=True, slots=True)
class Bar:
    """One figure that is held to a limit; both as they are shown."""

    what: str
    figure: str
    limit: str
    reached: bool


def show(console: Console, bars: Iterable[Bar]) -> bool:
    """Print each with `ok` or `MISSED`; whether all were reached."""
    bars = list(bars)
    for bar in bars:
        verdict = "[green]ok    [/]" if bar.reached else "[bold red]MISSED[/]"
        console.print(f"  {verdict}  {bar.what}: {bar.figure} (bar: {bar.limit})", highlight=False)
    console.print()
    return all(bar.reached for bar in bars)
