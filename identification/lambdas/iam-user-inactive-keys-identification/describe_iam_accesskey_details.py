"""Lambda hammer-describe-iam-user-inactive-keys: scans the access keys of one account and keeps its issues."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from library.aws import permissions
from library.aws.iam_clients import IamClients
from library.aws.iam_keys import tags_of_users
from library.aws.iam_scan import WatchedKey, scan_access_keys
from library.aws.issues_table import IssuesTable
from library.aws.sessions import CLIENT_CONFIG, AccountAccess
from library.config.loading import load
from library.errors import HammerError
from library.issues.access_keys import ACTIVE, AccessKey, idle_days, is_idle, is_long_ago
from library.issues.record import Issue, Resolution, Status
from library.issues.scanning import LIVE, Finding, findings, reconcile

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws_lambda_powertools.utilities.typing import LambdaContext

    from library.config.settings import Config
    from library.issues.decisions import Step
    from library.issues.whitelist import Exemption

logger = Logger(service="hammer-describe-iam-user-inactive-keys")
metrics = Metrics(namespace="Hammer", service="hammer-describe-iam-user-inactive-keys")


@dataclass(frozen=True, slots=True)
class ScanResult:
    """What one scan of one account found and changed.

    `keys` are those that were looked at: not those of the users who were ruled out. `oldest_open_issue_days` is 0 if
    no issue is open.
    """

    users: int
    users_ruled_out: int
    keys: int
    idle_keys: int
    opened: int
    resolved: int
    oldest_open_issue_days: int
    api_calls: int


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any] | None:  # noqa: ARG001
    """Scan the account that the topic's message names. Any failure is raised, so that Lambda tries again.

    An event `{"check": {"account_id", "account_name"}}` only asks what a scan would be refused: `deployment.
    check_deployment` sends it, because no one but this function's role may assume the role of the account.
    """
    began = monotonic()
    try:
        if "check" in event:
            return {"refusals": [asdict(refusal) for refusal in check(**event["check"])]}
        for record in event["Records"]:
            message = _message(record["Sns"]["Message"])
            result = identify(message["account_id"], message["account_name"], datetime.now(UTC))
            duration = monotonic() - began
            # No dimension: ten metrics for each of a thousand accounts would cost 3,000 dollars a month.
            metrics.add_metadata("account_id", message["account_id"])
            for name, value in asdict(result).items():
                metrics.add_metric(name, MetricUnit.Count, value)
            metrics.add_metric("duration", MetricUnit.Seconds, duration)
            logger.info("Scan is complete", extra={**asdict(result), "duration": duration})
    except HammerError as error:
        logger.error(str(error))
        raise
    return None


def _message(text: str) -> dict[str, str]:
    try:
        message = json.loads(text)
        return {"account_id": message["account_id"], "account_name": message["account_name"]}
    except (ValueError, KeyError, TypeError) as error:
        raise HammerError(
            f'the message {text!r} is not understood; expected {{"account_id": "…", "account_name": "…"}}'
        ) from error


def check(account_id: str, account_name: str) -> list[permissions.Refusal]:
    """What a scan of the account would be refused."""
    settings = load()
    access = _access(settings)
    return permissions.of_identification(access, settings.inactive_keys.table_name, account_id, account_name)


def _access(settings: Config) -> AccountAccess:
    aws = settings.aws
    return AccountAccess(
        aws.region, aws.partition, aws.main_account_id, aws.role_name_identification, aws.external_id
    )


def identify(account_id: str, account_name: str, now: datetime) -> ScanResult:
    """Scan one account as of `now` (UTC) and reconcile its issues; complete, or HammerError and nothing resolved."""
    settings = load()
    access = _access(settings)
    account = access.account_of(account_id, account_name)
    logger.append_keys(account_id=account_id, account_name=account_name)
    session = access.session_in(account, "hammer-identification")
    iam = IamClients(account, partial(session.client, "iam", config=CLIENT_CONFIG))
    table = IssuesTable(
        boto3.Session(region_name=access.region).client("dynamodb", config=CLIENT_CONFIG),
        settings.inactive_keys.table_name,
    )
    records = {issue.issue_id: issue for issue in table.of_account(account_id)}
    watched = [
        WatchedKey(key_id, issue.details.username, issue.details.user_id)
        for key_id, issue in records.items()
        if issue.status in LIVE
    ]
    criteria_days = settings.inactive_keys.inactive_criteria_days
    listing = scan_access_keys(iam, lambda moment: is_long_ago(moment, criteria_days, now), watched, now)
    if listing.report_problem:
        logger.warning("Every key is listed, which takes longer: %s", listing.report_problem)
    idle = [key for key in listing.keys if is_idle(key, criteria_days, now)]
    tags = _missing_tags(iam, idle, records)
    found = findings(listing.keys, records, tags, criteria_days=criteria_days, now=now)

    opened = resolved = oldest = 0
    for finding in found:
        exemption = settings.whitelist.find(account_id, finding.user_name, finding.key_id, now)

        def decide(
            current: Issue | None, finding: Finding = finding, exemption: Exemption | None = exemption
        ) -> Step | None:
            return reconcile(account_id, finding, current, exemption=exemption, now=now)

        outcome = table.step(account_id, finding.key_id, records.get(finding.key_id), decide)
        after = outcome.after
        opened += (
            outcome.written and after is not None and after.status is Status.OPEN and _was_not_open(outcome.before)
        )
        resolved += outcome.written and after is not None and after.status is Status.RESOLVED
        if after is not None and after.status is Status.OPEN and after.timestamps.identified is not None:
            oldest = max(oldest, (now - after.timestamps.identified).days)
        _log_decision(finding, after, changed=outcome.written, now=now, criteria_days=criteria_days)
    found_keys = {finding.key_id for finding in found}
    for key in listing.keys:
        if key.key_id not in found_keys:
            verdict = "in use" if key.status == ACTIVE else "off"
            logger.info(
                "Key is left alone",
                extra={"user": key.user_name, "key": key.key_id, "verdict": verdict, "reason": _reason(key, now)},
            )
    for ruled_out in listing.ruled_out:
        logger.info(
            "Key is left alone" if ruled_out.key_id else "User is left alone",
            extra={
                "user": ruled_out.user_name,
                "key": ruled_out.key_id,
                "verdict": "in use",
                "reason": "by the credential report",
            },
        )
    return ScanResult(
        users=listing.users,
        users_ruled_out=sum(ruled_out.key_id is None for ruled_out in listing.ruled_out),
        keys=len(listing.keys),
        idle_keys=len(idle),
        opened=opened,
        resolved=resolved,
        oldest_open_issue_days=oldest,
        api_calls=iam.calls,
    )


def _was_not_open(record: Issue | None) -> bool:
    return record is None or record.status is not Status.OPEN


def _missing_tags(
    iam: IamClients, idle: list[AccessKey], records: Mapping[str, Issue]
) -> dict[str, dict[str, str] | None]:
    unknown = (key for key in idle if key.key_id not in records or records[key.key_id].details.tags is None)
    return tags_of_users(iam, sorted({key.user_name for key in unknown}))


def _reason(key: AccessKey, now: datetime) -> str:
    if key.status != ACTIVE:
        return f"status {key.status}"
    verb = "created" if key.last_used is None else "last used"
    return f"{verb} {idle_days(key.idle_since, now)} days ago"


def _log_decision(finding: Finding, after: Issue | None, *, changed: bool, now: datetime, criteria_days: int) -> None:
    found = finding.found
    if isinstance(found, Resolution):
        # The record knows more than the scan: it was we who switched the key off.
        recorded = after.details.resolution if after else None
        reason = (recorded or found).value
    else:
        days = idle_days(found.last_used, now)
        reason = (
            f"{'never used, created' if found.never_used else 'last used'} {days} days ago, more than {criteria_days}"
        )
    status = after.status.value if after else "none"
    logger.info(
        "Issue is changed" if changed else "Issue is unchanged",
        extra={"user": finding.user_name, "key": finding.key_id, "verdict": status, "reason": reason},
    )
