"""The report as an operator gets it: every format from the same table, and nothing changed anywhere."""

from __future__ import annotations

import csv
import json
import os
import re
import stat
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from library.aws.state_table import state_table_name
from library.issues.record import RemediationError, Resolution, Status
from tests.wire import Wire, json_failure
from tests.world import MAIN, OTHER, REPOSITORY, TABLE
from tests.world.table import begin_a_run_on_a_laptop, serialized

if TYPE_CHECKING:
    from click.testing import Result

    from tests.world.estate import Estate


REPORT = "reporting.inactive_keys_report"
BROKEN = "AKIABROKENROW0000000"


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Where the operator is when the command is run.
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)


def broken_row() -> None:
    item = {"account_id": {"S": MAIN}, "issue_id": {"S": BROKEN}, "status": {"S": "open"}}
    boto3.client("dynamodb").put_item(TableName=TABLE, Item=item)


def as_json(result: Result) -> dict[str, Any]:
    """What was printed, which must be nothing but JSON."""
    content: dict[str, Any] = json.loads(result.stdout)
    return content


def test_the_page_is_written_where_the_operator_is_and_its_name_printed_at_the_end(estate: Estate) -> None:
    estate.add_due_issue("joe")
    result = estate.run(REPORT)
    assert result.exit_code == 0, result.output
    page = Path("inactive-keys-report.html")
    assert re.fullmatch(r"inactive-keys-report.html \(\d+ KiB\)", result.stdout.splitlines()[-1])
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert list(Path().iterdir()) == [page]


def test_it_only_reads_the_table(estate: Estate, wire: Wire) -> None:
    estate.add_due_issue("joe")
    rows = estate.rows()
    wire.sent.clear()
    for form in ("html", "csv", "json", "asff"):
        assert estate.run(REPORT, "--format", form).exit_code == 0
    assert set(wire.sent) == {"GetItem", "Query", "StateTable.BatchGetItem"}
    assert estate.rows() == rows
    assert estate.messages() == []


def test_it_works_while_reporting_is_off_and_beside_another_run(estate: Estate) -> None:
    estate.keys(reporting=False, remediation=False)
    estate.configure(jira={"enabled": False}, slack={"enabled": False})
    estate.add_issue("joe")
    begin_a_run_on_a_laptop()
    assert estate.run(REPORT).exit_code == 0
    page = Path("inactive-keys-report.html").read_text(encoding="utf-8")
    assert "Automatic remediation is off (user_inactivekeys.remediation)" in page
    assert "Reporting is off (user_inactivekeys.reporting)" in page


def test_json_has_the_figures_and_every_issue(estate: Estate) -> None:
    due = estate.add_due_issue("joe", tags={"Owner": "bob"})
    estate.add_issue("jane", account=OTHER, status=Status.WHITELISTED)
    estate.whitelist({"id": "jane", "until": "2999-12-31", "reason": "Yearly", "owner": "eve"}, account=OTHER)
    content = as_json(estate.run(REPORT, "--format", "json"))
    assert content["totals"] == {
        "open": 1,
        "switched on again": 0,
        "switched off": 0,
        "whitelisted": 1,
        "resolved": 0,
    }
    assert content["planned"]["keys"] == [due.issue_id]
    assert content["exceptions"] == [
        {
            "account_id": OTHER,
            "id": "jane",
            "until": "2999-12-31",
            "reason": "Yearly",
            "owner": "eve",
            "holds": True,
            "keys": 1,
            "means_nothing": False,
        }
    ]
    joe, jane = content["issues"]
    assert (joe["account"], joe["account_name"], joe["user"], joe["key"]) == (MAIN, "master", "joe", due.issue_id)
    assert (joe["idle_days"], joe["owner"], joe["ticket"]) == (200, "bob", due.jira.ticket)
    assert joe["due"] is not None
    assert (jane["standing"], jane["exception"], jane["exception_until"], jane["due"]) == (
        "whitelisted",
        "jane",
        "2999-12-31",
        None,
    )


def test_the_due_date_is_that_of_the_plan(estate: Estate) -> None:
    estate.add_due_issue("joe")
    estate.add_issue("jane", reported=estate.ago(days=3), ticket="AWSSEC-100")
    plan = json.loads(estate.run("remediation.clean_iam_keys_inactive", "--dry-run", "--format", "json").stdout)
    report = as_json(estate.run(REPORT, "--format", "json"))
    assert {row["key"]: row["due"] for row in report["issues"]} == {row["key"]: row["due"] for row in plan}
    assert None not in {row["due"] for row in plan}


def test_csv_has_one_line_for_each_issue_and_no_formula(estate: Estate) -> None:
    estate.add_issue("=cmd")
    estate.add_issue("+plus", tags={"owner": "@bob"})
    estate.add_issue("-dash,john")
    result = estate.run(REPORT, "--format", "csv")
    rows = list(csv.DictReader(result.stdout.splitlines()))
    assert {row["user"] for row in rows} == {"'=cmd", "'+plus", "'-dash,john"}
    assert {row["owner"] for row in rows} == {"", "'@bob"}
    assert {row["idle_days"] for row in rows} == {"200"}


def test_a_row_that_cannot_be_read_is_in_every_report_with_the_rest_and_fails_it(estate: Estate) -> None:
    broken_row()
    issue = estate.add_issue("joe")
    result = estate.run(REPORT, "--format", "json")
    assert result.exit_code == 1
    assert f"issue {MAIN}/{BROKEN} cannot be read" in result.stderr
    content = as_json(result)
    assert [row["key"] for row in content["issues"]] == [issue.issue_id]
    (failure,) = content["failures"]
    assert (failure["account_id"], failure["what"]) == (MAIN, "could not be read: a row")
    assert BROKEN in failure["cause"]
    assert estate.run(REPORT).exit_code == 1
    page = Path("inactive-keys-report.html").read_text(encoding="utf-8")
    assert "This report is not complete: 1 part of the table could not be read" in page
    assert BROKEN in page
    assert issue.issue_id in page


def test_an_account_whose_rows_cannot_be_had_hides_no_other_one(estate: Estate, wire: Wire) -> None:
    estate.add_issue("joe")
    jane = estate.add_issue("jane", account=OTHER)

    def refuse(request: Any) -> Any:
        return json_failure("AccessDeniedException") if MAIN in request.body.decode() else None

    wire.react("Query", refuse)
    result = estate.run(REPORT, "--format", "json")
    assert result.exit_code == 1
    assert [row["key"] for row in as_json(result)["issues"]] == [jane.issue_id]
    assert as_json(result)["failures"][0]["what"] == "could not be read: the account"


def test_every_format_says_when_an_account_was_scanned_last_and_which_never_was(estate: Estate) -> None:
    estate.add_issue("joe")
    boto3.client("dynamodb").delete_item(TableName=state_table_name(TABLE), Key={"id": {"S": f"scan#{OTHER}"}})
    said = (
        "W-SCAN-03 1 of 2 accounts have had no complete scan for a day, so the report may lack keys there: "
        f"slave1 ({OTHER}) never scanned as a whole"
    )
    result = estate.run(REPORT, "--format", "json")
    assert (result.exit_code, said in result.stderr) == (0, True)
    content = as_json(result)
    of_accounts = {each["account_id"]: (each["last_scan"], each["not_scanned"]) for each in content["accounts"]}
    assert of_accounts == {MAIN: (estate.now.isoformat(), ""), OTHER: (None, "never scanned as a whole")}
    assert [row["account_last_scan"] for row in content["issues"]] == [estate.now.isoformat()]
    result = estate.run(REPORT, "--format", "csv")
    assert said in result.stderr
    rows = list(csv.DictReader(result.stdout.splitlines()))
    assert [(row["account"], row["standing"], row["account_last_scan"]) for row in rows] == [
        (MAIN, "open", estate.now.isoformat()),
        (OTHER, "account never scanned", ""),
    ]
    assert said in estate.run(REPORT).stderr
    page = Path("inactive-keys-report.html").read_text(encoding="utf-8")
    assert "1 account has had no complete scan for a day" in page
    assert said in estate.run(REPORT, "--format", "asff").stderr


def test_an_exemption_that_means_nothing_is_said_in_the_log_and_in_json(estate: Estate) -> None:
    estate.whitelist("mistyped")
    item = {"id": f"scan#{MAIN}", "scanned": estate.now.isoformat(), "unmatched": ["mistyped"], "version": "1"}
    boto3.client("dynamodb").put_item(TableName=state_table_name(TABLE), Item=serialized(item))
    result = estate.run(REPORT, "--format", "json")
    assert f"W-CONFIG-02 1 entry of whitelist.json means no user and no key: mistyped ({MAIN})" in result.stderr
    assert [each["means_nothing"] for each in as_json(result)["exceptions"]] == [True]


def test_a_report_that_cannot_read_the_state_is_made_and_says_that_it_could_not_look(
    estate: Estate, wire: Wire
) -> None:
    issue = estate.add_issue("joe")
    wire.react("StateTable.BatchGetItem", lambda _: json_failure("AccessDeniedException"))
    result = estate.run(REPORT, "--format", "json")
    assert (result.exit_code, "not known when the accounts were scanned last" in result.stderr) == (1, True)
    content = as_json(result)
    assert [row["key"] for row in content["issues"]] == [issue.issue_id]
    assert "dynamodb:BatchGetItem" in content["scans_problem"]
    assert {each["not_scanned"] for each in content["accounts"]} == {"could not look"}
    assert content["failures"] == []
    rows = list(csv.DictReader(estate.run(REPORT, "--format", "csv").stdout.splitlines()))
    assert [row["key"] for row in rows] == [issue.issue_id]
    assert estate.run(REPORT).exit_code == 1
    assert "could not look" in Path("inactive-keys-report.html").read_text(encoding="utf-8")


def test_only_the_accounts_that_are_asked_for_are_reported_on(estate: Estate) -> None:
    estate.add_issue("joe")
    jane = estate.add_issue("jane", account=OTHER)
    content = as_json(estate.run(REPORT, "--format", "json", "--account", OTHER))
    assert [row["key"] for row in content["issues"]] == [jane.issue_id]
    assert [account["account_id"] for account in content["accounts"]] == [OTHER]


def test_an_unknown_account_and_a_broken_configuration_are_usage_errors(estate: Estate) -> None:
    result = estate.run(REPORT, "--account", "999999999999")
    assert (result.exit_code, "--account 999999999999: not one of aws.accounts" in result.stderr) == (2, True)
    (estate.folder / "whitelist.json").write_text("{", encoding="utf-8")
    assert estate.run(REPORT).exit_code == 2
    assert list(Path().iterdir()) == []


def test_a_file_is_replaced_whole_or_not_at_all(estate: Estate) -> None:
    estate.add_issue("joe")
    target = Path("old.json")
    target.write_text("old", encoding="utf-8")
    before = os.umask(0o027)
    try:
        result = estate.run(REPORT, "--format", "json", "--output", "old.json")
    finally:
        os.umask(before)
    assert result.stdout == f"old.json ({target.stat().st_size / 1024:.0f} KiB)\n"
    assert json.loads(target.read_text(encoding="utf-8"))["totals"]["open"] == 1
    assert stat.filemode(target.stat().st_mode) == "-rw-r-----"
    assert list(Path().iterdir()) == [target]
    for form in ("html", "csv", "json"):
        refused = estate.run(REPORT, "--format", form, "--output", "nowhere/new")
        assert refused.exit_code == 2
        assert f"the folder {Path.cwd() / 'nowhere'} does not exist, or no file can be made in it" in refused.output


# --- Security Hub ---


def security_hub() -> Any:
    client = boto3.client("securityhub")
    client.enable_security_hub()
    return client


def imported(client: Any) -> list[dict[str, Any]]:
    pages = client.get_paginator("get_findings").paginate(PaginationConfig={"PageSize": 100})
    return [finding for page in pages for finding in page["Findings"]]


def test_security_hub_takes_the_files_of_the_folder_one_by_one(estate: Estate) -> None:
    """botocore checks each finding by the service's own model: its limits, types, and what must be there."""
    joe = estate.add_issue("joe", tags={"team": "<b>", "empty": " "})
    table = boto3.client("dynamodb")
    for number in range(102):
        copy = replace(joe, issue_id=f"AKIA{number:016}")
        estate.put(copy)
    jane = estate.add_issue("jane", account=OTHER)
    result = estate.run(REPORT, "--format", "asff", "--output", "new/findings")
    assert result.stdout == "new/findings (104 findings in 3 files)\n"
    files = sorted(Path("new/findings").iterdir())
    assert [file.name for file in files] == [f"{MAIN}-001.json", f"{MAIN}-002.json", f"{OTHER}-001.json"]
    batches = [json.loads(file.read_text(encoding="utf-8")) for file in files]
    assert [len(batch) for batch in batches] == [100, 3, 1]
    hub = security_hub()
    for batch in batches:
        assert hub.batch_import_findings(Findings=batch)["FailedCount"] == 0
    found = {finding["Resources"][0]["Details"]["AwsIamAccessKey"]["AccessKeyId"] for finding in imported(hub)}
    assert {joe.issue_id, jane.issue_id} < found
    assert len(found) == 104
    assert table.scan(TableName=TABLE)["Count"] == 104


def test_a_second_import_updates_the_findings_of_the_first(estate: Estate) -> None:
    issue = estate.add_issue("joe")
    hub = security_hub()
    hub.batch_import_findings(Findings=json.loads(estate.run(REPORT, "--format", "asff").stdout))
    ended = replace(issue.details, resolution=Resolution.USED)
    times = replace(issue.timestamps, resolved=estate.now)
    estate.put(replace(issue, status=Status.RESOLVED, details=ended, timestamps=times))
    hub.batch_import_findings(Findings=json.loads(estate.run(REPORT, "--format", "asff").stdout))
    (finding,) = imported(hub)
    assert (finding["RecordState"], finding["Workflow"]["Status"]) == ("ARCHIVED", "RESOLVED")


def test_a_folder_with_something_in_it_is_refused_before_anything_is_read(estate: Estate, wire: Wire) -> None:
    Path("findings").mkdir()
    Path("findings/old.json").touch()
    result = estate.run(REPORT, "--format", "asff", "--output", "findings")
    assert (result.exit_code, wire.sent) == (2, [])
    assert "expected a new folder" in result.output


def test_an_empty_folder_will_do(estate: Estate) -> None:
    Path("findings").mkdir()
    estate.add_issue("joe")
    assert estate.run(REPORT, "--format", "asff", "--output", "findings").exit_code == 0
    assert [file.name for file in Path("findings").iterdir()] == [f"{MAIN}-001.json"]


def test_what_could_not_be_switched_off_is_on_the_page_with_its_cause(estate: Estate) -> None:
    issue = estate.add_due_issue("joe")
    estate.put(replace(issue, remediation_error=RemediationError("AccessDenied: <no>", estate.now)))
    assert estate.run(REPORT).exit_code == 0
    page = Path("inactive-keys-report.html").read_text(encoding="utf-8")
    assert "could not be switched off: AccessDenied: &lt;no&gt;" in page


def test_the_help_needs_neither_configuration_nor_aws(estate: Estate, wire: Wire) -> None:
    (estate.folder / "config.json").unlink()
    result = estate.run(REPORT, "--help")
    assert (result.exit_code, wire.sent) == (0, [])
    assert "aws securityhub batch-import-findings --findings" in result.output


def test_a_process_of_its_own_says_data_on_standard_output_and_the_rest_elsewhere(estate: Estate) -> None:
    broken_row()
    ended = estate.process(REPORT, "--format", "json")
    assert ended.returncode == 1
    assert json.loads(ended.stdout)["issues"] == []
    assert BROKEN in ended.stderr
    assert str(REPOSITORY) not in ended.stderr
