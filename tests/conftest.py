"""What every test gets: an environment without real AWS, a wire to watch, and IAM of the scanned accounts."""

from __future__ import annotations

import os
import signal
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import boto3
import botocore.endpoint
import botocore.handlers
import botocore.retries.bucket
import pytest
from botocore.config import Config
from hypothesis import HealthCheck, settings

from tests.aws_models import aws_models_read_once
from tests.tiers import (
    pytest_collection_modifyitems,
    pytest_configure,
    pytest_ignore_collect,
    pytest_runtest_protocol,
)
from tests.wire import SAFE, Wire, not_of_aws

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_dynamodb import DynamoDBClient

    from deployment.local.scanned_accounts import Control
    from deployment.local.scanned_accounts.server import ScannedAccounts
    from tests.world.topic import Topic


# No test depends on speed.
settings.register_profile("tests", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tests")

__all__ = [
    "pytest_collection_modifyitems",
    "pytest_configure",
    "pytest_ignore_collect",
    "pytest_runtest_protocol",
]


@pytest.fixture(scope="session", autouse=True)
def no_real_aws() -> Iterator[None]:
    """Nothing of the developer's AWS set-up or of HAMMER's reaches a test."""
    with pytest.MonkeyPatch.context() as patch:
        for name in set(os.environ) - set(not_of_aws(os.environ)):
            patch.delenv(name)
        for name, value in SAFE.items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="session", autouse=True)
def aws_models_are_read_once() -> Iterator[None]:
    """A client costs a hundredth of a second."""
    with aws_models_read_once():
        yield


@pytest.fixture(scope="session", autouse=True)
def heeds_ctrl_c() -> None:
    """A shell's job in the background ignores SIGINT, and all that it starts would, too."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def wire() -> Iterator[Wire]:
    """The wire of all clients that are made from now on."""
    wire = Wire()
    entry = ("before-send", wire)
    handlers: list[Any] = botocore.handlers.BUILTIN_HANDLERS
    handlers.append(entry)
    yield wire
    handlers.remove(entry)


@pytest.fixture
def no_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    """botocore retries as often as it was told to, but does not wait in between."""
    monkeypatch.setattr(botocore.endpoint, "time", SimpleNamespace(sleep=lambda _seconds: None))
    monkeypatch.setattr(botocore.retries.bucket.TokenBucket, "acquire", lambda *_args, **_kwargs: True)


@pytest.fixture(scope="session")
def moto_server() -> Iterator[ScannedAccounts]:
    """The server that plays the scanned accounts; moto's other services answer there, too."""
    # Tiers without moto must not need it.
    from deployment.local.scanned_accounts.server import ScannedAccounts

    with ScannedAccounts() as server:
        yield server


@pytest.fixture
def scanned(moto_server: ScannedAccounts, monkeypatch: pytest.MonkeyPatch) -> Iterator[Control]:
    """An AWS with nothing in it, which every client that is made from now on reaches over HTTP."""
    from deployment.local.scanned_accounts import Control
    from tests.world.estate import reset

    monkeypatch.setenv("AWS_ENDPOINT_URL", moto_server.url)
    reset(moto_server.url)
    yield Control(moto_server.url)
    reset(moto_server.url)


@pytest.fixture
def dynamodb(scanned: Control, wire: Wire) -> DynamoDBClient:
    """A client that does not retry, and the empty issues table."""
    from tests.world import table

    table.create()
    return boto3.Session().client("dynamodb", config=Config(retries={"total_max_attempts": 1}))


@pytest.fixture
def topic(scanned: Control) -> Topic:
    """The topic between the two Lambdas."""
    from tests.world.topic import Topic

    return Topic()
