"""What is odd about a valid configuration: warnings, and the accounts of the organization."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from library.config.checks import with_organization
from library.config.loading import load
from library.config.settings import AccountRef
from library.issues.whitelist import Exemption
from tests.config.conftest import MASTER, SLAVE, SMALLEST, STRANGER, Folder, with_value


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


def test_what_hammers_own_files_have_beyond_this_is_accepted_with_one_warning(folder: Folder) -> None:
    document = copy.deepcopy(SMALLEST)
    document["jira"] = {"text_field_character_limit": 32767}
    document["slack"] = {"channels": {}, "ignore": [], "default_channel": "#hammer-dev"}
    document["aws"] |= {"ddb_backup": {"enabled": True}, "s3_backup_bucket": "b", "regions": ["eu-west-1"]}
    document["credentials"] = {"ddb.table_name": "hammer-credentials"}
    document["user_inactivekeys"]["topic_name"] = "my-own-topic"
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
        "user_inactivekeys.topic_name",
    ):
        assert leftover in warning.replace(";", " ").replace(",", " ").split()


def test_an_exception_for_an_account_that_nobody_names_is_a_warning(folder: Folder) -> None:
    config = folder.load(whitelist={"user_inactivekeys": {STRANGER: ["bob"]}})
    assert config.whitelist.entries == {STRANGER: (Exemption("bob"),)}
    assert config.warnings == (f"whitelist.json: user_inactivekeys: {STRANGER} is not an account of aws.accounts",)


@pytest.mark.parametrize("entry", [f"arn:aws:iam::{MASTER}:user/bob", "bob smith", "[ab]", "bób"])
def test_an_exception_with_impossible_characters_is_a_warning(folder: Folder, entry: str) -> None:
    (warning,) = folder.load(whitelist={"user_inactivekeys": {MASTER: ["ok", entry]}}).warnings
    assert f'"{entry}" can match no user name' in warning


def test_a_whitelist_without_the_section_is_empty_with_a_warning(folder: Folder) -> None:
    config = folder.load(whitelist={"s3_bucket_acl": {}})
    assert config.whitelist.entries == {}
    assert config.warnings == ("whitelist.json: no section user_inactivekeys, so no key is exempt",)


@pytest.mark.parametrize("account", ["1234567890123", "master", ""])
def test_a_malformed_account_id_among_the_owners_is_a_warning(folder: Folder, account: str) -> None:
    config = folder.load(owners={"account": {account: {"jira_owner": "x"}}})
    assert config.owners.accounts == {}
    assert config.warnings == (
        f"ticket_owners.json: account.{account} is not an account id (12 digits): nothing uses it",
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


@pytest.mark.parametrize("name", ["whitelist.json", "ticket_owners.json"])
def test_an_absent_whitelist_or_owners_file_is_a_warning(folder: Folder, name: str) -> None:
    folder.write()
    (folder.path / name).unlink()
    (warning,) = load(str(folder.path)).warnings
    assert warning.startswith(f"{name}: no such file")


def from_organization(**keys: Any) -> dict[str, Any]:
    document = with_value(SMALLEST, "aws/accounts_from_organization", "true")
    document["user_inactivekeys"] |= keys
    return document


def test_accounts_of_the_organization_are_added_and_names_in_the_file_win(folder: Folder) -> None:
    config = folder.load(from_organization())
    grown = with_organization(config, {SLAVE: "Production", STRANGER: "Sandbox"})
    assert grown.aws.accounts == {MASTER: "master", SLAVE: "slave1", STRANGER: "Sandbox"}
    assert AccountRef(STRANGER, "Sandbox") in grown.accounts()
    assert config.aws.accounts == {MASTER: "master", SLAVE: "slave1"}


def test_with_the_organization_the_file_may_name_no_account(folder: Folder) -> None:
    document = from_organization()
    del document["aws"]["accounts"]
    assert with_organization(folder.load(document), {STRANGER: "Sandbox"}).accounts() == (
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
    grown = with_organization(config, {STRANGER: "Sandbox"})
    assert grown.accounts() == (AccountRef(STRANGER, "Sandbox"),)
    assert len(grown.warnings) == 2
    assert "user_inactivekeys.ignore_accounts: 888888888888 is not an account" in grown.warnings[0]
    assert "777777777777" in grown.warnings[1]


def test_a_listed_account_that_the_organization_lacks_is_still_told_about(folder: Folder) -> None:
    config = folder.load(from_organization(accounts=[STRANGER]))
    assert config.accounts() == (AccountRef(STRANGER, STRANGER),)
    assert any(STRANGER in warning for warning in with_organization(config, {}).warnings)


def test_a_malformed_account_is_an_error_with_the_organization_too(folder: Folder) -> None:
    assert "accounts[0]" in folder.problem(config=from_organization(accounts=["12"]))


# --- what is left over from a sample ---

REAL = "486920175336"
PLACES = ("jira/server", "jira/browse_url", "slack/base_url", "whitelisting_procedure_url")


def with_account(account: str, place: str, address: str, *, main: bool = False) -> dict[str, Any]:
    document = with_value(SMALLEST, place, address)
    document["aws"]["accounts"][account] = "another"
    if main:
        document["aws"]["main_account_id"] = account
    return document


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    ("address", "of"),
    [
        ("https://127.0.0.1:8970/x", "on this machine"),
        ("https://localhost/x", "on this machine"),
        ("https://[::1]/x", "on this machine"),
        ("https://example.com", "an example's address"),
        ("https://Issues.Example.COM./x", "an example's address"),
        ("https://wiki.example.org", "an example's address"),
        ("https://jira.example", "an example's address"),
    ],
)
def test_an_address_of_a_sample_beside_a_real_account_is_a_warning(
    folder: Folder, place: str, address: str, of: str
) -> None:
    (warning,) = folder.load(with_account(REAL, place, address)).warnings
    where = place.replace("/", ".")
    assert warning.startswith(f'config.json: {where}: "{address.rstrip("/")}')
    assert f"is {of}, but account {REAL} is real" in warning


@pytest.mark.parametrize("account", [MASTER, SLAVE, "111122223333", "444455556666", "999999999999"])
def test_an_address_of_a_sample_beside_accounts_of_samples_is_none(folder: Folder, account: str) -> None:
    assert folder.load(with_account(account, "jira/server", "http://127.0.0.1:8970", main=True)).warnings == ()


@pytest.mark.parametrize(
    "address",
    ["https://issues.corp.test", "https://example.com.corp.net", "https://notexample.com", "https://10.0.0.1"],
)
@pytest.mark.parametrize("place", PLACES)
def test_any_other_address_is_none(folder: Folder, place: str, address: str) -> None:
    assert folder.load(with_account(REAL, place, address)).warnings == ()


@pytest.mark.parametrize("text", ["", "ask #security", "//[", "wiki: https://example.com/x"])
def test_a_procedure_need_not_be_an_address(folder: Folder, text: str) -> None:
    assert folder.load(with_account(REAL, "whitelisting_procedure_url", text)).warnings == ()


def test_an_account_of_the_organization_is_as_real(folder: Folder) -> None:
    config = folder.load(with_value(SMALLEST, "slack/base_url", "http://localhost/api"))
    assert config.warnings == ()
    (warning,) = with_organization(config, {REAL: "grown"}).warnings
    assert "slack.base_url" in warning
