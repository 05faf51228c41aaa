"""IAM of one account, a client for each of its operations."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Any

from botocore import xform_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from botocore.client import BaseClient
    from botocore.paginate import PageIterator, Paginator
    from mypy_boto3_iam import IAMClient

WORKERS = 32
"""Calls in flight at most: what botocore's CPU time lets one process use at 40 ms per call (`make bench`)."""
PAGE_SIZE = 1000
"""The largest page that IAM's listings give (IAM API reference, MaxItems)."""


class IamClients:
    """IAM of one account, through one client for each of its operations, made when it is needed first.

    IAM throttles each operation by itself, but an adaptive client slows down as a whole when it was throttled.
    """

    def __init__(self, make: Callable[[], IAMClient]) -> None:
        self._make = make
        self._clients: dict[str, IAMClient] = {}
        self._paginators: dict[str, Paginator[Any]] = {}
        self._lock = Lock()
        self._calls: list[None] = []

    def of(self, operation: str) -> IAMClient:
        """The client for an operation (`ListUsers`)."""
        with self._lock:
            if operation not in self._clients:
                client = self._make()
                client.meta.events.register("before-send.iam", self._count)
                self._clients[operation] = client
            return self._clients[operation]

    def pages(self, operation: str, **parameters: str) -> PageIterator[Any]:
        """The pages of a listing operation (`ListUsers`), as large as IAM gives them."""
        if operation not in self._paginators:
            # Making one costs a good part of what a call costs.
            client: BaseClient = self.of(operation)
            self._paginators[operation] = client.get_paginator(xform_name(operation))
        return self._paginators[operation].paginate(PaginationConfig={"PageSize": PAGE_SIZE}, **parameters)

    def _count(self, **_: object) -> None:
        self._calls.append(None)

    @property
    def calls(self) -> int:
        """Requests sent so far, retries included."""
        return len(self._calls)
