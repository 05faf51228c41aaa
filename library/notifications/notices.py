"""Carries news to the channels, and records which of them have confirmed it."""

from __future__ import annotations

import logging
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol

from library import messages
from library.errors import MessageError, TicketError
from library.issues import steps
from library.issues.record import JiraDetails
from library.issues.steps import JIRA, SLACK, Failure
from library.messages import Message
from library.notifications import jira_words
from library.notifications.jira_closing import TicketArchived
from library.notifications.jira_errors import Refused, TicketGone
from library.notifications.jira_tickets import Ticket
from library.notifications.news import CloseTicket, CommentOnTicket, News, RaiseTicket, last_step

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from library.issues.decisions import Step
    from library.issues.record import Issue
    from library.issues.reporting import ExemptionEnds
    from library.notifications.jira_tickets import JiraTickets
    from library.notifications.jira_words import Comment, NewTicket
    from library.notifications.slack_messages import SlackMessages

logger = logging.getLogger(__name__)


class Table(Protocol):
    """Where issues are recorded."""

    def record(self, issue: Issue, decide: Callable[[Issue], Step | None]) -> Issue:
        """Write what `decide` makes of the issue, which is read again if somebody has changed it since.

        Returns the issue as it is then; raises HammerError if nothing could be written.
        """


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
            try:
                ticket = _say_on_ticket(self._jira, issue, news)
            except TicketError as error:
                failures.append(Failure(JIRA, str(error), error.id))
            else:
                heard = True
                latest = self._jira_confirmed(issue, news, ticket)
        recipients = None
        if news.messages and self._slack is not None:
            try:
                recipients = _send(self._slack, issue, news, latest.jira.ticket)
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

    def _jira_confirmed(self, issue: Issue, news: News, ticket: Ticket | None) -> Issue:
        if not news.settles:
            return issue
        return self._table.record(
            issue,
            partial(
                steps.jira_confirmed,
                occasion=news.occasion,
                told=issue,
                ticket=None if ticket is None else JiraDetails(ticket.key, ticket.assignee),
                slack_follows=bool(news.messages) and self._slack is not None,
                now=news.time,
                date=news.date,
            ),
        )


def _say_on_ticket(jira: JiraTickets, issue: Issue, news: News) -> Ticket | None:
    """Where it was said; None if there is no ticket to say it on."""
    match news.on_ticket:
        case RaiseTicket(new):
            return _say_on_open_ticket(jira, issue, new, news.comments)
        case CommentOnTicket(key):
            try:
                _comment(jira, key, news.comments)
            except TicketGone as error:
                messages.warning(
                    logger, Message.TICKET_GONE_MEANWHILE, f"account {issue.account_id} key {issue.issue_id}: {error}"
                )
            return Ticket(key, issue.jira.ticket_assignee_id)
        case CloseTicket(label):
            ticket = _open_ticket(jira, issue)
            if ticket is not None:
                _close(jira, ticket.key, label, news.comments)
    return None


def _say_on_open_ticket(jira: JiraTickets, issue: Issue, new: NewTicket, comments: Sequence[Comment]) -> Ticket:
    ticket = _open_ticket(jira, issue)
    if ticket is None:
        if not new.project:
            raise TicketError(
                f"no JIRA project for account {issue.account_id}: set jira_project in ticket_owners.json, "
                "for the account or globally",
                id=Message.NO_PROJECT,
            )
        ticket = jira.raise_ticket(new)
    elif ticket.key != issue.jira.ticket and new.parent_ticket:
        # Raised by a run that died before it had recorded it, and maybe before it had linked it.
        jira.link(ticket.key, new.parent_ticket)
    # On a new one, too, so that it makes no difference which run has raised it.
    _comment(jira, ticket.key, comments)
    return ticket


def _open_ticket(jira: JiraTickets, issue: Issue) -> Ticket | None:
    kept = issue.jira.ticket
    if kept and jira.is_open(kept):
        return Ticket(kept, issue.jira.ticket_assignee_id)
    return jira.find_open(jira_words.labels(issue)[-1])


def _close(jira: JiraTickets, key: str, label: str, comments: Sequence[Comment]) -> None:
    try:
        _comment(jira, key, comments)
    except TicketGone:
        return
    except Refused as error:
        if error.status == HTTPStatus.UNAUTHORIZED:
            raise
        # An open ticket of a key that is no issue any more is worse than a closed one without its last words.
        messages.warning(logger, Message.TICKET_WITHOUT_A_PART, f"The ticket {key} stays without a comment: {error}")
    try:
        jira.close(key, label)
    except TicketArchived as error:
        messages.warning(logger, error.id, str(error))


def _comment(jira: JiraTickets, key: str, comments: Sequence[Comment]) -> None:
    for comment in comments:
        jira.comment(key, comment.text, comment.reference)


def _send(slack: SlackMessages, issue: Issue, news: News, ticket: str | None) -> tuple[str, ...]:
    """Who got the message; raises MessageError if nobody did."""
    if not news.audience.slack:
        raise MessageError(
            "no slack_owner is configured for the account, nor globally, in ticket_owners.json",
            id=Message.NO_SLACK_OWNER,
        )
    text = "\n\n".join(message.naming(ticket) for message in news.messages)
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
