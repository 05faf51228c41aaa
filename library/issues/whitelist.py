"""Which keys are left alone: the exemptions of `whitelist.json`, what they match, and the tag of the user's own."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from fnmatch import fnmatchcase

_MAY_BE_A_KEY = re.compile(r"(?=.{16}|.*\*)[A-Z0-9*?]+")
"""Key ids have 16 characters or more, capitals and digits (IAM API reference, AccessKey)."""


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

    @property
    def shown(self) -> str:
        """How a sentence names it."""
        return f"the user's tag {self.id!r}" if self == BY_TAG else repr(self.id)

    def names(self, user_name: str, key_id: str) -> bool:
        """Whether the entry means this user or this key, whatever its last day."""
        return self.names_user(user_name) or self.names_key(key_id)

    def names_user(self, user_name: str) -> bool:
        """Whether it means this user; IAM takes names that differ only in case for the same name."""
        return _matches(self.id.lower(), user_name.lower())

    def names_key(self, key_id: str) -> bool:
        """Whether it means this key."""
        return _matches(self.id, key_id)


TAG, NEVER = "hammer", "never"
BY_TAG = Exemption(f"{TAG}: {NEVER}", reason="by the user's tag")
"""What a user has with the tag `hammer` = `never`, in whichever account; the roles' policies know the tag, too."""


def exemption_by_tag(tags: Mapping[str, str] | None) -> Exemption | None:
    """The exemption that these tags of a user are; None are tags that are not known.

    The tag's name counts as it is written here. Its value does in any case, and with spaces around it: a slip there
    must not cost a key.
    """
    return BY_TAG if (tags or {}).get(TAG, "").strip().lower() == NEVER else None


@dataclass(frozen=True, slots=True)
class Whitelist:
    """All exemptions, by account id."""

    entries: Mapping[str, tuple[Exemption, ...]]

    def find(
        self, account_id: str, user_name: str, key_id: str, now: datetime, tags: Mapping[str, str] | None = None
    ) -> Exemption | None:
        """The first entry of the account that is in force at `now` and means this user or this key, else BY_TAG.

        `tags` are those of the user, as far as they are known.
        """
        for exemption in self.entries.get(account_id, ()):
            if exemption.holds(now) and exemption.names(user_name, key_id):
                return exemption
        return exemption_by_tag(tags)

    def unmatched(
        self,
        account_id: str,
        users: Collection[str],
        keys: Collection[str],
        now: datetime,
        *,
        all_keys: bool,
        before: Collection[str],
    ) -> tuple[str, ...]:
        """The entries of the account in force at `now` that mean no user and no key of it: mistyped, or left over.

        `users` are all users of the account. A scan mostly does not see all keys: only where everything is listed
        (`all_keys`), once in seven days, `keys` are all of them. In between an entry that can be a key's id is
        unmatched if it was so `before`, by the last such listing, and none of the keys that were seen now is meant.
        """
        found = []
        for entry in self.entries.get(account_id, ()):
            if not entry.holds(now) or any(entry.names_user(user) for user in users):
                continue
            if any(entry.names_key(key) for key in keys):
                continue
            if all_keys or entry.id in before or not _MAY_BE_A_KEY.fullmatch(entry.id):
                found.append(entry.id)
        return tuple(sorted(set(found)))


def _matches(pattern: str, text: str) -> bool:
    # fnmatch knows a third wildcard, [abc]; a set that holds nothing but the bracket stands for the bracket.
    return fnmatchcase(text, pattern.replace("[", "[[]"))
