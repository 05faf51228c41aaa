"""Tells people of the access keys that nobody uses: JIRA tickets and Slack messages from the issues table."""

from __future__ import annotations

import sys
from collections import Counter
from datetime import UTC, datetime

import click

from library import host_command
from library.config import Config
from library.errors import HammerError
from library.host_command import log_decision, logger
from library.issues import Issue
from library.lifecycle import Close, CloseSilently, Remind, Report, Skip, TellRemediated, reporting_step
from library.notices import Failure, Notices

STREAM = "reporting.create_iam_user_inactive_keys_tickets"


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Report the issues of the table hammer-iam-user-keys-inactive.

    Raises a JIRA ticket and tells Slack for each new issue, reminds before remediation, and closes the tickets of
    issues that went away. Does nothing while user_inactivekeys.reporting is false.

    The configuration is read from HAMMER_CONFIG (a folder or s3://bucket/prefix), else from config/.

    Exit codes: 0 done, 1 something failed (it is tried again by the next run), 2 configuration, 3 another
    instance is running, 130 interrupted.
    """
    sys.exit(host_command.run(STREAM, lambda settings: report(settings, datetime.now(UTC))))


def report(settings: Config, now: datetime) -> int:
    """Report the issues of every account as of `now` (UTC); returns the exit code."""
    if not settings.inactive_keys.reporting:
        logger.info("Reporting is switched off (user_inactivekeys.reporting): nothing is reported")
        return host_command.OK
    if not (settings.jira.enabled or settings.slack.enabled):
        logger.warning("Neither JIRA nor Slack is enabled: nothing can be reported, nothing is marked as reported")
    table = host_command.issues_table(settings)
    notices = host_command.notices(settings, table)
    counts: Counter[str] = Counter()
    for account in settings.accounts():
        for issue in host_command.read_issues(table, account.id, counts):
            _report_issue(settings, notices, issue, now, counts)
    done = ("reported", "reminded", "closed", "told", "skipped", "failed")
    logger.info("Reporting is done: %s", ", ".join(f"{counts[name]} {name}" for name in done))
    return host_command.FAILED if counts["failed"] else host_command.OK


def _report_issue(settings: Config, notices: Notices, issue: Issue, now: datetime, counts: Counter[str]) -> None:
    user = issue.details.username
    exemption = settings.whitelist.find(issue.account_id, user, issue.issue_id, now)
    policy = notices.policy(issue.account_id)
    step = reporting_step(issue, policy, whitelisted=exemption is not None, now=now)
    try:
        failures: list[Failure] = []
        match step:
            case Skip(reason):
                verdict = "skipped"
            case Report(first=first):
                verdict = "reported"
                reason = f"{issue.episode.value} episode" if first else "delivery that was still owed"
                failures = notices.report(issue, step, now)
            case Remind(days):
                verdict, reason = "reminded", f"{days} days before remediation"
                failures = notices.remind(issue, step, now)
            case TellRemediated():
                verdict, reason = "told", "that the key was switched off"
                failures = notices.tell_remediated(issue, step, now)
            case Close():
                verdict = "closed"
                reason = issue.details.resolution.value if issue.details.resolution else issue.status.value
                failures = notices.close(issue, step, now)
            case CloseSilently():
                verdict, reason = "closed", "never reported"
                failures = notices.close_silently(issue, now)
    except HammerError as error:
        verdict, reason, failures = "failed", str(error), [Failure("table", str(error))]
    for failure in failures:
        logger.error("account %s key %s: %s: %s", issue.account_id, issue.issue_id, failure.channel, failure.cause)
    counts["failed" if failures else verdict] += 1
    log_decision(issue.account_id, user, issue.issue_id, f"{verdict}, with failures" if failures else verdict, reason)


if __name__ == "__main__":
    main()
