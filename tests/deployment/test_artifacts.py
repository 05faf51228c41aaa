"""A package lies in the bucket under what it holds, and what lies there is looked at, not its name."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import boto3
import pytest

from deployment.artifacts import upload

if TYPE_CHECKING:
    from pathlib import Path

    from mypy_boto3_s3.client import S3Client

    from tests.wire import Wire


@pytest.fixture
def s3(scanned: object, wire: Wire) -> S3Client:
    client = boto3.Session().client("s3", region_name="us-east-1")
    client.create_bucket(Bucket="estate")
    wire.sent.clear()
    return client


@pytest.fixture
def package(tmp_path: Path) -> Path:
    package = tmp_path / "hammer.zip"
    package.write_bytes(b"built")
    return package


def stored(s3: S3Client, key: str) -> bytes:
    return s3.get_object(Bucket="estate", Key=key)["Body"].read()


def test_the_key_says_the_digest_and_what_is_there_already_is_not_written_again(
    s3: S3Client, package: Path, wire: Wire, capsys: pytest.CaptureFixture[str]
) -> None:
    digest = hashlib.sha256(b"built").hexdigest()
    key, said = upload(s3, "estate", package)
    assert (key, said) == (f"packages/hammer-{digest}.zip", digest)
    assert stored(s3, key) == b"built"
    assert wire.sent.count("PutObject") == 1
    assert upload(s3, "estate", package) == (key, digest)
    assert wire.sent.count("PutObject") == 1
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("planted", [b"", b"buil", b"another"])
def test_what_lies_under_the_key_and_was_not_built_is_replaced(
    s3: S3Client, package: Path, planted: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    key, digest = upload(s3, "estate", package)
    s3.put_object(Bucket="estate", Key=key, Body=planted, Metadata={"sha256": digest})
    assert upload(s3, "estate", package) == (key, digest)
    assert stored(s3, key) == b"built"
    assert f"s3://estate/{key} was not what its name says" in capsys.readouterr().out
