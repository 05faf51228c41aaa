"""The secret with the credentials, read from moto's Secrets Manager."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.stub import Stubber
from moto import mock_aws

from library.aws.secrets import Credentials, fetch_credentials
from library.errors import CredentialsError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_secretsmanager import SecretsManagerClient


NAME = "hammer-credentials"
OAUTH = {"access_token": "a", "access_token_secret": "b", "consumer_key": "c", "key_cert": "d"}
BASIC = {"username": "hammer@example.com", "password": "pass word"}
SLACK = {"api_token": "xoxb-1"}
JIRA_URL, SLACK_URL = "https://jira.example/jira", "https://slack.com/api/"


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[SecretsManagerClient]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with mock_aws():
        yield boto3.client("secretsmanager", region_name="eu-west-1")


def store(client: SecretsManagerClient, content: object) -> None:
    client.create_secret(Name=NAME, SecretString=json.dumps(content))


def complaint(client: SecretsManagerClient, *, jira: str | None = JIRA_URL, slack: str | None = SLACK_URL) -> str:
    with pytest.raises(CredentialsError) as caught:
        fetch_credentials(client, NAME, jira=jira, slack=slack)
    assert f"'{NAME}'" in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("jira", [{"token": "pat"}, {"basic": BASIC}, {"oauth": OAUTH}])
def test_each_way_to_sign_in_to_jira_is_read(client: SecretsManagerClient, jira: dict[str, Any]) -> None:
    store(client, {"jira": jira, "slack": SLACK})
    credentials = fetch_credentials(client, NAME, jira=JIRA_URL, slack=SLACK_URL)
    assert credentials == Credentials(jira=jira, slack_token="xoxb-1", for_any_server=("jira", "slack"))


def test_only_what_is_needed_has_to_be_there(client: SecretsManagerClient) -> None:
    store(client, {"slack": SLACK})
    assert fetch_credentials(client, NAME, jira=None, slack=SLACK_URL) == Credentials(None, "xoxb-1", ("slack",))


def test_without_need_nothing_is_read(client: SecretsManagerClient) -> None:
    assert fetch_credentials(client, NAME, jira=None, slack=None) == Credentials(None, None)


def test_an_empty_way_beside_a_filled_one_counts_as_not_there(client: SecretsManagerClient) -> None:
    store(client, {"jira": {"token": "", "oauth": {}, "basic": BASIC}})
    assert fetch_credentials(client, NAME, jira=JIRA_URL, slack=None).jira == {"basic": BASIC}


@pytest.mark.parametrize(
    ("content", "entries"),
    [
        ({}, ["jira", "slack.api_token"]),
        ({"jira": None, "slack": "hidden"}, ["jira", "slack.api_token"]),
        ({"jira": {"user": "hidden"}, "slack": SLACK}, ["jira"]),
        ({"jira": {"token": "hidden", "basic": BASIC}, "slack": SLACK}, ["token and basic"]),
        ({"jira": {"token": 17}, "slack": SLACK}, ["jira.token"]),
        ({"jira": {"token": "hidden\n"}, "slack": SLACK}, ["jira.token"]),
        ({"jira": {"basic": "hidden"}, "slack": SLACK}, ["jira.basic.username", "jira.basic.password"]),
        ({"jira": {"basic": {"username": "hidden"}}, "slack": SLACK}, ["jira.basic.password"]),
        ({"jira": {"oauth": {**OAUTH, "key_cert": " "}}, "slack": SLACK}, ["jira.oauth.key_cert"]),
        ({"jira": {"token": "hidden"}, "slack": {"api_token": "hidden token"}}, ["slack.api_token"]),
    ],
)
def test_every_missing_or_malformed_entry_is_named_and_no_value_shown(
    client: SecretsManagerClient, content: dict[str, Any], entries: list[str]
) -> None:
    store(client, content)
    text = complaint(client)
    assert [entry for entry in entries if entry not in text] == []
    assert text.count("entry ") == len(entries)
    assert "hidden" not in text


@pytest.mark.parametrize("text", ["hidden {", "[]", '"hidden"', "null"])
def test_a_secret_that_is_not_a_json_object_is_an_error_that_does_not_quote_it(
    client: SecretsManagerClient, text: str
) -> None:
    client.create_secret(Name=NAME, SecretString=text)
    with pytest.raises(CredentialsError, match="JSON object") as caught:
        fetch_credentials(client, NAME, jira=JIRA_URL, slack=SLACK_URL)
    assert "hidden" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_a_secret_without_text_is_an_error(client: SecretsManagerClient) -> None:
    client.create_secret(Name=NAME, SecretBinary=b"{}")
    assert "JSON object" in complaint(client)


def test_a_secret_that_does_not_exist_is_an_error_that_says_what_to_do(client: SecretsManagerClient) -> None:
    assert "credentials.secret_name" in complaint(client)


def test_a_secret_marked_for_deletion_is_an_error_that_says_what_to_do(client: SecretsManagerClient) -> None:
    store(client, {"slack": SLACK})
    client.delete_secret(SecretId=NAME)
    assert "restore" in complaint(client)


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        ("AccessDeniedException", "secretsmanager:GetSecretValue"),
        ("DecryptionFailure", "kms:Decrypt"),
        ("InternalServiceError", "InternalServiceError"),
    ],
)
def test_a_refusal_names_the_secret_and_what_to_do(client: SecretsManagerClient, code: str, advice: str) -> None:
    with Stubber(client) as stubber:
        stubber.add_client_error("get_secret_value", service_error_code=code, service_message="an explicit deny")
        said = complaint(client)
    assert advice in said
    assert said.endswith("an explicit deny)")


def test_no_value_shows_in_the_repr() -> None:
    shown = repr(Credentials(jira={"token": "hidden"}, slack_token="xoxb-hidden"))
    assert "hidden" not in shown


# --- the server that an entry is for ---


@pytest.mark.parametrize(
    ("meant", "asked"),
    [
        ("https://jira.example", "https://jira.example/jira"),
        ("https://JIRA.example./", "https://jira.EXAMPLE:443"),
        ("https://jira.example:8443", "https://jira.example:8443/"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080/jira"),
    ],
)
def test_an_entry_is_handed_out_for_its_own_server(client: SecretsManagerClient, meant: str, asked: str) -> None:
    store(client, {"jira": {"token": "pat", "server": meant}, "slack": {**SLACK, "server": SLACK_URL}})
    given = fetch_credentials(client, NAME, jira=asked, slack=SLACK_URL)
    assert given == Credentials(jira={"token": "pat"}, slack_token="xoxb-1")


@pytest.mark.parametrize(
    "asked",
    [
        "https://evil.example",
        "https://jira.example.evil.example",
        "https://jira.example@evil.example",
        "https://evil.example/jira.example",
        "https://evil.example\\.jira.example",
        "https://jira.example:8443",
        "http://jira.example",
        "http://jira.example:443",
        "ftp://jira.example",
        "https://jira.example:port",
        "",
    ],
)
@pytest.mark.parametrize("name", ["jira", "slack"])
def test_an_entry_is_handed_out_for_no_other_server(client: SecretsManagerClient, name: str, asked: str) -> None:
    meant = "https://jira.example"
    entries = {"jira": {"token": "hidden", "server": meant}, "slack": {"api_token": "hidden", "server": meant}}
    store(client, entries)
    needed = {"jira": None, "slack": None, name: asked}
    text = complaint(client, **needed)
    assert f"entry {name} is for https://jira.example:443 and is sent nowhere else" in text
    assert "hidden" not in text


@pytest.mark.parametrize("server", [None, "", 17, [], "hidden", "https://", "https://[", "ftp://jira.example"])
@pytest.mark.parametrize("name", ["jira", "slack"])
def test_a_server_that_is_none_is_no_permission(client: SecretsManagerClient, name: str, server: object) -> None:
    store(client, {"jira": {"token": "hidden", "server": server}, "slack": {"api_token": "hidden", "server": server}})
    needed = {"jira": None, "slack": None, name: JIRA_URL}
    text = complaint(client, **needed)
    assert f"entry {name}.server is not the address of a server" in text
    assert "hidden" not in text
