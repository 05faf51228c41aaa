"""Items of DynamoDB as plain values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeDeserializer

if TYPE_CHECKING:
    from collections.abc import Mapping

_deserialize = TypeDeserializer().deserialize


def plain(item: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes of an item; one whose type botocore does not know is a value that no attribute of ours has."""
    return {name: _plain(value) for name, value in item.items()}


def _plain(value: Any) -> Any:
    try:
        return _deserialize(value)
    except (TypeError, ValueError, ArithmeticError):
        return {f"a value without a type that is known: {value!r}"}
