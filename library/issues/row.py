"""The row of an issue: to and from the table's item."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any

from library.errors import HammerError
from library.issues.record import (
    Episode,
    Issue,
    IssueDetails,
    JiraDetails,
    RemediationError,
    Resolution,
    RestoreDetails,
    SlackDetails,
    Status,
    Timestamps,
)
from library.messages import Message

Item = dict[str, Any]
"""A row of the table with plain Python values: strings, booleans, lists, maps, None."""


class UnreadableIssue(HammerError):
    """A row of the table does not have the form that this version writes; `issue_id` is its, empty if it has none."""

    def __init__(self, text: str, issue_id: str = "") -> None:
        self.issue_id = issue_id
        super().__init__(text)

    ID = Message.ROW_UNREADABLE


def to_item(issue: Issue) -> Item:
    """The row of an issue; what has not happened is left out, the maps are always there."""
    item: Item = {
        "account_id": issue.account_id,
        "issue_id": issue.issue_id,
        "status": issue.status.value,
        "episode": issue.episode.value,
        "issue_details": _map(issue.details),
        "timestamps": _map(issue.timestamps),
        "jira_details": _map(issue.jira),
        "slack_details": _map(issue.slack),
    }
    if issue.remediation_error is not None:
        item["remediation_error"] = _map(issue.remediation_error)
    if issue.restore is not None:
        item["restore_details"] = _map(issue.restore)
    if issue.history:
        item["history"] = [dict(entry) for entry in issue.history]
    return item


def from_item(item: Item) -> Issue:
    """The issue of a row.

    Raises UnreadableIssue, naming the row: an issue that cannot be read is never taken for one that is not there.
    """
    try:
        details = item["issue_details"]
        error, restore = item.get("remediation_error"), item.get("restore_details")
        return Issue(
            account_id=item["account_id"],
            issue_id=item["issue_id"],
            status=Status(item["status"]),
            episode=Episode(item.get("episode") or Episode.FIRST),
            details=IssueDetails(
                create_date=_time(details["create_date"]),
                last_used=_time(details.get("last_used") or details["create_date"]),
                username=_text(details["username"]),
                never_used=bool(details.get("never_used")),
                user_id=details.get("user_id") or "",
                last_used_service=details.get("last_used_service"),
                last_used_region=details.get("last_used_region"),
                tags=None if details.get("tags") is None else dict(details["tags"]),
                resolution=Resolution(details["resolution"]) if details.get("resolution") else None,
            ),
            timestamps=Timestamps(**_times(item.get("timestamps") or {}, Timestamps)),
            jira=JiraDetails(**_known(item.get("jira_details") or {}, JiraDetails)),
            slack=SlackDetails(**_known(item.get("slack_details") or {}, SlackDetails)),
            remediation_error=RemediationError(error["cause"], _time(error["time"])) if error else None,
            restore=RestoreDetails(_text(restore["by"]), _time(restore["started"])) if restore else None,
            history=tuple(dict(entry) for entry in item.get("history") or ()),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        where = f"{item.get('account_id')}/{item.get('issue_id')}"
        raise UnreadableIssue(
            f"issue {where} cannot be read from the table: {error!r}", str(item.get("issue_id", ""))
        ) from error


def _known(values: Mapping[str, Any], kind: type[JiraDetails] | type[SlackDetails]) -> dict[str, Any]:
    known = {f.name: values[f.name] for f in fields(kind) if values.get(f.name) is not None}
    parsed = {name: _PARSED[name](value) if name in _PARSED else value for name, value in known.items()}
    return {name: tuple(value) if isinstance(value, list) else value for name, value in parsed.items()}


def _times(values: Mapping[str, Any], kind: type[Timestamps]) -> dict[str, datetime]:
    return {f.name: _time(values[f.name]) for f in fields(kind) if values.get(f.name)}


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not a text")
    return value


def _time(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)


_PARSED: Mapping[str, Callable[[str], object]] = {
    "failed": _time,
    "asked": _time,
    "seen": _time,
    "notified": _time,
    "exception_told": date.fromisoformat,
}


def _map(part: IssueDetails | Timestamps | JiraDetails | SlackDetails | RemediationError | RestoreDetails) -> Item:
    values = {f.name: getattr(part, f.name) for f in fields(part)}
    return {name: _plain(value) for name, value in values.items() if value is not None}


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, tuple):
        return list(value)
    return dict(value) if isinstance(value, Mapping) else value
