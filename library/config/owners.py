"""Who is told about an issue: the settings of `ticket_owners.json`, merged for each key."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Owner:
    """Who is told about an issue; an empty setting is not set."""

    jira_project: str = ""
    jira_owner: str = ""
    jira_parent_ticket: str = ""
    slack_owner: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Responsible:
    """Who is told about one issue: the first in line, then those who are asked when nobody knows him.

    `owner` is the user's own `owner` tag, empty if there is none; it leads the `assignees`. Each of `slack_owners` is
    the setting of one place in the file. The settings are merged, empty if nobody set them.
    """

    owner: str
    jira_project: str
    jira_parent_ticket: str
    assignees: tuple[str, ...]
    slack_owners: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class TicketOwners:
    """`ticket_owners.json`: the global settings, and those for accounts, business units and their products.

    The key of `products` is business unit and product.
    """

    default: Owner
    accounts: Mapping[str, Owner]
    units: Mapping[str, Owner] = field(default_factory=dict)
    products: Mapping[tuple[str, str], Owner] = field(default_factory=dict)

    def for_account(self, account_id: str) -> Owner:
        """The settings of the account, the global one wherever it has none of its own."""
        return _merged([self.accounts.get(account_id, Owner()), self.default])

    def for_issue(self, account_id: str, tags: Mapping[str, str]) -> Responsible:
        """Who is told about a key of a user with these tags (`owner`, `bu`, `product`, in upper or lower case).

        The nearer to the user, the earlier: his owner, his product, his business unit, the account, everybody.
        """
        own = {name.lower(): value.strip() for name, value in tags.items()}
        owner, unit = own.get("owner", ""), own.get("bu", "")
        line = [
            self.products.get((unit, own.get("product", "")), Owner()),
            self.units.get(unit, Owner()),
            self.accounts.get(account_id, Owner()),
            self.default,
        ]
        settings = _merged(line)
        return Responsible(
            owner,
            settings.jira_project,
            settings.jira_parent_ticket,
            tuple(dict.fromkeys(filter(None, (owner, *(one.jira_owner for one in line))))),
            tuple(dict.fromkeys(one.slack_owner for one in line if one.slack_owner)),
        )


def _merged(line: Sequence[Owner]) -> Owner:
    """The settings of the first, that of the next wherever it has none, and so on."""
    return Owner(
        next((one.jira_project for one in line if one.jira_project), ""),
        next((one.jira_owner for one in line if one.jira_owner), ""),
        next((one.jira_parent_ticket for one in line if one.jira_parent_ticket), ""),
        next((one.slack_owner for one in line if one.slack_owner), ()),
    )
