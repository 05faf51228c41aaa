"""What a run of reporting has to do with each issue, and in which order."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from library import messages
from library.cli.logs import logger
from library.cli.one_by_one import by_itself
from library.issues.decisions import Skip
from library.issues.reporting import CLOSING_WAITS_FOR_JIRA, Report, reporting_step
from library.messages import Message

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Sequence
    from datetime import datetime

    from library.issues.record import Issue
    from library.issues.reporting import ReportingStep
    from library.issues.whitelist import Whitelist
    from library.notifications.terms import Terms


@dataclass(frozen=True, slots=True)
class Task:
    """An issue and what is to be done with it."""

    issue: Issue
    step: ReportingStep


def tasks_of(
    issues: Sequence[Issue],
    terms: Terms,
    whitelist: Whitelist,
    limit: int | None,
    counts: Counter[str],
    now: datetime,
) -> list[Task]:
    """The task of each issue as of `now` (UTC), the longest idle first; `limit` caps the new reports.

    Those of which somebody could not be told before come last, in another order each run: a run gives a service up
    that fails a few times in a row, so some that never go through would hold up the same others each time.

    An issue with which something is wrong has none: that is said, and counted as `failed`.
    """
    tasks, new = [], 0
    for issue in sorted(issues, key=partial(_turn, now=now)):
        with by_itself(issue.name, counts):
            details = issue.details
            exemption = whitelist.find(issue.account_id, details.username, issue.issue_id, now, details.tags)
            step = reporting_step(issue, terms.policy(issue.account_id), exemption=exemption, now=now)
            if isinstance(step, Report) and step.first:
                new += 1
                if limit is not None and new > limit:
                    step = Skip(f"the limit of {limit} new reports is reached")
            tasks.append(Task(issue, step))
    _warn_of_waiting(tasks)
    return tasks


def _turn(issue: Issue, now: datetime) -> tuple[bool, bytes, datetime | None, str]:
    failed = bool(issue.jira.failed or issue.slack.failed or issue.slack.owed)
    lot = (
        hashlib.sha256(f"{now.isoformat()} {issue.account_id} {issue.issue_id}".encode()).digest() if failed else b""
    )
    return failed, lot, issue.details.last_used, issue.issue_id


def _warn_of_waiting(tasks: Sequence[Task]) -> None:
    waiting = sum(1 for task in tasks if task.step == CLOSING_WAITS_FOR_JIRA)
    if waiting:
        messages.warning(
            logger,
            Message.CLOSING_WAITS,
            f"JIRA is switched off (jira.enabled), so {waiting} issues with a ticket are not closed, but wait",
        )
