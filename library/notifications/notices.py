"""Carries news to the channels, and records which of them have confirmed it."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

from library import messages
from library.errors import TicketError
from library.issues import steps
from library.issues.deliveries import JIRA, SLACK, Failure
from library.messages import Message
from library.notifications.news import News, last_step
from library.notifications.on_ticket import OnTicket
from library.notifications.slack_errors import ChannelFailed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from library.errors import MessageError
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
        self._warned: dict[tuple[str, str], str] = {}

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
            recipients, missed = self._send(self._slack, issue.name, news, latest.jira.ticket)
            failures += missed
        self._table.record(
            latest,
            partial(last_step, news, told=issue, heard=heard, recipients=recipients, failures=failures),
        )
        return failures

    def tell_exemption_ends(self, ending: ExemptionEnds, news: News) -> list[Failure]:
        """Say it over Slack, once for all issues that the exemption covers."""
        if self._slack is None:
            return []
        failures: list[Failure] = []
        if news.messages:
            recipients, failures = self._send(self._slack, ending.issues[0].name, news, None)
            if recipients is None:
                return failures
        # After the message: if this process dies in between, the next run says it again.
        told = partial(
            steps.told_that_exemption_ends, last_day=ending.exemption.until, now=news.time, failures=failures
        )
        for issue in ending.issues:
            self._table.record(issue, told)
        return failures

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
                alone=news.audience.alone,
                now=news.time,
                date=news.date,
            ),
        )

    def _send(
        self, slack: SlackMessages, where: str, news: News, ticket: str | None
    ) -> tuple[tuple[str, ...] | None, list[Failure]]:
        """Who got it, None if nobody did who can; and one failure for each cause that kept it from somebody."""
        audience = news.audience
        if not audience.slack:
            cause = "no slack_owner is configured for the account, nor globally, in ticket_owners.json"
            return None, [Failure(SLACK, cause, Message.NO_SLACK_OWNER)]
        browse_url = self._jira.browse_url if self._jira and ticket else ""
        text = "\n\n".join(message.naming(ticket, browse_url) for message in news.messages)
        delivery = slack.send(audience.slack, text, audience.slack_otherwise)
        # Who can never be reached is owed nothing, as long as somebody else is.
        alone = bool(delivery.delivered or audience.alone)
        hopeless = delivery.unknown if alone or delivery.owed else {}
        self._warn(where, hopeless)
        failed = {name: error for name, error in delivery.failed.items() if name not in hopeless}
        recipients = delivery.delivered if delivery.delivered or not failed else None
        return recipients, _by_cause(failed, alone=alone)

    def _warn(self, where: str, hopeless: Mapping[str, MessageError]) -> None:
        for recipient, cause in hopeless.items():
            if self._warned.setdefault((recipient, str(cause)), where) == where:
                text = f"{where}: Slack: {recipient} did not get the message: {cause}"
                messages.warning(logger, Message.SLACK_RECIPIENT_UNKNOWN, text)


def _by_cause(failed: Mapping[str, MessageError], *, alone: bool) -> list[Failure]:
    causes: dict[tuple[Message, str], list[str]] = {}
    for recipient, error in failed.items():
        # What is wrong with the channel as a whole is wrong for everybody.
        about = [] if isinstance(error, ChannelFailed) and not alone else [recipient]
        causes.setdefault((error.id, str(error)), []).extend(about)
    return [Failure(SLACK, cause, id, tuple(names), alone) for (id, cause), names in causes.items()]
