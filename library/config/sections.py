"""What may stand in one object of a configuration file: the base of all schemas."""

from __future__ import annotations

from typing import Any, ClassVar

from marshmallow import EXCLUDE, Schema, ValidationError, missing, validates_schema

from library.config.fields import Checked, Complaint, is_comment, nearest

_AN_OBJECT = "an object in braces"


class Section(Schema):
    """An object with known keys: an unknown one is an error that names the nearest, comments are ignored."""

    leftovers: ClassVar[frozenset[str]] = frozenset()
    """Keys of Hammer's own files that mean nothing here."""

    class Meta:
        """marshmallow leaves unknown keys to us."""

        unknown = EXCLUDE

    def __init__(self) -> None:
        super().__init__()
        self.error_messages = {**self.error_messages, "type": _AN_OBJECT}

    def known(self) -> list[str]:
        """The keys that have a meaning, as they are written in the file."""
        return [field.data_key or name for name, field in self.fields.items()]

    def is_leftover(self, key: str, _value: object) -> bool:
        """Whether this unknown key comes from Hammer's own files and means nothing here."""
        return key in self.leftovers

    @validates_schema(pass_original=True, skip_on_field_errors=False)
    def _refuse_unknown_keys(self, _data: Any, original: Any, **_kwargs: Any) -> None:
        if not isinstance(original, dict):
            return
        known = self.known()
        unknown = {
            key: [Complaint("an unknown key", f'a known one: did you mean "{nearest(key, known)}"?')]
            for key, value in original.items()
            if key not in known and not is_comment(key) and not self.is_leftover(key, value)
        }
        if unknown:
            raise ValidationError(unknown)


class Object(Checked):
    """An object with the keys of a schema; one that is left out counts as empty, so that its defaults hold."""

    def __init__(self, schema: Section) -> None:
        self.schema = schema
        super().__init__(_AN_OBJECT)

    def deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        """As every field of marshmallow, but for a value that is missing."""
        return super().deserialize({} if value is missing else value, *args, **kwargs)

    def _read(self, value: Any) -> Any:
        return self.schema.load(value)


def leftovers(section: Section, raw: dict[str, Any]) -> list[str]:
    """The paths of what comes from Hammer's own files and means nothing here, in an object and those below it."""
    found = []
    for key, value in raw.items():
        field = section.fields.get(key)
        if isinstance(field, Object) and isinstance(value, dict):
            found += [f"{key}.{inner}" for inner in leftovers(field.schema, value)]
        elif key not in section.known() and not is_comment(key) and section.is_leftover(key, value):
            found.append(key)
    return found
