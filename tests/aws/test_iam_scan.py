"""The scan by way of the credential report: what it asks, what it saves, and what happened since the report was made.

The report is answered in the place of moto, whose own one is of 2015; it is made of the account as it is at a moment.
"""

from __future__ import annotations

import base64
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.config import Config

from library.aws import report_request
from library.aws.iam_clients import IamClients
from library.aws.iam_scan import SMALL_ACCOUNT, scan_access_keys
from library.aws.report_request import REPORT_PAUSES
from library.aws.sessions import CLIENT_CONFIG, Account
from library.errors import AwsCallFailed
from library.issues.access_keys import is_idle, is_long_ago
from library.issues.listing import Listing, RootKeys, RuledOut, WatchedKey
from tests.builders import ACCOUNT, NOW, days_ago
from tests.wire import Wire, answer, failure, form

if TYPE_CHECKING:
    from collections.abc import Callable

    from botocore.awsrequest import AWSPreparedRequest, AWSResponse
    from mypy_boto3_iam import IAMClient

    from deployment.local.scanned_accounts import Control, UserSeed


CRITERION = 90
ALICE, BOB = "AKIAALICE0000000001A", "AKIABOB0000000000001"
IN_USE: UserSeed = {"keys": [{"created_days_ago": 300, "last_used_days_ago": 1}]}
HEADER = "user,arn,user_creation_time," + ",".join(
    f"access_key_{slot}_{column}" for slot in (1, 2) for column in ("active", "last_rotated", "last_used_date")
)
CREATED_STEP = 0.01
"""Days between the creation of two users."""


def people(number: int) -> dict[str, UserSeed]:
    """Users whom a report rules out: three with a key that is in use, the others without any."""
    return {
        f"user{n:03}": {"keys": IN_USE["keys"] if n < 3 else [], "created_days_ago": 301 + n * CREATED_STEP}
        for n in range(number)
    }


@pytest.fixture
def iam(scanned: Control, wire: Wire) -> IamClients:
    """IAM of an account that is just large enough, where alice has an idle key, and bob one that is off."""
    users: dict[str, UserSeed] = {
        **people(SMALL_ACCOUNT),
        "alice": {"keys": [{"id": ALICE, "created_days_ago": 400, "last_used_days_ago": 100}]},
        "bob": {"keys": [{"id": BOB, "created_days_ago": 500, "last_used_days_ago": 100, "status": "Inactive"}]},
    }
    scanned.populate({ACCOUNT: users}, NOW)
    return IamClients(Account(ACCOUNT, "master"), partial(boto3.Session().client, "iam", config=CLIENT_CONFIG))


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """A report that is not ready is asked for again at once, as often as ever."""
    monkeypatch.setattr(report_request, "REPORT_PAUSES", (0.0,) * len(REPORT_PAUSES))


@pytest.fixture
def other(iam: IamClients) -> IAMClient:
    """Somebody else at work in the account."""
    return boto3.Session().client("iam", config=Config(user_agent_extra="somebody-else"))


@pytest.fixture
def report(iam: IamClients, scanned: Control, wire: Wire) -> Callable[..., None]:
    """Makes IAM's report now, which is then answered as IAM answers it."""

    def make(*, state: str = "COMPLETE", at: datetime = NOW - timedelta(hours=3), content: str = "") -> None:
        rows = content or _csv(scanned)
        wire.react(
            "GenerateCredentialReport", lambda _: _result("GenerateCredentialReport", f"<State>{state}</State>")
        )
        body = base64.b64encode(rows.encode()).decode()
        wire.react(
            "GetCredentialReport",
            lambda _: _result(
                "GetCredentialReport",
                f"<Content>{body}</Content><ReportFormat>text/csv</ReportFormat>"
                f"<GeneratedTime>{at.isoformat()}</GeneratedTime>",
            ),
        )

    return make


def _result(operation: str, content: str) -> AWSResponse:
    return answer(200, f"<{operation}Response><{operation}Result>{content}</{operation}Result></{operation}Response>")


def _csv(scanned: Control) -> str:
    lines = [HEADER]
    for name, user in scanned.state()[ACCOUNT].items():
        slots = [
            f"{str(key['status'] == 'Active').lower()},{key['created']},{key['last_used'] or 'N/A'}"
            for key in user["keys"]
        ]
        lines.append(",".join([name, f"arn:{name}", user["created"], *[*slots, *["false,N/A,N/A"] * 2][:2]]))
    return "\n".join(lines)


def long_ago(moment: datetime) -> bool:
    return is_long_ago(moment, CRITERION, NOW)


def scan(iam: IamClients, *watched: WatchedKey) -> Listing:
    return scan_access_keys(iam, long_ago, watched, NOW)


def idle(listing: Listing) -> dict[str, str]:
    """The user names by key id."""
    return {key.key_id: key.user_name for key in listing.keys if is_idle(key, CRITERION, NOW)}


def test_only_users_who_may_have_an_idle_key_are_asked(
    iam: IamClients, wire: Wire, report: Callable[..., None]
) -> None:
    report()
    listing = scan(iam)
    assert idle(listing) == {ALICE: "alice"}
    assert wire.sent.count("ListAccessKeys") == 2, "alice, and bob whose key may be on by now"
    assert wire.sent.count("GetAccessKeyLastUsed") == 1
    assert iam.calls == len(wire.sent) == 2 + 1 + 2 + 1 + 1
    assert (listing.users, listing.active_keys) == (SMALL_ACCOUNT + 2, 3 + 1)
    assert {ruled_out.user_name for ruled_out in listing.ruled_out} == set(people(SMALL_ACCOUNT))
    assert listing.report_problem == ""


def test_a_small_account_waits_for_no_report(iam: IamClients, wire: Wire, other: IAMClient) -> None:
    for name, key in (("alice", ALICE), ("bob", BOB)):
        other.delete_access_key(UserName=name, AccessKeyId=key)
        other.delete_user(UserName=name)
    wire.sent.clear()
    assert scan(iam).users == SMALL_ACCOUNT
    assert set(wire.sent) == {"ListUsers", "ListAccessKeys", "GetAccessKeyLastUsed", "GetAccountSummary"}
    assert wire.sent.count("GetAccountSummary") == 1


@pytest.mark.parametrize("at", [NOW - timedelta(hours=3), NOW - timedelta(seconds=1)])
@pytest.mark.parametrize("state", ["STARTED", "INPROGRESS", "COMPLETE"])
def test_a_key_that_is_off_is_looked_at_unless_the_report_is_of_this_scan(
    iam: IamClients,
    wire: Wire,
    report: Callable[..., None],
    no_waiting: None,
    state: str,
    at: datetime,
) -> None:
    report(state=state, at=at)
    assert idle(scan(iam)) == {ALICE: "alice"}
    assert wire.sent.count("ListAccessKeys") == 2


def test_a_report_of_this_scan_rules_out_what_is_off(
    iam: IamClients, wire: Wire, report: Callable[..., None], no_waiting: None
) -> None:
    report(state="STARTED", at=NOW)
    assert idle(scan(iam)) == {ALICE: "alice"}
    assert wire.sent.count("ListAccessKeys") == 1


def test_a_key_that_was_switched_on_since_the_report_is_found(
    iam: IamClients, other: IAMClient, report: Callable[..., None]
) -> None:
    report()
    other.update_access_key(UserName="bob", AccessKeyId=BOB, Status="Active")
    assert idle(scan(iam)) == {ALICE: "alice", BOB: "bob"}


def test_a_key_that_was_used_since_the_report_is_not_idle(
    iam: IamClients, scanned: Control, report: Callable[..., None]
) -> None:
    report()
    scanned.use_key(ACCOUNT, ALICE, NOW - timedelta(hours=1))
    assert idle(scan(iam)) == {}


def test_a_user_who_was_renamed_since_the_report_is_found_by_the_time_of_creation(
    iam: IamClients, other: IAMClient, report: Callable[..., None], wire: Wire
) -> None:
    report()
    other.update_user(UserName="alice", NewUserName="alice.married")
    wire.sent.clear()
    assert idle(scan(iam)) == {ALICE: "alice.married"}
    assert wire.sent.count("ListUsers") == 1


def test_names_that_changed_hands_hide_no_key(
    iam: IamClients, scanned: Control, other: IAMClient, report: Callable[..., None]
) -> None:
    scanned.populate({ACCOUNT: {"carol": {**IN_USE, "created_days_ago": 400}}}, NOW)
    report()
    for old, new in (("alice", "x"), ("carol", "alice"), ("x", "carol")):
        other.update_user(UserName=old, NewUserName=new)
    assert idle(scan(iam)) == {ALICE: "carol"}


def test_users_of_one_second_are_asked_no_further_than_the_idle_keys_are_found(
    iam: IamClients, scanned: Control, report: Callable[..., None], wire: Wire
) -> None:
    twins: dict[str, UserSeed] = {f"twin{n}": {**IN_USE, "created_days_ago": 400} for n in range(5)}
    scanned.populate({ACCOUNT: twins}, NOW)
    report()
    assert idle(scan(iam)) == {ALICE: "alice"}
    assert wire.sent.count("ListAccessKeys") == 2


def test_a_user_who_was_created_again_under_the_same_name_is_new(
    iam: IamClients, scanned: Control, report: Callable[..., None]
) -> None:
    report()
    scanned.populate({ACCOUNT: {"alice": {"keys": [{"created_days_ago": 0.05}]}}}, NOW)
    listing = scan(iam)
    assert idle(listing) == {}
    assert RuledOut("alice") in listing.ruled_out


def test_an_old_user_whom_the_report_does_not_know_is_asked(
    iam: IamClients, scanned: Control, report: Callable[..., None]
) -> None:
    report()
    scanned.populate({ACCOUNT: {"dave": {"keys": [{"id": "AKIADAVE000000000001", "created_days_ago": 333}]}}}, NOW)
    assert idle(scan(iam)) == {ALICE: "alice", "AKIADAVE000000000001": "dave"}


@pytest.mark.parametrize("idle_one", [0, 1])
def test_the_likelier_one_of_two_keys_is_asked_for_and_the_other_one_saved(
    iam: IamClients, scanned: Control, report: Callable[..., None], wire: Wire, idle_one: int
) -> None:
    both = ["AKIACAROL00000000001", "AKIACAROL00000000002"]
    seed: UserSeed = {
        "keys": [
            {"id": key, "created_days_ago": 700 - n * 100, "last_used_days_ago": 101 if n == idle_one else 1}
            for n, key in enumerate(both)
        ]
    }
    scanned.populate({ACCOUNT: {"carol": seed}}, NOW)
    report()
    listing = scan(iam)
    assert idle(listing) == {ALICE: "alice", both[idle_one]: "carol"}
    assert wire.sent.count("GetAccessKeyLastUsed") == 2
    assert RuledOut("carol", both[1 - idle_one]) in listing.ruled_out


# --- the root user ---


def summary(wire: Wire, present: str) -> None:
    entry = f"<entry><key>AccountAccessKeysPresent</key><value>{present}</value></entry>" if present else ""
    wire.react("GetAccountSummary", lambda _: _result("GetAccountSummary", f"<SummaryMap>{entry}</SummaryMap>"))


def with_root(scanned: Control, *active: str) -> str:
    header, *users = _csv(scanned).splitlines()
    slots = [f"{word},N/A,N/A" for word in active]
    return "\n".join([header, ",".join(["<root_account>", "arn:root", "2014-01-01T00:00:00+00:00", *slots]), *users])


@pytest.mark.parametrize("active", [("false", "false"), ("false", "true"), ("true", "true")])
def test_the_report_has_the_root_keys_and_nothing_else_is_asked(
    iam: IamClients, scanned: Control, wire: Wire, report: Callable[..., None], active: tuple[str, ...]
) -> None:
    report(content=with_root(scanned, *active))
    listing = scan(iam)
    assert listing.root_keys == RootKeys(active.count("true"))
    assert idle(listing) == {ALICE: "alice"}
    assert "GetAccountSummary" not in wire.sent


@pytest.mark.parametrize(
    ("present", "expected"), [("0", RootKeys(0)), ("1", RootKeys(1, exact=False)), ("", None)], ids=repr
)
@pytest.mark.parametrize("why", ["odd", "no row", "refused"])
def test_where_the_report_does_not_have_them_the_summary_says_whether_there_are_any(
    iam: IamClients,
    scanned: Control,
    wire: Wire,
    report: Callable[..., None],
    why: str,
    present: str,
    expected: object,
) -> None:
    if why == "refused":
        wire.react("GenerateCredentialReport", lambda _: failure("AccessDenied", 403))
    report(content=with_root(scanned, "false", "odd") if why == "odd" else _csv(scanned))
    summary(wire, present)
    listing = scan(iam)
    assert (listing.root_keys, idle(listing)) == (expected, {ALICE: "alice"})


@pytest.mark.usefixtures("no_backoff")
@pytest.mark.parametrize("code", ["AccessDenied", "Throttling", "ServiceFailure"])
def test_a_summary_that_is_refused_costs_the_scan_nothing_else(
    iam: IamClients, wire: Wire, report: Callable[..., None], code: str
) -> None:
    wire.react("GetAccountSummary", lambda _: failure(code))
    report()
    listing = scan(iam)
    assert (listing.root_keys, idle(listing), listing.report_problem) == (None, {ALICE: "alice"}, "")


# --- no report ---------------------------------------------------------------------------------------------------


def assert_all_is_listed(iam: IamClients, wire: Wire, problem: str) -> None:
    listing = scan(iam)
    assert idle(listing) == {ALICE: "alice"}
    assert wire.sent.count("ListAccessKeys") == listing.users == SMALL_ACCOUNT + 2
    assert listing.active_keys == 3 + 1
    assert listing.ruled_out == ()
    assert problem in listing.report_problem


@pytest.mark.usefixtures("no_backoff")
@pytest.mark.parametrize(
    ("operation", "code"),
    [
        ("GenerateCredentialReport", "AccessDenied"),
        ("GenerateCredentialReport", "Throttling"),
        ("GetCredentialReport", "AccessDenied"),
        ("GetCredentialReport", "ReportExpired"),
    ],
)
def test_a_report_that_is_refused_means_the_full_listing(
    iam: IamClients, wire: Wire, report: Callable[..., None], operation: str, code: str
) -> None:
    wire.react(operation, lambda _: failure(code))
    report()
    assert_all_is_listed(iam, wire, f"in Account(id='{ACCOUNT}', name='master') (iam:{operation}): ")


def test_a_report_that_is_not_ready_for_a_minute_means_the_full_listing(
    iam: IamClients, wire: Wire, report: Callable[..., None], no_waiting: None
) -> None:
    assert sum(REPORT_PAUSES) == 60
    wire.react("GetCredentialReport", lambda _: failure("ReportInProgress", 404))
    report(state="STARTED")
    assert_all_is_listed(iam, wire, "the credential report was not ready after")
    assert wire.sent.count("GetCredentialReport") == len(REPORT_PAUSES)


def test_a_report_that_becomes_ready_is_used(
    iam: IamClients, wire: Wire, report: Callable[..., None], no_waiting: None
) -> None:
    wire.react(
        "GetCredentialReport",
        lambda _: failure("ReportInProgress", 404) if wire.sent.count("GetCredentialReport") < 3 else None,
    )
    report(state="STARTED")
    listing = scan(iam)
    assert listing.report_problem == ""
    assert wire.sent.count("GetCredentialReport") == 3


@pytest.mark.parametrize("age", [timedelta(days=CRITERION, seconds=1), timedelta(days=4000)])
def test_a_report_older_than_the_criterion_means_the_full_listing(
    iam: IamClients, wire: Wire, report: Callable[..., None], age: timedelta
) -> None:
    report(at=NOW - age)
    assert_all_is_listed(iam, wire, f"is of {(NOW - age).date()}")


@pytest.mark.parametrize("content", ["<html>", HEADER + "\nalice"])
def test_a_report_that_is_not_understood_means_the_full_listing(
    iam: IamClients, wire: Wire, report: Callable[..., None], content: str
) -> None:
    report(content=content)
    assert_all_is_listed(iam, wire, "the credential report")


def test_moto_s_own_report_of_2015_means_the_full_listing(iam: IamClients, wire: Wire) -> None:
    assert_all_is_listed(iam, wire, "the credential report is of 2015")


# --- watched keys ------------------------------------------------------------------------------------------------


def user_id(scanned: Control, name: str) -> str:
    return scanned.state()[ACCOUNT][name]["user_id"]


@pytest.mark.parametrize("known", ["name", "id"])
def test_a_watched_key_is_looked_at_though_the_report_rules_it_out(
    iam: IamClients, scanned: Control, report: Callable[..., None], other: IAMClient, wire: Wire, known: str
) -> None:
    key_id = scanned.state()[ACCOUNT]["user001"]["keys"][0]["id"]
    watched = WatchedKey(key_id, "user001", user_id(scanned, "user001") if known == "id" else "")
    report()
    if known == "id":
        other.update_user(UserName="user001", NewUserName="james")
    wire.sent.clear()
    listing = scan(iam, watched)
    (seen,) = [key for key in listing.keys if key.key_id == key_id]
    assert (seen.last_used, seen.user_name) == (days_ago(1), "james" if known == "id" else "user001")
    assert seen.user_name not in {ruled_out.user_name for ruled_out in listing.ruled_out}
    assert wire.sent.count("ListAccessKeys") == 3, "once for alice, bob and this one, with no second look for it"


def test_a_watched_key_is_met_though_its_name_was_given_to_another_user_during_the_scan(
    iam: IamClients, scanned: Control, other: IAMClient, wire: Wire, report: Callable[..., None]
) -> None:
    watched = WatchedKey(ALICE, "alice", user_id(scanned, "alice"))
    report()
    done: list[bool] = []

    def take_the_name(request: AWSPreparedRequest) -> None:
        if not done and form(request)["UserName"] == "alice":
            done.append(True)
            other.update_user(UserName="alice", NewUserName="alice.married")
            other.create_user(UserName="alice")

    wire.react("ListAccessKeys", take_the_name)
    listing = scan(iam, watched)
    assert idle(listing) == {ALICE: "alice.married"}
    assert {key.user_id for key in listing.keys if key.key_id == ALICE} == {watched.user_id}


@pytest.mark.parametrize("denied", [True, False])
def test_a_watched_key_that_is_gone_is_not_met(
    iam: IamClients, scanned: Control, other: IAMClient, wire: Wire, denied: bool
) -> None:
    watched = WatchedKey(ALICE, "alice", user_id(scanned, "alice"))
    other.delete_access_key(UserName="alice", AccessKeyId=ALICE)
    if denied:
        wire.react(
            "GetAccessKeyLastUsed",
            lambda request: failure("AccessDenied", 403) if form(request)["AccessKeyId"] == ALICE else None,
        )
    assert ALICE not in {key.key_id for key in scan(iam, watched).keys}


@pytest.mark.usefixtures("no_backoff")
def test_a_look_for_a_watched_key_that_fails_raises(
    iam: IamClients, scanned: Control, other: IAMClient, wire: Wire
) -> None:
    other.delete_access_key(UserName="alice", AccessKeyId=ALICE)
    wire.react(
        "GetAccessKeyLastUsed",
        lambda request: failure("Throttling") if form(request)["AccessKeyId"] == ALICE else None,
    )
    with pytest.raises(AwsCallFailed, match=f"iam:GetAccessKeyLastUsed of key {ALICE}.*Throttling"):
        scan(iam, WatchedKey(ALICE, "alice", user_id(scanned, "alice")))


# --- silence is no proof -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "use", ["", "<AccessKeyLastUsed><ServiceName>s3</ServiceName><Region>x</Region></AccessKeyLastUsed>"]
)
def test_an_answer_without_a_last_use_is_never_taken_for_a_key_never_used(
    iam: IamClients, wire: Wire, use: str
) -> None:
    wire.react("GetAccessKeyLastUsed", lambda _: _result("GetAccessKeyLastUsed", f"<UserName>alice</UserName>{use}"))
    with pytest.raises(AwsCallFailed, match="lacks AccessKeyLastUsed"):
        scan(iam)
