"""Switches off the access keys that nobody uses, once their owners were told and the retention period is over."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from library.aws.key_switch import was_refused
from library.cli import host_command, terminal, wiring
from library.cli.host_command import log_decision, logger
from library.cli.prompt import Answer
from library.config.loading import load
from library.errors import AwsCallFailed
from library.issues import steps
from library.issues.access_keys import ACTIVE, AccessKey, idle_days
from library.issues.decisions import Skip, Step
from library.issues.record import Issue, Status
from library.issues.reporting import TellRemediated, remediation_due
from library.issues.switching import (
    Due,
    Finish,
    RemediationVerdict,
    remediation_verdict,
    second_look,
    verdict_ignoring_intent,
)
from library.notifications import news
from remediation import plan
from remediation.key_by_key import STREAM, KeyByKey, Options

if TYPE_CHECKING:
    from library.config.settings import Config
    from library.issues.whitelist import Exemption

FAILURES_IN_A_ROW = 3
"""After so many failures to switch off, one after the other, the rest of an account is left for the next run."""


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--batch", is_flag=True, help="Do not ask. Does nothing while user_inactivekeys.remediation is false.")
@click.option("--dry-run", is_flag=True, help="Print each issue with verdict and reason; change nothing anywhere.")
@click.option(
    "--format",
    "form",
    type=plan.FORMATS,
    help="With --dry-run: how to print the plan. JSON and CSV come alone on standard output.  [default: table]",
)
@click.option("--limit", type=click.IntRange(min=1), help="Switch off at most so many keys, the longest idle first.")
@click.option("--account", "accounts", multiple=True, help="Only this account id. Repeatable.")
@click.option("--user", "users", multiple=True, help="Only keys of this IAM user. Repeatable.")
@click.option("--key", "keys", multiple=True, help="Only this access key id. Repeatable.")
def main(
    batch: bool,
    dry_run: bool,
    form: str | None,
    limit: int | None,
    accounts: tuple[str, ...],
    users: tuple[str, ...],
    keys: tuple[str, ...],
) -> None:
    """Switch off idle access keys whose retention period is over.

    Shows each key and asks: y switches it off, Enter or n does not, a switches off this one and the rest of its
    account, q ends the run. The end of input, or no terminal, means no to all; --batch does not ask. Works by hand
    while user_inactivekeys.remediation is false, too.

    Each key is looked at again right before it is switched off: it must still exist, be Active and idle, not be
    whitelisted, and not be one of this process's own credentials. In any doubt it stays as it is, and the reason is
    said. After three failures in a row in one account, the rest of that account is left for the next run.

    After Ctrl-C or SIGTERM the key in hand is finished first. See what a run would do with --dry-run, what has
    happened to a key with `python -m remediation.show_issue --key ID`, and switch a key on again with
    `python -m remediation.restore_iam_keys --key ID`.

    Exit codes: 0 done, 1 something failed (it is tried again by the next run), 2 configuration or usage, 3 another
    instance is running, 130 interrupted.
    """
    if form is not None and not dry_run:
        raise click.UsageError("--format is for the plan of a --dry-run")
    options = Options(batch, dry_run, form or "table", limit, accounts, users, keys)
    sys.exit(host_command.run(STREAM, lambda settings: Remediation(settings, options).run(), read_only=dry_run))


class Remediation(KeyByKey):
    """One run over the issues of `remediation_accounts`."""

    NAME = "Remediation"
    WAY = "off"
    QUESTION = "Switch this key off?"

    def __init__(self, settings: Config, options: Options) -> None:
        super().__init__(settings, options)
        self._in_a_row: Counter[str] = Counter()

    def run(self) -> int:
        """Do what the options say; returns the exit code."""
        if self._options.batch and not self._options.dry_run and not self._settings.inactive_keys.remediation:
            logger.info("Remediation is switched off (user_inactivekeys.remediation): --batch does nothing")
            return terminal.OK
        return super().run()

    def _issues(self) -> list[Issue]:
        accounts = [account.id for account in self._settings.remediation_accounts()]
        chosen = filter(self._is_named, self._read(accounts, "remediation_accounts"))
        return sorted(chosen, key=lambda issue: (issue.details.last_used, issue.issue_id))

    def _work_on(self, issue: Issue, now: datetime) -> Answer:
        verdict = self._verdict(issue, now)
        if isinstance(verdict, TellRemediated):
            with self._in_hand(issue):
                self._tell_again(issue, verdict, now)
            return Answer.NO
        if isinstance(verdict, Skip):
            return self._skipped(issue, verdict)
        if self._in_a_row[issue.account_id] >= FAILURES_IN_A_ROW:
            return self._skipped(issue, Skip("the run on this account has ended, as it failed too often"))
        try:
            key = self._switch.look(issue)
            if isinstance(verdict, Finish):
                if key is not None and key.status != ACTIVE:
                    with self._in_hand(issue):
                        self._finish(issue, now, "an earlier run was cut off; the key is off", "completed")
                    return Answer.NO
                verdict = self._verdict_of_a_key_that_is_on(issue, now)
            against = verdict if isinstance(verdict, Skip) else self._against(issue, key, now)
        except AwsCallFailed as error:
            # The look failed: nothing is known of the key, so it stays as it is, and the run ends with exit code 1.
            self._failed(issue, f"the key could not be looked at: {error}")
            self._count_in_a_row(issue.account_id)
            return Answer.NO
        if against is not None or key is None or not isinstance(verdict, Due):
            return self._skipped(issue, against or Skip("the key does not exist any more"))
        if self._is_full():
            return self._skipped(issue, Skip("the limit of keys for one run is reached", verdict.since))
        due_since = f"due since {verdict.since:%Y-%m-%d %H:%M} UTC"
        if self._options.dry_run:
            self._planned(issue, "would be switched off", due_since, verdict.since)
            return Answer.NO
        answer = self._ask(issue, key, ("due since", verdict.since), now)
        if answer is not Answer.YES:
            return answer if answer is Answer.QUIT else self._skipped(issue, Skip(answer.value))
        confirmed = "" if self._options.batch else ", confirmed by the operator"
        with self._in_hand(issue):
            self._switch_off(issue, f"idle for {idle_days(key.idle_since, now)} days, {due_since}{confirmed}")
        return Answer.YES

    def _is_full(self) -> bool:
        caps = (self._options.limit, self._settings.inactive_keys.remediation_max_keys_per_run)
        return any(cap is not None and self._counts["switched off"] >= cap for cap in caps)

    def _count_in_a_row(self, account_id: str) -> None:
        self._in_a_row[account_id] += 1
        if self._in_a_row[account_id] == FAILURES_IN_A_ROW:
            logger.error(
                "account %s: %d failures to switch off in a row; the run on this account ends here",
                account_id,
                FAILURES_IN_A_ROW,
            )

    # --- whether a key may be switched off ---

    @property
    def _retention(self) -> int:
        return self._settings.inactive_keys.remediation_retention_period

    def _verdict(self, issue: Issue, now: datetime) -> RemediationVerdict:
        exemption = self._exemption(issue, issue.details.username, now)
        return remediation_verdict(issue, self._retention, exemption=exemption, now=now)

    def _verdict_of_a_key_that_is_on(self, issue: Issue, now: datetime) -> Due | TellRemediated | Skip:
        exemption = self._exemption(issue, issue.details.username, now)
        return verdict_ignoring_intent(issue, self._retention, exemption=exemption, now=now)

    def _against(self, issue: Issue, key: AccessKey | None, now: datetime) -> Skip | None:
        return second_look(
            key,
            self._settings.inactive_keys.inactive_criteria_days,
            exemption=self._exemption(issue, key.user_name, now) if key else None,
            own=key is not None and self._switch.is_own(issue.account_id, key),
            now=now,
        )

    def _exemption(self, issue: Issue, user_name: str, now: datetime) -> Exemption | None:
        return self._settings.whitelist.find(issue.account_id, user_name, issue.issue_id, now)

    # --- switching off ---

    def _switch_off(self, issue: Issue, why: str) -> None:
        against = self._what_has_changed_meanwhile(issue.account_id)
        if against is not None:
            self._skipped(issue, against)
            return
        began = datetime.now(UTC)

        def announce(current: Issue) -> Step | Skip:
            verdict = self._verdict_of_a_key_that_is_on(current, began)
            if isinstance(verdict, Due):
                return steps.about_to_switch_off(current, why, began)
            return verdict if isinstance(verdict, Skip) else Skip("changed by somebody else meanwhile")

        # The intent comes first: a scan that sees the key off must know that it was us, even if we die right here.
        outcome = self._table.change(issue, announce)
        announced = outcome.after
        if announced is None or outcome.refused is not None:
            self._skipped(issue, outcome.refused or Skip("changed by somebody else meanwhile"))
            return
        try:
            # Time went by (a prompt, a slow call): the key is looked at for the last time before it is touched.
            key = self._switch.look(issue)
            against = self._against(issue, key, datetime.now(UTC))
        except AwsCallFailed as error:
            self._withdraw(announced, f"the key could not be looked at: {error}")
            self._failed(issue, f"the key could not be looked at: {error}")
            self._count_in_a_row(issue.account_id)
            return
        if key is None or against is not None:
            against = against or Skip("the key does not exist any more")
            self._withdraw(announced, against.reason)
            self._skipped(issue, against)
            return
        try:
            self._switch.set_status(issue.account_id, key, "Inactive")
        except AwsCallFailed as error:
            off = self._is_off(issue)
            if not off:
                self._record_failure(announced, str(error), known=was_refused(error) and off is not None)
                return
        self._finish(announced, datetime.now(UTC), why, "switched off")

    def _what_has_changed_meanwhile(self, account_id: str) -> Skip | None:
        """Read the configuration as it is by now: an exception, or more time, takes effect within a run."""
        by_now = load(self._settings.source)
        self._settings = replace(self._settings, inactive_keys=by_now.inactive_keys, whitelist=by_now.whitelist)
        if self._options.batch and not by_now.inactive_keys.remediation:
            return Skip("remediation was switched off in the configuration meanwhile")
        if account_id not in {account.id for account in self._settings.remediation_accounts()}:
            return Skip("its account was taken out of the configuration's remediation_accounts meanwhile")
        return None

    def _is_off(self, issue: Issue) -> bool | None:
        try:
            key = self._switch.look(issue)
        except AwsCallFailed:
            return None
        return key is not None and key.status != ACTIVE

    def _finish(self, issue: Issue, now: datetime, reason: str, verdict: str) -> None:
        if self._options.dry_run or self._notices is None:
            self._planned(issue, "would be completed", reason)
            return
        notices = self._notices

        # What is owed is recorded with the success: the next run says it, should this process die here.
        after = self._table.record(
            issue, lambda current: steps.switched_off(current, reason, now, channels=notices.channels)
        )
        self._counts[verdict] += 1
        self._in_a_row[issue.account_id] = 0
        log_decision(issue.account_id, issue.details.username, issue.issue_id, verdict, reason)
        step = TellRemediated(jira=after.jira.failed is not None, slack=after.slack.failed is not None)
        what = news.switched(after, step, wiring.terms(self._settings), now)
        self._count_failures(after, notices.tell(after, what))

    def _withdraw(self, announced: Issue, why: str) -> None:
        now = datetime.now(UTC)
        self._table.change(
            announced,
            lambda current: steps.not_switched_off(current, why, now) if _same_intent(current, announced) else None,
        )

    def _record_failure(self, announced: Issue, cause: str, *, known: bool) -> None:
        now = datetime.now(UTC)

        def failed(current: Issue) -> Step | None:
            if not _same_intent(current, announced):
                return None
            return steps.could_not_switch_off(current, cause, now, stays_on=known)

        after = self._table.change(announced, failed).after
        self._failed(announced, f"the key could not be switched off: {cause}")
        self._count_in_a_row(announced.account_id)
        if after is not None and self._notices is not None:
            what = news.not_switched_off(after, wiring.terms(self._settings), now)
            self._count_failures(after, self._notices.tell(after, what))

    def _decided(self, issue: Issue, verdict: str, reason: str, due: datetime | None = None) -> None:
        ahead = issue.status is Status.OPEN and issue.timestamps.remediated is None
        when = due or (remediation_due(issue, self._retention) if ahead else None)
        super()._decided(issue, verdict, reason, when)


def _same_intent(current: Issue, announced: Issue) -> bool:
    return current.timestamps.remediation_started == announced.timestamps.remediation_started


if __name__ == "__main__":
    main()
