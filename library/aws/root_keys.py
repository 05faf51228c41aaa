"""Whether the root user of an account has access keys, where no credential report says it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from library.errors import AwsCallFailed
from library.issues.listing import RootKeys

if TYPE_CHECKING:
    from library.aws.iam_clients import IamClients

_PRESENT = "AccountAccessKeysPresent"


def in_summary(iam: IamClients) -> RootKeys | None:
    """What IAM's summary of the account says; None if it cannot be had, which costs nobody the rest of a scan.

    It says 1 if there is a key and 0 otherwise (IAM API reference, GetAccountSummary).
    """
    try:
        present = iam.call("GetAccountSummary")["SummaryMap"].get(_PRESENT)
    except AwsCallFailed:
        return None
    return None if present is None else RootKeys(present, exact=present == 0)
