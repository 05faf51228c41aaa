"""What the report's page says in which situation, as values; how it looks is tried in tests/browser."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from library.issues.account_state import AccountState
from library.issues.record import Episode, JiraDetails, Resolution, Status
from library.issues.smtp import DOUBT, doubts
from library.issues.whitelist import Exemption, Whitelist
from library.reports.entries import Failure
from library.reports.figures import figures
from library.reports.page import Chart, Grid, Note, Page
from library.reports.report_page import page_of
from library.reports.scans import Scans
from tests.builders import ACCOUNT, NOW, an_issue, days_ago, details, times
from tests.reports.builders import OTHER, in_force, scans

if TYPE_CHECKING:
    from library.issues.record import Issue

USED = an_issue(status=Status.CLOSED, details=details(resolution=Resolution.USED), timestamps=times(resolved=NOW))


def page(*issues: Issue, unread: tuple[Failure, ...] = (), scanned: Scans | None = None, **settings: Any) -> Page:
    in_force_now = in_force(**settings)
    return page_of(figures(issues, unread, scanned or scans(), in_force_now, NOW), in_force_now)


def blocks(page: Page, title: str) -> list[Note | Chart | Grid]:
    (section,) = [section for section in page.sections if section.title == title]
    return list(section.blocks)


def notes(page: Page, title: str = "What will be switched off") -> list[str]:
    return [block.text for block in blocks(page, title) if isinstance(block, Note)]


def grid(page: Page, title: str) -> Grid:
    (found,) = [block for block in blocks(page, title) if isinstance(block, Grid)]
    return found


def reported(days: float, **overrides: Any) -> Issue:
    return an_issue(timestamps=times(reported=days_ago(days)), **overrides)


def headline(page: Page, position: int) -> tuple[str, str, str, str]:
    shown = page.headlines[position]
    return (shown.value, shown.label, shown.note, shown.tone)


def test_the_headlines_of_a_table_without_issues_are_calm() -> None:
    empty = page()
    assert headline(empty, 0) == ("0", "idle keys are on", "of how many active keys is not known", "good")
    assert headline(empty, 4) == ("0", "failures", "", "calm")
    assert [block.text for block in blocks(empty, "How old they are") if isinstance(block, Note)] == [
        "No idle key is on."
    ]
    assert grid(empty, "Exemptions").rows == []


def test_the_headlines_say_what_comes_and_what_failed() -> None:
    failure = Failure(ACCOUNT, "could not be read: a row", "no status")
    ends = Whitelist({OTHER: (Exemption("a", date(2026, 12, 1)), Exemption("b", date(2027, 12, 1)), Exemption("c"))})
    found = page(reported(20, issue_id="A"), reported(2, issue_id="B"), unread=(failure,), whitelist=ends)
    note = "of how many active keys is not known; the longest for 100 days"
    assert headline(found, 0) == ("2", "idle keys are on", note, "open")
    assert headline(found, 1) == ("2", "to be switched off within 30 days", "1 of them in the next run", "off")
    assert headline(found, 3) == ("0", "left on by an exemption", "1 exemption ends within 30 days", "calm")
    assert headline(found, 4) == ("1", "failures", "see What failed", "bad")


def test_a_report_that_is_not_complete_and_switches_that_are_off_are_warned_of() -> None:
    assert page().warnings == []
    failures = tuple(Failure(ACCOUNT, "could not be read: a row", "no status") for _ in range(2))
    assert page(unread=failures, reporting=False, remediation=False).warnings == [
        "This report is not complete: 2 parts of the table could not be read. See What failed.",
        "Automatic remediation is off (user_inactivekeys.remediation): no key is switched off by schedule.",
        "Reporting is off (user_inactivekeys.reporting): nobody is told of new issues.",
    ]


def test_when_an_account_was_scanned_last_is_said_and_one_that_never_was_is_not_a_clean_one() -> None:
    fresh = page()
    assert [row[8] for row in grid(fresh, "Where they are").rows] == ["2026-11-23 11:00", "2026-11-23 11:00", ""]
    old = AccountState(scanned=NOW - timedelta(hours=24, seconds=1), failing_since=NOW, failure="Access denied in …")
    found = page(scanned=scans(master=old, other=AccountState()))
    assert [row[8] for row in grid(found, "Where they are").rows] == ["2026-11-22 11:59\nover a day ago", "never", ""]
    assert found.warnings == [
        "2 accounts have had no complete scan for a day: this page may lack keys there, and none is switched off "
        "there. See What failed."
    ]
    assert grid(found, "What failed").rows == [
        ("no complete scan for a day", "master", "", "2026-11-22", "Access denied in …"),
        ("no complete scan for a day", "slave1", "", "", "no scan has said why"),
    ]
    assert headline(found, 4) == ("2", "failures", "see What failed", "bad")


def test_a_page_that_could_not_look_when_the_accounts_were_scanned_says_so_and_calls_none_of_them_unscanned() -> None:
    found = page(scanned=scans("table 'state' (dynamodb:BatchGetItem): denied"))
    assert [row[8] for row in grid(found, "Where they are").rows] == ["could not look", "could not look", ""]
    assert found.warnings == [
        "When the accounts were scanned last is not known, could not look: table 'state' (dynamodb:BatchGetItem): "
        "denied"
    ]
    assert grid(found, "What failed").rows == []


def test_an_account_that_is_not_to_be_scanned_is_no_failure() -> None:
    found = page(scanned=Scans({}, frozenset({OTHER})), accounts={ACCOUNT: "master"})
    assert grid(found, "Where they are").rows[0][8] == "not to be scanned (user_inactivekeys.accounts)"
    assert found.warnings == []


def test_an_exception_that_means_nothing_is_warned_of() -> None:
    exemptions = (Exemption("mistyped"), Exemption("joe"), Exemption("gone", date(2026, 11, 22)))
    state = AccountState(scanned=NOW, unmatched=("gone", "mistyped", "removed since"))
    found = page(scanned=scans(master=state), whitelist=Whitelist({ACCOUNT: exemptions}))
    shown = [row[0] for row in grid(found, "Exemptions").rows]
    assert shown == ["gone", "joe", "mistyped\nmeans no user and no key"]
    assert found.warnings == ["1 exemption means no user and no key, so nothing is exempt by it. See Exemptions."]


def test_one_account_has_no_total() -> None:
    assert len(grid(page(), "Where they are").rows) == 3
    assert len(grid(page(accounts={ACCOUNT: "master"}), "Where they are").rows) == 1


def test_without_automatic_remediation_only_a_note_says_what_could_be_switched_off_by_hand() -> None:
    (note,) = blocks(page(reported(20), remediation=False), "What will be switched off")
    assert isinstance(note, Note)
    assert "1 key is past the retention period of 14 days and could be switched off by hand" in note.text


def test_the_notes_on_the_plan_name_what_limits_it() -> None:
    assert notes(page(reported(20))) == [
        "Each key is looked at again right before, and stays on if it is in use by then."
    ]
    limited = page(an_issue(), remediation_accounts=frozenset({ACCOUNT}), max_keys_per_run=1000)
    assert notes(limited) == [
        "Remediation is off for slave1: nothing is switched off there.",
        "Each key is looked at again right before, and stays on if it is in use by then. 1 idle key has no date yet, "
        "because nobody was told one. Reporting tells it; the retention period is 14 days.",
        "A run switches off at most 1,000 keys; the rest waits.",
    ]


@pytest.mark.parametrize(
    ("keys", "rows", "caption"),
    [
        (50, 50, "The keys, by date"),
        (51, 50, "The next 50 keys; 1 more is in the list below"),
        (52, 50, "The next 50 keys; 2 more are in the list below"),
    ],
)
def test_the_plan_names_at_most_fifty_keys(keys: int, rows: int, caption: str) -> None:
    plan = grid(page(*(reported(20, issue_id=str(number)) for number in range(keys))), "What will be switched off")
    assert (len(plan.rows), plan.caption) == (rows, caption)


def test_the_days_ahead_begin_with_what_is_due_already() -> None:
    found = page(reported(20, issue_id="A"), reported(14, issue_id="B"), reported(13, issue_id="C"))
    (chart,) = [block for block in blocks(found, "What will be switched off") if isinstance(block, Chart)]
    assert list(chart.series["Keys"])[:3] == [2, 1, 0]
    assert (len(chart.labels), chart.labels[0]) == (31, "2026-11-23")
    assert chart.about == "2 keys today or in the next run, 1 on later days."


def test_an_exemption_that_has_ended_says_so() -> None:
    exemptions = (Exemption("old", date(2026, 11, 22)), Exemption("today", date(2026, 11, 23)), Exemption("always"))
    rows = grid(page(whitelist=Whitelist({ACCOUNT: exemptions})), "Exemptions").rows
    assert [(row[0], row[2]) for row in rows] == [
        ("old", "2026-11-22\nhas ended"),
        ("today", "2026-11-23"),
        ("always", "no end"),
    ]


@pytest.mark.parametrize(
    ("issue", "status", "switched_off"),
    [
        (an_issue(), "open", ""),
        (an_issue(episode=Episode.REACTIVATED), "open\nreactivated", ""),
        (reported(13), "open", "2026-11-24\nplanned"),
        (reported(14), "open", "next run"),
        (reported(40), "open", "next run"),
        (an_issue(timestamps=times(remediated=days_ago(1))), "switched off", "2026-11-22\nby this system"),
        (
            an_issue(
                status=Status.CLOSED, details=details(resolution=Resolution.USED), timestamps=times(resolved=NOW)
            ),
            "resolved\nused, closed",
            "",
        ),
        (an_issue(status=Status.CLOSED, episode=Episode.REOPENED), "whitelisted\nclosed", ""),
    ],
)
def test_the_list_says_where_an_issue_stands_and_when_its_key_goes_off(
    issue: Issue, status: str, switched_off: str
) -> None:
    (row,) = page(issue).listing.rows
    assert (row[0], row[7]) == (status, switched_off)


def test_the_list_names_use_owner_ticket_and_what_failed() -> None:
    failed = details(tags={"OWNER": " bob "}, last_used_service=None)
    issue = an_issue(details=failed, jira=JiraDetails(ticket="AWSSEC-1", failed=days_ago(1)))
    exempted = Whitelist({ACCOUNT: (Exemption("alice", date(2026, 12, 1)),)})
    (row,) = page(issue, whitelist=exempted).listing.rows
    assert row[1:3] == (f"master\n{ACCOUNT}", "alice\nowner bob")
    assert row[5:7] == ("2026-08-15\neu-west-1", "\nAWSSEC-1")
    assert row[8] == (
        "JIRA was not told: the next run tries again; exemption alice until 2026-12-01: no reason given"
    )
    (never,) = page(an_issue(details=details(never_used=True))).listing.rows
    assert never[5] == "never\ncreated 2025-10-19"


MAILER = details(username="ses-smtp-user.20190612-101500")


def test_an_smtp_credential_that_is_on_is_doubted_in_the_list_and_in_the_plan() -> None:
    found = page(reported(20, issue_id="A", details=MAILER), reported(20, issue_id="B"))
    assert {row[3]: row[8] for row in found.listing.rows} == {"A": DOUBT, "B": ""}
    assert [note for note in notes(found) if "SMTP" in note] == [doubts(1)]


@pytest.mark.parametrize("status", [Status.RESOLVED, Status.CLOSED, Status.WHITELISTED])
def test_an_smtp_credential_on_which_nobody_decides_is_not_doubted(status: Status) -> None:
    ended = None if status is Status.WHITELISTED else Resolution.DEACTIVATED
    (row,) = page(an_issue(status=status, details=replace(MAILER, resolution=ended))).listing.rows
    assert row[8] == ""
