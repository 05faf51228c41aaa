"""What Slack refuses is one line at ERROR for each cause, with a count, and is not tried for every issue."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from library.issues.record import Status

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.world.estate import Estate

POST = "chat.postMessage"
ISSUES = 6


def refuse(code: str) -> Callable[[Estate], object]:
    return lambda estate: estate.slack.fail_next(POST, status=200, error=code, times=None)


def dead_token(estate: Estate) -> None:
    estate.slack.token_error = "token_revoked"


def no_scope(estate: Estate) -> None:
    estate.slack.scopes = frozenset({"users:read"})


def limit(estate: Estate) -> None:
    estate.slack.limit("devops-channel", "120")


def down(estate: Estate) -> None:
    estate.slack.fail_next(POST, status=503, times=None)


def unknown(estate: Estate) -> None:
    estate.owners({"jira_project": "AWSSEC", "slack_owner": "#gone"})


@pytest.mark.parametrize("remediates", [False, True], ids=["reporting", "remediation"])
@pytest.mark.parametrize(
    ("make", "id", "cause", "tried"),
    [
        (dead_token, "E-SLACK-09", "the Slack token was revoked (token_revoked)", 0),
        (no_scope, "E-SLACK-03", "the Slack token lacks the scope chat:write (missing_scope); it has users:read", 0),
        (limit, "E-SLACK-02", "nobody got the message (#devops-channel: Slack's rate limit is still in force", 1),
        (down, "E-SLACK-01", "Slack answered with HTTP 503", 9),
        (refuse("is_archived"), "E-SLACK-04", "nobody got the message (#devops-channel: the channel is archived", 1),
        (
            refuse("fatal_error"),
            "E-SLACK-01",
            "nobody got the message (#devops-channel: Slack answered fatal_error",
            3,
        ),
        (unknown, "E-SLACK-04", "nobody got the message (#gone: Slack knows no such channel", 1),
    ],
    ids=["dead token", "scope", "limit", "down", "archived", "refused", "unknown"],
)
def test_one_cause_is_one_error_with_a_count(
    estate: Estate, make: Callable[[Estate], object], id: str, cause: str, tried: int, remediates: bool
) -> None:
    for number in range(ISSUES):
        estate.add_due_issue(f"joe{number}") if remediates else estate.add_issue(f"joe{number}")
    make(estate)

    result = estate.remediate() if remediates else estate.report()

    assert result.exit_code == 1
    (line,) = [line for line in result.stderr.splitlines() if re.search(r" (ERROR|WARNING) [EW]-SLACK-", line)]
    assert f" ERROR {id} account " in line
    assert f" and {ISSUES - 1} more: Slack: " in line
    assert cause in line
    assert estate.messages() == []
    # A name is tried with the listing, too.
    assert sum(request.api_method == POST for request in estate.slack.requests) <= max(tried, 1)


def test_many_people_whom_one_cause_has_met_are_named_up_to_a_number(estate: Estate) -> None:
    estate.configure(jira={"enabled": False})
    estate.owners({})
    for number in range(8):
        estate.add_issue(f"joe{number}", tags={"owner": f"left{number}@example.com"})
    (line,) = [line for line in estate.report().stderr.splitlines() if " ERROR " in line]
    assert " and 7 more: Slack: nobody got the message (left" in line
    assert " and 3 more: no active Slack user has this e-mail address (users_not_found))" in line


def test_a_recipient_who_cannot_be_reached_is_warned_of_once_in_a_run(estate: Estate) -> None:
    estate.owners({"jira_project": "AWSSEC", "slack_owner": ["#gone", "bob"]})
    issues = [estate.add_issue(f"joe{number}") for number in range(4)]
    result = estate.report()
    assert result.exit_code == 0
    assert len([line for line in result.stderr.splitlines() if " WARNING W-SLACK-01 " in line]) == 1
    assert all(estate.read(issue).status is Status.OPEN for issue in issues)
    assert [recipient for recipient, _ in estate.messages()] == ["bob"] * 4
