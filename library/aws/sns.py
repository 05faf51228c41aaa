"""Messages to a topic, ten to a call."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING

from library.aws.calls import AWS_ERRORS

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient

BATCH = 10
"""The most entries that one PublishBatch takes (SNS API reference)."""
WORKERS = 8

Message = Mapping[str, str]


def publish(client: SNSClient, topic_arn: str, messages: Sequence[Message]) -> list[tuple[Message, str]]:
    """Publish every message as JSON; the ones that failed are returned with their cause, none stops another."""
    with ThreadPoolExecutor(WORKERS) as pool:
        outcomes = pool.map(lambda batch: _publish_batch(client, topic_arn, batch), _batches(messages))
        return [failure for outcome in outcomes for failure in outcome]


def _publish_batch(client: SNSClient, topic_arn: str, batch: Sequence[Message]) -> list[tuple[Message, str]]:
    try:
        answer = client.publish_batch(
            TopicArn=topic_arn,
            PublishBatchRequestEntries=[
                {"Id": str(number), "Message": json.dumps(message)} for number, message in enumerate(batch)
            ],
        )
    except AWS_ERRORS as error:
        return [(message, f"sns:PublishBatch: {error}") for message in batch]
    failed = {entry["Id"]: f"{entry['Code']}: {entry.get('Message', '')}" for entry in answer.get("Failed", [])}
    # What SNS did not say that it has is not there.
    confirmed = {entry["Id"] for entry in answer.get("Successful", [])} - set(failed)
    return [
        (message, failed.get(str(number), "AWS's answer (sns:PublishBatch) does not say that it was taken"))
        for number, message in enumerate(batch)
        if str(number) not in confirmed
    ]


def _batches(messages: Iterable[Message]) -> Iterable[list[Message]]:
    rest = iter(messages)
    while batch := list(islice(rest, BATCH)):
        yield batch
