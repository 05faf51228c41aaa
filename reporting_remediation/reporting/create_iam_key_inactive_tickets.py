"""Tells people of the access keys that nobody uses: JIRA tickets and Slack messages from the issues table."""

from __future__ import annotations

import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from library import messages, text
from library.cli import exit_codes, terminal, wiring
from library.cli.aws_options import aws_options
from library.cli.causes import Causes
from library.cli.command import command
from library.cli.logs import log_decision, logger, summed_up_on_a_terminal
from library.cli.look_ahead import look_ahead
from library.cli.loudness import quiet_option, verbose_option
from library.cli.one_by_one import by_itself
from library.cli.options import access_keys, chosen_accounts, say_missing, selectors
from library.cli.output import form_of_plan, plan_format
from library.cli.run import run_with_lease
from library.cli.signals import stoppable
from library.errors import AwsUnusable, HammerError, LeaseLost
from library.issues.decisions import Skip
from library.issues.deliveries import Failure
from library.issues.reporting import exemptions_that_end
from library.messages import Message
from library.notifications import news
from reporting import plan
from reporting.options import Options
from reporting.raise_again import RAISE_AGAIN, forget_tickets, only_thought_of
from reporting.tasks import tasks_of

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterable, Sequence

    from library.cli.options import Selection
    from library.cli.run import Hold
    from library.config.settings import Config
    from library.issues.record import Issue
    from library.issues.reporting import ExemptionEnds
    from library.notifications.notices import Notices
    from library.notifications.terms import Terms
    from reporting.tasks import Task

STREAM = "reporting.create_iam_user_inactive_keys_tickets"

WORKERS = 10
"""Issues in hand at the same time: quick enough for a first run, and not more than a JIRA bears."""

VERDICTS = (*plan.VERDICTS, "skipped", "failed")


@command()
@click.option("--dry-run", is_flag=True, help="Print what a run would do; change nothing anywhere.")
@plan_format
@click.option(
    "--limit", type=click.IntRange(min=1), metavar="N", help="Report at most N new issues, the longest idle first."
)
@selectors()
@click.option("--raise-again", metavar="KEY", multiple=True, callback=access_keys, help=RAISE_AGAIN)
@aws_options
@quiet_option
@verbose_option
def main(
    dry_run: bool, form: str | None, limit: int | None, raise_again: tuple[str, ...], selection: Selection
) -> None:
    """Tell people of the idle access keys in the table of issues.

    \b
    - a new issue: raises a JIRA ticket and tells Slack
    - an issue that is back: comments on its ticket
    - before the key is switched off: a reminder at each configured step
    - an issue that went away or was whitelisted: says why, and closes its ticket
    - an exemption that ends within 14 days: tells Slack, once

    Does nothing while user_inactivekeys.reporting is false, but for --dry-run, which works whatever is switched off
    and asks JIRA and Slack what they refuse. A first run in an old estate may find thousands of keys: see them with
    --dry-run, then begin with --limit or --account. The limit counts new reports; reminders and closings go on.

    It may be stopped at any time. After Ctrl-C or SIGTERM the issues in hand are finished first; even if it is
    killed, the next run goes on where this one was, without a second ticket and without a message lost.

    The configuration is read from HAMMER_CONFIG (a folder or s3://bucket/prefix), else from config/.

    Exit codes: 0 done, 1 something failed (it is tried again by the next run), 2 configuration or usage, 3 another
    instance is running, 130 interrupted.
    """
    options = Options(dry_run, form_of_plan(form, dry_run=dry_run), limit, selection, raise_again)
    sys.exit(run_with_lease(STREAM, lambda settings, hold: Reporting(settings, options, hold).run(), dry_run=dry_run))


class Reporting:
    """One run over the issues of `accounts`, as of now; up to `workers` issues are in hand at the same time.

    `hold` is called before each of them.
    """

    def __init__(self, settings: Config, options: Options, hold: Hold, workers: int = WORKERS) -> None:
        self._settings = settings
        self._options = options
        self._hold = hold
        self._workers = workers
        self._now = datetime.now(UTC)
        self._table = wiring.issues_table(settings)
        self._terms = wiring.terms(settings)
        self._counts: Counter[str] = Counter()
        self._causes = Causes()
        self._accounts: tuple[str, ...] = ()

    def run(self) -> int:
        """Do what the options say; returns the exit code."""
        known = {account.id: account.name for account in self._settings.accounts()}
        self._accounts = chosen_accounts(self._options.selection.accounts, known, "the accounts to report on")
        if self._options.dry_run:
            self._dry_run()
        elif self._settings.inactive_keys.reporting:
            self._real_run()
        else:
            logger.info("Reporting is switched off (user_inactivekeys.reporting): nothing is reported")
        return exit_codes.FAILED if self._counts["failed"] else exit_codes.OK

    @property
    def _has_channel(self) -> bool:
        return self._terms.jira or self._terms.slack

    def _read(self) -> list[Issue]:
        selection = self._options.selection
        found = wiring.read_issues(self._table, self._accounts, self._counts, with_archive=selection.narrows)
        issues, missing = selection.among(found)
        say_missing(missing, self._counts)
        if self._options.raise_again:
            self._hold()
        change = only_thought_of if self._options.dry_run else self._table.change
        return forget_tickets(issues, self._options.raise_again, change, self._counts, self._now)

    def _tasks(self, issues: Sequence[Issue], terms: Terms) -> list[Task]:
        return tasks_of(issues, terms, self._settings.whitelist, self._options.limit, self._counts, self._now)

    def _ending(self, issues: Sequence[Issue], terms: Terms) -> list[ExemptionEnds]:
        """The exemptions whose end people are to be told of: with all that each of them holds, or not at all."""
        if not terms.slack or self._options.selection.narrows:
            return []
        return exemptions_that_end(issues, self._settings.whitelist, self._now)

    def _counted(self, verdicts: Iterable[str] = VERDICTS) -> str:
        return ", ".join(f"{self._counts[verdict]} {verdict}" for verdict in verdicts)

    # --- the real run ---

    def _real_run(self) -> None:
        if not self._has_channel:
            messages.warning(
                logger,
                Message.NO_CHANNEL,
                "Neither JIRA nor Slack is enabled: nothing can be reported, nothing is marked as reported",
            )
        notices = wiring.notices(self._settings, self._table, self._causes.missing)
        with stoppable() as stop:
            issues, ended = self._read(), "was broken off"
            try:
                self._work(notices, self._tasks(issues, self._terms), stop)
                for ending in self._ending(issues, self._terms):
                    if not stop.is_set():
                        self._hold()
                        self._tell_exemption_ends(notices, ending)
                ended = "was stopped" if stop.is_set() else "is done"
            finally:
                self._causes.say()
                left = f", {self._counts['left']} left" if ended != "is done" else ""
                logger.info("Reporting %s%s: %s", ended, left, self._counted())

    def _work(self, notices: Notices, tasks: Sequence[Task], stop: threading.Event) -> None:
        lost: list[LeaseLost | AwsUnusable] = []

        def unless_stopped(task: Task) -> str:
            if stop.is_set() or lost:
                return "left"
            try:
                self._hold()
                return self._carry_out(notices, task)
            except (LeaseLost, AwsUnusable) as error:
                lost.append(error)
                return "left"

        to_do = [task for task in tasks if not isinstance(task.step, Skip)]
        with summed_up_on_a_terminal():
            self._counts.update(self._carry_out(notices, task) for task in tasks if isinstance(task.step, Skip))
        with (
            terminal.progress("Reporting", len(to_do)) as advance,
            ThreadPoolExecutor(self._workers) as pool,
        ):
            # An issue is one task of one thread, so that the steps of each keep their order.
            for future in as_completed([pool.submit(unless_stopped, task) for task in to_do]):
                self._counts[future.result()] += 1
                advance(self._counted(reversed([each for each in VERDICTS if self._counts[each]])))
        if lost:
            raise lost[0]

    def _carry_out(self, notices: Notices, task: Task) -> str:
        """Do the step; how the issue counts."""
        issue = task.issue
        if isinstance(task.step, Skip):
            _log(issue, "skipped", task.step.reason)
            return "skipped"
        try:
            what = news.of_step(issue, task.step, self._terms, self._now)
            verdict, reason = what.verdict, what.reason
            failures = notices.tell(issue, what)
        except AwsUnusable:
            raise
        except HammerError as error:
            verdict, reason, failures = "failed", str(error), [Failure("table", str(error), error.id)]
        except Exception as error:
            # A mistake of ours on one issue must not cost the others their report.
            said = text.unexpected(error).removeprefix("unexpected ")
            verdict, reason, failures = "failed", said, [Failure("unexpected", said)]
        for failure in failures:
            self._causes.add(issue.name, failure)
        _log(issue, f"{verdict}, with failures" if failures else verdict, reason)
        return "failed" if failures else verdict

    def _tell_exemption_ends(self, notices: Notices, ending: ExemptionEnds) -> None:
        account, exemption = ending.issues[0].account_id, ending.exemption
        where = f"account {account} exemption {exemption.id!r}"
        try:
            what = news.exemption_ends(ending, self._terms, self._now)
            verdict, reason = what.verdict, what.reason
            failures = notices.tell_exemption_ends(ending, what)
        except AwsUnusable:
            raise
        except HammerError as error:
            verdict, reason, failures = "failed", str(error), [Failure("table", str(error), error.id)]
        except Exception as error:
            said = text.unexpected(error).removeprefix("unexpected ")
            verdict, reason, failures = "failed", said, [Failure("unexpected", said)]
        for failure in failures:
            self._causes.add(where, failure)
        self._counts["failed" if failures else verdict] += 1
        if not failures:
            logger.info("account=%s exemption=%s verdict=%s reason=%s", account, exemption.id, verdict, reason)

    # --- the dry run ---

    def _dry_run(self) -> None:
        terms = self._terms
        if not self._has_channel:
            messages.warning(
                logger, Message.NO_CHANNEL, "Neither JIRA nor Slack is enabled: this is what a run would do with both"
            )
            terms = replace(terms, jira=True, slack=True)
        if not self._settings.inactive_keys.reporting:
            messages.warning(
                logger,
                Message.SWITCHED_OFF_IN_CONFIGURATION,
                "Reporting is switched off (user_inactivekeys.reporting): a run would do none of this",
            )
        issues = self._read()
        rows = []
        for task in self._tasks(issues, terms):
            with by_itself(task.issue.name, self._counts), summed_up_on_a_terminal():
                if isinstance(task.step, Skip):
                    self._counts["skipped"] += 1
                    _log(task.issue, "skipped", task.step.reason)
                    continue
                what = news.of_step(task.issue, task.step, terms, self._now)
                row = plan.row_of(task.issue, what, self._name(task.issue.account_id), self._now)
                _log(task.issue, f"would be {row.news.verdict}", row.news.reason)
                rows.append(row)
        for ending in self._ending(issues, terms):
            account = ending.issues[0].account_id
            with by_itself(f"account {account} exemption {ending.exemption.id!r}", self._counts):
                what = news.exemption_ends(ending, terms, self._now)
                rows.append(plan.Row(account, self._name(account), what, ending.exemption.id))
        self._counts.update(row.news.verdict for row in rows)
        plan.show(rows, self._options.form)
        for message, said in look_ahead(self._settings, *plan.asked_of(rows)):
            messages.warning(logger, message, said)
        logger.info("Nothing was changed; a run would have: %s", self._counted())

    def _name(self, account_id: str) -> str:
        return self._terms.account_names.get(account_id, "")


def _log(issue: Issue, verdict: str, reason: str) -> None:
    log_decision(issue.account_id, issue.details.username, issue.issue_id, verdict, reason)


if __name__ == "__main__":
    main()
