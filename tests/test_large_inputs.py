"""No step of a run takes time by the square of what it is given: ten times the input, ten times the steps."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from library.aws.key_switch import KeySwitch
from library.cli import wiring
from library.config.checks import with_organization
from library.config.loading import load
from library.config.problems import JsonObject
from library.errors import ConfigurationError
from library.issues.account_state import AccountState
from library.issues.archive import latest_of_each_key
from library.issues.decisions import Skip
from library.issues.record import Status
from library.issues.reporting import exemptions_that_end
from library.issues.whitelist import Exemption, Whitelist
from library.notifications.terms import Terms
from library.reports import asff, report_data
from library.reports.entries import ReportSettings
from library.reports.figures import figures
from library.reports.report_page import page_of
from library.reports.scans import Scans
from remediation import plan
from remediation.options import Options
from remediation.switching_off import SwitchingOff
from reporting.tasks import tasks_of
from tests.builders import ACCOUNT, NOW, an_issue, days_ago, details, times
from tests.growth import MOST, Text, growth

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from library.config.settings import Config
    from library.issues.record import Issue

SOON = date(2026, 11, 30)


def test_the_steps_of_a_search_in_a_list_are_counted() -> None:
    def searched(size: int) -> Callable[[], object]:
        names = [Text(f"user-{number}") for number in range(size)]
        return lambda: [name for name in names if names.count(name) > 1]

    assert growth(searched, 100, 1_000) > 9


def test_the_steps_of_a_loop_within_a_loop_are_counted() -> None:
    def matched(size: int) -> Callable[[], object]:
        one_by_one = [Whitelist({ACCOUNT: (Exemption(f"user-{number}*"),)}) for number in range(size)]
        names = [f"user-{number}-1" for number in range(size)]
        return lambda: [each for name in names for each in one_by_one if each.find(ACCOUNT, name, "", NOW)]

    assert growth(matched, 20, 200) > 9


# --- the configuration ---


def _account(number: int) -> str:
    return f"{700_000_000_000 + number}"


def _config(**sections: dict[str, Any]) -> dict[str, Any]:
    aws = {"region": "eu-west-1", "main_account_id": ACCOUNT, "accounts": {ACCOUNT: "master"}}
    return {"aws": aws, "user_inactivekeys": {"inactive_criteria_days": 90}, **sections}


def _accounts(size: int) -> dict[str, Any]:
    accounts = [_account(number) for number in range(size)]
    aws = {"region": "eu-west-1", "main_account_id": accounts[0], "accounts": dict.fromkeys(accounts, "one")}
    lists = {"accounts": accounts, "ignore_accounts": accounts[::2], "remediation_accounts": ",".join(accounts)}
    return _config(aws=aws, user_inactivekeys={"inactive_criteria_days": 90, **lists})


def _strangers(size: int) -> dict[str, Any]:
    accounts = [_account(number) for number in range(size)]
    lists = {"accounts": accounts, "remediation_accounts": [*accounts, *accounts]}
    return _config(user_inactivekeys={"inactive_criteria_days": 90, **lists})


def _entries(size: int) -> list[Any]:
    names: list[Any] = [f"user-{number}" for number in range(size // 2)]
    return names + [{"id": f"ci-{number}-*", "until": "2027-01-31", "owner": "ann"} for number in range(size // 2)]


def _units(size: int) -> dict[str, Any]:
    return {f"unit {n}": {"jira_owner": "a", "product": {"shop": {"slack_owner": "#shop"}}} for n in range(size)}


FILES: dict[str, Callable[[int], dict[str, Any]]] = {
    "an account's exemptions": lambda size: {
        "config": _config(),
        "whitelist": {"user_inactivekeys": {ACCOUNT: _entries(size)}},
    },
    "accounts with an exemption": lambda size: {
        "config": _accounts(size),
        "whitelist": {"user_inactivekeys": {_account(number): ["bob"] for number in range(size)}},
    },
    "broken exemptions": lambda size: {
        "config": _config(),
        "whitelist": {"user_inactivekeys": {ACCOUNT: [{"id": "", "untill": ""}] * size}},
    },
    "units and products": lambda size: {"config": _config(), "ticket_owners": {"bu": _units(size)}},
    "broken units": lambda size: {
        "config": _config(),
        "ticket_owners": {"bu": {f"unit {number}": {"jira_owner": 1} for number in range(size)}},
    },
    "owners by account": lambda size: {
        "config": _config(),
        "ticket_owners": {"account": {_account(number): {"jira_owner": "a"} for number in range(size)}},
    },
    "accounts": lambda size: {"config": _accounts(size)},
    "accounts that are not known": lambda size: {"config": _strangers(size)},
    "sections of others": lambda size: {"config": _config(**{f"zz{number}": {} for number in range(size)})},
}


@pytest.mark.parametrize("files", FILES.values(), ids=FILES)
def test_the_configuration_is_read_in_steps_of_its_size(
    files: Callable[[int], dict[str, Any]], tmp_path: Path
) -> None:
    def loading(size: int) -> Callable[[], object]:
        folder = tmp_path / str(size)
        folder.mkdir()
        for name, content in files(size).items():
            (folder / f"{name}.json").write_text(json.dumps(content))

        def work() -> None:
            with suppress(ConfigurationError):
                config = load(str(folder))
                assert len(config.accounts()) <= len(config.aws.accounts)

        return work

    assert growth(loading) < MOST


def test_keys_written_twice_are_found_in_steps_of_the_size_of_their_object() -> None:
    def reading(size: int) -> Callable[[], object]:
        pairs = [(Text(f"unit {number // 2}"), number) for number in range(2 * size)]

        def work() -> None:
            assert len(JsonObject(list(pairs)).repeated) == size

        return work

    assert growth(reading) < MOST


def test_the_organization_s_accounts_are_added_in_steps_of_their_number(tmp_path: Path) -> None:
    aws = {"region": "eu-west-1", "main_account_id": ACCOUNT, "accounts_from_organization": True}

    def adding(size: int) -> Callable[[], object]:
        folder = tmp_path / str(size)
        folder.mkdir()
        listed = {"ignore_accounts": [_account(number) for number in range(0, size, 2)]}
        content = _config(aws=aws, user_inactivekeys={"inactive_criteria_days": 90, **listed})
        (folder / "config.json").write_text(json.dumps(content))
        (folder / "whitelist.json").write_text(
            json.dumps({"user_inactivekeys": {_account(size + number): ["bob!"] for number in range(size)}})
        )
        config, found = load(str(folder)), {_account(number): "one" for number in range(size)}

        def work() -> None:
            grown = with_organization(_counting(config), found)
            assert len(grown.accounts()) == size // 2
            assert len(grown.warnings) > 2 * size

        return work

    assert growth(adding) < MOST


def _counting(config: Config) -> Config:
    """The same; to search its lists takes steps."""
    ignored = tuple(map(Text, config.inactive_keys.ignore_accounts))
    return replace(
        config,
        inactive_keys=replace(config.inactive_keys, ignore_accounts=ignored),
        warnings=tuple(map(Text, config.warnings)),
    )


# --- exemptions ---


def _whitelist(size: int, until: date | None = None) -> Whitelist:
    """Half of them name one user, the others a family of users."""
    names = [f"user-{number}" if number % 2 else f"user-{number}-*" for number in range(size)]
    return Whitelist({ACCOUNT: tuple(Exemption(Text(name), until) for name in names)})


def _users(size: int) -> Iterator[str]:
    for number in range(size):
        yield f"user-{number}" if number % 2 else f"user-{number}-1"


def test_exemptions_are_found_in_steps_of_the_number_of_names() -> None:
    def finding(size: int) -> Callable[[], object]:
        whitelist, users = _whitelist(size), list(_users(size))

        def work() -> None:
            assert all(whitelist.find(ACCOUNT, user, f"AKIA{user}", NOW) for user in users)
            assert not any(whitelist.find(ACCOUNT, f"{user}x", "AKIA", NOW) for user in users if user[-2] != "-")

        return work

    assert growth(finding) < MOST


def test_entries_that_mean_nothing_are_found_in_steps_of_their_number() -> None:
    def finding(size: int) -> Callable[[], object]:
        whitelist = _whitelist(size)
        users, before = list(map(Text, _users(size // 2))), tuple(f"user-{number}" for number in range(size))

        def work() -> None:
            found = whitelist.unmatched(ACCOUNT, users, (), NOW, all_keys=False, before=before)
            assert len(found) == size - size // 2

        return work

    assert growth(finding) < MOST


# --- reports and plans ---


def _issues(size: int) -> list[Issue]:
    """Open, whitelisted and closed ones of as many users."""
    found = []
    for number, user in enumerate(_users(size)):
        status = (Status.OPEN, Status.WHITELISTED, Status.CLOSED)[number % 3]
        reported = days_ago(18) if number % 5 else None
        found.append(
            an_issue(
                issue_id=Text(f"AKIA{number:016}"),
                status=status,
                details=details(username=user, last_used=days_ago(100 + number % 500)),
                timestamps=times(reported=reported, resolved=days_ago(3) if status is Status.CLOSED else None),
            )
        )
    return found


def _in_force(size: int) -> ReportSettings:
    return ReportSettings(
        accounts={ACCOUNT: "master"},
        table_name="issues",
        criteria_days=90,
        reporting=True,
        remediation=True,
        remediation_accounts=frozenset({ACCOUNT}),
        retention_days=14,
        max_keys_per_run=None,
        whitelist=_whitelist(size, SOON),
    )


@pytest.mark.parametrize("form", ["page", "csv", "json", "asff"])
def test_a_report_is_made_in_steps_of_its_issues(form: str) -> None:
    def reporting(size: int) -> Callable[[], object]:
        issues, settings = _issues(size), _in_force(size)
        state = AccountState(scanned=NOW - timedelta(hours=1), unmatched=tuple(Text(f"u-{n}") for n in range(size)))

        def work() -> None:
            found = figures(issues, [], Scans({ACCOUNT: state}, frozenset({ACCOUNT})), settings, NOW)
            match form:
                case "page":
                    assert page_of(found, settings).listing.rows
                case "csv":
                    assert report_data.as_csv(found, settings.accounts)
                case "json":
                    assert report_data.as_json(found, settings.accounts)
                case "asff":
                    assert asff.findings(found, region="eu-west-1", partition="aws", criteria_days=90)

        return work

    assert growth(reporting) < MOST


def test_reporting_plans_in_steps_of_its_issues(tmp_path: Path) -> None:
    def planning(size: int) -> Callable[[], object]:
        folder = tmp_path / str(size)
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps(_config()))
        (folder / "ticket_owners.json").write_text(json.dumps({"bu": _units(size)}))
        issues, whitelist, owners = _issues(size), _whitelist(size, SOON), load(str(folder)).owners
        tagged = [
            replace(issue, details=replace(issue.details, tags={"bu": f"unit {number}", "product": "shop"}))
            for number, issue in enumerate(issues)
        ]
        terms = Terms(owners=owners, criteria_days=90, retention_days=14, remediated_accounts=frozenset({ACCOUNT}))

        def work() -> None:
            assert len(tasks_of(tagged, terms, whitelist, None, Counter(), NOW)) == size
            assert len(exemptions_that_end(tagged, whitelist, NOW)) > size // 4
            assert {terms.audience(issue).slack for issue in tagged} == {("#shop",)}

        return work

    assert growth(planning) < MOST


@pytest.mark.parametrize("form", ["table", "csv"])
def test_remediation_plans_in_steps_of_its_issues_and_accounts(form: str, tmp_path: Path) -> None:
    def planning(size: int) -> Callable[[], object]:
        folder = tmp_path / str(size)
        folder.mkdir()
        config = _accounts(size)
        config["user_inactivekeys"].update(remediation=True, ignore_accounts=[], remediation_retention_period=30)
        (folder / "config.json").write_text(json.dumps(config))
        entries = {ACCOUNT: _entries(size)}
        (folder / "whitelist.json").write_text(json.dumps({"user_inactivekeys": entries}))
        settings = load(str(folder), alone=True)
        options = Options(batch=True, dry_run=True)
        keys = KeySwitch(wiring.account_access(settings), settings.aws.accounts)
        issues = [replace(issue, account_id=_account(n)) for n, issue in enumerate(_issues(size))]

        def work() -> None:
            direction = SwitchingOff(settings, options, keys, ())
            rows = []
            for issue in sorted(latest_of_each_key(issues), key=direction.order):
                verdict = direction.judge(issue, NOW)
                assert isinstance(verdict, Skip)
                assert direction.changed_meanwhile(issue.account_id) is None
                rows.append(plan.row(settings, issue, "skipped", verdict.reason, direction.due(issue), NOW))
            assert len(rows) == size
            plan.show(rows, form)

        return work

    assert growth(planning) < MOST


def test_one_exemption_of_many_issues_ends_in_steps_of_their_number() -> None:
    whitelist = Whitelist({ACCOUNT: (Exemption("user-*", SOON),)})

    def ending(size: int) -> Callable[[], object]:
        issues = [replace(issue, status=Status.WHITELISTED) for issue in _issues(size)]
        told = [
            replace(issue, slack=replace(issue.slack, exception_told=SOON if number % 2 else None))
            for number, issue in enumerate(issues)
        ]

        def work() -> None:
            (ends,) = exemptions_that_end(told, whitelist, NOW)
            assert len(ends.issues) == size // 2

        return work

    assert growth(ending) < MOST
