"""Removes what `deploy` and `deploy_roles` have made, and keeps what must not be lost with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from deployment import stacks
from deployment.commands import (
    EXIT_CODES,
    agreed,
    config_argument,
    exit_codes,
    main_account_session,
    print_table,
    settings_of,
)
from deployment.roles import STACK_SET, Roles, refuse_failures, told
from library.cli.aws_options import aws_options
from library.cli.command import command

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient

_REMOVED = (stacks.HOST_STACK, stacks.MAIN_STACK)
"""In this order: nothing switches keys any more while the rest goes."""


@command(epilog=EXIT_CODES)
@config_argument
@click.option("--yes", is_flag=True, help="Do not ask.")
@aws_options
def main(config_folder: str | None, yes: bool) -> None:
    """Remove the host, the main account's stack and the roles of the scanned accounts, as CONFIG_FOLDER names them.

    First what would be removed and what is kept is shown, and you are asked. Kept are the tables, the host's log
    group, and the stack hammer-deployment with the bucket of packages and configurations: a later deployment takes
    them over with all that is known. Keys that were switched off stay off, so give back what is wanted before.

    Where something fails, run it again once it is mended: what is gone already is left out.
    """
    with exit_codes():
        settings = settings_of(config_folder)
        client = main_account_session(settings).client("cloudformation")
        with told():
            roles = Roles.found(client, settings.aws.region)
            places = sorted(roles.present()) if roles else []
        there = [name for name in _REMOVED if stacks.exists(client, name)]
        if roles is None and not there:
            click.echo(f"Nothing is deployed in {settings.aws.region}")
            return
        _show(client, there, places, has_roles=roles is not None)
        if not yes and not agreed("Remove this?"):
            click.echo("Nothing was changed")
            return
        for name in there:
            click.echo(f"Removing stack {name}. This takes a few minutes.")
            stacks.delete(client, name)
        if roles is not None:
            click.echo(f"Removing StackSet {STACK_SET}")
            with told():
                failed = roles.remove()
            refuse_failures(failed, "taken out of")
        click.echo("Done. `make deploy` takes over what was kept.")


def _show(client: CloudFormationClient, there: list[str], places: list[str], *, has_roles: bool) -> None:
    rows = [(f"stack {name}", "removed") for name in there]
    if has_roles:
        rows.append((f"StackSet {STACK_SET}", f"removed, with the roles in {', '.join(places) or 'no account'}"))
    rows += [(kept, "kept") for name in there for kept in stacks.retained(client, name)]
    if stacks.exists(client, stacks.BUCKET_STACK):
        bucket = stacks.outputs(client, stacks.BUCKET_STACK)["BucketName"]
        rows.append((f"stack {stacks.BUCKET_STACK}, bucket {bucket}", "kept"))
    print_table(("what", "what becomes of it"), rows)
    click.echo(
        "Keys that were switched off stay off, and nobody is reminded any more; to give keys back first, use "
        "remediation.restore_iam_keys."
    )


if __name__ == "__main__":
    main()
