"""Issues in the middle of their lives, and any issue at all, for the tests of the decisions."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st

from library.issues.record import (
    Episode,
    Issue,
    JiraDetails,
    RemediationError,
    Resolution,
    SlackDetails,
    Status,
    Timestamps,
)
from tests.builders import NOW, an_issue, days_ago, details, times

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
TICKET = JiraDetails(ticket="AWSSEC-1", ticket_assignee_id="bob")
TOLD = SlackDetails(notified=days_ago(18), recipients=("#devops",))
GONE = (Resolution.USED, Resolution.DEACTIVATED, Resolution.DELETED)


def reported(**overrides: Any) -> Issue:
    """An open issue that was reported 18 days ago, with a ticket and a message."""
    defaults: dict[str, Any] = {"timestamps": times(reported=days_ago(18)), "jira": TICKET, "slack": TOLD}
    return an_issue(**{**defaults, **overrides})


def resolved(resolution: Resolution, **overrides: Any) -> Issue:
    """A reported issue that a scan resolved two days ago."""
    when = times(updated=days_ago(2), reported=days_ago(18), reminded=days_ago(5), resolved=days_ago(2))
    defaults: dict[str, Any] = {
        "status": Status.RESOLVED,
        "details": details(resolution=resolution),
        "timestamps": when,
    }
    return reported(**{**defaults, **overrides})


def closed(resolution: Resolution | None = Resolution.USED, **overrides: Any) -> Issue:
    """A resolved issue whose ticket was closed a day ago."""
    issue = resolved(Resolution.USED)
    defaults: dict[str, Any] = {
        "status": Status.CLOSED,
        "details": details(resolution=resolution),
        "timestamps": replace(issue.timestamps, closed=days_ago(1)),
    }
    return reported(**{**defaults, **overrides})


MOMENTS = st.none() | st.integers(-60, 60).map(lambda minutes: NOW + minutes * MINUTE)


def in_order(any_times: Timestamps) -> Timestamps:
    """The same without what cannot be: nothing is reminded of or remediated before it was reported."""
    if any_times.reported is None:
        return replace(any_times, promised=None, reminded=None, remediation_started=None, remediated=None)
    return any_times if any_times.remediation_started else replace(any_times, remediated=None)


RECORDS = st.builds(
    an_issue,
    status=st.sampled_from(Status),
    episode=st.sampled_from(Episode),
    details=st.builds(
        details,
        last_used=st.sampled_from([days_ago(100), days_ago(95)]),
        tags=st.sampled_from([None, {}, {"owner": "bob"}]),
        resolution=st.none() | st.sampled_from(Resolution),
    ),
    timestamps=st.builds(Timestamps, *([MOMENTS] * 11)).map(in_order),
    jira=st.sampled_from([JiraDetails(), TICKET, replace(TICKET, failed=NOW)]),
    slack=st.sampled_from(
        [SlackDetails(), TOLD, replace(TOLD, failed=NOW), replace(TOLD, failed=NOW, owed=("bob",))]
    ),
    remediation_error=st.none() | st.just(RemediationError("throttled", NOW)),
)
FOUND = st.sampled_from([details(), details(tags=None), details(last_used=days_ago(95)), *GONE])
