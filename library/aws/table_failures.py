"""What a failed call to one of our tables becomes: that of a table is the same for every account."""

from __future__ import annotations

from typing import TYPE_CHECKING

from library.aws.calls import code_of, error_of, sentence_of, unusable
from library.errors import AwsCallFailed, AwsUnusable
from library.messages import Message

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from library.aws.calls import AwsError


def table_failed(client: DynamoDBClient, table: str, operation: str, error: AwsError) -> AwsCallFailed:
    """AwsUnusable for credentials, network, region, and a table that is not there; else AwsCallFailed."""
    call = f"dynamodb:{operation}"
    where = f"table {table!r} ({call})"
    if code_of(error) == "ResourceNotFoundException":
        text = f"{where}: there is no such table in {client.meta.region_name}, in the account of these credentials"
        return AwsUnusable(text, call=call, code=code_of(error), id=Message.TABLE_FAILED)
    return unusable(call, error) or error_of(call, error, f"{where}: {sentence_of(error)}", id=Message.TABLE_FAILED)
