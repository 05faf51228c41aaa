"""Every change of an issue that comes of switching its key off or on, as `steps` has the other changes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from library.issues.decisions import Step
from library.issues.deliveries import JIRA, owing
from library.issues.record import Issue, RemediationError, RestoreDetails

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime


def about_to_switch_off(issue: Issue, why: str, now: datetime) -> Step:
    """The intent to switch the key off."""
    after = replace(issue, timestamps=replace(issue.timestamps, remediation_started=now))
    return Step(after, "about to be switched off", why, now)


def not_switched_off(issue: Issue, why: str, now: datetime) -> Step:
    """The intent is taken back, and the key is on."""
    return Step(_without_intent(issue), "not switched off after all", why, now)


def could_not_switch_off(issue: Issue, cause: str, now: datetime, *, stays_on: bool) -> Step:
    """A failure to switch the key off; unless it is certain that it `stays_on`, the intent is kept."""
    # Where nobody knows whether the call took effect, the next run looks, and completes it.
    after = _without_intent(issue) if stays_on else issue
    return Step(
        replace(after, remediation_error=RemediationError(cause, now)), "could not be switched off", cause, now
    )


def switched_off(issue: Issue, why: str, now: datetime, *, channels: Collection[str]) -> Step:
    """The key is off; these enabled channels are owed the news from now on, JIRA only if there is a ticket."""
    times = issue.timestamps
    # A restore needs no turn of its own: if it came first, the key is on, and the later time says so.
    overtaken = times.restored is not None and times.remediated is not None and times.remediated <= times.restored
    off_at = times.remediated if overtaken else now
    after = replace(issue, timestamps=replace(times, remediated=off_at), remediation_error=None)
    what = "switched off, and on again before that was recorded" if overtaken else "switched off"
    return Step(_owed_news(after, channels, now), what, why, now)


def about_to_switch_on(issue: Issue, by: str, now: datetime) -> Step:
    """The intent, of the person or role with the ARN `by`, to switch the key on again."""
    after = replace(issue, restore=RestoreDetails(by, now))
    return Step(after, "about to be switched on again", f"wanted by {by}", now)


def not_switched_on(issue: Issue, earlier: RestoreDetails | None, why: str, now: datetime) -> Step:
    """The intent is taken back, and the key is off; `earlier` is what the issue said before the intent."""
    return Step(replace(issue, restore=earlier), "not switched on after all", why, now)


def switched_on(issue: Issue, why: str, now: datetime, *, channels: Collection[str]) -> Step:
    """The key is on again; these enabled channels are owed the news from now on, JIRA only if there is a ticket."""
    # A remediation that was cut off is over, too, or the next one would take it up again.
    times = replace(issue.timestamps, restored=now, remediated=issue.switched_off_at)
    after = _owed_news(replace(issue, timestamps=times), channels, now)
    return Step(after, "switched on again", why, now)


def _without_intent(issue: Issue) -> Issue:
    return replace(issue, timestamps=replace(issue.timestamps, remediation_started=None))


def _owed_news(issue: Issue, channels: Collection[str], now: datetime) -> Issue:
    return owing(issue, [each for each in channels if each != JIRA or issue.jira.ticket], now)
