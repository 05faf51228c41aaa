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
- *What is not understood rules nobody out*: an unknown value, a row that is cut short, a user without a row, or one
  who has more keys than two slots show (`additional_credentials_info`).

Which users to ask at all, if not everybody whom the report does not rule out, library.issues.looking decides.

Columns and values: IAM User Guide, "Generate credential reports for your AWS account".
"""

from __future__ import annotations

import csv
import sys
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from io import StringIO
from itertools import zip_longest
from typing import TYPE_CHECKING

from library.errors import HammerError
from library.issues.report_rows import Group, Row, Slot, SlotKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = "<root_account>"
"""The row of the account's root user, who is not an IAM user: no listing of users has them."""
SLOTS = ("access_key_1", "access_key_2")
SLOT_COLUMNS = ("active", "last_rotated", "last_used_date")
MORE_KEYS = "additional_credentials_info"
"""The column that says how many keys no slot shows, if there are any; a report may lack it."""
NONE = "N/A"
_NO_MORE_KEYS = ("", NONE, "0", "false", "no_information", "not_supported")


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


class CredentialReport:
    """The content of a report, read by the rule `is_long_ago`: whether a key last used at a time (UTC) is idle.

    `made` is when it was made (UTC), `groups` are the users by the second of their creation. `root_keys` are the
    access keys of the root user that are on, `active_keys` those of all users; None if the report does not say it in
    words that are understood. Raises UnusableReport if it is not a report.
    """

    def __init__(self, content: bytes, is_long_ago: Callable[[datetime], bool], made: datetime) -> None:
        self.made = made
        self.root_keys: int | None = None
        self._is_long_ago = is_long_ago
        rows: defaultdict[datetime, list[Row]] = defaultdict(list)
        active: list[int | None] = []
        for cells in _rows(content):
            if cells["user"] == ROOT:
                self.root_keys = _keys_on(cells)
                continue
            active.append(_keys_on(cells))
            row = _row(cells, is_long_ago)
            rows[row.created].append(row)
        known = [keys for keys in active if keys is not None]
        self.active_keys = sum(known) if len(known) == len(active) else None
        self.groups = {created: Group(created, tuple(of_group)) for created, of_group in rows.items()}

    @property
    def keys(self) -> int:
        """How many access keys the users have, on or off."""
        rows = (row for group in self.groups.values() for row in group.rows)
        return sum(slot.kind is not SlotKind.EMPTY for row in rows for slot in row.slots)

    def suspicion(self, created: datetime, users: int, *, may_be_on: bool) -> Suspicion:
        """How many keys may be idle of the users who were created in that second (UTC); by now there are `users`.

        `may_be_on` is whether a slot that is off is a reason to ask: it may have been switched on since.
        """
        if not self._is_long_ago(created):
            return NOTHING
        group = self.groups.get(created, Group(created, ()))
        if users > len(group.rows):
            return EVERYTHING
        slots, names, rotated = 0, set(), []
        for row in group.rows:
            idle = [slot for slot in row.slots if slot.may_be_idle]
            asked = [slot for slot in idle if may_be_on or slot.kind is not SlotKind.OFF]
            if asked or row.more_keys:
                slots += sys.maxsize if row.more_keys else len(idle)
                names.add(row.user)
                rotated += [time for slot in asked if (time := _time(slot.rotated))]
        return Suspicion(slots, frozenset(names), tuple(rotated)) if names else NOTHING


def _row(cells: dict[str, str], is_long_ago: Callable[[datetime], bool]) -> Row:
    created = _time(cells["user_creation_time"])
    if created is None:
        raise UnusableReport(f"the credential report has no creation time of the user {cells['user']!r}")
    slots = tuple(_slot(cells, slot, created, is_long_ago) for slot in SLOTS)
    return Row(cells["user"], created, slots, _has_more_keys(cells) and is_long_ago(created))


def _has_more_keys(cells: dict[str, str]) -> bool:
    return cells.get(MORE_KEYS, NONE) not in _NO_MORE_KEYS or _CUT_SHORT in cells


def _keys_on(cells: dict[str, str]) -> int | None:
    active = [cells[f"{slot}_active"] for slot in SLOTS]
    return None if _has_more_keys(cells) or {*active} - {"true", "false"} else active.count("true")


def _slot(cells: dict[str, str], slot: str, created: datetime, is_long_ago: Callable[[datetime], bool]) -> Slot:
    active, rotated, used = (cells[f"{slot}_{column}"] for column in SLOT_COLUMNS)
    if (active, rotated, used) == ("false", NONE, NONE):
        return _EMPTY
    used_at = _time(used)
    # A value that is not a time means that the key was never used, that AWS does not know, or something new.
    may_be_idle = is_long_ago(used_at or created)
    if active == "false":
        return Slot(SlotKind.OFF, may_be_idle, rotated if may_be_idle else "")
    if not may_be_idle:
        return _IN_USE
    understood = active == "true" and _time(rotated) is not None and (used_at is not None or used == NONE)
    return Slot(SlotKind.HELD if understood else SlotKind.ODD, True, rotated, "" if used == NONE else used)


_EMPTY, _IN_USE = Slot(SlotKind.EMPTY), Slot(SlotKind.IN_USE)
_CUT_SHORT = ""
"""The name of a column that only a row that is cut short has."""


def _rows(content: bytes) -> Iterator[dict[str, str]]:
    try:
        lines = csv.reader(StringIO(content.decode("utf-8-sig")), strict=True)
        columns = next(lines, [])
        needed = {"user", "user_creation_time"} | {f"{slot}_{column}" for slot in SLOTS for column in SLOT_COLUMNS}
        if missing := needed.difference(columns):
            raise UnusableReport(f"the credential report lacks the columns {', '.join(sorted(missing))}")
        for cells in filter(None, lines):
            yield _named(columns, cells)
    except (UnicodeDecodeError, csv.Error) as error:
        raise UnusableReport(f"the credential report is not CSV in UTF-8: {error}") from error


def _named(columns: list[str], cells: list[str]) -> dict[str, str]:
    # A user name may have commas in it, and so may an ARN; whether they are quoted is not documented.
    if len(cells) > len(columns) and columns[:2] == ["user", "arn"]:
        right = len(cells) - len(columns) + 2
        user, _, rest = ",".join(cells[:right]).partition(",arn:")
        cells[:right] = [user, f"arn:{rest}"]
    if len(cells) > len(columns):
        raise UnusableReport(f"the credential report has a row of {len(cells)} cells for {len(columns)} columns")
    row = dict(zip_longest(columns, cells, fillvalue=""))
    if len(cells) < len(columns):
        row[_CUT_SHORT] = ""
    return row


def _time(text: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return time.replace(microsecond=0) if time.tzinfo else None
