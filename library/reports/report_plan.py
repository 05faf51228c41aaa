"""The part of the report's page on the keys that will be switched off."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, timedelta
from typing import TYPE_CHECKING

from library.issues.smtp import doubts
from library.reports.entries import Standing
from library.reports.figures import AHEAD
from library.reports.page import Chart, Grid, Note
from library.reports.report_listing import due_day, ticket
from library.reports.text import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from library.reports.entries import Entry, ReportSettings
    from library.reports.figures import Figures

_MOST_ROWS = 50
"""The keys that this part names; the list at the end of the page has all of them."""


def planned(figures: Figures, settings: ReportSettings) -> list[Note | Chart | Grid]:
    """What will be switched off within AHEAD, by day and by key; without automatic remediation, a note."""
    if not settings.remediation:
        return [_only_by_hand(figures, settings)]
    chart = [_days_ahead(figures)] if figures.planned else []
    return [*_notes(figures, settings), *chart, _next_keys(figures, settings)]


def _only_by_hand(figures: Figures, settings: ReportSettings) -> Note:
    return Note(
        "None: automatic remediation is off (user_inactivekeys.remediation). "
        f"{counted(figures.by_hand, 'key is', 'keys are')} past the retention period of "
        f"{settings.retention_days} days and could be switched off by hand: "
        "python -m remediation.clean_iam_keys_inactive",
        "open",
    )


def _notes(figures: Figures, settings: ReportSettings) -> Iterator[Note]:
    without = [each.name for each in figures.accounts if each.account_id not in settings.remediation_accounts]
    if without:
        yield Note(f"Remediation is off for {', '.join(without)}: nothing is switched off there.")
    looked_at_again = "Each key is looked at again right before, and stays on if it is in use by then."
    untold = sum(1 for entry in figures.entries if _nobody_was_told_a_date(entry))
    if untold:
        yield Note(
            f"{looked_at_again} {counted(untold, 'idle key has', 'idle keys have')} no date yet, because nobody was "
            f"told one. Reporting tells it; the retention period is {settings.retention_days} days."
        )
    else:
        yield Note(looked_at_again)
    doubtful = sum(1 for entry in figures.planned if entry.doubt)
    if doubtful:
        yield Note(doubts(doubtful), "open")
    if settings.max_keys_per_run is not None:
        yield Note(f"A run switches off at most {settings.max_keys_per_run:,} keys; the rest waits.")


def _nobody_was_told_a_date(entry: Entry) -> bool:
    is_open = entry.standing is Standing.OPEN and entry.exemption is None
    return is_open and entry.issue.timestamps.promised is None


def _days_ahead(figures: Figures) -> Chart:
    today = figures.now.astimezone(UTC).date()
    due = Counter(max(entry.due.astimezone(UTC).date(), today) for entry in figures.planned if entry.due)
    days = [today + timedelta(days=number) for number in range(AHEAD.days + 1)]
    return Chart(
        title=f"Keys to be switched off in the next {AHEAD.days} days; the first bar is the next run",
        about=f"{due[today]:,} keys today or in the next run, {len(figures.planned) - due[today]:,} on later days.",
        what="From",
        labels=[day.isoformat() for day in days],
        series={"Keys": [due[day] for day in days]},
        tones=["off"],
        axis=["" if number % 5 else f"{day.day} {day:%b}" for number, day in enumerate(days)],
    )


def _next_keys(figures: Figures, settings: ReportSettings) -> Grid:
    more = len(figures.planned) - _MOST_ROWS
    rest = counted(more, "more is", "more are")
    return Grid(
        caption=f"The next {_MOST_ROWS} keys; {rest} in the list below" if more > 0 else "The keys, by date",
        headings=("From", "Account", "User", "Key", "Idle days", "Ticket"),
        rows=[
            (
                due_day(entry, figures.now),
                settings.accounts[entry.issue.account_id],
                entry.issue.details.username,
                entry.issue.issue_id,
                str(entry.idle_days),
                ticket(entry, settings),
            )
            for entry in figures.planned[:_MOST_ROWS]
        ],
        empty=f"No key is due within {AHEAD.days} days.",
        numbers=frozenset({4}),
    )
