"""Which keys are left alone: the exemptions of `whitelist.json`, and what they match."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from fnmatch import fnmatchcase


@dataclass(frozen=True, slots=True)
class Exemption:
    """One entry of the whitelist.

    `id` is an IAM user name or an access key id, in which `*` stands for any characters and `?` for one.
    `until` is the last day (UTC) on which the entry holds; without it, the entry holds permanently.
    """

    id: str
    until: date | None = None
    reason: str = ""
    owner: str = ""

    def holds(self, now: datetime) -> bool:
        """Whether the entry is still in force at `now`, an aware time."""
        return self.until is None or now.astimezone(UTC).date() <= self.until

    def names(self, user_name: str, key_id: str) -> bool:
        """Whether the entry means this user or this key, whatever its last day."""
        # IAM takes user names that differ only in case for the same name, but not key ids.
        return _matches(self.id.lower(), user_name.lower()) or _matches(self.id, key_id)


@dataclass(frozen=True, slots=True)
class Whitelist:
    """All exemptions, by account id."""

    entries: Mapping[str, tuple[Exemption, ...]]

    def find(self, account_id: str, user_name: str, key_id: str, now: datetime) -> Exemption | None:
        """The first entry of the account that is in force at `now` and means this user or this key."""
        for exemption in self.entries.get(account_id, ()):
            if exemption.holds(now) and exemption.names(user_name, key_id):
                return exemption
        return None


def _matches(pattern: str, text: str) -> bool:
    # fnmatch knows a third wildcard, [abc]; a set that holds nothing but the bracket stands for the bracket.
    return fnmatchcase(text, pattern.replace("[", "[[]"))
