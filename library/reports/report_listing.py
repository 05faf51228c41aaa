"""The full list of issues at the end of the report's page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from library.issues.record import Episode, Status
from library.reports.entries import Standing
from library.reports.page import Listing
from library.reports.text import linked, ticket_url, two_lines
from library.text import day

if TYPE_CHECKING:
    from datetime import datetime

    from library.reports.entries import Entry, ReportSettings
    from library.reports.figures import Figures


def listing(figures: Figures, settings: ReportSettings) -> Listing:
    """One row for each issue."""
    return Listing(
        title=f"All {len(figures.entries):,} issues",
        caption="One row for each access key of the issues table, the open ones first, then the longest idle",
        headings=(
            "Status",
            "Account",
            "User",
            "Key",
            "Idle days",
            "Last used",
            "Reported",
            "Switched off",
            "Remarks",
        ),
        rows=[_row(entry, settings, figures.now) for entry in figures.entries],
        empty="The issues table has no row for these accounts.",
        numbers=frozenset({4}),
        choices=frozenset({0, 1}),
        widths=(9, 9, 14, 19, 8, 10, 9, 9, 13),
        tones={
            Standing.OPEN.value: "open",
            Standing.SWITCHED_ON.value: "open",
            Standing.SWITCHED_OFF.value: "off",
            Standing.WHITELISTED.value: "calm",
            Standing.RESOLVED.value: "good",
        },
    )


def due_day(entry: Entry, now: datetime) -> str:
    """From which day on the key will be switched off, or that it is in the next run; empty if it will not be."""
    if entry.due is None:
        return ""
    return "next run" if entry.due <= now else two_lines(day(entry.due), "planned")


def ticket(entry: Entry, settings: ReportSettings, above: str | None = None) -> str:
    """A cell with the ticket of an issue as a link, below a first line if one is given; it may be empty."""
    key = entry.issue.jira.ticket or ""
    return linked(key if above is None else two_lines(above, key), ticket_url(settings.jira_server, key))


def _row(entry: Entry, settings: ReportSettings, now: datetime) -> tuple[str, ...]:
    issue, details, times = entry.issue, entry.issue.details, entry.issue.timestamps
    return (
        two_lines(entry.standing.value, _status_remarks(entry)),
        two_lines(settings.accounts[issue.account_id], issue.account_id),
        two_lines(details.username, entry.owner and f"owner {entry.owner}"),
        issue.issue_id,
        str(entry.idle_days),
        _last_use(entry),
        ticket(entry, settings, above=day(times.reported) if times.reported else ""),
        _switched(entry, now),
        _remarks(entry),
    )


def _switched(entry: Entry, now: datetime) -> str:
    times = entry.issue.timestamps
    if entry.issue.on_again_since is not None:
        return two_lines(day(entry.issue.on_again_since), "on again")
    return two_lines(day(times.remediated), "by this system") if times.remediated else due_day(entry, now)


def _status_remarks(entry: Entry) -> str:
    """How the issue has ended, that it is closed, or its episode if that is not the first."""
    issue, resolution, remarks = entry.issue, entry.issue.details.resolution, []
    if resolution and entry.standing is Standing.RESOLVED:
        remarks.append(resolution.value)
    if issue.status is Status.CLOSED:
        remarks.append("closed")
    if issue.status is Status.OPEN and issue.episode is not Episode.FIRST:
        remarks.append(issue.episode.value)
    return ", ".join(remarks)


def _last_use(entry: Entry) -> str:
    details = entry.issue.details
    if details.never_used:
        return two_lines("never", f"created {day(details.create_date)}")
    where = ", ".join(filter(None, (details.last_used_service, details.last_used_region)))
    return two_lines(day(details.last_used), where)


def _remarks(entry: Entry) -> str:
    remarks = [f"{failure.what}: {failure.cause}" for failure in entry.failures]
    exemption = entry.exemption
    if exemption is not None:
        until = f" until {exemption.until}" if exemption.until else ""
        remarks.append(f"exemption {exemption.id}{until}: {exemption.reason or 'no reason given'}")
    if entry.doubt:
        remarks.append(entry.doubt)
    return "; ".join(remarks)
