"""Sessions for the main account and, through an assumed role, for every other one; and what AWS's errors mean."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config as ClientConfig
from botocore.exceptions import BotoCoreError, ClientError

from library.errors import AccessDenied, AwsCallFailed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_sts import STSClient

# Below this, botocore logs session tokens, the keys that STS hands out, and what Secrets Manager answers.
logging.getLogger("botocore").setLevel(logging.WARNING)

CLIENT_CONFIG = ClientConfig(
    retries={"mode": "adaptive", "total_max_attempts": 10},
    connect_timeout=5,
    read_timeout=30,
    max_pool_connections=32,
    user_agent="Hammer-IAM-User-Inactive-Keys",
)
"""Adaptive: it slows down for IAM's throttling, where botocore's other modes gave up on large accounts.

The user agent is what CloudTrail shows. botocore builds its own anew for every request, at a fifth of the CPU's cost.
"""

DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError"})


@dataclass(frozen=True, slots=True)
class Account:
    """An account to work on; `role` is the name of the role that is assumed there, None for the main account."""

    id: str
    name: str
    role: str | None = None

    def __str__(self) -> str:
        role = f", role='{self.role}'" if self.role else ""
        return f"Account(id='{self.id}', name='{self.name}'{role})"


@contextmanager
def aws_errors(account: Account) -> Iterator[None]:
    """Turn botocore's errors into ours, which name the account, the role and the API call."""
    try:
        yield
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in DENIED:
            raise AccessDenied(f"Access denied in {account} ({_operation(error)})") from error
        raise AwsCallFailed(f"Call failed in {account} ({_operation(error)}): {error}") from error
    except BotoCoreError as error:
        raise AwsCallFailed(f"Call failed in {account}: {error}") from error


def _operation(error: ClientError) -> str:
    return f"iam:{error.operation_name}"


def account_session(
    account: Account, *, region: str, partition: str, external_id: str, purpose: str
) -> boto3.Session:
    """A session in the account: its own credentials without a role, else those of the role, good for an hour.

    `purpose` names the session in the account's CloudTrail. Raises AccessDenied or AwsCallFailed.
    """
    own = boto3.Session(region_name=region)
    if account.role is None:
        return own
    sts = own.client("sts", config=CLIENT_CONFIG)
    return assumed_session(sts, account, region=region, partition=partition, external_id=external_id, purpose=purpose)


def assumed_session(
    sts: STSClient, account: Account, *, region: str, partition: str, external_id: str, purpose: str
) -> boto3.Session:
    """As `account_session` for an account with a role, which the client's own credentials ask for."""
    role_arn = f"arn:{partition}:iam::{account.id}:role/{account.role}"
    try:
        if external_id:
            answer = sts.assume_role(RoleArn=role_arn, RoleSessionName=purpose, ExternalId=external_id)
        else:
            answer = sts.assume_role(RoleArn=role_arn, RoleSessionName=purpose)
    except (ClientError, BotoCoreError) as error:
        denied = isinstance(error, ClientError) and error.response["Error"]["Code"] in DENIED
        kind = AccessDenied if denied else AwsCallFailed
        raise kind(f"Failed to assume role in {account} (sts:AssumeRole): {error}") from error
    credentials = answer["Credentials"]
    return boto3.Session(
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"],
        region_name=region,
    )
