"""What a report says of all issues: how many and where, how old, the trend, what comes, and what failed."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

from library.issues.whitelist import BY_TAG, exemption_by_tag
from library.reports.entries import ON, UNREAD, Failure, Standing, entry_of, standing
from library.reports.shares import at_least
from library.text import unexpected

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from library.issues.record import Issue
    from library.issues.whitelist import Exemption
    from library.reports.entries import Entry, ReportSettings
    from library.reports.scans import Scans

WEEKS = 13
"""How many ISO weeks a report looks back: a quarter, the current week included."""

AHEAD = timedelta(days=30)
"""How far a report looks ahead."""

_SPANS = (
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


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountFigures:
    """How many issues of an account stand where; `resolved` and `switched_off` count within the period.

    `open` are the idle keys that are on, also those that were switched on again; they are not in `switched_off`.
    `active_keys` are all that are on, by the last scan, None if that is not known.
    `longest_idle` is the idle days of the open issue that is idle longest, None without an open issue. `root_keys`
    are the access keys of the root user that are on, which have no issue; None if not known. `last_scan` is
    when its last complete scan began (UTC), `not_scanned` why what is said of it may be out of date, empty if a scan
    of the last 24 hours confirms it.
    """

    account_id: str
    name: str
    open: int = 0
    active_keys: int | None = None
    whitelisted: int = 0
    switched_off: int = 0
    resolved: int = 0
    failures: int = 0
    longest_idle: int | None = None
    root_keys: int | None = None
    last_scan: datetime | None = None
    not_scanned: str = ""


@dataclass(frozen=True, slots=True)
class Week:
    """What happened in the ISO week that began on `monday` (UTC), but for what a switching on has undone."""

    monday: date
    opened: int
    resolved: int
    switched_off: int


@dataclass(frozen=True, slots=True)
class ExemptionFigures:
    """An exemption, whether it is in force, and how many idle keys it covers.

    `means_nothing` is whether the last complete scan found no user and no key that it means.
    """

    account_id: str
    exemption: Exemption
    holds: bool
    keys: int
    means_nothing: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Everything that a report says, as of `now` (UTC); the period began at `since`, a Monday.

    `entries` are all issues, the open ones first, then the longest idle. `idle` is how many open ones there are for
    each span of idle days, the shortest span first. `planned` are those that will be switched off within AHEAD, the
    earliest first; `by_hand` counts those that only a run by hand could switch off now. `scans_problem` is why it is
    not known when the accounts were scanned, empty if it is.
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
    exemptions: tuple[ExemptionFigures, ...]
    failures: tuple[Failure, ...]
    scans_problem: str

    @property
    def unread(self) -> tuple[Failure, ...]:
        """What is missing in the report, as it could not be read."""
        return tuple(failure for failure in self.failures if failure.what.startswith(UNREAD))

    def count(self, standing: Standing) -> int:
        """How many issues stand there."""
        return sum(1 for entry in self.entries if entry.standing is standing)


def figures(
    issues: Sequence[Issue], unread: Sequence[Failure], scans: Scans, settings: ReportSettings, now: datetime
) -> Figures:
    """The figures of all issues of the accounts at `now` (UTC); `unread` is what could not be read."""
    since = _monday(now) - timedelta(weeks=WEEKS - 1)
    entries, odd = _entries(issues, settings, now)
    not_scanned = scans.failures(settings.accounts, now)
    failures = (*unread, *odd, *not_scanned, *(failure for entry in entries for failure in entry.failures))
    planned = [entry for entry in entries if entry.due is not None and entry.due <= now + AHEAD]
    accounts = tuple(
        replace(
            each,
            active_keys=at_least(each.open, scans.active_keys(each.account_id, now)),
            root_keys=scans.root_keys(each.account_id, now),
            last_scan=scans.began(each.account_id),
            not_scanned=scans.doubt(each.account_id, now),
        )
        for each in _accounts(entries, failures, settings, since)
    )
    return Figures(
        now=now,
        since=since,
        entries=tuple(entries),
        accounts=accounts,
        total=_total(accounts),
        idle=histogram(entry.idle_days for entry in entries if entry.standing in ON),
        weeks=_weeks([entry.issue for entry in entries], since),
        planned=tuple(sorted(planned, key=lambda entry: (entry.due, entry.issue.issue_id))),
        by_hand=sum(1 for entry in entries if entry.due_by_hand),
        exemptions=_exemptions(entries, scans, settings, now),
        failures=failures,
        scans_problem=scans.problem,
    )


def _entries(
    issues: Iterable[Issue], settings: ReportSettings, now: datetime
) -> tuple[list[Entry], tuple[Failure, ...]]:
    """The issues in the order of the report, and those with which something is wrong."""
    entries, odd = [], []
    for issue in issues:
        try:
            entries.append(entry_of(issue, settings, now))
        except Exception as error:
            # A mistake of ours on one issue must not cost the others their report.
            odd.append(Failure(issue.account_id, UNREAD, unexpected(error), key=issue.issue_id))
    return sorted(entries, key=_order), tuple(odd)


def histogram(days: Iterable[int]) -> tuple[tuple[str, int], ...]:
    """How many of these idle days are in each span, from the first that has any; nothing without any days."""
    starts = [start for start, _ in _SPANS]
    counts = Counter(bisect_right(starts, idle) - 1 for idle in days)
    if not counts:
        return ()
    return tuple((_SPANS[place][1], counts[place]) for place in range(min(counts), len(_SPANS)))


def _order(entry: Entry) -> tuple[object, ...]:
    return (list(Standing).index(entry.standing), entry.issue.details.last_used, entry.issue.issue_id)


def _accounts(
    entries: Sequence[Entry], failures: Sequence[Failure], settings: ReportSettings, since: datetime
) -> tuple[AccountFigures, ...]:
    """The figures of each account, the one with the most open issues first."""
    by_account: dict[str, list[Entry]] = {account: [] for account in settings.accounts}
    for entry in entries:
        by_account[entry.issue.account_id].append(entry)
    failed = Counter(failure.account_id for failure in failures)
    counted = [
        _account(account, settings.accounts[account], theirs, failed[account], since)
        for account, theirs in by_account.items()
    ]
    return tuple(sorted(counted, key=lambda account: (-account.open, account.account_id)))


def _account(account_id: str, name: str, entries: Sequence[Entry], failures: int, since: datetime) -> AccountFigures:
    standings = Counter(entry.standing for entry in entries)
    off = [entry.issue.timestamps.remediated for entry in entries if entry.standing is not Standing.SWITCHED_ON]
    ended = [entry.issue.timestamps.resolved for entry in entries if entry.standing is not Standing.SWITCHED_ON]
    idle = [entry.idle_days for entry in entries if entry.standing in ON]
    return AccountFigures(
        account_id=account_id,
        name=name,
        open=standings[Standing.OPEN] + standings[Standing.SWITCHED_ON],
        whitelisted=standings[Standing.WHITELISTED],
        switched_off=sum(1 for time in off if time is not None and time >= since),
        resolved=sum(1 for time in ended if time is not None and time >= since),
        failures=failures,
        longest_idle=max(idle, default=None),
    )


def _total(accounts: Sequence[AccountFigures]) -> AccountFigures:
    return AccountFigures(
        account_id="",
        name="All accounts",
        open=sum(account.open for account in accounts),
        whitelisted=sum(account.whitelisted for account in accounts),
        switched_off=sum(account.switched_off for account in accounts),
        resolved=sum(account.resolved for account in accounts),
        failures=sum(account.failures for account in accounts),
        longest_idle=max(
            (account.longest_idle for account in accounts if account.longest_idle is not None), default=None
        ),
    )


def _weeks(issues: Sequence[Issue], since: datetime) -> tuple[Week, ...]:
    ended = [issue.timestamps for issue in issues if standing(issue) is not Standing.SWITCHED_ON]
    opened = _per_week(issue.timestamps.identified for issue in issues)
    resolved = _per_week(each.resolved for each in ended)
    switched_off = _per_week(each.remediated for each in ended)
    mondays = [(since + timedelta(weeks=number)).date() for number in range(WEEKS)]
    return tuple(Week(monday, opened[monday], resolved[monday], switched_off[monday]) for monday in mondays)


def _per_week(moments: Iterable[datetime | None]) -> Counter[date]:
    """How many of the moments are in which week, by its Monday."""
    return Counter(_monday(moment).date() for moment in moments if moment is not None)


def _monday(moment: datetime) -> datetime:
    """The beginning (UTC) of the ISO week of a moment."""
    day = moment.astimezone(UTC).date()
    return datetime.combine(day - timedelta(days=day.weekday()), time(), UTC)


def _exemptions(
    entries: Sequence[Entry], scans: Scans, settings: ReportSettings, now: datetime
) -> tuple[ExemptionFigures, ...]:
    """The exemptions of these accounts, the next to end first; the users' own tag where a key is exempt by it."""
    idle: dict[str, list[Issue]] = {account: [] for account in settings.accounts}
    for entry in entries:
        if entry.standing in (*ON, Standing.WHITELISTED):
            idle[entry.issue.account_id].append(entry.issue)
    counted = [
        each for account, issues in idle.items() for each in _of_account(account, issues, scans, settings, now)
    ]
    return tuple(sorted(counted, key=_end_of_exemption))


def _of_account(
    account: str, issues: Sequence[Issue], scans: Scans, settings: ReportSettings, now: datetime
) -> Iterator[ExemptionFigures]:
    """The exemptions of one account, whose idle keys have these issues."""
    whitelist = settings.whitelist
    keys = Counter(
        exemption
        for issue in issues
        for exemption in whitelist.naming(account, issue.details.username, issue.issue_id)
    )
    unmatched = set(scans.unmatched(account))
    for exemption in whitelist.entries.get(account, ()):
        holds = exemption.holds(now)
        nothing = holds and exemption.id in unmatched
        yield ExemptionFigures(account, exemption, holds=holds, keys=keys[exemption], means_nothing=nothing)
    tagged = sum(1 for issue in issues if exemption_by_tag(issue.details.tags) is not None)
    if tagged:
        yield ExemptionFigures(account, exemption=BY_TAG, holds=True, keys=tagged, means_nothing=False)


def _end_of_exemption(of: ExemptionFigures) -> tuple[date, str, str]:
    return (of.exemption.until or date.max, of.account_id, of.exemption.id)
