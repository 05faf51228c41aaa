"""The one world that tests play in: where the code is, and what accounts, table, secret and commands are called."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from library.issues.record import Issue

REPOSITORY = Path(__file__).resolve().parents[2]
HOST_CODE = REPOSITORY / "reporting_remediation"
"""On the host, the commands are started from this folder."""
HANDLERS = REPOSITORY / "identification" / "lambdas" / "iam-user-inactive-keys-identification"

MAIN, OTHER = "123456789012", "210987654321"
NAMES = {MAIN: "master", OTHER: "slave1"}
REGION = "eu-west-1"
TABLE = "hammer-iam-user-keys-inactive"
SECRET = "hammer-credentials"
OWN_KEY = "AKIAHAMMERSOWNKEY001"
"""The key with which the commands themselves call AWS."""
LABEL = "inactive-iam-keys"
"""The label of every ticket."""

REPORTING = "reporting.create_iam_key_inactive_tickets"
REMEDIATION = "remediation.clean_iam_keys_inactive"
RESTORE = "remediation.restore_iam_keys"
SHOW = "remediation.show_issue"


CRITERIA_DAYS, RETENTION_DAYS = 90, 14


def label_of(issue: Issue) -> str:
    """The label that only the ticket of this issue has."""
    return f"hammer-{issue.account_id}-{issue.issue_id}"
