"""The Slack adapter against a Slack that answers over a real socket."""

from __future__ import annotations

import json
import logging
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

import pytest
from slack_sdk.http_retry.builtin_interval_calculators import FixedValueRetryIntervalCalculator

from deployment.local.slack_stand_in import SlackChannel, SlackStandIn, SlackUser
from deployment.local.stand_in import Answer, Raw, Silence
from library.errors import CredentialsError
from library.notifications.slack_calls import SlackCalls
from library.notifications.slack_messages import Delivery, SlackMessages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


TOKEN = "xoxb-1234-secret"
_DEADLINE_SECONDS = 30
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


def messages_in(slack: SlackStandIn, **settings: Any) -> SlackMessages:
    """The product's own client, which does not wait between two tries."""
    usual = {"token": TOKEN, "base_url": slack.base_url, "interval": FixedValueRetryIntervalCalculator(0)}
    return SlackMessages(SlackCalls(**{**usual, **settings}))


@pytest.fixture
def messages(slack: SlackStandIn) -> SlackMessages:
    return messages_in(slack)


def received(slack: SlackStandIn) -> list[tuple[str, str]]:
    return [(message.recipient, message.text) for message in slack.messages]


def calls(slack: SlackStandIn, api_method: str) -> int:
    return sum(request.api_method == api_method for request in slack.requests)


def cause(delivery: Delivery) -> str:
    assert delivery.delivered == ()
    (error,) = delivery.failed.values()
    return str(error)


def at_once(work: Callable[[int], Delivery], count: int = 10) -> list[Delivery]:
    """What comes of `work` in `count` threads that begin together; a deadlock fails the test."""
    ready = threading.Barrier(count)

    def one(number: int) -> Delivery:
        ready.wait(_DEADLINE_SECONDS)
        return work(number)

    pool = ThreadPoolExecutor(count)
    try:
        futures = [pool.submit(one, number) for number in range(count)]
        return [future.result(_DEADLINE_SECONDS) for future in futures]
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def test_nothing_is_contacted_before_a_message_is_sent(slack: SlackStandIn, messages: SlackMessages) -> None:
    assert messages.send([], "hello") == Delivery((), {})
    assert slack.requests == []


def test_a_channel_is_posted_to_by_its_name_before_any_listing_is_read(
    slack: SlackStandIn, messages: SlackMessages
) -> None:
    assert messages.send(["#devops-channel"], "hello") == Delivery(("#devops-channel",), {})
    (request,) = slack.requests
    assert (request.arguments["unfurl_links"], request.arguments["link_names"]) == (False, False)
    assert received(slack) == [("#devops-channel", "hello")]


def test_a_channel_that_is_not_taken_by_its_name_is_found_on_the_last_page_of_the_list(
    slack: SlackStandIn, messages: SlackMessages
) -> None:
    assert messages.send(["#Devops-Channel"], "hello") == Delivery(("#Devops-Channel",), {})
    assert received(slack) == [("#devops-channel", "hello")]
    assert calls(slack, "conversations.list") > 1
    assert str(slack.requests[-1].arguments["channel"]).startswith("C0")


def test_names_are_looked_up_once_per_object(slack: SlackStandIn, messages: SlackMessages) -> None:
    messages.send(["#General", "bbrown", "bob@example.com"], "one")
    before = len(slack.requests)
    messages.send(["#General", "bbrown", "bob@example.com"], "two")
    assert [request.api_method for request in slack.requests[before:]] == ["chat.postMessage"] * 2


@pytest.mark.parametrize(
    "recipient", ["bbrown", "@bbrown", "BBrown", "bobby", "bob brown", "bob@example.com", "BOB@example.com"]
)
def test_a_user_is_found_by_handle_display_name_real_name_or_email(
    slack: SlackStandIn, messages: SlackMessages, recipient: str
) -> None:
    assert messages.send([recipient], "hello") == Delivery((recipient,), {})
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
    assert list(delivery.failed) == ["#nowhere", "nobody"]
    assert set(delivery.unknown) == {"#nowhere", "nobody"}
    assert received(slack) == [("#general", "hello")]


def test_when_slack_knows_nobody_of_them_the_next_in_line_gets_it(
    slack: SlackStandIn, messages: SlackMessages
) -> None:
    delivery = messages.send(["nobody"], "hello", otherwise=[["#nowhere"], ["#attic", "bbrown"], ["#general"]])
    assert delivery.delivered == ("bbrown",)
    assert list(delivery.failed) == ["nobody", "#nowhere", "#attic"]
    assert received(slack) == [("bbrown", "hello")]


def test_when_one_of_them_got_it_the_next_in_line_is_left_alone(slack: SlackStandIn, messages: SlackMessages) -> None:
    messages.send(["nobody", "#general"], "hello", otherwise=[["bbrown"]])
    assert received(slack) == [("#general", "hello")]


def test_a_slack_that_fails_is_no_reason_to_turn_to_the_next_in_line(
    slack: SlackStandIn, messages: SlackMessages
) -> None:
    slack.fail_next("chat.postMessage", status=200, error="fatal_error")
    delivery = messages.send(["nobody", "#general"], "hello", otherwise=[["bbrown"]])
    assert (delivery.delivered, set(delivery.unknown)) == ((), {"nobody"})
    assert list(delivery.failed) == ["nobody", "#general"]
    assert slack.messages == []


@pytest.mark.parametrize(
    ("recipient", "api_method"),
    [("#elsewhere", "chat.postMessage"), ("nobody@example.com", "users.lookupByEmail"), ("nobody", "users.list")],
)
def test_whom_slack_does_not_know_it_is_asked_for_once(
    slack: SlackStandIn, messages: SlackMessages, recipient: str, api_method: str
) -> None:
    first = messages.send([recipient], "hello")
    asked = calls(slack, api_method)
    assert messages.send([recipient], "hello") == first
    assert calls(slack, api_method) == asked


def test_somebody_who_was_deleted_since_the_look_up_is_unknown(slack: SlackStandIn, messages: SlackMessages) -> None:
    slack.fail_next("conversations.open", status=200, error="user_disabled")
    assert set(messages.send(["bbrown"], "hello").unknown) == {"bbrown"}


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
    slack.scopes = frozenset({"chat:write"})
    messages.send(["#nowhere", "#nothing", "#general", "#secret"], "hello")
    assert received(slack) == [("#general", "hello"), ("#secret", "hello")]
    assert calls(slack, "conversations.list") == 1


def test_a_rate_limit_is_waited_for_as_the_server_asks(slack: SlackStandIn, messages: SlackMessages) -> None:
    slack.fail_next("chat.postMessage", status=429, headers={"Retry-After": "0"}, error="ratelimited")
    assert messages.send(["#general"], "hello") == Delivery(("#general",), {})
    assert received(slack) == [("#general", "hello")]


class LimitedListing(SlackStandIn):
    """Limits the rate of the first call for each page of a listing."""

    def answer(self, api_method: str, authorization: str, arguments: Mapping[str, Any]) -> Answer | Raw | Silence:
        asked = [(request.api_method, request.arguments.get("cursor")) for request in self.requests]
        if api_method.endswith(".list") and (api_method, arguments.get("cursor")) not in asked:
            self.fail_next(api_method, status=429, headers={"Retry-After": "0"}, error="ratelimited")
        return super().answer(api_method, authorization, arguments)


@pytest.mark.parametrize("recipient", ["carol", "#Devops-Channel"])
def test_a_rate_limit_on_any_page_of_a_listing_is_waited_for_too(recipient: str) -> None:
    with LimitedListing(token=TOKEN, users=USERS, channels=CHANNELS) as slack:
        messages = messages_in(slack)
        assert messages.send([recipient], "hello").delivered == (recipient,)
        listing = "users.list" if recipient == "carol" else "conversations.list"
        assert calls(slack, listing) in (6, 8)


@pytest.mark.parametrize("wait", ["31", "86400", "soon", "Fri, 31 Dec 2100 23:59:59 GMT"])
def test_a_wait_that_would_stop_the_run_is_a_failure_at_once(
    slack: SlackStandIn, messages: SlackMessages, wait: str
) -> None:
    slack.fail_next("chat.postMessage", status=429, headers={"Retry-After": wait}, error="ratelimited")
    assert wait in cause(messages.send(["#general"], "hello"))
    assert calls(slack, "chat.postMessage") == 1


def test_a_server_error_is_tried_again(slack: SlackStandIn, messages: SlackMessages) -> None:
    slack.fail_next("chat.postMessage", status=503)
    assert messages.send(["#general"], "hello").failed == {}
    assert received(slack) == [("#general", "hello")]


def test_a_lost_connection_may_say_it_twice_but_never_not_at_all(
    slack: SlackStandIn, messages: SlackMessages
) -> None:
    slack.fail_next("chat.postMessage", after_doing=True, silence=Silence.RESET)
    assert messages.send(["#general"], "hello").failed == {}
    assert received(slack) == [("#general", "hello")] * 2


def test_a_message_that_is_not_answered_in_time_is_a_failure_that_says_so(slack: SlackStandIn) -> None:
    impatient = messages_in(slack, answer_seconds=1)
    slack.fail_next("chat.postMessage", silence=Silence.HANGING, times=2)
    delivery = impatient.send(["#general"], "hello")
    assert "could not be reached: " in cause(delivery)
    assert "timed out" in cause(delivery)
    assert delivery.unknown == {}


@pytest.mark.parametrize(
    ("recipient", "api_method"),
    [
        ("#General", "conversations.list"),
        ("bbrown", "users.list"),
        ("bob@example.com", "users.lookupByEmail"),
        ("bbrown", "conversations.open"),
        ("#general", "chat.postMessage"),
    ],
)
@pytest.mark.parametrize("fault", [{"silence": Silence.RESET}, {"status": 503}, {"status": 502}])
def test_whatever_fails_in_slack_is_never_taken_for_somebody_it_does_not_know(
    slack: SlackStandIn, messages: SlackMessages, recipient: str, api_method: str, fault: dict[str, Any]
) -> None:
    slack.fail_next(api_method, times=3, **fault)
    delivery = messages.send([recipient], "hello", otherwise=[["#random"]])
    assert list(delivery.failed) == [recipient]
    assert delivery.unknown == {}
    assert slack.messages == []


def test_a_failed_lookup_is_made_again_for_the_next_message(slack: SlackStandIn, messages: SlackMessages) -> None:
    slack.fail_next("conversations.list", status=502)
    assert "HTTP 502" in cause(messages.send(["#General"], "one"))
    assert messages.send(["#General"], "two").delivered == ("#General",)


def test_after_three_failures_in_a_row_the_rest_of_the_run_does_not_wait_for_slack(
    slack: SlackStandIn, messages: SlackMessages
) -> None:
    slack.fail_next("chat.postMessage", status=502, times=3)
    for _ in range(3):
        said = cause(messages.send(["#general"], "hello"))
    before = len(slack.requests)
    # In the same words: it is one cause.
    assert cause(messages.send(["#random"], "hello")) == said
    assert len(slack.requests) == before


def test_an_answer_in_between_makes_slack_trusted_again(slack: SlackStandIn, messages: SlackMessages) -> None:
    for _ in range(2):
        slack.fail_next("chat.postMessage", status=502, times=2)
        assert len(messages.send(["#general", "#random"], "hello").failed) == 2
        assert messages.send(["#general"], "hello").delivered == ("#general",)


def test_a_slack_that_is_not_there_is_a_failure_and_no_exception(slack: SlackStandIn) -> None:
    messages = messages_in(slack)
    slack.stop()
    assert "could not be reached" in cause(messages.send(["#general"], "hello"))


def test_a_page_that_is_not_slacks_is_a_failure_and_no_exception(slack: SlackStandIn) -> None:
    elsewhere = messages_in(slack, base_url=slack.base_url.replace("/api/", "/_stand_in/"))
    assert "HTTP 404" in cause(elsewhere.send(["#general"], "hello"))


def test_a_refused_token_is_a_failure_that_never_shows_it(
    slack: SlackStandIn, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    refused = messages_in(slack, token="xoxb-9999-wrong")
    text = cause(refused.send(["#general"], "hello"))
    assert "does not accept the token" in text
    assert caplog.records
    assert "xoxb-9999" not in text + caplog.text + repr(slack.state())


@pytest.mark.parametrize("token", ["", "xoxb-1234\n", "xoxb 1234", "xoxb-…"])
def test_what_cannot_be_a_token_is_refused_without_being_shown(token: str) -> None:
    with pytest.raises(CredentialsError) as caught:
        SlackCalls(token=token)
    assert "xoxb" not in str(caught.value)


def test_threads_share_what_was_looked_up(slack: SlackStandIn, messages: SlackMessages) -> None:
    recipients = ["#General", "bbrown", "bob@example.com", "nobody@example.com", "carol"]
    deliveries = at_once(lambda number: messages.send(recipients, f"hello {number}"))
    assert {delivery.delivered for delivery in deliveries} == {("#General", "bbrown", "bob@example.com", "carol")}
    assert Counter(received(slack)) == {
        (recipient, f"hello {number}"): 1 for recipient in ("#general", "bbrown", "carol") for number in range(10)
    }
    listed = [(request.api_method, request.arguments.get("cursor")) for request in slack.requests]
    assert {name for name, count in Counter(listed).items() if count > 1} == {
        ("users.lookupByEmail", None),
        ("conversations.open", None),
        ("chat.postMessage", None),
    }
    assert calls(slack, "users.lookupByEmail") == 2
    assert calls(slack, "conversations.open") == 3


def test_threads_that_look_for_different_names_share_the_listings(
    slack: SlackStandIn, messages: SlackMessages
) -> None:
    names = ["bbrown", "alice", "carol", "nobody", "#General", "#Random", "#Devops-Channel", "#Secret"]
    at_once(lambda number: messages.send([names[number]], "hello"), len(names))
    listed = [(r.api_method, r.arguments.get("cursor")) for r in slack.requests if r.api_method.endswith(".list")]
    assert len(listed) == len(set(listed)) == 6


class BusyChannel(SlackStandIn):
    """Notes how many messages to the same conversation are under way, and limits the rate of every second one."""

    def __init__(self) -> None:
        super().__init__(token=TOKEN, users=USERS, channels=CHANNELS)
        self.most_open = 0
        self._open: Counter[str] = Counter()
        self._posts = 0

    def answer(self, api_method: str, authorization: str, arguments: Mapping[str, Any]) -> Answer | Raw | Silence:
        if api_method != "chat.postMessage":
            return super().answer(api_method, authorization, arguments)
        place = arguments["channel"]
        with self._lock:
            self._open[place] += 1
            self.most_open = max(self.most_open, self._open[place])
            self._posts += 1
            limited = self._posts % 2 == 0
        if limited:
            self.fail_next(api_method, status=429, headers={"Retry-After": "0"}, error="ratelimited")
        answer = super().answer(api_method, authorization, arguments)
        with self._lock:
            self._open[place] -= 1
        return answer


def test_threads_post_to_a_conversation_one_after_the_other_and_none_burns_its_tries() -> None:
    with BusyChannel() as slack:
        messages = messages_in(slack)
        assert all(not each.failed for each in at_once(lambda number: messages.send(["#general"], f"hello {number}")))
        assert slack.most_open == 1
        assert sorted(received(slack)) == [("#general", f"hello {number}") for number in range(10)]


def test_failures_that_come_together_do_not_make_a_run_give_slack_up(
    slack: SlackStandIn, messages: SlackMessages
) -> None:
    people = ["#general", "#random", "#devops-channel", "bbrown", "alice", "carol"]
    assert messages.send(people, "hello").failed == {}
    slack.latency_seconds = 0.3
    slack.fail_next("chat.postMessage", status=502, times=6)
    assert all(each.failed for each in at_once(lambda number: messages.send([people[number]], "hello"), 6))
    assert messages.send(["#general"], "hello").failed == {}


def test_the_stand_in_shows_everything_it_received(slack: SlackStandIn, messages: SlackMessages) -> None:
    messages.send(["#general"], "hello")
    with urlopen(slack.base_url.replace("/api/", "/_stand_in/state"), timeout=5) as answer:
        state = json.load(answer)
    assert state["messages"] == [{"recipient": "#general", "text": "hello", "blocks": []}]
    assert state["requests"][-1]["api_method"] == "chat.postMessage"
