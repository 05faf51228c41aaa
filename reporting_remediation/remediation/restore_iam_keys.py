"""Switches on again the access keys that this system switched off."""

from __future__ import annotations

import re
import sys
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import boto3
import click

from library import host_command
from library.access_keys import ACTIVE, AccessKey
from library.aws.sessions import CLIENT_CONFIG
from library.config import Config
from library.ddb_issues import IssuesTable
from library.errors import HammerError
from library.host_command import log_decision, logger
from library.issues import Issue
from library.key_switch import KeySwitch
from library.notices import Notices

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


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--key", "keys", multiple=True, help="This access key id. Repeatable.")
@click.option("--ticket", "tickets", multiple=True, help="The key of this JIRA ticket, like AWSSEC-12. Repeatable.")
@click.option("--since", type=Since(), help="Every key switched off since a date (2026-11-01) or days ago (3d).")
@click.option("--account", "accounts", multiple=True, help="Only this account id. Repeatable.")
@click.option("--user", "users", multiple=True, help="Only keys of this IAM user. Repeatable.")
@click.option("--limit", type=click.IntRange(min=1), help="Switch on at most so many keys.")
@click.option("--batch", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Print what would be done; change nothing anywhere.")
def main(
    keys: tuple[str, ...],
    tickets: tuple[str, ...],
    since: datetime | None,
    accounts: tuple[str, ...],
    users: tuple[str, ...],
    limit: int | None,
    batch: bool,
    dry_run: bool,
) -> None:
    """Switch on again what this system switched off.

    Only keys whose issue says that they were switched off here, and that are still Inactive. The next scan opens a
    new episode: the owner is told, and has seven days at the least before the key may be switched off again.

    Exit codes: 0 done, 1 something failed, 2 configuration or usage, 3 another instance is running,
    130 interrupted.
    """
    if not (keys or tickets or since):
        raise click.UsageError("say which keys: --key, --ticket or --since")

    def body(settings: Config) -> int:
        counts: Counter[str] = Counter()
        chosen = _choose(settings, keys, tickets, since, accounts, users, counts)
        return _restore(settings, chosen, counts, limit=limit, batch=batch, dry_run=dry_run)

    sys.exit(host_command.run(STREAM, body, dry_run=dry_run))


def _choose(
    settings: Config,
    keys: tuple[str, ...],
    tickets: tuple[str, ...],
    since: datetime | None,
    accounts: tuple[str, ...],
    users: tuple[str, ...],
    counts: Counter[str],
) -> list[Issue]:
    table = host_command.issues_table(settings)
    known = {**settings.aws.accounts, **{account.id: account.name for account in settings.remediation_accounts()}}
    issues = [issue for account_id in known for issue in host_command.read_issues(table, account_id, counts)]
    for key in sorted(set(keys) - {issue.issue_id for issue in issues}):
        logger.error("--key %s: no issue has this key", key)
        counts["failed"] += 1
    for ticket in sorted(set(tickets) - {issue.jira.ticket or "" for issue in issues}):
        logger.error("--ticket %s: no issue has this ticket", ticket)
        counts["failed"] += 1
    names = {user.lower() for user in users}
    return [
        issue
        for issue in issues
        if (not accounts or issue.account_id in accounts)
        and (not names or issue.details.username.lower() in names)
        and (not keys or issue.issue_id in keys)
        and (not tickets or issue.jira.ticket in tickets)
        and (since is None or (issue.timestamps.remediated is not None and issue.timestamps.remediated >= since))
    ]


def _restore(
    settings: Config, issues: list[Issue], counts: Counter[str], *, limit: int | None, batch: bool, dry_run: bool
) -> int:
    switch = KeySwitch(settings)
    table = host_command.issues_table(settings)
    notices = None if dry_run else host_command.notices(settings, table)
    session = boto3.Session(region_name=settings.aws.region)
    who = session.client("sts", config=CLIENT_CONFIG).get_caller_identity()["Arn"]
    done = "would be switched on" if dry_run else "switched on"
    for issue in issues:
        if counts[done] == limit:
            logger.info("The limit of %d keys is reached", limit)
            break
        try:
            verdict, reason = _restore_one(switch, table, notices, issue, who, batch=batch, counts=counts)
        except HammerError as error:
            verdict, reason = "failed", str(error)
            logger.error("account %s key %s: %s", issue.account_id, issue.issue_id, error)
        counts[verdict] += 1
        log_decision(issue.account_id, issue.details.username, issue.issue_id, verdict, reason)
    logger.info("Restore is done: %s", ", ".join(f"{counts[name]} {name}" for name in (done, "skipped", "failed")))
    return host_command.FAILED if counts["failed"] else host_command.OK


def _restore_one(
    switch: KeySwitch,
    table: IssuesTable,
    notices: Notices | None,
    issue: Issue,
    who: str,
    *,
    batch: bool,
    counts: Counter[str],
) -> tuple[str, str]:
    times = issue.timestamps
    if times.remediated is None:
        return "skipped", "this system did not switch the key off"
    if times.restored is not None and times.restored > times.remediated:
        return "skipped", f"switched on again at {times.restored:%Y-%m-%d %H:%M} UTC"
    key = switch.look(issue)
    if key is None:
        return "skipped", "the key does not exist any more"
    if key.status == ACTIVE:
        return "skipped", "the key is on already"
    off = f"switched off at {times.remediated:%Y-%m-%d %H:%M} UTC"
    if notices is None:
        return "would be switched on", off
    if not batch:
        click.echo(f"\n  account {issue.account_id}, user {key.user_name}, key {key.key_id}, {off}")
        answer = host_command.ask("Switch this key on again?")
        if answer is None:
            return "skipped", "there is no terminal to ask at; --batch does not ask"
        if not answer:
            return "skipped", "refused by the operator"
    with host_command.uninterrupted():
        _switch_on(switch, table, notices, issue, key, who, counts)
    return "switched on", f"by {who}"


def _switch_on(
    switch: KeySwitch,
    table: IssuesTable,
    notices: Notices,
    issue: Issue,
    key: AccessKey,
    who: str,
    counts: Counter[str],
) -> None:
    switch.set_status(issue.account_id, key, "Active")
    now = datetime.now(UTC)

    def restored(current: Issue | None) -> Issue | None:
        return None if current is None else replace(current, timestamps=replace(current.timestamps, restored=now))

    after = table.step(issue.account_id, issue.issue_id, issue, restored)
    if after is None:
        raise HammerError(f"issue {issue.account_id}/{issue.issue_id} was removed from the table by somebody")
    for failure in notices.tell_restored(after, who, now):
        counts["failed"] += 1
        logger.error("account %s key %s: %s: %s", issue.account_id, issue.issue_id, failure.channel, failure.cause)


if __name__ == "__main__":
    main()
