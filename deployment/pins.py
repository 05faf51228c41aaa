"""The locked requirements: what `make lock` has written, with the digest of each file that may be installed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from library.errors import HammerError
from library.messages import Message

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# One requirement with its continued lines, as https://pip.pypa.io/en/stable/topics/secure-installs/ has it.
_PIN = re.compile(
    r"(?P<name>[\w.-]+)(?:\[[\w, -]+\])?==(?P<version>[^\s;]+)(?: ; (?P<marker>[^\\]+?))?"
    r"(?P<hashes>(?: --hash=sha256:[0-9a-f]{64})+)"
)


class BuildError(HammerError):
    """The zip cannot be built from what is installed here."""

    ID = Message.NOT_BUILT


@dataclass(frozen=True, slots=True)
class Pin:
    """One version of a package; `marker` says where it is installed, "" everywhere; `hashes` are SHA-256, in hex."""

    name: str
    version: str
    marker: str
    hashes: tuple[str, ...]


def pins(lock: Path) -> Iterator[Pin]:
    """What a locked list names, in its order.

    Raises BuildError for anything else than a version with its digests: another index, a line without a digest.
    """
    text = re.sub(r"\\\n\s*", "", lock.read_text(encoding="utf-8"))
    for line in text.splitlines():
        if not line or line.lstrip().startswith("#"):
            continue
        found = _PIN.fullmatch(line)
        if found is None:
            raise BuildError(f"{lock.name}: found {line[:80]!r}; expected name==version with digests")
        hashes = tuple(re.findall(r"sha256:(\w+)", found["hashes"]))
        yield Pin(found["name"], found["version"], found["marker"] or "", hashes)
