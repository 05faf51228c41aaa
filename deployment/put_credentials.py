"""Stores the JIRA and Slack credentials in Secrets Manager, after logging in with them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from deployment.commands import (
    EXIT_CODES,
    config_argument,
    exit_codes,
    main_account_session,
    print_table,
    settings_of,
)
from library.aws.calls import AWS_ERRORS, said_by
from library.aws.secrets import check_credentials
from library.cli import terminal
from library.cli.aws_options import aws_options
from library.cli.command import command
from library.errors import CredentialsError, HammerError
from library.messages import Message, line
from library.notifications.jira_calls import JiraCalls
from library.notifications.jira_tickets import JiraTickets
from library.notifications.slack_calls import SlackCalls
from library.notifications.slack_messages import SlackMessages

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mypy_boto3_secretsmanager import SecretsManagerClient

    from library.config.settings import Config


def log_in(settings: Config, content: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Log in with every entry of the secret's content; returns system, address and user of each login.

    Raises CredentialsError, TicketError or MessageError if an entry is malformed or not accepted. Each is tried: of
    two that are not accepted, the first one is said here.
    """
    addresses = _addresses(settings)
    credentials = check_credentials(
        content,
        settings.credentials_secret,
        jira=addresses["jira"] if "jira" in content else None,
        slack=addresses["slack"] if "slack" in content else None,
    )
    logins: list[tuple[str, str, Callable[[], str]]] = []
    if credentials.jira is not None:
        server = settings.jira.server
        if not server:
            raise CredentialsError(
                "config.json names no jira.server to try the credentials at", id=Message.NOTHING_TO_STORE
            )
        tickets = JiraTickets(
            JiraCalls(server=server, credentials=credentials.jira, ca_bundle=settings.jira.ca_bundle)
        )
        logins.append(("JIRA", server, tickets.log_in))
    if credentials.slack_token is not None:
        messages = SlackMessages(SlackCalls(token=credentials.slack_token, base_url=settings.slack.base_url))
        logins.append(("Slack", settings.slack.base_url, messages.log_in))
    done, refused = [], []
    for system, address, log_in_there in logins:
        try:
            done.append((system, address, log_in_there()))
        except HammerError as error:
            refused.append(error)
    for each in refused[:-1]:
        terminal.say(line(each.id, str(each)), err=True)
    if refused:
        raise refused[-1]
    return done


def with_servers(settings: Config, content: Mapping[str, Any]) -> dict[str, Any]:
    """The content of the secret with the server of the configuration beside each entry, where we have logged in."""
    addresses = _addresses(settings)
    return {name: {**entry, "server": addresses[name]} for name, entry in content.items()}


def _addresses(settings: Config) -> dict[str, str]:
    return {"jira": settings.jira.server, "slack": settings.slack.base_url}


def store(client: SecretsManagerClient, name: str, content: Mapping[str, Any]) -> list[str]:
    """Put the entries into the secret, which is created if it does not exist.

    An entry that is not given stays as it was; returns the names of these. Raises CredentialsError if the secret
    holds something that is not JSON, and botocore's ClientError.
    """
    before: dict[str, Any] = {}
    try:
        before = json.loads(client.get_secret_value(SecretId=name)["SecretString"] or "{}")
    except client.exceptions.ResourceNotFoundException:
        # There is no secret, or one without a value, as the stack makes it.
        pass
    except ValueError:
        # The error quotes the secret.
        raise CredentialsError(
            f"Secret '{name}' holds something that is not JSON: delete its value first", id=Message.SECRET_NOT_WRITTEN
        ) from None
    text = json.dumps({**before, **content})
    try:
        client.put_secret_value(SecretId=name, SecretString=text)
    except client.exceptions.ResourceNotFoundException:
        client.create_secret(Name=name, SecretString=text)
    return sorted(before.keys() - content.keys())


def _from_file(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        # The error of json quotes no part of the text, and that of a file names it.
        raise CredentialsError(f"{path}: {getattr(error, 'strerror', None) or error}") from error
    if not isinstance(content, dict) or not content or not content.keys() <= {"jira", "slack"}:
        raise CredentialsError(f"{path}: expected a JSON object with the entries jira and slack, or one of them")
    return content


def _from_prompts(settings: Config) -> dict[str, Any]:
    content: dict[str, Any] = {}
    if settings.jira.enabled:
        click.echo(f"JIRA, {settings.jira.server}. OAuth 1 is given by --file only.")
        user = click.prompt("User name or e-mail, or nothing for a personal access token", "", show_default=False)
        secret = click.prompt("Password or API token" if user else "Personal access token", hide_input=True)
        content["jira"] = {"basic": {"username": user, "password": secret}} if user else {"token": secret}
    if settings.slack.enabled:
        content["slack"] = {"api_token": click.prompt("Slack bot token (xoxb-…)", hide_input=True)}
    if not content:
        raise CredentialsError(
            "config.json enables neither jira nor slack, so no credentials are needed", id=Message.NOTHING_TO_STORE
        )
    return content


@command(epilog=EXIT_CODES)
@config_argument
@click.option(
    "--file",
    "path",
    type=click.Path(path_type=Path),
    help='A JSON file: {"jira": {"token": "…"} or {"basic": {"username", "password"}} or {"oauth": {"access_token", '
    '"access_token_secret", "consumer_key", "key_cert"}}, "slack": {"api_token": "xoxb-…"}}.',
)
@aws_options
def main(config_folder: str | None, path: Path | None) -> None:
    """Ask for the credentials of the integrations that CONFIG_FOLDER enables, log in with them, and store them.

    They go into the secret credentials.secret_name of config.json, in Secrets Manager. What is typed is not shown;
    no credential is ever taken from an argument, where every user of the machine could read it. With --file they are
    read from a file; delete it afterwards. Nothing is stored unless JIRA and Slack accept what is new. The server
    that accepted an entry is stored beside it, and it is sent to no other. An entry that is not given (JIRA's or
    Slack's) stays as it is.
    """
    with exit_codes():
        settings = settings_of(config_folder)
        session = main_account_session(settings)
        try:
            content = _from_file(path) if path else _from_prompts(settings)
        except click.Abort:
            raise KeyboardInterrupt from None
        print_table(("logged in to", "at", "as"), log_in(settings, content))
        try:
            bound = with_servers(settings, content)
            kept = store(session.client("secretsmanager"), settings.credentials_secret, bound)
        except AWS_ERRORS as error:
            raise CredentialsError(
                f"Secret '{settings.credentials_secret}' was not written: {said_by(error)}",
                id=Message.SECRET_NOT_WRITTEN,
            ) from error
        click.echo(f"Stored in the secret {settings.credentials_secret} of {settings.aws.region}")
        if kept:
            click.echo(f"Kept as it was: {', '.join(kept)}")


if __name__ == "__main__":
    main()
