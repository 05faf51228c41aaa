"""Files that are absent or broken, and whatever else may stand in them."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from library.config.loading import load
from library.config.settings import Config
from library.errors import ConfigurationError
from tests.config.conftest import MASTER, NO_WHITELIST, ROOT, SLAVE, SMALLEST, STRANGER, Folder

if TYPE_CHECKING:
    from collections.abc import Iterator

    pass


def test_an_absent_config_file_is_an_error_and_the_others_are_still_checked(folder: Folder) -> None:
    first, second = folder.problems(config=None, whitelist={"user_inactivekeys": 5})
    assert first.startswith("config.json: found no such file")
    assert second.startswith("whitelist.json: user_inactivekeys")


@pytest.mark.parametrize("name", ["config", "whitelist", "owners"])
@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("", "text that is not JSON"),
        ("{", "text that is not JSON"),
        ('{"a": 1,}', "text that is not JSON"),
        ("{} {}", "text that is not JSON"),
        ('{"csv": NaN}', "text that is not JSON: NaN"),
        ("[" * 100_000, "text that is not JSON"),
        ('{"csv": ' + "1" * 5000 + "}", "text that is not JSON"),
        ("[]", "an empty list"),
        ("null", "null"),
        ('"text"', '"text"'),
        ("5", "5"),
        (b'{"jira_owner": "\xe9"}', "bytes that are not UTF-8 (at byte 16)"),
        ("{}".encode("utf-16"), "bytes that are not UTF-8 (at byte 0)"),
    ],
)
def test_a_file_that_cannot_be_parsed_is_never_taken_for_an_empty_one(
    folder: Folder, name: str, content: str | bytes, found: str
) -> None:
    file = {"config": "config.json", "whitelist": "whitelist.json", "owners": "ticket_owners.json"}[name]
    assert folder.problem(**{name: content}).startswith(f"{file}: found {found}")


@pytest.mark.parametrize("name", ["config.json", "whitelist.json", "ticket_owners.json"])
def test_a_file_that_cannot_be_read_is_never_taken_for_an_absent_one(folder: Folder, name: str) -> None:
    folder.write()
    (folder.path / name).unlink()
    (folder.path / name).mkdir()
    with pytest.raises(ConfigurationError, match=f"^{name}: found a file that cannot be read: Is a directory"):
        load(str(folder.path))


@pytest.mark.parametrize("name", ["config.json", "whitelist.json", "ticket_owners.json"])
def test_a_link_to_nowhere_is_an_error(folder: Folder, name: str) -> None:
    folder.write()
    (folder.path / name).unlink()
    (folder.path / name).symlink_to("nowhere.json")
    with pytest.raises(ConfigurationError, match=f"^{name}: found a file that cannot be read"):
        load(str(folder.path))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_without_permission_is_an_error(folder: Folder) -> None:
    folder.write()
    (folder.path / "whitelist.json").chmod(0)
    with pytest.raises(ConfigurationError, match=r"^whitelist.json: .*Permission denied"):
        load(str(folder.path))


def test_a_byte_order_mark_is_tolerated(folder: Folder) -> None:
    config = folder.load(*(b"\xef\xbb\xbf" + json.dumps(one).encode() for one in (SMALLEST, NO_WHITELIST, {})))
    assert config.inactive_keys.inactive_criteria_days == 10


def test_a_folder_that_does_not_exist_is_one_clear_problem(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as raised:
        load(str(tmp_path / "nowhere"))
    assert [problem.found for problem in raised.value.problems] == ["no such folder"]
    assert str(tmp_path / "nowhere") in str(raised.value)


def test_a_file_in_place_of_the_folder_is_one_clear_problem(folder: Folder) -> None:
    folder.write()
    with pytest.raises(ConfigurationError, match="something that is not a folder") as raised:
        load(str(folder.path / "config.json"))
    assert len(raised.value.problems) == 1


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=15)
    | st.sampled_from([MASTER, STRANGER, "true", "10", f"{MASTER},{SLAVE}", "2027-01-31"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([MASTER, "id", "until", "accounts", "x", "__comment"]), inner, max_size=3)
    ),
    max_leaves=6,
)


def places(document: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    if isinstance(document, dict | list):
        for key, value in document.items() if isinstance(document, dict) else enumerate(document):
            yield from places(value, (*path, key))


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_whatever_stands_in_the_files_they_are_valid_or_the_errors_are_told(data: st.DataObject) -> None:
    documents = {
        one.name: json.loads(one.read_text()) for one in (ROOT / "deployment" / "local" / "config").glob("*.json")
    }
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(list(places(documents))))
        value = data.draw(JSON_VALUES)
        if len(path) < 2:
            continue
        inner: Any = documents
        for step in path[:-1]:
            inner = inner[step]
        inner[path[-1]] = value
    with tempfile.TemporaryDirectory() as name:
        for file, document in documents.items():
            (Path(name) / file).write_text(json.dumps(document), encoding="utf-8")
        found = loaded(name)
    if isinstance(found, Config):
        assert found.inactive_keys.inactive_criteria_days >= 1
        assert all(len(one.id) == 12 and one.id.isdecimal() for one in found.remediation_accounts())
        assert type(found.inactive_keys.remediation) is bool
    else:
        assert found.problems
        assert all("\n" not in str(problem) for problem in found.problems)


def loaded(folder: str) -> Config | ConfigurationError:
    try:
        return load(folder)
    except ConfigurationError as error:
        return error
