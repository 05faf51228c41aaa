"""Switches on again the access keys that this system switched off."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from library.aws.key_switch import was_refused
from library.cli import host_command, wiring
from library.cli.host_command import log_decision
from library.cli.prompt import Answer
from library.errors import AwsCallFailed
from library.issues import steps
from library.issues.access_keys import ACTIVE, AccessKey
from library.issues.decisions import Skip, Step
from library.issues.reporting import TellRemediated
from library.issues.switching import SwitchOn, restore_verdict
from library.notifications import news
from remediation import plan
from remediation.key_by_key import STREAM, KeyByKey, Options

if TYPE_CHECKING:
    from library.issues.record import Issue


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
class RestoreOptions(Options):
    """What the operator asked for on the command line: which keys, besides what every run is told."""

    tickets: tuple[str, ...] = ()
    since: datetime | None = None


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
    options = RestoreOptions(batch, dry_run, form or "table", limit, accounts, users, keys, tickets, since)
    sys.exit(host_command.run(STREAM, lambda settings: Restoring(settings, options).run(), read_only=dry_run))


class Restoring(KeyByKey):
    """One run over the issues that the options name, in every account that is known."""

    NAME = "Restore"
    WAY = "on"
    QUESTION = "Switch this key on again?"

    _options: RestoreOptions

    def _issues(self) -> list[Issue]:
        known = {*self._settings.aws.accounts, *(one.id for one in self._settings.remediation_accounts())}
        issues = self._read(sorted(known), "aws.accounts")
        for ticket in sorted(set(self._options.tickets) - {issue.jira.ticket or "" for issue in issues}):
            self._complain(f"--ticket {ticket}: no issue of the accounts looked at has this ticket")
        return [issue for issue in issues if self._is_named(issue) and self._is_meant(issue)]

    def _is_meant(self, issue: Issue) -> bool:
        options = self._options
        # A run that was cut off may have switched the key on, and a scan may have begun a new episode since.
        moments = (issue.switched_off_at, issue.restore.started if issue.restore else None)
        return (not options.tickets or issue.jira.ticket in options.tickets) and (
            options.since is None or any(each is not None and each >= options.since for each in moments)
        )

    def _work_on(self, issue: Issue, now: datetime) -> Answer:
        verdict = restore_verdict(issue)
        if isinstance(verdict, Skip):
            return self._skipped(issue, verdict)
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
            return self._skipped(issue, against or Skip("the key does not exist any more"))
        if self._counts["switched on"] == self._options.limit:
            return self._skipped(issue, Skip("the limit of keys for one run is reached"))
        off = f"switched off at {verdict.off_since:%Y-%m-%d %H:%M} UTC"
        if self._options.dry_run:
            self._planned(issue, "would be switched on", off)
            return Answer.NO
        answer = self._ask(issue, key, ("off since", verdict.off_since), now)
        if answer is not Answer.YES:
            return answer if answer is Answer.QUIT else self._skipped(issue, Skip(answer.value))
        with self._in_hand(issue):
            self._switch_on(issue)
        return Answer.YES

    # --- switching on ---

    def _switch_on(self, issue: Issue) -> None:
        by, began = self._switch.identity, datetime.now(UTC)

        def announce(current: Issue) -> Step | Skip:
            verdict = restore_verdict(current)
            if isinstance(verdict, SwitchOn):
                return steps.about_to_switch_on(current, by, began)
            return verdict if isinstance(verdict, Skip) else Skip("changed by somebody else meanwhile")

        # The intent comes first: a key that is on must be known to be our doing, even if we die right here.
        outcome = self._table.change(issue, announce)
        announced = outcome.after
        if announced is None or outcome.refused is not None:
            self._skipped(issue, outcome.refused or Skip("changed by somebody else meanwhile"))
            return
        try:
            # Time went by (a prompt, a slow call): the key is looked at for the last time before it is touched.
            key = self._switch.look(issue)
        except AwsCallFailed as error:
            self._withdraw(announced, issue, str(error))
            raise
        verdict = restore_verdict(announced)
        changed = Skip("changed by somebody else meanwhile")
        against = _against(key, verdict) if isinstance(verdict, SwitchOn) else changed
        if against is not None or key is None:
            against = against or Skip("the key does not exist any more")
            self._withdraw(announced, issue, against.reason)
            self._skipped(issue, against)
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
        self._finish(announced, f"wanted by {by}", "switched on")

    def _is_on(self, issue: Issue) -> bool | None:
        try:
            key = self._switch.look(issue)
        except AwsCallFailed:
            return None
        return key is not None and key.status == ACTIVE

    def _withdraw(self, announced: Issue, before: Issue, why: str) -> None:
        now = datetime.now(UTC)

        def decide(current: Issue) -> Step | None:
            ours = current.restore == announced.restore
            return steps.not_switched_on(current, before.restore, why, now) if ours else None

        self._table.change(announced, decide)

    def _finish(self, issue: Issue, reason: str, verdict: str) -> None:
        if self._options.dry_run or self._notices is None:
            self._planned(issue, "would be completed", reason)
            return
        notices, now = self._notices, datetime.now(UTC)

        # What is owed is recorded with the success: the next run says it, should this process die here.
        after = self._table.record(issue, lambda current: steps.switched_on(current, now, channels=notices.channels))
        self._counts[verdict] += 1
        who = after.restore.by if after.restore else self._switch.identity
        log_decision(issue.account_id, issue.details.username, issue.issue_id, verdict, f"by {who}")
        what = news.switched_on(after, who, wiring.terms(self._settings), now)
        self._count_failures(after, notices.tell(after, what))


def _against(key: AccessKey | None, verdict: SwitchOn) -> Skip | None:
    """Why a key must stay as it is, None if nothing speaks against switching it on."""
    if key is None:
        return Skip("the key does not exist any more")
    if key.status == ACTIVE:
        return Skip("the key is on already")
    if key.status != "Inactive":
        return Skip(f"the key is {key.status}")
    if verdict.off_since is None:
        return Skip("this system did not switch the key off")
    return None


if __name__ == "__main__":
    main()
