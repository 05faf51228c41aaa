"""The reference against the code: what it says of the configuration is so."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from library.config.fields import Mapping
from library.config.schema import ConfigSchema, OwnerSchema, OwnersSchema
from library.config.sections import Object, Section
from tests import documents
from tests.documents import ROOT, rows

if TYPE_CHECKING:
    from marshmallow import fields

REFERENCE = (ROOT / "deployment" / "REFERENCE.md").read_text(encoding="utf-8")


WORDS_FOR_NO_VALUE = {
    "aws.accounts": "required",
    "user_inactivekeys.accounts": "all of `aws.accounts`",
    "user_inactivekeys.remediation_accounts": "all of `accounts`",
    "user_inactivekeys.ignore_accounts": "none",
    "user_inactivekeys.remediation_max_keys_per_run": "no limit",
}


def shown(name: str, setting: fields.Field[Any]) -> str:
    """The default of a setting, as the reference writes it."""
    if name in WORDS_FOR_NO_VALUE:
        return WORDS_FOR_NO_VALUE[name]
    default = setting.load_default
    if setting.required:
        return "required"
    if default == "":
        return "empty"
    if default is dict:
        return "none"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if isinstance(default, tuple):
        numbers = all(isinstance(value, int) for value in default)
        return f"`{', '.join(map(str, default))}`" if numbers else ", ".join(f"`{value}`" for value in default)
    return f"`{default}`"


def test_the_reference_has_every_setting_with_its_default_and_no_other() -> None:
    settings: dict[str, fields.Field[Any]] = {}
    for section, field in ConfigSchema().fields.items():
        schema = getattr(field, "schema", None)
        if schema is None:
            settings[section] = field
        else:
            settings |= {f"{section}.{part.data_key or name}": part for name, part in schema.fields.items()}
    reference = REFERENCE.split("`config.json`:")[1].split("`whitelist.json`:")[0]
    rows = dict(re.findall(r"^\| `([^`]+)` \| (.*?) \| ", reference, re.MULTILINE))
    assert rows == {name: shown(name, setting) for name, setting in settings.items()}


def settings_of(schema: Section) -> set[str]:
    """The keys of a section, and those of the sections below it, whose names the reference writes as `…`."""
    found = set()
    for name, field in schema.fields.items():
        if isinstance(field, Mapping):
            assert isinstance(field.item, Object)
            below = settings_of(field.item.schema) - settings_of(OwnerSchema())
            found |= {f"{name}.…"} | {f"{name}.….{key}" for key in below}
        else:
            found.add(name)
    return found


def test_the_reference_of_the_owners_has_every_key_and_no_other() -> None:
    reference = REFERENCE.split("`ticket_owners.json`:\n")[1].split("The Slack bot")[0]
    assert set(re.findall(r"^\| `([^`]+)` \| ", reference, re.MULTILINE)) == settings_of(OwnersSchema())


def test_every_dependency_has_its_reason_and_no_other_has() -> None:
    files = ("requirements.in", "requirements-lambda.in")
    required = {
        name
        for file in files
        for name in re.findall(r"^([\w-]+)==", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE)
    }
    reasons = rows(documents.section("CONTRIBUTING.md", "## Why each dependency"))
    assert sorted(name for cells in reasons for name in cells[0].split(", ")) == sorted(required)
