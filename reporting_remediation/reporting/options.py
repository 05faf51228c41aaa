"""What the operator asks of a run on the command line."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Options:
    """How to run, on which `accounts` (ids; empty for all), and of which keys JIRA has no ticket: `raise_again`."""

    dry_run: bool = False
    limit: int | None = None
    accounts: tuple[str, ...] = ()
    raise_again: tuple[str, ...] = ()
