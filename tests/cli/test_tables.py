"""Every table that a command prints, at the widths that terminals have: ids are whole, lines fit, nothing is lost."""

from __future__ import annotations

import io
import json
import re
import sys
from typing import TYPE_CHECKING

import pytest

from deployment import commands
from identification import scan
from library.cli import terminal
from library.columns import columns
from library.config.__main__ import check
from library.issues.listing import RootKeys
from library.notifications.news import News
from library.notifications.terms import Audience
from library.reports.first_look import AccountKeys, FailedAccount, first_look
from remediation import plan as remediation_plan
from remediation.plan import PlanRow
from reporting import plan as reporting_plan
from tests.builders import NOW, a_key, days_ago

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WIDTHS = (80, 100, 160)
MAIN, OTHER = "123456789012", "210987654321"
KEYS = [f"AKIAEXAMPLE{number:09}" for number in range(4)]
USERS = ["joe", "break-glass-root-of-the-whole-organization", "ann@example.com", "svc-" + "x" * 60]
WHY = "switched off, but not everybody was told: JIRA did not take it (503), and it is tried again by the next run"


class Screen(io.StringIO):
    """What a terminal shows."""

    def isatty(self) -> bool:
        return True


def first_look_tables() -> None:
    keys = [a_key(key_id=key, user_name=user, last_used=days_ago(200)) for key, user in zip(KEYS, USERS, strict=True)]
    found = [
        AccountKeys(MAIN, "master", 70, tuple(keys), 412, RootKeys(2)),
        AccountKeys(OTHER, "slave1", 9, (), 8, RootKeys(1, exact=False)),
        AccountKeys("333333333333", "slave2", 9, (), None, None),
    ]
    failed = [FailedAccount("321098765432", "an account", f"Failed to assume role in Account(321098765432): {WHY}")]
    scan._print_tables(first_look(found, failed, 90, NOW), sys.stdout)


def plan_of_remediation() -> None:
    rows = [
        PlanRow(
            account=MAIN,
            account_name="master",
            user=user,
            key=key,
            verdict="would be told again",
            reason=WHY,
            due="2026-11-25T00:52:00+00:00",
            idle_days=800,
            created="2024-09-16T00:00:00+00:00",
            last_used=None,
            reported=None,
            promised=None,
            ticket="AWSSEC-1234",
            assignee=None,
        )
        for key, user in zip(KEYS, USERS, strict=True)
    ]
    remediation_plan.show(rows, "table")


def plan_of_reporting() -> None:
    audience = Audience("AWSSEC", "", ("Account-Operational-Owner",), ("#devops-channel", "ann@example.com"), ())
    news = News(WHY, NOW, audience)
    rows = [
        reporting_plan.Row(MAIN, "master", news, user, key, 800, "AWSSEC-1234")
        for key, user in zip(KEYS, USERS, strict=True)
    ]
    reporting_plan.show(rows, "table")


def deployment_tables() -> None:
    commands.print_table(
        ("action", "resource", "type", "replaced"),
        [("Modify", "IdentificationFunctionLogGroupSubscription", "AWS::Lambda::EventInvokeConfig", "Conditional")],
    )
    commands.print_table(
        ("setting", "in force", "would be", "so"),
        [
            ("user_inactivekeys.remediation", "false", "true", "keys are switched off by schedule"),
            (f"exemption of {KEYS[0]} in {MAIN}", f"always: {WHY}", "none", "the key may be switched off"),
            (f"accounts {MAIN}", "master", "none", ""),
        ],
    )
    commands.print_table(
        ("what", "why it had failed", "what was done"),
        [(f"scan of {OTHER} slave1", f"Failed to assume role in {OTHER}: {WHY}", "asked for again (3 messages)")],
    )
    commands.print_table(("where", "the roles there"), [(MAIN, "updated"), ("ou-abcd-12345678", "new")])


TABLES = [first_look_tables, plan_of_remediation, plan_of_reporting, deployment_tables]


def shown(show: Callable[[], None], width: int | None, monkeypatch: pytest.MonkeyPatch) -> str:
    screen = io.StringIO() if width is None else Screen()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", screen)
        patch.setenv("TERM", "dumb")
        patch.delenv("COLUMNS", raising=False)
        if width is not None:
            patch.setenv("COLUMNS", str(width))
        show()
    return screen.getvalue()


def words(text: str) -> set[str]:
    return set(text.split())


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("show", TABLES)
def test_on_a_terminal_lines_fit_and_no_word_is_in_two(
    show: Callable[[], None], width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    wide, narrow = shown(show, None, monkeypatch), shown(show, width, monkeypatch)
    # Where rows are blocks, the headings stand before the cells.
    assert {word.rstrip(":") for word in words(wide)} <= {word.rstrip(":") for word in words(narrow)} | HEADING_WORDS
    assert [line for line in narrow.splitlines() if columns(line) > width and len(line.split()) > 2] == []
    for name in (*re.findall(r"AKIA\w{16}", wide), *re.findall(r"\d{12}", wide)):
        assert name in narrow


HEADING_WORDS = {"ticket", "replaced"}
"""Of columns in which a block has nothing to show."""


@pytest.mark.parametrize("show", TABLES)
def test_in_a_pipe_a_row_is_a_line_and_nothing_is_cut(
    show: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    piped = shown(show, None, monkeypatch)
    assert max(map(len, piped.splitlines())) > 160 or show is deployment_tables
    assert "\x1b" not in piped
    for key in set(re.findall(r"AKIA\w{16}", piped)):
        assert len([line for line in piped.splitlines() if key in line]) == 1


@pytest.mark.parametrize("width", [None, *WIDTHS])
def test_a_table_without_a_row_says_so_and_has_no_headings(
    width: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert shown(lambda: reporting_plan.show([], "table"), width, monkeypatch).splitlines() == [
        "The plan; nothing was changed",
        "none",
        "",
        "Per account and owner",
        "none",
    ]


@pytest.mark.parametrize("width", WIDTHS)
def test_the_check_of_a_configuration_fits_too(width: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    accounts = {f"{number:012}": f"account-{number}" for number in range(111, 140)}
    main = {
        "aws": {"region": "eu-west-1", "main_account_id": next(iter(accounts)), "accounts": accounts},
        "user_inactivekeys": {"inactive_criteria_days": 90},
    }
    exemption = {"id": KEYS[1], "reason": WHY, "owner": "security@example.com", "until": "2030-01-01"}
    (tmp_path / "config.json").write_text(json.dumps(main))
    (tmp_path / "whitelist.json").write_text(json.dumps({"user_inactivekeys": {next(iter(accounts)): [exemption]}}))
    wide = shown(lambda: print(check(str(tmp_path))), None, monkeypatch)
    narrow = shown(lambda: print(check(str(tmp_path))), width, monkeypatch)
    body = narrow.partition("\n")[2]
    assert [line for line in body.splitlines() if columns(line) > width] == []
    for name in (*accounts, KEYS[1]):
        assert name in wide
        assert re.search(rf"\b{name}\b", narrow)


@pytest.mark.parametrize("width", WIDTHS)
def test_a_fact_is_folded_between_words_under_its_value(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    line = f"{'wanted by':<13} arn:aws:iam::{MAIN}:user/operators/{USERS[1]} {KEYS[0]} {WHY}"
    wide = shown(lambda: print("\n".join(terminal.in_lines(line, 14))), None, monkeypatch)
    narrow = shown(lambda: print("\n".join(terminal.in_lines(line, 14))), width, monkeypatch)
    assert wide == f"{line}\n"
    first, *others = narrow.splitlines()
    assert first.startswith("wanted by ")
    assert all(other.startswith(" " * 14) and other[14] != " " for other in others)
    assert [other for other in (first, *others) if columns(other) > width and len(other.split()) > 1] == []
    assert narrow.split() == line.split()


def test_a_table_shows_cells_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [("[red]=1+1[/red]", "1"), ("a\x1b[2Jb", "22")]
    piped = shown(lambda: terminal.print_table("[b]Names[/b]", ("name", "number"), rows), None, monkeypatch)
    assert piped == "[b]Names[/b]\nname             number\n[red]=1+1[/red]  1\na\\x1b[2Jb        22\n"
