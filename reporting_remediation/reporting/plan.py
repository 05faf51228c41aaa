"""What a dry run of reporting would say, as tables for people or as JSON or CSV for programs."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from library import text
from library.cli import terminal
from library.issues.access_keys import idle_days
from library.notifications.news import RaiseTicket
from library.reports.files import csv_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from library.issues.record import Issue
    from library.notifications.news import News

VERDICTS = ("reported", "told a date", "reminded", "closed", "told")
"""How news is counted, in the order of the columns."""

FIELDS = ("account", "account_name", "user", "key", "verdict", "reason", "idle_days", "ticket", "owner", "slack")
"""The names of JSON's objects and the columns of CSV."""

_PLACES = ("account", "owner", "Slack")


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that a run would say; `subject` is a user or an exemption, which has none of the rest."""

    account: str
    account_name: str
    news: News
    subject: str
    key: str | None = None
    idle_days: int | None = None
    ticket: str | None = None

    @property
    def place(self) -> tuple[str, str, str]:
        """Account, first assignee and the recipients over Slack."""
        slack = ", ".join(self.news.audience.slack)
        return text.account(self.account, self.account_name), self._owner or "", slack

    @property
    def _owner(self) -> str | None:
        return next(iter(self.news.audience.assignees), None)

    @property
    def verdict(self) -> str:
        """As it is in the log."""
        return f"would be {self.news.verdict}"

    def for_programs(self) -> dict[str, object]:
        """What it is in JSON, and in CSV, where `slack` is one text."""
        return {
            "account": self.account,
            "account_name": self.account_name,
            "user": self.subject,
            "key": self.key,
            "verdict": self.verdict,
            "reason": self.news.reason,
            "idle_days": self.idle_days,
            "ticket": self.ticket,
            "owner": self._owner,
            "slack": [*self.news.audience.slack],
        }


def row_of(issue: Issue, news: News, account_name: str, now: datetime) -> Row:
    """What would be said of an issue, as of `now` (UTC)."""
    details = issue.details
    idle = idle_days(details.last_used, now)
    return Row(issue.account_id, account_name, news, details.username, issue.issue_id, idle, issue.jira.ticket)


def asked_of(rows: Sequence[Row]) -> tuple[set[str], set[str]]:
    """The projects in which tickets are raised or changed, and the recipients over Slack."""
    planned = [row.news for row in rows]
    projects = {news.on_ticket.new.project for news in planned if isinstance(news.on_ticket, RaiseTicket)}
    projects |= {(row.ticket or "").rpartition("-")[0] for row in rows if row.news.on_ticket is not None}
    return projects - {""}, {each for news in planned if news.messages for each in news.audience.slack}


def show(rows: Sequence[Row], form: str) -> None:
    """Print what would be said to standard output, and nothing else; as a table with totals per account and owner."""
    if form == "json":
        click.echo(text.as_json([row.for_programs() for row in rows]))
    elif form == "csv":
        cells = [{**row.for_programs(), "slack": row.place[2]} for row in rows]
        click.echo(csv_text(FIELDS, cells), nl=False)
    else:
        _show_tables(rows)


def _show_tables(rows: Sequence[Row]) -> None:
    # The sort is stable: within an account and owner the longest idle stay first.
    cells = [
        (
            *row.place,
            row.subject,
            row.key or "",
            "" if row.idle_days is None else str(row.idle_days),
            row.verdict,
            row.news.reason,
            row.ticket or "",
        )
        for row in sorted(rows, key=lambda row: row.place)
    ]
    headings = (*_PLACES, "user", "key", "idle days", "verdict", "reason", "ticket")
    terminal.print_table("The plan; nothing was changed", headings, cells)
    counted = Counter((row.place, row.news.verdict) for row in rows)
    totals = [
        (*place, *(str(counted[place, verdict]) for verdict in VERDICTS))
        for place in sorted({row.place for row in rows})
    ]
    click.echo()
    terminal.print_table("Per account and owner", (*_PLACES, *VERDICTS), totals)
