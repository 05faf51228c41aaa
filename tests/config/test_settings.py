"""What the settings are: the defaults, the sample, and which accounts they come to."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from datetime import date

import pytest

from library.config.fields import describe
from library.config.loading import load
from library.config.owners import Owner
from library.config.settings import AccountRef
from tests.config.conftest import MASTER, ROOT, SLAVE, SMALLEST, Folder, with_value


def test_the_defaults_are_the_manuals(folder: Folder) -> None:
    config = folder.load()
    keys = config.inactive_keys
    assert (keys.enabled, keys.reporting, keys.remediation) == (True, False, False)
    assert keys.remediation_retention_period == 0
    assert keys.table_name == "hammer-iam-user-keys-inactive"
    assert (keys.accounts, keys.ignore_accounts, keys.remediation_accounts) == (None, (), None)
    assert keys.reminder_days_before_remediation == (7, 1)
    assert keys.remediation_max_keys_per_run is None
    assert config.aws.role_name_identification == "hammer-cloudsec-crossact-id"
    assert config.aws.role_name_reporting == "hammer-cloudsec-crossact-ec2"
    assert (config.aws.external_id, config.aws.role_path, config.aws.accounts_from_organization) == ("", "", False)
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


def test_the_sample_configuration_is_valid_without_a_warning_and_changes_and_tells_nothing() -> None:
    config = load(str(ROOT / "config"))
    assert config.warnings == ()
    assert config.accounts() == (AccountRef(MASTER, "master"), AccountRef(SLAVE, "slave1"))
    keys = config.inactive_keys
    assert (keys.enabled, keys.reporting, keys.remediation) == (True, False, False)
    assert (config.jira.enabled, config.slack.enabled) == (False, False)


def test_the_demo_s_configuration_is_valid_without_a_warning() -> None:
    config = load(str(ROOT / "deployment" / "local" / "config"))
    assert config.warnings == ()
    assert config.accounts() == (AccountRef(MASTER, "master"), AccountRef(SLAVE, "slave1"))
    assert config.whitelist.entries[MASTER][1].until == date(2035, 12, 31)
    assert config.owners.for_account(SLAVE).slack_owner == ("#slave1-team",)


def test_settings_cannot_be_changed(folder: Folder) -> None:
    with pytest.raises(FrozenInstanceError):
        folder.load().inactive_keys.reporting = True  # type: ignore[misc]


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


def test_without_accounts_to_remediate_they_are_those_to_scan(folder: Folder) -> None:
    config = folder.setting("user_inactivekeys/accounts", [MASTER])
    assert config.remediation_accounts() == (AccountRef(MASTER, "master"),)


@pytest.mark.parametrize(("written", "place"), [([MASTER, SLAVE], "[1]"), (f"{MASTER},{SLAVE}", "")])
def test_an_account_to_remediate_that_is_not_scanned_is_an_error(folder: Folder, written: object, place: str) -> None:
    section = {"inactive_criteria_days": 10, "accounts": [MASTER], "remediation_accounts": written}
    assert folder.problems(with_value(SMALLEST, "user_inactivekeys", section)) == [
        f"config.json: user_inactivekeys.remediation_accounts{place}: found {describe(SLAVE)}; "
        "expected an account that user_inactivekeys.accounts lists, too"
    ]


def test_an_account_to_remediate_that_is_ignored_need_not_be_scanned(folder: Folder) -> None:
    section = {
        "inactive_criteria_days": 10,
        "accounts": [MASTER],
        "remediation_accounts": [MASTER, SLAVE],
        "ignore_accounts": [SLAVE],
    }
    config = folder.setting("user_inactivekeys", section)
    assert config.remediation_accounts() == (AccountRef(MASTER, "master"),)


@pytest.mark.parametrize(
    ("region", "partition"),
    [
        ("eu-west-1", "aws"),
        ("us-gov-west-1", "aws-us-gov"),
        ("cn-north-1", "aws-cn"),
        ("us-east-2", "aws"),
        ("eusc-de-east-1", "aws-eusc"),
        ("us-iso-east-1", "aws-iso"),
        ("us-isob-east-1", "aws-iso-b"),
        ("eu-isoe-west-1", "aws-iso-e"),
        ("us-isof-south-1", "aws-iso-f"),
        # Newer than botocore's data.
        ("eu-middle-9", "aws"),
        ("cn-middle-9", "aws-cn"),
        ("xx-middle-9", "aws"),
    ],
)
def test_the_partition_follows_from_the_region(folder: Folder, region: str, partition: str) -> None:
    assert folder.setting("aws/region", region).aws.partition == partition


def test_the_slack_address_always_ends_with_a_slash(folder: Folder) -> None:
    assert folder.setting("slack/base_url", "http://127.0.0.1:1/api").slack.base_url == "http://127.0.0.1:1/api/"
    assert folder.setting("slack/team_id", "T012345").slack.team_id == "T012345"
    assert folder.setting("slack/team_id", "").slack.team_id == ""
