"""The scan of an account: every access key, or every one that may be idle."""

from __future__ import annotations

import time
from collections import defaultdict
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import chain
from typing import TYPE_CHECKING

from library.aws.credential_report import EVERYTHING, CredentialReport, Suspicion, UnusableReport
from library.aws.iam_clients import WORKERS
from library.aws.iam_keys import (
    MAY_BE_GONE,
    User,
    find_access_key,
    keys_of_user,
    pages_of_users,
    with_last_use,
)
from library.errors import AwsCallFailed
from library.issues.access_keys import ACTIVE, AccessKey
from library.issues.listing import Listing, RuledOut, WatchedKey

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from library.aws.iam_clients import IamClients

SMALL_ACCOUNT = 150
"""An account of at most this many users is read faster than its credential report is made (`make bench`)."""
REPORT_PAUSES = (2.0, 1.25, 1.75, 3.0, 5.0, 7.0, 10.0, 10.0, 20.0)
"""Seconds before each look whether the report is ready, a minute in all; mostly it takes a few seconds."""
RENAME_ROUNDS = 3
"""How often users who vanished during the scan are looked for under a new name before the scan gives up."""

# The error code of CredentialReportNotReadyException.
_NOT_READY = "ReportInProgress"


def list_access_keys(iam: IamClients, is_long_ago: Callable[[datetime], bool]) -> Listing:
    """Every key of every user, with its last use where that decides whether the key is idle; complete, or it raises.

    `is_long_ago` is the rule: whether a key last used, or created, at a time (UTC) is idle. A user or key that was
    deleted meanwhile is left out; a user who was renamed meanwhile is followed by their id. Raises AccessDenied or
    AwsCallFailed, also if users keep vanishing during the scan.
    """
    return _Scan(iam, is_long_ago, ()).read(_list_users(iam), None)


def scan_access_keys(
    iam: IamClients, is_long_ago: Callable[[datetime], bool], watched: Collection[WatchedKey], now: datetime
) -> Listing:
    """As `list_access_keys`, but by way of the credential report if the account is large; the idle keys are the same.

    library.aws.credential_report says why they are the same. If the report cannot be had, everything is listed and
    the listing says why. Every `watched` key that exists is in it. The scan began at `now` (UTC).
    """
    scan = _Scan(iam, is_long_ago, watched)
    users: list[User] = []
    with ThreadPoolExecutor(1) as beside:
        asked: Future[CredentialReport] | None = None
        for page in pages_of_users(iam):
            users += page
            if asked is None and len(users) > SMALL_ACCOUNT:
                asked = beside.submit(_credential_report, iam, is_long_ago, now)
    if asked is None:
        return scan.read(users, None)
    try:
        report = asked.result()
    except (UnusableReport, AwsCallFailed) as error:
        return replace(scan.read(users, None), report_problem=str(error))
    return scan.read(users, report)


def _list_users(iam: IamClients) -> list[User]:
    return list(chain.from_iterable(pages_of_users(iam)))


def _credential_report(iam: IamClients, is_long_ago: Callable[[datetime], bool], now: datetime) -> CredentialReport:
    begun = state = iam.call("GenerateCredentialReport")["State"]
    for pause in REPORT_PAUSES:
        if state != "COMPLETE":
            time.sleep(pause)
        try:
            report = iam.call("GetCredentialReport")
        except AwsCallFailed as error:
            if error.code != _NOT_READY:
                raise
            state = "INPROGRESS"
            continue
        made_at = report["GeneratedTime"]
        if is_long_ago(made_at):
            raise UnusableReport(f"the credential report is of {made_at.isoformat()}")
        fresh = begun == "STARTED" and made_at >= now
        return CredentialReport(report["Content"], is_long_ago, made_for_this_scan=fresh)
    raise UnusableReport(f"the credential report was not ready after {sum(REPORT_PAUSES):.0f} seconds")


@dataclass(slots=True)
class _Group:
    """Users who are asked together, and what became of them: `left` is how many more of their keys may be idle."""

    left: int
    keys: list[AccessKey] = field(default_factory=list)
    ruled_out: list[RuledOut] = field(default_factory=list)
    vanished: list[User] = field(default_factory=list)


class _Scan:
    def __init__(
        self, iam: IamClients, is_long_ago: Callable[[datetime], bool], watched: Collection[WatchedKey]
    ) -> None:
        self._iam = iam
        self._is_long_ago = is_long_ago
        self._watched = {key.key_id: key for key in watched}
        self._watched_users = {key.user_id or key.user_name for key in watched}

    def read(self, users: Sequence[User], report: CredentialReport | None) -> Listing:
        """The keys of these users, all of them or those that the report leaves in doubt."""
        asked = [((user,), EVERYTHING) for user in users] if report is None else list(_suspected(users, report))
        keys: list[AccessKey] = []
        ruled_out: list[RuledOut] = []
        with ThreadPoolExecutor(WORKERS) as pool:
            for _ in range(RENAME_ROUNDS):
                vanished: set[str] = set()
                for group in pool.map(self._ask, asked):
                    keys += group.keys
                    ruled_out += group.ruled_out
                    vanished.update(user.id for user in group.vanished)
                present = _list_users(self._iam) if vanished else []
                asked = [((user,), EVERYTHING) for user in present if user.id in vanished]
                if not asked:
                    missing = self._watched.keys() - {key.key_id for key in keys}
                    keys += filter(None, pool.map(self._look_again, sorted(missing)))
                    return Listing(len(users), tuple(keys), tuple(ruled_out))
        raise AwsCallFailed(f"users are being renamed faster than they can be listed: {sorted(vanished)}")

    def _ask(self, asked: tuple[Sequence[User], Suspicion]) -> _Group:
        """Look for as many idle keys as may be there, the likeliest first, and at every watched key."""
        users, suspicion = asked
        group = _Group(suspicion.slots)
        for user in sorted(users, key=lambda user: user.name not in suspicion.names):
            if group.left == 0 and not self._watched_users & {user.id, user.name}:
                group.ruled_out.append(RuledOut(user.name))
                continue
            keys = keys_of_user(self._iam, user.name, user.id)
            if keys is None:
                group.vanished.append(user)
                continue
            for key in sorted(keys, key=lambda key: _distance(key.create_date, suspicion.rotated)):
                self._look_at(key, group)
        return group

    def _look_at(self, key: AccessKey, group: _Group) -> None:
        if key.status != ACTIVE or not self._is_long_ago(key.create_date):
            group.keys.append(key)
            return
        if group.left == 0 and key.key_id not in self._watched:
            group.ruled_out.append(RuledOut(key.user_name, key.key_id))
            return
        seen = with_last_use(self._iam, key)
        if seen is None:
            return
        group.keys.append(seen)
        if group.left > 0 and self._is_long_ago(seen.idle_since):
            group.left -= 1

    def _look_again(self, key_id: str) -> AccessKey | None:
        """A watched key that was not met: its user may have been renamed, and the name taken, during the scan."""
        watched = self._watched[key_id]
        try:
            key = find_access_key(self._iam, key_id, watched.user_name)
        except AwsCallFailed as error:
            # The whole listing has not met the key either.
            if error.call == "iam:GetAccessKeyLastUsed" and error.code in MAY_BE_GONE:
                return None
            raise
        return None if key is None else replace(key, user_id=watched.user_id)


def _suspected(users: Sequence[User], report: CredentialReport) -> Iterator[tuple[Sequence[User], Suspicion]]:
    groups: dict[datetime, list[User]] = defaultdict(list)
    for user in users:
        groups[user.created.replace(microsecond=0)].append(user)
    for created, group in groups.items():
        yield group, report.suspicion(created, len(group))


def _distance(moment: datetime, others: Collection[datetime]) -> timedelta:
    return min((abs(moment - other) for other in others), default=timedelta())
