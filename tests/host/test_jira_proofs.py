"""One ticket for each issue, and none closed that is not, when JIRA hides tickets or its search lags behind."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from deployment import check_deployment
from deployment.local.jira_stand_in import Transition
from deployment.local.stand_in import Rule, Silence
from library.config.loading import load
from library.issues.record import Resolution, Status
from library.messages import Message
from tests.world import MAIN, OTHER, REPORTING, label_of

if TYPE_CHECKING:
    from deployment.local.jira_stand_in import JiraRequest
    from library.issues.record import Issue
    from tests.world.estate import Estate

CREATION = "/rest/api/2/issue"
CAUSE = Transition("Close Issue", "Closed", "done", screen={"customfield_11": ()}, required=("customfield_11",))


def ended(estate: Estate, user: str = "joe") -> Issue:
    """A reported issue with a ticket, whose key is in use again."""
    issue = estate.add_due_issue(user, status=Status.RESOLVED, resolved=estate.ago(hours=1))
    issue = replace(issue, details=replace(issue.details, resolution=Resolution.USED))
    estate.put(issue)
    return issue


def test_the_tickets_key_is_recorded_though_all_that_follows_fails(estate: Estate) -> None:
    issue = estate.add_issue()
    estate.jira.fail_next("GET", f"{CREATION}/", status=500)
    assert estate.report().exit_code == 1
    (ticket,) = estate.tickets_of(issue)
    assert (estate.read(issue).jira.ticket, estate.read(issue).jira.seen) == (ticket.key, None)
    assert estate.report().exit_code == 0
    assert estate.tickets_of(issue) == [ticket]
    assert estate.read(issue).jira.seen is not None


def test_a_creation_that_was_not_answered_is_looked_for_and_not_repeated_for_a_quarter_of_an_hour(
    estate: Estate,
) -> None:
    issue = estate.add_issue()
    estate.jira.site.lags = True
    estate.jira.fail_next("POST", CREATION, silence=Silence.RESET, after_doing=True)
    assert estate.report().exit_code == 1
    for _ in range(2):
        result = estate.report()
        assert result.exit_code == 1
        assert "E-JIRA-09" in result.output
    assert len(estate.tickets_of(issue)) == 1
    # The index has caught up.
    estate.jira.site.unsearchable.clear()
    assert estate.report().exit_code == 0
    (ticket,) = estate.tickets_of(issue)
    assert (estate.read(issue).jira.ticket, estate.read(issue).jira.asked) == (ticket.key, None)


def lose_creations(estate: Estate, *users: str, made: bool) -> list[Issue]:
    """Issues whose tickets were asked for 16 minutes ago, and maybe `made`, as the answers were lost."""
    issues = [estate.add_issue(user) for user in users]
    estate.jira.fail_next("POST", CREATION, silence=Silence.RESET, after_doing=made, times=len(users))
    assert estate.report().exit_code == 1
    for issue in map(estate.read, issues):
        assert issue.jira.asked is not None
        estate.put(replace(issue, jira=replace(issue.jira, asked=issue.jira.asked - timedelta(minutes=16))))
    return issues


def lose_creation(estate: Estate, *, made: bool) -> Issue:
    (issue,) = lose_creations(estate, "joe", made=made)
    return issue


@pytest.mark.parametrize("flavour", ["server", "cloud"])
def test_what_is_not_found_is_asked_for_again_once_a_ticket_that_was_made_later_is(
    estate: Estate, flavour: str
) -> None:
    estate.jira.site.flavour = "cloud" if flavour == "cloud" else "server"
    issue = lose_creation(estate, made=False)
    result = estate.report()
    assert result.exit_code == 1
    assert "E-JIRA-11" in result.output
    assert estate.tickets_of(issue) == []
    # Its own is shown to the run after it: until then the index may not have it.
    other = estate.add_issue("bob")
    assert "E-JIRA-11" in estate.report().output
    assert len(estate.tickets_of(other)) == 1
    assert estate.report().exit_code == 0
    (ticket,) = estate.tickets_of(issue)
    assert (estate.read(issue).jira.ticket, estate.read(issue).jira.asked_in) == (ticket.key, None)


@pytest.mark.parametrize("why", ["hidden", "not searchable", "not browsable", "by another", "in another project"])
def test_without_proof_it_is_owed_and_said_once_for_a_project_with_the_way_out(estate: Estate, why: str) -> None:
    site = estate.jira.site
    site.hides_new, site.lags = why in ("hidden", "by another"), why == "not searchable"
    issues = lose_creations(estate, "joe", "jim", "jack", made=why != "in another project")
    # Nobody could tell from this one that the others are not there.
    newest = estate.jira.issues[
        estate.add_ticket(estate.add_issue("bob", account=OTHER, reported=estate.ago(days=1)))
    ]
    match why:
        case "hidden":
            newest.hidden = True
        case "not searchable":
            site.unsearchable.add(newest.key)
        case "not browsable":
            site.denied = {"AWSSEC": {"BROWSE_PROJECTS"}}
        case "by another":
            newest.creator = "alice"
        case "in another project":
            site.projects["OTHER"], newest.project = 0, "OTHER"
    before, estate.jira.requests[:] = list(estate.jira.issues), []
    result = estate.run(REPORTING, "--account", MAIN)
    assert result.exit_code == 1
    (line,) = [line for line in result.output.splitlines() if " ERROR " in line]
    assert "E-JIRA-11" in line
    assert "and 2 more: JIRA: " in line
    for said in ("none with the label hammer-", "Browse Projects and the security level", "--raise-again AKIA"):
        assert said in line
    assert list(estate.jira.issues) == before
    assert all(estate.read(issue).jira.failed for issue in issues)
    # Whether a project shows its tickets is looked up once.
    assert ["DESC" in each.query["jql"] for each in estate.jira.requests if "jql" in each.query].count(True) == 1


def test_a_search_that_catches_up_in_between_shows_no_second_ticket(estate: Estate) -> None:
    estate.jira.site.lags = True
    issue = lose_creation(estate, made=True)
    estate.add_issue("bob")
    assert estate.report().exit_code == 1
    searches = []

    def catches_up(request: JiraRequest) -> bool:
        searches.extend(["search"] if request.path.endswith("/search") else [])
        if len(searches) == 2:
            estate.jira.site.unsearchable.clear()
        return False

    estate.jira.add_rule(Rule(catches_up, Silence.RESET))
    assert estate.report().exit_code == 0
    assert len(searches) == 2
    assert len(estate.tickets_of(issue)) == 1


def test_an_issue_that_is_over_is_not_closed_while_its_lost_ticket_may_be_open(estate: Estate) -> None:
    estate.jira.site.hides_new = True
    issue = estate.read(lose_creation(estate, made=True))
    issue = replace(issue, status=Status.RESOLVED, details=replace(issue.details, resolution=Resolution.USED))
    estate.put(issue)
    result = estate.report()
    assert result.exit_code == 1
    assert "E-JIRA-11" in result.output
    assert estate.read(issue).status is Status.RESOLVED
    estate.tickets_of(issue)[0].hidden = False
    assert estate.report().exit_code == 0
    assert estate.read(issue).status is Status.CLOSED
    assert [ticket.status for ticket in estate.tickets_of(issue)] == ["Closed"]


def test_an_operator_who_has_looked_says_that_there_is_none(estate: Estate) -> None:
    issue = lose_creation(estate, made=False)
    assert estate.report().exit_code == 1
    key = f" {issue.issue_id.lower()} "
    before = estate.read(issue)
    dry = estate.run(REPORTING, "--dry-run", "--raise-again", key)
    assert (dry.exit_code, estate.read(issue)) == (0, before)
    result = estate.run(REPORTING, "--raise-again", key)
    assert result.exit_code == 0, result.output
    (ticket,) = estate.tickets_of(issue)
    after = estate.read(issue)
    assert (after.jira.ticket, after.jira.asked) == (ticket.key, None)
    assert "an operator says that JIRA has none" in [entry["why"] for entry in after.history]
    again = estate.run(REPORTING, "--raise-again", key, "--raise-again", "AKIANOBODY")
    assert again.exit_code == 1
    assert f"--raise-again {issue.issue_id}: it has no ticket that JIRA has not shown" in again.output
    assert "--raise-again AKIANOBODY: no issue that is reported on has this key" in again.output
    assert estate.tickets_of(issue) == [ticket]


def test_a_ticket_that_was_deleted_before_jira_showed_it_is_raised_again_by_hand(estate: Estate) -> None:
    issue = estate.add_issue(ticket="AWSSEC-77")
    estate.put(replace(issue, jira=replace(issue.jira, seen=None)))
    assert "E-JIRA-07" in estate.report().output
    assert estate.run(REPORTING, "--raise-again", issue.issue_id).exit_code == 0
    assert [ticket.key for ticket in estate.tickets_of(issue)] == [estate.read(issue).jira.ticket]


def test_a_creation_that_jira_refuses_is_asked_for_again_at_once(estate: Estate) -> None:
    issue = estate.add_issue()
    estate.jira.fail_next("POST", CREATION, status=400)
    assert estate.report().exit_code == 1
    assert estate.read(issue).jira.asked is None
    assert estate.report().exit_code == 0


@pytest.mark.parametrize("flavour", ["server", "cloud"])
def test_a_ticket_that_hides_itself_from_its_creator_has_no_second_one(estate: Estate, flavour: str) -> None:
    estate.jira.site.flavour = "cloud" if flavour == "cloud" else "server"
    estate.jira.site.hides_new = True
    issue = estate.add_issue()
    for _ in range(3):
        result = estate.report()
        assert result.exit_code == 1
        assert "or of the ticket's security level" in " ".join(result.output.split())
    (ticket,) = estate.tickets_of(issue)
    # Somebody gives the user the security level.
    ticket.hidden = False
    assert estate.report().exit_code == 0
    assert estate.tickets_of(issue) == [ticket]


def test_while_a_project_is_not_browsable_nothing_counts_as_closed(estate: Estate) -> None:
    issue = ended(estate)
    estate.jira.site.denied = {"AWSSEC": {"BROWSE_PROJECTS"}}
    result = estate.report()
    assert result.exit_code == 1
    assert "E-JIRA-07" in result.output
    assert estate.read(issue).status is Status.RESOLVED
    estate.jira.site.denied = {}
    assert estate.report().exit_code == 0
    assert estate.read(issue).status is Status.CLOSED
    assert [ticket.status for ticket in estate.tickets_of(issue)] == ["Closed"]


@pytest.mark.parametrize("seen", [True, False])
def test_a_deleted_ticket_counts_as_closed_if_it_was_ever_seen(estate: Estate, seen: bool) -> None:
    issue = ended(estate)
    if not seen:
        issue = replace(issue, jira=replace(issue.jira, seen=None))
        estate.put(issue)
    estate.jira.issues.clear()
    assert estate.report().exit_code == (0 if seen else 1)
    assert estate.read(issue).status is (Status.CLOSED if seen else Status.RESOLVED)


def test_a_ticket_that_is_not_ours_is_neither_written_on_nor_closed(estate: Estate) -> None:
    issue = ended(estate)
    (ticket,) = estate.tickets_of(issue)
    ticket.labels, ticket.creator = [], "alice"
    result = estate.report()
    assert result.exit_code == 0
    assert "W-JIRA-05" in result.output
    assert (ticket.status, ticket.comments) == ("To Do", [])


def test_a_refused_comment_does_not_hold_up_the_closing(estate: Estate) -> None:
    issues = [ended(estate, f"user-{number}") for number in range(3)]
    for issue in issues:
        estate.jira.fail_next("POST", f"{CREATION}/{issue.jira.ticket}/comment", status=403, times=9)
    result = estate.report()
    assert result.exit_code == 0, result.output
    for issue in issues:
        (ticket,) = estate.tickets_of(issue)
        assert (ticket.status, ticket.comments) == ("Closed", [])
    said = " ".join(result.output.split())
    assert said.count("stays without a comment") == 1, "one line, however many tickets"
    assert re.search(r"W-JIRA-02 The ticket AWSSEC-\d+ \(and 2 more\) stays without a comment: ", said)


def test_an_archived_ticket_is_given_up_with_a_warning(estate: Estate) -> None:
    issue = ended(estate)
    estate.jira.site.archived = {"AWSSEC"}
    result = estate.report()
    assert result.exit_code == 0, result.output
    assert "W-JIRA-04" in result.output
    assert estate.read(issue).status is Status.CLOSED
    assert label_of(issue) in estate.tickets_of(issue)[0].labels


@pytest.mark.parametrize("cause", ["a field", "a limit", "a dead token"])
def test_one_cause_is_one_line_with_a_count_and_is_not_tried_for_every_issue(estate: Estate, cause: str) -> None:
    for number in range(30):
        estate.add_issue(f"joe{number}")
    if cause == "a field":
        estate.jira.site.required = {"AWSSEC": {"customfield_10": "Team"}}
    else:
        status, headers = (429, {"Retry-After": "120"}) if cause == "a limit" else (401, {})
        estate.jira.fail_next("POST", CREATION, status=status, headers=headers, times=99)
    result = estate.report()
    assert result.exit_code == 1
    lines = [line for line in result.output.splitlines() if " ERROR " in line]
    # Those that were in hand when it was met, and those that were not tried because of it.
    assert 1 <= len(lines) <= 2, lines
    assert any("more: JIRA: " in line for line in lines)
    assert len([each for each in estate.jira.requests if (each.method, each.path) == ("POST", CREATION)]) <= 10


@pytest.mark.parametrize("refused", [{"priority"}, {"assignee"}, {"priority", "assignee"}])
def test_a_part_that_a_project_refuses_is_one_line_with_a_count(estate: Estate, refused: set[str]) -> None:
    for number in range(30):
        estate.add_issue(f"joe{number}")
    estate.jira.site.refused_fields = refused
    result = estate.report()
    assert result.exit_code == 0, result.output
    (line,) = [line for line in result.output.splitlines() if "W-JIRA-02" in line]
    assert f"(and 29 more) is not raised with this {' and '.join(sorted(refused))}: JIRA did not raise" in line
    asked = [each for each in estate.jira.requests if (each.method, each.path) == ("POST", CREATION)]
    # Those in hand when the first was refused have asked as well.
    assert len(asked) <= 30 + 10


@pytest.mark.parametrize("flavour", ["server", "cloud"])
@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"required": {"AWSSEC": {"customfield_10": "Team"}}}, "wants the field Team: set customfield_10 in fields"),
        ({"issue_types": {"AWSSEC": ("Bug",)}}, "has no issue type Task: set issue_type to one of its (Bug)"),
        ({"denied": {"AWSSEC": {"TRANSITION_ISSUES"}}}, "lacks the permissions TRANSITION_ISSUES"),
        ({"denied": {"AWSSEC": {"BROWSE_PROJECTS"}}}, "does not show the project AWSSEC"),
        ({"refused_fields": {"labels"}}, "a new ticket in AWSSEC has no field labels: put it on the screen"),
        ({"required": {"AWSSEC": {"priority": "Priority"}}, "page_size": 2}, ""),
        ({"required": {"AWSSEC": {"customfield_10": "Team"}}, "page_size": 2}, "wants the field Team"),
        ({}, ""),
    ],
)
def test_a_dry_run_says_what_jira_will_refuse(estate: Estate, flavour: str, facts: Any, said: str) -> None:
    estate.add_issue()
    for name, value in {"flavour": flavour, **facts}.items():
        setattr(estate.jira.site, name, value)
    result = estate.run(REPORTING, "--dry-run")
    assert result.exit_code == 0, result.output
    assert said in result.output
    assert ("W-JIRA-06" in result.output) is bool(said)
    assert {request.method for request in estate.jira.requests} == {"GET"}


NO_WAY = "set close_transitions to the first step towards done (it offers Retire, Start)"


@pytest.mark.parametrize("flavour", ["server", "cloud"])
@pytest.mark.parametrize(
    ("transitions", "settings", "said"),
    [
        ((Transition("Close Issue", "Closed", "done"),), {}, ""),
        ((Transition("Close Issue", "Closed", "done", needs_resolution=True),), {}, ""),
        ((Transition("Retire", "Review", "new"), Transition("Start", "Doing", "new")), {}, NO_WAY),
        ((CAUSE,), {}, "'Close Issue' wants Customfield_11 (customfield_11): set close_fields"),
        ((CAUSE,), {"close_fields": {"customfield_11": "key"}}, ""),
        ((CAUSE, Transition("Done", "Done", "done")), {}, ""),
        (
            (CAUSE, replace(CAUSE, name="Done", to="Done")),
            {},
            "'Done' wants Customfield_11 (customfield_11): set close",
        ),
    ],
)
def test_a_dry_run_says_whether_tickets_can_be_closed_and_a_run_agrees(
    estate: Estate, flavour: Any, transitions: Any, settings: dict[str, Any], said: str
) -> None:
    issue = ended(estate)
    estate.jira.site.flavour, estate.jira.site.transitions = flavour, transitions
    estate.configure(jira=settings)
    result = estate.run(REPORTING, "--dry-run")
    assert result.exit_code == 0, result.output
    lines = [line.partition("W-JIRA-06 ")[2] for line in result.output.splitlines() if "W-JIRA-06" in line]
    assert [said in line and str(issue.jira.ticket) in line for line in lines] == ([True] if said else [])
    assert {request.method for request in estate.jira.requests} == {"GET"}
    assert estate.report().exit_code == (1 if said else 0)


def test_each_project_is_asked_by_itself(estate: Estate, capsys: pytest.CaptureFixture[str]) -> None:
    """One that cannot be asked keeps no other from it, nor its own other questions."""
    estate.jira.site.projects |= {"AAA": 0, "BBB": 0, "ZZZ": 0}
    estate.jira.site.issue_types = {"ZZZ": ("Bug",)}
    estate.jira.site.transitions = (CAUSE,)
    ended(estate)

    def fails(request: JiraRequest) -> bool:
        return (
            "AAA" in request.query.values() or "createmeta/AWSSEC" in request.path or "createmeta/BBB" in request.path
        )

    estate.jira.add_rule(Rule(fails, (409, {}, {"errorMessages": ["Not now."]})))
    places = {MAIN: {"jira_project": "AAA"}, OTHER: {"jira_project": "ZZZ"}}
    bu = {"web": {"jira_project": "BBB"}}
    estate.owners({"account": places, "bu": bu, "jira_project": "AWSSEC", "slack_owner": "#devops-channel"})
    found = list(check_deployment.channels(load(str(estate.folder))))
    lines = [line for line in capsys.readouterr().out.splitlines() if "-JIRA-" in line]
    assert found == [Message.JIRA_WILL_REFUSE] * 2
    assert "cannot be closed: 'Close Issue' wants" in lines[0]
    assert "the project ZZZ has no issue type Task" in lines[1]
    assert [line.partition(": ")[0] for line in lines[2:]] == [
        f"W-JIRA-07 JIRA was not asked what it will refuse in {project}" for project in ("AAA", "AWSSEC", "BBB")
    ]


@pytest.mark.parametrize("how", [{"status": 401}, {"silence": Silence.RESET}])
def test_one_cause_keeps_all_projects_from_being_asked_and_is_one_line(
    estate: Estate, capsys: pytest.CaptureFixture[str], how: Any
) -> None:
    estate.jira.fail_next("GET", "/rest", times=99, **how)
    places = {MAIN: {"jira_project": "AAA"}, OTHER: {"jira_project": "ZZZ"}}
    estate.owners({"account": places, "jira_project": "AWSSEC", "slack_owner": "#devops-channel"})
    assert list(check_deployment.channels(load(str(estate.folder)))) == []
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "-JIRA-" in line]
    assert line.startswith("W-JIRA-07 JIRA was not asked what it will refuse in AAA, AWSSEC, ZZZ: JIRA ")


def test_where_jira_cannot_be_asked_the_plan_is_shown_all_the_same(estate: Estate) -> None:
    issue = estate.add_issue()
    estate.jira.fail_next("GET", "/rest", status=401, times=99)
    result = estate.run(REPORTING, "--dry-run")
    assert result.exit_code == 0
    assert issue.issue_id in result.output
    assert "W-JIRA-07" in result.output
