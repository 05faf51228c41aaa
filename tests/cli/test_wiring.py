"""What a command works with: the clients are real, and AWS answers at the end of the wire."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from library.cli import wiring
from library.cli.causes import Causes
from library.config.loading import load
from library.errors import CredentialsError
from tests.wire import answer, body_of, json_failure

if TYPE_CHECKING:
    from pathlib import Path

    from botocore.awsrequest import AWSPreparedRequest, AWSResponse

    from library.config.settings import Config
    from tests.wire import Wire

MAIN = "123456789012"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def configured(folder: Path, **more: Any) -> Config:
    config = {
        "aws": {"region": "eu-central-1", "main_account_id": MAIN, "accounts": {MAIN: "main"}},
        "user_inactivekeys": {"inactive_criteria_days": 90},
        **more,
    }
    (folder / "config.json").write_text(json.dumps(config))
    return load(str(folder))


# --- reading issues ---


@pytest.fixture(autouse=True)
def _there_is_a_table(wire: Wire) -> None:
    wire.react("GetItem", lambda _: answer(200, "{}"))


def test_a_row_that_cannot_be_read_is_counted_and_said(
    folder: Path, wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    row = {"account_id": {"S": MAIN}, "issue_id": {"S": "AKIABROKEN"}, "status": {"S": "open"}}
    asked: list[dict[str, Any]] = []

    def rows(request: AWSPreparedRequest) -> AWSResponse:
        asked.append(json.loads(body_of(request)))
        return answer(200, json.dumps({"Items": [row], "Count": 1}))

    wire.react("Query", rows)
    counts: Counter[str] = Counter()
    assert wiring.read_issues(wiring.issues_table(configured(folder)), [MAIN], counts) == []
    assert counts == {"failed": 1}
    assert "AKIABROKEN" in caplog.text
    assert [each["ConsistentRead"] for each in asked] == [True]


def test_a_table_that_is_refused_is_counted_and_said_and_stops_nothing(
    folder: Path, wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    wire.react("Query", lambda _: json_failure("AccessDeniedException"))
    counts: Counter[str] = Counter()
    assert wiring.read_issues(wiring.issues_table(configured(folder)), [MAIN], counts) == []
    assert counts == {"failed": 1}
    assert "dynamodb:Query" in caplog.text


# --- the channels ---


SECRET = {"jira": {"token": "t0ken"}, "slack": {"api_token": "xoxb-1"}}
JIRA = {"jira": {"enabled": True, "server": "https://jira.example"}}
SLACK = {"slack": {"enabled": True}}


def keep(wire: Wire, secret: object) -> None:
    text = json.dumps({"SecretString": json.dumps(secret)})
    wire.react("GetSecretValue", lambda _: answer(200, text))


def test_without_a_channel_nothing_is_fetched(folder: Path, wire: Wire) -> None:
    settings = configured(folder)
    notices = wiring.notices(settings, wiring.issues_table(settings), Causes().missing)
    given = wiring.credentials(settings)
    assert (given.jira, given.slack_token) == (None, None)
    assert notices is not None
    assert wire.sent == ["GetItem"]


@pytest.mark.parametrize(
    ("enabled", "expected"),
    [
        (JIRA, ({"token": "t0ken"}, None)),
        (SLACK, (None, "xoxb-1")),
        ({**JIRA, **SLACK}, ({"token": "t0ken"}, "xoxb-1")),
    ],
    ids=["JIRA", "Slack", "both"],
)
def test_an_enabled_channel_gets_its_credentials_and_no_other(
    folder: Path, wire: Wire, enabled: dict[str, Any], expected: tuple[object, object]
) -> None:
    keep(wire, SECRET)
    given = wiring.credentials(configured(folder, **enabled))
    assert (given.jira, given.slack_token) == expected
    assert wire.sent == ["GetSecretValue"]


@pytest.mark.parametrize(
    ("without", "said"), [(("jira", "slack"), "(jira, slack)"), (("slack",), "(slack)"), ((), "")]
)
def test_entries_that_are_for_any_server_are_named_in_one_warning(
    folder: Path, wire: Wire, caplog: pytest.LogCaptureFixture, without: tuple[str, ...], said: str
) -> None:
    settings = configured(folder, **JIRA, **SLACK)
    servers = {"jira": "https://jira.example", "slack": settings.slack.base_url}
    keep(wire, {n: each if n in without else {**each, "server": servers[n]} for n, each in SECRET.items()})
    assert wiring.credentials(settings).slack_token == "xoxb-1"
    lines = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(lines) == bool(without)
    assert all(line.startswith("W-RUN-09 ") and said in line for line in lines)


def test_a_secret_that_lacks_what_a_channel_needs_is_an_error(folder: Path, wire: Wire) -> None:
    keep(wire, {"slack": {"api_token": "xoxb-1"}})
    settings = configured(folder, **JIRA)
    with pytest.raises(CredentialsError, match="entry jira is missing"):
        wiring.notices(settings, wiring.issues_table(settings), Causes().missing)
