"""Errors of all files at once, each with its place."""

from __future__ import annotations

import json

import pytest

from tests.config.conftest import MASTER, SMALLEST, STRANGER, Folder, with_value


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
