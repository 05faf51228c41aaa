"""The one update that turns a row into another, on the condition that what was decided on is still the case."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from library.aws.calls import code_of
from library.issues.record import Timestamps

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from library.aws.calls import AwsError

MAPS = ("issue_details", "timestamps", "jira_details", "slack_details")
"""The attributes that are maps, of which only the parts that differ are written."""

KEY = ("account_id", "issue_id")
"""The attributes that name a row."""

_ATTRIBUTES = ("status", "episode", *MAPS, "remediation_error", "restore_details", "history", "archived")

_TIMES = tuple(each.name for each in fields(Timestamps) if each.name != "updated")

Path = tuple[str, ...]

# Rows of Hammer's own and of older versions lack some of these, and are read as if they had these values.
_ABSENT_MEANS: Mapping[Path, Any] = {
    ("episode",): "first",
    ("issue_details", "never_used"): False,
    ("issue_details", "user_id"): "",
    ("slack_details", "recipients"): [],
    ("slack_details", "owed"): [],
    ("slack_details", "exception_owed"): [],
}


@dataclass(slots=True)
class Update:
    """An update and its condition in DynamoDB's expressions, with the names and the values (`:v0`) they refer to."""

    expression: str = ""
    condition: str = ""
    names: dict[str, str] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)

    def name(self, path: Path) -> str:
        """How the expressions call an attribute, or a part of a map."""
        for part in path:
            self.names[f"#{part}"] = part
        return ".".join(f"#{part}" for part in path)

    def value(self, content: Any) -> str:
        """How they call a value."""
        placeholder = f":v{len(self.values)}"
        self.values[placeholder] = content
        return placeholder


def update_of(before: Mapping[str, Any], after: Mapping[str, Any]) -> Update:
    """What is to be written for a row that was `before` to be `after`: only the attributes that differ.

    The condition holds what the decision was made on: the status, the episode, every timestamp but `updated` (which
    a mere refresh of details moves), and what is overwritten.
    """
    old, new = dict(_leaves(before)), dict(_leaves(after))
    changed = [path for path in sorted({*old, *new}) if old.get(path) != new.get(path)]
    times = {("timestamps", name) for name in _TIMES}
    guarded = {("status",), ("episode",), *times, *changed} - {("timestamps", "updated")}
    update = Update()
    sets = [f"{update.name(path)} = {update.value(new[path])}" for path in changed if path in new]
    removes = [update.name(path) for path in changed if path not in new]
    parts = [f"{verb} {', '.join(clauses)}" for verb, clauses in (("SET", sets), ("REMOVE", removes)) if clauses]
    update.expression = " ".join(parts)
    conditions = [_still(update, old, path) for path in sorted(guarded)]
    update.condition = " AND ".join(["attribute_exists(issue_id)", *conditions])
    return update


def unchanged(item: Mapping[str, Any]) -> Update:
    """The condition that a row is exactly as it was read: `item` and the values are in DynamoDB's form."""
    update = Update()
    parts = ["attribute_exists(issue_id)"]
    names = dict.fromkeys((*item, *_ATTRIBUTES))
    for number, attribute in enumerate(each for each in names if each not in KEY):
        # Somebody may have added attributes of any name.
        name = f"#a{number}"
        update.names[name] = attribute
        parts.append(
            f"{name} = {update.value(item[attribute])}" if attribute in item else f"attribute_not_exists({name})"
        )
    update.condition = " AND ".join(parts)
    return update


def _still(update: Update, old: Mapping[Path, Any], path: Path) -> str:
    """The condition that an attribute is as it was; one that is missing or NULL is as if it were not there."""
    is_absent = f"attribute_not_exists({update.name(path)})"
    if path not in old:
        return f"({is_absent} OR {_is_null(update, path)})"
    is_as_it_was = f"{update.name(path)} = {update.value(old[path])}"
    if _ABSENT_MEANS.get(path) == old[path]:
        return f"({is_absent} OR {_is_null(update, path)} OR {is_as_it_was})"
    return is_as_it_was


def _is_null(update: Update, path: Path) -> str:
    return f"attribute_type({update.name(path)}, {update.value('NULL')})"


def _leaves(item: Mapping[str, Any]) -> Iterator[tuple[Path, Any]]:
    for attribute, content in item.items():
        if attribute in MAPS:
            for part, value in content.items():
                yield (attribute, part), value
        else:
            yield (attribute,), content


def others_came_first(error: AwsError) -> bool:
    """Whether nothing was written because others have written the same rows, or write them at this moment."""
    code, response = code_of(error), getattr(error, "response", {})
    if code != "TransactionCanceledException":
        return code == "ConditionalCheckFailedException"
    # One for each of its parts, "None" for those that are not to blame (DynamoDB API reference, TransactWriteItems).
    codes = {each.get("Code", "") for each in response.get("CancellationReasons", [])} - {"None"}
    return bool(codes) and codes <= {"ConditionalCheckFailed", "TransactionConflict"}
