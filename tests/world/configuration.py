"""The configuration's files and the credentials' secret."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from deployment.local import jira_stand_in, slack_stand_in
from tests.world import MAIN, NAMES, REGION

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

PARENT = "AWSSEC-1"
OWNERS = {
    "jira_project": "AWSSEC",
    "jira_owner": "Support-General",
    "jira_parent_ticket": PARENT,
    "slack_owner": "#devops-channel",
}
"""Who is told when no tag and no account says more."""
CREDENTIALS = {
    "jira": {"token": jira_stand_in.DEFAULT_TOKEN},
    "slack": {"api_token": slack_stand_in.DEFAULT_TOKEN},
}


def settings(jira: str, slack: str, **inactive_keys: object) -> dict[str, dict[str, Any]]:
    """What config.json says of both accounts; `jira` and `slack` are addresses."""
    return {
        "aws": {"region": REGION, "main_account_id": MAIN, "accounts": dict(NAMES)},
        "jira": {"enabled": True, "server": jira},
        "slack": {"enabled": True, "base_url": slack},
        "user_inactivekeys": inactive_keys,
    }


def write(folder: Path, name: str, content: object) -> None:
    """Write one of the configuration's files."""
    (folder / name).write_text(json.dumps(content), encoding="utf-8")


def write_whitelist(folder: Path, entries: Mapping[str, Iterable[object]]) -> None:
    """Write whitelist.json with the entries of each account."""
    write(folder, "whitelist.json", {"user_inactivekeys": {account: list(each) for account, each in entries.items()}})
