"""What people are to be told of an issue, and when: report, date, reminders, end, exemptions that run out."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from library.issues.access_keys import is_long_ago
from library.issues.decisions import Skip
from library.issues.record import Episode, Issue, Status
from library.issues.whitelist import exemption_by_tag
from library.text import utc

if TYPE_CHECKING:
    from collections.abc import Sequence

    from library.issues.whitelist import Exemption, Whitelist

REACTIVATED_GRACE_DAYS = 7
"""A key that a person switched on again stays on for at least a week, whatever the retention period."""

LATE_DATE_DAYS = 7
"""Who is told a date only after the report has the retention period from then on, but no more than a week."""

EXEMPTION_NOTICE = timedelta(days=14)
"""How long before its last day people are told that an exemption ends."""


# --- the retention period -------------------------------------------------------------------------------------


def retention_days(issue: Issue, configured_days: int) -> int:
    """Days from the report to the remediation: the configured ones, at least seven after a reactivation."""
    grace = REACTIVATED_GRACE_DAYS if issue.episode is Episode.REACTIVATED else 0
    return max(configured_days, grace)


def retention_over(issue: Issue, configured_days: int) -> datetime | None:
    """When the retention period ends (UTC), which begins with the report; None as long as there is none."""
    reported = issue.timestamps.reported
    return None if reported is None else reported + timedelta(days=retention_days(issue, configured_days))


def remediation_date(issue: Issue, configured_days: int, now: datetime) -> datetime:
    """From when on a schedule may switch the key off (UTC), if people are told so at `now`.

    A date that they were told never comes forward, even if the retention period was shortened since.
    """
    days, promised = retention_days(issue, configured_days), issue.timestamps.promised
    over = retention_over(issue, configured_days)
    if over is None:
        return now + timedelta(days=days)
    return max(over, promised or now + timedelta(days=min(days, LATE_DATE_DAYS)))


# --- reporting ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ReportingPolicy:
    """What is in force for the issues of one account.

    `retention_days` is the configured retention where remediation is on for the account, None where it is off;
    `reminder_days` are days before the remediation; `criteria_days` are the days by which a key is idle.
    """

    jira: bool
    slack: bool
    criteria_days: int = 0
    retention_days: int | None = None
    reminder_days: Sequence[int] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True)
class Report:
    """Raise the ticket (or comment on the one that was kept) and tell Slack, each only if it is owed."""

    jira: bool
    slack: bool
    first: bool


@dataclass(frozen=True, slots=True)
class TellDate:
    """Say that the key will be switched off from `date` (UTC) on, and with it what is still owed."""

    date: datetime


@dataclass(frozen=True, slots=True)
class Remind:
    """Say, `days` before the remediation, that it is coming, and with it what is still owed."""

    days: int


@dataclass(frozen=True, slots=True)
class TellRemediated:
    """Say on these channels what could not be said when the key was switched off, or on again since."""

    jira: bool
    slack: bool


@dataclass(frozen=True, slots=True)
class Close:
    """Say why the issue went away and close its ticket, each only if it is owed.

    `alone` are the recipients over Slack whom an earlier run has not reached, empty if it is to reach everybody.
    """

    slack: bool
    jira: bool = True
    alone: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CloseSilently:
    """Nobody was ever told of the issue: close it and say nothing, unless a ticket is found under its label."""


CLOSING_WAITS_FOR_JIRA = Skip("it has a ticket, and JIRA is switched off in the configuration: its closing waits")
"""The end of an issue is said on its ticket, or not yet."""

ReportingStep = Report | TellDate | Remind | TellRemediated | Close | CloseSilently | Skip


def reporting_step(
    issue: Issue, policy: ReportingPolicy, *, exemption: Exemption | None, now: datetime
) -> ReportingStep:
    """What reporting owes the people of this issue now; `exemption` is what covers its key at `now` (UTC)."""
    told = issue.timestamps.reported is not None or issue.jira.ticket is not None
    if issue.on_again_since is not None and issue.status in (Status.RESOLVED, Status.CLOSED):
        # The key is on, which the end of its issue would deny.
        return _owed_news(issue, policy) or Skip(
            f"switched on again at {utc(issue.on_again_since)}; the next scan decides"
        )
    if issue.status is Status.CLOSED:
        return _closed_step(issue, policy)
    if issue.status is Status.WHITELISTED and not told:
        return Skip("whitelisted, never reported")
    if issue.status is Status.RESOLVED and not told:
        waits = issue.jira.may_have_ticket and not policy.jira
        return CLOSING_WAITS_FOR_JIRA if waits else CloseSilently()
    if not (policy.jira or policy.slack):
        return Skip("neither JIRA nor Slack is enabled")
    if issue.status in (Status.RESOLVED, Status.WHITELISTED):
        return _end_step(issue, policy)
    return _open_step(issue, policy, exemption=exemption, now=now)


def _closed_step(issue: Issue, policy: ReportingPolicy) -> Close | Skip:
    if policy.slack and issue.slack.failed is not None:
        return Close(slack=True, jira=False, alone=issue.slack.owed)
    return Skip("closed")


def _end_step(issue: Issue, policy: ReportingPolicy) -> Close | Skip:
    if issue.jira.may_have_ticket and not policy.jira:
        return CLOSING_WAITS_FOR_JIRA
    if not _slack_was_told_of_the_end(issue):
        return Close(slack=policy.slack)
    return Close(slack=policy.slack and bool(issue.slack.owed), alone=issue.slack.owed)


def _slack_was_told_of_the_end(issue: Issue) -> bool:
    # Only where JIRA has delayed the closing: a message sent during the scan must not count as the closing message.
    times, notified = issue.timestamps, issue.slack.notified
    ended = times.resolved or times.updated
    everybody_is_owed = issue.slack.failed is not None and not issue.slack.owed
    if notified is None or ended is None or issue.jira.failed is None or everybody_is_owed:
        return False
    earlier_news = (times.reported, times.reminded, times.remediated)
    return notified >= ended and all(news is None or notified > news for news in earlier_news)


def _open_step(issue: Issue, policy: ReportingPolicy, *, exemption: Exemption | None, now: datetime) -> ReportingStep:
    if issue.timestamps.remediated is not None:
        again = issue.on_again_since
        rest = "switched off by us, the next scan resolves it"
        return _owed_news(issue, policy) or Skip(
            rest if again is None else f"switched on again at {utc(again)}; the next scan decides"
        )
    if exemption is not None:
        return Skip("whitelisted by now, the next scan records it")
    if not is_long_ago(issue.details.last_used, policy.criteria_days, now):
        # The host may ask for more days than the configuration, by which the scan has opened the issue.
        return Skip(f"not idle by the {policy.criteria_days} days that are in force here")
    if issue.timestamps.reported is None:
        return Report(jira=policy.jira, slack=policy.slack, first=True)
    # Before what is owed, or a channel that stays down would keep the other one from being told.
    date = _date_to_tell(issue, policy, now)
    if date is not None:
        return TellDate(date)
    days = reminder_step(issue, policy, now)
    if days is not None:
        return Remind(days)
    owed = _owed_news(issue, policy)
    return Skip("reported before") if owed is None else Report(jira=owed.jira, slack=owed.slack, first=False)


def _owed_news(issue: Issue, policy: ReportingPolicy) -> TellRemediated | None:
    jira = policy.jira and issue.jira.failed is not None
    slack = policy.slack and issue.slack.failed is not None
    return TellRemediated(jira=jira, slack=slack) if jira or slack else None


def _date_to_tell(issue: Issue, policy: ReportingPolicy, now: datetime) -> datetime | None:
    """The date of a reported issue that people were told no date of, or an earlier one; else None."""
    if policy.retention_days is None:
        return None
    date, promised = remediation_date(issue, policy.retention_days, now), issue.timestamps.promised
    return date if promised is None or promised < date else None


def reminder_step(issue: Issue, policy: ReportingPolicy, now: datetime) -> int | None:
    """The reminder that is due at `now` (UTC): the nearest step that was reached and not said yet, else None.

    Counted from the date that people were told. Steps that reach back to when they were told are left out.
    """
    reported, promised = issue.timestamps.reported, issue.timestamps.promised
    if policy.retention_days is None or reported is None or promised is None:
        return None
    told = max(reported, issue.timestamps.date_told or reported)
    steps = {days: promised - timedelta(days=days) for days in policy.reminder_days}
    reached = [days for days, begins in steps.items() if told < begins <= now]
    if not reached:
        return None
    nearest = min(reached)
    reminded = issue.timestamps.reminded
    return nearest if reminded is None or reminded < steps[nearest] else None


@dataclass(frozen=True, slots=True)
class ExemptionEnds:
    """Say that an exemption ends soon; if it was `said` before, only record that with the `issues` that it covers.

    `alone` are the recipients whom an earlier run has not reached, empty if it is to reach everybody.
    """

    exemption: Exemption
    issues: tuple[Issue, ...]
    said: bool
    alone: tuple[str, ...] = ()


def exemptions_that_end(issues: Sequence[Issue], whitelist: Whitelist, now: datetime) -> list[ExemptionEnds]:
    """The exemptions, each once, whose last day is at most EXEMPTION_NOTICE after that of `now` (UTC).

    Only those which are the last exemption still covering an issue: one that matches nothing, or whose keys another
    one covers for longer, ends without anybody noticing.
    """
    covered: dict[tuple[str, Exemption], list[Issue]] = {}
    for issue in issues:
        exemption = _last_to_hold(issue, whitelist, now) if is_exempted(issue) else None
        if exemption is not None:
            covered.setdefault((issue.account_id, exemption), []).append(issue)
    ending = []
    for (_, exemption), theirs in covered.items():
        recorded = [issue for issue in theirs if issue.slack.exception_told == exemption.until]
        alone = tuple(dict.fromkeys(each for issue in recorded for each in issue.slack.exception_owed))
        to_record = [issue for issue in theirs if alone or issue.slack.exception_told != exemption.until]
        if to_record:
            said = bool(recorded) and not alone
            ending.append(ExemptionEnds(exemption, tuple(to_record), said=said, alone=alone))
    return ending


def is_exempted(issue: Issue) -> bool:
    """Whether an exemption ended the issue: one that had been reported before is closed by now."""
    ended = issue.status is Status.CLOSED and issue.timestamps.resolved is None
    return ended or issue.status is Status.WHITELISTED


def _last_to_hold(issue: Issue, whitelist: Whitelist, now: datetime) -> Exemption | None:
    if exemption_by_tag(issue.details.tags) is not None:
        return None
    holding = [
        each for each in whitelist.naming(issue.account_id, issue.details.username, issue.issue_id) if each.holds(now)
    ]
    ends = [each.until for each in holding if each.until is not None]
    if not ends or len(ends) < len(holding) or max(ends) > (now + EXEMPTION_NOTICE).astimezone(UTC).date():
        return None
    return next(each for each in holding if each.until == max(ends))
