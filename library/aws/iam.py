"""Access keys in IAM: list them all, look at one again, switch one off or on."""

from __future__ import annotations

import time
from collections import defaultdict
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import chain
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal

from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError

from library.aws.credential_report import EVERYTHING, CredentialReport, Suspicion, UnusableReport
from library.errors import AwsCallFailed
from library.issues.access_keys import ACTIVE, AccessKey

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from botocore.client import BaseClient
    from botocore.paginate import PageIterator, Paginator
    from mypy_boto3_iam import IAMClient

WORKERS = 32
"""Calls in flight at most: what botocore's CPU time lets one process use at 40 ms per call (`make bench`)."""
PAGE_SIZE = 1000
"""The largest page that IAM's listings give (IAM API reference, MaxItems)."""
SMALL_ACCOUNT = 150
"""Up to so many users an account is read faster directly than a credential report is made (`make bench`)."""
REPORT_PAUSES = (2.0, 1.25, 1.75, 3.0, 5.0, 7.0, 10.0, 10.0, 20.0)
"""Seconds before each look whether the report is ready, which mostly takes a few: a minute in all."""
READ_BACK_PAUSES = (1.0, 2.0, 4.0)
"""Seconds before each further look at a key that was switched, as IAM is eventually consistent."""
RENAME_ROUNDS = 3
"""How often users that vanished during the scan are looked for under a new name before the scan gives up."""

_MAY_BE_GONE = ("NoSuchEntity", "AccessDenied")


@dataclass(frozen=True, slots=True)
class User:
    """An IAM user as ListUsers has it; `created` is in UTC."""

    name: str
    id: str
    created: datetime


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


class IamClients:
    """IAM of one account, through one client for each of its operations, made when it is needed first.

    IAM throttles each operation by itself, but an adaptive client slows down as a whole when it was throttled.
    """

    def __init__(self, make: Callable[[], IAMClient]) -> None:
        self._make = make
        self._clients: dict[str, IAMClient] = {}
        self._paginators: dict[str, Paginator[Any]] = {}
        self._lock = Lock()
        self._calls: list[None] = []

    def of(self, operation: str) -> IAMClient:
        """The client for an operation (`ListUsers`)."""
        with self._lock:
            if operation not in self._clients:
                client = self._make()
                client.meta.events.register("before-send.iam", self._count)
                self._clients[operation] = client
            return self._clients[operation]

    def pages(self, operation: str, **parameters: str) -> PageIterator[Any]:
        """The pages of a listing operation (`ListUsers`), as large as IAM gives them."""
        if operation not in self._paginators:
            # Making one costs a good part of what a call costs.
            client: BaseClient = self.of(operation)
            self._paginators[operation] = client.get_paginator(xform_name(operation))
        return self._paginators[operation].paginate(PaginationConfig={"PageSize": PAGE_SIZE}, **parameters)

    def _count(self, **_: object) -> None:
        self._calls.append(None)

    @property
    def calls(self) -> int:
        """Requests sent so far, retries included."""
        return len(self._calls)


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
        for page in _pages_of_users(iam):
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


def _pages_of_users(iam: IamClients) -> Iterator[list[User]]:
    for page in iam.pages("ListUsers"):
        yield [User(user["UserName"], user["UserId"], user["CreateDate"]) for user in page["Users"]]


def _list_users(iam: IamClients) -> list[User]:
    return list(chain.from_iterable(_pages_of_users(iam)))


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
            keys = _listed_keys(self._iam, user.name, user.id)
            if keys is None:
                found.vanished.append(user)
                continue
            for key in sorted(keys, key=lambda key: _distance(key.create_date, suspicion.rotated)):
                if key.status != ACTIVE or not self._is_long_ago(key.create_date):
                    found.keys.append(key)
                elif left > 0 or key.key_id in self._watched:
                    for seen in _with_last_use(self._iam, key):
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
            if error.operation_name == "GetAccessKeyLastUsed" and error.response["Error"]["Code"] in _MAY_BE_GONE:
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


def _listed_keys(iam: IamClients, user_name: str, user_id: str) -> list[AccessKey] | None:
    try:
        return [
            AccessKey(key["AccessKeyId"], user_name, user_id, key["Status"], key["CreateDate"])
            for page in iam.pages("ListAccessKeys", UserName=user_name)
            for key in page["AccessKeyMetadata"]
        ]
    except iam.of("ListAccessKeys").exceptions.NoSuchEntityException:
        return None


def _with_last_use(iam: IamClients, key: AccessKey) -> Iterator[AccessKey]:
    if key.status != ACTIVE:
        yield key
        return
    try:
        answer = iam.of("GetAccessKeyLastUsed").get_access_key_last_used(AccessKeyId=key.key_id)
    except ClientError as error:
        # IAM does not document what it answers for a key that is gone, so the listing decides whether it is.
        listed = _listed_keys(iam, key.user_name, key.user_id) or ()
        if error.response["Error"]["Code"] in _MAY_BE_GONE and all(k.key_id != key.key_id for k in listed):
            return
        raise
    use = answer["AccessKeyLastUsed"]
    yield replace(
        key,
        last_used=use.get("LastUsedDate"),
        last_used_service=_named(use.get("ServiceName")),
        last_used_region=_named(use.get("Region")),
    )


def _named(value: str | None) -> str | None:
    return None if value in (None, "N/A") else value


def find_access_key(iam: IamClients, key_id: str, user_name: str) -> AccessKey | None:
    """The key as it is at this moment, under its owner's present name; None if it does not exist.

    `user_name` is the last known name of its owner. Raises botocore's ClientError or BotoCoreError: a look that
    failed is not a key that is gone.
    """
    # A key never changes hands, so its owner's present name is all that may have to be followed.
    key = _key_of(iam, key_id, user_name)
    if key is not None:
        return key
    client = iam.of("GetAccessKeyLastUsed")
    try:
        present_name = client.get_access_key_last_used(AccessKeyId=key_id)["UserName"]
    except client.exceptions.NoSuchEntityException:
        return None
    return _key_of(iam, key_id, present_name)


def _key_of(iam: IamClients, key_id: str, user_name: str) -> AccessKey | None:
    for key in _listed_keys(iam, user_name, "") or ():
        if key.key_id == key_id:
            return next(_with_last_use(iam, key), None)
    return None


def set_status(iam: IamClients, key: AccessKey, status: Literal["Active", "Inactive"]) -> None:
    """Switch a key on or off, and read back that it is so.

    Raises botocore's ClientError or BotoCoreError, and AwsCallFailed if IAM took the call and shows no effect of it.
    """
    iam.of("UpdateAccessKey").update_access_key(UserName=key.user_name, AccessKeyId=key.key_id, Status=status)
    seen = _status_of(iam, key)
    for pause in READ_BACK_PAUSES:
        if seen != status:
            time.sleep(pause)
            seen = _status_of(iam, key)
    if seen != status:
        raise AwsCallFailed(f"key {key.key_id} was set to {status}, but IAM lists it as {seen or 'missing'}")


def _status_of(iam: IamClients, key: AccessKey) -> str | None:
    listed = _listed_keys(iam, key.user_name, key.user_id) or []
    return next((k.status for k in listed if k.key_id == key.key_id), None)


def user_tags(iam: IamClients, user_name: str) -> dict[str, str] | None:
    """The tags of a user; None if the user does not exist any more."""
    try:
        pages = iam.pages("ListUserTags", UserName=user_name)
        return {tag["Key"]: tag["Value"] for page in pages for tag in page["Tags"]}
    except iam.of("ListUserTags").exceptions.NoSuchEntityException:
        return None


def tags_of_users(iam: IamClients, user_names: Sequence[str]) -> dict[str, dict[str, str] | None]:
    """The tags of several users, by name, fetched side by side."""
    with ThreadPoolExecutor(WORKERS) as pool:
        return dict(zip(user_names, pool.map(lambda name: user_tags(iam, name), user_names), strict=True))
