"""The rule: is this access key idle?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

ACTIVE, INACTIVE = "Active", "Inactive"


@dataclass(frozen=True, slots=True)
class AccessKey:
    """One IAM access key as a scan saw it; all times are aware and in UTC.

    `last_used` is None for a key that was never used, and where it was not asked for because it decides nothing: of a
    key that is off or younger than the criterion. Never for a call that failed.
    """

    key_id: str
    user_name: str
    user_id: str
    status: str
    create_date: datetime
    last_used: datetime | None = None
    last_used_service: str | None = None
    last_used_region: str | None = None

    @property
    def idle_since(self) -> datetime:
        """The last use, or the creation of a key that was never used (playbook, section 1)."""
        return self.last_used or self.create_date


def is_long_ago(moment: datetime, criteria_days: int, now: datetime) -> bool:
    """Whether a moment lies *more than* `criteria_days` × 24 h before `now` (UTC); exactly so long is not enough."""
    return now - moment > timedelta(days=criteria_days)


def is_idle(key: AccessKey, criteria_days: int, now: datetime) -> bool:
    """Whether a key is Active and its last use, or its creation if it was never used, is long ago.

    `Inactive` and `Expired` keys are never idle: nobody can use them.
    """
    return key.status == ACTIVE and is_long_ago(key.idle_since, criteria_days, now)


def idle_days(idle_since: datetime, now: datetime) -> int:
    """Whole days (24 h, rounded down) between the last use or creation and `now`."""
    return (now - idle_since).days
