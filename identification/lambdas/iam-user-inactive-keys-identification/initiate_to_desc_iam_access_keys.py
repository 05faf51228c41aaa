"""Lambda hammer-initiate-iam-user-inactive-keys: one message for each account that is to be scanned."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger

from library import messages
from library.aws import organizations, sns
from library.aws.sessions import CLIENT_CONFIG
from library.config.checks import with_organization
from library.config.loading import load
from library.errors import HammerError
from library.messages import Message

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger(service="hammer-initiate-iam-user-inactive-keys")


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


def initiate() -> dict[str, int]:
    """Read the configuration as it is now and publish; returns how many accounts were asked for."""
    settings = load()
    for warning in settings.warnings:
        messages.warning(logger, Message.CONFIGURATION_DOUBTFUL, warning)
    if not settings.inactive_keys.enabled:
        logger.info("Detection is switched off (user_inactivekeys.enabled): no account is scanned")
        return {"accounts": 0}
    session = boto3.Session(region_name=settings.aws.region)
    if settings.aws.accounts_from_organization:
        found = organizations.active_accounts(session.client("organizations", config=CLIENT_CONFIG))
        settings = with_organization(settings, found)
    accounts = settings.accounts()
    failures = sns.publish(
        session.client("sns", config=CLIENT_CONFIG),
        os.environ["SNS_ARN"],
        [{"account_id": account.id, "account_name": account.name} for account in accounts],
    )
    for message, cause in failures:
        text = f"Account {message['account_id']}: its scan could not be asked for: {cause}"
        messages.error(logger, Message.SCAN_NOT_ASKED_FOR, text)
    logger.info("Asked for the scan of %d of %d accounts", len(accounts) - len(failures), len(accounts))
    if failures:
        raise HammerError(
            f"the scan of {len(failures)} of {len(accounts)} accounts could not be asked for",
            id=Message.SCAN_NOT_ASKED_FOR,
        )
    return {"accounts": len(accounts)}
