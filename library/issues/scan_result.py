"""What a scan says of itself: a line for each key that it has decided on, and the counts that become metrics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from library import text
from library.issues.access_keys import ACTIVE, idle_days
from library.issues.record import IssueDetails, Resolution, Status
from library.issues.scanning import LIVE

if TYPE_CHECKING:
    from collections.abc import Collection, Container, Iterable, Sequence
    from datetime import datetime

    from library.issues.access_keys import AccessKey
    from library.issues.decisions import Outcome
    from library.issues.listing import RuledOut
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
class AccountSeen:
    """How many users and keys an account has, and of how many of the users nothing had to be looked at.

    `active_keys` are those of its users that are on, `root_keys` those of its root user; None if that is not known.
    """

    users: int
    users_not_asked: int
    keys: int
    active_keys: int | None = None
    root_keys: int | None = None


@dataclass(frozen=True, slots=True)
class ScanResult:
    """What one scan of one account found and changed.

    `users` and `keys` are all that the account has, `users_not_asked` those of whom nothing had to be looked at.
    `idle_keys` are those with an open or whitelisted issue by now. `oldest_open_issue_days` is 0 if no issue is open.
    """

    users: int
    users_not_asked: int
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


def lines_of_the_rest(
    keys: Iterable[AccessKey], ruled_out: Iterable[RuledOut], decided: Container[str], now: datetime
) -> list[Line]:
    """The lines of what was met and left alone: keys in use or off, and what the report has ruled out.

    `decided` are the ids of the keys that have had their line.
    """
    left_alone = [_line_of_key(key, now) for key in keys if key.key_id not in decided]
    return left_alone + [_line_of_ruled_out(each) for each in ruled_out]


def _idle_for(details: IssueDetails, now: datetime) -> str:
    since = text.last_used_or_created(never_used=details.never_used)
    return f"{since} {text.days(idle_days(details.last_used, now))} ago"


def _end_of(found: Resolution, after: Issue | None) -> str:
    # The issue knows more than the scan: it was this project that switched the key off.
    recorded = after.details.resolution if after else None
    return (recorded or found).value


def _line_of_key(key: AccessKey, now: datetime) -> Line:
    if key.status != ACTIVE:
        return Line("Key is left alone", key.user_name, key.key_id, "off", f"status {key.status}")
    since = "created" if key.last_used is None else "last used"
    reason = f"{since} {text.days(idle_days(key.idle_since, now))} ago"
    return Line("Key is left alone", key.user_name, key.key_id, "in use", reason)


def _line_of_ruled_out(what: RuledOut) -> Line:
    left_alone = "User is left alone" if what.key_id is None else "Key is left alone"
    return Line(left_alone, what.user_name, what.key_id, "in use", "by the credential report")


# --- counts ---------------------------------------------------------------------------------------------------


def result_of(
    account: AccountSeen, outcomes: Sequence[Outcome], issues: Collection[Issue], api_calls: int, now: datetime
) -> ScanResult:
    """The counts of a scan that began at `now` (UTC); `issues` are those of the account after it."""
    return ScanResult(
        users=account.users,
        users_not_asked=account.users_not_asked,
        keys=account.keys,
        idle_keys=len([issue for issue in issues if issue.status in LIVE]),
        opened=len([each for each in outcomes if _has_become(Status.OPEN, each)]),
        resolved=len([each for each in outcomes if _has_become(Status.RESOLVED, each)]),
        oldest_open_issue_days=max([0, *(_days_open(issue, now) for issue in issues)]),
        api_calls=api_calls,
    )


def _has_become(status: Status, outcome: Outcome) -> bool:
    was = outcome.before.status if outcome.before else None
    return outcome.after is not None and outcome.after.status is status and was is not status


def _days_open(issue: Issue, now: datetime) -> int:
    if issue.status is not Status.OPEN or issue.timestamps.identified is None:
        return 0
    return (now - issue.timestamps.identified).days
