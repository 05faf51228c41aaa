"""Every error code that Slack documents, at every method that is called: who is told instead, who is owed it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from slack_sdk.http_retry.builtin_interval_calculators import FixedValueRetryIntervalCalculator

from deployment.local.slack_stand_in import DEFAULT_TOKEN, SlackStandIn
from library.messages import Message
from library.notifications import slack_codes
from library.notifications.slack_calls import SlackCalls
from library.notifications.slack_codes import KINDS, Kind, kind_of
from library.notifications.slack_errors import ChannelFailed
from library.notifications.slack_messages import SlackMessages

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCUMENTED = json.loads((Path(__file__).parents[1] / "contract" / "slack_errors.json").read_text(encoding="utf-8"))
REACHED_BY = {
    "chat.postMessage": "#general",
    "conversations.list": "#General",
    "conversations.open": "U00000002",
    "users.list": "bob",
    "users.lookupByEmail": "bob@example.com",
}
"""Whom one method alone reaches, or two."""
POST = "chat.postMessage"
NOT_BY_NAME = ("channel_not_found", "team_not_found")
CODES = [
    (method, code)
    for method in REACHED_BY
    for code in (*DOCUMENTED[method], "restricted_action_of_next_year", "unheard_of")
    if code != "missing_scope" and (method, code) not in [(POST, each) for each in NOT_BY_NAME]
]


@pytest.fixture(scope="module")
def workspace() -> Iterator[SlackStandIn]:
    with SlackStandIn() as slack:
        yield slack


@pytest.fixture
def slack(workspace: SlackStandIn) -> Iterator[SlackStandIn]:
    yield workspace
    workspace.heal()
    workspace.messages.clear()
    workspace.requests.clear()


def messages_in(slack: SlackStandIn) -> SlackMessages:
    never = FixedValueRetryIntervalCalculator(0)
    return SlackMessages(SlackCalls(token=DEFAULT_TOKEN, base_url=slack.base_url, interval=never))


def test_the_table_has_every_code_that_slack_documents() -> None:
    codes = {code for method, of_method in DOCUMENTED.items() if method != "source" for code in of_method}
    assert codes - KINDS.keys() == {"missing_scope"}


def test_no_code_is_in_the_table_twice() -> None:
    parts = [slack_codes._RECIPIENT, slack_codes._CHANNEL, slack_codes._SETTING]
    listed = [
        *(code for part in parts for code in part),
        *slack_codes._PASSING.split(),
        *slack_codes._REQUEST.split(),
    ]
    assert len(listed) == len(set(listed)) == len(KINDS) - 2


@pytest.mark.parametrize(("method", "code"), CODES)
def test_a_code_turns_to_the_next_in_line_or_ends_the_run_or_is_owed(
    slack: SlackStandIn, method: str, code: str
) -> None:
    slack.fail_next(method, status=200, error=code, channel="general" if method == POST else "", times=None)
    messages = messages_in(slack)
    recipient, kind = REACHED_BY[method], kind_of(code)

    delivery = messages.send([recipient], "hello", otherwise=[["#random"]])

    error = delivery.failed[recipient]
    if kind is not Kind.LIMIT:
        assert code in str(error)
    assert (recipient in delivery.unknown) is (kind is Kind.RECIPIENT)
    assert (recipient in delivery.owed) is (kind is not Kind.RECIPIENT)
    assert delivery.delivered == (("#random",) if kind is Kind.RECIPIENT else ())
    assert isinstance(error, ChannelFailed) is (kind is Kind.CHANNEL)
    assert (error.id is Message.SLACK_LIMIT) is (kind is Kind.LIMIT)

    made = len(slack.requests)
    again = messages.send([recipient], "again")
    assert str(again.failed[recipient]) == str(error)
    if kind in (Kind.RECIPIENT, Kind.CHANNEL):
        assert len(slack.requests) == made


@pytest.mark.parametrize("method", REACHED_BY)
def test_a_scope_that_is_missing_ends_posting_and_no_look_up_for_the_others(slack: SlackStandIn, method: str) -> None:
    slack.fail_next(method, status=200, error="missing_scope", times=None)
    delivery = messages_in(slack).send([REACHED_BY[method]], "hello", otherwise=[["#random"]])
    if method == POST:
        assert isinstance(delivery.failed["#general"], ChannelFailed)
        return
    # A direct message needs no conversation that was opened before.
    told = REACHED_BY[method] if method == "conversations.open" else "#random"
    assert delivery.delivered == (told,)


@pytest.mark.parametrize("code", NOT_BY_NAME)
def test_a_channel_that_is_not_taken_by_its_name_is_posted_to_by_its_id(slack: SlackStandIn, code: str) -> None:
    slack.fail_next(POST, status=200, error=code, channel="general", times=None)
    assert messages_in(slack).send(["#general"], "hello").delivered == ("#general",)
    assert slack.requests[-1].arguments["channel"] == "C00000000"
