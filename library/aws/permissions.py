"""Tries each AWS call that the work in an account takes, with no effect, and says which ones are refused."""

from __future__ import annotations

import uuid
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from library.aws.sessions import CLIENT_CONFIG, Account, account_session
from library.errors import AwsCallFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_iam import IAMClient

    from library.config.settings import Config

# What a call says that was allowed: there is nothing that it could have had an effect on.
_ALLOWED = frozenset(
    {"NoSuchEntity", "ReportNotPresent", "ReportInProgress", "ReportExpired", "ConditionalCheckFailedException"}
)
_NEVER = "attribute_exists(account_id) AND attribute_not_exists(account_id)"
_USERS_TRIED = 25


@dataclass(frozen=True, slots=True)
class Refusal:
    """A call (`iam:ListUsers`) that did not go through, and what AWS said."""

    call: str
    said: str


def of_identification(settings: Config, account_id: str, name: str) -> list[Refusal]:
    """What is refused to the process, or the role it assumes, of what a scan of the account takes; empty is well."""
    iam, refusals = _iam(settings, account_id, name, settings.aws.role_name_identification)
    if iam is not None:
        users: list[str] = []

        def list_users() -> None:
            users.extend(user["UserName"] for user in iam.list_users(MaxItems=_USERS_TRIED)["Users"])

        refusals += _tried("iam:ListUsers", list_users)
        refusals += _looks(iam, users)
        refusals += _tried("iam:ListUserTags", lambda: iam.list_user_tags(UserName=users[0] if users else _nobody()))
        refusals += _tried("iam:GenerateCredentialReport", iam.generate_credential_report)
        refusals += _tried("iam:GetCredentialReport", iam.get_credential_report)
    return refusals + _table(settings, "Query", "GetItem", "PutItem", "UpdateItem")


def of_remediation(settings: Config, account_id: str, name: str, users: Sequence[str]) -> list[Refusal]:
    """The same for looking at a key of the account once more, and switching it off or on.

    `users` are some of the account, if any are known: without the key of one, not every call can be tried.
    """
    iam, refusals = _iam(settings, account_id, name, settings.aws.role_name_reporting)
    if iam is not None:
        refusals += _looks(iam, users[:_USERS_TRIED])
        # AWS decides on the permission before it looks for the user, whom there cannot be.
        refusals += _tried(
            "iam:UpdateAccessKey",
            lambda: iam.update_access_key(UserName=_nobody(), AccessKeyId="AKIAACCESSCHECKNOKEY", Status="Inactive"),
        )
    return refusals


def of_table(settings: Config) -> list[Refusal]:
    """The same for reading issues and carrying them on."""
    return _table(settings, "Query", "GetItem", "UpdateItem")


def _table(settings: Config, *operations: str) -> list[Refusal]:
    client: DynamoDBClient = boto3.Session(region_name=settings.aws.region).client("dynamodb", config=CLIENT_CONFIG)
    table = settings.inactive_keys.table_name
    key: Any = {"account_id": {"S": settings.aws.main_account_id}, "issue_id": {"S": "access-check"}}
    tries: dict[str, Callable[[], object]] = {
        "Query": lambda: client.query(
            TableName=table,
            KeyConditionExpression="account_id = :account",
            ExpressionAttributeValues={":account": key["account_id"]},
            Limit=1,
        ),
        "GetItem": lambda: client.get_item(TableName=table, Key=key),
        "PutItem": lambda: client.put_item(TableName=table, Item=key, ConditionExpression=_NEVER),
        "UpdateItem": lambda: client.update_item(TableName=table, Key=key, ConditionExpression=_NEVER),
    }
    return [refusal for name in operations for refusal in _tried(f"dynamodb:{name}", tries[name])]


def _iam(settings: Config, account_id: str, name: str, role: str) -> tuple[IAMClient | None, list[Refusal]]:
    account = Account(account_id, name, None if account_id == settings.aws.main_account_id else role)
    try:
        session = account_session(
            account,
            region=settings.aws.region,
            partition=settings.aws.partition,
            external_id=settings.aws.external_id,
            purpose="hammer-access-check",
        )
    except AwsCallFailed as error:
        return None, [Refusal("sts:AssumeRole", str(error))]
    return session.client("iam", config=CLIENT_CONFIG), []


def _looks(iam: IAMClient, users: Sequence[str]) -> Iterator[Refusal]:
    keys: list[str] = []

    def list_access_keys() -> None:
        # Without a user's name it would list the caller's own keys.
        for user in users or [_nobody()]:
            with suppress(iam.exceptions.NoSuchEntityException):
                keys.extend(key["AccessKeyId"] for key in iam.list_access_keys(UserName=user)["AccessKeyMetadata"])
            if keys:
                return

    yield from _tried("iam:ListAccessKeys", list_access_keys)
    # For a key that does not exist AWS would deny it to everybody, so in an account without keys nothing can be said.
    for key in keys[:1]:
        yield from _tried("iam:GetAccessKeyLastUsed", lambda key=key: iam.get_access_key_last_used(AccessKeyId=key))  # type: ignore[misc]


def _nobody() -> str:
    return f"access-check-{uuid.uuid4().hex}"


def _tried(name: str, call: Callable[[], object]) -> Iterator[Refusal]:
    try:
        call()
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code not in _ALLOWED:
            yield Refusal(name, f"{code}: {error.response['Error'].get('Message', '')}")
    except BotoCoreError as error:
        yield Refusal(name, str(error))
