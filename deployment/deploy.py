"""Deploys the main account's stacks: shows what would change, asks, does it, and says what came out."""

from __future__ import annotations

import shlex
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from deployment import stacks
from deployment.artifacts import upload
from deployment.build_packages import build, build_host
from deployment.commands import (
    EXIT_CODES,
    REPOSITORY,
    agreed,
    exit_codes,
    main_account_session,
    print_table,
    settings_of,
)
from deployment.deploy_roles import add_the_host
from deployment.publish_config import PREFIX, current, differing, publish
from library.cli.aws_options import aws_options
from library.cli.command import command

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_s3.client import S3Client

    from library.config.settings import Config

_PARTS: Mapping[str, tuple[str, Callable[..., Path], str]] = {
    "main": (stacks.MAIN_STACK, build, "ArtifactKey"),
    "host": (stacks.HOST_STACK, build_host, "HostPackageKey"),
}
"""For --stack: the stack, what builds its package, and the parameter that names it."""


def parameters_of(settings: Config) -> dict[str, str]:
    """The parameters of all templates that the configuration determines."""
    return {
        "RoleNameIdentification": settings.aws.role_name_identification,
        "RoleNameReporting": settings.aws.role_name_reporting,
        "RolePath": settings.aws.role_path,
        "AccountsFromOrganization": str(settings.aws.accounts_from_organization).lower(),
        "CredentialsSecretName": settings.credentials_secret,
        stacks.ISSUES_TABLE_PARAMETER: settings.inactive_keys.table_name,
    }


def template_body(stack: str, settings: Config) -> str:
    """The template of a stack, with the names of the tables written out where these are made.

    CloudFormation takes over an existing table only under a static name, not one that refers to a parameter.
    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/import-resources-automatically.html
    """
    body = (stacks.TEMPLATES / stacks.TEMPLATE_OF[stack]).read_text(encoding="utf-8")
    parameter, name = stacks.ISSUES_TABLE_PARAMETER, settings.inactive_keys.table_name
    body = body.replace(f"TableName: !Ref {parameter}\n", f'TableName: "{name}"\n')
    return body.replace(f"TableName: !Sub ${{{parameter}}}-state\n", f'TableName: "{name}-state"\n')


def deploy(
    cloudformation: CloudFormationClient,
    stack: str,
    body: str,
    parameters: Mapping[str, str],
    tags: Mapping[str, str],
    *,
    ask: bool,
) -> bool:
    """Bring one stack to the state of a template: show the changes, ask, make them, and print the outputs.

    `body` is the template's text. Without `tags` it keeps its own. Returns False if the answer was no; then nothing
    was changed. Raises StackError.
    """
    planned = stacks.plan(cloudformation, stack, body, parameters, tags)
    if planned is None:
        click.echo(f"Stack {stack}: no changes")
        return True
    click.echo(f"Stack {stack} {'is new' if planned.creates else 'would be changed'}:")
    print_table(
        ("action", "resource", "type", "replaced"),
        [(change.action, change.logical_id, change.kind, change.replacement) for change in planned.changes],
    )
    goes_on = not ask
    try:
        goes_on = goes_on or agreed("Go ahead?")
    finally:
        if not goes_on:
            stacks.discard(cloudformation, planned)
            click.echo(f"Stack {stack}: nothing was changed")
    if not goes_on:
        return False
    click.echo("This takes a few minutes.")
    outputs = stacks.execute(cloudformation, planned)
    click.echo(f"Stack {stack}: done")
    if outputs:
        print_table(("output", "value"), sorted(outputs.items()))
    return True


def _pairs(_context: click.Context, _parameter: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    wrong = [pair for pair in given if "=" not in pair]
    if wrong:
        raise click.BadParameter(f"{wrong[0]!r} is not NAME=VALUE")
    return dict(pair.split("=", 1) for pair in given)


@command(epilog=EXIT_CODES)
@click.argument("config_folder", required=False)
@click.option(
    "--stack",
    type=click.Choice(["main", "host"]),
    default="main",
    show_default=True,
    help="main: table, topic, functions, schedule, alarms. host: the EC2 host of reporting and remediation.",
)
@click.option(
    "--parameter",
    "given",
    multiple=True,
    callback=_pairs,
    metavar="NAME=VALUE",
    help="A parameter of the template; repeatable. What is not given keeps its value, or has the template's default.",
)
@click.option(
    "--tag",
    "tags",
    multiple=True,
    callback=_pairs,
    metavar="NAME=VALUE",
    help="A tag of all that the stack makes; repeatable. Without any, the host has the main stack's, and so have the "
    "roles of `make deploy-roles`; a stack without any in either place keeps its own.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@aws_options
def main(config_folder: str | None, stack: str, given: dict[str, str], tags: dict[str, str], yes: bool) -> None:
    """Deploy with the configuration in CONFIG_FOLDER (config/ if not given), with the AWS credentials at hand.

    First comes the bucket for packages and configuration, if it does not exist yet; then the package is built and
    uploaded, and the stack is created or updated with it. Before anything in a stack is changed, the changes are
    shown and you are asked. What the account already has under the template's names (the issues table of an earlier
    stack, or Hammer's own) is taken over with its content.

    Functions and host read their configuration from config/ in that bucket, where the first deployment puts it. Later
    deployments leave alone what is published there: see `make publish-config`. With `--parameter ConfigSource=`
    they read the copy in their package.

    Scans need no host. With --stack host, which may come at any time, the role that switches keys is brought to the
    accounts that have the one that scans.
    """
    with exit_codes():
        folder = Path(config_folder or REPOSITORY / "config")
        settings = settings_of(str(folder))
        session = main_account_session(settings)
        cloudformation, s3 = session.client("cloudformation"), session.client("s3")
        name, build_package, package_parameter = _PARTS[stack]
        body = template_body(name, settings)
        _refuse_parameters(given, stacks.declared(cloudformation, body), settings, stacks.TEMPLATE_OF[name])
        if stack != "main" or stacks.ISSUES_TABLE_PARAMETER not in given:
            stacks.refuse_another_table(cloudformation, settings)
        if not deploy(
            cloudformation, stacks.BUCKET_STACK, template_body(stacks.BUCKET_STACK, settings), {}, tags, ask=not yes
        ):
            return
        bucket = stacks.outputs(cloudformation, stacks.BUCKET_STACK)["BucketName"]
        source = f"s3://{bucket}/{PREFIX}"
        values = parameters_of(settings) | {"ArtifactBucket": bucket}
        # A source that somebody has chosen for this stack stays.
        values["ConfigSource"] = stacks.parameters(cloudformation, name).get("ConfigSource", source)
        if stack == "host":
            topic = stacks.outputs(cloudformation, stacks.MAIN_STACK)["OperatorsTopicArn"]
            values |= {"OperatorsTopicArn": topic, **stacks.of_all_roles(cloudformation)}
        values |= given
        # A folder of its own: another deployment from this checkout may have another configuration in its package.
        with tempfile.TemporaryDirectory() as build_folder:
            # Where it is read from elsewhere, an old copy of it must not be there to be read by mistake.
            bundled = not values["ConfigSource"]
            package = build_package(str(folder), Path(build_folder), with_configuration=bundled)
            uploaded = upload(s3, bucket, package)
            values |= {package_parameter: uploaded.key, "HostPackageDigest": uploaded.digest}
        if values["ConfigSource"] == source and current(s3, source) is None:
            publish(s3, folder, source)
            click.echo(f"The configuration is published at {source}")
        tags = tags or stacks.tags(cloudformation, stacks.MAIN_STACK)
        if deploy(cloudformation, name, body, values, tags, ask=not yes) and stack == "host":
            add_the_host(cloudformation, settings, ask=not yes)
        if values["ConfigSource"] == source:
            _say_what_is_not_in_force(s3, folder, source)


def _say_what_is_not_in_force(s3: S3Client, folder: Path, source: str) -> None:
    """Who deploys with an edited configuration must not believe that it holds now."""
    published = current(s3, source)
    others = [] if published is None else differing(published, folder)
    if others:
        click.echo(
            f"Not in force: {', '.join(others)} in {folder}; something else is in force at {source}: "
            f"`make publish-config CONFIG={shlex.quote(str(folder))}` shows the differences and puts them into force"
        )


def _refuse_parameters(given: Mapping[str, str], known: Collection[str], settings: Config, template: str) -> None:
    """Raise UsageError for a parameter that the template does not have, or a table that nobody would look for."""
    unknown = sorted(given.keys() - known)
    if unknown:
        raise click.UsageError(f"{template} has no parameter {', '.join(unknown)}; it has {', '.join(sorted(known))}")
    table = settings.inactive_keys.table_name
    asked = given.get(stacks.ISSUES_TABLE_PARAMETER, table)
    if asked != table:
        raise click.UsageError(
            f"--parameter {stacks.ISSUES_TABLE_PARAMETER}={asked}: config.json names {table} "
            "(user_inactivekeys.ddb.table_name); give the same name in both places"
        )


if __name__ == "__main__":
    main()
