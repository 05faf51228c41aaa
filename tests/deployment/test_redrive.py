"""What lies in the queue of failures is given back to its function, once each, and nothing is lost on the way."""

from __future__ import annotations

import json
from dataclasses import astuple
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from deployment.redrive import Stack, redrive
from tests.wire import Wire, answer, body_of, json_failure

if TYPE_CHECKING:
    from botocore.awsrequest import AWSPreparedRequest, AWSResponse


IDENTIFICATION_NAME = "hammer-describe-iam-user-inactive-keys"
INITIATION_NAME = "hammer-initiate-iam-user-inactive-keys"
STACK = Stack(INITIATION_NAME, IDENTIFICATION_NAME, {"210987654321": "slave1"})
FUNCTION = "arn:aws:lambda:eu-west-1:123456789012:function:hammer-describe-iam-user-inactive-keys"
INITIATION = "arn:aws:lambda:eu-west-1:123456789012:function:hammer-initiate-iam-user-inactive-keys"
SCHEDULED = {"source": "aws.events", "detail-type": "Scheduled Event", "time": "2026-11-23T12:00:00Z"}


class Queue:
    """The queue of failures, and what the functions were given."""

    def __init__(self, wire: Wire) -> None:
        session = boto3.Session()
        self.sqs = session.client("sqs")
        self.functions = session.client("lambda")
        self.url = self.sqs.create_queue(QueueName="hammer-iam-user-inactive-keys-failures")["QueueUrl"]
        self.given: list[tuple[str, Any]] = []
        self.refuse: str = ""
        self.scanned: dict[str, datetime] = {}
        wire.react("Invoke", self._invoke)
        self.sqs.meta.events.register("provide-client-params.sqs.ReceiveMessage", self._answer_at_once)

    def _answer_at_once(self, params: dict[str, Any], **_: object) -> None:
        # As AWS does when it knows that there is nothing; who does not wait at all is told so too early.
        assert params["WaitTimeSeconds"] > 0
        params["WaitTimeSeconds"] = 0

    def _invoke(self, request: AWSPreparedRequest) -> AWSResponse:
        function = request.url.split("/functions/")[1].split("/")[0].replace("%3A", ":")
        if self.refuse and self.refuse in function:
            return json_failure("ResourceNotFoundException", 404)
        self.given.append((function, json.loads(body_of(request))))
        return answer(202, "")

    def put(self, body: object, **attributes: str) -> None:
        text = body if isinstance(body, str) else json.dumps(body)
        named: Any = {name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()}
        self.sqs.send_message(QueueUrl=self.url, MessageBody=text, MessageAttributes=named)

    def waiting(self) -> int:
        attributes = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=["All"])["Attributes"]
        return int(attributes["ApproximateNumberOfMessages"])

    def redrive(self, *, dry_run: bool = False) -> list[tuple[str, str, str, bool]]:
        done = redrive(self.sqs, self.functions, self.url, STACK, lambda _: self.scanned, dry_run=dry_run)
        return [astuple(each) for each in done]


@pytest.fixture
def queue(scanned: object, wire: Wire) -> Queue:
    return Queue(wire)


def notification(account: str) -> dict[str, Any]:
    return {
        "Type": "Notification",
        "MessageId": f"id of {account}",
        "TopicArn": "arn:aws:sns:eu-west-1:123456789012:hammer-describe-iam-user-inactive-keys-lambda",
        "Message": json.dumps({"account_id": account, "account_name": f"name-{account[0]}"}),
    }


def event_for(account: str) -> dict[str, Any]:
    return {"Records": [{"EventSource": "aws:sns", "EventVersion": "1.0", "Sns": notification(account)}]}


def request_for(account: str) -> tuple[str, dict[str, Any]]:
    """What the function is asked: nothing of the message is in it but the account's id."""
    asked = {"account_id": account, "account_name": STACK.account_names.get(account, "")}
    return IDENTIFICATION_NAME, {"Records": [{"Sns": {"Message": json.dumps(asked)}}]}


def failed_run(event: object, function: str = FUNCTION, said: object = "Access denied") -> dict[str, Any]:
    """As Lambda writes it for an on-failure destination."""
    return {
        "version": "1.0",
        "timestamp": "2026-11-23T12:00:00.000Z",
        "requestContext": {
            "requestId": "e4b46cbf",
            "functionArn": f"{function}:$LATEST",
            "condition": "RetriesExhausted",
            "approximateInvokeCount": 3,
        },
        "requestPayload": event,
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
        "responsePayload": {"errorMessage": said, "errorType": "AccessDenied"},
    }


def test_each_kind_of_message_goes_back_to_its_function(queue: Queue) -> None:
    queue.put(failed_run(event_for("210987654321")))
    queue.put(notification("321098765432"))
    queue.put(SCHEDULED, RULE_ARN="arn:aws:events:eu-west-1:123456789012:rule/x", TARGET_ARN=INITIATION)
    done = queue.redrive()
    assert done == [
        ("scan of 210987654321 slave1", "Access denied", "asked for again", True),
        ("scan of 321098765432", "the topic could not deliver it", "asked for again", True),
        ("scan of all accounts", "the schedule could not deliver it", "asked for again", True),
    ]
    assert queue.given == [
        request_for("210987654321"),
        request_for("321098765432"),
        (INITIATION_NAME, {}),
    ]
    assert queue.waiting() == 0
    assert queue.redrive() == []


def test_a_scan_that_failed_often_is_asked_for_once(queue: Queue) -> None:
    for number in range(25):
        queue.put(failed_run(event_for("210987654321"), said=f"cause {number}"))
    queue.put(failed_run(event_for("321098765432")))
    done = queue.redrive()
    assert sorted(row[2] for row in done) == ["asked for again", "asked for again (25 messages)"]
    assert len(queue.given) == 2
    assert queue.waiting() == 0


def test_a_dry_run_shows_the_same_and_leaves_everything(queue: Queue) -> None:
    queue.put(failed_run(event_for("210987654321")))
    assert queue.redrive(dry_run=True) == [
        ("scan of 210987654321 slave1", "Access denied", "would be asked for again", True)
    ]
    assert (queue.given, queue.waiting()) == ([], 1)


def test_what_its_function_does_not_take_stays_and_stops_nothing_else(queue: Queue) -> None:
    queue.refuse = "initiate"
    queue.put(failed_run(SCHEDULED, INITIATION))
    queue.put(failed_run(event_for("210987654321")))
    refused, taken = queue.redrive()
    assert refused[2].startswith("left in the queue: ")
    assert (refused[3], taken[3], len(queue.given), queue.waiting()) == (False, True, 1, 1)
    queue.refuse = ""
    assert [row[3] for row in queue.redrive()] == [True]
    assert queue.waiting() == 0


@pytest.mark.parametrize(
    "body",
    [
        "what is this",
        "[]",
        '"text"',
        "{}",
        '{"requestPayload": {}}',
        '{"Type": "Notification", "Message": "no JSON"}',
        json.dumps(failed_run({"Records": [{"Sns": {"Message": "{}"}}]})),
        json.dumps(failed_run("text")),
        json.dumps(failed_run({})),
        json.dumps(failed_run({"Records": []})),
        json.dumps(failed_run({"check": {"account_id": "210987654321", "account_name": "a"}})),
        json.dumps(failed_run(event_for("21098765432"))),
        json.dumps(failed_run(event_for("210987654321\n"))),
        json.dumps(failed_run(event_for("210987654321"), FUNCTION.replace("hammer", "other"))),
        json.dumps(failed_run(event_for("210987654321"), FUNCTION + "-2")),
        json.dumps(failed_run(event_for("210987654321"), "arn")),
        json.dumps(failed_run(event_for("210987654321"), said=["no text"])),
        "[" * 100_000,
    ],
)
def test_a_message_that_is_not_one_of_ours_stays_and_is_told(queue: Queue, body: str) -> None:
    queue.put(body)
    ((what, _, done, well),) = queue.redrive()
    assert what.startswith("message ")
    assert (done, well, queue.given, queue.waiting()) == ("left in the queue: it is not understood", False, [], 1)


@pytest.mark.parametrize("target", [FUNCTION.replace("hammer", "other"), FUNCTION, "arn", ""])
def test_an_event_for_anybody_but_the_initiation_stays(queue: Queue, target: str) -> None:
    queue.put(SCHEDULED, TARGET_ARN=target or " ")
    assert [row[3] for row in queue.redrive()] == [False]
    assert (queue.given, queue.waiting()) == ([], 1)


def test_what_a_message_brings_beside_the_account_reaches_no_function(queue: Queue) -> None:
    planted = {**event_for("210987654321"), "check": {"account_id": "321098765432", "account_name": "x"}}
    planted["Records"][0]["Sns"]["Message"] = json.dumps(
        {"account_id": "210987654321", "account_name": "\x1b[2J", "role": "admin"}
    )
    queue.put(failed_run(planted))
    queue.put(failed_run({**SCHEDULED, "planted": True}, INITIATION))
    queue.put({**SCHEDULED, "planted": True}, TARGET_ARN=INITIATION)
    assert [row[0] for row in queue.redrive()] == ["scan of 210987654321 slave1", "scan of all accounts"]
    assert queue.given == [request_for("210987654321"), (INITIATION_NAME, {})]


def test_a_scan_that_has_succeeded_since_is_dropped_and_said(queue: Queue) -> None:
    scanned = datetime.now(UTC) + timedelta(minutes=1)
    queue.scanned = {"210987654321": scanned, "321098765432": datetime.now(UTC) - timedelta(minutes=1)}
    for account in ("210987654321", "321098765432", "432109876543"):
        queue.put(failed_run(event_for(account)))
    said = f"dropped: scanned to the end since, at {scanned:%Y-%m-%d %H:%M} UTC"
    dry = queue.redrive(dry_run=True)
    assert dry[0] == ("scan of 210987654321 slave1", "Access denied", f"would be {said}", True)
    assert queue.waiting() == 3
    done = {what: done for what, _, done, _ in queue.redrive()}
    assert done == {
        "scan of 210987654321 slave1": said,
        "scan of 321098765432": "asked for again",
        "scan of 432109876543": "asked for again",
    }
    assert queue.given == [request_for("321098765432"), request_for("432109876543")]
    assert queue.waiting() == 0
