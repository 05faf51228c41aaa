"""Switches on again the access keys that this system switched off."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import click

from library import host_command, terminal
from library.access_keys import ACTIVE, AccessKey, idle_days
from library.config import Config
from library.ddb_issues import IssuesTable
from library.errors import AwsCallFailed, HammerError
from library.host_command import log_decision, logger
from library.issues import Issue, RestoreDetails
from library.key_switch import KeySwitch, was_refused
from library.lifecycle import Skip, SwitchOn, TellRemediated, restore_verdict, switched_off_at
from library.notices import Failure, Notices
from library.operator_prompt import Answer, Prompt, stoppable_between_keys, uninterrupted
from remediation import plan
from remediation.plan import PlanRow

STREAM = "remediation.clean_iam_user_inactive_keys"


class Since(click.ParamType[datetime]):
    """A day (`2026-11-01`, UTC) or a number of days before now (`3d`); both inclusive."""

    name = "since"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """The moment from which on, in UTC."""
        text = str(value)
        if days := re.fullmatch(r"(\d{1,5})d", text):
            return datetime.now(UTC) - timedelta(days=int(days[1]))
        try:
            return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
        except ValueError:
            self.fail(f"{text!r} is neither a date like 2026-11-01 nor a number of days like 3d", param, ctx)


@dataclass(frozen=True, slots=True)
class Options:
    """What the operator asked for on the command line; `form` is that of a dry run's plan."""

    keys: tuple[str, ...] = ()
    tickets: tuple[str, ...] = ()
    since: datetime | None = None
    accounts: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    limit: int | None = None
    batch: bool = False
    dry_run: bool = False
    form: str = "table"


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--key", "keys", multiple=True, help="This access key id. Repeatable.")
@click.option("--ticket", "tickets", multiple=True, help="The key of this JIRA ticket, like AWSSEC-12. Repeatable.")
@click.option("--since", type=Since(), help="Every key switched off since a date (2026-11-01) or days ago (3d).")
@click.option("--account", "accounts", multiple=True, help="Only this account id. Repeatable.")
@click.option("--user", "users", multiple=True, help="Only keys of this IAM user. Repeatable.")
@click.option("--limit", type=click.IntRange(min=1), help="Switch on at most so many keys.")
@click.option("--batch", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Print what would be done; change nothing anywhere.")
@click.option(
    "--format",
    "form",
    type=plan.FORMATS,
    help="With --dry-run: how to print the plan. JSON and CSV come alone on standard output.  [default: table]",
)
def main(
    keys: tuple[str, ...],
    tickets: tuple[str, ...],
    since: datetime | None,
    accounts: tuple[str, ...],
    users: tuple[str, ...],
    limit: int | None,
    batch: bool,
    dry_run: bool,
    form: str | None,
) -> None:
    """Switch on again what this system switched off.

    Only keys whose issue says that they were switched off here, and that are still Inactive. Shows each key and asks:
    y switches it on, Enter or n does not, a switches on this one and the rest of its account, q ends the run. The
    end of input, or no terminal, means no to all; --batch does not ask.

    Who did it is recorded and said on the ticket. The next scan opens a new episode: the owner is told, and has seven
    days at the least before the key may be switched off again. What a run that was cut off has left is completed.

    Exit codes: 0 done, 1 something failed, 2 configuration or usage, 3 another instance is running, 130 interrupted.
    """
    if not (keys or tickets or since):
        raise click.UsageError("say which keys: --key, --ticket or --since")
    if form is not None and not dry_run:
        raise click.UsageError("--format is for the plan of a --dry-run")
    options = Options(keys, tickets, since, accounts, users, limit, batch, dry_run, form or "table")
    sys.exit(host_command.run(STREAM, lambda settings: Restoring(settings, options).run(), dry_run=dry_run))


class Restoring:
    """One run over the issues that the options name, in every account that is known."""

    def __init__(self, settings: Config, options: Options) -> None:
        self._settings = settings
        self._options = options
        self._table: IssuesTable = host_command.issues_table(settings)
        self._switch = KeySwitch(settings)
        self._prompt = Prompt("Switch this key on again?")
        self._notices: Notices | None = None
        self._counts: Counter[str] = Counter()
        self._plan: list[PlanRow] = []
        self._left: set[str] = set()

    def run(self) -> int:
        """Do what the options say; returns the exit code."""
        if not self._options.dry_run:
            self._notices = host_command.notices(self._settings, self._table)
        ending = "broken off"
        try:
            with stoppable_between_keys():
                issues = self._issues()
                self._left = {issue.issue_id for issue in issues}
                for issue in issues:
                    if self._handle(issue) is Answer.QUIT:
                        ending = "ended by the operator"
                        break
                    self._left.discard(issue.issue_id)
                else:
                    ending = "done"
        except KeyboardInterrupt:
            ending = "interrupted"
            raise
        finally:
            self._close(ending)
        return terminal.FAILED if self._counts["failed"] else terminal.OK

    def _close(self, ending: str) -> None:
        if self._options.dry_run:
            plan.show(self._plan, self._options.form)
        if self._prompt.nobody_there:
            logger.warning(
                "There is no terminal to ask at, so every answer was no; --batch switches on without asking"
            )
        done = "would be switched on" if self._options.dry_run else "switched on"
        counted = ", ".join(f"{self._counts[name]} {name}" for name in (done, "skipped", "failed"))
        more = f", {self._counts['completed']} completed" if self._counts["completed"] else ""
        rest = f", {len(self._left)} left" if self._left else ""
        logger.info("Restore is %s: %s%s%s", ending, counted, more, rest)

    def _issues(self) -> list[Issue]:
        options = self._options
        known = {*self._settings.aws.accounts, *(one.id for one in self._settings.remediation_accounts())}
        for unknown in sorted(set(options.accounts) - known):
            self._complain(f"--account {unknown}: not one of aws.accounts")
        issues = [
            issue
            for account_id in sorted(known)
            if not options.accounts or account_id in options.accounts
            for issue in host_command.read_issues(self._table, account_id, self._counts)
        ]
        for key in sorted(set(options.keys) - {issue.issue_id for issue in issues}):
            self._complain(f"--key {key}: no issue of the accounts looked at has this key")
        for ticket in sorted(set(options.tickets) - {issue.jira.ticket or "" for issue in issues}):
            self._complain(f"--ticket {ticket}: no issue of the accounts looked at has this ticket")
        return [issue for issue in issues if self._is_meant(issue)]

    def _complain(self, complaint: str) -> None:
        logger.error("%s", complaint)
        self._counts["failed"] += 1

    def _is_meant(self, issue: Issue) -> bool:
        options, names = self._options, {user.lower() for user in self._options.users}
        # A run that was cut off may have switched the key on, and a scan may have begun a new episode since.
        moments = (switched_off_at(issue), issue.restore.started if issue.restore else None)
        return (
            (not names or issue.details.username.lower() in names)
            and (not options.keys or issue.issue_id in options.keys)
            and (not options.tickets or issue.jira.ticket in options.tickets)
            and (options.since is None or any(each is not None and each >= options.since for each in moments))
        )

    def _handle(self, issue: Issue) -> Answer:
        """Do with one issue what is to be done; QUIT if the operator wants no more."""
        try:
            return self._work_on(issue, datetime.now(UTC))
        except HammerError as error:
            self._failed(issue, str(error))
        except Exception as error:
            # A mistake of ours on one key must not keep the others off.
            self._failed(issue, repr(error))
        return Answer.NO

    @contextmanager
    def _in_hand(self, issue: Issue) -> Iterator[None]:
        """What is done in the block is done to its end, whatever signal comes."""
        with uninterrupted():
            try:
                yield
            except HammerError as error:
                self._failed(issue, str(error))
            self._left.discard(issue.issue_id)

    def _work_on(self, issue: Issue, now: datetime) -> Answer:
        verdict = restore_verdict(issue)
        if isinstance(verdict, Skip):
            return self._skipped(issue, verdict.reason)
        if isinstance(verdict, TellRemediated):
            with self._in_hand(issue):
                self._tell_again(issue, verdict, now)
            return Answer.NO
        key = self._switch.look(issue)
        if key is not None and key.status == ACTIVE and verdict.announced:
            with self._in_hand(issue):
                self._finish(issue, "an earlier run was cut off; the key is on", "completed")
            return Answer.NO
        against = _against(key, verdict)
        if against is not None or key is None:
            return self._skipped(issue, against or "the key does not exist any more")
        if self._counts["switched on"] == self._options.limit:
            return self._skipped(issue, "the limit of keys for one run is reached")
        off = f"switched off at {verdict.off_since:%Y-%m-%d %H:%M} UTC"
        if self._options.dry_run:
            self._planned(issue, "would be switched on", off)
            return Answer.NO
        answer = self._ask(issue, key, verdict, now)
        if answer is not Answer.YES:
            return answer if answer is Answer.QUIT else self._skipped(issue, answer.value)
        with self._in_hand(issue):
            self._switch_on(issue)
        return Answer.YES

    def _ask(self, issue: Issue, key: AccessKey, verdict: SwitchOn, now: datetime) -> Answer:
        if self._options.batch:
            return Answer.YES
        last_used = "never" if issue.details.never_used else f"{issue.details.last_used:%Y-%m-%d %H:%M} UTC"
        facts = (
            ("account", f"{self._settings.aws.accounts.get(issue.account_id, '')} ({issue.account_id})"),
            ("user", key.user_name),
            ("key", key.key_id),
            ("created", f"{key.create_date:%Y-%m-%d %H:%M} UTC"),
            ("last used", last_used),
            ("idle days", str(idle_days(issue.details.last_used, now))),
            ("off since", f"{verdict.off_since:%Y-%m-%d %H:%M} UTC"),
            ("ticket", issue.jira.ticket or "none"),
            ("assignee", issue.jira.ticket_assignee_id or "none"),
        )
        return self._prompt.ask(issue.account_id, facts)

    # --- switching on ---

    def _switch_on(self, issue: Issue) -> None:
        wanted = RestoreDetails(self._switch.identity, datetime.now(UTC))
        refusal: list[str] = []

        def announce(current: Issue | None) -> Issue | None:
            verdict = restore_verdict(current) if current is not None else Skip("removed from the table by somebody")
            if current is not None and isinstance(verdict, SwitchOn):
                return replace(current, restore=wanted)
            refusal.append(verdict.reason if isinstance(verdict, Skip) else "changed by somebody else meanwhile")
            return None

        # The intent comes first: a key that is on must be known to be our doing, even if we die right here.
        announced = self._table.step(issue.account_id, issue.issue_id, issue, announce)
        if announced is None or refusal:
            self._skipped(issue, refusal[-1])
            return
        try:
            # Time went by (a prompt, a slow call): the key is looked at for the last time before it is touched.
            key = self._switch.look(issue)
        except AwsCallFailed as error:
            self._withdraw(announced, issue, str(error))
            raise
        verdict = restore_verdict(announced)
        against = _against(key, verdict) if isinstance(verdict, SwitchOn) else "changed by somebody else meanwhile"
        if against is not None or key is None:
            self._withdraw(announced, issue, against or "the key does not exist any more")
            self._skipped(issue, against or "the key does not exist any more")
            return
        try:
            self._switch.set_status(issue.account_id, key, "Active")
        except AwsCallFailed as error:
            on = self._is_on(issue)
            if not on:
                # Where nobody knows whether the call took effect, the intent stays: the next run looks and completes.
                if was_refused(error) and on is not None:
                    self._withdraw(announced, issue, str(error))
                raise
        self._finish(announced, f"wanted by {wanted.by}", "switched on")

    def _is_on(self, issue: Issue) -> bool | None:
        try:
            key = self._switch.look(issue)
        except AwsCallFailed:
            return None
        return key is not None and key.status == ACTIVE

    def _withdraw(self, announced: Issue, before: Issue, why: str) -> None:
        def decide(current: Issue | None) -> Issue | None:
            ours = current is not None and current.restore == announced.restore
            return replace(current, restore=before.restore) if current is not None and ours else None

        self._table.step(announced.account_id, announced.issue_id, announced, decide, why)

    def _finish(self, issue: Issue, reason: str, verdict: str) -> None:
        if self._options.dry_run or self._notices is None:
            self._planned(issue, "would be completed", reason)
            return
        notices, now = self._notices, datetime.now(UTC)

        def restored(current: Issue | None) -> Issue | None:
            if current is None:
                return None
            # A remediation that was cut off is over, too, or the next one would take it up again.
            times = replace(current.timestamps, restored=now, remediated=switched_off_at(current))
            return notices.owed(replace(current, timestamps=times), now)

        # What is owed is recorded with the success: whoever comes next says it, should this process die here.
        after = self._table.step(issue.account_id, issue.issue_id, issue, restored)
        if after is None:
            raise HammerError(f"issue {issue.account_id}/{issue.issue_id} was removed from the table by somebody")
        self._counts[verdict] += 1
        who = after.restore.by if after.restore else self._switch.identity
        log_decision(issue.account_id, issue.details.username, issue.issue_id, verdict, f"by {who}")
        self._count_failures(after, notices.tell_restored(after, who, now))

    def _tell_again(self, issue: Issue, step: TellRemediated, now: datetime) -> None:
        if self._options.dry_run or self._notices is None:
            self._planned(issue, "would be told again", "switched on, but not everybody was told")
            return
        failures = self._notices.tell_remediated(issue, step, now)
        self._count_failures(issue, failures)
        if not failures:
            self._counts["completed"] += 1
            log_decision(issue.account_id, issue.details.username, issue.issue_id, "told", "switched on before")

    # --- saying what was decided ---

    def _count_failures(self, issue: Issue, failures: list[Failure]) -> None:
        for failure in failures:
            self._complain(f"account {issue.account_id} key {issue.issue_id}: {failure.channel}: {failure.cause}")

    def _skipped(self, issue: Issue, reason: str) -> Answer:
        self._counts["skipped"] += 1
        self._decided(issue, "skipped", reason)
        return Answer.NO

    def _planned(self, issue: Issue, verdict: str, reason: str) -> None:
        self._counts[verdict] += 1
        self._counts["switched on"] += verdict == "would be switched on"
        self._decided(issue, verdict, reason)

    def _failed(self, issue: Issue, cause: str) -> None:
        self._complain(f"account {issue.account_id} key {issue.issue_id}: {cause}")
        self._decided(issue, "skipped, with failures", cause)

    def _decided(self, issue: Issue, verdict: str, reason: str) -> None:
        log_decision(issue.account_id, issue.details.username, issue.issue_id, verdict, reason)
        if self._options.dry_run:
            self._plan.append(plan.row(self._settings, issue, verdict, reason, None, datetime.now(UTC)))


def _against(key: AccessKey | None, verdict: SwitchOn) -> str | None:
    """Why a key must stay as it is, None if nothing speaks against switching it on."""
    if key is None:
        return "the key does not exist any more"
    if key.status == ACTIVE:
        return "the key is on already"
    if key.status != "Inactive":
        return f"the key is {key.status}"
    if verdict.off_since is None:
        return "this system did not switch the key off"
    return None


if __name__ == "__main__":
    main()
