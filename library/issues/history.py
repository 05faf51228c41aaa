"""What each step has made of an issue, in words that are kept with it for people to read."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from library.issues.record import Episode, Issue, IssueDetails, Status

if TYPE_CHECKING:
    from collections.abc import Iterator

KEPT = 50
"""So many steps are kept, the latest ones: a row has room for 400 kB, and people read the end."""

_WHY_LIMIT = 500


def with_step(before: Issue | None, after: Issue, time: datetime, why: str = "") -> Issue:
    """`after` with the step that led to it from `before` as the last entry of its history.

    An entry is a map of `time` (ISO 8601, UTC), `what` and `why`. `why` is what the step itself knows of its reason;
    what it does not say is told from the record.
    """
    changes = list(_created(after) if before is None else _changed(before, after))
    reasons = [why] if why else list(dict.fromkeys(reason for _, reason in changes if reason))
    entry = {
        "time": time.astimezone(UTC).isoformat(),
        "what": ", ".join(what for what, _ in changes) or "changed",
        "why": "; ".join(reasons)[:_WHY_LIMIT],
    }
    return replace(after, history=(*after.history, entry)[-KEPT:])


def _created(issue: Issue) -> Iterator[tuple[str, str]]:
    exempted = issue.status is Status.WHITELISTED
    yield ("found, whitelisted" if exempted else "found"), f"idle: {_use(issue.details)}"


def _changed(before: Issue, after: Issue) -> Iterator[tuple[str, str]]:
    """What has changed, each with its reason, the weightiest first."""
    old, new = before.timestamps, after.timestamps
    again = new.identified != old.identified
    yield from _status(before, after, again=again)
    if not again:
        if new.remediation_started is not None and new.remediation_started != old.remediation_started:
            yield "about to be switched off", ""
        if old.remediation_started is not None and new.remediation_started is None:
            yield "not switched off after all", ""
        if new.remediated is not None and new.remediated != old.remediated:
            yield "switched off", ""
    if after.remediation_error is not None and after.remediation_error != before.remediation_error:
        yield "could not be switched off", after.remediation_error.cause
    wanted_by = f"wanted by {after.restore.by}" if after.restore else ""
    if after.restore != before.restore:
        was, now = before.restore, after.restore
        begun = now is not None and (was is None or now.started > was.started)
        yield ("about to be switched on again", wanted_by) if begun else ("not switched on after all", "")
    if new.restored is not None and new.restored != old.restored:
        yield "switched on again", wanted_by
    yield from _told(before, after, again=again)
    if after.details != before.details and after.status is before.status and not again:
        yield "details changed", _difference(before.details, after.details)


def _status(before: Issue, after: Issue, *, again: bool) -> Iterator[tuple[str, str]]:
    if again:
        exception = " or its exception has ended" if before.status is Status.WHITELISTED else ""
        reasons = {
            Episode.FIRST: "",
            Episode.REOPENED: f"it is idle again{exception}: {_use(after.details)}",
            Episode.REACTIVATED: f"somebody switched the key on again, and it is idle: {_use(after.details)}",
        }
        yield f"a new episode, {after.episode.value}", reasons[after.episode]
    elif after.status is not before.status:
        resolution = after.details.resolution
        gone = f"the key is not idle any more: {resolution.value}" if resolution else ""
        reasons_by_status = {
            Status.OPEN: "no exception covers it any more",
            Status.WHITELISTED: "an exception covers it",
            Status.RESOLVED: gone,
            Status.CLOSED: "everybody was told of its end" if before.timestamps.reported else "nobody had been told",
        }
        yield after.status.value, reasons_by_status[after.status]


def _told(before: Issue, after: Issue, *, again: bool) -> Iterator[tuple[str, str]]:
    old, new = before.timestamps, after.timestamps
    ticket = after.jira.ticket
    if new.reported is not None and new.reported != old.reported:
        yield "reported", ""
    if new.reminded is not None and new.reminded != old.reminded:
        yield "reminded", "the day on which it will be switched off is near"
    if ticket is not None and ticket != before.jira.ticket:
        yield f"ticket {ticket}", ""
    elif ticket is not None and before.jira.failed is not None and after.jira.failed is None and not again:
        yield f"told on ticket {ticket}", ""
    if after.slack.notified is not None and after.slack.notified != before.slack.notified:
        yield f"told over Slack: {', '.join(after.slack.recipients)}", ""
    if after.slack.exception_told is not None and after.slack.exception_told != before.slack.exception_told:
        yield "told over Slack that the exception ends", f"its last day is {after.slack.exception_told}"
    owing = [
        channel
        for channel, was, now in (
            ("JIRA", before.jira.failed, after.jira.failed),
            ("Slack", before.slack.failed, after.slack.failed),
        )
        if now is not None and was is None
    ]
    if owing:
        yield f"a message is owed ({', '.join(owing)})", ""


def _use(details: IssueDetails) -> str:
    verb = "never used, created" if details.never_used else "last used"
    return f"{verb} {details.last_used.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _difference(before: IssueDetails, after: IssueDetails) -> str:
    return ", ".join(
        f"{field.name}: {_shown(old)} -> {_shown(new)}"
        for field in fields(IssueDetails)
        if (old := getattr(before, field.name)) != (new := getattr(after, field.name))
    )


def _shown(value: object) -> str:
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    return "none" if value in (None, "") else str(value)
