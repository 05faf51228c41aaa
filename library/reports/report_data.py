"""The report for programs: one row for each issue as CSV, or all figures as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING

from library import text
from library.reports.entries import Standing
from library.reports.figures import AHEAD
from library.reports.files import csv_text
from library.text import iso

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from library.reports.entries import Entry
    from library.reports.figures import Figures

NEVER_SCANNED = "account never scanned"
"""What a line of the CSV says in `standing` that is about no issue."""


@dataclass(frozen=True, slots=True)
class ReportRow:
    """One issue; the names are those of the CSV columns and of the objects in `issues` of the JSON.

    Times are ISO 8601 in UTC. `standing` is `open`, `switched off` (by us; the next scan resolves it), `whitelisted`
    or `resolved`, `status` the table's own word. `due` is from when on automatic remediation may switch the key off,
    empty if it will not. `exception` is the exemption in force. `jira_owed` and `slack_owed` are since when a message
    is missing. `account_last_scan` is when the last complete scan of the account began. `doubt` is a
    sentence on keys that may be in use although IAM says otherwise.
    """

    account: str
    account_name: str
    user: str
    key: str
    standing: str
    status: str
    episode: str
    resolution: str | None
    idle_days: int
    created: str
    last_used: str | None
    last_used_service: str | None
    last_used_region: str | None
    owner: str | None
    identified: str | None
    reported: str | None
    due: str | None
    switched_off: str | None
    restored: str | None
    resolved: str | None
    closed: str | None
    exception: str | None
    exception_until: str | None
    exception_reason: str | None
    exception_owner: str | None
    ticket: str | None
    assignee: str | None
    remediation_error: str | None
    jira_owed: str | None
    slack_owed: str | None
    account_last_scan: str | None
    doubt: str | None


def as_csv(figures: Figures, names: Mapping[str, str]) -> str:
    """The issues as CSV; an account that never was scanned has a line of its own, so that it does not look clean."""
    never = [
        {"account": each.account_id, "account_name": each.name, "standing": NEVER_SCANNED}
        for each in figures.accounts
        if each.not_scanned and each.last_scan is None and not figures.scans_problem
    ]
    return csv_text([field.name for field in fields(ReportRow)], [*map(asdict, rows(figures, names)), *never])


def as_json(figures: Figures, names: Mapping[str, str]) -> str:
    """All figures as one JSON object, the issues last; the names are those of library.reports.figures."""
    content = {
        "as_of": iso(figures.now),
        "since": iso(figures.since),
        "totals": {standing.value: figures.count(standing) for standing in Standing},
        "accounts": [{**asdict(each), "last_scan": iso(each.last_scan)} for each in figures.accounts],
        "scans_problem": figures.scans_problem,
        "idle_days": dict(figures.idle),
        "weeks": [{**asdict(each), "monday": iso(each.monday)} for each in figures.weeks],
        "planned": {"until": iso(figures.now + AHEAD), "keys": [each.issue.issue_id for each in figures.planned]},
        "due_by_hand_only": figures.by_hand,
        "exceptions": [
            {
                "account_id": each.account_id,
                **asdict(each.exemption),
                "until": iso(each.exemption.until),
                "holds": each.holds,
                "keys": each.keys,
                "means_nothing": each.means_nothing,
            }
            for each in figures.exemptions
        ],
        "failures": [{**asdict(each), "since": iso(each.since)} for each in figures.failures],
        "issues": [asdict(row) for row in rows(figures, names)],
    }
    return text.as_json(content) + "\n"


def rows(figures: Figures, names: Mapping[str, str]) -> list[ReportRow]:
    """The issues in the order of the report; `names` are those of the accounts by id."""
    scanned = {account.account_id: account.last_scan for account in figures.accounts}
    return [_row(entry, names[entry.issue.account_id], scanned[entry.issue.account_id]) for entry in figures.entries]


def _row(entry: Entry, account_name: str, last_scan: datetime | None) -> ReportRow:
    issue, details, times, exemption = entry.issue, entry.issue.details, entry.issue.timestamps, entry.exemption
    return ReportRow(
        account=issue.account_id,
        account_name=account_name,
        user=details.username,
        key=issue.issue_id,
        standing=entry.standing.value,
        status=issue.status.value,
        episode=issue.episode.value,
        resolution=details.resolution.value if details.resolution else None,
        idle_days=entry.idle_days,
        created=iso(details.create_date),
        last_used=None if details.never_used else iso(details.last_used),
        last_used_service=details.last_used_service,
        last_used_region=details.last_used_region,
        owner=entry.owner or None,
        identified=iso(times.identified),
        reported=iso(times.reported),
        due=iso(entry.due),
        switched_off=iso(times.remediated),
        restored=iso(times.restored),
        resolved=iso(times.resolved),
        closed=iso(times.closed),
        exception=exemption.id if exemption else None,
        exception_until=iso(exemption.until) if exemption else None,
        exception_reason=(exemption.reason or None) if exemption else None,
        exception_owner=(exemption.owner or None) if exemption else None,
        ticket=issue.jira.ticket,
        assignee=issue.jira.ticket_assignee_id,
        remediation_error=issue.remediation_error.cause if issue.remediation_error else None,
        jira_owed=iso(issue.jira.failed),
        slack_owed=iso(issue.slack.failed),
        account_last_scan=iso(last_scan),
        doubt=entry.doubt or None,
    )
