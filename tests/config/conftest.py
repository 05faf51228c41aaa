"""A configuration folder that a test fills."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from library.config.loading import load
from library.errors import ConfigurationError

if TYPE_CHECKING:
    from library.config.settings import Config

    pass


ROOT = Path(__file__).resolve().parents[2]


MASTER, SLAVE, STRANGER = "123456789012", "210987654321", "999999999999"


SMALLEST: dict[str, Any] = {
    "aws": {"region": "eu-west-1", "main_account_id": MASTER, "accounts": {MASTER: "master", SLAVE: "slave1"}},
    "user_inactivekeys": {"inactive_criteria_days": 10},
}


NO_OWNERS: dict[str, Any] = {}


NO_WHITELIST: dict[str, Any] = {"user_inactivekeys": {}}

LINE: dict[str, Any] = {
    "bu": {
        "sales": {
            "jira_owner": "Sales",
            "jira_parent_ticket": "SALES-1",
            "slack_owner": "#sales",
            "product": {"shop": {"jira_project": "SHOP", "jira_owner": "Shop", "slack_owner": ["#shop", "ann"]}},
        }
    },
    "account": {MASTER: {"jira_project": "OPS", "jira_owner": "Cloud", "slack_owner": "#cloud"}},
    "jira_project": "AWSSEC",
    "jira_owner": "General",
    "jira_parent_ticket": "AWSSEC-1",
    "slack_owner": "#all",
}


def with_value(document: dict[str, Any], place: str, value: Any) -> dict[str, Any]:
    """The document with a value put at a place such as `aws/accounts`."""
    changed = copy.deepcopy(document)
    *path, last = place.split("/")
    inner = changed
    for step in path:
        inner = inner.setdefault(step, {})
    inner[last] = value
    return changed


class Folder:
    """A configuration folder that a test fills; a text or bytes are written as they are, None leaves a file out."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, config: Any = SMALLEST, whitelist: Any = NO_WHITELIST, owners: Any = NO_OWNERS) -> None:
        files = {"config.json": config, "whitelist.json": whitelist, "ticket_owners.json": owners}
        for name, content in files.items():
            if isinstance(content, bytes):
                (self.path / name).write_bytes(content)
            elif content is not None:
                text = content if isinstance(content, str) else json.dumps(content)
                (self.path / name).write_text(text, encoding="utf-8")

    def load(self, config: Any = SMALLEST, whitelist: Any = NO_WHITELIST, owners: Any = NO_OWNERS) -> Config:
        self.write(config, whitelist, owners)
        return load(str(self.path))

    def problems(self, config: Any = SMALLEST, whitelist: Any = NO_WHITELIST, owners: Any = NO_OWNERS) -> list[str]:
        with pytest.raises(ConfigurationError) as raised:
            self.load(config, whitelist, owners)
        return [str(problem) for problem in raised.value.problems]

    def problem(self, **files: Any) -> str:
        (only,) = self.problems(**files)
        return only

    def setting(self, place: str, value: Any) -> Config:
        return self.load(with_value(SMALLEST, place, value))


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)
