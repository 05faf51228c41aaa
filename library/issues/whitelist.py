"""Which keys are left alone: the exemptions of `whitelist.json`, what they match, and the tag of the user's own."""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from fnmatch import translate
from functools import cached_property

_MAY_BE_A_KEY = re.compile(r"(?=.{16}|.*\*)[A-Z0-9*?]+")
"""Key ids have 16 characters or more, capitals and digits (IAM API reference, AccessKey)."""
_WILDCARD = re.compile(r"[*?]")


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


TAG, NEVER = "hammer", "never"
BY_TAG = Exemption(f"{TAG}: {NEVER}", reason="by the user's tag")
"""What a user has with the tag `hammer` = `never`, in whichever account; the roles' policies know the tag, too."""


def exemption_by_tag(tags: Mapping[str, str] | None) -> Exemption | None:
    """The exemption that these tags of a user are; None are tags that are not known.

    The tag's name counts as it is written here. Its value does in any case, and with spaces around it: a slip there
    must not cost a key.
    """
    return BY_TAG if (tags or {}).get(TAG, "").strip().lower() == NEVER else None


class _Index:
    """Finds the patterns that mean a name: by the whole name, or by what stands before their first wildcard."""

    def __init__(self, patterns: Iterable[str]) -> None:
        self._plain: dict[str, list[int]] = {}
        self._beginnings: dict[str, list[tuple[int, _Pattern]]] = {}
        for place, pattern in enumerate(patterns):
            beginning = _WILDCARD.split(pattern, maxsplit=1)[0]
            if beginning == pattern:
                self._plain.setdefault(pattern, []).append(place)
            else:
                self._beginnings.setdefault(beginning, []).append((place, _Pattern(pattern)))
        self._longest = max(map(len, self._beginnings), default=-1)

    def places(self, name: str) -> Iterator[int]:
        """The places of the patterns that mean the name, in no order."""
        yield from self._plain.get(name, ())
        for end in range(min(len(name), self._longest) + 1):
            for place, pattern in self._beginnings.get(name[:end], ()):
                if pattern.means(name):
                    yield place


class _Pattern:
    """A name with wildcards, which is compiled when it is needed first: most never are."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern

    @cached_property
    def means(self) -> Callable[[str], object]:
        # fnmatch knows a third wildcard, [abc]; a set that holds nothing but the bracket stands for the bracket.
        return re.compile(translate(self._pattern.replace("[", "[[]"))).match


class _Entries:
    """The entries of one account; IAM takes user names that differ only in case for the same name."""

    def __init__(self, entries: tuple[Exemption, ...]) -> None:
        self._entries = entries
        self._of_user = _Index(entry.id.lower() for entry in entries)
        self._of_key = _Index(entry.id for entry in entries)

    def naming(self, user_name: str, key_id: str) -> tuple[Exemption, ...]:
        """Those that mean this user or this key, in their order and whatever their last day."""
        places = {*self._of_user.places(user_name.lower()), *self._of_key.places(key_id)}
        return tuple(self._entries[place] for place in sorted(places))

    def meaning_nothing(self, users: Iterable[str], keys: Iterable[str]) -> Iterator[Exemption]:
        """Those that mean none of these users and none of these keys."""
        found = {place for user in users for place in self._of_user.places(user.lower())}
        found.update(place for key in keys for place in self._of_key.places(key))
        return (entry for place, entry in enumerate(self._entries) if place not in found)


_NO_ENTRIES = _Entries(())


@dataclass(frozen=True, slots=True)
class Whitelist:
    """All exemptions, by account id. What means a name is looked up: there may be tens of thousands."""

    entries: Mapping[str, tuple[Exemption, ...]]
    _by_account: Mapping[str, _Entries] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_account = {account: _Entries(entries) for account, entries in self.entries.items()}
        object.__setattr__(self, "_by_account", by_account)

    def naming(self, account_id: str, user_name: str, key_id: str) -> tuple[Exemption, ...]:
        """The entries of the account that mean this user or this key, in their order and whatever their last day."""
        return self._by_account.get(account_id, _NO_ENTRIES).naming(user_name, key_id)

    def find(
        self, account_id: str, user_name: str, key_id: str, now: datetime, tags: Mapping[str, str] | None = None
    ) -> Exemption | None:
        """The first entry of the account that is in force at `now` and means this user or this key, else BY_TAG.

        `tags` are those of the user, as far as they are known.
        """
        for exemption in self.naming(account_id, user_name, key_id):
            if exemption.holds(now):
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
        known = set(before)
        nothing = self._by_account.get(account_id, _NO_ENTRIES).meaning_nothing(users, keys)
        found = {entry.id for entry in nothing if entry.holds(now)}
        return tuple(sorted(id for id in found if all_keys or id in known or not _MAY_BE_A_KEY.fullmatch(id)))
