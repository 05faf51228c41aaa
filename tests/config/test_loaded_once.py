"""The configuration is read by every run, but parsed and checked only if a byte of it is another one."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from deployment.publish_config import publish
from library.config.floor import LEAST_RETENTION_DAYS
from library.config.loading import load
from library.errors import ConfigurationError
from library.issues.whitelist import Exemption
from tests.config.conftest import MASTER, SMALLEST, Folder
from tests.growth import steps

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from deployment.local.scanned_accounts import Control
    from library.config.settings import Config

WITH_BOB = {"user_inactivekeys": {MASTER: ["bob"]}}
WITH_ANN = {"user_inactivekeys": {MASTER: ["ann"]}}


def test_the_same_content_is_parsed_and_checked_once(folder: Folder) -> None:
    names = [f"user-{number}" for number in range(1000)]
    folder.write(whitelist={"user_inactivekeys": {MASTER: names}})
    at_first, again = (steps(lambda: load(str(folder.path))) for _ in range(2))
    assert at_first > len(names)
    assert again < 200
    assert load(str(folder.path)) is load(str(folder.path))


FILES = ("config.json", "whitelist.json", "ticket_owners.json")


def _said(loaded: Callable[[], Config]) -> object:
    """All that is in force, or all that is wrong."""
    try:
        return loaded()
    except ConfigurationError as error:
        return error.problems


def _another_byte(path: Path) -> None:
    """The same size, and the same times."""
    before = path.stat()
    content = path.read_bytes()
    path.write_bytes(content.replace(b"bob", b"ann").replace(b"10", b"11").replace(b"AWSSEC", b"AWSSED"))
    assert path.read_bytes() != content
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size


def _in_another_file(path: Path) -> None:
    path.rename(path.with_suffix(".old"))
    path.symlink_to("nowhere")


CHANGES: dict[str, Callable[[Path], object]] = {
    "one byte": _another_byte,
    "removed": lambda path: path.unlink(),
    "emptied": lambda path: path.write_bytes(b""),
    "not JSON any more": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "with an error": lambda path: path.write_text('{"user_inactivekeys": 5, "jira_owner": 5}'),
    "not readable": _in_another_file,
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("alone", [False, True])
def test_whatever_changes_is_in_force_at_once_and_so_is_what_was_before(
    folder: Folder, tmp_path: Path, name: str, change: Callable[[Path], object], alone: bool
) -> None:
    folder.write(whitelist=WITH_BOB, owners={"jira_project": "AWSSEC"})
    path = folder.path / name
    good = path.read_bytes()
    before = load(str(folder.path), alone=alone)
    change(path)
    after = _said(lambda: load(str(folder.path), alone=alone))
    assert after != before
    # Nothing of the kind was read before from here.
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    for each in FILES:
        if (folder.path / each).is_symlink():
            (fresh / each).symlink_to("nowhere")
        elif (folder.path / each).exists():
            (fresh / each).write_bytes((folder.path / each).read_bytes())
    elsewhere = _said(lambda: load(str(fresh), alone=alone))
    assert str(after).replace(str(folder.path), "-") == str(elsewhere).replace(str(fresh), "-")
    path.unlink(missing_ok=True)
    path.write_bytes(good)
    assert load(str(folder.path), alone=alone) == before


def test_what_a_restore_may_go_on_without_stops_every_other_command(folder: Folder) -> None:
    folder.write(whitelist="{")
    for _ in range(2):
        assert load(str(folder.path), alone=True).unusable
        with pytest.raises(ConfigurationError):
            load(str(folder.path))


@pytest.mark.parametrize("change", [each for each in CHANGES if each not in ("one byte", "removed")])
@pytest.mark.parametrize("name", ["whitelist.json", "ticket_owners.json"])
def test_a_file_that_is_there_and_cannot_be_used_is_not_said_to_be_missing(
    folder: Folder, name: str, change: str
) -> None:
    folder.write(whitelist=WITH_BOB, owners={"jira_project": "AWSSEC"})
    CHANGES[change](folder.path / name)
    of_it = [warning for warning in load(str(folder.path), alone=True).warnings if warning.startswith(name)]
    assert [warning.endswith("; it is not used") for warning in of_it] == [True], of_it


def test_the_floor_of_a_host_is_part_of_what_is_in_force(folder: Folder) -> None:
    folder.write()
    assert load(str(folder.path)).inactive_keys.remediation_retention_period == 0
    for days in (7, 14, 7):
        (folder.path / "config.ini").write_text(f"{LEAST_RETENTION_DAYS}={days}\n")
        assert load(str(folder.path)).inactive_keys.remediation_retention_period == days
    (folder.path / "config.ini").write_text(f"{LEAST_RETENTION_DAYS}=week\n")
    with pytest.raises(ConfigurationError):
        load(str(folder.path))


def test_the_same_files_elsewhere_are_another_source(folder: Folder, tmp_path: Path) -> None:
    folder.write()
    other = tmp_path / "other"
    other.mkdir()
    (other / "config.json").write_bytes((folder.path / "config.json").read_bytes())
    assert [load(str(place)).source for place in (folder.path, other)] == [str(folder.path), str(other)]


def test_what_is_published_is_in_force_at_once(scanned: Control, folder: Folder) -> None:
    client, source = boto3.client("s3", region_name="us-east-1"), "s3://estate/hammer"
    client.create_bucket(Bucket="estate")
    found: list[Any] = []
    for whitelist in (WITH_BOB, WITH_ANN, WITH_ANN, WITH_BOB):
        folder.write(SMALLEST, whitelist)
        publish(client, folder.path, source)
        found.append(load(source))
    assert [config.whitelist.entries[MASTER] for config in found] == [
        (Exemption(name),) for name in ("bob", "ann", "ann", "bob")
    ]
    assert found[1] is found[2]
    client.put_object(Bucket="estate", Key=f"hammer/sets/{found[3].digest}/whitelist.json", Body=b"{}")
    with pytest.raises(ConfigurationError, match="another content than the published one"):
        load(source)
