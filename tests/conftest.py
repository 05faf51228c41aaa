"""What every test gets: an environment without real AWS, a wire to watch, and IAM of the scanned accounts."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Callable, Iterator
from io import BytesIO
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import botocore.endpoint
import botocore.handlers
import botocore.retries.bucket
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse

if TYPE_CHECKING:
    from deployment.local.scanned_accounts import Control, ScannedAccounts

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


class _Raw(BytesIO):
    def stream(self, **_: object) -> Iterator[bytes]:
        yield self.read()


def answer(status: int, body: str) -> AWSResponse:
    """A response of AWS, as it comes off the wire."""
    return AWSResponse("https://aws.example", status, {}, _Raw(body.encode()))  # type: ignore[no-untyped-call]


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


def form(request: AWSPreparedRequest) -> dict[str, str]:
    """The parameters of a request in the query protocol."""
    body = request.body.decode() if isinstance(request.body, bytes) else str(request.body)
    return {name: values[0] for name, values in parse_qs(body).items()}


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
    # First of all, because botocore asks nobody after the first answer, and moto answers everything.
    handlers: list[Any] = botocore.handlers.BUILTIN_HANDLERS
    handlers.insert(0, entry)
    yield wire
    handlers.remove(entry)


@pytest.fixture
def no_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    """botocore retries as often as it was told to, but does not wait in between."""
    monkeypatch.setattr(botocore.endpoint, "time", SimpleNamespace(sleep=lambda _seconds: None))
    monkeypatch.setattr(botocore.retries.bucket.TokenBucket, "acquire", lambda *_args, **_kwargs: True)


@pytest.fixture(scope="session")
def scanned_server() -> Iterator[ScannedAccounts]:
    """The server that plays the scanned accounts; moto's other services answer there, too."""
    # Tiers without moto must not need it.
    from deployment.local.scanned_accounts import ScannedAccounts

    with ScannedAccounts() as server:
        yield server


@pytest.fixture
def scanned(scanned_server: ScannedAccounts, monkeypatch: pytest.MonkeyPatch) -> Iterator[Control]:
    """The scanned accounts, empty, reached by every client for IAM and STS."""
    from deployment.local.scanned_accounts import Control

    monkeypatch.setenv("AWS_ENDPOINT_URL_IAM", scanned_server.url)
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", scanned_server.url)
    control = Control(scanned_server.url)
    control.reset()
    yield control
    control.reset()
