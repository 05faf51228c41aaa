"""Builds what is in force for a report, with defaults, so that a test names only what it is about."""

from __future__ import annotations

from typing import Any

from library.issues.whitelist import Whitelist
from library.reports.entries import ReportSettings
from tests.builders import ACCOUNT

OTHER = "210987654321"


def in_force(**overrides: Any) -> ReportSettings:
    """Two accounts; remediation is on in both, 14 days after the report; no key is exempted."""
    defaults: dict[str, Any] = {
        "accounts": {ACCOUNT: "master", OTHER: "slave1"},
        "table_name": "hammer-iam-user-keys-inactive",
        "criteria_days": 90,
        "reporting": True,
        "remediation": True,
        "remediation_accounts": frozenset({ACCOUNT, OTHER}),
        "retention_days": 14,
        "max_keys_per_run": None,
        "whitelist": Whitelist({}),
    }
    return ReportSettings(**{**defaults, **overrides})
