"""Lays out a first look as a page to send to others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from library import text
from library.reports import root_keys
from library.reports.first_look_tables import number_or_not, roots, shares
from library.reports.page import Chart, Grid, Headline, Listing, Page, Section
from library.reports.shares import of_active
from library.reports.text import two_lines

if TYPE_CHECKING:
    from library.reports.first_look import FirstLook, IdleKey


def page_of(look: FirstLook) -> Page:
    """The tables of the terminal as a page, and a chart of the thresholds."""
    return Page(
        title="Idle access keys: a first look",
        subtitle=f"Active IAM access keys that were not used for more than {look.days} days",
        now=look.made_at,
        headlines=_headlines(look),
        warnings=_warnings(look),
        sections=_sections(look),
        listing=Listing(
            title="The keys",
            caption="Longest idle first",
            headings=("Account", "User", "Key", "Created", "Last used (UTC)", "Idle days"),
            rows=[_cells(key) for key in look.idle_keys],
            empty=f"No Active key was unused for more than {look.days} days.",
            numbers=frozenset({5}),
            choices=frozenset({0}),
            widths=(15, 22, 21, 12, 18, 12),
        ),
        footnotes=(
            "Idle time runs from the last use of a key, or from its creation if it was never used. Keys that are "
            "switched off are not counted.",
            "Made by python -m identification.scan, which reads IAM and changes nothing.",
        ),
    )


def _headlines(look: FirstLook) -> list[Headline]:
    never = sum(key.last_used is None for key in look.idle_keys)
    longest = f"{look.idle_keys[0].idle_days:,} days" if look.idle_keys else "none"
    missing = f"{len(look.failed):,} could not be scanned" if look.failed else ""
    return [
        Headline(f"{len(look.idle_keys):,}", "idle keys", of_active(shares(look)), "open"),
        Headline(f"{never:,}", "of them never used"),
        Headline(longest, "the longest idle"),
        Headline(f"{len(look.accounts):,}", "accounts scanned", missing, "bad" if missing else ""),
        *root_keys.headlines(roots(look)),
    ]


def _warnings(look: FirstLook) -> list[str]:
    failed = "The accounts that could not be scanned are not counted anywhere here." if look.failed else ""
    return [*filter(None, (failed, root_keys.what_to_do(roots(look))))]


def _sections(look: FirstLook) -> list[Section]:
    thresholds = Chart(
        title="Keys that a threshold would catch",
        about="How many keys were not used for more than each number of days.",
        what="Threshold",
        labels=[f"{each.days} days" for each in look.thresholds],
        series={"keys": [each.keys for each in look.thresholds]},
        tones=["open"],
    )
    accounts = Grid(
        caption="The accounts that were scanned, those with the most idle keys first",
        headings=("Account", "Idle keys", "Active keys", "Users", "Root keys"),
        rows=[
            (
                two_lines(each.account, each.account_name),
                f"{each.idle_keys:,}",
                number_or_not(each.active_keys),
                f"{each.users:,}",
                root_keys.cell(each.root_keys),
            )
            for each in look.accounts
        ],
        empty="No account could be scanned.",
        numbers=frozenset({1, 2, 3, 4}),
    )
    sections = [Section("Which threshold to choose", [thresholds]), Section("Where they are", [accounts])]
    if look.failed:
        failed = Grid(
            caption="Accounts that could not be scanned",
            headings=("Account", "Why"),
            rows=[(two_lines(each.account, each.account_name), each.error) for each in look.failed],
            empty="",
        )
        sections.append(Section("What is missing", [failed]))
    return sections


def _cells(key: IdleKey) -> tuple[str, ...]:
    used = text.minute(key.last_used) if key.last_used else "never"
    where = " in ".join(filter(None, (key.last_used_service, key.last_used_region)))
    return (
        two_lines(key.account, key.account_name),
        key.user,
        key.key,
        text.day(key.created),
        two_lines(used, where),
        str(key.idle_days),
    )
