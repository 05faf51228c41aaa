"""What is odd about a valid configuration: warnings about each file and about the files together."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from library.config.formats import host_of, is_account_id, is_sample_account, is_sample_host, is_this_machine
from library.config.schema import SECTION, ConfigSchema
from library.config.sections import leftovers
from library.config.sources import CONFIG, OWNERS, WHITELIST

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from library.config.settings import Config

# Every character that an IAM user name or a key id may have, and the wildcards.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
_MATCHABLE = re.compile(r"[A-Za-z0-9+=,.@_*?-]+")


def file_warnings(
    raw: Mapping[str, Any], checked: Mapping[str, Mapping[str, Any]], unusable: Collection[str] = ()
) -> list[str]:
    """What is odd about each file by itself; nothing is said of what an `unusable` one lacks.

    `raw` has what the files hold, by their names, without those that do not exist or are unusable; `checked` has all
    of them, with defaults filled in.
    """
    config, exemptions = raw[CONFIG], checked[WHITELIST][SECTION] or {}
    warnings = []
    if WHITELIST not in (*raw, *unusable):
        warnings.append(f"{WHITELIST}: no such file, so no key is exempt")
    elif WHITELIST in raw and checked[WHITELIST][SECTION] is None:
        warnings.append(f"{WHITELIST}: no section {SECTION}, so no key is exempt")
    if OWNERS not in (*raw, *unusable):
        warnings.append(f"{OWNERS}: no such file, so nobody is named to be told")
    unused = leftovers(ConfigSchema(), config)
    if unused:
        warnings.append(f"known from Hammer's own files, not used here: {CONFIG}: {', '.join(unused)}")
    warnings += [
        f"{CONFIG}: {SECTION}.{name} is empty, which means not set: all accounts"
        for name in ("accounts", "remediation_accounts")
        if isinstance(config[SECTION].get(name), str) and checked[CONFIG][SECTION][name] is None
    ]
    warnings += [
        f'{WHITELIST}: {SECTION}.{account}: "{exemption.id}" can match no user name and no key id'
        for account, listed in exemptions.items()
        for exemption in listed
        if not _MATCHABLE.fullmatch(exemption.id)
    ]
    warnings += [
        f"{OWNERS}: account.{account} is not an account id (12 digits): nothing uses it"
        for account in checked[OWNERS]["account"]
        if not is_account_id(account)
    ]
    return warnings


def cross_checks(config: Config, *, all_accounts_known: bool) -> list[str]:
    """What is odd about the files together; some of it only shows when the organization's accounts are known, too."""
    about_accounts = [*_unknown_accounts(config), *_empty_lists(config)] if all_accounts_known else []
    return [*about_accounts, *_accounts_that_nobody_hears_of(config), *_addresses_of_a_sample(config)]


def with_organization(config: Config, found: Mapping[str, str]) -> Config:
    """The same with the ACTIVE accounts of the organization (name by id) added; names in the file win.

    Warnings are those of all accounts then.
    """
    added = {account: name for account, name in found.items() if account not in config.aws.accounts}
    grown = replace(config, aws=replace(config.aws, accounts={**config.aws.accounts, **added}))
    outdated = set(cross_checks(config, all_accounts_known=False))
    kept = [warning for warning in config.warnings if warning not in outdated]
    return replace(grown, warnings=(*kept, *cross_checks(grown, all_accounts_known=True)))


def _unknown_accounts(config: Config) -> list[str]:
    keys = config.inactive_keys
    places: list[tuple[str, Iterable[str]]] = [
        (f"{CONFIG}: {SECTION}.accounts", keys.accounts or ()),
        (f"{CONFIG}: {SECTION}.ignore_accounts", keys.ignore_accounts),
        (f"{CONFIG}: {SECTION}.remediation_accounts", keys.remediation_accounts or ()),
        (f"{WHITELIST}: {SECTION}", config.whitelist.entries),
        (f"{OWNERS}: account", config.owners.accounts),
    ]
    known = "aws.accounts" + (" or the organization" if config.aws.accounts_from_organization else "")
    return [
        f"{place}: {account} is not an account of {known}"
        for place, accounts in places
        for account in accounts
        if account not in config.aws.accounts
    ]


def _empty_lists(config: Config) -> list[str]:
    warnings = []
    if not config.accounts():
        warnings.append(f"{CONFIG}: {SECTION}.accounts leaves no account to check")
    if not config.remediation_accounts():
        warnings.append(f"{CONFIG}: {SECTION}.remediation_accounts leaves no account to remediate")
    return warnings


def _addresses_of_a_sample(config: Config) -> list[str]:
    """Addresses that only a copied sample, or a trial on one machine, has beside real accounts."""
    accounts = (config.aws.main_account_id, *config.aws.accounts)
    real = next((account for account in accounts if not is_sample_account(account)), None)
    addresses = {
        "jira.server": config.jira.server,
        "jira.browse_url": config.jira.browse_url,
        "slack.base_url": config.slack.base_url,
        "whitelisting_procedure_url": config.whitelisting_procedure_url,
    }
    return [
        f'{CONFIG}: {place}: "{address}" is {of}, but account {real} is real: is it left over from a sample?'
        for place, address in addresses.items()
        if real is not None
        for of, is_so in (("on this machine", is_this_machine), ("an example's address", is_sample_host))
        if is_so(host_of(address))
    ]


def _accounts_that_nobody_hears_of(config: Config) -> list[str]:
    owners = {account.id: config.owners.for_account(account.id) for account in config.accounts()}
    without_project = [account for account, owner in owners.items() if not owner.jira_project]
    without_slack = [account for account, owner in owners.items() if not owner.slack_owner]
    warnings = []
    if config.jira.enabled and without_project:
        warnings.append(f"{OWNERS}: jira is enabled, but there is no jira_project for {', '.join(without_project)}")
    if config.slack.enabled and without_slack:
        warnings.append(f"{OWNERS}: slack is enabled, but there is no slack_owner for {', '.join(without_slack)}")
    return warnings
