"""A CloudWatch Logs that takes everything, at the end of the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.wire import answer, body_of

if TYPE_CHECKING:
    from botocore.awsrequest import AWSPreparedRequest, AWSResponse

    from tests.wire import Wire

LOG_CALLS = ("DescribeLogGroups", "CreateLogGroup", "CreateLogStream", "PutLogEvents")


@pytest.fixture
def sent_to_cloudwatch(wire: Wire) -> list[str]:
    """The bodies of the requests that CloudWatch Logs was sent."""
    bodies: list[str] = []

    def take(request: AWSPreparedRequest) -> AWSResponse:
        bodies.append(body_of(request))
        return answer(200, "{}")

    for operation in LOG_CALLS:
        wire.react(operation, take)
    return bodies
