"""Writes a configuration to begin with: it scans, and neither tells nor changes anything."""

from __future__ import annotations

import json
import re
import shlex
import sys
from pathlib import Path
from typing import Any

import click

from deployment.commands import EXIT_CODES, REPOSITORY, exit_codes
from library.aws.calls import AWS_ERRORS
from library.aws_clients import Session
from library.cli.aws_options import profile_option
from library.cli.command import command
from library.cli.options import account_id
from library.config.loading import load
from library.config.sources import CONFIG, FILES, OWNERS, WHITELIST

# A name may have commas, too.
_NEXT = re.compile(r",(?=\s*[\d-]{12,}\s*(?:[=,]|\Z))")


def _accounts(_context: click.Context, _parameter: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in (part for value in given for part in _NEXT.split(value)):
        typed, _, name = each.partition("=")
        id = account_id(typed)
        if id is None:
            raise click.BadParameter(f"{each!r} is not an account id of 12 digits, or ID=NAME")
        found[id] = name.strip() or id
    return found


def contents(
    region: str,
    accounts: dict[str, str],
    *,
    organization: bool,
    jira_server: str = "",
    jira_project: str = "",
    slack_owner: str = "",
) -> dict[str, dict[str, Any]]:
    """The three files by name; the first of `accounts` (name by id) is the main account.

    They are the sample's, with a channel enabled where its address is given, and both switches off.
    """
    sample = {name: json.loads((REPOSITORY / "config" / name).read_text(encoding="utf-8")) for name in FILES}
    config, whitelist, owners = sample[CONFIG], sample[WHITELIST], sample[OWNERS]
    config["__comment"] = "Check it with: python -m library.config FOLDER"
    config["aws"] |= {
        "region": region,
        "main_account_id": next(iter(accounts)),
        "accounts": accounts,
        "accounts_from_organization": organization,
    }
    config["jira"] |= {"enabled": bool(jira_server), "server": jira_server}
    config["slack"]["enabled"] = bool(slack_owner)
    whitelist["user_inactivekeys"] = {account: [] for account in accounts}
    owners |= {"account": {}, "jira_project": jira_project, "slack_owner": [slack_owner] if slack_owner else []}
    return {CONFIG: config, WHITELIST: whitelist, OWNERS: owners}


def _caller() -> tuple[str, str]:
    """The region and the account of the AWS credentials at hand, empty as far as there are none."""
    session = Session()
    try:
        account = session.client("sts", region_name=session.region_name or "us-east-1").get_caller_identity()
    except AWS_ERRORS:
        return session.region_name or "", ""
    return session.region_name or "", account["Account"]


def _ask_for_accounts(caller: str) -> dict[str, str]:
    accounts: dict[str, str] = {}
    while True:
        question = "Another account's id, or nothing" if accounts else "Id of the main account"
        given = click.prompt(question, "" if accounts else caller or None, show_default=not accounts).strip()
        if accounts and not given:
            return accounts
        id = account_id(given)
        if id is not None:
            accounts[id] = click.prompt(f"Name of {id}", id)
        else:
            click.echo("An account id has 12 digits.")


def _ask(given: dict[str, Any]) -> dict[str, Any]:
    """What was not given as an option, asked for at the terminal."""
    region, caller = _caller()
    given["region"] = given["region"] or click.prompt("AWS region of the main account", region or None)
    if not given["accounts"]:
        given["accounts"] = _ask_for_accounts(caller)
        given["organization"] = click.confirm("Scan all active accounts of the AWS organization, too?")
    given["jira_server"] = given["jira_server"] or click.prompt("URL of JIRA, or nothing", "", show_default=False)
    if given["jira_server"] and not given["jira_project"]:
        given["jira_project"] = click.prompt("JIRA project of the tickets")
    if not given["slack_owner"]:
        given["slack_owner"] = click.prompt("Slack channel that is told (#…), or nothing", "", show_default=False)
    return given


@command(epilog=EXIT_CODES)
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--region", default="", metavar="NAME", help="AWS region of the main account.")
@click.option(
    "--account",
    "accounts",
    multiple=True,
    callback=_accounts,
    metavar="ID[=NAME]",
    help="An account to scan, the main account first. Repeatable, or a list with commas.",
)
@click.option("--organization", is_flag=True, help="Scan all active accounts of the AWS organization, too.")
@click.option("--jira-server", default="", metavar="URL", help="URL of JIRA; without it JIRA is off.")
@click.option("--jira-project", default="", metavar="KEY", help="Key of the project in which tickets are raised.")
@click.option(
    "--slack-owner",
    default="",
    metavar="NAME",
    help="Channel (#…), user or e-mail that is told; without it Slack is off.",
)
@profile_option
def main(folder: Path, **given: Any) -> None:
    """Write a configuration to begin with into FOLDER: config.json, whitelist.json and ticket_owners.json.

    At a terminal, what no option says is asked for. It scans; reporting and remediation are off until you switch them
    on. Files that are there already are never overwritten.
    """
    with exit_codes():
        there = [str(folder / name) for name in FILES if (folder / name).exists()]
        if there:
            raise click.UsageError(f"{', '.join(there)}: there already; choose another folder, or edit what is there")
        if sys.stdin.isatty():
            try:
                given = _ask(given)
            except click.Abort:
                raise KeyboardInterrupt from None
        if not given["region"] or not given["accounts"]:
            raise click.UsageError("say --region and --account; without a terminal nobody can be asked")
        files = contents(given.pop("region"), given.pop("accounts"), **given)
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
            (folder / name).write_text(text, encoding="utf-8")
        load(str(folder))
        click.echo(f"Written: {', '.join(str(folder / name) for name in FILES)}")
        click.echo("Reporting and remediation are off.")
        click.echo(
            f"Next: write owners and exemptions into them, then `make deploy CONFIG={shlex.quote(str(folder))}`"
        )


if __name__ == "__main__":
    main()
