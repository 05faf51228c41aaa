"""The configuration files: what they may say, what it comes to, and every way in which they can be wrong."""

import copy
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import FrozenInstanceError
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st
from moto import mock_aws

from library.config.settings import AccountRef, Config, InLine, Owner, load, log_group, main
from library.errors import ConfigurationError
from library.issues.whitelist import Exemption

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

ROOT = Path(__file__).resolve().parents[2]
MASTER, SLAVE, STRANGER = "123456789012", "210987654321", "999999999999"
SMALLEST: dict[str, Any] = {
    "aws": {"region": "eu-west-1", "main_account_id": MASTER, "accounts": {MASTER: "master", SLAVE: "slave1"}},
    "user_inactivekeys": {"inactive_criteria_days": 10},
}
NO_OWNERS: dict[str, Any] = {}
NO_WHITELIST: dict[str, Any] = {"user_inactivekeys": {}}


def with_value(document: dict[str, Any], place: str, value: Any) -> dict[str, Any]:
    """The document with a value put at a place such as `aws/accounts`."""
    changed = copy.deepcopy(document)
    *path, last = place.split("/")
    inner = changed
    for step in path:
        inner = inner.setdefault(step, {})
    inner[last] = value
    return changed


class Folder:
    """A configuration folder that a test fills; a text or bytes are written as they are, None leaves a file out."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, config: Any = SMALLEST, whitelist: Any = NO_WHITELIST, owners: Any = NO_OWNERS) -> None:
        files = {"config.json": config, "whitelist.json": whitelist, "ticket_owners.json": owners}
        for name, content in files.items():
            if isinstance(content, bytes):
                (self.path / name).write_bytes(content)
            elif content is not None:
                text = content if isinstance(content, str) else json.dumps(content)
                (self.path / name).write_text(text, encoding="utf-8")

    def load(self, config: Any = SMALLEST, whitelist: Any = NO_WHITELIST, owners: Any = NO_OWNERS) -> Config:
        self.write(config, whitelist, owners)
        return load(str(self.path))

    def problems(self, config: Any = SMALLEST, whitelist: Any = NO_WHITELIST, owners: Any = NO_OWNERS) -> list[str]:
        with pytest.raises(ConfigurationError) as raised:
            self.load(config, whitelist, owners)
        return [str(problem) for problem in raised.value.problems]

    def problem(self, **files: Any) -> str:
        (only,) = self.problems(**files)
        return only

    def setting(self, place: str, value: Any) -> Config:
        return self.load(with_value(SMALLEST, place, value))


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


# --- defaults and the sample


def test_the_defaults_are_the_manuals(folder: Folder) -> None:
    config = folder.load()
    keys = config.inactive_keys
    assert (keys.enabled, keys.reporting, keys.remediation) == (True, False, False)
    assert keys.remediation_retention_period == 0
    assert keys.table_name == "hammer-iam-user-keys-inactive"
    assert keys.topic_name == "hammer-describe-iam-user-inactive-keys-lambda"
    assert (keys.accounts, keys.ignore_accounts, keys.remediation_accounts) == (None, (), None)
    assert keys.reminder_days_before_remediation == (7, 1)
    assert keys.remediation_max_keys_per_run is None
    assert config.aws.role_name_identification == "hammer-cloudsec-crossact-id"
    assert config.aws.role_name_reporting == "hammer-cloudsec-crossact-ec2"
    assert (config.aws.external_id, config.aws.accounts_from_organization) == ("", False)
    assert (config.cronjobs.reporting, config.cronjobs.remediation) == ("55 * * * *", "45 10 * * *")
    assert config.credentials_secret == "hammer-credentials"
    assert (config.jira.enabled, config.jira.issue_type, config.jira.priority) == (False, "Task", "Major")
    assert config.jira.close_transitions == ("Close Issue", "Done")
    assert (config.slack.enabled, config.slack.notify_default_owner) == (False, True)
    assert config.slack.base_url == "https://slack.com/api/"
    assert config.whitelisting_procedure_url == ""
    assert config.warnings == ()


def test_the_manuals_own_sample_sections_are_valid(folder: Folder) -> None:
    config = folder.load(
        with_value(
            SMALLEST,
            "user_inactivekeys",
            {
                "enabled": "true",
                "ddb.table_name": "hammer-iam-user-keys-inactive",
                "inactive_criteria_days": "10",
                "reporting": False,
                "remediation": False,
                "remediation_retention_period": 0,
            },
        ),
        {
            "user_inactivekeys": {
                MASTER: ["Joe.Bloggs@sample.com", "test-iam-access-key-user", "AKIAI6UV7TCFQNA623TA"]
            }
        },
        {
            "account": {
                MASTER: {
                    "jira_project": "",
                    "jira_owner": "Support-Cloud",
                    "jira_parent_ticket": "",
                    "slack_owner": "",
                }
            },
            "jira_project": "AWSSEC",
            "jira_owner": "Support-General",
            "jira_parent_ticket": "AWSSEC-1234",
            "slack_owner": ["#devops-channel", "bob"],
        },
    )
    assert config.inactive_keys.enabled is True
    assert config.inactive_keys.inactive_criteria_days == 10
    assert [entry.id for entry in config.whitelist.entries[MASTER]][1:] == [
        "test-iam-access-key-user",
        "AKIAI6UV7TCFQNA623TA",
    ]
    assert config.owners.for_account(MASTER) == Owner(
        "AWSSEC", "Support-Cloud", "AWSSEC-1234", ("#devops-channel", "bob")
    )
    assert config.owners.for_account(SLAVE).jira_owner == "Support-General"
    assert config.warnings == ()


def test_the_sample_configuration_is_valid_without_a_warning() -> None:
    config = load(str(ROOT / "config"))
    assert config.warnings == ()
    assert config.accounts() == (AccountRef(MASTER, "master"), AccountRef(SLAVE, "slave1"))
    assert config.whitelist.entries[MASTER][1].until == date(2035, 12, 31)
    assert config.owners.for_account(SLAVE).slack_owner == ("#slave1-team",)


def test_settings_cannot_be_changed(folder: Folder) -> None:
    with pytest.raises(FrozenInstanceError):
        folder.load().inactive_keys.reporting = True  # type: ignore[misc]


# --- values that are written in several ways


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
def test_a_criterion_that_is_no_whole_number_from_one_is_an_error(folder: Folder, written: Any, found: str) -> None:
    problem = folder.problem(config=with_value(SMALLEST, "user_inactivekeys/inactive_criteria_days", written))
    assert problem.startswith(f"config.json: user_inactivekeys.inactive_criteria_days: found {found}")
    assert "expected a whole number from 1 to" in problem


@pytest.mark.parametrize(("written", "found"), NO_NUMBERS)
def test_a_retention_period_that_is_no_whole_number_is_an_error(folder: Folder, written: Any, found: str) -> None:
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
def test_reminders_come_largest_first_and_once_each(folder: Folder, written: Any, value: tuple[int, ...]) -> None:
    config = folder.setting("user_inactivekeys/reminder_days_before_remediation", written)
    assert config.inactive_keys.reminder_days_before_remediation == value


@pytest.mark.parametrize("written", [[0], [-1], [1.5], ["x"], "7;1", "7,0", 7, None, [True], [[7]]])
def test_reminders_that_are_no_positive_days_are_an_error(folder: Folder, written: Any) -> None:
    place = "user_inactivekeys/reminder_days_before_remediation"
    assert f": {place.replace('/', '.')}" in folder.problem(config=with_value(SMALLEST, place, written))


# --- accounts


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


@pytest.mark.parametrize("name", ["accounts", "remediation_accounts"])
def test_an_empty_string_of_accounts_is_not_set_and_said_to_be(folder: Folder, name: str) -> None:
    config = folder.setting(f"user_inactivekeys/{name}", " ")
    assert [one.id for one in getattr(config, name)()] == [MASTER, SLAVE]
    assert any(f"user_inactivekeys.{name} is empty" in warning for warning in config.warnings)


@pytest.mark.parametrize("name", ["accounts", "remediation_accounts"])
def test_an_empty_list_of_accounts_is_none_at_all_and_said_to_be(folder: Folder, name: str) -> None:
    config = folder.setting(f"user_inactivekeys/{name}", [])
    assert getattr(config, name)() == ()
    assert any(f"user_inactivekeys.{name} leaves no account" in warning for warning in config.warnings)


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


def test_ignored_accounts_are_taken_out_of_both_other_lists(folder: Folder) -> None:
    section = {
        "inactive_criteria_days": 10,
        "accounts": [MASTER, SLAVE],
        "remediation_accounts": f"{SLAVE},{MASTER}",
        "ignore_accounts": [SLAVE],
    }
    config = folder.setting("user_inactivekeys", section)
    assert config.accounts() == config.remediation_accounts() == (AccountRef(MASTER, "master"),)


def test_without_lists_all_accounts_count_but_the_ignored(folder: Folder) -> None:
    config = folder.setting("user_inactivekeys/ignore_accounts", MASTER)
    assert config.accounts() == config.remediation_accounts() == (AccountRef(SLAVE, "slave1"),)


def test_accounts_to_remediate_need_not_be_among_those_to_check(folder: Folder) -> None:
    config = folder.setting("user_inactivekeys/accounts", [MASTER])
    assert config.remediation_accounts() == (AccountRef(MASTER, "master"), AccountRef(SLAVE, "slave1"))


@pytest.mark.parametrize(
    ("place", "written", "complaint"),
    [
        ("aws/main_account_id", int(MASTER), f"aws.main_account_id: found {MASTER}; expected an account id"),
        ("aws/main_account_id", "12345", 'aws.main_account_id: found "12345"; expected an account id'),
        ("aws/accounts", {"12345": "x", MASTER: "m"}, 'aws.accounts.12345: found the account id "12345"'),
        ("aws/accounts", {MASTER: 5}, f"aws.accounts.{MASTER}: found 5; expected a name"),
        ("aws/accounts", {MASTER: ""}, f'aws.accounts.{MASTER}: found ""; expected a name'),
        ("aws/accounts", [MASTER], "aws.accounts: found a list; expected an object whose keys are account ids"),
        ("aws/accounts", {}, "aws.accounts: found an empty object; expected at least one account"),
        ("aws/accounts", {"__comment": "none yet"}, "aws.accounts: found an object; expected at least one"),
        ("aws/region", "Ireland", 'aws.region: found "Ireland"; expected an AWS region'),
        ("aws/region", "", 'aws.region: found ""; expected an AWS region'),
        ("aws/external_id", 5, "aws.external_id: found 5; expected a text"),
        ("aws/role_name_reporting", "", 'aws.role_name_reporting: found ""; expected a text'),
        ("cronjobs/reporting", "55 * * *", 'cronjobs.reporting: found "55 * * *"; expected a cron'),
        ("cronjobs/reporting", "@hourly", 'cronjobs.reporting: found "@hourly"; expected a cron'),
        ("cronjobs/reporting", "60 * * * *", 'cronjobs.reporting: found "60 * * * *"; expected a cron'),
        ("cronjobs/reporting", "*/0 * * * *", 'cronjobs.reporting: found "*/0 * * * *"; expected a cron'),
        ("cronjobs/reporting", "5-1 * * * *", 'cronjobs.reporting: found "5-1 * * * *"; expected a cron'),
        ("cronjobs/reporting", "1 1 * * fri-mon", 'cronjobs.reporting: found "1 1 * * fri-mon"; expected a cron'),
        ("cronjobs/reporting", "1 1 * dec-jan *", 'cronjobs.reporting: found "1 1 * dec-jan *"; expected a cron'),
        ("cronjobs/reporting", "1 1 1 1 foo", 'cronjobs.reporting: found "1 1 1 1 foo"; expected a cron'),
        ("cronjobs/remediation", "1 1 1 1\n1", 'cronjobs.remediation: found "1 1 1 1\\n1"; expected a cron'),
        ("cronjobs/remediation", "1\n2 1 1 1 1", 'cronjobs.remediation: found "1\\n2 1 1 1 1"; expected'),
        ("credentials/secret_name", "", 'credentials.secret_name: found ""; expected the name of a secret'),
        ("jira/enabled", True, "jira.server: found nothing; expected the URL of the server"),
        ("jira", {"enabled": True, "server": " "}, 'jira.server: found " "; expected the URL of the server'),
        ("jira/server", "issues.example.com", 'jira.server: found "issues.example.com"; expected a URL'),
        ("jira/server", "https://", 'jira.server: found "https://"; expected a URL'),
        ("jira/server", "http://x:port", 'jira.server: found "http://x:port"; expected a URL'),
        ("jira/close_transitions", {}, "jira.close_transitions: found an empty object; expected a list"),
        ("jira/close_transitions", ["Done", 3], "jira.close_transitions[1]: found 3; expected the name"),
        ("slack/base_url", "", 'slack.base_url: found ""; expected a URL'),
        ("slack/notify_default_owner", "maybe", 'slack.notify_default_owner: found "maybe"; expected true'),
        ("whitelisting_procedure_url", 1, "whitelisting_procedure_url: found 1; expected a text"),
        ("user_inactivekeys/ddb.table_name", "", 'user_inactivekeys.ddb.table_name: found ""; expected'),
        ("slack", [], "slack: found an empty list; expected an object"),
        ("jira", None, "jira: found null; expected an object"),
    ],
)
def test_a_wrong_value_is_named_with_its_place(folder: Folder, place: str, written: Any, complaint: str) -> None:
    problem = folder.problem(config=with_value(SMALLEST, place, written))
    assert problem.startswith(f"config.json: {complaint}")


@pytest.mark.parametrize(
    "expression",
    ["55 * * * *", "*/5 0-6,12 1,15 * mon-fri", "0\t3  * JAN 7", "0 0 31 12 0", "10-50/10 * * * *"],
)
def test_cron_expressions_of_five_fields_are_valid(folder: Folder, expression: str) -> None:
    assert folder.setting("cronjobs/reporting", expression).cronjobs.reporting == expression


@pytest.mark.parametrize(
    ("document", "places"),
    [
        (
            {},
            ["aws.region", "aws.main_account_id", "aws.accounts", "user_inactivekeys.inactive_criteria_days"],
        ),
        ({**SMALLEST, "user_inactivekeys": {}}, ["user_inactivekeys.inactive_criteria_days"]),
        ({**SMALLEST, "aws": {"accounts": {MASTER: "m"}}}, ["aws.region", "aws.main_account_id"]),
        (
            {**SMALLEST, "aws": {"region": "eu-west-1", "main_account_id": MASTER}},
            ["aws.accounts"],
        ),
    ],
)
def test_what_is_required_and_missing_is_found_to_be_nothing(
    folder: Folder, document: dict[str, Any], places: list[str]
) -> None:
    problems = folder.problems(config=document)
    assert sorted(one.split(": found nothing;")[0] for one in problems) == sorted(
        f"config.json: {place}" for place in places
    )


@pytest.mark.parametrize("place", ["aws/region", "jira/server", "user_inactivekeys/reporting", "cronjobs/reporting"])
def test_null_is_no_value(folder: Folder, place: str) -> None:
    assert "found null" in folder.problem(config=with_value(SMALLEST, place, None))


@pytest.mark.parametrize(
    ("region", "partition"),
    [("eu-west-1", "aws"), ("us-gov-west-1", "aws-us-gov"), ("cn-north-1", "aws-cn"), ("us-east-2", "aws")],
)
def test_the_partition_follows_from_the_region(folder: Folder, region: str, partition: str) -> None:
    assert folder.setting("aws/region", region).aws.partition == partition


def test_the_slack_address_always_ends_with_a_slash(folder: Folder) -> None:
    assert folder.setting("slack/base_url", "http://127.0.0.1:1/api").slack.base_url == "http://127.0.0.1:1/api/"


# --- keys that nobody knows


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


def test_what_hammers_own_files_have_beyond_this_is_accepted_with_one_warning(folder: Folder) -> None:
    document = copy.deepcopy(SMALLEST)
    document["jira"] = {"text_field_character_limit": 32767}
    document["slack"] = {"channels": {}, "ignore": [], "default_channel": "#hammer-dev"}
    document["aws"] |= {"ddb_backup": {"enabled": True}, "s3_backup_bucket": "b", "regions": ["eu-west-1"]}
    document["credentials"] = {"ddb.table_name": "hammer-credentials"}
    document |= {"csv": {}, "api": {}, "bu_list": ["x"], "s3_bucket_acl": {"enabled": True}}
    document |= {"user_keysrotation": {}, "our_own_playbook": {"enabled": True}}
    (warning,) = folder.load(document).warnings
    for leftover in (
        "csv",
        "api",
        "bu_list",
        "s3_bucket_acl",
        "user_keysrotation",
        "our_own_playbook",
        "jira.text_field_character_limit",
        "slack.channels",
        "slack.ignore",
        "slack.default_channel",
        "aws.ddb_backup",
        "aws.s3_backup_bucket",
        "aws.regions",
        "credentials.ddb.table_name",
    ):
        assert leftover in warning.replace(";", " ").replace(",", " ").split()


def test_an_unknown_plain_value_at_the_top_is_no_section_of_another_playbook(folder: Folder) -> None:
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


# --- whitelist.json


def test_an_exception_is_a_name_or_an_object(folder: Folder) -> None:
    full = {"id": "bob", "until": "2027-01-31", "reason": "move", "owner": "ann"}
    config = folder.load(whitelist={"user_inactivekeys": {MASTER: ["ann*", full, {"id": "x"}], SLAVE: []}})
    assert config.whitelist.entries == {
        MASTER: (Exemption("ann*"), Exemption("bob", date(2027, 1, 31), "move", "ann"), Exemption("x")),
        SLAVE: (),
    }


def test_spaces_around_an_exception_do_not_make_it_match_nothing(folder: Folder) -> None:
    config = folder.load(whitelist={"user_inactivekeys": {MASTER: [" bob ", {"id": "ann "}]}})
    assert [entry.id for entry in config.whitelist.entries[MASTER]] == ["bob", "ann"]


@pytest.mark.parametrize(
    ("section", "complaint"),
    [
        ({"12345": ["bob"]}, '.12345: found the account id "12345"; expected an account id'),
        ({"1234567890123": []}, '.1234567890123: found the account id "1234567890123"; expected'),
        ({"master": ["bob"]}, '.master: found the account id "master"; expected'),
        ({MASTER: "bob"}, f'.{MASTER}: found "bob"; expected a list'),
        ({MASTER: None}, f".{MASTER}: found null; expected a list"),
        ({MASTER: {"bob": True}}, f".{MASTER}: found an object; expected a list"),
        ({MASTER: ["bob", ""]}, f'.{MASTER}[1]: found ""; expected a user name or key id'),
        ({MASTER: ["  "]}, f'.{MASTER}[0]: found "  "; expected a user name'),
        ({MASTER: [5]}, f".{MASTER}[0]: found 5; expected a user name"),
        ({MASTER: [None]}, f".{MASTER}[0]: found null; expected a user name"),
        ({MASTER: [["bob"]]}, f".{MASTER}[0]: found a list; expected a user name"),
        ({MASTER: [{}]}, f".{MASTER}[0].id: found nothing; expected a user name"),
        ({MASTER: [{"id": ""}]}, f'.{MASTER}[0].id: found ""; expected a user name'),
        ({MASTER: [{"id": 7}]}, f".{MASTER}[0].id: found 7; expected a user name"),
        (
            {MASTER: ["a", "b", {"id": "c", "until": "31.01.2027"}]},
            f'.{MASTER}[2].until: found "31.01.2027"; expected a day as YYYY-MM-DD',
        ),
        ({MASTER: [{"id": "c", "until": "20270131"}]}, f'.{MASTER}[0].until: found "20270131"; expected'),
        ({MASTER: [{"id": "c", "until": "2027-W05-1"}]}, f'.{MASTER}[0].until: found "2027-W05-1"; expected'),
        ({MASTER: [{"id": "c", "until": "2027-02-30"}]}, f'.{MASTER}[0].until: found "2027-02-30"; expected'),
        ({MASTER: [{"id": "c", "until": ""}]}, f'.{MASTER}[0].until: found ""; expected'),
        ({MASTER: [{"id": "c", "until": None}]}, f".{MASTER}[0].until: found null; expected"),
        ({MASTER: [{"id": "c", "until": 20270131}]}, f".{MASTER}[0].until: found 20270131; expected"),
        (
            {MASTER: [{"id": "c", "untill": "2027-01-31"}]},
            f'.{MASTER}[0].untill: found an unknown key; expected a known one: did you mean "until"?',
        ),
        ({MASTER: [{"id": "c", "reason": 5}]}, f".{MASTER}[0].reason: found 5; expected a text"),
        ([], ": found an empty list; expected an object whose keys are account ids"),
        (None, ": found null; expected an object whose keys are account ids"),
        ("bob", ': found "bob"; expected an object whose keys are account ids'),
    ],
)
def test_an_exception_that_would_match_nothing_is_an_error(folder: Folder, section: Any, complaint: str) -> None:
    problem = folder.problem(whitelist={"user_inactivekeys": section})
    assert problem.startswith(f"whitelist.json: user_inactivekeys{complaint}")


def test_an_exception_for_an_account_that_nobody_names_is_a_warning(folder: Folder) -> None:
    config = folder.load(whitelist={"user_inactivekeys": {STRANGER: ["bob"]}})
    assert config.whitelist.entries == {STRANGER: (Exemption("bob"),)}
    assert config.warnings == (f"whitelist.json: user_inactivekeys: {STRANGER} is not an account of aws.accounts",)


@pytest.mark.parametrize("entry", [f"arn:aws:iam::{MASTER}:user/bob", "bob smith", "[ab]", "bób"])
def test_an_exception_with_impossible_characters_is_a_warning(folder: Folder, entry: str) -> None:
    (warning,) = folder.load(whitelist={"user_inactivekeys": {MASTER: ["ok", entry]}}).warnings
    assert f'"{entry}" can match no user name' in warning


def test_the_sections_of_other_playbooks_in_the_whitelist_are_ignored(folder: Folder) -> None:
    others = {
        "s3_bucket_acl": {"1234567890123": [""]},
        "user_keysrotation": {MASTER: ["user1"]},
        "public_ami_issues": [],
        "something_else": 5,
    }
    config = folder.load(whitelist={**others, "user_inactivekeys": {MASTER: ["bob"]}})
    assert config.whitelist.entries == {MASTER: (Exemption("bob"),)}
    assert config.warnings == ()


def test_a_misspelt_section_of_exceptions_is_an_error_and_not_ignored(folder: Folder) -> None:
    problem = folder.problem(whitelist={"user_inactive_keys": {MASTER: ["bob"]}})
    assert 'did you mean "user_inactivekeys"' in problem


def test_a_whitelist_without_the_section_is_empty_with_a_warning(folder: Folder) -> None:
    config = folder.load(whitelist={"s3_bucket_acl": {}})
    assert config.whitelist.entries == {}
    assert config.warnings == ("whitelist.json: no section user_inactivekeys, so no key is exempt",)


# --- ticket_owners.json


def test_account_settings_precede_global_ones_setting_by_setting(folder: Folder) -> None:
    owners = folder.load(
        owners={
            "account": {
                MASTER: {"jira_project": "", "jira_owner": "Cloud", "slack_owner": ""},
                SLAVE: {"jira_project": "OPS", "jira_parent_ticket": "OPS-1", "slack_owner": ["#s", "ann"]},
            },
            "jira_project": "AWSSEC",
            "jira_owner": "General",
            "jira_parent_ticket": "AWSSEC-1",
            "slack_owner": "#all",
        }
    ).owners
    assert owners.default == Owner("AWSSEC", "General", "AWSSEC-1", ("#all",))
    assert owners.for_account(MASTER) == Owner("AWSSEC", "Cloud", "AWSSEC-1", ("#all",))
    assert owners.for_account(SLAVE) == Owner("OPS", "General", "OPS-1", ("#s", "ann"))
    assert owners.for_account(STRANGER) == owners.default


LINE: dict[str, Any] = {
    "bu": {
        "sales": {
            "jira_owner": "Sales",
            "jira_parent_ticket": "SALES-1",
            "slack_owner": "#sales",
            "product": {"shop": {"jira_project": "SHOP", "jira_owner": "Shop", "slack_owner": ["#shop", "ann"]}},
        }
    },
    "account": {MASTER: {"jira_project": "OPS", "jira_owner": "Cloud", "slack_owner": "#cloud"}},
    "jira_project": "AWSSEC",
    "jira_owner": "General",
    "jira_parent_ticket": "AWSSEC-1",
    "slack_owner": "#all",
}


@pytest.mark.parametrize(
    ("account", "tags", "expected"),
    [
        (STRANGER, {}, InLine("", "AWSSEC", "AWSSEC-1", ("General",), (("#all",),))),
        (MASTER, {}, InLine("", "OPS", "AWSSEC-1", ("Cloud", "General"), (("#cloud",), ("#all",)))),
        (
            MASTER,
            {"bu": "sales"},
            InLine("", "OPS", "SALES-1", ("Sales", "Cloud", "General"), (("#sales",), ("#cloud",), ("#all",))),
        ),
        (
            MASTER,
            {"BU": " sales ", "Product": "shop", "Owner": " joe@example.com "},
            InLine(
                "joe@example.com",
                "SHOP",
                "SALES-1",
                ("joe@example.com", "Shop", "Sales", "Cloud", "General"),
                (("#shop", "ann"), ("#sales",), ("#cloud",), ("#all",)),
            ),
        ),
        # A product is one of its business unit, as in Hammer.
        (STRANGER, {"product": "shop"}, InLine("", "AWSSEC", "AWSSEC-1", ("General",), (("#all",),))),
        (
            STRANGER,
            {"bu": "sales", "product": "x"},
            InLine("", "AWSSEC", "SALES-1", ("Sales", "General"), (("#sales",), ("#all",))),
        ),
        (STRANGER, {"owner": "General"}, InLine("General", "AWSSEC", "AWSSEC-1", ("General",), (("#all",),))),
        (STRANGER, {"owner": " ", "bu": ""}, InLine("", "AWSSEC", "AWSSEC-1", ("General",), (("#all",),))),
    ],
)
def test_the_nearer_to_the_user_the_earlier_in_line(
    folder: Folder, account: str, tags: dict[str, str], expected: InLine
) -> None:
    assert folder.load(owners=LINE).owners.for_issue(account, tags) == expected


def test_without_settings_nobody_is_in_line(folder: Folder) -> None:
    assert folder.load().owners.for_issue(MASTER, {}) == InLine("", "", "", (), ())


def test_the_settings_of_business_units_are_printed_and_comments_in_them_ignored(
    folder: Folder, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.write(owners={**LINE, "bu": {**LINE["bu"], "__comment": "why"}})
    monkeypatch.setattr(sys, "argv", ["config", str(folder.path)])
    assert main() == 0
    printed = capsys.readouterr().out
    assert re.search(r"^ +bu sales +- +Sales +SALES-1 +#sales$", printed, re.MULTILINE)
    assert re.search(r"^ +bu sales, product shop +SHOP +Shop +- +#shop, ann$", printed, re.MULTILINE)


@pytest.mark.parametrize(
    ("written", "recipients"),
    [
        ("#a", ("#a",)),
        ("", ()),
        ([], ()),
        ([""], ()),
        (["#a", "", "bob", "#a"], ("#a", "bob")),
        ("#a, bob@sample.com", ("#a", "bob@sample.com")),
    ],
)
def test_slack_owner_is_a_string_or_a_list(folder: Folder, written: Any, recipients: tuple[str, ...]) -> None:
    assert folder.load(owners={"slack_owner": written}).owners.default.slack_owner == recipients


@pytest.mark.parametrize(
    ("owners", "complaint"),
    [
        ({"jira_project": 5}, "jira_project: found 5; expected"),
        ({"jira_owner": None}, "jira_owner: found null; expected"),
        ({"slack_owner": 5}, "slack_owner: found 5; expected"),
        ({"slack_owner": ["#a", 5]}, "slack_owner[1]: found 5; expected"),
        ({"account": []}, "account: found an empty list; expected"),
        ({"account": {MASTER: "bob"}}, f'account.{MASTER}: found "bob"; expected an object'),
        ({"account": {MASTER: {"jira_owner": 5}}}, f"account.{MASTER}.jira_owner: found 5; expected"),
        ({"jira_projct": "X"}, 'jira_projct: found an unknown key; expected a known one: did you mean "jira_pro'),
        ({"account": {MASTER: {"slack": "#a"}}}, f"account.{MASTER}.slack: found an unknown key; expected"),
        ({"accounts": {}}, 'accounts: found an unknown key; expected a known one: did you mean "account"?'),
        ({"bu": []}, "bu: found an empty list; expected an object whose keys are names of business units"),
        ({"bu": {"": {}}}, "bu.: found an empty name; expected an object whose keys are names of business units"),
        ({"bu": {"sales": {"jira_owner": 5}}}, "bu.sales.jira_owner: found 5; expected"),
        (
            {"bu": {"sales": {"products": {}}}},
            "bu.sales.products: found an unknown key; expected a known one: did you",
        ),
        ({"bu": {"sales": {"product": {"x": "bob"}}}}, 'bu.sales.product.x: found "bob"; expected an object'),
        ({"bu": {"sales": {"product": {"x": {"product": {}}}}}}, "bu.sales.product.x.product: found an unknown key"),
    ],
)
def test_a_wrong_owner_is_an_error(folder: Folder, owners: Any, complaint: str) -> None:
    assert folder.problem(owners=owners).startswith(f"ticket_owners.json: {complaint}")


@pytest.mark.parametrize("account", ["1234567890123", "master", ""])
def test_a_malformed_account_id_among_the_owners_is_a_warning(folder: Folder, account: str) -> None:
    config = folder.load(owners={"account": {account: {"jira_owner": "x"}}})
    assert config.owners.accounts == {}
    assert config.warnings == (
        f"ticket_owners.json: account.{account} is no account id (12 digits): nothing uses it",
    )


def test_an_owner_of_an_account_that_nobody_names_is_a_warning(folder: Folder) -> None:
    config = folder.load(owners={"account": {STRANGER: {"jira_owner": "x"}}})
    assert config.warnings == (f"ticket_owners.json: account: {STRANGER} is not an account of aws.accounts",)


def test_an_enabled_integration_that_can_reach_nobody_is_a_warning(folder: Folder) -> None:
    document = with_value(SMALLEST, "jira", {"enabled": True, "server": "https://issues.example.com"})
    document["slack"] = {"enabled": "true"}
    owners = {"account": {MASTER: {"jira_project": "SEC", "slack_owner": "#sec"}}}
    assert folder.load(document, owners=owners).warnings == (
        f"ticket_owners.json: jira is enabled, but there is no jira_project for {SLAVE}",
        f"ticket_owners.json: slack is enabled, but there is no slack_owner for {SLAVE}",
    )


# --- files that are absent or broken


@pytest.mark.parametrize("name", ["whitelist.json", "ticket_owners.json"])
def test_an_absent_whitelist_or_owners_file_is_a_warning(folder: Folder, name: str) -> None:
    folder.write()
    (folder.path / name).unlink()
    (warning,) = load(str(folder.path)).warnings
    assert warning.startswith(f"{name}: no such file")


def test_an_absent_config_file_is_an_error_and_the_others_are_still_checked(folder: Folder) -> None:
    first, second = folder.problems(config=None, whitelist={"user_inactivekeys": 5})
    assert first.startswith("config.json: found no such file")
    assert second.startswith("whitelist.json: user_inactivekeys")


@pytest.mark.parametrize("name", ["config", "whitelist", "owners"])
@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("", "text that is not JSON"),
        ("{", "text that is not JSON"),
        ('{"a": 1,}', "text that is not JSON"),
        ("{} {}", "text that is not JSON"),
        ('{"csv": NaN}', "text that is not JSON: NaN"),
        ("[" * 100_000, "text that is not JSON"),
        ('{"csv": ' + "1" * 5000 + "}", "text that is not JSON"),
        ("[]", "an empty list"),
        ("null", "null"),
        ('"text"', '"text"'),
        ("5", "5"),
        (b'{"jira_owner": "\xe9"}', "bytes that are not UTF-8 (at byte 16)"),
        ("{}".encode("utf-16"), "bytes that are not UTF-8 (at byte 0)"),
    ],
)
def test_a_file_that_cannot_be_parsed_is_never_taken_for_an_empty_one(
    folder: Folder, name: str, content: str | bytes, found: str
) -> None:
    file = {"config": "config.json", "whitelist": "whitelist.json", "owners": "ticket_owners.json"}[name]
    assert folder.problem(**{name: content}).startswith(f"{file}: found {found}")


@pytest.mark.parametrize("name", ["config.json", "whitelist.json", "ticket_owners.json"])
def test_a_file_that_cannot_be_read_is_never_taken_for_an_absent_one(folder: Folder, name: str) -> None:
    folder.write()
    (folder.path / name).unlink()
    (folder.path / name).mkdir()
    with pytest.raises(ConfigurationError, match=f"^{name}: found a file that cannot be read: Is a directory"):
        load(str(folder.path))


@pytest.mark.parametrize("name", ["config.json", "whitelist.json", "ticket_owners.json"])
def test_a_link_to_nowhere_is_an_error(folder: Folder, name: str) -> None:
    folder.write()
    (folder.path / name).unlink()
    (folder.path / name).symlink_to("nowhere.json")
    with pytest.raises(ConfigurationError, match=f"^{name}: found a file that cannot be read"):
        load(str(folder.path))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_without_permission_is_an_error(folder: Folder) -> None:
    folder.write()
    (folder.path / "whitelist.json").chmod(0)
    with pytest.raises(ConfigurationError, match=r"^whitelist.json: .*Permission denied"):
        load(str(folder.path))


def test_a_byte_order_mark_is_tolerated(folder: Folder) -> None:
    config = folder.load(*(b"\xef\xbb\xbf" + json.dumps(one).encode() for one in (SMALLEST, NO_WHITELIST, {})))
    assert config.inactive_keys.inactive_criteria_days == 10


@pytest.mark.parametrize(
    ("files", "place"),
    [
        ({"whitelist": f'{{"user_inactivekeys": {{"{MASTER}": ["a"], "{MASTER}": []}}}}'},
         f"whitelist.json: user_inactivekeys.{MASTER}"),
        ({"whitelist": '{"user_inactivekeys": {}, "user_inactivekeys": {}}'}, "whitelist.json: user_inactivekeys"),
        ({"whitelist": f'{{"user_inactivekeys": {{"{MASTER}": ["a", {{"id": "x", "id": "y"}}]}}}}'},
         f"whitelist.json: user_inactivekeys.{MASTER}[1].id"),
        ({"owners": f'{{"account": {{"{MASTER}": {{}}, "{MASTER}": {{}}}}}}'},
         f"ticket_owners.json: account.{MASTER}"),
        ({"config": json.dumps(SMALLEST)[:-1] + ', "jira": {"priority": "A", "priority": "B"}}'},
         "config.json: jira.priority"),
    ],
)  # fmt: skip
def test_a_key_that_is_written_twice_is_an_error(folder: Folder, files: dict[str, str], place: str) -> None:
    assert folder.problem(**files) == f"{place}: found the same key twice; expected each key once"


def test_comments_and_other_playbooks_may_repeat_keys(folder: Folder) -> None:
    text = '{"__comment": 1, "__comment": 2, "s3_bucket_acl": {"a": 1, "a": 2}, "user_inactivekeys": {}}'
    assert folder.load(whitelist=text).warnings == ()


def test_every_error_of_all_files_is_reported_at_once(folder: Folder) -> None:
    document = with_value(SMALLEST, "aws/region", 5)
    document["aws"]["acounts"] = {}
    document["aws"]["accounts"]["77"] = "short"
    document["jira"] = {"enabled": True, "priority": 5}
    document["user_inactivekeys"] = {
        "inactive_criteria_days": 0,
        "reporting": "perhaps",
        "accounts": ["1", STRANGER, MASTER],
        "remediation_accounts": f"2,{STRANGER}",
    }
    problems = folder.problems(
        document,
        {"user_inactivekeys": {"12": [], MASTER: ["", {"until": "soon"}]}},
        {"jira_projct": "X", "account": {MASTER: {"slack_owner": 5}}},
    )
    assert sorted(one.split(": found")[0] for one in problems) == sorted(
        [
            "config.json: aws.region",
            "config.json: aws.acounts",
            "config.json: aws.accounts.77",
            "config.json: jira.priority",
            "config.json: jira.server",
            "config.json: user_inactivekeys.inactive_criteria_days",
            "config.json: user_inactivekeys.reporting",
            "config.json: user_inactivekeys.accounts[0]",
            "config.json: user_inactivekeys.accounts[1]",
            "config.json: user_inactivekeys.remediation_accounts",
            "config.json: user_inactivekeys.remediation_accounts",
            "whitelist.json: user_inactivekeys.12",
            f"whitelist.json: user_inactivekeys.{MASTER}[0]",
            f"whitelist.json: user_inactivekeys.{MASTER}[1].id",
            f"whitelist.json: user_inactivekeys.{MASTER}[1].until",
            "ticket_owners.json: jira_projct",
            f"ticket_owners.json: account.{MASTER}.slack_owner",
        ]
    )


def test_a_folder_that_does_not_exist_is_one_clear_problem(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as raised:
        load(str(tmp_path / "nowhere"))
    assert [problem.found for problem in raised.value.problems] == ["no such folder"]
    assert str(tmp_path / "nowhere") in str(raised.value)


def test_a_file_in_place_of_the_folder_is_one_clear_problem(folder: Folder) -> None:
    folder.write()
    with pytest.raises(ConfigurationError, match="something that is no folder") as raised:
        load(str(folder.path / "config.json"))
    assert len(raised.value.problems) == 1


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=15)
    | st.sampled_from([MASTER, STRANGER, "true", "10", f"{MASTER},{SLAVE}", "2027-01-31"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([MASTER, "id", "until", "accounts", "x", "__comment"]), inner, max_size=3)
    ),
    max_leaves=6,
)


def places(document: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    if isinstance(document, dict | list):
        for key, value in document.items() if isinstance(document, dict) else enumerate(document):
            yield from places(value, (*path, key))


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_whatever_stands_in_the_files_they_are_valid_or_the_errors_are_told(data: st.DataObject) -> None:
    documents = {one.name: json.loads(one.read_text()) for one in (ROOT / "config").glob("*.json")}
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(list(places(documents))))
        value = data.draw(JSON_VALUES)
        if len(path) < 2:
            continue
        inner: Any = documents
        for step in path[:-1]:
            inner = inner[step]
        inner[path[-1]] = value
    with tempfile.TemporaryDirectory() as name:
        for file, document in documents.items():
            (Path(name) / file).write_text(json.dumps(document), encoding="utf-8")
        try:
            config = load(name)
        except ConfigurationError as error:
            assert error.problems
            assert all("\n" not in str(problem) for problem in error.problems)
        else:
            assert config.inactive_keys.inactive_criteria_days >= 1
            assert all(len(one.id) == 12 and one.id.isdecimal() for one in config.remediation_accounts())
            assert type(config.inactive_keys.remediation) is bool


# --- the organization


def from_organization(**keys: Any) -> dict[str, Any]:
    document = with_value(SMALLEST, "aws/accounts_from_organization", "true")
    document["user_inactivekeys"] |= keys
    return document


def test_accounts_of_the_organization_are_added_and_names_in_the_file_win(folder: Folder) -> None:
    config = folder.load(from_organization())
    grown = config.with_organization({SLAVE: "Production", STRANGER: "Sandbox"})
    assert grown.aws.accounts == {MASTER: "master", SLAVE: "slave1", STRANGER: "Sandbox"}
    assert AccountRef(STRANGER, "Sandbox") in grown.accounts()
    assert config.aws.accounts == {MASTER: "master", SLAVE: "slave1"}


def test_with_the_organization_the_file_may_name_no_account(folder: Folder) -> None:
    document = from_organization()
    del document["aws"]["accounts"]
    assert folder.load(document).with_organization({STRANGER: "Sandbox"}).accounts() == (
        AccountRef(STRANGER, "Sandbox"),
    )
    document["aws"]["accounts"] = {}
    assert folder.load(document).accounts() == ()


def test_with_the_organization_a_list_may_name_accounts_that_are_found_later(folder: Folder) -> None:
    config = folder.load(
        from_organization(accounts=[STRANGER], ignore_accounts="888888888888"),
        {"user_inactivekeys": {STRANGER: ["bob"], "777777777777": ["bob"]}},
    )
    assert config.warnings == ()
    grown = config.with_organization({STRANGER: "Sandbox"})
    assert grown.accounts() == (AccountRef(STRANGER, "Sandbox"),)
    assert len(grown.warnings) == 2
    assert "user_inactivekeys.ignore_accounts: 888888888888 is not an account" in grown.warnings[0]
    assert "777777777777" in grown.warnings[1]


def test_a_listed_account_that_the_organization_lacks_is_still_told_about(folder: Folder) -> None:
    config = folder.load(from_organization(accounts=[STRANGER]))
    assert config.accounts() == (AccountRef(STRANGER, STRANGER),)
    assert any(STRANGER in warning for warning in config.with_organization({}).warnings)


def test_a_malformed_account_is_an_error_with_the_organization_too(folder: Folder) -> None:
    assert "accounts[0]" in folder.problem(config=from_organization(accounts=["12"]))


# --- where the files come from


def test_the_environment_names_the_folder(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.write()
    monkeypatch.setenv("HAMMER_CONFIG", str(folder.path))
    assert load().source == str(folder.path)


@pytest.mark.parametrize("value", [None, ""])
def test_without_the_environment_it_is_config_beside_the_code(
    value: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HAMMER_CONFIG", raising=False)
    if value is not None:
        monkeypatch.setenv("HAMMER_CONFIG", value)
    assert Path(load().source) == ROOT / "config"


def test_a_folder_needs_no_client(folder: Folder) -> None:
    folder.write()
    load(str(folder.path), s3_client=lambda: pytest.fail("a client was made"))


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator["S3Client"]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    for name in [name for name in os.environ if name.startswith("AWS_ENDPOINT_URL")] + ["AWS_PROFILE"]:
        monkeypatch.delenv(name, raising=False)
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="estate")
        yield client


def put(s3: "S3Client", prefix: str, **files: Any) -> None:
    for name, document in files.items():
        s3.put_object(Bucket="estate", Key=f"{prefix}{name}.json", Body=json.dumps(document).encode())


@pytest.mark.moto
@pytest.mark.parametrize(
    ("source", "prefix"),
    [
        ("s3://estate/hammer/prod", "hammer/prod/"),
        ("s3://estate/hammer/prod/", "hammer/prod/"),
        ("s3://estate", ""),
        ("s3://estate/", ""),
    ],
)
def test_the_three_files_may_lie_in_s3(s3: "S3Client", source: str, prefix: str) -> None:
    put(s3, prefix, config=SMALLEST, whitelist={"user_inactivekeys": {MASTER: ["bob"]}}, ticket_owners={})
    config = load(source)
    assert config.whitelist.entries == {MASTER: (Exemption("bob"),)}
    assert (config.source, config.warnings) == (source, ())


@pytest.mark.moto
def test_s3_is_read_with_the_client_that_is_handed_in(s3: "S3Client", monkeypatch: pytest.MonkeyPatch) -> None:
    put(s3, "", config=SMALLEST, whitelist=NO_WHITELIST, ticket_owners={})
    made = []

    def client() -> "S3Client":
        made.append(s3)
        return s3

    monkeypatch.setenv("HAMMER_CONFIG", "s3://estate")
    assert load(s3_client=client).warnings == ()
    assert made == [s3]


@pytest.mark.moto
def test_an_absent_object_is_like_an_absent_file(s3: "S3Client") -> None:
    put(s3, "a/", config=SMALLEST)
    assert [warning.split(":")[0] for warning in load("s3://estate/a").warnings] == [
        "whitelist.json",
        "ticket_owners.json",
    ]
    with pytest.raises(ConfigurationError, match=r"^config.json: found no such file in s3://estate/b"):
        load("s3://estate/b")


@pytest.mark.moto
def test_a_broken_object_is_an_error(s3: "S3Client") -> None:
    put(s3, "", config=SMALLEST)
    s3.put_object(Bucket="estate", Key="whitelist.json", Body=b"")
    with pytest.raises(ConfigurationError, match=r"^whitelist.json: found text that is not JSON"):
        load("s3://estate")


@pytest.mark.moto
def test_any_other_failure_of_s3_is_an_error_that_names_the_object(s3: "S3Client") -> None:
    with pytest.raises(ConfigurationError, match=r"^s3://no-such-bucket/prod/current.json: .*NoSuchBucket"):
        load("s3://no-such-bucket/prod")


@pytest.mark.moto
def test_an_object_that_may_not_be_read_is_never_taken_for_an_absent_one(s3: "S3Client") -> None:
    put(s3, "", config=SMALLEST, ticket_owners={})
    put(s3, "", whitelist=NO_WHITELIST)

    def refuse(params: dict[str, Any], **_: Any) -> Any:
        if params["Key"] == "whitelist.json":
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "Access Denied"}}, "GetObject")

    s3.meta.events.register("provide-client-params.s3.GetObject", refuse)
    with pytest.raises(ConfigurationError, match=r"^s3://estate/whitelist.json: .*AccessDenied"):
        load("s3://estate", s3_client=lambda: s3)


@pytest.mark.parametrize("source", ["s3://", "s3:///prod", "s3://Not A Bucket/x"])
def test_an_address_without_a_bucket_is_an_error(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(ConfigurationError, match="s3://"):
        load(source)


def test_a_profile_that_does_not_exist_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody-has-this-profile")
    with pytest.raises(ConfigurationError, match="no way to S3") as raised:
        load("s3://estate")
    assert len(raised.value.problems) == 1


# --- config.ini


@pytest.mark.parametrize(
    ("text", "group"),
    [
        ("LOG_GROUP=/aws/ec2/hammer\n", "/aws/ec2/hammer"),
        ("REGION=x\nLOG_GROUP = /aws/ec2/hammer \nOTHER=1", "/aws/ec2/hammer"),
        ('\ufeffLOG_GROUP="/aws/ec2/hammer"\r\n', "/aws/ec2/hammer"),
        ("# LOG_GROUP=old\n; LOG_GROUP=older\n[hammer]\nLOG_GROUP=new", "new"),
        ("LOG_GROUP=a=b", "a=b"),
        ("LOG_GROUP=\n", None),
        ("LOG_GROUP\n", None),
        ("MY_LOG_GROUP=x\n", None),
        ("", None),
    ],
)
def test_the_log_group_is_a_bare_line_of_config_ini(tmp_path: Path, text: str, group: str | None) -> None:
    (tmp_path / "config.ini").write_text(text, encoding="utf-8")
    assert log_group(str(tmp_path)) == group


def test_without_config_ini_there_is_no_log_group(folder: Folder) -> None:
    folder.write()
    assert log_group(str(folder.path)) is None


def test_a_config_ini_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "config.ini").mkdir()
    with pytest.raises(ConfigurationError, match=r"^config.ini"):
        log_group(str(tmp_path))


def test_config_ini_is_looked_for_in_the_local_folder_that_the_environment_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.ini").write_text("LOG_GROUP=there\n")
    monkeypatch.setenv("HAMMER_CONFIG", str(tmp_path))
    assert log_group() == "there"


@pytest.mark.parametrize(
    ("places", "group"),
    [
        ({"config/config.ini": "folder", "config.ini": "code"}, "folder"),
        ({"config.ini": "code"}, "code"),
        ({}, None),
    ],
)
@pytest.mark.parametrize("environment", [None, "s3://estate/prod"])
def test_config_ini_beside_the_code_is_the_second_choice(
    tmp_path: Path, places: dict[str, str], group: str | None, environment: str | None
) -> None:
    """Run in a copy of the code, as it lies on the host."""
    (tmp_path / "library").mkdir()
    (tmp_path / "config").mkdir()
    shutil.copytree(ROOT / "library", tmp_path / "library", dirs_exist_ok=True)
    for name, text in places.items():
        (tmp_path / name).write_text(f"LOG_GROUP={text}\n")
    variables = {key: value for key, value in os.environ.items() if key not in ("HAMMER_CONFIG", "PYTHONPATH")}
    if environment:
        variables["HAMMER_CONFIG"] = environment
    script = "from library.config import settings; print(settings.log_group())"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=variables, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str(group)


# --- the command

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def command(tmp_path_factory: pytest.TempPathFactory) -> Command:
    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        kept = {key: value for key, value in os.environ.items() if key != "HAMMER_CONFIG"}
        environment = {**kept, "PYTHONPATH": str(ROOT), **variables}
        return subprocess.run(
            [sys.executable, "-m", "library.config", *arguments],
            cwd=tmp_path_factory.mktemp("elsewhere"),
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_the_command_prints_what_is_in_force(command: Command) -> None:
    done = command()
    assert (done.returncode, done.stderr) == (0, "")
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert f"In force from {ROOT / 'config'}" in lines
    assert "region eu-west-1" in lines
    assert "partition aws" in lines
    assert f"accounts {MASTER} master, {SLAVE} slave1" in lines
    assert "ddb.table_name hammer-iam-user-keys-inactive" in lines
    assert "inactive_criteria_days 90" in lines
    assert "remediation_max_keys_per_run no limit" in lines
    assert f"{SLAVE} AWSSEC Support-Cloud AWSSEC-1 #slave1-team" in lines


def test_the_command_marks_exceptions_that_have_expired(folder: Folder, command: Command) -> None:
    entries = [{"id": "old", "until": "2001-01-31", "reason": "gone"}, {"id": "new", "until": "9999-12-31"}, "ever"]
    folder.write(whitelist={"user_inactivekeys": {MASTER: entries}})
    lines = [" ".join(line.split()) for line in command(str(folder.path)).stdout.splitlines()]
    assert f"{MASTER} old EXPIRED 2001-01-31 - gone" in lines
    assert f"{MASTER} new until 9999-12-31 - -" in lines
    assert f"{MASTER} ever always - -" in lines


def test_the_command_prints_warnings_to_stderr_and_succeeds(folder: Folder, command: Command) -> None:
    folder.write(whitelist=None)
    done = command(HAMMER_CONFIG=str(folder.path))
    assert done.returncode == 0
    assert done.stderr == "warning: whitelist.json: no such file, so no key is exempt\n"


def test_the_command_prints_one_error_per_line_and_exits_with_two(folder: Folder, command: Command) -> None:
    document = with_value(SMALLEST, "aws/region", "here\nand there")
    folder.write(document | {"sl\nack": 5}, "{", {"jira_project": 5})
    done = command(str(folder.path))
    assert (done.returncode, done.stdout) == (2, "")
    assert [line.split(":")[0] for line in done.stderr.splitlines()] == [
        "config.json",
        "config.json",
        "whitelist.json",
        "ticket_owners.json",
    ]


@pytest.mark.parametrize(
    "server",
    ["https://joe:topsecret@issues.example.com", "https://topsecret@issues.example.com", "ftp://a:topsecret@b"],
)
def test_the_command_prints_no_password_of_a_url(folder: Folder, command: Command, server: str) -> None:
    document = with_value(SMALLEST, "jira/server", server)
    document["whitelisting_procedure_url"] = server
    folder.write(document)
    done = command(str(folder.path))
    assert "//***@" in done.stdout + done.stderr
    assert "topsecret" not in done.stdout + done.stderr


@pytest.mark.parametrize("place", ["jira/server", "slack/base_url"])
@pytest.mark.parametrize("login", ["joe:topsecret", "topsecret", ":topsecret"])
def test_an_address_with_a_password_in_it_is_an_error(folder: Folder, place: str, login: str) -> None:
    problem = folder.problem(config=with_value(SMALLEST, place, f"https://{login}@issues.example.com"))
    assert "no password in it" in problem
    assert "topsecret" not in problem


def test_the_command_says_so_when_there_is_no_folder(command: Command) -> None:
    done = command("nowhere")
    assert done.returncode == 2
    assert done.stderr.startswith("nowhere: found no such folder")


def test_help_needs_neither_configuration_nor_aws(command: Command) -> None:
    done = command("--help", HAMMER_CONFIG="s3://nowhere", HOME="/nonexistent")
    assert done.returncode == 0
    for word in ("HAMMER_CONFIG", "s3://bucket/prefix", "Exit code", "ticket_owners.json"):
        assert word in done.stdout


def test_an_unknown_option_is_a_usage_error(command: Command) -> None:
    assert command("--verbose").returncode == 2


def test_settings_from_a_folder_need_neither_boto3_nor_a_screen_library() -> None:
    script = (
        "import sys, library.config.settings as c; c.load(sys.argv[1]);"
        "print([m for m in ('boto3', 'botocore', 'click', 'rich', 'jira', 'slack_sdk') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(ROOT / "config")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"
