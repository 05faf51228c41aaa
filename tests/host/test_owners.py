"""The right person: who gets the ticket and the message, and who does if that person is unknown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.world import OTHER

if TYPE_CHECKING:
    from tests.world.estate import Estate


@pytest.fixture(autouse=True)
def owners(estate: Estate) -> None:
    estate.owners(
        {
            "bu": {
                "sales": {
                    "jira_owner": "bob",
                    "slack_owner": "#general",
                    "product": {"shop": {"jira_owner": "alice", "jira_parent_ticket": "", "slack_owner": "#random"}},
                }
            },
            "account": {OTHER: {"jira_owner": "Support-Cloud", "slack_owner": "#cloud-team"}},
            "jira_project": "AWSSEC",
            "jira_owner": "Support-General",
            "jira_parent_ticket": "AWSSEC-1",
            "slack_owner": "#devops-channel",
        }
    )


def told(estate: Estate) -> list[str]:
    return [recipient for recipient, _ in estate.messages()]


@pytest.mark.parametrize(
    ("tags", "assignee", "recipients"),
    [
        ({}, "Support-Cloud", ["#cloud-team", "#devops-channel"]),
        ({"owner": "alice@example.com"}, "alice", ["alice", "#cloud-team", "#devops-channel"]),
        ({"Owner": "alice"}, "alice", ["alice", "#cloud-team", "#devops-channel"]),
        ({"bu": "sales"}, "bob", ["#general", "#devops-channel"]),
        ({"bu": "sales", "product": "shop"}, "alice", ["#random", "#devops-channel"]),
        ({"bu": "sales", "product": "shop", "owner": "bob"}, "bob", ["bob", "#random", "#devops-channel"]),
        ({"bu": "unheard of", "product": "shop"}, "Support-Cloud", ["#cloud-team", "#devops-channel"]),
    ],
)
def test_the_tags_of_the_user_precede_the_account_and_the_account_precedes_the_rest(
    estate: Estate, tags: dict[str, str], assignee: str, recipients: list[str]
) -> None:
    issue = estate.add_issue(account=OTHER, tags=tags)

    assert estate.report().exit_code == 0

    (ticket,) = estate.tickets_of(issue)
    assert (ticket.assignee, ticket.links) == (assignee, ["AWSSEC-1"])
    assert told(estate) == recipients


@pytest.mark.parametrize("cloud", [False, True])
def test_an_owner_nobody_knows_is_a_warning_and_the_others_get_theirs(estate: Estate, cloud: bool) -> None:
    if cloud:
        estate.use_cloud()
    issue = estate.add_issue(account=OTHER, tags={"owner": "left@example.com"})

    result = estate.report()

    assert result.exit_code == 0
    assert "ERROR" not in result.output
    warnings = [line for line in result.output.splitlines() if "WARNING" in line and "left@example.com" in line]
    assert [line for line in warnings if "JIRA" in line]
    assert [line for line in warnings if "Slack" in line and issue.issue_id in line]
    (ticket,) = estate.tickets_of(issue)
    # Cloud knows no user names.
    assert ticket.assignee == (None if cloud else "Support-Cloud")
    assert told(estate) == ["#cloud-team", "#devops-channel"]


def test_a_channel_that_is_gone_is_followed_by_the_next_in_line(estate: Estate) -> None:
    estate.configure(slack={"notify_default_owner": False})
    estate.owners(
        {
            "account": {OTHER: {"slack_owner": "#gone"}},
            "jira_project": "AWSSEC",
            "slack_owner": ["#gone-too", "bob"],
        }
    )
    issue = estate.add_issue(account=OTHER, tags={"owner": "left@example.com"})

    result = estate.report()

    assert result.exit_code == 0
    assert told(estate) == ["bob"]
    assert estate.read(issue).slack.recipients == ("bob",)
    for name in ("left@example.com", "#gone", "#gone-too"):
        assert f"{name} did not get the message" in result.output


def test_when_nobody_can_be_reached_the_ticket_is_raised_and_the_run_says_so(estate: Estate) -> None:
    estate.owners({"jira_project": "AWSSEC", "jira_owner": "left", "slack_owner": ["#gone", "left"]})
    issue = estate.add_issue(account=OTHER, tags={"owner": "left@example.com"})

    result = estate.report()

    assert result.exit_code == 1
    assert "nobody got the message" in result.output
    (ticket,) = estate.tickets_of(issue)
    assert ticket.assignee is None
    after = estate.read(issue)
    assert after.jira.ticket == ticket.key
    assert after.slack.failed is not None


def test_whom_slack_fails_to_reach_is_not_replaced_by_the_next_in_line(estate: Estate) -> None:
    estate.configure(slack={"notify_default_owner": False})
    estate.add_issue(account=OTHER)
    estate.slack_is_down()
    assert estate.report().exit_code == 1
    assert told(estate) == []
    assert estate.report().exit_code == 0
    assert told(estate) == ["#cloud-team"]
