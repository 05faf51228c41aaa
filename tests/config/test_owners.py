"""Who is told about a key: the nearest setting first."""

from __future__ import annotations

import pytest

from library.config.owners import Owner, Responsible
from tests.config.conftest import LINE, MASTER, SLAVE, STRANGER, Folder


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


@pytest.mark.parametrize(
    ("account", "tags", "expected"),
    [
        (STRANGER, {}, Responsible("", "AWSSEC", "AWSSEC-1", ("General",), (("#all",),))),
        (MASTER, {}, Responsible("", "OPS", "AWSSEC-1", ("Cloud", "General"), (("#cloud",), ("#all",)))),
        (
            MASTER,
            {"bu": "sales"},
            Responsible("", "OPS", "SALES-1", ("Sales", "Cloud", "General"), (("#sales",), ("#cloud",), ("#all",))),
        ),
        (
            MASTER,
            {"BU": " sales ", "Product": "shop", "Owner": " joe@example.com "},
            Responsible(
                "joe@example.com",
                "SHOP",
                "SALES-1",
                ("joe@example.com", "Shop", "Sales", "Cloud", "General"),
                (("#shop", "ann"), ("#sales",), ("#cloud",), ("#all",)),
            ),
        ),
        # A product is one of its business unit, as in Hammer.
        (STRANGER, {"product": "shop"}, Responsible("", "AWSSEC", "AWSSEC-1", ("General",), (("#all",),))),
        (
            STRANGER,
            {"bu": "sales", "product": "x"},
            Responsible("", "AWSSEC", "SALES-1", ("Sales", "General"), (("#sales",), ("#all",))),
        ),
        (STRANGER, {"owner": "General"}, Responsible("General", "AWSSEC", "AWSSEC-1", ("General",), (("#all",),))),
        (STRANGER, {"owner": " ", "bu": ""}, Responsible("", "AWSSEC", "AWSSEC-1", ("General",), (("#all",),))),
    ],
)
def test_the_nearer_to_the_user_the_earlier_in_line(
    folder: Folder, account: str, tags: dict[str, str], expected: Responsible
) -> None:
    assert folder.load(owners=LINE).owners.for_issue(account, tags) == expected


def test_without_settings_nobody_is_in_line(folder: Folder) -> None:
    assert folder.load().owners.for_issue(MASTER, {}) == Responsible("", "", "", (), ())
