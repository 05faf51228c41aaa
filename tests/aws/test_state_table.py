"""The state table on moto's DynamoDB: reads of many at once, and writes that nobody's other write is lost to."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from library.aws import state_table
from library.aws.state_table import ATTEMPTS, StateTable
from library.errors import AccessDenied, AwsCallFailed, RecordChanged
from library.issues.account_state import AccountState, Round, Seen
from library.issues.scan_watch import Watch
from tests.builders import ACCOUNT, NOW, days_ago
from tests.wire import STATE, answer, body_of, json_failure

if TYPE_CHECKING:
    from collections.abc import Callable

    from botocore.awsrequest import AWSPreparedRequest, AWSResponse
    from mypy_boto3_dynamodb import DynamoDBClient

    from tests.wire import Wire

WHOLE = AccountState(
    scanned=days_ago(2),
    seen=Seen(7, 8, 2, days_ago(2.1), active_keys=6, root_keys=0),
    failing_since=days_ago(1),
    failure="denied",
    full_listing=days_ago(5),
    tags_read=days_ago(2),
    round=Round(days_ago(0.1), days_ago(400), 3, 7, ("AKIA1",), ("amy",)),
    memory=b"\x00\x01",
    unmatched=("mistyped",),
)


@pytest.fixture
def states(dynamodb: DynamoDBClient) -> StateTable:
    def nothing_is_odd(sentence: str) -> None:
        raise AssertionError(sentence)

    return StateTable(dynamodb, STATE, nothing_is_odd)


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What would have been waited, in seconds."""
    waited: list[float] = []
    monkeypatch.setattr(time, "sleep", waited.append)
    return waited


def write(states: StateTable, account_id: str, state: AccountState) -> AccountState:
    return states.change(account_id, states.of_account(account_id, NOW), lambda _: state, NOW)


def scanned(at: Any) -> Callable[[AccountState], AccountState]:
    return lambda state: replace(state, scanned=at)


# --- reading ----------------------------------------------------------------------------------------------------


def test_an_account_without_an_item_has_an_empty_state(states: StateTable) -> None:
    assert states.of_account(ACCOUNT, NOW) == AccountState()
    assert states.of_accounts([ACCOUNT], NOW) == {}
    assert states.of_accounts([], NOW) == {}


def test_a_state_is_read_as_it_was_written_and_of_many_without_the_memory(states: StateTable) -> None:
    written = write(states, ACCOUNT, WHOLE)
    assert states.of_account(ACCOUNT, NOW) == written
    assert replace(written, version=None) == WHOLE
    assert states.of_accounts([ACCOUNT], NOW) == {ACCOUNT: replace(written, memory=b"")}


def test_more_accounts_than_one_call_takes_are_all_read(states: StateTable, wire: Wire) -> None:
    ids = [f"{number:012}" for number in range(1, 202)]
    for account_id in ids[::50]:
        write(states, account_id, AccountState(scanned=NOW))
    wire.sent.clear()
    assert list(states.of_accounts(ids, NOW)) == ids[::50]
    assert wire.sent == ["StateTable.BatchGetItem"] * 3


def test_what_is_left_unprocessed_is_asked_for_again_and_nothing_else(
    states: StateTable, wire: Wire, pauses: list[float]
) -> None:
    ids = [f"{number:012}" for number in range(1, 8)]
    for account_id in ids:
        write(states, account_id, AccountState(scanned=NOW))
    asked: list[list[str]] = []

    def two_at_a_time(request: AWSPreparedRequest) -> AWSResponse | None:
        wanted = json.loads(body_of(request))["RequestItems"][STATE]
        asked.append([key["id"]["S"] for key in wanted["Keys"]])
        if len(wanted["Keys"]) <= 2:
            return None
        items = [
            {"id": key["id"], "version": {"S": "1"}, "scanned": {"S": NOW.isoformat()}} for key in wanted["Keys"][:2]
        ]
        rest = {STATE: {**wanted, "Keys": wanted["Keys"][2:]}}
        return answer(200, json.dumps({"Responses": {STATE: items}, "UnprocessedKeys": rest}))

    wire.react("StateTable.BatchGetItem", two_at_a_time)
    found = states.of_accounts(ids, NOW)
    assert {account_id: state.scanned for account_id, state in found.items()} == dict.fromkeys(ids, NOW)
    assert [len(keys) for keys in asked] == [7, 5, 3, 1]
    assert pauses == sorted(pauses)
    assert len(pauses) == 3


def test_what_is_left_unprocessed_for_ever_is_an_error_and_no_account_that_was_never_scanned(
    states: StateTable, wire: Wire, pauses: list[float]
) -> None:
    def nothing_yet(request: AWSPreparedRequest) -> AWSResponse:
        return answer(200, json.dumps({"UnprocessedKeys": json.loads(body_of(request))["RequestItems"]}))

    wire.react("StateTable.BatchGetItem", nothing_yet)
    with pytest.raises(AwsCallFailed, match=r"BatchGetItem\): items are left out again and again") as caught:
        states.of_accounts([ACCOUNT], NOW)
    assert caught.value.call == "dynamodb:BatchGetItem"
    assert sum(pauses) < 60


@pytest.mark.parametrize("operation", ["GetItem", "BatchGetItem", "UpdateItem", "PutItem"])
def test_a_call_that_is_denied_names_table_and_call(states: StateTable, wire: Wire, operation: str) -> None:
    wire.react(f"StateTable.{operation}", lambda _: json_failure("AccessDeniedException"))
    uses: dict[str, Callable[[], object]] = {
        "GetItem": lambda: states.of_account(ACCOUNT, NOW),
        "BatchGetItem": lambda: states.of_accounts([ACCOUNT], NOW),
        "UpdateItem": lambda: states.change(ACCOUNT, AccountState(), scanned(NOW), NOW),
        "PutItem": lambda: states.keep_watch(Watch()),
    }
    with pytest.raises(AccessDenied, match=rf"table '{STATE}' \(dynamodb:{operation}\)"):
        uses[operation]()


# --- writing ----------------------------------------------------------------------------------------------------


def test_a_state_that_stays_is_not_written(states: StateTable, wire: Wire) -> None:
    written = write(states, ACCOUNT, WHOLE)
    wire.sent.clear()
    assert states.change(ACCOUNT, written, lambda state: state, NOW) == written
    assert states.change(ACCOUNT, written, lambda _: None, NOW) == written
    assert wire.sent == []


def test_what_is_not_known_any_more_is_removed_and_an_unchanged_memory_is_not_sent_again(
    states: StateTable, dynamodb: DynamoDBClient, wire: Wire
) -> None:
    before = write(states, ACCOUNT, WHOLE)
    sent: list[str] = []
    wire.react("StateTable.UpdateItem", lambda request: sent.append(body_of(request)))
    after = states.change(ACCOUNT, before, lambda _: AccountState(scanned=NOW, memory=WHOLE.memory), NOW)
    item = dynamodb.get_item(TableName=STATE, Key={"id": {"S": f"scan#{ACCOUNT}"}})["Item"]
    assert set(item) == {"id", "version", "scanned", "memory"}
    assert states.of_account(ACCOUNT, NOW) == after
    assert '"#memory"' not in sent[0]


@pytest.mark.parametrize("before", [AccountState(), WHOLE], ids=["no item", "an item"])
def test_who_was_overtaken_decides_again_by_what_the_other_one_wrote(
    states: StateTable, before: AccountState
) -> None:
    read = write(states, ACCOUNT, before) if before != AccountState() else before
    states.change(ACCOUNT, read, lambda state: replace(state, failure="of another scan", failing_since=NOW), NOW)
    seen: list[AccountState] = []

    def decide(state: AccountState) -> AccountState:
        seen.append(state)
        return replace(state, scanned=NOW)

    after = states.change(ACCOUNT, read, decide, NOW)
    assert [state.failure for state in seen] == [read.failure, "of another scan"]
    assert states.of_account(ACCOUNT, NOW) == after
    assert (after.scanned, after.failure) == (NOW, "of another scan")


def test_an_older_scan_does_not_undo_what_a_younger_one_has_recorded(states: StateTable) -> None:
    read = states.of_account(ACCOUNT, NOW)
    younger = states.change(ACCOUNT, read, scanned(NOW), NOW)
    after = states.change(ACCOUNT, read, lambda state: state.failed("denied", NOW - timedelta(hours=1)), NOW)
    assert after == younger
    assert states.of_account(ACCOUNT, NOW) == younger


def test_who_is_overtaken_each_time_gives_up(states: StateTable, wire: Wire) -> None:
    def denied(_request: AWSPreparedRequest) -> AWSResponse:
        return json_failure("ConditionalCheckFailedException")

    wire.react("StateTable.UpdateItem", denied)
    with pytest.raises(RecordChanged, match=f"state of account {ACCOUNT}: changed {ATTEMPTS} times"):
        states.change(ACCOUNT, AccountState(), lambda _: AccountState(scanned=NOW), NOW)
    assert wire.sent.count("StateTable.UpdateItem") == ATTEMPTS


def test_what_the_initiation_keeps_is_read_as_it_was_written(states: StateTable) -> None:
    assert states.watch(NOW) == Watch()
    watch = Watch({ACCOUNT: days_ago(3)}, {ACCOUNT: days_ago(1)})
    states.keep_watch(watch)
    assert states.watch(NOW) == watch


def test_the_table_is_beside_that_of_the_issues() -> None:
    assert state_table.state_table_name("hammer-iam-user-keys-inactive") == STATE
