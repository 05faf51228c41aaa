"""Reports what the issues table knows: a page for people to forward, or the same for programs and Security Hub."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from library import messages, text
from library.cli import exit_codes, wiring
from library.cli.aws_options import aws_options
from library.cli.command import command
from library.cli.logs import logger
from library.cli.options import account_option, chosen_accounts
from library.cli.output import check_output
from library.cli.run import run
from library.errors import AwsUnusable, HammerError
from library.messages import Message
from library.reports import asff, files, report_data
from library.reports.entries import UNREAD, Failure, ReportSettings, Standing
from library.reports.figures import Figures, figures
from library.reports.report_page import page_of
from library.reports.scans import Scans
from library.reports.text import counted

if TYPE_CHECKING:
    from collections.abc import Collection

    from library.aws.issues_table import IssuesTable
    from library.config.settings import Config
    from library.issues.record import Issue

STREAM = "reporting.inactive_keys_report"
PAGE = "inactive-keys-report.html"
_NAMED = 20
"""How many accounts one line names."""


@command()
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
@account_option
@aws_options
def main(form: str, output: Path | None, accounts: tuple[str, ...]) -> None:
    """Report on all issues of the table: for a security lead, a spreadsheet, a program or Security Hub.

    The page is one file that needs no network: mail it, open it, print it. It says how many idle keys there are and
    where, how old they are, what has happened in the last quarter, what will be switched off in the next 30 days,
    which exemptions there are, what failed, and has the full list.

    It says when each account was scanned last; one without a complete scan of the last day is named.

    Only reads the tables: it changes nothing, may run beside every other command, and works while reporting is off. A
    row that cannot be read is named in the report, and the exit code is 1.

    CSV: a text that a spreadsheet would take for a formula gets an apostrophe before it. JSON has the texts as they
    are.

    Security Hub takes findings only from the account that they are about, at most 100 at once. So --output names a
    folder that gets a file for each such import. With credentials of each account, in the region of the table:

    \b
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
    if form != "asff":
        check_output(form, Path(PAGE) if form == "html" and output is None else output)
    sys.exit(run(STREAM, lambda settings: _report(settings, form, output, accounts), read_only=True))


def _report(settings: Config, form: str, output: Path | None, accounts: tuple[str, ...]) -> int:
    in_force = _in_force(settings, chosen_accounts(accounts, settings.aws.accounts, "aws.accounts"))
    now = datetime.now(UTC)
    reading = _Reading()
    table = wiring.issues_table(settings)
    for account in in_force.accounts:
        reading.read(table, account)
    if reading.knows_nothing(in_force.accounts):
        raise HammerError("No account could be read, so no report is written", id=Message.TABLE_FAILED)
    scans = _scans(settings, in_force, now)
    found = figures(reading.issues, reading.unread, scans, in_force, now)
    for failure in found.unread[len(reading.unread) :]:
        messages.error(logger, Message.UNEXPECTED, f"account {failure.account_id} key {failure.key}: {failure.cause}")
    _write(found, in_force, settings, form, output)
    _warn_of_exemptions(found)
    totals = ", ".join(f"{found.count(standing)} {standing.value}" for standing in Standing)
    logger.info("The report covers %d issues: %s; %d failures", len(found.entries), totals, len(found.failures))
    return exit_codes.FAILED if found.unread or scans.problem else exit_codes.OK


def _scans(settings: Config, in_force: ReportSettings, now: datetime) -> Scans:
    """When the accounts were scanned last; logs which have had no complete scan for a day, or that nobody knows."""
    wanted = frozenset(account.id for account in settings.accounts())
    try:
        scans = Scans(wiring.state_table(settings).of_accounts(in_force.accounts, now), wanted)
    except HammerError as error:
        messages.error(logger, error.id, f"{error}; so it is not known when the accounts were scanned last")
        return Scans({}, wanted, str(error))
    names = in_force.accounts
    unscanned = [failure.account_id for failure in scans.failures(names, now)]
    if unscanned:
        each = (f"{text.account(one, names[one])} {scans.doubt(one, now)}" for one in unscanned[:_NAMED])
        more = f"; and {len(unscanned) - _NAMED} more" if len(unscanned) > _NAMED else ""
        said = (
            f"{len(unscanned)} of {len(names)} accounts have had no complete scan for a day, so the report may lack "
        )
        messages.warning(logger, Message.REPORT_WITHOUT_SCAN, f"{said}keys there: {'; '.join(each)}{more}")
    return scans


def _warn_of_exemptions(found: Figures) -> None:
    nothing = [f"{each.exemption.id} ({each.account_id})" for each in found.exemptions if each.means_nothing]
    if nothing:
        what = counted(len(nothing), "entry of whitelist.json means", "entries of whitelist.json mean")
        said = f"{what} no user and no key: {', '.join(nothing[:_NAMED])}"
        messages.warning(logger, Message.EXEMPTION_MEANS_NOTHING, said)


def _in_force(settings: Config, accounts: tuple[str, ...]) -> ReportSettings:
    names, inactive_keys = settings.aws.accounts, settings.inactive_keys
    return ReportSettings(
        accounts={account: name for account, name in names.items() if account in accounts},
        table_name=inactive_keys.table_name,
        criteria_days=inactive_keys.inactive_criteria_days,
        reporting=inactive_keys.reporting,
        remediation=inactive_keys.remediation,
        remediation_accounts=frozenset(account.id for account in settings.remediation_accounts()),
        retention_days=inactive_keys.remediation_retention_period,
        max_keys_per_run=inactive_keys.remediation_max_keys_per_run,
        whitelist=settings.whitelist,
        jira_server=settings.jira.browse_url or settings.jira.server,
    )


@dataclass
class _Reading:
    """The issues that could be read, and what could not be."""

    issues: list[Issue] = field(default_factory=list)
    unread: list[Failure] = field(default_factory=list)

    def read(self, table: IssuesTable, account: str) -> None:
        """Read an account: all its rows that can be read or, if it fails on the way, none of them."""
        try:
            could_not = partial(self._could_not, account, "a row")
            self.issues += list(table.of_account(account, could_not, with_archive=True))
        except AwsUnusable:
            raise
        except HammerError as error:
            self._could_not(account, "the account", error)

    def knows_nothing(self, accounts: Collection[str]) -> bool:
        """Whether none of the accounts could be read."""
        return not self.issues and {failure.account_id for failure in self.unread} == set(accounts)

    def _could_not(self, account: str, what: str, error: HammerError) -> None:
        messages.error(logger, error.id, str(error))
        self.unread.append(Failure(account, f"{UNREAD}: {what}", str(error)))


def _write(found: Figures, in_force: ReportSettings, settings: Config, form: str, output: Path | None) -> None:
    match form:
        case "html":
            # Only a page needs what draws it.
            from library.reports.page import render

            _write_file(render(page_of(found, in_force)), output or Path(PAGE))
        case "csv":
            _write_file(report_data.as_csv(found, in_force.accounts), output)
        case "json":
            _write_file(report_data.as_json(found, in_force.accounts), output)
        case "asff":
            aws = settings.aws
            findings = asff.findings(
                found, region=aws.region, partition=aws.partition, criteria_days=in_force.criteria_days
            )
            _write_findings(findings, output)


def _write_findings(findings: list[asff.Finding], folder: Path | None) -> None:
    if folder is None:
        _write_file(asff.as_json(findings), None)
        return
    texts = asff.import_files(findings)
    files.write_folder(folder, texts)
    click.echo(f"{folder} ({len(findings):,} findings in {len(texts):,} files)")


def _write_file(text: str, output: Path | None) -> None:
    if output is None:
        click.echo(text, nl=False)
    else:
        files.write(output, text)
        click.echo(f"{output} ({len(text.encode()) / 1024:,.0f} KiB)")


if __name__ == "__main__":
    main()
