"""Issues as findings in the AWS Security Finding Format (2018-10-08), which Security Hub imports.

What it demands: https://docs.aws.amazon.com/securityhub/latest/userguide/securityhub-findings-format.html and
https://docs.aws.amazon.com/securityhub/latest/partnerguide/guidelines-batchimportfindings.html
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from library.issues.record import Resolution
from library.reports.figures import Entry, Figures, Standing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Finding = dict[str, Any]

BATCH = 100
"""So many findings Security Hub takes in one BatchImportFindings."""

_TITLE, _DESCRIPTION, _TAGS = 256, 1024, 50
_TYPE = "Software and Configuration Checks/AWS Security Best Practices"
_GENERATOR = "hammer/iam-user-inactive-keys"


def findings(figures: Figures, *, region: str, partition: str, criteria_days: int) -> list[Finding]:
    """The findings of a report: every issue that is open or exempted, and what ended within the report's period.

    `region` is the one of the Security Hub that will import them. A finding is ARCHIVED as soon as its issue is
    exempted or has ended. Security Hub forgets a finding that was not updated for 90 days, so older ends say nothing.
    """
    return [
        _finding(entry, figures.now, region, partition, criteria_days)
        for entry in figures.entries
        if entry.standing is not Standing.RESOLVED or _ended(entry, figures.since)
    ]


def batches(found: Iterable[Finding]) -> Iterator[tuple[str, list[Finding]]]:
    """The findings as they are to be imported: an account id with at most BATCH of its findings.

    Security Hub takes findings of its default product only from the very account that they are about.
    """
    by_account: dict[str, list[Finding]] = {}
    for finding in found:
        by_account.setdefault(finding["AwsAccountId"], []).append(finding)
    for account, theirs in sorted(by_account.items()):
        for start in range(0, len(theirs), BATCH):
            yield account, theirs[start : start + BATCH]


def _ended(entry: Entry, since: datetime) -> bool:
    resolved = entry.issue.timestamps.resolved
    return resolved is not None and resolved >= since


def _finding(entry: Entry, now: datetime, region: str, partition: str, criteria_days: int) -> Finding:
    issue, details, times = entry.issue, entry.issue.details, entry.issue.timestamps
    account = issue.account_id
    active = entry.standing in (Standing.OPEN, Standing.SWITCHED_OFF)
    first_seen = times.identified or times.updated or details.create_date
    return {
        "SchemaVersion": "2018-10-08",
        # Both parts stay as they are, whatever becomes of the issue: an import updates the finding of the one before.
        "Id": f"{_GENERATOR}/{account}/{issue.issue_id}",
        "ProductArn": f"arn:{partition}:securityhub:{region}:{account}:product/{account}/default",
        "ProductName": "Hammer",
        "GeneratorId": _GENERATOR,
        "AwsAccountId": account,
        "Region": region,
        "CreatedAt": _time(first_seen),
        "FirstObservedAt": _time(first_seen),
        # Security Hub ignores an update that is not newer than the finding it has.
        "UpdatedAt": _time(now),
        # Providers set these two here: at the top they would overwrite what a customer made of them.
        "FindingProviderFields": {"Severity": {"Label": "MEDIUM"}, "Types": [_TYPE]},
        "Title": _short(f"IAM access key {issue.issue_id} of user {details.username} is not used", _TITLE),
        "Description": _short(_description(entry, criteria_days), _DESCRIPTION),
        "Remediation": {
            "Recommendation": {
                "Text": "Switch the key off, and delete it once nobody misses it. Who needs it asks for an exception."
            }
        },
        "RecordState": "ACTIVE" if active else "ARCHIVED",
        # Only a new finding takes this; afterwards the workflow is the customer's.
        "Workflow": {"Status": _WORKFLOW[entry.standing]},
        "Resources": [
            {
                "Type": "AwsIamAccessKey",
                "Id": f"AWS::IAM::AccessKey:{issue.issue_id}",
                "Partition": partition,
                "Region": region,
                **_tags(entry),
                "Details": {"AwsIamAccessKey": _key(entry)},
            }
        ],
        "ProductFields": _product_fields(entry),
    }


_WORKFLOW = {
    Standing.OPEN: "NEW",
    Standing.SWITCHED_OFF: "NOTIFIED",
    Standing.WHITELISTED: "SUPPRESSED",
    Standing.RESOLVED: "RESOLVED",
}


def _description(entry: Entry, criteria_days: int) -> str:
    details = entry.issue.details
    verb = "was never used since it was created" if details.never_used else "was used last"
    facts = f"It {verb} on {details.last_used:%Y-%m-%d}, {entry.idle_days} days ago (rule: {criteria_days} days)."
    if entry.standing is Standing.RESOLVED:
        end = details.resolution.value if details.resolution else "resolved"
        return f"{facts} The issue has ended: {end}."
    if entry.standing is Standing.SWITCHED_OFF:
        return f"{facts} The key is switched off."
    if entry.standing is Standing.WHITELISTED:
        reason = f": {entry.exemption.reason}" if entry.exemption and entry.exemption.reason else "."
        return f"{facts} An exception covers it{reason}"
    return f"{facts} It will be switched off from {entry.due:%Y-%m-%d} on." if entry.due else facts


def _key(entry: Entry) -> dict[str, str]:
    details = entry.issue.details
    resolution = details.resolution if entry.standing is Standing.RESOLVED else None
    off = entry.standing is Standing.SWITCHED_OFF or resolution in (Resolution.DEACTIVATED, Resolution.REMEDIATED)
    facts = {
        "AccessKeyId": entry.issue.issue_id,
        "AccountId": entry.issue.account_id,
        "PrincipalType": "IAMUser",
        "PrincipalName": details.username,
        "PrincipalId": details.user_id,
        "CreatedAt": _time(details.create_date),
        "Status": "" if resolution is Resolution.DELETED else "Inactive" if off else "Active",
    }
    return {name: value for name, value in facts.items() if value}


def _tags(entry: Entry) -> dict[str, dict[str, str]]:
    # Texts without a visible character are refused.
    tags = {name: value for name, value in (entry.issue.details.tags or {}).items() if name.strip() and value.strip()}
    return {"Tags": dict(sorted(tags.items())[:_TAGS])} if tags else {}


def _product_fields(entry: Entry) -> dict[str, str]:
    issue, exemption = entry.issue, entry.exemption
    facts = {
        "status": issue.status.value,
        "episode": issue.episode.value,
        "resolution": issue.details.resolution.value if issue.details.resolution else "",
        "idle_days": str(entry.idle_days),
        "last_used": "" if issue.details.never_used else _time(issue.details.last_used),
        "due": _time(entry.due) if entry.due else "",
        "ticket": issue.jira.ticket or "",
        "exception_until": str(exemption.until) if exemption and exemption.until else "",
    }
    return {f"hammer/{name}": value for name, value in facts.items() if value}


def _time(moment: datetime) -> str:
    """RFC 3339 with `Z`, as Security Hub itself writes it."""
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"


def _short(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
