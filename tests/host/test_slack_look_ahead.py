"""A dry run of reporting asks Slack what it will refuse, and says which scope, name or invitation mends it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from deployment import check_deployment
from deployment.local.slack_stand_in import SlackChannel, SlackUser
from deployment.local.slack_stand_in.workspace import workspace_of
from library.cli import wiring
from library.config.loading import load
from library.messages import Message
from library.notifications.slack_look_ahead import obstacles
from tests.world import OTHER, REPORTING

if TYPE_CHECKING:
    from tests.world.estate import Estate

USERS = (SlackUser("slackbot"), SlackUser("alice", email="alice@example.com"), SlackUser("left", deleted=True))
CHANNELS = (
    SlackChannel("general"),
    SlackChannel("attic", archived=True),
    SlackChannel("elsewhere", bot_is_member=False),
    SlackChannel("hidden", private=True, bot_is_member=False),
    SlackChannel("inside", private=True),
)
EVERYTHING = frozenset({"chat:write", "channels:read", "users:read", "users:read.email", "im:write"})


def said_of(estate: Estate, *recipients: str, scopes: frozenset[str] | None = EVERYTHING) -> list[str]:
    estate.slack.workspace = workspace_of(USERS, CHANNELS, page_size=2)
    estate.slack.scopes = scopes
    settings = load(str(estate.folder))
    return list(obstacles(wiring.slack_calls(settings, wiring.credentials(settings)), recipients))


@pytest.mark.parametrize(
    "recipient",
    [
        "#general",
        "#General",
        "#inside",
        "C00000000",
        "alice",
        "@alice",
        "alice@example.com",
        "U00000001",
        "D00000001",
    ],
)
def test_who_can_be_reached_is_no_obstacle_and_hears_nothing(estate: Estate, recipient: str) -> None:
    assert said_of(estate, recipient) == []
    assert estate.messages() == []


@pytest.mark.parametrize(
    ("recipient", "said"),
    [
        ("#nowhere", "Slack knows no such channel, or it is private and the bot was not invited"),
        ("#hidden", "Slack knows no such channel, or it is private and the bot was not invited"),
        (
            "C00000003",
            "Slack knows no such channel, or it is private and the bot was not invited (channel_not_found)",
        ),
        (
            "C99999999",
            "Slack knows no such channel, or it is private and the bot was not invited (channel_not_found)",
        ),
        ("#attic", "the channel is archived"),
        ("C00000001", "the channel is archived"),
        (
            "#elsewhere",
            "the bot is not a member of the channel: invite it there, or add the scope chat:write.public to the app",
        ),
        ("nobody", "no active Slack user has this name"),
        ("left", "no active Slack user has this name"),
        ("U00000002", "the Slack user is deactivated (user_disabled)"),
        ("U99999999", "the Slack user is not there any more (user_not_found)"),
        ("bob@example.com", "no active Slack user has this e-mail address (users_not_found)"),
    ],
)
def test_what_keeps_a_message_from_somebody_is_said_with_what_mends_it(
    estate: Estate, recipient: str, said: str
) -> None:
    assert said_of(estate, recipient, "#general") == [f"{recipient} will get no message: {said}"]


def test_where_the_bot_may_post_anywhere_it_need_not_be_a_member(estate: Estate) -> None:
    assert said_of(estate, "#elsewhere", scopes=EVERYTHING | {"chat:write.public"}) == []


@pytest.mark.parametrize(
    ("recipient", "scope"),
    [
        ("#general", "chat:write"),
        ("alice", "users:read"),
        ("alice@example.com", "users:read.email"),
    ],
)
def test_a_scope_that_is_missing_is_named(estate: Estate, recipient: str, scope: str) -> None:
    said = [f"the token lacks the scope {scope}: add it to the app, and install the app again"]
    assert said_of(estate, recipient, scopes=EVERYTHING - {scope}) == said


@pytest.mark.parametrize("scope", ["channels:read", "im:write"])
def test_a_scope_that_no_message_needs_may_be_missing(estate: Estate, scope: str) -> None:
    assert said_of(estate, "#general", "alice", scopes=EVERYTHING - {scope}) == []


def test_an_org_wide_token_wants_the_workspace(estate: Estate) -> None:
    estate.slack.workspace = workspace_of(USERS, CHANNELS, page_size=2)
    estate.slack.workspace.org_wide = True
    settings = load(str(estate.folder))
    (said,) = obstacles(wiring.slack_calls(settings, wiring.credentials(settings)), ["alice"])
    assert said.endswith("an org-wide token has to say of which workspace: set slack.team_id (missing_argument)")


def planned(estate: Estate, **owners: Any) -> str:
    estate.owners({"jira_project": "AWSSEC", "slack_owner": "#gone", **owners})
    issue = estate.add_issue(tags={"owner": "left@example.com"})
    result = estate.run(REPORTING, "--dry-run")
    assert result.exit_code == 0, result.output
    assert issue.issue_id in result.output
    assert estate.messages() == []
    return result.output


def test_a_dry_run_says_what_slack_will_refuse(estate: Estate) -> None:
    output = planned(estate)
    assert re.search(r"WARNING W-SLACK-02 Slack: #gone will get no message: Slack knows no such channel", output)
    assert re.search(r"WARNING W-SLACK-02 Slack: left@example.com will get no message: no active Slack user", output)
    methods = {request.api_method for request in estate.slack.requests}
    assert methods == {"auth.test", "conversations.list", "users.lookupByEmail"}


def test_a_dry_run_on_a_slack_as_it_should_be_warns_of_nothing(estate: Estate) -> None:
    estate.add_issue()
    result = estate.run(REPORTING, "--dry-run")
    assert "W-SLACK" not in result.output
    assert [request.api_method for request in estate.slack.requests] == ["auth.test", *["conversations.list"] * 2]


@pytest.mark.parametrize("code", ["token_revoked", "internal_error"])
def test_where_slack_cannot_be_asked_the_plan_is_shown_all_the_same(estate: Estate, code: str) -> None:
    estate.slack.token_error = code
    output = planned(estate)
    assert "WARNING W-SLACK-03 Slack was not asked what it will refuse: " in output
    assert code in output
    assert "W-SLACK-02" not in output


def test_without_credentials_the_plan_is_shown_all_the_same(estate: Estate) -> None:
    estate.secret({})
    assert "W-SLACK-03" in planned(estate)


def test_the_check_of_a_deployment_asks_about_everybody_whom_the_configuration_names(
    estate: Estate, capsys: pytest.CaptureFixture[str]
) -> None:
    estate.owners(
        {
            "account": {OTHER: {"slack_owner": "#gone"}},
            "bu": {"web": {"slack_owner": "left@example.com", "product": {"shop": {"slack_owner": "nobody"}}}},
            "jira_project": "NOWHERE",
            "slack_owner": ["#devops-channel", "bob"],
        }
    )
    found = list(check_deployment.channels(load(str(estate.folder))))
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(" will get ")[0] for line in lines[1:]] == [
        f"W-SLACK-02 Slack: {name}" for name in ("#gone", "left@example.com", "nobody")
    ]
    assert lines[0].startswith("W-JIRA-06 JIRA: JIRA does not show the project NOWHERE")
    assert found == [Message.JIRA_WILL_REFUSE, *[Message.SLACK_WILL_REFUSE] * 3]
    assert estate.messages() == []


def test_the_check_of_a_deployment_says_where_a_channel_cannot_be_asked_which_is_no_obstacle(
    estate: Estate, capsys: pytest.CaptureFixture[str]
) -> None:
    estate.slack.token_error = "internal_error"
    assert list(check_deployment.channels(load(str(estate.folder)))) == []
    assert capsys.readouterr().out.startswith("W-SLACK-03 Slack was not asked")
