"""What is written into an issue's history for each thing that can happen to it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from library.issues.history import KEPT, with_step
from library.issues.lifecycle import reconcile
from library.issues.record import (
    Episode,
    Issue,
    JiraDetails,
    RemediationError,
    Resolution,
    RestoreDetails,
    SlackDetails,
    Status,
)
from tests.builders import ACCOUNT, KEY, NOW, an_issue, days_ago, details, times

REPORTED = {"timestamps": times(reported=days_ago(15)), "jira": JiraDetails("AWSSEC-1")}
ANNOUNCED = {"timestamps": times(reported=days_ago(15), remediation_started=NOW)}
OFF = {"timestamps": times(reported=days_ago(15), remediation_started=days_ago(1), remediated=days_ago(1))}
BY = "arn:aws:iam::123456789012:user/bob"


def step(before: dict[str, Any], after: dict[str, Any], why: str = "") -> tuple[str, str]:
    entry = with_step(an_issue(**before), an_issue(**after), NOW, why).history[-1]
    assert set(entry) == {"time", "what", "why"}
    assert entry["time"] == "2026-11-23T12:00:00+00:00"
    return entry["what"], entry["why"]


@pytest.mark.parametrize(
    ("before", "after", "what", "why"),
    [
        ({}, REPORTED, "reported, ticket AWSSEC-1", ""),
        (REPORTED, {**REPORTED, "timestamps": times(reported=days_ago(15), reminded=NOW)}, "reminded", "the day on"),
        (REPORTED, {**REPORTED, "slack": SlackDetails(NOW, ("#ops", "bob"))}, "told over Slack: #ops, bob", ""),
        (REPORTED, {**REPORTED, "slack": SlackDetails(failed=NOW)}, "a message is owed (Slack)", ""),
        ({**REPORTED, "jira": JiraDetails("AWSSEC-1", failed=NOW)}, REPORTED, "told on ticket AWSSEC-1", ""),
        ({"timestamps": times(reported=days_ago(15))}, ANNOUNCED, "about to be switched off", ""),
        (ANNOUNCED, {"timestamps": times(reported=days_ago(15))}, "not switched off after all", ""),
        (
            {"timestamps": times(reported=days_ago(15), remediation_started=days_ago(1))},
            OFF,
            "switched off",
            "",
        ),
        (
            ANNOUNCED,
            {"timestamps": times(reported=days_ago(15)), "remediation_error": RemediationError("denied", NOW)},
            "not switched off after all, could not be switched off",
            "denied",
        ),
        (OFF, {**OFF, "restore": RestoreDetails(BY, NOW)}, "about to be switched on again", f"wanted by {BY}"),
        ({**OFF, "restore": RestoreDetails(BY, NOW)}, OFF, "not switched on after all", ""),
        (
            {**OFF, "restore": RestoreDetails(BY, NOW)},
            {
                "restore": RestoreDetails(BY, NOW),
                "timestamps": replace(an_issue(**OFF).timestamps, restored=NOW),
            },
            "switched on again",
            f"wanted by {BY}",
        ),
        ({}, {"details": details(username="alicia")}, "details changed", "username: alice -> alicia"),
        ({}, {"status": Status.CLOSED}, "closed", "nobody had been told"),
    ],
)
def test_a_step_says_what_has_changed_and_why(
    before: dict[str, Any], after: dict[str, Any], what: str, why: str
) -> None:
    said, reason = step(before, after)
    assert said == what
    assert reason.startswith(why)


def test_what_the_step_itself_knows_of_its_reason_comes_before_what_the_record_says() -> None:
    assert (
        step({"timestamps": times(reported=days_ago(15))}, ANNOUNCED, "idle for 100 days")[1] == "idle for 100 days"
    )


@pytest.mark.parametrize(
    ("record", "found", "whitelisted", "what", "why"),
    [
        (None, details(), False, "found", "idle: last used 2026-08-15"),
        (None, details(), True, "found, whitelisted", "idle: "),
        (an_issue(), details(), True, "whitelisted", "an exception covers it"),
        (an_issue(status=Status.WHITELISTED), details(), False, "open", "no exception covers it any more"),
        (an_issue(), Resolution.USED, False, "resolved", "the key is not idle any more: used"),
        (
            an_issue(status=Status.RESOLVED, details=details(resolution=Resolution.USED)),
            details(),
            False,
            "a new episode, reopened",
            "it is idle again: last used",
        ),
        (an_issue(**OFF), details(), False, "a new episode, reactivated", "somebody switched the key on again"),
        (an_issue(status=Status.CLOSED), details(), False, "a new episode, reopened", "it is idle again"),
    ],
)
def test_a_scan_says_what_it_has_made_of_the_issue(
    record: Issue | None, found: Any, whitelisted: bool, what: str, why: str
) -> None:
    after = reconcile(ACCOUNT, KEY, record, found, whitelisted=whitelisted, now=NOW)
    assert after is not None
    entry = with_step(record, after, NOW).history[-1]
    assert entry["what"] == what
    assert entry["why"].startswith(why)


def test_a_scan_that_finds_nothing_new_makes_no_history() -> None:
    record = with_step(None, an_issue(), NOW)
    assert reconcile(ACCOUNT, KEY, record, record.details, whitelisted=False, now=NOW) is None
    assert record == an_issue()


def test_the_last_fifty_steps_are_kept() -> None:
    issue = an_issue()
    for number in range(KEPT + 7):
        issue = with_step(issue, replace(issue, details=details(username=f"user-{number}")), NOW)
    assert len(issue.history) == KEPT == 50
    assert issue.history[-1]["why"].endswith(f"-> user-{KEPT + 6}")
    assert issue.history[0]["why"].endswith("-> user-7")


def test_a_reason_is_cut_where_it_would_fill_the_row() -> None:
    error = RemediationError("x" * 10_000, NOW)
    assert len(step({}, {"remediation_error": error})[1]) == 500


def test_every_episode_has_words() -> None:
    for episode in Episode:
        what, _ = step({}, {"episode": episode, "timestamps": times(identified=NOW)})
        assert what == f"a new episode, {episode.value}"
