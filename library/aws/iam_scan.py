"""Reading an account for a first look: every access key, or every one that may be idle; nothing is remembered."""

from __future__ import annotations

from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

from library.aws import root_keys
from library.aws.credential_report import EVERYTHING
from library.aws.iam_keys import list_users, pages_of_users
from library.aws.live_looks import LiveLooks
from library.aws.report_request import ReportRequest, usable
from library.issues.listing import Listing, RootKeys, RuledOut, WatchedKey, active

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
    from datetime import datetime

    from library.aws.credential_report import Suspicion
    from library.aws.iam_clients import IamClients
    from library.aws.iam_keys import User
    from library.aws.report_request import Fetched
    from library.issues.access_keys import AccessKey

SMALL_ACCOUNT = 150
"""Up to so many users an account is read faster directly than a credential report is made (`make bench`)."""


def list_access_keys(iam: IamClients, is_long_ago: Callable[[datetime], bool]) -> Listing:
    """Every key of every user, with its last use where that decides whether the key is idle; complete, or it raises.

    `is_long_ago` is the rule: whether a key last used, or created, at a time (UTC) is idle. A user or key that was
    deleted meanwhile is left out; a user who was renamed meanwhile is followed by their id. Raises AccessDenied or
    AwsCallFailed, also if users keep vanishing during the scan.
    """
    users = list_users(iam)
    return _read(LiveLooks(iam, is_long_ago), users, (((user,), EVERYTHING) for user in users))


def scan_access_keys(
    iam: IamClients, is_long_ago: Callable[[datetime], bool], watched: Collection[WatchedKey], now: datetime
) -> Listing:
    """As `list_access_keys`, but by way of the credential report if the account is large; the idle keys are the same.

    library.aws.credential_report says why they are the same. If the report cannot be had, everything is listed and
    the listing says why. Every `watched` key that exists is in it. The scan began at `now` (UTC). Root access keys
    are the report's, or else IAM's summary is asked for them, beside everything else.
    """
    looks = LiveLooks(iam, is_long_ago, watched)
    users: list[User] = []
    request = None
    for page in pages_of_users(iam):
        users += page
        if request is None and len(users) > SMALL_ACCOUNT:
            request = ReportRequest(iam, is_long_ago, now)
    fetched, problem = (None, "") if request is None else usable(request)
    if fetched is not None and fetched.report.root_keys is not None:
        listing = _read(looks, users, _suspected(users, fetched), watched)
        return replace(listing, root_keys=RootKeys(fetched.report.root_keys), active_keys=fetched.report.active_keys)
    everybody = (((user,), EVERYTHING) for user in users)
    with ThreadPoolExecutor(1) as pool:
        root = pool.submit(root_keys.in_summary, iam)
        groups = everybody if fetched is None else _suspected(users, fetched)
        listing = _read(looks, users, groups, watched, problem)
        active_keys = listing.active_keys if fetched is None else fetched.report.active_keys
        return replace(listing, root_keys=root.result(), active_keys=active_keys)


def _read(
    looks: LiveLooks,
    users: Collection[User],
    groups: Iterable[tuple[Sequence[User], Suspicion]],
    watched: Collection[WatchedKey] = (),
    problem: str = "",
) -> Listing:
    keys: list[AccessKey] = []
    ruled_out: list[RuledOut] = []
    for asked in looks.ask(groups):
        for error in asked.refused.values():
            raise error
        keys += asked.keys
        ruled_out += asked.ruled_out
    met = {key.key_id for key in keys}
    for key in watched:
        if key.key_id not in met and (found := looks.look_for(key)) is not None:
            keys.append(found)
    return Listing(len(users), tuple(keys), tuple(ruled_out), problem, active_keys=active(keys))


def _suspected(users: Iterable[User], fetched: Fetched) -> Iterator[tuple[Sequence[User], Suspicion]]:
    for created, group in by_second(users).items():
        yield group, fetched.report.suspicion(created, len(group), may_be_on=not fetched.made_meanwhile)


def by_second(users: Iterable[User]) -> dict[datetime, list[User]]:
    """Users by the second of their creation (UTC)."""
    groups: defaultdict[datetime, list[User]] = defaultdict(list)
    for user in users:
        groups[second(user.created)].append(user)
    return groups


def second(moment: datetime) -> datetime:
    """The beginning of the second, which is as exact as the report knows times."""
    return moment.replace(microsecond=0)
