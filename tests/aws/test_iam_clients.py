"""Calls of IAM that fail: what the error says and carries."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config

from library.aws.iam_clients import IamClients
from library.aws.sessions import Account
from library.errors import AccessDenied, AwsCallFailed
from tests.builders import ACCOUNT
from tests.wire import Wire, answer, failure

if TYPE_CHECKING:
    from deployment.local.scanned_accounts import Control


MAIN = Account(ACCOUNT, "master")
SLAVE = Account("210987654321", "slave1", "hammer-cloudsec-crossact-id")
KEY = "AKIAALICE0000000001A"


@pytest.fixture
def iam(scanned: Control, wire: Wire) -> IamClients:
    return iam_of(MAIN)


def iam_of(account: Account, **options: Any) -> IamClients:
    config = Config(retries={"total_max_attempts": 1}, **options)
    return IamClients(account, partial(boto3.Session().client, "iam", config=config))


def error_of(iam: IamClients, operation: str, **parameters: str) -> AwsCallFailed:
    """The error of a call and, as it is the same one, of a listing."""
    with pytest.raises(AwsCallFailed) as of_call:
        iam.call(operation, **parameters)
    if operation.startswith("List"):
        with pytest.raises(AwsCallFailed) as of_pages:
            list(iam.pages(operation, **parameters))
        assert (type(of_pages.value), str(of_pages.value)) == (type(of_call.value), str(of_call.value))
    return of_call.value


def test_a_denied_call_names_account_role_and_call_and_says_which_policy_it_was(scanned: Control, wire: Wire) -> None:
    said = (
        "User: arn:aws:sts::210987654321:assumed-role/hammer-cloudsec-crossact-id/hammer-identification is not "
        "authorized to perform: iam:ListUsers with an explicit deny in a service control policy"
    )
    text = f"<ErrorResponse><Error><Code>AccessDenied</Code><Message>{said}</Message></Error></ErrorResponse>"
    wire.react("ListUsers", lambda _: answer(403, text))
    error = error_of(iam_of(SLAVE), "ListUsers")
    assert str(error) == (
        "Access denied in Account(id='210987654321', name='slave1', role='hammer-cloudsec-crossact-id') "
        f"(iam:ListUsers): {said}"
    )
    assert isinstance(error, AccessDenied)
    assert (error.call, error.code, error.status) == ("iam:ListUsers", "AccessDenied", 403)


def test_a_denied_call_in_the_main_account_names_no_role(iam: IamClients, wire: Wire) -> None:
    wire.react("ListUsers", lambda _: failure("AccessDenied", 403))
    assert str(error_of(iam, "ListUsers")) == (
        "Access denied in Account(id='123456789012', name='master') (iam:ListUsers): as the test asked"
    )


@pytest.mark.parametrize(
    ("operation", "parameters", "subject"),
    [
        ("ListAccessKeys", {"UserName": "bob"}, "of user 'bob'"),
        ("ListUserTags", {"UserName": "bob"}, "of user 'bob'"),
        ("GetAccessKeyLastUsed", {"AccessKeyId": KEY}, f"of key {KEY}"),
        (
            "UpdateAccessKey",
            {"UserName": "bob", "AccessKeyId": KEY, "Status": "Inactive"},
            f"of key {KEY} of user 'bob'",
        ),
    ],
)
@pytest.mark.parametrize(("code", "words"), [("AccessDenied", "Access denied"), ("Throttling", "Call failed")])
def test_an_error_names_the_user_or_key_that_the_call_was_about(
    iam: IamClients, wire: Wire, operation: str, parameters: dict[str, str], subject: str, code: str, words: str
) -> None:
    wire.react(operation, lambda _: failure(code, 400))
    error = error_of(iam, operation, **parameters)
    assert str(error).startswith(f"{words} in {MAIN} (iam:{operation} {subject}): ")
    assert (error.call, error.code, error.status) == (f"iam:{operation}", code, 400)


def test_another_failure_is_no_denial_and_says_what_aws_said(iam: IamClients, wire: Wire) -> None:
    wire.react("ListUsers", lambda _: failure("Throttling", 400))
    error = error_of(iam, "ListUsers")
    assert not isinstance(error, AccessDenied)
    assert "Throttling" in str(error)
    assert "as the test asked" in str(error)


@pytest.mark.parametrize("code", ["AccessDenied", "AccessDeniedException", "UnauthorizedOperation"])
def test_every_way_in_which_aws_says_no_is_a_denial(iam: IamClients, wire: Wire, code: str) -> None:
    wire.react("ListUsers", lambda _: failure(code, 403))
    assert isinstance(error_of(iam, "ListUsers"), AccessDenied)


def test_a_refusal_without_a_word_is_told_by_its_code(iam: IamClients, wire: Wire) -> None:
    text = "<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>"
    wire.react("ListUsers", lambda _: answer(403, text))
    assert str(error_of(iam, "ListUsers")).endswith("(iam:ListUsers): AccessDenied")


def test_an_aws_that_cannot_be_reached_is_an_error_that_names_account_and_call(
    monkeypatch: pytest.MonkeyPatch, scanned: Control
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    error = error_of(iam_of(SLAVE), "ListUsers")
    assert "slave1" in str(error)
    assert "(iam:ListUsers): Could not connect to the endpoint URL" in str(error)
    assert (error.call, error.code, error.status) == ("iam:ListUsers", "", None)


def test_the_requests_are_counted_with_their_retries(scanned: Control, wire: Wire) -> None:
    iam = IamClients(MAIN, partial(boto3.Session().client, "iam", config=Config(retries={"total_max_attempts": 2})))
    scanned.fail(ACCOUNT, "ListUsers", "ServiceUnavailable", times=1)
    iam.call("ListUsers")
    iam.call("ListUsers")
    assert iam.calls == 3
