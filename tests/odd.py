"""Odd values, and every place of a row where one may stand: for sweeps over whatever somebody may have written."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import Binary

from library.issues.record import (
    Episode,
    Issue,
    JiraDetails,
    RemediationError,
    Resolution,
    RestoreDetails,
    SlackDetails,
    Status,
    Timestamps,
)
from library.issues.row import to_item
from tests.builders import an_issue, details

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Path = tuple[str | int, ...]
HOSTILE = "\x1b[31m\x00\r\n2026 ERROR E-RUN-01 forged\x85\u2028\u202e"
"""A text that would colour a terminal, end a line, forge another one and turn what follows around."""


def odd_values(now: datetime) -> tuple[Any, ...]:
    """What a person, a program or an older version may have left in a table: values as boto3 reads them."""
    deep: Any = "x"
    for _ in range(30):
        deep = [deep]
    return (
        None,
        *("", " ", "x", "None", "null", "true", "0", HOSTILE, "é" * 5000, "../..", "{}", "AKIA OTHER", "awssec-1"),
        *("yesterday", "2026-02-30", "2026-11-23T25:00:00", "1700000000", "20261123", "2026-W01-1"),
        *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "9999-12-31", "1999-12-31T23:59:59+00:00"),
        *((now + timedelta(days=days)).isoformat() for days in (-1, 0.9, 1.1, 400)),
        *(0, 1, -1, Decimal("1.5"), Decimal("1E+125"), Decimal("1E-125"), Decimal(10) ** 37, True, False),
        *([], ["x"], [None], [1], [{}], {}, {"x": "y"}, {"x": None}, {"time": "x"}),
        *(Binary(b""), Binary(b"\x00\xff"), {1, 2}, {"a", "b"}, {Binary(b"a")}, deep),
    )


def one_of_each_type(now: datetime) -> list[Any]:
    """The last odd value of each type, and two odd texts."""
    return [*{type(value): value for value in odd_values(now)}.values(), HOSTILE, "0001-01-01T00:00:00+14:00"]


def whole_rows(now: datetime) -> Iterator[Issue]:
    """An issue of each status and episode in which everything has happened, and one in which little has."""
    moments = Timestamps(*[now - timedelta(days=30 - number) for number in range(11)])
    for status in Status:
        for episode in Episode:
            yield an_issue(
                status=status,
                episode=episode,
                details=details(resolution=Resolution.REMEDIATED),
                timestamps=replace(moments, promised=now + timedelta(days=3)),
                jira=JiraDetails("AWSSEC-1", "bob", now, now, now, "AWSSEC"),
                slack=SlackDetails(now, ("#devops",), now, ("bob",), now.date(), ("bob",)),
                remediation_error=RemediationError("throttled", now),
                restore=RestoreDetails("arn:aws:iam::123456789012:user/bob", now),
                history=({"time": now.isoformat(), "what": "found", "why": "idle"},),
            )
    yield an_issue()


def places(item: Any, above: Path = ()) -> Iterator[Path]:
    """The path of everything in a row, the row itself left out."""
    parts = item.items() if isinstance(item, dict) else enumerate(item) if isinstance(item, list) else ()
    for name, part in parts:
        yield (*above, name)
        yield from places(part, (*above, name))


def with_odd(item: dict[str, Any], path: Path, value: object) -> dict[str, Any]:
    """The row with this value there."""
    changed = deepcopy(item)
    inner: Any = changed
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = deepcopy(value)
    return changed


def every_odd_row(
    now: datetime, wanted: Callable[[Path], bool] = lambda _: True
) -> Iterator[tuple[Path, Any, dict[str, Any]]]:
    """Each odd value at each wanted place of each whole row: path, value, row."""
    for issue in whole_rows(now):
        item = to_item(issue)
        for path in filter(wanted, places(item)):
            for value in odd_values(now):
                yield path, value, with_odd(item, path, value)
