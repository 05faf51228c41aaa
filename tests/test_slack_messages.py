"""The Slack adapter against a Slack that answers over a real socket."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from urllib.request import urlopen

import pytest

from deployment.local.slack_stand_in import SlackChannel, SlackStandIn, SlackUser
from library.errors import CredentialsError
from library.slack_messages import Delivery, SlackMessages

TOKEN = "xoxb-1234-secret"
USERS = (
    SlackUser("slackbot", real_name="Slackbot"),
    SlackUser("old.bob", real_name="Bob Brown", email="old@example.com", deleted=True),
    SlackUser("robot", real_name="Bob Brown", is_bot=True),
    SlackUser("bbrown", real_name="Bob Brown", display_name="Bobby", email="bob@example.com"),
    SlackUser("alice", real_name="Alice Adams", display_name="Twin"),
    SlackUser("carol", real_name="Carol Clark", display_name="Twin"),
)
CHANNELS = (
    SlackChannel("general"),
    SlackChannel("random"),
    SlackChannel("elsewhere", bot_is_member=False),
    SlackChannel("secret", private=True),
    SlackChannel("hidden", private=True, bot_is_member=False),
    SlackChannel("attic", archived=True),
    SlackChannel("devops-channel"),
)


@pytest.fixture
def slack() -> Iterator[SlackStandIn]:
    with SlackStandIn(token=TOKEN, users=USERS, channels=CHANNELS) as stand_in:
        yield stand_in


@pytest.fixture
def messages(slack: SlackStandIn) -> SlackMessages:
    return SlackMessages(token=TOKEN, base_url=slack.base_url)


def received(slack: SlackStandIn) -> list[tuple[str, str]]:
    return [(message.recipient, message.text) for message in slack.messages]


def calls(slack: SlackStandIn, api_method: str) -> int:
    return sum(request.api_method == api_method for request in slack.requests)


def cause(delivery: Delivery) -> str:
    assert delivery.delivered == ()
    ((_, text),) = delivery.failed
    return text


def test_nothing_is_contacted_before_a_message_is_sent(slack: SlackStandIn, messages: SlackMessages) -> None:
    assert messages.send([], "hello") == Delivery((), ())
    assert slack.requests == []


def test_a_channel_on_the_last_page_of_the_list_is_found_by_its_name(
    slack: SlackStandIn, messages: SlackMessages
) -> None:
    assert messages.send(["#devops-channel"], "hello") == Delivery(("#devops-channel",), ())
    assert received(slack) == [("#devops-channel", "hello")]
    assert calls(slack, "conversations.list") > 1
    posted = slack.requests[-1].arguments
    assert str(posted["channel"]).startswith("C0")
    assert (posted["unfurl_links"], posted["link_names"]) == (False, False)


def test_names_are_looked_up_once_per_object(slack: SlackStandIn, messages: SlackMessages) -> None:
    messages.send(["#general", "bbrown", "bob@example.com"], "one")
    before = len(slack.requests)
    messages.send(["#general", "bbrown", "bob@example.com"], "two")
    assert [request.api_method for request in slack.requests[before:]] == ["chat.postMessage"] * 2


@pytest.mark.parametrize(
    "recipient", ["bbrown", "@bbrown", "BBrown", "bobby", "bob brown", "bob@example.com", "BOB@example.com"]
)
def test_a_user_is_found_by_handle_display_name_real_name_or_email(
    slack: SlackStandIn, messages: SlackMessages, recipient: str
) -> None:
    assert messages.send([recipient], "hello") == Delivery((recipient,), ())
    assert received(slack) == [("bbrown", "hello")]
    assert calls(slack, "conversations.open") == 1
    assert calls(slack, "im.open") == 0


@pytest.mark.parametrize("recipient", ["old.bob", "robot", "slackbot", "nobody", "nobody@example.com", ""])
def test_deleted_users_bots_and_strangers_get_nothing(
    slack: SlackStandIn, messages: SlackMessages, recipient: str
) -> None:
    assert "active" in cause(messages.send([recipient], "hello"))
    assert slack.messages == []


def test_a_name_that_two_people_share_reaches_neither(slack: SlackStandIn, messages: SlackMessages) -> None:
    assert "2 Slack users" in cause(messages.send(["twin"], "hello"))
    assert slack.messages == []


def test_each_recipient_gets_one_message_however_often_and_under_whatever_names_it_is_listed(
    slack: SlackStandIn, messages: SlackMessages
) -> None:
    recipients = ["#general", "bbrown", "#general", "bob@example.com"]
    assert messages.send(recipients, "hello").delivered == ("#general", "bbrown", "bob@example.com")
    assert received(slack) == [("#general", "hello"), ("bbrown", "hello")]


def test_one_recipient_that_fails_does_not_stop_the_others(slack: SlackStandIn, messages: SlackMessages) -> None:
    delivery = messages.send(["#nowhere", "nobody", "#general"], "hello")
    assert delivery.delivered == ("#general",)
    assert [recipient for recipient, _ in delivery.failed] == ["#nowhere", "nobody"]
    assert received(slack) == [("#general", "hello")]


@pytest.mark.parametrize(
    ("recipient", "code"),
    [
        ("#nowhere", "channel_not_found"),
        ("#hidden", "channel_not_found"),
        ("#elsewhere", "not_in_channel"),
        ("#attic", "is_archived"),
    ],
)
def test_a_channel_that_cannot_be_posted_to_is_a_failure_that_says_why(
    messages: SlackMessages, recipient: str, code: str
) -> None:
    assert f"({code})" in cause(messages.send([recipient], "hello"))


def test_a_private_channel_with_the_bot_in_it_is_reached(slack: SlackStandIn, messages: SlackMessages) -> None:
    messages.send(["#secret"], "hello")
    assert received(slack) == [("#secret", "hello")]


def test_a_token_that_may_not_list_channels_still_posts_by_name(slack: SlackStandIn, messages: SlackMessages) -> None:
    slack.fail_next("conversations.list", status=200, error="missing_scope")
    messages.send(["#general", "#secret"], "hello")
    assert received(slack) == [("#general", "hello"), ("#secret", "hello")]
    assert calls(slack, "conversations.list") == 1


def test_a_rate_limit_is_waited_for_as_the_server_asks(slack: SlackStandIn, messages: SlackMessages) -> None:
    slack.fail_next("chat.postMessage", status=429, headers={"Retry-After": "0"}, error="ratelimited")
    assert messages.send(["#general"], "hello") == Delivery(("#general",), ())
    assert received(slack) == [("#general", "hello")]


def test_a_rate_limit_on_a_lookup_is_waited_for_too(slack: SlackStandIn, messages: SlackMessages) -> None:
    slack.fail_next("users.list", status=429, headers={"Retry-After": "0"}, error="ratelimited")
    assert messages.send(["carol"], "hello").delivered == ("carol",)


@pytest.mark.parametrize("wait", ["61", "86400", "soon"])
def test_a_wait_that_would_stop_the_run_is_a_failure_at_once(
    slack: SlackStandIn, messages: SlackMessages, wait: str
) -> None:
    slack.fail_next("chat.postMessage", status=429, headers={"Retry-After": wait}, error="ratelimited")
    assert wait in cause(messages.send(["#general"], "hello"))
    assert calls(slack, "chat.postMessage") == 1


def test_a_server_error_is_tried_again(slack: SlackStandIn, messages: SlackMessages) -> None:
    slack.fail_next("chat.postMessage", status=503)
    assert messages.send(["#general"], "hello").failed == ()
    assert received(slack) == [("#general", "hello")]


def test_a_lost_connection_may_say_it_twice_but_never_not_at_all(
    slack: SlackStandIn, messages: SlackMessages
) -> None:
    slack.fail_next("chat.postMessage", after_doing=True, drop_connection=True)
    assert messages.send(["#general"], "hello").failed == ()
    assert received(slack) == [("#general", "hello")] * 2


def test_a_failed_lookup_is_made_again_for_the_next_message(slack: SlackStandIn, messages: SlackMessages) -> None:
    slack.fail_next("conversations.list", status=502)
    assert "HTTP 502" in cause(messages.send(["#general"], "one"))
    assert messages.send(["#general"], "two").delivered == ("#general",)


def test_after_three_failures_in_a_row_the_rest_of_the_run_does_not_wait_for_slack(
    slack: SlackStandIn, messages: SlackMessages
) -> None:
    slack.fail_next("chat.postMessage", status=502, times=3)
    for _ in range(3):
        messages.send(["#general"], "hello")
    before = len(slack.requests)
    assert "not tried" in cause(messages.send(["#general"], "hello"))
    assert len(slack.requests) == before


def test_an_answer_in_between_makes_slack_trusted_again(slack: SlackStandIn, messages: SlackMessages) -> None:
    for _ in range(2):
        slack.fail_next("chat.postMessage", status=502, times=2)
        assert len(messages.send(["#general", "#random"], "hello").failed) == 2
        assert messages.send(["#general"], "hello").delivered == ("#general",)


def test_a_slack_that_is_not_there_is_a_failure_and_no_exception(slack: SlackStandIn) -> None:
    messages = SlackMessages(token=TOKEN, base_url=slack.base_url)
    slack.stop()
    assert "could not be reached" in cause(messages.send(["#general"], "hello"))


def test_a_page_that_is_not_slacks_is_a_failure_and_no_exception(slack: SlackStandIn) -> None:
    elsewhere = SlackMessages(token=TOKEN, base_url=slack.base_url.replace("/api/", "/_stand_in/"))
    assert "HTTP 404" in cause(elsewhere.send(["#general"], "hello"))


def test_a_refused_token_is_a_failure_that_never_shows_it(
    slack: SlackStandIn, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    refused = SlackMessages(token="xoxb-9999-wrong", base_url=slack.base_url)
    text = cause(refused.send(["#general"], "hello"))
    assert "does not accept the token" in text
    assert caplog.records
    assert "xoxb-9999" not in text + caplog.text + repr(slack.state())


@pytest.mark.parametrize("token", ["", "xoxb-1234\n", "xoxb 1234", "xoxb-…"])
def test_what_cannot_be_a_token_is_refused_without_being_shown(token: str) -> None:
    with pytest.raises(CredentialsError) as caught:
        SlackMessages(token=token)
    assert "xoxb" not in str(caught.value)


def test_the_stand_in_shows_everything_it_received(slack: SlackStandIn, messages: SlackMessages) -> None:
    messages.send(["#general"], "hello")
    with urlopen(slack.base_url.replace("/api/", "/_stand_in/state"), timeout=5) as answer:
        state = json.load(answer)
    assert state["messages"] == [{"recipient": "#general", "text": "hello", "blocks": []}]
    assert state["requests"][-1]["api_method"] == "chat.postMessage"
