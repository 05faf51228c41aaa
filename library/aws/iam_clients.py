"""IAM of one account: its calls, and what they become when they fail."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Any

from botocore import xform_name

from library.aws.calls import AWS_ERRORS, error_of, is_denied, sentence_of
from library.aws_clients import pages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from botocore.client import BaseClient
    from botocore.paginate import Paginator
    from mypy_boto3_iam import IAMClient

    from library.aws.calls import AwsError
    from library.aws.sessions import Account
    from library.errors import AwsCallFailed

WORKERS = 32
"""Calls in flight at most: what botocore's CPU time lets one process use at 40 ms per call (`make bench`)."""
PAGE_SIZE = 1000
"""The largest page that IAM's listings give (IAM API reference, MaxItems)."""

# A client costs more than a call, and these two are never in each other's way.
_SHARES_THE_CLIENT_OF = {"GetCredentialReport": "GenerateCredentialReport"}


class IamClients:
    """IAM of one account, through one client for each of its operations, made when it is needed first.

    IAM throttles each operation by itself, but an adaptive client slows down as a whole when it was throttled.
    `call` and `pages` raise AccessDenied or AwsCallFailed, which name the account, the role, the call, and the user
    or key that it was about.
    """

    def __init__(self, account: Account, make: Callable[[], IAMClient]) -> None:
        self._account = account
        self._make = make
        self._clients: dict[str, IAMClient] = {}
        self._paginators: dict[str, Paginator[Any]] = {}
        self._lock = Lock()
        self._calls = 0

    def of(self, operation: str) -> IAMClient:
        """The client for an operation (`ListUsers`)."""
        operation = _SHARES_THE_CLIENT_OF.get(operation, operation)
        with self._lock:
            if operation not in self._clients:
                client = self._make()
                client.meta.events.register("before-send.iam", self._count)
                self._clients[operation] = client
            return self._clients[operation]

    def call(self, operation: str, **parameters: str) -> Any:
        """What IAM answers to an operation (`GetAccessKeyLastUsed`) with these parameters."""
        client = self.of(operation)
        try:
            return getattr(client, xform_name(operation))(**parameters)
        except AWS_ERRORS as error:
            raise self._failed(operation, parameters, error) from error

    def pages(self, operation: str, **parameters: str) -> Iterator[Any]:
        """The pages of a listing operation (`ListUsers`), as large as IAM gives them."""
        if operation not in self._paginators:
            # Making one costs a good part of what a call costs.
            client: BaseClient = self.of(operation)
            self._paginators[operation] = client.get_paginator(xform_name(operation))
        listing = self._paginators[operation].paginate(PaginationConfig={"PageSize": PAGE_SIZE}, **parameters)
        try:
            yield from pages(listing)
        except AWS_ERRORS as error:
            raise self._failed(operation, parameters, error) from error

    @property
    def calls(self) -> int:
        """Requests sent so far, retries included."""
        return self._calls

    def _count(self, **_: object) -> None:
        with self._lock:
            self._calls += 1

    def _failed(self, operation: str, parameters: Mapping[str, str], error: AwsError) -> AwsCallFailed:
        call = f"iam:{operation}"
        verdict = "Access denied" if is_denied(error) else "Call failed"
        text = f"{verdict} in {self._account} ({call}{_subject_of(parameters)}): {sentence_of(error)}"
        return error_of(call, error, text)


def _subject_of(parameters: Mapping[str, str]) -> str:
    key = f" of key {parameters['AccessKeyId']}" if "AccessKeyId" in parameters else ""
    user = f" of user {parameters['UserName']!r}" if "UserName" in parameters else ""
    return key + user
