"""What news depends on beside the issue: the configuration as plain values, and who is told."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from library.issues.reporting import ReportingPolicy, remediation_date
from library.notifications.facts import TextContext

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from library.issues.record import Issue


class Responsible(Protocol):
    """Who is responsible for an issue, as `library.config.owners` finds them."""

    @property
    def owner(self) -> str:
        """The user's own `owner` tag, empty if there is none."""

    @property
    def jira_project(self) -> str:
        """Where a ticket is raised; empty if nobody set it."""

    @property
    def jira_parent_ticket(self) -> str:
        """What a ticket is linked to; empty for none."""

    @property
    def assignees(self) -> tuple[str, ...]:
        """Names, e-mail addresses or account ids in order of preference."""

    @property
    def slack_owners(self) -> tuple[tuple[str, ...], ...]:
        """Groups of recipients, the nearest to the user first."""


class Owners(Protocol):
    """Finds who is responsible for a key of a user with these tags."""

    def for_issue(self, account_id: str, tags: Mapping[str, str]) -> Responsible:
        """The settings of the places that concern the key, merged."""


@dataclass(frozen=True, slots=True)
class Audience:
    """Who is told about an issue.

    `assignees` are in order of preference. `slack` are the recipients of a message; if Slack knows none of them, the
    first group of `slack_otherwise` that it does know gets it. `alone` is `slack` where all others have it already.
    """

    jira_project: str
    jira_parent_ticket: str
    assignees: tuple[str, ...]
    slack: tuple[str, ...]
    slack_otherwise: tuple[tuple[str, ...], ...]
    alone: tuple[str, ...] = ()

    def owed(self, recipients: Sequence[str]) -> Audience:
        """Those of the `recipients` who still belong to it and nobody else; everybody, if none of them does."""
        known = (*self.slack, *(each for group in self.slack_otherwise for each in group))
        left = tuple(each for each in recipients if each in known)
        return replace(self, slack=left, slack_otherwise=(), alone=left) if left else self


@dataclass(frozen=True, slots=True)
class Terms:
    """What is in force for the issues of all accounts.

    `retention_days` is the time from the report to the remediation, which only comes to keys of `remediated_accounts`
    (account ids). `always_told` are recipients over Slack beside those responsible. `jira_server` and
    `whitelisting_url` are addresses, empty if there are none. `default_owners` can have a key switched on again.
    """

    owners: Owners
    criteria_days: int
    retention_days: int
    jira: bool = True
    slack: bool = True
    account_names: Mapping[str, str] = field(default_factory=dict)
    remediated_accounts: frozenset[str] = frozenset()
    reminder_days: tuple[int, ...] = ()
    always_told: tuple[str, ...] = ()
    jira_server: str = ""
    whitelisting_url: str = ""
    default_owners: tuple[str, ...] = ()

    def policy(self, account_id: str) -> ReportingPolicy:
        """What reporting owes the issues of an account."""
        return ReportingPolicy(
            jira=self.jira,
            slack=self.slack,
            criteria_days=self.criteria_days,
            retention_days=self.retention_days if account_id in self.remediated_accounts else None,
            reminder_days=self.reminder_days,
        )

    def audience(self, issue: Issue) -> Audience:
        """Who is told about an issue."""
        return self._audience(self.owners.for_issue(issue.account_id, issue.details.tags or {}))

    def audience_of_account(self, account_id: str) -> Audience:
        """Who is told about an account, not about one of its users."""
        return self._audience(self.owners.for_issue(account_id, {}))

    def _audience(self, responsible: Responsible) -> Audience:
        nearest = responsible.slack_owners[0] if responsible.slack_owners else ()
        return Audience(
            jira_project=responsible.jira_project,
            jira_parent_ticket=responsible.jira_parent_ticket,
            assignees=responsible.assignees,
            slack=tuple(dict.fromkeys(filter(None, (responsible.owner, *nearest, *self.always_told)))),
            slack_otherwise=responsible.slack_owners[1:],
        )

    def context(self, issue: Issue, now: datetime) -> TextContext:
        """What the words about the issue need at `now` (UTC)."""
        due = None
        if issue.account_id in self.remediated_accounts and issue.timestamps.remediated is None:
            due = remediation_date(issue, self.retention_days, now)
        return TextContext(
            account_name=self.account_names.get(issue.account_id, issue.account_id),
            criteria_days=self.criteria_days,
            now=now,
            remediation_due=due,
            whitelisting_url=self.whitelisting_url,
            jira_server=self.jira_server,
            ask=self.default_owners,
        )
