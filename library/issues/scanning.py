"""What a scan makes of what it sees: a finding for each key, and the step that its issue takes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from library.issues import steps
from library.issues.access_keys import ACTIVE
from library.issues.record import Episode, Issue, IssueDetails, Resolution, Status, details_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from library.issues.access_keys import AccessKey
    from library.issues.decisions import Step
    from library.issues.whitelist import Exemption

CONSISTENCY_MARGIN = timedelta(minutes=5)
"""IAM is eventually consistent: for this long after a key was switched off, a listing may still call it Active."""

LIVE = (Status.OPEN, Status.WHITELISTED)
"""The issues of keys that are idle, as far as the last scan has seen."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a scan has found of one key: the details of an idle one, or why the key is not idle any more."""

    key_id: str
    user_name: str
    found: IssueDetails | Resolution


def begins_episode(issue: Issue | None) -> bool:
    """Whether an episode begins with an idle key that has this issue: then the tags of its user are read."""
    return issue is None or issue.status not in LIVE or issue.details.tags is None


def idle_finding(key: AccessKey, issue: Issue | None, tags: Mapping[str, str] | None) -> Finding:
    """The finding of an idle key; `tags` are those of its user, None if they were not read (the issue knows them)."""
    if tags is None and issue is not None:
        tags = issue.details.tags
    return Finding(key.key_id, key.user_name, details_of(key, tags))


def ended_finding(issue: Issue, key: AccessKey | None) -> Finding:
    """The finding of an issue whose key was looked at and is not idle; None if there is no such key any more."""
    return Finding(issue.issue_id, issue.details.username, _resolution(key))


def _resolution(key: AccessKey | None) -> Resolution:
    if key is None:
        return Resolution.DELETED
    return Resolution.USED if key.status == ACTIVE else Resolution.DEACTIVATED


def reconcile(
    account_id: str, finding: Finding, issue: Issue | None, *, exemption: Exemption | None, now: datetime
) -> Step | None:
    """The step that an issue takes after a scan that began at `now` (UTC), or None if it stays as it is.

    `exemption` is the entry of the whitelist that covers the key at `now`. An archived issue only says whether
    somebody has switched the key on again: a new one begins beside it. A scan that is older than what the issue
    says, or too near to a remediation to see its effect, changes nothing.
    """
    found = finding.found
    if issue is None or issue.archived is not None:
        if isinstance(found, Resolution):
            return None
        again = None if issue is None else _next_episode(issue)
        return steps.found(account_id, finding.key_id, found, exemption, now, again=again)
    if _scan_is_too_old(issue, now):
        return None
    if isinstance(found, Resolution):
        return _gone(issue, found, now)
    if found.tags is None:
        # Not fetched by this scan.
        found = replace(found, tags=issue.details.tags)
    if exemption is not None:
        return _exempted(issue, found, exemption, now)
    return _idle(issue, found, now)


def _scan_is_too_old(issue: Issue, scan_began: datetime) -> bool:
    times = issue.timestamps
    return (
        (times.updated is not None and scan_began < times.updated)
        or (times.remediation_started is not None and scan_began < times.remediation_started)
        or (times.remediated is not None and scan_began < times.remediated + CONSISTENCY_MARGIN)
    )


def _gone(issue: Issue, reason: Resolution, now: datetime) -> Step | None:
    if not issue.is_live:
        return None
    restored = issue.timestamps.restored
    if reason is Resolution.DEACTIVATED and restored is not None and now < restored + CONSISTENCY_MARGIN:
        # What this scan saw may be how the key was before it was switched on again.
        return None
    if reason is Resolution.DEACTIVATED and _we_switched_it_off(issue):
        reason = Resolution.REMEDIATED
    ended = steps.ended_after_all if issue.status is Status.CLOSED else steps.resolved
    return ended(issue, reason, now)


def _exempted(issue: Issue, found: IssueDetails, exemption: Exemption, now: datetime) -> Step | None:
    if issue.status in (Status.WHITELISTED, Status.CLOSED):
        return None
    episode = Episode.REACTIVATED if _somebody_switched_it_on_again(issue) else issue.episode
    return steps.exempted(issue, found, episode, exemption, now)


def _idle(issue: Issue, found: IssueDetails, now: datetime) -> Step | None:
    if issue.status is Status.OPEN and issue.timestamps.remediated is None:
        if issue.ended_by_use(found.last_used):
            # No scan has seen the key in use.
            return steps.new_episode(issue, found, Episode.REOPENED, now)
        return None if found == issue.details else steps.refreshed(issue, found, now)
    if issue.status is Status.WHITELISTED and issue.timestamps.reported is None:
        return steps.no_longer_exempted(issue, found, now)
    begin = steps.found_again if issue.status is Status.CLOSED else steps.new_episode
    return begin(issue, found, _next_episode(issue), now)


def _we_switched_it_off(issue: Issue) -> bool:
    times = issue.timestamps
    switched_off = times.remediated or times.remediation_started
    return switched_off is not None and (times.restored is None or times.restored < switched_off)


def _somebody_switched_it_on_again(issue: Issue) -> bool:
    return issue.timestamps.remediated is not None or issue.details.resolution in (
        Resolution.REMEDIATED,
        Resolution.DEACTIVATED,
    )


def _next_episode(issue: Issue) -> Episode:
    # An exemption in between takes nothing from a person's decision to switch the key on again.
    still = issue.episode is Episode.REACTIVATED and issue.timestamps.resolved is None
    return Episode.REACTIVATED if still or _somebody_switched_it_on_again(issue) else Episode.REOPENED
