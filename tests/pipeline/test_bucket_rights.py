"""Who has one of the bucket's two policies does the work that it is for, and not the other's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner

from deployment import publish_config, stacks
from deployment.artifacts import upload
from deployment.local.embedded_aws import MAIN_ACCOUNT, EmbeddedAws
from deployment.publish_config import current, publish
from tests.pipeline.conftest import configuration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from botocore.client import BaseClient

    Signed = Callable[[str], None]


BUCKET = f"hammer-deployment-{MAIN_ACCOUNT}-eu-west-1"
PUBLISHED = f"s3://{BUCKET}/config"


def client(service: str) -> BaseClient:
    return boto3.Session().client(service)  # type: ignore[call-overload,no-any-return]


@pytest.fixture(scope="module")
def signed_in() -> Iterator[Signed]:
    """Signs in as a new user with one policy; the bucket is deployed into an AWS that asks for permissions."""
    with EmbeddedAws(permissions=True) as aws, pytest.MonkeyPatch.context() as patch:
        for name, value in aws.environment().items():
            patch.setenv(name, value)
        root = boto3.Session(MAIN_ACCOUNT, "any", region_name="eu-west-1")
        iam_of_root = root.client("iam")
        aws.create_stack(stacks.BUCKET_STACK, stacks.TEMPLATES / "bucket.yaml", {})
        # It denies all that does not come over TLS, which the embedded AWS does not speak.
        root.client("s3").delete_bucket_policy(Bucket=BUCKET)

        def sign_in(policy: str) -> None:
            iam_of_root.create_user(UserName=f"with-{policy}")
            arn = f"arn:aws:iam::{MAIN_ACCOUNT}:policy/{policy}"
            iam_of_root.attach_user_policy(UserName=f"with-{policy}", PolicyArn=arn)
            key = iam_of_root.create_access_key(UserName=f"with-{policy}")["AccessKey"]
            patch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
            patch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
            patch.setattr(boto3, "DEFAULT_SESSION", None)

        yield sign_in


@pytest.fixture
def package(tmp_path: Path) -> Path:
    package = tmp_path / "hammer.zip"
    package.write_bytes(b"built")
    return package


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = configuration(tmp_path / "config")
    (folder / "config.ini").unlink()
    return folder


def test_who_publishes_the_configuration_needs_no_other_right_and_writes_no_code(
    signed_in: Signed, folder: Path, package: Path
) -> None:
    signed_in("hammer-publish-configuration")
    for answer in ("y\n", ""):
        done = CliRunner().invoke(publish_config.main, [str(folder)], input=answer)
        assert done.exit_code == 0, done.output
        assert f"In force from {PUBLISHED}" in done.output
    with pytest.raises(ClientError, match="AccessDenied"):
        upload(client("s3"), BUCKET, package)  # type: ignore[arg-type]


def test_who_uploads_packages_sees_the_configuration_and_does_not_write_it(
    signed_in: Signed, folder: Path, package: Path
) -> None:
    signed_in("hammer-upload-packages")
    s3 = client("s3")
    uploaded = upload(s3, BUCKET, package)  # type: ignore[arg-type]
    assert upload(s3, BUCKET, package) == uploaded  # type: ignore[arg-type]
    assert current(s3, PUBLISHED) is not None  # type: ignore[arg-type]
    with pytest.raises(ClientError, match="AccessDenied"):
        publish(s3, folder, PUBLISHED)  # type: ignore[arg-type]
