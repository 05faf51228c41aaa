"""Tickets are closed through workflows of every shape, and count as closed only when their status is done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from deployment.local.jira_stand_in import DEFAULT_TOKEN, Flavour, JiraStandIn, Transition
from library.errors import TicketError
from library.messages import Message
from library.notifications.jira_calls import JiraCalls
from library.notifications.jira_closing import TicketArchived
from library.notifications.jira_rules import TicketRules
from library.notifications.jira_tickets import JiraTickets

if TYPE_CHECKING:
    from collections.abc import Iterator

TICKET = "AWSSEC-1"
TO_DO = ("To Do",)
REVIEW = ("In Review",)


@pytest.fixture(params=["server", "cloud"])
def flavour(request: pytest.FixtureRequest) -> Flavour:
    return "cloud" if request.param == "cloud" else "server"


@pytest.fixture
def jira(flavour: Flavour) -> Iterator[JiraStandIn]:
    with JiraStandIn(flavour=flavour, issues=(TICKET,)) as stand_in:
        yield stand_in


def tickets_in(jira: JiraStandIn, **settings: Any) -> JiraTickets:
    return JiraTickets(JiraCalls(server=jira.url, credentials={"token": DEFAULT_TOKEN}), TicketRules(**settings))


def taken(jira: JiraStandIn) -> list[str]:
    """The transitions that were asked for, by name."""
    names = {str(10 * number + 1): each.name for number, each in enumerate(jira.site.transitions, start=1)}
    return [
        names[each.body["transition"]["id"]]
        for each in jira.requests
        if each.method == "POST" and each.path.endswith("/transitions")
    ]


@pytest.mark.parametrize(
    ("transitions", "expected"),
    [
        pytest.param(
            (
                Transition("Close Issue", "Waiting for approval", "indeterminate"),
                Transition("Close Issue", "Closed", "done"),
            ),
            ["Close Issue"],
            id="two transitions of one name",
        ),
        pytest.param(
            (
                Transition("Close Issue", "Closed", "done", refuses="Only its reporter may close it."),
                Transition("Done", "Done", "done"),
            ),
            ["Close Issue", "Done"],
            id="the first choice is refused",
        ),
        pytest.param(
            (
                Transition("Close Issue", "Closed", "done", refuses="Only its reporter may close it."),
                Transition("Reject", "Rejected", "done"),
            ),
            ["Close Issue", "Reject"],
            id="all that are configured are refused",
        ),
        pytest.param(
            (
                Transition("Close Issue", "In Review", "indeterminate", of=TO_DO),
                Transition("Done", "Done", "done", of=REVIEW),
            ),
            ["Close Issue", "Done"],
            id="two steps",
        ),
        pytest.param(
            (
                Transition("Close Issue", "In Review", "indeterminate", of=TO_DO),
                Transition("Reopen", "To Do", "new", of=REVIEW),
                Transition("Approve", "Approved", "done", of=REVIEW),
            ),
            ["Close Issue", "Approve"],
            id="two steps, the second is not configured",
        ),
        pytest.param(
            (Transition("Close Issue", "Closed", "done", screen={"resolution": ("Duplicate", "Fixed")}),),
            ["Close Issue"],
            id="a resolution that may be left out",
        ),
    ],
)
def test_a_workflow_is_followed_to_done(
    jira: JiraStandIn, transitions: tuple[Transition, ...], expected: list[str]
) -> None:
    jira.site.transitions = transitions
    tickets_in(jira).close(TICKET)
    assert taken(jira) == expected
    assert jira.site.category(jira.issues[TICKET].status) == "done"


@pytest.mark.parametrize(
    ("transitions", "said"),
    [
        pytest.param(
            (Transition("Close Issue", "Waiting for approval", "indeterminate", of=TO_DO),),
            "offers no transition that closes AWSSEC-1, whose status is 'Waiting for approval'",
            id="an approval",
        ),
        pytest.param(
            (Transition("Close Issue", "Closed", "done", lies=True),),
            "offers no transition that closes AWSSEC-1, whose status is 'To Do'",
            id="a success that was none",
        ),
        pytest.param(
            (Transition("Close Issue", "Closed", "done", wants=("customfield_10",)),),
            "jira.close_fields has what its screens ask for (JIRA did not close AWSSEC-1 by 'Close Issue': "
            "HTTP 400, Field Customfield_10 is required)",
            id="a field that only a validator asks for",
        ),
        pytest.param(
            tuple(
                Transition(
                    "Done", f"Step {number + 1}", "indeterminate", of=(f"Step {number}" if number else "To Do",)
                )
                for number in range(9)
            ),
            "has not closed AWSSEC-1 after 5 transitions: its status is 'Step 5'",
            id="steps without end",
        ),
        pytest.param(
            (
                Transition("Close Issue", "B", "new", of=("To Do", "A")),
                Transition("Close Issue", "A", "new", of=("B",)),
            ),
            "offers no transition that closes AWSSEC-1, whose status is 'A'",
            id="a circle",
        ),
    ],
)
def test_what_does_not_lead_to_done_is_an_error_and_no_closing(
    jira: JiraStandIn, transitions: tuple[Transition, ...], said: str
) -> None:
    jira.site.transitions = transitions
    with pytest.raises(TicketError) as failed:
        tickets_in(jira).close(TICKET)
    assert said in str(failed.value)
    assert failed.value.id is Message.NO_CLOSING_TRANSITION
    assert len(taken(jira)) <= 5


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        (("Won't Do", "Done"), "Done"),
        (("Duplicate", "FIXED", "Done"), "Done"),
        (("Duplicate", "Erledigt"), "Erledigt"),
        (("Won\N{RIGHT SINGLE QUOTATION MARK}t Do", "Invalid", "Accepted"), "Accepted"),
        (("Duplicate",), "Duplicate"),
    ],
)
def test_the_resolution_is_one_of_work_that_was_done(
    jira: JiraStandIn, offered: tuple[str, ...], chosen: str
) -> None:
    # The screen has it, and only the validator asks for it.
    jira.site.transitions = (
        Transition("Close Issue", "Closed", "done", screen={"resolution": offered}, wants=("resolution",)),
    )
    tickets_in(jira).close(TICKET)
    assert (jira.issues[TICKET].status, jira.issues[TICKET].resolution) == ("Closed", chosen)


def test_the_fields_of_the_configuration_are_sent_to_the_screen_that_has_them(jira: JiraStandIn) -> None:
    jira.site.transitions = (
        Transition("Close Issue", "In Review", "indeterminate", of=TO_DO),
        Transition("Done", "Done", "done", of=REVIEW, screen={"customfield_10": ()}, wants=("customfield_10",)),
    )
    tickets_in(jira, close_fields={"customfield_10": {"value": "key retired"}}).close(TICKET)
    assert (jira.issues[TICKET].status, jira.issues[TICKET].fields) == (
        "Done",
        {"customfield_10": {"value": "key retired"}},
    )


@pytest.mark.parametrize("whole_project", [False, True])
def test_an_archived_ticket_is_said_to_be_so(jira: JiraStandIn, whole_project: bool) -> None:
    jira.issues[TICKET].archived = not whole_project
    jira.site.archived = {"AWSSEC"} if whole_project else set()
    with pytest.raises(TicketArchived, match="the ticket AWSSEC-1 is archived and stays as it is"):
        tickets_in(jira).close(TICKET, "whitelisted")
    assert (jira.issues[TICKET].status, jira.issues[TICKET].labels) == ("To Do", [])
