"""The JIRA adapter against a JIRA, Server and Cloud, that answers over a real socket."""

from __future__ import annotations

import datetime as dt
import ipaddress
import itertools
import json
import logging
import socket
import ssl
import subprocess
import sys
import threading
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from dataclasses import dataclass
from email.utils import format_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.request import urlopen

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from deployment.local.jira_stand_in import (
    DEFAULT_ACCESS_TOKEN,
    DEFAULT_CONSUMER_KEY,
    DEFAULT_PASSWORD,
    DEFAULT_TOKEN,
    DEFAULT_USERNAME,
    Flavour,
    JiraRequest,
    JiraStandIn,
    JiraUser,
    Transition,
)
from deployment.local.stand_in import Answer, Raw, Rule, Silence
from library.errors import CredentialsError, TicketError
from library.notifications.jira_calls import JiraCalls, address_for_people
from library.notifications.jira_creation import Ticket
from library.notifications.jira_errors import NotShown, Unanswered
from library.notifications.jira_rules import TicketRules
from library.notifications.jira_tickets import JiraTickets, warn_of_missing
from library.notifications.jira_words import NewTicket

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


LABEL = "hammer-123456789012-AKIAI6UV7TCFQNA623TA"
ISSUE = "/rest/api/2/issue"
T = TypeVar("T")
_DEADLINE_SECONDS = 30
USERS = (
    JiraUser("hammer", DEFAULT_USERNAME, "Hammer"),
    JiraUser("bobby", "bobby@example.com", "Bobby Brown"),
    JiraUser("bob", "bob@example.com", "Bob Brown"),
    JiraUser("bob2", "bob2@example.com", "Bob Brown"),
    JiraUser("alice", "alice@example.com", "Alice Adams"),
    JiraUser("shy", "shy@example.com", "Shy Smith", email_hidden=True),
    JiraUser("gone", "gone@example.com", "Gone Green", active=False),
    JiraUser("boss", "boss@example.com", "Boss Black", assignable=False),
)


@pytest.fixture(params=["server", "cloud"])
def flavour(request: pytest.FixtureRequest) -> Flavour:
    return "cloud" if request.param == "cloud" else "server"


@pytest.fixture
def jira(flavour: Flavour) -> Iterator[JiraStandIn]:
    with JiraStandIn(flavour=flavour, users=USERS, issues=("AWSSEC-1",)) as stand_in:
        yield stand_in


@pytest.fixture
def server() -> Iterator[JiraStandIn]:
    with JiraStandIn(users=USERS, issues=("AWSSEC-1",)) as stand_in:
        yield stand_in


@pytest.fixture(scope="module")
def rsa_key() -> RSAPrivateKey:
    return generate_private_key(65537, 2048)


@pytest.fixture
def waits() -> list[float]:
    """The seconds that would have been waited for; its `append` is handed in as the way to wait."""
    return []


OF_CALLS = {"server", "credentials", "ca_bundle", "browse_url", "answer_seconds", "sleep"}


def tickets_in(jira: JiraStandIn, **settings: Any) -> JiraTickets:
    usual: dict[str, Any] = {"server": jira.url, "credentials": {"token": DEFAULT_TOKEN}, "sleep": [].append}
    of_calls = {**usual, **{name: value for name, value in settings.items() if name in OF_CALLS}}
    return JiraTickets(
        JiraCalls(**of_calls),
        TicketRules(**{name: value for name, value in settings.items() if name not in {*OF_CALLS, "missing"}}),
        missing=settings.get("missing", warn_of_missing),
    )


def new_ticket(**differing: Any) -> NewTicket:
    usual: dict[str, Any] = {
        "project": "AWSSEC",
        "summary": "IAM access key AKIAI6UV7TCFQNA623TA is idle",
        "description": "*Facts*",
        "labels": ("inactive-iam-keys", LABEL),
        "assignees": (),
        "parent_ticket": "",
    }
    return NewTicket(**{**usual, **differing})


def calls(jira: JiraStandIn, method: str, path: str) -> list[Any]:
    return [each for each in jira.requests if (each.method, each.path) == (method, path)]


def identity(jira: JiraStandIn, name: str) -> str:
    flavour = jira.state()["flavour"]
    return f"712020:{name}" if flavour == "cloud" else name


def pem(key: RSAPrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()


def oauth(key: RSAPrivateKey) -> dict[str, Any]:
    return {
        "oauth": {
            "access_token": DEFAULT_ACCESS_TOKEN,
            "access_token_secret": "not-used-by-rsa",
            "consumer_key": DEFAULT_CONSUMER_KEY,
            "key_cert": pem(key),
        }
    }


def test_nothing_is_contacted_before_the_first_call(jira: JiraStandIn) -> None:
    tickets_in(jira)
    assert jira.requests == []


def test_a_ticket_lives_from_its_raising_to_its_closing(jira: JiraStandIn) -> None:
    tickets = tickets_in(jira)
    assert tickets.find_open(LABEL) is None
    raised = tickets.raise_ticket(new_ticket(assignees=("alice@example.com",), parent_ticket="AWSSEC-1"))
    assert raised == Ticket("AWSSEC-2", identity(jira, "alice"))
    assert tickets.find_open(LABEL) == raised
    assert tickets.look(raised.key).is_open
    tickets.comment(raised.key, "Closed. Hammer reference 1", "Hammer reference 1")
    tickets.close(raised.key, "whitelisted")
    assert not tickets.look(raised.key).is_open
    assert tickets.find_open(LABEL) is None
    issue = jira.issues[raised.key]
    assert (issue.project, issue.summary, issue.description) == (
        "AWSSEC",
        "IAM access key AKIAI6UV7TCFQNA623TA is idle",
        "*Facts*",
    )
    assert (issue.issue_type, issue.priority, issue.assignee) == ("Task", "Major", identity(jira, "alice"))
    assert issue.labels == ["inactive-iam-keys", LABEL, "whitelisted"]
    assert (issue.links, jira.issues["AWSSEC-1"].links) == (["AWSSEC-1"], ["AWSSEC-2"])
    assert (issue.status, issue.comments) == ("Closed", ["Closed. Hammer reference 1"])


def test_a_ticket_is_complete_with_its_creating_call(jira: JiraStandIn) -> None:
    tickets_in(jira).raise_ticket(new_ticket(assignees=("alice@example.com",)))
    (created,) = calls(jira, "POST", ISSUE)
    assert created.body["fields"]["labels"] == ["inactive-iam-keys", LABEL]
    assert "assignee" in created.body["fields"]
    assert jira.requests[-1] == created


@pytest.mark.parametrize("way", ["token", "basic", "oauth"])
def test_each_kind_of_credentials_is_accepted(way: str, flavour: Flavour, rsa_key: RSAPrivateKey) -> None:
    ways: dict[str, dict[str, Any]] = {
        "token": {"token": DEFAULT_TOKEN},
        "basic": {"basic": {"username": DEFAULT_USERNAME, "password": DEFAULT_PASSWORD}},
        "oauth": oauth(rsa_key),
    }
    with JiraStandIn(flavour=flavour, oauth_public_key=rsa_key.public_key()) as jira:
        tickets = tickets_in(jira, credentials=ways[way])
        assert tickets.raise_ticket(new_ticket()).key == "AWSSEC-1"
        assert tickets.find_open(LABEL) == Ticket("AWSSEC-1", None)
        # No other way to sign was tried before the one that JIRA takes.
        assert len(calls(jira, "GET", "/rest/api/2/myself")) <= 2


@pytest.mark.parametrize("way", ["token", "basic", "oauth"])
def test_wrong_credentials_are_an_error_and_tried_once_only(
    way: str, jira: JiraStandIn, rsa_key: RSAPrivateKey, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = "s3cr3t-value"
    ways: dict[str, dict[str, Any]] = {
        "token": {"token": secret},
        "basic": {"basic": {"username": DEFAULT_USERNAME, "password": secret}},
        "oauth": {"oauth": {**oauth(rsa_key)["oauth"], "access_token": secret, "access_token_secret": secret}},
    }
    tickets = tickets_in(jira, credentials=ways[way])
    with pytest.raises(TicketError, match=r"JIRA did not log in: it does not accept the credentials") as failed:
        tickets.look("AWSSEC-1")
    tried = len(jira.requests)
    assert tried <= 2
    with pytest.raises(TicketError, match="given it up"):
        tickets.find_open(LABEL)
    assert len(jira.requests) == tried
    assert not isinstance(failed.value, NotShown)
    assert failed.value.__cause__ is None
    assert secret not in caplog.text
    assert "PRIVATE KEY" not in caplog.text


def test_a_cookie_of_jira_is_not_logged(
    server: JiraStandIn, rsa_key: RSAPrivateKey, caplog: pytest.LogCaptureFixture
) -> None:
    server.fail_next("GET", "/rest/api/2/myself", status=401, headers={"Set-Cookie": "JSESSIONID=s3cr3t"})
    with pytest.raises(TicketError) as failed:
        tickets_in(server, credentials=oauth(rsa_key)).find_open(LABEL)
    assert "s3cr3t" not in caplog.text + str(failed.value)


def test_an_oauth_signature_of_another_key_is_refused(rsa_key: RSAPrivateKey) -> None:
    with JiraStandIn(oauth_public_key=generate_private_key(65537, 2048).public_key()) as jira:
        with pytest.raises(TicketError, match="does not accept the credentials"):
            tickets_in(jira, credentials=oauth(rsa_key)).find_open(LABEL)
        assert {request.path for request in jira.requests} == {"/rest/api/2/serverInfo"}


@pytest.mark.parametrize(
    "credentials",
    [
        {},
        {"token": ""},
        {"token": "secret\nvalue"},
        {"basic": {"username": "hammer"}},
        {"oauth": {"access_token": "secret"}},
        {
            "oauth": {
                "access_token": "secret",
                "access_token_secret": "secret",
                "consumer_key": "hammer",
                "key_cert": "-----BEGIN RSA PRIVATE KEY-----\nsecret\n-----END RSA PRIVATE KEY-----",
            }
        },
    ],
)
def test_credentials_that_cannot_be_any_are_refused_without_being_quoted(credentials: dict[str, Any]) -> None:
    with pytest.raises(CredentialsError) as refused:
        JiraCalls(server="https://jira.invalid", credentials=credentials)
    assert "secret" not in str(refused.value).replace("access_token_secret", "")
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


def test_a_password_with_letters_of_any_alphabet_reaches_jira(jira: JiraStandIn) -> None:
    credentials = {"basic": {"username": DEFAULT_USERNAME, "password": "пароль€"}}
    with pytest.raises(TicketError, match="does not accept the credentials"):
        tickets_in(jira, credentials=credentials).find_open(LABEL)


# Looking for a ticket


def test_the_oldest_ticket_that_is_not_done_is_found(jira: JiraStandIn) -> None:
    tickets = tickets_in(jira)
    first, second, third = (tickets.raise_ticket(new_ticket()).key for _ in range(3))
    jira.issues[first].status = "Closed"
    jira.issues[second].status = "In Progress"
    jira.site.page_size = 1
    assert tickets.find_open(LABEL) == Ticket(second, None)
    assert third in jira.issues


def test_a_ticket_that_is_done_is_not_found_though_the_index_lags_behind(jira: JiraStandIn) -> None:
    tickets = tickets_in(jira)
    first, second = (tickets.raise_ticket(new_ticket()).key for _ in range(2))
    jira.issues[first].status = "Closed"
    jira.site.unnoticed = {first}
    assert tickets.find_open(LABEL) == Ticket(second, None)


def test_another_label_finds_nothing(jira: JiraStandIn) -> None:
    tickets = tickets_in(jira)
    tickets.raise_ticket(new_ticket())
    assert tickets.find_open(LABEL[:-1]) is None


def test_each_jira_is_searched_by_its_own_route(jira: JiraStandIn, flavour: Flavour) -> None:
    tickets_in(jira).find_open(LABEL)
    searched = [request for request in jira.requests if request.path.startswith("/rest/api/2/search")]
    assert [request.path for request in searched] == [
        "/rest/api/2/search/jql" if flavour == "cloud" else "/rest/api/2/search"
    ]
    assert searched[0].query["jql"].startswith(f'labels = "{LABEL}" AND statusCategory != Done')


# Raising a ticket


@pytest.mark.parametrize(
    ("candidates", "assigned"),
    [
        (("alice@example.com", "bob"), "alice"),
        (("ALICE@Example.com",), "alice"),
        (("Alice Adams",), "alice"),
        (("", "  "), None),
        (("nobody@example.com", "alice@example.com"), "alice"),
        # Two have this name.
        (("Bob Brown", "alice@example.com"), "alice"),
        # JIRA finds all whose name begins in this way.
        (("Bobby",), None),
        (("gone@example.com", "boss@example.com", "alice@example.com"), "alice"),
        (("shy@example.com",), "shy"),
    ],
)
def test_the_first_whom_jira_knows_and_may_assign_is_the_assignee(
    jira: JiraStandIn, flavour: Flavour, candidates: tuple[str, ...], assigned: str | None
) -> None:
    if candidates == ("Bobby",) and flavour == "server":
        assigned = "bobby"
    raised = tickets_in(jira).raise_ticket(new_ticket(assignees=candidates))
    expected = None if assigned is None else identity(jira, assigned)
    assert raised.assignee == jira.issues[raised.key].assignee == expected


def test_a_user_name_is_not_taken_for_one_that_begins_with_it(server: JiraStandIn) -> None:
    assert tickets_in(server).raise_ticket(new_ticket(assignees=("bob",))).assignee == "bob"


def test_cloud_is_not_asked_by_user_name() -> None:
    with JiraStandIn(flavour="cloud") as cloud:
        tickets_in(cloud).raise_ticket(new_ticket(assignees=("alice@example.com",)))
        (asked,) = calls(cloud, "GET", "/rest/api/2/user/assignable/search")
        assert "username" not in asked.query


def test_a_user_is_looked_up_once_per_project(jira: JiraStandIn) -> None:
    tickets = tickets_in(jira)
    for _ in range(3):
        tickets.raise_ticket(new_ticket(assignees=("nobody", "alice@example.com")))
    assert len(calls(jira, "GET", "/rest/api/2/user/assignable/search")) == 2


def test_a_lookup_that_jira_refuses_costs_a_warning_only(jira: JiraStandIn, caplog: pytest.LogCaptureFixture) -> None:
    jira.fail_next("GET", "/rest/api/2/user/assignable/search", status=403)
    raised = tickets_in(jira).raise_ticket(new_ticket(assignees=("alice@example.com",)))
    assert raised == Ticket("AWSSEC-2", None)
    assert "alice@example.com" in caplog.text


@pytest.mark.parametrize(
    ("refused", "priority", "assignee"),
    [
        ({"priority"}, None, "alice"),
        ({"assignee"}, "Major", None),
        ({"priority", "assignee"}, None, None),
    ],
)
def test_a_ticket_is_raised_without_the_optional_field_that_jira_refuses(
    jira: JiraStandIn,
    caplog: pytest.LogCaptureFixture,
    refused: set[str],
    priority: str | None,
    assignee: str | None,
) -> None:
    jira.site.refused_fields = refused
    raised = tickets_in(jira).raise_ticket(new_ticket(assignees=("alice@example.com",)))
    issue = jira.issues[raised.key]
    assert issue.priority == priority
    assert issue.assignee == raised.assignee == (assignee and identity(jira, assignee))
    assert all(name in caplog.text for name in refused)


def test_an_assignee_whom_jira_refuses_is_followed_by_the_next_in_line(
    jira: JiraStandIn, caplog: pytest.LogCaptureFixture
) -> None:
    refusal = {"errorMessages": [], "errors": {"assignee": "User 'alice' cannot be assigned issues."}}
    jira.fail_next("POST", ISSUE, status=400, body=refusal)
    raised = tickets_in(jira).raise_ticket(new_ticket(assignees=("alice@example.com", "bob@example.com")))
    assert raised.assignee == jira.issues[raised.key].assignee == identity(jira, "bob")
    assert jira.issues[raised.key].priority == "Major"
    assert "not raised with this assignee" in caplog.text


@pytest.mark.parametrize("errors", [{}, {"assignee": "You may not assign issues."}])
def test_a_login_that_may_not_assign_raises_the_ticket_all_the_same(
    jira: JiraStandIn, caplog: pytest.LogCaptureFixture, errors: dict[str, str]
) -> None:
    refusal = {"errorMessages": [] if errors else ["You may not assign issues."], "errors": errors}
    jira.fail_next("POST", ISSUE, status=403, body=refusal)
    raised = tickets_in(jira).raise_ticket(new_ticket(assignees=("alice@example.com",)))
    assert raised == Ticket("AWSSEC-2", None)
    assert "You may not assign issues" in caplog.text


def test_a_login_that_may_not_raise_tickets_is_an_error(jira: JiraStandIn) -> None:
    jira.fail_next("POST", ISSUE, status=403, times=2)
    with pytest.raises(TicketError, match="HTTP 403"):
        tickets_in(jira).raise_ticket(new_ticket(assignees=("alice@example.com",)))
    assert set(jira.issues) == {"AWSSEC-1"}


def test_an_owner_whom_jira_does_not_know_is_a_warning_once(
    jira: JiraStandIn, caplog: pytest.LogCaptureFixture
) -> None:
    tickets = tickets_in(jira)
    for _ in range(2):
        raised = tickets.raise_ticket(new_ticket(assignees=("nobody@example.com", "alice@example.com")))
        assert raised.assignee == identity(jira, "alice")
    assert caplog.text.count("JIRA knows nobody called nobody@example.com") == 1


def test_that_nobody_in_line_is_known_is_a_warning_once_for_each_project(
    jira: JiraStandIn, caplog: pytest.LogCaptureFixture
) -> None:
    jira.site.projects["OTHER"] = 0
    tickets = tickets_in(jira)
    for project in ("AWSSEC", "AWSSEC", "OTHER"):
        tickets.raise_ticket(new_ticket(project=project, assignees=("nobody@example.com", "none")))
    for project in ("AWSSEC", "OTHER"):
        assert caplog.text.count(f"JIRA assigns tickets in {project} to none of nobody@example.com, none") == 1


@pytest.mark.parametrize(("account_id", "assigned"), [("712020:alice", "712020:alice"), ("712020:nobody", None)])
def test_an_account_id_of_cloud_names_an_assignee_if_it_is_one(account_id: str, assigned: str | None) -> None:
    with JiraStandIn(flavour="cloud", users=USERS) as cloud:
        raised = tickets_in(cloud).raise_ticket(new_ticket(assignees=(account_id,)))
        assert raised.assignee == cloud.issues[raised.key].assignee == assigned


def test_no_ticket_is_raised_without_the_labels_by_which_it_is_found(jira: JiraStandIn) -> None:
    jira.site.refused_fields = {"labels"}
    with pytest.raises(TicketError, match="labels: Field 'labels' cannot be set"):
        tickets_in(jira).raise_ticket(new_ticket())
    assert set(jira.issues) == {"AWSSEC-1"}


def test_an_empty_priority_is_not_sent(jira: JiraStandIn) -> None:
    raised = tickets_in(jira, priority="", issue_type="Bug").raise_ticket(new_ticket())
    assert (jira.issues[raised.key].priority, jira.issues[raised.key].issue_type) == (None, "Bug")


def test_an_unknown_project_is_an_error_that_says_so(jira: JiraStandIn) -> None:
    with pytest.raises(TicketError, match=r"raise a ticket in NOPE: HTTP 400, project: valid project is required"):
        tickets_in(jira).raise_ticket(new_ticket(project="NOPE", assignees=("alice@example.com",)))


def test_an_unknown_parent_ticket_costs_a_warning_only(jira: JiraStandIn, caplog: pytest.LogCaptureFixture) -> None:
    raised = tickets_in(jira).raise_ticket(new_ticket(parent_ticket="AWSSEC-999"))
    assert jira.issues[raised.key].links == []
    assert f"{raised.key} stays without a link" in caplog.text


def test_a_link_whose_answer_is_lost_does_not_lose_the_key(jira: JiraStandIn) -> None:
    jira.fail_next("POST", "/rest/api/2/issueLink", silence=Silence.RESET)
    assert tickets_in(jira).raise_ticket(new_ticket(parent_ticket="AWSSEC-1")).key == "AWSSEC-2"


def test_a_link_that_is_there_already_is_not_doubled(jira: JiraStandIn) -> None:
    tickets = tickets_in(jira)
    raised = tickets.raise_ticket(new_ticket(parent_ticket="AWSSEC-1"))
    tickets.link(raised.key, "AWSSEC-1")
    assert jira.issues[raised.key].links == ["AWSSEC-1"]


@pytest.mark.parametrize(
    "fault",
    [
        {"silence": Silence.RESET},
        {"silence": Silence.HANGING},
        {"status": 503},
        {"status": 503, "headers": {"Retry-After": "1"}},
    ],
)
@pytest.mark.parametrize("after_doing", [False, True])
def test_a_creation_that_fails_is_not_repeated(
    jira: JiraStandIn, waits: list[float], fault: dict[str, Any], after_doing: bool
) -> None:
    tickets = tickets_in(jira, sleep=waits.append, answer_seconds=0.5)
    jira.fail_next("POST", ISSUE, after_doing=after_doing, **fault)
    with pytest.raises(TicketError):
        tickets.raise_ticket(new_ticket())
    assert len(calls(jira, "POST", ISSUE)) == 1
    assert waits == []
    found = tickets.find_open(LABEL)
    assert found == (Ticket("AWSSEC-2", None) if after_doing else None)


@pytest.mark.parametrize("made", [False, True])
def test_a_creation_that_a_rate_limit_refused_is_repeated_after_a_look_for_its_label(
    jira: JiraStandIn, waits: list[float], made: bool
) -> None:
    jira.fail_next("POST", ISSUE, status=429, headers={"Retry-After": "3"}, after_doing=made)
    assert tickets_in(jira, sleep=waits.append).raise_ticket(new_ticket()).key == "AWSSEC-2"
    assert waits == pytest.approx([3], abs=0.5)
    assert set(jira.issues) == {"AWSSEC-1", "AWSSEC-2"}
    assert len(calls(jira, "POST", ISSUE)) == (1 if made else 2)


def test_a_creation_that_fails_after_a_rate_limit_is_not_repeated_once_more(
    jira: JiraStandIn, waits: list[float]
) -> None:
    jira.fail_next("POST", ISSUE, status=429)
    jira.fail_next("POST", ISSUE, status=503, after_doing=True)
    with pytest.raises(TicketError, match="HTTP 503"):
        tickets_in(jira, sleep=waits.append).raise_ticket(new_ticket())
    assert len(calls(jira, "POST", ISSUE)) == 2
    assert set(jira.issues) == {"AWSSEC-1", "AWSSEC-2"}


# Is it open?


def test_a_ticket_closed_by_hand_is_not_open(jira: JiraStandIn) -> None:
    jira.issues["AWSSEC-1"].status = "Closed"
    assert not tickets_in(jira).look("AWSSEC-1").is_open


def test_of_a_ticket_that_is_not_shown_nothing_else_is_said(jira: JiraStandIn) -> None:
    del jira.issues["AWSSEC-1"]
    with pytest.raises(NotShown, match=r"it was deleted, or this user may not.*Browse Projects in AWSSEC"):
        tickets_in(jira).look("AWSSEC-1")


@pytest.mark.parametrize(
    ("label", "is_ours"), [("mine", True), ("", False), ("another", False)], ids=["label", "none", "another label"]
)
def test_a_ticket_is_ours_by_its_label_or_its_creator(jira: JiraStandIn, label: str, is_ours: bool) -> None:
    tickets = tickets_in(jira)
    jira.issues["AWSSEC-1"].labels = ["mine"]
    jira.issues["AWSSEC-1"].creator = identity(jira, "alice")
    assert tickets.look("AWSSEC-1", label).is_ours is is_ours
    jira.issues["AWSSEC-1"].creator = identity(jira, "hammer")
    assert tickets.look("AWSSEC-1", label).is_ours


def test_a_ticket_of_another_user_with_the_label_is_not_found(jira: JiraStandIn) -> None:
    tickets = tickets_in(jira)
    raised = tickets.raise_ticket(new_ticket()).key
    jira.issues[raised].creator = identity(jira, "alice")
    assert tickets.find_open(LABEL) is None


def test_no_ticket_is_raised_where_it_could_not_be_seen(jira: JiraStandIn) -> None:
    tickets = tickets_in(jira)
    assert tickets.may_browse("AWSSEC")
    assert not tickets.may_browse("NOPE")
    jira.fail_next(
        "GET",
        "/rest/api/2/mypermissions",
        status=200,
        body={"permissions": {"BROWSE_PROJECTS": {"havePermission": False}}},
    )
    with pytest.raises(TicketError, match="give it the permission Browse Projects"):
        tickets_in(jira).raise_ticket(new_ticket())
    assert set(jira.issues) == {"AWSSEC-1"}


def test_a_project_has_settings_of_its_own(jira: JiraStandIn) -> None:
    jira.site.required = {"AWSSEC": {"customfield_10": "Team"}}
    jira.site.issue_types = {"AWSSEC": ("Incident",)}
    jira.site.refused_fields = {"priority"}
    jira.site.transitions = (Transition("Retire", "Retired", "done", screen={"customfield_11": ()}),)
    calls_ = JiraCalls(server=jira.url, credentials={"token": DEFAULT_TOKEN})
    with pytest.raises(TicketError, match=r"issuetype.*Team is required"):
        JiraTickets(calls_).raise_ticket(new_ticket())
    own = {
        "issue_type": "Incident",
        "priority": "",
        "fields_": {"customfield_10": {"value": "Cloud"}},
        "close_transitions": ("Retire",),
        "close_fields": {"customfield_11": "key"},
    }
    tickets = JiraTickets(calls_, TicketRules(), {"AWSSEC": own})
    raised = tickets.raise_ticket(new_ticket()).key
    tickets.close(raised)
    issue = jira.issues[raised]
    assert (issue.issue_type, issue.priority, issue.status) == ("Incident", None, "Retired")
    assert issue.fields == {"customfield_10": {"value": "Cloud"}, "customfield_11": "key"}


OFF_SCREEN = "Field '{0}' cannot be set. It is not on the appropriate screen, or unknown."


@pytest.mark.parametrize("in_errors", [True, False])
@pytest.mark.parametrize("name", ["priority", "assignee"])
def test_an_optional_field_that_a_project_refuses_is_not_tried_again(
    jira: JiraStandIn, name: str, in_errors: bool
) -> None:
    said: list[tuple[str, str]] = []
    tickets = tickets_in(jira, missing=lambda ticket, what: said.append((ticket, what)))
    words = OFF_SCREEN.format(name)
    body = {"errorMessages": [] if in_errors else [words], "errors": {name: words} if in_errors else {}}
    jira.add_rule(
        Rule(lambda each: each.method == "POST" and name in ((each.body or {}).get("fields") or {}), (400, {}, body))
    )
    owners = ("alice@example.com", "bob@example.com", "alice@example.com", "bob@example.com")
    for owner in owners:
        tickets.raise_ticket(new_ticket(assignees=(owner,)))
    sent = [name in each.body["fields"] for each in calls(jira, "POST", ISSUE)]
    # That it is nobody's fault is known once the same is said of a second person.
    refused = 1 if name == "priority" else 2
    assert sent.count(True) == refused
    assert len(jira.issues) == 1 + len(owners)
    assert [ticket for ticket, _ in said] == [f"AWSSEC-{number}" for number in range(2, 6)]
    assert {what for _, what in said} == {said[0][1]}
    assert said[0][1].startswith(f"is not raised with this {name}: JIRA did not raise a ticket in AWSSEC: HTTP 400, ")


@pytest.mark.parametrize("in_errors", [True, False])
def test_a_person_whom_a_project_refuses_is_not_tried_again_and_the_next_still_is(
    jira: JiraStandIn, in_errors: bool
) -> None:
    tickets = tickets_in(jira)
    alice = identity(jira, "alice")
    words = f"User '{alice}' cannot be assigned issues."
    body = {"errorMessages": [] if in_errors else [words], "errors": {"assignee": words} if in_errors else {}}

    def is_alice(request: Any) -> bool:
        return request.method == "POST" and alice in request.body["fields"].get("assignee", {}).values()

    jira.add_rule(Rule(is_alice, (400, {}, body)))
    for _ in range(3):
        raised = tickets.raise_ticket(new_ticket(assignees=("alice@example.com", "bob@example.com")))
        assert raised.assignee == identity(jira, "bob")
    assert [is_alice(each) for each in calls(jira, "POST", ISSUE)] == [True, False, False, False]


def test_what_is_refused_with_and_without_an_assignee_says_nothing_of_the_assignee(jira: JiraStandIn) -> None:
    tickets = tickets_in(jira)
    jira.fail_next("POST", ISSUE, status=403, times=2)
    with pytest.raises(TicketError, match="HTTP 403"):
        tickets.raise_ticket(new_ticket(assignees=("alice@example.com",)))
    assert tickets.raise_ticket(new_ticket(assignees=("alice@example.com",))).assignee == identity(jira, "alice")


def test_one_project_refuses_for_itself_only(jira: JiraStandIn) -> None:
    jira.site.projects["OTHER"] = 0
    tickets = tickets_in(jira)
    jira.site.refused_fields = {"priority", "assignee"}
    tickets.raise_ticket(new_ticket(assignees=("alice@example.com",)))
    jira.site.refused_fields = set()
    raised = tickets.raise_ticket(new_ticket(project="OTHER", assignees=("alice@example.com",)))
    assert (raised.assignee, jira.issues[raised.key].priority) == (identity(jira, "alice"), "Major")


def test_of_two_people_with_one_name_both_are_said(jira: JiraStandIn, caplog: pytest.LogCaptureFixture) -> None:
    assert tickets_in(jira).raise_ticket(new_ticket(assignees=("Bob Brown",))).assignee is None
    assert f"several people called Bob Brown: {identity(jira, 'bob')}, {identity(jira, 'bob2')};" in caplog.text


@pytest.mark.parametrize("contacted", [True, False])
@pytest.mark.parametrize(
    ("configured", "said", "expected"),
    [
        ("", "https://acme.example.net", "https://acme.example.net"),
        ("https://tickets.example.com", "https://acme.example.net", "https://tickets.example.com"),
        ("", "javascript:alert(1)", None),
    ],
)
def test_links_lead_where_people_open_jira(
    jira: JiraStandIn, configured: str, said: str, expected: str | None, contacted: bool
) -> None:
    jira.site.base_url = said
    tickets = tickets_in(jira, browse_url=configured)
    if contacted:
        tickets.find_open(LABEL)
    asked = len(jira.requests)
    assert [tickets.browse_url for _ in range(3)] == [expected or jira.url] * 3
    assert len(jira.requests) - asked == (0 if contacted or configured else 2)


def test_where_jira_cannot_be_asked_links_lead_to_its_server_and_it_is_asked_once(
    jira: JiraStandIn, waits: list[float]
) -> None:
    jira.fail_next("GET", "/rest/api/2/serverInfo", status=500, times=9)
    tickets = tickets_in(jira, sleep=waits.append)
    assert [tickets.browse_url for _ in range(3)] == [jira.url] * 3
    assert (len(jira.requests), waits) == (1, [])


def test_threads_that_ask_at_once_where_jira_is_opened_get_the_same_answer(jira: JiraStandIn) -> None:
    jira.site.base_url = "https://acme.example.net"
    jira.latency_seconds = 0.05
    tickets, together = tickets_in(jira), threading.Barrier(8)

    def asked(_: int) -> str:
        together.wait(_DEADLINE_SECONDS)
        return tickets.browse_url

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(asked, range(8))) == {"https://acme.example.net"}
    assert len(jira.requests) == 2


@pytest.mark.parametrize(
    ("server", "address"),
    [
        ("https://api.atlassian.com/ex/jira/11223344-a1b2-3b33-c444-def123456789", ""),
        ("https://API.atlassian.com/ex/jira/1", ""),
        ("https://acme.atlassian.net", "https://acme.atlassian.net"),
        ("https://issues.example.com/jira", "https://issues.example.com/jira"),
    ],
)
def test_no_link_leads_to_a_gateway_for_programs(server: str, address: str) -> None:
    assert address_for_people(server) == address


class Steps:
    """A journal, and what was in JIRA at each entry."""

    def __init__(self, jira: JiraStandIn) -> None:
        self._jira = jira
        self.entries: list[tuple[str, int, int]] = []

    def asking(self) -> None:
        self._note("asking")

    def made(self, ticket: Ticket) -> None:
        self._note(ticket.key)

    def _note(self, what: str) -> None:
        self.entries.append((what, len(self._jira.issues), len(self._jira.issues["AWSSEC-1"].links)))


def test_the_journal_hears_of_a_ticket_before_and_after_it_is_made_and_before_it_is_linked(jira: JiraStandIn) -> None:
    steps = Steps(jira)
    tickets_in(jira).raise_ticket(new_ticket(parent_ticket="AWSSEC-1"), steps)
    assert steps.entries == [("asking", 1, 0), ("AWSSEC-2", 2, 0)]
    assert jira.issues["AWSSEC-1"].links == ["AWSSEC-2"]


@pytest.mark.parametrize(
    ("fault", "is_known"),
    [
        ({"status": 400}, True),
        ({"status": 403}, True),
        ({"status": 302, "headers": {"Location": "/jira"}}, True),
        ({"status": 429, "headers": {"Retry-After": "3600"}}, True),
        ({"status": 500}, False),
        ({"status": 200}, False),
        ({"status": 403, "body": b"<html>"}, False),
        ({"silence": Silence.RESET}, False),
        ({"silence": Silence.CUT}, False),
    ],
)
def test_whether_a_ticket_may_be_there_after_a_failure_is_said(
    jira: JiraStandIn, fault: dict[str, Any], is_known: bool
) -> None:
    jira.fail_next("POST", ISSUE, **fault)
    with pytest.raises(TicketError) as failed:
        tickets_in(jira).raise_ticket(new_ticket())
    assert isinstance(failed.value, Unanswered) is not is_known


@pytest.mark.parametrize("status", [401, 403, 500])
def test_whether_a_ticket_is_open_is_never_guessed(jira: JiraStandIn, status: int) -> None:
    jira.fail_next("GET", ISSUE, status=status)
    with pytest.raises(TicketError, match=f"JIRA did not show AWSSEC-1.*HTTP {status}"):
        tickets_in(jira).look("AWSSEC-1")


def test_a_server_that_is_not_jira_does_not_make_tickets_vanish(jira: JiraStandIn) -> None:
    tickets = tickets_in(jira, server=f"{jira.url}/not-jira")
    jira.fail_next("GET", "/not-jira", status=404)
    with pytest.raises(TicketError) as failed:
        tickets.look("AWSSEC-1")
    assert not isinstance(failed.value, NotShown)


def test_a_proxy_that_knows_no_way_does_not_make_tickets_vanish(jira: JiraStandIn) -> None:
    jira.fail_next("GET", ISSUE, status=404, body={"message": "no route"})
    with pytest.raises(TicketError, match="not in the form that JIRA answers in") as failed:
        tickets_in(jira).look("AWSSEC-1")
    assert not isinstance(failed.value, NotShown)


# Comments


def test_a_comment_is_not_repeated(jira: JiraStandIn) -> None:
    tickets = tickets_in(jira)
    tickets.comment("AWSSEC-1", "Reminder. Hammer reference 7", "Hammer reference 7")
    tickets.comment("AWSSEC-1", "Other words. Hammer reference 7", "Hammer reference 7")
    tickets.comment("AWSSEC-1", "Reminder. Hammer reference 1", "Hammer reference 1")
    assert jira.issues["AWSSEC-1"].comments == ["Reminder. Hammer reference 7", "Reminder. Hammer reference 1"]


def test_a_comment_on_a_later_page_is_found(jira: JiraStandIn) -> None:
    jira.issues["AWSSEC-1"].comments = [f"comment {number}" for number in range(6)] + ["Hammer reference 7"]
    jira.site.page_size = 3
    tickets_in(jira).comment("AWSSEC-1", "Hammer reference 7", "Hammer reference 7")
    assert len(jira.issues["AWSSEC-1"].comments) == 7


def test_a_comment_whose_answer_was_lost_is_there_once_after_the_next_try(jira: JiraStandIn) -> None:
    tickets = tickets_in(jira)
    jira.fail_next("POST", f"{ISSUE}/AWSSEC-1/comment", silence=Silence.RESET, after_doing=True)
    with pytest.raises(TicketError, match="could not be reached to comment on AWSSEC-1"):
        tickets.comment("AWSSEC-1", "Hammer reference 7", "Hammer reference 7")
    tickets.comment("AWSSEC-1", "Hammer reference 7", "Hammer reference 7")
    assert jira.issues["AWSSEC-1"].comments == ["Hammer reference 7"]


def test_a_comment_on_a_deleted_ticket_says_that_it_is_gone(jira: JiraStandIn) -> None:
    with pytest.raises(NotShown, match="does not show the ticket AWSSEC-9"):
        tickets_in(jira).comment("AWSSEC-9", "Hammer reference 7", "Hammer reference 7")


def test_a_ticket_that_is_deleted_while_it_is_commented_on_is_gone(jira: JiraStandIn) -> None:
    jira.fail_next("POST", f"{ISSUE}/AWSSEC-1/comment", status=404)
    with pytest.raises(NotShown):
        tickets_in(jira).comment("AWSSEC-1", "Hammer reference 7", "Hammer reference 7")


# Closing


def test_a_label_is_added_to_those_that_are_there(jira: JiraStandIn) -> None:
    jira.issues["AWSSEC-1"].labels = ["by-hand"]
    tickets_in(jira).close("AWSSEC-1", "whitelisted")
    assert jira.issues["AWSSEC-1"].labels == ["by-hand", "whitelisted"]
    assert jira.issues["AWSSEC-1"].status == "Closed"


def test_a_label_that_jira_refuses_costs_a_warning_only(jira: JiraStandIn, caplog: pytest.LogCaptureFixture) -> None:
    jira.site.refused_fields = {"labels"}
    tickets_in(jira).close("AWSSEC-1", "whitelisted")
    assert jira.issues["AWSSEC-1"].status == "Closed"
    assert "stays without the label whitelisted" in caplog.text


def test_a_label_that_may_not_have_arrived_keeps_the_ticket_open_for_the_next_try(jira: JiraStandIn) -> None:
    tickets = tickets_in(jira)
    jira.fail_next("PUT", ISSUE, silence=Silence.RESET)
    with pytest.raises(TicketError):
        tickets.close("AWSSEC-1", "whitelisted")
    assert jira.issues["AWSSEC-1"].status == "To Do"
    tickets.close("AWSSEC-1", "whitelisted")
    assert (jira.issues["AWSSEC-1"].labels, jira.issues["AWSSEC-1"].status) == (["whitelisted"], "Closed")


def test_the_first_configured_transition_that_fits_is_taken(jira: JiraStandIn) -> None:
    jira.site.transitions = (
        Transition("Done", "Done", "done"),
        Transition("reject", "Rejected", "done"),
        Transition("close issue", "Closed", "done"),
    )
    tickets_in(jira, close_transitions=("Archive", "Close Issue", "Done")).close("AWSSEC-1")
    assert jira.issues["AWSSEC-1"].status == "Closed"


def test_without_a_configured_transition_one_that_leads_to_done_is_taken(jira: JiraStandIn) -> None:
    jira.site.transitions = (
        Transition("Work", "In Progress", "indeterminate"),
        Transition("Reject", "Rejected", "done"),
    )
    tickets_in(jira).close("AWSSEC-1")
    assert jira.issues["AWSSEC-1"].status == "Rejected"


def test_without_any_transition_that_fits_the_ticket_stays_and_that_is_an_error(jira: JiraStandIn) -> None:
    jira.site.transitions = (Transition("Work", "In Progress", "indeterminate"),)
    with pytest.raises(TicketError, match=r"no transition that closes AWSSEC-1.*it offers Work"):
        tickets_in(jira).close("AWSSEC-1")
    assert jira.issues["AWSSEC-1"].status == "To Do"


def test_a_resolution_is_given_where_closing_needs_one(jira: JiraStandIn) -> None:
    jira.site.transitions = (Transition("Close Issue", "Closed", "done", needs_resolution=True),)
    tickets_in(jira).close("AWSSEC-1")
    assert (jira.issues["AWSSEC-1"].status, jira.issues["AWSSEC-1"].resolution) == ("Closed", "Done")


def test_a_ticket_that_is_done_is_left_as_it_is(jira: JiraStandIn) -> None:
    jira.issues["AWSSEC-1"].status = "Closed"
    tickets_in(jira).close("AWSSEC-1", "whitelisted")
    assert {request.method for request in jira.requests} == {"GET"}


def test_a_ticket_that_disappears_while_it_is_closed_does_not_count_as_closed(jira: JiraStandIn) -> None:
    jira.fail_next("POST", f"{ISSUE}/AWSSEC-1/transitions", status=404)
    with pytest.raises(NotShown):
        tickets_in(jira).close("AWSSEC-1")


def test_a_closing_whose_answer_was_lost_is_found_done_by_the_next_try(jira: JiraStandIn) -> None:
    tickets = tickets_in(jira)
    jira.fail_next("POST", f"{ISSUE}/AWSSEC-1/transitions", silence=Silence.RESET, after_doing=True)
    with pytest.raises(TicketError):
        tickets.close("AWSSEC-1")
    tickets.close("AWSSEC-1")
    assert len(calls(jira, "POST", f"{ISSUE}/AWSSEC-1/transitions")) == 1


# Faults


@pytest.mark.parametrize("path", ["serverInfo", "myself", "search", "issue"])
@pytest.mark.parametrize("fault", [{"status": 503}, {"status": 429}, {"status": 502}, {"silence": Silence.RESET}])
def test_a_read_that_fails_in_passing_is_repeated(
    server: JiraStandIn, waits: list[float], path: str, fault: dict[str, Any]
) -> None:
    server.fail_next("GET", f"/rest/api/2/{path}", times=2, **fault)
    tickets = tickets_in(server, sleep=waits.append)
    assert tickets.find_open(LABEL) is None
    assert tickets.look("AWSSEC-1").is_open
    assert waits == pytest.approx([0.5, 1.0], abs=0.1)


def test_jira_is_given_the_time_that_it_asks_for(server: JiraStandIn, waits: list[float]) -> None:
    server.fail_next("GET", ISSUE, status=429, headers={"Retry-After": "7"})
    assert tickets_in(server, sleep=waits.append).look("AWSSEC-1").is_open
    assert waits == pytest.approx([7], abs=0.5)


def test_a_run_does_not_stand_still_for_longer_than_half_a_minute(server: JiraStandIn, waits: list[float]) -> None:
    server.fail_next("GET", ISSUE, status=429, headers={"Retry-After": "3600"})
    with pytest.raises(TicketError, match="HTTP 429"):
        tickets_in(server, sleep=waits.append).look("AWSSEC-1")
    assert waits == []


def test_a_read_is_repeated_three_times_at_most(server: JiraStandIn, waits: list[float]) -> None:
    server.fail_next("GET", f"{ISSUE}/AWSSEC-1", times=9)
    with pytest.raises(TicketError, match=r"HTTP 503, The stand-in was told to fail$"):
        tickets_in(server, sleep=waits.append).look("AWSSEC-1")
    assert len(calls(server, "GET", f"{ISSUE}/AWSSEC-1")) == 4
    assert waits == pytest.approx([0.5, 1.0, 2.0], abs=0.1)


def test_after_three_failures_in_a_row_the_rest_of_the_run_does_not_wait_for_jira(server: JiraStandIn) -> None:
    tickets = tickets_in(server)
    assert tickets.look("AWSSEC-1").is_open
    server.fail_next("GET", ISSUE, times=12)
    for _ in range(3):
        with pytest.raises(TicketError, match="HTTP 503"):
            tickets.look("AWSSEC-1")
    before = len(server.requests)
    with pytest.raises(TicketError, match="not tried"):
        tickets.find_open(LABEL)
    assert len(server.requests) == before


def test_an_answer_in_between_makes_jira_trusted_again(server: JiraStandIn) -> None:
    tickets = tickets_in(server)
    for _ in range(2):
        server.fail_next("GET", ISSUE, status=500, times=2)
        for _ in range(2):
            with pytest.raises(TicketError, match="HTTP 500"):
                tickets.look("AWSSEC-1")
        assert tickets.look("AWSSEC-1").is_open


def test_refusals_do_not_count_as_failures_of_jira(server: JiraStandIn) -> None:
    tickets = tickets_in(server)
    for _ in range(5):
        with pytest.raises(TicketError):
            tickets.raise_ticket(new_ticket(project="NOPE"))
    assert tickets.look("AWSSEC-1").is_open


def test_a_token_that_is_revoked_meanwhile_is_not_tried_for_the_rest_of_the_run(server: JiraStandIn) -> None:
    tickets = tickets_in(server)
    assert tickets.look("AWSSEC-1").is_open
    server.fail_next("GET", ISSUE, status=401, times=99)
    for _ in range(5):
        with pytest.raises(TicketError):
            tickets.look("AWSSEC-1")
    assert len(calls(server, "GET", f"{ISSUE}/AWSSEC-1")) == 1 + 1


@pytest.mark.parametrize("after", ["120", "date"])
def test_a_limit_that_lasts_ends_jira_for_this_run_at_once(server: JiraStandIn, after: str) -> None:
    if after == "date":
        after = format_datetime(dt.datetime.now(dt.UTC) + dt.timedelta(minutes=5), usegmt=True)
    tickets = tickets_in(server)
    server.fail_next("POST", ISSUE, status=429, headers={"Retry-After": after}, times=99)
    for _ in range(5):
        with pytest.raises(TicketError):
            tickets.raise_ticket(new_ticket())
        with pytest.raises(TicketError, match="not tried"):
            tickets.find_open(LABEL)
    assert len(calls(server, "POST", ISSUE)) == 1


def test_writes_that_fail_are_given_up_though_reads_in_between_are_answered(server: JiraStandIn) -> None:
    tickets = tickets_in(server)
    server.fail_next("POST", ISSUE, status=500, times=99)
    for _ in range(6):
        assert tickets.find_open(LABEL) is None
        with pytest.raises(TicketError):
            tickets.raise_ticket(new_ticket())
    assert len(calls(server, "POST", ISSUE)) == 3


def test_a_project_that_wants_a_field_is_asked_once(server: JiraStandIn) -> None:
    server.site.required = {"AWSSEC": {"customfield_10": "Team"}}
    tickets = tickets_in(server)
    for _ in range(5):
        with pytest.raises(TicketError, match="Team is required"):
            tickets.raise_ticket(new_ticket())
    assert len(calls(server, "POST", ISSUE)) == 1


def test_a_read_that_is_not_answered_in_time_is_an_error_that_says_so(jira: JiraStandIn) -> None:
    jira.fail_next("GET", ISSUE, silence=Silence.HANGING)
    with pytest.raises(TicketError, match=r"could not be reached to show AWSSEC-1: no answer within 0\.5 seconds"):
        tickets_in(jira, answer_seconds=0.5).look("AWSSEC-1")


def test_a_jira_that_is_down_is_an_error_of_one_sentence() -> None:
    with JiraStandIn() as jira:
        tickets = tickets_in(jira)
    with pytest.raises(TicketError) as failed:
        tickets.find_open(LABEL)
    assert str(failed.value) == "JIRA could not be reached to log in: Connection refused"


def test_every_call_has_a_timeout(monkeypatch: pytest.MonkeyPatch, server: JiraStandIn) -> None:
    timeouts: set[float | None] = set()
    set_timeout = socket.socket.settimeout

    def note(each: socket.socket, value: float | None) -> None:
        timeouts.add(value)
        set_timeout(each, value)

    tickets = tickets_in(server)
    monkeypatch.setattr(socket.socket, "settimeout", note)
    raised = tickets.raise_ticket(new_ticket())
    tickets.comment(raised.key, "words", "words")
    tickets.close(raised.key, "whitelisted")
    # The stand-in's own sockets, in the same process, block.
    assert timeouts - {None} == {5, 30}


def test_a_page_that_is_no_jira_is_an_error(server: JiraStandIn) -> None:
    # Whatever is asked for below this address, the answer is 200 and the stand-in's state.
    with pytest.raises(TicketError, match="what answered at its address is not JIRA"):
        tickets_in(server, server=f"{server.url}/_stand_in/state?").find_open(LABEL)


# TLS


@dataclass(frozen=True)
class Authority:
    """A private CA, and a folder for what it issues."""

    folder: Path
    key: RSAPrivateKey

    @property
    def bundle(self) -> str:
        return str(self.folder / "ca.pem")

    def issue(self, name: str, subject_key: RSAPrivateKey, *, ca: bool) -> str:
        now = dt.datetime.now(dt.UTC)
        issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self.folder.name)])
        subject = issuer if ca else x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        certificate = (
            x509.CertificateBuilder(issuer_name=issuer, subject_name=subject, public_key=subject_key.public_key())
            .serial_number(2 - ca)
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=1))
            .add_extension(address, critical=False)
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            # Python 3.13 accepts no certificate without these.
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(subject_key.public_key()), critical=False)
            .add_extension(
                x509.KeyUsage(
                    digital_signature=True,
                    content_commitment=False,
                    key_encipherment=not ca,
                    data_encipherment=False,
                    key_agreement=False,
                    key_cert_sign=ca,
                    crl_sign=ca,
                    encipher_only=False,
                    decipher_only=False,
                ),
                critical=True,
            )
            .sign(self.key, SHA256())
        )
        path = self.folder / f"{name}.pem"
        path.write_bytes(certificate.public_bytes(Encoding.PEM))
        return str(path)


def authority(folder: Path) -> Authority:
    folder.mkdir()
    new = Authority(folder, generate_private_key(65537, 2048))
    new.issue("ca", new.key, ca=True)
    return new


@pytest.fixture(scope="module")
def our_ca(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return authority(tmp_path_factory.mktemp("tls") / "Our CA")


@pytest.fixture(scope="module")
def another_ca(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return authority(tmp_path_factory.mktemp("tls") / "Another CA")


@pytest.fixture
def https(our_ca: Authority, rsa_key: RSAPrivateKey, flavour: Flavour) -> Iterator[JiraStandIn]:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    key = our_ca.folder / "key.pem"
    key.write_text(pem(rsa_key))
    tls.load_cert_chain(our_ca.issue("jira", rsa_key, ca=False), key)
    with JiraStandIn(flavour=flavour, issues=("AWSSEC-1",), tls=tls) as jira:
        yield jira


UNVERIFIED = "certificate cannot be verified; a private CA belongs into ca_bundle"


def test_a_certificate_of_an_unknown_ca_is_refused(https: JiraStandIn, waits: list[float]) -> None:
    with pytest.raises(TicketError, match=UNVERIFIED):
        tickets_in(https, sleep=waits.append).find_open(LABEL)
    assert (https.requests, waits) == ([], [])


def test_a_certificate_of_another_ca_than_the_bundles_is_refused(
    https: JiraStandIn, another_ca: Authority, waits: list[float]
) -> None:
    with pytest.raises(TicketError, match=UNVERIFIED):
        tickets_in(https, sleep=waits.append, ca_bundle=another_ca.bundle).find_open(LABEL)
    assert (https.requests, waits) == ([], [])


@pytest.mark.parametrize("elsewhere", [False, True])
def test_the_ca_bundle_is_trusted_and_no_call_leaves_tls(
    https: JiraStandIn,
    our_ca: Authority,
    another_ca: Authority,
    elsewhere: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if elsewhere:
        # What the machine trusts for everything else does not get in the way.
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", another_ca.bundle)
    tickets = tickets_in(https, ca_bundle=our_ca.bundle)
    tickets.close("AWSSEC-1", "whitelisted")
    assert (https.issues["AWSSEC-1"].status, https.issues["AWSSEC-1"].labels) == ("Closed", ["whitelisted"])


def test_a_ticket_may_be_there_after_an_answer_that_is_no_tls(https: JiraStandIn, our_ca: Authority) -> None:
    https.fail_next("POST", ISSUE, silence=Silence.NOT_TLS, after_doing=True)
    with pytest.raises(Unanswered):
        tickets_in(https, ca_bundle=our_ca.bundle).raise_ticket(new_ticket())
    assert len(https.issues) == 2


def test_a_ca_bundle_that_does_not_exist_is_an_error(https: JiraStandIn) -> None:
    with pytest.raises(TicketError, match=r"/nowhere/ca\.pem"):
        tickets_in(https, ca_bundle="/nowhere/ca.pem").find_open(LABEL)


# Several threads


def at_once(count: int, work: Callable[[int], T]) -> list[T | TicketError]:
    """What comes of `work` in `count` threads that begin together; a deadlock fails the test."""
    ready = threading.Barrier(count)

    def one(number: int) -> T | TicketError:
        ready.wait(_DEADLINE_SECONDS)
        try:
            return work(number)
        except TicketError as error:
            return error

    pool = ThreadPoolExecutor(count)
    try:
        futures = [pool.submit(one, number) for number in range(count)]
        return [future.result(_DEADLINE_SECONDS) for future in futures]
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


@pytest.mark.parametrize("way", ["token", "oauth"])
def test_threads_share_what_was_looked_up_and_raise_a_ticket_each(
    way: str, jira: JiraStandIn, rsa_key: RSAPrivateKey
) -> None:
    credentials = {"token": DEFAULT_TOKEN} if way == "token" else oauth(rsa_key)
    tickets = tickets_in(jira, credentials=credentials)

    def work(number: int) -> Ticket | None:
        label = f"{LABEL}-{number}"
        raised = tickets.raise_ticket(new_ticket(labels=(label,), assignees=("nobody", "alice@example.com")))
        tickets.comment(raised.key, f"reference {number}", f"reference {number}")
        found = tickets.find_open(label)
        assert found == raised
        return found

    raised = at_once(10, work)
    assert {each.key for each in raised if isinstance(each, Ticket)} == {
        f"AWSSEC-{number}" for number in range(2, 12)
    }
    for number, each in enumerate(raised):
        assert isinstance(each, Ticket)
        assert jira.issues[each.key].labels == [f"{LABEL}-{number}"]
        assert jira.issues[each.key].comments == [f"reference {number}"]
    assert len(calls(jira, "GET", "/rest/api/2/serverInfo")) == 1
    assert len(calls(jira, "GET", "/rest/api/2/user/assignable/search")) == 2


def test_threads_try_wrong_credentials_once_between_them(server: JiraStandIn) -> None:
    tickets = tickets_in(server, credentials={"token": "wrong"})
    outcomes = at_once(10, lambda _: tickets.look("AWSSEC-1").is_open)
    assert all(isinstance(outcome, TicketError) for outcome in outcomes)
    assert len(server.requests) == 1


def test_failures_that_come_together_do_not_make_a_run_give_jira_up(server: JiraStandIn) -> None:
    tickets = tickets_in(server)
    at_once(8, lambda _: tickets.look("AWSSEC-1").is_open)
    # Every thread is in the middle of its call when JIRA goes away.
    server.latency_seconds = 0.3
    server.fail_next("POST", f"{ISSUE}/AWSSEC-1/comment", status=500, times=8)
    outcomes = at_once(8, lambda number: tickets.comment("AWSSEC-1", f"{number}", f"reference {number}"))
    assert all(isinstance(outcome, TicketError) for outcome in outcomes)
    assert tickets.look("AWSSEC-1").is_open


def test_a_jira_that_stays_down_is_given_up_by_all_threads(server: JiraStandIn) -> None:
    tickets = tickets_in(server)
    assert tickets.look("AWSSEC-1").is_open
    server.fail_next("GET", ISSUE, status=500, times=999)
    for _ in range(3):
        at_once(4, lambda _: tickets.look("AWSSEC-1").is_open)
    before = len(server.requests)
    assert all(isinstance(outcome, TicketError) for outcome in at_once(4, lambda _: tickets.look("AWSSEC-1").is_open))
    assert len(server.requests) == before


def test_while_one_thread_waits_for_a_rate_limit_the_others_keep_still(server: JiraStandIn) -> None:
    waiting, over = threading.Event(), threading.Event()
    waited: list[float] = []

    def wait(seconds: float) -> None:
        waited.append(seconds)
        waiting.set()
        over.wait(_DEADLINE_SECONDS)

    tickets = tickets_in(server, sleep=wait)
    assert tickets.look("AWSSEC-1").is_open
    server.fail_next("GET", ISSUE, status=429, headers={"Retry-After": "7"})
    with ThreadPoolExecutor(9) as pool:
        first = pool.submit(tickets.look, "AWSSEC-1")
        assert waiting.wait(_DEADLINE_SECONDS)
        before = len(server.requests)
        others = [pool.submit(tickets.find_open, LABEL) for _ in range(8)]
        assert wait_for(others, timeout=0.5, return_when=FIRST_COMPLETED).done == set()
        assert len(server.requests) == before
        over.set()
        assert first.result(_DEADLINE_SECONDS).is_open
        assert [other.result(_DEADLINE_SECONDS) for other in others] == [None] * 8
    assert waited == pytest.approx([7], abs=0.5)


class CrowdedJira(JiraStandIn):
    """Answers the first eight questions for a ticket when all of them are there, and notes how many are open."""

    def __init__(self) -> None:
        super().__init__(issues=("AWSSEC-1",))
        self.most_open = 0
        self._open = 0
        self._asked = itertools.count(1)
        self._together = threading.Barrier(8)

    def answer(self, request: JiraRequest, authorization: str, url: str) -> Answer | Raw | Silence:
        if request.path != f"{ISSUE}/AWSSEC-1":
            return super().answer(request, authorization, url)
        if next(self._asked) <= 8:
            self._together.wait(_DEADLINE_SECONDS)
            return super().answer(request, authorization, url)
        self._open += 1
        self.most_open = max(self.most_open, self._open)
        answer = super().answer(request, authorization, url)
        self._open -= 1
        return answer


def test_threads_that_meet_a_rate_limit_together_go_on_one_after_the_other() -> None:
    with CrowdedJira() as jira, ThreadPoolExecutor(8) as pool:
        jira.fail_next("GET", f"{ISSUE}/AWSSEC-1", status=429, headers={"Retry-After": "7"}, times=8)
        looked = list(pool.map(tickets_in(jira).look, ["AWSSEC-1"] * 8))
        assert [each.is_open for each in looked] == [True] * 8
        assert jira.most_open == 1
        assert len(calls(jira, "GET", f"{ISSUE}/AWSSEC-1")) == 16


# The stand-in by itself


@pytest.mark.process
def test_the_stand_in_runs_as_a_process_and_shows_what_it_received() -> None:
    command = [sys.executable, "-m", "deployment.local.jira_stand_in", "--flavour", "cloud", "--issue", "AWSSEC-7"]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().split()[-1]
            tickets = JiraTickets(JiraCalls(server=url, credentials={"token": DEFAULT_TOKEN}))
            assert tickets.raise_ticket(new_ticket()).key == "AWSSEC-8"
            with urlopen(f"{url}/_stand_in/state", timeout=5) as answer:
                state = json.load(answer)
        finally:
            process.terminate()
    assert process.returncode == 0
    assert set(state["issues"]) == {"AWSSEC-7", "AWSSEC-8"}
    assert state["issues"]["AWSSEC-8"]["labels"] == ["inactive-iam-keys", LABEL]
    assert state["requests"][-1]["path"] == ISSUE
