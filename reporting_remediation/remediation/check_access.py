"""Command: says what this host would be refused, before a run finds out; it changes nothing."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING

import boto3
import click

from library.aws import permissions
from library.aws.secrets import fetch_credentials
from library.aws.sessions import CLIENT_CONFIG
from library.cli import host_command, terminal, wiring
from library.errors import CredentialsError, HammerError

if TYPE_CHECKING:
    from library.aws.permissions import Refusal
    from library.config.settings import AccountRef, Config

STREAM = "remediation.check_access"
_AT_ONCE = 8


@click.command(epilog="Exit codes: 0 nothing is missing, 1 something is, 2 configuration or usage, 130 interrupted.")
def main() -> None:
    """Try every AWS call that reporting and remediation on this host need, with no effect, account by account.

    Each line names what is refused and what to do about it. The scan's own roles are checked by
    deployment.check_deployment, from where the stacks are deployed.
    """
    sys.exit(host_command.run(STREAM, _check, read_only=True))


def _check(settings: Config) -> int:
    accounts = settings.remediation_accounts()
    access = wiring.account_access(settings)
    refused = permissions.of_table(access, settings.inactive_keys.table_name)
    table = host_command.issues_table(settings)

    def of(account: AccountRef) -> list[Refusal]:
        users: list[str] = []
        # The table itself is spoken of below.
        with suppress(HammerError):
            users = [issue.details.username for issue in table.of_account(account.id, lambda _: None)]
        return permissions.of_remediation(access, account.id, account.name, users)

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        found = list(zip(accounts, pool.map(of, accounts), strict=True))
    rows = [
        (account.id, account.name, refusal.call, refusal.said, _remedy(settings, account, refusal))
        for account, refusals in found
        for refusal in refusals
    ]
    rows += [
        ("", "issues table", one.call, one.said, "add it to the host's role: deploy its stack again")
        for one in refused
    ]
    try:
        fetch_credentials(
            boto3.Session(region_name=settings.aws.region).client("secretsmanager", config=CLIENT_CONFIG),
            settings.credentials_secret,
            jira=settings.jira.enabled,
            slack=settings.slack.enabled,
        )
    except CredentialsError as error:
        remedy = "store them: python -m deployment.put_credentials"
        rows.append(("", "credentials", "secretsmanager:GetSecretValue", str(error), remedy))
    for account_id, part, what, said, remedy in rows:
        click.echo(f"{account_id} {part}: {what}\n    {said}\n    {remedy}".lstrip())
    click.echo(
        f"{len(accounts)} accounts to remediate, {sum(bool(refusals) for _, refusals in found)} with a refusal"
    )
    return terminal.FAILED if rows else terminal.OK


def _remedy(settings: Config, account: AccountRef, refusal: Refusal) -> str:
    if account.id == settings.aws.main_account_id:
        return "deploy the host's stack again (deployment.deploy --stack host)"
    if refusal.call == "sts:AssumeRole":
        return (
            f"deploy the roles there (deployment.deploy_roles); {settings.aws.role_name_reporting} must trust this "
            "host's role and ask for aws.external_id of config.json"
        )
    return (
        f"deploy the roles there again (deployment.deploy_roles); if {settings.aws.role_name_reporting} allows it, "
        "an organization's policy or a permissions boundary denies it"
    )


if __name__ == "__main__":
    main()
