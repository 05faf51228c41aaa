"""What may stand in each of the three files."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from library.issues.whitelist import Exemption
from tests.config.conftest import MASTER, SLAVE, SMALLEST, Folder, with_value


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
        ("aws/role_path", "security/", 'aws.role_path: found "security/"; expected the path of the roles'),
        ("aws/role_path", "/security", 'aws.role_path: found "/security"; expected the path of the roles'),
        ("aws/role_path", "/a//b/", 'aws.role_path: found "/a//b/"; expected the path of the roles'),
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
        ("user_inactivekeys/ddb.table_name", "my table", 'user_inactivekeys.ddb.table_name: found "my table"; exp'),
        ("user_inactivekeys/ddb.table_name", "ab", 'user_inactivekeys.ddb.table_name: found "ab"; expected the'),
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
def test_null_is_not_a_value(folder: Folder, place: str) -> None:
    assert "found null" in folder.problem(config=with_value(SMALLEST, place, None))


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


@pytest.mark.parametrize("place", ["jira/server", "slack/base_url"])
@pytest.mark.parametrize("login", ["joe:topsecret", "topsecret", ":topsecret"])
def test_an_address_with_a_password_in_it_is_an_error(folder: Folder, place: str, login: str) -> None:
    problem = folder.problem(config=with_value(SMALLEST, place, f"https://{login}@issues.example.com"))
    assert "no password in it" in problem
    assert "topsecret" not in problem


# --- where a token may be sent ---


@pytest.mark.parametrize("place", ["jira/server", "slack/base_url"])
@pytest.mark.parametrize(
    "host",
    ["issues.example.com", "10.0.0.1", "192.168.1.7:8080", "127.0.0.1.example.com", "localhost.example.com", "[::2]"],
)
def test_no_token_is_sent_over_plain_http_to_another_machine(folder: Folder, place: str, host: str) -> None:
    problem = folder.problem(config=with_value(SMALLEST, place, f"http://{host}/x"))
    assert problem.startswith(
        f'config.json: {place.replace("/", ".")}: found "http://{host}/x"; expected a URL with https://'
    )
    assert folder.setting(place, f"https://{host}/x")


@pytest.mark.parametrize("place", ["jira/server", "slack/base_url"])
@pytest.mark.parametrize(
    "host", ["127.0.0.1:8970", "127.8.9.10", "localhost", "LOCALHOST.:1", "jira.localhost", "[::1]:80"]
)
def test_a_server_on_this_machine_may_be_reached_over_http(folder: Folder, place: str, host: str) -> None:
    assert folder.setting(place, f"http://{host}/x").warnings == ()


def test_people_may_open_jira_over_http(folder: Folder) -> None:
    assert folder.setting("jira/browse_url", "http://jira.intra/x").jira.browse_url == "http://jira.intra/x"
