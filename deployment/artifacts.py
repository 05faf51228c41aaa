"""The built packages in the bucket, by what they hold: what runs is what was built."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import TYPE_CHECKING, NamedTuple

import click

from deployment.publish_config import content_of

if TYPE_CHECKING:
    from pathlib import Path

    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_s3.client import S3Client

_FOLDER = "packages"
# Earlier versions wrote the first sixteen of its digits.
_NAMED = re.compile(r"-([0-9a-f]{16}|[0-9a-f]{64})\.zip")


class Uploaded(NamedTuple):
    """The key of a package in the bucket, and its SHA-256 in hex, which is in the key as well."""

    key: str
    digest: str


def upload(s3: S3Client, bucket: str, package: Path) -> Uploaded:
    """Put a zip into the bucket, unless exactly it is there already.

    What lies under its key and is something else is replaced, and that is said: the key is made of the content, so
    somebody has written there by another way.
    """
    content = package.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    key = f"{_FOLDER}/{package.stem}-{digest}.zip"
    found = content_of(s3, bucket, key)
    if found != content:
        if found is not None:
            click.echo(f"s3://{bucket}/{key} was not what its name says, and is replaced by what was built here")
        # S3 computes the digest, too, and takes nothing else.
        s3.put_object(Bucket=bucket, Key=key, Body=content, ChecksumAlgorithm="SHA256")
    return Uploaded(key, digest)


def foreign_code(functions: LambdaClient, function: str, key: str) -> str | None:
    """The SHA-256 of what a function runs, in hex, if it is not the package of that key; None if it is.

    A key that does not end in a digest, as one that somebody has chosen by hand, says nothing: None, too.
    """
    named = _NAMED.search(key)
    runs = base64.b64decode(functions.get_function_configuration(FunctionName=function)["CodeSha256"]).hex()
    return None if named is None or runs.startswith(named[1]) else runs
