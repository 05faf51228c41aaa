"""Builds what is in force for a report, with defaults, so that a test names only what it is about."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from library.issues.account_state import AccountState
from library.issues.whitelist import Whitelist
from library.reports.entries import ReportSettings
from library.reports.scans import Scans
from tests.builders import ACCOUNT, NOW

OTHER = "210987654321"
LAST_SCAN = NOW - timedelta(hours=1)


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


def scans(problem: str = "", **states: AccountState) -> Scans:
    """Both accounts were scanned an hour ago, unless `master` or `other` says something else."""
    fresh = AccountState(scanned=LAST_SCAN)
    of_accounts = {ACCOUNT: states.get("master", fresh), OTHER: states.get("other", fresh)}
    return Scans({} if problem else of_accounts, frozenset({ACCOUNT, OTHER}), problem)
