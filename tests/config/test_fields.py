"""How single values are read: each form that is allowed, and every other one refused with its place."""

from __future__ import annotations

from typing import Any

import pytest

from library.issues.whitelist import Exemption
from tests.config.conftest import MASTER, SLAVE, SMALLEST, STRANGER, Folder, with_value


@pytest.mark.parametrize(
    ("written", "value"),
    [(True, True), (False, False), ("true", True), ("false", False), ("True", True), (" FALSE ", False)],
)
def test_a_boolean_may_stand_in_quotes(folder: Folder, written: Any, value: bool) -> None:
    assert folder.setting("user_inactivekeys/remediation", written).inactive_keys.remediation is value


@pytest.mark.parametrize("written", ["", "yes", "1", 1, 0, None, [], {}, 1.0])
def test_what_is_neither_true_nor_false_is_an_error(folder: Folder, written: Any) -> None:
    problem = folder.problem(config=with_value(SMALLEST, "user_inactivekeys/remediation", written))
    assert problem.startswith("config.json: user_inactivekeys.remediation: found ")
    assert problem.endswith("expected true or false")


@pytest.mark.parametrize(("written", "value"), [(10, 10), ("10", 10), (" 90 ", 90), (1, 1), ("010", 10)])
def test_a_number_may_stand_in_quotes(folder: Folder, written: Any, value: int) -> None:
    config = folder.setting("user_inactivekeys/inactive_criteria_days", written)
    assert config.inactive_keys.inactive_criteria_days == value


NO_NUMBERS = [
    (-1, "-1"),
    ("-1", '"-1"'),
    (10.5, "10.5"),
    ("10.5", '"10.5"'),
    ("abc", '"abc"'),
    ("", '""'),
    (True, "true"),
    (None, "null"),
    ([10], "a list"),
    ({"days": 10}, "an object"),
    ("١٠", '"١٠"'),
    ("1e2", '"1e2"'),
    (10**12, "1000000000000"),
    ("9" * 5000, '"999'),
]


@pytest.mark.parametrize(("written", "found"), [*NO_NUMBERS, (0, "0"), ("0", '"0"')])
def test_a_criterion_that_is_not_a_whole_number_from_one_is_an_error(
    folder: Folder, written: Any, found: str
) -> None:
    problem = folder.problem(config=with_value(SMALLEST, "user_inactivekeys/inactive_criteria_days", written))
    assert problem.startswith(f"config.json: user_inactivekeys.inactive_criteria_days: found {found}")
    assert "expected a whole number from 1 to" in problem


@pytest.mark.parametrize(("written", "found"), NO_NUMBERS)
def test_a_retention_period_that_is_not_a_whole_number_is_an_error(folder: Folder, written: Any, found: str) -> None:
    problem = folder.problem(config=with_value(SMALLEST, "user_inactivekeys/remediation_retention_period", written))
    assert f"found {found}" in problem
    assert "expected a whole number from 0 to" in problem


@pytest.mark.parametrize(("written", "value"), [(None, None), (5, 5), ("5", 5)])
def test_the_cap_on_keys_per_run_is_a_number_or_null(folder: Folder, written: Any, value: int | None) -> None:
    config = folder.setting("user_inactivekeys/remediation_max_keys_per_run", written)
    assert config.inactive_keys.remediation_max_keys_per_run == value


@pytest.mark.parametrize("written", [0, -1, "", "none", 2.5, False])
def test_any_other_cap_is_an_error(folder: Folder, written: Any) -> None:
    place = "user_inactivekeys/remediation_max_keys_per_run"
    assert "remediation_max_keys_per_run" in folder.problem(config=with_value(SMALLEST, place, written))


@pytest.mark.parametrize(
    ("written", "value"),
    [([7, 1], (7, 1)), (["1", 7, 1], (7, 1)), ("7,1", (7, 1)), (" 1 , 14 ", (14, 1)), ([], ()), ("", ())],
)
def test_reminders_come_longest_first_and_once_each(folder: Folder, written: Any, value: tuple[int, ...]) -> None:
    config = folder.setting("user_inactivekeys/reminder_days_before_remediation", written)
    assert config.inactive_keys.reminder_days_before_remediation == value


@pytest.mark.parametrize("written", [[0], [-1], [1.5], ["x"], "7;1", "7,0", 7, None, [True], [[7]]])
def test_reminders_that_are_not_positive_days_are_an_error(folder: Folder, written: Any) -> None:
    place = "user_inactivekeys/reminder_days_before_remediation"
    assert f": {place.replace('/', '.')}" in folder.problem(config=with_value(SMALLEST, place, written))


@pytest.mark.parametrize("name", ["accounts", "remediation_accounts", "ignore_accounts"])
@pytest.mark.parametrize(
    ("written", "ids"),
    [
        ([MASTER], (MASTER,)),
        ([SLAVE, MASTER, SLAVE], (SLAVE, MASTER)),
        (f"{MASTER},{SLAVE}", (MASTER, SLAVE)),
        (f" {SLAVE} , {MASTER} ", (SLAVE, MASTER)),
        (MASTER, (MASTER,)),
    ],
)
def test_an_account_list_is_a_list_or_one_comma_separated_string(
    folder: Folder, name: str, written: Any, ids: tuple[str, ...]
) -> None:
    assert getattr(folder.setting(f"user_inactivekeys/{name}", written).inactive_keys, name) == ids


@pytest.mark.parametrize("name", ["accounts", "remediation_accounts", "ignore_accounts"])
@pytest.mark.parametrize(
    ("written", "place", "found"),
    [
        ([int(MASTER)], "[0]", MASTER),
        ([MASTER, "12345"], "[1]", '"12345"'),
        ([MASTER + "3"], "[0]", f'"{MASTER}3"'),
        (["-23456789012"], "[0]", '"-23456789012"'),
        (["١٢٣٤٥٦٧٨٩٠١٢"], "[0]", '"١٢٣٤٥٦٧٨٩٠١٢"'),
        ([MASTER, ""], "[1]", '""'),
        ([None], "[0]", "null"),
        ([[MASTER]], "[0]", "a list"),
        (f"{MASTER},1", "", '"1"'),
        ("master", "", '"master"'),
        (",", "", '","'),
        (int(MASTER), "", MASTER),
        (None, "", "null"),
        (True, "", "true"),
        ({MASTER: "master"}, "", "an object"),
    ],
)
def test_an_account_list_with_anything_but_ids_is_an_error(
    folder: Folder, name: str, written: Any, place: str, found: str
) -> None:
    problem = folder.problem(config=with_value(SMALLEST, f"user_inactivekeys/{name}", written))
    assert problem.startswith(f"config.json: user_inactivekeys.{name}{place}: found {found}; expected ")


@pytest.mark.parametrize("name", ["accounts", "remediation_accounts", "ignore_accounts"])
@pytest.mark.parametrize(
    ("written", "place"), [([MASTER, STRANGER], "[1]"), (f"{MASTER}, {STRANGER}", ""), (STRANGER, "")]
)
def test_a_listed_account_that_aws_accounts_does_not_name_is_an_error(
    folder: Folder, name: str, written: Any, place: str
) -> None:
    problem = folder.problem(config=with_value(SMALLEST, f"user_inactivekeys/{name}", written))
    assert problem == (
        f'config.json: user_inactivekeys.{name}{place}: found "{STRANGER}"; '
        "expected an account that aws.accounts names"
    )


@pytest.mark.parametrize(
    ("place", "nearest"),
    [
        ("user_inactivekeys/remediation_retention_perod", "remediation_retention_period"),
        ("user_inactivekeys/table_name", "ddb.table_name"),
        ("user_inactivekeys/Enabled", "enabled"),
        ("aws/acounts", "accounts"),
        ("cronjobs/remedation", "remediation"),
        ("credentials/secret", "secret_name"),
        ("jira/sever", "server"),
        ("slack/notify_default_owners", "notify_default_owner"),
        ("jirra", "jira"),
        ("Slack", "slack"),
        ("user_inactive_keys", "user_inactivekeys"),
        ("whitelisting_procedure", "whitelisting_procedure_url"),
    ],
)
@pytest.mark.parametrize("value", [{}, {"enabled": True}, 5])
def test_an_unknown_key_is_an_error_that_names_the_nearest(
    folder: Folder, place: str, nearest: str, value: Any
) -> None:
    problem = folder.problem(config=with_value(SMALLEST, place, value))
    assert problem == (
        f"config.json: {place.replace('/', '.')}: found an unknown key; "
        f'expected a known one: did you mean "{nearest}"?'
    )


def test_an_unknown_plain_value_at_the_top_is_not_a_section_of_another_playbook(folder: Folder) -> None:
    assert "unknown key" in folder.problem(config=with_value(SMALLEST, "zzz", 5))


def test_comments_are_ignored_everywhere(folder: Folder) -> None:
    note = {"__comment": "why", "__comment__": ["any", "value"], "__comment2": None}
    document = {**SMALLEST, **note}
    document = {key: {**value, **note} if isinstance(value, dict) else value for key, value in document.items()}
    document["aws"]["accounts"] = {**SMALLEST["aws"]["accounts"], **note}
    document |= {"jira": note, "slack": note, "cronjobs": note, "credentials": note}
    whitelist = {"user_inactivekeys": {MASTER: [{"id": "bob", **note}], **note}, **note}
    owners = {"account": {MASTER: {"jira_owner": "x", **note}, **note}, **note}
    config = folder.load(document, whitelist, owners)
    assert config.warnings == ()
    assert config.aws.accounts == SMALLEST["aws"]["accounts"]
    assert config.whitelist.entries == {MASTER: (Exemption("bob"),)}
    assert set(config.owners.accounts) == {MASTER}
