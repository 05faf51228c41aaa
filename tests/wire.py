"""What goes over the wire to AWS and back: an environment that reaches no real one, answers, and a wire to watch."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Callable
from io import BytesIO
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from botocore.client import BaseClient

STATE = "hammer-iam-user-keys-inactive-state"

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


def not_of_aws(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment without what somebody has set for AWS or Hammer."""
    return {name: value for name, value in environment.items() if not name.startswith(("AWS_", "HAMMER_"))}


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

    `sent` has the operations in order; those on the state table begin with `StateTable.`. A reaction may answer in
    the place of AWS, or do something and return None.
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
        if ".dynamodb." in event_name and f'"{STATE}"' in body_of(request):
            operation = f"StateTable.{operation}"
        self.sent.append(operation)
        answers = (reaction(request) for reaction in self._reactions[operation])
        return next((found for found in answers if found is not None), None)
