"""Answers of AWS from which parts are missing that its own service models do not require: no adapter crashes on one.

Each adapter gets complete answers, then the same without one such part, for each part, and without all of them. It
ends well, or in an error of ours that names the call and where it was made. Which parts it cannot do without is
written down here, so that none is ever read as if it were always there.
"""

from __future__ import annotations

import json
from base64 import b64encode
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import boto3
import botocore.session
import pytest

from library.aws import caller, iam_keys, organizations, permissions, report_request, secrets, sns
from library.aws.credential_report import SLOT_COLUMNS, SLOTS
from library.aws.iam_clients import IamClients
from library.aws.iam_scan import list_access_keys
from library.aws.issues_table import IssuesTable
from library.aws.key_switch import KeySwitch
from library.aws.report_request import ReportRequest, usable
from library.aws.sessions import Account, AccountAccess
from library.aws.state_table import StateTable
from library.errors import AwsCallFailed, HammerError
from library.issues import steps
from library.issues.account_state import AccountState
from library.issues.record import Resolution
from library.issues.row import to_item
from library.issues.scan_watch import Watch
from tests.builders import ACCOUNT, NOW, a_key, an_issue, details
from tests.wire import STATE, answer
from tests.world import TABLE, table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from botocore.awsrequest import AWSPreparedRequest, AWSResponse
    from botocore.model import Shape

    from tests.wire import Wire

OTHER = "210987654321"
KEY = "AKIAALICE0000000001A"
ARN = "arn:aws:iam::123456789012:user/alice"
TIME = "2025-10-19T00:00:00Z"
COLUMNS = ["user", "user_creation_time", *(f"{slot}_{column}" for slot in SLOTS for column in SLOT_COLUMNS)]

_CREDENTIALS = {"AccessKeyId": "ASIA0", "SecretAccessKey": "x", "SessionToken": "y", "Expiration": TIME}
_ROW = table.serialized(to_item(an_issue()))
_STATE = table.serialized({"id": f"scan#{ACCOUNT}", "scanned": TIME, "version": "1"})

COMPLETE: dict[tuple[str, str], dict[str, Any]] = {
    ("iam", "ListUsers"): {
        "Users": [{"Path": "/", "UserName": "alice", "UserId": "AIDA0", "Arn": ARN, "CreateDate": TIME}],
        "IsTruncated": "false",
    },
    ("iam", "ListAccessKeys"): {
        "AccessKeyMetadata": [{"UserName": "alice", "AccessKeyId": KEY, "Status": "Active", "CreateDate": TIME}],
        "IsTruncated": "false",
    },
    ("iam", "GetAccessKeyLastUsed"): {
        "UserName": "alice",
        "AccessKeyLastUsed": {"LastUsedDate": TIME, "ServiceName": "s3", "Region": "eu-west-1"},
    },
    ("iam", "ListUserTags"): {"Tags": [{"Key": "owner", "Value": "bob"}], "IsTruncated": "false"},
    ("iam", "UpdateAccessKey"): {},
    ("iam", "GenerateCredentialReport"): {"State": "COMPLETE", "Description": "done"},
    ("iam", "GetCredentialReport"): {
        "Content": b64encode(",".join(COLUMNS).encode()).decode(),
        "ReportFormat": "text/csv",
        "GeneratedTime": "2026-11-23T11:00:00Z",
    },
    ("sts", "AssumeRole"): {
        "Credentials": _CREDENTIALS,
        "AssumedRoleUser": {"AssumedRoleId": "AROA0:x", "Arn": "arn:aws:sts::210987654321:assumed-role/audit/x"},
    },
    ("sts", "GetCallerIdentity"): {"UserId": "AIDA0", "Account": ACCOUNT, "Arn": ARN},
    ("organizations", "ListAccounts"): {
        "Accounts": [
            {"Id": OTHER, "Arn": ARN, "Email": "a@b.c", "Name": "slave1", "Status": "ACTIVE", "State": "ACTIVE"}
        ]
    },
    ("sns", "PublishBatch"): {
        "Successful": [{"Id": "0", "MessageId": "m0"}],
        "Failed": [{"Id": "1", "Code": "InternalError", "Message": "later", "SenderFault": "false"}],
    },
    ("secretsmanager", "GetSecretValue"): {
        "ARN": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:s",
        "Name": "s",
        "VersionId": "0" * 32,
        "SecretString": json.dumps({"slack": {"api_token": "xoxb-1"}}),
    },
    ("dynamodb", "Query"): {"Items": [_ROW], "Count": 1, "ScannedCount": 1},
    ("dynamodb", "GetItem"): {"Item": _STATE},
    ("dynamodb", "BatchGetItem"): {"Responses": {STATE: [_STATE]}, "UnprocessedKeys": {}},
    ("dynamodb", "PutItem"): {},
    ("dynamodb", "UpdateItem"): {},
}


@dataclass(frozen=True)
class Use:
    """One use of an adapter; `where` is what its errors name, `needs` are the parts that it cannot do without."""

    name: str
    run: Callable[[], object]
    where: str
    needs: frozenset[str] = frozenset()


def iam() -> IamClients:
    return IamClients(Account(ACCOUNT, "master"), partial(boto3.Session().client, "iam"))


def issues() -> IssuesTable:
    return IssuesTable(boto3.client("dynamodb"), TABLE, lambda: NOW)


def states() -> StateTable:
    return StateTable(boto3.client("dynamodb"), STATE, lambda _sentence: None)


def report() -> None:
    _, problem = usable(ReportRequest(iam(), lambda _: False, NOW))
    if problem:
        raise HammerError(problem)


def publish() -> None:
    sent = [{"account_id": "0"}, {"account_id": "1"}]
    failed = sns.publish(boto3.client("sns"), "arn:aws:sns:eu-west-1:123456789012:topic", sent)
    # The one that SNS has taken; nobody said so of the other.
    if cause := {message["account_id"]: cause for message, cause in failed}.get("0"):
        raise HammerError(cause)


ACCESS = AccountAccess("eu-west-1", "aws", ACCOUNT, "audit")
LISTED = {f"ListAccessKeys: AccessKeyMetadata.{name}" for name in ("AccessKeyId", "Status", "CreateDate")}
LAST_USE = {"GetAccessKeyLastUsed: AccessKeyLastUsed"}

USES = [
    Use("users", lambda: iam_keys.list_users(iam()), ACCOUNT),
    Use("keys of a user", lambda: iam_keys.keys_of_user(iam(), "alice", "AIDA0"), ACCOUNT, frozenset(LISTED)),
    Use("last use", lambda: iam_keys.with_last_use(iam(), a_key()), ACCOUNT, frozenset(LAST_USE)),
    Use("one key", lambda: iam_keys.find_access_key(iam(), KEY, "alice"), ACCOUNT, frozenset(LISTED | LAST_USE)),
    Use(
        "renamed user",
        lambda: iam_keys.find_access_key(iam(), "AKIABOB0000000000001", "alice"),
        ACCOUNT,
        frozenset({*LISTED, "GetAccessKeyLastUsed: UserName"}),
    ),
    Use("switch", lambda: iam_keys.set_status(iam(), a_key(key_id=KEY), "Active"), ACCOUNT, frozenset(LISTED)),
    Use("tags", lambda: iam_keys.user_tags(iam(), "alice"), ACCOUNT),
    Use("listing", lambda: list_access_keys(iam(), lambda _: True), ACCOUNT, frozenset(LISTED | LAST_USE)),
    Use(
        "credential report",
        report,
        "",
        frozenset({"GetCredentialReport: Content", "GetCredentialReport: GeneratedTime"}),
    ),
    Use(
        "role",
        lambda: ACCESS.session_in(ACCESS.account_of(OTHER, "slave1"), "test"),
        OTHER,
        frozenset({"AssumeRole: Credentials"}),
    ),
    Use(
        "caller",
        caller.signed_in,
        "sts:GetCallerIdentity",
        frozenset({"GetCallerIdentity: Account", "GetCallerIdentity: Arn"}),
    ),
    Use(
        "identity",
        lambda: KeySwitch(ACCESS, {}).identity,
        "who runs this",
        frozenset({"GetCallerIdentity: Arn"}),
    ),
    Use(
        "organization",
        lambda: organizations.active_accounts(boto3.client("organizations")),
        "organization",
        frozenset({"ListAccounts: Accounts.Id"}),
    ),
    Use("topic", publish, "", frozenset({"PublishBatch: Successful", "PublishBatch: Successful.Id"})),
    Use(
        "secret",
        lambda: secrets.fetch_credentials(
            boto3.client("secretsmanager"), "s", jira=None, slack="https://slack.com/api/"
        ),
        "Secret 's'",
        frozenset({"GetSecretValue: SecretString"}),
    ),
    Use("issues", lambda: list(issues().of_account(ACCOUNT)), "", frozenset({"Query: Items"})),
    Use(
        "new issue",
        lambda: issues().step(ACCOUNT, KEY, None, lambda _: steps.found(ACCOUNT, KEY, details(), None, NOW)),
        TABLE,
    ),
    Use(
        "changed issue",
        lambda: issues().change(an_issue(), lambda issue: steps.resolved(issue, Resolution.USED, NOW)),
        TABLE,
    ),
    Use("state", lambda: states().of_account(ACCOUNT, NOW), STATE),
    Use(
        "states",
        lambda: states().of_accounts([ACCOUNT], NOW),
        STATE,
        frozenset(
            {"BatchGetItem: Responses", *(f"BatchGetItem: Responses.{STATE}.{name}" for name in ("id", "id.S"))}
        ),
    ),
    Use(
        "changed state",
        lambda: states().change(ACCOUNT, AccountState(), lambda state: state.failed("x", NOW), NOW),
        STATE,
    ),
    Use("watch", lambda: states().watch(NOW), STATE),
    Use("kept watch", lambda: states().keep_watch(Watch()), STATE),
    Use("check of a scan", lambda: permissions.of_identification(ACCESS, TABLE, OTHER, "slave1"), ""),
    Use("check of remediation", lambda: permissions.of_remediation(ACCESS, OTHER, "slave1", ["alice"]), ""),
    Use("check of the table", lambda: permissions.of_table(ACCESS, TABLE), ""),
    Use("check of the state", lambda: permissions.of_state(ACCESS, TABLE), ""),
]
NOT_OF_AWS = [
    (200, ""),
    (200, "{}"),
    (200, "<html><body>Sign in"),
    (403, "<html><body>Blocked"),
    (200, "<html><body>Sign in</body></html>"),
    (403, "<html><body>Blocked</body></html>"),
    (200, "<x/>"),
    (200, "[]"),
    (200, "null"),
    (200, '"text"'),
    (403, "{}"),
    (400, "<ErrorResponse><Error><Message>no code</Message></Error></ErrorResponse>"),
]
TIMES = ("CreateDate", "LastUsedDate", "GeneratedTime", "Expiration")
Path = tuple[str | int, ...]


def optional(shape: Shape, value: Any, path: Path = ()) -> Iterator[Path]:
    """The parts of an answer that the model does not require; of a list, those of its first element."""
    if shape.type_name == "structure" and not shape.is_tagged_union:  # type: ignore[attr-defined]
        for name, part in value.items():
            if name not in shape.required_members:
                yield (*path, name)
            yield from optional(shape.members[name], part, (*path, name))  # type: ignore[attr-defined]
    elif shape.type_name == "map":
        for name, part in value.items():
            yield (*path, name)
            yield from optional(shape.value, part, (*path, name))  # type: ignore[attr-defined]
    elif shape.type_name == "list" and value:
        yield from optional(shape.member, value[0], (*path, 0))  # type: ignore[attr-defined]


def _name(operation: str, part: Path) -> str:
    return f"{operation}: {'.'.join(str(step) for step in part if step != 0)}"


def without(complete: Any, left_out: list[Path]) -> Any:
    rest = deepcopy(complete)
    for path in sorted(left_out, key=len, reverse=True):
        place = rest
        for step in path[:-1]:
            place = place[step]
        del place[path[-1]]
    return rest


def xml(value: Any) -> str:
    if isinstance(value, dict):
        return "".join(f"<{name}>{xml(part)}</{name}>" for name, part in value.items())
    if isinstance(value, list):
        return "".join(f"<member>{xml(part)}</member>" for part in value)
    return str(value)


def body(service: str, operation: str, content: Any) -> str:
    if service in ("iam", "sts", "sns"):
        return f"<{operation}Response><{operation}Result>{xml(content)}</{operation}Result></{operation}Response>"
    return json.dumps(content)


class Answers:
    """What AWS answers: complete, unless it was told otherwise."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self.instead: dict[tuple[str, str], tuple[int, str]] = {}
        for service, operation in COMPLETE:
            for prefix in ("", "StateTable."):
                wire.react(f"{prefix}{operation}", partial(self._answer, (service, operation)))

    def _answer(self, what: tuple[str, str], request: AWSPreparedRequest) -> AWSResponse:
        status, text = self.instead.get(what, (200, ""))
        content = COMPLETE[what]
        if what == ("dynamodb", "GetItem") and what not in self.instead and STATE not in str(request.body):
            content = {"Item": _ROW}
        return answer(status, text if what in self.instead else body(*what, content))

    def asked_by(self, run: Callable[[], object]) -> list[tuple[str, str]]:
        """What a use asks for when every answer is complete."""
        self._wire.sent.clear()
        run()
        return [what for what in COMPLETE if {what[1], f"StateTable.{what[1]}"} & set(self._wire.sent)]


@pytest.fixture
def answers(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> Answers:
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    monkeypatch.setattr(report_request, "REPORT_PAUSES", (0.0,))
    return Answers(wire)


def error_of(use: Use) -> HammerError | None:
    try:
        use.run()
    except HammerError as error:
        return error
    return None


@pytest.mark.parametrize("use", USES, ids=lambda use: use.name)
def test_no_part_is_read_as_if_it_were_always_there_that_aws_does_not_require(use: Use, answers: Answers) -> None:
    asked, needed = answers.asked_by(use.run), set()
    assert asked
    for service, operation in asked:
        shape = botocore.session.get_session().get_service_model(service).operation_model(operation).output_shape
        parts = list(optional(shape, COMPLETE[service, operation])) if shape is not None else []
        for left_out in [*([part] for part in parts), parts]:
            content = without(COMPLETE[service, operation], left_out)
            answers.instead = {(service, operation): (200, body(service, operation, content))}
            error = error_of(use)
            if error is not None:
                assert use.where in str(error)
                assert not isinstance(error, AwsCallFailed) or f":{operation}" in str(error)
                needed |= {_name(operation, part) for part in left_out if len(left_out) == 1}
        answers.instead = {}
    # What a row lacks, the tests of rows try.
    assert {part for part in needed if not part.startswith("Query: Items.")} == use.needs


@pytest.mark.usefixtures("no_backoff")
@pytest.mark.parametrize("use", USES, ids=lambda use: use.name)
def test_an_answer_that_is_none_of_aws_is_an_error_of_ours_that_says_where(use: Use, answers: Answers) -> None:
    for what in answers.asked_by(use.run):
        for status, text in NOT_OF_AWS:
            answers.instead = {what: (status, text)}
            error = error_of(use)
            assert error is None or use.where in str(error)
        answers.instead = {}


def parts_of(value: Any, path: Path = ()) -> Iterator[Path]:
    """Every part of an answer; of a list, those of its first element."""
    if isinstance(value, dict):
        for name, part in value.items():
            yield (*path, name)
            yield from parts_of(part, (*path, name))
    elif isinstance(value, list) and value:
        yield from parts_of(value[0], (*path, 0))


@pytest.mark.usefixtures("no_backoff")
@pytest.mark.parametrize("use", USES, ids=lambda use: use.name)
def test_a_time_that_is_none_is_an_error_of_ours_that_says_where(use: Use, answers: Answers) -> None:
    for service, operation in answers.asked_by(use.run):
        for path in parts_of(COMPLETE[service, operation]):
            if service == "dynamodb" or path[-1] not in TIMES:
                continue
            content: Any = deepcopy(COMPLETE[service, operation])
            place = content
            for step in path[:-1]:
                place = place[step]
            place[path[-1]] = "soon"
            answers.instead = {(service, operation): (200, body(service, operation, content))}
            error = error_of(use)
            assert error is None or (use.where in str(error) and "soon" in str(error))
        answers.instead = {}


def test_a_message_counts_as_taken_when_the_topic_has_said_so(answers: Answers) -> None:
    sent = [{"account_id": str(number)} for number in range(3)]
    failed = sns.publish(boto3.client("sns"), "arn:aws:sns:eu-west-1:123456789012:topic", sent)
    assert failed == [
        (sent[1], "InternalError: later"),
        (sent[2], "AWS's answer (sns:PublishBatch) does not say that it was taken"),
    ]
