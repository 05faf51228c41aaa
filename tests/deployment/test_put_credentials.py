"""JIRA and Slack credentials: tried before they are stored, kept if not given, never shown."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from click.testing import CliRunner, Result

from deployment import put_credentials
from deployment.local.jira_stand_in import DEFAULT_PASSWORD, DEFAULT_TOKEN, DEFAULT_USERNAME, JiraStandIn
from deployment.local.slack_stand_in import DEFAULT_TOKEN as SLACK_TOKEN
from deployment.local.slack_stand_in import SlackStandIn

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


MAIN = "123456789012"
SECRET = "hammer-credentials"
WRONG = "not-the-right-one-4711"


@pytest.fixture
def folder(scanned: object, tmp_path: Path) -> Iterator[Path]:
    with JiraStandIn() as jira, SlackStandIn() as slack:
        main = {
            "aws": {"region": "eu-west-1", "main_account_id": MAIN, "accounts": {MAIN: "master"}},
            "jira": {"enabled": True, "server": jira.url},
            "slack": {"enabled": True, "base_url": slack.base_url},
            "user_inactivekeys": {"inactive_criteria_days": 90},
        }
        (tmp_path / "config.json").write_text(json.dumps(main))
        yield tmp_path


def run(folder: Path, *arguments: str, answers: str = "") -> Result:
    result = CliRunner().invoke(put_credentials.main, [str(folder), *arguments], input=answers)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    for secret in (DEFAULT_TOKEN, DEFAULT_PASSWORD, SLACK_TOKEN, WRONG):
        assert secret not in result.output
    return result


def given(folder: Path, content: object) -> tuple[str, str]:
    path = folder / "credentials.json"
    path.write_text(json.dumps(content))
    return "--file", str(path)


def bound(folder: Path, content: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The content as it is stored: each entry with the server that the configuration names."""
    config = json.loads((folder / "config.json").read_text())
    servers = {"jira": config["jira"]["server"], "slack": config["slack"]["base_url"]}
    return {name: {**entry, "server": servers[name]} for name, entry in content.items()}


def stored() -> dict[str, Any] | None:
    client = boto3.Session(region_name="eu-west-1").client("secretsmanager")
    try:
        content: dict[str, Any] = json.loads(client.get_secret_value(SecretId=SECRET)["SecretString"])
    except client.exceptions.ResourceNotFoundException:
        return None
    return content


def test_what_is_typed_is_tried_and_stored(folder: Path) -> None:
    done = run(folder, answers=f"\n{DEFAULT_TOKEN}\n{SLACK_TOKEN}\n")
    assert done.exit_code == 0, done.output
    assert "hammer of Stand-in" in done.output
    assert stored() == bound(folder, {"jira": {"token": DEFAULT_TOKEN}, "slack": {"api_token": SLACK_TOKEN}})


def test_a_user_name_asks_for_a_password(folder: Path) -> None:
    done = run(folder, answers=f"{DEFAULT_USERNAME}\n{DEFAULT_PASSWORD}\n{SLACK_TOKEN}\n")
    assert done.exit_code == 0, done.output
    content = stored()
    assert content is not None
    basic = {"basic": {"username": DEFAULT_USERNAME, "password": DEFAULT_PASSWORD}}
    assert content["jira"] == bound(folder, {"jira": basic})["jira"]


def test_an_entry_that_the_file_does_not_have_is_kept(folder: Path) -> None:
    assert run(folder, *given(folder, {"slack": {"api_token": SLACK_TOKEN}})).exit_code == 0
    done = run(folder, *given(folder, {"jira": {"token": DEFAULT_TOKEN}}))
    assert (done.exit_code, done.output.splitlines()[-1]) == (0, "Kept as it was: slack")
    assert stored() == bound(folder, {"jira": {"token": DEFAULT_TOKEN}, "slack": {"api_token": SLACK_TOKEN}})


@pytest.mark.parametrize(
    ("content", "code", "said"),
    [
        ({"jira": {"token": WRONG}}, 1, "JIRA"),
        ({"slack": {"api_token": WRONG}}, 1, "Slack does not accept the token"),
        ({"jira": {"token": DEFAULT_TOKEN}, "slack": {"api_token": WRONG}}, 1, "Slack does not accept the token"),
        ({"jira": {"tokn": WRONG}}, 2, "entry jira is missing or empty"),
        ({"jra": {"token": WRONG}}, 2, "expected a JSON object with the entries jira and slack"),
        ({"jira": {"token": DEFAULT_TOKEN, "server": "https://evil.example"}}, 2, "is for https://evil.example:443"),
        ({}, 2, "expected a JSON object with the entries jira and slack"),
    ],
)
def test_nothing_is_stored_unless_everything_is_accepted(folder: Path, content: object, code: int, said: str) -> None:
    refused = run(folder, *given(folder, content))
    assert (refused.exit_code, said in refused.output) == (code, True), refused.output
    assert stored() is None


def test_both_are_tried_and_each_refusal_is_said(folder: Path) -> None:
    refused = run(folder, *given(folder, {"jira": {"token": WRONG}, "slack": {"api_token": WRONG}}))
    assert refused.exit_code == 1
    of_jira, of_slack = refused.output.splitlines()
    assert of_jira.startswith("E-JIRA-")
    assert of_slack.startswith("E-SLACK-")
    assert WRONG not in refused.output
    assert stored() is None


def test_a_file_that_does_not_exist_or_is_not_json_is_named(folder: Path) -> None:
    (folder / "broken.json").write_text(f'{{"jira": "{WRONG}')
    for name in ("broken.json", "absent.json"):
        refused = run(folder, "--file", str(folder / name))
        assert (refused.exit_code, refused.output.count(name)) == (2, 1)
    assert refused.output == f"E-RUN-06 {folder / 'absent.json'}: No such file or directory\n"
    assert stored() is None


def test_a_secret_that_is_not_json_is_left_alone(folder: Path) -> None:
    client = boto3.Session(region_name="eu-west-1").client("secretsmanager")
    client.create_secret(Name=SECRET, SecretString=WRONG)
    refused = run(folder, *given(folder, {"jira": {"token": DEFAULT_TOKEN}}))
    assert (refused.exit_code, "is not JSON" in refused.output) == (2, True)
    assert client.get_secret_value(SecretId=SECRET)["SecretString"] == WRONG


def test_nobody_at_the_prompt_ends_it(folder: Path) -> None:
    ended = run(folder)
    assert ended.exit_code == 130
    assert stored() is None


def test_no_option_takes_a_credential() -> None:
    options = {name for parameter in put_credentials.main.params for name in parameter.opts}
    assert options == {"config_folder", "--file", "--profile", "--region"}
