"""When a ticket whose creation was not answered is asked for again, and what is recorded of one until it is shown."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from library.issues import lost_tickets
from library.issues.decisions import Skip, Step
from library.issues.lost_tickets import LOOKED_FOR, Fate, fate
from library.issues.record import Issue, JiraDetails, Status
from library.issues.reporting import CLOSING_WAITS_FOR_JIRA, CloseSilently, ReportingPolicy, reporting_step
from tests.builders import NOW, an_issue
from tests.issues.builders import TICKET

SECOND = timedelta(seconds=1)
SPANS = st.timedeltas(timedelta(0), timedelta(days=9))


@pytest.mark.parametrize(
    ("since_asked", "newest_after_asked", "expected"),
    [
        (timedelta(0), None, Fate.LOOKED_FOR),
        (LOOKED_FOR - SECOND, None, Fate.LOOKED_FOR),
        (LOOKED_FOR, None, Fate.UNKNOWN),
        (timedelta(days=400), None, Fate.UNKNOWN),
        (timedelta(days=400), -timedelta(days=1), Fate.UNKNOWN),
        (timedelta(days=400), timedelta(0), Fate.UNKNOWN),
        (timedelta(days=400), LOOKED_FOR - SECOND, Fate.UNKNOWN),
        (timedelta(days=400), LOOKED_FOR, Fate.NOT_MADE),
        (timedelta(days=400), timedelta(days=300), Fate.NOT_MADE),
        # Its clock is ahead of ours.
        (LOOKED_FOR - SECOND, LOOKED_FOR, Fate.LOOKED_FOR),
    ],
)
def test_only_a_ticket_that_was_made_later_and_is_shown_proves_that_a_lost_one_was_not_made(
    since_asked: timedelta, newest_after_asked: timedelta | None, expected: Fate
) -> None:
    asked = NOW - since_asked
    newest = None if newest_after_asked is None else asked + newest_after_asked
    assert fate(asked, newest, NOW) is expected


@given(lag=SPANS, made_after=SPANS, later=SPANS, hidden=st.booleans(), skew=st.timedeltas(-LOOKED_FOR, LOOKED_FOR))
def test_no_lost_ticket_that_is_there_is_asked_for_again(
    lag: timedelta, made_after: timedelta, later: timedelta, hidden: bool, skew: timedelta
) -> None:
    """JIRA makes the lost one 15 minutes after it was asked for, which is the latest, less what its clock is ahead.

    It shows every ticket after the same lag, or none that is hidden.
    """
    asked, delay = NOW - made_after - later, LOOKED_FOR - skew
    lost, other = asked + delay, asked + made_after
    is_shown = {ticket: not hidden and ticket + lag <= NOW for ticket in (lost, other)}
    if not is_shown[lost]:
        newest = other + skew if is_shown[other] else None
        assert fate(asked, newest, NOW) is not Fate.NOT_MADE


def test_each_mark_of_a_ticket_leaves_the_others_as_they_were() -> None:
    issue = an_issue(jira=JiraDetails(failed=NOW))
    asked = lost_tickets.asked_for(issue, "AWSSEC", NOW).after
    assert asked.jira == JiraDetails(failed=NOW, asked=NOW, asked_in="AWSSEC")
    assert lost_tickets.not_made(asked, NOW).after == issue
    made = lost_tickets.made(asked, "AWSSEC-1", "bob", None, NOW).after
    assert made.jira == replace(TICKET, failed=NOW)


LONG_AGO = NOW - LOOKED_FOR
ASKED = JiraDetails(asked=LONG_AGO, asked_in="AWSSEC", failed=NOW)


@pytest.mark.parametrize(
    ("jira", "left", "what"),
    [
        (ASKED, JiraDetails(failed=NOW), "the ticket that was asked for forgotten"),
        (replace(TICKET, seen=None), JiraDetails(), "the ticket AWSSEC-1 forgotten"),
        (
            replace(TICKET, asked=LONG_AGO, asked_in="AWSSEC"),
            JiraDetails(),
            "the ticket that was asked for and the ticket AWSSEC-1 forgotten",
        ),
        (
            replace(TICKET, seen=NOW, asked=LONG_AGO, asked_in="AWSSEC"),
            replace(TICKET, seen=NOW),
            "the ticket that was asked for forgotten",
        ),
    ],
)
def test_what_jira_never_showed_is_forgotten_if_a_person_says_so(
    jira: JiraDetails, left: JiraDetails, what: str
) -> None:
    step = lost_tickets.not_there(an_issue(jira=jira), NOW)
    assert isinstance(step, Step)
    assert (step.after.jira, step.what) == (left, what)
    assert isinstance(lost_tickets.not_there(step.after, NOW), Skip)


@pytest.mark.parametrize("jira", [JiraDetails(), replace(TICKET, seen=NOW), replace(ASKED, asked=LONG_AGO + SECOND)])
def test_what_was_seen_or_may_be_shown_any_moment_is_not_forgotten(jira: JiraDetails) -> None:
    assert isinstance(lost_tickets.not_there(an_issue(jira=jira), NOW), Skip)


def test_an_issue_that_may_have_a_ticket_is_not_closed_while_jira_is_switched_off() -> None:
    issue: Issue = an_issue(status=Status.RESOLVED, jira=ASKED)
    for jira, expected in ((False, CLOSING_WAITS_FOR_JIRA), (True, CloseSilently())):
        assert reporting_step(issue, ReportingPolicy(jira, slack=True), exemption=None, now=NOW) == expected
