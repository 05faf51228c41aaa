"""The scan of an account: every access key, or every one that may be idle."""

from __future__ import annotations

import time
from collections import defaultdict
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import chain
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from library.aws.credential_report import EVERYTHING, CredentialReport, Suspicion, UnusableReport
from library.aws.iam_clients import WORKERS
from library.aws.iam_keys import (
    MAY_BE_GONE,
    User,
    find_access_key,
    listed_keys,
    pages_of_users,
    with_last_use,
)
from library.errors import AwsCallFailed
from library.issues.access_keys import ACTIVE, AccessKey

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from library.aws.iam_clients import IamClients

SMALL_ACCOUNT = 150
"""Up to so many users an account is read faster directly than a credential report is made (`make bench`)."""
REPORT_PAUSES = (2.0, 1.25, 1.75, 3.0, 5.0, 7.0, 10.0, 10.0, 20.0)
"""Seconds before each look whether the report is ready, which mostly takes a few: a minute in all."""
RENAME_ROUNDS = 3
"""How often users that vanished during the scan are looked for under a new name before the scan gives up."""


@dataclass(frozen=True, slots=True)
class WatchedKey:
    """A key that is looked at whatever the credential report says; its user as an earlier scan knew it."""

    key_id: str
    user_name: str
    user_id: str


@dataclass(frozen=True, slots=True)
class RuledOut:
    """A user, or one key of a user, that the credential report saved a look; `key_id` None means every key."""

    user_name: str
    key_id: str | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """Access keys of an account.

    `users` counts all users. Every key of theirs is in `keys` or covered by `ruled_out`. `report_problem` says why
    the credential report could not be used; it is empty if it was used, or was not needed.
    """

    users: int
    keys: tuple[AccessKey, ...]
    ruled_out: tuple[RuledOut, ...] = ()
    report_problem: str = ""


def list_access_keys(iam: IamClients, is_long_ago: Callable[[datetime], bool]) -> Listing:
    """Every key of every user, with its last use where that decides whether the key is idle; complete, or it raises.

    `is_long_ago` is the rule: whether a key last used, or created, at a time (UTC) is idle. A user or key that was
    deleted meanwhile is left out; a user that was renamed meanwhile is followed by its id. Raises botocore's
    ClientError or BotoCoreError, and AwsCallFailed if users keep vanishing under the scan.
    """
    return _Scan(iam, is_long_ago, ()).read(_list_users(iam), None)


def scan_access_keys(
    iam: IamClients, is_long_ago: Callable[[datetime], bool], watched: Collection[WatchedKey], now: datetime
) -> Listing:
    """As `list_access_keys`, but by way of the credential report if the account is large; the idle keys are the same.

    Why they are the same, library.aws.credential_report says. If the report cannot be had, everything is listed and
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
    except (UnusableReport, ClientError, BotoCoreError) as error:
        return replace(scan.read(users, None), report_problem=str(error))
    return scan.read(users, report)


def _list_users(iam: IamClients) -> list[User]:
    return list(chain.from_iterable(pages_of_users(iam)))


def _credential_report(iam: IamClients, is_long_ago: Callable[[datetime], bool], now: datetime) -> CredentialReport:
    client = iam.of("CredentialReport")
    begun = state = client.generate_credential_report()["State"]
    for pause in REPORT_PAUSES:
        if state != "COMPLETE":
            time.sleep(pause)
        try:
            report = client.get_credential_report()
        except client.exceptions.CredentialReportNotReadyException:
            state = "INPROGRESS"
            continue
        made_at = report["GeneratedTime"]
        if is_long_ago(made_at):
            raise UnusableReport(f"the credential report is of {made_at.isoformat()}")
        fresh = begun == "STARTED" and made_at >= now
        return CredentialReport(report["Content"], is_long_ago, made_for_this_scan=fresh)
    raise UnusableReport(f"the credential report was not ready after {sum(REPORT_PAUSES):.0f} seconds")


@dataclass(slots=True)
class _Found:
    """What became of some users: their keys, what was ruled out, and the users that were not there any more."""

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
        groups = [((user,), EVERYTHING) for user in users] if report is None else list(_suspected(users, report))
        keys: list[AccessKey] = []
        ruled_out: list[RuledOut] = []
        with ThreadPoolExecutor(WORKERS) as pool:
            for _ in range(RENAME_ROUNDS):
                vanished: set[str] = set()
                for found in pool.map(lambda group: self._ask(*group), groups):
                    keys += found.keys
                    ruled_out += found.ruled_out
                    vanished.update(user.id for user in found.vanished)
                present = _list_users(self._iam) if vanished else []
                groups = [((user,), EVERYTHING) for user in present if user.id in vanished]
                if not groups:
                    missing = self._watched.keys() - {key.key_id for key in keys}
                    keys += filter(None, pool.map(self._look_again, sorted(missing)))
                    return Listing(len(users), tuple(keys), tuple(ruled_out))
        raise AwsCallFailed(f"users are being renamed faster than they can be listed: {sorted(vanished)}")

    def _ask(self, users: Sequence[User], suspicion: Suspicion) -> _Found:
        """Look for as many idle keys as may be there, the likeliest first, and at every watched key."""
        found = _Found()
        left = suspicion.slots
        for user in sorted(users, key=lambda user: user.name not in suspicion.names):
            if left <= 0 and not self._watched_users & {user.id, user.name}:
                found.ruled_out.append(RuledOut(user.name))
                continue
            keys = listed_keys(self._iam, user.name, user.id)
            if keys is None:
                found.vanished.append(user)
                continue
            for key in sorted(keys, key=lambda key: _distance(key.create_date, suspicion.rotated)):
                if key.status != ACTIVE or not self._is_long_ago(key.create_date):
                    found.keys.append(key)
                elif left > 0 or key.key_id in self._watched:
                    for seen in with_last_use(self._iam, key):
                        found.keys.append(seen)
                        left -= self._is_long_ago(seen.idle_since)
                else:
                    found.ruled_out.append(RuledOut(user.name, key.key_id))
        return found

    def _look_again(self, key_id: str) -> AccessKey | None:
        """A watched key that was not met: its user may have been renamed, and the name taken, during the scan."""
        watched = self._watched[key_id]
        try:
            key = find_access_key(self._iam, key_id, watched.user_name)
        except ClientError as error:
            # IAM does not document what it answers for a key that is gone. The whole listing has not met it either.
            if error.operation_name == "GetAccessKeyLastUsed" and error.response["Error"]["Code"] in MAY_BE_GONE:
                return None
            raise
        return key and replace(key, user_id=watched.user_id)


def _suspected(users: Sequence[User], report: CredentialReport) -> Iterator[tuple[Sequence[User], Suspicion]]:
    groups: dict[datetime, list[User]] = defaultdict(list)
    for user in users:
        groups[user.created.replace(microsecond=0)].append(user)
    for created, group in groups.items():
        yield group, report.suspicion(created, len(group))


def _distance(moment: datetime, others: Collection[datetime]) -> timedelta:
    return min((abs(moment - other) for other in others), default=timedelta())
