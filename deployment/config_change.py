"""What a new configuration changes as against the one in force, and by what keys lose protection."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import date

    from library.config.settings import AccountRef, Config
    from library.issues.whitelist import Exemption


@dataclass(frozen=True, slots=True)
class Change:
    """One setting, account or exemption; `before` or `after` is empty where it is not there.

    `risk` says by what keys that are safe today may be switched off, empty if the change does no such thing.
    """

    what: str
    before: str
    after: str
    risk: str = ""


def changes(before: Config, after: Config, today: date) -> list[Change]:
    """Everything that is another on `today` (UTC): settings, accounts, exemptions, owners, each sorted by name."""
    exempt = _exemptions(before, after, today)
    return [*_settings(before, after), *_accounts(before, after), *exempt, *_owners(before, after)]


# --- settings -------------------------------------------------------------------------------------------------

_LISTED_APART = ("aws.accounts", "user_inactivekeys.accounts", "user_inactivekeys.remediation_accounts")
"""Shown account by account."""


def _settings(before: Config, after: Config) -> Iterator[Change]:
    old, new = dict(_leaves(before)), dict(_leaves(after))
    for name in sorted({*old, *new}):
        if old.get(name) != new.get(name):
            yield Change(name, _text(old.get(name)), _text(new.get(name)), _risk(name, old.get(name), new.get(name)))


def _leaves(settings: Config) -> Iterator[tuple[str, Any]]:
    sections: dict[str, Any] = {
        "aws": settings.aws,
        "cronjobs": settings.cronjobs,
        "jira": settings.jira,
        "slack": settings.slack,
        "user_inactivekeys": settings.inactive_keys,
    }
    for section, content in sections.items():
        for name, value in asdict(content).items():
            setting = f"{section}.{name.rstrip('_')}"
            if setting not in _LISTED_APART:
                yield setting, value
    yield "credentials.secret_name", settings.credentials_secret
    yield "whitelisting_procedure_url", settings.whitelisting_procedure_url


def _risk(name: str, before: Any, after: Any) -> str:
    match name.removeprefix("user_inactivekeys."):
        case "remediation" if after:
            return "keys are switched off by schedule from now on"
        case "inactive_criteria_days" if after < before:
            return "keys are idle earlier"
        case "remediation_retention_period" if after < before:
            return "keys are switched off earlier after their report"
        case "remediation_max_keys_per_run" if after is None or (before is not None and after > before):
            return "more keys are switched off in one run"
    return ""


# --- accounts -------------------------------------------------------------------------------------------------


def _accounts(before: Config, after: Config) -> Iterator[Change]:
    names = {**before.aws.accounts, **after.aws.accounts}
    yield from _listed("scanned", _ids(before.accounts()), _ids(after.accounts()), names)
    risk = "keys of this account may be switched off from now on"
    off = "remediation"
    yield from _listed(off, _ids(before.remediation_accounts()), _ids(after.remediation_accounts()), names, risk=risk)


def _ids(accounts: Iterable[AccountRef]) -> set[str]:
    return {account.id for account in accounts}


def _listed(
    what: str, before: set[str], after: set[str], names: Mapping[str, str], risk: str = ""
) -> Iterator[Change]:
    for account in sorted(before ^ after):
        label = f"{what} in {names.get(account, '')} ({account})"
        yield Change(
            label, *(("yes", "no") if account in before else ("no", "yes")), risk if account in after else ""
        )


# --- exemptions -----------------------------------------------------------------------------------------------


def _exemptions(before: Config, after: Config, today: date) -> Iterator[Change]:
    old, new = _by_account(before, today), _by_account(after, today)
    for account, id in sorted({*old, *new}):
        was, now = old.get((account, id), []), new.get((account, id), [])
        if was != now:
            risk = "what it covers may be switched off" if _ends_earlier(was, now) else ""
            yield Change(f"exemption {id} in {account}", _last_days(was), _last_days(now), risk)


def _by_account(settings: Config, today: date) -> dict[tuple[str, str], list[Exemption]]:
    """The entries that hold today, by account and id."""
    found: dict[tuple[str, str], list[Exemption]] = {}
    for account, entries in settings.whitelist.entries.items():
        for each in entries:
            if each.until is None or each.until >= today:
                found.setdefault((account, each.id), []).append(each)
    return found


def _ends_earlier(before: list[Exemption], after: list[Exemption]) -> bool:
    """Whether there is a day on which the entries before hold, and those after do not."""
    if any(each.until is None for each in after):
        return False
    last = max((each.until for each in after if each.until is not None), default=None)
    return any(each.until is None or last is None or each.until > last for each in before)


def _last_days(entries: list[Exemption]) -> str:
    return ", ".join(f"until {each.until}" if each.until else "no end" for each in entries)


# --- owners ---------------------------------------------------------------------------------------------------


def _owners(before: Config, after: Config) -> Iterator[Change]:
    if before.owners != after.owners:
        yield Change("ticket_owners.json", "one content", "another content")


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return ", ".join(_text(each) for each in value) or "none"
    if value in (None, "", {}):
        return "none"
    return str(value)
