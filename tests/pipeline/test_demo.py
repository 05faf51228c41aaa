"""`make demo` tells its story to the end, and says clearly when it cannot start."""

import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from deployment.local.estate import Estate, EstateError
from deployment.local.steps import Demo
from deployment.local.story import Story
from tests.cli.test_tables import Screen
from tests.documents import ROOT, not_said, samples_of
from tests.pipeline.conftest import configuration


def test_the_story_is_told_to_its_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    estate = Estate(configuration(tmp_path / "config"))
    page = tmp_path / "build" / "report.html"
    demo = Demo(estate, Story(estate), page)
    try:
        demo.tell_until_the_first_scan()
        scan = subprocess.run(
            [sys.executable, "-m", "hammer", "scan"],
            cwd=ROOT,
            env=estate.aws.process_environment(),
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        assert not_said(samples_of("README.md")["hammer scan"], scan.stdout) == [], scan.stdout
        demo.tell_the_rest()
    finally:
        estate.stop()
    told = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in told if line[:1].isdigit()] == [str(step) for step in range(1, 13)]
    assert told[-1].strip() == str(page)
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert [line for line in told if len(line) > 160] == []


@pytest.mark.parametrize("width", [80, 100, 160])
def test_the_story_fits_the_terminal_and_breaks_no_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    screen = Screen()
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("COLUMNS", str(width))
    story = Story(Estate(configuration(tmp_path / "config")))
    headings = ("account", "user", "key", "what was done", "why", "ticket", "status", "assignee", "comments")
    keys = [f"AKIAEXAMPLE{number:09}" for number in range(3)]
    why = "never used, created 800 days ago, more than 90"
    names = ("master", "reports+nightly@sample.example.com")
    story.step("The project's CloudFormation template is deployed, with both functions from the built zip")
    story.table(
        headings, [(*names, key, "reported", why, "AWSSEC-10", "To Do", "Support-General", "0") for key in keys]
    )
    story.table(("output", "value"), [("TopicArn", f"arn:aws:sns:eu-west-1:123456789012:{'x' * 70}")])
    story.lines("IAM access key AKIAEXAMPLE000000000 of user alice in account master has not been used for 212 days")
    lines = screen.getvalue().splitlines()
    setting = f"export HAMMER_CONFIG=/{'x' * 170}"
    story.to_copy(setting)
    assert screen.getvalue().splitlines()[len(lines) :] == [f"   {setting}"]
    assert [line for line in lines if len(line) > width and len(line.split()) > 2] == []
    assert all(any(key in line for line in lines) for key in keys)
    assert any("x" * 70 in line for line in lines)


def test_a_story_that_comes_out_otherwise_is_an_error(tmp_path: Path) -> None:
    estate = Estate(configuration(tmp_path / "config"))
    demo = Demo(estate, Story(estate), tmp_path / "report.html")
    try:
        demo.start()
        demo.deploy()
        with pytest.raises(EstateError, match="expected an issue to report, but found otherwise"):
            demo.report()
    finally:
        estate.stop()


@pytest.mark.parametrize(("name", "position"), [("JIRA", 0), ("Slack", 1)])
def test_a_taken_port_gives_one_clear_message(name: str, position: int, tmp_path: Path) -> None:
    estate = Estate(configuration(tmp_path / "config"))
    urls = (estate.settings.jira.server, estate.settings.slack.base_url)
    addresses = [("127.0.0.1", urlsplit(url).port) for url in urls]
    with socket.socket() as other:
        other.bind(addresses[position])
        other.listen()
        with pytest.raises(
            EstateError, match=rf"^the {name} stand-in cannot listen at http://127.0.0.1:{addresses[position][1]}"
        ):
            estate.start()
    for address in addresses:
        with socket.socket() as probe:
            assert probe.connect_ex(address) != 0
