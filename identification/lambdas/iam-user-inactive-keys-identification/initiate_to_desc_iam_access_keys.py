"""Lambda hammer-initiate-iam-user-inactive-keys: one message for each account that is to be scanned."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import MetricUnit, single_metric

from library import messages, text
from library.aws import organizations, sns
from library.aws.sessions import CLIENT_CONFIG
from library.aws.state_table import StateTable, state_table_name
from library.aws_clients import Session
from library.config.checks import with_organization
from library.config.loading import load
from library.errors import HammerError
from library.issues.scan_watch import look_over
from library.messages import Message

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aws_lambda_powertools.utilities.typing import LambdaContext

    from library.config.settings import AccountRef, Config

logger = Logger(service="hammer-initiate-iam-user-inactive-keys", json_serializer=partial(text.as_json, lines=False))


@logger.inject_lambda_context(clear_state=True)
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:  # noqa: ARG001
    """Publish `{"account_id", "account_name"}` for each account to the topic in SNS_ARN.

    Raises HammerError in the end if any message could not be published, so that Lambda tries again.
    """
    try:
        return initiate()
    except HammerError as error:
        messages.error(logger, error.id, str(error))
        raise
    except Exception as error:
        messages.error(logger, Message.UNEXPECTED, text.unexpected(error))
        raise


def initiate() -> dict[str, int]:
    """Read the configuration as it is now and publish; returns how many accounts were asked for."""
    settings = load()
    logger.info(settings.in_force)
    session = Session(region_name=settings.aws.region)
    if settings.inactive_keys.enabled and settings.aws.accounts_from_organization:
        found = organizations.active_accounts(session.client("organizations", config=CLIENT_CONFIG))
        settings = with_organization(settings, found)
    # Some are only known when all accounts are.
    for warning in settings.warnings:
        messages.warning(logger, Message.CONFIGURATION_DOUBTFUL, warning)
    if not settings.inactive_keys.enabled:
        logger.info("Detection is switched off (user_inactivekeys.enabled): no account is scanned")
        return {"accounts": 0}
    accounts = settings.accounts()
    failures = sns.publish(
        session.client("sns", config=CLIENT_CONFIG),
        os.environ["SNS_ARN"],
        [{"account_id": account.id, "account_name": account.name} for account in accounts],
    )
    for message, cause in failures:
        said = f"Account {message['account_id']}: its scan could not be asked for: {cause}"
        messages.error(logger, Message.SCAN_NOT_ASKED_FOR, said)
    logger.info("Asked for the scan of %d of %d accounts", len(accounts) - len(failures), len(accounts))
    _watch(settings, accounts)
    if failures:
        raise HammerError(
            f"the scan of {len(failures)} of {len(accounts)} accounts could not be asked for",
            id=Message.SCAN_NOT_ASKED_FOR,
        )
    return {"accounts": len(accounts)}


def _watch(settings: Config, accounts: Sequence[AccountRef]) -> None:
    """Name the accounts that have had no complete scan for a day: at once when they are new, then daily."""
    now = datetime.now(UTC)
    client = Session(region_name=settings.aws.region).client("dynamodb", config=CLIENT_CONFIG)
    odd = partial(messages.error, logger, Message.STATE_NOT_UNDERSTOOD)
    table = StateTable(client, state_table_name(settings.inactive_keys.table_name), odd)
    names = {account.id: account.name for account in accounts}
    before = table.watch(now)
    overview = look_over(names, table.of_accounts(names, now), before, now)
    for each in overview.to_tell:
        said = (
            f"Account {text.account(each.account_id, names[each.account_id])} is not scanned: no complete scan since "
            f"{text.utc(each.since)}, because: {each.cause}"
        )
        messages.error(logger, Message.ACCOUNT_NOT_SCANNED, said)
    if overview.to_tell:
        # Only when there is something to tell, so that the alarm goes off again.
        with single_metric(
            "accounts_not_scanned",
            MetricUnit.Count,
            len(overview.unscanned),
            namespace="Hammer",
            default_dimensions={"service": "hammer-initiate-iam-user-inactive-keys"},
        ):
            pass
    logger.info("%d of %d accounts have had no complete scan for a day", len(overview.unscanned), len(names))
    if overview.watch != before:
        table.keep_watch(overview.watch)
