"""Reports what the issues table knows: a page for people to forward, or the same for programs and Security Hub."""

from __future__ import annotations

import json
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from library.cli import host_command, terminal
from library.cli.host_command import logger
from library.errors import HammerError
from library.reports import asff, files, report_data
from library.reports.figures import Failure, Figures, Policy, Standing, figures
from library.reports.report_page import UNREAD, page

if TYPE_CHECKING:
    from library.config.settings import Config
    from library.issues.record import Issue

STREAM = "reporting.inactive_keys_report"
PAGE = "inactive-keys-report.html"


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--format",
    "form",
    type=click.Choice(["html", "csv", "json", "asff"]),
    default="html",
    show_default=True,
    help="A page, the issues as CSV, all figures as JSON, or findings for AWS Security Hub.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help=f"Write to this file instead; with asff, to this new folder.  [default: {PAGE}, the others standard output]",
)
@click.option("--account", "accounts", metavar="ID", multiple=True, help="Only this account. Repeatable.")
def main(form: str, output: Path | None, accounts: tuple[str, ...]) -> None:
    """Report on all issues of the table: for a security lead, a spreadsheet, a program or Security Hub.

    The page is one file that needs no network: mail it, open it, print it. It says how many idle keys there are and
    where, how old they are, what has happened in the last quarter, what will be switched off in the next 30 days,
    which exceptions there are, what failed, and has the full list.

    Only reads the table: it changes nothing, may run beside every other command, and works while reporting is off. A
    row that cannot be read is named in the report, and the exit code is 1.

    CSV: a text that a spreadsheet would take for a formula gets an apostrophe before it. JSON has the texts as they
    are.

    \b
    Security Hub takes findings only from the account that they are about, 100 at once. So --output names a folder
    that gets a file for each such import. With credentials of each account, in the region of the table:
      python -m reporting.inactive_keys_report --format asff --output findings
      for file in findings/123456789012-*.json; do
        aws securityhub batch-import-findings --findings "file://$file"
      done
    An import updates the findings of the one before. What is whitelisted or has ended is archived. What ended more
    than twelve weeks ago is left out, so import more often than that.

    Exit codes: 0 done, 1 something could not be read, 2 configuration or usage, 130 interrupted.
    """
    if form == "asff" and output is not None and output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise click.UsageError(f"--output {output}: found something there already; expected a new folder")
    sys.exit(host_command.run(STREAM, lambda settings: _report(settings, form, output, accounts), read_only=True))


def _report(settings: Config, form: str, output: Path | None, accounts: tuple[str, ...]) -> int:
    unknown = [account for account in accounts if account not in settings.aws.accounts]
    for account in unknown:
        logger.error("--account %s: not one of aws.accounts", account)
    if unknown:
        return terminal.USAGE
    now = datetime.now(UTC)
    chosen = {account: name for account, name in settings.aws.accounts.items() if not accounts or account in accounts}
    issues, unread = _read(settings, list(chosen))
    keys = settings.inactive_keys
    policy = Policy(
        accounts=chosen,
        remediation_accounts=frozenset(account.id for account in settings.remediation_accounts()),
        automatic=keys.remediation,
        remediation_days=keys.remediation_retention_period,
        whitelist=settings.whitelist,
    )
    found = figures(issues, unread, policy, now)
    if form == "html":
        # Only who wants the page needs what draws it.
        from library.reports.page import render

        _write(render(page(found, settings)), output or Path(PAGE))
    elif form == "asff":
        _write_findings(found, settings, output)
    else:
        convert = report_data.as_csv if form == "csv" else report_data.as_json
        _write(convert(found, settings.aws.accounts), output)
    counted = ", ".join(f"{found.count(standing)} {standing.value}" for standing in Standing)
    logger.info("The report covers %d issues: %s; %d failures", len(issues), counted, len(found.failures))
    return terminal.FAILED if unread else terminal.OK


def _read(settings: Config, accounts: list[str]) -> tuple[list[Issue], list[Failure]]:
    """Every issue that can be read, and what cannot."""
    table = host_command.issues_table(settings)
    issues: list[Issue] = []
    unread: list[Failure] = []

    for account in accounts:

        def complain(error: HammerError, what: str = "a row", account: str = account) -> None:
            logger.error("%s", error)
            unread.append(Failure(account, f"{UNREAD}: {what}", str(error)))

        try:
            issues += list(table.of_account(account, complain))
        except HammerError as error:
            complain(error, "the account")
    return issues, unread


def _write_findings(found: Figures, settings: Config, folder: Path | None) -> None:
    findings = asff.findings(
        found,
        region=settings.aws.region,
        partition=settings.aws.partition,
        criteria_days=settings.inactive_keys.inactive_criteria_days,
    )
    if folder is None:
        _write(_json(findings), None)
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as unfinished:
        numbers: dict[str, int] = {}
        complete = Path(unfinished) / folder.name
        complete.mkdir()
        for account, batch in asff.batches(findings):
            numbers[account] = numbers.get(account, 0) + 1
            files.write(complete / f"{account}-{numbers[account]:03}.json", _json(batch))
        complete.replace(folder)
    click.echo(f"{folder} ({len(findings):,} findings in {sum(numbers.values()):,} files)")


def _json(findings: list[asff.Finding]) -> str:
    return json.dumps(findings, indent=2, ensure_ascii=False) + "\n"


def _write(text: str, output: Path | None) -> None:
    if output is None:
        click.echo(text, nl=False)
    else:
        files.write(output, text)
        click.echo(f"{output} ({len(text.encode()) / 1024:,.0f} KiB)")


if __name__ == "__main__":
    main()
