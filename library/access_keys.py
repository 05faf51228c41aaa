"""The rule: is this access key idle?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

ACTIVE = "Active"


@dataclass(frozen=True, slots=True)
class AccessKey:
    """One IAM access key as a scan saw it; all times are aware and in UTC.

    `last_used` is None only for a key that was never used, never for a call that failed.
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


def is_idle(key: AccessKey, criteria_days: int, now: datetime) -> bool:
    """Whether an Active key went unused for *more than* `criteria_days` × 24 h before `now` (UTC).

    Exactly `criteria_days` is not idle yet. `Inactive` and `Expired` keys are never idle: nobody can use them.
    """
    return key.status == ACTIVE and now - key.idle_since > timedelta(days=criteria_days)


def idle_days(idle_since: datetime, now: datetime) -> int:
    """Whole days (24 h, rounded down) between the last use or creation and `now`."""
    return (now - idle_since).days
