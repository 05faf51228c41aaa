"""No secret in any log: every command at DEBUG, with credentials that stand out, also where things fail."""

from __future__ import annotations

import base64
import json
import logging
import re
from importlib import import_module
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from deployment.local.jira_stand_in import (
    DEFAULT_ACCESS_TOKEN,
    DEFAULT_CONSUMER_KEY,
    DEFAULT_PASSWORD,
    DEFAULT_TOKEN,
    DEFAULT_USERNAME,
)
from deployment.local.slack_stand_in import DEFAULT_TOKEN as SLACK_TOKEN
from deployment.local.stand_in import Silence
from library.cli.exit_codes import USAGE
from library.issues.record import Resolution, Status
from tests.world import OTHER, REPORTING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.world.estate import Estate


WRONG = "wr0ng-but-s3cret"
COOKIE = "c00kie-of-jira"
AWS_SECRET, AWS_TOKEN = "aws-s3cret-access-key", "aws-s3ssion-token"
OAUTH_SECRET = "oauth-t0ken-secret"
PRIVATE_KEY = (
    generate_private_key(65537, 2048)
    .private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    .decode()
)
# What AWS hands out in its own answers: the keys of the assumed role, and the secret as it was stored.
ANSWERS = re.compile(r"SecretAccessKey|SessionToken|SecretString|Authorization: ?(?:Basic|Bearer|OAuth)")


def credentials(way: str, *, wrong: bool = False) -> dict[str, Any]:
    """The secret's content for one way to sign in at JIRA."""
    jira: dict[str, Any] = {
        "token": DEFAULT_TOKEN,
        "basic": {"username": DEFAULT_USERNAME, "password": DEFAULT_PASSWORD},
        "oauth": {
            "access_token": DEFAULT_ACCESS_TOKEN,
            "access_token_secret": OAUTH_SECRET,
            "consumer_key": DEFAULT_CONSUMER_KEY,
            "key_cert": PRIVATE_KEY,
        },
    }
    bad: dict[str, Any] = {
        "token": WRONG,
        "basic": {**jira["basic"], "password": WRONG},
        "oauth": {**jira["oauth"], "access_token": WRONG},
    }
    return {
        "jira": {way: (bad if wrong else jira)[way]},
        "slack": {"api_token": f"xoxb-{WRONG}" if wrong else SLACK_TOKEN},
    }


def marks() -> list[str]:
    """Every secret, as it is and as it is sent."""
    plain = [WRONG, COOKIE, AWS_SECRET, AWS_TOKEN, OAUTH_SECRET, DEFAULT_TOKEN, DEFAULT_PASSWORD, SLACK_TOKEN]
    basic = [base64.b64encode(f"{DEFAULT_USERNAME}:{word}".encode()).decode() for word in (DEFAULT_PASSWORD, WRONG)]
    return [*plain, *basic, DEFAULT_ACCESS_TOKEN, "PRIVATE KEY", *PRIVATE_KEY.splitlines()[1:-1]]


@pytest.fixture
def log_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A file that gets everything, tracebacks included, whatever level a command asks for."""
    # This test's own calls, too, are to be logged as a command has it.
    import_module(REPORTING)
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.DEBUG)
    monkeypatch.setattr(root, "setLevel", lambda _level: None)
    handler = logging.FileHandler(tmp_path / "everything.log", encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s %(message)s"))
    root.addHandler(handler)
    yield tmp_path / "everything.log"
    root.removeHandler(handler)
    handler.close()
    monkeypatch.undo()
    root.setLevel(before)


@pytest.fixture
def marked(estate: Estate, monkeypatch: pytest.MonkeyPatch) -> Estate:
    """The estate, with AWS credentials that stand out, and CloudWatch as one of the logs."""
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", AWS_SECRET)
    monkeypatch.setenv("AWS_SESSION_TOKEN", AWS_TOKEN)
    (estate.folder / "config.ini").write_text("LOG_GROUP=/aws/ec2/hammer-reporting-remediation\n", encoding="utf-8")
    return estate


def everything(estate: Estate, log_file: Path, outputs: list[str]) -> str:
    """All that was written anywhere."""
    logs = boto3.client("logs")
    events = [
        event["message"]
        for group in logs.describe_log_groups()["logGroups"]
        for stream in logs.describe_log_streams(logGroupName=group["logGroupName"])["logStreams"]
        for event in logs.get_log_events(logGroupName=group["logGroupName"], logStreamName=stream["logStreamName"])[
            "events"
        ]
    ]
    assert events
    return "\n".join(
        [
            *outputs,
            *events,
            log_file.read_text(encoding="utf-8"),
            json.dumps(estate.rows()),
            json.dumps(estate.jira.state()),
            json.dumps(estate.slack.state()),
        ]
    )


def found_in(text: str) -> list[str]:
    return [mark for mark in marks() if mark in text] + ANSWERS.findall(text)


def work(estate: Estate) -> list[str]:
    """Report, remind, close, switch off and give back, in both accounts."""
    estate.add_issue("joe", tags={"owner": "alice@example.com"})
    estate.add_due_issue("ann", reported=estate.ago(days=8))
    estate.add_due_issue("eve", status=Status.RESOLVED, resolution=Resolution.USED, resolved=estate.ago(hours=1))
    due = estate.add_due_issue("sue", account=OTHER)
    return [
        estate.report().output,
        estate.remediate().output,
        estate.restore("--key", due.issue_id).output,
        # Which of them meets what a channel refuses is a matter of chance; this one meets nothing any more.
        estate.report().output,
    ]


def refused_by_jira(estate: Estate) -> None:
    cookie = {"Set-Cookie": f"JSESSIONID={COOKIE}"}
    for status in (401, 403, 500):
        estate.jira.fail_next("GET", "/rest/api/2/issue", status=status, headers=cookie)
    estate.jira.fail_next("POST", "/rest/api/2/issue", status=400, headers=cookie)


def refused_by_slack(estate: Estate) -> None:
    estate.slack.fail_next("chat.postMessage", status=200, error="invalid_auth", times=2)
    estate.slack.fail_next("conversations.list", status=502)


def cut_off(estate: Estate) -> None:
    estate.jira.fail_next("POST", "/rest/api/2/issue", silence=Silence.RESET, times=4)
    estate.slack.fail_next("chat.postMessage", silence=Silence.RESET, times=4)


@pytest.mark.parametrize(
    ("way", "trouble"),
    [
        ("token", None),
        ("basic", refused_by_jira),
        ("oauth", refused_by_slack),
        ("token", cut_off),
        ("oauth", cut_off),
    ],
)
def test_nothing_that_is_written_anywhere_holds_a_secret(
    marked: Estate, log_file: Path, way: str, trouble: Callable[[Estate], None] | None
) -> None:
    if way == "basic":
        marked.use_cloud()
    marked.secret(credentials(way))
    if trouble is not None:
        trouble(marked)
    outputs = work(marked)
    text = everything(marked, log_file, outputs)
    assert "DEBUG" in text
    assert found_in(text) == []
    # The credentials were good, so they were sent.
    assert [ticket for ticket in marked.jira.issues.values() if ticket.comments]
    assert marked.messages()


@pytest.mark.parametrize("way", ["token", "basic", "oauth"])
def test_credentials_that_are_refused_are_not_written_anywhere_either(
    marked: Estate, log_file: Path, way: str
) -> None:
    marked.secret(credentials(way, wrong=True))
    outputs = work(marked)
    assert "does not accept the credentials" in "".join(outputs)
    assert "does not accept the token" in "".join(outputs)
    assert found_in(everything(marked, log_file, outputs)) == []


@pytest.mark.parametrize("dry_run", [False, True])
def test_no_token_reaches_a_server_that_only_the_configuration_names(marked: Estate, *, dry_run: bool) -> None:
    content = credentials("token")
    marked.secret({"jira": {**content["jira"], "server": "https://jira.example"}, "slack": content["slack"]})
    marked.add_issue("joe")
    result = marked.run(REPORTING, *(["--dry-run"] if dry_run else []))
    assert "entry jira is for https://jira.example:443 and is sent nowhere else" in result.output
    assert dry_run or result.exit_code == USAGE
    assert marked.jira.requests == []
    assert marked.slack.requests == []


@pytest.mark.parametrize(
    "content",
    [
        {"jira": {"token": f"{WRONG}\n"}, "slack": {"api_token": f"xoxb {WRONG}"}},
        {"jira": {"basic": {"username": WRONG}}, "slack": {"api_token": SLACK_TOKEN}},
        {"jira": {"oauth": credentials("oauth")["jira"]["oauth"] | {"key_cert": f"-----BEGIN {WRONG}"}}},
        {"jira": WRONG, "slack": WRONG},
    ],
)
def test_a_malformed_secret_is_refused_without_being_quoted(
    marked: Estate, log_file: Path, content: dict[str, Any]
) -> None:
    marked.secret(content)
    marked.add_issue("joe")
    result = marked.report()
    assert result.exit_code == USAGE
    assert found_in(everything(marked, log_file, [result.output])) == []
