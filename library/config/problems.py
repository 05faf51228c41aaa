"""Everything that is wrong with a configuration file, each with its place: what was found, what is expected."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from marshmallow import ValidationError, missing
from marshmallow.exceptions import SCHEMA

from library.config.fields import Complaint, describe, is_comment
from library.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from library.config.sections import Section


class JsonObject(dict[str, Any]):
    """An object of a JSON file that remembers which keys were written twice (Python keeps the last one)."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        written = Counter(name for name, _ in pairs if not is_comment(name))
        self.repeated = [name for name in self if written[name] > 1]


def check(file: str, schema: Section, document: object) -> tuple[dict[str, Any], list[Problem]]:
    """What the file says, with defaults filled in, and all that is wrong with it.

    `file` is its name, `document` what its JSON holds. If there are problems, the first part has only what could be
    understood.
    """
    problems = [Problem(file, place, "the same key twice", "each key once") for place in _repeated(schema, document)]
    try:
        return dict(schema.load(document)), problems  # type: ignore[arg-type]
    except ValidationError as error:
        understood = error.valid_data if isinstance(error.valid_data, dict) else {}
        return understood, problems + list(_problems(file, "", document, error.messages))


def _repeated(schema: Section, document: object) -> Iterator[str]:
    """The places of keys that are written twice, but for what is not read at all."""
    if isinstance(document, JsonObject):
        yield from document.repeated
        for key in schema.known():
            yield from _repeated_below(document.get(key), key)


def _repeated_below(value: object, place: str) -> Iterator[str]:
    if isinstance(value, JsonObject):
        yield from (f"{place}.{name}" for name in value.repeated)
        for key, inner in value.items():
            yield from _repeated_below(inner, f"{place}.{key}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _repeated_below(inner, f"{place}[{index}]")


def _problems(file: str, place: str, value: object, messages: Any) -> Iterator[Problem]:
    """Flattens marshmallow's tree of messages; `value` is what the file has at `place`."""
    if isinstance(messages, dict):
        for key, inner in messages.items():
            if key == SCHEMA:
                yield from _problems(file, place, value, inner)
            else:
                yield from _problems(file, _place_below(place, key), _value_below(value, key), inner)
        return
    for message in messages:
        if isinstance(message, Complaint):
            yield Problem(file, place, message.found, message.expected)
        else:
            yield Problem(file, place, describe(value), message)


def _place_below(place: str, key: str | int) -> str:
    if isinstance(key, int):
        return f"{place}[{key}]"
    # A line break inside a key would break the rule of one error per line.
    name = json.dumps(key, ensure_ascii=False)[1:-1]
    return f"{place}.{name}" if place else name


def _value_below(value: object, key: str | int) -> object:
    if isinstance(key, int):
        return value[key] if isinstance(value, list) else missing
    return value.get(key, missing) if isinstance(value, dict) else missing
