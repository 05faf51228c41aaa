"""The lease against a DynamoDB that moto plays: who gets it, when it is over, how a run finds out that it lost it."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import time_machine

from library.aws.lease import LASTS, LEASE, MARGIN, RENEWED_EVERY, Holder, Lease
from library.aws.state_table import state_table_name
from library.errors import AlreadyRunning, AwsCallFailed, LeaseLost
from tests.wire import Wire, body_of, json_failure
from tests.world import TABLE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from botocore.awsrequest import AWSPreparedRequest, AWSResponse
    from mypy_boto3_dynamodb import DynamoDBClient
    from time_machine import Traveller

STATE = state_table_name(TABLE)
KEY = {"id": {"S": LEASE}}
NOW = datetime(2026, 3, 8, 9, 30, tzinfo=UTC)
SECOND = timedelta(seconds=1)
DEADLINE = 30


@pytest.fixture
def clock() -> Iterator[Traveller]:
    with time_machine.travel(NOW, tick=False) as clock:
        yield clock


def a_lease(dynamodb: DynamoDBClient, who: str = "root", host: str = "ip-10-0-0-7") -> Lease:
    return Lease(dynamodb, STATE, Holder("remediation.x", who, host, 4711, datetime.now(UTC)))


def item(dynamodb: DynamoDBClient) -> dict[str, Any]:
    return dict(dynamodb.get_item(TableName=STATE, Key=KEY, ConsistentRead=True).get("Item", {}))


def refusal(lease: Lease) -> str:
    with pytest.raises(AlreadyRunning) as refused:
        lease.take()
    return str(refused.value)


# --- who gets it ---


def test_a_second_run_does_not_get_it_and_hears_who_has_it(dynamodb: DynamoDBClient, clock: Traveller) -> None:
    a_lease(dynamodb).take()
    clock.shift(RENEWED_EVERY)
    assert refusal(a_lease(dynamodb, "alice", "laptop")) == (
        "Another reporting or remediation is running: remediation.x, started by root on ip-10-0-0-7 (process 4711) "
        "at 2026-03-08 09:30 UTC. Nothing was changed; try again later. Should its process have died, its lease is "
        "over at 2026-03-08 09:34:00 UTC"
    )


def test_what_was_given_back_is_free_at_once(dynamodb: DynamoDBClient, clock: Traveller) -> None:
    first = a_lease(dynamodb)
    first.take()
    first.give_back()
    a_lease(dynamodb, "alice").take()
    assert item(dynamodb)["who"] == {"S": "alice"}


def test_the_lease_of_a_run_that_died_is_over_within_five_minutes_and_not_before_its_tolerance(
    dynamodb: DynamoDBClient, clock: Traveller
) -> None:
    a_lease(dynamodb).take()
    clock.shift(LASTS + MARGIN)
    refusal(a_lease(dynamodb, "alice"))
    clock.shift(SECOND)
    a_lease(dynamodb, "alice").take()
    assert timedelta(minutes=5) > LASTS + MARGIN + SECOND


@pytest.mark.parametrize("ahead", [timedelta(minutes=-3), timedelta(minutes=3)])
def test_a_clock_that_is_minutes_off_takes_it_from_no_run_that_lives(
    dynamodb: DynamoDBClient, clock: Traveller, ahead: timedelta
) -> None:
    lives = a_lease(dynamodb)
    lives.take()
    clock.shift(RENEWED_EVERY - SECOND)
    clock.shift(ahead)
    refusal(a_lease(dynamodb, "alice"))
    clock.shift(-ahead)
    clock.shift(SECOND)
    lives.hold()


def test_a_call_that_is_tried_again_because_its_answer_was_lost_finds_its_own_lease(
    dynamodb: DynamoDBClient, clock: Traveller, wire: Wire
) -> None:
    lost: list[bool] = []

    def lose(request: AWSPreparedRequest) -> AWSResponse | None:
        if lost:
            return None
        lost.append(True)
        dynamodb.update_item(**json.loads(body_of(request)))
        return json_failure("InternalServerError", 500)

    wire.react("StateTable.UpdateItem", lose)
    lease = a_lease(dynamodb)
    with pytest.raises(AwsCallFailed):
        lease.take()
    lease.take()
    lease.hold()


@pytest.mark.parametrize(
    "written",
    [
        {},
        {"ends": {"N": "9999999999"}},
        {"ends": {"S": ""}},
        {"ends": {"S": "as long as I like"}},
        {"ends": {"S": "2026-03-08T09:43:01+00:00"}},
        {"ends": {"S": "9999-12-31T00:00:00+00:00"}},
        {"ends": {"NULL": True}},
    ],
    ids=str,
)
def test_no_item_that_anybody_writes_holds_it_up_for_longer_than_clocks_may_differ(
    dynamodb: DynamoDBClient, clock: Traveller, written: dict[str, Any]
) -> None:
    dynamodb.put_item(TableName=STATE, Item={**KEY, **written})
    a_lease(dynamodb, "alice").take()
    assert item(dynamodb)["who"] == {"S": "alice"}


def test_what_others_have_written_into_it_reaches_a_terminal_in_one_printable_line(
    dynamodb: DynamoDBClient, clock: Traveller
) -> None:
    odd: dict[str, Any] = {
        "who": {"S": "eve\x1b[2J\n" + "x" * 500},
        "since": {"S": "yesterday"},
        "host": {"NULL": True},
    }
    dynamodb.put_item(TableName=STATE, Item={**KEY, **odd, "ends": {"S": "2026-03-08T09:33:00+00:00"}})
    said = refusal(a_lease(dynamodb))
    assert said.isprintable()
    assert r"started by eve\x1b[2J\nxxx" in said
    assert "on somebody (process somebody) at an unknown time" in said
    assert len(said) < 400


@pytest.mark.parametrize("code", ["AccessDeniedException", "ResourceNotFoundException", "InternalServerError"])
def test_a_table_that_cannot_be_written_is_an_error_that_names_it(
    dynamodb: DynamoDBClient, wire: Wire, code: str
) -> None:
    wire.react("StateTable.UpdateItem", lambda _: json_failure(code))
    with pytest.raises(AwsCallFailed, match=rf"the lease in table '{STATE}' \(dynamodb:UpdateItem\): ") as failed:
        a_lease(dynamodb).take()
    assert failed.value.id == "E-TABLE-01"


# --- as long as the run lives ---


def test_it_is_moved_on_at_the_steps_of_the_work_and_not_at_each_of_them(
    dynamodb: DynamoDBClient, clock: Traveller, wire: Wire
) -> None:
    lease = a_lease(dynamodb)
    lease.take()
    wire.sent.clear()
    clock.shift(RENEWED_EVERY - SECOND)
    lease.hold()
    assert wire.sent == []
    clock.shift(SECOND)
    lease.hold()
    lease.hold()
    assert wire.sent == ["StateTable.UpdateItem"]
    assert item(dynamodb)["ends"] == {"S": "2026-03-08T09:33:30+00:00"}


def test_it_is_moved_on_while_the_work_waits_also_after_a_failure(dynamodb: DynamoDBClient, wire: Wire) -> None:
    lease = a_lease(dynamodb)
    lease.take()
    tried, moved = threading.Semaphore(0), []

    def fail_first(_: AWSPreparedRequest) -> AWSResponse | None:
        moved.append(True)
        tried.release()
        return json_failure("InternalServerError", 500) if len(moved) == 1 else None

    wire.react("StateTable.UpdateItem", fail_first)
    with lease.kept(timedelta()):
        for _ in range(3):
            assert tried.acquire(timeout=DEADLINE)
    assert "ends" in item(dynamodb)


def test_a_run_whose_lease_another_one_has_taken_stops_before_its_next_step_and_leaves_the_others_alone(
    dynamodb: DynamoDBClient, clock: Traveller, wire: Wire
) -> None:
    lease = a_lease(dynamodb)
    lease.take()
    clock.shift(LASTS + MARGIN + SECOND)
    a_lease(dynamodb, "alice", "laptop").take()
    for _ in range(2):
        with pytest.raises(LeaseLost, match=r"as another run has it: remediation\.x, started by alice on laptop"):
            lease.hold()
    before = item(dynamodb)
    lease.give_back()
    assert item(dynamodb) == before
    assert wire.sent.count("StateTable.UpdateItem") == 3, "what is lost is not asked for again"


def test_a_run_that_slept_and_whose_lease_nobody_wanted_goes_on(dynamodb: DynamoDBClient, clock: Traveller) -> None:
    lease = a_lease(dynamodb)
    lease.take()
    clock.shift(timedelta(hours=8))
    lease.hold()
    refusal(a_lease(dynamodb, "alice"))


def test_a_lease_that_somebody_removed_is_lost(dynamodb: DynamoDBClient, clock: Traveller) -> None:
    lease = a_lease(dynamodb)
    lease.take()
    dynamodb.delete_item(TableName=STATE, Key=KEY)
    clock.shift(RENEWED_EVERY)
    with pytest.raises(LeaseLost, match="as its item was removed; nothing more is changed"):
        lease.hold()


def test_a_lease_that_cannot_be_moved_on_is_lost_at_its_end_and_not_before(
    dynamodb: DynamoDBClient, clock: Traveller, wire: Wire
) -> None:
    lease = a_lease(dynamodb)
    lease.take()
    wire.react("StateTable.UpdateItem", lambda _: json_failure("InternalServerError", 500))
    clock.shift(LASTS - SECOND)
    lease.hold()
    clock.shift(SECOND)
    with pytest.raises(LeaseLost, match=r"could not be moved on since 2026-03-08 09:30 UTC: the lease in table"):
        lease.hold()
    wire.withdraw("StateTable.UpdateItem")
    with pytest.raises(LeaseLost):
        lease.hold()


def test_a_clock_that_is_set_back_makes_no_lease_look_fresh(
    dynamodb: DynamoDBClient, clock: Traveller, wire: Wire
) -> None:
    lease = a_lease(dynamodb)
    lease.take()
    clock.shift(timedelta(hours=-1))
    wire.sent.clear()
    lease.hold()
    assert wire.sent == ["StateTable.UpdateItem"]
