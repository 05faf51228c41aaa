"""What the report's page says: the figures in the words and the order that a security lead needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from library.issues.listing import RootKeys
from library.reports import root_keys
from library.reports.figures import AHEAD, WEEKS
from library.reports.page import Chart, Grid, Headline, Note, Page, Section
from library.reports.report_listing import listing
from library.reports.report_plan import planned
from library.reports.root_keys import RootOf
from library.reports.scans import NOT_LOOKED_UP, NOT_SCANNED, NOT_WANTED
from library.reports.shares import Share, of_active
from library.reports.text import counted, two_lines
from library.text import day, minute

if TYPE_CHECKING:
    from collections.abc import Iterator

    from library.reports.entries import ReportSettings
    from library.reports.figures import AccountFigures, Figures

_OF_THE_EPISODE = (
    "Counted from the timestamps of each issue. They are those of its latest episode: a key that became idle twice "
    "counts in the week of the second time."
)


def page_of(figures: Figures, settings: ReportSettings) -> Page:
    """The page of a report on all issues of the accounts in `settings`."""
    return Page(
        title="Unused IAM access keys",
        subtitle=f"Active keys that nobody has used for more than {settings.criteria_days} days in "
        f"{counted(len(figures.accounts), 'account', 'accounts')}, and what became of them",
        now=figures.now,
        headlines=list(_headlines(figures)),
        warnings=list(_warnings(figures, settings)),
        sections=[
            Section("Where they are", [_accounts(figures)]),
            Section("How old they are", [_ages(figures)], half=True),
            Section("What has happened", [_trend(figures), Note(_OF_THE_EPISODE)], half=True),
            Section("What will be switched off", planned(figures, settings)),
            Section("Exemptions", [_exemptions(figures, settings)]),
            Section("What failed", [_failures(figures, settings)]),
        ],
        listing=listing(figures, settings),
        footnotes=[
            "Switched off: by this system, and the next scan still has to confirm it. Resolved: the key was used, "
            "switched off or deleted. Whitelisted: an exemption covers it. All times are UTC.",
            f"From the table {settings.table_name}. What happened to one key, step by step: "
            "python -m remediation.show_issue --key ID",
        ],
    )


def _headlines(figures: Figures) -> Iterator[Headline]:
    total = figures.total
    longest = "" if total.longest_idle is None else f"the longest for {total.longest_idle:,} days"
    shares = [Share(account.open, account.active_keys) for account in figures.accounts]
    note = "; ".join(filter(None, (of_active(shares) if shares else "", longest)))
    yield Headline(f"{total.open:,}", "idle keys are on", note, "open" if total.open else "good")
    overdue = sum(1 for entry in figures.planned if entry.due is not None and entry.due <= figures.now)
    yield Headline(
        f"{len(figures.planned):,}",
        f"to be switched off within {AHEAD.days} days",
        f"{overdue:,} of them in the next run" if overdue else "",
        "off",
    )
    off = f"{counted(total.switched_off, 'key', 'keys')} switched off by this system"
    yield Headline(f"{total.resolved:,}", f"resolved in {WEEKS} weeks", off, "good")
    ending = _exemptions_that_end(figures)
    note = f"{counted(ending, 'exemption ends', 'exemptions end')} within {AHEAD.days} days" if ending else ""
    yield Headline(f"{total.whitelisted:,}", "left on by an exemption", note, "calm")
    failed = len(figures.failures)
    yield Headline(f"{failed:,}", "failures", "see What failed" if failed else "", "bad" if failed else "calm")
    yield from root_keys.headlines([*map(_root, figures.accounts)])


def _exemptions_that_end(figures: Figures) -> int:
    horizon = (figures.now + AHEAD).date()
    ends = [each.exemption.until for each in figures.exemptions if each.holds]
    return sum(1 for until in ends if until is not None and until <= horizon)


def _warnings(figures: Figures, settings: ReportSettings) -> Iterator[str]:
    if figures.unread:
        parts = counted(len(figures.unread), "part", "parts")
        yield f"This report is not complete: {parts} of the table could not be read. See What failed."
    if figures.scans_problem:
        yield f"When the accounts were scanned last is not known, could not look: {figures.scans_problem}"
    unscanned = sum(1 for failure in figures.failures if failure.what == NOT_SCANNED)
    if unscanned:
        yield (
            f"{counted(unscanned, 'account has', 'accounts have')} had no complete scan for a day: this page may "
            "lack keys there, and none is switched off there. See What failed."
        )
    nothing = sum(1 for each in figures.exemptions if each.means_nothing)
    if nothing:
        yield (
            f"{counted(nothing, 'exemption means', 'exemptions mean')} no user and no key, so nothing is "
            "exempt by it. See Exemptions."
        )
    if root := root_keys.what_to_do([*map(_root, figures.accounts)]):
        yield root
    if not settings.remediation:
        yield "Automatic remediation is off (user_inactivekeys.remediation): no key is switched off by schedule."
    if not settings.reporting:
        yield "Reporting is off (user_inactivekeys.reporting): nobody is told of new issues."


def _accounts(figures: Figures) -> Grid:
    accounts = [*figures.accounts, figures.total] if len(figures.accounts) > 1 else figures.accounts
    return Grid(
        caption=f"Issues by account; resolved and switched off since {day(figures.since)}",
        headings=(
            "Account",
            "Idle and on",
            "Longest, days",
            "Whitelisted",
            "Resolved",
            "Switched off",
            "Failures",
            "Root keys",
            "Last scan (UTC)",
        ),
        rows=[
            (
                two_lines(account.name, account.account_id),
                two_lines(f"{account.open:,}", _of_active(account, figures)),
                "" if account.longest_idle is None else f"{account.longest_idle:,}",
                f"{account.whitelisted:,}",
                f"{account.resolved:,}",
                f"{account.switched_off:,}",
                f"{account.failures:,}",
                "" if account is figures.total else root_keys.cell(_root(account).keys),
                "" if account is figures.total else _last_scan(account),
            )
            for account in accounts
        ],
        empty="No account is configured.",
        numbers=frozenset(range(1, 8)),
    )


def _of_active(account: AccountFigures, figures: Figures) -> str:
    of = [account.active_keys] if account is not figures.total else [each.active_keys for each in figures.accounts]
    known = [active for active in of if active is not None]
    return f"of {sum(known):,} active" if len(known) == len(of) else "active not known"


def _root(account: AccountFigures) -> RootOf:
    keys = account.root_keys
    return RootOf(account.account_id, account.name, None if keys is None else RootKeys(keys))


def _last_scan(account: AccountFigures) -> str:
    """When an account was scanned last, or that it never was, or that nobody knows."""
    if account.last_scan is not None:
        return two_lines(minute(account.last_scan), "over a day ago" if account.not_scanned else "")
    return account.not_scanned if account.not_scanned in (NOT_LOOKED_UP, NOT_WANTED) else "never"


def _ages(figures: Figures) -> Note | Chart:
    if not figures.idle:
        return Note("No idle key is on.", "good")
    span, keys = max(figures.idle, key=lambda idle: idle[1])
    return Chart(
        title="Idle keys that are on, by the time since their last use or creation",
        about=f"Most of them, {keys:,}, are idle for {span}.",
        what="Idle for",
        labels=[label for label, _ in figures.idle],
        series={"Keys": [count for _, count in figures.idle]},
        tones=["open"],
        axis=[label.replace(" days", " d") for label, _ in figures.idle],
    )


def _trend(figures: Figures) -> Chart:
    weeks = figures.weeks
    return Chart(
        title=f"Issues per ISO week, since {day(figures.since)}",
        about=f"In {WEEKS} weeks {sum(week.opened for week in weeks):,} issues were opened, "
        f"{sum(week.resolved for week in weeks):,} resolved, and {sum(week.switched_off for week in weeks):,} keys "
        "switched off.",
        what="Week",
        labels=["{}-W{:02}, from {}".format(*week.monday.isocalendar()[:2], week.monday) for week in weeks],
        series={
            "Opened": [week.opened for week in weeks],
            "Resolved": [week.resolved for week in weeks],
            "Switched off by this system": [week.switched_off for week in weeks],
        },
        tones=["open", "good", "off"],
        axis=[f"W{week.monday.isocalendar().week:02}" for week in weeks],
        ends_now=True,
    )


def _exemptions(figures: Figures, settings: ReportSettings) -> Grid:
    return Grid(
        caption="The entries of whitelist.json, the next to end first, and the users' tag",
        headings=("User or key", "Account", "Last day", "Idle keys", "Reason", "Owner"),
        rows=[
            (
                two_lines(each.exemption.id, "means no user and no key" if each.means_nothing else ""),
                settings.accounts[each.account_id],
                _last_day(each.exemption.until.isoformat() if each.exemption.until else "", holds=each.holds),
                f"{each.keys:,}",
                each.exemption.reason or "none given",
                each.exemption.owner or "",
            )
            for each in figures.exemptions
        ],
        empty="There is no exemption.",
        numbers=frozenset({3}),
    )


def _last_day(until: str, *, holds: bool) -> str:
    if not until:
        return "no end"
    return two_lines(until, "" if holds else "has ended")


def _failures(figures: Figures, settings: ReportSettings) -> Grid:
    return Grid(
        caption="Failures that are still outstanding",
        headings=("What", "Account", "User and key", "Since", "Cause"),
        rows=[
            (
                failure.what,
                settings.accounts[failure.account_id],
                two_lines(failure.user, failure.key),
                day(failure.since) if failure.since else "",
                failure.cause,
            )
            for failure in figures.failures
        ],
        empty="Nothing: every row was read, everybody was told, and each key that was to be switched off is off.",
    )
