"""What the commands write: CSV that is safe in a spreadsheet, and files that readers never see half written."""

from __future__ import annotations

import csv
import io
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from library.text import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_FORMULA = ("=", "+", "-", "@")


def csv_text(names: Sequence[str], rows: Iterable[Mapping[str, object]]) -> str:
    """The rows as CSV (RFC 4180, but lines end with a line feed), below a line with the names.

    A text that a spreadsheet would take for a formula gets an apostrophe before it: IAM allows `=`, `+`, `-` and `@`
    at the beginning of a user name, and tags and reasons may have anything. Line breaks and control characters are
    escaped. For exact values use JSON.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _harmless(value) for name, value in row.items()} for row in rows)
    return text.getvalue()


def write(path: Path, text: str) -> None:
    """Write a file (UTF-8) atomically: readers see the old file or the new one.

    It gets the permissions that the process gives to new files. A device or a pipe is written to directly. Raises
    OSError if it cannot be written.
    """
    if path.exists() and not path.is_file():
        path.write_text(text, encoding="utf-8")
        return
    path = path.resolve()
    handle, unfinished = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        umask = os.umask(0)
        os.umask(umask)
        Path(unfinished).chmod(0o666 & ~umask)
        Path(unfinished).replace(path)
    except BaseException:
        Path(unfinished).unlink(missing_ok=True)
        raise


def write_folder(folder: Path, texts: Mapping[str, str]) -> None:
    """Write a folder of files (UTF-8), by name, atomically: it is there with all of them or not at all.

    Folders above it are made if they are missing. Raises OSError if it cannot be written, or has files already.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as unfinished:
        complete = Path(unfinished) / folder.name
        complete.mkdir()
        for name, text in texts.items():
            write(complete / name, text)
        complete.replace(folder)


def _harmless(value: object) -> object:
    if not isinstance(value, str):
        return value
    text = plain(value)
    return f"'{text}" if text.startswith(_FORMULA) else text
