"""What the logs of functions and commands say of a run: its decisions, counts and errors."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_DECISION = re.compile(r" INFO account=(\d+) user=(.*) key=(\S+) verdict=(.*) reason=(.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided on one key, from the log of a function or a command; `account` is an id."""

    account: str
    user: str
    key: str
    verdict: str
    reason: str

    @property
    def place(self) -> tuple[str, str, str]:
        """What decisions are sorted by."""
        return (self.account, self.user, self.key)


@dataclass(frozen=True, slots=True)
class Scan:
    """What one run of the schedule led to: counts by account id, decisions, and the errors of scans that failed."""

    counts: Mapping[str, Mapping[str, int]]
    decisions: tuple[Decision, ...]
    errors: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CommandRun:
    """A command of the host that ended; `errors` is what it wrote to stderr, its log."""

    command: str
    code: int
    output: str
    errors: str

    @property
    def decisions(self) -> list[Decision]:
        """What it decided on each key."""
        return [Decision(*found) for found in _DECISION.findall(self.errors)]

    @property
    def summary(self) -> str:
        """The line that counts what was done."""
        return self.errors.rstrip().rpartition("\n")[2].partition(" INFO ")[2]


def scan_of(lines: Iterable[str]) -> Scan:
    """The scan that these lines of the function's log are about."""
    counts: dict[str, dict[str, int]] = {}
    decisions: list[Decision] = []
    errors: list[str] = []
    for entry in _entries(lines):
        account = entry.get("account_id", "")
        if entry.get("level") == "ERROR":
            errors.append(str(entry["message"]))
        elif entry.get("message") == "Scan is complete":
            counts[account] = {name: value for name, value in entry.items() if isinstance(value, int)}
        elif "verdict" in entry:
            decisions.append(Decision(account, *(entry[name] for name in ("user", "key", "verdict", "reason"))))
    decisions.sort(key=lambda decision: decision.place)
    return Scan(counts, tuple(decisions), tuple(errors))


def _entries(lines: Iterable[str]) -> list[dict[str, Any]]:
    """The lines that are JSON objects; Lambda itself writes others between them."""
    return [json.loads(line) for line in lines if line.startswith("{")]
