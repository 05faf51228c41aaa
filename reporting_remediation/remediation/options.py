"""What the operator asks of a run on the command line."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from library.cli.options import Selection

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from library.cli.options import Missing
    from library.issues.record import Issue


@dataclass(frozen=True, slots=True)
class Options:
    """How to run (`form` is that of a dry run's plan), and which keys.

    `since` (UTC) names what was switched off, or was about to be switched on, from then on.
    """

    batch: bool = False
    dry_run: bool = False
    form: str = "table"
    limit: int | None = None
    selection: Selection = field(default_factory=Selection)
    since: datetime | None = None

    @property
    def asks_nobody(self) -> bool:
        """Whether the run goes on without a question."""
        return self.batch or self.dry_run

    def among(self, issues: Collection[Issue]) -> tuple[list[Issue], list[Missing]]:
        """The issues that every option names, and each value that names none at all."""
        named, missing = self.selection.among(issues)
        return [issue for issue in named if self._is_recent(issue)], missing

    def _is_recent(self, issue: Issue) -> bool:
        # A run that was cut off may have switched the key on, and a scan may have begun a new episode since.
        moments = (issue.switched_off_at, issue.restore.started if issue.restore else None)
        return self.since is None or any(moment is not None and moment >= self.since for moment in moments)
