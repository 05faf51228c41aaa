"""Who is told about an issue: the settings of `ticket_owners.json`, merged for each key."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Owner:
    """The settings of one place in the file; an empty setting is not set.

    `slack_owner` has channels, user names and e-mail addresses.
    """

    jira_project: str = ""
    jira_owner: str = ""
    jira_parent_ticket: str = ""
    slack_owner: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Responsible:
    """Who is told about one issue: the nearest person first, then whom to ask if that person is unknown.

    `owner` is the IAM user's own `owner` tag, empty if there is none; it leads the `assignees`. `jira_project` and
    `jira_parent_ticket` are the nearest ones that are set, empty if none is. Each of `slack_owners` is the setting of
    one place in the file.
    """

    owner: str
    jira_project: str
    jira_parent_ticket: str
    assignees: tuple[str, ...]
    slack_owners: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class TicketOwners:
    """`ticket_owners.json`: the global settings, and those for accounts, business units and their products.

    The keys are account ids, names of business units, and pairs of business unit and product.
    """

    default: Owner
    accounts: Mapping[str, Owner]
    units: Mapping[str, Owner] = field(default_factory=dict)
    products: Mapping[tuple[str, str], Owner] = field(default_factory=dict)

    @property
    def places(self) -> tuple[Owner, ...]:
        """The settings of every place."""
        return (self.default, *self.accounts.values(), *self.units.values(), *self.products.values())

    def for_account(self, account_id: str) -> Owner:
        """The settings of the account, each completed by the global one if the account has none."""
        return _merged([self.accounts.get(account_id, Owner()), self.default])

    def for_issue(self, account_id: str, tags: Mapping[str, str]) -> Responsible:
        """Who is told about a key of a user with these tags (`owner`, `bu`, `product`, in upper or lower case).

        The nearest setting comes first: the `owner` tag, the product, the business unit, the account, the global one.
        """
        of_user = {name.lower(): value.strip() for name, value in tags.items()}
        owner_tag, unit = of_user.get("owner", ""), of_user.get("bu", "")
        nearest_first = [
            self.products.get((unit, of_user.get("product", "")), Owner()),
            self.units.get(unit, Owner()),
            self.accounts.get(account_id, Owner()),
            self.default,
        ]
        settings = _merged(nearest_first)
        assignees = [owner_tag, *(owner.jira_owner for owner in nearest_first)]
        return Responsible(
            owner=owner_tag,
            jira_project=settings.jira_project,
            jira_parent_ticket=settings.jira_parent_ticket,
            assignees=tuple(dict.fromkeys(filter(None, assignees))),
            slack_owners=tuple(dict.fromkeys(owner.slack_owner for owner in nearest_first if owner.slack_owner)),
        )


def _merged(nearest_first: Sequence[Owner]) -> Owner:
    """Each setting of the first owner that has it."""
    return Owner(
        next((owner.jira_project for owner in nearest_first if owner.jira_project), ""),
        next((owner.jira_owner for owner in nearest_first if owner.jira_owner), ""),
        next((owner.jira_parent_ticket for owner in nearest_first if owner.jira_parent_ticket), ""),
        next((owner.slack_owner for owner in nearest_first if owner.slack_owner), ()),
    )
