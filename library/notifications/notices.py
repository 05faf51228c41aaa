"""What people are told of an issue, over every enabled channel; each step is recorded once it was confirmed."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from library.errors import MessageError, TicketError
from library.issues import steps
from library.issues.record import Episode, Issue, JiraDetails, Resolution, Status
from library.issues.reporting import (
    Close,
    ExemptionEnds,
    Remind,
    Report,
    ReportingPolicy,
    TellRemediated,
    remediation_due,
    reminder_step,
)
from library.issues.steps import JIRA, SLACK, Failure, Occasion
from library.notifications import jira_words, slack_words
from library.notifications.facts import TextContext
from library.notifications.jira_errors import TicketGone
from library.notifications.jira_tickets import JiraTickets, NewTicket, Ticket

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from library.aws.issues_table import IssuesTable
    from library.config.owners import Responsible
    from library.config.settings import Config
    from library.notifications.jira_words import Comment
    from library.notifications.slack_messages import SlackMessages

logger = logging.getLogger(__name__)


class Notices:
    """Tells people of issues; `jira` and `slack` are None where the channel is not enabled.

    No method raises because of a channel: failures are returned, and recorded with the issue as still owed. Each
    method wants the issue as it was read or written last. Several threads may use it, one for each issue.
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
            jira=self._settings.jira.enabled,
            slack=self._settings.slack.enabled,
            retention_days=keys.remediation_retention_period if on else None,
            reminder_days=keys.reminder_days_before_remediation,
        )

    def report(self, issue: Issue, step: Report, now: datetime) -> list[Failure]:
        """Raise the ticket, or comment on the kept one, and tell Slack: what of it is owed."""
        days, missed = self._reminded_days(issue), self._slack_missed(issue)
        context = self._context(issue, now)
        comments = self._episode_comments(issue, context)
        if days is not None:
            comments.append(jira_words.reminder_comment(issue, context, days))
        return self._tell(
            issue,
            now,
            on_ticket=(lambda: self._say_on_ticket(issue, now, comments)) if step.jira else None,
            slack_text=(lambda told: self._slack_words(told, context, days, missed)) if step.slack else None,
            occasion=Occasion.REPORT,
        )

    def remind(self, issue: Issue, step: Remind, now: datetime) -> list[Failure]:
        """Say on every channel that the remediation comes in `step.days` days; recorded if one of them took it."""
        context = self._context(issue, now)
        comments = self._episode_comments(issue, context) if issue.jira.failed is not None else []
        comments.append(jira_words.reminder_comment(issue, context, step.days))
        return self._tell(
            issue,
            now,
            on_ticket=lambda: self._say_on_ticket(issue, now, comments),
            slack_text=lambda told: self._slack_words(told, context, step.days, self._slack_missed(issue)),
            occasion=Occasion.REMINDER,
        )

    def close(self, issue: Issue, step: Close, now: datetime) -> list[Failure]:
        """Say why the issue went away, close its ticket, and close the issue once every channel has confirmed."""
        failures = []
        context = self._context(issue, now)
        if self._jira is not None:
            try:
                self._close_ticket(self._jira, issue, context)
            except TicketError as error:
                failures.append(Failure(JIRA, str(error)))
        told: tuple[str, ...] | None = None
        if step.slack:
            try:
                told = self._send(issue, slack_words.closed(issue, context), self.in_line(issue))
            except MessageError as error:
                failures.append(Failure(SLACK, str(error)))

        self._table.record(
            issue, lambda each: steps.closed(each, told=issue, recipients=told, failures=failures, now=now)
        )
        return failures

    def close_silently(self, issue: Issue, now: datetime) -> list[Failure]:
        """Close an issue nobody was told of; if a run that was cut off left a ticket, close that one with a word."""
        return self.close(issue, Close(slack=False), now)

    def tell_exemption_ends(self, step: ExemptionEnds, now: datetime) -> list[Failure]:
        """Say over Slack, once for all issues it covers, that an exemption ends soon."""
        first = step.issues[0]
        if not step.said:
            text = slack_words.exception_ends(step.exemption, step.issues, self._context(first, now))
            try:
                # The exemption is the account's, regardless of who owns its first key.
                self._send(first, text, self._settings.owners.for_issue(first.account_id, {}))
            except MessageError as error:
                return [Failure(SLACK, str(error))]
        # After the message: whoever dies in between says it again.
        for issue in step.issues:
            self._table.record(issue, lambda each: steps.told_that_exemption_ends(each, step.exemption.until, now))
        return []

    @property
    def channels(self) -> tuple[str, ...]:
        """The channels that are enabled."""
        return (*([JIRA] if self._jira else []), *([SLACK] if self._slack else []))

    def tell_remediated(self, issue: Issue, step: TellRemediated, now: datetime) -> list[Failure]:
        """Say that the key was switched off and how to get it back or, if it was restored since, that it is on."""
        times = issue.timestamps
        if times.remediated is not None and times.restored is not None and times.restored > times.remediated:
            return self._say_restored(issue, issue.restore.by if issue.restore else "Somebody", step, now)
        context = self._context(issue, now)
        comment = jira_words.remediated_comment(issue, context)
        return self._tell(
            issue,
            now,
            on_ticket=(lambda: self._news_on_ticket(issue, comment, now)) if step.jira else None,
            slack_text=(lambda _: slack_words.remediated(issue, context)) if step.slack else None,
        )

    def tell_restored(self, issue: Issue, who: str, now: datetime) -> list[Failure]:
        """Say that the key was switched on again, and by whom."""
        return self._say_restored(issue, who, TellRemediated(jira=True, slack=True), now)

    def _say_restored(self, issue: Issue, who: str, step: TellRemediated, now: datetime) -> list[Failure]:
        context = self._context(issue, now)
        comment = jira_words.restored_comment(issue, context, who)
        return self._tell(
            issue,
            now,
            on_ticket=(lambda: self._news_on_ticket(issue, comment, now)) if step.jira else None,
            slack_text=(lambda _: slack_words.restored(issue, context, who)) if step.slack else None,
        )

    def tell_failure(self, issue: Issue, now: datetime) -> list[Failure]:
        """Say on the ticket, once for each cause, that the key could not be switched off."""
        if self._jira is None or issue.jira.ticket is None:
            return []
        try:
            self._news_on_ticket(issue, jira_words.failure_comment(issue, self._context(issue, now)), now)
        except TicketError as error:
            failure = Failure(JIRA, str(error))
            self._table.record(issue, lambda current: steps.not_notified(current, [failure], now))
            return [failure]
        # News of a failure settles nothing: a report or reminder that JIRA did not take is owed as before.
        return []

    def in_line(self, issue: Issue) -> Responsible:
        """Who is responsible for the issue, nearest first."""
        return self._settings.owners.for_issue(issue.account_id, issue.details.tags or {})

    def recipients(self, line: Responsible) -> tuple[str, ...]:
        """Who is told over Slack: the owner, the nearest slack_owner and, if configured, the global one too."""
        names = [line.owner, *(line.slack_owners[0] if line.slack_owners else ())]
        if self._settings.slack.notify_default_owner:
            names += self._settings.owners.default.slack_owner
        return tuple(dict.fromkeys(filter(None, names)))

    def _context(self, issue: Issue, now: datetime) -> TextContext:
        days = self.policy(issue.account_id).retention_days
        reported = issue.timestamps.reported or now
        off = days is None or issue.timestamps.remediated is not None
        return TextContext(
            account_name=self._names.get(issue.account_id, issue.account_id),
            criteria_days=self._settings.inactive_keys.inactive_criteria_days,
            now=now,
            remediation_due=None if off else remediation_due(issue, days or 0, reported=reported),
            whitelisting_url=self._settings.whitelisting_procedure_url,
        )

    def _reminded_days(self, issue: Issue) -> int | None:
        reminded = issue.timestamps.reminded
        if reminded is None:
            return None
        unsaid = replace(issue, timestamps=replace(issue.timestamps, reminded=None))
        return reminder_step(unsaid, self.policy(issue.account_id), reminded)

    def _episode_comments(self, issue: Issue, context: TextContext) -> list[Comment]:
        return [] if issue.episode is Episode.FIRST else [jira_words.episode_comment(issue, context)]

    def _slack_missed(self, issue: Issue) -> bool:
        """Whether Slack owes even the report of this episode."""
        notified, identified = issue.slack.notified, issue.timestamps.identified
        return issue.slack.failed is not None and (
            notified is None or (identified is not None and notified < identified)
        )

    def _slack_words(self, issue: Issue, context: TextContext, days: int | None, missed: bool) -> str:
        """The report, the reminder of `days`, or both in one message if the report was `missed`."""
        parts = []
        if days is None or missed:
            server = self._settings.jira.server.rstrip("/")
            url = f"{server}/browse/{issue.jira.ticket}" if issue.jira.ticket and server else ""
            parts.append(slack_words.report(issue, context, url))
        if days is not None:
            parts.append(slack_words.reminder(issue, context, days))
        return "\n\n".join(parts)

    def _say_on_ticket(self, issue: Issue, now: datetime, comments: list[Comment]) -> Ticket:
        assert self._jira is not None
        ticket = self._open_ticket(self._jira, issue)
        parent = self.in_line(issue).jira_parent_ticket
        if ticket is None:
            ticket = self._jira.raise_ticket(self._new_ticket(issue, now))
        elif ticket.key != issue.jira.ticket and parent:
            # Raised by a run that died before it had recorded it, and maybe before it had linked it.
            self._jira.link(ticket.key, parent)
        # On a new one, too, so that it makes no difference which run has raised it.
        for comment in comments:
            self._jira.comment(ticket.key, comment.text, comment.reference)
        return ticket

    def _open_ticket(self, jira: JiraTickets, issue: Issue) -> Ticket | None:
        kept = issue.jira.ticket
        if kept and jira.is_open(kept):
            return Ticket(kept, issue.jira.ticket_assignee_id)
        return jira.find_open(jira_words.labels(issue)[1])

    def _new_ticket(self, issue: Issue, now: datetime) -> NewTicket:
        line = self.in_line(issue)
        if not line.jira_project:
            raise TicketError(
                f"no JIRA project for account {issue.account_id}: set jira_project in ticket_owners.json, "
                "for the account or globally"
            )
        context = self._context(issue, now)
        return NewTicket(
            project=line.jira_project,
            summary=jira_words.summary(issue, context),
            description=jira_words.description(issue, context),
            labels=jira_words.labels(issue),
            assignees=line.assignees,
            parent_ticket=line.jira_parent_ticket,
        )

    def _close_ticket(self, jira: JiraTickets, issue: Issue, context: TextContext) -> None:
        ticket = self._open_ticket(jira, issue)
        if ticket is None:
            return
        comments = [jira_words.closing_comment(issue, context)]
        untold = issue.jira.failed is not None or issue.interrupted
        if issue.details.resolution is Resolution.REMEDIATED and untold:
            comments.insert(0, jira_words.remediated_comment(issue, context))
        try:
            for comment in comments:
                jira.comment(ticket.key, comment.text, comment.reference)
        except TicketGone:
            return
        jira.close(ticket.key, "whitelisted" if issue.status is Status.WHITELISTED else "")

    def _news_on_ticket(self, issue: Issue, comment: Comment, now: datetime) -> Ticket | None:
        """Comment on the ticket as it is, closed or not; without one there is nothing to do, unless it is owed."""
        assert self._jira is not None
        if issue.jira.ticket is None:
            return self._say_on_ticket(issue, now, [comment]) if issue.jira.failed is not None else None
        try:
            self._jira.comment(issue.jira.ticket, comment.text, comment.reference)
        except TicketGone as error:
            logger.warning("account %s key %s: %s", issue.account_id, issue.issue_id, error)
        return Ticket(issue.jira.ticket, issue.jira.ticket_assignee_id)

    def _tell(
        self,
        issue: Issue,
        now: datetime,
        *,
        on_ticket: Callable[[], Ticket | None] | None,
        slack_text: Callable[[Issue], str] | None,
        occasion: Occasion = Occasion.NEWS,
    ) -> list[Failure]:
        """Say one thing on the ticket, then over Slack, which names the ticket; neither is held up by the other.

        What neither took is recorded as owed by both; but of a reminder the step itself is owed, not the delivery.
        """
        failures: list[Failure] = []
        told, heard = issue, False
        to_slack = slack_text if self._slack is not None else None
        if on_ticket is not None and self._jira is not None:
            try:
                ticket = on_ticket()
            except TicketError as error:
                failures.append(Failure(JIRA, str(error)))
            else:
                taken = None if ticket is None else JiraDetails(ticket.key, ticket.assignee)
                heard = True
                issue = self._table.record(
                    issue,
                    lambda each: steps.jira_confirmed(
                        each, occasion, told=told, ticket=taken, slack_follows=to_slack is not None, now=now
                    ),
                )
        if to_slack is not None:
            try:
                recipients = self._send(issue, to_slack(issue), self.in_line(issue))
            except MessageError as error:
                failures.append(Failure(SLACK, str(error)))
            else:
                self._table.record(
                    issue,
                    lambda each: steps.slack_confirmed(
                        each, occasion, told=told, recipients=recipients, failures=failures, now=now
                    ),
                )
                return failures
        if failures and (heard or occasion is not Occasion.REMINDER):
            self._table.record(issue, lambda each: steps.not_notified(each, failures, now))
        return failures

    def _send(self, issue: Issue, text: str, line: Responsible) -> tuple[str, ...]:
        """Who got the message; raises MessageError if nobody did."""
        assert self._slack is not None
        recipients = self.recipients(line)
        if not recipients:
            raise MessageError("no slack_owner is configured for the account, nor globally, in ticket_owners.json")
        delivery = self._slack.send(recipients, text, line.slack_owners[1:])
        if not delivery.delivered:
            causes = "; ".join(f"{recipient}: {cause}" for recipient, cause in delivery.failed)
            raise MessageError(f"nobody got the message ({causes})")
        for recipient, cause in delivery.failed:
            logger.log(
                logging.WARNING if recipient in delivery.unknown else logging.ERROR,
                "account %s key %s: Slack: %s did not get the message: %s",
                issue.account_id,
                issue.issue_id,
                recipient,
                cause,
            )
        return delivery.delivered
