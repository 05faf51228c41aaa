"""What an operator is shown of a key before they are asked about it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from library.issues import smtp
from library.issues.access_keys import ACTIVE, AccessKey, idle_days
from library.text import account, utc

if TYPE_CHECKING:
    from datetime import datetime

    from library.issues.record import Issue
    from remediation.switching import Ready


def facts(issue: Issue, account_name: str, ready: Ready, since: str, now: datetime) -> tuple[tuple[str, str], ...]:
    """The facts, each with its name; `since` is that of the moment from which on the key may be switched."""
    key = _with_last_use(ready.key, issue)
    doubt = smtp.doubt(key.user_name, key.last_used_service)
    where = f" ({key.last_used_service} in {key.last_used_region})" if key.last_used_service else ""
    return (
        ("account", account(issue.account_id, account_name)),
        ("user", key.user_name),
        ("key", key.key_id),
        ("created", utc(key.create_date)),
        ("last used", "never" if key.last_used is None else utc(key.last_used) + where),
        ("idle days", str(idle_days(key.idle_since, now))),
        (since, utc(ready.since)),
        *_told(issue),
        ("ticket", issue.jira.ticket or "none"),
        ("assignee", issue.jira.ticket_assignee_id or "none"),
        *((("doubt", doubt),) if doubt else ()),
    )


def _told(issue: Issue) -> tuple[tuple[str, str], ...]:
    """From when on the key may be switched off, as its people know it; nothing of a key that is switched off."""
    if issue.switched_off_at is not None and not issue.interrupted:
        return ()
    promised = issue.timestamps.promised
    return (("date told", "none" if promised is None else utc(promised)),)


def _with_last_use(key: AccessKey, issue: Issue) -> AccessKey:
    """The last use of a key that is off was not asked for; the issue knows it."""
    if key.status == ACTIVE:
        return key
    details = issue.details
    return replace(
        key,
        last_used=None if details.never_used else details.last_used,
        last_used_service=details.last_used_service,
        last_used_region=details.last_used_region,
    )
