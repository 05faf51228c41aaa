"""Lambda hammer-describe-iam-user-inactive-keys: scans the access keys of one account and keeps its issues."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from library import messages, text
from library.aws import permissions
from library.aws.account_issues import AccountIssues
from library.aws.account_scan import AccountScan
from library.aws.iam_clients import IamClients
from library.aws.issues_table import IssuesTable
from library.aws.sessions import CLIENT_CONFIG, AccountAccess
from library.aws.state_table import StateTable, state_table_name
from library.aws_clients import Session
from library.config.loading import load
from library.errors import HammerError
from library.issues import values
from library.messages import Message

if TYPE_CHECKING:
    from collections.abc import Callable

    from aws_lambda_powertools.utilities.typing import LambdaContext

    from library.config.settings import Config
    from library.issues.scan_result import ScanResult

logger = Logger(service="hammer-describe-iam-user-inactive-keys", json_serializer=partial(text.as_json, lines=False))
metrics = Metrics(namespace="Hammer", service="hammer-describe-iam-user-inactive-keys")


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any] | None:
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
            result = identify(
                message["account_id"],
                message["account_name"],
                datetime.now(UTC),
                lambda: context.get_remaining_time_in_millis() / 1000,
            )
            _publish(message["account_id"], result, duration=monotonic() - began)
    except HammerError as error:
        messages.error(logger, error.id, str(error))
        raise
    except Exception as error:
        messages.error(logger, Message.UNEXPECTED, text.unexpected(error))
        raise
    return None


def _message(published: str) -> dict[str, str]:
    try:
        message = json.loads(published)
        return {
            "account_id": values.account_id(message["account_id"]),
            "account_name": values.text(message["account_name"]),
        }
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        expected = '{"account_id": "…", "account_name": "…"}'
        raise HammerError(
            f"the message {values.shown(published)} is not understood; expected {expected}",
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


def identify(
    account_id: str, account_name: str, now: datetime, seconds_left: Callable[[], float] = lambda: inf
) -> ScanResult:
    """Scan one account as of `now` (UTC) and reconcile its issues; complete, or HammerError and nothing resolved.

    `seconds_left` is how much time there is. The account's state is recorded either way.
    """
    settings = load()
    logger.append_keys(account_id=account_id, account_name=account_name)
    logger.info("Scan begins", extra={"configuration": settings.source, "digest": settings.digest})
    days = settings.inactive_keys.inactive_criteria_days
    table, states = _tables(settings)
    scan = AccountScan(account_id, states, seconds_left, logger, criteria_days=days, now=now)
    try:
        iam = _iam(settings, account_id, account_name)
        issues = AccountIssues(
            table,
            account_id,
            settings.whitelist,
            lambda error: messages.error(logger, error.id, str(error)),
            criteria_days=days,
            now=now,
        )
        return scan.run(iam, issues)
    except HammerError as error:
        scan.failed(str(error))
        raise
    except Exception as error:
        scan.failed(text.unexpected(error))
        raise


def _access(settings: Config) -> AccountAccess:
    aws = settings.aws
    return AccountAccess(
        aws.region, aws.partition, aws.main_account_id, aws.role_name_identification, aws.external_id, aws.role_path
    )


def _iam(settings: Config, account_id: str, account_name: str) -> IamClients:
    access = _access(settings)
    account = access.account_of(account_id, account_name)
    session = access.session_in(account, "hammer-identification")
    return IamClients(account, partial(session.client, "iam", config=CLIENT_CONFIG))


def _tables(settings: Config) -> tuple[IssuesTable, StateTable]:
    client = Session(region_name=settings.aws.region).client("dynamodb", config=CLIENT_CONFIG)
    name = settings.inactive_keys.table_name
    odd = partial(messages.error, logger, Message.STATE_NOT_UNDERSTOOD)
    return IssuesTable(client, name), StateTable(client, state_table_name(name), odd)
