"""Closed issues that are set aside: which ones may be, and what the readers make of them."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

from library.issues.access_keys import is_long_ago
from library.issues.record import Issue, Status, Timestamps
from library.issues.switching import SwitchOn, restore_verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

ARCHIVED_AFTER_DAYS = 365
"""A closed issue may be archived once nothing has happened to it for more than so many days."""

# What is still to come, or may be.
_AHEAD = ("promised",)


def may_be_archived(issue: Issue, now: datetime) -> bool:
    """Whether a scan at `now` (UTC) may set the issue aside: closed long ago, and nobody and nothing waits for it."""
    times = issue.timestamps
    if issue.status is not Status.CLOSED or issue.archived is not None or times.closed is None:
        return False
    if not is_long_ago(times.closed, ARCHIVED_AFTER_DAYS, now):
        return False
    # Without a time at which it was resolved, its key is idle still, and exempt.
    ended = times.resolved is not None and not issue.is_live and not issue.interrupted
    verdict = restore_verdict(issue)
    being_restored = isinstance(verdict, SwitchOn) and verdict.announced
    return ended and not being_restored and not _is_owed(issue) and _is_old(times, now)


def _is_owed(issue: Issue) -> bool:
    jira, slack = issue.jira, issue.slack
    return bool(jira.failed or jira.asked or slack.failed or slack.owed or slack.exception_owed)


def _is_old(times: Timestamps, now: datetime) -> bool:
    moments = [getattr(times, each.name) for each in fields(times) if each.name not in _AHEAD]
    return all(is_long_ago(moment, ARCHIVED_AFTER_DAYS, now) for moment in moments if moment is not None)


def without_copies(issues: Iterable[Issue]) -> Iterator[Issue]:
    """The issues of an account, those that are not archived first; an archived one that lives again is left out.

    A restore that begins with an archived issue goes on in a row of its own, which has the same end.
    """
    living = set()
    for issue in issues:
        end = issue.issue_id, issue.timestamps.closed
        if issue.archived is None:
            living.add(end)
        elif end in living:
            continue
        yield issue


def latest_of_each_key(issues: Iterable[Issue]) -> list[Issue]:
    """For each key its issue that is not archived or, without one, the one closed last; as the table is read."""
    latest: dict[tuple[str, str], Issue] = {}
    for issue in issues:
        key = issue.account_id, issue.issue_id
        if key not in latest or latest[key].archived is not None:
            latest[key] = issue
    return list(latest.values())
