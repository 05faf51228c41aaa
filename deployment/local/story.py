"""Tells on the terminal what happened on an estate, as tables that line up."""

import textwrap
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from deployment.local.estate import Estate
from deployment.local.runs import CommandRun, Decision
from deployment.local.slack_stand_in import SlackMessage
from library.issues.record import Issue
from library.text import day

_INDENT = 3
_WIDTH_IN_A_PIPE = 150
_STYLES = {
    "open": "yellow",
    "whitelisted": "cyan",
    "closed": "green",
    "resolved": "green",
    "reported": "yellow",
    "switched off": "bold red",
    "would be switched off": "red",
    "Active": "green",
    "Inactive": "red",
    "Closed": "green",
    "To Do": "yellow",
}


class Story:
    """What is shown, step by step; `estate` gives the names of accounts."""

    def __init__(self, estate: Estate) -> None:
        plain = Console(highlight=False)
        self._console = plain if plain.is_terminal else Console(highlight=False, width=_WIDTH_IN_A_PIPE)
        self._estate = estate
        self._steps = 0

    def step(self, title: str) -> None:
        """Begin the next step."""
        self._steps += 1
        self._console.print()
        self._console.print(Text(f"{self._steps}  {title}", style="bold"))

    def say(self, text: str) -> None:
        """A sentence or more, wrapped as the terminal needs it."""
        self._indented(Text(text))

    def lines(self, text: str) -> None:
        """Text whose lines stay as they are."""
        self._console.print(Text(textwrap.indent(text, " " * _INDENT)), soft_wrap=True)

    def command(self, run: CommandRun) -> None:
        """A command that was run, its exit code, and the line that counts what it did."""
        self._indented(Text(f"$ {run.command}", style="bold blue"))
        self._indented(Text(f"exit code {run.code}. {run.summary}"))

    def table(self, headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Rows below headings; a cell that is a status has its colour."""
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="underline")
        for heading in headings:
            table.add_column(heading, overflow="fold")
        for row in rows:
            table.add_row(*(Text(cell, style=_STYLES.get(cell, "")) for cell in row))
        self._indented(table)

    def decisions(self, decisions: Iterable[Decision], verdict: str = "verdict") -> None:
        """What was decided on keys, and why."""
        self.table(
            ("account", "user", "key", verdict, "why"),
            (self._row(decision) for decision in decisions),
        )

    def tickets(self, decisions: Sequence[Decision]) -> None:
        """What reporting did for each issue, and what JIRA holds for it."""
        issues = {issue.issue_id: issue for issue in self._estate.issues()}
        tickets = self._estate.jira.issues
        rows = []
        for decision in sorted(decisions, key=lambda decision: decision.place):
            ticket = tickets.get(issues[decision.key].jira.ticket or "")
            shown = (ticket.key, ticket.status, ticket.assignee or "-", str(len(ticket.comments))) if ticket else ()
            rows.append((*self._row(decision), *shown))
        headings = ("account", "user", "key", "what was done", "why", "ticket", "status", "assignee", "comments")
        self.table(headings, rows)

    def messages(self, messages: Sequence[SlackMessage]) -> None:
        """How many messages each recipient got in Slack."""
        counted = sorted(Counter(message.recipient for message in messages).items())
        shown = ", ".join(f"{recipient} {count}" for recipient, count in counted)
        self.say(f"Slack took {len(messages)} messages: {shown}.")

    def issues(self, issues: Iterable[Issue]) -> None:
        """The issues table, with the status that each key has in IAM now."""
        statuses = self._estate.key_statuses()
        self.table(
            (
                "account",
                "user",
                "key",
                "key is",
                "issue",
                "ended as",
                "episode",
                "ticket",
                "reported",
                "switched off",
            ),
            (
                (
                    self._name(issue.account_id),
                    issue.details.username,
                    issue.issue_id,
                    statuses.get(issue.issue_id, "deleted"),
                    issue.status.value,
                    issue.details.resolution.value if issue.details.resolution else "-",
                    issue.episode.value,
                    issue.jira.ticket or "-",
                    _day(issue.timestamps.reported),
                    _day(issue.timestamps.remediated),
                )
                for issue in issues
            ),
        )

    def _row(self, decision: Decision) -> tuple[str, ...]:
        account = self._name(decision.account)
        return (account, decision.user, decision.key, decision.verdict, decision.reason)

    def _name(self, account: str) -> str:
        return self._estate.account_name(account)

    def _indented(self, what: Text | Table) -> None:
        self._console.print(Padding(what, (0, 0, 0, _INDENT), expand=False))


def _day(time: datetime | None) -> str:
    return day(time) if time else "-"
