"""Access to the keys of each account from the host: look at one again, switch it, and say why it did not work."""

from __future__ import annotations

from functools import partial
from typing import Literal

import boto3

from library.access_keys import AccessKey
from library.aws import iam
from library.aws.iam import IamClients
from library.aws.sessions import CLIENT_CONFIG, Account, account_session, aws_errors
from library.config import Config
from library.issues import Issue


class KeySwitch:
    """The keys of every account, through one session for each, made when it is needed first.

    Every method raises AccessDenied or AwsCallFailed, which name the account, the role and the call.
    """

    def __init__(self, settings: Config) -> None:
        self._settings = settings
        self._clients: dict[str, IamClients] = {}
        credentials = boto3.Session(region_name=settings.aws.region).get_credentials()
        self.own_key_id = credentials.access_key if credentials else None

    def look(self, issue: Issue) -> AccessKey | None:
        """The issue's key as it is at this moment, None if it does not exist."""
        account = self._account(issue.account_id)
        with aws_errors(account):
            return iam.find_access_key(self._client(account), issue.issue_id, issue.details.username)

    def set_status(self, account_id: str, key: AccessKey, status: Literal["Active", "Inactive"]) -> None:
        """Switch the key on or off, and read back that it is so."""
        account = self._account(account_id)
        with aws_errors(account):
            iam.set_status(self._client(account), key, status)

    def _account(self, account_id: str) -> Account:
        aws = self._settings.aws
        role = None if account_id == aws.main_account_id else aws.role_name_reporting
        return Account(account_id, aws.accounts.get(account_id, account_id), role)

    def _client(self, account: Account) -> IamClients:
        if account.id not in self._clients:
            aws = self._settings.aws
            session = account_session(
                account,
                region=aws.region,
                partition=aws.partition,
                external_id=aws.external_id,
                purpose="hammer-remediation",
            )
            self._clients[account.id] = IamClients(partial(session.client, "iam", config=CLIENT_CONFIG))
        return self._clients[account.id]
