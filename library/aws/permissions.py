"""Tries each AWS call that the work in an account takes, with no effect, and says which ones are refused."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from library.aws.calls import AWS_ERRORS, code_of, said_by
from library.aws.lease import LEASE
from library.aws.sessions import CLIENT_CONFIG
from library.aws.state_table import state_table_name
from library.aws_clients import Session
from library.errors import AwsCallFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_iam import IAMClient

    from library.aws.sessions import AccountAccess

Answer = TypeVar("Answer")

# What AWS answers to a call that it allows: there is nothing that it could have had an effect on.
_ALLOWED = frozenset(
    {"NoSuchEntity", "ReportNotPresent", "ReportInProgress", "ReportExpired", "ConditionalCheckFailedException"}
)
_NEVER = "attribute_exists(account_id) AND attribute_not_exists(account_id)"
_USERS_TRIED = 25
NO_KEY = "AKIAACCESSCHECKNOKEY"
"""An id that no access key has."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A call (`iam:ListUsers`) that did not go through, and what AWS said."""

    call: str
    said: str


class _Trial:
    """Calls that are tried one after the other, and what was refused of them."""

    def __init__(self) -> None:
        self.refusals: list[Refusal] = []

    def of(self, name: str, call: Callable[[], Answer]) -> Answer | None:
        """What AWS answers to the call; None if it refuses it, or allows it and has nothing to say."""
        try:
            return call()
        except AWS_ERRORS as error:
            code = code_of(error)
            if code not in _ALLOWED:
                self.refusals.append(Refusal(name, f"{code}: {said_by(error)}" if code else str(error)))
        return None


def of_identification(access: AccountAccess, table_name: str, account_id: str, name: str) -> list[Refusal]:
    """What this process, or the role that it assumes, is refused of what a scan of the account takes.

    Empty means that nothing is missing. Raises nothing of AWS's: what cannot be reached is refused, too.
    """
    trial = _Trial()
    iam = _iam(trial, access, account_id, name)
    if iam is not None:
        users = trial.of("iam:ListUsers", partial(iam.list_users, MaxItems=_USERS_TRIED))
        names = [user["UserName"] for user in users.get("Users", [])] if users else []
        _try_looks(trial, iam, names)
        trial.of("iam:ListUserTags", partial(iam.list_user_tags, UserName=names[0] if names else nobody()))
        trial.of("iam:GenerateCredentialReport", iam.generate_credential_report)
        trial.of("iam:GetCredentialReport", iam.get_credential_report)
    of_issues = _of_table(access, table_name, "Query", "GetItem", "PutItem", "UpdateItem", "DeleteItem")
    return trial.refusals + of_issues + _of_state(access, table_name, f"scan#{account_id}", "GetItem", "UpdateItem")


def of_remediation(access: AccountAccess, account_id: str, name: str, users: Sequence[str]) -> list[Refusal]:
    """The same for what looking at a key of the account and switching it off or on takes.

    `users` are names of some users of the account, if any are known: without the key of one of them, not every call
    can be tried.
    """
    trial = _Trial()
    iam = _iam(trial, access, account_id, name)
    if iam is not None:
        _try_looks(trial, iam, users[:_USERS_TRIED])
        trial.of("iam:ListUserTags", partial(iam.list_user_tags, UserName=nobody()))
        nothing = {"UserName": nobody(), "AccessKeyId": NO_KEY}
        trial.of("iam:UpdateAccessKey", partial(iam.update_access_key, **nothing, Status="Inactive"))
    return trial.refusals


def of_table(access: AccountAccess, table_name: str) -> list[Refusal]:
    """The same for what reading issues and changing them takes."""
    return _of_table(access, table_name, "Query", "GetItem", "UpdateItem")


def of_state(access: AccountAccess, issues_table_name: str) -> list[Refusal]:
    """The same for what it takes to read the states of accounts and to hold the lease."""
    reads = _of_state(access, issues_table_name, f"scan#{access.own_account_id}", "GetItem", "BatchGetItem")
    return reads + _of_state(access, issues_table_name, LEASE, "UpdateItem")


def _of_state(access: AccountAccess, issues_table_name: str, item_id: str, *operations: str) -> list[Refusal]:
    table, client = state_table_name(issues_table_name), _dynamodb(access)
    key: Any = {"id": {"S": item_id}}
    never = "attribute_exists(id) AND attribute_not_exists(id)"
    tries: dict[str, Callable[[], object]] = {
        "GetItem": partial(client.get_item, TableName=table, Key=key),
        "BatchGetItem": partial(client.batch_get_item, RequestItems={table: {"Keys": [key]}}),
        "UpdateItem": partial(client.update_item, TableName=table, Key=key, ConditionExpression=never),
    }
    trial = _Trial()
    for name in operations:
        trial.of(f"dynamodb:{name}", tries[name])
    return [Refusal(each.call, f"table {table}: {each.said}") for each in trial.refusals]


def _dynamodb(access: AccountAccess) -> DynamoDBClient:
    return Session(region_name=access.region).client("dynamodb", config=CLIENT_CONFIG)


def _of_table(access: AccountAccess, table: str, *operations: str) -> list[Refusal]:
    client = _dynamodb(access)
    key: Any = {"account_id": {"S": access.own_account_id}, "issue_id": {"S": "access-check"}}
    tries: dict[str, Callable[[], object]] = {
        "Query": partial(
            client.query,
            TableName=table,
            KeyConditionExpression="account_id = :account",
            ExpressionAttributeValues={":account": key["account_id"]},
            Limit=1,
        ),
        "GetItem": partial(client.get_item, TableName=table, Key=key),
        "PutItem": partial(client.put_item, TableName=table, Item=key, ConditionExpression=_NEVER),
        "UpdateItem": partial(client.update_item, TableName=table, Key=key, ConditionExpression=_NEVER),
        "DeleteItem": partial(client.delete_item, TableName=table, Key=key, ConditionExpression=_NEVER),
    }
    trial = _Trial()
    for name in operations:
        trial.of(f"dynamodb:{name}", tries[name])
    return trial.refusals


def _iam(trial: _Trial, access: AccountAccess, account_id: str, name: str) -> IAMClient | None:
    try:
        session = access.session_in(access.account_of(account_id, name), "hammer-access-check")
    except AwsCallFailed as error:
        trial.refusals.append(Refusal("sts:AssumeRole", str(error)))
        return None
    return session.client("iam", config=CLIENT_CONFIG)


def _try_looks(trial: _Trial, iam: IAMClient, users: Sequence[str]) -> None:
    # Without a user's name it would list the caller's own keys.
    key = trial.of("iam:ListAccessKeys", partial(_first_key, iam, users or [nobody()]))
    # AWS would deny everybody a key that does not exist, so in an account without keys nothing can be said.
    if key is not None:
        trial.of("iam:GetAccessKeyLastUsed", partial(iam.get_access_key_last_used, AccessKeyId=key))


def _first_key(iam: IAMClient, users: Sequence[str]) -> str | None:
    """The id of the first key that one of the users has."""
    for user in users:
        try:
            keys = iam.list_access_keys(UserName=user).get("AccessKeyMetadata", [])
        except iam.exceptions.NoSuchEntityException:
            continue
        if keys and "AccessKeyId" in keys[0]:
            return keys[0]["AccessKeyId"]
    return None


def nobody() -> str:
    """The name of a user who does not exist: AWS decides on the permission before it looks for the user."""
    return f"access-check-{uuid.uuid4().hex}"
