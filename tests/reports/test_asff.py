"""Findings for Security Hub: as its own model wants them, the same for the same issue, in batches it takes."""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import Any

import boto3
import pytest
from botocore.validate import ParamValidator

from library.issues.record import Issue, JiraDetails, Resolution, Status
from library.issues.whitelist import Exemption, Whitelist
from library.reports import asff
from library.reports.figures import WEEKS, figures
from tests.builders import ACCOUNT, KEY, NOW, an_issue, days_ago, details, times
from tests.reports.builders import OTHER, in_force, scans


def findings(*issues: Issue, exceptions: tuple[Exemption, ...] = ()) -> list[dict[str, Any]]:
    found = figures(issues, (), scans(), in_force(whitelist=Whitelist({ACCOUNT: exceptions})), NOW)
    return asff.findings(found, region="eu-west-1", partition="aws", criteria_days=90)


def finding(issue: Issue, **more: Any) -> dict[str, Any]:
    (found,) = findings(issue, **more)
    return found


def ended(resolution: Resolution, days: float = 1) -> Issue:
    return an_issue(
        status=Status.CLOSED,
        details=details(resolution=resolution),
        timestamps=times(resolved=days_ago(days), closed=days_ago(days)),
    )


@pytest.mark.parametrize(
    "issue",
    [
        an_issue(),
        an_issue(details=details(never_used=True, user_id="", tags=None)),
        an_issue(timestamps=times(identified=None, updated=None)),
        an_issue(timestamps=times(reported=days_ago(3)), jira=JiraDetails(ticket="AWSSEC-1")),
        an_issue(timestamps=times(reported=days_ago(20), remediated=days_ago(1))),
        an_issue(status=Status.WHITELISTED),
        *(ended(resolution) for resolution in Resolution),
        an_issue(
            details=details(username="\u202e</script>\u2028" + "x" * 5000, tags={f"k{n}": "v" for n in range(90)})
        ),
    ],
)
def test_the_services_own_model_accepts_every_finding(issue: Issue) -> None:
    model = boto3.Session().client("securityhub").meta.service_model
    shape = model.operation_model("BatchImportFindings").input_shape
    report = ParamValidator().validate({"Findings": [found := finding(issue)]}, shape)
    assert report.generate_report() == ""
    assert len(json.dumps(found)) < 240_000
    # What the model leaves to the service: https://docs.aws.amazon.com/securityhub/latest/userguide/asff-required-attributes.html
    assert len(found["Title"]) <= 256
    assert len(found["Description"]) <= 1024
    assert len(found["Resources"][0].get("Tags", {})) <= 50
    texts = [found["Title"], found["Description"], *found["ProductFields"].values()]
    assert all(text.strip() for text in (*texts, *found["Resources"][0]["Details"]["AwsIamAccessKey"].values()))


def test_a_finding_is_about_the_key_in_its_own_account() -> None:
    found = finding(an_issue())
    assert found["AwsAccountId"] == ACCOUNT
    assert found["ProductArn"] == f"arn:aws:securityhub:eu-west-1:{ACCOUNT}:product/{ACCOUNT}/default"
    (resource,) = found["Resources"]
    assert (resource["Type"], resource["Id"]) == ("AwsIamAccessKey", f"AWS::IAM::AccessKey:{KEY}")
    assert resource["Details"]["AwsIamAccessKey"] == {
        "AccessKeyId": KEY,
        "AccountId": ACCOUNT,
        "PrincipalType": "IAMUser",
        "PrincipalName": "alice",
        "PrincipalId": "AIDAALICE",
        "CreatedAt": "2025-10-19T12:00:00.000Z",
        "Status": "Active",
    }
    assert resource["Tags"] == {"owner": "bob"}


def test_tags_without_a_visible_character_are_left_out_as_security_hub_refuses_them() -> None:
    tags = {"team": "web", "empty": "", "blank": " \t", " ": "no name"}
    assert finding(an_issue(details=details(tags=tags)))["Resources"][0]["Tags"] == {"team": "web"}
    assert "Tags" not in finding(an_issue(details=details(tags={"empty": ""})))["Resources"][0]


def test_its_id_stays_whatever_becomes_of_the_issue_and_its_update_is_as_new_as_the_report() -> None:
    ids = {
        finding(issue)["Id"]
        for issue in (an_issue(), ended(Resolution.USED), an_issue(details=details(username="x")))
    }
    assert ids == {f"hammer/iam-user-inactive-keys/{ACCOUNT}/{KEY}"}
    assert finding(an_issue())["UpdatedAt"] == "2026-11-23T12:00:00.000Z"
    assert finding(an_issue())["CreatedAt"] == "2026-11-03T12:00:00.000Z"


@pytest.mark.parametrize(
    ("issue", "record", "workflow", "status"),
    [
        (an_issue(), "ACTIVE", "NEW", "Active"),
        (an_issue(timestamps=times(remediated=days_ago(1))), "ACTIVE", "NOTIFIED", "Inactive"),
        (an_issue(status=Status.WHITELISTED), "ARCHIVED", "SUPPRESSED", "Active"),
        (ended(Resolution.USED), "ARCHIVED", "RESOLVED", "Active"),
        (ended(Resolution.DEACTIVATED), "ARCHIVED", "RESOLVED", "Inactive"),
        (ended(Resolution.REMEDIATED), "ARCHIVED", "RESOLVED", "Inactive"),
        (ended(Resolution.DELETED), "ARCHIVED", "RESOLVED", None),
        # Somebody switched it on again, and had it exempted.
        (
            an_issue(status=Status.WHITELISTED, details=details(resolution=Resolution.DEACTIVATED)),
            *("ARCHIVED",),
            "SUPPRESSED",
            "Active",
        ),
    ],
)
def test_the_state_of_a_finding_is_that_of_its_issue(
    issue: Issue, record: str, workflow: str, status: str | None
) -> None:
    found = finding(issue)
    key = found["Resources"][0]["Details"]["AwsIamAccessKey"]
    assert (found["RecordState"], found["Workflow"]["Status"], key.get("Status")) == (record, workflow, status)


def test_what_ended_before_the_period_of_the_report_is_left_out() -> None:
    monday = NOW.replace(hour=0) - timedelta(weeks=WEEKS - 1)
    days = (NOW - monday) / timedelta(days=1)
    assert len(findings(ended(Resolution.USED, days))) == 1
    assert findings(ended(Resolution.USED, days + 1 / 86400)) == []


def test_the_description_says_what_is_known() -> None:
    assert finding(an_issue())["Description"] == "It was used last on 2026-08-15, 100 days ago (rule: 90 days)."
    never = an_issue(details=details(never_used=True), timestamps=times(reported=days_ago(4)))
    assert finding(never)["Description"] == (
        "It was never used since it was created on 2026-08-15, 100 days ago (rule: 90 days). "
        "It will be switched off from 2026-12-03 on."
    )
    exempted = finding(
        an_issue(status=Status.WHITELISTED), exceptions=(Exemption("alice", date(2026, 12, 1), "Yearly archive"),)
    )
    assert exempted["Description"].endswith("An exemption covers it: Yearly archive")
    assert exempted["ProductFields"]["hammer/exception_until"] == "2026-12-01"
    assert finding(ended(Resolution.DELETED))["Description"].endswith("The issue has ended: deleted.")


def test_a_file_has_at_most_a_hundred_findings_of_one_account() -> None:
    issues = [an_issue(issue_id=f"AKIA{n}") for n in range(201)]
    files = asff.import_files(findings(an_issue(account_id=OTHER), *issues))
    batches = {name: json.loads(text) for name, text in files.items()}
    assert {name: len(batch) for name, batch in batches.items()} == {
        f"{ACCOUNT}-001.json": 100,
        f"{ACCOUNT}-002.json": 100,
        f"{ACCOUNT}-003.json": 1,
        f"{OTHER}-001.json": 1,
    }
    assert all(name.startswith(each["AwsAccountId"]) for name, batch in batches.items() for each in batch)
