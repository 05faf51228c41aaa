"""The issue: one access key of one account as the table keeps it, to and from the table's item."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from library.errors import HammerError
from library.messages import Message

if TYPE_CHECKING:
    from library.issues.access_keys import AccessKey

Item = dict[str, Any]
"""A row of the table with plain Python values: strings, booleans, lists, maps, None."""


class Status(StrEnum):
    """What the issue is: found, exempted, gone, or gone and told."""

    OPEN = "open"
    WHITELISTED = "whitelisted"
    RESOLVED = "resolved"
    CLOSED = "closed"


class Episode(StrEnum):
    """Why the issue is open this time."""

    FIRST = "first"
    REOPENED = "reopened"
    REACTIVATED = "reactivated"


class Resolution(StrEnum):
    """Why the issue went away."""

    USED = "used"
    DEACTIVATED = "deactivated"
    DELETED = "deleted"
    REMEDIATED = "remediated"


@dataclass(frozen=True, slots=True)
class IssueDetails:
    """The map `issue_details`: facts of the key (playbook, section 6), times in UTC.

    `last_used` is the creation date of a key that was never used. `tags` is None until they were fetched.
    """

    create_date: datetime
    last_used: datetime
    username: str
    never_used: bool = False
    user_id: str = ""
    last_used_service: str | None = None
    last_used_region: str | None = None
    tags: Mapping[str, str] | None = None
    resolution: Resolution | None = None


@dataclass(frozen=True, slots=True)
class Timestamps:
    """The map `timestamps`: when each step happened, UTC; None when it has not happened in this episode.

    `promised` is the latest date that a confirmed message named: no schedule switches the key off before it.
    `date_told` is when people were told that date, if the report did not name it.
    """

    identified: datetime | None = None
    updated: datetime | None = None
    reported: datetime | None = None
    promised: datetime | None = None
    date_told: datetime | None = None
    reminded: datetime | None = None
    remediation_started: datetime | None = None
    remediated: datetime | None = None
    restored: datetime | None = None
    resolved: datetime | None = None
    closed: datetime | None = None


@dataclass(frozen=True, slots=True)
class JiraDetails:
    """The map `jira_details`; `failed` is the time of a delivery that is still owed.

    `asked` is when a ticket was asked for of which nothing is known yet, `seen` when JIRA first showed us `ticket`.
    """

    ticket: str | None = None
    ticket_assignee_id: str | None = None
    failed: datetime | None = None
    asked: datetime | None = None
    seen: datetime | None = None


@dataclass(frozen=True, slots=True)
class SlackDetails:
    """The map `slack_details`; `failed` is the time of a delivery that is still owed.

    `exception_told` is the last day (UTC) of the exception whose end people were told of.
    """

    notified: datetime | None = None
    recipients: tuple[str, ...] = ()
    failed: datetime | None = None
    exception_told: date | None = None


@dataclass(frozen=True, slots=True)
class RemediationError:
    """The map `remediation_error`: why the key could not be switched off the last time it was tried."""

    cause: str
    time: datetime


@dataclass(frozen=True, slots=True)
class RestoreDetails:
    """The map `restore_details`: who (an ARN) wanted the key switched on again, and when that was `started` (UTC).

    It is recorded before the key is touched; `timestamps.restored` says that it was done.
    """

    by: str
    started: datetime


@dataclass(frozen=True, slots=True)
class Issue:
    """One row: `issue_id` is the access key id.

    `history` is a list of maps `time` (ISO 8601, UTC), `what` and `why`, to which `Step.recorded` adds in the words
    of library.issues.steps. It tells people what has happened and decides nothing, so two issues that differ in
    nothing else are equal.
    """

    account_id: str
    issue_id: str
    status: Status
    details: IssueDetails
    timestamps: Timestamps
    episode: Episode = Episode.FIRST
    jira: JiraDetails = field(default_factory=JiraDetails)
    slack: SlackDetails = field(default_factory=SlackDetails)
    remediation_error: RemediationError | None = None
    restore: RestoreDetails | None = None
    history: tuple[Mapping[str, Any], ...] = field(default=(), compare=False)

    @property
    def interrupted(self) -> bool:
        """Whether the intent to switch the key off is recorded, and neither its success nor another end."""
        return (
            self.timestamps.remediation_started is not None
            and self.timestamps.remediated is None
            and self.details.resolution in (None, Resolution.REMEDIATED)
        )

    def ended_by_use(self, idle_since: datetime) -> bool:
        """Whether the last use of the key, at `idle_since` (UTC), came after the report, and so has ended it."""
        reported = self.timestamps.reported
        return reported is not None and idle_since > reported

    @property
    def switched_off_at(self) -> datetime | None:
        """When we switched the key off, or were about to and died (UTC); None if the issue does not say so."""
        if self.timestamps.remediated is not None:
            return self.timestamps.remediated
        return self.timestamps.remediation_started if self.interrupted else None

    @property
    def on_again_since(self) -> datetime | None:
        """When the key that we had switched off was switched on again (UTC); None once a scan has seen it since."""
        off, on = self.timestamps.remediated, self.timestamps.restored
        if off is None or on is None or on < off or on < (self.timestamps.resolved or on):
            return None
        return on if self.details.resolution in (None, Resolution.REMEDIATED) else None

    @property
    def is_live(self) -> bool:
        """Whether a scan resolves it if it does not find its key idle; also a resolved one whose key was restored."""
        return self.status in (Status.OPEN, Status.WHITELISTED) or (
            self.status is Status.RESOLVED and self.on_again_since is not None
        )


class UnreadableIssue(HammerError):
    """A row of the table does not have the form that this version writes; `issue_id` is its, empty if it has none."""

    def __init__(self, text: str, issue_id: str = "") -> None:
        self.issue_id = issue_id
        super().__init__(text)

    ID = Message.ROW_UNREADABLE


def details_of(key: AccessKey, tags: Mapping[str, str] | None) -> IssueDetails:
    """The facts of a key in the form of the table."""
    return IssueDetails(
        create_date=key.create_date,
        last_used=key.idle_since,
        username=key.user_name,
        never_used=key.last_used is None,
        user_id=key.user_id,
        last_used_service=key.last_used_service,
        last_used_region=key.last_used_region,
        tags=tags,
    )


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
