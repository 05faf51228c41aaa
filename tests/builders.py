"""Builders of keys and issues with defaults, so that a test names only what it is about."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from library.issues.access_keys import AccessKey
from library.issues.record import (
    Issue,
    IssueDetails,
    JiraDetails,
    Resolution,
    SlackDetails,
    Status,
    Timestamps,
    details_of,
)

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
ACCOUNT = "123456789012"
KEY = "AKIAI6UV7TCFQNA623TA"


def days_ago(days: float) -> datetime:
    """The time this many days (24 h) before NOW."""
    return NOW - timedelta(days=days)


def a_key(**overrides: Any) -> AccessKey:
    """An Active key of alice, created 400 days ago and last used 100 days ago."""
    defaults: dict[str, Any] = {
        "key_id": KEY,
        "user_name": "alice",
        "user_id": "AIDAALICE",
        "status": "Active",
        "create_date": days_ago(400),
        "last_used": days_ago(100),
        "last_used_service": "s3",
        "last_used_region": "eu-west-1",
    }
    return AccessKey(**{**defaults, **overrides})


def details(**overrides: Any) -> IssueDetails:
    """The details of `a_key`, with one tag."""
    facts = details_of(a_key(), {"owner": "bob"})
    defaults = {name: getattr(facts, name) for name in IssueDetails.__slots__}
    return IssueDetails(**{**defaults, **overrides})


def times(**overrides: Any) -> Timestamps:
    """An issue that was found 20 days ago and to which nothing else has happened.

    Where it is reported, and nothing else is given, the report named the date of a retention period of 14 days.
    """
    defaults: dict[str, Any] = {"identified": days_ago(20), "updated": days_ago(20)}
    if overrides.get("reported") is not None:
        defaults["promised"] = overrides["reported"] + timedelta(days=14)
    return Timestamps(**{**defaults, **overrides})


def an_issue(**overrides: Any) -> Issue:
    """An open issue of `a_key`, found 20 days ago, not reported."""
    defaults: dict[str, Any] = {
        "account_id": ACCOUNT,
        "issue_id": KEY,
        "status": Status.OPEN,
        "details": details(),
        "timestamps": times(),
    }
    return Issue(**{**defaults, **overrides})


def long_closed(now: datetime = NOW, *, days: float = 366, **overrides: Any) -> Issue:
    """An issue that was closed so many days before `now`, as everybody had been told that its key was gone."""

    def ago(more: float) -> datetime:
        return (now - timedelta(days=days + more)).replace(microsecond=0)

    ended = {"identified": ago(90), "updated": ago(1), "reported": ago(89), "promised": ago(75), "resolved": ago(1)}
    defaults: dict[str, Any] = {
        "status": Status.CLOSED,
        "details": details(create_date=ago(300), last_used=ago(200), resolution=Resolution.DELETED),
        "timestamps": Timestamps(**ended, closed=ago(0)),
        "jira": JiraDetails(ticket="AWSSEC-1", ticket_assignee_id="bob", seen=ago(89)),
        "slack": SlackDetails(notified=ago(0), recipients=("#devops",)),
        "history": ({"time": ago(0).isoformat(), "what": "closed", "why": "everybody was told of its end"},),
    }
    return an_issue(**{**defaults, **overrides})
