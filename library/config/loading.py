"""From the configuration files to the settings in force: reads, checks, converts."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from library.config.checks import cross_checks, file_warnings
from library.config.fields import mask
from library.config.floor import Floor, floor_of, held_to
from library.config.formats import is_account_id
from library.config.owners import Owner, TicketOwners
from library.config.problems import check
from library.config.salvage import salvaged
from library.config.schema import SECTION, ConfigSchema, OwnersSchema, WhitelistSchema
from library.config.settings import (
    AwsSettings,
    Config,
    CronSettings,
    InactiveKeysSettings,
    JiraSettings,
    SlackSettings,
)
from library.config.sources import (
    CODE,
    CONFIG,
    CONFIG_INI,
    FILES,
    OWNERS,
    WHITELIST,
    PublishedSet,
    default_source,
    host_settings,
    json_of,
    reader,
    unusable,
)
from library.errors import ConfigurationError, Problem
from library.issues.whitelist import Whitelist

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mypy_boto3_s3.client import S3Client

    from library.config.sections import Section
    from library.config.sources import Reader


def load(
    source: str | None = None,
    *,
    s3_client: Callable[[], S3Client] | None = None,
    alone: bool = False,
    way_back: bool = False,
) -> Config:
    """Read and check the configuration.

    `source` is a folder or `s3://bucket/prefix`; without it, that of `default_source`. `s3_client` is called only for
    S3. Raises ConfigurationError with every problem of every file.
    For a command that needs config.json `alone`, a problem of another file is a warning, and the file is `unusable`.
    On the `way_back` that holds for config.json, too: what is not known then is as library.config.salvage has it.
    Of the same content it may return the same object again, which nobody changes.
    """
    try:
        source = source or default_source()
        read = reader(source, s3_client)
    except ConfigurationError as error:
        if not way_back:
            raise
        source, found = source or str(CODE / "config"), tuple(error.problems)
        files: Files = tuple((name, found) for name in FILES)
    else:
        files = tuple((name, _found(read, name)) for name in FILES)
    floor, problems = _floor(source)
    not_needed = FILES if way_back else (WHITELIST, OWNERS) if alone else ()
    return _in_force(source, files, floor, problems, not_needed)


Found = bytes | tuple[Problem, ...] | None
"""What there is of a file: its content, why it cannot be read, or nothing."""
Files = tuple[tuple[str, Found], ...]


def _found(read: Reader, name: str) -> Found:
    try:
        return read(name)
    except ConfigurationError as error:
        return tuple(error.problems)


def _floor(source: str) -> tuple[Floor, tuple[Problem, ...]]:
    try:
        return floor_of(host_settings(source)), ()
    except ConfigurationError as error:
        return Floor(), tuple(error.problems)


@lru_cache(maxsize=2)
def _in_force(
    source: str,
    files: Files,
    floor: Floor,
    floor_problems: tuple[Problem, ...],
    not_needed: tuple[str, ...],
) -> Config:
    """What these files say. They are read anew by each run, but parsed and checked only if a byte is another one.

    So nobody may change what is returned. Errors are not kept.
    """
    problems: list[Problem] = []
    unusable_files: dict[str, Problem] = {}
    raw: dict[str, Any] = {}
    checked: dict[str, dict[str, Any]] = {}
    schemas = _schemas()
    for name, found in files:
        try:
            checked[name] = _checked(name, schemas[name], found, raw, source)
        except ConfigurationError as error:
            if name not in not_needed:
                problems += error.problems
                continue
            unusable_files[name] = error.problems[0]
            document = raw.pop(name, None)
            checked[name] = salvaged(document) if name == CONFIG else check(name, schemas[name], {})[0]
    if floor_problems:
        unusable_files[CONFIG_INI] = floor_problems[0]
        if not not_needed:
            problems += floor_problems
    if problems:
        raise ConfigurationError(problems)
    config = _config(checked, source, PublishedSet(_digests(files)).digest)
    inactive_keys, undercut = held_to(floor, config.inactive_keys)
    config = replace(config, inactive_keys=inactive_keys)
    main = unusable_files.get(CONFIG)
    warnings = [] if main is not None else file_warnings(raw, checked, unusable_files) + _doubts(config) + undercut
    # Who goes on without config.json says with what instead.
    warnings += [f"{problem}; it is not used" for problem in unusable_files.values() if problem != main]
    return replace(config, warnings=tuple(warnings), unusable=unusable_files)


def _doubts(config: Config) -> list[str]:
    return cross_checks(config, all_accounts_known=not config.aws.accounts_from_organization)


def _checked(name: str, schema: Section, found: Found, raw: dict[str, Any], source: str) -> dict[str, Any]:
    if isinstance(found, tuple):
        raise ConfigurationError(list(found))
    if found is not None:
        raw[name] = json_of(name, found)
    elif name == CONFIG:
        raise unusable(CONFIG, f"no such file in {mask(source)}", "the main configuration file")
    checked, problems = check(name, schema, raw.get(name, {}))
    if problems:
        raise ConfigurationError(problems)
    return checked


def _digests(files: Files) -> dict[str, str]:
    return {name: hashlib.sha256(found).hexdigest() for name, found in files if isinstance(found, bytes)}


def _schemas() -> dict[str, Section]:
    return {CONFIG: ConfigSchema(), WHITELIST: WhitelistSchema(), OWNERS: OwnersSchema()}


def _config(checked: Mapping[str, Mapping[str, Any]], source: str, digest: str) -> Config:
    main = checked[CONFIG]
    return Config(
        aws=AwsSettings(**main["aws"]),
        cronjobs=CronSettings(**main["cronjobs"]),
        credentials_secret=main["credentials"]["secret_name"],
        jira=JiraSettings(**main["jira"]),
        slack=_slack(main["slack"]),
        whitelisting_procedure_url=main["whitelisting_procedure_url"],
        inactive_keys=_inactive_keys(main[SECTION]),
        whitelist=Whitelist(checked[WHITELIST][SECTION] or {}),
        owners=_ticket_owners(checked[OWNERS]),
        warnings=(),
        source=source,
        digest=digest,
    )


def _slack(section: Mapping[str, Any]) -> SlackSettings:
    return SlackSettings(**{**section, "base_url": section["base_url"].rstrip("/") + "/"})


def _inactive_keys(section: Mapping[str, Any]) -> InactiveKeysSettings:
    reminders = tuple(sorted(set(section["reminder_days_before_remediation"]), reverse=True))
    return InactiveKeysSettings(**{**section, "reminder_days_before_remediation": reminders})


def _ticket_owners(file: Mapping[str, Any]) -> TicketOwners:
    return TicketOwners(
        default=_owner(file),
        accounts={account: _owner(place) for account, place in file["account"].items() if is_account_id(account)},
        units={unit: _owner(place) for unit, place in file["bu"].items()},
        products={
            (unit, product): _owner(place)
            for unit, place_of_unit in file["bu"].items()
            for product, place in place_of_unit["product"].items()
        },
    )


def _owner(place: Mapping[str, Any]) -> Owner:
    return Owner(
        place["jira_project"],
        place["jira_owner"],
        place["jira_parent_ticket"],
        tuple(filter(None, place["slack_owner"])),
    )
