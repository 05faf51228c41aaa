"""What operators select by: the same options, read the same way, in every command."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial, wraps
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import click

from library import messages, text
from library.cli.logs import logger
from library.errors import WrongOption
from library.messages import Message

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from library.issues.record import Issue

    Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

_ACCOUNT_ID = re.compile(r"[0-9]{12}")
_TICKET = re.compile(r"[A-Z][A-Z0-9_]*-[0-9]+")
_AGO = re.compile(r"(\d{1,5}) ?([dh])", re.IGNORECASE)


# --- what is typed ---


def _parts(typed: str) -> list[str]:
    """The parts of a list with commas; raises BadParameter if there is none: an empty variable names nothing."""
    parts = [part.strip() for part in typed.split(",") if part.strip()]
    if not parts:
        raise click.BadParameter(f"found {typed!r}, which names nothing")
    return parts


def key_id(typed: str) -> str:
    """An access key id as AWS writes it, whatever case it was typed in."""
    return typed.strip().upper()


def ticket_key(typed: str) -> str:
    """The key of a ticket (`AWSSEC-12`), which may be typed in lower case, or as the URL that shows the ticket.

    Raises BadParameter for a URL without one.
    """
    if "://" not in typed:
        return typed.strip().upper()
    url = urlsplit(typed.strip())
    places = [*reversed(url.path.split("/")), *(value for _, value in parse_qsl(url.query))]
    found = [place.upper() for place in places if _TICKET.fullmatch(place.upper())]
    if not found:
        raise click.BadParameter(f"found {typed!r}, which has no ticket like AWSSEC-12 in it")
    return found[0]


def account_id(typed: str) -> str | None:
    """The id in `123456789012`, `1234-5678-9012` (as AWS's console has it) or `name (123456789012)`; None if none."""
    shown = re.search(r"\(([0-9]{12})\)\Z", typed.strip())
    digits = shown[1] if shown else re.sub(r"[\s-]", "", typed)
    return digits if _ACCOUNT_ID.fullmatch(digits) else None


def account_ids(_context: click.Context, _parameter: click.Parameter, values: Sequence[str]) -> tuple[str, ...]:
    """Ids alone, for a command that knows no names (a callback of click)."""
    ids = {part: account_id(part) for value in values for part in _parts(value)}
    for part, found in ids.items():
        if found is None:
            raise click.BadParameter(f"found {part!r}; expected account ids of 12 digits, separated by commas")
    return tuple(dict.fromkeys(found for found in ids.values() if found is not None))


def _each(
    read: Callable[[str], str], _context: click.Context, _parameter: click.Parameter, values: Sequence[str]
) -> tuple[str, ...]:
    return tuple(dict.fromkeys(read(part) for value in values for part in _parts(value)))


access_keys = partial(_each, key_id)
"""For another option of keys (a callback of click)."""


def _as_typed(_context: click.Context, _parameter: click.Parameter, values: Sequence[str]) -> tuple[str, ...]:
    """For names that may have a comma themselves."""
    for value in values:
        _parts(value)
    return tuple(value.strip() for value in values)


class Since(click.ParamType[datetime]):
    """A moment (`2026-11-01`, `2026-11-01T08:30`, UTC unless it says otherwise), or `3d` or `24h` ago; inclusive."""

    name = "since"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """The moment from which on, in UTC."""
        typed = str(value).strip()
        if ago := _AGO.fullmatch(typed):
            unit = "days" if ago[2] in "dD" else "hours"
            return datetime.now(UTC) - timedelta(**{unit: int(ago[1])})
        try:
            # As times are shown: 2026-11-01 08:30 UTC.
            moment = datetime.fromisoformat(re.sub(r" ?UTC\Z", "", typed))
            return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        except (ValueError, OverflowError):
            expected = "a date like 2026-11-01, a time like 2026-11-01T08:30, days ago like 3d or hours ago like 24h"
            self.fail(f"found {typed!r}; expected {expected}", param, ctx)


# --- what is selected ---


def chosen_accounts(typed: Collection[str], known: Mapping[str, str], listed_in: str) -> tuple[str, ...]:
    """The ids of the accounts that the values of `--account` name, all if there is none.

    `known` is name by id, and `listed_in` the setting that they are of. A value is an id, a name in any case, or
    several with commas between. Raises WrongOption with all that name none, or more than one.
    """
    if not typed:
        return tuple(known)
    found: list[str] = []
    wrong: list[str] = []
    for value in typed:
        for part in [value] if _accounts_called(value, known) else _parts(value):
            called = _accounts_called(part, known)
            found += called
            if len(called) > 1:
                wrong.append(f"--account {part}: {' and '.join(called)} have this name; give the id")
            elif not called:
                accounts = [text.account(id, name) for id, name in known.items()]
                wrong.append(f"--account {part}: not one of {listed_in}, which are {text.listed(accounts, 20)}")
    if wrong:
        raise WrongOption(*dict.fromkeys(wrong))
    return tuple(dict.fromkeys(found))


def _accounts_called(typed: str, known: Mapping[str, str]) -> list[str]:
    id = account_id(typed)
    if id is not None and id in known:
        return [id]
    return [each for each, name in known.items() if name.strip().casefold() == typed.strip().casefold()]


@dataclass(frozen=True, slots=True)
class Missing:
    """A value of an option that no issue has."""

    option: str
    value: str

    def said(self, *, all_read: bool) -> str:
        """That there is none, or none that could be read: what was not looked at may have it."""
        what = "no issue of the accounts looked at" if all_read else "no issue that could be read"
        return f"--{self.option} {self.value}: {what} has this {self.option}"


@dataclass(frozen=True, slots=True)
class Selection:
    """The issues that a command is about: an option that is not given names all of them.

    `keys` and `tickets` are ids as AWS and JIRA write them. `accounts` (ids or names) and `users` (names in any case)
    are as they were typed, with commas in them: what they mean is known only beside the accounts and issues.
    """

    accounts: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    tickets: tuple[str, ...] = ()

    @property
    def account_ids(self) -> tuple[str, ...]:
        """The accounts that are typed by their ids."""
        parts = (part for value in self.accounts for part in _parts(value))
        return tuple(id for part in parts if (id := account_id(part)) is not None)

    @property
    def narrows(self) -> bool:
        """Whether it leaves out issues of an account that is looked at."""
        return bool(self.users or self.keys or self.tickets)

    def among(self, issues: Collection[Issue]) -> tuple[list[Issue], list[Missing]]:
        """The issues that every given option names, and each value that names none at all."""
        there = {
            "user": {issue.details.username.casefold() for issue in issues},
            "key": {issue.issue_id.upper() for issue in issues},
            "ticket": {(issue.jira.ticket or "").upper() for issue in issues},
        }
        wanted = {"user": self._users(there["user"]), "key": self.keys, "ticket": self.tickets}
        missing = [
            Missing(option, value)
            for option, values in wanted.items()
            for value in values
            if value.casefold() not in there[option] and value not in there[option]
        ]
        users = {value.casefold() for value in wanted["user"]}
        return [issue for issue in issues if self._names(issue, users)], missing

    def _users(self, there: Collection[str]) -> tuple[str, ...]:
        # A comma may be part of the name of an IAM user.
        whole = ([value] if value.casefold() in there else _parts(value) for value in self.users)
        return tuple(dict.fromkeys(part for parts in whole for part in parts))

    def _names(self, issue: Issue, users: Collection[str]) -> bool:
        return (
            (not self.users or issue.details.username.casefold() in users)
            and (not self.keys or issue.issue_id.upper() in self.keys)
            and (not self.tickets or (issue.jira.ticket or "").upper() in self.tickets)
        )


def say_missing(missing: Iterable[Missing], counts: Counter[str]) -> None:
    """Say at ERROR each value that no issue has, and count it as `failed`; what failed before was not looked at."""
    all_read = not counts["failed"]
    for each in missing:
        counts["failed"] += 1
        messages.error(logger, Message.NOTHING_NAMED_SO, each.said(all_read=all_read))


account_option = click.option(
    "--account",
    "--accounts",
    "accounts",
    multiple=True,
    metavar="ID",
    callback=_as_typed,
    help="Only this account, by id or name. Repeatable, or a list with commas.",
)


def selectors(*, arguments: bool = False) -> Decorator:
    """Give a command the options of a Selection, and the selection in their place.

    With `arguments`, keys and tickets may also be given without an option before them.
    """
    more = "Repeatable, or a list with commas."
    added = [
        account_option,
        click.option(
            "--user",
            "users",
            multiple=True,
            metavar="NAME",
            callback=_as_typed,
            help=f"Only keys of this IAM user. {more}",
        ),
        click.option(
            "--key",
            "keys",
            multiple=True,
            metavar="ID",
            callback=access_keys,
            help=f"Only this access key id. {more}",
        ),
        click.option(
            "--ticket",
            "tickets",
            multiple=True,
            metavar="KEY",
            callback=partial(_each, ticket_key),
            help=f"Only keys of this JIRA ticket: AWSSEC-12, or its URL. {more}",
        ),
    ]
    if arguments:
        added.append(click.argument("named", nargs=-1, metavar="[KEY]...", callback=partial(_each, _key_or_ticket)))

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def with_selection(
            *,
            accounts: tuple[str, ...],
            users: tuple[str, ...],
            keys: tuple[str, ...],
            tickets: tuple[str, ...],
            named: tuple[str, ...] = (),
            **others: Any,
        ) -> Any:
            for each in named:
                if _TICKET.fullmatch(each):
                    tickets += (each,)
                else:
                    keys += (each,)
            unique = (tuple(dict.fromkeys(values)) for values in (accounts, users, keys, tickets))
            return function(selection=Selection(*unique), **others)

        decorated: Callable[..., Any] = with_selection
        for each in reversed(added):
            decorated = each(decorated)
        return decorated

    return decorate


def _key_or_ticket(typed: str) -> str:
    return ticket_key(typed) if "://" in typed else key_id(typed)
