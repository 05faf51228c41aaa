"""What the report's page says: the figures in the words and the order that a security lead needs."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from library.issues.record import Status
from library.reports.figures import AHEAD, WEEKS, Entry, Figures, Standing
from library.reports.page import Chart, Grid, Headline, Listing, Note, Page, Section
from library.reports.report_data import owner

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from library.config.settings import Config

_SHOWN = 50
"""So many rows a small table has at the most; the list below has everything."""


def page(figures: Figures, settings: Config) -> Page:
    """The page of a report on all issues of these accounts."""
    days = settings.inactive_keys.inactive_criteria_days
    names = settings.aws.accounts
    return Page(
        title="Unused IAM access keys",
        subtitle=f"Active keys that nobody has used for more than {days} days in "
        f"{_number(len(figures.accounts), 'account', 'accounts')}, and what became of them",
        now=figures.now,
        headlines=list(_headlines(figures)),
        warnings=list(_warnings(figures, settings)),
        sections=[
            Section("Where they are", [_accounts(figures)]),
            Section("How old they are", list(_ages(figures)), half=True),
            Section("What has happened", [_trend(figures), Note(_OF_THE_EPISODE)], half=True),
            Section("What will be switched off", list(_planned(figures, settings))),
            Section("Exceptions", [_exceptions(figures, settings)]),
            Section("What failed", [_failures(figures, settings)]),
        ],
        listing=_listing(figures, names),
        footnotes=[
            "Switched off: by this system, and the next scan has still to confirm it. Resolved: the key was used, "
            "switched off or deleted. Whitelisted: an exception covers it. All times are UTC.",
            f"From the table {settings.inactive_keys.table_name}. What happened to one key, step by step: "
            "python -m remediation.show_issue --key ID",
        ],
    )


_OF_THE_EPISODE = (
    "Counted from the timestamps of each issue. They are those of its latest episode: a key that became idle twice "
    "counts in the week of the second time."
)


def _headlines(figures: Figures) -> Iterator[Headline]:
    total = figures.total
    longest = "" if total.longest_idle is None else f"the longest for {total.longest_idle:,} days"
    yield Headline(f"{total.open:,}", "idle keys are on", longest, "open" if total.open else "good")
    overdue = sum(entry.due is not None and entry.due <= figures.now for entry in figures.planned)
    yield Headline(
        f"{len(figures.planned):,}",
        f"to be switched off within {AHEAD.days} days",
        f"{overdue:,} of them in the next run" if overdue else "",
        "off",
    )
    off = f"{_number(total.switched_off, 'key', 'keys')} switched off by this system"
    yield Headline(f"{total.resolved:,}", f"resolved in {WEEKS} weeks", off, "good")
    ending = sum(
        each.holds and each.exemption.until is not None and each.exemption.until <= (figures.now + AHEAD).date()
        for each in figures.exceptions
    )
    note = f"{_number(ending, 'exception ends', 'exceptions end')} within {AHEAD.days} days" if ending else ""
    yield Headline(f"{total.whitelisted:,}", "left on by an exception", note, "calm")
    failed = len(figures.failures)
    yield Headline(f"{failed:,}", "failures", "see What failed" if failed else "", "bad" if failed else "calm")


def _warnings(figures: Figures, settings: Config) -> Iterator[str]:
    unread = sum(failure.what.startswith(UNREAD) for failure in figures.failures)
    if unread:
        yield (
            f"This report is not complete: {_number(unread, 'part', 'parts')} of the table could not be read. "
            "See What failed."
        )
    if not settings.inactive_keys.remediation:
        yield "Automatic remediation is off (user_inactivekeys.remediation): no key is switched off by schedule."
    if not settings.inactive_keys.reporting:
        yield "Reporting is off (user_inactivekeys.reporting): nobody is told of new issues."


UNREAD = "could not be read"
"""How the failure of a row or an account that is missing from the report begins."""


def _accounts(figures: Figures) -> Grid:
    lines = [*figures.accounts, figures.total] if len(figures.accounts) > 1 else figures.accounts
    return Grid(
        f"Issues by account; resolved and switched off since {_day(figures.since)}",
        ("Account", "Idle and on", "Longest, days", "Whitelisted", "Resolved", "Switched off", "Failures"),
        [
            (
                _two(each.name, each.account_id),
                f"{each.open:,}",
                "" if each.longest_idle is None else f"{each.longest_idle:,}",
                f"{each.whitelisted:,}",
                f"{each.resolved:,}",
                f"{each.switched_off:,}",
                f"{each.failures:,}",
            )
            for each in lines
        ],
        "No account is configured.",
        frozenset(range(1, 7)),
    )


def _ages(figures: Figures) -> Iterator[Note | Chart]:
    if not figures.idle:
        yield Note("No idle key is on.", "good")
        return
    most = max(figures.idle, key=lambda each: each[1])
    yield Chart(
        "Idle keys that are on, by the time since their last use or creation",
        f"Most of them, {most[1]:,}, are idle for {most[0]}.",
        "Idle for",
        [label for label, _ in figures.idle],
        {"Keys": [count for _, count in figures.idle]},
        ["open"],
        axis=[label.replace(" days", " d") for label, _ in figures.idle],
    )


def _trend(figures: Figures) -> Chart:
    weeks = figures.weeks
    return Chart(
        f"Issues per ISO week, since {_day(figures.since)}",
        f"In {WEEKS} weeks {sum(week.opened for week in weeks):,} issues were opened, "
        f"{sum(week.resolved for week in weeks):,} resolved, and {sum(week.switched_off for week in weeks):,} keys "
        "switched off.",
        "Week",
        ["{}-W{:02}, from {}".format(*week.monday.isocalendar()[:2], week.monday) for week in weeks],
        {
            "Opened": [week.opened for week in weeks],
            "Resolved": [week.resolved for week in weeks],
            "Switched off by this system": [week.switched_off for week in weeks],
        },
        ["open", "good", "off"],
        axis=[f"W{week.monday.isocalendar().week:02}" for week in weeks],
    )


def _planned(figures: Figures, settings: Config) -> Iterator[Note | Chart | Grid]:
    keys = settings.inactive_keys
    if not keys.remediation:
        yield Note(
            "None: automatic remediation is off (user_inactivekeys.remediation). "
            f"{_number(figures.by_hand, 'key is', 'keys are')} past the retention period of "
            f"{keys.remediation_retention_period} days and could be switched off by hand: "
            "python -m remediation.clean_iam_keys_inactive",
            "open",
        )
        return
    without = [
        account.name
        for account in figures.accounts
        if account.account_id not in {each.id for each in settings.remediation_accounts()}
    ]
    if without:
        yield Note(f"Remediation is off for {', '.join(without)}: nothing is switched off there.")
    silent = sum(
        entry.standing is Standing.OPEN and entry.issue.timestamps.reported is None and entry.exemption is None
        for entry in figures.entries
    )
    yield Note(
        f"Each key is looked at again right before, and stays on if it is in use by then. "
        f"{_number(silent, 'idle key has', 'idle keys have')} no date yet, because nobody was told of them: the "
        f"retention period of {keys.remediation_retention_period} days begins with the report."
        if silent
        else "Each key is looked at again right before, and stays on if it is in use by then."
    )
    if keys.remediation_max_keys_per_run is not None:
        yield Note(f"A run switches off at most {keys.remediation_max_keys_per_run:,} keys; the rest waits.")
    if figures.planned:
        yield _days_ahead(figures)
    more = len(figures.planned) - _SHOWN
    yield Grid(
        f"The next {_SHOWN} keys; {more:,} more are in the list below" if more > 0 else "The keys, by date",
        ("From", "Account", "User", "Key", "Idle days", "Ticket"),
        [
            (
                _due(entry, figures.now),
                settings.aws.accounts.get(entry.issue.account_id, entry.issue.account_id),
                entry.issue.details.username,
                entry.issue.issue_id,
                str(entry.idle_days),
                entry.issue.jira.ticket or "",
            )
            for entry in figures.planned[:_SHOWN]
        ],
        f"No key is due within {AHEAD.days} days.",
        frozenset({4}),
    )


def _days_ahead(figures: Figures) -> Chart:
    today = figures.now.astimezone(UTC).date()
    due = Counter(max(entry.due.astimezone(UTC).date(), today) for entry in figures.planned if entry.due)
    dates = [today + timedelta(days=number) for number in range(AHEAD.days + 1)]
    return Chart(
        f"Keys to be switched off in the next {AHEAD.days} days; the first bar is the next run",
        f"{due[today]:,} keys today or in the next run, {len(figures.planned) - due[today]:,} on later days.",
        "From",
        [each.isoformat() for each in dates],
        {"Keys": [due[each] for each in dates]},
        ["off"],
        axis=["" if number % 5 else f"{each.day} {each:%b}" for number, each in enumerate(dates)],
    )


def _exceptions(figures: Figures, settings: Config) -> Grid:
    return Grid(
        "The entries of whitelist.json, the next to end first",
        ("User or key", "Account", "Last day", "Idle keys", "Reason", "Owner"),
        [
            (
                each.exemption.id,
                settings.aws.accounts.get(each.account_id, each.account_id),
                _until(each.exemption.until.isoformat() if each.exemption.until else "", holds=each.holds),
                f"{each.keys:,}",
                each.exemption.reason or "none given",
                each.exemption.owner or "",
            )
            for each in figures.exceptions
        ],
        "There is no exception.",
        frozenset({3}),
    )


def _until(day: str, *, holds: bool) -> str:
    if not day:
        return "no end"
    return day if holds else f"{day}\nhas ended"


def _failures(figures: Figures, settings: Config) -> Grid:
    return Grid(
        "Failures that are still to be made up for",
        ("What", "Account", "User and key", "Since", "Cause"),
        [
            (
                each.what,
                settings.aws.accounts.get(each.account_id, each.account_id),
                f"{each.user}\n{each.key}".strip(),
                _day(each.since) if each.since else "",
                each.cause,
            )
            for each in figures.failures
        ],
        "Nothing: every row was read, everybody was told, and each key that was to be switched off is off.",
    )


def _listing(figures: Figures, names: Mapping[str, str]) -> Listing:
    return Listing(
        title=f"All {len(figures.entries):,} issues",
        caption="One row for each access key of the issues table, the open ones first, then the longest idle",
        headings=(
            "Status",
            "Account",
            "User",
            "Key",
            "Idle days",
            "Last used",
            "Reported",
            "Switched off",
            "Remarks",
        ),
        rows=[_line(entry, names, figures.now) for entry in figures.entries],
        empty="The issues table has no row for these accounts.",
        numbers=frozenset({4}),
        choices=frozenset({0, 1}),
        widths=(9, 10, 15, 17, 8, 10, 9, 9, 13),
        tones={
            Standing.OPEN.value: "open",
            Standing.SWITCHED_OFF.value: "off",
            Standing.WHITELISTED.value: "calm",
            Standing.RESOLVED.value: "good",
        },
    )


def _line(entry: Entry, names: Mapping[str, str], now: datetime) -> tuple[str, ...]:
    issue, details, times = entry.issue, entry.issue.details, entry.issue.timestamps
    ends = (
        details.resolution.value if details.resolution and entry.standing is Standing.RESOLVED else "",
        "closed" if issue.status is Status.CLOSED else "",
        issue.episode.value if issue.episode.value != "first" and issue.status is Status.OPEN else "",
    )
    where = ", ".join(filter(None, (details.last_used_service, details.last_used_region)))
    off = f"{_day(times.remediated)}\nby this system" if times.remediated else ""
    return (
        _two(entry.standing.value, ", ".join(filter(None, ends))),
        _two(names.get(issue.account_id, issue.account_id), issue.account_id),
        _two(details.username, owner(entry) and f"owner {owner(entry)}"),
        issue.issue_id,
        str(entry.idle_days),
        f"never\ncreated {_day(details.create_date)}" if details.never_used else _two(_day(details.last_used), where),
        _two(_day(times.reported) if times.reported else "", issue.jira.ticket or ""),
        off or (_due(entry, now) if entry.due else ""),
        _remarks(entry),
    )


def _remarks(entry: Entry) -> str:
    said = [f"{failure.what}: {failure.cause}" for failure in entry.failures]
    exemption = entry.exemption
    if exemption is not None:
        until = f" until {exemption.until}" if exemption.until else ""
        said.append(f"exception {exemption.id}{until}: {exemption.reason or 'no reason given'}")
    return "; ".join(said)


def _due(entry: Entry, now: datetime) -> str:
    assert entry.due is not None
    return f"{_day(entry.due)}\n{'next run' if entry.due <= now else 'planned'}"


def _two(first: str, second: str) -> str:
    return f"{first}\n{second}" if second else first


def _day(moment: datetime) -> str:
    return moment.astimezone(UTC).date().isoformat()


def _number(count: int, one: str, more: str) -> str:
    return f"{count:,} {one if count == 1 else more}"
