"""Switching one key, off or on: the same acts in the same order, so that a run may be cut off between any two."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, Protocol

from library.aws.key_switch import was_refused
from library.errors import AwsCallFailed, HammerError
from library.issues.access_keys import ACTIVE, AccessKey
from library.issues.decisions import Outcome, Skip, Step, Verdict
from library.messages import Message
from library.text import utc

if TYPE_CHECKING:
    from collections.abc import Sequence

    from library.aws.issues_table import IssuesTable
    from library.aws.key_switch import KeySwitch
    from library.cli.run import Hold
    from library.issues.record import Issue
    from library.issues.reporting import TellRemediated
    from library.notifications.news import News


_UNKNOWN: Literal["unknown"] = "unknown"


class NotSwitched(HammerError):
    """A key could not be looked at or not be switched, because of `error`; `issue` is what was recorded of that."""

    def __init__(
        self, what: str, error: AwsCallFailed, issue: Issue | None = None, *, id: Message = Message.KEY_NOT_SWITCHED
    ) -> None:
        self.error = error
        self.issue = issue
        super().__init__(f"{what}: {error}", id=id)


@dataclass(frozen=True, slots=True)
class Way:
    """Off or on, and the words for it.

    `listed_in` is the setting that names the accounts. `since` is what the prompt calls the moment from which on the
    key may be switched. After `failures_in_a_row` the rest of an account is left for the next run; None means never.
    One that stands `alone` needs the table and IAM only: people are told last, and if nobody can be told, later.
    """

    name: Literal["off", "on"]
    status: Literal["Active", "Inactive"]
    run: str
    question: str
    listed_in: str
    since: str
    done: Verdict
    planned: Verdict
    failures_in_a_row: int | None = None
    alone: bool = False

    def said_of(self, issue: Issue, why: str) -> str:
        """The reason for the log; of a key that is on again by the time it was recorded, that it is."""
        on_again = issue.on_again_since if self.name == "off" else None
        return why if on_again is None else f"{why}; somebody has switched it on again at {utc(on_again)}"

    def is_done(self, key: AccessKey | None) -> bool:
        """Whether there is a key, and it is switched this way; an Expired one is off."""
        return key is not None and (key.status == ACTIVE) is (self.status == ACTIVE)


@dataclass(frozen=True, slots=True)
class Proceed:
    """The issue allows its key to be switched; `interrupted` is whether an earlier run may have done so already."""

    interrupted: bool


@dataclass(frozen=True, slots=True)
class Ready:
    """The issue and its key allow the key to be switched, because of `reason`, since when (UTC)."""

    key: AccessKey
    reason: str
    since: datetime


class Direction(Protocol):
    """What is decided, recorded and said where a key is switched one way; all times are in UTC.

    Each method may raise HammerError if something cannot be read or written that it needs.
    """

    @property
    def way(self) -> Way:
        """Which way it is."""

    @property
    def accounts(self) -> Sequence[str]:
        """The ids of the accounts whose keys may be switched."""

    @property
    def limit(self) -> int | None:
        """How many keys one run may switch."""

    def order(self, issue: Issue, /) -> tuple[object, ...]:
        """What the issues of a run are sorted by."""

    def due(self, issue: Issue, /) -> datetime | None:
        """When the key may be switched, for the plan; None if there is no such moment."""

    def judge(self, issue: Issue, now: datetime, /) -> Proceed | TellRemediated | Skip:
        """What the issue alone says."""

    def ready(self, issue: Issue, key: AccessKey | None, now: datetime, /) -> Ready | Skip:
        """What the issue and its key, as IAM has it at this moment, say; ignores an intent that is recorded."""

    def why(self, ready: Ready, now: datetime, /) -> str:
        """The reason for the log and the history."""

    def why_completed(self, issue: Issue, /) -> str:
        """The same where an earlier run has switched the key and not recorded it."""

    def changed_meanwhile(self, account_id: str, /) -> Skip | None:
        """Why no key of the account may be switched any more; asked right before each key."""

    def announce(self, issue: Issue, why: str, now: datetime, /) -> Step | Skip:
        """The intent, if the issue still allows it."""

    def withdraw(self, issue: Issue, intent: Outcome, why: str, now: datetime, /) -> Step | None:
        """The end of an intent, None if another run has recorded one since."""

    def fail(self, issue: Issue, intent: Outcome, cause: str, now: datetime, /, *, certain: bool) -> Step | None:
        """The failure to switch the key; `certain` is whether it is known that the key is as it was before."""

    def record(self, issue: Issue, why: str, now: datetime, /) -> Step:
        """The key is switched, and everybody is owed the news."""

    def news(self, issue: Issue, now: datetime, /) -> News:
        """What people are told when the key was switched."""

    def news_of_failure(self, issue: Issue, now: datetime, /) -> News | None:
        """What they are told when it could not be switched, None for nothing."""


def look(issue: Issue, keys: KeySwitch) -> AccessKey | None:
    """The key as it is at this moment, None if it does not exist. Raises NotSwitched if that is not known."""
    try:
        return keys.look(issue)
    except AwsCallFailed as error:
        raise NotSwitched("the key could not be looked at", error, id=Message.KEY_NOT_LOOKED_AT) from error


def switch(
    issue: Issue, direction: Direction, table: IssuesTable, keys: KeySwitch, why: str, hold: Hold
) -> Issue | Skip:
    """Announce, look, withdraw if the key must stay as it is, switch, look if in doubt, record.

    `hold` is called right before the key is touched, and may raise LeaseLost: then the intent stays, as when a run
    dies. Returns the issue as it is recorded then, or why the key stays as it is. Raises NotSwitched if the key could
    not be looked at or switched, HammerError if the configuration or the table cannot be read or written.
    """
    against = direction.changed_meanwhile(issue.account_id)
    if against is not None:
        return against
    began = datetime.now(UTC)
    # The intent comes first: a scan that sees the key switched must know that it was us, even if we die right here.
    intent = table.change(issue, lambda current: direction.announce(current, why, began))
    announced = intent.after
    if announced is None or intent.refused is not None:
        return intent.refused or Skip("changed by somebody else meanwhile")
    try:
        # Time went by (a prompt, a slow call): the key is looked at for the last time before it is touched.
        ready = direction.ready(announced, look(announced, keys), datetime.now(UTC))
    except NotSwitched as error:
        _withdraw(intent, announced, direction, table, str(error))
        raise
    if isinstance(ready, Skip):
        _withdraw(intent, announced, direction, table, ready.reason)
        return ready
    hold()
    try:
        keys.set_status(issue.account_id, ready.key, direction.way.status)
    except AwsCallFailed as error:
        seen = _look_again(announced, keys)
        if seen is None:
            gone = Skip("the key does not exist any more")
            _withdraw(intent, announced, direction, table, gone.reason)
            return gone
        if seen == _UNKNOWN or not direction.way.is_done(seen):
            after = _fail(intent, announced, direction, table, error, certain=seen != _UNKNOWN)
            raise NotSwitched(f"the key could not be switched {direction.way.name}", error, after) from error
    return record(announced, direction, table, why)


def record(issue: Issue, direction: Direction, table: IssuesTable, why: str) -> Issue:
    """Record that the key is switched; returns the issue as it is then. Raises HammerError if it was removed."""
    now = datetime.now(UTC)
    # What is owed is recorded with the success: the next run says it, should this process die here.
    return table.record(issue, lambda current: direction.record(current, why, now))


def _look_again(issue: Issue, keys: KeySwitch) -> AccessKey | Literal["unknown"] | None:
    """The key after a failure, None if it is gone."""
    try:
        return keys.look(issue)
    except AwsCallFailed:
        return _UNKNOWN


def _withdraw(intent: Outcome, announced: Issue, direction: Direction, table: IssuesTable, why: str) -> None:
    now = datetime.now(UTC)
    table.change(announced, lambda current: direction.withdraw(current, intent, why, now))


def _fail(
    intent: Outcome,
    announced: Issue,
    direction: Direction,
    table: IssuesTable,
    error: AwsCallFailed,
    *,
    certain: bool,
) -> Issue | None:
    cause, now, refused = str(error), datetime.now(UTC), certain and was_refused(error)
    return table.change(announced, lambda current: direction.fail(current, intent, cause, now, certain=refused)).after
