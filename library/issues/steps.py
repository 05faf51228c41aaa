"""Every change of an issue: one function for each, which says what the issue becomes and what its history calls that.

Nothing here decides. Each function takes the issue as it is, and the time (UTC) of the step.
"""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from library.issues.decisions import Step
from library.issues.deliveries import SLACK, Failure, owed_alone, owing, owing_for
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
from library.issues.whitelist import BY_TAG
from library.text import last_used_or_created, utc

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from library.issues.whitelist import Exemption

# --- what a scan finds ----------------------------------------------------------------------------------------


def found(
    account_id: str,
    key_id: str,
    details: IssueDetails,
    exemption: Exemption | None,
    now: datetime,
    *,
    again: Episode | None = None,
) -> Step:
    """A key that has no issue is idle; `again` is how that of a key begins which has an archived one."""
    issue = Issue(
        account_id=account_id,
        issue_id=key_id,
        status=Status.OPEN if exemption is None else Status.WHITELISTED,
        details=details,
        timestamps=Timestamps(identified=now, updated=now),
        episode=again or Episode.FIRST,
    )
    what, covered = ("found", "") if exemption is None else ("found, whitelisted", f"; {_covered_by(exemption)}")
    before = "" if again is None else "; its last issue is archived"
    return Step(issue, what, f"idle: {_use(details)}{covered}{before}", now)


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
    jira, slack = replace(issue.jira, failed=None), replace(issue.slack, failed=None, owed=())
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


def jira_confirmed(
    issue: Issue,
    occasion: Occasion,
    *,
    told: Issue,
    ticket: JiraDetails | None,
    slack_follows: bool,
    alone: tuple[str, ...] = (),
    now: datetime,
    date: datetime | None = None,
) -> Step:
    """JIRA has taken the message about the issue `told`; `ticket` is None where there was no ticket to write on.

    If `slack_follows`, it is for those who `alone` are owed it or, if that is empty, for everybody. `date` (UTC) is
    when the key will be switched off according to the message, None if it does not say so.
    """
    after = _heard(issue, occasion, told, now, date)
    if ticket is not None:
        # What a restore owes since this was said is owed still.
        still_owed = issue.jira.failed if _restored_since(issue, told) else None
        after = replace(after, jira=replace(ticket, failed=still_owed))
    if slack_follows:
        # Owed from this very moment: if this process dies before Slack has it, the next run says it.
        after = owing(after, (SLACK,), now, alone)
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
    """Slack has taken the message about the issue `told` for `recipients`: none, if nobody who was owed it is left.

    `failures` is what JIRA did not take before, and who alone did not get it over Slack. `date` (UTC) is when the key
    will be switched off according to the message, None if it does not say so.
    """
    after = _heard(issue, occasion, told, now, date) if recipients else issue
    slack = _delivered(issue.slack, recipients, now)
    if not _restored_since(issue, told):
        slack = replace(slack, failed=None, owed=())
    after = owing_for(replace(after, slack=slack), failures, now)
    whom = ", ".join(recipients) or "nobody is left who is owed it"
    return Step(after, f"{occasion} over Slack: {whom}", _why(failures), now)


def not_notified(issue: Issue, failures: Sequence[Failure], now: datetime) -> Step:
    """These channels did not take the message, which each of them is owed from now on, if not longer."""
    channels = dict.fromkeys(failure.channel for failure in failures)
    causes = "; ".join(dict.fromkeys(failure.said for failure in failures))
    return Step(owing_for(issue, failures, now), f"{', '.join(channels)} not notified yet", causes, now)


def told_that_exemption_ends(
    issue: Issue, last_day: date | None, now: datetime, failures: Sequence[Failure] = ()
) -> Step:
    """The account's owner was told over Slack that the exemption of this issue ends after `last_day` (UTC)."""
    slack = replace(issue.slack, exception_told=last_day, exception_owed=owed_alone(failures))
    why = "; ".join((f"its last day is {last_day}", *(failure.said for failure in failures)))
    return Step(replace(issue, slack=slack), "told over Slack that the exemption ends", why, now)


def closed(
    issue: Issue, *, told: Issue, recipients: tuple[str, ...] | None, failures: Sequence[Failure], now: datetime
) -> Step | None:
    """The end of the issue `told` was said: it is closed, unless a channel has failed, or it has moved on since.

    `recipients` is who was told over Slack just now, None if Slack was not asked or did not take it. The closed issue
    still owes it to those who alone did not get it.
    """
    if _restored_since(issue, told):
        return None
    if not all(failure.alone for failure in failures) or issue.status is not told.status:
        if recipients is not None:
            return slack_confirmed(issue, Occasion.NEWS, told=told, recipients=recipients, failures=failures, now=now)
        return not_notified(issue, failures, now) if failures else None
    slack = _delivered(issue.slack, recipients or (), now)
    after = replace(
        issue,
        status=Status.CLOSED,
        timestamps=replace(issue.timestamps, closed=now),
        jira=replace(issue.jira, failed=None),
        slack=replace(slack, failed=None, owed=()),
    )
    what = f"closed, told over Slack: {', '.join(recipients)}" if recipients else "closed"
    why = "everybody was told of its end" if issue.timestamps.reported else "nobody had been told of it"
    return Step(owing_for(after, failures, now), what, _why(failures) or why, now)


def _delivered(slack: SlackDetails, recipients: tuple[str, ...], now: datetime) -> SlackDetails:
    if not recipients:
        return slack
    # Who alone was owed it has it now, beside those who had it before.
    before = slack.recipients if set(recipients) <= set(slack.owed) else ()
    return replace(slack, notified=now, recipients=tuple(dict.fromkeys((*before, *recipients))))


def _why(failures: Sequence[Failure]) -> str:
    return "; ".join(
        failure.said if failure.alone else f"{failure.channel} not notified yet: {failure.said}"
        for failure in failures
    )


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


def _covered_by(exemption: Exemption) -> str:
    return f"{'' if exemption == BY_TAG else 'exemption '}{exemption.shown} covers it"


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
