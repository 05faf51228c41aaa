"""Tells people of the access keys that nobody uses: JIRA tickets and Slack messages from the issues table."""

from __future__ import annotations

import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from library.cli import host_command, terminal
from library.cli.host_command import log_decision, logger
from library.errors import HammerError
from library.issues.access_keys import idle_days
from library.issues.decisions import Skip
from library.issues.reporting import (
    Close,
    CloseSilently,
    ExemptionEnds,
    Remind,
    Report,
    ReportingStep,
    TellRemediated,
    exemptions_that_end,
    reporting_step,
)
from library.issues.steps import Failure
from library.notifications.notices import Notices

if TYPE_CHECKING:
    import threading
    from collections.abc import Sequence

    from library.config.settings import Config
    from library.issues.record import Issue

STREAM = "reporting.create_iam_user_inactive_keys_tickets"

WORKERS = 10
"""Issues in hand at the same time: quick enough for a first run, and not more than a JIRA bears."""

VERDICTS = ("reported", "reminded", "closed", "told", "skipped", "failed")


@dataclass(frozen=True, slots=True)
class Options:
    """What the operator asked for on the command line."""

    dry_run: bool = False
    limit: int | None = None
    accounts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Task:
    """An issue and what is to be done with it."""

    issue: Issue
    step: ReportingStep


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--dry-run", is_flag=True, help="Print what a run would do; change nothing anywhere.")
@click.option(
    "--limit", type=click.IntRange(min=1), metavar="N", help="Report at most N new issues, the longest idle first."
)
@click.option("--account", "accounts", metavar="ID", multiple=True, help="Only this account. Repeatable.")
def main(dry_run: bool, limit: int | None, accounts: tuple[str, ...]) -> None:
    """Tell people of the idle access keys in the table of issues.

    \b
    - a new issue: raises a JIRA ticket and tells Slack; an issue that is back: comments on its ticket
    - before the key is switched off: a reminder at each configured step
    - an issue that went away or was whitelisted: says why, and closes its ticket
    - an exception that ends within 14 days: tells Slack, once

    Does nothing while user_inactivekeys.reporting is false, but for --dry-run, which works whatever is switched off
    and contacts neither JIRA nor Slack. A first run in an old estate may find thousands of keys: look at them with
    --dry-run, then begin with --limit or --account. The limit counts new reports; reminders and closings go on.

    It may be stopped at any time. After Ctrl-C or SIGTERM the issues in hand are finished first; even if it is
    killed, the next run goes on where this one was, without a second ticket and without a message lost.

    The configuration is read from HAMMER_CONFIG (a folder or s3://bucket/prefix), else from config/.

    Exit codes: 0 done, 1 something failed (it is tried again by the next run), 2 configuration or usage, 3 another
    instance is running, 130 interrupted.
    """
    options = Options(dry_run, limit, accounts)
    sys.exit(host_command.run(STREAM, lambda settings: Reporting(settings, options).run(), read_only=dry_run))


class Reporting:
    """One run over the issues of `accounts`, as of now; up to `workers` issues are in hand at the same time."""

    def __init__(self, settings: Config, options: Options, workers: int = WORKERS) -> None:
        self._settings = settings
        self._options = options
        self._workers = workers
        self._now = datetime.now(UTC)
        self._table = host_command.issues_table(settings)
        self._counts: Counter[str] = Counter()

    def run(self) -> int:
        """Do what the options say; returns the exit code."""
        known = {account.id for account in self._settings.accounts()}
        unknown = [account for account in self._options.accounts if account not in known]
        for account in unknown:
            logger.error("--account %s: not one of the accounts to report on", account)
        if unknown:
            return terminal.USAGE
        if self._options.dry_run:
            return self._dry_run()
        if not self._settings.inactive_keys.reporting:
            logger.info("Reporting is switched off (user_inactivekeys.reporting): nothing is reported")
            return terminal.OK
        if not self._has_channel():
            logger.warning(
                "Neither JIRA nor Slack is enabled: nothing can be reported, nothing is marked as reported"
            )
        notices = host_command.notices(self._settings, self._table)
        with host_command.stoppable() as stop:
            issues = self._read()
            tasks = self._plan(notices, issues)
            self._work(notices, tasks, stop)
            if self._settings.slack.enabled:
                for ending in exemptions_that_end(issues, self._settings.whitelist, self._now):
                    if not stop.is_set():
                        self._tell_exemption_ends(notices, ending)
            ended = f"was stopped, {self._counts['left']} issues are left" if stop.is_set() else "is done"
            logger.info("Reporting %s: %s", ended, self._counted())
        return terminal.FAILED if self._counts["failed"] else terminal.OK

    def _has_channel(self) -> bool:
        return self._settings.jira.enabled or self._settings.slack.enabled

    def _read(self) -> list[Issue]:
        chosen = self._options.accounts
        return [
            issue
            for account in self._settings.accounts()
            if not chosen or account.id in chosen
            for issue in host_command.read_issues(self._table, account.id, self._counts)
        ]

    def _plan(self, notices: Notices, issues: Sequence[Issue]) -> list[Task]:
        """What is to be done with each issue, the longest idle first."""
        tasks, new = [], 0
        for issue in sorted(issues, key=lambda each: (each.details.last_used, each.issue_id)):
            exemption = self._settings.whitelist.find(
                issue.account_id, issue.details.username, issue.issue_id, self._now
            )
            policy = notices.policy(issue.account_id)
            step = reporting_step(issue, policy, exemption=exemption, now=self._now)
            if isinstance(step, Report) and step.first:
                new += 1
                if self._options.limit is not None and new > self._options.limit:
                    step = Skip(f"the limit of {self._options.limit} new reports is reached")
            tasks.append(Task(issue, step))
        return tasks

    # --- the real run ---

    def _work(self, notices: Notices, tasks: Sequence[Task], stop: threading.Event) -> None:
        to_do = []
        for task in tasks:
            if isinstance(task.step, Skip):
                _log(task.issue, "skipped", task.step.reason)
                self._counts["skipped"] += 1
            else:
                to_do.append(task)

        def unless_stopped(task: Task) -> str:
            return "left" if stop.is_set() else _carry_out(notices, task, self._now)

        with (
            terminal.progress("Reporting", len(to_do)) as advance,
            ThreadPoolExecutor(self._workers) as pool,
        ):
            # An issue is one task of one thread, so that the steps of each keep their order.
            for future in as_completed([pool.submit(unless_stopped, task) for task in to_do]):
                self._counts[future.result()] += 1
                advance(self._counted())

    def _tell_exemption_ends(self, notices: Notices, ending: ExemptionEnds) -> None:
        account, entry = ending.issues[0].account_id, ending.exemption
        try:
            failures = notices.tell_exemption_ends(ending, self._now)
        except HammerError as error:
            failures = [Failure("table", str(error))]
        for failure in failures:
            logger.error("account %s exception %r: %s: %s", account, entry.id, failure.channel, failure.cause)
        self._counts["failed" if failures else "told"] += 1
        if not failures:
            logger.info("account=%s exception=%s verdict=told reason=ends after %s", account, entry.id, entry.until)

    def _counted(self) -> str:
        return ", ".join(f"{self._counts[verdict]} {verdict}" for verdict in VERDICTS)

    # --- the dry run ---

    def _dry_run(self) -> int:
        settings = self._settings
        if not self._has_channel():
            logger.warning("Neither JIRA nor Slack is enabled: this is what a run would do with both")
            settings = replace(
                settings, jira=replace(settings.jira, enabled=True), slack=replace(settings.slack, enabled=True)
            )
        if not settings.inactive_keys.reporting:
            logger.warning("Reporting is switched off (user_inactivekeys.reporting): a run would do none of this")
        notices = Notices(settings, self._table, None, None)
        issues = self._read()
        rows: list[tuple[str, ...]] = []
        totals: dict[tuple[str, ...], Counter[str]] = {}
        for task in self._plan(notices, issues):
            verdict, reason = _verdict(task)
            self._counts[verdict] += 1
            if isinstance(task.step, Skip):
                _log(task.issue, verdict, reason)
                continue
            _log(task.issue, f"would be {verdict}", reason)
            where = self._where(notices, task.issue)
            totals.setdefault(where, Counter())[verdict] += 1
            user, idle = task.issue.details.username, idle_days(task.issue.details.last_used, self._now)
            ticket = task.issue.jira.ticket or ""
            rows.append((*where, user, task.issue.issue_id, str(idle), f"would be {verdict}", reason, ticket))
        if settings.slack.enabled:
            for ending in exemptions_that_end(issues, settings.whitelist, self._now):
                self._counts["told"] += 1
                where = self._where(notices, ending.issues[0])
                totals.setdefault(where, Counter())["told"] += 1
                reason = f"the exception ends after {ending.exemption.until}"
                rows.append((*where, ending.exemption.id, "", "", "would be told", reason, ""))
        self._print(rows, totals)
        logger.info("Nothing was changed; a run would have: %s", self._counted())
        return terminal.FAILED if self._counts["failed"] else terminal.OK

    def _where(self, notices: Notices, issue: Issue) -> tuple[str, ...]:
        account = f"{self._settings.aws.accounts.get(issue.account_id, '')} ({issue.account_id})".strip()
        line = notices.in_line(issue)
        return account, next(iter(line.assignees), ""), ", ".join(notices.recipients(line))

    def _print(self, rows: list[tuple[str, ...]], totals: dict[tuple[str, ...], Counter[str]]) -> None:
        console = terminal.console()
        places = ("account", "owner", "Slack")
        headings = (*places, "user", "key", "idle days", "verdict", "reason", "ticket")
        # The sort is stable: within an account and owner the longest idle stay first.
        by_place = sorted(rows, key=lambda row: row[: len(places)])
        console.print(terminal.table_of("The plan; nothing was changed", headings, by_place))
        counted = VERDICTS[:4]
        console.print(
            terminal.table_of(
                "\nPer account and owner",
                (*places, *counted),
                [(*where, *(str(found[verdict]) for verdict in counted)) for where, found in sorted(totals.items())],
            )
        )


def _verdict(task: Task) -> tuple[str, str]:
    issue = task.issue
    match task.step:
        case Skip(reason):
            return "skipped", reason
        case Report(first=first):
            return "reported", f"{issue.episode.value} episode" if first else "delivery that was still owed"
        case Remind(days):
            return "reminded", f"{days} days before remediation"
        case TellRemediated():
            return "told", "that the key was switched off"
        case Close():
            resolution = issue.details.resolution
            return "closed", resolution.value if resolution else issue.status.value
        case CloseSilently():
            return "closed", "never reported"


def _carry_out(notices: Notices, task: Task, now: datetime) -> str:
    """Do the step; how the issue counts."""
    issue, step = task.issue, task.step
    verdict, reason = _verdict(task)
    failures: list[Failure] = []
    try:
        match step:
            case Report():
                failures = notices.report(issue, step, now)
            case Remind():
                failures = notices.remind(issue, step, now)
            case TellRemediated():
                failures = notices.tell_remediated(issue, step, now)
            case Close():
                failures = notices.close(issue, step, now)
            case CloseSilently():
                failures = notices.close_silently(issue, now)
    except HammerError as error:
        verdict, reason, failures = "failed", str(error), [Failure("table", str(error))]
    except Exception as error:
        # A mistake of ours on one issue must not cost the others their report.
        verdict, reason, failures = "failed", repr(error), [Failure("unexpected", repr(error))]
    for failure in failures:
        logger.error("account %s key %s: %s: %s", issue.account_id, issue.issue_id, failure.channel, failure.cause)
    _log(issue, f"{verdict}, with failures" if failures else verdict, reason)
    return "failed" if failures else verdict


def _log(issue: Issue, verdict: str, reason: str) -> None:
    log_decision(issue.account_id, issue.details.username, issue.issue_id, verdict, reason)


if __name__ == "__main__":
    main()
