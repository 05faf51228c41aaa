"""The hourly scan of one account: asks for the report, looks where library.issues.looking says, ends before its time.

The groups of users (see there) are gone through in the order of their creation, so that a scan that is cut off can
say through whom it is, and the next one goes on from there.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from library.aws.credential_report import EVERYTHING, NOTHING
from library.aws.iam_keys import list_users
from library.aws.iam_scan import by_second, second
from library.aws.live_looks import Asked, LiveLooks
from library.aws.report_request import ReportRequest, usable
from library.errors import AccessDenied
from library.issues import counter_check, listing, looking
from library.issues.access_keys import AccessKey, is_idle, is_long_ago
from library.issues.account_state import DOUBTFUL_KEPT, Round
from library.issues.memory import Memory
from library.issues.scan_result import AccountSeen
from library.messages import Message

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
    from datetime import datetime

    from library.aws.credential_report import Suspicion
    from library.aws.iam_clients import IamClients
    from library.aws.iam_keys import User
    from library.aws.report_request import Fetched
    from library.issues.looking import Kept
    from library.issues.scan_task import Task

PATIENCE = 5.5
"""Seconds after which an account without a memory is listed while its report is still being made."""
PATIENCE_WITH_MEMORY, PACE = 20.0, 0.25
"""The same with a memory, and the seconds between users until the report is there: some 160 of them at most, as
listing everybody would cost more calls than all other scans of that day."""
RESERVE = 60.0
"""Seconds before the end at which no further users are taken: those in hand are gone through, and all is recorded."""
_SINGLY_AT_ONCE = 8


class HourlyScan:
    """The scan, and what it has found so far.

    `keys` are those that it has looked at, by their ids. `gone` are keys of issues that do not exist any more.
    `refused` is what AWS said of the users whom it may not look at, by their names. `cut_off` is whether its time has
    ended before it was through. `seconds_left` is how much time there is.
    """

    def __init__(self, iam: IamClients, task: Task, seconds_left: Callable[[], float]) -> None:
        self._iam = iam
        self._task = task
        self._seconds_left = seconds_left
        rule = partial(is_long_ago, criteria_days=task.criteria_days, now=task.now)
        watched = [issue.watched for issue in task.issues]
        self._looks = LiveLooks(iam, rule, watched, task.wants_tags)
        self._request = ReportRequest(iam, rule, task.now)
        self._users: dict[str, User] = {}
        self._by_name: dict[str, User] = {}
        self._fetched: Fetched | None = None
        self._plan = looking.Plan({}, ())
        self._looked: dict[datetime, list[AccessKey]] = {}
        self._after_report: set[datetime] = set()
        self._not_seen: set[datetime] = set()
        self._remembers = task.memory is not None and not task.everything and task.round is None
        self._through: datetime | None = None
        self.keys: dict[str, AccessKey] = {}
        self.gone: set[str] = set()
        self.refused: dict[str, AccessDenied] = {}
        self.report_problem = ""
        self.cut_off = False

    def looks(self) -> Iterator[Asked]:
        """Everything that there is to look at; what was found, as soon as it is. Raises AwsCallFailed."""
        try:
            if self._remembers:
                yield from self._singly(issue for issue in self._task.issues if issue.in_hands)
            else:
                self._list_users()
            self._wait(PATIENCE_WITH_MEMORY if self._remembers else PATIENCE)
            if self._fetched is None or self._plan.groups or not self._remembers:
                if not self._users:
                    self._list_users()
                for asked in self._looks.ask(self._groups()):
                    self._take(asked)
                    yield asked
            if not self.cut_off:
                yield from self._singly(self._not_met())
        finally:
            self._request.give_up()

    # --- where to look ------------------------------------------------------------------------------------------

    def _list_users(self) -> None:
        self._users = {user.id: user for user in list_users(self._iam)}
        self._by_name = {user.name: user for user in self._users.values()}

    def _wait(self, patience: float) -> None:
        if self._fetched is not None or self.report_problem:
            return
        self._fetched, self.report_problem = usable(self._request, patience)
        if self._fetched is not None:
            task, groups = self._task, self._fetched.report.groups
            self._plan = looking.plan(task.account_id, groups, task.issues, task.memory or Memory(), task.now)

    def _groups(self) -> Iterator[tuple[Sequence[User], Suspicion]]:
        """The groups to look at, each decided on when there is time for it: the report may have come by then."""
        for created, users in sorted(by_second(self._users.values()).items()):
            if self._task.round is not None and created <= self._task.round.through:
                continue
            if self._seconds_left() < RESERVE:
                self.cut_off = True
                return
            self._wait(PACE if self._remembers else 0)
            suspicion = self._suspicion(created, len(users))
            if suspicion is not None:
                self._looked[created] = []
                if self._fetched is not None:
                    self._after_report.add(created)
                yield users, suspicion
            self._through = created

    def _suspicion(self, created: datetime, users: int) -> Suspicion | None:
        if self._fetched is None or self._task.everything:
            return EVERYTHING
        report = self._fetched.report
        if created in report.groups and created not in self._plan.groups:
            return None
        suspicion = report.suspicion(created, users, may_be_on=False)
        # A group that the report does not have is new, or it is not ruled out by it.
        return None if suspicion is NOTHING and created not in self._plan.groups else suspicion

    def _not_met(self) -> Iterator[Kept]:
        """The issues whose keys have to be looked for: users who were looked at do not have them, or are gone."""
        refused = self._refused_users()
        group_of = looking.group_by_user(self._fetched.report.groups) if self._fetched else {}
        for issue in self._task.issues:
            if not issue.live or issue.key_id in self.keys or issue.key_id in self.gone:
                continue
            if {issue.user_id, issue.user_name} & refused or self._confirmed_before(issue):
                continue
            created = group_of.get(issue.user_name)
            if created is None or created in self._looked or self._task.everything:
                yield issue

    def _confirmed_before(self, issue: Kept) -> bool:
        """Whether an earlier part of this round has found the key of an issue idle."""
        round_, created = self._task.round, self._created(issue)
        if round_ is None or created is None:
            return False
        return created <= round_.through and issue.key_id not in round_.doubtful

    def _created(self, issue: Kept) -> datetime | None:
        """The second in which the user of an issue was created (UTC), None if there is no such user."""
        user = self._users.get(issue.user_id) if issue.user_id else self._by_name.get(issue.user_name)
        return None if user is None else second(user.created)

    # --- looking ------------------------------------------------------------------------------------------------

    def _take(self, asked: Asked) -> None:
        self.keys |= {key.key_id: key for key in asked.keys}
        self.refused |= asked.refused
        created = second(asked.users[0].created)
        self._looked.setdefault(created, []).extend(asked.keys)
        if asked.refused:
            self._not_seen.add(created)

    def _singly(self, issues: Iterable[Kept]) -> Iterator[Asked]:
        with ThreadPoolExecutor(_SINGLY_AT_ONCE) as pool:
            for issue, found in pool.map(self._look_for, issues):
                if isinstance(found, AccessDenied):
                    self.refused[issue.user_name] = found
                elif found is None:
                    self.gone.add(issue.key_id)
                else:
                    self.keys[issue.key_id] = found
                    yield Asked((), 0, [found])

    def _look_for(self, issue: Kept) -> tuple[Kept, AccessKey | AccessDenied | None]:
        try:
            return issue, self._looks.look_for(issue.watched)
        except AccessDenied as error:
            return issue, error

    def _refused_users(self) -> set[str]:
        ids = {user.id for user in self._users.values() if user.name in self.refused}
        return ids | set(self.refused)

    # --- what came of it ----------------------------------------------------------------------------------------

    @property
    def users(self) -> Collection[str]:
        """The names of the account's users, by the listing or else by the report."""
        if self._users or self._fetched is None:
            return {user.name for user in self._users.values()}
        return looking.group_by_user(self._fetched.report.groups).keys()

    @property
    def seen(self) -> AccountSeen:
        """How large the account is, by the report or else by what was listed, which has no key of the root user."""
        not_asked = len(self.users) - sum(second(user.created) in self._looked for user in self._users.values())
        if self._fetched is None:
            # Of a round that was cut off only the last part's keys are known here.
            active = None if self._task.round else listing.active(self.keys.values())
            return AccountSeen(len(self.users), not_asked, len(self.keys), active)
        report = self._fetched.report
        return AccountSeen(len(self.users), not_asked, report.keys, report.active_keys, report.root_keys)

    @property
    def report_made(self) -> datetime | None:
        """When the report that was used was made (UTC)."""
        return None if self._fetched is None else self._fetched.report.made

    @property
    def listed_everything(self) -> bool:
        """Whether each user was looked at, whatever the report says."""
        return self._task.everything or (self._fetched is None and not self.cut_off)

    def looked_at(self, issue: Kept) -> bool:
        """Whether the key of an issue was looked at, so that the issue may be resolved if the key is not idle."""
        return issue.key_id in self.keys or issue.key_id in self.gone

    def memory_after(self, issues: Collection[Kept]) -> Memory | None:
        """What the next scan is to remember, `issues` being those that are kept by now; None without a report."""
        if self._fetched is None:
            return None
        task, report = self._task, self._fetched.report
        seen = self._looked.keys() if report.made <= task.now else self._after_report
        marks = looking.remember(
            task.account_id,
            report.groups,
            {created: self._looked[created] for created in seen - self._not_seen},
            issues,
            criteria_days=task.criteria_days,
            report_made=report.made,
            now=task.now,
        )
        return Memory({**({} if task.everything else self._plan.marks), **marks})

    def round_after(self) -> Round | None:
        """Where the next scan goes on after this one was cut off; None if it has to begin from the beginning."""
        earlier, through = self._task.round, self._through
        if through is None:
            return earlier
        doubtful = tuple(issue.key_id for issue in self._task.issues if self._is_doubtful(issue, through))
        if len(doubtful) > DOUBTFUL_KEPT:
            return None
        done = [user for user in self._users.values() if second(user.created) <= through]
        refused = {*(earlier.refused if earlier else ()), *self.refused}
        return Round(
            began=earlier.began if earlier else self._task.now,
            through=through,
            done=len(done),
            users=len(self._users),
            doubtful=doubtful,
            refused=tuple(sorted(refused)),
        )

    def _is_doubtful(self, issue: Kept, through: datetime) -> bool:
        created, key = self._created(issue), self.keys.get(issue.key_id)
        if not issue.live or created is None or created > through or self._confirmed_before(issue):
            return False
        return key is None or not is_idle(key, self._task.criteria_days, self._task.now)

    def protected(self) -> AccessDenied | None:
        """What is to be said of users whom this round was not allowed to look at; None if there are none."""
        earlier = self._task.round.refused if self._task.round else ()
        names = sorted({*earlier, *self.refused})
        if not names:
            return None
        first = next(iter(self.refused.values()), None)
        if first is not None and len(self.refused) == len(self.users):
            return first
        return AccessDenied(
            f"{len(names)} of {len(self.users)} users are protected from the scan, and nothing of theirs was "
            f"resolved: {', '.join(names[:20])}. {first or ''}".rstrip(),
            call=first.call if first else "",
            code=first.code if first else "",
            id=Message.USERS_PROTECTED,
        )

    def contradictions(self) -> Iterator[str]:
        """What the counter-check has found that the report should have shown; one sentence each."""
        if self._task.everything and self._fetched is not None:
            task, report = self._task, self._fetched.report
            yield from counter_check.contradictions(
                self._plan,
                report.groups,
                self._looked,
                task.issues,
                criteria_days=task.criteria_days,
                report_made=report.made,
                now=task.now,
            )
