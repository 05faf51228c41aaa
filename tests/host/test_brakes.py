"""What stops or slows a remediation: failures in a row, the file on the host, the host's floor; and what must not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from library.cli import stop_file as stop_file_module
from tests.wire import failure, form
from tests.world import MAIN, OTHER, REMEDIATION, REPORTING

if TYPE_CHECKING:
    from pathlib import Path

    from library.issues.record import Issue
    from tests.wire import Wire
    from tests.world.estate import Estate


def assert_left_alone(estate: Estate, issue: Issue) -> None:
    """The key is on, and its row as it was."""
    assert (estate.key_status(issue), estate.read(issue)) == ("Active", issue)


# --- the brake on failures ---


def test_three_failures_in_a_row_end_the_run_on_their_account_and_on_no_other(estate: Estate) -> None:
    there = [estate.add_due_issue(f"ann-{n}", account=OTHER, idle_days=300 - n) for n in range(5)]
    here = [estate.add_due_issue(f"joe-{n}", idle_days=250 - n) for n in range(2)]
    estate.accounts.fail(OTHER, "UpdateAccessKey", "AccessDenied")
    result = estate.remediate()
    assert result.exit_code == 1
    assert f"ERROR E-KEY-03 account {OTHER}: 3 failures to switch off in a row" in result.output
    assert "2 switched off, 0 completed, 2 skipped, 3 failed" in result.output
    assert {estate.key_status(issue) for issue in there} == {"Active"}
    assert {estate.key_status(issue) for issue in here} == {"Inactive"}
    assert [estate.read(issue).remediation_error is not None for issue in there] == [True] * 3 + [False] * 2


def deny(wire: Wire, operation: str, *users: str) -> None:
    """Let a policy deny an operation on these users."""
    wire.react(
        operation, lambda request: failure("AccessDenied", 403) if form(request)["UserName"] in users else None
    )


@pytest.mark.parametrize("operation", ["UpdateAccessKey", "ListAccessKeys", "ListUserTags"])
def test_users_whom_a_policy_denies_protect_nobody_else(estate: Estate, wire: Wire, operation: str) -> None:
    users = [f"ann-{number}" for number in range(7)]
    issues = [estate.add_due_issue(user, idle_days=300 - n) for n, user in enumerate(users)]
    deny(wire, operation, *users[:5])
    result = estate.remediate()
    assert result.exit_code == 1
    assert "2 switched off, 0 completed, 0 skipped, 5 failed" in result.output
    assert "E-KEY-03" not in result.output
    assert [estate.key_status(issue) for issue in issues] == ["Active"] * 5 + ["Inactive"] * 2


def test_keys_whose_last_use_may_not_be_known_protect_nobody_else(estate: Estate, wire: Wire) -> None:
    issues = [estate.add_due_issue(f"ann-{n}", idle_days=300 - n) for n in range(5)]
    denied = {issue.issue_id for issue in issues[:4]}
    wire.react(
        "GetAccessKeyLastUsed",
        lambda request: failure("AccessDenied", 403) if form(request)["AccessKeyId"] in denied else None,
    )
    result = estate.remediate()
    assert "1 switched off, 0 completed, 0 skipped, 4 failed" in result.output
    assert [estate.key_status(issue) for issue in issues] == ["Active"] * 4 + ["Inactive"]


def test_an_account_that_denies_every_look_is_left_after_three(estate: Estate) -> None:
    for number in range(5):
        estate.add_due_issue(f"ann-{number}")
    estate.accounts.fail(MAIN, "ListAccessKeys", "AccessDenied")
    assert "0 switched off, 0 completed, 2 skipped, 3 failed" in estate.remediate().output


def test_a_denial_among_other_failures_does_not_count(estate: Estate, wire: Wire) -> None:
    issues = [estate.add_due_issue(f"ann-{n}", idle_days=300 - n) for n in range(5)]
    deny(wire, "UpdateAccessKey", "ann-1")
    busy = {issues[n].issue_id for n in (0, 2)}
    wire.react(
        "UpdateAccessKey",
        lambda request: failure("LimitExceeded") if form(request)["AccessKeyId"] in busy else None,
    )
    assert "2 switched off, 0 completed, 0 skipped, 3 failed" in estate.remediate().output


def test_what_could_not_be_switched_off_before_comes_last(estate: Estate, wire: Wire) -> None:
    issues = [estate.add_due_issue(f"ann-{n}", idle_days=300 - n) for n in range(6)]
    failing = {issue.issue_id for issue in issues[:3]}
    wire.react(
        "UpdateAccessKey",
        lambda request: failure("LimitExceeded") if form(request)["AccessKeyId"] in failing else None,
    )
    assert "0 switched off, 0 completed, 3 skipped, 3 failed" in estate.remediate().output
    assert "3 switched off, 0 completed, 0 skipped, 3 failed" in estate.remediate().output
    assert [estate.key_status(issue) for issue in issues] == ["Active"] * 3 + ["Inactive"] * 3


def test_what_failed_longest_ago_is_tried_first_of_those_so_that_none_waits_for_ever(
    estate: Estate, wire: Wire
) -> None:
    issues = [estate.add_due_issue(f"ann-{n}", idle_days=300 - n) for n in range(6)]
    failing = {issue.issue_id for issue in issues}
    wire.react(
        "UpdateAccessKey",
        lambda request: failure("LimitExceeded") if form(request)["AccessKeyId"] in failing else None,
    )
    for _ in range(2):
        assert "0 switched off, 0 completed, 3 skipped, 3 failed" in estate.remediate().output
    # Four can never be switched off, more than a run takes.
    failing -= {issue.issue_id for issue in issues[4:]}
    assert "0 switched off, 0 completed, 3 skipped, 3 failed" in estate.remediate().output
    assert "2 switched off, 0 completed, 0 skipped, 4 failed" in estate.remediate().output
    assert [estate.key_status(issue) for issue in issues] == ["Active"] * 4 + ["Inactive"] * 2


def test_failures_that_are_not_in_a_row_end_nothing(estate: Estate, wire: Wire) -> None:
    issues = [estate.add_due_issue(f"ann-{n}", idle_days=300 - n) for n in range(6)]
    failing = {issues[n].issue_id for n in (0, 1, 3, 4)}
    wire.react(
        "UpdateAccessKey",
        lambda request: failure("AccessDenied", 403) if form(request)["AccessKeyId"] in failing else None,
    )
    result = estate.remediate()
    assert "2 switched off, 0 completed, 0 skipped, 4 failed" in result.output
    assert [estate.key_status(issue) for issue in issues] == ["Active", "Active", "Inactive"] * 2


# --- the file that stops everything ---


@pytest.fixture
def stop_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the host's file would be."""
    path = tmp_path / "stop"
    monkeypatch.setattr(stop_file_module, "STOP_FILE", path)
    return path


def test_while_the_stop_file_is_there_no_key_is_switched_off(estate: Estate, stop_file: Path) -> None:
    issue = estate.add_due_issue("joe")
    stop_file.touch()
    result = estate.remediate()
    assert result.exit_code == 0
    assert f"WARNING W-RUN-08 {stop_file} is there: no key is switched off until it is removed" in result.output
    assert f"verdict=skipped reason={stop_file} is there" in result.output
    assert_left_alone(estate, issue)
    stop_file.unlink()
    assert estate.remediate().exit_code == 0
    assert estate.key_status(issue) == "Inactive"


def test_the_stop_file_holds_from_the_next_key_on(estate: Estate, wire: Wire, stop_file: Path) -> None:
    first, second = (estate.add_due_issue(f"joe-{n}", idle_days=300 - n) for n in range(2))
    wire.react("UpdateAccessKey", lambda _: stop_file.touch())
    assert "1 switched off, 0 completed, 1 skipped, 0 failed" in estate.remediate().output
    assert estate.key_status(first) == "Inactive"
    assert_left_alone(estate, second)


def test_a_stop_file_that_comes_after_the_intent_takes_the_intent_back(
    estate: Estate, wire: Wire, stop_file: Path
) -> None:
    issue = estate.add_due_issue("joe")
    wire.react("UpdateItem", lambda _: stop_file.touch())
    assert "0 switched off, 0 completed, 1 skipped, 0 failed" in estate.remediate().output
    assert estate.read(issue).timestamps.remediation_started is None
    assert estate.key_status(issue) == "Active"


def test_what_a_run_that_was_cut_off_has_switched_off_is_completed_beside_the_stop_file(
    estate: Estate, stop_file: Path
) -> None:
    issue = estate.add_due_issue("joe", remediation_started=estate.ago(hours=1), key_status="Inactive")
    stop_file.touch()
    assert estate.remediate().exit_code == 0
    assert estate.read(issue).timestamps.remediated is not None


def test_the_stop_file_holds_up_no_restore_and_no_report_and_each_run_says_so(
    estate: Estate, stop_file: Path
) -> None:
    off, new, due = estate.add_due_issue("joe"), estate.add_issue("ann"), estate.add_due_issue("kim")
    assert estate.remediate("--key", off.issue_id).exit_code == 0
    stop_file.symlink_to("/nowhere")
    runs = [
        estate.run(REMEDIATION, "--dry-run"),
        estate.run(REPORTING, "--dry-run"),
        estate.report(),
        estate.restore("--key", off.issue_id),
    ]
    for run in runs:
        assert run.exit_code == 0, run.output
        assert run.output.count("W-RUN-08") == 1
    assert "verdict=would be switched off" in runs[0].output
    assert estate.read(new).timestamps.reported is not None
    assert (estate.key_status(off), estate.key_status(due)) == ("Active", "Active")


def test_where_it_cannot_be_known_whether_the_stop_file_is_there_it_is(
    estate: Estate, stop_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    issue = estate.add_due_issue("joe")
    monkeypatch.setattr(stop_file_module, "STOP_FILE", stop_file.parent / ("x" * 300))
    assert "0 switched off, 0 completed, 1 skipped, 0 failed" in estate.remediate().output
    assert_left_alone(estate, issue)


# --- the floor of this host ---


@pytest.mark.parametrize("batch", [True, False], ids=["batch", "by hand"])
@pytest.mark.parametrize(
    ("line", "reason", "warning"),
    [
        (
            "LEAST_RETENTION_DAYS=28",
            "reason=within its retention period of 28 days",
            "remediation_retention_period is 14, less than this host allows: LEAST_RETENTION_DAYS=28 of config.ini",
        ),
        (
            "LEAST_CRITERION_DAYS=201",
            "reason=the key is not idle any more",
            "inactive_criteria_days is 90, less than this host allows: LEAST_CRITERION_DAYS=201 of config.ini",
        ),
    ],
)
def test_the_floor_of_this_host_holds_whatever_the_configuration_says(
    estate: Estate, batch: bool, line: str, reason: str, warning: str
) -> None:
    issue = estate.add_due_issue("joe")
    (estate.folder / "config.ini").write_text(f"{line}\n")
    for more in ((), ("--dry-run",)):
        result = estate.run(REMEDIATION, *(["--batch"] if batch else []), *more)
        assert result.exit_code == 0
        assert reason in result.output
        assert f"WARNING W-CONFIG-01 config.json: user_inactivekeys.{warning} holds" in result.output
    assert_left_alone(estate, issue)


def test_of_a_key_that_is_not_idle_by_the_hosts_floor_nobody_is_told(estate: Estate) -> None:
    new, due = estate.add_issue("ann"), estate.add_due_issue("joe", reported=estate.ago(days=8))
    (estate.folder / "config.ini").write_text("LEAST_CRITERION_DAYS=201\n")
    result = estate.report()
    assert result.exit_code == 0
    assert result.output.count("reason=not idle by the 201 days that are in force here") == 2
    assert_left_alone(estate, new)
    assert_left_alone(estate, due)
    assert estate.messages() == []


def test_a_run_switches_off_no_more_keys_than_this_host_allows(estate: Estate) -> None:
    issues = [estate.add_due_issue(f"joe-{n}", idle_days=300 - n) for n in range(3)]
    (estate.folder / "config.ini").write_text("MOST_KEYS_PER_RUN=2\n")
    for more in (("--dry-run",), ("--limit", "3")):
        result = estate.remediate(*more)
        assert "reason=the limit of keys for one run is reached" in result.output
        assert "config.json: user_inactivekeys.remediation_max_keys_per_run sets no limit: MOST_KEYS" in result.output
    assert [estate.key_status(issue) for issue in issues] == ["Inactive", "Inactive", "Active"]
