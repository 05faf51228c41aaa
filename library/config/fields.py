"""How one value of a configuration file is read: fields for marshmallow that find every error at once.

Each field converts the value that the JSON file has and raises marshmallow's ValidationError with what was expected.
What was found is looked up in the file afterwards (library/config/problems.py).
"""

from __future__ import annotations

import difflib
import json
import re
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from marshmallow import ValidationError, fields, missing

from library.config.formats import is_account_id

if TYPE_CHECKING:
    from collections.abc import Callable

AN_ACCOUNT_ID = "an account id: 12 digits in quotes"
_LONGEST_VALUE = 80


@dataclass(frozen=True, slots=True)
class Complaint:
    """A message for marshmallow that says what was found, where the file's value at that place would not tell."""

    found: str
    expected: str


def is_comment(key: str) -> bool:
    """Whether a key of an object is a remark for readers, which is ignored everywhere."""
    return key.startswith("__comment")


def mask(text: str) -> str:
    """The text with user name and password of a URL made unreadable."""
    return re.sub(r"//(?:[^\s/@]+|\S*:\S*)@", "//***@", text)


def describe(value: object) -> str:
    """A value from a JSON file in a few words, as it was written there."""
    if value is missing:
        return "nothing"
    if isinstance(value, dict):
        return "an object" if value else "an empty object"
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    text = mask(json.dumps(value, ensure_ascii=False))
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 3]}..."


def nearest(name: str, known: list[str], cutoff: float = 0.0) -> str | None:
    """The known name that looks most like this one, if any is at least `cutoff` (0 to 1) alike."""
    by_lower = {each.lower(): each for each in known}
    close = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=cutoff)
    return by_lower[close[0]] if close else None


class Checked(fields.Field[Any]):
    """The base of all fields: every complaint says what was expected."""

    def __init__(self, expected: str, **options: Any) -> None:
        self.expected = expected
        # marshmallow formats these texts.
        message = expected.replace("{", "{{").replace("}", "}}")
        # Without it, marshmallow takes a default of None as permission to write null.
        options.setdefault("allow_none", False)
        super().__init__(error_messages={"required": message, "null": message}, **options)

    def _deserialize(self, value: Any, *_args: Any, **_kwargs: Any) -> Any:
        return self._read(value)

    def _read(self, value: Any) -> Any:
        """The value in its own type; raises ValidationError."""
        raise NotImplementedError

    def _refused(self) -> ValidationError:
        return ValidationError([self.expected])


class Text(Checked):
    """A string, spaces around it removed; `blank` allows the empty one, `check` looks at any other."""

    def __init__(
        self,
        expected: str = "a text in quotes, not empty",
        *,
        check: Callable[[str], bool] | None = None,
        blank: bool = False,
        **options: Any,
    ) -> None:
        self._check, self._blank = check, blank
        super().__init__(expected, **options)

    def _read(self, value: Any) -> str:
        if not isinstance(value, str):
            raise self._refused()
        text = value.strip()
        if not text and self._blank:
            return text
        if not text or (self._check and not self._check(text)):
            raise self._refused()
        return text


class Json(Checked):
    """A JSON object that is handed on as it is, without the keys in `ours`."""

    def __init__(self, ours: frozenset[str] = frozenset(), **options: Any) -> None:
        self._ours = ours
        but = f" without {', '.join(sorted(ours))}, which Hammer sets" if ours else ""
        super().__init__(f"an object in braces{but}", **options)

    def _read(self, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict) or value.keys() & self._ours:
            raise self._refused()
        return {key: each for key, each in value.items() if not is_comment(key)}


class Boolean(Checked):
    """true or false, also in quotes."""

    def __init__(self, **options: Any) -> None:
        super().__init__("true or false", **options)

    def _read(self, value: Any) -> bool:
        text = value.strip().lower() if isinstance(value, str) else value
        if text is True or text == "true":
            return True
        if text is False or text == "false":
            return False
        raise self._refused()


class Integer(Checked):
    """A whole number from `least` to `most`, also in quotes."""

    def __init__(self, least: int, most: int, **options: Any) -> None:
        self._least, self._most = least, most
        super().__init__(f"a whole number from {least} to {most}", **options)

    def _read(self, value: Any) -> int:
        if isinstance(value, str) and re.fullmatch(r"[0-9]{1,10}", value.strip()):
            value = int(value)
        # In Python true is an int, too.
        if type(value) is not int or not self._least <= value <= self._most:
            raise self._refused()
        return value


class Day(Checked):
    """A calendar day as YYYY-MM-DD and in no other form that Python would also read."""

    def __init__(self, **options: Any) -> None:
        super().__init__("a day as YYYY-MM-DD", **options)

    def _read(self, value: Any) -> date:
        if not isinstance(value, str) or not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
            raise self._refused()
        try:
            return date.fromisoformat(value)
        except ValueError:
            raise self._refused() from None


class List(Checked):
    """A JSON list of items as a tuple, each item once."""

    def __init__(self, item: Checked, expected: str, **options: Any) -> None:
        self._item = item
        super().__init__(expected, **options)

    def _read(self, value: Any) -> tuple[Any, ...] | None:
        if not isinstance(value, list):
            raise self._refused()
        return self._items(value)

    def _items(self, values: list[Any]) -> tuple[Any, ...]:
        good: list[Any] = []
        errors: dict[str | int, Any] = {}
        for index, value in enumerate(values):
            try:
                good.append(self._item.deserialize(value))
            except ValidationError as error:
                errors[index] = error.messages
        unique = tuple(dict.fromkeys(good))
        if errors:
            raise ValidationError(errors, valid_data=list(unique))
        return unique


class CommaList(List):
    """A JSON list, or its items in one comma-separated string; `blank` is what the empty string stands for."""

    def __init__(self, item: Checked, expected: str, *, blank: tuple[()] | None = (), **options: Any) -> None:
        self._blank = blank
        super().__init__(item, expected, **options)

    def _read(self, value: Any) -> tuple[Any, ...] | None:
        if not isinstance(value, str):
            return super()._read(value)
        if not value.strip():
            return self._blank
        parts = [part.strip() for part in value.split(",") if part.strip()]
        if not parts:
            raise self._refused()
        try:
            return self._items(parts)
        except ValidationError as error:
            # The file has no place for a part of a string, so each complaint says which part it means.
            refused = [parts[int(index)] for index in error.messages_dict]
            complaints = [Complaint(describe(part), self._item.expected) for part in refused]
            raise ValidationError(complaints, valid_data=error.valid_data) from None


class AccountList(CommaList):
    """Account ids, in one of the two forms."""

    def __init__(self, **options: Any) -> None:
        item = Text(AN_ACCOUNT_ID, check=is_account_id)
        super().__init__(item, "a list of account ids, or one comma-separated string of them", **options)


class Mapping(Checked):
    """An object whose keys are names of something, with one kind of item for all of them."""

    def __init__(self, item: Checked, expected: str, **options: Any) -> None:
        self.item = item
        super().__init__(expected, **options)

    def _read(self, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self._refused()
        good: dict[str, Any] = {}
        errors: dict[str | int, Any] = {}
        for name, item in value.items():
            if is_comment(name):
                continue
            complaint = self._complaint_about(name)
            if complaint is not None:
                errors[name] = [complaint]
                continue
            try:
                good[name] = self.item.deserialize(item)
            except ValidationError as error:
                errors[name] = error.messages
        if errors:
            raise ValidationError(errors, valid_data=good)
        return good

    def _complaint_about(self, name: str) -> Complaint | None:
        return None if name.strip() else Complaint("an empty name", self.expected)


class AccountMapping(Mapping):
    """An object whose keys are account ids; only if `strict`, a malformed id is an error."""

    def __init__(self, item: Checked, *, strict: bool = True, **options: Any) -> None:
        self._strict = strict
        super().__init__(item, "an object whose keys are account ids", **options)

    def _complaint_about(self, name: str) -> Complaint | None:
        if self._strict and not is_account_id(name):
            return Complaint(f"the account id {describe(name)}", AN_ACCOUNT_ID)
        return None
