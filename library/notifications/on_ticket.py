"""Says news on the ticket of an issue, and records each step before the next one is taken."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol

from library import messages
from library.errors import TicketError
from library.issues import lost_tickets
from library.issues.lost_tickets import LOOKED_FOR, Fate
from library.messages import Message
from library.notifications import jira_words
from library.notifications.jira_closing import TicketArchived
from library.notifications.jira_errors import NotShown, Refused, Unanswered
from library.notifications.news import CloseTicket, CommentOnTicket, RaiseTicket

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from library.issues.decisions import Step
    from library.issues.record import Issue, JiraDetails
    from library.notifications.jira_creation import Ticket
    from library.notifications.jira_tickets import JiraTickets
    from library.notifications.jira_words import Comment, NewTicket
    from library.notifications.news import News

logger = logging.getLogger(__name__)


class Table(Protocol):
    """Where issues are recorded."""

    def record(self, issue: Issue, decide: Callable[[Issue], Step | None]) -> Issue:
        """Write what `decide` makes of the issue, which is read again if somebody has changed it since.

        Returns the issue as it is then; raises HammerError if nothing could be written.
        """


class OnTicket:
    """One piece of news about one issue; `issue` is what the table holds of it, also after an error.

    `ticket` is where it was said, None if there was no ticket to say it on.
    """

    def __init__(self, table: Table, jira: JiraTickets, issue: Issue, news: News) -> None:
        self._table, self._jira, self._news = table, jira, news
        self._common_label, self._label = jira_words.labels(issue)
        self.issue = issue
        self.ticket: str | None = None
        self._seen = False
        self._project = ""

    @property
    def details(self) -> JiraDetails | None:
        """What is to be recorded of the ticket on which it was said."""
        if self.ticket is None:
            return None
        known = self.issue.jira
        seen = known.seen or (self._news.time if self._seen else None)
        return replace(known, ticket=self.ticket, seen=seen)

    def say(self) -> None:
        """Say it; raises TicketError if JIRA has not confirmed all of it."""
        match self._news.on_ticket:
            case RaiseTicket(new):
                self._say_on_open_ticket(new)
            case CommentOnTicket(key):
                if self._is_there(key):
                    self._comment(key, self._news.comments)
                self.ticket = key
            case CloseTicket(label):
                # Not recorded: while it is open it is found again, and nobody was told of an issue without a ticket.
                to_close = self._open_ticket(recorded=False)
                if to_close is not None:
                    self._close(to_close, label)

    # As the journal of JiraTickets.raise_ticket

    def asking(self) -> None:
        """A ticket is about to be asked for: whatever becomes of this process, it may be there from now on."""
        # Not the time of the news: a run may be under way for long.
        self._record(partial(lost_tickets.asked_for, project=self._project, now=datetime.now(UTC)))

    def made(self, ticket: Ticket) -> None:
        """JIRA has given this ticket."""
        self._made(ticket, seen=None)

    def _made(self, ticket: Ticket, *, seen: datetime | None) -> None:
        step = partial(lost_tickets.made, ticket=ticket.key, assignee=ticket.assignee, seen=seen, now=self._news.time)
        self._record(step)

    def _say_on_open_ticket(self, new: NewTicket) -> None:
        kept, key = self.issue.jira.ticket, self._open_ticket()
        if key is None:
            key = self._raise(new)
        elif (key != kept or self.issue.jira.seen is None) and new.parent_ticket:
            # Raised by a run that died before it had said anything there, and maybe before it had linked it.
            self._jira.link(key, new.parent_ticket)
        if self.issue.jira.seen is None and not self._seen:
            self._read_back(key)
        # On a new one, too, so that it makes no difference which run has raised it.
        self._comment(key, self._news.comments)
        self.ticket = key

    def _raise(self, new: NewTicket) -> str:
        if not new.project:
            raise TicketError(
                f"no JIRA project for account {self.issue.account_id}: set jira_project in ticket_owners.json, "
                "for the account or globally",
                id=Message.NO_PROJECT,
            )
        self._project = new.project
        try:
            return self._jira.raise_ticket(new, self).key
        except Unanswered:
            raise
        except TicketError:
            if self.issue.jira.asked is not None:
                self._record(partial(lost_tickets.not_made, now=self._news.time))
            raise

    def _read_back(self, key: str) -> None:
        """Nobody may write on, close or find again what they cannot see."""
        self._jira.look(key, self._label)
        self._seen = True

    def _open_ticket(self, *, recorded: bool = True) -> str | None:
        """The ticket of the issue that is not done; raises TicketError where it is not known whether there is one."""
        kept = self.issue.jira.ticket
        if kept and self._is_there(kept, open_only=True):
            return kept
        newest_shown = self._newest_shown()
        found = self._jira.find_open(self._label)
        if found is not None:
            if recorded:
                self._made(found, seen=self._news.time)
            return found.key
        if self.issue.jira.asked is not None:
            self._be_sure_that_there_is_none(self.issue.jira.asked, newest_shown)
        return None

    def _newest_shown(self) -> datetime | None:
        """What library.issues.lost_tickets wants to know; None where nothing was asked for."""
        asked_in = self.issue.jira.asked_in
        return self._jira.newest_shown(asked_in, self._common_label) if asked_in else None

    def _be_sure_that_there_is_none(self, asked: datetime, newest_shown: datetime | None) -> None:
        project = self.issue.jira.asked_in
        said = f"JIRA has not said what became of the ticket that it was asked for at {asked:%Y-%m-%d %H:%M} UTC" + (
            f" in {project}" if project else ""
        )
        match lost_tickets.fate(asked, newest_shown, self._news.time):
            case Fate.LOOKED_FOR:
                raise TicketError(
                    f"{said}: it is looked for, and asked for again after {(asked + LOOKED_FOR):%H:%M} UTC at the "
                    "earliest, once JIRA's search shows a ticket of ours that was made later",
                    id=Message.TICKET_LOOKED_FOR,
                )
            case Fate.UNKNOWN:
                raise TicketError(
                    f"{said}, and shows none with the label {self._label}, nor one of ours that was made later: it "
                    "may be there and hidden. Give the user Browse Projects and the security level of the tickets "
                    "there; if JIRA has no ticket with that label, run reporting with --raise-again "
                    f"{self.issue.issue_id}",
                    id=Message.TICKET_HIDDEN_OR_LOST,
                )

    def _is_there(self, key: str, *, open_only: bool = False) -> bool:
        """Whether the kept ticket exists and is the issue's; raises NotShown where that is not known."""
        try:
            looked = self._jira.look(key, self._label)
        except NotShown as error:
            if self.issue.jira.seen is None or not self._jira.may_browse(key.rpartition("-")[0]):
                raise
            if not open_only:
                self._warn(Message.TICKET_GONE_MEANWHILE, f"the ticket {key} is gone from JIRA ({error})")
            return False
        if not looked.is_ours:
            self._warn(
                Message.TICKET_NOT_OURS,
                f"the ticket {key} is not ours, and nothing is written on it: another user created it, and it lacks "
                f"the label {self._label}",
            )
            return False
        self._seen = True
        return looked.is_open or not open_only

    def _comment(self, key: str, comments: Sequence[Comment]) -> None:
        for comment in comments:
            self._jira.comment(key, comment.text, comment.reference)

    def _close(self, key: str, label: str) -> None:
        try:
            self._comment(key, self._news.comments)
        except Refused as error:
            if error.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND):
                raise
            # An open ticket of a key that is no issue any more is worse than a closed one without its last words.
            self._jira.missing(key, f"stays without a comment: {error}")
        try:
            self._jira.close(key, label)
        except TicketArchived as error:
            self._warn(error.id, str(error))

    def _record(self, step: Callable[[Issue], Step | None]) -> None:
        self.issue = self._table.record(self.issue, step)

    def _warn(self, message: Message, text: str) -> None:
        messages.warning(logger, message, f"account {self.issue.account_id} key {self.issue.issue_id}: {text}")
