"""What a report knows of each issue: where it stands, when its key will be switched off, what failed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from library.issues import smtp
from library.issues.access_keys import idle_days
from library.issues.decisions import Skip
from library.issues.record import Status
from library.issues.reporting import is_exempted
from library.issues.switching import Due, verdict_ignoring_intent
from library.text import listed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from library.issues.record import Issue
    from library.issues.whitelist import Exemption, Whitelist


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSettings:
    """What is in force, as far as a report says or needs it.

    `accounts` is name by id, of the accounts that are reported on. `remediation` is whether keys are switched off by
    schedule at all, `remediation_accounts` the ids of the accounts in which they may be. A key is idle after more
    than `criteria_days`, and is switched off `retention_days` after its report at the earliest. `max_keys_per_run`
    is None without a limit. `jira_server` is the address below which people open tickets, empty if there is none.
    """

    accounts: Mapping[str, str]
    table_name: str
    criteria_days: int
    reporting: bool
    remediation: bool
    remediation_accounts: frozenset[str]
    retention_days: int
    max_keys_per_run: int | None
    whitelist: Whitelist
    jira_server: str = ""


UNREAD = "could not be read"
"""How `what` of a failure begins which leaves a gap in the report."""


class Standing(StrEnum):
    """Where an issue stands for the reader of a report; each issue has exactly one."""

    OPEN = "open"
    SWITCHED_ON = "switched on again"
    SWITCHED_OFF = "switched off"
    WHITELISTED = "whitelisted"
    RESOLVED = "resolved"


ON = (Standing.OPEN, Standing.SWITCHED_ON)
"""Where the issues of keys stand that are on and idle."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Something that did not work: `what`, the `cause`, and `since` when (UTC), if that is known.

    `user` and `key` are empty if it is not about one key that could be read.
    """

    account_id: str
    what: str
    cause: str
    since: datetime | None = None
    user: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An issue with what is known of it at the time of the report.

    `due` is from when on (UTC) automatic remediation may switch the key off, None if it will not; a time that has
    passed means the next run. `due_by_hand` is whether a run by hand could switch it off now, but no schedule will.
    `exemption` is the one in force for the key.
    """

    issue: Issue
    standing: Standing
    idle_days: int
    due: datetime | None
    due_by_hand: bool
    exemption: Exemption | None
    failures: tuple[Failure, ...]

    @property
    def owner(self) -> str:
        """The user's own `owner` tag, whose name may be in any case; empty without one."""
        tags = self.issue.details.tags or {}
        return next((value.strip() for name, value in tags.items() if name.lower() == "owner"), "")

    @property
    def doubt(self) -> str:
        """What makes it doubtful that a key that is on is idle; mostly nothing."""
        details = self.issue.details
        return smtp.doubt(details.username, details.last_used_service) if self.standing in ON else ""


def entry_of(issue: Issue, settings: ReportSettings, now: datetime) -> Entry:
    """The issue as it stands at `now` (UTC)."""
    details = issue.details
    exemption = settings.whitelist.find(issue.account_id, details.username, issue.issue_id, now, details.tags)
    due = _due(issue, settings, exemption, now, by_hand=False)
    due_by_hand = _due(issue, settings, exemption, now, by_hand=True)
    return Entry(
        issue=issue,
        standing=standing(issue),
        idle_days=idle_days(issue.details.last_used, now),
        due=due if settings.remediation else None,
        due_by_hand=due_by_hand is not None and due_by_hand <= now and not settings.remediation,
        exemption=exemption,
        failures=tuple(_failures(issue)),
    )


def standing(issue: Issue) -> Standing:
    """Where an issue stands: a closed one where it stood before people were told of its end."""
    if issue.on_again_since is not None and not is_exempted(issue):
        return Standing.SWITCHED_ON
    if issue.status is Status.OPEN:
        # The next scan finds the key off, and resolves the issue.
        return Standing.OPEN if issue.timestamps.remediated is None else Standing.SWITCHED_OFF
    return Standing.WHITELISTED if is_exempted(issue) else Standing.RESOLVED


def _due(
    issue: Issue, settings: ReportSettings, exemption: Exemption | None, now: datetime, *, by_hand: bool
) -> datetime | None:
    """From when on remediation would switch the key off, by schedule or by hand; None if nobody may."""
    if issue.account_id not in settings.remediation_accounts or standing(issue) is not Standing.OPEN:
        return None
    # The key is on: an intent that an interrupted run has recorded changes nothing.
    verdict = verdict_ignoring_intent(issue, settings.retention_days, exemption=exemption, now=now, by_hand=by_hand)
    due = verdict.since if isinstance(verdict, Due) else verdict.due if isinstance(verdict, Skip) else None
    # This host may ask for more days than the configuration, by which the scan has opened the issue.
    idle_from = issue.details.last_used + timedelta(days=settings.criteria_days)
    return None if due is None else max(due, idle_from)


def _failures(issue: Issue) -> Iterator[Failure]:
    """What did not work for an issue, and will be tried again; a closed one owes a message over Slack at most."""
    is_closed = issue.status is Status.CLOSED
    place = {"account_id": issue.account_id, "user": issue.details.username, "key": issue.issue_id}
    error = issue.remediation_error
    if error is not None and not is_closed:
        yield Failure(what="could not be switched off", cause=error.cause, since=error.time, **place)
    owed = issue.slack.owed
    slack = f"not told over Slack: {listed(owed)}" if owed else "Slack was not told"
    jira_failed = None if is_closed else issue.jira.failed
    for what, failed in (("JIRA was not told", jira_failed), (slack, issue.slack.failed)):
        if failed is not None:
            yield Failure(what=what, cause="the next run tries again", since=failed, **place)
