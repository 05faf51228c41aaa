"""An AWS account full of users and keys that drifts away from its credential report, and knows who is idle.

Times are whole seconds since 1970, as exact as IAM's. Everything follows from seeds.
"""

from __future__ import annotations

import csv
import random
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import StringIO
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ACCOUNT = "123456789012"
DAY = 86400
Kind = Literal["usual", "all idle", "none idle"]
"""As real accounts are; every user with two idle keys; nobody with an idle one."""
SAME_SECOND = 0.01

# IAM ids: letters and the digits 2 to 7.
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
# Everything that IAM allows in a user name, in places where it may hurt; `{}` is a number.
_NAMES = (
    *("user{}", "first.last{}@example.com", "svc-{}", "CI_Runner-{}", "deploy_{}"),
    *("last,first{}", "a+b={},c", "={}", "@{}", "-{}", "+{}", ",{}", "{}", "{},", ".{}", "x" * 58 + "{}"),
)
_SPECIAL_NAMES = ("user", "arn", "no_information", "not_supported", "N.A", "true", "root_account")
_SERVICES = ("s3", "ec2", "sts", "iam", "monitoring")
_REGIONS = ("us-east-1", "eu-west-1")
# How many Active keys a user has, out of a hundred users: 0.96 on average.
_ACTIVE_KEYS = (0,) * 25 + (1,) * 54 + (2,) * 21

_COLUMNS = (
    *("user", "arn", "user_creation_time", "password_enabled", "password_last_used", "password_last_changed"),
    *("password_next_rotation", "mfa_active"),
    *(
        f"access_key_{slot}_{name}"
        for slot in (1, 2)
        for name in ("active", "last_rotated", "last_used_date", "last_used_region", "last_used_service")
    ),
    *("cert_1_active", "cert_1_last_rotated", "cert_2_active", "cert_2_last_rotated"),
)
_ODD = ("no_information", "not_supported", "", "unknown", "N/A")
_MAY_BE_ODD = (
    *("user_creation_time", "access_key_1_active", "access_key_1_last_rotated", "access_key_1_last_used_date"),
    *("access_key_2_active", "access_key_2_last_rotated", "access_key_2_last_used_date"),
)


@dataclass(slots=True)
class Key:
    """One access key; `rotated` is when it was created, switched on or switched off, whichever came last."""

    key_id: str
    created: int
    rotated: int
    active: bool
    used: int | None
    service: str
    region: str

    @property
    def idle_since(self) -> int:
        """The last use, or the creation of a key that was never used."""
        return self.created if self.used is None else self.used


@dataclass(slots=True)
class User:
    """One IAM user with its two places for a key."""

    name: str
    user_id: str
    created: int
    path: str
    slots: list[Key | None] = field(default_factory=lambda: [None, None])
    more: list[Key] = field(default_factory=list)

    @property
    def keys(self) -> list[Key]:
        """The keys that there are; `more` are those that no slot of the report shows."""
        return [*(key for key in self.slots if key is not None), *self.more]

    @property
    def arn(self) -> str:
        """The name by which policies know the user."""
        return f"arn:aws:iam::{ACCOUNT}:user{self.path}{self.name}"


@dataclass(frozen=True, slots=True)
class Oddities:
    """What AWS allows itself in a report, or might: how many rows are unlike the others, and how the whole looks."""

    odd_values: int = 0
    missing_rows: int = 0
    short_rows: int = 0
    unquoted_commas: bool = False
    other_order: bool = False
    more_columns: bool = False
    zulu: bool = False


Fact = tuple[str, str, str, int, int | None]
"""Key id, user name, user id, creation, last use."""


class Account:
    """The users of one account as they are at this moment; `now` is the moment of the scan to come.

    `same_second` is the share of users who were created in the same second as another. `root_keys` are the access
    keys of the root user, all of them on.
    """

    def __init__(
        self, users: int, seed: int, now: int, kind: Kind = "usual", same_second: float = SAME_SECOND
    ) -> None:
        self.now = now
        self.root_keys = 0
        self._random = random.Random(f"{seed} population")
        self._number = 0
        self._left_names: list[str] = []
        self.users: dict[str, User] = {}
        for _ in range(users):
            user = self._new_user(self._fresh_name(), self._random.randint(*self._days_ago(1200, 1)))
            self._fill(user, kind)
            self.users[user.name] = user
        self._create_in_the_same_second(round(users * same_second))

    # --- making it ---------------------------------------------------------------------------------------------

    def _days_ago(self, most: float, least: float) -> tuple[int, int]:
        return int(self.now - most * DAY), int(self.now - least * DAY)

    def _identity(self, prefix: str) -> str:
        return prefix + "".join(self._random.choices(_ALPHABET, k=16))

    def _fresh_name(self) -> str:
        self._number += 1
        if self._number <= len(_SPECIAL_NAMES):
            return _SPECIAL_NAMES[self._number - 1]
        return _NAMES[self._number % len(_NAMES)].format(self._number)

    def _new_user(self, name: str, created: int) -> User:
        return User(name, self._identity("AIDA"), created, self._random.choice(("/", "/", "/", "/ci/build/")))

    def _new_key(self, created: int, used: int | None) -> Key:
        service, region = self._random.choice(_SERVICES), self._random.choice(_REGIONS)
        return Key(self._identity("AKIA"), created, created, True, used, service, region)

    def _switch_some(self, key: Key) -> None:
        """Let somebody have switched the key off and on again, before any report that is still in use."""
        if not key.active or self._random.random() < 0.2:
            key.rotated = self._random.randint(key.created, self.now - DAY // 4)

    def _fill(self, user: User, kind: Kind) -> None:
        chance = self._random
        if kind == "all idle":
            keys = [self._idle_key(), self._idle_key()]
        elif kind == "none idle":
            keys = [self._busy_key()]
        else:
            keys = [
                self._idle_key() if chance.random() < 0.25 else self._busy_key()
                for _ in range(chance.choice(_ACTIVE_KEYS))
            ]
            while len(keys) < 2 and chance.random() < 0.12:
                keys.append(self._switched_off_key())
        user.created = min([user.created, *(key.created for key in keys)])
        user.slots = [*keys, None, None][:2]
        for key in keys:
            self._switch_some(key)
        if kind == "usual":
            chance.shuffle(user.slots)

    def _idle_key(self) -> Key:
        created = self._random.randint(*self._days_ago(1500, 900))
        case = self._random.random()
        if case < 0.2:
            return self._new_key(self._random.randint(*self._days_ago(900, 91)), None)
        if case < 0.24:
            return self._new_key(created, self.now - 90 * DAY - self._random.choice((1, 60, 3600)))
        return self._new_key(created, self._random.randint(*self._days_ago(900, 91)))

    def _busy_key(self) -> Key:
        created = self._random.randint(*self._days_ago(1500, 900))
        case = self._random.random()
        if case < 0.03:
            return self._new_key(self._random.randint(*self._days_ago(89, 1)), None)
        if case < 0.04:
            return self._new_key(created, self.now - 90 * DAY + self._random.choice((0, 1, 3600)))
        return self._new_key(created, self._random.randint(*self._days_ago(89, 0.25)))

    def _switched_off_key(self) -> Key:
        key = self._idle_key() if self._random.random() < 0.7 else self._busy_key()
        key.active = False
        return key

    def _create_in_the_same_second(self, left: int) -> None:
        """Give some users company, as a script that makes users does."""
        users = list(self.users.values())
        self._random.shuffle(users)
        while left > 1:
            size = min(left, self._random.choice((2, 2, 3, 5, 12)))
            group = [users.pop() for _ in range(size)]
            moment = min(user.created for user in group)
            for user in group:
                user.created = moment
            left -= size

    # --- what happens to it -------------------------------------------------------------------------------------

    def drift(self, events: Mapping[str, int], seed: int, since: int) -> None:
        """Let these things (see EVENTS) happen so often between `since` and now, in any order."""
        self._random = random.Random(f"{seed} drift")
        names = [name for name, count in events.items() for _ in range(count)]
        self._random.shuffle(names)
        for name in names:
            (EVENTS | MORE_EVENTS)[name](self, self._random.randint(min(since + 1, self.now), self.now))

    def _some_user(self, wanted: Callable[[User], bool] = lambda _: True) -> User | None:
        users = [user for user in self.users.values() if wanted(user)]
        return self._random.choice(users) if users else None

    def _some_key(self, wanted: Callable[[Key], bool]) -> tuple[User, int, Key] | None:
        found = [
            (user, slot, key)
            for user in self.users.values()
            for slot, key in enumerate(user.slots)
            if key is not None and wanted(key)
        ]
        return self._random.choice(found) if found else None

    def _free_name(self) -> str:
        taken = {name.lower() for name in self.users}
        left = [name for name in self._left_names if name.lower() not in taken]
        return self._random.choice(left) if left and self._random.random() < 0.5 else self._fresh_name()

    def _name(self, user: User, name: str) -> None:
        user.name = name
        self.users[name] = user

    def _leave(self, user: User) -> None:
        del self.users[user.name]
        self._left_names.append(user.name)

    def _create_user(self, name: str, moment: int) -> None:
        user = self._new_user(name, moment)
        for slot in range(self._random.choice((0, 1, 1, 2))):
            user.slots[slot] = self._young_key(moment)
        self.users[name] = user

    def _young_key(self, moment: int) -> Key:
        return self._new_key(moment, self._random.choice((None, moment)))

    def _user_created(self, moment: int) -> None:
        self._create_user(self._free_name(), moment)

    def _user_deleted(self, _moment: int) -> None:
        if user := self._some_user():
            self._leave(user)

    def _user_recreated(self, moment: int) -> None:
        if user := self._some_user():
            self._leave(user)
            self._create_user(user.name, moment)

    def _user_renamed(self, _moment: int) -> None:
        if user := self._some_user():
            other_case = user.name.swapcase()
            self._leave(user)
            self._name(user, other_case if self._random.random() < 0.1 else self._free_name())

    def _names_swapped(self, _moment: int) -> None:
        one, other = self._some_user(), self._some_user()
        if one and other and one is not other:
            one.name, other.name = other.name, one.name
            self.users[one.name], self.users[other.name] = one, other

    def _name_handed_on(self, _moment: int) -> None:
        """A user leaves its name to another, for a new one of its own."""
        one, other = self._some_user(), self._some_user()
        if one and other and one is not other:
            name = one.name
            self._leave(one)
            self._name(one, self._fresh_name())
            self._leave(other)
            self._name(other, name)

    def _key_created(self, moment: int) -> None:
        if user := self._some_user(lambda user: None in user.slots and user.created <= moment):
            user.slots[user.slots.index(None)] = self._young_key(moment)

    def _key_deleted(self, _moment: int) -> None:
        if found := self._some_key(lambda _: True):
            found[0].slots[found[1]] = None

    def _key_switched_off(self, moment: int) -> None:
        self._switch(moment, active=False)

    def _key_switched_on(self, moment: int) -> None:
        self._switch(moment, active=True)

    def _switch(self, moment: int, *, active: bool) -> None:
        if found := self._some_key(lambda key: key.active is not active):
            found[2].active = active
            found[2].rotated = max(moment, found[2].rotated)

    def _key_rotated(self, moment: int) -> None:
        """A key is replaced by another one in its place."""
        if found := self._some_key(lambda key: key.active):
            found[0].slots[found[1]] = self._young_key(moment)

    def _key_off_for_a_while(self, moment: int) -> None:
        if found := self._some_key(lambda key: key.active):
            found[2].rotated = max(moment, found[2].rotated)

    def _more_keys(self, moment: int) -> None:
        """A user gets, uses or loses a key that no slot shows."""
        user = self._some_user(lambda user: bool(user.more)) if self._random.random() < 0.7 else self._some_user()
        if user is None:
            return
        if not user.more:
            user.more = [self._idle_key() if self._random.random() < 0.7 else self._busy_key()]
            (key,) = user.more
            key.created = key.rotated = max(key.created, user.created)
            key.used = None if key.used is None or key.used < key.created else key.used
        elif self._random.random() < 0.5:
            user.more[0].used = moment
        else:
            user.more = []

    def _key_in_use(self, moment: int) -> None:
        """What is in daily use is used once more."""
        if found := self._some_key(
            lambda key: key.active and key.used is not None and key.used > self.now - 30 * DAY
        ):
            found[2].used = moment

    def _key_used(self, moment: int) -> None:
        if found := self._some_key(lambda key: key.active and key.idle_since < self.now - 90 * DAY):
            found[2].used = moment

    # --- what is true -------------------------------------------------------------------------------------------

    def idle_keys(self, criteria_days: int) -> list[Fact]:
        """The truth: every Active key that was not used for more than `criteria_days` before `now`, sorted."""
        cutoff = self.now - criteria_days * DAY
        return sorted(
            (key.key_id, user.name, user.user_id, key.created, key.used)
            for user in self.users.values()
            for key in user.keys
            if key.active and key.idle_since < cutoff
        )


EVENTS: dict[str, Callable[[Account, int], None]] = {
    "user created": Account._user_created,
    "user deleted": Account._user_deleted,
    "user re-created": Account._user_recreated,
    "user renamed": Account._user_renamed,
    "names swapped": Account._names_swapped,
    "name handed on": Account._name_handed_on,
    "key created": Account._key_created,
    "key deleted": Account._key_deleted,
    "key switched off": Account._key_switched_off,
    "key switched on": Account._key_switched_on,
    "key used": Account._key_used,
}
"""Everything that can happen between the report and the scan."""

MORE_EVENTS: dict[str, Callable[[Account, int], None]] = {
    "key rotated": Account._key_rotated,
    "key off for a while": Account._key_off_for_a_while,
    "more keys": Account._more_keys,
    "key in use": Account._key_in_use,
}
"""What else happens in the course of days."""


class Report:
    """The credential report of an account, made at this moment of its life."""

    def __init__(self, account: Account, generated: int, oddities: Oddities, seed: int) -> None:
        self.generated = generated
        self._users = deepcopy(list(account.users.values()))
        self._root_keys = account.root_keys
        self._oddities = oddities
        self._seed = seed

    def idle_looking(self, cutoff: int, *, cached: bool) -> tuple[int, int]:
        """Users with a key that may be idle by the report alone, and such keys.

        A slot without a known use is dated by its user. In a cached report switched-off keys may be on by now.
        """
        slots = [
            sum(
                (key.active or cached) and (user.created if key.used is None else key.used) < cutoff
                for key in user.keys
            )
            for user in self._users
        ]
        return sum(count > 0 for count in slots), sum(slots)

    def csv(self) -> str:
        """The report as AWS sends it, `<root_account>` first."""
        chance = random.Random(f"{self._seed} report")
        odd = self._oddities
        more = odd.more_columns or any(user.more for user in self._users)
        columns = [*_COLUMNS, "additional_credentials_info", "new_column"] if more else list(_COLUMNS)
        if odd.other_order:
            chance.shuffle(columns)
        rows = [self._row(user) for user in self._users]
        for row in chance.sample(rows, min(odd.odd_values, len(rows))):
            column = chance.choice(_MAY_BE_ODD)
            # Without a rotation there is no key: this one word is not odd there, it would be a lie.
            row[column] = chance.choice(_ODD[:-1] if column.endswith("last_rotated") else _ODD)
        for row in chance.sample(rows, min(odd.missing_rows, len(rows))):
            rows.remove(row)
        short = {row["user"] for row in chance.sample(rows, min(odd.short_rows, len(rows)))}
        text = StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(columns)
        for row in (self._root(), *rows):
            cells = [row.get(column, "N/A") for column in columns]
            if row["user"] in short:
                cells = cells[: chance.randrange(1, len(cells))]
            if odd.unquoted_commas:
                text.write(",".join(cells) + "\n")
            else:
                writer.writerow(cells)
        return text.getvalue()

    def _root(self) -> dict[str, str]:
        active = ("mfa_active", "access_key_1_active", "access_key_2_active", "cert_1_active", "cert_2_active")
        on = {f"access_key_{number}_active": "true" for number in range(1, self._root_keys + 1)}
        return (
            dict.fromkeys(active, "false")
            | on
            | {
                "user": "<root_account>",
                "arn": f"arn:aws:iam::{ACCOUNT}:root",
                "user_creation_time": self._time(1_400_000_000),
                "password_enabled": "not_supported",
                "password_last_used": "no_information",
                "password_last_changed": "not_supported",
                "password_next_rotation": "not_supported",
            }
        )

    def _row(self, user: User) -> dict[str, str]:
        row = {
            "user": user.name,
            "arn": user.arn,
            "user_creation_time": self._time(user.created),
            "password_enabled": "false",
            "mfa_active": "false",
            "cert_1_active": "false",
            "cert_2_active": "false",
        }
        if user.more:
            row["additional_credentials_info"] = f"{len(user.more)} more access keys, use ListAccessKeys"
        for number, key in enumerate(user.slots, 1):
            slot = f"access_key_{number}_"
            row[slot + "active"] = "true" if key is not None and key.active else "false"
            if key is not None:
                row[slot + "last_rotated"] = self._time(key.rotated)
            if key is not None and key.used is not None:
                row[slot + "last_used_date"] = self._time(key.used)
                row[slot + "last_used_region"] = key.region
                row[slot + "last_used_service"] = key.service
        return row

    def _time(self, moment: int) -> str:
        text = datetime.fromtimestamp(moment, UTC).isoformat()
        return text.replace("+00:00", "Z") if self._oddities.zulu else text
