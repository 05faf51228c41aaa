"""Deploys the two roles of every scanned account by a CloudFormation StackSet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from deployment.commands import (
    EXIT_CODES,
    agreed,
    config_argument,
    exit_codes,
    main_account_session,
    print_table,
    settings_of,
)
from deployment.roles import HOST_PARAMETER, STACK_SET, Roles, Targets, parameters_of, refuse_failures, told
from library.aws import organizations
from library.cli.aws_options import aws_options
from library.cli.command import command
from library.cli.options import account_option, chosen_accounts
from library.config.checks import with_organization

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient

    from library.config.settings import Config


@command(epilog=EXIT_CODES)
@config_argument
@click.option(
    "--ou",
    "units",
    multiple=True,
    metavar="ID",
    help="An organizational unit, or the root of the organization; repeatable.",
)
@account_option
@click.option(
    "--delegated-admin", is_flag=True, help="The main account is not the organization's management account."
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@aws_options
def main(
    config_folder: str | None, units: tuple[str, ...], accounts: tuple[str, ...], delegated_admin: bool, yes: bool
) -> None:
    """Deploy the two roles into the scanned accounts, with the role names and the external id of CONFIG_FOLDER.

    With --ou into every account of organizational units, those that join them later included; the organization
    must trust CloudFormation StackSets for that. Without it into accounts: those given, else all that config.json
    names except the main account, which needs no roles; each must have the role
    AWSCloudFormationStackSetExecutionRole, and the main account AWSCloudFormationStackSetAdministrationRole.

    Deploy the main account's stack first: its outputs say whom the roles trust, and it has the organization, the
    permissions boundary and the tags. Without a host only the role that scans is deployed; deploying the host adds
    the other one.
    Run it again after a change: the roles that are there are updated, and those that are missing are added.
    """
    with exit_codes():
        if units and accounts:
            raise click.UsageError("give --ou or --account, not both: a StackSet has one kind of target")
        settings = settings_of(config_folder)
        session = main_account_session(settings)
        client = session.client("cloudformation")
        parameters = parameters_of(client, settings)
        others = tuple(account for account in settings.aws.accounts if account != settings.aws.main_account_id)
        targets = Targets(units=units) if units else Targets(accounts=others)
        if accounts:
            if settings.aws.accounts_from_organization:
                settings = with_organization(settings, organizations.active_accounts(session.client("organizations")))
            targets = Targets(accounts=chosen_accounts(accounts, settings.aws.accounts, "aws.accounts"))
        roles = Roles(client, settings.aws.region, delegated=delegated_admin)
        with told():
            exists = roles.exists()
            present = roles.present() if exists else set()
            print_table(("where", "the roles there"), _rows(targets, present))
            if not parameters[HOST_PARAMETER]:
                click.echo(
                    "There is no host yet: only the role that scans comes there, not the one that switches keys."
                )
            if not yes and not agreed(f"Deploy StackSet {STACK_SET}?"):
                click.echo("Nothing was changed")
                return
            failed = roles.put(parameters, targets, exists=exists)
        refuse_failures(failed, "deployed into")
        click.echo("Done. What still may be missing is shown by `make check-deployment`.")


def add_the_host(client: CloudFormationClient, settings: Config, *, ask: bool) -> None:
    """Bring the role that switches keys to accounts that have the other one since before there was a host.

    Raises DeploymentError, also with the accounts in which it failed.
    """
    with told():
        roles = Roles.found(client, settings.aws.region)
        if roles is None or roles.know_the_host():
            return
        print_table(("where", "the roles there"), [(place, "updated") for place in sorted(roles.present())])
        if ask and not agreed(f"Update StackSet {STACK_SET}, so that the host may switch keys there?"):
            click.echo("The host may not look at a key there, nor switch one off, until `make deploy-roles`")
            return
        failed = roles.put(parameters_of(client, settings), Targets(), exists=True)
    refuse_failures(failed, "updated in")
    click.echo(f"StackSet {STACK_SET}: done")


def _rows(targets: Targets, present: set[str]) -> list[tuple[str, str]]:
    """Each target, and each place that has the roles already, with what would become of the roles there."""
    asked_for = (*targets.units, *targets.accounts)
    rows = [(place, "updated" if place in present else "new") for place in asked_for]
    for place in sorted(present.difference(asked_for)):
        is_account_of_a_unit = bool(targets.units) and place.isdecimal()
        if not is_account_of_a_unit:
            rows.append((place, "updated, too"))
    return rows


if __name__ == "__main__":
    main()
