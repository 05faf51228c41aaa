"""The entries that cron gets: for what the configuration turns on, whole or not at all."""

from __future__ import annotations

import os
import shlex
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from cronjobs.automation_scheduler import KEPT
from library.config.sources import CODE
from tests.world import REGION

if TYPE_CHECKING:
    from pathlib import Path

    from tests.world.estate import Estate


SCHEDULER = "cronjobs.automation_scheduler"
REPORT = "hammer-iam-user-inactive-keys-reporting"
REMEDIATE = "hammer-iam-user-inactive-keys-remediation"


@pytest.fixture
def cron(tmp_path: Path) -> Path:
    """The folder of cron's files, with one of somebody else's."""
    folder = tmp_path / "cron.d"
    folder.mkdir()
    (folder / "e2scrub_all").write_text("30 3 * * 0 root true\n")
    return folder


def names(cron: Path) -> set[str]:
    return {path.name for path in cron.iterdir()} - {"e2scrub_all"}


def entry(path: Path) -> str:
    """The line that cron runs."""
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    (line,) = [line for line in lines if " root " in line]
    settings = {name: value.strip('"') for name, _, value in (line.partition("=") for line in lines[:-1])}
    assert {"SHELL", "PATH", "MAILTO"} <= set(settings)
    assert settings["AWS_DEFAULT_REGION"] == REGION
    assert lines[-1] == line
    return line


def test_an_entry_is_written_for_each_job_that_is_turned_on(estate: Estate, cron: Path) -> None:
    estate.configure(cronjobs={"reporting": "5 * * * *", "remediation": "0 9 * * mon-fri"})
    result = estate.run(SCHEDULER, "--folder", str(cron))
    assert result.exit_code == 0, result.output
    assert names(cron) == {REPORT, REMEDIATE}
    when, command = entry(cron / REPORT).split(" root ")
    assert when == "5 * * * *"
    assert f"{sys.executable} -m reporting.create_iam_key_inactive_tickets 2>&1 | logger" in command
    when, command = entry(cron / REMEDIATE).split(" root ")
    assert when == "0 9 * * mon-fri"
    assert f"cd {CODE} && {sys.executable} -m remediation.clean_iam_keys_inactive --batch 2>&1" in command
    for name in (REPORT, REMEDIATE):
        assert stat.S_IMODE((cron / name).stat().st_mode) == 0o644
        assert f'HAMMER_CONFIG="{estate.folder}"' in (cron / name).read_text()


@pytest.mark.parametrize(
    ("reporting", "remediation", "left"),
    [(True, False, {REPORT}), (False, True, {REMEDIATE}), (False, False, set())],
)
def test_the_entry_of_a_job_that_is_turned_off_is_removed_and_no_other_file(
    estate: Estate, cron: Path, reporting: bool, remediation: bool, left: set[str]
) -> None:
    estate.run(SCHEDULER, "--folder", str(cron))
    estate.keys(reporting=reporting, remediation=remediation)
    assert estate.run(SCHEDULER, "--folder", str(cron)).exit_code == 0
    assert names(cron) == left
    assert (cron / "e2scrub_all").exists()


@pytest.mark.parametrize(
    "expression", ["55 * * *", "61 * * * *", "* * * * fri-mon", "@hourly", "1 1 1 1 1\n* * * * *"]
)
def test_a_bad_cron_expression_is_refused_and_nothing_is_changed(estate: Estate, cron: Path, expression: str) -> None:
    estate.run(SCHEDULER, "--folder", str(cron))
    before = (cron / REMEDIATE).read_text()
    estate.configure(cronjobs={"reporting": "1 1 * * *", "remediation": expression})
    result = estate.run(SCHEDULER, "--folder", str(cron))
    assert result.exit_code == 2
    assert len(result.output.strip().splitlines()) == 1
    assert "config.json: cronjobs.remediation: found" in result.output
    assert (cron / REMEDIATE).read_text() == before
    assert "1 1 * * *" not in (cron / REPORT).read_text()


def test_a_dry_run_shows_what_would_be_done_and_does_nothing(estate: Estate, cron: Path) -> None:
    result = estate.run(SCHEDULER, "--folder", str(cron), "--dry-run")
    assert result.exit_code == 0
    assert f"{REMEDIATE}: would be written" in result.output
    assert "--batch" in result.output
    assert names(cron) == set()
    estate.run(SCHEDULER, "--folder", str(cron))
    estate.keys(remediation=False)
    result = estate.run(SCHEDULER, "--folder", str(cron), "--dry-run")
    assert f"{REMEDIATE}: would be removed" in result.output
    assert f"{REPORT}: as before" in result.output
    assert names(cron) == {REPORT, REMEDIATE}


def test_an_entry_is_replaced_whole_and_what_is_as_before_is_not_touched(estate: Estate, cron: Path) -> None:
    estate.run(SCHEDULER, "--folder", str(cron))
    first = (cron / REMEDIATE).stat().st_ino, (cron / REPORT).stat().st_ino
    (cron / f".{REMEDIATE}.new").write_text("what a run left that was killed")
    estate.configure(cronjobs={"remediation": "1 2 3 4 5"})
    assert estate.run(SCHEDULER, "--folder", str(cron)).exit_code == 0
    assert (cron / REMEDIATE).stat().st_ino != first[0]
    assert (cron / REPORT).stat().st_ino == first[1]
    assert names(cron) == {REPORT, REMEDIATE}
    assert entry(cron / REMEDIATE).startswith("1 2 3 4 5 root ")


def test_a_folder_that_cannot_be_written_is_exit_code_1(estate: Estate, cron: Path) -> None:
    (cron / REPORT).mkdir()
    result = estate.run(SCHEDULER, "--folder", str(cron))
    assert result.exit_code == 1
    assert "cannot be written" in result.output


def test_a_path_that_would_end_the_line_is_escaped_for_cron(
    estate: Estate, cron: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/opt/100% pure/python")
    estate.run(SCHEDULER, "--folder", str(cron))
    assert r"'/opt/100\% pure/python' -m" in entry(cron / REPORT)


@pytest.mark.parametrize("remediation", [True, False])
def test_what_cron_is_told_to_run_runs_and_obeys_the_configuration_of_that_moment(
    estate: Estate, cron: Path, tmp_path: Path, remediation: bool
) -> None:
    estate.run(SCHEDULER, "--folder", str(cron))
    issue = estate.add_due_issue()
    estate.keys(remediation=remediation)
    said = tmp_path / "syslog"
    command = entry(cron / REMEDIATE).split(" root ")[1]
    # syslog is not there; the rest is run by the shell as cron does it.
    command = command.rpartition("| logger")[0] + f"| cat > {shlex.quote(str(said))}"
    environment = {**os.environ, "PYTHONPATH": str(CODE / "reporting_remediation")}
    subprocess.run(["/bin/sh", "-c", command], env=environment, check=True, timeout=60)
    assert estate.key_status(issue) == ("Inactive" if remediation else "Active")
    assert ("does nothing" in said.read_text()) is not remediation


def variables(path: Path) -> dict[str, str]:
    """What cron puts into the environment of a job."""
    pairs = [line.partition("=") for line in path.read_text().splitlines() if not line.startswith("#")]
    return {name: value.strip('"') for name, _, value in pairs if name.isidentifier()}


def test_an_entry_keeps_the_way_out_of_this_host_until_it_is_taken_away(
    estate: Estate, cron: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    way_out = {name: f"http://{name.lower()}.example:3128" for name in KEPT}
    for name, value in way_out.items():
        monkeypatch.setenv(name, value)
    estate.run(SCHEDULER, "--folder", str(cron))
    for name in (REPORT, REMEDIATE):
        assert way_out.items() <= variables(cron / name).items()
    # The hourly run, which cron starts with nothing, takes none of it away.
    for name in KEPT:
        monkeypatch.delenv(name)
    estate.configure(cronjobs={"reporting": "7 * * * *"})
    result = estate.run(SCHEDULER, "--folder", str(cron))
    assert f"{REPORT}: written" in result.output
    for name in (REPORT, REMEDIATE):
        assert way_out.items() <= variables(cron / name).items()
    monkeypatch.setenv("HTTPS_PROXY", "")
    estate.run(SCHEDULER, "--folder", str(cron))
    for name in (REPORT, REMEDIATE):
        left = {each: variables(cron / name).get(each) for each in KEPT}
        assert left == {**way_out, "HTTPS_PROXY": None}


def test_the_password_of_a_proxy_is_for_root_only_and_is_not_printed(
    estate: Estate, cron: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    estate.run(SCHEDULER, "--folder", str(cron))
    monkeypatch.setenv("HTTPS_PROXY", "http://hammer:pass-word@proxy.example:3128")
    result = estate.run(SCHEDULER, "--folder", str(cron))
    assert "pass-word" not in result.output
    assert "http://***@proxy.example:3128" in result.output
    for name in (REPORT, REMEDIATE):
        assert "hammer:pass-word@" in (cron / name).read_text()
        assert stat.S_IMODE((cron / name).stat().st_mode) == 0o600


def test_help_needs_neither_configuration_nor_aws(estate: Estate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HAMMER_CONFIG", str(estate.folder / "nowhere"))
    assert estate.process(SCHEDULER, "--help").returncode == 0
