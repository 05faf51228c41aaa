"""Lists the access keys of accounts: of the caller's with its own credentials, of others through a role in each."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from library.aws.iam_clients import IamClients
from library.aws.iam_scan import scan_access_keys
from library.aws.sessions import CLIENT_CONFIG
from library.issues.access_keys import is_long_ago

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from mypy_boto3_iam import IAMClient

    from library.aws.sessions import Account, AccountAccess
    from library.aws_clients import Session
    from library.issues.listing import Listing


class KeyLists:
    """Lists the access keys of one account after another; several threads may use it at the same time.

    `purpose` names the sessions of the assumed roles in CloudTrail. `answered` is called with each answer of IAM, as
    botocore's event after-call is (`parsed` is the answer).
    """

    def __init__(self, own: Session, access: AccountAccess, *, purpose: str, answered: Callable[..., Any]) -> None:
        self._own = own
        # One for all of them: a profile that asks for an MFA code asks once.
        self._sts = own.client("sts", config=CLIENT_CONFIG)
        self._access = access
        self._purpose = purpose
        self._answered = answered

    def of(self, account: Account, criteria_days: int, now: datetime) -> Listing:
        """The keys of an account that may be idle for more than `criteria_days` days at `now` (UTC).

        Raises AccessDenied or AwsCallFailed, which name the account and the call.
        """
        iam = IamClients(account, partial(self._client, self._session(account)))
        return scan_access_keys(iam, lambda moment: is_long_ago(moment, criteria_days, now), (), now)

    def _session(self, account: Account) -> Session:
        return self._own if account.role is None else self._access.session_in(account, self._purpose, self._sts)

    def _client(self, session: Session) -> IAMClient:
        client = session.client("iam", config=CLIENT_CONFIG)
        client.meta.events.register("after-call.iam", self._answered)
        return client
