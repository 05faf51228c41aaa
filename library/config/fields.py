"""How a value of a configuration file is read: fields and schemas for marshmallow that find every error at once."""

import difflib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, ClassVar

from marshmallow import EXCLUDE, Schema, ValidationError, fields, missing, validates_schema

from library.errors import Problem

ACCOUNT_ID = re.compile(r"[0-9]{12}")
AN_ID = "an account id: 12 digits in quotes"
_AN_OBJECT = "an object in braces"


@dataclass(frozen=True, slots=True)
class Wrong:
    """A message for marshmallow that says itself what was found."""

    found: str
    expected: str


def is_comment(key: str) -> bool:
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
    return text if len(text) <= 80 else f"{text[:77]}..."


def nearest(name: str, known: list[str], cutoff: float = 0.0) -> str | None:
    """The known name that looks most like this one, if any is at least `cutoff` (0 to 1) alike."""
    by_lower = {one.lower(): one for one in known}
    close = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=cutoff)
    return by_lower[close[0]] if close else None


class Checked(fields.Field[Any]):
    """A field whose every complaint says what was expected; what was found is looked up in the file."""

    def __init__(self, expected: str, **kwargs: Any) -> None:
        self.expected = expected
        # marshmallow formats these texts, and takes a default of None for leave to write null.
        message = expected.replace("{", "{{").replace("}", "}}")
        kwargs.setdefault("allow_none", False)
        super().__init__(error_messages={"required": message, "null": message}, **kwargs)

    def _deserialize(self, value: Any, *_args: Any, **_kwargs: Any) -> Any:
        return self.read(value)

    def read(self, value: Any) -> Any:
        """The value in its own type; raises ValidationError."""
        raise NotImplementedError

    def wrong(self) -> ValidationError:
        return ValidationError([self.expected])


class Text(Checked):
    """A string, spaces around it removed; `blank` allows the empty one, `check` looks at any other."""

    def __init__(
        self,
        expected: str = "a text in quotes, not empty",
        *,
        check: Callable[[str], bool] | None = None,
        blank: bool = False,
        **kwargs: Any,
    ) -> None:
        self.check, self.blank = check, blank
        super().__init__(expected, **kwargs)

    def read(self, value: Any) -> str:
        if not isinstance(value, str):
            raise self.wrong()
        text = value.strip()
        if not text and self.blank:
            return text
        if not text or (self.check and not self.check(text)):
            raise self.wrong()
        return text


class Flag(Checked):
    """true or false, also in quotes."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("true or false", **kwargs)

    def read(self, value: Any) -> bool:
        text = value.strip().lower() if isinstance(value, str) else value
        if text is True or text == "true":
            return True
        if text is False or text == "false":
            return False
        raise self.wrong()


class Whole(Checked):
    """A whole number, also in quotes."""

    def __init__(self, least: int, most: int, **kwargs: Any) -> None:
        self.least, self.most = least, most
        super().__init__(f"a whole number from {least} to {most}", **kwargs)

    def read(self, value: Any) -> int:
        if isinstance(value, str) and re.fullmatch(r"[0-9]{1,10}", value.strip()):
            value = int(value)
        if type(value) is not int or not self.least <= value <= self.most:
            raise self.wrong()
        return value


class Day(Checked):
    """A calendar day as YYYY-MM-DD and in no other form that Python would also read."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("a day as YYYY-MM-DD", **kwargs)

    def read(self, value: Any) -> date:
        if not isinstance(value, str) or not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
            raise self.wrong()
        try:
            return date.fromisoformat(value)
        except ValueError:
            raise self.wrong() from None


class Several(Checked):
    """A JSON list or, where `text` allows it, one comma-separated string; each item once.

    `blank` is what the empty string stands for.
    """

    def __init__(
        self, item: Checked, expected: str, *, text: bool = True, blank: tuple[()] | None = (), **kwargs: Any
    ) -> None:
        self.item, self.text, self.blank = item, text, blank
        super().__init__(expected, **kwargs)

    def read(self, value: Any) -> tuple[Any, ...] | None:
        if isinstance(value, list):
            return self._items(value)
        if not self.text or not isinstance(value, str):
            raise self.wrong()
        if not value.strip():
            return self.blank
        parts = [part.strip() for part in value.split(",") if part.strip()]
        if not parts:
            raise self.wrong()
        try:
            return self._items(parts)
        except ValidationError as error:
            wrong = [Wrong(describe(parts[int(index)]), self.item.expected) for index in error.messages_dict]
            raise ValidationError(wrong, valid_data=error.valid_data) from None

    def _items(self, values: list[Any]) -> tuple[Any, ...]:
        good: dict[Any, None] = {}
        errors: dict[Any, Any] = {}
        for index, value in enumerate(values):
            try:
                good[self.item.deserialize(value)] = None
            except ValidationError as error:
                errors[index] = error.messages
        if errors:
            raise ValidationError(errors, valid_data=list(good))
        return tuple(good)


class Object(Checked):
    """An object with the keys of a schema; one that is left out counts as empty, so that its defaults hold."""

    def __init__(self, schema: "Section") -> None:
        self.schema = schema
        super().__init__(_AN_OBJECT)

    def deserialize(
        self, value: Any, attr: str | None = None, data: Mapping[str, Any] | None = None, **kwargs: Any
    ) -> Any:
        return super().deserialize({} if value is missing else value, attr, data, **kwargs)

    def read(self, value: Any) -> Any:
        return self.schema.load(value)


class PerName(Checked):
    """An object whose keys are names of something."""

    def __init__(self, item: Checked, expected: str, **kwargs: Any) -> None:
        self.item = item
        super().__init__(expected, **kwargs)

    def read(self, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self.wrong()
        good: dict[str, Any] = {}
        errors: dict[str | int, Any] = {}
        for name, item in value.items():
            if is_comment(name):
                continue
            wrong = self.wrong_name(name)
            if wrong is not None:
                errors[name] = [wrong]
                continue
            try:
                good[name] = self.item.deserialize(item)
            except ValidationError as error:
                errors[name] = error.messages
        if errors:
            raise ValidationError(errors, valid_data=good)
        return good

    def wrong_name(self, name: str) -> Wrong | None:
        """What is wrong with a name, if anything."""
        return None if name.strip() else Wrong("an empty name", self.expected)


class PerAccount(PerName):
    """An object whose keys are account ids; `strict` makes a malformed id an error."""

    def __init__(self, item: Checked, *, strict: bool = True, **kwargs: Any) -> None:
        self.strict = strict
        super().__init__(item, "an object whose keys are account ids", **kwargs)

    def wrong_name(self, name: str) -> Wrong | None:
        if self.strict and not ACCOUNT_ID.fullmatch(name):
            return Wrong(f"the account id {describe(name)}", AN_ID)
        return None


class Section(Schema):
    """An object with known keys: an unknown one is an error that names the nearest, comments are ignored."""

    leftovers: ClassVar[frozenset[str]] = frozenset()

    class Meta:
        unknown = EXCLUDE

    def __init__(self) -> None:
        super().__init__()
        self.error_messages = {**self.error_messages, "type": _AN_OBJECT}

    def known(self) -> list[str]:
        return [field.data_key or name for name, field in self.fields.items()]

    def is_leftover(self, key: str, _value: object) -> bool:
        """Whether this unknown key comes from Hammer's own files and means nothing here."""
        return key in self.leftovers

    @validates_schema(pass_original=True, skip_on_field_errors=False)
    def refuse_unknown_keys(self, _data: Any, original: Any, **_kwargs: Any) -> None:
        if not isinstance(original, dict):
            return
        known = self.known()
        unknown = {
            key: [Wrong("an unknown key", f'a known one: did you mean "{nearest(key, known)}"?')]
            for key, value in original.items()
            if key not in known and not is_comment(key) and not self.is_leftover(key, value)
        }
        if unknown:
            raise ValidationError(unknown)


def check(file: str, schema: Section, raw: object) -> tuple[dict[str, Any], list[Problem]]:
    """What the file says, with defaults filled in, and all that is wrong with it.

    If there are problems, the first part holds only what could be understood.
    """
    problems = [Problem(file, place, "the same key twice", "each key once") for place in _repeated(schema, raw)]
    try:
        return dict(schema.load(raw)), problems  # type: ignore[arg-type]
    except ValidationError as error:
        understood = error.valid_data if isinstance(error.valid_data, dict) else {}
        return understood, problems + list(_problems(file, raw, error.messages, ""))


def leftovers(schema: Section, raw: dict[str, Any]) -> list[str]:
    """The paths of what comes from Hammer's own files and means nothing here."""
    found = []
    for key, value in raw.items():
        field = schema.fields.get(key)
        if isinstance(field, Object) and isinstance(value, dict):
            found += [f"{key}.{inner}" for inner in leftovers(field.schema, value)]
        elif key not in schema.known() and not is_comment(key) and schema.is_leftover(key, value):
            found.append(key)
    return found


class JsonObject(dict[str, Any]):
    """An object of a JSON file that remembers which keys were written twice (Python keeps the last one)."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        names = [name for name, _ in pairs if not is_comment(name)]
        self.repeated = [name for name in self if names.count(name) > 1]


def _repeated(schema: Section, raw: object) -> Iterator[str]:
    if isinstance(raw, JsonObject):
        yield from raw.repeated
        for key in schema.known():
            yield from _repeated_below(raw.get(key), key)


def _repeated_below(value: object, place: str) -> Iterator[str]:
    if isinstance(value, JsonObject):
        yield from (f"{place}.{name}" for name in value.repeated)
        for key, inner in value.items():
            yield from _repeated_below(inner, f"{place}.{key}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _repeated_below(inner, f"{place}[{index}]")


def _problems(file: str, value: object, messages: Any, place: str) -> Iterator[Problem]:
    """Flattens marshmallow's tree of messages; `value` is what the file has at `place`."""
    if isinstance(messages, dict):
        for key, inner in messages.items():
            if key == "_schema":
                yield from _problems(file, value, inner, place)
            elif isinstance(key, int):
                item = value[key] if isinstance(value, list) else missing
                yield from _problems(file, item, inner, f"{place}[{key}]")
            else:
                item = value.get(key, missing) if isinstance(value, dict) else missing
                yield from _problems(file, item, inner, f"{place}.{_step(key)}" if place else _step(key))
        return
    for message in messages:
        if isinstance(message, Wrong):
            yield Problem(file, place, message.found, message.expected)
        else:
            yield Problem(file, place, describe(value), message)


def _step(key: str) -> str:
    # A line break inside a key would break the rule of one error per line.
    return json.dumps(key, ensure_ascii=False)[1:-1]
