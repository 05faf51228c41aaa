"""What a dry run of reporting would say, as tables for people."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from library.cli import terminal
from library.notifications.news import RaiseTicket

if TYPE_CHECKING:
    from collections.abc import Sequence

    from library.notifications.news import News

VERDICTS = ("reported", "told a date", "reminded", "closed", "told")
"""How news is counted, in the order of the columns."""

_PLACES = ("account", "owner", "Slack")


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that a run would say; `subject` is a user or an exemption; the rest may be empty."""

    account: str
    news: News
    subject: str
    key: str = ""
    idle: str = ""
    ticket: str = ""

    @property
    def place(self) -> tuple[str, str, str]:
        """Account, first assignee and the recipients over Slack."""
        audience = self.news.audience
        return self.account, next(iter(audience.assignees), ""), ", ".join(audience.slack)


def asked_of(rows: Sequence[Row]) -> tuple[set[str], set[str]]:
    """The projects in which tickets are raised or changed, and the recipients over Slack."""
    planned = [row.news for row in rows]
    projects = {news.on_ticket.new.project for news in planned if isinstance(news.on_ticket, RaiseTicket)}
    projects |= {row.ticket.rpartition("-")[0] for row in rows if row.news.on_ticket is not None}
    return projects - {""}, {each for news in planned if news.messages for each in news.audience.slack}


def show(rows: Sequence[Row]) -> None:
    """Print what would be said, and how many of each kind per account and owner."""
    # The sort is stable: within an account and owner the longest idle stay first.
    cells = [
        (*row.place, row.subject, row.key, row.idle, f"would be {row.news.verdict}", row.news.reason, row.ticket)
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
