"""Accounts, users, keys and tickets as tired people type them: every command takes every spelling, and errs alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.world import MAIN, OTHER, REMEDIATION, REPORTING, RESTORE, SHOW

if TYPE_CHECKING:
    from library.issues.record import Issue
    from tests.wire import Wire
    from tests.world.estate import Estate

PAGE, SCAN = "reporting.inactive_keys_report", "identification.scan"
COMMANDS: dict[str, tuple[str, ...]] = {
    REPORTING: ("--dry-run",),
    REMEDIATION: ("--dry-run", "--format", "json"),
    RESTORE: ("--dry-run", "--format", "json"),
    SHOW: ("--format", "json"),
    PAGE: ("--format", "json"),
    SCAN: ("--format", "json", "--role-name", "audit"),
}
NEED_KEYS = (RESTORE, SHOW)
"""They want to know which keys, not only which accounts."""
KNOW_ISSUES = (REPORTING, REMEDIATION, RESTORE, SHOW)

ACCOUNT = [MAIN, f" {MAIN} ", "1234-5678-9012", f"master ({MAIN})", f"{MAIN},{MAIN}", f"{MAIN},"]
BY_NAME = ["master", "MASTER", " Master ", f"master, {MAIN}"]
USER = ["joe", "JOE", " joe ", "joe,Joe"]


def spellings_of_key(key: str) -> list[tuple[str, ...]]:
    return [(key,), (key.lower(),), (f"  {key} ",), (f"{key}, {key.lower()}",), (key, "--key", key.lower())]


def spellings_of_ticket(ticket: str, server: str) -> list[str]:
    url = f"{server}/browse/{ticket}"
    return [ticket, ticket.lower(), f" {ticket} ", url, f"{url.lower()}?page=1#comment-3", f"{ticket},{url}"]


@pytest.fixture
def two(estate: Estate) -> tuple[Issue, Issue]:
    """The issues of joe in the one account and of ann in the other; both are off, so that they may be switched on."""
    off: dict[str, Any] = {"key_status": "Inactive", "remediated": estate.ago(days=1)}
    return estate.add_due_issue("joe", **off), estate.add_due_issue("ann", account=OTHER, **off)


def looked_at(estate: Estate, two: tuple[Issue, Issue], module: str, *arguments: str) -> tuple[int, list[str]]:
    """The exit code, and whose keys the command has said anything of."""
    done = estate.run(module, *COMMANDS[module], *arguments)
    return done.exit_code, [issue.details.username for issue in two if issue.issue_id in done.output]


def wanted(module: str) -> tuple[str, ...]:
    return ("--user", "joe,ann") if module in NEED_KEYS else ()


@pytest.mark.parametrize("module", [*KNOW_ISSUES, PAGE])
def test_an_account_has_many_spellings(estate: Estate, two: tuple[Issue, Issue], module: str) -> None:
    joe, _ = two
    keys = ("--key", joe.issue_id) if module in NEED_KEYS else ()
    found = {typed: looked_at(estate, two, module, "--account", typed, *keys) for typed in (*ACCOUNT, *BY_NAME)}
    assert found == dict.fromkeys(found, (0, ["joe"]))
    several = (("--account", f"slave1, {MAIN}"), ("--account", OTHER, "--accounts", "master"))
    for options in several:
        assert looked_at(estate, two, module, *options, *wanted(module)) == (0, ["joe", "ann"])


@pytest.mark.parametrize("typed", ACCOUNT)
def test_a_first_look_takes_every_spelling_of_an_id(estate: Estate, typed: str) -> None:
    here, there = estate.add_key("joe"), estate.add_key("ann", account=OTHER)
    done = estate.run(SCAN, *COMMANDS[SCAN], "--account", typed)
    assert (done.exit_code, here in done.stdout, there in done.stdout) == (0, True, False)


@pytest.mark.parametrize("module", KNOW_ISSUES)
def test_a_user_has_many_spellings(estate: Estate, two: tuple[Issue, Issue], module: str) -> None:
    found = {typed: looked_at(estate, two, module, "--user", typed) for typed in USER}
    assert found == dict.fromkeys(found, (0, ["joe"]))
    for options in (("--user", "joe, ann"), ("--user", "joe", "--user", "ANN")):
        assert looked_at(estate, two, module, *options) == (0, ["joe", "ann"])


@pytest.mark.parametrize("module", KNOW_ISSUES)
def test_a_key_has_many_spellings(estate: Estate, two: tuple[Issue, Issue], module: str) -> None:
    joe, ann = two
    found = {typed: looked_at(estate, two, module, "--key", *typed) for typed in spellings_of_key(joe.issue_id)}
    if module in NEED_KEYS:
        found |= {(typed,): looked_at(estate, two, module, typed) for typed in (joe.issue_id, joe.issue_id.lower())}
    assert found == dict.fromkeys(found, (0, ["joe"]))
    both = looked_at(estate, two, module, "--key", f"{joe.issue_id},{ann.issue_id.lower()}")
    assert both == (0, ["joe", "ann"])


@pytest.mark.parametrize("module", KNOW_ISSUES)
def test_a_ticket_has_many_spellings(estate: Estate, two: tuple[Issue, Issue], module: str) -> None:
    ticket = two[0].jira.ticket
    assert ticket
    found = {
        typed: looked_at(estate, two, module, "--ticket", typed)
        for typed in spellings_of_ticket(ticket, estate.jira.url)
    }
    if module in NEED_KEYS:
        found |= {
            typed: looked_at(estate, two, module, typed)
            for typed in (ticket.lower(), estate.jira.url + "/browse/" + ticket)
        }
    assert found == dict.fromkeys(found, (0, ["joe"]))


@pytest.mark.parametrize("module", [*KNOW_ISSUES, PAGE])
def test_an_unknown_account_is_the_same_error_everywhere_and_nothing_is_done(
    estate: Estate, two: tuple[Issue, Issue], module: str
) -> None:
    for typed in ("999999999999", "nobody", f"{MAIN},nobody"):
        done = estate.run(module, *COMMANDS[module], "--account", typed, *wanted(module))
        unknown = typed.removeprefix(f"{MAIN},")
        assert (done.exit_code, done.stdout) == (2, "")
        assert f"E-RUN-05 --account {unknown}: not one of " in done.stderr
        assert f"which are master ({MAIN}), slave1 ({OTHER})\n" in done.stderr
        assert [issue.issue_id for issue in two if issue.issue_id in done.output] == []
    other_region = estate.run(module, *COMMANDS[module], "--region", "us-west-2", *wanted(module))
    assert (other_region.exit_code, other_region.stdout) == (2, "")
    assert "E-RUN-05 --region us-west-2: the configuration's region" in other_region.stderr


@pytest.mark.parametrize("module", KNOW_ISSUES)
def test_a_user_key_or_ticket_that_no_issue_has_is_the_same_error_everywhere_and_the_others_are_served(
    estate: Estate, two: tuple[Issue, Issue], module: str
) -> None:
    joe, _ = two
    unknown = {"user": ("nobody", "joe"), "key": ("AKIANO", joe.issue_id), "ticket": ("A-9", str(joe.jira.ticket))}
    for option, (value, known) in unknown.items():
        done = estate.run(module, *COMMANDS[module], f"--{option}", value, f"--{option}", known)
        assert done.exit_code == 1
        said = f"E-RUN-05 --{option} {value}: no issue of the accounts looked at has this {option}\n"
        assert said in done.stderr
        assert joe.issue_id in done.output


@pytest.mark.parametrize("module", [*KNOW_ISSUES, PAGE, SCAN])
def test_a_profile_is_used_instead_of_the_credentials_of_the_environment(
    estate: Estate, wire: Wire, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    estate.add_due_issue("joe")
    file = estate.folder / "credentials"
    file.write_text("[night]\naws_access_key_id = AKIAOFTHEPROFILE0001\naws_secret_access_key = secret\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    signed: list[str] = []
    for operation in ("Query", "GetItem", "GetCallerIdentity"):
        wire.react(operation, lambda request: signed.append(str(request.headers["Authorization"])))
    arguments = ("--format", "json") if module == SCAN else COMMANDS[module]
    keys = ("--user", "joe") if module in NEED_KEYS else ()
    done = estate.run(module, *arguments, *keys, "--profile", "night", "--region", "eu-west-1")
    assert done.exit_code == 0, done.output
    assert signed
    assert [each for each in signed if "AKIAOFTHEPROFILE0001" not in each] == []
