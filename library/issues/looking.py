"""Whom a scan looks at live, and why: the credential report says where, the memory what was seen there before.

IAM is shared with everybody who works in an account. So a scan asks only where something is to be decided, and it
looks itself at whatever it opens or resolves. The report (two calls, at most four hours old) shows both key slots of
every user. The memory has a mark for each group of users whom the report does not rule out or who have an issue: what
was held against them at the last live look. As long as the mark is the same, another look would find the same. A
group is everybody who was created in the same second, mostly one user: a report knows no user ids, and names change
hands.

With this the table equals a live listing at the time of the report or later. Why, change by change:

- *A key is used.* Its slot is not held any more, or is held with another time: another mark. Where the group has an
  issue, it is looked at; where it has none, nothing is to be decided.
- *A key that is in use every day costs nothing.* It is not held, and a mark has no times of what is not held.
- *A key grows idle for lack of use.* Its last use in the report becomes long ago: its slot is held from then on.
- *A young key that was never used grows idle, and the report stays the same.* The report cannot date it, because
  `last_rotated` moves whenever a key is switched. So the memory keeps the moment at which it grows idle, and then
  the group is due.
- *A key is switched off or on, made, deleted or rotated.* Its slot becomes off, held or empty, or is held with
  another time of rotation: another mark.
- *A user is deleted.* The row is gone. Each issue whose user has no row is looked at by itself.
- *A user is created again under the same name.* The row has another time of creation, so it is in another group with
  another mark, and so are the issues under that name until they were looked at.
- *A user is renamed.* The row has another name: another mark. An issue under the old name has no row, or that of the
  name's next owner, whose mark is another one as well. The key is followed by its id.
- *A user has more keys than two slots show* (`additional_credentials_info`): such a user is looked at in every scan.
  So is everybody in whose row something is not understood.
- *Something happens between report and live look.* The look is newer, and what it finds is right. But it has found
  something else than the report holds, and the next report may hold again what this one does (of a key that was off
  only while the scan looked). So a mark that the look did not confirm lasts no longer than its report.
- *The report is older than a switch-off of ours*, or than a restore: the same case. Besides, whatever we have
  switched or reported lately is looked at in every scan, whatever the report says.
- *The criterion is another one.* A memory is made with one criterion; with another one it is no memory.
- *The whitelist is another one, or an exemption ends.* A mark has the group's issues, and whether each is exempt.
- *Somebody changes or deletes an issue in the table.* The same: the group's issues are part of the mark.
- *The memory is lost, of an older version, damaged or another account's.* It has a version, a checksum and the
  account id. What is not as it should be is no memory, and everybody whom the report does not rule out is looked at
  again.
- *The memory is forged by somebody who may write to the table.* It can save a look and do nothing else: no moment in
  it lies further ahead than a key takes to grow idle, and once in seven days everything is listed, whatever it says.
- *A user is missing in the report.* AWS lists them all. If it ever did not, that listing finds their keys.

How many keys of a group have to be asked for their last use, library.aws.credential_report says.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from hashlib import blake2b
from typing import TYPE_CHECKING

from library.issues.access_keys import ACTIVE, is_idle
from library.issues.listing import WatchedKey
from library.issues.record import Issue, Status
from library.issues.report_rows import Group, SlotKind

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from datetime import datetime

    from library.issues.access_keys import AccessKey
    from library.issues.memory import Memory

REPORT_LIFE = timedelta(hours=4)
"""So old a credential report may get before IAM makes another (IAM User Guide, "Getting credential reports")."""
IN_HANDS = timedelta(days=7)
"""For so long after its people were told, and after a restore, an issue is looked at in every scan."""
MARK_BYTES = 8


@dataclass(frozen=True, slots=True)
class Kept:
    """An issue that a scan has to keep true.

    `live` is whether a scan says so when its key is not idle any more; `standing` is that, or the closed issue of an
    idle key that was exempt then. `settled` is whether its status is what the whitelist asks for. `in_hands` is
    whether people, or we, have it in hand: it is looked at in every scan.
    """

    key_id: str
    user_name: str
    user_id: str
    live: bool
    standing: bool
    exempt: bool
    settled: bool
    in_hands: bool

    @property
    def watched(self) -> WatchedKey:
        """Its key, to be looked at."""
        return WatchedKey(self.key_id, self.user_name, self.user_id)


def kept(issues: Iterable[Issue], is_exempt: Callable[[Issue], bool], now: datetime) -> tuple[Kept, ...]:
    """Those of an account's issues that a scan at `now` (UTC) has to keep true."""
    found = []
    for issue in issues:
        live = issue.is_live
        closed = issue.status is Status.CLOSED
        standing = live or (closed and issue.timestamps.resolved is None)
        hands = _in_hands(issue, now, live=live and not closed)
        if standing or hands:
            exempt = is_exempt(issue)
            found.append(
                Kept(
                    key_id=issue.issue_id,
                    user_name=issue.details.username,
                    user_id=issue.details.user_id,
                    live=live,
                    standing=standing,
                    exempt=exempt,
                    settled=closed or not live or (issue.status is Status.WHITELISTED) == exempt,
                    in_hands=hands,
                )
            )
    return tuple(found)


def _in_hands(issue: Issue, now: datetime, *, live: bool) -> bool:
    times = issue.timestamps
    begun = times.identified or times.updated or now
    if live:
        told = times.reported is not None and now - times.reported <= IN_HANDS
        switched = any(
            time is not None and time >= begun
            for time in (times.remediation_started, times.remediated, times.restored)
        )
        return told or switched
    # A key that was switched on again after its issue had ended: the next scan begins the new episode.
    restored = times.restored is not None and now - times.restored <= IN_HANDS
    return restored and (times.resolved is None or (times.restored or now) >= times.resolved)


class Why(StrEnum):
    """Why a group of users is looked at live."""

    NOT_KNOWN = "the report holds something that no look has seen yet"
    NOT_SHOWN = "the report does not show everything"
    DUE = "a key may have grown idle, or the last look found something else than the report"
    EXEMPTION = "the whitelist says something else than the issue"
    CHECK = "everything is listed once in seven days"
    NO_REPORT = "there is no report"


@dataclass(frozen=True, slots=True)
class Plan:
    """Where to look: groups by their second of creation (UTC), and `singly` the keys of issues.

    `marks` are what the memory holds of the groups that are not looked at, each with the moment at which it is due.
    """

    groups: Mapping[datetime, Why]
    singly: tuple[Kept, ...]
    marks: Mapping[bytes, datetime | None] = field(default_factory=dict)


def plan(
    account_id: str, groups: Mapping[datetime, Group], issues: Collection[Kept], memory: Memory, now: datetime
) -> Plan:
    """Whom to look at in the scan that began at `now` (UTC), by the report's `groups` and the issues to keep true."""
    group_of = group_by_user(groups)
    of_group = issues_by_group(groups, issues)
    looks: dict[datetime, Why] = {}
    marks: dict[bytes, datetime | None] = {}
    for created, group in groups.items():
        concerned = of_group.get(created, [])
        if not group.held and not any(issue.live for issue in concerned):
            continue
        mark = mark_of(account_id, group, concerned)
        if mark is None:
            looks[created] = Why.NOT_SHOWN
        elif not all(issue.settled for issue in concerned):
            looks[created] = Why.EXEMPTION
        elif mark not in memory.marks:
            looks[created] = Why.NOT_KNOWN
        elif (due := memory.marks[mark]) is not None and now > due:
            looks[created] = Why.DUE
        else:
            marks[mark] = due
    singly = tuple(
        issue
        for issue in issues
        if (issue.live and issue.user_name not in group_of)
        or (issue.in_hands and group_of.get(issue.user_name) not in looks)
    )
    return Plan(looks, singly, marks)


def group_by_user(groups: Mapping[datetime, Group]) -> dict[str, datetime]:
    """The second of creation (UTC) by the name of the user."""
    return {row.user: created for created, group in groups.items() for row in group.rows}


def issues_by_group(groups: Mapping[datetime, Group], issues: Iterable[Kept]) -> dict[datetime, list[Kept]]:
    """The issues of each group, by the names of the users; one whose user has no row is in none."""
    group_of = group_by_user(groups)
    found: dict[datetime, list[Kept]] = {}
    for issue in issues:
        if issue.user_name in group_of:
            found.setdefault(group_of[issue.user_name], []).append(issue)
    return found


def mark_of(account_id: str, group: Group, issues: Iterable[Kept]) -> bytes | None:
    """What is held against a group, in few bytes; None if something could change without a trace in it."""
    if not all(row.shows_all for row in group.rows):
        return None
    held = sorted((row.user, *(slot.held for slot in row.slots)) for row in group.rows)
    standing = sorted((issue.key_id, issue.exempt) for issue in issues if issue.standing)
    facts = repr((account_id, group.created.isoformat(), held, standing))
    return blake2b(facts.encode(), digest_size=MARK_BYTES).digest()


def due_after(
    group: Group, keys: Iterable[AccessKey], *, criteria_days: int, report_made: datetime, now: datetime
) -> datetime | None:
    """From when on (UTC) a group has to be looked at again although its mark stays; None if never.

    `keys` are those of its users that the scan of `now` has looked at.
    """
    active = [key for key in keys if key.status == ACTIVE]
    idle = [key for key in active if is_idle(key, criteria_days, now)]
    # Their last use was not asked for, or there was none.
    young = [key for key in active if key.last_used is None and not is_idle(key, criteria_days, now)]
    due = [key.create_date + timedelta(days=criteria_days) for key in young]
    held = group.slots(SlotKind.HELD)
    never_held, never_idle = sum(not slot.used for slot in held), sum(key.last_used is None for key in idle)
    used_held, used_idle = len(held) - never_held, len(idle) - never_idle
    if used_held != used_idle or not 0 <= never_held - never_idle <= len(young):
        due.append(report_made + REPORT_LIFE)
    return min(due, default=None)


def remember(
    account_id: str,
    groups: Mapping[datetime, Group],
    looked: Mapping[datetime, Sequence[AccessKey]],
    issues: Collection[Kept],
    *,
    criteria_days: int,
    report_made: datetime,
    now: datetime,
) -> dict[bytes, datetime | None]:
    """The marks of the groups whose keys were `looked` at after the report was made, each with when it is due.

    `issues` are those that are kept after the scan. A group is remembered only if its issues say what the look found:
    an issue that could not be changed is decided again by the next scan.
    """
    of_group = issues_by_group(groups, issues)
    marks: dict[bytes, datetime | None] = {}
    for created, keys in looked.items():
        group, concerned = groups.get(created), of_group.get(created, [])
        if group is None or not (group.held or any(issue.live for issue in concerned)):
            continue
        idle = {key.key_id for key in keys if is_idle(key, criteria_days, now)}
        live, standing = ({i.key_id for i in concerned if i.live}, {i.key_id for i in concerned if i.standing})
        mark = mark_of(account_id, group, concerned)
        if mark is None or not live <= idle <= standing or not all(issue.settled for issue in concerned):
            continue
        marks[mark] = due_after(group, keys, criteria_days=criteria_days, report_made=report_made, now=now)
    return marks
