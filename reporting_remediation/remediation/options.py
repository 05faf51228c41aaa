"""What the operator asks of a run on the command line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from library.issues.record import Issue


@dataclass(frozen=True, slots=True)
class Options:
    """How to run (`form` is that of a dry run's plan), and which keys: an empty option names all of them.

    `accounts`, `keys` and `tickets` are ids, `users` names in any case; `since` (UTC) names what was switched off, or
    was about to be switched on, from then on.
    """

    batch: bool = False
    dry_run: bool = False
    form: str = "table"
    limit: int | None = None
    accounts: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    tickets: tuple[str, ...] = ()
    since: datetime | None = None

    def name(self, issue: Issue) -> bool:
        """Whether each option that is given names the issue."""
        users = {user.lower() for user in self.users}
        return (
            (not self.accounts or issue.account_id in self.accounts)
            and (not users or issue.details.username.lower() in users)
            and (not self.keys or issue.issue_id in self.keys)
            and (not self.tickets or issue.jira.ticket in self.tickets)
            and self._is_recent(issue)
        )

    def _is_recent(self, issue: Issue) -> bool:
        # A run that was cut off may have switched the key on, and a scan may have begun a new episode since.
        moments = (issue.switched_off_at, issue.restore.started if issue.restore else None)
        return self.since is None or any(moment is not None and moment >= self.since for moment in moments)
