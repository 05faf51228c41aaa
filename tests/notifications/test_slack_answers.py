"""Whatever Slack's side answers, for each method: a message counts as said only if it was, and the run goes on."""

from __future__ import annotations

import json
import logging
import time
from typing import TYPE_CHECKING, Any

import pytest
from slack_sdk.http_retry.builtin_interval_calculators import FixedValueRetryIntervalCalculator

from deployment.local.slack_stand_in import DEFAULT_TOKEN, SlackChannel, SlackStandIn
from deployment.local.stand_in import Raw, Silence
from library.messages import Message
from library.notifications.slack_calls import SlackCalls
from library.notifications.slack_errors import ChannelFailed
from library.notifications.slack_messages import Delivery, SlackMessages

if TYPE_CHECKING:
    from collections.abc import Iterator

CHANNELS = (
    SlackChannel("general"),
    SlackChannel("random"),
    SlackChannel("attic", archived=True),
    SlackChannel("news", restricted=True),
    SlackChannel("unlisted", listed=False),
)
# Each recipient and the method that this message needs beside the posting.
METHODS = (
    ("#general", "chat.postMessage"),
    ("#General", "conversations.list"),
    ("bob", "users.list"),
    ("bob@example.com", "users.lookupByEmail"),
    ("bob", "conversations.open"),
)
WHOLE = json.dumps({"ok": True, "channel": "C00000000", "ts": "1700000000.000001"}).encode()
HTML = b"<html><title>Sign in</title><body>\x1b[31mPlease\r\nsign in</body></html>"


@pytest.fixture
def slack() -> Iterator[SlackStandIn]:
    with SlackStandIn(channels=CHANNELS) as stand_in:
        yield stand_in


def messages_in(slack: SlackStandIn, **settings: Any) -> SlackMessages:
    usual = {"token": DEFAULT_TOKEN, "base_url": slack.base_url, "interval": FixedValueRetryIntervalCalculator(0)}
    return SlackMessages(SlackCalls(**{**usual, **settings}))


def cause(delivery: Delivery) -> str:
    assert delivery.delivered == ()
    (error,) = delivery.failed.values()
    text = str(error)
    assert text.isprintable()
    return text


@pytest.mark.parametrize("status", [status for status in range(201, 600) if status not in (204, 304, 429)])
def test_no_status_but_200_counts_as_said_even_if_the_body_says_ok(slack: SlackStandIn, status: int) -> None:
    slack.fail_next("chat.postMessage", silence=Raw(status, body=WHOLE), times=None)
    delivery = messages_in(slack).send(["#general"], "hello")
    assert delivery.owed == ("#general",)
    assert str(status) in cause(delivery)


@pytest.mark.parametrize(("recipient", "method"), METHODS)
@pytest.mark.parametrize(
    "answer",
    [
        Raw(200, body=HTML),
        Raw(503, body=HTML),
        Raw(200),
        Raw(204),
        Raw(304),
        Raw(200, body=b"[]"),
        Raw(200, body=b"null"),
        Raw(200, body=b'"ok"'),
        Raw(200, body=b"{"),
        Raw(200, body=b'{"ok": "no"}'),
        Raw(200, body=b'{"ok": true}'),
        Raw(200, body=b'{"ok": true, "channel": null, "ts": 5}'),
        Raw(200, body=b'{"ok": false}'),
        Raw(200, body=b'{"ok": false, "error": {"a": 1}}'),
        Raw(200, {"Content-Type": "application/json; charset=none-such"}, b"\xff\xfe"),
        Raw(200, body=WHOLE, sent=20),
        Raw(200, {"Transfer-Encoding": "chunked", "Content-Length": "9"}, b'5\r\n{"ok"\r\n'),
        Raw(418, body=b'{"ok": false, "error": "fatal_error"}'),
        Silence.RESET,
    ],
    ids=repr,
)
def test_what_is_not_slacks_answer_is_a_failure_that_passes(
    slack: SlackStandIn, recipient: str, method: str, answer: Raw | Silence
) -> None:
    slack.fail_next(method, silence=answer, times=None)
    delivery = messages_in(slack).send([recipient], "hello", otherwise=[["#random"]])
    cause(delivery)
    assert delivery.owed == (recipient,)
    assert slack.messages == []


@pytest.mark.parametrize(("recipient", "method"), METHODS)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "address", ["/api/auth.test", "https://elsewhere.example/\r\n\tapi", "//x", "ftp://x", "", None]
)
def test_no_redirect_is_followed_and_its_address_is_named(
    slack: SlackStandIn, recipient: str, method: str, status: int, address: str | None
) -> None:
    headers = {} if address is None else {"Location": address}
    slack.fail_next(method, silence=Raw(status, headers), times=None)
    messages = messages_in(slack)
    delivery = messages.send([recipient], "hello")
    assert f"HTTP {status}" in cause(delivery)
    assert " ".join((address or "").split()) in cause(delivery)
    assert delivery.owed == (recipient,)
    (error,) = delivery.failed.values()
    assert error.id is Message.SLACK_REDIRECTS
    before = len(slack.requests)
    assert "redirects" in cause(messages.send(["#random"], "hello"))
    assert len(slack.requests) == before
    assert slack.messages == []


@pytest.mark.parametrize(("recipient", "method"), METHODS)
@pytest.mark.parametrize("answer", [Raw(200, body=WHOLE, pause_seconds=0.05), Silence.HANGING], ids=repr)
def test_an_answer_that_is_not_whole_in_time_ends_the_call_as_a_whole(
    slack: SlackStandIn, recipient: str, method: str, answer: Raw | Silence
) -> None:
    slack.fail_next(method, silence=answer, times=None)
    began = time.monotonic()
    delivery = messages_in(slack, answer_seconds=1).send([recipient], "hello")
    # A connection that failed is tried once more.
    assert time.monotonic() - began < 4
    assert "timed out" in cause(delivery)
    assert delivery.owed == (recipient,)


def test_an_answer_that_is_too_large_is_not_read_to_its_end(slack: SlackStandIn) -> None:
    slack.fail_next("chat.postMessage", silence=Raw(200, body=b" " * 11_000_000 + WHOLE), times=None)
    assert "larger than" in cause(messages_in(slack).send(["#general"], "hello"))


def test_a_listing_without_an_end_ends(slack: SlackStandIn) -> None:
    page = {"ok": True, "members": [], "response_metadata": {"next_cursor": "again"}}
    slack.fail_next("users.list", silence=Raw(200, body=json.dumps(page).encode()), times=None)
    assert "does not end" in cause(messages_in(slack).send(["bob"], "hello"))


@pytest.mark.parametrize(
    "code", ["invalid_auth", "account_inactive", "token_revoked", "token_expired", "not_allowed_token_type"]
)
def test_a_dead_token_is_tried_once_in_a_run(slack: SlackStandIn, code: str) -> None:
    slack.token_error = code
    messages = messages_in(slack)
    for number in range(20):
        delivery = messages.send(["#general", "bob"], f"hello {number}", otherwise=[["#random"]])
        for error in delivery.failed.values():
            assert isinstance(error, ChannelFailed)
            assert error.id is Message.SLACK_LOGIN
            assert f"({code})" in str(error)
        assert delivery.owed == ("#general", "bob")
    assert len(slack.requests) == 1


def test_a_token_that_may_not_post_is_tried_once_in_a_run(slack: SlackStandIn) -> None:
    slack.scopes = frozenset({"users:read"})
    messages = messages_in(slack)
    for _ in range(5):
        delivery = messages.send(["#general"], "hello", otherwise=[["#random"]])
        assert "chat:write" in cause(delivery)
        assert "users:read" in cause(delivery)
        error = delivery.failed["#general"]
        assert isinstance(error, ChannelFailed)
        assert error.id is Message.SLACK_SCOPE
    assert len(slack.requests) == 1


@pytest.mark.parametrize("wait", ["31", "3600", "Fri, 31 Dec 2100 23:59:59 GMT", "soon"])
def test_a_long_wait_ends_that_conversation_for_the_run_and_no_other(slack: SlackStandIn, wait: str) -> None:
    slack.limit("general", wait)
    messages = messages_in(slack)
    for number in range(5):
        delivery = messages.send(["#general", "#random"], f"hello {number}")
        assert delivery.delivered == ("#random",)
        assert delivery.owed == ("#general",)
        assert wait in str(delivery.failed["#general"])
    assert [each.recipient for each in slack.messages] == ["#random"] * 5
    assert sum(request.arguments.get("channel") == "general" for request in slack.requests) == 1


def test_short_waits_are_waited_for_until_they_add_up_to_a_long_one(slack: SlackStandIn) -> None:
    slack.limit("general", "1", times=1)
    began = time.monotonic()
    assert messages_in(slack).send(["#general"], "hello").delivered == ("#general",)
    assert time.monotonic() - began >= 1


def test_a_limited_listing_is_not_asked_for_again_in_the_run(slack: SlackStandIn) -> None:
    slack.fail_next("users.list", status=429, headers={"Retry-After": "600"}, error="ratelimited", times=None)
    messages = messages_in(slack)
    for name in ("bob", "alice", "carol"):
        assert messages.send([name], "hello").owed == (name,)
    assert len(slack.requests) == 1
    assert messages.send(["#general"], "hello").delivered == ("#general",)


@pytest.mark.parametrize("recipient", ["C00000000", "U00000002", " C00000000 "])
def test_an_id_is_used_as_it_is(slack: SlackStandIn, recipient: str) -> None:
    assert messages_in(slack).send([recipient], "hello").delivered == (recipient,)
    assert not any(request.api_method.endswith((".list", "lookupByEmail")) for request in slack.requests)
    assert len(slack.messages) == 1


@pytest.mark.parametrize("recipient", ["C99999999", "G99999999", "S99999999", "U99999999", "W99999999"])
def test_an_id_that_slack_does_not_know_turns_to_the_next_in_line(slack: SlackStandIn, recipient: str) -> None:
    delivery = messages_in(slack).send([recipient], "hello", otherwise=[["#random"]])
    assert delivery.delivered == ("#random",)
    assert set(delivery.unknown) == {recipient}


def test_a_conversation_under_its_id_and_its_name_gets_one_message(slack: SlackStandIn) -> None:
    recipients = ["C00000000", "#general", "U00000002", "bob", "bob@example.com"]
    assert set(messages_in(slack).send(recipients, "hello").delivered) == set(recipients)
    assert [each.recipient for each in slack.messages] == ["#general", "bob"]


def test_an_id_of_a_user_needs_no_permission_to_open_conversations(slack: SlackStandIn) -> None:
    slack.scopes = frozenset({"chat:write"})
    assert messages_in(slack).send(["U00000002"], "hello").delivered == ("U00000002",)


def test_a_channel_that_no_listing_shows_is_posted_to_by_its_name(slack: SlackStandIn) -> None:
    assert messages_in(slack).send(["#unlisted"], "hello").delivered == ("#unlisted",)
    assert [request.api_method for request in slack.requests] == ["chat.postMessage"]


def test_an_org_wide_token_says_of_which_workspace_it_wants_the_listing(slack: SlackStandIn) -> None:
    slack.workspace.org_wide = True
    assert "slack.team_id" in cause(messages_in(slack).send(["bob"], "hello"))
    assert messages_in(slack, team_id="T00000001").send(["bob", "#General"], "hello").failed == {}


def test_the_client_librarys_own_errors_are_not_logged(slack: SlackStandIn, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    messages = messages_in(slack)
    slack.fail_next("chat.postMessage", silence=Silence.RESET, times=1)
    slack.fail_next("users.list", silence=Raw(200, body=HTML), times=1)
    assert messages.send(["#general"], "hello").delivered == ("#general",)
    assert "Sign in" in cause(messages.send(["bob"], "hello"))
    assert caplog.records
    assert [record.message for record in caplog.records if record.levelno >= logging.WARNING] == []
