"""Where the configuration files come from: a folder, S3, a set that was published there; and `config.ini`."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from library.config.problems import JsonObject
from library.errors import ConfigurationError, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_s3.client import S3Client

CODE = Path(__file__).resolve().parents[2]
CONFIG, WHITELIST, OWNERS = "config.json", "whitelist.json", "ticket_owners.json"
FILES = (CONFIG, WHITELIST, OWNERS)
CONFIG_INI = "config.ini"
CURRENT = "current.json"
"""In S3, the object that names the published set in force; without it the files lie at the prefix themselves."""

Reader = Callable[[str], bytes | None]


def default_source() -> str:
    """The source of a run that names none: what the variable HAMMER_CONFIG names, else what `config.ini` does, else
    `config/` beside the code.

    The last two are the same in whatever shell a command is started. Raises ConfigurationError if `config.ini` cannot
    be read.
    """
    return os.environ.get("HAMMER_CONFIG") or source_of_host() or str(CODE / "config")


def source_of_host() -> str | None:
    """What HAMMER_CONFIG of the `config.ini` beside the code names; None without it. Raises ConfigurationError."""
    for folder in (CODE / "config", CODE):
        named = _lines(folder).get("HAMMER_CONFIG")
        if named:
            # Not a folder of wherever the command is started.
            return named if named.startswith("s3://") else str(folder / named)
    return None


def host_region() -> str | None:
    """The region that `config.ini` says this host is in (AWS_DEFAULT_REGION); None without it, or if it is broken."""
    try:
        return next((each for lines in host_settings() if (each := lines.get("AWS_DEFAULT_REGION"))), None)
    except ConfigurationError:
        return None


def reader(source: str, s3_client: Callable[[], S3Client] | None) -> Reader:
    """A function from a file's name to its content at the source, which is None for a file that is not there.

    `source` is a folder or `s3://bucket/prefix`; `s3_client` is called only for S3. Both this function and the one
    that it returns raise ConfigurationError.
    """
    return _s3_reader(source, s3_client) if source.startswith("s3://") else _folder_reader(source)


def _folder_reader(source: str) -> Reader:
    folder = Path(source)
    try:
        if not folder.is_dir():
            found = "something that is not a folder" if folder.exists() else "no such folder"
            raise unusable(source, found, f"a folder with {CONFIG}, {WHITELIST} and {OWNERS}")
    except OSError as error:
        raise unusable(source, f"a folder that cannot be read: {error.strerror}", "a folder") from error
    return lambda name: _content(folder / name)


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError as error:
        # A link to nowhere is a broken file, not an absent one.
        if isinstance(error, FileNotFoundError) and not path.is_symlink():
            return None
        found = f"a file that cannot be read: {error.strerror} ({path})"
        raise unusable(path.name, found, "a readable file") from error


def _s3_reader(source: str, s3_client: Callable[[], S3Client] | None) -> Reader:
    # Only this source needs AWS; the check of a folder works without it.
    from botocore.config import Config as ClientConfig
    from botocore.exceptions import BotoCoreError

    from library.aws_clients import Session

    bucket, _, prefix = source.removeprefix("s3://").partition("/")
    if not bucket:
        raise unusable(source, "no bucket", "s3://bucket/prefix")
    try:
        limits = ClientConfig(connect_timeout=5, read_timeout=20, retries={"total_max_attempts": 4})
        client = s3_client() if s3_client else Session(region_name=host_region()).client("s3", config=limits)
    except BotoCoreError as error:
        raise unusable(source, f"no way to S3: {error}", "AWS credentials") from error

    def read(name: str) -> bytes | None:
        return _object(client, bucket, f"{prefix.strip('/')}/{name}".lstrip("/"))

    pointer = read(CURRENT)
    return read if pointer is None else _published_reader(source, published_set(pointer), read)


def _object(client: S3Client, bucket: str, key: str) -> bytes | None:
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError

    try:
        return client.get_object(Bucket=bucket, Key=key)["Body"].read()
    except (BotoCoreError, ClientError, ResponseParserError) as error:
        if isinstance(error, ClientError) and error.response.get("Error", {}).get("Code") == "NoSuchKey":
            return None
        found = f"an object that cannot be read: {error}"
        raise unusable(f"s3://{bucket}/{key}", found, "a readable object") from error


def _published_reader(source: str, published: PublishedSet, read: Reader) -> Reader:
    def read_published(name: str) -> bytes | None:
        if name not in published.files:
            return None
        place = published.place(name)
        content = read(place)
        if content is None or hashlib.sha256(content).hexdigest() != published.files[name]:
            found = "no such object" if content is None else "another content than the published one"
            raise unusable(f"{source.rstrip('/')}/{place}", found, f"what {CURRENT} names")
        return content

    return read_published


@dataclass(frozen=True, slots=True)
class PublishedSet:
    """Configuration files that belong together: SHA-256 by name. `current.json` in S3 names the one in force."""

    files: Mapping[str, str]

    @property
    def digest(self) -> str:
        """What tells this set from every other one, and so names its folder."""
        return hashlib.sha256(json.dumps(self.files, sort_keys=True).encode()).hexdigest()

    def place(self, name: str) -> str:
        """Where a file of the set lies, below the prefix."""
        return f"sets/{self.digest}/{name}"

    def pointer(self) -> bytes:
        """The content of `current.json`."""
        return json.dumps({"files": dict(self.files), "set": self.digest}, sort_keys=True, indent=2).encode()


def published_set(pointer: bytes) -> PublishedSet:
    """The set that the content of `current.json` names; raises ConfigurationError if it names none."""
    content = json_of(CURRENT, pointer)
    files = content.get("files") if isinstance(content, dict) else None
    if not isinstance(files, dict) or not all(isinstance(digest, str) for digest in files.values()):
        raise unusable(CURRENT, "no files", "what `make publish-config` writes")
    found = PublishedSet(dict(files))
    if found.digest != content.get("set"):
        raise unusable(CURRENT, "files that are not those of its set", "what `make publish-config` writes")
    return found


def log_group(folder: str | None = None) -> str | None:
    """The CloudWatch log group of the host's commands: LOG_GROUP of the `config.ini` that is written at boot.

    The file is looked for in `folder` (without it, in the local folder that the configuration is read from), then
    beside the code. None without the file. Raises ConfigurationError if it cannot be read.
    """
    return next((lines["LOG_GROUP"] or None for lines in host_settings(folder) if "LOG_GROUP" in lines), None)


def host_settings(folder: str | None = None) -> list[dict[str, str]]:
    """The lines of each `config.ini` that there is, the one that precedes first; raises as `log_group` does."""
    local = folder or default_source()
    folders = [] if local.startswith("s3://") else [Path(local)]
    return [lines for place in dict.fromkeys((*folders, CODE / "config", CODE)) if (lines := _lines(place))]


def _lines(folder: Path) -> dict[str, str]:
    content = _content(folder / CONFIG_INI)
    return {} if content is None else _values(content.decode("utf-8-sig", errors="replace"))


def _values(text: str) -> dict[str, str]:
    """The `KEY=value` lines of a text, without comments and quotes."""
    pairs = [line.partition("=") for line in text.splitlines() if not line.lstrip().startswith(("#", ";"))]
    return {key.strip(): value.strip().strip("\"'") for key, _, value in pairs}


def json_of(name: str, content: bytes) -> Any:
    """The document that a file holds; raises ConfigurationError, never takes what is broken for something else."""
    try:
        # Editors on Windows begin a file with a byte order mark.
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise unusable(name, f"bytes that are not UTF-8 (at byte {error.start})", "text in UTF-8") from error
    try:
        return json.loads(text, object_pairs_hook=JsonObject, parse_constant=_no_such_number)
    except (ValueError, RecursionError) as error:
        raise unusable(name, f"text that is not JSON: {error}", "valid JSON") from error


def _no_such_number(text: str) -> None:
    raise ValueError(f"{text} is not a JSON number")


def unusable(file: str, found: str, expected: str) -> ConfigurationError:
    """The error for a file that cannot be used as a whole."""
    return ConfigurationError([Problem(file, "", found, expected)])
