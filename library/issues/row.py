"""The row of an issue: to and from the table's item."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime
from enum import StrEnum
from functools import partial
from typing import Any, TypeVar

from library.errors import HammerError
from library.issues import values
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
from library.text import cut, plain

_LONGEST_ID = 140
_T = TypeVar("_T")
NO_KEY_FROM = "~"
"""Sorts after whatever a key id can begin with: from here on a sort key is that of an archived issue."""
Item = dict[str, Any]
"""A row of the table with plain Python values: strings, booleans, lists, maps, None."""


class UnreadableIssue(HammerError):
    """A row of the table does not have the form that this version writes; `issue_id` is its, empty if it has none."""

    def __init__(self, text: str, issue_id: str = "") -> None:
        self.issue_id = issue_id
        super().__init__(text)

    ID = Message.ROW_UNREADABLE


def archive_of(key_id: str) -> str:
    """How the sort keys of a key's archived issues begin, of which a key may have several."""
    return f"{NO_KEY_FROM}closed#{key_id}#"


def row_id(issue: Issue) -> str:
    """The sort key of an issue: the key id or, of an archived one, when it was closed beside it."""
    if issue.archived is None:
        return issue.issue_id
    closed = issue.timestamps.closed
    return archive_of(issue.issue_id) + (closed.astimezone(UTC).isoformat() if closed else "")


def to_item(issue: Issue) -> Item:
    """The row of an issue; what has not happened is left out, the maps are always there."""
    item: Item = {
        "account_id": issue.account_id,
        "issue_id": row_id(issue),
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
    if issue.archived is not None:
        item["archived"] = {"key_id": issue.issue_id, "time": _plain(issue.archived)}
    if issue.history:
        item["history"] = [dict(entry) for entry in issue.history]
    return item


def from_item(item: Item, now: datetime) -> Issue:
    """The issue of a row that is read at `now` (UTC), each value checked by type and range.

    Raises UnreadableIssue, which names the row and the value: an issue that cannot be read is never taken for one
    that is not there.
    """
    row = _Part(item, now)
    try:
        error, restore = row.part("remediation_error"), row.part("restore_details")
        archived = row.part("archived")
        return Issue(
            account_id=row.required("account_id", values.account_id),
            issue_id=_key_id(row, archived),
            status=row.required("status", partial(values.one_of, Status)),
            episode=row.optional("episode", partial(values.one_of, Episode)) or Episode.FIRST,
            details=_details(row.part("issue_details")),
            timestamps=Timestamps(**row.part("timestamps").of(Timestamps)),
            jira=JiraDetails(**row.part("jira_details").of(JiraDetails)),
            slack=SlackDetails(**row.part("slack_details").of(SlackDetails)),
            remediation_error=RemediationError(error.required("cause", values.text), error.time("time"))
            if error.values
            else None,
            restore=RestoreDetails(restore.required("by", values.text), restore.time("started"))
            if restore.values
            else None,
            archived=archived.time("time") if archived.values else None,
            history=row.optional("history", partial(_history, now=now)) or (),
        )
    except ValueError as error:
        account_id, issue_id = _id(item, "account_id"), _id(item, "issue_id")
        where = plain(f"{cut(account_id, _LONGEST_ID)}/{cut(issue_id, _LONGEST_ID)}")
        raise UnreadableIssue(f"issue {where} cannot be read from the table: {error}", issue_id) from error


def _id(item: Item, name: str) -> str:
    value = item.get(name, "")
    return value if isinstance(value, str) else repr(value)


def _key_id(row: _Part, archived: _Part) -> str:
    if not archived.values:
        return row.required("issue_id", values.key_id)
    key_id, issue_id = archived.required("key_id", values.key_id), row.required("issue_id", values.text)
    if not issue_id.startswith(archive_of(key_id)):
        raise ValueError(f"issue_id: {values.shown(issue_id)} is not that of an archived issue of {key_id}")
    return key_id


def _details(part: _Part) -> IssueDetails:
    created = part.time("create_date")
    return IssueDetails(
        create_date=created,
        last_used=part.optional("last_used", partial(values.past, now=part.now)) or created,
        username=part.required("username", values.name),
        never_used=part.optional("never_used", values.truth) or False,
        user_id=part.optional("user_id", values.text) or "",
        last_used_service=part.optional("last_used_service", values.text),
        last_used_region=part.optional("last_used_region", values.text),
        tags=part.optional("tags", _tags),
        resolution=part.optional("resolution", partial(values.one_of, Resolution)),
    )


def _tags(value: object) -> Mapping[str, str]:
    return {name: values.text(each) for name, each in values.mapping(value).items()}


def _history(value: object, now: datetime) -> tuple[Mapping[str, Any], ...]:
    if not isinstance(value, list):
        raise ValueError(f"{values.shown(value)} is not a list")
    for entry in value:
        part = _Part(values.mapping(entry), now)
        part.time("time")
        part.required("what", values.text)
        part.optional("why", values.text)
    return tuple(dict(entry) for entry in value)


_READ: Mapping[str, Callable[[object], object]] = {
    "promised": values.moment,
    "ticket": values.ticket,
    "ticket_assignee_id": values.text,
    "asked_in": values.text,
    "recipients": values.texts,
    "owed": values.texts,
    "exception_owed": values.texts,
    "exception_told": values.day,
}
"""How the parts of these maps are read; each of the others is a time at which something has happened."""


@dataclass(frozen=True, slots=True)
class _Part:
    """A map of a row that is read at `now` (UTC), `path` (`timestamps.`) the way to it."""

    values: Mapping[str, Any]
    now: datetime
    path: str = ""

    def optional(self, name: str, read: Callable[[Any], _T]) -> _T | None:
        """A value, None where it is absent or null."""
        value = self.values.get(name)
        if value is None:
            return None
        try:
            return read(value)
        except ValueError as error:
            raise ValueError(f"{self.path}{name}: {error}") from error

    def required(self, name: str, read: Callable[[Any], _T]) -> _T:
        """A value that must be there."""
        value = self.optional(name, read)
        if value is None:
            raise ValueError(f"{self.path}{name} is missing")
        return value

    def time(self, name: str) -> datetime:
        """A time that must be there, at which something has happened."""
        return self.required(name, partial(values.past, now=self.now))

    def part(self, name: str) -> _Part:
        """A map, empty where it is absent or null."""
        return _Part(self.optional(name, values.mapping) or {}, self.now, f"{self.path}{name}.")

    def of(self, kind: type[Timestamps | JiraDetails | SlackDetails]) -> dict[str, Any]:
        """What the map has of the fields of a class."""
        past = partial(values.past, now=self.now)
        read = {each.name: self.optional(each.name, _READ.get(each.name, past)) for each in fields(kind)}
        return {name: value for name, value in read.items() if value is not None}


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
