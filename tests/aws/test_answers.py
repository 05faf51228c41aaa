"""Odd answers of AWS: no adapter crashes on one, and none is taken for "there is nothing".

Each adapter gets complete answers, then the same with one member that it reads missing or of another kind, for each
member and each kind. Then it ends in an error of ours, which names the call, the member and where it was made, and
says nothing of what the answer holds.
"""

from __future__ import annotations

import json
import traceback
from base64 import b64encode
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import boto3
import pytest
from botocore.parsers import ResponseParserError
from botocore.session import get_session
from botocore.stub import Stubber

from library.aws import caller, iam_keys, organizations, permissions, report_request, root_keys, secrets, sns
from library.aws.answers import READ
from library.aws.credential_report import SLOT_COLUMNS, SLOTS
from library.aws.iam_clients import IamClients
from library.aws.iam_scan import list_access_keys
from library.aws.issues_table import IssuesTable
from library.aws.key_switch import KeySwitch
from library.aws.lease import Holder, Lease
from library.aws.report_request import ReportRequest, usable
from library.aws.sessions import Account, AccountAccess
from library.aws.state_table import StateTable
from library.errors import HammerError
from library.issues import steps
from library.issues.account_state import AccountState
from library.issues.record import Resolution
from library.issues.row import to_item
from library.issues.scan_watch import Watch
from tests.builders import ACCOUNT, NOW, a_key, an_issue, details, long_closed
from tests.wire import STATE, answer
from tests.world import TABLE, table

if TYPE_CHECKING:
    from collections.abc import Callable

    from botocore.awsrequest import AWSPreparedRequest, AWSResponse

    from tests.wire import Wire

_T = TypeVar("_T")
OTHER = "210987654321"
HOLDER = Holder("reporting", "root", "ip-10-0-0-7", 4711, NOW)
KEY = "AKIAALICE0000000001A"
ARN = "arn:aws:iam::123456789012:user/alice"
TIME = "2025-10-19T00:00:00Z"
COLUMNS = ["user", "user_creation_time", *(f"{slot}_{column}" for slot in SLOTS for column in SLOT_COLUMNS)]

_CREDENTIALS = {"AccessKeyId": "ASIA0", "SecretAccessKey": "x", "SessionToken": "y", "Expiration": TIME}
_ROW = table.serialized(to_item(an_issue()))
_CLOSED = table.serialized(to_item(long_closed()))
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
    ("iam", "GetAccountSummary"): {"SummaryMap": {"entry": {"key": "AccountAccessKeysPresent", "value": 0}}},
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
    ("dynamodb", "DeleteItem"): {},
    ("dynamodb", "TransactWriteItems"): {},
}


@dataclass(frozen=True)
class Use:
    """One use of an adapter; `where` is what its errors name beside the call."""

    name: str
    run: Callable[[], object]
    where: str
    costly: bool = False
    """Whether it has many clients made, and others do the same with what it reads: then less is tried."""

    def tries(self, of: list[_T]) -> list[_T]:
        return of[:2] if self.costly else of


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


def summary() -> None:
    if root_keys.in_summary(iam()) is None:
        # It is not said why.
        raise HammerError("iam:GetAccountSummary: SummaryMap")


def none_refused(refusals: list[permissions.Refusal]) -> None:
    if refusals:
        raise HammerError("; ".join(f"{refusal.call}: {refusal.said}" for refusal in refusals))


ACCESS = AccountAccess("eu-west-1", "aws", ACCOUNT, "audit")

USES = [
    Use("users", lambda: iam_keys.list_users(iam()), ACCOUNT),
    Use("keys of a user", lambda: iam_keys.keys_of_user(iam(), "alice", "AIDA0"), ACCOUNT),
    Use("last use", lambda: iam_keys.with_last_use(iam(), a_key()), ACCOUNT),
    Use("one key", lambda: iam_keys.find_access_key(iam(), KEY, "alice"), ACCOUNT, costly=True),
    Use(
        "renamed user", lambda: iam_keys.find_access_key(iam(), "AKIABOB0000000000001", "alice"), ACCOUNT, costly=True
    ),
    Use("switch", lambda: iam_keys.set_status(iam(), a_key(key_id=KEY), "Active"), ACCOUNT, costly=True),
    Use("tags", lambda: iam_keys.user_tags(iam(), "alice"), ACCOUNT),
    Use("listing", lambda: list_access_keys(iam(), lambda _: True), ACCOUNT, costly=True),
    Use("credential report", report, ACCOUNT),
    Use("root keys", summary, ""),
    Use("role", lambda: ACCESS.session_in(ACCESS.account_of(OTHER, "slave1"), "test"), OTHER),
    Use("caller", caller.signed_in, ""),
    Use("identity", lambda: KeySwitch(ACCESS, {}).identity, "who runs this"),
    Use("organization", lambda: organizations.active_accounts(boto3.client("organizations")), "organization"),
    Use("topic", publish, ""),
    Use(
        "secret",
        lambda: secrets.fetch_credentials(
            boto3.client("secretsmanager"), "s", jira=None, slack="https://slack.com/api/"
        ),
        "Secret 's'",
    ),
    Use("issues", lambda: list(issues().of_account(ACCOUNT)), TABLE),
    Use("archive", lambda: issues().archive(long_closed(), NOW), TABLE),
    Use("look for an archive", lambda: issues().has_archive(ACCOUNT), TABLE),
    Use("issue", lambda: issues().get(ACCOUNT, KEY), TABLE),
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
    Use("states", lambda: states().of_accounts([ACCOUNT], NOW), STATE),
    Use(
        "changed state",
        lambda: states().change(ACCOUNT, AccountState(), lambda state: state.failed("x", NOW), NOW),
        STATE,
    ),
    Use("watch", lambda: states().watch(NOW), STATE),
    Use("kept watch", lambda: states().keep_watch(Watch()), STATE),
    Use("lease", lambda: Lease(boto3.client("dynamodb"), STATE, HOLDER).take(), STATE),
    Use(
        "check of a scan",
        lambda: none_refused(permissions.of_identification(ACCESS, TABLE, OTHER, "slave1")),
        "",
        costly=True,
    ),
    Use(
        "check of remediation",
        lambda: none_refused(permissions.of_remediation(ACCESS, OTHER, "slave1", ["alice"])),
        "",
        costly=True,
    ),
    Use("check of the table", lambda: none_refused(permissions.of_table(ACCESS, TABLE)), "", costly=True),
    Use("check of the state", lambda: none_refused(permissions.of_state(ACCESS, TABLE)), "", costly=True),
]
NOT_OF_AWS = [
    (200, ""),
    (200, "<html><body>Sign in"),
    (200, "{}"),
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
REFUSALS = {
    "query": [
        f"<ErrorResponse><Error><Code>{code}</Code><Message>{said}</Message></Error></ErrorResponse>"
        for code in ("", "<a>b</a>", "AccessDenied</Code><Code>AccessDenied", "AccessDenied")
        for said in ("", "<a>b</a>", "no</Message><Message>no")
    ]
    + ["<ErrorResponse/>", "<ErrorResponse><Error>no</Error></ErrorResponse>", "<Error/>", "<Errors>no</Errors>"],
    "json": [
        json.dumps({"__type": code, "message": said})
        for code in (None, "", 7, ["a"], {"a": "b"}, "AccessDeniedException", "ConditionalCheckFailedException")
        for said in (None, "", 7, ["a"], {"a": "b"})
    ]
    + [
        json.dumps({"__type": "ConditionalCheckFailedException", "Item": item})
        for item in (None, "", 7, ["a"], {}, {"run": None}, {"run": 7}, {"run": {"S": 7}}, {"run": {"N": "x"}})
    ],
}
ODD_TOKENS: list[Any] = ["", 7, [], ["a"], {}, {"a": 1}]
ODD_TABLES: list[Any] = [{}, {STATE: ""}, {"x": []}]
MISSING: Any = object()
TWICE: Any = object()
SECRET = "soon-to-be-known"
KINDS: dict[str, list[Any]] = {
    "query": [MISSING, "", SECRET, 7, [{"a": "b"}], {"a": "b"}, TWICE],
    "json": [MISSING, None, "", SECRET, 7, 1.5, True, [], ["a"], [None], [7], [{"a": "b"}], {}, {"a": "b"}],
}
"""What may be in the place of a member; in XML everything is a text, and so are numbers."""
FITS: dict[tuple[str, str], list[Any]] = {
    ("query", "string"): [SECRET, 7],
    ("query", "blob"): [SECRET, 7],
    ("query", "timestamp"): [7],
    ("query", "list"): [""],
    # Of what is there twice, the first counts.
    ("query", "structure"): [TWICE],
    ("query", "boolean"): [TWICE],
    ("json", "string"): [SECRET],
    ("json", "list"): [[]],
}
EMPTY: dict[tuple[str, str], list[Any]] = {
    # botocore leaves out what is inside a text.
    ("query", "string"): ["", [{"a": "b"}], {"a": "b"}],
    ("json", "string"): [""],
    ("query", "map"): ["", SECRET, 7],
    ("json", "map"): [{}],
}
CLOSED = ("Status", "Arn")
"""Texts that are one of a few, or of a certain form."""
Path = tuple[str | int, ...]


class Twice:
    """An element of XML that is there twice."""

    def __init__(self, content: Any) -> None:
        self.content = content


def xml(value: Any) -> str:
    if isinstance(value, dict):
        elements = [
            (name, part.content, 2) if isinstance(part, Twice) else (name, part, 1) for name, part in value.items()
        ]
        return "".join(f"<{name}>{xml(part)}</{name}>" * times for name, part, times in elements)
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
            content = {"Item": _CLOSED}
        return answer(status, text if what in self.instead else body(*what, content))

    def asked_by(self, run: Callable[[], object]) -> list[tuple[str, str]]:
        """What a use asks for when every answer is complete."""
        self._wire.sent.clear()
        run()
        return [what for what in COMPLETE if {what[1], f"StateTable.{what[1]}"} & set(self._wire.sent)]


@pytest.fixture
def answers(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> Answers:
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    monkeypatch.setattr(iam_keys, "READ_BACK_PAUSES", ())
    monkeypatch.setattr(report_request, "REPORT_PAUSES", (0.0,))
    return Answers(wire)


def error_of(use: Use) -> HammerError | None:
    try:
        use.run()
    except HammerError as error:
        return error
    return None


@dataclass(frozen=True)
class Member:
    """A member that is read of an answer: where in a complete one, and what the list of members says of it."""

    path: Path
    kind: str
    optional: bool
    may_be_empty: bool

    @property
    def name(self) -> str:
        return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in self.path).lstrip(".")


def protocol(service: str) -> str:
    return "json" if service in ("dynamodb", "organizations", "secretsmanager") else "query"


def members(service: str, operation: str) -> list[Member]:
    """Every member that is read of the answers to an operation, its parents too, as far as a complete one has it."""
    found: dict[Path, Member] = {}
    for read in READ.get((service, operation), ()):
        shape: Any = get_session().get_service_model(service).operation_model(operation).output_shape
        place: Any = COMPLETE[service, operation]
        path: Path = ()
        for part in read.split("."):
            if shape.type_name == "list":
                path, shape, place = (*path, 0), shape.member, place[0]
            name = part.rstrip("?~")
            if name not in place:
                break
            path, shape, place = (*path, name), shape.members[name], place[name]
            found[path] = Member(path, shape.type_name, "?" in part, "~" in part)
    return list(found.values())


def changed(complete: Any, path: Path, value: Any) -> Any:
    """A complete answer with something else at this place."""
    content = deepcopy(complete)
    place = content
    for step in path[:-1]:
        place = place[step]
    if value is MISSING:
        del place[path[-1]]
    else:
        place[path[-1]] = Twice(place[path[-1]]) if value is TWICE else value
    return content


def fits(service: str, member: Member, value: Any) -> bool:
    """Whether AWS may well answer so."""
    if value is MISSING or value is None:
        return member.optional
    if member.path[-1] in CLOSED and service in ("iam", "sts"):
        return False
    if member.may_be_empty and value in EMPTY[protocol(service), member.kind]:
        return True
    return value in FITS.get((protocol(service), member.kind), [])


@pytest.mark.usefixtures("no_backoff")
@pytest.mark.parametrize("use", USES, ids=lambda use: use.name)
def test_an_answer_with_an_odd_member_is_an_error_that_names_the_call_and_the_member(
    use: Use, answers: Answers
) -> None:
    asked = answers.asked_by(use.run)
    assert asked
    for service, operation in asked:
        for member in members(service, operation):
            for value in use.tries(KINDS[protocol(service)]):
                content = changed(COMPLETE[service, operation], member.path, value)
                answers.instead = {(service, operation): (200, body(service, operation, content))}
                error = error_of(use)
                if fits(service, member, value):
                    continue
                said = f"{operation} {member.name} {value!r}: {error}"
                assert error is not None, said
                assert use.where in str(error), said
                assert f"{service}:{operation}" in str(error), said
                assert str(member.path[-1]) in str(error) or "not understood" in str(error), said
                assert SECRET not in str(error) or member.kind == "timestamp", said
    answers.instead = {}


def test_every_answer_that_is_read_is_tried(answers: Answers) -> None:
    assert {what for use in USES for what in answers.asked_by(use.run)} >= set(READ)


@pytest.mark.usefixtures("no_backoff")
@pytest.mark.parametrize("use", USES, ids=lambda use: use.name)
def test_an_answer_that_is_none_of_aws_is_an_error_of_ours_that_says_where(use: Use, answers: Answers) -> None:
    for what in answers.asked_by(use.run):
        for status, text in use.tries(NOT_OF_AWS):
            answers.instead = {what: (status, text)}
            error = error_of(use)
            assert error is None or use.where in str(error)
            # Nothing is read of the answer to UpdateAccessKey: whether it took effect is looked up.
            if status == 200 and text != "{}" and what[1] != "UpdateAccessKey":
                assert error is not None, (what, text)
        answers.instead = {}


@pytest.mark.usefixtures("no_backoff")
@pytest.mark.parametrize("use", USES, ids=lambda use: use.name)
def test_a_refusal_in_odd_words_is_an_error_of_ours(use: Use, answers: Answers) -> None:
    for what in answers.asked_by(use.run):
        for text in use.tries(REFUSALS[protocol(what[0])]):
            answers.instead = {what: (400, text)}
            error_of(use)
        answers.instead = {}


@pytest.mark.parametrize(
    ("name", "what", "odd"),
    [
        ("users", ("iam", "ListUsers"), {"IsTruncated": "true"}),
        ("users", ("iam", "ListUsers"), {"IsTruncated": "true", "Marker": ""}),
        ("users", ("iam", "ListUsers"), {"IsTruncated": "TRUE", "Marker": "next"}),
        ("keys of a user", ("iam", "ListAccessKeys"), {"IsTruncated": "true"}),
        ("tags", ("iam", "ListUserTags"), {"IsTruncated": "true"}),
        *(("organization", ("organizations", "ListAccounts"), {"NextToken": odd}) for odd in ODD_TOKENS),
        ("organization", ("organizations", "ListAccounts"), {"Accounts": []}),
        *(("issues", ("dynamodb", "Query"), {"LastEvaluatedKey": odd}) for odd in ODD_TOKENS),
        *(("states", ("dynamodb", "BatchGetItem"), {"Responses": odd}) for odd in ODD_TABLES),
        ("states", ("dynamodb", "BatchGetItem"), {"Responses": {STATE: [{"id": {"N": "1"}}]}}),
        ("states", ("dynamodb", "BatchGetItem"), {"Responses": {STATE: [{}]}}),
    ],
)
def test_an_odd_end_of_a_listing_is_not_its_end(
    name: str, what: tuple[str, str], odd: dict[str, Any], answers: Answers
) -> None:
    answers.instead = {what: (200, body(*what, {**COMPLETE[what], **odd}))}
    (use,) = (use for use in USES if use.name == name)
    assert ":".join(what) in str(error_of(use))


def test_an_answer_that_is_cut_off_is_not_told_with_the_keys_in_it(answers: Answers) -> None:
    what = ("sts", "AssumeRole")
    answers.instead = {what: (200, body(*what, COMPLETE[what]).replace("<SecretAccessKey>x</", f"<a>{SECRET}<"))}
    (use,) = (use for use in USES if use.name == "role")
    error = error_of(use)
    assert error is not None
    assert SECRET not in "".join(traceback.format_exception(error))


def test_an_answer_that_is_put_in_the_place_of_aws_s_is_held_against_the_same() -> None:
    iam = boto3.client("iam", region_name="eu-west-1", aws_access_key_id="x", aws_secret_access_key="y")
    with Stubber(iam) as stubber:
        stubber.add_response("list_users", {"Users": [], "IsTruncated": False})
        stubber.add_response("list_users", {"Users": [], "IsTruncated": True})
        assert iam.list_users()["Users"] == []
        with pytest.raises(ResponseParserError, match="lacks Marker"):
            iam.list_users()


def test_a_message_counts_as_taken_when_the_topic_has_said_so(answers: Answers) -> None:
    sent = [{"account_id": str(number)} for number in range(3)]
    failed = sns.publish(boto3.client("sns"), "arn:aws:sns:eu-west-1:123456789012:topic", sent)
    assert failed == [
        (sent[1], "InternalError: later"),
        (sent[2], "AWS's answer (sns:PublishBatch) does not say that it was taken"),
    ]
