"""Command: a first look at the idle access keys of one account or many; it deploys nothing and changes nothing."""

from __future__ import annotations

import io
import os
import re
import sys
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from identification.look import Wanted, look_at
from library.cli import exit_codes, terminal
from library.cli.aws_options import profile_option, region_option
from library.cli.command import command
from library.cli.logs import logger, logging_to_standard_error
from library.cli.options import account_ids
from library.cli.output import check_output
from library.cli.signals import ended_by_the_third
from library.errors import HammerError
from library.reports.files import csv_text, write
from library.reports.first_look import IdleKey, as_object, rows
from library.reports.first_look_page import page_of
from library.reports.first_look_tables import tables_of
from library.reports.page import render
from library.text import as_json

if TYPE_CHECKING:
    from library.reports.first_look import FirstLook

FINDINGS = 10
"""Exit code of --fail-on-findings, unlike every other one so that a pipeline can tell them apart."""
_ROLE_NAME = re.compile(r"[\w+=,.@/-]+", re.ASCII)


class ResultNotWritten(HammerError):
    """The file of --output cannot be written."""


def _role_name(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    if value and not _ROLE_NAME.fullmatch(value):
        raise click.BadParameter(f"found {value!r}; expected the name of a role, without account and arn:")
    return value


@command()
@click.option(
    "--days",
    type=click.IntRange(1, 36_500),
    default=90,
    show_default=True,
    metavar="N",
    help="List keys that were not used for more than this number of days; of a key never used, its age counts.",
)
@click.option(
    "--account",
    "--accounts",
    "accounts",
    callback=account_ids,
    multiple=True,
    metavar="ID[,ID]",
    help="Scan these accounts instead of the one that the credentials belong to. Repeatable.",
)
@click.option("--organization", is_flag=True, help="Scan every ACTIVE account of the AWS Organization.")
@click.option(
    "--role-name",
    callback=_role_name,
    default="",
    metavar="NAME",
    help="The role to assume in every other account; it only needs to read IAM.",
)
@click.option(
    "--external-id", default="", metavar="ID", help="With --role-name: the external id that the role wants."
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "csv", "html"]),
    default="table",
    show_default=True,
    help="How to print it. What is printed comes alone on standard output; everything else goes to standard error.",
)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    metavar="FILE",
    help="Write it to this file, which is overwritten, instead of standard output.",
)
@click.option("--fail-on-findings", is_flag=True, help="Exit with code 10 if there is an idle key, for pipelines.")
@profile_option
@region_option
def main(
    days: int,
    accounts: tuple[str, ...],
    organization: bool,
    role_name: str,
    external_id: str,
    form: str,
    output: Path | None,
    fail_on_findings: bool,
) -> None:
    """List the access keys that nobody uses, and count what other thresholds would catch.

    Deploys nothing, changes nothing, and needs no configuration: only AWS credentials, from wherever the AWS command
    line has them (AWS_PROFILE, environment, a role). Without options it scans the account they belong to. Others are
    reached through a role of the same name in each of them, which these credentials may assume:

    \b
      hammer scan
      hammer scan --days 180 --format csv --output idle.csv
      hammer scan --accounts 111111111111,222222222222 --role-name audit
      hammer scan --organization --role-name audit

    It is the same scan and the same rule as the Lambda's: an Active key is idle if its last use, or its creation if
    it was never used, is more than --days times 24 hours ago. The longest idle come first. Then it says how many keys
    30, 60, 90, 180 and 365 days would catch, which helps to choose a threshold. So that these counts are exact, the
    last use of every key older than 30 days is read, whatever --days is.

    Root access keys are said, too: they are not counted among the idle ones.

    The calls are sts:GetCallerIdentity; iam:ListUsers, ListAccessKeys, GetAccessKeyLastUsed; in accounts with more
    than 150 users GenerateCredentialReport and GetCredentialReport (without these two it takes longer, and finds the
    same), in others GetAccountSummary (without it root access keys are not known); sts:AssumeRole with --role-name;
    organizations:ListAccounts with --organization. AWS's policies SecurityAudit and IAMReadOnlyAccess allow those of
    IAM.

    Exit codes: 0 done, 1 an account could not be scanned (the others are shown), 2 usage, or the AWS credentials are
    missing or not accepted, 10 an idle key was found (--fail-on-findings only, and only if nothing failed), 130
    Ctrl-C.
    """
    check_output(form, output)
    if accounts and organization:
        raise click.UsageError("--accounts and --organization exclude each other: name accounts, or take them all")
    if organization and not role_name:
        raise click.UsageError("--organization needs --role-name, the role to assume in the other accounts")
    if role_name and not (accounts or organization):
        raise click.UsageError("--role-name is for other accounts: add --accounts or --organization")
    if external_id and not role_name:
        raise click.UsageError("--external-id is for a role: add --role-name")
    wanted = Wanted(days, accounts, organization, role_name, external_id)
    with ended_by_the_third(), logging_to_standard_error():
        sys.exit(_run(wanted, form, output, fail_on_findings=fail_on_findings))


def _run(wanted: Wanted, form: str, output: Path | None, *, fail_on_findings: bool) -> int:
    try:
        look = look_at(wanted, datetime.now(UTC))
        _write(look, form, output)
    except exit_codes.EXPECTED as error:
        code = exit_codes.told(error, logger.error, interrupted="Interrupted; nothing was changed anywhere")
        if isinstance(error, KeyboardInterrupt):
            # The threads are in the middle of reads, which nobody has to wait for.
            os._exit(code)
        return code
    if look.failed:
        return exit_codes.FAILED
    return FINDINGS if fail_on_findings and look.idle_keys else exit_codes.OK


def _write(look: FirstLook, form: str, output: Path | None) -> None:
    try:
        if output is None:
            _print(look, form, sys.stdout)
            sys.stdout.flush()
            return
        text = io.StringIO()
        _print(look, form, text)
        write(output, text.getvalue())
    except OSError as error:
        raise ResultNotWritten(f"The result cannot be written: {error}") from error
    logger.info("Written: %s", output)


def _print(look: FirstLook, form: str, file: TextIO) -> None:
    if form == "json":
        file.write(as_json(as_object(look)) + "\n")
    elif form == "csv":
        file.write(csv_text([field.name for field in fields(IdleKey)], rows(look)))
    elif form == "html":
        file.write(render(page_of(look)))
    else:
        _print_tables(look, file)


def _print_tables(look: FirstLook, file: TextIO) -> None:
    for number, (title, headings, lines) in enumerate(tables_of(look)):
        if number:
            file.write("\n")
        terminal.print_table(title, headings, lines, file)


if __name__ == "__main__":
    main()
