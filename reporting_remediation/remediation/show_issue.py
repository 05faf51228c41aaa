"""Shows what the table knows of an access key, and all that has happened to it."""

from __future__ import annotations

import sys
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from library import messages, text
from library.cli import exit_codes, wiring
from library.cli.aws_options import aws_options
from library.cli.command import command
from library.cli.logs import logger
from library.cli.one_by_one import by_itself
from library.cli.options import Missing, chosen_accounts, say_missing, selectors
from library.cli.run import run
from library.cli.terminal import in_lines
from library.config.sources import WHITELIST
from library.errors import HammerError
from library.issues.access_keys import idle_days
from library.issues.archive import without_copies
from library.issues.decisions import Skip
from library.issues.record import Issue, Status
from library.issues.row import to_item
from library.issues.switching import Due, remediation_verdict, where_it_stands

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from library.aws.issues_table import IssuesTable
    from library.aws.state_table import StateTable
    from library.cli.options import Selection
    from library.config.settings import Config
    from library.issues.account_state import AccountState

STREAM = "remediation.show_issue"
_VALUES = 14
"""The column in which the values of the facts begin."""


@command()
@selectors(arguments=True)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How to print it; json is a list of the table's rows as they are.",
)
@aws_options
def main(selection: Selection, form: str) -> None:
    """Show the issue of each KEY, or those that the options name, and step by step what has happened to it and why.

    Reads the tables only, changes nothing, and may run beside every other command.

    Exit codes: 0 done, 1 a key has no issue or something failed, 2 configuration or usage, 130 interrupted.
    """
    if not selection.narrows:
        raise click.UsageError("say which keys: their ids, --ticket or --user")
    sys.exit(run(STREAM, lambda settings: _show(settings, selection, form), read_only=True, alone=True))


def _show(settings: Config, selection: Selection, form: str) -> int:
    counts: Counter[str] = Counter()
    issues = _issues(settings, selection, counts)
    scans = _Scans(wiring.state_table(settings), datetime.now(UTC))
    shown: list[Any] = []
    for issue in issues:
        with by_itself(issue.name, counts):
            item = {**to_item(issue), "issue_id": issue.issue_id}
            shown.append(item if form == "json" else _text(settings, issue, scans))
    if form == "json":
        click.echo(text.as_json(shown))
    else:
        click.echo("\n\n".join(shown))
    return exit_codes.FAILED if counts["failed"] or scans.failed else exit_codes.OK


def _issues(settings: Config, selection: Selection, counts: Counter[str]) -> list[Issue]:
    """The issues to show; what cannot be read, and what names none, is said and counted as `failed`."""
    table = wiring.issues_table(settings)
    accounts = chosen_accounts(selection.accounts, settings.aws.accounts, "aws.accounts")
    if selection.users or selection.tickets:
        found = wiring.read_issues(table, accounts, counts, with_archive=True)
        issues, missing = selection.among(found)
        say_missing(missing, counts)
        return issues
    issues = []
    for key in selection.keys:
        of_key: Counter[str] = Counter()
        found = _issues_of(key, table, accounts, of_key)
        issues += found
        if not found and not of_key:
            say_missing([Missing("key", key)], of_key)
        counts.update(of_key)
    return issues


class _Scans:
    """What the state table says, at `now` (UTC), of the accounts whose issues are shown; `failed` if it does not."""

    def __init__(self, table: StateTable, now: datetime) -> None:
        self.now = now
        self.failed = False
        self._table = table
        self._states: dict[str, AccountState | None] = {}

    def of(self, account_id: str) -> AccountState | None:
        """The state of an account, read once; None, and said, if that cannot be done."""
        if account_id not in self._states:
            try:
                self._states[account_id] = self._table.of_account(account_id, self.now)
            except HammerError as error:
                messages.error(logger, error.id, f"{error}; so it is not known when {account_id} was scanned last")
                self._states[account_id] = None
                self.failed = True
        return self._states[account_id]


def _issues_of(key: str, table: IssuesTable, accounts: Iterable[str], counts: Counter[str]) -> list[Issue]:
    """The issues that this key has in these accounts; what cannot be read is said and counted as `failed`."""
    found: list[Issue] = []
    for account_id in accounts:
        of_account: list[Issue | None] = []
        with by_itself(f"account {account_id}", counts):
            of_account.append(table.get(account_id, key))
            of_account += table.archived(account_id, key)
        found += without_copies(issue for issue in of_account if issue is not None)
    return found


def _text(settings: Config, issue: Issue, scans: _Scans) -> str:
    lines = map(text.plain, _lines(settings, issue, scans))
    return "\n".join(part for line in lines for part in in_lines(line, _VALUES))


def _lines(settings: Config, issue: Issue, scans: _Scans) -> Iterator[str]:
    details, times, now, state = issue.details, issue.timestamps, scans.now, scans.of(issue.account_id)
    idle = text.last_used_or_created(never_used=details.never_used)
    where = f" ({details.last_used_service} in {details.last_used_region})" if details.last_used_service else ""
    ended = f": {details.resolution.value}" if details.resolution and times.resolved else ""
    facts = (
        ("key", issue.issue_id),
        ("account", text.account(issue.account_id, settings.aws.accounts.get(issue.account_id, ""))),
        ("user", details.username),
        ("status", f"{issue.status.value}{ended}, {issue.episode.value} episode"),
        ("created", _moment(details.create_date)),
        (
            "idle since",
            f"{_moment(details.last_used)}, {idle} {text.days(idle_days(details.last_used, now))} ago{where}",
        ),
        ("found", _moment(times.identified)),
        ("reported", _moment(times.reported)),
        ("date told", _moment(times.promised)),
        ("reminded", _moment(times.reminded)),
        ("switched off", _moment(times.remediated)),
        ("switched on", _moment(times.restored) + (f", wanted by {issue.restore.by}" if issue.restore else "")),
        ("ticket", _ticket(issue)),
        ("assignee", issue.jira.ticket_assignee_id or "none"),
        ("remediation", _verdict(settings, issue, state, now)),
        ("last scan", _last_scan(state, now)),
        *((("archived", f"{_moment(issue.archived)}; scans do not read it any more"),) if issue.archived else ()),
        ("last failure", issue.remediation_error.cause if issue.remediation_error else "none"),
    )
    yield from (f"{name:<{_VALUES - 1}} {value}" for name, value in facts)
    yield ""
    yield f"What has happened (UTC){'' if issue.history else ': no history recorded'}"
    for entry in issue.history:
        why = f" -- {entry['why']}" if entry.get("why") else ""
        yield f"  {_shown(str(entry.get('time', '')))}  {entry.get('what', '')}{why}"


def _ticket(issue: Issue) -> str:
    jira = issue.jira
    lost = f"one was asked for at {_moment(jira.asked)}, and JIRA has not answered" if jira.asked else ""
    return "; ".join(filter(None, (jira.ticket, lost))) or "none"


def _last_scan(state: AccountState | None, now: datetime) -> str:
    if state is None:
        return "could not look"
    doubt = state.doubt(now)
    began = _moment(state.scanned) if state.scanned else "never"
    return f"{began}; the account is {doubt}" if doubt else began


def _verdict(settings: Config, issue: Issue, state: AccountState | None, now: datetime) -> str:
    """What remediation makes of the record; whether the key itself may be switched off, a look at it must show."""
    if issue.switched_off_at is not None and (issue.status is Status.OPEN or issue.on_again_since is not None):
        owed = [name for name, of in (("JIRA", issue.jira), ("Slack", issue.slack)) if of.failed is not None]
        return where_it_stands(issue) + (f"; {' and '.join(owed)} will be told" if owed else "")
    if WHITELIST in settings.unusable:
        return f"not known, as {WHITELIST} cannot be used"
    if issue.account_id not in {account.id for account in settings.remediation_accounts()}:
        return "not in remediation_accounts"
    details = issue.details
    exemption = settings.whitelist.find(issue.account_id, details.username, issue.issue_id, now, details.tags)
    verdict = remediation_verdict(
        issue,
        settings.inactive_keys.remediation_retention_period,
        exemption=exemption,
        now=now,
    )
    if isinstance(verdict, Skip):
        return verdict.reason
    if state is None:
        return "not known, as it could not be looked up when its account was scanned last"
    doubt = state.doubt(now)
    if isinstance(verdict, Due) and doubt:
        return f"its account is {doubt}"
    return "due; the key will be looked at again before it is switched off"


def _moment(time: datetime | None) -> str:
    return text.utc(time) if time else "no"


def _shown(time: str) -> str:
    try:
        return f"{datetime.fromisoformat(time).astimezone(UTC):%Y-%m-%d %H:%M:%S}"
    except ValueError:
        return time


if __name__ == "__main__":
    main()
