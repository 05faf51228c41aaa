"""CSV that a spreadsheet takes for what it is, and files that are there whole or as they were."""

from __future__ import annotations

import contextlib
import csv
import io
import os
import stat
import threading
from pathlib import Path

import pytest

from library.reports.files import csv_text, write, write_folder


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)"])
def test_a_text_that_would_be_a_formula_gets_an_apostrophe(text: str) -> None:
    (row,) = csv.DictReader(io.StringIO(csv_text(["a"], [{"a": text}]), newline=""))
    assert row["a"] == f"'{text}"


@pytest.mark.parametrize(
    ("text", "read"), [("a\rb", r"a\rb"), ("a\nb", r"a\nb"), ("\t=1", r"\t=1"), ("\n=1", r"\n=1")]
)
def test_nothing_in_a_text_ends_a_line(text: str, read: str) -> None:
    (row,) = csv.DictReader(io.StringIO(csv_text(["a"], [{"a": text}]), newline=""))
    assert row["a"] == read


@pytest.mark.parametrize("text", ["alice", "a=b", "team+data", 'say "hi", bob', "", "'quoted"])
def test_any_other_text_stays_as_it_is(text: str) -> None:
    (row,) = csv.DictReader(io.StringIO(csv_text(["a", "b"], [{"a": text, "b": 1}]), newline=""))
    assert row == {"a": text, "b": "1"}


def test_numbers_stay_numbers_and_what_is_not_there_is_empty() -> None:
    assert csv_text(["a", "b"], [{"a": -1, "b": None}]) == "a,b\n-1,\n"


def test_a_new_file_has_the_usual_permissions(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write(tmp_path / "new", "text")
    finally:
        os.umask(before)
    assert stat.filemode((tmp_path / "new").stat().st_mode) == "-rw-r-----"


def test_an_old_file_stays_as_it_is_if_the_new_one_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "old").write_text("old", encoding="utf-8")
    with pytest.raises(UnicodeEncodeError):
        write(tmp_path / "old", "new\ud800")
    assert (tmp_path / "old").read_text(encoding="utf-8") == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["old"]


@pytest.mark.parametrize("kind", ["file", "pipe", "device", "folder", "nothing", "loop"])
def test_a_link_is_not_followed_whatever_is_behind_it(tmp_path: Path, kind: str) -> None:
    target = tmp_path / "behind" / "it"
    target.parent.mkdir()
    link = tmp_path / "link"
    if kind == "file":
        target.write_text("precious", encoding="utf-8")
    elif kind == "pipe":
        os.mkfifo(target)
    elif kind == "folder":
        target.mkdir()
    link.symlink_to({"device": "/dev/null", "loop": "link"}.get(kind, target))
    with pytest.raises(OSError, match="it is a link, which is not followed") as refused:
        write(link, "text")
    assert (refused.value.filename, link.is_symlink()) == (str(link), True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["behind", "link"]
    assert kind != "file" or target.read_text(encoding="utf-8") == "precious"
    assert target.exists() is (kind in ("file", "pipe", "folder"))


def test_a_link_that_takes_the_file_s_place_meanwhile_is_replaced_and_not_followed(tmp_path: Path) -> None:
    precious, place = tmp_path / "precious", tmp_path / "place"
    precious.write_text("precious", encoding="utf-8")

    place.touch()
    stop = threading.Event()

    def plant() -> None:
        while not stop.is_set():
            aside = tmp_path / "aside"
            aside.unlink(missing_ok=True)
            aside.symlink_to(precious)
            aside.replace(place)

    planter = threading.Thread(target=plant)
    planter.start()
    try:
        for _ in range(200):
            with contextlib.suppress(OSError):
                write(place, "text")
    finally:
        stop.set()
        planter.join()
    assert precious.read_text(encoding="utf-8") == "precious"


def test_what_is_written_to_standard_output_by_its_name_arrives(capfd: pytest.CaptureFixture[str]) -> None:
    write(Path("/dev/stdout"), "text")
    assert capfd.readouterr().out == "text"


@pytest.mark.parametrize("place", ["nowhere/file", "file/below"])
def test_an_error_names_the_file_that_was_asked_for(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="directory") as error:
        write(tmp_path / place, "text")
    assert error.value.filename == str(tmp_path / place)
    assert ".hammer" not in str(error.value)


def test_a_pipe_is_written_to_and_stays_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=write, args=(pipe, "text"))
    writer.start()
    assert pipe.read_text(encoding="utf-8") == "text"
    writer.join()
    assert pipe.is_fifo()


def test_a_new_folder_has_all_files_and_nothing_is_beside_it(tmp_path: Path) -> None:
    write_folder(tmp_path / "above" / "folder", {"a": "one", "b": "two"})
    files = (tmp_path / "above" / "folder").iterdir()
    assert {file.name: file.read_text(encoding="utf-8") for file in files} == {"a": "one", "b": "two"}
    assert [path.name for path in (tmp_path / "above").iterdir()] == ["folder"]


def test_a_folder_is_not_there_if_one_of_its_files_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(UnicodeEncodeError):
        write_folder(tmp_path / "folder", {"a": "one", "b": "two\ud800"})
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_something_in_it_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "old").touch()
    with pytest.raises(OSError, match="not empty"):
        write_folder(tmp_path / "folder", {"new": ""})
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["old"]
