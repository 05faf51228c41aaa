"""Access to the keys of each account from the host: look at one again, switch it, and say why it did not work."""

from __future__ import annotations

import os
import re
import time
from functools import partial
from typing import TYPE_CHECKING, Literal

import boto3
import botocore.session
from botocore.exceptions import BotoCoreError, ClientError

from library.aws import iam_keys
from library.aws.iam_clients import IamClients
from library.aws.sessions import CLIENT_CONFIG, Account, account_session, aws_errors
from library.errors import AwsCallFailed

if TYPE_CHECKING:
    from library.config.settings import Config
    from library.issues.access_keys import AccessKey
    from library.issues.record import Issue

SESSION_SECONDS = 45 * 60
"""How long an assumed role is used: STS gives it for an hour, and a prompt may wait longer than that."""


_USER = re.compile(r"arn:[^:]+:(?:iam|sts)::([0-9]+):user/(?:.*/)?([^/]+)")


class KeySwitch:
    """The keys of every account, through one session for each, made when it is needed first.

    Every method raises AccessDenied or AwsCallFailed, which name the account, the role and the call.
    """

    def __init__(self, settings: Config) -> None:
        self._settings = settings
        self._clients: dict[str, tuple[float, IamClients]] = {}
        self._session = boto3.Session(region_name=settings.aws.region)
        self._identity: str | None = None
        # Every profile counts: a role may have been assumed with it, by this process or by what started it.
        profiles = botocore.session.get_session().full_config.get("profiles", {}).values()
        self._known = {os.environ.get("AWS_ACCESS_KEY_ID"), *(each.get("aws_access_key_id") for each in profiles)}

    @property
    def identity(self) -> str:
        """The ARN of whoever runs this process."""
        if self._identity is None:
            try:
                answer = self._session.client("sts", config=CLIENT_CONFIG).get_caller_identity()
            except (ClientError, BotoCoreError) as error:
                raise AwsCallFailed(f"who runs this is not known (sts:GetCallerIdentity): {error}") from error
            self._identity = answer["Arn"]
        return self._identity

    def is_own(self, account_id: str, key: AccessKey) -> bool:
        """Whether this process may sign its requests with the key, or get what it signs them with by the key."""
        if key.key_id in self._known:
            return True
        # Read anew each time, as they may be renewed under way.
        credentials = self._session.get_credentials()
        if credentials is None:
            return False
        own = credentials.get_frozen_credentials()
        if key.key_id == own.access_key:
            return True
        # A user's session token: AWS does not say which of the user's keys it was made with.
        user = _USER.fullmatch(self.identity) if own.token is not None else None
        return user is not None and user.groups() == (account_id, key.user_name)

    def look(self, issue: Issue) -> AccessKey | None:
        """The issue's key as it is at this moment, None if it does not exist."""
        account = self._account(issue.account_id)
        with aws_errors(account):
            return iam_keys.find_access_key(self._client(account), issue.issue_id, issue.details.username)

    def set_status(self, account_id: str, key: AccessKey, status: Literal["Active", "Inactive"]) -> None:
        """Switch the key on or off, and read back that it is so."""
        account = self._account(account_id)
        with aws_errors(account):
            iam_keys.set_status(self._client(account), key, status)

    def _account(self, account_id: str) -> Account:
        aws = self._settings.aws
        role = None if account_id == aws.main_account_id else aws.role_name_reporting
        return Account(account_id, aws.accounts.get(account_id, account_id), role)

    def _client(self, account: Account) -> IamClients:
        made, clients = self._clients.get(account.id, (0.0, None))
        # The clock of the wall: a laptop that sleeps does not stop the session from ending.
        if clients is None or time.time() - made > SESSION_SECONDS:
            aws = self._settings.aws
            session = account_session(
                account,
                region=aws.region,
                partition=aws.partition,
                external_id=aws.external_id,
                purpose="hammer-remediation",
            )
            clients = IamClients(partial(session.client, "iam", config=CLIENT_CONFIG))
            self._clients[account.id] = (time.time(), clients)
        return clients


def was_refused(error: AwsCallFailed) -> bool:
    """Whether AWS said that it did not switch the key; anything else leaves open whether it did."""
    cause = error.__cause__
    return (
        isinstance(cause, ClientError)
        and cause.operation_name in ("UpdateAccessKey", "AssumeRole")
        and 400 <= cause.response["ResponseMetadata"]["HTTPStatusCode"] < 500
    )
