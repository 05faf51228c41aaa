"""What no configuration undercuts on a host: the lines of its `config.ini`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from library.config import sources
from library.config.floor import Floor, floor_of, held_to
from library.config.loading import load
from library.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.config.conftest import Folder

CRITERION, RETENTION, MOST = "LEAST_CRITERION_DAYS", "LEAST_RETENTION_DAYS", "MOST_KEYS_PER_RUN"


@pytest.fixture
def ini(folder: Folder) -> Path:
    """The host's file in the folder of a configuration with a criterion of 10 days, no retention and no limit."""
    folder.write()
    return folder.path / "config.ini"


@pytest.mark.parametrize(
    ("files", "floor"),
    [
        ([], Floor()),
        ([{}, {"LOG_GROUP": "there"}], Floor()),
        ([{CRITERION: "", RETENTION: "", MOST: ""}], Floor()),
        ([{CRITERION: "30", RETENTION: "0", MOST: "25"}], Floor(30, 0, 25)),
        ([{CRITERION: "30", MOST: "5"}, {CRITERION: "60", RETENTION: "7", MOST: "25"}], Floor(60, 7, 5)),
    ],
)
def test_of_several_files_the_more_careful_number_holds(files: list[dict[str, str]], floor: Floor) -> None:
    assert floor_of(files) == floor


@pytest.mark.parametrize("name", [CRITERION, RETENTION, MOST])
@pytest.mark.parametrize("text", ["-1", "1.5", "thirty", "30 days", "٣٠", "+1", "0x1e"])
def test_a_line_that_is_no_whole_number_is_an_error_that_names_it(name: str, text: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"^config\.ini: {name}: found "):
        floor_of([{name: text}])


def test_a_limit_of_no_keys_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match="MOST_KEYS_PER_RUN: found '0'; expected a whole number, 1 or more"):
        floor_of([{MOST: "0"}])


@pytest.mark.parametrize(("configured", "in_force"), [(0, 7), (6, 7), (7, 7), (8, 8)])
def test_a_period_is_held_to_its_floor_and_a_warning_says_so(ini: Path, configured: int, in_force: int) -> None:
    settings = replace(
        load(str(ini.parent)).inactive_keys,
        inactive_criteria_days=max(configured, 1),
        remediation_retention_period=configured,
    )
    held, warnings = held_to(Floor(criterion_days=7, retention_days=7), settings)
    assert (held.inactive_criteria_days, held.remediation_retention_period) == (in_force, in_force)
    assert len(warnings) == (2 if configured < 7 else 0)


@pytest.mark.parametrize(("configured", "in_force"), [(None, 25), (26, 25), (25, 25), (1, 1)])
def test_a_limit_is_held_to_the_hosts(ini: Path, configured: int | None, in_force: int) -> None:
    settings = replace(load(str(ini.parent)).inactive_keys, remediation_max_keys_per_run=configured)
    held, warnings = held_to(Floor(keys_per_run=25), settings)
    assert held.remediation_max_keys_per_run == in_force
    assert len(warnings) == (configured != held.remediation_max_keys_per_run)


def test_what_is_loaded_is_held_to_the_floor_of_the_folder_and_to_that_beside_the_code(
    ini: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = tmp_path / "code"
    code.mkdir()
    (code / "config.ini").write_text(f"LOG_GROUP=there\n{RETENTION}=28\n{MOST}=5\n")
    ini.write_text(f"{CRITERION}=30\n{RETENTION}=1\n{MOST}=25\n")
    monkeypatch.setattr(sources, "CODE", code)
    config = load(str(ini.parent))
    keys = config.inactive_keys
    in_force = (keys.inactive_criteria_days, keys.remediation_retention_period, keys.remediation_max_keys_per_run)
    assert in_force == (30, 28, 5)
    assert [each.rpartition(": ")[2] for each in config.warnings if "config.ini" in each] == [
        f"{CRITERION}=30 of config.ini holds",
        f"{RETENTION}=28 of config.ini holds",
        f"{MOST}=5 of config.ini holds",
    ]


def test_a_floor_that_cannot_be_read_ends_a_run_and_holds_up_no_restore(ini: Path) -> None:
    ini.write_text(f"{RETENTION}=many\n")
    with pytest.raises(ConfigurationError, match=r"^config\.ini: LEAST_RETENTION_DAYS: found 'many'"):
        load(str(ini.parent))
    assert any("LEAST_RETENTION_DAYS" in warning for warning in load(str(ini.parent), alone=True).warnings)
