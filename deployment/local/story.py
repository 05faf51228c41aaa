"""Tells on the terminal what happened on an estate, as tables that line up."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime

from rich.console import Console
from rich.text import Text

from deployment.local.estate import Estate
from deployment.local.runs import CommandRun, Decision
from deployment.local.slack_stand_in import SlackMessage
from library.columns import hanging, laid_out
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
        self._print(hanging(f"{self._steps}  {title}", self._console.width, _INDENT), "bold")

    def say(self, text: str) -> None:
        """A sentence or more, wrapped as the terminal needs it."""
        self._indented(hanging(text, self._width, 0))

    def lines(self, text: str) -> None:
        """Text whose lines stay as they are, as far as the terminal has room for them."""
        self._indented([part for line in text.splitlines() for part in hanging(line, self._width, 2)])

    def to_copy(self, text: str) -> None:
        """Lines that are typed elsewhere: each is one line, however narrow the terminal."""
        for line in text.splitlines():
            self._console.print(Text(" " * _INDENT + line), soft_wrap=True)

    def command(self, run: CommandRun) -> None:
        """A command that was run, its exit code, and the line that counts what it did."""
        self._indented(hanging(f"$ {run.command}", self._width, 2), "bold blue")
        self.say(f"exit code {run.code}. {run.summary}")

    def table(self, headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Rows below headings; a cell that is a status has its colour."""
        heading, lines = laid_out(headings, [*rows], self._width)
        if heading:
            self._indented([heading], "underline")
        self._indented(lines)

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

    @property
    def _width(self) -> int:
        return self._console.width - _INDENT

    def _indented(self, lines: Iterable[str], style: str = "") -> None:
        self._print((" " * _INDENT + line if line else "" for line in lines), style)

    def _print(self, lines: Iterable[str], style: str) -> None:
        for line in lines:
            text = Text(line, style=style)
            for status, colour in _STYLES.items():
                text.highlight_regex(rf"(?:(?<=  )|(?<=: )){re.escape(status)}(?=  |$)", colour)
            # The terminal itself breaks what is wider, so that an id is copied whole.
            self._console.print(text, soft_wrap=True)


def _day(time: datetime | None) -> str:
    return day(time) if time else "-"
