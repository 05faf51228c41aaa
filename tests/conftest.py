"""What every test gets: an environment without real AWS, a wire to watch, and IAM of the scanned accounts."""

from __future__ import annotations

import json
import os
import signal
import urllib.request
from collections import defaultdict
from collections.abc import Callable, Iterator
from io import BytesIO
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import boto3
import botocore.endpoint
import botocore.handlers
import botocore.retries.bucket
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.config import Config

from tests.aws_models import aws_models_read_once

if TYPE_CHECKING:
    from botocore.client import BaseClient
    from mypy_boto3_dynamodb import DynamoDBClient

    from deployment.local.scanned_accounts import Control, ScannedAccounts

TABLE = "hammer-iam-user-keys-inactive"
SAFE = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "NO_PROXY": "127.0.0.1,localhost",
    "no_proxy": "127.0.0.1,localhost",
}


@pytest.fixture(scope="session", autouse=True)
def no_real_aws() -> Iterator[None]:
    """Nothing of the developer's AWS set-up or of HAMMER's reaches a test."""
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ:
            if name.startswith(("AWS_", "HAMMER_")):
                patch.delenv(name)
        for name, value in SAFE.items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="session", autouse=True)
def aws_models_are_read_once() -> Iterator[None]:
    """A client costs a hundredth of a second."""
    with aws_models_read_once():
        yield


@pytest.fixture(scope="session", autouse=True)
def heeds_ctrl_c() -> None:
    """A shell's job in the background ignores SIGINT, and all that it starts would, too."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


class _Raw(BytesIO):
    def stream(self, **_: object) -> Iterator[bytes]:
        yield self.read()


def answer(status: int, body: str) -> AWSResponse:
    """A response of AWS, as it comes off the wire."""
    return AWSResponse("https://aws.example", status, HTTPHeaders(), _Raw(body.encode()))


def failure(code: str, status: int = 400) -> AWSResponse:
    """An error of a service that speaks the query protocol (IAM, STS, SNS)."""
    return answer(
        status,
        f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>as the test asked</Message></Error>"
        "<RequestId>0</RequestId></ErrorResponse>",
    )


def json_failure(code: str, status: int = 400) -> AWSResponse:
    """An error of a service that speaks JSON (DynamoDB, Organizations)."""
    return answer(status, json.dumps({"__type": f"com.amazonaws#{code}", "message": "as the test asked"}))


def body_of(request: AWSPreparedRequest) -> str:
    """What is about to be sent."""
    return request.body.decode() if isinstance(request.body, bytes) else str(request.body)


def form(request: AWSPreparedRequest) -> dict[str, str]:
    """The parameters of a request in the query protocol."""
    return {name: values[0] for name, values in parse_qs(body_of(request)).items()}


def small_pages(client: BaseClient, event: str, size: dict[str, int]) -> None:
    """Let a listing (`iam.ListUsers`) have no more than `size` on a page, as AWS may do whatever it was asked for."""

    def fewer(params: dict[str, object], **_: object) -> None:
        params.update(size)

    client.meta.events.register(f"provide-client-params.{event}", fewer)


Reaction = Callable[[AWSPreparedRequest], AWSResponse | None]


class Wire:
    """Sees every request that botocore is about to send, retries included.

    `sent` has the operations in order. A reaction may answer in the place of AWS, or do something and return None.
    """

    def __init__(self) -> None:
        self.sent: list[str] = []
        self._reactions: dict[str, list[Reaction]] = defaultdict(list)

    def react(self, operation: str, reaction: Reaction) -> None:
        """Let `reaction` see the requests of an operation before they go out."""
        self._reactions[operation].append(reaction)

    def withdraw(self, operation: str) -> None:
        """Let an operation reach AWS again."""
        self._reactions[operation].clear()

    def __call__(self, request: AWSPreparedRequest, event_name: str, **_: object) -> AWSResponse | None:
        operation = event_name.rpartition(".")[2]
        self.sent.append(operation)
        answers = (reaction(request) for reaction in self._reactions[operation])
        return next((found for found in answers if found is not None), None)


@pytest.fixture
def wire() -> Iterator[Wire]:
    """The wire of all clients that are made from now on."""
    wire = Wire()
    entry = ("before-send", wire)
    handlers: list[Any] = botocore.handlers.BUILTIN_HANDLERS
    handlers.append(entry)
    yield wire
    handlers.remove(entry)


@pytest.fixture
def no_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    """botocore retries as often as it was told to, but does not wait in between."""
    monkeypatch.setattr(botocore.endpoint, "time", SimpleNamespace(sleep=lambda _seconds: None))
    monkeypatch.setattr(botocore.retries.bucket.TokenBucket, "acquire", lambda *_args, **_kwargs: True)


@pytest.fixture(scope="session")
def moto_server() -> Iterator[ScannedAccounts]:
    """The server that plays the scanned accounts; moto's other services answer there, too."""
    # Tiers without moto must not need it.
    from deployment.local.scanned_accounts import ScannedAccounts

    with ScannedAccounts() as server:
        yield server


@pytest.fixture
def scanned(moto_server: ScannedAccounts, monkeypatch: pytest.MonkeyPatch) -> Iterator[Control]:
    """An AWS with nothing in it, which every client that is made from now on reaches over HTTP."""
    from deployment.local.scanned_accounts import Control

    monkeypatch.setenv("AWS_ENDPOINT_URL", moto_server.url)
    control = Control(moto_server.url)
    _empty(moto_server, control)
    yield control
    _empty(moto_server, control)


def _empty(server: ScannedAccounts, control: Control) -> None:
    control.reset()
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(urllib.request.Request(f"{server.url}/moto-api/reset", method="POST"), timeout=30) as done:
        assert done.status == 200


@pytest.fixture
def dynamodb(scanned: Control, wire: Wire) -> DynamoDBClient:
    """A client that does not retry, and the empty issues table."""
    client = boto3.Session().client("dynamodb", config=Config(retries={"total_max_attempts": 1}))
    client.create_table(
        TableName=TABLE,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": "account_id", "AttributeType": "S"},
            {"AttributeName": "issue_id", "AttributeType": "S"},
        ],
        KeySchema=[
            {"AttributeName": "account_id", "KeyType": "HASH"},
            {"AttributeName": "issue_id", "KeyType": "RANGE"},
        ],
    )
    return client


class Topic:
    """A topic, and what arrives in a queue that is subscribed to it."""

    def __init__(self) -> None:
        sns = boto3.Session().client("sns")
        self.arn = sns.create_topic(Name="hammer-describe-iam-user-inactive-keys-lambda")["TopicArn"]
        self._queue = boto3.Session().resource("sqs").create_queue(QueueName="arrived")
        sns.subscribe(TopicArn=self.arn, Protocol="sqs", Endpoint=self._queue.attributes["QueueArn"])

    def arrived(self) -> list[dict[str, str]]:
        """The messages that arrived since the last time, by account id."""
        found: list[dict[str, str]] = []
        while batch := self._queue.receive_messages(MaxNumberOfMessages=10):
            found += [json.loads(json.loads(message.body)["Message"]) for message in batch]
            for message in batch:
                message.delete()
        return sorted(found, key=lambda message: message["account_id"])


@pytest.fixture
def topic(scanned: Control) -> Topic:
    """The topic between the two Lambdas."""
    return Topic()
