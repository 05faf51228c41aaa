"""Both Lambdas as handlers, against a server that plays IAM, STS, SNS, SQS and DynamoDB over HTTP."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from library.aws.issues_table import IssuesTable
from library.aws.organizations import active_accounts
from library.aws.state_table import state_table_name
from library.errors import AccessDenied, AwsCallFailed, ConfigurationError, HammerError
from library.issues.record import Issue, Resolution, Status
from tests.odd import odd_values
from tests.wire import Wire, answer, body_of, failure, form, json_failure
from tests.world import TABLE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from botocore.awsrequest import AWSPreparedRequest, AWSResponse
    from mypy_boto3_dynamodb import DynamoDBClient

    from deployment.local.scanned_accounts import Control, KeySeed, UserSeed
    from tests.world.topic import Topic

# Of a scan that failed there is nothing to count.
pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")

REPOSITORY = Path(__file__).resolve().parents[2]
HANDLERS = REPOSITORY / "identification" / "lambdas" / "iam-user-inactive-keys-identification"
INITIATION, IDENTIFICATION = "initiate_to_desc_iam_access_keys", "describe_iam_accesskey_details"
MAIN, SLAVE = "123456789012", "210987654321"
WRITES = {"PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems"}
IDLE, FRESH, UNUSED, OFF = (f"AKIA{name}".ljust(20, "7") for name in ("IDLE", "FRESH", "UNUSED", "OFF"))


@dataclass(frozen=True)
class Context:
    """What Lambda says about the function and the call."""

    function_name: str = "hammer"
    memory_limit_in_mb: int = 256
    invoked_function_arn: str = "arn:aws:lambda:eu-west-1:123456789012:function:hammer"
    aws_request_id: str = "52fdfc07-2182-154f-163f-5f0f9a621d72"
    seconds: float = 900

    def get_remaining_time_in_millis(self) -> int:
        return int(self.seconds * 1000)


Configure = Callable[..., None]


@pytest.fixture(autouse=True)
def configure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Configure:
    """Two accounts and ten days; other settings on demand."""
    monkeypatch.setenv("HAMMER_CONFIG", str(tmp_path))

    def write(whitelist: object = None, aws: dict[str, Any] | None = None, **keys: object) -> None:
        accounts = {"accounts": {MAIN: "master", SLAVE: "slave1"}}
        config = {
            "aws": {"region": "eu-west-1", "main_account_id": MAIN, **accounts, **(aws or {})},
            "user_inactivekeys": {"inactive_criteria_days": 10, **keys},
        }
        (tmp_path / "config.json").write_text(json.dumps(config))
        (tmp_path / "whitelist.json").write_text(json.dumps({"user_inactivekeys": whitelist or {}}))

    write()
    return write


@pytest.fixture
def queue(topic: Topic, dynamodb: DynamoDBClient, monkeypatch: pytest.MonkeyPatch) -> Topic:
    """The topic that SNS_ARN names."""
    monkeypatch.setenv("SNS_ARN", topic.arn)
    return topic


def load(name: str) -> ModuleType:
    """The handler's module, from its file, logging to the terminal of this test."""
    spec = importlib.util.spec_from_file_location(name, HANDLERS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    for handler in module.logger.handlers:
        # Not setStream, which flushes the stream of the test before.
        handler.stream = sys.stdout
    return module


def initiate() -> object:
    return load(INITIATION).lambda_handler({"source": "aws.events"}, Context())


def identify(account: str = MAIN, name: str = "master") -> None:
    """Deliver the topic's message for one account."""
    message = json.dumps({"account_id": account, "account_name": name})
    event = {"Records": [{"EventSource": "aws:sns", "Sns": {"Message": message}}]}
    load(IDENTIFICATION).lambda_handler(event, Context())


def logged(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """Everything on stdout, each line of which must be JSON."""
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def issues(client: DynamoDBClient, account: str = MAIN) -> dict[str, Issue]:
    return {issue.issue_id: issue for issue in IssuesTable(client, TABLE).of_account(account)}


@pytest.fixture
def populated(scanned: Control, dynamodb: DynamoDBClient) -> Control:
    """The main account with a key of each kind, two of alice and two of bob."""
    alice: list[KeySeed] = [
        {"id": IDLE, "created_days_ago": 400, "last_used_days_ago": 100},
        {"id": FRESH, "created_days_ago": 400, "last_used_days_ago": 2},
    ]
    bob: list[KeySeed] = [
        {"id": UNUSED, "created_days_ago": 50},
        {"id": OFF, "created_days_ago": 400, "last_used_days_ago": 300, "status": "Inactive"},
    ]
    users: dict[str, UserSeed] = {"alice": {"keys": alice, "tags": {"owner": "carol"}}, "bob": {"keys": bob}}
    scanned.populate({MAIN: users}, datetime.now(UTC))
    return scanned


# --- initiation ------------------------------------------------------------------------------------------------


def test_one_message_per_account_is_published(queue: Topic, capsys: pytest.CaptureFixture[str]) -> None:
    assert initiate() == {"accounts": 2}
    assert queue.arrived() == [
        {"account_id": MAIN, "account_name": "master"},
        {"account_id": SLAVE, "account_name": "slave1"},
    ]
    assert "Asked for the scan of 2 of 2 accounts" in [line["message"] for line in logged(capsys)]


@pytest.mark.parametrize("enabled", [False, "false"])
def test_enabled_false_says_so_and_publishes_nothing(
    queue: Topic, configure: Configure, wire: Wire, capsys: pytest.CaptureFixture[str], enabled: object
) -> None:
    configure(enabled=enabled)
    assert initiate() == {"accounts": 0}
    assert wire.sent == []
    assert any("switched off" in line["message"] for line in logged(capsys))


def test_only_the_accounts_of_the_list_that_are_not_ignored_are_asked_for(queue: Topic, configure: Configure) -> None:
    configure(accounts=f"{MAIN},{SLAVE}", ignore_accounts=[MAIN])
    assert initiate() == {"accounts": 1}
    assert [message["account_id"] for message in queue.arrived()] == [SLAVE]


def test_one_failed_entry_raises_in_the_end_but_the_others_are_sent(
    queue: Topic, configure: Configure, wire: Wire, capsys: pytest.CaptureFixture[str]
) -> None:
    accounts = {f"{number:012}": f"account {number}" for number in range(1, 13)}
    configure(aws={"main_account_id": "000000000001", "accounts": accounts})

    def refuse_the_first(request: AWSPreparedRequest) -> AWSResponse | None:
        if "000000000001" not in str(form(request)):
            return None
        taken = "".join(f"<member><Id>{number}</Id><MessageId>m</MessageId></member>" for number in range(1, 10))
        return answer(
            200,
            f"<PublishBatchResponse><PublishBatchResult><Successful>{taken}</Successful><Failed><member><Id>0</Id>"
            "<Code>InternalError</Code><SenderFault>false</SenderFault></member></Failed></PublishBatchResult>"
            "</PublishBatchResponse>",
        )

    wire.react("PublishBatch", refuse_the_first)
    with pytest.raises(HammerError, match="1 of 12 accounts"):
        initiate()
    assert wire.sent.count("PublishBatch") == 2
    assert [message["account_id"] for message in queue.arrived()] == ["000000000011", "000000000012"]
    errors = [line["message"] for line in logged(capsys) if line["level"] == "ERROR"]
    assert any("000000000001" in text and "InternalError" in text for text in errors)


def test_a_broken_whitelist_stops_the_initiation(
    queue: Topic, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "whitelist.json").write_text("{")
    with pytest.raises(ConfigurationError):
        initiate()
    assert queue.arrived() == []
    assert any(line["level"] == "ERROR" and "whitelist.json" in line["message"] for line in logged(capsys))


def test_the_active_accounts_of_the_organization_are_asked_for_too(queue: Topic, configure: Configure) -> None:
    organizations = boto3.Session().client("organizations")
    organizations.create_organization(FeatureSet="ALL")
    made = organizations.create_account(AccountName="grown", Email="grown@example.com")
    grown = made["CreateAccountStatus"]["AccountId"]
    configure(aws={"accounts_from_organization": True})
    assert initiate() == {"accounts": len({MAIN, SLAVE, *active_accounts(organizations)})}
    assert {"account_id": grown, "account_name": "grown"} in queue.arrived()


def test_what_is_odd_about_the_accounts_is_said_of_all_that_the_organization_has(
    queue: Topic, configure: Configure, capsys: pytest.CaptureFixture[str]
) -> None:
    organizations = boto3.Session().client("organizations")
    organizations.create_organization(FeatureSet="ALL")
    configure(aws={"accounts_from_organization": True}, accounts=[MAIN, "999999999999"])
    initiate()
    said = [line["message"] for line in logged(capsys) if line["level"] == "WARNING"]
    assert len([text for text in said if text.startswith("W-CONFIG-01") and "999999999999" in text]) == 1


# --- identification --------------------------------------------------------------------------------------------


def test_exactly_the_idle_active_keys_become_open_issues(populated: Control, dynamodb: DynamoDBClient) -> None:
    identify()
    found = issues(dynamodb)
    assert {key: issue.status for key, issue in found.items()} == {IDLE: Status.OPEN, UNUSED: Status.OPEN}
    assert found[IDLE].details.username == "alice"
    assert found[IDLE].details.tags == {"owner": "carol"}
    assert found[UNUSED].details.never_used
    assert found[UNUSED].details.last_used == found[UNUSED].details.create_date


def test_two_accounts_keep_their_keys_apart(scanned: Control, dynamodb: DynamoDBClient) -> None:
    now = datetime.now(UTC)
    scanned.populate({MAIN: {"alice": {"keys": [{"id": IDLE, "created_days_ago": 50}]}}}, now)
    scanned.populate({SLAVE: {"alice": {"keys": [{"id": UNUSED, "created_days_ago": 60}]}}}, now)
    identify()
    assert (set(issues(dynamodb)), set(issues(dynamodb, SLAVE))) == ({IDLE}, set())
    identify(SLAVE, "slave1")
    assert (set(issues(dynamodb)), set(issues(dynamodb, SLAVE))) == ({IDLE}, {UNUSED})
    identify()
    assert {issue.status for one in (MAIN, SLAVE) for issue in issues(dynamodb, one).values()} == {Status.OPEN}


def test_a_role_is_assumed_in_another_account_and_not_in_the_main_one(
    scanned: Control, dynamodb: DynamoDBClient, wire: Wire
) -> None:
    identify()
    assert "AssumeRole" not in wire.sent
    identify(SLAVE, "slave1")
    assert wire.sent.count("AssumeRole") == 1


def test_250_users_in_one_account_are_all_scanned(scanned: Control, dynamodb: DynamoDBClient, wire: Wire) -> None:
    users: dict[str, Any] = {f"user{number:03}": {"keys": []} for number in range(249)}
    users["zoe"] = {"keys": [{"id": IDLE, "created_days_ago": 50}]}
    scanned.populate({MAIN: users}, datetime.now(UTC))

    def one_hundred_at_most(request: AWSPreparedRequest) -> None:
        assert "MaxItems=1000" in body_of(request)
        request.body = body_of(request).replace("MaxItems=1000", "MaxItems=0100")

    wire.react("ListUsers", one_hundred_at_most)
    identify()
    assert wire.sent.count("ListUsers") == 3
    assert wire.sent.count("ListAccessKeys") == 250
    assert set(issues(dynamodb)) == {IDLE}


def test_a_scan_that_finds_nothing_new_writes_nothing(
    populated: Control, dynamodb: DynamoDBClient, wire: Wire
) -> None:
    identify()
    before = issues(dynamodb)
    assert WRITES & set(wire.sent)
    wire.sent.clear()
    identify()
    assert "Query" in wire.sent
    assert not WRITES & set(wire.sent)
    assert issues(dynamodb) == before


@pytest.mark.parametrize("operation", ["Query", "ListUsers", "GetAccessKeyLastUsed", "PutItem"])
def test_two_scans_of_one_account_at_once_end_in_the_same_table_as_one(
    populated: Control, dynamodb: DynamoDBClient, wire: Wire, operation: str
) -> None:
    done: list[bool] = []

    def scan_in_between(_request: AWSPreparedRequest) -> None:
        if not done:
            done.append(True)
            identify()

    wire.react(operation, scan_in_between)
    identify()
    at_once = issues(dynamodb)
    assert {key: issue.status for key, issue in at_once.items()} == {IDLE: Status.OPEN, UNUSED: Status.OPEN}
    assert done
    identify()
    assert issues(dynamodb) == at_once


def test_a_scan_that_resolves_and_one_that_ran_in_between_resolve_once(
    populated: Control, dynamodb: DynamoDBClient, wire: Wire
) -> None:
    identify()
    populated.use_key(MAIN, IDLE, datetime.now(UTC))
    done: list[bool] = []

    def scan_in_between(_request: AWSPreparedRequest) -> None:
        if not done:
            done.append(True)
            identify()

    wire.react("UpdateItem", scan_in_between)
    identify()
    assert issues(dynamodb)[IDLE].details.resolution is Resolution.USED
    assert wire.sent.count("UpdateItem") == 2, "the second one found the row changed"


def test_a_large_account_without_a_usable_report_is_listed_in_full_and_says_so_once(
    scanned: Control, dynamodb: DynamoDBClient, wire: Wire, capsys: pytest.CaptureFixture[str]
) -> None:
    users: dict[str, UserSeed] = {f"user{n:03}": {"keys": [], "created_days_ago": 9} for n in range(151)}
    users["user007"] = {"keys": [{"id": IDLE, "created_days_ago": 400}]}
    scanned.populate({MAIN: users}, datetime.now(UTC))
    wire.react("GenerateCredentialReport", lambda _: failure("AccessDenied", 403))
    identify()
    assert set(issues(dynamodb)) == {IDLE}
    (warning,) = [line for line in logged(capsys) if line.get("level") == "WARNING"]
    assert warning["message"].startswith(
        "W-SCAN-01 Every key is listed, which takes longer: Access denied in Account("
    )
    assert warning["account_id"] == MAIN


@pytest.mark.parametrize(
    ("change", "resolution"),
    [("used", Resolution.USED), ("off", Resolution.DEACTIVATED), ("deleted", Resolution.DELETED)],
)
def test_a_key_that_is_used_off_or_gone_is_resolved_and_the_others_stay(
    populated: Control, dynamodb: DynamoDBClient, change: str, resolution: Resolution
) -> None:
    identify()
    iam = boto3.Session().client("iam")
    if change == "used":
        populated.use_key(MAIN, IDLE, datetime.now(UTC) - timedelta(hours=1))
    elif change == "off":
        iam.update_access_key(UserName="alice", AccessKeyId=IDLE, Status="Inactive")
    else:
        iam.delete_access_key(UserName="alice", AccessKeyId=IDLE)
    identify()
    found = issues(dynamodb)
    assert (found[IDLE].status, found[IDLE].details.resolution) == (Status.RESOLVED, resolution)
    assert found[UNUSED].status is Status.OPEN


@pytest.mark.usefixtures("no_backoff")
@pytest.mark.parametrize("operation", ["ListUsers", "ListAccessKeys", "GetAccessKeyLastUsed"])
@pytest.mark.parametrize(("code", "error"), [("AccessDenied", AccessDenied), ("Throttling", AwsCallFailed)])
def test_a_scan_that_is_denied_or_throttled_for_good_raises_and_resolves_nothing(
    populated: Control,
    dynamodb: DynamoDBClient,
    wire: Wire,
    capsys: pytest.CaptureFixture[str],
    operation: str,
    code: str,
    error: type[HammerError],
) -> None:
    identify()
    before = issues(dynamodb)
    # A scan that went through would resolve this one.
    boto3.Session().client("iam").delete_access_key(UserName="alice", AccessKeyId=IDLE)
    populated.fail(MAIN, operation, code)
    wire.sent.clear()
    capsys.readouterr()
    with pytest.raises(error, match=rf"in Account\(id='{MAIN}', name='master'\) \(iam:{operation}[ )]"):
        identify()
    assert not WRITES & set(wire.sent)
    assert issues(dynamodb) == before
    assert [line["message"] for line in logged(capsys) if line.get("level") == "ERROR"] != []


def test_a_role_that_may_not_be_assumed_raises_and_resolves_nothing(
    scanned: Control, dynamodb: DynamoDBClient
) -> None:
    scanned.populate({SLAVE: {"alice": {"keys": [{"id": IDLE, "created_days_ago": 50}]}}}, datetime.now(UTC))
    identify(SLAVE, "slave1")
    before = issues(dynamodb, SLAVE)
    scanned.fail(SLAVE, "AssumeRole", "AccessDenied")
    role = "hammer-cloudsec-crossact-id"
    with pytest.raises(AccessDenied, match=f"Failed to assume role in Account.*role='{role}'.*sts:AssumeRole"):
        identify(SLAVE, "slave1")
    assert issues(dynamodb, SLAVE) == before


@pytest.mark.parametrize(
    ("operation", "content"),
    [
        ("ListUsers", ""),
        ("ListUsers", "<Users/>"),
        ("ListUsers", "<Users>none</Users><IsTruncated>false</IsTruncated>"),
        ("ListUsers", "<Users/><IsTruncated>true</IsTruncated>"),
        ("ListUsers", "<Users/><IsTruncated>no</IsTruncated>"),
        ("ListUsers", "<Users><member/></Users><IsTruncated>false</IsTruncated>"),
        ("ListAccessKeys", ""),
        ("ListAccessKeys", "<AccessKeyMetadata/>"),
        ("ListAccessKeys", "<AccessKeyMetadata>none</AccessKeyMetadata><IsTruncated>false</IsTruncated>"),
        ("ListAccessKeys", "<AccessKeyMetadata/><IsTruncated>true</IsTruncated>"),
        ("ListAccessKeys", "<AccessKeyMetadata><member/></AccessKeyMetadata><IsTruncated>false</IsTruncated>"),
        ("GetAccessKeyLastUsed", ""),
        ("GetAccessKeyLastUsed", "<UserName>alice</UserName><AccessKeyLastUsed/>"),
    ],
)
def test_an_odd_answer_ends_a_scan_that_raises_and_resolves_nothing(
    populated: Control, dynamodb: DynamoDBClient, wire: Wire, operation: str, content: str
) -> None:
    identify()
    before = issues(dynamodb)
    assert any(issue.status is Status.OPEN for issue in before.values())
    result = f"<{operation}Result>{content}</{operation}Result>"
    wire.react(operation, lambda _: answer(200, f"<{operation}Response>{result}</{operation}Response>"))
    with pytest.raises(AwsCallFailed, match=rf"{MAIN}.*iam:{operation}.*not understood"):
        identify()
    assert issues(dynamodb) == before


@pytest.mark.usefixtures("no_backoff")
@pytest.mark.parametrize("operation", ["Query", "PutItem"])
def test_a_table_that_fails_fails_the_scan(populated: Control, wire: Wire, operation: str) -> None:
    wire.react(operation, lambda _: json_failure("InternalServerError", 500))
    with pytest.raises(AwsCallFailed, match=operation):
        identify()


def odd_messages() -> Iterator[str]:
    """No JSON, JSON of another form, and each odd value at each place of the right one."""
    yield from ("", "{}", "[]", '"text"', '{"account_id": "123456789012"}', "{" * 100_000, "[" * 100_000, "9" * 5000)
    right: dict[str, Any] = {"account_id": MAIN, "account_name": "master"}
    for value in odd_values(datetime.now(UTC)):
        yield json.dumps({**right, "account_id": value}, default=repr)
        if value is None or isinstance(value, (int, list, dict)):
            yield json.dumps({**right, "account_name": value}, default=repr)


def test_a_message_that_is_not_understood_raises_and_says_so(wire: Wire, capsys: pytest.CaptureFixture[str]) -> None:
    handler = load(IDENTIFICATION).lambda_handler
    messages = list(odd_messages())
    for text in messages:
        with pytest.raises(HammerError, match="not understood"):
            handler({"Records": [{"Sns": {"Message": text}}]}, Context())
    assert wire.sent == []
    assert len([line for line in logged(capsys) if line["level"] == "ERROR"]) == len(messages) > 70


def test_a_row_that_loses_its_form_during_a_scan_is_named_and_ends_nothing(
    populated: Control, dynamodb: DynamoDBClient, wire: Wire, capsys: pytest.CaptureFixture[str]
) -> None:
    identify()
    populated.use_key(MAIN, IDLE, datetime.now(UTC) - timedelta(days=50))
    capsys.readouterr()

    def spoil(request: AWSPreparedRequest) -> None:
        wire.withdraw("ListUsers")
        dynamodb.update_item(
            TableName=TABLE,
            Key={"account_id": {"S": MAIN}, "issue_id": {"S": IDLE}},
            UpdateExpression="SET issue_details = :odd",
            ExpressionAttributeValues={":odd": {"S": "odd"}},
        )

    wire.react("ListUsers", spoil)
    # What earlier scans saw says that there is nothing to look at.
    dynamodb.delete_item(TableName=state_table_name(TABLE), Key={"id": {"S": f"scan#{MAIN}"}})
    identify()
    lines = logged(capsys)
    errors = [line["message"] for line in lines if line.get("level") == "ERROR"]
    assert len(errors) == 1
    assert f"{MAIN}/{IDLE}" in errors[0]
    assert "Scan is complete" in [line.get("message") for line in lines]


@pytest.mark.parametrize("entry", ["ALICE", IDLE, "*l*"])
def test_what_the_whitelist_names_is_whitelisted_and_opened_when_the_exception_is_taken_away(
    populated: Control, dynamodb: DynamoDBClient, configure: Configure, entry: str
) -> None:
    configure(whitelist={MAIN: [entry]})
    identify()
    assert issues(dynamodb)[IDLE].status is Status.WHITELISTED
    assert issues(dynamodb)[UNUSED].status is Status.OPEN
    configure()
    identify()
    assert {issue.status for issue in issues(dynamodb).values()} == {Status.OPEN}


def test_a_user_with_the_tag_is_whitelisted_and_opened_when_it_is_taken_off(
    populated: Control, dynamodb: DynamoDBClient
) -> None:
    iam = boto3.client("iam")
    iam.tag_user(UserName="alice", Tags=[{"Key": "hammer", "Value": "Never"}])
    identify()
    found = issues(dynamodb)[IDLE]
    assert found.status is Status.WHITELISTED
    assert found.history[-1]["why"].endswith("; the user's tag 'hammer: never' covers it")
    iam.untag_user(UserName="alice", TagKeys=["hammer"])
    # They are read once a day.
    state = state_table_name(TABLE)
    dynamodb.update_item(TableName=state, Key={"id": {"S": f"scan#{MAIN}"}}, UpdateExpression="REMOVE tags_read")
    # One scan reads the tags, the next one decides by them.
    for _ in range(2):
        identify()
    assert issues(dynamodb)[IDLE].status is Status.OPEN


def test_a_broken_whitelist_stops_the_scan(populated: Control, dynamodb: DynamoDBClient, tmp_path: Path) -> None:
    (tmp_path / "whitelist.json").write_text("{")
    with pytest.raises(ConfigurationError):
        identify()
    assert issues(dynamodb) == {}


# --- logs and metrics ------------------------------------------------------------------------------------------


def test_every_decision_on_a_key_is_one_line_with_account_user_key_verdict_and_reason(
    populated: Control, capsys: pytest.CaptureFixture[str]
) -> None:
    identify()
    lines = [line for line in logged(capsys) if "key" in line]
    assert {line["key"]: (line["account_id"], line["user"], line["verdict"], line["reason"]) for line in lines} == {
        IDLE: (MAIN, "alice", "open", "last used 100 days ago, more than 10"),
        UNUSED: (MAIN, "bob", "open", "never used, created 50 days ago, more than 10"),
        FRESH: (MAIN, "alice", "in use", "last used 2 days ago"),
        OFF: (MAIN, "bob", "off", "status Inactive"),
    }
    assert len(lines) == 4
    assert {line["level"] for line in lines} == {"INFO"}


def test_the_embedded_metrics_are_there_per_account(populated: Control, capsys: pytest.CaptureFixture[str]) -> None:
    identify()
    metrics = [line for line in logged(capsys) if "_aws" in line]
    assert len(metrics) == 1
    definition = metrics[0]["_aws"]["CloudWatchMetrics"][0]
    assert definition["Namespace"] == "Hammer"
    assert definition["Dimensions"] == [["service"]], "a metric for each account would cost more than all the rest"
    assert metrics[0]["account_id"] == MAIN
    values = {metric["Name"]: metrics[0][metric["Name"]] for metric in definition["Metrics"]}
    assert values.pop("duration")[0] > 0
    # Two for the report, once ListUsers, twice ListAccessKeys, three times GetAccessKeyLastUsed, twice ListUserTags.
    assert values == {
        "users": [2.0],
        "users_not_asked": [0.0],
        "keys": [4.0],
        "idle_keys": [2.0],
        "opened": [2.0],
        "resolved": [0.0],
        "oldest_open_issue_days": [0.0],
        "api_calls": [10.0],
    }


def test_a_scan_is_summed_up_in_one_line_of_its_account(
    populated: Control, capsys: pytest.CaptureFixture[str]
) -> None:
    identify()
    (line,) = [line for line in logged(capsys) if line.get("message") == "Scan is complete"]
    assert line["duration"] > 0
    assert (line["account_id"], line["account_name"], line["idle_keys"], line["opened"]) == (MAIN, "master", 2, 2)


def test_resolved_issues_are_counted(populated: Control, capsys: pytest.CaptureFixture[str]) -> None:
    identify()
    boto3.Session().client("iam").delete_access_key(UserName="alice", AccessKeyId=IDLE)
    capsys.readouterr()
    identify()
    metrics = next(line for line in logged(capsys) if "_aws" in line)
    assert (metrics["opened"], metrics["resolved"]) == ([0.0], [1.0])


def test_the_oldest_open_issue_is_counted_from_its_identification(populated: Control) -> None:
    module, now = load(IDENTIFICATION), datetime.now(UTC)
    assert module.identify(MAIN, "master", now - timedelta(days=3)).oldest_open_issue_days == 0
    assert module.identify(MAIN, "master", now).oldest_open_issue_days == 3
    populated.use_key(MAIN, IDLE, now)
    populated.use_key(MAIN, UNUSED, now)
    assert module.identify(MAIN, "master", now).oldest_open_issue_days == 0


@pytest.mark.parametrize("handler", [INITIATION, IDENTIFICATION])
def test_a_handler_imports_neither_jira_nor_slack_nor_what_is_the_hosts(handler: str) -> None:
    code = (
        f"import sys; sys.path[:0] = [{str(HANDLERS)!r}, {str(REPOSITORY)!r}]; import {handler}; "
        "print(*sys.modules, *{name.partition('.')[0] for name in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "boto3" in loaded
    assert not loaded & {"jira", "slack_sdk", "watchtower", "click", "rich", "library.cli.run"}
