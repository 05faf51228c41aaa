"""The settings in force: the configuration files as frozen, typed values."""

import argparse
import hashlib
import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from library.config.fields import ACCOUNT_ID, JsonObject, Section, check, leftovers, mask
from library.config.schema import SECTION, ConfigSchema, OwnersSchema, WhitelistSchema
from library.errors import ConfigurationError, Problem
from library.issues.whitelist import Exemption, Whitelist

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

CODE = Path(__file__).resolve().parents[2]
CONFIG, WHITELIST, OWNERS = "config.json", "whitelist.json", "ticket_owners.json"
FILES = (CONFIG, WHITELIST, OWNERS)
CURRENT = "current.json"
"""In S3, the object that names the published set in force; without it the files lie at the prefix themselves."""
# Every character that an IAM user name or a key id may have, and the wildcards.
MATCHABLE = re.compile(r"[A-Za-z0-9+=,.@_*?-]+")


@dataclass(frozen=True, slots=True)
class AccountRef:
    """An AWS account, as messages and tickets name it."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class AwsSettings:
    """`aws`; `accounts` is name by account id."""

    region: str
    main_account_id: str
    role_name_identification: str
    role_name_reporting: str
    external_id: str
    accounts: Mapping[str, str]
    accounts_from_organization: bool

    @property
    def partition(self) -> str:
        """The part of AWS the region belongs to, which every ARN begins with."""
        for prefix, partition in (("cn-", "aws-cn"), ("us-gov-", "aws-us-gov")):
            if self.region.startswith(prefix):
                return partition
        return "aws"


@dataclass(frozen=True, slots=True)
class CronSettings:
    """`cronjobs`: when the host runs its two jobs."""

    reporting: str
    remediation: str


@dataclass(frozen=True, slots=True)
class JiraSettings:
    """`jira`; an empty `priority` or `ca_bundle` means that none is given."""

    enabled: bool
    server: str
    issue_type: str
    priority: str
    close_transitions: tuple[str, ...]
    ca_bundle: str


@dataclass(frozen=True, slots=True)
class SlackSettings:
    """`slack`; `base_url` ends with a slash."""

    enabled: bool
    notify_default_owner: bool
    base_url: str


@dataclass(frozen=True, slots=True)
class InactiveKeysSettings:
    """`user_inactivekeys`; periods in days, `accounts` and `remediation_accounts` None if the file names none."""

    enabled: bool
    table_name: str
    topic_name: str
    accounts: tuple[str, ...] | None
    ignore_accounts: tuple[str, ...]
    remediation_accounts: tuple[str, ...] | None
    inactive_criteria_days: int
    reporting: bool
    remediation: bool
    remediation_retention_period: int
    reminder_days_before_remediation: tuple[int, ...]
    remediation_max_keys_per_run: int | None


@dataclass(frozen=True, slots=True)
class Owner:
    """Who is told about an issue; an empty setting is not set."""

    jira_project: str = ""
    jira_owner: str = ""
    jira_parent_ticket: str = ""
    slack_owner: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class InLine:
    """Who is told about one issue: the first in line, then those who are asked when nobody knows him.

    `owner` is the user's own `owner` tag, empty if there is none; it leads the `assignees`. Each of `slack_owners` is
    the setting of one place in the file. The settings are merged, empty if nobody set them.
    """

    owner: str
    jira_project: str
    jira_parent_ticket: str
    assignees: tuple[str, ...]
    slack_owners: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class TicketOwners:
    """`ticket_owners.json`: the global settings, and those for accounts, business units and their products.

    The key of `products` is business unit and product.
    """

    default: Owner
    accounts: Mapping[str, Owner]
    units: Mapping[str, Owner] = field(default_factory=dict)
    products: Mapping[tuple[str, str], Owner] = field(default_factory=dict)

    def for_account(self, account_id: str) -> Owner:
        """The settings of the account, the global one wherever it has none of its own."""
        return _merged([self.accounts.get(account_id, Owner()), self.default])

    def for_issue(self, account_id: str, tags: Mapping[str, str]) -> InLine:
        """Who is told about a key of a user with these tags (`owner`, `bu`, `product`, in upper or lower case).

        The nearer to the user, the earlier: his owner, his product, his business unit, the account, everybody.
        """
        own = {name.lower(): value.strip() for name, value in tags.items()}
        owner, unit = own.get("owner", ""), own.get("bu", "")
        line = [
            self.products.get((unit, own.get("product", "")), Owner()),
            self.units.get(unit, Owner()),
            self.accounts.get(account_id, Owner()),
            self.default,
        ]
        settings = _merged(line)
        return InLine(
            owner,
            settings.jira_project,
            settings.jira_parent_ticket,
            tuple(dict.fromkeys(filter(None, (owner, *(one.jira_owner for one in line))))),
            tuple(dict.fromkeys(one.slack_owner for one in line if one.slack_owner)),
        )


def _merged(line: Sequence[Owner]) -> Owner:
    """The settings of the first, that of the next wherever it has none, and so on."""
    return Owner(
        next((one.jira_project for one in line if one.jira_project), ""),
        next((one.jira_owner for one in line if one.jira_owner), ""),
        next((one.jira_parent_ticket for one in line if one.jira_parent_ticket), ""),
        next((one.slack_owner for one in line if one.slack_owner), ()),
    )


@dataclass(frozen=True, slots=True)
class Config:
    """All that is in force. `source` is the folder or S3 address; `warnings` are sentences for a person."""

    aws: AwsSettings
    cronjobs: CronSettings
    credentials_secret: str
    jira: JiraSettings
    slack: SlackSettings
    whitelisting_procedure_url: str
    inactive_keys: InactiveKeysSettings
    whitelist: Whitelist
    owners: TicketOwners
    warnings: tuple[str, ...]
    source: str

    def accounts(self) -> tuple[AccountRef, ...]:
        """The accounts to scan and to report on."""
        return self._without_ignored(self.inactive_keys.accounts)

    def remediation_accounts(self) -> tuple[AccountRef, ...]:
        """The accounts in which keys may be switched off."""
        return self._without_ignored(self.inactive_keys.remediation_accounts)

    def _without_ignored(self, listed: tuple[str, ...] | None) -> tuple[AccountRef, ...]:
        names = self.aws.accounts
        return tuple(
            AccountRef(account, names.get(account, account))
            for account in (names if listed is None else listed)
            if account not in self.inactive_keys.ignore_accounts
        )

    def with_organization(self, found: Mapping[str, str]) -> "Config":
        """The same with the ACTIVE accounts of the organization (name by id) added; names in the file win."""
        added = {account: name for account, name in found.items() if account not in self.aws.accounts}
        grown = replace(self, aws=replace(self.aws, accounts={**self.aws.accounts, **added}))
        outdated = _cross_checks(self, all_accounts_known=False)
        kept = [warning for warning in self.warnings if warning not in outdated]
        return replace(grown, warnings=(*kept, *_cross_checks(grown, all_accounts_known=True)))


def load(source: str | None = None, *, s3_client: "Callable[[], S3Client] | None" = None) -> Config:
    """Reads and checks the configuration.

    `source` is a folder or `s3://bucket/prefix`; without it, what HAMMER_CONFIG names; without that, `config/`
    beside the code. `s3_client` is called only for S3. Raises ConfigurationError with every problem of every file.
    """
    source = source or os.environ.get("HAMMER_CONFIG") or str(CODE / "config")
    read = _s3_reader(source, s3_client) if source.startswith("s3://") else _folder_reader(source)
    problems: list[Problem] = []
    raw: dict[str, Any] = {}
    data: dict[str, dict[str, Any]] = {}
    for name, schema in _schemas().items():
        try:
            content = read(name)
            if content is not None:
                raw[name] = _json(name, content)
            elif name == CONFIG:
                raise _unusable(CONFIG, f"no such file in {mask(source)}", "the main configuration file")
        except ConfigurationError as error:
            problems += error.problems
            continue
        data[name], wrong = check(name, schema, raw.get(name, {}))
        problems += wrong
    if problems:
        raise ConfigurationError(problems)
    config = _config(data, source)
    known = not config.aws.accounts_from_organization
    warnings = (*_file_warnings(raw, data), *_cross_checks(config, all_accounts_known=known))
    return replace(config, warnings=warnings)


def _schemas() -> dict[str, Section]:
    return {CONFIG: ConfigSchema(), WHITELIST: WhitelistSchema(), OWNERS: OwnersSchema()}


def _config(data: Mapping[str, Mapping[str, Any]], source: str) -> Config:
    main, owners = data[CONFIG], data[OWNERS]
    keys = main[SECTION]
    reminders = sorted(set(keys["reminder_days_before_remediation"]), reverse=True)
    slack = main["slack"]
    return Config(
        aws=AwsSettings(**main["aws"]),
        cronjobs=CronSettings(**main["cronjobs"]),
        credentials_secret=main["credentials"]["secret_name"],
        jira=JiraSettings(**main["jira"]),
        slack=SlackSettings(**{**slack, "base_url": slack["base_url"].rstrip("/") + "/"}),
        whitelisting_procedure_url=main["whitelisting_procedure_url"],
        inactive_keys=InactiveKeysSettings(**{**keys, "reminder_days_before_remediation": tuple(reminders)}),
        whitelist=Whitelist(data[WHITELIST][SECTION] or {}),
        owners=TicketOwners(
            _owner(owners),
            {
                account: _owner(settings)
                for account, settings in owners["account"].items()
                if ACCOUNT_ID.fullmatch(account)
            },
            {unit: _owner(settings) for unit, settings in owners["bu"].items()},
            {
                (unit, product): _owner(settings)
                for unit, one in owners["bu"].items()
                for product, settings in one["product"].items()
            },
        ),
        warnings=(),
        source=source,
    )


def _owner(settings: Mapping[str, Any]) -> Owner:
    return Owner(
        settings["jira_project"],
        settings["jira_owner"],
        settings["jira_parent_ticket"],
        tuple(filter(None, settings["slack_owner"])),
    )


def _file_warnings(raw: Mapping[str, Any], data: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """What is odd about the files themselves; `raw` lacks those that are not there."""
    if WHITELIST not in raw:
        yield f"{WHITELIST}: no such file, so no key is exempt"
    elif data[WHITELIST][SECTION] is None:
        yield f"{WHITELIST}: no section {SECTION}, so no key is exempt"
    if OWNERS not in raw:
        yield f"{OWNERS}: no such file, so nobody is named who is to be told"
    unused = leftovers(_schemas()[CONFIG], raw[CONFIG])
    if unused:
        yield f"known from Hammer's own files, not used here: {CONFIG}: {', '.join(unused)}"
    for name in ("accounts", "remediation_accounts"):
        if isinstance(raw[CONFIG][SECTION].get(name), str) and data[CONFIG][SECTION][name] is None:
            yield f"{CONFIG}: {SECTION}.{name} is empty, which means not set: all accounts"
    for account, entries in (data[WHITELIST][SECTION] or {}).items():
        for entry in entries:
            if not MATCHABLE.fullmatch(entry.id):
                yield f'{WHITELIST}: {SECTION}.{account}: "{entry.id}" can match no user name and no key id'
    for account in data[OWNERS]["account"]:
        if not ACCOUNT_ID.fullmatch(account):
            yield f"{OWNERS}: account.{account} is no account id (12 digits): nothing uses it"


def _cross_checks(config: Config, *, all_accounts_known: bool) -> list[str]:
    """What is odd about the files together; some of it can be told only once all accounts are known."""
    warnings = []
    keys = config.inactive_keys
    if all_accounts_known:
        places: list[tuple[str, Iterable[str]]] = [
            (f"{CONFIG}: {SECTION}.accounts", keys.accounts or ()),
            (f"{CONFIG}: {SECTION}.ignore_accounts", keys.ignore_accounts),
            (f"{CONFIG}: {SECTION}.remediation_accounts", keys.remediation_accounts or ()),
            (f"{WHITELIST}: {SECTION}", config.whitelist.entries),
            (f"{OWNERS}: account", config.owners.accounts),
        ]
        known = "aws.accounts" + (" or the organization" if config.aws.accounts_from_organization else "")
        warnings += [
            f"{place}: {account} is not an account of {known}"
            for place, accounts in places
            for account in accounts
            if account not in config.aws.accounts
        ]
        if not config.accounts():
            warnings.append(f"{CONFIG}: {SECTION}.accounts leaves no account to check")
        if not config.remediation_accounts():
            warnings.append(f"{CONFIG}: {SECTION}.remediation_accounts leaves no account to remediate")
    told = [(one.id, config.owners.for_account(one.id)) for one in config.accounts()]
    homeless = [account for account, owner in told if not owner.jira_project]
    if config.jira.enabled and homeless:
        warnings.append(f"{OWNERS}: jira is enabled, but there is no jira_project for {', '.join(homeless)}")
    unheard = [account for account, owner in told if not owner.slack_owner]
    if config.slack.enabled and unheard:
        warnings.append(f"{OWNERS}: slack is enabled, but there is no slack_owner for {', '.join(unheard)}")
    return warnings


def _json(name: str, content: bytes) -> Any:
    try:
        # Editors on Windows begin a file with a byte order mark.
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _unusable(name, f"bytes that are not UTF-8 (at byte {error.start})", "text in UTF-8") from error
    try:
        return json.loads(text, object_pairs_hook=JsonObject, parse_constant=_no_such_number)
    except (ValueError, RecursionError) as error:
        raise _unusable(name, f"text that is not JSON: {error}", "valid JSON") from error


def _no_such_number(text: str) -> None:
    raise ValueError(f"{text} is no JSON number")


def _unusable(file: str, found: str, expected: str) -> ConfigurationError:
    return ConfigurationError([Problem(file, "", found, expected)])


def _folder_reader(source: str) -> Callable[[str], bytes | None]:
    folder = Path(source)
    try:
        if not folder.is_dir():
            found = "something that is no folder" if folder.exists() else "no such folder"
            raise _unusable(source, found, f"a folder with {CONFIG}, {WHITELIST} and {OWNERS}")
    except OSError as error:
        raise _unusable(source, f"a folder that cannot be read: {error.strerror}", "a folder") from error
    return lambda name: _content(folder / name)


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError as error:
        # A link to nowhere is a broken file, not an absent one.
        if isinstance(error, FileNotFoundError) and not path.is_symlink():
            return None
        found = f"a file that cannot be read: {error.strerror} ({path})"
        raise _unusable(path.name, found, "a readable file") from error


def _s3_reader(source: str, s3_client: "Callable[[], S3Client] | None") -> Callable[[str], bytes | None]:
    # Only this source needs AWS; the check of a folder works without it.
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    bucket, _, prefix = source.removeprefix("s3://").partition("/")
    if not bucket:
        raise _unusable(source, "no bucket", "s3://bucket/prefix")
    try:
        client = s3_client() if s3_client else boto3.Session().client("s3")
    except BotoCoreError as error:
        raise _unusable(source, f"no way to S3: {error}", "AWS credentials") from error

    def fetch(name: str) -> bytes | None:
        key = f"{prefix.strip('/')}/{name}".lstrip("/")
        try:
            return client.get_object(Bucket=bucket, Key=key)["Body"].read()
        except (BotoCoreError, ClientError) as error:
            if isinstance(error, ClientError) and error.response["Error"]["Code"] == "NoSuchKey":
                return None
            found = f"an object that cannot be read: {error}"
            raise _unusable(f"s3://{bucket}/{key}", found, "a readable object") from error

    pointer = fetch(CURRENT)
    if pointer is None:
        return fetch
    published = published_set(pointer)

    def fetch_published(name: str) -> bytes | None:
        if name not in published.files:
            return None
        content = fetch(published.place(name))
        if content is None or hashlib.sha256(content).hexdigest() != published.files[name]:
            found = "no such object" if content is None else "another content than the published one"
            raise _unusable(f"{source.rstrip('/')}/{published.place(name)}", found, f"what {CURRENT} names")
        return content

    return fetch_published


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
    content = _json(CURRENT, pointer)
    files = content.get("files") if isinstance(content, dict) else None
    if not isinstance(files, dict) or not all(isinstance(digest, str) for digest in files.values()):
        raise _unusable(CURRENT, "no files", "what deployment.publish_config writes")
    found = PublishedSet(dict(files))
    if found.digest != content.get("set"):
        raise _unusable(CURRENT, "files that are not those of its set", "what deployment.publish_config writes")
    return found


def log_group(folder: str | None = None) -> str | None:
    """The CloudWatch log group of the host's commands: LOG_GROUP of the `config.ini` that is written at boot.

    The file is looked for in `folder` (without it, in the folder that HAMMER_CONFIG names, or `config/`), then
    beside the code. None without the file. Raises ConfigurationError if it cannot be read.
    """
    local = folder or os.environ.get("HAMMER_CONFIG") or ""
    if not local or local.startswith("s3://"):
        local = str(CODE / "config")
    for path in (Path(local) / "config.ini", CODE / "config.ini"):
        content = _content(path)
        if content is not None:
            lines = content.decode("utf-8-sig", errors="replace").splitlines()
            pairs = [line.partition("=") for line in lines if not line.lstrip().startswith(("#", ";"))]
            values = {key.strip(): value.strip().strip("\"'") for key, _, value in pairs}
            return values.get("LOG_GROUP") or None
    return None


def _rows(settings: object, **instead: str) -> Iterator[tuple[str, str]]:
    for name in settings.__slots__:  # type: ignore[attr-defined]
        written = "ddb.table_name" if name == "table_name" else name
        yield written, instead.get(name) or _shown(getattr(settings, name))


def _shown(value: object) -> str:
    if value is None:
        return "no limit"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "-"
    return mask(str(value)) or "-"


def _report(config: Config, now: datetime) -> Iterator[tuple[str, Sequence[tuple[str, ...]]]]:
    """Title and rows of each section; the first cell of a row is what a person looks for."""
    more = " (and those of the organization)" if config.aws.accounts_from_organization else ""
    accounts = ", ".join(f"{account} {name}" for account, name in config.aws.accounts.items())
    yield "aws", [*_rows(config.aws, accounts=f"{accounts}{more}".strip()), ("partition", config.aws.partition)]
    yield "cronjobs", list(_rows(config.cronjobs))
    yield "credentials", [("secret_name", config.credentials_secret)]
    yield "jira", list(_rows(config.jira))
    yield "slack", list(_rows(config.slack))
    yield "tickets", [("whitelisting_procedure_url", _shown(config.whitelisting_procedure_url))]
    in_force = {
        "accounts": ", ".join(one.id for one in config.accounts()) + more,
        "remediation_accounts": ", ".join(one.id for one in config.remediation_accounts()) + more,
    }
    yield SECTION, list(_rows(config.inactive_keys, **in_force))
    entries = [
        (account, one.id, _state(one, now), one.owner or "-", one.reason or "-")
        for account, listed in config.whitelist.entries.items()
        for one in listed
    ]
    yield WHITELIST, [("account", "user or key", "holds", "owner", "reason"), *entries]
    owners = [("every other" if config.owners.accounts else "all", config.owners.default)]
    owners += [(account, config.owners.for_account(account)) for account in config.owners.accounts]
    owners += [(f"bu {unit}", owner) for unit, owner in config.owners.units.items()]
    owners += [(f"bu {unit}, product {product}", owner) for (unit, product), owner in config.owners.products.items()]
    settings = [(name, *(text for _, text in _rows(owner))) for name, owner in owners]
    yield OWNERS, [("account", "project", "assignee", "parent", "slack"), *settings]


def _state(exemption: Exemption, now: datetime) -> str:
    if exemption.until is None:
        return "always"
    return f"until {exemption.until}" if exemption.holds(now) else f"EXPIRED {exemption.until}"


def _print_table(rows: Sequence[tuple[str, ...]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def main() -> int:
    """`python -m library.config`: prints what is in force, or what is wrong; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m library.config",
        description="Checks the configuration and prints what is in force, defaults included.",
        epilog="Files: config.json (needed), whitelist.json and ticket_owners.json. All errors of all files are "
        "printed at once, one per line: file, place, what was found, what is expected. Warnings and errors go to "
        "stderr. A folder is checked without AWS. Exit code: 0 valid, 2 not valid.",
    )
    parser.add_argument(
        "folder",
        nargs="?",
        help="a folder or s3://bucket/prefix; default: what the environment variable HAMMER_CONFIG names, "
        "otherwise config/ beside the code",
    )
    try:
        config = load(parser.parse_args().folder)
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"In force from {mask(config.source)}")
    for title, rows in _report(config, datetime.now(UTC)):
        print(f"\n{title}")
        _print_table(rows)
    sys.stdout.flush()
    for warning in config.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    return 0
