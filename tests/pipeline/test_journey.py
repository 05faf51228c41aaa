"""The deployed pipeline from the schedule to the closed ticket, and what must never come out of it."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from deployment.local.estate import IDENTIFICATION, REMEDIATION, REPORTING, RESTORING, Estate, EstateError
from deployment.local.population import MASTER, SLAVE
from deployment.local.scanned_accounts import KeySeed, Population, UserSeed
from library.issues.record import Episode, Issue, Resolution, Status
from tests.pipeline.conftest import HOST_LOG_GROUP


def user(*keys: KeySeed, **tags: str) -> UserSeed:
    return {"keys": list(keys), "tags": tags}


def idle(days: float = 200) -> KeySeed:
    return {"created_days_ago": days + 100, "last_used_days_ago": days, "service": "s3"}


def fill(estate: Estate, population: Population) -> None:
    estate.aws.accounts.populate(population, datetime.now(UTC))


def by_user(estate: Estate) -> dict[tuple[str, str], Issue]:
    return {(issue.account_id, issue.details.username): issue for issue in estate.issues()}


def test_a_key_goes_from_the_schedule_to_its_closed_ticket_and_back(estate: Estate) -> None:
    fill(
        estate,
        {
            MASTER: {"idle-one": user(idle(), owner="alice"), "used-again": user(idle()), "fresh": user(idle(1))},
            SLAVE: {"idle-one": user(idle())},
        },
    )
    estate.scan()
    found = by_user(estate)
    assert set(found) == {(MASTER, "idle-one"), (MASTER, "used-again"), (SLAVE, "idle-one")}
    assert {issue.status for issue in found.values()} == {Status.OPEN}

    estate.run(REPORTING)
    tickets = {who: issue.jira.ticket for who, issue in by_user(estate).items()}
    raised = [ticket for key, ticket in estate.jira.issues.items() if key != "AWSSEC-1"]
    assert sorted(ticket.key for ticket in raised) == sorted(str(ticket) for ticket in tickets.values())
    assert {who: estate.jira.issues[str(ticket)].assignee for who, ticket in tickets.items()} == {
        (MASTER, "idle-one"): "alice",
        (MASTER, "used-again"): "Support-General",
        (SLAVE, "idle-one"): "Support-Cloud",
    }
    assert sorted(message.recipient for message in estate.slack.messages) == [
        *["#devops-channel"] * 3,
        "#slave1-team",
        "alice",
        *["bob"] * 3,
    ]

    estate.run(REMEDIATION, "--batch")
    assert set(estate.key_statuses().values()) == {"Active"}, "nothing is switched off within the retention period"

    before = by_user(estate)
    estate.let_time_pass(15)
    for who, issue in by_user(estate).items():
        moved = [datetime.fromisoformat(each.history[0]["time"]) for each in (before[who], issue)]
        assert moved[0] - moved[1] == timedelta(days=15), "what is told of a row has its times from the row"
    estate.use_key(MASTER, "used-again")
    plan = estate.run(REMEDIATION, "--dry-run")
    assert set(estate.key_statuses().values()) == {"Active"}, "a dry run changes nothing"
    estate.run(REMEDIATION, "--batch")
    off = {key for key, status in estate.key_statuses().items() if status == "Inactive"}
    assert off == {found[MASTER, "idle-one"].issue_id, found[SLAVE, "idle-one"].issue_id}
    assert off == {one.key for one in plan.decisions if one.verdict == "would be switched off"}

    estate.let_time_pass(1)
    estate.scan()
    estate.run(REPORTING)
    closed = by_user(estate)
    assert {who: (issue.status, issue.details.resolution) for who, issue in closed.items()} == {
        (MASTER, "idle-one"): (Status.CLOSED, Resolution.REMEDIATED),
        (MASTER, "used-again"): (Status.CLOSED, Resolution.USED),
        (SLAVE, "idle-one"): (Status.CLOSED, Resolution.REMEDIATED),
    }
    assert {estate.jira.issues[str(ticket)].status for ticket in tickets.values()} == {"Closed"}

    restored = found[SLAVE, "idle-one"].issue_id
    estate.run(RESTORING, "--key", restored, "--batch")
    assert estate.key_statuses()[restored] == "Active"
    estate.let_time_pass(1)
    estate.scan()
    again = by_user(estate)[SLAVE, "idle-one"]
    assert (again.status, again.episode) == (Status.OPEN, Episode.REACTIVATED)

    streams = estate.log_streams(HOST_LOG_GROUP)
    assert {
        "reporting.create_iam_user_inactive_keys_tickets",
        "remediation.clean_iam_user_inactive_keys",
    } <= streams


def test_nothing_happens_to_keys_that_are_fresh_off_whitelisted_or_unreported(estate: Estate) -> None:
    fill(
        estate,
        {
            MASTER: {
                "fresh": user(idle(89)),
                "new": user({"created_days_ago": 1}),
                "off": user({"created_days_ago": 500, "status": "Inactive"}),
                "nobody": user(),
                "Break-Glass-1": user(idle()),
            },
            SLAVE: {
                "CI-mirror": user(idle()),
                "by-key": user({"created_days_ago": 500, "id": "AKIAI6UV7TCFQNA623TA"}),
            },
        },
    )
    statuses = estate.key_statuses()
    estate.scan()
    rows = estate.issues()
    assert {issue.details.username: issue.status for issue in rows} == {
        "Break-Glass-1": Status.WHITELISTED,
        "CI-mirror": Status.WHITELISTED,
        "by-key": Status.WHITELISTED,
    }
    estate.run(REPORTING)
    estate.run(REMEDIATION, "--batch")
    estate.scan()
    estate.run(REPORTING)
    assert estate.issues() == rows
    assert estate.key_statuses() == statuses
    assert list(estate.jira.issues) == ["AWSSEC-1"]
    assert estate.slack.messages == []

    # Idle for long, but nobody was told: time alone switches nothing off.
    fill(estate, {MASTER: {"unreported": user(idle())}})
    estate.scan()
    estate.let_time_pass(30)
    estate.run(REMEDIATION, "--batch")
    assert set(estate.key_statuses().values()) == {"Active", "Inactive"}
    assert estate.key_statuses()[estate.key_of(MASTER, "unreported")] == "Active"
    assert list(estate.jira.issues) == ["AWSSEC-1"]


def test_250_users_in_one_account_are_all_scanned(estate: Estate) -> None:
    names = {f"user{number:03}" for number in range(250)}
    fill(estate, {SLAVE: {name: user(idle()) for name in names}, MASTER: {"user000": user(idle())}})
    scan = estate.scan()
    assert (scan.counts[SLAVE]["users"], scan.counts[SLAVE]["idle_keys"]) == (250, 250)
    assert {issue.details.username for issue in estate.issues() if issue.account_id == SLAVE} == names
    # The same name in two accounts is two users with keys of their own.
    assert [issue.issue_id for issue in estate.issues() if issue.account_id == MASTER] == [
        estate.key_of(MASTER, "user000")
    ]
    assert estate.key_of(MASTER, "user000") != estate.key_of(SLAVE, "user000")


@pytest.mark.parametrize(
    ("operation", "said"),
    [
        ("AssumeRole", "Failed to assume role in Account(id='210987654321', name='slave1', role="),
        ("ListUsers", "Access denied in Account(id='210987654321', name='slave1', role="),
        ("ListAccessKeys", "(iam:ListAccessKeys of user 't"),
        ("GetAccessKeyLastUsed", "(iam:GetAccessKeyLastUsed of key AKIA"),
    ],
)
def test_a_scan_that_is_denied_resolves_nothing_and_fails_the_function(
    estate: Estate, operation: str, said: str
) -> None:
    fill(estate, {MASTER: {"one": user(idle())}, SLAVE: {"two": user(idle()), "three": user(idle())}})
    estate.scan()
    rows = [issue for issue in estate.issues() if issue.account_id == SLAVE]
    for name in ("one", "two", "three"):
        estate.use_key(MASTER if name == "one" else SLAVE, name)

    estate.aws.accounts.fail(SLAVE, operation, "AccessDenied")
    scan = estate.scan()
    assert any(said in error for error in scan.errors)
    assert set(scan.counts) == {MASTER}, "the other account is scanned all the same"
    assert [issue for issue in estate.issues() if issue.account_id == SLAVE] == rows
    assert by_user(estate)[MASTER, "one"].status is Status.RESOLVED
    message = {"account_id": SLAVE, "account_name": "slave1"}
    failure = estate.invoke_and_wait(IDENTIFICATION, {"Records": [{"Sns": {"Message": json.dumps(message)}}]})
    assert failure is not None
    assert said in failure["errorMessage"]

    estate.aws.accounts.heal()
    estate.scan()
    assert {issue.status for issue in estate.issues()} == {Status.RESOLVED}


def test_a_command_that_ends_with_an_unexpected_code_is_told_with_all_it_printed(estate: Estate) -> None:
    with pytest.raises(EstateError, match=r"(?s)clean_iam_keys_inactive --limit 0 ended with code 2.*--limit"):
        estate.run(REMEDIATION, "--limit", "0")
