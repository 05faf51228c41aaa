"""What a dry run would do, key by key, as a table for people or as JSON or CSV for programs."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING

import click

from library.cli import terminal
from library.issues.access_keys import idle_days
from library.reports.files import csv_text
from library.text import as_json, iso

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from library.config.settings import Config
    from library.issues.record import Issue


@dataclass(frozen=True, slots=True)
class PlanRow:
    """One issue with what would become of its key; the names are those of the JSON objects and the CSV columns.

    Times are ISO 8601 in UTC. `due` is when the key may be switched off, None if that is not known; `promised` is the
    date that people were told.
    """

    account: str
    account_name: str
    user: str
    key: str
    verdict: str
    reason: str
    due: str | None
    idle_days: int
    created: str
    last_used: str | None
    reported: str | None
    promised: str | None
    ticket: str | None
    assignee: str | None


def row(settings: Config, issue: Issue, verdict: str, reason: str, due: datetime | None, now: datetime) -> PlanRow:
    """The row of an issue, as of `now` (UTC)."""
    details = issue.details
    return PlanRow(
        account=issue.account_id,
        account_name=settings.aws.accounts.get(issue.account_id, ""),
        user=details.username,
        key=issue.issue_id,
        verdict=verdict,
        reason=reason,
        due=iso(due),
        idle_days=idle_days(details.last_used, now),
        created=iso(details.create_date),
        last_used=None if details.never_used else iso(details.last_used),
        reported=iso(issue.timestamps.reported),
        promised=iso(issue.timestamps.promised),
        ticket=issue.jira.ticket,
        assignee=issue.jira.ticket_assignee_id,
    )


def show(rows: Sequence[PlanRow], form: str) -> None:
    """Print the plan to standard output, and nothing else."""
    if form == "json":
        click.echo(as_json([asdict(each) for each in rows]))
    elif form == "csv":
        names = [field.name for field in fields(PlanRow)]
        click.echo(csv_text(names, (asdict(each) for each in rows)), nl=False)
    else:
        headings = ("account", "user", "key", "idle days", "verdict", "reason", "due (UTC)", "ticket")
        cells = [
            (
                each.account,
                each.user,
                each.key,
                str(each.idle_days),
                each.verdict,
                each.reason,
                _due_besides(each.reason, (each.due or "")[:16].replace("T", " ")),
                each.ticket or "",
            )
            for each in rows
        ]
        terminal.print_table("The plan; nothing was changed", headings, cells)


def _due_besides(reason: str, due: str) -> str:
    """When a key is due, unless the reason says so."""
    return "" if due in reason else due
