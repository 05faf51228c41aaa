"""What AWS's answer to a switch says about the key."""

from __future__ import annotations

import pytest

from library.aws.key_switch import was_refused
from library.errors import AccessDenied, AwsCallFailed


@pytest.mark.parametrize(
    ("error", "refused"),
    [
        (AccessDenied("", call="iam:UpdateAccessKey", code="AccessDenied", status=403), True),
        (AccessDenied("", call="sts:AssumeRole", code="AccessDenied", status=403), True),
        (AwsCallFailed("", call="iam:UpdateAccessKey", code="LimitExceeded", status=400), True),
        (AwsCallFailed("", call="iam:UpdateAccessKey", code="Unknown", status=499), True),
        # It may have been carried out before it failed.
        (AwsCallFailed("", call="iam:UpdateAccessKey", code="ServiceFailure", status=500), False),
        (AwsCallFailed("", call="iam:UpdateAccessKey"), False),
        # The key was switched; only reading back was refused.
        (AccessDenied("", call="iam:ListAccessKeys", code="AccessDenied", status=403), False),
        (AwsCallFailed("key AKIA was set to Inactive, but IAM lists it as Active"), False),
    ],
)
def test_only_an_answer_to_the_switch_itself_says_that_nothing_was_switched(
    error: AwsCallFailed, refused: bool
) -> None:
    assert was_refused(error) is refused
