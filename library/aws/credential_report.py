"""The credential report: which users of an account may have an access key that was not used for a long time.

It has both key slots of every user in one answer, where the listings take a call or two for each user. But it is up
to four hours old and has neither key ids nor user ids. So it never decides on a key: it says how many keys may be
idle and which users to ask about first, and then IAM itself is asked until that many are found. The result is what
the full listing finds, because each of these holds whatever happened in the account after the report was made:

- *A key that was used lately stays so.* The time of its last use only grows.
- *What is new is not idle.* A report is accepted only if it is younger than the criterion. So users and keys that
  were created after it, also in a slot that was empty or held another key, are younger than the criterion, too.
- *A key without a known use is at most as old as its user.* `last_rotated` does not date it: switching an old key off
  and on moves that, too.
- *A slot that was off may be on by now*, so it counts like an Active one. A report that was made during this scan is
  as good as a listing at that moment: in it a slot that is off is no reason to ask its user, and it counts only
  beside a slot that is.
- *An empty slot has no time of rotation.* The guide says so of a user without an *active* key, but reports show the
  time of keys that are off, too. Were it otherwise, a key that was never used and is switched on again would be found
  with the next report, at most four hours later.
- *A user is recognised by the time of their creation*, which never changes, while a name can be given to another
  user. Users who were created in the same second are one group, and their names only tell which of them to ask first.
- *A key that is found idle was in one of the suspicious slots of its group*, because the above rules out every other
  slot. So once as many idle keys are found as the group has suspicious slots, no other key of the group can be idle;
  and as long as there are fewer, everyone in the group is asked.
- *What is not understood rules nobody out*: an unknown value, a row that is cut short, a user without a row.

Columns and values: IAM User Guide, "Generate credential reports for your AWS account".
"""

from __future__ import annotations

import csv
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from io import StringIO
from itertools import zip_longest
from typing import TYPE_CHECKING

from library.errors import HammerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = "<root_account>"
"""The row of the account's root user, who is not an IAM user: no listing of users has them."""
SLOTS = ("access_key_1", "access_key_2")
SLOT_COLUMNS = ("active", "last_rotated", "last_used_date")
NONE = "N/A"


class UnusableReport(HammerError):
    """The credential report cannot be had, or cannot be relied on; the account has to be listed in full."""


@dataclass(frozen=True, slots=True)
class Suspicion:
    """How many keys of one group of users may be idle: at most `slots`.

    `names` are the users to ask first. `rotated` are the times at which these slots were changed last (UTC): most
    likely the key to ask about first was created then.
    """

    slots: int
    names: frozenset[str] = frozenset()
    rotated: tuple[datetime, ...] = ()


NOTHING = Suspicion(0)
EVERYTHING = Suspicion(sys.maxsize)


@dataclass(slots=True)
class _Group:
    users: int = 0
    slots: int = 0
    names: set[str] = field(default_factory=set)
    rotated: list[datetime] = field(default_factory=list)


class CredentialReport:
    """The content of a report, read by the rule `is_long_ago`: whether a key last used at a time (UTC) is idle.

    `made_for_this_scan` is whether it was made after the scan began. Raises UnusableReport if it is not a report.
    """

    def __init__(self, content: bytes, is_long_ago: Callable[[datetime], bool], *, made_for_this_scan: bool) -> None:
        self._is_long_ago = is_long_ago
        self._groups: dict[datetime, _Group] = defaultdict(_Group)
        for row in _rows(content):
            created = _time(row["user_creation_time"])
            if created is None:
                raise UnusableReport(f"the credential report has no creation time of the user {row['user']!r}")
            group = self._groups[created]
            group.users += 1
            slots = [slot for slot in SLOTS if _may_be_idle(row, slot, created, is_long_ago)]
            asked = [slot for slot in slots if not made_for_this_scan or row[f"{slot}_active"] != "false"]
            if asked:
                group.slots += len(slots)
                group.names.add(row["user"])
                group.rotated += filter(None, (_time(row[f"{slot}_last_rotated"]) for slot in asked))

    def suspicion(self, created: datetime, users: int) -> Suspicion:
        """How many keys may be idle of the users who were created in that second (UTC); by now there are `users`."""
        if not self._is_long_ago(created):
            return NOTHING
        group = self._groups.get(created, _Group())
        if users > group.users:
            return EVERYTHING
        if not group.names:
            return NOTHING
        return Suspicion(group.slots, frozenset(group.names), tuple(group.rotated))


def _may_be_idle(row: dict[str, str], slot: str, created: datetime, is_long_ago: Callable[[datetime], bool]) -> bool:
    active, rotated, used = (row[f"{slot}_{column}"] for column in SLOT_COLUMNS)
    empty = (active, rotated, used) == ("false", NONE, NONE)
    # A value that is not a time means that the key was never used, that AWS does not know, or something new.
    return not empty and is_long_ago(_time(used) or created)


def _rows(content: bytes) -> Iterator[dict[str, str]]:
    try:
        lines = csv.reader(StringIO(content.decode("utf-8-sig")), strict=True)
        columns = next(lines, [])
        needed = {"user", "user_creation_time"} | {f"{slot}_{column}" for slot in SLOTS for column in SLOT_COLUMNS}
        if missing := needed.difference(columns):
            raise UnusableReport(f"the credential report lacks the columns {', '.join(sorted(missing))}")
        for cells in filter(None, lines):
            # A user name may have commas in it, and so may an ARN; whether they are quoted is not documented.
            if len(cells) > len(columns) and columns[:2] == ["user", "arn"]:
                right = len(cells) - len(columns) + 2
                user, _, rest = ",".join(cells[:right]).partition(",arn:")
                cells[:right] = [user, f"arn:{rest}"]
            if len(cells) > len(columns):
                raise UnusableReport(
                    f"the credential report has a row of {len(cells)} cells for {len(columns)} columns"
                )
            row = dict(zip_longest(columns, cells, fillvalue=""))
            if row["user"] != ROOT:
                yield row
    except (UnicodeDecodeError, csv.Error) as error:
        raise UnusableReport(f"the credential report is not CSV in UTF-8: {error}") from error


def _time(text: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return time.replace(microsecond=0) if time.tzinfo else None
