"""The third Ctrl-C or SIGTERM, sent to a real process that waits for a JIRA which never answers."""

from __future__ import annotations

import signal
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from deployment.local.jira_stand_in import JiraRequest, JiraStandIn
from deployment.local.stand_in import Silence
from tests.world import REMEDIATION, REPORTING, RESTORE
from tests.world.configuration import PARENT
from tests.world.process import read_to, started
from tests.world.table import let_the_lease_run_out

if TYPE_CHECKING:
    import subprocess

    from tests.world.estate import Estate

SECONDS = 60
NEXT = "The next Ctrl-C or SIGTERM ends this at once, whatever it waits for"
ENDED = "Ended at once; the next run goes on from what is recorded"
BOTH = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])


class MuteJira(JiraStandIn):
    """A JIRA that does not answer what is to write something; `asked` is set by the first of it."""

    def __init__(self) -> None:
        super().__init__(issues=[PARENT])
        self.mute = True
        self.asked = threading.Event()

    def answer(self, request: JiraRequest, authorization: str, url: str) -> Any:
        """As the stand-in, to what only reads."""
        if self.mute and request.method == "POST":
            self.asked.set()
            return Silence.HANGING
        return super().answer(request, authorization, url)


@pytest.fixture
def jira(estate: Estate) -> MuteJira:
    mute = MuteJira()
    estate.use_jira(mute)
    return mute


def stop(process: subprocess.Popen[str], jira: MuteJira, number: int, first: str) -> None:
    """Send the signal three times, each once the one before it was heard; the process is in a call of JIRA."""
    assert jira.asked.wait(SECONDS)
    for said in (first, NEXT, ENDED):
        process.send_signal(number)
        read_to(process.stderr, said)
    assert process.wait(SECONDS) == 130


@BOTH
def test_a_key_that_was_switched_off_is_recorded_and_its_ticket_is_owed_the_news(
    estate: Estate, jira: MuteJira, number: int
) -> None:
    issue = estate.add_due_issue("joe")
    with started(estate.folder, REMEDIATION, "--batch") as process:
        stop(process, jira, number, "W-RUN-05 Stopping as soon as this key is finished")
    after = estate.read(issue)
    assert estate.key_status(issue) == "Inactive"
    assert after.timestamps.remediated is not None
    assert after.jira.failed is not None

    jira.mute = False
    let_the_lease_run_out()
    assert estate.remediate().exit_code == 0
    (ticket,) = estate.tickets_of(issue)
    assert len(ticket.comments) == 1
    assert estate.read(issue).jira.failed is None


@BOTH
def test_a_ticket_that_was_being_raised_is_raised_once(estate: Estate, jira: MuteJira, number: int) -> None:
    issue = estate.add_issue()
    with started(estate.folder, REPORTING) as process:
        stop(process, jira, number, "Stopping: what is in hand is finished first; the third signal stops at once")
    after = estate.read(issue)
    assert after.timestamps.reported is None
    assert after.jira.asked is not None

    jira.mute = False
    let_the_lease_run_out()
    estate.put(replace(after, jira=replace(after.jira, asked=estate.ago(hours=1))))
    assert estate.run(REPORTING, "--raise-again", issue.issue_id).exit_code == 0
    assert len(estate.tickets_of(issue)) == 1
    assert len(estate.messages()) == 1


def test_a_key_that_was_given_back_is_on_and_recorded(estate: Estate, jira: MuteJira) -> None:
    jira.mute = False
    issue = estate.add_due_issue("joe")
    assert estate.remediate().exit_code == 0
    jira.mute = True
    with started(estate.folder, RESTORE, "--batch", "--key", issue.issue_id) as process:
        stop(process, jira, signal.SIGINT, "W-RUN-05 Stopping as soon as this key is finished")
    after = estate.read(issue)
    assert estate.key_status(issue) == "Active"
    assert after.timestamps.restored is not None
    assert after.jira.failed is not None
