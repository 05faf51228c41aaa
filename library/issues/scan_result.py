"""What a scan says of itself: a line for each key that it has decided on, and the counts that become metrics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from library import text
from library.issues.access_keys import ACTIVE, idle_days
from library.issues.record import IssueDetails, Resolution, Status

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from library.issues.access_keys import AccessKey
    from library.issues.decisions import Outcome
    from library.issues.listing import Listing, RuledOut
    from library.issues.record import Issue
    from library.issues.scanning import Finding


@dataclass(frozen=True, slots=True)
class Decided:
    """A finding of a scan, and what became of the issue."""

    finding: Finding
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the log: the verdict on a key and the reason; `key` is None for every key of the user."""

    text: str
    user: str
    key: str | None
    verdict: str
    reason: str


@dataclass(frozen=True, slots=True)
class ScanResult:
    """What one scan of one account found and changed.

    `keys` are those that were looked at: not those of the users who were ruled out. `oldest_open_issue_days` is 0 if
    no issue is open.
    """

    users: int
    users_ruled_out: int
    keys: int
    idle_keys: int
    opened: int
    resolved: int
    oldest_open_issue_days: int
    api_calls: int


# --- lines ----------------------------------------------------------------------------------------------------


def line_of_issue(decided: Decided, criteria_days: int, now: datetime) -> Line:
    """The line of a key that has an issue, or is about to get one, after its step was taken or not."""
    finding, after = decided.finding, decided.outcome.after
    if isinstance(finding.found, IssueDetails):
        reason = f"{_idle_for(finding.found, now)}, more than {criteria_days}"
    else:
        reason = _end_of(finding.found, after)
    return Line(
        "Issue is changed" if decided.outcome.written else "Issue is unchanged",
        finding.user_name,
        finding.key_id,
        after.status.value if after else "none",
        reason,
    )


def lines_of_the_rest(listing: Listing, findings: Sequence[Finding], now: datetime) -> list[Line]:
    """The lines of what the scan has met and left alone: keys in use or off, and what the report has ruled out."""
    found = {finding.key_id for finding in findings}
    keys = [_line_of_key(key, now) for key in listing.keys if key.key_id not in found]
    return keys + [_line_of_ruled_out(each) for each in listing.ruled_out]


def _idle_for(details: IssueDetails, now: datetime) -> str:
    since = text.last_used_or_created(never_used=details.never_used)
    return f"{since} {idle_days(details.last_used, now)} days ago"


def _end_of(found: Resolution, after: Issue | None) -> str:
    # The issue knows more than the scan: it was this project that switched the key off.
    recorded = after.details.resolution if after else None
    return (recorded or found).value


def _line_of_key(key: AccessKey, now: datetime) -> Line:
    if key.status != ACTIVE:
        return Line("Key is left alone", key.user_name, key.key_id, "off", f"status {key.status}")
    since = "created" if key.last_used is None else "last used"
    reason = f"{since} {idle_days(key.idle_since, now)} days ago"
    return Line("Key is left alone", key.user_name, key.key_id, "in use", reason)


def _line_of_ruled_out(what: RuledOut) -> Line:
    left_alone = "User is left alone" if what.key_id is None else "Key is left alone"
    return Line(left_alone, what.user_name, what.key_id, "in use", "by the credential report")


# --- counts ---------------------------------------------------------------------------------------------------


def result_of(listing: Listing, decisions: Sequence[Decided], api_calls: int, now: datetime) -> ScanResult:
    """The counts of a scan that began at `now` (UTC)."""
    return ScanResult(
        users=listing.users,
        users_ruled_out=len([each for each in listing.ruled_out if each.key_id is None]),
        keys=len(listing.keys),
        idle_keys=len([each for each in decisions if isinstance(each.finding.found, IssueDetails)]),
        opened=len([each for each in decisions if _has_become(Status.OPEN, each.outcome)]),
        resolved=len([each for each in decisions if _has_become(Status.RESOLVED, each.outcome)]),
        oldest_open_issue_days=max([0, *(_days_open(each.outcome.after, now) for each in decisions)]),
        api_calls=api_calls,
    )


def _has_become(status: Status, outcome: Outcome) -> bool:
    was = outcome.before.status if outcome.before else None
    return outcome.after is not None and outcome.after.status is status and was is not status


def _days_open(issue: Issue | None, now: datetime) -> int:
    if issue is None or issue.status is not Status.OPEN or issue.timestamps.identified is None:
        return 0
    return (now - issue.timestamps.identified).days
