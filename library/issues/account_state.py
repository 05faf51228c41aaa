"""What is known of an account as a whole: when it was scanned last, why its scans fail, where one has to go on."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from library.issues import values
from library.text import utc

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

FRESH = timedelta(hours=24)
"""An account whose last complete scan began longer ago than this is one that is not scanned."""
ROUND_LIFE = timedelta(hours=12)
"""A scan goes on from where an earlier one was cut off no longer than this after the round began."""
LONGEST_CAUSE = 1000
"""Characters of the cause of a failure that are kept."""
UNMATCHED_KEPT = 200
"""How many entries of the whitelist are named that mean nothing."""
DOUBTFUL_KEPT = 5000
"""How many keys a cut-off round may leave to be looked at again; with more of them it begins from the beginning."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Seen:
    """What a complete scan saw; `report_made` (UTC) is None if it had no credential report.

    `active_keys` are the users' keys that are on, `root_keys` those of the root user; None if that is not known.
    """

    users: int
    keys: int
    idle_keys: int
    report_made: datetime | None = None
    active_keys: int | None = None
    root_keys: int | None = None


@dataclass(frozen=True, slots=True)
class Round:
    """A scan that was cut off, and all that went on from there; times in UTC.

    It is `through` with `done` of `users` users: all who were created at or before that second. `doubtful` are the
    keys of issues whose users it is through with and which it has not found idle. `refused` are users whom it was not
    allowed to look at, by their names.
    """

    began: datetime
    through: datetime
    done: int
    users: int
    doubtful: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AccountState:
    """The item of one account in the state table; None and empty is "not known". Times in UTC.

    `scanned` is when the last complete scan began, `seen` what it saw; `failing_since` and `failure` are of the
    failures after it. `full_listing` is when the last complete scan that listed everything began, `tags_read` when
    the tags of all users with an issue were read last. `memory` is library.issues.memory's. `unmatched` are entries
    of the whitelist that mean no user and no key, by the last complete scan. `version` is whatever the item has:
    each write gives it another one.
    """

    scanned: datetime | None = None
    seen: Seen | None = None
    failing_since: datetime | None = None
    failure: str = ""
    full_listing: datetime | None = None
    tags_read: datetime | None = None
    round: Round | None = None
    memory: bytes = b""
    unmatched: tuple[str, ...] = ()
    version: object = None

    def failed(self, cause: str, began: datetime) -> AccountState | None:
        """After a scan that began then and failed; None if a later one was complete."""
        if self.scanned is not None and self.scanned >= began:
            return None
        return replace(self, failing_since=self.failing_since or began, failure=cause[:LONGEST_CAUSE])

    def cut_off(self, round_: Round | None, memory: bytes, cause: str, began: datetime) -> AccountState | None:
        """After a scan that began then and whose time ended before it was through."""
        failed = self.failed(cause, began)
        return None if failed is None else replace(failed, round=round_, memory=memory)

    def complete(
        self,
        seen: Seen,
        memory: bytes,
        began: datetime,
        *,
        everything: bool,
        tags_read: datetime | None,
        unmatched: tuple[str, ...] = (),
    ) -> AccountState | None:
        """After a complete scan that began then; None if a later one was complete before."""
        if self.scanned is not None and self.scanned > began:
            return None
        return replace(
            self,
            scanned=began,
            seen=seen,
            failing_since=None,
            failure="",
            full_listing=began if everything else self.full_listing,
            tags_read=tags_read,
            round=None,
            memory=memory,
            unmatched=unmatched[:UNMATCHED_KEPT],
        )

    def resumable(self, now: datetime) -> Round | None:
        """Where a scan that begins at `now` (UTC) goes on; None if it begins from the beginning."""
        return self.round if self.round is not None and now - self.round.began <= ROUND_LIFE else None

    def doubt(self, now: datetime) -> str:
        """Why nothing is switched off by what is known of the account at `now` (UTC); empty if something may be."""
        if self.scanned is not None and now - self.scanned <= FRESH:
            return ""
        since = "never scanned as a whole" if self.scanned is None else f"not scanned since {utc(self.scanned)}"
        return f"{since}, because {self.failure}" if self.failure else since

    def unscanned_since(self, now: datetime, asked: datetime | None = None) -> datetime | None:
        """Since when there is no complete scan, if that is longer than a day (UTC); None if the account is scanned.

        `asked` is when a scan was asked for first of an account that never had one.
        """
        since = self.scanned or asked
        return since if since is not None and now - since > FRESH else None


@dataclass(slots=True)
class _Reader:
    """Reads an item attribute by attribute; of what is not as it should be, `problems` has one sentence each."""

    now: datetime
    problems: list[str] = field(default_factory=list)

    def time(self, part: Mapping[str, Any], name: str) -> datetime | None:
        """A time of ISO 8601 between 2000 and tomorrow."""
        return self._read(part, name, partial(values.past, now=self.now))

    def number(self, part: Mapping[str, Any], name: str) -> int | None:
        """A whole number that is not negative."""
        return self._read(part, name, values.number)

    def text(self, part: Mapping[str, Any], name: str) -> str:
        """Any text."""
        return self._read(part, name, values.text) or ""

    def part(self, item: Mapping[str, Any], name: str) -> Mapping[str, Any]:
        """A map, empty if there is none."""
        return self._read(item, name, values.mapping) or {}

    def texts(self, part: Mapping[str, Any], name: str) -> tuple[str, ...]:
        """A list of texts."""
        return self._read(part, name, values.texts) or ()

    def binary(self, part: Mapping[str, Any], name: str) -> bytes:
        """Bytes, in DynamoDB's own type or Python's."""
        return self._read(part, name, values.binary) or b""

    def _read(self, part: Mapping[str, Any], name: str, read: Callable[[Any], _T]) -> _T | None:
        value = part.get(name)
        if value is None:
            return None
        try:
            return read(value)
        except ValueError as error:
            self.problems.append(f"{name}: {error}")
            return None


def from_item(item: Mapping[str, Any], now: datetime) -> tuple[AccountState, tuple[str, ...]]:
    """The state of an item as it is read at `now` (UTC), and what in it is not understood and therefore not known."""
    read = _Reader(now)
    failing = read.part(item, "failing")
    state = AccountState(
        scanned=read.time(item, "scanned"),
        seen=_seen(read, read.part(item, "seen")),
        failing_since=read.time(failing, "since"),
        failure=read.text(failing, "cause"),
        full_listing=read.time(item, "full_listing"),
        tags_read=read.time(item, "tags_read"),
        round=_round(read, read.part(item, "round")),
        memory=read.binary(item, "memory"),
        unmatched=read.texts(item, "unmatched"),
        version=item.get("version"),
    )
    return state, tuple(read.problems)


def _seen(read: _Reader, part: Mapping[str, Any]) -> Seen | None:
    users, keys, idle = (read.number(part, name) for name in ("users", "keys", "idle_keys"))
    if users is None or keys is None or idle is None:
        return None
    return Seen(
        users,
        keys,
        idle,
        read.time(part, "report_made"),
        active_keys=read.number(part, "active_keys"),
        root_keys=read.number(part, "root_keys"),
    )


def _round(read: _Reader, part: Mapping[str, Any]) -> Round | None:
    began, through = read.time(part, "began"), read.time(part, "through")
    done, users = read.number(part, "done"), read.number(part, "users")
    doubtful, refused = read.texts(part, "doubtful"), read.texts(part, "refused")
    if began is None or through is None or done is None or users is None:
        return None
    # Where a list cannot be read, it is not known either what has to be looked at again.
    if bool(part.get("doubtful")) != bool(doubtful) or bool(part.get("refused")) != bool(refused):
        return None
    return Round(began, through, done, users, doubtful, refused)


def times_of(times: object, now: datetime) -> tuple[dict[str, datetime], tuple[str, ...]]:
    """Times by account id as they are read at `now` (UTC), and what in them is not understood and left out."""
    read = _Reader(now)
    by_id = read.part({"times": times}, "times")
    found = {str(account_id): read.time(by_id, account_id) for account_id in by_id}
    return {account_id: time for account_id, time in found.items() if time is not None}, tuple(read.problems)


def isoformat(times: Mapping[str, datetime]) -> dict[str, str | None]:
    """Times as they are written."""
    return {account_id: _iso(time) for account_id, time in times.items()}


ATTRIBUTES = ("scanned", "seen", "failing", "full_listing", "tags_read", "round", "memory", "unmatched")
"""What `to_item` may have."""


def to_item(state: AccountState) -> dict[str, Any]:
    """The attributes of a state, without key and version of the item; what is not known is left out."""
    item: dict[str, Any] = {
        "scanned": _iso(state.scanned),
        "full_listing": _iso(state.full_listing),
        "tags_read": _iso(state.tags_read),
        "memory": state.memory or None,
        "unmatched": list(state.unmatched) or None,
    }
    if state.seen is not None:
        item["seen"] = _known(
            users=state.seen.users,
            keys=state.seen.keys,
            idle_keys=state.seen.idle_keys,
            report_made=_iso(state.seen.report_made),
            active_keys=state.seen.active_keys,
            root_keys=state.seen.root_keys,
        )
    if state.failing_since is not None:
        item["failing"] = {"since": _iso(state.failing_since), "cause": state.failure}
    if state.round is not None:
        item["round"] = {
            "began": _iso(state.round.began),
            "through": _iso(state.round.through),
            "done": state.round.done,
            "users": state.round.users,
            "doubtful": list(state.round.doubtful),
            "refused": list(state.round.refused),
        }
    return _known(**item)


def _known(**parts: Any) -> dict[str, Any]:
    return {name: value for name, value in parts.items() if value is not None}


def _iso(time: datetime | None) -> str | None:
    return None if time is None else time.astimezone(UTC).isoformat()
