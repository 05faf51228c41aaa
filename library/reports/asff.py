"""Issues as findings in the AWS Security Finding Format (2018-10-08), which Security Hub imports.

What it demands: https://docs.aws.amazon.com/securityhub/latest/userguide/securityhub-findings-format.html and
https://docs.aws.amazon.com/securityhub/latest/partnerguide/guidelines-batchimportfindings.html
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from library import text
from library.issues.record import Resolution
from library.reports.entries import Standing
from library.text import cut, utc

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from library.reports.entries import Entry
    from library.reports.figures import Figures

Finding = dict[str, Any]

BATCH = 100
"""The most findings that Security Hub takes in one BatchImportFindings."""

_TITLE, _DESCRIPTION, _TAGS = 256, 1024, 50
_TYPE = "Software and Configuration Checks/AWS Security Best Practices"
_GENERATOR = "hammer/iam-user-inactive-keys"
_WHAT_TO_DO = (
    "Switch the key off, and delete it once nobody misses it. Anybody who needs it can ask for an exemption."
)


def findings(figures: Figures, *, region: str, partition: str, criteria_days: int) -> list[Finding]:
    """The findings of a report: every issue that is open or exempted, and what ended within the report's period.

    `region` is that of the Security Hub that will import them, `criteria_days` the days after which a key counts as
    idle. A finding is ARCHIVED as soon as its issue is exempted or has ended. Security Hub forgets a finding that was
    not updated for 90 days, so an end before the period needs no finding.
    """
    return [
        _finding(entry, figures.now, region, partition, criteria_days)
        for entry in figures.entries
        if entry.standing is not Standing.RESOLVED or _ended(entry, figures.since)
    ]


def import_files(findings: Sequence[Finding]) -> dict[str, str]:
    """The findings as they are to be imported: by file name, the account id and a number, at most BATCH as JSON.

    Security Hub takes findings of its default product only from the account that they are about.
    """
    by_account: dict[str, list[Finding]] = {}
    for finding in findings:
        by_account.setdefault(finding["AwsAccountId"], []).append(finding)
    return {
        f"{account}-{number:03}.json": as_json(batch)
        for account, theirs in sorted(by_account.items())
        for number, batch in enumerate(_batches(theirs), start=1)
    }


def as_json(findings: Sequence[Finding]) -> str:
    """The findings as the JSON list that `aws securityhub batch-import-findings --findings` takes."""
    return text.as_json(findings) + "\n"


def _batches(findings: Sequence[Finding]) -> Iterator[Sequence[Finding]]:
    for start in range(0, len(findings), BATCH):
        yield findings[start : start + BATCH]


def _ended(entry: Entry, since: datetime) -> bool:
    resolved = entry.issue.timestamps.resolved
    return resolved is not None and resolved >= since


def _finding(entry: Entry, now: datetime, region: str, partition: str, criteria_days: int) -> Finding:
    issue, details, times = entry.issue, entry.issue.details, entry.issue.timestamps
    account = issue.account_id
    first_seen = times.identified or times.updated or details.create_date
    return {
        "SchemaVersion": "2018-10-08",
        # The same whatever becomes of the issue: an import updates the finding of the one before.
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
        # Providers set these two here: at the top level they would overwrite what a customer has changed.
        "FindingProviderFields": {"Severity": {"Label": "MEDIUM"}, "Types": [_TYPE]},
        "Title": cut(f"IAM access key {issue.issue_id} of user {details.username} is not used", _TITLE),
        "Description": cut(_description(entry, criteria_days), _DESCRIPTION),
        "Remediation": {"Recommendation": {"Text": _WHAT_TO_DO}},
        "RecordState": _STATE[entry.standing],
        # Only a new finding takes this; afterwards the workflow is the customer's.
        "Workflow": {"Status": _WORKFLOW[entry.standing]},
        "Resources": [_resource(entry, region, partition)],
        "ProductFields": _product_fields(entry),
    }


_STATE = {
    Standing.OPEN: "ACTIVE",
    Standing.SWITCHED_ON: "ACTIVE",
    Standing.SWITCHED_OFF: "ACTIVE",
    Standing.WHITELISTED: "ARCHIVED",
    Standing.RESOLVED: "ARCHIVED",
}

_WORKFLOW = {
    Standing.OPEN: "NEW",
    Standing.SWITCHED_ON: "NOTIFIED",
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
    if entry.issue.on_again_since is not None and entry.standing is Standing.SWITCHED_ON:
        return f"{facts} It was switched off, and on again at {utc(entry.issue.on_again_since)}."
    if entry.standing is Standing.WHITELISTED:
        reason = f": {entry.exemption.reason}" if entry.exemption and entry.exemption.reason else "."
        return f"{facts} An exemption covers it{reason}"
    return f"{facts} It will be switched off from {entry.due:%Y-%m-%d} on." if entry.due else facts


def _resource(entry: Entry, region: str, partition: str) -> dict[str, Any]:
    return {
        "Type": "AwsIamAccessKey",
        "Id": f"AWS::IAM::AccessKey:{entry.issue.issue_id}",
        "Partition": partition,
        "Region": region,
        **_tags(entry),
        "Details": {"AwsIamAccessKey": _key(entry)},
    }


def _key(entry: Entry) -> dict[str, str]:
    details = entry.issue.details
    facts = {
        "AccessKeyId": entry.issue.issue_id,
        "AccountId": entry.issue.account_id,
        "PrincipalType": "IAMUser",
        "PrincipalName": details.username,
        "PrincipalId": details.user_id,
        "CreatedAt": _time(details.create_date),
        "Status": _key_status(entry),
    }
    return {name: value for name, value in facts.items() if value}


def _key_status(entry: Entry) -> str:
    """The status that the key has in IAM, empty for a deleted one."""
    if entry.standing is Standing.SWITCHED_OFF:
        return "Inactive"
    # An exempted issue keeps its earlier resolution, though its key is on again.
    resolution = entry.issue.details.resolution if entry.standing is Standing.RESOLVED else None
    if resolution is Resolution.DELETED:
        return ""
    return "Inactive" if resolution in (Resolution.DEACTIVATED, Resolution.REMEDIATED) else "Active"


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
