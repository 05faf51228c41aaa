"""What goes over the wire to each kind of JIRA, request by request, held against what Atlassian documents.

Server and Data Center: https://docs.atlassian.com/software/jira/docs/api/REST/9.12.0/ (users by `name`, `/search`).
Cloud: https://developer.atlassian.com/cloud/jira/platform/rest/v2/ (users by `accountId`; `username` is not available
any more, and `/search` has given way to `/search/jql`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from deployment.local.jira_stand_in import (
    DEFAULT_ACCESS_TOKEN,
    DEFAULT_CONSUMER_KEY,
    DEFAULT_PASSWORD,
    DEFAULT_TOKEN,
    DEFAULT_USERNAME,
    Flavour,
    JiraRequest,
    JiraStandIn,
    Transition,
)
from deployment.local.stand_in import Rule
from library.notifications.jira_calls import JiraCalls
from library.notifications.jira_creation import Ticket
from library.notifications.jira_rules import TicketRules
from library.notifications.jira_tickets import JiraTickets
from library.notifications.jira_words import NewTicket
from tests.contract.jira_bodies import faults

if TYPE_CHECKING:
    from collections.abc import Iterator

LABEL = "hammer-123456789012-AKIAI6UV7TCFQNA623TA"
JQL = f'labels = "{LABEL}" AND statusCategory != Done ORDER BY created ASC'
API = "/rest/api/2"
NEW = NewTicket(
    project="AWSSEC",
    summary="IAM access key AKIAI6UV7TCFQNA623TA is idle",
    description="*Facts*",
    labels=("inactive-iam-keys", LABEL),
    assignees=("alice@example.com",),
    parent_ticket="AWSSEC-1",
)


@dataclass(frozen=True)
class Kind:
    """One kind of JIRA, its credentials, and what differs in its requests."""

    flavour: Flavour
    credentials: dict[str, Any]
    scheme: str
    find_user: dict[str, str]
    assignee: dict[str, str]
    search: tuple[str, dict[str, str]]

    def requests(self) -> dict[str, list[tuple[str, str, dict[str, str], Any]]]:
        """Method, path, query and body of every request, by what the adapter is asked to do, in order."""
        ticket = f"{API}/issue/AWSSEC-2"
        show = ("GET", ticket, {"fields": "status,labels,creator,archiveddate"}, None)
        path, more = self.search
        return {
            "log in": [
                ("GET", f"{API}/serverInfo", {}, None),
                ("GET", f"{API}/myself", {}, None),
            ],
            "raise": [
                (
                    "GET",
                    f"{API}/mypermissions",
                    {"projectKey": "AWSSEC", "permissions": "BROWSE_PROJECTS"},
                    None,
                ),
                (
                    "GET",
                    f"{API}/user/assignable/search",
                    {**self.find_user, "project": "AWSSEC", "maxResults": "1000"},
                    None,
                ),
                (
                    "POST",
                    f"{API}/issue",
                    {},
                    {
                        "fields": {
                            "project": {"key": "AWSSEC"},
                            "issuetype": {"name": "Task"},
                            "summary": "IAM access key AKIAI6UV7TCFQNA623TA is idle",
                            # Text is wiki markup in version 2 of both; version 3 of Cloud takes documents.
                            "description": "*Facts*",
                            "labels": ["inactive-iam-keys", LABEL],
                            "priority": {"name": "Major"},
                            "assignee": self.assignee,
                        }
                    },
                ),
                ("GET", f"{API}/issueLinkType", {}, None),
                (
                    "POST",
                    f"{API}/issueLink",
                    {},
                    {
                        "type": {"name": "Relates"},
                        "inwardIssue": {"key": "AWSSEC-2"},
                        "outwardIssue": {"key": "AWSSEC-1"},
                    },
                ),
            ],
            "find": [
                ("GET", path, {"jql": JQL, "fields": "assignee,status,creator", "maxResults": "100", **more}, None),
            ],
            "comment": [
                ("GET", f"{ticket}/comment", {"startAt": "0", "maxResults": "100"}, None),
                ("POST", f"{ticket}/comment", {}, {"body": "Words. Hammer reference 7"}),
            ],
            "is_open": [show],
            "close": [
                show,
                ("PUT", ticket, {}, {"update": {"labels": [{"add": "whitelisted"}]}}),
                ("GET", f"{ticket}/transitions", {"expand": "transitions.fields"}, None),
                (
                    "POST",
                    f"{ticket}/transitions",
                    {},
                    {"transition": {"id": "11"}, "fields": {"resolution": {"id": "1"}}},
                ),
                show,
            ],
        }


@pytest.fixture(scope="module")
def rsa_key() -> RSAPrivateKey:
    return generate_private_key(65537, 2048)


@pytest.fixture(params=["server, personal access token", "server, OAuth 1", "cloud, e-mail and API token"])
def kind(request: pytest.FixtureRequest, rsa_key: RSAPrivateKey) -> Kind:
    if request.param.startswith("cloud"):
        return Kind(
            "cloud",
            {"basic": {"username": DEFAULT_USERNAME, "password": DEFAULT_PASSWORD}},
            "Basic",
            {"query": "alice@example.com"},
            {"accountId": "712020:alice"},
            (f"{API}/search/jql", {}),
        )
    key = rsa_key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()
    oauth = {
        "access_token": DEFAULT_ACCESS_TOKEN,
        "access_token_secret": "not-used-by-rsa",
        "consumer_key": DEFAULT_CONSUMER_KEY,
        "key_cert": key,
    }
    by_token = request.param.endswith("token")
    return Kind(
        "server",
        {"token": DEFAULT_TOKEN} if by_token else {"oauth": oauth},
        "Bearer" if by_token else "OAuth",
        {"username": "alice@example.com"},
        {"name": "alice"},
        (f"{API}/search", {"startAt": "0"}),
    )


@pytest.fixture
def jira(kind: Kind, rsa_key: RSAPrivateKey) -> Iterator[JiraStandIn]:
    with JiraStandIn(flavour=kind.flavour, issues=("AWSSEC-1",), oauth_public_key=rsa_key.public_key()) as stand_in:
        stand_in.site.transitions = (Transition("Close Issue", "Closed", "done", needs_resolution=True),)
        yield stand_in


class Wire:
    """Reads off what was sent since the last time."""

    def __init__(self, jira: JiraStandIn) -> None:
        self._requests = jira.requests
        self._seen = 0

    def news(self) -> list[tuple[str, str, dict[str, str], Any]]:
        fresh = self._requests[self._seen :]
        self._seen += len(fresh)
        return [(each.method, each.path, dict(each.query), each.body) for each in fresh]


def test_every_request_is_as_the_table_has_it(kind: Kind, jira: JiraStandIn) -> None:
    expected, wire = kind.requests(), Wire(jira)
    tickets = JiraTickets(JiraCalls(server=jira.url, credentials=kind.credentials))

    raised = tickets.raise_ticket(NEW)
    assert wire.news() == expected["log in"] + expected["raise"]
    assert raised == Ticket("AWSSEC-2", next(iter(kind.assignee.values())))

    assert tickets.find_open(LABEL) == raised
    assert wire.news() == expected["find"]

    tickets.comment("AWSSEC-2", "Words. Hammer reference 7", "Hammer reference 7")
    assert wire.news() == expected["comment"]

    assert tickets.look("AWSSEC-2").is_open
    assert wire.news() == expected["is_open"]

    tickets.close("AWSSEC-2", "whitelisted")
    assert wire.news() == expected["close"]
    assert faults(kind.flavour, jira.requests) == []


@pytest.mark.parametrize(
    ("method", "path", "body", "fault"),
    [
        ("POST", "issue", {"fields": {"project": {"key": "A"}, "summary": "x"}}, ".fields.issuetype is missing"),
        ("PUT", "issue/A-1", {"fields": {"labels": "one"}}, ".fields.labels is no list"),
        (
            "PUT",
            "issue/A-1",
            {"fields": {"customfield_1": [{"value": None}]}},
            ".fields.customfield_1.0.value is null",
        ),
        ("PUT", "issue/A-1", {"update": {"labels": [{"append": "one"}]}}, ".update.labels[0].append is no member"),
        ("POST", "issue/A-1/transitions", {"transition": {"id": 11}}, ".transition.id is no str"),
        ("POST", "issue/A-1/comment", {"body": {"type": "doc"}}, ".body is no str"),
        ("POST", "issueLink", {"type": "Relates", "inwardIssue": {}, "outwardIssue": {}}, ".type is no object"),
        ("DELETE", "issue/A-1", None, " is no call that we know"),
        ("POST", "issue/A-1/comment", None, " is null"),
    ],
)
def test_the_published_bodies_find_what_is_wrong(method: str, path: str, body: Any, fault: str) -> None:
    assert faults("server", [JiraRequest(method, f"{API}/{path}", {}, body)]) == [f"{method} {API}/{path}{fault}"]


def test_a_user_of_one_kind_of_jira_is_wrong_for_the_other() -> None:
    sent = [JiraRequest("PUT", f"{API}/issue/A-1", {}, {"fields": {"assignee": {"name": "alice"}}})]
    assert faults("server", sent) == []
    assert len(faults("cloud", sent)) == 2


@pytest.mark.parametrize(
    ("kind_of_link", "expected"),
    [
        ("Blocks", ("Blocks", "AWSSEC-1", "AWSSEC-2")),
        ("blocks", ("Blocks", "AWSSEC-1", "AWSSEC-2")),
        ("is blocked by", ("Blocks", "AWSSEC-2", "AWSSEC-1")),
        ("Relates", ("Relates", "AWSSEC-1", "AWSSEC-2")),
        ("relates to", ("Relates", "AWSSEC-1", "AWSSEC-2")),
        ("none such", ("none such", "AWSSEC-1", "AWSSEC-2")),
    ],
)
def test_a_link_is_named_by_its_name_or_by_either_end(kind_of_link: str, expected: tuple[str, str, str]) -> None:
    types = [
        {"id": "1", "name": "Blocks", "inward": "is blocked by", "outward": "blocks"},
        {"id": "2", "name": "Relates", "inward": "relates to", "outward": "relates to"},
    ]
    with JiraStandIn(issues=("AWSSEC-1", "AWSSEC-2")) as jira:
        jira.add_rule(Rule(lambda each: each.path == f"{API}/issueLinkType", (200, {}, {"issueLinkTypes": types})))
        calls = JiraCalls(server=jira.url, credentials={"token": DEFAULT_TOKEN})
        tickets = JiraTickets(calls, TicketRules(link_type=kind_of_link))
        for _ in range(2):
            tickets.link("AWSSEC-1", "AWSSEC-2")
        sent = [each.body for each in jira.requests if each.method == "POST"]
        assert {(each["type"]["name"], each["inwardIssue"]["key"], each["outwardIssue"]["key"]) for each in sent} == {
            expected
        }
        assert len([each for each in jira.requests if each.path == f"{API}/issueLinkType"]) == 1
        assert faults("server", jira.requests) == []


def test_every_request_is_signed_in_the_one_way_that_this_kind_takes(kind: Kind, jira: JiraStandIn) -> None:
    tickets = JiraTickets(JiraCalls(server=jira.url, credentials=kind.credentials))
    tickets.raise_ticket(NEW)
    tickets.find_open(LABEL)
    tickets.close("AWSSEC-2", "whitelisted")
    assert {request.scheme for request in jira.requests} == {kind.scheme}
