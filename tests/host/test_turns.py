"""In which order people are told of issues: nothing that never goes through holds up the others."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta

from library.issues.decisions import Skip
from library.issues.record import JiraDetails, SlackDetails
from library.issues.reporting import Report
from library.issues.whitelist import Whitelist
from reporting.tasks import tasks_of
from tests.builders import NOW, an_issue, days_ago, details
from tests.notifications.test_news import terms

LONGEST, LONG, SHORT = (
    an_issue(issue_id=f"AKIA{name}", details=details(last_used=days_ago(days)))
    for name, days in (("LONGEST", 400), ("LONG", 300), ("SHORT", 100))
)
FAILED = [
    replace(LONGEST, issue_id="AKIAJIRA", jira=JiraDetails(failed=days_ago(1))),
    replace(LONGEST, issue_id="AKIASLACK", slack=SlackDetails(failed=days_ago(1))),
    replace(LONGEST, issue_id="AKIAOWED", slack=SlackDetails(owed=("bob",))),
]


def test_the_longest_idle_comes_first_and_what_failed_before_last_each_of_it_once_the_first_of_all() -> None:
    firsts = set()
    for hour in range(48):
        now = NOW + timedelta(hours=hour)
        tasks = tasks_of([*FAILED, SHORT, LONG, LONGEST], terms(), Whitelist({}), None, Counter(), now)
        order = [task.issue.issue_id for task in tasks]
        assert order[:3] == ["AKIALONGEST", "AKIALONG", "AKIASHORT"]
        assert sorted(order[3:]) == ["AKIAJIRA", "AKIAOWED", "AKIASLACK"]
        firsts.add(order[3])
    assert firsts == {issue.issue_id for issue in FAILED}


def test_what_failed_before_takes_no_place_of_a_limit_from_the_others() -> None:
    tasks = tasks_of([*FAILED, SHORT], terms(), Whitelist({}), 1, Counter(), NOW)
    assert [(task.issue.issue_id, type(task.step)) for task in tasks[:2]] == [
        ("AKIASHORT", Report),
        (tasks[1].issue.issue_id, Skip),
    ]
