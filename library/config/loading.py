"""Reads the configuration files, checks them, and makes the settings in force of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from library.config.checks import cross_checks, file_warnings
from library.config.fields import mask
from library.config.formats import is_account_id
from library.config.owners import Owner, TicketOwners
from library.config.problems import check
from library.config.schema import SECTION, ConfigSchema, OwnersSchema, WhitelistSchema
from library.config.settings import (
    AwsSettings,
    Config,
    CronSettings,
    InactiveKeysSettings,
    JiraSettings,
    SlackSettings,
)
from library.config.sources import CONFIG, OWNERS, WHITELIST, default_source, json_of, reader, unusable
from library.errors import ConfigurationError
from library.issues.whitelist import Whitelist

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mypy_boto3_s3.client import S3Client

    from library.config.sections import Section
    from library.errors import Problem


def load(source: str | None = None, *, s3_client: Callable[[], S3Client] | None = None) -> Config:
    """Reads and checks the configuration.

    `source` is a folder or `s3://bucket/prefix`; without it, what HAMMER_CONFIG names; without that, `config/`
    beside the code. `s3_client` is called only for S3. Raises ConfigurationError with every problem of every file.
    """
    source = source or default_source()
    read = reader(source, s3_client)
    problems: list[Problem] = []
    raw: dict[str, Any] = {}
    data: dict[str, dict[str, Any]] = {}
    for name, schema in _schemas().items():
        try:
            content = read(name)
            if content is not None:
                raw[name] = json_of(name, content)
            elif name == CONFIG:
                raise unusable(CONFIG, f"no such file in {mask(source)}", "the main configuration file")
        except ConfigurationError as error:
            problems += error.problems
            continue
        data[name], wrong = check(name, schema, raw.get(name, {}))
        problems += wrong
    if problems:
        raise ConfigurationError(problems)
    config = _config(data, source)
    known = not config.aws.accounts_from_organization
    warnings = (*file_warnings(raw, data), *cross_checks(config, all_accounts_known=known))
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
            {account: _owner(settings) for account, settings in owners["account"].items() if is_account_id(account)},
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
