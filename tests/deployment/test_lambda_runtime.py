"""The functions' zip in AWS's own Lambda runtime: what comes out, and what a failure looks like."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from deployment.build_packages import build
from library.aws.issues_table import IssuesTable
from tests.deployment.lambda_emulator import running
from tests.wire import SAFE
from tests.world import TABLE

if TYPE_CHECKING:
    from pathlib import Path

    from mypy_boto3_dynamodb import DynamoDBClient

    from deployment.local.scanned_accounts import Control, KeySeed
    from deployment.local.scanned_accounts.server import ScannedAccounts
    from tests.world.topic import Topic


pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="AWS builds its Lambda runtime for Linux only")

MAIN, SLAVE = "123456789012", "210987654321"
KEY = "AKIAIDLE777777777777"


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(None, tmp_path_factory.mktemp("build"))


@pytest.fixture
def environment(moto_server: ScannedAccounts) -> dict[str, str]:
    return SAFE | {"AWS_ENDPOINT_URL": moto_server.url, "AWS_REGION": "eu-west-1"}


def message_for(account: str) -> dict[str, object]:
    text = json.dumps({"account_id": account, "account_name": "master"})
    return {"Records": [{"EventSource": "aws:sns", "Sns": {"Message": text}}]}


def test_the_initiation_asks_for_the_scan_of_every_account(
    package: Path, environment: dict[str, str], topic: Topic, dynamodb: DynamoDBClient, tmp_path: Path
) -> None:
    handler = "initiate_to_desc_iam_access_keys.lambda_handler"
    with running(package, handler, tmp_path, environment | {"SNS_ARN": topic.arn}) as function:
        assert function.invoke({"source": "aws.events"}) == {"accounts": 2}
    assert [message["account_id"] for message in topic.arrived()] == [MAIN, SLAVE]


def test_the_identification_finds_an_idle_key_and_then_fails_aloud_with_the_line_of_code(
    package: Path, environment: dict[str, str], scanned: Control, dynamodb: DynamoDBClient, tmp_path: Path
) -> None:
    key: KeySeed = {"id": KEY, "created_days_ago": 400, "last_used_days_ago": 300}
    scanned.populate({MAIN: {"alice": {"keys": [key]}}}, datetime.now(UTC))
    with running(package, "describe_iam_accesskey_details.lambda_handler", tmp_path, environment) as function:
        assert function.invoke(message_for(MAIN)) is None
        assert [issue.issue_id for issue in IssuesTable(dynamodb, TABLE).of_account(MAIN)] == [KEY]

        scanned.fail(MAIN, "ListUsers", "AccessDenied")
        failed = function.invoke(message_for(MAIN))
        assert failed["errorType"] == "AccessDenied"
        assert failed["errorMessage"] == (
            "Access denied in Account(id='123456789012', name='master') (iam:ListUsers): "
            "AccessDenied on ListUsers, as it was asked for"
        )
        assert any("describe_iam_accesskey_details.py" in line for line in failed["stackTrace"])

        scanned.heal()
        assert function.invoke(message_for(MAIN)) is None, "the process goes on after a failure"
        entries = [json.loads(line) for line in function.log().splitlines() if line.startswith("{")]
    assert [one["account_id"] for one in entries if one.get("message") == "Scan is complete"] == [MAIN, MAIN]
    assert {one["level"] for one in entries if "Access denied" in str(one.get("message"))} == {"ERROR"}


def test_a_package_that_lacks_a_module_says_which(package: Path, environment: dict[str, str], tmp_path: Path) -> None:
    with running(package, "no_such_module.lambda_handler", tmp_path, environment) as function:
        failed = function.invoke({})
    assert failed["errorType"] == "Runtime.ImportModuleError"
    assert "no_such_module" in failed["errorMessage"]
