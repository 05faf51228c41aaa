"""Command: says what this host would be refused, before a run finds out; it changes nothing."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import click

from library import text
from library.aws import permissions
from library.cli import exit_codes, wiring
from library.cli.aws_options import aws_options
from library.cli.command import command
from library.cli.run import run
from library.errors import AwsUnusable, CredentialsError, HammerError
from library.messages import Message

if TYPE_CHECKING:
    from library.aws.issues_table import IssuesTable
    from library.aws.permissions import Refusal
    from library.aws.sessions import AccountAccess
    from library.config.settings import AccountRef, Config

STREAM = "remediation.check_access"
_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class _Lack:
    """Something that is missing: where, for which call, what was said, and what to do about it."""

    part: str
    call: str
    said: str
    remedy: str


@command(epilog="Exit codes: 0 nothing is missing, 1 something is, 2 configuration or usage, 130 interrupted.")
@aws_options
def main() -> None:
    """Try every AWS call that reporting and remediation on this host need, with no effect, account by account.

    Each line names what is refused and what to do about it. The scan's own roles are checked by
    `make check-deployment`, from where the stacks are deployed.
    """
    sys.exit(run(STREAM, _check, read_only=True))


def _check(settings: Config) -> int:
    try:
        table = wiring.issues_table(settings)
    except AwsUnusable as error:
        if error.id is not Message.TABLE_FAILED:
            raise
        # What is refused there is one of the things to find out.
        table = None
    accounts = settings.remediation_accounts()
    access = wiring.account_access(settings)
    name = settings.inactive_keys.table_name
    tables = {
        "issues table": permissions.of_table(access, name),
        "state table": permissions.of_state(access, name),
    }
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        refusals = list(pool.map(partial(_refused_in, access, table), accounts))
    lacks = [
        _Lack(f"{account.id} {account.name}", each.call, each.said, _remedy(settings, account, each))
        for account, refused in zip(accounts, refusals, strict=True)
        for each in refused
    ]
    lacks += [
        _Lack(table, each.call, each.said, "add it to the host's role: deploy its stack again")
        for table, refused in tables.items()
        for each in refused
    ]
    try:
        wiring.credentials(settings)
    except CredentialsError as error:
        remedy = "store them: `make put-credentials`"
        lacks.append(_Lack("credentials", "secretsmanager:GetSecretValue", str(error), remedy))
    for each in lacks:
        click.echo("\n    ".join(map(text.plain, (f"{each.part}: {each.call}", each.said, each.remedy))))
    click.echo(f"{len(accounts)} accounts to remediate, {len(list(filter(None, refusals)))} with a refusal")
    return exit_codes.FAILED if lacks else exit_codes.OK


def _refused_in(access: AccountAccess, table: IssuesTable | None, account: AccountRef) -> list[Refusal]:
    """What is refused in an account; users of its issues are tried, as far as the table can be read."""
    try:
        users = [issue.details.username for issue in table.of_account(account.id, _ignore)] if table else []
    except HammerError:
        # The check of the table itself reports that.
        users = []
    return permissions.of_remediation(access, account.id, account.name, users)


def _ignore(_unreadable: HammerError) -> None:
    """A row that cannot be read is no matter of access."""


def _remedy(settings: Config, account: AccountRef, refusal: Refusal) -> str:
    if account.id == settings.aws.main_account_id:
        return "deploy the host's stack again (`make deploy ARGS='--stack host'`)"
    if refusal.call == "sts:AssumeRole":
        return (
            f"deploy the roles there (`make deploy-roles`); {settings.aws.role_name_reporting} must trust this "
            "host's role and ask for aws.external_id of config.json"
        )
    return (
        f"deploy the roles there again (`make deploy-roles`); if {settings.aws.role_name_reporting} allows it, "
        "an organization's policy or a permissions boundary denies it"
    )


if __name__ == "__main__":
    main()
