"""The counter-check: once in seven days everything is listed, so that no shortcut is ever the only look."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import TYPE_CHECKING

from library.issues.access_keys import ACTIVE, is_idle
from library.issues.report_rows import Group, SlotKind

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from library.issues.access_keys import AccessKey
    from library.issues.looking import Kept, Plan

PERIOD = timedelta(days=7)
"""How often everything is listed, whatever report and memory say."""
USE_LAG = timedelta(hours=4)
"""A report may lack a use of a key that was no longer than this before it was made."""

_FIRST_WEEK = datetime(2000, 1, 3, tzinfo=UTC)


def is_due(account_id: str, last_complete: datetime | None, now: datetime) -> bool:
    """Whether everything has to be listed now: the account's moment of the week lies after its last complete scan.

    The moments of all accounts are spread over the week. A first scan (`last_complete` None) is like any other.
    """
    offset = int.from_bytes(blake2b(account_id.encode(), digest_size=8).digest()) % int(PERIOD.total_seconds())
    first = _FIRST_WEEK + timedelta(seconds=offset)
    moment = first + (now - first) // PERIOD * PERIOD
    return last_complete is not None and last_complete < moment


def contradictions(
    plan: Plan,
    groups: Mapping[datetime, Group],
    keys: Mapping[datetime, Sequence[AccessKey]],
    issues: Collection[Kept],
    *,
    criteria_days: int,
    report_made: datetime,
    now: datetime,
) -> Iterator[str]:
    """What a full listing has found that a scan by `plan` would have missed, and the report should have shown.

    `keys` are all keys of the account by their users' second of creation (UTC). One sentence each.
    """
    standing = {issue.key_id: issue for issue in issues if issue.standing}
    for created, found in keys.items():
        if created in plan.groups:
            continue
        group = groups.get(created, Group(created, ()))
        rows = " | ".join(str(row) for row in group.rows) or "no row"
        # What was off when the report was made may have been switched on since.
        excused = len(group.slots(SlotKind.OFF))
        new = [key for key in found if key.key_id not in standing and is_idle(key, criteria_days, now)]
        for key in new[excused:]:
            yield f"key {key.key_id} of user {key.user_name!r} is idle and has no issue; the report's row: {rows}"
        for key in found:
            issue, used = standing.get(key.key_id), key.last_used
            if issue is None or not issue.live or key.status != ACTIVE or used is None:
                continue
            if used < report_made - USE_LAG and not is_idle(key, criteria_days, now):
                yield (
                    f"key {key.key_id} of user {key.user_name!r} was used at {used.isoformat()} and its issue is not "
                    f"resolved; the report's row: {rows}"
                )
