"""What our words about a failed call of AWS tell people to do works."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import boto3
from botocore.exceptions import ClientError

from library.aws.calls import not_accepted

if TYPE_CHECKING:
    import pytest


def test_the_variable_for_other_partitions_is_one_that_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    error = ClientError({"Error": {"Code": "InvalidClientTokenId", "Message": "no"}}, "GetCallerIdentity")
    named = re.findall(r"AWS_\w*REGION", str(not_accepted("sts:GetCallerIdentity", error)))
    assert len(named) == 1
    monkeypatch.setenv(named[0], "us-gov-west-1")
    assert boto3.Session().region_name == "us-gov-west-1"
