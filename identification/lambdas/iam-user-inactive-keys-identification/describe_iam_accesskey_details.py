"""Lambda hammer-describe-iam-user-inactive-keys: scans the access keys of one account and keeps its issues."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from library import messages
from library.aws import permissions
from library.aws.iam_clients import IamClients
from library.aws.iam_keys import tags_of_users
from library.aws.iam_scan import scan_access_keys
from library.aws.issues_table import IssuesTable
from library.aws.sessions import CLIENT_CONFIG, AccountAccess
from library.config.loading import load
from library.errors import HammerError
from library.issues.access_keys import is_long_ago
from library.issues.scan_result import Decided, Line, ScanResult, line_of_issue, lines_of_the_rest, result_of
from library.issues.scanning import Finding, findings, keys_to_watch, reconcile, users_without_tags
from library.messages import Message

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws_lambda_powertools.utilities.typing import LambdaContext

    from library.config.settings import Config
    from library.issues.decisions import Outcome, Step
    from library.issues.listing import Listing
    from library.issues.record import Issue
    from library.issues.whitelist import Exemption

logger = Logger(service="hammer-describe-iam-user-inactive-keys")
metrics = Metrics(namespace="Hammer", service="hammer-describe-iam-user-inactive-keys")


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any] | None:  # noqa: ARG001
    """Scan the account that the topic's message names. Any failure is raised, so that Lambda tries again.

    An event `{"check": {"account_id", "account_name"}}` only asks what a scan would be refused:
    `deployment.check_deployment` sends it, because only this function's role may assume the role of the account.
    """
    began = monotonic()
    try:
        if "check" in event:
            return {"refusals": [asdict(refusal) for refusal in check(**event["check"])]}
        for record in event["Records"]:
            message = _message(record["Sns"]["Message"])
            result = identify(message["account_id"], message["account_name"], datetime.now(UTC))
            _publish(message["account_id"], result, duration=monotonic() - began)
    except HammerError as error:
        messages.error(logger, error.id, str(error))
        raise
    return None


def _message(text: str) -> dict[str, str]:
    try:
        message = json.loads(text)
        return {"account_id": message["account_id"], "account_name": message["account_name"]}
    except (ValueError, KeyError, TypeError) as error:
        raise HammerError(
            f'the message {text!r} is not understood; expected {{"account_id": "…", "account_name": "…"}}',
            id=Message.SCAN_MESSAGE_NOT_UNDERSTOOD,
        ) from error


def _publish(account_id: str, result: ScanResult, duration: float) -> None:
    """Say what a scan found and changed, as metrics and in one line; `duration` is in seconds."""
    counts = asdict(result)
    # No dimension: ten metrics for each of a thousand accounts would cost 3,000 dollars a month.
    metrics.add_metadata("account_id", account_id)
    for name, value in counts.items():
        metrics.add_metric(name, MetricUnit.Count, value)
    metrics.add_metric("duration", MetricUnit.Seconds, duration)
    logger.info("Scan is complete", extra={**counts, "duration": duration})


def check(account_id: str, account_name: str) -> list[permissions.Refusal]:
    """What a scan of the account would be refused."""
    settings = load()
    table_name = settings.inactive_keys.table_name
    return permissions.of_identification(_access(settings), table_name, account_id, account_name)


def identify(account_id: str, account_name: str, now: datetime) -> ScanResult:
    """Scan one account as of `now` (UTC) and reconcile its issues; complete, or HammerError and nothing resolved."""
    settings = load()
    logger.append_keys(account_id=account_id, account_name=account_name)
    iam, table = _iam(settings, account_id, account_name), _issues_table(settings)
    issues = {issue.issue_id: issue for issue in table.of_account(account_id)}

    criteria_days = settings.inactive_keys.inactive_criteria_days
    listing = _read(iam, issues, criteria_days, now)
    tags = tags_of_users(iam, users_without_tags(listing.keys, issues, criteria_days=criteria_days, now=now))
    found = findings(listing.keys, issues, tags, criteria_days=criteria_days, now=now)

    decisions = []
    for finding in found:
        exemption = settings.whitelist.find(account_id, finding.user_name, finding.key_id, now)
        decided = Decided(finding, _write(table, account_id, finding, issues, exemption, now))
        _say(line_of_issue(decided, criteria_days, now))
        decisions.append(decided)
    for line in lines_of_the_rest(listing, found, now):
        _say(line)
    return result_of(listing, decisions, iam.calls, now)


def _read(iam: IamClients, issues: Mapping[str, Issue], criteria_days: int, now: datetime) -> Listing:
    rule = partial(is_long_ago, criteria_days=criteria_days, now=now)
    listing = scan_access_keys(iam, rule, keys_to_watch(issues.values()), now)
    if listing.report_problem:
        text = f"Every key is listed, which takes longer: {listing.report_problem}"
        messages.warning(logger, Message.EVERY_KEY_IS_LISTED, text)
    return listing


def _write(
    table: IssuesTable,
    account_id: str,
    finding: Finding,
    issues: Mapping[str, Issue],
    exemption: Exemption | None,
    now: datetime,
) -> Outcome:
    def decide(issue: Issue | None) -> Step | None:
        return reconcile(account_id, finding, issue, exemption=exemption, now=now)

    return table.step(account_id, finding.key_id, issues.get(finding.key_id), decide)


def _say(line: Line) -> None:
    logger.info(line.text, extra={"user": line.user, "key": line.key, "verdict": line.verdict, "reason": line.reason})


def _access(settings: Config) -> AccountAccess:
    aws = settings.aws
    return AccountAccess(
        aws.region, aws.partition, aws.main_account_id, aws.role_name_identification, aws.external_id
    )


def _iam(settings: Config, account_id: str, account_name: str) -> IamClients:
    access = _access(settings)
    account = access.account_of(account_id, account_name)
    session = access.session_in(account, "hammer-identification")
    return IamClients(account, partial(session.client, "iam", config=CLIENT_CONFIG))


def _issues_table(settings: Config) -> IssuesTable:
    client = boto3.Session(region_name=settings.aws.region).client("dynamodb", config=CLIENT_CONFIG)
    return IssuesTable(client, settings.inactive_keys.table_name)
