"""What is odd about a valid configuration: warnings for a person, of each file and of the files together."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from library.config.formats import is_account_id
from library.config.schema import SECTION, ConfigSchema
from library.config.sections import leftovers
from library.config.sources import CONFIG, OWNERS, WHITELIST

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from library.config.settings import Config

# Every character that an IAM user name or a key id may have, and the wildcards.
MATCHABLE = re.compile(r"[A-Za-z0-9+=,.@_*?-]+")


def file_warnings(raw: Mapping[str, Any], data: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """What is odd about the files themselves; `raw` lacks those that are not there."""
    if WHITELIST not in raw:
        yield f"{WHITELIST}: no such file, so no key is exempt"
    elif data[WHITELIST][SECTION] is None:
        yield f"{WHITELIST}: no section {SECTION}, so no key is exempt"
    if OWNERS not in raw:
        yield f"{OWNERS}: no such file, so nobody is named who is to be told"
    unused = leftovers(ConfigSchema(), raw[CONFIG])
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
        if not is_account_id(account):
            yield f"{OWNERS}: account.{account} is no account id (12 digits): nothing uses it"


def cross_checks(config: Config, *, all_accounts_known: bool) -> list[str]:
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


def with_organization(config: Config, found: Mapping[str, str]) -> Config:
    """The same with the ACTIVE accounts of the organization (name by id) added; names in the file win."""
    added = {account: name for account, name in found.items() if account not in config.aws.accounts}
    grown = replace(config, aws=replace(config.aws, accounts={**config.aws.accounts, **added}))
    outdated = cross_checks(config, all_accounts_known=False)
    kept = [warning for warning in config.warnings if warning not in outdated]
    return replace(grown, warnings=(*kept, *cross_checks(grown, all_accounts_known=True)))
