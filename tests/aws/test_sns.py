"""Messages to a topic; a queue that is subscribed to it shows what arrived."""

from __future__ import annotations

from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.config import Config

from library.aws.sns import publish
from tests.wire import Wire, answer, failure, form

if TYPE_CHECKING:
    from botocore.awsrequest import AWSPreparedRequest, AWSResponse
    from mypy_boto3_sns import SNSClient

    from deployment.local.scanned_accounts import Control
    from tests.world.topic import Topic


@pytest.fixture
def client(scanned: Control, wire: Wire) -> SNSClient:
    return boto3.Session().client("sns", config=Config(retries={"total_max_attempts": 1}))


def messages(count: int) -> list[dict[str, str]]:
    return [{"account_id": f"{number:012}", "account_name": f"konto ü{number}"} for number in range(count)]


def has(request: AWSPreparedRequest, account: str) -> bool:
    return any(account in value for value in form(request).values())


@pytest.mark.parametrize(("count", "calls"), [(0, 0), (1, 1), (10, 1), (11, 2), (25, 3)])
def test_every_message_arrives_as_json_ten_to_a_call(
    client: SNSClient, topic: Topic, wire: Wire, count: int, calls: int
) -> None:
    assert publish(client, topic.arn, messages(count)) == []
    assert wire.sent.count("PublishBatch") == calls
    assert topic.arrived() == messages(count)


def test_a_failed_entry_is_returned_with_its_cause_and_the_others_are_sent(
    client: SNSClient, topic: Topic, wire: Wire
) -> None:
    def refuse_one(request: AWSPreparedRequest) -> AWSResponse | None:
        if not has(request, "000000000012"):
            return None
        entries = {value: key for key, value in form(request).items() if key.endswith(".Message")}
        position = next(place for text, place in entries.items() if "000000000012" in text).split(".")[2]
        bad = form(request)[f"PublishBatchRequestEntries.member.{position}.Id"]
        ids = [value for name, value in form(request).items() if name.endswith(".Id") and value != bad]
        taken = "".join(f"<member><Id>{one}</Id><MessageId>m</MessageId></member>" for one in ids)
        return answer(
            200,
            f"<PublishBatchResponse><PublishBatchResult><Successful>{taken}</Successful><Failed><member>"
            f"<Id>{bad}</Id><Code>InternalError</Code><Message>try later</Message><SenderFault>false</SenderFault>"
            "</member></Failed></PublishBatchResult></PublishBatchResponse>",
        )

    wire.react("PublishBatch", refuse_one)
    sent = messages(25)
    assert publish(client, topic.arn, sent) == [(sent[12], "InternalError: try later")]
    assert topic.arrived() == sent[:10] + sent[20:]


def test_a_failed_call_fails_its_ten_messages_and_the_others_are_sent(
    client: SNSClient, topic: Topic, wire: Wire
) -> None:
    wire.react(
        "PublishBatch", lambda request: failure("InternalError", 500) if has(request, "000000000012") else None
    )
    sent = messages(25)
    failed = publish(client, topic.arn, sent)
    assert [message for message, _ in failed] == sent[10:20]
    assert all("InternalError" in cause for _, cause in failed)
    assert topic.arrived() == sent[:10] + sent[20:]


def test_a_topic_that_does_not_exist_fails_every_message(client: SNSClient) -> None:
    failed = publish(client, "arn:aws:sns:eu-west-1:123456789012:none", messages(11))
    assert [message for message, _ in failed] == messages(11)
