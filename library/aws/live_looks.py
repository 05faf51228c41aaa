"""Live looks at the keys of users, many at once: whoever is protected from them is named and stops nobody else's."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import timedelta
from queue import SimpleQueue
from threading import Event, Lock
from typing import TYPE_CHECKING

from library.aws.credential_report import EVERYTHING, Suspicion
from library.aws.iam_clients import WORKERS
from library.aws.iam_keys import MAY_BE_GONE, find_access_key, keys_of_user, list_users, user_tags, with_last_use
from library.errors import AccessDenied, AwsCallFailed
from library.issues.access_keys import ACTIVE, AccessKey
from library.issues.listing import RuledOut, WatchedKey
from library.messages import Message

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
    from datetime import datetime

    from library.aws.iam_clients import IamClients
    from library.aws.iam_keys import User

RENAME_ROUNDS = 3
"""How often users who vanished during the scan are looked for under a new name before the scan gives up."""
REFUSALS_AT_FIRST = 10
"""So many refusals of a call that was never answered are a missing permission, and not users who are protected."""


@dataclass(slots=True)
class Asked:
    """Users who are asked together, and what became of them: `left` is how many more of their keys may be idle.

    `vanished` are not there any more under their names. `refused` is what AWS said of users it did not let us look
    at, by their names. `tags` are those of users whose tags were wanted, by their names, None of a user who is gone.
    """

    users: Sequence[User]
    left: int
    keys: list[AccessKey] = field(default_factory=list)
    ruled_out: list[RuledOut] = field(default_factory=list)
    vanished: list[User] = field(default_factory=list)
    refused: dict[str, AccessDenied] = field(default_factory=dict)
    tags: dict[str, dict[str, str] | None] = field(default_factory=dict)


class LiveLooks:
    """Looks at the keys of one account; `is_long_ago` is whether a key last used at a time (UTC) is idle.

    Every key of `watched` is looked at when its user is. `wants_tags` is of which idle keys the user's tags are to be
    read. Methods raise AwsCallFailed, and AccessDenied for what is refused before anything was answered.
    """

    def __init__(
        self,
        iam: IamClients,
        is_long_ago: Callable[[datetime], bool],
        watched: Collection[WatchedKey] = (),
        wants_tags: Callable[[AccessKey], bool] | None = None,
    ) -> None:
        self._iam = iam
        self._is_long_ago = is_long_ago
        self._wants_tags = wants_tags
        self._watched = {key.key_id for key in watched}
        self._watched_users = {key.user_id or key.user_name for key in watched}
        self._lock = Lock()
        self._answered: set[str] = set()
        self._refused: dict[str, int] = {}

    @property
    def any_refused(self) -> bool:
        """Whether anything was refused so far."""
        return bool(self._refused)

    def ask(self, groups: Iterable[tuple[Sequence[User], Suspicion]]) -> Iterator[Asked]:
        """Look at each group, several at once, and say what became of it as soon as that is known.

        The groups are taken one by one as there is time for them, and each that was taken is gone through. Users who
        are renamed meanwhile are followed by their ids. Raises AwsCallFailed if they keep vanishing.
        """
        for _ in range(RENAME_ROUNDS):
            vanished: set[str] = set()
            for asked in self._ask_at_once(groups):
                vanished.update(user.id for user in asked.vanished)
                yield asked
            present = list_users(self._iam) if vanished else []
            groups = [((user,), EVERYTHING) for user in present if user.id in vanished]
            if not groups:
                return
        raise AwsCallFailed(
            f"users are being renamed faster than they can be listed: {sorted(vanished)}",
            id=Message.USERS_KEEP_VANISHING,
        )

    def _ask_at_once(self, groups: Iterable[tuple[Sequence[User], Suspicion]]) -> Iterator[Asked]:
        todo, taking = iter(groups), Lock()
        done: SimpleQueue[Asked | BaseException | None] = SimpleQueue()
        stopped = Event()

        def work() -> None:
            try:
                while not stopped.is_set():
                    with taking:
                        group = next(todo, None)
                    if group is None:
                        break
                    done.put(self._ask(*group))
            except BaseException as error:
                done.put(error)
            done.put(None)

        with ThreadPoolExecutor(WORKERS) as pool:
            try:
                left = len([pool.submit(work) for _ in range(WORKERS)])
                while left:
                    result = done.get()
                    if isinstance(result, BaseException):
                        raise result
                    if result is None:
                        left -= 1
                    else:
                        yield result
            finally:
                stopped.set()

    def _ask(self, users: Sequence[User], suspicion: Suspicion) -> Asked:
        """Look for as many idle keys as may be there, the likeliest first, and at every watched key."""
        asked = Asked(users, suspicion.slots)
        for user in sorted(users, key=lambda user: user.name not in suspicion.names):
            if asked.left == 0 and not self._watched_users & {user.id, user.name}:
                asked.ruled_out.append(RuledOut(user.name))
                continue
            try:
                self._look_at_user(user, suspicion, asked)
            except AccessDenied as error:
                self._note(error)
                asked.refused[user.name] = error
        return asked

    def _look_at_user(self, user: User, suspicion: Suspicion, asked: Asked) -> None:
        keys = keys_of_user(self._iam, user.name, user.id)
        self._answered.add("iam:ListAccessKeys")
        if keys is None:
            asked.vanished.append(user)
            return
        wanted = False
        for key in sorted(keys, key=lambda key: _distance(key.create_date, suspicion.rotated)):
            seen = self._look_at(key, asked)
            wanted |= seen is not None and self._wants_tags is not None and self._wants_tags(seen)
        if wanted:
            asked.tags[user.name] = user_tags(self._iam, user.name)
            self._answered.add("iam:ListUserTags")

    def _look_at(self, key: AccessKey, asked: Asked) -> AccessKey | None:
        """The key with its last use if it is idle, else None."""
        if key.status != ACTIVE or not self._is_long_ago(key.create_date):
            asked.keys.append(key)
            return None
        if asked.left == 0 and key.key_id not in self._watched:
            asked.ruled_out.append(RuledOut(key.user_name, key.key_id))
            return None
        seen = with_last_use(self._iam, key)
        self._answered.add("iam:GetAccessKeyLastUsed")
        if seen is None:
            return None
        asked.keys.append(seen)
        if not self._is_long_ago(seen.idle_since):
            return None
        asked.left = max(0, asked.left - 1)
        return seen

    def look_for(self, watched: WatchedKey) -> AccessKey | None:
        """One key, wherever it is by now; None if it is gone. Raises AccessDenied if that cannot be known."""
        try:
            key = find_access_key(self._iam, watched.key_id, watched.user_name)
        except AccessDenied as error:
            # IAM does not document what it answers for a key that is gone. Its user does not list it either, and no
            # user whom we may not look at can have it.
            if error.call == "iam:GetAccessKeyLastUsed" and error.code in MAY_BE_GONE and not self.any_refused:
                return None
            self._note(error)
            raise
        return None if key is None else replace(key, user_id=watched.user_id or key.user_id)

    def _note(self, error: AccessDenied) -> None:
        with self._lock:
            self._refused[error.call] = self._refused.get(error.call, 0) + 1
            if error.call not in self._answered and self._refused[error.call] >= REFUSALS_AT_FIRST:
                raise error


def _distance(moment: datetime, others: Collection[datetime]) -> timedelta:
    return min((abs(moment - other) for other in others), default=timedelta())
