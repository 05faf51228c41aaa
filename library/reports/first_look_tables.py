"""Lays out a first look as the tables that a terminal shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from library import text
from library.reports import root_keys
from library.reports.root_keys import RootOf
from library.reports.shares import Share, of_active

if TYPE_CHECKING:
    from collections.abc import Sequence

    from library.reports.first_look import FirstLook, IdleKey

_HEADINGS = ("account", "user", "key", "created", "last used (UTC)", "service", "region", "idle days")


class Table(NamedTuple):
    """A table of texts; without rows only the title is worth showing."""

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]


def tables_of(look: FirstLook) -> list[Table]:
    """The keys first, then what the thresholds would catch, and what is known of more than one account."""
    tables = [_keys(look), _thresholds(look)]
    if len(look.accounts) > 1:
        tables.append(_accounts(look))
    if look.accounts:
        tables.append(_root_keys(look))
    if look.failed:
        failed = [(each.account, each.account_name, each.error) for each in look.failed]
        tables.append(Table("Not scanned, and not counted above", ("account", "name", "why"), failed))
    return tables


def _keys(look: FirstLook) -> Table:
    share = of_active(shares(look))
    if not look.idle_keys:
        return Table(f"No Active key was unused for more than {look.days} days: {share}.", (), ())
    title = f"Not used for more than {look.days} days, longest idle first: {share}"
    return Table(title, _HEADINGS, [_cells(key) for key in look.idle_keys])


def _thresholds(look: FirstLook) -> Table:
    counts = [(f"{each.days} days", f"{each.keys:,}") for each in look.thresholds]
    return Table("What a threshold would catch", ("threshold", "keys it would catch"), counts)


def _accounts(look: FirstLook) -> Table:
    rows = [
        (
            each.account,
            each.account_name,
            f"{each.idle_keys:,}",
            number_or_not(each.active_keys),
            f"{each.users:,}",
        )
        for each in look.accounts
    ]
    return Table("By account", ("account", "name", "idle keys", "active keys", "users"), rows)


def number_or_not(number: int | None) -> str:
    """A number, or that it is not known."""
    return "not known" if number is None else f"{number:,}"


def shares(look: FirstLook) -> list[Share]:
    """The idle keys of the accounts that were scanned, and what they are of."""
    return [Share(each.idle_keys, each.active_keys) for each in look.accounts]


def roots(look: FirstLook) -> list[RootOf]:
    """The root users of the accounts that were scanned."""
    return [RootOf(each.account, each.account_name, each.root_keys) for each in look.accounts]


def _root_keys(look: FirstLook) -> Table:
    of_accounts = roots(look)
    some = root_keys.with_keys(of_accounts)
    if not some:
        return Table(f"{root_keys.found(of_accounts)}.", (), ())
    title = f"{root_keys.found(of_accounts)}: the root user can delete them"
    rows = [(each.account, each.name, root_keys.cell(each.keys)) for each in some]
    return Table(title, ("account", "name", "root access keys"), rows)


def _cells(key: IdleKey) -> tuple[str, ...]:
    return (
        text.account(key.account, key.account_name),
        key.user,
        key.key,
        text.day(key.created),
        text.minute(key.last_used) if key.last_used else "never",
        key.last_used_service or "",
        key.last_used_region or "",
        str(key.idle_days),
    )
