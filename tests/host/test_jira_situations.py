"""What an operator sees, and what is in JIRA afterwards, in situations that real sites bring about.

With `-s` each situation prints its row of a table: situation, flavour, lines, tickets, exit code.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from deployment.local.jira_stand_in import JiraUser, Transition
from deployment.local.stand_in import Silence
from library.issues.record import Resolution, Status
from library.issues.row import from_item
from tests.world.configuration import OWNERS
from tests.world.table import deserialized

if TYPE_CHECKING:
    from collections.abc import Callable

    from deployment.local.jira_stand_in import Flavour
    from library.issues.record import Issue
    from tests.world.estate import Estate

API = "/rest/api/2"
CREATION = f"{API}/issue"
PAGE = b"<html><title>Sign in</title></html>"


@dataclass(frozen=True)
class Situation:
    """What is so in JIRA, for a new issue or one that has `ended`, and how a run ends: code, ids, tickets.

    `said` is in the lines or in Slack's messages besides.
    """

    name: str
    make: Callable[[Estate], object]
    code: int
    ids: tuple[str, ...]
    tickets: tuple[str, ...]
    ended: bool = False
    said: tuple[str, ...] = ()


def fail(method: str, path: str, **how: Any) -> Callable[[Estate], object]:
    return lambda estate: estate.jira.fail_next(method, path, **{"times": 99, **how})


def site(**facts: Any) -> Callable[[Estate], object]:
    def make(estate: Estate) -> None:
        for name, value in facts.items():
            setattr(estate.jira.site, name, value)

    return make


def workflow(*transitions: Transition) -> Callable[[Estate], object]:
    return site(transitions=transitions)


def no_browse(estate: Estate) -> None:
    estate.jira.site.denied = {"AWSSEC": {"BROWSE_PROJECTS"}}


def two_of_one_name(estate: Estate) -> None:
    estate.owners({**OWNERS, "jira_owner": "Sam Smith"})
    estate.jira.site.users += (
        JiraUser("smith-a", "a@example.com", "Sam Smith"),
        JiraUser("smith-b", "b@example.com", "Sam Smith"),
    )


def gateway(estate: Estate) -> None:
    estate.jira.site.base_url, estate.jira.site.below = "https://acme.atlassian.net", "/ex/jira/11223344"
    estate.configure(jira={"server": f"{estate.jira.url}/ex/jira/11223344"})


def lost(**facts: Any) -> Callable[[Estate], object]:
    """A ticket was made 16 minutes ago, and nobody heard JIRA's answer."""

    def make(estate: Estate) -> None:
        site(**facts)(estate)
        estate.jira.fail_next("POST", CREATION, silence=Silence.RESET, after_doing=True)
        estate.report()
        for row in estate.rows():
            issue = from_item(deserialized(row), estate.now)
            assert issue.jira.asked is not None
            estate.put(replace(issue, jira=replace(issue.jira, asked=issue.jira.asked - timedelta(minutes=16))))

    return make


MOVED = {"Location": "https://new.example.com/jira"}
SITUATIONS = (
    Situation("a JIRA as it should be", site(), 0, (), ("To Do",)),
    Situation(
        "the creation is redirected (301)", fail("POST", CREATION, status=301, headers=MOVED), 1, ("E-JIRA-04",), ()
    ),
    Situation("everything is redirected (302)", fail("GET", API, status=302, headers=MOVED), 1, ("E-JIRA-04",), ()),
    Situation("a login page with 200", fail("POST", CREATION, status=200, body=PAGE), 1, ("E-JIRA-04",), ()),
    Situation("201 without a key", fail("POST", CREATION, status=201, body={}), 1, ("E-JIRA-04",), ()),
    Situation("a cut answer", fail("POST", CREATION, silence=Silence.CUT), 1, ("E-JIRA-01",), ()),
    Situation(
        "created, and the answer is lost",
        fail("POST", CREATION, silence=Silence.RESET, after_doing=True, times=1),
        1,
        ("E-JIRA-01",),
        ("To Do",),
    ),
    Situation("a dead token", fail("GET", API, status=401), 1, ("E-JIRA-02",), ()),
    Situation(
        "a token without the scope to write",
        fail("POST", CREATION, status=401, body={"message": "scope does not match"}),
        1,
        ("E-JIRA-02",),
        (),
    ),
    Situation(
        "a limit of two minutes",
        fail("POST", CREATION, status=429, headers={"Retry-After": "120"}),
        1,
        ("E-JIRA-03",),
        (),
    ),
    Situation(
        "a project that wants a field", site(required={"AWSSEC": {"customfield_10": "Team"}}), 1, ("E-JIRA-03",), ()
    ),
    Situation("a project without the issue type", site(issue_types={"AWSSEC": ("Bug",)}), 1, ("E-JIRA-03",), ()),
    Situation("no priority on the screen", site(refused_fields={"priority"}), 0, ("W-JIRA-02",), ("To Do",)),
    Situation("no assignee on the screen", site(refused_fields={"assignee"}), 0, ("W-JIRA-02",), ("To Do",)),
    Situation("16 minutes after a lost answer", lost(), 0, (), ("To Do",)),
    Situation(
        "16 minutes after a lost answer, and the ticket hides itself",
        lost(hides_new=True),
        1,
        ("E-JIRA-11",),
        ("To Do",),
        said=("Browse Projects and the security level", "--raise-again AKIA"),
    ),
    Situation("16 minutes after a lost answer, and the search lags", lost(lags=True), 1, ("E-JIRA-11",), ("To Do",)),
    Situation(
        "two people of one name",
        two_of_one_name,
        0,
        ("W-JIRA-01",),
        ("To Do",),
        said=("JIRA knows several people called Sam Smith: ", "smith-a, ", "smith-b; name one of them so"),
    ),
    Situation(
        "programs use a gateway", gateway, 0, (), ("To Do",), said=("https://acme.atlassian.net/browse/AWSSEC-2|",)
    ),
    Situation("new tickets hide from their creator", site(hides_new=True), 1, ("E-JIRA-07", "W-JIRA-02"), ("To Do",)),
    Situation(
        "the ticket is there, the link is refused",
        fail("POST", f"{API}/issueLink", status=403),
        0,
        ("W-JIRA-02",),
        ("To Do",),
    ),
    Situation("closing as it should be", site(), 0, (), ("Closed",), ended=True),
    Situation("Browse Projects is taken away", no_browse, 1, ("E-JIRA-07",), ("To Do",), ended=True),
    Situation("the ticket is deleted", lambda estate: estate.jira.issues.clear(), 0, (), (), ended=True),
    Situation(
        "the project is archived", site(archived={"AWSSEC"}), 0, ("W-JIRA-02", "W-JIRA-04"), ("To Do",), ended=True
    ),
    Situation(
        "two transitions of one name",
        workflow(Transition("Done", "Waiting", "new"), Transition("Done", "Done", "done")),
        0,
        (),
        ("Done",),
        ended=True,
    ),
    Situation(
        "closing leads to an approval",
        workflow(Transition("Close Issue", "Approval", "indeterminate")),
        1,
        ("E-JIRA-06",),
        ("Approval",),
        ended=True,
    ),
    Situation(
        "two steps to done",
        workflow(Transition("Close Issue", "Review", "new"), Transition("Done", "Done", "done", of=("Review",))),
        0,
        (),
        ("Done",),
        ended=True,
    ),
    Situation(
        "the first choice is refused",
        workflow(Transition("Close Issue", "Closed", "done", refuses="No."), Transition("Done", "Done", "done")),
        0,
        (),
        ("Done",),
        ended=True,
    ),
    Situation(
        "only a validator asks for a resolution",
        workflow(
            Transition("Done", "Done", "done", screen={"resolution": ("Duplicate", "Fixed")}, wants=("resolution",))
        ),
        0,
        (),
        ("Done",),
        ended=True,
    ),
    Situation(
        "only a validator asks for a field",
        workflow(Transition("Done", "Done", "done", wants=("customfield_10",))),
        1,
        ("E-JIRA-06",),
        ("To Do",),
        ended=True,
    ),
    Situation(
        "a 204 that closed nothing",
        workflow(Transition("Done", "Done", "done", lies=True)),
        1,
        ("E-JIRA-06",),
        ("To Do",),
        ended=True,
    ),
    Situation(
        "the last comment is refused",
        fail("POST", f"{CREATION}/", status=403, times=1),
        0,
        ("W-JIRA-02",),
        ("Closed",),
        ended=True,
    ),
    Situation(
        "comments are redirected",
        fail("POST", f"{CREATION}/", status=302, headers=MOVED),
        1,
        ("E-JIRA-04",),
        ("To Do",),
        ended=True,
    ),
)


def issue_of(estate: Estate, situation: Situation) -> Issue:
    if not situation.ended:
        return estate.add_issue()
    issue = estate.add_due_issue(status=Status.RESOLVED, resolved=estate.ago(hours=1))
    issue = replace(issue, details=replace(issue.details, resolution=Resolution.USED))
    estate.put(issue)
    return issue


@pytest.mark.parametrize("flavour", ["server", "cloud"])
@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda situation: situation.name)
def test_the_operator_sees_what_is_so_and_nothing_counts_that_is_not(
    estate: Estate, situation: Situation, flavour: Flavour
) -> None:
    site = estate.jira.site
    site.flavour = flavour
    # Cloud has no user names.
    site.users = tuple(replace(user, display_name=user.name) for user in site.users)
    issue = issue_of(estate, situation)
    situation.make(estate)

    result = estate.report()

    lines = [line for line in result.output.splitlines() if re.search(r" (ERROR|WARNING) [EW]-JIRA-", line)]
    found = [re.sub(r"^.*? (?:ERROR|WARNING) ", "", line) for line in lines]
    statuses = tuple(ticket.status for ticket in estate.tickets_of(issue))
    shown = "<br>".join(found).replace("|", "\\|") or "no line"
    print(f"\n| {situation.name} | {flavour} | {shown} | {', '.join(statuses) or 'no ticket'} | {result.exit_code} |")
    assert (result.exit_code, statuses) == (situation.code, situation.tickets), result.output
    assert sorted({line.partition(" ")[0] for line in found}) == sorted(situation.ids)
    messages = " ".join(text for _, text in estate.messages())
    assert "/ex/jira/" not in messages
    for text in situation.said:
        assert text in " ".join(found) + messages
    after = estate.read(issue)
    assert (after.status is Status.CLOSED) is (situation.ended and situation.code == 0)
    assert (after.jira.failed is None) is (situation.code == 0)
