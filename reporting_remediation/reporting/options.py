"""What the operator asks of a run on the command line."""

from __future__ import annotations

from dataclasses import dataclass, field

from library.cli.options import Selection


@dataclass(frozen=True, slots=True)
class Options:
    """How to run (`form` is that of a dry run's plan), on which issues, and of which keys JIRA has no ticket."""

    dry_run: bool = False
    form: str = "table"
    limit: int | None = None
    selection: Selection = field(default_factory=Selection)
    raise_again: tuple[str, ...] = ()
