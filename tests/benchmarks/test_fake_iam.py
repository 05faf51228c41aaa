"""The fake IAM answers boto3 as IAM does, and knows the truth; and the scan finds it on a few drifted accounts."""

from __future__ import annotations

import csv
import time
from datetime import UTC, datetime
from io import StringIO
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.benchmarks import baseline
from tests.benchmarks.account import EVENTS, Account, Kind, Oddities, Report
from tests.benchmarks.fake_iam import REPORT_LIFE, FakeIam, Limits
from tests.benchmarks.seeds import try_seed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_iam import IAMClient

DAYS = 90


@pytest.fixture(scope="module")
def server() -> Iterator[FakeIam]:
    with FakeIam() as fake:
        yield fake


@pytest.fixture(scope="module")
def session() -> boto3.Session:
    """One for all, for what it has read about AWS is kept; its clients go where the environment says."""
    return boto3.Session()


@pytest.fixture
def fake(server: FakeIam, monkeypatch: pytest.MonkeyPatch) -> FakeIam:
    """Thirty users, no report."""
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    server.load(30, 1, int(time.time()))
    return server


@pytest.fixture
def iam(fake: FakeIam, session: boto3.Session) -> IAMClient:
    """A client that gives up at once."""
    return session.client("iam", config=Config(retries={"total_max_attempts": 1}))


def code_of(error: pytest.ExceptionInfo[ClientError]) -> tuple[str, int]:
    response = error.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


# --- calls -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 7, 30, 1000])
def test_the_users_come_in_pages_of_the_size_asked_for_each_once(iam: IAMClient, size: int) -> None:
    pages = list(iam.get_paginator("list_users").paginate(PaginationConfig={"PageSize": size}))
    names = [user["UserName"] for page in pages for user in page["Users"]]
    assert len(names) == len(set(names)) == 30
    assert [len(page["Users"]) for page in pages[:-1]] == [size] * (len(pages) - 1)
    assert [page["IsTruncated"] for page in pages] == [True] * (len(pages) - 1) + [False]


def test_a_page_may_be_smaller_than_asked_for_and_never_larger_than_a_thousand(fake: FakeIam, iam: IAMClient) -> None:
    fake.limit(Limits(page_size=4))
    assert len(iam.list_users(MaxItems=20)["Users"]) == 4
    iam.meta.events.register("before-call.iam.ListUsers", lambda params, **_: params["body"].update(MaxItems="1001"))
    with pytest.raises(ClientError) as error:
        iam.list_users()
    assert code_of(error) == ("ValidationError", 400)


def test_what_the_calls_tell_about_users_and_keys_is_the_truth(fake: FakeIam) -> None:
    fake.load(60, 2, now := int(time.time()))
    truth = fake.idle_keys(DAYS)
    assert truth
    assert baseline.idle_keys(DAYS, datetime.fromtimestamp(now, UTC))[0] == truth


def test_a_key_that_was_never_used_has_no_date(fake: FakeIam, iam: IAMClient) -> None:
    fake.load(60, 2, int(time.time()))
    never = next(fact for fact in fake.idle_keys(DAYS) if fact[4] is None)
    answer = iam.get_access_key_last_used(AccessKeyId=never[0])
    assert answer["UserName"] == never[1]
    assert answer["AccessKeyLastUsed"] == {"ServiceName": "N/A", "Region": "N/A"}


def test_who_is_not_there_is_no_such_entity(iam: IAMClient) -> None:
    for call in (
        lambda: iam.list_access_keys(UserName="nobody"),
        lambda: iam.list_user_tags(UserName="nobody"),
        lambda: iam.get_access_key_last_used(AccessKeyId="AKIA" + "7" * 16),
    ):
        with pytest.raises(ClientError) as error:
            call()
        assert code_of(error) == ("NoSuchEntity", 404)


def test_users_have_tags(iam: IAMClient) -> None:
    assert iam.list_user_tags(UserName="user")["Tags"] == [{"Key": "owner", "Value": "user"}]


def test_sns_confirms_every_entry_of_a_batch(fake: FakeIam, session: boto3.Session) -> None:
    entries = [{"Id": str(number), "Message": f"&=<{number}>"} for number in range(10)]
    answer = session.client("sns").publish_batch(
        TopicArn="arn:aws:sns:eu-west-1:123456789012:topic",
        PublishBatchRequestEntries=entries,  # type: ignore[arg-type]
    )
    assert [entry["Id"] for entry in answer["Successful"]] == [entry["Id"] for entry in entries]
    assert answer["Failed"] == []
    assert fake.counts().served == {"PublishBatch": 1}


# --- limits and counts -----------------------------------------------------------------------------------------


def test_each_api_is_throttled_by_itself_and_both_kinds_of_answers_are_counted(fake: FakeIam, iam: IAMClient) -> None:
    # So slow a refill that none comes while this runs.
    fake.limit(Limits(rate=0.0001, burst=3))
    for _ in range(3):
        iam.list_users()
    for _ in range(2):
        with pytest.raises(ClientError, match="Rate exceeded") as error:
            iam.list_users()
        assert code_of(error) == ("Throttling", 400)
    iam.list_access_keys(UserName="user")
    counts = fake.counts()
    assert counts.served == {"ListUsers": 3, "ListAccessKeys": 1}
    assert counts.throttled == {"ListUsers": 2}
    assert counts.calls == 6
    fake.reset_counts()
    assert fake.counts().calls == 0
    iam.list_users()


def test_botocore_takes_throttling_for_something_to_retry(fake: FakeIam, session: boto3.Session) -> None:
    fake.limit(Limits(rate=50, burst=1))
    client = session.client("iam", config=Config(retries={"mode": "standard", "total_max_attempts": 8}))
    for _ in range(3):
        client.list_users()
    assert fake.counts().served == {"ListUsers": 3}


def test_a_call_takes_its_time(fake: FakeIam, iam: IAMClient) -> None:
    fake.limit(Limits(latency=0.05))
    began = time.monotonic()
    iam.list_users()
    assert time.monotonic() - began >= 0.05


# --- the credential report -------------------------------------------------------------------------------------


def test_a_report_is_asked_for_made_and_then_kept(fake: FakeIam, iam: IAMClient) -> None:
    fake.limit(Limits(report_seconds=1000))
    with pytest.raises(ClientError) as error:
        iam.get_credential_report()
    assert code_of(error) == ("ReportNotPresent", 410)
    assert iam.generate_credential_report()["State"] == "STARTED"
    assert iam.generate_credential_report()["State"] == "INPROGRESS"
    with pytest.raises(ClientError) as error:
        iam.get_credential_report()
    assert code_of(error) == ("ReportInProgress", 404)
    fake.start_report(seconds=0)
    assert iam.generate_credential_report()["State"] == "COMPLETE"
    report = iam.get_credential_report()
    assert report["ReportFormat"] == "text/csv"
    assert abs(report["GeneratedTime"].timestamp() - time.time()) < 60


def test_a_report_of_four_hours_has_expired(fake: FakeIam, iam: IAMClient) -> None:
    fake.make_report(REPORT_LIFE - 60)
    assert iam.generate_credential_report()["State"] == "COMPLETE"
    fake.make_report(REPORT_LIFE)
    with pytest.raises(ClientError) as error:
        iam.get_credential_report()
    assert code_of(error) == ("ReportExpired", 410)
    assert iam.generate_credential_report()["State"] == "STARTED"


def test_the_report_tells_the_truth_of_its_time_whatever_comes_after(fake: FakeIam, iam: IAMClient) -> None:
    now = int(time.time())
    fake.make_report(3600)
    before = iam.get_credential_report()["Content"].decode()
    rows = list(csv.DictReader(StringIO(before)))
    keys = fake.all_keys()
    assert {row["user"] for row in rows} >= {key.user_name for key in keys} | {"<root_account>"}
    active = sum(row[f"access_key_{slot}_active"] == "true" for row in rows for slot in (1, 2))
    assert active == sum(key.active for key in keys)
    fake.drift(dict.fromkeys(EVENTS, 3), 1, now - 3600)
    assert fake.all_keys() != keys
    assert iam.get_credential_report()["Content"].decode() == before


def test_names_with_commas_come_through_quoted_in_any_order_and_with_more_columns(
    fake: FakeIam, iam: IAMClient
) -> None:
    names = {user["UserName"] for user in iam.list_users()["Users"]}
    assert any("," in name for name in names)
    for oddities in (Oddities(), Oddities(other_order=True, more_columns=True)):
        fake.make_report(60, oddities)
        rows = list(csv.DictReader(StringIO(iam.get_credential_report()["Content"].decode())))
        assert {row["user"] for row in rows} == names | {"<root_account>"}


# --- the account -----------------------------------------------------------------------------------------------

NOW = 1_800_000_000


def test_an_account_is_as_real_ones_are() -> None:
    account = Account(5000, 1, NOW)
    keys = [key for user in account.users.values() for key in user.keys]
    active = [key for key in keys if key.active]
    assert len(active) == pytest.approx(0.96 * 5000, rel=0.03)
    assert len(account.idle_keys(DAYS)) == pytest.approx(len(active) / 4, rel=0.06)
    assert len(keys) > len(active)
    assert any(key.used is None for key in active)
    assert any(key.rotated > key.created for key in active)
    assert max(len(user.keys) for user in account.users.values()) == 2
    assert all(user.created <= key.created for user in account.users.values() for key in user.keys)
    seconds = [user.created for user in account.users.values()]
    assert 0 < len(seconds) - len(set(seconds)) < 100


@pytest.mark.parametrize(("kind", "idle"), [("all idle", 200), ("none idle", 0)])
def test_an_account_may_be_all_idle_or_not_at_all(kind: Kind, idle: int) -> None:
    assert len(Account(100, 1, NOW, kind).idle_keys(DAYS)) == idle


def test_a_seed_makes_the_same_account_and_the_same_drift_again() -> None:
    def drifted(seed: int) -> list[object]:
        account = Account(100, seed, NOW)
        account.drift(dict.fromkeys(EVENTS, 3), seed, NOW - 3600)
        return [*account.users.values(), Report(account, NOW, Oddities(odd_values=3), seed).csv()]

    assert repr(drifted(1)) == repr(drifted(1))
    assert repr(drifted(1)) != repr(drifted(2))


@pytest.mark.parametrize("event", EVENTS)
def test_everything_that_may_happen_changes_the_account(event: str) -> None:
    account = Account(200, 1, NOW)
    before = repr(account.users)
    account.drift({event: 1}, 1, NOW - 3600)
    assert repr(account.users) != before
    assert all(name == user.name for name, user in account.users.items())
    assert len({name.lower() for name in account.users}) == len(account.users)
    assert len({user.user_id for user in account.users.values()}) == len(account.users)


def test_the_idle_looking_are_counted_as_the_report_shows_them() -> None:
    account = Account(1000, 1, NOW)
    report = Report(account, NOW - 3600, Oddities(), 1)
    cutoff = NOW - DAYS * 86400
    fresh, cached = report.idle_looking(cutoff, cached=False), report.idle_looking(cutoff, cached=True)
    assert len(account.idle_keys(DAYS)) <= fresh[1] < cached[1]
    assert fresh[0] < cached[0]
    account.drift({"user deleted": 100}, 1, NOW - 3600)
    assert report.idle_looking(cutoff, cached=False) == fresh


# --- the scan --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
def test_the_scan_by_the_report_finds_the_truth_on_a_drifted_account(
    fake: FakeIam, session: boto3.Session, seed: int
) -> None:
    outcome = try_seed(fake, session, seed, ["cached"])
    assert outcome.wrong == ()
    assert outcome.idle > 0
