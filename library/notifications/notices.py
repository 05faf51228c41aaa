"""Carries news to the channels, and records which of them have confirmed it."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

from library import messages
from library.errors import MessageError, TicketError
from library.issues import steps
from library.issues.steps import JIRA, SLACK, Failure
from library.messages import Message
from library.notifications.news import News, last_step
from library.notifications.on_ticket import OnTicket

if TYPE_CHECKING:
    from library.issues.record import Issue
    from library.issues.reporting import ExemptionEnds
    from library.notifications.jira_tickets import JiraTickets
    from library.notifications.on_ticket import Table
    from library.notifications.slack_messages import SlackMessages

logger = logging.getLogger(__name__)


class Notices:
    """Tells people of issues; `jira` and `slack` are None where the channel is not enabled.

    No method raises because of a channel: failures are returned, and recorded with the issue as still owed. Each
    method wants the issue as it was read or written last, and raises HammerError if it cannot be recorded. Several
    threads may use it, one for each issue.
    """

    def __init__(self, table: Table, jira: JiraTickets | None, slack: SlackMessages | None) -> None:
        self._table = table
        self._jira = jira
        self._slack = slack

    @property
    def channels(self) -> tuple[str, ...]:
        """The channels that are enabled."""
        return (*([JIRA] if self._jira else []), *([SLACK] if self._slack else []))

    def tell(self, issue: Issue, news: News) -> list[Failure]:
        """Say it on the ticket, then over Slack, which names the ticket; neither is held up by the other."""
        failures: list[Failure] = []
        latest, heard = issue, False
        if news.on_ticket is not None and self._jira is not None:
            on_ticket = OnTicket(self._table, self._jira, issue, news)
            try:
                on_ticket.say()
            except TicketError as error:
                failures.append(Failure(JIRA, str(error), error.id))
                latest = on_ticket.issue
            else:
                heard = True
                latest = self._jira_confirmed(issue, news, on_ticket)
        recipients = None
        if news.messages and self._slack is not None:
            try:
                recipients = _send(
                    self._slack, issue, news, latest.jira.ticket, self._jira.browse_url if self._jira else ""
                )
            except MessageError as error:
                failures.append(Failure(SLACK, str(error), error.id))
        self._table.record(
            latest,
            partial(last_step, news, told=issue, heard=heard, recipients=recipients, failures=failures),
        )
        return failures

    def tell_exemption_ends(self, ending: ExemptionEnds, news: News) -> list[Failure]:
        """Say it over Slack, once for all issues that the exemption covers."""
        if self._slack is None:
            return []
        if news.messages:
            try:
                _send(self._slack, ending.issues[0], news, None)
            except MessageError as error:
                return [Failure(SLACK, str(error), error.id)]
        # After the message: if this process dies in between, the next run says it again.
        told = partial(steps.told_that_exemption_ends, last_day=ending.exemption.until, now=news.time)
        for issue in ending.issues:
            self._table.record(issue, told)
        return []

    def _jira_confirmed(self, issue: Issue, news: News, said: OnTicket) -> Issue:
        if not news.settles:
            return said.issue
        return self._table.record(
            said.issue,
            partial(
                steps.jira_confirmed,
                occasion=news.occasion,
                told=issue,
                ticket=said.details,
                slack_follows=bool(news.messages) and self._slack is not None,
                now=news.time,
                date=news.date,
            ),
        )


def _send(
    slack: SlackMessages, issue: Issue, news: News, ticket: str | None, browse_url: str = ""
) -> tuple[str, ...]:
    """Who got the message; raises MessageError if nobody did."""
    if not news.audience.slack:
        raise MessageError(
            "no slack_owner is configured for the account, nor globally, in ticket_owners.json",
            id=Message.NO_SLACK_OWNER,
        )
    text = "\n\n".join(message.naming(ticket, browse_url) for message in news.messages)
    delivery = slack.send(news.audience.slack, text, news.audience.slack_otherwise)
    if not delivery.delivered:
        causes = "; ".join(f"{recipient}: {cause}" for recipient, cause in delivery.failed)
        raise MessageError(f"nobody got the message ({causes})")
    for recipient, cause in delivery.failed:
        where = f"account {issue.account_id} key {issue.issue_id}"
        text = f"{where}: Slack: {recipient} did not get the message: {cause}"
        if recipient in delivery.unknown:
            messages.warning(logger, Message.SLACK_RECIPIENT_UNKNOWN, text)
        else:
            messages.error(logger, Message.SLACK_RECIPIENT, text)
    return delivery.delivered
