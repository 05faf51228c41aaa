"""The JIRA and Slack credentials, from their secret in Secrets Manager."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from library import text
from library.aws.calls import AWS_ERRORS, code_of, unusable
from library.errors import CredentialsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_secretsmanager import SecretsManagerClient

_BASIC = ("username", "password")
_OAUTH = ("access_token", "access_token_secret", "consumer_key", "key_cert")
_PORTS = {"http": 80, "https": 443}
_WHAT_TO_DO = {
    "ResourceNotFoundException": "not found in this region: create it, or mend credentials.secret_name",
    "InvalidRequestException": "it is marked for deletion: restore it",
    "AccessDeniedException": "access denied: allow this role secretsmanager:GetSecretValue on it, "
    "and kms:Decrypt if it has a key of its own",
    "DecryptionFailure": "it cannot be decrypted: allow this role kms:Decrypt on its key",
}


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the enabled integrations sign in with; None for one that was not asked for.

    `jira` has one entry: `token` (str), `basic` (username, password) or `oauth` (access_token,
    access_token_secret, consumer_key, key_cert). The values never show in the repr. `for_any_server` names the
    entries (`jira`, `slack`) of which the secret does not say for which server they are.
    """

    jira: Mapping[str, Any] | None = field(repr=False)
    slack_token: str | None = field(repr=False)
    for_any_server: tuple[str, ...] = ()


def fetch_credentials(
    client: SecretsManagerClient, secret_name: str, *, jira: str | None, slack: str | None
) -> Credentials:
    """Read the secret and check the entries that are needed; if none is needed, it is not read.

    `jira` and `slack` are the addresses that the tokens will be sent to, None for one that is not needed. Raises
    CredentialsError, which names the secret and every entry that is missing, malformed, or for another server
    (scheme, host and port) than that; it never shows a value.
    """
    if jira is None and slack is None:
        return Credentials(jira=None, slack_token=None)
    return check_credentials(_content(client, secret_name), secret_name, jira=jira, slack=slack)


def check_credentials(
    content: Mapping[str, Any], secret_name: str, *, jira: str | None, slack: str | None
) -> Credentials:
    """The entries that are needed, of the content of the secret; raises CredentialsError as `fetch_credentials`."""
    problems: list[str] = []
    addresses = {"jira": jira, "slack": slack}
    needed = {name: address for name, address in addresses.items() if address is not None}
    credentials = Credentials(
        jira=_jira(content.get("jira"), problems) if jira is not None else None,
        slack_token=_slack_token(content.get("slack"), problems) if slack is not None else None,
        for_any_server=tuple(
            name for name, address in needed.items() if not _is_bound(name, content.get(name), address, problems)
        ),
    )
    if problems:
        raise CredentialsError(f"Secret '{secret_name}': {'; '.join(problems)}")
    return credentials


def _content(client: SecretsManagerClient, secret_name: str) -> dict[str, Any]:
    try:
        secret = client.get_secret_value(SecretId=secret_name).get("SecretString")
    except AWS_ERRORS as error:
        for_all = unusable("secretsmanager:GetSecretValue", error)
        if for_all is not None:
            raise for_all from error
        advice = _WHAT_TO_DO.get(code_of(error), "it could not be read")
        raise CredentialsError(
            f"Secret '{secret_name}': {advice} (secretsmanager:GetSecretValue: {error})"
        ) from error
    try:
        content = json.loads(secret or "")
    except ValueError:
        # The error carries the whole secret, so it must not travel along.
        content = None
    if not isinstance(content, dict):
        raise CredentialsError(
            f"Secret '{secret_name}': its text is not a JSON object with the entries jira and slack"
        )
    return content


def _jira(entry: object, problems: list[str]) -> dict[str, Any] | None:
    given = entry if isinstance(entry, dict) else {}
    ways = [way for way in ("token", "basic", "oauth") if given.get(way)]
    if len(ways) != 1:
        found = f"has {' and '.join(ways)}" if ways else "is missing or empty"
        problems.append(f"entry jira {found}; expected one of token, basic, oauth")
        return None
    way = ways[0]
    value = given[way]
    if way == "token":
        _check_token(value, "jira.token", problems)
        return {way: value}
    names = _BASIC if way == "basic" else _OAUTH
    parts = value if isinstance(value, dict) else {}
    for name in names:
        if not (isinstance(parts.get(name), str) and parts[name].strip()):
            problems.append(f"entry jira.{way}.{name} is missing or is not text")
    return {way: {name: parts.get(name) for name in names}}


def _slack_token(entry: object, problems: list[str]) -> str | None:
    value = entry.get("api_token") if isinstance(entry, dict) else None
    _check_token(value, "slack.api_token", problems)
    return value if isinstance(value, str) else None


def _is_bound(name: str, entry: object, address: str, problems: list[str]) -> bool:
    """Whether the entry says for which server it is; if that is not the one of the address, it is a problem."""
    if not isinstance(entry, dict) or "server" not in entry:
        return False
    meant, asked = _server(entry["server"]), _server(address)
    if meant is None:
        problems.append(f"entry {name}.server is not the address of a server")
    elif meant != asked:
        found = asked or "no server"
        problems.append(f"entry {name} is for {meant} and is sent nowhere else, and the configuration names {found}")
    return True


def _server(address: object) -> str | None:
    """Scheme, host and port of an address in one form (`https://jira.example:443`); None if it names no server."""
    try:
        url = urlsplit(address if isinstance(address, str) else "")
        host = (url.hostname or "").rstrip(".")
        port = url.port or _PORTS[url.scheme]
    except (ValueError, KeyError):
        return None
    return text.plain(f"{url.scheme}://{host}:{port}") if host else None


def _check_token(value: object, place: str, problems: list[str]) -> None:
    if not isinstance(value, str) or not value:
        problems.append(f"entry {place} is missing or is not text")
    elif not text.is_token(value):
        problems.append(f"entry {place} has a character that no token has (a space or a line end, for example)")
