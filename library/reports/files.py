"""What the commands write: CSV that is safe in a spreadsheet, and files that readers never see half written."""

from __future__ import annotations

import csv
import errno
import io
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from library.text import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

# Where /dev/stdout and what a shell's >(…) names are; only root can plant a link there.
_STREAMS = (Path("/dev"), Path("/dev/fd"))
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
    OSError, which names this path, if it cannot be written, or is a link: whoever planted one would choose which file
    root overwrites.
    """
    is_a_stream = path.parent in _STREAMS
    if path.is_symlink() and not is_a_stream:
        raise OSError(errno.ELOOP, "it is a link, which is not followed", str(path))
    try:
        if is_a_stream or (path.exists() and not path.is_file()):
            _write_through(path, text, os.O_APPEND if is_a_stream else os.O_NOFOLLOW)
        else:
            _write_anew(path, text)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def _write_through(path: Path, text: str, flag: int) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | flag), "w", encoding="utf-8") as file:
        file.write(text)


def _write_anew(path: Path, text: str) -> None:
    # Its name cannot be guessed, and it is made (O_EXCL), never opened. What a rename replaces is not followed.
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".hammer-")
    unfinished = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            umask = os.umask(0)
            os.umask(umask)
            os.fchmod(file.fileno(), 0o666 & ~umask)
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def write_folder(folder: Path, texts: Mapping[str, str]) -> None:
    """Write a folder of files (UTF-8), by name, atomically: it is there with all of them or not at all.

    Folders above it are made if they are missing. Raises OSError if it cannot be written, or has files already.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".hammer-", dir=folder.parent) as unfinished:
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
