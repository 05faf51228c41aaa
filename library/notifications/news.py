"""What is to be said of an issue, to whom and where, as a value. Nothing here says it.

Longer than 300 lines, because each occasion to say something is one short function, and they are read side by side.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from library.issues import steps
from library.issues.record import Episode, Resolution, Status
from library.issues.reporting import (
    Close,
    CloseSilently,
    Remind,
    Report,
    TellDate,
    TellRemediated,
    reminder_step,
)
from library.issues.steps import Occasion
from library.notifications import facts, jira_words, slack_words
from library.text import days, utc

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from library.issues.decisions import Step
    from library.issues.deliveries import Failure
    from library.issues.record import Issue
    from library.issues.reporting import ExemptionEnds
    from library.notifications.facts import TextContext
    from library.notifications.jira_words import Comment, NewTicket
    from library.notifications.slack_words import Message
    from library.notifications.terms import Audience, Terms

Owed = Report | TellDate | Remind | TellRemediated | Close | CloseSilently


@dataclass(frozen=True, slots=True)
class RaiseTicket:
    """Say it on the open ticket of the issue; if there is none, `new` is raised."""

    new: NewTicket


@dataclass(frozen=True, slots=True)
class CommentOnTicket:
    """Say it on this ticket as it is, open or not."""

    key: str


@dataclass(frozen=True, slots=True)
class CloseTicket:
    """Say it on the open ticket of the issue, if there is one, and close it, with `label` unless that is empty."""

    label: str


@dataclass(frozen=True, slots=True)
class News:
    """One thing to say.

    `reason` says in a log line what it is about. JIRA is told by `comments`, in their order, where `on_ticket` says,
    and nothing if that is None; Slack by one message of all `messages`, if there are any. The history calls it
    `occasion`, at `time` (UTC). Where it `settles` what was owed, each channel's confirmation is recorded by itself.
    Where no channel took it, each is owed it from then on, unless it is not `owed_unheard`: the step is due again.
    `date` (UTC) is from when on the key will be switched off according to the words, None if they do not say so.
    """

    reason: str
    time: datetime
    audience: Audience
    occasion: Occasion = Occasion.NEWS
    on_ticket: RaiseTicket | CommentOnTicket | CloseTicket | None = None
    comments: tuple[Comment, ...] = ()
    messages: tuple[Message, ...] = ()
    settles: bool = True
    owed_unheard: bool = True
    date: datetime | None = None

    @property
    def ends(self) -> bool:
        """Whether it is the end of the issue, which is closed once every channel has been told."""
        return isinstance(self.on_ticket, CloseTicket)

    @property
    def verdict(self) -> str:
        """How a run counts it: `reported`, `told a date`, `reminded`, `told` or `closed`."""
        return "closed" if self.ends else self.occasion.value


# --- what a run of reporting owes -----------------------------------------------------------------------------


def of_step(issue: Issue, step: Owed, terms: Terms, now: datetime) -> News:
    """What is to be said because of a step that reporting owes at `now` (UTC)."""
    match step:
        case Report():
            return _report(issue, step, terms, now)
        case TellDate():
            return _date(issue, step, terms, now)
        case Remind():
            return _reminder(issue, step, terms, now)
        case TellRemediated():
            return switched(issue, step, terms, now)
        case Close():
            return _end(issue, facts.ending(issue), terms, now, step)
        case CloseSilently():
            # A run that was cut off may have left a ticket, which is closed with a comment.
            return _end(issue, "never reported", terms, now, Close(slack=False))


def _report(issue: Issue, step: Report, terms: Terms, now: datetime) -> News:
    context, audience = terms.context(issue, now), terms.audience(issue)
    if not step.first:
        audience = audience.owed(issue.slack.owed)
    days_left = _days_of_the_last_reminder(issue, terms)
    occasion, later = Occasion.REPORT, list[jira_words.Comment]()
    if days_left is not None:
        occasion, later = Occasion.REMINDER, [jira_words.reminder_comment(issue, context, days_left)]
    elif issue.timestamps.date_told is not None:
        occasion, later = Occasion.DATE, [jira_words.date_comment(issue, context)]
    return News(
        reason=f"{issue.episode.value} episode" if step.first else "delivery that was still owed",
        time=now,
        audience=audience,
        occasion=occasion,
        on_ticket=_raise(issue, context, audience) if step.jira else None,
        comments=(*_episode_comments(issue, context), *later),
        messages=_report_and_reminder(issue, context, days_left) if step.slack else (),
        date=context.remediation_due,
    )


def _date(issue: Issue, step: TellDate, terms: Terms, now: datetime) -> News:
    context, audience = terms.context(issue, now), terms.audience(issue)
    missed = _episode_comments(issue, context) if issue.jira.failed is not None else ()
    return News(
        reason=f"remediation after {utc(step.date)}",
        time=now,
        audience=audience,
        occasion=Occasion.DATE,
        on_ticket=_raise(issue, context, audience),
        comments=(*missed, jira_words.date_comment(issue, context)),
        # The report says the date, and all that somebody needs who has missed it.
        messages=(slack_words.report(issue, context),),
        owed_unheard=False,
        date=step.date,
    )


def _reminder(issue: Issue, step: Remind, terms: Terms, now: datetime) -> News:
    context, audience = terms.context(issue, now), terms.audience(issue)
    missed = _episode_comments(issue, context) if issue.jira.failed is not None else ()
    return News(
        reason=f"{days(step.days)} before remediation",
        time=now,
        audience=audience,
        occasion=Occasion.REMINDER,
        on_ticket=_raise(issue, context, audience),
        comments=(*missed, jira_words.reminder_comment(issue, context, step.days)),
        messages=_report_and_reminder(issue, context, step.days),
        owed_unheard=False,
        date=context.remediation_due,
    )


def _end(issue: Issue, reason: str, terms: Terms, now: datetime, step: Close) -> News:
    context = terms.context(issue, now)
    untold = issue.jira.failed is not None or issue.interrupted
    switched_off_untold = issue.details.resolution is Resolution.REMEDIATED and untold
    missed = (_switched_comment(issue, context),) if switched_off_untold else ()
    return News(
        reason=reason,
        time=now,
        audience=terms.audience(issue).owed(step.alone),
        on_ticket=CloseTicket("whitelisted" if issue.status is Status.WHITELISTED else "") if step.jira else None,
        comments=(*missed, jira_words.closing_comment(issue, context)),
        messages=(slack_words.closed(issue, context),) if step.slack else (),
        settles=False,
    )


def exemption_ends(ending: ExemptionEnds, terms: Terms, now: datetime) -> News:
    """An exemption ends soon; there is nothing to say if that was said before."""
    first = ending.issues[0]
    message = slack_words.exemption_ends(ending.exemption, ending.issues, terms.context(first, now))
    return News(
        reason=f"ends after {ending.exemption.until}",
        time=now,
        # The exemption is the account's, regardless of who owns its first key.
        audience=terms.audience_of_account(first.account_id).owed(ending.alone),
        messages=() if ending.said else (message,),
    )


# --- what remediation has done --------------------------------------------------------------------------------


def switched(issue: Issue, step: TellRemediated, terms: Terms, now: datetime) -> News:
    """Hammer switched the key off and how to get it back or, if it was switched on again since, that it is on."""
    if issue.on_again_since is not None:
        return switched_on(issue, _restorer(issue), terms, now, jira=step.jira, slack=step.slack)
    context, audience = terms.context(issue, now), terms.audience(issue).owed(issue.slack.owed)
    return News(
        reason="that the key was switched off",
        time=now,
        audience=audience,
        on_ticket=_as_it_is(issue, context, audience) if step.jira else None,
        comments=(jira_words.remediated_comment(issue, context),),
        messages=(slack_words.remediated(issue, context),) if step.slack else (),
    )


def switched_on(
    issue: Issue, who: str, terms: Terms, now: datetime, *, jira: bool = True, slack: bool = True
) -> News:
    """`who` (an ARN) had the key switched on again."""
    context, audience = terms.context(issue, now), terms.audience(issue).owed(issue.slack.owed)
    return News(
        reason="that the key was switched on again",
        time=now,
        audience=audience,
        on_ticket=_as_it_is(issue, context, audience) if jira else None,
        comments=(jira_words.restored_comment(issue, context, who),),
        messages=(slack_words.restored(issue, context, who),) if slack else (),
    )


def not_switched_off(issue: Issue, terms: Terms, now: datetime) -> News:
    """The key could not be switched off; the ticket, if there is one, says so once for each cause."""
    return News(
        reason="that the key could not be switched off",
        time=now,
        audience=terms.audience(issue),
        on_ticket=CommentOnTicket(issue.jira.ticket) if issue.jira.ticket else None,
        comments=(jira_words.failure_comment(issue, terms.context(issue, now)),),
        # A report or a reminder that JIRA did not take is owed as before.
        settles=False,
    )


# --- how it is recorded ---------------------------------------------------------------------------------------


def last_step(
    news: News,
    issue: Issue,
    *,
    told: Issue,
    heard: bool,
    recipients: tuple[str, ...] | None,
    failures: Sequence[Failure],
) -> Step | None:
    """What is recorded of an issue when each channel has had its turn, None for nothing.

    `told` is the issue as it was when the news was written, `heard` whether JIRA has confirmed it, `recipients` who
    has over Slack, None if nobody has.
    """
    if news.ends:
        return steps.closed(issue, told=told, recipients=recipients, failures=failures, now=news.time)
    if recipients is not None:
        return steps.slack_confirmed(
            issue,
            news.occasion,
            told=told,
            recipients=recipients,
            failures=failures,
            now=news.time,
            date=news.date,
        )
    if failures and (heard or news.owed_unheard):
        return steps.not_notified(issue, failures, news.time)
    return None


# --- parts ----------------------------------------------------------------------------------------------------


def _raise(issue: Issue, context: TextContext, audience: Audience) -> RaiseTicket:
    return RaiseTicket(jira_words.new_ticket(issue, context, audience))


def _restorer(issue: Issue) -> str:
    return issue.restore.by if issue.restore else "Somebody"


def _switched_comment(issue: Issue, context: TextContext) -> Comment:
    if issue.on_again_since is not None:
        return jira_words.restored_comment(issue, context, _restorer(issue))
    return jira_words.remediated_comment(issue, context)


def _as_it_is(issue: Issue, context: TextContext, audience: Audience) -> RaiseTicket | CommentOnTicket | None:
    if issue.jira.ticket:
        return CommentOnTicket(issue.jira.ticket)
    # Without a ticket there is nothing to say, unless JIRA is owed one.
    return _raise(issue, context, audience) if issue.jira.failed is not None else None


def _episode_comments(issue: Issue, context: TextContext) -> tuple[Comment, ...]:
    return () if issue.episode is Episode.FIRST else (jira_words.episode_comment(issue, context),)


def _days_of_the_last_reminder(issue: Issue, terms: Terms) -> int | None:
    """Of how many days before the remediation people were reminded last; None if they were not."""
    reminded = issue.timestamps.reminded
    if reminded is None:
        return None
    unsaid = replace(issue, timestamps=replace(issue.timestamps, reminded=None))
    return reminder_step(unsaid, terms.policy(issue.account_id), reminded)


def _report_and_reminder(issue: Issue, context: TextContext, days_left: int | None) -> tuple[Message, ...]:
    """The report, or the reminder of `days_left`; both if Slack has missed even the report of this episode."""
    report = slack_words.report(issue, context)
    if days_left is None:
        return (report,)
    reminder = slack_words.reminder(issue, context, days_left)
    notified, identified = issue.slack.notified, issue.timestamps.identified
    missed = issue.slack.failed is not None and (
        notified is None or (identified is not None and notified < identified)
    )
    return (report, reminder) if missed else (reminder,)
