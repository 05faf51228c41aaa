"""What a page says of the access keys of root users: how many there are, where, and where that is not known.

They are said and no more: nothing makes an issue of them, and nothing switches them off. AWS's advice is to delete
them (IAM User Guide, "Root user best practices for your AWS account").
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from library import text
from library.reports.page import Headline
from library.reports.text import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from library.issues.listing import RootKeys

_NAMED = 5
"""How many accounts a sentence names."""
_ADVICE = (
    "Such a key may do everything in its account, and no policy of IAM limits it. Sign in as the root user there and "
    "delete it; nothing here does that."
)


class RootOf(NamedTuple):
    """The root user of an account, whose name may be empty, and their access keys; None if they are not known."""

    account: str
    name: str
    keys: RootKeys | None


def cell(keys: RootKeys | None) -> str:
    """How many keys one root user has."""
    if keys is None:
        return "not known"
    return f"{keys.count}" if keys.exact else "1 or 2"


def headlines(roots: Sequence[RootOf]) -> list[Headline]:
    """The figure of all accounts; none if it is known for no account."""
    some, unknown = with_keys(roots), _unknown(roots)
    if len(unknown) == len(roots):
        return []
    missing = f"not known for {counted(len(unknown), 'account', 'accounts')}" if unknown else ""
    where = f"in {counted(len(some), 'account', 'accounts')}" if some else ""
    value = f"{_total(some)}{'' if _exact(some) else ' or more'}"
    note = "; ".join(filter(None, (where, missing)))
    return [Headline(value, "root access keys", note, "bad" if some else "calm" if unknown else "good")]


def what_to_do(roots: Sequence[RootOf]) -> str:
    """What to do about the keys that there are, the accounts with the most first; empty if there is none."""
    some = with_keys(roots)
    if not some:
        return ""
    named = [f"{text.account(each.account, each.name)} has {cell(each.keys)}" for each in some[:_NAMED]]
    if len(some) > _NAMED:
        named.append(f"and {counted(len(some) - _NAMED, 'other account', 'other accounts')}")
    return f"{found(roots)}: {'; '.join(named)}. {_ADVICE}"


def found(roots: Sequence[RootOf]) -> str:
    """How many keys there are, in how many accounts, and for how many that is not known."""
    some, unknown = with_keys(roots), _unknown(roots)
    missing = f"not known for {counted(len(unknown), 'account', 'accounts')}" if unknown else ""
    if some:
        keys = counted(_total(some), "root access key", "root access keys")
        least = "" if _exact(some) else "At least "
        return f"{least}{keys} in {counted(len(some), 'account', 'accounts')}" + (f" ({missing})" if missing else "")
    if len(unknown) == len(roots):
        return f"Root access keys are {missing}"
    where = counted(len(roots) - len(unknown), "account", "accounts")
    return f"No root access key in {where}" + (f" ({missing})" if missing else "")


def with_keys(roots: Sequence[RootOf]) -> list[RootOf]:
    """Those who have any, the most first."""
    some = [each for each in roots if each.keys is not None and each.keys.count]
    return sorted(some, key=lambda each: (-each.keys.count if each.keys else 0, each.account))


def _unknown(roots: Sequence[RootOf]) -> list[RootOf]:
    return [each for each in roots if each.keys is None]


def _total(some: Sequence[RootOf]) -> int:
    return sum(each.keys.count for each in some if each.keys)


def _exact(some: Sequence[RootOf]) -> bool:
    return all(each.keys.exact for each in some if each.keys)
