"""What no configuration undercuts on this host: lines of `config.ini`, which the host's stack writes.

Who may write the configuration may shorten every period in it; who may deploy the stack says how far.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from library.config.sources import CONFIG, CONFIG_INI
from library.errors import ConfigurationError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from library.config.settings import InactiveKeysSettings

LEAST_CRITERION_DAYS = "LEAST_CRITERION_DAYS"
LEAST_RETENTION_DAYS = "LEAST_RETENTION_DAYS"
MOST_KEYS_PER_RUN = "MOST_KEYS_PER_RUN"

_LEAST = {LEAST_CRITERION_DAYS: 0, LEAST_RETENTION_DAYS: 0, MOST_KEYS_PER_RUN: 1}
"""The least number that each line may have."""
_SECTION = "user_inactivekeys"


@dataclass(frozen=True, slots=True)
class Floor:
    """The shortest periods, in days, and how many keys one run may switch off; None where any number may be."""

    criterion_days: int = 0
    retention_days: int = 0
    keys_per_run: int | None = None


def floor_of(files: Iterable[Mapping[str, str]]) -> Floor:
    """The floor of all these files together, each with its lines: of two numbers the more careful one.

    A line that is missing or empty sets nothing. Raises ConfigurationError for one that is no whole number.
    """
    numbers: dict[str, list[int]] = {name: [] for name in _LEAST}
    problems = []
    for lines in files:
        for name, least in _LEAST.items():
            text = lines.get(name, "")
            if text.isascii() and text.isdecimal() and int(text) >= least:
                numbers[name].append(int(text))
            elif text:
                problems.append(Problem(CONFIG_INI, name, repr(text), f"a whole number, {least} or more, or nothing"))
    if problems:
        raise ConfigurationError(problems)
    return Floor(
        criterion_days=max(numbers[LEAST_CRITERION_DAYS], default=0),
        retention_days=max(numbers[LEAST_RETENTION_DAYS], default=0),
        keys_per_run=min(numbers[MOST_KEYS_PER_RUN], default=None),
    )


def held_to(floor: Floor, settings: InactiveKeysSettings) -> tuple[InactiveKeysSettings, list[str]]:
    """The settings as they are in force, and a sentence for each that the floor has changed."""
    criterion, retention = settings.inactive_criteria_days, settings.remediation_retention_period
    most, warnings = settings.remediation_max_keys_per_run, []
    if criterion < floor.criterion_days:
        found = f"inactive_criteria_days is {criterion}, less than this host allows"
        warnings.append(_warning(found, LEAST_CRITERION_DAYS, floor.criterion_days))
        criterion = floor.criterion_days
    if retention < floor.retention_days:
        found = f"remediation_retention_period is {retention}, less than this host allows"
        warnings.append(_warning(found, LEAST_RETENTION_DAYS, floor.retention_days))
        retention = floor.retention_days
    if floor.keys_per_run is not None and (most is None or most > floor.keys_per_run):
        given = "sets no limit" if most is None else f"is {most}, more than this host allows"
        found = f"remediation_max_keys_per_run {given}"
        warnings.append(_warning(found, MOST_KEYS_PER_RUN, floor.keys_per_run))
        most = floor.keys_per_run
    in_force = replace(
        settings,
        inactive_criteria_days=criterion,
        remediation_retention_period=retention,
        remediation_max_keys_per_run=most,
    )
    return in_force, warnings


def _warning(found: str, name: str, number: int) -> str:
    return f"{CONFIG}: {_SECTION}.{found}: {name}={number} of {CONFIG_INI} holds"
