"""One run at a time changes anything: the item `lease` of the state table, whatever host or laptop the run is on.

Nobody has to end a lease. Its end is stored in it; the run moves it on while it lives, and who finds it over may take
it.

No clock is shared. DynamoDB tells no time in a condition, so the stored end is compared with the clock of who wants
the lease, with a tolerance: it is over MARGIN after its end, while its holder believes in it only until its end. As
it is moved on every RENEWED_EVERY, clocks have to be three minutes apart for a lease to be taken from a run that
lives, which then finds out before its next key. The condition is DynamoDB's: of two who find it over, one gets it.
"""

from __future__ import annotations

import secrets
import threading
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeSerializer
from botocore.config import Config as ClientConfig

from library.aws import attributes
from library.aws.calls import AWS_ERRORS, code_of, error_of, sentence_of, unusable
from library.errors import AlreadyRunning, AwsCallFailed, LeaseLost
from library.issues import values
from library.messages import Message
from library.text import cut, plain, utc

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mypy_boto3_dynamodb import DynamoDBClient

LEASE = "lease"
"""The id of its item."""
LASTS = timedelta(minutes=3)
"""How long a lease lasts after it was taken or moved on."""
MARGIN = timedelta(minutes=1)
"""How long after its end somebody else may take it."""
RENEWED_EVERY = timedelta(seconds=30)

# AWS takes no request from a clock that is more than five minutes off, so no two can have meant an end so far ahead.
_NOBODY_MEANS = LASTS + timedelta(minutes=10)
_TAKEN = "ConditionalCheckFailedException"
_LONGEST = 100

LIMITS = ClientConfig(connect_timeout=3, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 3})
"""For its client: a step of the work waits for it, and a lease that is moved on late is lost."""

_serialize = TypeSerializer().serialize


@dataclass(frozen=True, slots=True)
class Holder:
    """Which run it is: its command, who started it, on what machine, the process there, and since when (UTC)."""

    command: str
    who: str
    host: str
    process: int
    since: datetime


class Lease:
    """The lease of one run, which is taken with `held`. Safe for threads."""

    def __init__(self, client: DynamoDBClient, table_name: str, holder: Holder) -> None:
        self._client = client
        self._table = table_name
        self._holder = holder
        self._run = secrets.token_hex(8)
        self._lock = threading.Lock()
        self._moved_on = datetime.min.replace(tzinfo=UTC)
        self._lost = ""

    def take(self) -> None:
        """Take it. Raises AlreadyRunning if another run has it, AwsCallFailed if the table cannot be written."""
        now = datetime.now(UTC)
        over = "attribute_not_exists(#ends) OR NOT attribute_type(#ends, :text) OR #ends < :over OR #ends > :absurd"
        ours = {
            **asdict(self._holder),
            "since": _iso(self._holder.since),
            "run": self._run,
            "ends": _iso(now + LASTS),
        }
        bounds = {":text": "S", ":over": _iso(now - MARGIN), ":absurd": _iso(now + _NOBODY_MEANS)}
        # A call that is tried again finds what it has written itself.
        held_by = self._write("SET", ours, f"{over} OR #run = :run", bounds)
        if held_by is not None:
            raise AlreadyRunning(
                f"Another reporting or remediation is running: {_said_of(held_by)}. Nothing was changed; try again "
                f"later. Should its process have died, its lease is over at {_over_at(held_by)}"
            )
        self._moved_on = now

    @contextmanager
    def kept(self, every: timedelta = RENEWED_EVERY) -> Iterator[None]:
        """Move it on during the block, also while the work waits for somebody."""
        ended = threading.Event()

        def keep() -> None:
            while not ended.wait(every.total_seconds()):
                # What it means that it was not moved on, the next step of the work finds out.
                with suppress(AwsCallFailed), self._lock:
                    self._move_on()

        threading.Thread(target=keep, name="lease", daemon=True).start()
        try:
            yield
        finally:
            ended.set()

    def hold(self) -> None:
        """To be called before each step of the work: raises LeaseLost if somebody else may be at work by now."""
        with self._lock:
            # The wall clock, not a monotonic one: it goes on while a laptop sleeps. It may be set back, too.
            if abs(datetime.now(UTC) - self._moved_on) >= RENEWED_EVERY:
                try:
                    self._move_on()
                except AwsCallFailed as error:
                    if abs(datetime.now(UTC) - self._moved_on) >= LASTS:
                        self._lost = f"which could not be moved on since {utc(self._moved_on)}: {error}"
            if self._lost:
                raise LeaseLost(f"This run has lost its lease, {self._lost}; nothing more is changed")

    def give_back(self) -> None:
        """End it, if it is still this run's. Raises AwsCallFailed if the table cannot be written."""
        with self._lock:
            if not self._lost:
                self._write("REMOVE", {"ends": ""}, "#run = :run", {":run": self._run})

    def _move_on(self) -> None:
        if self._lost:
            return
        now = datetime.now(UTC)
        held_by = self._write("SET", {"ends": _iso(now + LASTS)}, "#run = :run", {":run": self._run})
        if held_by is None:
            self._moved_on = now
        else:
            self._lost = f"as another run has it: {_said_of(held_by)}" if held_by else "as its item was removed"

    def _write(
        self, verb: str, values: Mapping[str, Any], condition: str, bounds: Mapping[str, str]
    ) -> dict[str, Any] | None:
        """Set or remove these attributes; what the item holds if it does not meet the condition, None if it did."""
        is_set = verb == "SET"
        clauses = ", ".join(f"#{name} = :{name}" if is_set else f"#{name}" for name in values)
        own = {f":{name}": value for name, value in values.items()} if is_set else {}
        try:
            self._client.update_item(
                TableName=self._table,
                Key={"id": {"S": LEASE}},
                UpdateExpression=f"{verb} {clauses}",
                ConditionExpression=condition,
                ExpressionAttributeNames={f"#{name}": name for name in {*values, "run"}},
                ExpressionAttributeValues={name: _serialize(value) for name, value in {**own, **bounds}.items()},
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except AWS_ERRORS as error:
            if code_of(error) == _TAKEN:
                found: Any = getattr(error, "response", {}).get("Item") or {}
                return attributes.plain(found)
            for_all = unusable("dynamodb:UpdateItem", error)
            if for_all is not None:
                raise for_all from error
            text = f"the lease in table {self._table!r} (dynamodb:UpdateItem): {sentence_of(error)}"
            raise error_of("dynamodb:UpdateItem", error, text, id=Message.TABLE_FAILED) from error
        return None


def _said_of(item: Mapping[str, Any]) -> str:
    """The holder as an item names it, which anybody may have written."""
    part = {name: _plain(item.get(name)) for name in ("command", "who", "host", "process")}
    since = _moment(item.get("since"))
    return (
        f"{part['command']}, started by {part['who']} on {part['host']} (process {part['process']}) "
        f"at {utc(since) if since else 'an unknown time'}"
    )


def _over_at(item: Mapping[str, Any]) -> str:
    ends = _moment(item.get("ends"))
    return f"{ends + MARGIN:%Y-%m-%d %H:%M:%S} UTC" if ends else "an unknown time"


def _plain(value: object) -> str:
    if value is None:
        return "somebody"
    return cut(plain(str(value) if isinstance(value, (str, Decimal)) else values.shown(value)), _LONGEST)


def _moment(value: object) -> datetime | None:
    try:
        return values.moment(value)
    except ValueError:
        return None


def _iso(moment: datetime) -> str:
    """To the second, always in the same form: such texts are in the order of their times."""
    return moment.astimezone(UTC).isoformat(timespec="seconds")
