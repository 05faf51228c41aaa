"""What JIRA, or something in its place, may answer to each call: nothing counts as done that was not."""

from __future__ import annotations

import copy
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import pytest
import requests

from deployment.local.jira_stand_in import DEFAULT_TOKEN, Flavour, JiraRequest, JiraStandIn
from deployment.local.stand_in import Rule, Silence
from library.errors import TicketError
from library.notifications.http_limits import AnswerTooLarge, limit
from library.notifications.jira_calls import JiraCalls
from library.notifications.jira_tickets import JiraTickets, warn_of_missing
from library.notifications.jira_words import NewTicket

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LABEL = "hammer-123456789012-AKIAI6UV7TCFQNA623TA"
ISSUE = "/rest/api/2/issue"
NEW = NewTicket("AWSSEC", "Idle key", "*Facts*", ("inactive-iam-keys", LABEL), (), "")
WORDS = "Words. Hammer reference 7"
PAGE = b"<html><head><title>Sign &amp; in\n</title></head><body>Please</body></html>"
BODIES: tuple[Any, ...] = (None, {}, [], {"key": 7, "id": 7}, "text", PAGE)


@dataclass(frozen=True)
class Write:
    """One thing that is written, the call that does it, the status that proves it, and whether it is in JIRA."""

    name: str
    method: str
    path: str
    proof: int
    do: Callable[[JiraTickets], Any]
    is_done: Callable[[JiraStandIn], bool]
    # What the answer to a write that says nothing but its status may have in it, and what says more.
    proven_by_status: tuple[Any, ...] = ()


WRITES = (
    Write("raise", "POST", ISSUE, 201, lambda to: to.raise_ticket(NEW), lambda jira: len(jira.issues) > 2),
    Write(
        "comment",
        "POST",
        f"{ISSUE}/AWSSEC-1/comment",
        201,
        lambda to: to.comment("AWSSEC-1", WORDS, "Hammer reference 7"),
        lambda jira: jira.issues["AWSSEC-1"].comments == [WORDS],
    ),
    Write(
        "close",
        "POST",
        f"{ISSUE}/AWSSEC-1/transitions",
        204,
        lambda to: to.close("AWSSEC-1"),
        lambda jira: jira.issues["AWSSEC-1"].status == "Closed",
    ),
    Write(
        "label",
        "PUT",
        f"{ISSUE}/AWSSEC-1",
        204,
        lambda to: to.close("AWSSEC-1", "whitelisted"),
        lambda jira: "whitelisted" in jira.issues["AWSSEC-1"].labels,
        proven_by_status=BODIES,
    ),
    Write(
        "link",
        "POST",
        "/rest/api/2/issueLink",
        201,
        lambda to: to.link("AWSSEC-1", "AWSSEC-2"),
        lambda jira: jira.issues["AWSSEC-1"].links == ["AWSSEC-2"],
        # Cloud documents a body of any form, Server none.
        proven_by_status=(None, {}, [], {"key": 7, "id": 7}),
    ),
)
ALWAYS = range(200, 600)
# Those that a client, a proxy or we treat in a way of their own get each of the bodies.
OFTEN = (*range(200, 209), 226, *range(300, 309), 400, 401, 403, 404, 409, 413, 429, 500, 502, 503)


@pytest.fixture(params=WRITES, ids=lambda write: write.name)
def write(request: pytest.FixtureRequest) -> Write:
    chosen: Write = request.param
    return chosen


@pytest.fixture
def jira() -> Iterator[JiraStandIn]:
    with JiraStandIn(issues=("AWSSEC-1", "AWSSEC-2")) as stand_in:
        yield stand_in


def tickets_in(
    jira: JiraStandIn, missing: Callable[[str, str], None] = warn_of_missing, *, answer_seconds: float = 30.0
) -> JiraTickets:
    calls = JiraCalls(
        server=jira.url,
        credentials={"token": DEFAULT_TOKEN},
        answer_seconds=answer_seconds,
        sleep=list[float]().append,
    )
    return JiraTickets(calls, missing=missing)


def answer_instead(jira: JiraStandIn, write: Write, answer: Any) -> None:
    def applies(request: JiraRequest) -> bool:
        return (request.method, request.path) == (write.method, write.path)

    jira.add_rule(Rule(applies, answer))


def outcome(write: Write, jira: JiraStandIn, **settings: Any) -> str:
    """What the caller is told: empty if the write counts as done, else the error or what the ticket is without."""
    missing: list[str] = []
    try:
        write.do(tickets_in(jira, lambda ticket, said: missing.append(said), **settings))
    except TicketError as error:
        return str(error)
    return "; ".join(missing)


@pytest.mark.parametrize("body", BODIES, ids=repr)
def test_no_status_counts_as_done_unless_it_was(jira: JiraStandIn, write: Write, body: Any) -> None:
    for status in ALWAYS:
        if status not in OFTEN and BODIES[status % len(BODIES)] != body:
            continue
        jira.heal()
        answer_instead(jira, write, (status, {}, body))
        said = outcome(write, jira)
        assert not write.is_done(jira)
        jira.issues["AWSSEC-1"].status = "To Do"
        counts = status == write.proof and body in write.proven_by_status
        assert (said == "") is counts, f"HTTP {status} with {body!r}: {said}"
        assert "\n" not in said


def test_what_was_done_counts_and_its_ticket_is_closed(jira: JiraStandIn, write: Write) -> None:
    assert outcome(write, jira) == ""
    assert write.is_done(jira)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "target",
    [
        "{url}/jira{path}",
        "{url}{path}",
        "https://elsewhere.example.com{path}",
        "//elsewhere.example.com",
        "/login",
        "",
    ],
)
def test_a_redirect_is_not_followed_and_its_address_is_said(
    jira: JiraStandIn, write: Write, status: int, target: str
) -> None:
    address = target.format(url=jira.url, path=write.path)
    answer_instead(jira, write, (status, {"Location": address}, None))
    said = outcome(write, jira)
    assert f"it redirects to {address or 'nowhere'} (HTTP {status})" in said
    assert not write.is_done(jira)
    # No second call came because of it.
    assert (jira.requests[-1].method, jira.requests[-1].path) == (write.method, write.path)


@pytest.mark.parametrize("silence", [Silence.RESET, Silence.HANGING, Silence.CUT, Silence.TRICKLE])
def test_an_answer_that_does_not_come_whole_is_an_error_within_the_deadline(
    jira: JiraStandIn, write: Write, silence: Silence, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("library.notifications.jira_client._CONNECT_SECONDS", 0.2)
    answer_instead(jira, write, silence)
    began = time.monotonic()
    assert "JIRA could not be reached to" in outcome(write, jira, answer_seconds=0.5)
    assert time.monotonic() - began < 5
    assert not write.is_done(jira)


def test_an_answer_without_end_is_not_read_on(
    jira: JiraStandIn, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("library.notifications.http_limits.ANSWER_BYTES", 100_000)
    # 204 has no body; what is not proof is read all the same, for its words.
    status = 500 if write.proof == HTTPStatus.NO_CONTENT else write.proof
    answer_instead(jira, write, (status, {}, b'{"key": "AWSSEC-7", "id": "7"}' + b" " * 1_000_000))
    assert "its answer is larger than 100000 bytes" in outcome(write, jira)


@pytest.mark.parametrize("first", [write.name for write in WRITES])
def test_a_redirect_of_everything_is_said_before_anything_is_written(jira: JiraStandIn, first: str) -> None:
    jira.add_rule(Rule(lambda request: True, (302, {"Location": "https://new.example.com/jira"}, None)))
    chosen = next(write for write in WRITES if write.name == first)
    said = outcome(chosen, jira)
    assert said.removeprefix("stays without a link: ") == (
        "JIRA did not log in: it redirects to https://new.example.com/jira (HTTP 302)"
    )
    assert [(request.method, request.path) for request in jira.requests] == [("GET", "/rest/api/2/serverInfo")]


# What is asked


NO_LIST: tuple[Any, ...] = (None, {}, "x", [None], [{}])
ODD: tuple[Any, ...] = (
    *BODIES,
    7,
    [None],
    [{}],
    ["x"],
    [{"name": 7, "accountId": 7}],
    *({name: value} for name in ("issues", "transitions", "comments") for value in NO_LIST),
    {"issues": [{"key": "AWSSEC-1", "fields": {"status": None}}], "total": 1},
    {"issues": [], "total": 5},
    {"comments": [{"id": 7, "body": "x"}]},
    {"transitions": [{"id": 11, "name": "Close Issue"}]},
    {
        "transitions": [
            {"id": "11", "name": "Close Issue", "to": [], "fields": {"resolution": {"allowedValues": [1]}}}
        ]
    },
    {"permissions": None},
    {"permissions": {"BROWSE_PROJECTS": {}}},
    {"permissions": {}},
    {"issueLinkTypes": {}},
    {"issueLinkTypes": [{}]},
    {"key": "AWSSEC-1", "fields": None},
    {"key": "AWSSEC-1", "fields": {"status": {"name": "x", "statusCategory": None}, "labels": []}},
    {"key": "AWSSEC-1", "fields": {"status": {"name": "x", "statusCategory": {"key": "new"}}, "labels": "x"}},
    {"key": "AWSSEC-1", "fields": {"status": {"name": "x", "statusCategory": {"key": "new"}}, "creator": "x"}},
    {"deploymentType": None},
    {"name": None, "displayName": "x"},
)
FIND = Write("find", "GET", "", 200, lambda to: to.find_open(LABEL).key, lambda jira: True)  # type: ignore[union-attr]
RAISE = replace(WRITES[0], do=lambda to: to.raise_ticket(replace(NEW, assignees=("alice@example.com",))))


@pytest.mark.parametrize("flavour", ["server", "cloud"])
@pytest.mark.parametrize("flow", [RAISE, *WRITES[1:], FIND], ids=lambda flow: flow.name)
def test_no_question_is_taken_for_answered_that_was_not(flow: Write, flavour: Flavour) -> None:
    """Whatever answers in the place of JIRA: an error of ours, or what was to be done is done."""
    with JiraStandIn(flavour=flavour, issues=("AWSSEC-1", "AWSSEC-2")) as jira:
        was = copy.deepcopy(jira.site)

        def tried() -> str:
            jira.site = copy.deepcopy(was)
            jira.issues["AWSSEC-1"].labels = [LABEL]
            jira.issues["AWSSEC-1"].creator = jira.site.identity(jira.site.users[0])
            jira.requests.clear()
            return outcome(flow, jira)

        assert tried() == ""
        questions = sorted({request.path for request in jira.requests if request.method == "GET"})
        assert len(questions) >= 3
        answers = [(200, body) for body in ODD]
        answers += [(status, BODIES[status % len(BODIES)]) for status in OFTEN if status != HTTPStatus.OK]
        for question in questions:
            for status, body in answers:
                # An empty page is what JIRA may really answer, as its index counts what is gone.
                if "/search" in question and body == {"issues": [], "total": 5}:
                    continue
                jira.heal()
                answer_instead(jira, replace(flow, method="GET", path=question), (status, {}, body))
                said = tried()
                assert "\n" not in said
                assert said or flow.is_done(jira), f"{question}: HTTP {status} with {body!r}"
                assert len(jira.requests) < 30


def test_a_search_without_an_end_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("library.notifications.jira_client.PAGES", 5)
    status = {"name": "To Do", "statusCategory": {"key": "new"}}
    page = {"issues": [{"key": "A-1", "fields": {"status": status}}], "total": 10**6, "nextPageToken": "again"}
    for flavour, path in (("server", "search"), ("cloud", "search/jql")):
        with JiraStandIn(flavour=flavour) as jira:  # type: ignore[arg-type]
            answer_instead(jira, replace(FIND, path=f"/rest/api/2/{path}"), (200, {}, page))
            with pytest.raises(TicketError, match="its listing has more than 5 pages"):
                tickets_in(jira).find_open(LABEL)
            assert len(jira.requests) == 2 + 5


def test_comments_without_an_end_end(jira: JiraStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("jira_client", "jira_tickets"):
        monkeypatch.setattr(f"library.notifications.{module}.PAGES", 5)
    for number in range(9):
        page = {"comments": [{"id": str(number), "body": "Words"}]}
        jira.add_rule(Rule(lambda each: each.path.endswith("/comment"), (200, {}, page), times=1))
    with pytest.raises(TicketError, match="the comments of AWSSEC-1: its listing has more than 5 pages"):
        tickets_in(jira).comment("AWSSEC-1", WORDS, "Hammer reference 7")
    assert jira.issues["AWSSEC-1"].comments == []


# The other side's words


@pytest.mark.parametrize(
    ("status", "headers", "body", "said"),
    [
        (401, {}, {"code": 401, "message": "Unauthorized; scope does not match"}, "scope does not match"),
        (403, {}, {"errorMessage": "The app is not\ninstalled\x1b[31m"}, "The app is not installed [31m"),
        (400, {}, {"errorMessages": ["Wrong."], "errors": {"customfield_1": "Team is required."}}, "Wrong"),
        (400, {}, {"errorMessages": [], "errors": {"customfield_1": "Team is required."}}, "Team is required"),
        (403, {"X-Seraph-LoginReason": "AUTHENTICATED_FAILED"}, PAGE, "AUTHENTICATED_FAILED"),
        (403, {"X-Authentication-Denied-Reason": "CAPTCHA_CHALLENGE"}, PAGE, "CAPTCHA_CHALLENGE"),
        (200, {}, PAGE, "a page with the title 'Sign & in'"),
        (503, {}, PAGE, "a page with the title 'Sign & in'"),
        (409, {}, {"errorMessages": "one text", "errors": ["odd"]}, "one text"),
    ],
)
def test_the_words_of_the_other_side_are_in_our_line(
    jira: JiraStandIn, write: Write, status: int, headers: dict[str, str], body: Any, said: str
) -> None:
    answer_instead(jira, write, (status, headers, body))
    line = outcome(write, jira)
    assert said in line
    assert line.isprintable()


# The limits by themselves


def test_a_call_ends_though_each_read_is_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, requests.Session() as session:
        limit(session, 0.3)
        began = time.monotonic()
        # Nobody accepts, so nothing is answered; the timeout of the read is a long one.
        with pytest.raises(requests.ReadTimeout, match=r"no whole answer within 0\.3 seconds"):
            session.get(f"http://127.0.0.1:{server.getsockname()[1]}/", timeout=20)
        assert time.monotonic() - began < 3


def test_a_call_ends_though_its_answer_says_no_length_and_goes_on() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, requests.Session() as session:
        stop = threading.Event()

        def trickle() -> None:
            with suppress(OSError), server.accept()[0] as connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                while not stop.wait(0.05):
                    connection.sendall(b" ")

        threading.Thread(target=trickle, daemon=True).start()
        limit(session, 0.3)
        with pytest.raises(requests.ReadTimeout, match=r"no whole answer within 0\.3 seconds"):
            session.get(f"http://127.0.0.1:{server.getsockname()[1]}/", timeout=20)
        stop.set()


def test_a_connection_is_used_again_and_its_second_call_ends_in_time_too(jira: JiraStandIn) -> None:
    with requests.Session() as session:
        limit(session, 0.5)
        assert session.get(f"{jira.url}/rest/api/2/serverInfo").json()["deploymentType"] == "Server"
        jira.fail_next("GET", "/rest/api/2/serverInfo", silence=Silence.TRICKLE)
        with pytest.raises(requests.ReadTimeout):
            session.get(f"{jira.url}/rest/api/2/serverInfo", timeout=20)
        assert session.get(f"{jira.url}/rest/api/2/serverInfo").ok


def test_a_large_answer_is_refused_by_its_size(jira: JiraStandIn) -> None:
    with requests.Session() as session:
        limit(session, 5, 10)
        with pytest.raises(AnswerTooLarge, match="larger than 10 bytes"):
            session.get(f"{jira.url}/rest/api/2/serverInfo")
