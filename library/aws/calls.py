"""What a failed call to AWS becomes: an error of ours, which keeps AWS's code, status and own sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from library.errors import AccessDenied, AwsCallFailed

if TYPE_CHECKING:
    from library.messages import Message

DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError"})
"""The codes with which AWS's services refuse a call."""


def error_of(call: str, error: ClientError | BotoCoreError, text: str, *, id: Message | None = None) -> AwsCallFailed:
    """Our error for a call (`iam:ListUsers`) that failed, which says `text`."""
    if not isinstance(error, ClientError):
        return AwsCallFailed(text, call=call, id=id)
    kind = AccessDenied if is_denied(error) else AwsCallFailed
    return kind(text, call=call, code=code_of(error), status=_status_of(error), id=id)


def is_denied(error: ClientError | BotoCoreError) -> bool:
    """Whether AWS refused the call for want of a permission."""
    return code_of(error) in DENIED


def code_of(error: ClientError | BotoCoreError) -> str:
    """AWS's error code; empty if AWS did not answer."""
    return error.response["Error"]["Code"] if isinstance(error, ClientError) else ""


def sentence_of(error: ClientError | BotoCoreError) -> str:
    """Of a refusal what AWS says of it, which names the policy that is to blame; else botocore's account of it."""
    if isinstance(error, ClientError) and is_denied(error):
        return error.response["Error"].get("Message") or code_of(error)
    return str(error)


def _status_of(error: ClientError) -> int | None:
    # An error inside a stream of events has none.
    return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
