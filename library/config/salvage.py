"""What can be had of a config.json that cannot be used: enough to find the table, the accounts and the roles."""

from __future__ import annotations

from typing import Any

from library.config.formats import is_account_id
from library.config.problems import check
from library.config.schema import SECTION, ConfigSchema
from library.config.sources import CONFIG

_LEAST = {
    "aws": {"region": "us-east-1", "main_account_id": "0" * 12, "accounts_from_organization": True},
    SECTION: {"inactive_criteria_days": 1},
}
_NOT_KNOWN = {"region": "", "main_account_id": "", "accounts": {}, "accounts_from_organization": False}


def salvaged(document: object) -> dict[str, Any]:
    """What `document`, the JSON of a broken file (None if it is none), says and is right, with defaults for the rest.

    An account or a region that it does not say is empty. A channel counts as enabled unless it says otherwise: what
    happens meanwhile is owed on it then.
    """
    checked, _ = check(CONFIG, ConfigSchema(), _LEAST)
    said, _ = check(CONFIG, ConfigSchema(), document)
    sections = {name: section for name, section in said.items() if isinstance(section, dict)}
    checked["aws"] |= {**_NOT_KNOWN, "accounts": _accounts(document)}
    for channel in ("jira", "slack"):
        checked[channel]["enabled"] = True
    for name, section in sections.items():
        checked[name] |= section
    return checked


def _accounts(document: object) -> dict[str, str]:
    """Each account that the file names in the right form: one that is not costs the others nothing."""
    aws = document.get("aws") if isinstance(document, dict) else None
    named = aws.get("accounts") if isinstance(aws, dict) else None
    pairs = named.items() if isinstance(named, dict) else ()
    return {id: name for id, name in pairs if is_account_id(id) and isinstance(name, str)}
