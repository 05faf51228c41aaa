"""The engine of the stand-ins: rules answer in the place of the stand-in, as long and as often as they say."""

from __future__ import annotations

import json
import subprocess
import sys
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from deployment.local.jira_stand_in import DEFAULT_TOKEN, JiraRequest, JiraStandIn
from deployment.local.slack_stand_in import SlackStandIn
from deployment.local.stand_in import Rule, Silence

if TYPE_CHECKING:
    from collections.abc import Iterator

TICKET = "/rest/api/2/issue/AWSSEC-1"


@pytest.fixture
def jira() -> Iterator[JiraStandIn]:
    with JiraStandIn(issues=("AWSSEC-1",)) as stand_in:
        yield stand_in


def asked(jira: JiraStandIn, method: str, path: str, body: Any = None) -> tuple[int, str | None]:
    """The status of an answer, and where it redirects to."""
    connection = HTTPConnection(urlsplit(jira.url).netloc, timeout=5)
    connection.request(method, path, json.dumps(body), {"Authorization": f"Bearer {DEFAULT_TOKEN}"})
    answer = connection.getresponse()
    answer.read()
    return answer.status, answer.headers["Location"]


def is_ticket(request: JiraRequest) -> bool:
    return request.path == TICKET


def test_a_rule_without_a_number_answers_every_call_that_it_applies_to(jira: JiraStandIn) -> None:
    jira.add_rule(Rule(is_ticket, (301, {"Location": "https://elsewhere.example"}, None)))
    assert [asked(jira, "GET", TICKET) for _ in range(3)] == [(301, "https://elsewhere.example")] * 3
    assert asked(jira, "GET", "/rest/api/2/myself") == (200, None)


def test_a_rule_with_a_number_answers_so_many_calls_and_the_next_rule_follows(jira: JiraStandIn) -> None:
    jira.add_rule(Rule(is_ticket, (429, {}, None), times=2))
    jira.add_rule(Rule(is_ticket, (503, {}, None), times=1))
    assert [asked(jira, "GET", TICKET)[0] for _ in range(4)] == [429, 429, 503, 200]


@pytest.mark.parametrize("after_doing", [True, False])
def test_a_rule_decides_whether_the_call_is_carried_out(jira: JiraStandIn, after_doing: bool) -> None:
    jira.add_rule(Rule(lambda _: True, (502, {}, None), after_doing))
    assert asked(jira, "POST", f"{TICKET}/comment", {"body": "a word"}) == (502, None)
    assert jira.issues["AWSSEC-1"].comments == (["a word"] if after_doing else [])
    assert [request.path for request in jira.requests] == [f"{TICKET}/comment"]


def test_a_silent_rule_resets_the_connection(jira: JiraStandIn) -> None:
    jira.add_rule(Rule(is_ticket, Silence.RESET))
    with pytest.raises(ConnectionError):
        asked(jira, "GET", TICKET)


def test_what_jira_does_not_know_is_refused(jira: JiraStandIn) -> None:
    assert asked(jira, "GET", "/rest/api/2/nothing") == (404, None)
    assert asked(jira, "PUT", "/rest/api/2/myself") == (404, None)


def test_where_a_stand_in_is_can_only_be_told_once_it_is_started() -> None:
    with pytest.raises(RuntimeError, match="the SlackStandIn is not started"):
        _ = SlackStandIn().base_url


@pytest.mark.process
def test_the_slack_stand_in_runs_as_a_process_and_ends_quietly() -> None:
    command = [sys.executable, "-m", "deployment.local.slack_stand_in"]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().startswith("Slack stand-in: http://127.0.0.1:")
        finally:
            process.terminate()
        assert process.stderr is not None
        assert process.stderr.read() == ""
    assert process.returncode == 0
