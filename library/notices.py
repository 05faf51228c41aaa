"""What people are told of an issue, over every enabled channel; each step is recorded once it was confirmed."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from library import ticket_text
from library.config import Config
from library.ddb_issues import IssuesTable
from library.errors import HammerError, MessageError, TicketError
from library.issues import Episode, Issue, JiraDetails, Resolution, SlackDetails, Status
from library.jira_tickets import JiraTickets, NewTicket, Ticket, TicketGone
from library.lifecycle import (
    Close,
    Remind,
    Report,
    ReportingPolicy,
    TellRemediated,
    interrupted,
    remediation_due,
    reminder_step,
)
from library.slack_messages import SlackMessages
from library.ticket_text import Comment, TextContext

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Failure:
    """A channel that did not take what it was given, in one sentence."""

    channel: str
    cause: str


class Notices:
    """Tells people of issues; `jira` and `slack` are None where the channel is not enabled.

    No method raises because of a channel: failures are returned, and recorded with the issue as still owed.
    """

    def __init__(
        self, settings: Config, table: IssuesTable, jira: JiraTickets | None, slack: SlackMessages | None
    ) -> None:
        self._settings = settings
        self._table = table
        self._jira = jira
        self._slack = slack
        self._names = settings.aws.accounts
        self._remediated = {account.id for account in settings.remediation_accounts()}

    def policy(self, account_id: str) -> ReportingPolicy:
        """What is in force for the issues of an account."""
        keys = self._settings.inactive_keys
        on = keys.remediation and account_id in self._remediated
        return ReportingPolicy(
            jira=self._jira is not None,
            slack=self._slack is not None,
            remediation_days=keys.remediation_retention_period if on else None,
            reminder_days=keys.reminder_days_before_remediation,
        )

    def report(self, issue: Issue, step: Report, now: datetime) -> list[Failure]:
        """Raise the ticket, or comment on the kept one, and tell Slack: what of it is owed."""
        failures = []
        url = ""
        if step.jira:
            try:
                ticket = self._say_on_ticket(issue, now, self._owed_comments(issue, now))
            except TicketError as error:
                failures.append(self._jira_failed(issue, error, now))
            else:
                issue = self._record(issue, lambda current: _jira_confirmed(_reported(current, issue, now), ticket))
        if issue.jira.ticket and self._settings.jira.server:
            url = f"{self._settings.jira.server.rstrip('/')}/browse/{issue.jira.ticket}"
        if step.slack:
            days = self._reminded_days(issue)
            context = self._context(issue, now)
            if days is None:
                text = ticket_text.slack_report(issue, context, url)
            else:
                text = ticket_text.slack_reminder(issue, context, days)
            failures += self._tell_slack(issue, text, now, lambda current: _reported(current, issue, now))
        return failures

    def remind(self, issue: Issue, step: Remind, now: datetime) -> list[Failure]:
        """Say on every channel that the remediation comes in `step.days` days; recorded if one of them took it."""
        failures: list[Failure] = []
        confirmed = False
        context = self._context(issue, now)
        if self._jira is not None:
            try:
                comment = ticket_text.reminder_comment(issue, context, step.days)
                ticket = self._say_on_ticket(issue, now, [comment])
            except TicketError as error:
                failures.append(self._jira_failed(issue, error, now))
            else:
                confirmed = True
                self._record(issue, lambda current: _jira_confirmed(_reminded(current, issue, now), ticket))
        if self._slack is not None:
            text = ticket_text.slack_reminder(issue, context, step.days)
            told = self._tell_slack(issue, text, now, lambda current: _reminded(current, issue, now))
            failures += told
            confirmed = confirmed or not told
        if not confirmed:
            # Nobody heard of it: the step itself is owed, not the delivery by one channel.
            self._record(issue, _owes_nothing)
        return failures

    def close(self, issue: Issue, step: Close, now: datetime) -> list[Failure]:
        """Say why the issue went away, close its ticket, and close the issue once every channel has confirmed."""
        failures = []
        context = self._context(issue, now)
        if self._jira is not None:
            try:
                self._close_ticket(self._jira, issue, context)
            except TicketError as error:
                failures.append(self._jira_failed(issue, error, now))
        if step.slack:
            failures += self._tell_slack(
                issue, ticket_text.slack_closed(issue, context), now, lambda current: current
            )
        if not failures:
            self.close_record(issue, now)
        return failures

    def close_silently(self, issue: Issue, now: datetime) -> list[Failure]:
        """Close an issue nobody was told of; if a run that was cut off left a ticket, close that one with a word."""
        if self._jira is None:
            self.close_record(issue, now)
            return []
        return self.close(issue, Close(slack=False), now)

    def close_record(self, issue: Issue, now: datetime) -> None:
        """Set the issue to closed, unless a scan has opened it again meanwhile."""
        self._record(
            issue,
            lambda current: (
                replace(
                    current,
                    status=Status.CLOSED,
                    timestamps=replace(current.timestamps, closed=now),
                    jira=replace(current.jira, failed=None),
                    slack=replace(current.slack, failed=None),
                )
                if current.status is issue.status
                else current
            ),
        )

    def owed(self, issue: Issue, now: datetime) -> Issue:
        """The issue with every enabled channel marked as owing a message, to be recorded together with its cause."""
        jira = replace(issue.jira, failed=now) if self._jira and issue.jira.ticket else issue.jira
        slack = replace(issue.slack, failed=now) if self._slack else issue.slack
        return replace(issue, jira=jira, slack=slack)

    def tell_remediated(self, issue: Issue, step: TellRemediated, now: datetime) -> list[Failure]:
        """Say that the key was switched off and how to get it back or, if it was restored since, that it is on."""
        times = issue.timestamps
        if times.remediated is not None and times.restored is not None and times.restored > times.remediated:
            # Who it was is in the log of the run that did it.
            return self._say_restored(issue, "Somebody", step, now)
        context = self._context(issue, now)
        failures = self._comment(issue, ticket_text.remediated_comment(issue, context), now) if step.jira else []
        if step.slack:
            text = ticket_text.slack_remediated(issue, context)
            failures += self._tell_slack(issue, text, now, lambda current: current)
        return failures

    def tell_restored(self, issue: Issue, who: str, now: datetime) -> list[Failure]:
        """Say that the key was switched on again, and by whom."""
        return self._say_restored(issue, who, TellRemediated(jira=True, slack=True), now)

    def _say_restored(self, issue: Issue, who: str, step: TellRemediated, now: datetime) -> list[Failure]:
        context = self._context(issue, now)
        failures = self._comment(issue, ticket_text.restored_comment(issue, context, who), now) if step.jira else []
        if step.slack:
            text = ticket_text.slack_restored(issue, context, who)
            failures += self._tell_slack(issue, text, now, lambda current: current)
        return failures

    def tell_failure(self, issue: Issue, now: datetime) -> list[Failure]:
        """Say on the ticket, once for each cause, that the key could not be switched off."""
        comment = ticket_text.failure_comment(issue, self._context(issue, now))
        return self._comment(issue, comment, now, settles=False)

    def recipients(self, account_id: str) -> tuple[str, ...]:
        """Who is told over Slack: the account's owners and, if configured, the global ones, each once."""
        owners = self._settings.owners
        names = list(owners.for_account(account_id).slack_owner)
        if self._settings.slack.notify_default_owner:
            names += owners.default.slack_owner
        return tuple(dict.fromkeys(names))

    def _context(self, issue: Issue, now: datetime) -> TextContext:
        days = self.policy(issue.account_id).remediation_days
        reported = issue.timestamps.reported or now
        return TextContext(
            account_name=self._names.get(issue.account_id, issue.account_id),
            criteria_days=self._settings.inactive_keys.inactive_criteria_days,
            now=now,
            remediation_due=None if days is None else remediation_due(issue, days, reported=reported),
            whitelisting_url=self._settings.whitelisting_procedure_url,
        )

    def _reminded_days(self, issue: Issue) -> int | None:
        reminded = issue.timestamps.reminded
        if reminded is None:
            return None
        unsaid = replace(issue, timestamps=replace(issue.timestamps, reminded=None))
        return reminder_step(unsaid, self.policy(issue.account_id), reminded)

    def _owed_comments(self, issue: Issue, now: datetime) -> list[Comment]:
        context = self._context(issue, now)
        comments = [] if issue.episode is Episode.FIRST else [ticket_text.episode_comment(issue, context)]
        days = self._reminded_days(issue)
        return comments if days is None else [*comments, ticket_text.reminder_comment(issue, context, days)]

    def _say_on_ticket(self, issue: Issue, now: datetime, comments: list[Comment]) -> Ticket:
        assert self._jira is not None
        ticket = self._open_ticket(self._jira, issue)
        if ticket is None:
            return self._jira.raise_ticket(self._new_ticket(issue, now))
        for comment in comments:
            self._jira.comment(ticket.key, comment.text, comment.reference)
        return ticket

    def _open_ticket(self, jira: JiraTickets, issue: Issue) -> Ticket | None:
        kept = issue.jira.ticket
        if kept and jira.is_open(kept):
            return Ticket(kept, issue.jira.ticket_assignee_id)
        return jira.find_open(ticket_text.labels(issue)[1])

    def _new_ticket(self, issue: Issue, now: datetime) -> NewTicket:
        owner = self._settings.owners.for_account(issue.account_id)
        if not owner.jira_project:
            raise TicketError(
                f"no JIRA project for account {issue.account_id}: set jira_project in ticket_owners.json, "
                "for the account or globally"
            )
        tags = issue.details.tags or {}
        tagged = next((value for name, value in sorted(tags.items()) if name.lower() == "owner"), "")
        context = self._context(issue, now)
        return NewTicket(
            project=owner.jira_project,
            summary=ticket_text.summary(issue, context),
            description=ticket_text.description(issue, context),
            labels=ticket_text.labels(issue),
            assignees=tuple(name for name in (tagged, owner.jira_owner) if name),
            parent_ticket=owner.jira_parent_ticket,
        )

    def _close_ticket(self, jira: JiraTickets, issue: Issue, context: TextContext) -> None:
        ticket = self._open_ticket(jira, issue)
        if ticket is None:
            return
        comments = [ticket_text.closing_comment(issue, context)]
        untold = issue.jira.failed is not None or interrupted(issue)
        if issue.details.resolution is Resolution.REMEDIATED and untold:
            comments.insert(0, ticket_text.remediated_comment(issue, context))
        try:
            for comment in comments:
                jira.comment(ticket.key, comment.text, comment.reference)
        except TicketGone:
            return
        jira.close(ticket.key, "whitelisted" if issue.status is Status.WHITELISTED else "")

    def _comment(self, issue: Issue, comment: Comment, now: datetime, *, settles: bool = True) -> list[Failure]:
        if self._jira is None or issue.jira.ticket is None:
            return []
        try:
            self._jira.comment(issue.jira.ticket, comment.text, comment.reference)
        except TicketGone as error:
            logger.warning("account %s key %s: %s", issue.account_id, issue.issue_id, error)
        except TicketError as error:
            return [self._jira_failed(issue, error, now)]
        # News of a failure settles nothing: a report or reminder that JIRA did not take is owed as before.
        if settles:
            self._record(issue, lambda current: replace(current, jira=replace(current.jira, failed=None)))
        return []

    def _tell_slack(
        self, issue: Issue, text: str, now: datetime, confirmed: Callable[[Issue], Issue]
    ) -> list[Failure]:
        if self._slack is None:
            return []
        recipients = self.recipients(issue.account_id)
        if not recipients:
            cause = "no slack_owner is configured for the account, nor globally, in ticket_owners.json"
            self._record(issue, lambda current: replace(current, slack=replace(current.slack, failed=now)))
            return [Failure("Slack", cause)]
        delivery = self._slack.send(recipients, text)
        for recipient, cause in delivery.failed:
            logger.error(
                "account %s key %s: Slack: %s did not get the message: %s",
                issue.account_id,
                issue.issue_id,
                recipient,
                cause,
            )
        if not delivery.delivered:
            self._record(issue, lambda current: replace(current, slack=replace(current.slack, failed=now)))
            causes = "; ".join(f"{recipient}: {cause}" for recipient, cause in delivery.failed)
            return [Failure("Slack", str(MessageError(f"nobody got the message ({causes})")))]
        told = SlackDetails(notified=now, recipients=delivery.delivered)
        self._record(issue, lambda current: replace(confirmed(current), slack=told))
        return []

    def _jira_failed(self, issue: Issue, error: TicketError, now: datetime) -> Failure:
        self._record(issue, lambda current: replace(current, jira=replace(current.jira, failed=now)))
        return Failure("JIRA", str(error))

    def _record(self, issue: Issue, change: Callable[[Issue], Issue]) -> Issue:
        def decide(current: Issue | None) -> Issue | None:
            return None if current is None else change(current)

        # The row is read anew: an earlier step of this very run may have written to it.
        current = self._table.get(issue.account_id, issue.issue_id)
        after = self._table.step(issue.account_id, issue.issue_id, current, decide) if current else None
        if after is None:
            raise HammerError(f"issue {issue.account_id}/{issue.issue_id} was removed from the table by somebody")
        return after


def _same_episode(current: Issue, told: Issue) -> bool:
    return current.timestamps.identified == told.timestamps.identified


def _reported(current: Issue, told: Issue, now: datetime) -> Issue:
    if not _same_episode(current, told) or current.timestamps.reported is not None:
        return current
    return replace(current, timestamps=replace(current.timestamps, reported=now))


def _reminded(current: Issue, told: Issue, now: datetime) -> Issue:
    if not _same_episode(current, told):
        return current
    return replace(current, timestamps=replace(current.timestamps, reminded=now))


def _jira_confirmed(current: Issue, ticket: Ticket) -> Issue:
    return replace(current, jira=JiraDetails(ticket=ticket.key, ticket_assignee_id=ticket.assignee))


def _owes_nothing(current: Issue) -> Issue:
    return replace(current, jira=replace(current.jira, failed=None), slack=replace(current.slack, failed=None))
