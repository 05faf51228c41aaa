"""What a report says of the issues table: how many and where, how old, the trend, what comes, and what failed."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from library.issues.access_keys import idle_days
from library.issues.lifecycle import Due, Skip, is_exempted, verdict_as_the_key_is_on
from library.issues.record import Issue, Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from library.issues.whitelist import Exemption, Whitelist

WEEKS = 13
"""A report looks back over so many ISO weeks, a quarter, the current one included."""

AHEAD = timedelta(days=30)
"""So far a report looks ahead."""

_BINS = (
    (0, "under 30 days"),
    (30, "30 to 59 days"),
    (60, "60 to 89 days"),
    (90, "90 to 179 days"),
    (180, "180 to 364 days"),
    (365, "1 to 2 years"),
    (730, "2 to 3 years"),
    (1095, "3 to 5 years"),
    (1825, "5 years or more"),
)


class Standing(StrEnum):
    """Where an issue stands for who reads a report; each has exactly one."""

    OPEN = "open"
    SWITCHED_OFF = "switched off"
    WHITELISTED = "whitelisted"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Policy:
    """What is in force: `accounts` is name by id; `remediation_days` is the retention period.

    `automatic` is whether keys are switched off by schedule at all, `remediation_accounts` where they may be.
    """

    accounts: Mapping[str, str]
    remediation_accounts: frozenset[str]
    automatic: bool
    remediation_days: int
    whitelist: Whitelist


@dataclass(frozen=True, slots=True)
class Entry:
    """An issue with what is known of it at the time of the report.

    `due` is when automatic remediation may switch the key off (UTC): in its next run if that is not ahead any more;
    None if it will not. `exemption` is the whitelist's entry that is in force for it.
    """

    issue: Issue
    standing: Standing
    idle_days: int
    due: datetime | None
    exemption: Exemption | None
    failures: tuple[Failure, ...]


@dataclass(frozen=True, slots=True)
class Failure:
    """Something that did not work: `what` and since when (UTC), if that is known, and for what cause.

    `user` and `key` are empty if it is not about one key that could be read.
    """

    account_id: str
    what: str
    cause: str
    since: datetime | None = None
    user: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class AccountFigures:
    """How many issues of an account stand where; `resolved` and `switched_off` are those of the period."""

    account_id: str
    name: str
    open: int
    whitelisted: int
    switched_off: int
    resolved: int
    failures: int
    longest_idle: int | None
    """Idle days of the open issue that is idle longest."""


@dataclass(frozen=True, slots=True)
class Week:
    """What happened in the ISO week that began on `monday` (UTC)."""

    monday: date
    opened: int
    resolved: int
    switched_off: int


@dataclass(frozen=True, slots=True)
class ExceptionFigures:
    """An entry of the whitelist, whether it is in force, and how many keys it is for that are idle."""

    account_id: str
    exemption: Exemption
    holds: bool
    keys: int


@dataclass(frozen=True, slots=True)
class Figures:
    """Everything that a report says, as of `now` (UTC); the period began at `since`, a Monday.

    `entries` are all issues, the open ones first, then the longest idle. `idle` has the open ones by idle days, the
    shortest first. `planned` are those that will be switched off within AHEAD, the earliest first; `by_hand` counts
    the ones that a run by hand could switch off now, but no schedule does.
    """

    now: datetime
    since: datetime
    entries: tuple[Entry, ...]
    accounts: tuple[AccountFigures, ...]
    total: AccountFigures
    idle: tuple[tuple[str, int], ...]
    weeks: tuple[Week, ...]
    planned: tuple[Entry, ...]
    by_hand: int
    exceptions: tuple[ExceptionFigures, ...]
    failures: tuple[Failure, ...]

    def count(self, standing: Standing) -> int:
        """How many issues stand there."""
        return sum(entry.standing is standing for entry in self.entries)


def figures(issues: Sequence[Issue], unread: Sequence[Failure], policy: Policy, now: datetime) -> Figures:
    """The figures of all issues of the policy's accounts at `now` (UTC); `unread` is what could not be read."""
    since = _monday(now) - timedelta(weeks=WEEKS - 1)
    entries = sorted((_entry(issue, policy, now) for issue in issues), key=_order)
    failures = (*unread, *(failure for entry in entries for failure in entry.failures))
    planned = [entry for entry in entries if entry.due is not None and entry.due <= now + AHEAD]
    accounts = _by_account(entries, failures, policy, since)
    return Figures(
        now=now,
        since=since,
        entries=tuple(entries),
        accounts=accounts,
        total=_total(accounts),
        idle=histogram(entry.idle_days for entry in entries if entry.standing is Standing.OPEN),
        weeks=_weeks(issues, since),
        planned=tuple(sorted(planned, key=lambda entry: (entry.due, entry.issue.issue_id))),
        by_hand=sum(
            entry.due is None and isinstance(_switch_off(entry.issue, policy, now), Due) for entry in entries
        ),
        exceptions=_exceptions(entries, policy, now),
        failures=failures,
    )


def standing(issue: Issue) -> Standing:
    """Where an issue stands: a closed one where it stood before everybody was told of its end."""
    if issue.status is Status.OPEN:
        # The next scan finds the key off, and resolves the issue.
        return Standing.OPEN if issue.timestamps.remediated is None else Standing.SWITCHED_OFF
    return Standing.WHITELISTED if is_exempted(issue) else Standing.RESOLVED


def histogram(days: Iterable[int]) -> tuple[tuple[str, int], ...]:
    """How many of these idle days are how long, from the first span that has any; none if there are none."""
    starts = [start for start, _ in _BINS]
    counts = Counter(bisect_right(starts, each) - 1 for each in days)
    if not counts:
        return ()
    return tuple((_BINS[place][1], counts[place]) for place in range(min(counts), len(_BINS)))


def _entry(issue: Issue, policy: Policy, now: datetime) -> Entry:
    return Entry(
        issue=issue,
        standing=standing(issue),
        idle_days=idle_days(issue.details.last_used, now),
        due=_planned(issue, policy, now),
        exemption=policy.whitelist.find(issue.account_id, issue.details.username, issue.issue_id, now),
        failures=tuple(_failures(issue)),
    )


def _order(entry: Entry) -> tuple[object, ...]:
    return (list(Standing).index(entry.standing), entry.issue.details.last_used, entry.issue.issue_id)


def _planned(issue: Issue, policy: Policy, now: datetime) -> datetime | None:
    verdict = _switch_off(issue, policy, now) if policy.automatic else None
    if isinstance(verdict, Due):
        return verdict.since
    return verdict.due if isinstance(verdict, Skip) else None


def _switch_off(issue: Issue, policy: Policy, now: datetime) -> Due | Skip | None:
    """What remediation would make of the record; None if there is nothing to switch off, or nobody may."""
    if issue.account_id not in policy.remediation_accounts or standing(issue) is not Standing.OPEN:
        return None
    entry = policy.whitelist.find(issue.account_id, issue.details.username, issue.issue_id, now)
    whitelisted = None if entry is None else repr(entry.id)
    # As long as the key is on, that a run which was cut off has announced it counts for nothing.
    verdict = verdict_as_the_key_is_on(issue, policy.remediation_days, whitelisted=whitelisted, now=now)
    return verdict if isinstance(verdict, Due | Skip) else None


def _failures(issue: Issue) -> Iterator[Failure]:
    """What of an issue that is not closed did not work, and is to be made up for."""
    if issue.status is Status.CLOSED:
        return
    place = {"account_id": issue.account_id, "user": issue.details.username, "key": issue.issue_id}
    error = issue.remediation_error
    if error is not None:
        yield Failure(what="could not be switched off", cause=error.cause, since=error.time, **place)
    for channel, failed in (("JIRA", issue.jira.failed), ("Slack", issue.slack.failed)):
        if failed is not None:
            yield Failure(what=f"{channel} was not told", cause="the next run tries again", since=failed, **place)


def _by_account(
    entries: Sequence[Entry], failures: Sequence[Failure], policy: Policy, since: datetime
) -> tuple[AccountFigures, ...]:
    """One line for each account, the one with the most open issues first."""
    of: dict[str, list[Entry]] = {account: [] for account in policy.accounts}
    for entry in entries:
        of[entry.issue.account_id].append(entry)
    failed = Counter(failure.account_id for failure in failures)
    lines = []
    for account, theirs in of.items():
        stand = Counter(entry.standing for entry in theirs)
        times = [entry.issue.timestamps for entry in theirs]
        lines.append(
            AccountFigures(
                account_id=account,
                name=policy.accounts[account],
                open=stand[Standing.OPEN],
                whitelisted=stand[Standing.WHITELISTED],
                switched_off=sum(each.remediated is not None and each.remediated >= since for each in times),
                resolved=sum(each.resolved is not None and each.resolved >= since for each in times),
                failures=failed[account],
                longest_idle=max(
                    (entry.idle_days for entry in theirs if entry.standing is Standing.OPEN), default=None
                ),
            )
        )
    return tuple(sorted(lines, key=lambda line: (-line.open, line.account_id)))


def _total(accounts: Sequence[AccountFigures]) -> AccountFigures:
    return AccountFigures(
        account_id="",
        name="All accounts",
        open=sum(each.open for each in accounts),
        whitelisted=sum(each.whitelisted for each in accounts),
        switched_off=sum(each.switched_off for each in accounts),
        resolved=sum(each.resolved for each in accounts),
        failures=sum(each.failures for each in accounts),
        longest_idle=max((each.longest_idle for each in accounts if each.longest_idle is not None), default=None),
    )


def _weeks(issues: Sequence[Issue], since: datetime) -> tuple[Week, ...]:
    happened: dict[str, Counter[date]] = {name: Counter() for name in ("identified", "resolved", "remediated")}
    for issue in issues:
        for name, weeks in happened.items():
            moment = getattr(issue.timestamps, name)
            if moment is not None:
                weeks[_monday(moment).date()] += 1
    mondays = [(since + timedelta(weeks=number)).date() for number in range(WEEKS)]
    opened, resolved, switched_off = happened.values()
    return tuple(Week(monday, opened[monday], resolved[monday], switched_off[monday]) for monday in mondays)


def _monday(moment: datetime) -> datetime:
    """The beginning (UTC) of the ISO week of a moment."""
    day = moment.astimezone(UTC).date()
    return datetime.combine(day - timedelta(days=day.weekday()), time(), UTC)


def _exceptions(entries: Sequence[Entry], policy: Policy, now: datetime) -> tuple[ExceptionFigures, ...]:
    """The whitelist's entries for these accounts, those that end first first."""
    idle: dict[str, list[Issue]] = {account: [] for account in policy.accounts}
    for entry in entries:
        if entry.standing in (Standing.OPEN, Standing.WHITELISTED):
            idle[entry.issue.account_id].append(entry.issue)
    found = [
        ExceptionFigures(
            account_id=account,
            exemption=each,
            holds=each.holds(now),
            keys=sum(each.names(issue.details.username, issue.issue_id) for issue in theirs),
        )
        for account, theirs in idle.items()
        for each in policy.whitelist.entries.get(account, ())
    ]
    return tuple(
        sorted(found, key=lambda each: (each.exemption.until or date.max, each.account_id, each.exemption.id))
    )
