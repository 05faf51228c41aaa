"""Every change of an issue: one function for each, which says what the issue becomes and what its history calls that.

Nothing here decides. Each function takes the issue as it is, and the time (UTC) of the step.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from library.issues.decisions import Step
from library.issues.record import (
    Episode,
    Issue,
    IssueDetails,
    JiraDetails,
    Resolution,
    SlackDetails,
    Status,
    Timestamps,
)
from library.messages import Message
from library.text import last_used_or_created, utc

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import date

    from library.issues.whitelist import Exemption

JIRA, SLACK = "JIRA", "Slack"


# --- what a scan finds ----------------------------------------------------------------------------------------


def found(account_id: str, key_id: str, details: IssueDetails, exemption: Exemption | None, now: datetime) -> Step:
    """A key that has no issue is idle."""
    issue = Issue(
        account_id=account_id,
        issue_id=key_id,
        status=Status.OPEN if exemption is None else Status.WHITELISTED,
        details=details,
        timestamps=Timestamps(identified=now, updated=now),
    )
    what, covered = ("found", "") if exemption is None else ("found, whitelisted", f"; {_covered_by(exemption)}")
    return Step(issue, what, f"idle: {_use(details)}{covered}", now)


def refreshed(issue: Issue, details: IssueDetails, now: datetime) -> Step:
    """The key is idle as before, and some of its facts are others."""
    return Step(
        replace(issue, details=details, timestamps=replace(issue.timestamps, updated=now)),
        "details changed",
        _difference(issue.details, details),
        now,
    )


def exempted(issue: Issue, details: IssueDetails, episode: Episode, exemption: Exemption, now: datetime) -> Step:
    """An exemption covers an idle key whose issue was open or resolved."""
    # What ended the issue before is kept: it says whether a person switched the key on again.
    details = replace(details, resolution=issue.details.resolution)
    times = replace(issue.timestamps, resolved=None, updated=now)
    after = replace(issue, status=Status.WHITELISTED, episode=episode, details=details, timestamps=times)
    return Step(after, "whitelisted", _covered_by(exemption), now)


def no_longer_exempted(issue: Issue, details: IssueDetails, now: datetime) -> Step:
    """No exemption covers an idle key any more, of which nobody was told yet."""
    after = replace(issue, status=Status.OPEN, details=details, timestamps=replace(issue.timestamps, updated=now))
    return Step(after, "open", "no exemption covers it any more", now)


def resolved(issue: Issue, resolution: Resolution, now: datetime) -> Step:
    """The key is not idle any more."""
    after = replace(
        issue,
        status=Status.RESOLVED,
        details=replace(issue.details, resolution=resolution),
        timestamps=replace(issue.timestamps, resolved=now, updated=now),
    )
    return Step(after, "resolved", f"the key is not idle any more: {resolution.value}", now)


def ended_after_all(issue: Issue, resolution: Resolution, now: datetime) -> Step:
    """The key of a closed issue was switched on again, and is not idle: people were told of the end before."""
    after = replace(
        issue,
        details=replace(issue.details, resolution=resolution),
        timestamps=replace(issue.timestamps, updated=now),
    )
    return Step(after, "stays closed", f"the key was switched on again, and is not idle: {resolution.value}", now)


def new_episode(issue: Issue, details: IssueDetails, episode: Episode, now: datetime) -> Step:
    """An idle key begins again: everything is said once more, on the ticket that is there, and counts from now."""
    times = Timestamps(
        identified=now, updated=now, restored=issue.timestamps.restored, closed=issue.timestamps.closed
    )
    jira, slack = replace(issue.jira, failed=None), replace(issue.slack, failed=None)
    return _begun(replace(issue, jira=jira, slack=slack, timestamps=times), issue.status, details, episode, now)


def found_again(issue: Issue, details: IssueDetails, episode: Episode, now: datetime) -> Step:
    """A key whose issue was closed is idle: as if it were new, with a ticket of its own."""
    fresh = replace(
        issue, jira=JiraDetails(), slack=SlackDetails(), timestamps=Timestamps(identified=now, updated=now)
    )
    return _begun(fresh, issue.status, details, episode, now)


def _begun(issue: Issue, was: Status, details: IssueDetails, episode: Episode, now: datetime) -> Step:
    after = replace(issue, status=Status.OPEN, episode=episode, details=details, remediation_error=None)
    if episode is Episode.REACTIVATED:
        why = "somebody switched the key on again, and it is idle"
    else:
        why = "it is idle again" + (" or its exemption has ended" if was is Status.WHITELISTED else "")
    return Step(after, f"a new episode, {episode.value}", f"{why}: {_use(details)}", now)


# --- what people are told -------------------------------------------------------------------------------------


class Occasion(StrEnum):
    """What people are told of, as the word that the history has for it."""

    REPORT = "reported"
    DATE = "told a date"
    REMINDER = "reminded"
    NEWS = "told"


@dataclass(frozen=True, slots=True)
class Failure:
    """A channel that did not take what it was given, in one sentence, and the id of its message."""

    channel: str
    cause: str
    id: Message = Message.UNEXPECTED


def ticket_asked_for(issue: Issue, now: datetime) -> Step:
    """JIRA is about to be asked for a ticket, which may be there from now on."""
    return Step(replace(issue, jira=replace(issue.jira, asked=now)), "", "", now)


def ticket_not_made(issue: Issue, now: datetime) -> Step:
    """JIRA has refused the ticket that it was asked for."""
    return Step(replace(issue, jira=replace(issue.jira, asked=None)), "", "", now)


def ticket_made(issue: Issue, ticket: str, assignee: str | None, seen: datetime | None, now: datetime) -> Step:
    """JIRA has given the issue this ticket, on which nothing more was said yet; `seen` if it has shown it, too."""
    jira = replace(issue.jira, ticket=ticket, ticket_assignee_id=assignee, asked=None, seen=seen)
    return Step(replace(issue, jira=jira), "", "", now)


def jira_confirmed(
    issue: Issue,
    occasion: Occasion,
    *,
    told: Issue,
    ticket: JiraDetails | None,
    slack_follows: bool,
    now: datetime,
    date: datetime | None = None,
) -> Step:
    """JIRA has taken the message about the issue `told`; `ticket` is None where there was no ticket to write on.

    `date` (UTC) is when the key will be switched off according to the message, None if it does not say so.
    """
    after = _heard(issue, occasion, told, now, date)
    if ticket is not None:
        # What a restore owes since this was said is owed still.
        after = replace(
            after, jira=replace(ticket, failed=issue.jira.failed if _restored_since(issue, told) else None)
        )
    if slack_follows:
        # Owed from this very moment: if this process dies before Slack has it, the next run says it.
        after = owing(after, (SLACK,), now)
    return Step(after, f"{occasion} on ticket {ticket.ticket}" if ticket else "", "", now)


def slack_confirmed(
    issue: Issue,
    occasion: Occasion,
    *,
    told: Issue,
    recipients: tuple[str, ...],
    failures: Sequence[Failure] = (),
    now: datetime,
    date: datetime | None = None,
) -> Step:
    """Slack has taken the message about the issue `told`; `failures` is what JIRA said before, if it did not.

    `date` (UTC) is when the key will be switched off according to the message, None if it does not say so.
    """
    after = _heard(issue, occasion, told, now, date)
    still_owed = issue.slack.failed if _restored_since(issue, told) else None
    after = replace(after, slack=replace(after.slack, notified=now, recipients=recipients, failed=still_owed))
    after = owing(after, [failure.channel for failure in failures], now)
    why = "; ".join(f"{failure.channel} not notified yet: {failure.cause}" for failure in failures)
    return Step(after, f"{occasion} over Slack: {', '.join(recipients)}", why, now)


def not_notified(issue: Issue, failures: Sequence[Failure], now: datetime) -> Step:
    """These channels did not take the message, which each of them is owed from now on, if not longer."""
    channels = [failure.channel for failure in failures]
    causes = "; ".join(dict.fromkeys(failure.cause for failure in failures))
    return Step(owing(issue, channels, now), f"{', '.join(channels)} not notified yet", causes, now)


def told_that_exemption_ends(issue: Issue, last_day: date | None, now: datetime) -> Step:
    """The account's owner was told over Slack that the exemption of this issue ends after `last_day` (UTC)."""
    after = replace(issue, slack=replace(issue.slack, exception_told=last_day))
    return Step(after, "told over Slack that the exemption ends", f"its last day is {last_day}", now)


def closed(
    issue: Issue, *, told: Issue, recipients: tuple[str, ...] | None, failures: Sequence[Failure], now: datetime
) -> Step | None:
    """The end of the issue `told` was said: it is closed, unless there are `failures`, or it has moved on since.

    `recipients` is who was told over Slack just now, None if Slack was not asked or did not take it.
    """
    if _restored_since(issue, told):
        return None
    if failures or issue.status is not told.status:
        if recipients is not None:
            return slack_confirmed(issue, Occasion.NEWS, told=told, recipients=recipients, failures=failures, now=now)
        return not_notified(issue, failures, now) if failures else None
    slack = issue.slack if recipients is None else replace(issue.slack, notified=now, recipients=recipients)
    after = replace(
        issue,
        status=Status.CLOSED,
        timestamps=replace(issue.timestamps, closed=now),
        jira=replace(issue.jira, failed=None),
        slack=replace(slack, failed=None),
    )
    what = "closed" if recipients is None else f"closed, told over Slack: {', '.join(recipients)}"
    why = "everybody was told of its end" if issue.timestamps.reported else "nobody had been told of it"
    return Step(after, what, why, now)


def _restored_since(issue: Issue, told: Issue) -> bool:
    return issue.timestamps.restored != told.timestamps.restored


def _heard(issue: Issue, occasion: Occasion, told: Issue, now: datetime, date: datetime | None) -> Issue:
    times = issue.timestamps
    if times.identified != told.timestamps.identified:
        # A scan has begun a new episode meanwhile, of which nobody has heard.
        return issue
    if occasion is Occasion.REPORT:
        times = replace(times, reported=times.reported or now)
    elif occasion is Occasion.DATE:
        times = replace(times, date_told=now)
    elif occasion is Occasion.REMINDER:
        times = replace(times, reminded=now)
    if date is not None:
        times = replace(times, promised=date if times.promised is None else max(times.promised, date))
    return replace(issue, timestamps=times)


def owing(issue: Issue, channels: Collection[str], now: datetime) -> Issue:
    """The issue with what these channels are owed: since `now` (UTC), or since before."""
    jira, slack = issue.jira, issue.slack
    return replace(
        issue,
        jira=replace(jira, failed=jira.failed or now) if JIRA in channels else jira,
        slack=replace(slack, failed=slack.failed or now) if SLACK in channels else slack,
    )


def _covered_by(exemption: Exemption) -> str:
    return f"exemption {exemption.id!r} covers it"


def _use(details: IssueDetails) -> str:
    return f"{last_used_or_created(never_used=details.never_used)} {utc(details.last_used)}"


def _difference(before: IssueDetails, after: IssueDetails) -> str:
    return ", ".join(
        f"{field.name}: {_shown(old)} -> {_shown(new)}"
        for field in fields(IssueDetails)
        if (old := getattr(before, field.name)) != (new := getattr(after, field.name))
    )


def _shown(value: object) -> str:
    if isinstance(value, datetime):
        return utc(value)
    return "none" if value in (None, "") else str(value)
