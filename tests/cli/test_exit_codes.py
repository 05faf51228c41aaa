"""What ends a command, and the exit code and the words for it."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from library.cli import exit_codes
from library.errors import (
    AccessDenied,
    AlreadyRunning,
    ConfigurationError,
    CredentialsError,
    CredentialsUnusable,
    Problem,
    TicketError,
)

DENIED = ClientError({"Error": {"Code": "AccessDenied", "Message": "not you"}}, "Query")
UNREACHABLE = EndpointConnectionError(endpoint_url="https://dynamodb.example")
PROBLEMS = [Problem("config.json", "aws.region", "'x'", "a region"), Problem("whitelist.json", "", "[]", "an object")]


def ended_by(error: BaseException) -> tuple[int, list[str]]:
    lines: list[str] = []
    code = exit_codes.told(error, lines.append, interrupted="Stopped half-way")
    return code, lines


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (CredentialsError("Secret 'x': no entry"), 2, "E-RUN-06 Secret 'x': no entry"),
        (CredentialsUnusable("There are none"), 2, "E-AWS-06 There are none"),
        (AlreadyRunning("Another is running"), 3, "E-RUN-02 Another is running"),
        (AccessDenied("Access denied in 123456789012"), 1, "E-AWS-02 Access denied in 123456789012"),
        (TicketError("JIRA: 500"), 1, "E-JIRA-03 JIRA: 500"),
        (DENIED, 1, f"E-AWS-01 {DENIED}"),
        (UNREACHABLE, 1, f"E-AWS-01 AWS cannot be reached (a call): {UNREACHABLE}"),
        (
            FileNotFoundError(2, "No such file", "x"),
            1,
            "E-RUN-03 A file or the network is not usable: [Errno 2] No such file: 'x'",
        ),
        (KeyboardInterrupt(), 130, "E-RUN-04 Stopped half-way"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_each_error_has_its_exit_code_and_one_line(error: BaseException, code: int, line: str) -> None:
    assert ended_by(error) == (code, [line])


def test_a_configuration_that_is_wrong_gets_a_line_for_each_of_its_problems() -> None:
    assert ended_by(ConfigurationError(PROBLEMS)) == (
        2,
        [
            "E-CONFIG-01 config.json: aws.region: found 'x'; expected a region",
            "E-CONFIG-01 whitelist.json: found []; expected an object",
        ],
    )


def test_a_mistake_of_ours_is_not_taken_for_a_failure_that_is_understood() -> None:
    assert not issubclass(ValueError, exit_codes.EXPECTED)
    assert not issubclass(AssertionError, exit_codes.EXPECTED)
    assert ended_by(ValueError("odd\nvalue")) == (1, ["E-RUN-01 unexpected ValueError('odd\\nvalue')"])
