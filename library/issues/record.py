"""The issue: one access key of one account as the table keeps it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date, datetime

    from library.issues.access_keys import AccessKey


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

    `asked` is when a ticket was asked for, in the project `asked_in`, of which nothing is known yet; `seen` when JIRA
    first showed us `ticket`.
    """

    ticket: str | None = None
    ticket_assignee_id: str | None = None
    failed: datetime | None = None
    asked: datetime | None = None
    seen: datetime | None = None
    asked_in: str | None = None

    @property
    def may_have_ticket(self) -> bool:
        """Whether there is a ticket, or may be one that JIRA was asked for."""
        return self.ticket is not None or self.asked is not None


@dataclass(frozen=True, slots=True)
class SlackDetails:
    """The map `slack_details`; `failed` is the time of a delivery that is still owed.

    `owed` are the recipients who alone are owed it, as a passing fault kept it from them; empty if everybody is.
    `exception_told` is the last day (UTC) of the exemption whose end people were told of; `exception_owed` are the
    recipients whom a passing fault kept from hearing of it.
    """

    notified: datetime | None = None
    recipients: tuple[str, ...] = ()
    failed: datetime | None = None
    owed: tuple[str, ...] = ()
    exception_told: date | None = None
    exception_owed: tuple[str, ...] = ()


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

    `archived` is when (UTC) the closed issue was set aside, None for one that a scan reads.
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
    archived: datetime | None = None
    history: tuple[Mapping[str, Any], ...] = field(default=(), compare=False)

    @property
    def name(self) -> str:
        """Which issue it is, as a message says it."""
        return f"account {self.account_id} key {self.issue_id}"

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
        """Whether a scan that does not find its key idle says so; also where a key was restored after the end."""
        return self.status in (Status.OPEN, Status.WHITELISTED) or self.on_again_since is not None


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
