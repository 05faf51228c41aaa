"""The settings in force, as frozen, typed values."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from library.config.owners import TicketOwners
    from library.errors import Problem
    from library.issues.whitelist import Whitelist

DIGEST_SHOWN = 12
"""How many characters of a digest people are shown."""


@cache
def partition_of(region: str) -> str:
    """The partition that botocore's own data have for a region; `aws` for one that they do not know."""
    # The check of a folder works without AWS's own libraries.
    from botocore.loaders import create_loader

    for partition in create_loader().load_data("partitions")["partitions"]:
        if region in partition["regions"] or re.match(partition["regionRegex"], region):
            return str(partition["id"])
    return "aws"


@dataclass(frozen=True, slots=True)
class AccountRef:
    """An AWS account, as messages and tickets name it."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class AwsSettings:
    """`aws`; `accounts` is name by account id.

    An empty `external_id` means that the roles ask for none, an empty `role_path` that they have none.
    """

    region: str
    main_account_id: str
    role_name_identification: str
    role_name_reporting: str
    external_id: str
    role_path: str
    accounts: Mapping[str, str]
    accounts_from_organization: bool

    @property
    def partition(self) -> str:
        """The part of AWS that the region belongs to: the second part of every ARN."""
        return partition_of(self.region)


@dataclass(frozen=True, slots=True)
class CronSettings:
    """`cronjobs`: when the host runs its two jobs, as cron expressions in the host's time zone."""

    reporting: str
    remediation: str


@dataclass(frozen=True, slots=True)
class JiraSettings:
    """`jira`; an empty `priority`, `ca_bundle` or `browse_url` means that none is given.

    `fields_` and `close_fields` are JIRA's own JSON by the field's id. `projects` has, by the project's key, what
    holds there instead of the settings of the same name.
    """

    enabled: bool
    server: str
    issue_type: str
    priority: str
    close_transitions: tuple[str, ...]
    ca_bundle: str
    browse_url: str
    fields_: Mapping[str, Any]
    close_fields: Mapping[str, Any]
    link_type: str
    projects: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class SlackSettings:
    """`slack`; `base_url` ends with a slash, `team_id` is the workspace of an org-wide token, else empty."""

    enabled: bool
    notify_default_owner: bool
    base_url: str
    team_id: str = ""


@dataclass(frozen=True, slots=True)
class InactiveKeysSettings:
    """`user_inactivekeys`; periods are in days, reminders come longest first.

    `accounts` is None if the file names none, which means all; `remediation_accounts` None means all of `accounts`.
    `remediation_max_keys_per_run` is None where there is no limit.
    """

    enabled: bool
    table_name: str
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
class Config:
    """All that is in force.

    `credentials_secret` is the name of a secret in Secrets Manager, `source` the folder or S3 address that the files
    were read from. `warnings` are sentences for a person, each with the file it is about. `unusable` are the files
    that a command which does not need them went on without, each with a problem of it. `digest` tells the content of
    the files from any other, wherever they lie: of a published set it is the one that names its folder.
    """

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
    unusable: Mapping[str, Problem] = field(default_factory=dict)
    digest: str = ""

    @property
    def in_force(self) -> str:
        """What a run says first of all: where its configuration comes from, and which one it is."""
        where = self.source if self.source.startswith("s3://") else Path(self.source).absolute()
        return f"Configuration in force: {where}, digest {self.digest[:DIGEST_SHOWN]}"

    def accounts(self) -> tuple[AccountRef, ...]:
        """The accounts to scan and to report on."""
        return self._without_ignored(self.inactive_keys.accounts)

    def remediation_accounts(self) -> tuple[AccountRef, ...]:
        """The accounts in which keys may be switched off: where the file names none, all that are scanned."""
        listed = self.inactive_keys.remediation_accounts
        return self.accounts() if listed is None else self._without_ignored(listed)

    def _without_ignored(self, listed: tuple[str, ...] | None) -> tuple[AccountRef, ...]:
        names, ignored = self.aws.accounts, set(self.inactive_keys.ignore_accounts)
        return tuple(
            AccountRef(account, names.get(account, account))
            for account in (names if listed is None else listed)
            if account not in ignored
        )
