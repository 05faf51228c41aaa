"""Sessions in accounts: with the process's own credentials in the main account, with an assumed role in others."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.config import Config as ClientConfig

from library.aws.calls import AWS_ERRORS, error_of, sentence_of
from library.aws_clients import Session
from library.messages import Message

if TYPE_CHECKING:
    from mypy_boto3_sts import STSClient
    from mypy_boto3_sts.type_defs import CredentialsTypeDef

# Below this level botocore logs session tokens, the keys that STS hands out, and what Secrets Manager answers.
logging.getLogger("botocore").setLevel(logging.WARNING)

CLIENT_CONFIG = ClientConfig(
    retries={"mode": "adaptive", "total_max_attempts": 10},
    connect_timeout=5,
    read_timeout=30,
    max_pool_connections=32,
    user_agent="Hammer-IAM-User-Inactive-Keys",
)
"""Adaptive: it slows down for IAM's throttling, where botocore's other modes gave up on large accounts.

CloudTrail shows the user agent. botocore would put its own together for every request, for a fifth of the CPU time.
"""

FIRST_CALL = CLIENT_CONFIG.merge(ClientConfig(retries={"mode": "standard", "total_max_attempts": 3}))
"""For the call that shows whether AWS can be reached at all: that it cannot is said in seconds."""


@dataclass(frozen=True, slots=True)
class Account:
    """An account to work on; `role` is the name of the role that is assumed there, None for the main account."""

    id: str
    name: str
    role: str | None = None

    def __str__(self) -> str:
        role = f", role='{self.role}'" if self.role else ""
        return f"Account(id='{self.id}', name='{self.name}'{role})"


@dataclass(frozen=True, slots=True)
class AccountAccess:
    """How this process gets into accounts: into its own without a role, into others through one of the same name.

    `external_id` is what that role asks for, empty if it asks for none. `role_path` is its path (`/security/`), empty
    if it has none.
    """

    region: str
    partition: str
    own_account_id: str
    role_name: str
    external_id: str = ""
    role_path: str = ""

    def account_of(self, account_id: str, name: str) -> Account:
        """The account, with the role to assume there."""
        return Account(account_id, name, None if account_id == self.own_account_id else self.role_name)

    def session_in(self, account: Account, purpose: str, sts: STSClient | None = None) -> Session:
        """A session in the account; that of a role ends an hour later.

        `purpose` names it in the account's CloudTrail. `sts` is the client to ask for the role, if there is one
        already. Raises AccessDenied or AwsCallFailed, which name the account and the role.
        """
        if account.role is None:
            return Session(region_name=self.region)
        sts = sts or Session(region_name=self.region).client("sts", config=CLIENT_CONFIG)
        credentials = self._assume(sts, account, purpose)
        return Session(
            aws_access_key_id=credentials["AccessKeyId"],
            aws_secret_access_key=credentials["SecretAccessKey"],
            aws_session_token=credentials["SessionToken"],
            region_name=self.region,
        )

    def _assume(self, sts: STSClient, account: Account, purpose: str) -> CredentialsTypeDef:
        role_arn = f"arn:{self.partition}:iam::{account.id}:role{self.role_path or '/'}{account.role}"
        try:
            if self.external_id:
                answer = sts.assume_role(RoleArn=role_arn, RoleSessionName=purpose, ExternalId=self.external_id)
            else:
                answer = sts.assume_role(RoleArn=role_arn, RoleSessionName=purpose)
        except AWS_ERRORS as error:
            raise error_of(
                "sts:AssumeRole",
                error,
                f"Failed to assume role in {account} (sts:AssumeRole): {sentence_of(error)}",
                id=Message.ROLE_NOT_ASSUMED,
            ) from error
        return answer["Credentials"]
