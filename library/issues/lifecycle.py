"""The life of an issue: what a scan, a report and a remediation make of what they find.

Nothing here calls anything. Each function takes facts and the time of the run, and returns a decision as a value.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from library.issues.access_keys import ACTIVE, AccessKey, is_idle
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

if TYPE_CHECKING:
    from collections.abc import Sequence

    from library.issues.whitelist import Exemption, Whitelist

CONSISTENCY_MARGIN = timedelta(minutes=5)
"""IAM is eventually consistent: for this long after a key was switched off, a listing may still call it Active."""

REACTIVATED_GRACE_DAYS = 7
"""A key that a person switched on again stays on for a week at the least, whatever the retention period."""

EXCEPTION_NOTICE = timedelta(days=14)
"""How long before its last day people are told that an exception ends."""


@dataclass(frozen=True, slots=True)
class Skip:
    """Nothing is done with an issue, because of `reason`; `due` is when its key may be switched off, if known."""

    reason: str
    due: datetime | None = None


# --- identification -------------------------------------------------------------------------------------------


def reconcile(
    account_id: str,
    key_id: str,
    record: Issue | None,
    found: IssueDetails | Resolution,
    *,
    whitelisted: bool,
    now: datetime,
) -> Issue | None:
    """The record after a scan that began at `now` (UTC), or None if it stays as it is.

    `found` holds the details of a key that is idle, or why the key is not idle any more (`used`, `deactivated`,
    `deleted`). A scan that is older than what the record says, or too near to a remediation to see its effect,
    changes nothing.
    """
    if isinstance(found, Resolution):
        return None if record is None else _gone(record, found, now)
    if record is None:
        return Issue(
            account_id=account_id,
            issue_id=key_id,
            status=Status.WHITELISTED if whitelisted else Status.OPEN,
            details=found,
            timestamps=Timestamps(identified=now, updated=now),
        )
    if _scan_is_too_old(record, now):
        return None
    if whitelisted:
        return _exempted(record, found, now)
    if record.status is Status.OPEN and record.timestamps.remediated is None:
        return _refreshed(record, found, now)
    if record.status is Status.WHITELISTED and record.timestamps.reported is None:
        return _changed(record, now, status=Status.OPEN, details=found)
    if record.status is Status.CLOSED:
        return replace(
            record,
            status=Status.OPEN,
            episode=_next_episode(record),
            details=found,
            timestamps=Timestamps(identified=now, updated=now),
            jira=JiraDetails(),
            slack=SlackDetails(),
            remediation_error=None,
        )
    return _new_episode(record, found, now)


def _gone(record: Issue, reason: Resolution, now: datetime) -> Issue | None:
    if record.status not in (Status.OPEN, Status.WHITELISTED) or _scan_is_too_old(record, now):
        return None
    if reason is Resolution.DEACTIVATED and _we_switched_it_off(record.timestamps):
        reason = Resolution.REMEDIATED
    return _changed(
        record,
        now,
        status=Status.RESOLVED,
        details=replace(record.details, resolution=reason),
        timestamps=replace(record.timestamps, resolved=now),
    )


def _scan_is_too_old(record: Issue, scan_began: datetime) -> bool:
    times = record.timestamps
    return (
        (times.updated is not None and scan_began < times.updated)
        or (times.remediation_started is not None and scan_began < times.remediation_started)
        or (times.remediated is not None and scan_began < times.remediated + CONSISTENCY_MARGIN)
    )


def _we_switched_it_off(times: Timestamps) -> bool:
    switched_off = times.remediated or times.remediation_started
    return switched_off is not None and (times.restored is None or times.restored < switched_off)


def _somebody_switched_it_on_again(record: Issue) -> bool:
    return record.timestamps.remediated is not None or record.details.resolution in (
        Resolution.REMEDIATED,
        Resolution.DEACTIVATED,
    )


def _next_episode(record: Issue) -> Episode:
    # An exception in between takes nothing from a person's decision to switch the key on again.
    still = record.episode is Episode.REACTIVATED and record.timestamps.resolved is None
    return Episode.REACTIVATED if still or _somebody_switched_it_on_again(record) else Episode.REOPENED


def _new_episode(record: Issue, found: IssueDetails, now: datetime) -> Issue:
    times = replace(
        record.timestamps,
        identified=now,
        reported=None,
        reminded=None,
        remediation_started=None,
        remediated=None,
        resolved=None,
    )
    return _changed(
        replace(
            record,
            jira=replace(record.jira, failed=None),
            slack=replace(record.slack, failed=None),
            remediation_error=None,
        ),
        now,
        status=Status.OPEN,
        episode=_next_episode(record),
        details=replace(found, tags=_tags(record, found)),
        timestamps=times,
    )


def _exempted(record: Issue, found: IssueDetails, now: datetime) -> Issue | None:
    if record.status in (Status.WHITELISTED, Status.CLOSED):
        return None
    episode = Episode.REACTIVATED if _somebody_switched_it_on_again(record) else record.episode
    return _changed(
        record,
        now,
        status=Status.WHITELISTED,
        episode=episode,
        # What ended the issue before is kept: it says whether a person switched the key on again.
        details=replace(found, tags=_tags(record, found), resolution=record.details.resolution),
        timestamps=replace(record.timestamps, resolved=None),
    )


def _refreshed(record: Issue, found: IssueDetails, now: datetime) -> Issue | None:
    details = replace(found, tags=_tags(record, found))
    return None if details == record.details else _changed(record, now, details=details)


def _tags(record: Issue, found: IssueDetails) -> dict[str, str] | None:
    tags = record.details.tags if found.tags is None else found.tags
    return None if tags is None else dict(tags)


def _changed(
    record: Issue,
    now: datetime,
    *,
    status: Status | None = None,
    episode: Episode | None = None,
    details: IssueDetails | None = None,
    timestamps: Timestamps | None = None,
) -> Issue:
    return replace(
        record,
        status=status or record.status,
        episode=episode or record.episode,
        details=details or record.details,
        timestamps=replace(timestamps or record.timestamps, updated=now),
    )


# --- the retention period -------------------------------------------------------------------------------------


def retention_days(issue: Issue, configured_days: int) -> int:
    """Days from the report to the remediation: the configured ones, seven at the least after a reactivation."""
    grace = REACTIVATED_GRACE_DAYS if issue.episode is Episode.REACTIVATED else 0
    return max(configured_days, grace)


def remediation_due(issue: Issue, configured_days: int, *, reported: datetime | None = None) -> datetime | None:
    """When the key may be switched off (UTC), counted from the report; None as long as there is none."""
    start = reported or issue.timestamps.reported
    return None if start is None else start + timedelta(days=retention_days(issue, configured_days))


# --- reporting ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ReportingPolicy:
    """What is in force for the issues of one account.

    `remediation_days` is the retention period where remediation is on for the account, None where it is off.
    """

    jira: bool
    slack: bool
    remediation_days: int | None = None
    reminder_days: Sequence[int] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True)
class Report:
    """Raise the ticket (or comment on the one that was kept) and tell Slack, each only if it is owed."""

    jira: bool
    slack: bool
    first: bool


@dataclass(frozen=True, slots=True)
class Remind:
    """Say, `days` before the remediation, that it is coming, and with it what is still owed."""

    days: int


@dataclass(frozen=True, slots=True)
class TellRemediated:
    """Make up for what could not be said when the key was switched off."""

    jira: bool
    slack: bool


@dataclass(frozen=True, slots=True)
class Close:
    """Say why the issue went away and close its ticket; `slack` is False if Slack was told in an earlier run."""

    slack: bool


@dataclass(frozen=True, slots=True)
class CloseSilently:
    """Nobody was ever told of the issue: close it without a word, unless a ticket is found under its label."""


ReportingStep = Report | Remind | TellRemediated | Close | CloseSilently | Skip


def reporting_step(issue: Issue, policy: ReportingPolicy, *, whitelisted: bool, now: datetime) -> ReportingStep:
    """What reporting owes the people of this issue now; `whitelisted` is what the whitelist says at `now` (UTC)."""
    told = issue.timestamps.reported is not None or issue.jira.ticket is not None
    if issue.status is Status.CLOSED:
        return Skip("closed")
    if issue.status is Status.WHITELISTED and not told:
        return Skip("whitelisted, never reported")
    if issue.status is Status.RESOLVED and not told:
        return CloseSilently()
    if not (policy.jira or policy.slack):
        return Skip("neither JIRA nor Slack is enabled")
    if issue.status in (Status.RESOLVED, Status.WHITELISTED):
        return Close(slack=policy.slack and not _slack_was_told_of_the_end(issue))
    return _open_step(issue, policy, whitelisted=whitelisted, now=now)


def _slack_was_told_of_the_end(issue: Issue) -> bool:
    # Only where JIRA held the closing up: else a report made while the scan ran would pass for the news of its end.
    times, notified = issue.timestamps, issue.slack.notified
    ended = times.resolved or times.updated
    if notified is None or ended is None or issue.jira.failed is None or issue.slack.failed is not None:
        return False
    earlier_news = (times.reported, times.reminded, times.remediated)
    return notified >= ended and all(news is None or notified > news for news in earlier_news)


def _open_step(issue: Issue, policy: ReportingPolicy, *, whitelisted: bool, now: datetime) -> ReportingStep:
    owed_jira = policy.jira and issue.jira.failed is not None
    owed_slack = policy.slack and issue.slack.failed is not None
    if issue.timestamps.remediated is not None:
        if owed_jira or owed_slack:
            return TellRemediated(jira=owed_jira, slack=owed_slack)
        return Skip("switched off by us, the next scan resolves it")
    if whitelisted:
        return Skip("whitelisted by now, the next scan records it")
    if issue.timestamps.reported is None:
        return Report(jira=policy.jira, slack=policy.slack, first=True)
    # Before what is owed, or a channel that stays down would keep the other one from reminding.
    days = reminder_step(issue, policy, now)
    if days is not None:
        return Remind(days)
    if owed_jira or owed_slack:
        return Report(jira=owed_jira, slack=owed_slack, first=False)
    return Skip("reported before")


def reminder_step(issue: Issue, policy: ReportingPolicy, now: datetime) -> int | None:
    """The reminder that is due at `now` (UTC): the nearest step that was reached and not said yet, else None.

    Steps as long as the retention period or longer are left out: the report itself says the date then.
    """
    if policy.remediation_days is None:
        return None
    due = remediation_due(issue, policy.remediation_days)
    if due is None:
        return None
    longest = retention_days(issue, policy.remediation_days)
    reached = [d for d in policy.reminder_days if d < longest and now >= due - timedelta(days=d)]
    if not reached:
        return None
    nearest = min(reached)
    reminded = issue.timestamps.reminded
    return nearest if reminded is None or reminded < due - timedelta(days=nearest) else None


@dataclass(frozen=True, slots=True)
class ExceptionEnds:
    """Say that an exception ends soon, unless it was `said`; then it is only recorded with the `issues` it covers."""

    exemption: Exemption
    issues: tuple[Issue, ...]
    said: bool


def exceptions_that_end(issues: Sequence[Issue], whitelist: Whitelist, now: datetime) -> list[ExceptionEnds]:
    """The exceptions, each once, whose last day is at most EXCEPTION_NOTICE after that of `now` (UTC).

    Only those that cover an issue which is theirs alone to keep quiet: an entry that matches nothing, or whose keys
    another entry covers for longer, ends without anybody noticing.
    """
    covered: dict[tuple[str, Exemption], list[Issue]] = {}
    for issue in issues:
        exemption = _last_to_hold(issue, whitelist, now) if is_exempted(issue) else None
        if exemption is not None:
            covered.setdefault((issue.account_id, exemption), []).append(issue)
    found = []
    for (_, exemption), theirs in covered.items():
        unrecorded = tuple(issue for issue in theirs if issue.slack.exception_told != exemption.until)
        if unrecorded:
            found.append(ExceptionEnds(exemption, unrecorded, said=len(unrecorded) < len(theirs)))
    return found


def is_exempted(issue: Issue) -> bool:
    """Whether an exception ended the issue: one that had been reported before is closed by now."""
    ended = issue.status is Status.CLOSED and issue.timestamps.resolved is None
    return ended or issue.status is Status.WHITELISTED


def _last_to_hold(issue: Issue, whitelist: Whitelist, now: datetime) -> Exemption | None:
    holding = [
        each
        for each in whitelist.entries.get(issue.account_id, ())
        if each.holds(now) and each.names(issue.details.username, issue.issue_id)
    ]
    ends = [each.until for each in holding if each.until is not None]
    if not ends or len(ends) < len(holding) or max(ends) > (now + EXCEPTION_NOTICE).astimezone(UTC).date():
        return None
    return next(each for each in holding if each.until == max(ends))


# --- remediation ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Due:
    """The key may be switched off, since `since` (UTC), once it was looked at again."""

    since: datetime


@dataclass(frozen=True, slots=True)
class Finish:
    """An earlier run was cut off after it had announced to switch the key off: if it is off, complete the rest."""


RemediationVerdict = Due | Finish | TellRemediated | Skip


def remediation_verdict(
    issue: Issue, configured_days: int, *, whitelisted: str | None, now: datetime
) -> RemediationVerdict:
    """Whether the record of an issue allows its key to be switched off at `now` (UTC).

    `whitelisted` is the whitelist's entry that names the key or its user now, None if there is none.
    """
    times = issue.timestamps
    if times.remediated is not None and issue.status is Status.OPEN:
        jira, slack = issue.jira.failed is not None, issue.slack.failed is not None
        if jira or slack:
            return TellRemediated(jira=jira, slack=slack)
        return Skip(f"already switched off at {times.remediated:%Y-%m-%d %H:%M} UTC")
    if interrupted(issue) and issue.status is Status.RESOLVED:
        return Finish()
    if issue.status is not Status.OPEN:
        return Skip(f"{issue.status.value}, not open")
    if times.reported is None:
        return Skip("not reported yet")
    due = remediation_due(issue, configured_days)
    assert due is not None
    if interrupted(issue):
        return Finish()
    return _may_switch_off(issue, due, whitelisted=whitelisted, now=now)


def verdict_as_the_key_is_on(
    issue: Issue, configured_days: int, *, whitelisted: str | None, now: datetime
) -> Due | TellRemediated | Skip:
    """As `remediation_verdict`, but that it was once announced to switch the key off counts for nothing."""
    verdict = remediation_verdict(issue, configured_days, whitelisted=whitelisted, now=now)
    if not isinstance(verdict, Finish):
        return verdict
    due = remediation_due(issue, configured_days)
    if issue.status is not Status.OPEN or due is None:
        return Skip("switching it off was announced, but the key is on")
    return _may_switch_off(issue, due, whitelisted=whitelisted, now=now)


def interrupted(issue: Issue) -> bool:
    """Whether the intent to switch the key off is recorded, and neither its success nor another end."""
    return (
        issue.timestamps.remediation_started is not None
        and issue.timestamps.remediated is None
        and issue.details.resolution in (None, Resolution.REMEDIATED)
    )


def _may_switch_off(issue: Issue, due: datetime, *, whitelisted: str | None, now: datetime) -> Due | Skip:
    """The two conditions that hold for an interrupted remediation, too: not exempted, and the time is up."""
    if whitelisted is not None:
        return Skip(f"whitelisted by {whitelisted}")
    if now < due:
        days = (due - (issue.timestamps.reported or due)).days
        return Skip(f"within its retention period of {days} days, due {due:%Y-%m-%d %H:%M} UTC", due)
    return Due(since=due)


def second_look(
    key: AccessKey | None,
    criteria_days: int,
    *,
    whitelisted: str | None,
    own: bool,
    now: datetime,
) -> Skip | None:
    """Why the key must not be switched off as it is *now*; None if nothing speaks against it.

    `key` is what IAM says at this moment, None if the key does not exist; `whitelisted` is the whitelist's entry
    for its current owner; `own` is whether this process's own requests may be signed with it.
    """
    if key is None:
        return Skip("the key does not exist any more")
    if key.status != ACTIVE:
        return Skip(f"the key is {key.status} already")
    if whitelisted is not None:
        return Skip(f"whitelisted by {whitelisted}")
    if not is_idle(key, criteria_days, now):
        return Skip("the key is not idle any more")
    if own:
        return Skip("the key is one of the credentials of this very process")
    return None


# --- going back -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SwitchOn:
    """The key may be switched on again if it is still Inactive; it was switched off by us at `off_since` (UTC).

    `off_since` is None if the record does not say so any more. `announced` is whether an earlier run had recorded
    that it was about to switch the key on, and nothing after it: then a key that is on was switched on by that run.
    """

    off_since: datetime | None
    announced: bool


RestoreVerdict = SwitchOn | TellRemediated | Skip


def restore_verdict(issue: Issue) -> RestoreVerdict:
    """Whether the record of an issue allows its key to be switched on again."""
    off, restored = switched_off_at(issue), issue.timestamps.restored
    wanted = issue.restore.started if issue.restore is not None else None
    if wanted is not None and (restored is None or restored < wanted) and (off is None or off < wanted):
        return SwitchOn(off, announced=True)
    if off is None:
        return Skip("this system did not switch the key off")
    if restored is None or restored < off:
        return SwitchOn(off, announced=False)
    jira, slack = issue.jira.failed is not None, issue.slack.failed is not None
    if jira or slack:
        return TellRemediated(jira=jira, slack=slack)
    return Skip(f"switched on again at {restored:%Y-%m-%d %H:%M} UTC")


def switched_off_at(issue: Issue) -> datetime | None:
    """When we switched the key off, or were about to and died (UTC); None if the record does not say so."""
    if issue.timestamps.remediated is not None:
        return issue.timestamps.remediated
    return issue.timestamps.remediation_started if interrupted(issue) else None
