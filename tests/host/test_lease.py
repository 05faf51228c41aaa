"""Two hosts, a host and a laptop, a host that died in the middle: one run at a time changes anything."""

from __future__ import annotations

import os
import socket
import threading
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
import time_machine

from reporting.create_iam_key_inactive_tickets import WORKERS
from tests.world import REMEDIATION, REPORTING, RESTORE, table

if TYPE_CHECKING:
    from collections.abc import Callable

    from botocore.awsrequest import AWSPreparedRequest
    from time_machine import Traveller

    from tests.wire import Wire
    from tests.world.estate import Estate

LAPTOP = "reporting.x, started by alice on laptop (process 4711) at "


@pytest.mark.parametrize(("module", "arguments"), [(REPORTING, ()), (REMEDIATION, ("--batch",)), (REMEDIATION, ())])
def test_what_another_host_has_begun_ends_a_run_here_before_it_changes_anything(
    estate: Estate, module: str, arguments: tuple[str, ...]
) -> None:
    due, new = estate.add_due_issue("joe"), estate.add_issue("ann")
    table.begin_a_run_on_a_laptop()
    result = estate.run(module, *arguments)
    assert result.exit_code == 3
    assert f"ERROR E-RUN-02 Another reporting or remediation is running: {LAPTOP}" in result.output
    assert (estate.read(due), estate.read(new), estate.key_status(due)) == (due, new, "Active")
    assert estate.messages() == []


def test_a_prompt_that_is_open_on_a_laptop_holds_up_the_hosts_runs_and_no_restore_and_no_dry_run(
    estate: Estate,
) -> None:
    off = estate.add_due_issue("off")
    assert estate.remediate().exit_code == 0
    issue = estate.add_due_issue("joe")
    prompt = estate.dialogue(REMEDIATION)
    prompt.wait_for("[y/N]")
    for module, *arguments in ((REPORTING,), (REMEDIATION, "--batch")):
        done = estate.process(module, *arguments)
        assert done.returncode == 3, done.stderr
        assert (
            f"remediation.clean_iam_user_inactive_keys, started by {user()} on {socket.gethostname()}" in done.stderr
        )
        assert estate.process(module, "--dry-run").returncode == 0
    assert estate.process(RESTORE, "--batch", "--key", off.issue_id).returncode == 0
    assert estate.key_status(off) == "Active"
    prompt.type("y")
    assert prompt.exit_code() == 0, prompt.screen
    assert estate.key_status(issue) == "Inactive"
    assert estate.report().exit_code == 0


def user() -> str:
    return os.environ.get("LOGNAME") or os.environ.get("USER") or "root"


def test_a_host_that_died_in_the_middle_is_waited_for_until_its_lease_is_over(estate: Estate) -> None:
    issue = estate.add_due_issue("joe")
    prompt = estate.dialogue(REMEDIATION)
    prompt.wait_for("[y/N]")
    prompt.end()
    assert estate.remediate().exit_code == 3
    assert estate.key_status(issue) == "Active"
    table.let_the_lease_run_out()
    assert estate.remediate().exit_code == 0
    assert estate.key_status(issue) == "Inactive"


# --- a lease that is lost in the middle: the machine slept, and another one has begun ---


def sleep_and_lose(clock: Traveller) -> Callable[[AWSPreparedRequest], None]:
    """What happens at the first call of its kind: five minutes pass, in which a laptop begins a run."""
    slept: list[bool] = []
    lock = threading.Lock()

    def sleep(_: AWSPreparedRequest) -> None:
        with lock:
            if not slept:
                slept.append(True)
                table.begin_a_run_on_a_laptop()
                clock.shift(timedelta(minutes=5))

    return sleep


def test_a_remediation_that_lost_its_lease_stops_before_the_next_key(estate: Estate, wire: Wire) -> None:
    issues = [estate.add_due_issue(f"user-{number}", idle_days=300 - number) for number in range(3)]
    with time_machine.travel(estate.now) as clock:
        wire.react("UpdateAccessKey", sleep_and_lose(clock))
        result = estate.remediate()
    assert result.exit_code == 1
    assert f"ERROR E-RUN-09 This run has lost its lease, as another run has it: {LAPTOP}" in result.output
    assert "Remediation is stopped, as another run may be at work: 1 switched off" in result.output
    assert "2 left" in result.output
    assert [estate.key_status(issue) for issue in issues] == ["Inactive", "Active", "Active"]
    assert estate.read(issues[0]).timestamps.remediated is not None
    assert [estate.read(issue) for issue in issues[1:]] == issues[1:]
    assert estate.report().exit_code == 3, "the lease of the laptop was left alone"


def test_a_lease_that_is_lost_during_the_last_look_switches_nothing(estate: Estate, wire: Wire) -> None:
    issue = estate.add_due_issue("joe")
    with time_machine.travel(estate.now) as clock:
        wire.react("ListAccessKeys", sleep_and_lose(clock))
        result = estate.remediate()
    assert result.exit_code == 1
    assert "ERROR E-RUN-09 " in result.output
    assert (estate.key_status(issue), estate.read(issue)) == ("Active", issue)


def test_a_lease_that_is_lost_after_the_intent_switches_nothing_and_the_next_run_goes_on(
    estate: Estate, wire: Wire
) -> None:
    issue = estate.add_due_issue("joe")
    with time_machine.travel(estate.now) as clock:
        wire.react("UpdateItem", sleep_and_lose(clock))
        result = estate.remediate()
        assert result.exit_code == 1
        assert "ERROR E-RUN-09 " in result.output
        assert "verdict=" not in result.output
        assert (estate.key_status(issue), "UpdateAccessKey" in wire.sent) == ("Active", False)
        clock.shift(timedelta(minutes=10))
        assert estate.remediate().exit_code == 0
    assert estate.key_status(issue) == "Inactive"


def test_a_remediation_that_a_restore_has_overtaken_says_that_the_key_is_on_again(estate: Estate, wire: Wire) -> None:
    issue = estate.add_due_issue("joe")

    def restore(_: AWSPreparedRequest) -> None:
        if estate.key_status(issue) == "Inactive":
            wire.withdraw("UpdateItem")
            done = estate.process(RESTORE, "--batch", "--key", issue.issue_id)
            assert done.returncode == 0, done.stderr

    wire.react("UpdateItem", restore)
    result = estate.remediate()
    assert result.exit_code == 0, result.output
    assert estate.key_status(issue) == "Active"
    (line,) = (line for line in result.output.splitlines() if "verdict=switched off" in line)
    assert "; somebody has switched it on again at 20" in line


def test_a_remediation_that_lost_its_lease_tells_nobody_more(estate: Estate, wire: Wire) -> None:
    off = {"remediated": estate.ago(hours=1), "jira_failed": estate.ago(hours=1), "key_status": "Inactive"}
    first, second = (estate.add_due_issue(f"joe-{n}", idle_days=300 - n, **off) for n in range(2))
    with time_machine.travel(estate.now) as clock:
        wire.react("UpdateItem", sleep_and_lose(clock))
        assert estate.remediate().exit_code == 1
    assert estate.read(first).jira.failed is None
    assert estate.read(second) == second


def test_a_reporting_that_lost_its_lease_leaves_the_issues_that_it_has_not_begun(estate: Estate, wire: Wire) -> None:
    estate.configure(jira={"enabled": False})
    issues = [estate.add_issue(f"user-{number}") for number in range(WORKERS + 5)]
    with time_machine.travel(estate.now) as clock:
        wire.react("UpdateItem", sleep_and_lose(clock))
        result = estate.report()
    assert result.exit_code == 1
    assert f"ERROR E-RUN-09 This run has lost its lease, as another run has it: {LAPTOP}" in result.output
    reported = sum(estate.read(issue).timestamps.reported is not None for issue in issues)
    assert 1 <= reported <= WORKERS
    left = len(issues) - reported
    assert f"Reporting was broken off, {left} left: {reported} reported" in result.output
