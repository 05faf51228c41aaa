"""What our words about a failed call of AWS tell people to do works."""

from __future__ import annotations

import re
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from library.aws.calls import not_accepted, said_by, sentence_of


def test_the_variable_for_other_partitions_is_one_that_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    error = ClientError({"Error": {"Code": "InvalidClientTokenId", "Message": "no"}}, "GetCallerIdentity")
    named = re.findall(r"AWS_\w*REGION", str(not_accepted("sts:GetCallerIdentity", error)))
    assert len(named) == 1
    monkeypatch.setenv(named[0], "us-gov-west-1")
    assert boto3.Session().region_name == "us-gov-west-1"


@pytest.mark.parametrize("said", [None, "", 7, ["a"], {"a": "b"}, "no  way\n"])
def test_a_refusal_is_told_whatever_its_message_is(said: Any) -> None:
    error = ClientError({"Error": {"Code": "AccessDenied", "Message": said}}, "ListUsers")
    assert sentence_of(error) == (said if said == "no  way\n" else "AccessDenied")
    assert said_by(error).startswith("no way" if said == "no  way\n" else "An error occurred (AccessDenied)")
