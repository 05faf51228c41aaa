"""Switches off the access keys that nobody uses, once their owners were told and the retention period is over."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import click

from library import host_command
from library.access_keys import ACTIVE, AccessKey, idle_days
from library.config import Config
from library.ddb_issues import IssuesTable
from library.errors import AwsCallFailed, HammerError
from library.host_command import log_decision, logger
from library.issues import Issue, RemediationError, Status, Timestamps
from library.key_switch import KeySwitch
from library.lifecycle import (
    Due,
    Finish,
    Skip,
    TellRemediated,
    may_switch_off,
    remediation_due,
    remediation_verdict,
    second_look,
)
from library.notices import Failure, Notices

STREAM = "remediation.clean_iam_user_inactive_keys"


@dataclass(frozen=True, slots=True)
class Options:
    """What the operator asked for on the command line."""

    batch: bool = False
    dry_run: bool = False
    limit: int | None = None
    accounts: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--batch", is_flag=True, help="Do not ask. Does nothing while user_inactivekeys.remediation is false.")
@click.option("--dry-run", is_flag=True, help="Print each issue with verdict and reason; change nothing anywhere.")
@click.option("--limit", type=click.IntRange(min=1), help="Switch off at most so many keys, the longest idle first.")
@click.option("--account", "accounts", multiple=True, help="Only this account id. Repeatable.")
@click.option("--user", "users", multiple=True, help="Only keys of this IAM user. Repeatable.")
@click.option("--key", "keys", multiple=True, help="Only this access key id. Repeatable.")
def main(
    batch: bool,
    dry_run: bool,
    limit: int | None,
    accounts: tuple[str, ...],
    users: tuple[str, ...],
    keys: tuple[str, ...],
) -> None:
    """Switch off idle access keys whose retention period is over.

    Shows each key and asks [y/N]; no terminal means no. Each key is looked at again right before it is switched
    off: it must still exist, be Active and idle, and not be whitelisted. Works by hand while
    user_inactivekeys.remediation is false, too. A key is switched on again with
    `python -m remediation.restore_iam_keys --key ID`.

    Exit codes: 0 done, 1 something failed, 2 configuration or usage, 3 another instance is running,
    130 interrupted.
    """
    options = Options(batch, dry_run, limit, accounts, users, keys)
    sys.exit(host_command.run(STREAM, lambda settings: Remediation(settings, options).run(), dry_run=dry_run))


class Remediation:
    """One run over the issues of `remediation_accounts`."""

    def __init__(self, settings: Config, options: Options) -> None:
        self._settings = settings
        self._options = options
        self._retention = settings.inactive_keys.remediation_retention_period
        self._table: IssuesTable = host_command.issues_table(settings)
        self._switch = KeySwitch(settings)
        self._notices: Notices | None = None
        self._counts: Counter[str] = Counter()
        self._plan: list[tuple[str, ...]] = []
        self._nobody_asked = False

    def run(self) -> int:
        """Do what the options say; returns the exit code."""
        options, keys = self._options, self._settings.inactive_keys
        if options.batch and not options.dry_run and not keys.remediation:
            logger.info("Remediation is switched off (user_inactivekeys.remediation): --batch does nothing")
            return host_command.OK
        if not options.dry_run:
            self._notices = host_command.notices(self._settings, self._table)
        caps = [cap for cap in (options.limit, keys.remediation_max_keys_per_run) if cap is not None]
        left = min(caps) if caps else None
        try:
            issues = self._issues()
            for issue in issues:
                full = left is not None and self._counts["switched off"] >= left
                try:
                    self._work_on(issue, capped=full)
                except HammerError as error:
                    self._failed(issue, str(error))
        finally:
            self._close()
        return host_command.FAILED if self._counts["failed"] else host_command.OK

    def _close(self) -> None:
        if self._options.dry_run:
            headings = ("account", "user", "key", "verdict", "reason", "due (UTC)", "ticket")
            host_command.console().print(host_command.table_of("The plan; nothing was changed", headings, self._plan))
        if self._nobody_asked:
            logger.warning(
                "There is no terminal to ask at, so every answer was no; --batch switches off without asking"
            )
        done = ("would be switched off",) if self._options.dry_run else ("switched off", "completed")
        counted = ", ".join(f"{self._counts[name]} {name}" for name in (*done, "skipped", "failed"))
        logger.info("Remediation is done: %s", counted)

    def _issues(self) -> list[Issue]:
        options = self._options
        accounts = [account.id for account in self._settings.remediation_accounts()]
        for unknown in sorted(set(options.accounts) - set(accounts)):
            self._counts["failed"] += 1
            logger.error("--account %s: not one of remediation_accounts", unknown)
        issues: list[Issue] = []
        for account_id in accounts:
            if options.accounts and account_id not in options.accounts:
                continue
            issues += host_command.read_issues(self._table, account_id, self._counts)
        for missing in sorted(set(options.keys) - {issue.issue_id for issue in issues}):
            self._counts["failed"] += 1
            logger.error("--key %s: no issue of the accounts looked at has this key", missing)
        users = {user.lower() for user in options.users}
        chosen = (
            issue
            for issue in issues
            if (not users or issue.details.username.lower() in users)
            and (not options.keys or issue.issue_id in options.keys)
        )
        return sorted(chosen, key=lambda issue: (issue.details.last_used, issue.issue_id))

    def _work_on(self, issue: Issue, *, capped: bool) -> None:
        now = datetime.now(UTC)
        verdict = remediation_verdict(
            issue, self._retention, whitelisted=self._whitelisted(issue, issue.details.username, now), now=now
        )
        if isinstance(verdict, TellRemediated):
            self._tell_again(issue, verdict, now)
            return
        if isinstance(verdict, Skip):
            self._skipped(issue, verdict)
            return
        try:
            key = self._switch.look(issue)
        except AwsCallFailed as error:
            # The look failed: nothing is known of the key, so it stays as it is, and the run ends with exit code 1.
            self._failed(issue, f"the key could not be looked at: {error}")
            return
        if isinstance(verdict, Finish):
            if key is not None and key.status != ACTIVE:
                with host_command.uninterrupted():
                    self._finish(issue, now, "an earlier run was cut off; the key is off")
                return
            due = remediation_due(issue, self._retention)
            if issue.status is not Status.OPEN or due is None:
                self._skipped(issue, Skip("switching it off was announced, but the key is on"))
                return
            whitelisted = self._whitelisted(issue, issue.details.username, now)
            verdict = may_switch_off(issue, due, whitelisted=whitelisted, now=now)
            if isinstance(verdict, Skip):
                self._skipped(issue, verdict)
                return
        against = self._look_again(issue, key, now)
        if against is not None or key is None:
            self._skipped(issue, against or Skip("the key does not exist any more"))
        elif capped:
            self._skipped(issue, Skip("the limit of keys for one run is reached", verdict.since))
        elif self._options.dry_run:
            self._planned(
                issue, "would be switched off", f"due since {verdict.since:%Y-%m-%d %H:%M} UTC", verdict.since
            )
        elif self._confirmed(issue, key, verdict, now):
            with host_command.uninterrupted():
                self._switch_off(issue)

    def _look_again(self, issue: Issue, key: AccessKey | None, now: datetime) -> Skip | None:
        return second_look(
            key,
            self._settings.inactive_keys.inactive_criteria_days,
            whitelisted=self._whitelisted(issue, key.user_name, now) if key else None,
            own_key_id=self._switch.own_key_id,
            now=now,
        )

    def _whitelisted(self, issue: Issue, user_name: str, now: datetime) -> str | None:
        entry = self._settings.whitelist.find(issue.account_id, user_name, issue.issue_id, now)
        return None if entry is None else repr(entry.id)

    def _confirmed(self, issue: Issue, key: AccessKey, verdict: Due, now: datetime) -> bool:
        if self._options.batch:
            return True
        where = f" ({key.last_used_service} in {key.last_used_region})" if key.last_used_service else ""
        used = "never" if key.last_used is None else f"{key.last_used:%Y-%m-%d %H:%M} UTC{where}"
        facts = (
            ("account", f"{self._settings.aws.accounts.get(issue.account_id, '')} ({issue.account_id})"),
            ("user", key.user_name),
            ("key", key.key_id),
            ("created", f"{key.create_date:%Y-%m-%d %H:%M} UTC"),
            ("last used", used),
            ("idle days", str(idle_days(key.idle_since, now))),
            ("due since", f"{verdict.since:%Y-%m-%d %H:%M} UTC"),
            ("ticket", issue.jira.ticket or "none"),
            ("assignee", issue.jira.ticket_assignee_id or "none"),
        )
        click.echo("\n" + "\n".join(f"  {name:<10} {value}" for name, value in facts))
        answer = host_command.ask("Switch this key off?")
        if answer:
            return True
        self._nobody_asked = self._nobody_asked or answer is None
        self._skipped(issue, Skip("refused by the operator" if answer is False else "nobody could be asked"))
        return False

    def _switch_off(self, issue: Issue) -> None:
        began = datetime.now(UTC)
        refusal: list[Skip] = []

        def announce(current: Issue | None) -> Issue | None:
            if current is None:
                return None
            verdict = remediation_verdict(
                current,
                self._retention,
                whitelisted=self._whitelisted(current, current.details.username, began),
                now=began,
            )
            if isinstance(verdict, Due | Finish) and current.status is Status.OPEN:
                return replace(current, timestamps=replace(current.timestamps, remediation_started=began))
            refusal.append(verdict if isinstance(verdict, Skip) else Skip("changed by somebody else meanwhile"))
            return None

        # The intent comes first: a scan that sees the key off must know that it was us, even if we die right here.
        announced = self._table.step(issue.account_id, issue.issue_id, issue, announce)
        if announced is None or refusal:
            self._skipped(issue, refusal[-1] if refusal else Skip("removed from the table by somebody"))
            return
        try:
            # Time went by (a prompt, a slow call): the key is looked at for the last time before it is touched.
            key = self._switch.look(issue)
        except AwsCallFailed as error:
            self._withdraw(announced)
            self._failed(issue, f"the key could not be looked at: {error}")
            return
        against = self._look_again(issue, key, datetime.now(UTC))
        if key is None or against is not None:
            self._withdraw(announced)
            self._skipped(issue, against or Skip("the key does not exist any more"))
            return
        try:
            self._switch.set_status(issue.account_id, key, "Inactive")
        except AwsCallFailed as error:
            off = self._is_off(issue)
            if not off:
                self._record_failure(announced, str(error), known=off is not None)
                return
        self._finish(announced, datetime.now(UTC), "idle and due")

    def _is_off(self, issue: Issue) -> bool | None:
        try:
            key = self._switch.look(issue)
        except AwsCallFailed:
            return None
        return key is not None and key.status != ACTIVE

    def _finish(self, issue: Issue, now: datetime, reason: str) -> None:
        if self._options.dry_run or self._notices is None:
            self._planned(issue, "would be completed", reason, None)
            return
        notices = self._notices

        def done(current: Issue | None) -> Issue | None:
            if current is None:
                return None
            times = replace(current.timestamps, remediated=now)
            return notices.owed(replace(current, timestamps=times, remediation_error=None), now)

        # What is owed is recorded with the success: whoever comes next says it, should this process die here.
        after = self._table.step(issue.account_id, issue.issue_id, issue, done)
        if after is None:
            raise HammerError(f"issue {issue.account_id}/{issue.issue_id} was removed from the table by somebody")
        self._counts["switched off"] += 1
        log_decision(issue.account_id, issue.details.username, issue.issue_id, "switched off", reason)
        step = TellRemediated(jira=after.jira.failed is not None, slack=after.slack.failed is not None)
        self._count_failures(after, notices.tell_remediated(after, step, now))

    def _tell_again(self, issue: Issue, step: TellRemediated, now: datetime) -> None:
        if self._options.dry_run or self._notices is None:
            self._planned(issue, "would be told again", "switched off, but not everybody was told", None)
            return
        failures = self._notices.tell_remediated(issue, step, now)
        self._count_failures(issue, failures)
        if not failures:
            self._counts["completed"] += 1
            log_decision(issue.account_id, issue.details.username, issue.issue_id, "told", "switched off before")

    def _withdraw(self, issue: Issue) -> None:
        self._amend(issue, lambda current: replace(current, timestamps=_unannounced(current)))

    def _record_failure(self, issue: Issue, cause: str, *, known: bool) -> None:
        now = datetime.now(UTC)
        error = RemediationError(cause, now)

        def failed(current: Issue) -> Issue:
            # Where nobody knows whether the call took effect, the intent stays: the next run looks and completes it.
            times = _unannounced(current) if known else current.timestamps
            return replace(current, timestamps=times, remediation_error=error)

        after = self._amend(issue, failed)
        self._failed(issue, f"the key could not be switched off: {cause}")
        if after is not None and self._notices is not None:
            self._count_failures(after, self._notices.tell_failure(after, now))

    def _amend(self, issue: Issue, change: Callable[[Issue], Issue]) -> Issue | None:
        announced = issue.timestamps.remediation_started

        def decide(current: Issue | None) -> Issue | None:
            ours = current is not None and current.timestamps.remediation_started == announced
            return change(current) if current is not None and ours else None

        return self._table.step(issue.account_id, issue.issue_id, issue, decide)

    def _count_failures(self, issue: Issue, failures: Sequence[Failure]) -> None:
        for failure in failures:
            self._counts["failed"] += 1
            logger.error(
                "account %s key %s: %s: %s", issue.account_id, issue.issue_id, failure.channel, failure.cause
            )

    def _skipped(self, issue: Issue, skip: Skip) -> None:
        self._counts["skipped"] += 1
        if self._options.dry_run:
            self._plan.append(self._row(issue, "skipped", skip.reason, skip.due))
        log_decision(issue.account_id, issue.details.username, issue.issue_id, "skipped", skip.reason)

    def _planned(self, issue: Issue, verdict: str, reason: str, due: datetime | None) -> None:
        self._counts[verdict] += 1
        self._counts["switched off"] += verdict == "would be switched off"
        self._plan.append(self._row(issue, verdict, reason, due))
        log_decision(issue.account_id, issue.details.username, issue.issue_id, verdict, reason)

    def _failed(self, issue: Issue, cause: str) -> None:
        self._counts["failed"] += 1
        if self._options.dry_run:
            self._plan.append(self._row(issue, "skipped", cause, None))
        logger.error("account %s key %s: %s", issue.account_id, issue.issue_id, cause)
        log_decision(issue.account_id, issue.details.username, issue.issue_id, "skipped, with failures", cause)

    def _row(self, issue: Issue, verdict: str, reason: str, due: datetime | None) -> tuple[str, ...]:
        ticket = issue.jira.ticket or ""
        when = f"{due:%Y-%m-%d %H:%M}" if due else ""
        return issue.account_id, issue.details.username, issue.issue_id, verdict, reason, when, ticket


def _unannounced(issue: Issue) -> Timestamps:
    return replace(issue.timestamps, remediation_started=None)


if __name__ == "__main__":
    main()
