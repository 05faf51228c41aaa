"""What the check makes of the function's answers: one that is busy or broken says nothing of an account."""

from __future__ import annotations

import json
from io import BytesIO
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.config import Config as ClientConfig

from deployment.check_deployment import Obstacle, _summary, scanned_accounts
from library.config.loading import load

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from botocore.awsrequest import AWSPreparedRequest

    from library.config.settings import Config
    from tests.wire import Wire

MAIN = "123456789012"
FUNCTION = "hammer-describe-iam-user-inactive-keys"
WELL = b'{"refusals": []}'


class _Raw(BytesIO):
    def stream(self, **_: object) -> Iterator[bytes]:
        yield self.read()


def answered(status: int, body: bytes, **headers: str) -> AWSResponse:
    """An answer of Lambda; of a header's name, `_` stands for a hyphen."""
    found = HTTPHeaders()
    for name, value in headers.items():
        found[name.replace("_", "-")] = value
    return AWSResponse("https://lambda.example", status, found, _Raw(body))


def busy() -> AWSResponse:
    body = {"Reason": "ReservedFunctionConcurrentInvocationLimitExceeded", "message": "Rate Exceeded."}
    kind = "TooManyRequestsException"
    # So that nobody waits.
    return answered(429, json.dumps(body).encode(), x_amzn_ErrorType=kind, Retry_After="0")


@pytest.fixture
def settings(tmp_path: Path) -> Config:
    config = {
        "aws": {"region": "eu-west-1", "main_account_id": MAIN, "accounts": {MAIN: "main"}},
        "user_inactivekeys": {"inactive_criteria_days": 90},
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    return load(str(tmp_path), alone=True)


def found(wire: Wire, settings: Config, *answers: AWSResponse) -> list[Obstacle]:
    """What the check finds when Lambda gives these answers, one to each call."""
    waiting = list(answers)

    def next_one(_request: AWSPreparedRequest) -> AWSResponse:
        return waiting.pop(0)

    wire.react("Invoke", next_one)
    once = ClientConfig(retries={"total_max_attempts": 1})
    obstacles = list(scanned_accounts(boto3.Session().client("lambda", config=once), FUNCTION, settings))
    assert waiting == []
    return obstacles


@pytest.mark.parametrize("times", range(5))
def test_a_busy_function_is_asked_again(wire: Wire, settings: Config, times: int) -> None:
    assert found(wire, settings, *(busy() for _ in range(times)), answered(200, WELL)) == []


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ([busy() for _ in range(5)], "TooManyRequestsException"),
        ([answered(500, b"")], "500"),
        ([answered(503, b"<html>busy</html>")], "Invoke"),
        ([answered(403, b'{"Message": "no"}', x_amzn_ErrorType="AccessDeniedException")], "AccessDenied"),
        ([answered(200, b'{"errorMessage": "Task timed out"}', X_Amz_Function_Error="Unhandled")], "Task timed out"),
        ([answered(200, b"null", X_Amz_Function_Error="Unhandled")], "not understood"),
        *(([answered(200, body)], "not understood") for body in (b"", b"<html>", b"null", b"[]", b"{}")),
        ([answered(200, b'{"refusals": [{"another": "version"}]}')], "not understood"),
    ],
    ids=range(12),
)
def test_what_is_the_function_s_failure_says_nothing_of_the_account(
    wire: Wire, settings: Config, answers: list[AWSResponse], said: str
) -> None:
    (obstacle,) = found(wire, settings, *answers)
    assert said in obstacle.said
    assert obstacle.remedy.startswith("the account was not asked, so nothing is known of it")
    summary = _summary(1, [obstacle], 0)
    assert summary == "0 of 1 accounts can be scanned, 1 could not be asked; 0 missing otherwise"


def test_what_is_refused_in_an_account_is_told_of_it(wire: Wire, settings: Config) -> None:
    body = json.dumps({"refusals": [{"call": "iam:ListUsers", "said": "AccessDenied: no"}]}).encode()
    (obstacle,) = found(wire, settings, answered(200, body))
    assert (obstacle.what, obstacle.said) == ("iam:ListUsers", "AccessDenied: no")
    summary = _summary(1, [obstacle], 0)
    assert summary == "0 of 1 accounts can be scanned; 0 missing otherwise"
