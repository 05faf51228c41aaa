"""What operators type to select accounts, users, keys and tickets, and to say as whom AWS is asked."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click
import pytest
from click.testing import CliRunner

from hammer.__main__ import IN_A_CLONE, SUBCOMMANDS
from library.cli.aws_options import aws_options, refuse_another_region
from library.cli.options import Missing, Selection, Since, account_id, chosen_accounts, key_id, selectors, ticket_key
from library.errors import WrongOption
from tests.builders import an_issue, details
from tests.documents import commands_of_the_code

if TYPE_CHECKING:
    from pathlib import Path

    from library.issues.record import Issue

MAIN, OTHER, THIRD = "123456789012", "210987654321", "321098765432"
KNOWN = {MAIN: "master", OTHER: "Prod, EU", THIRD: ""}
COMMANDS = commands_of_the_code()
WITHOUT_AWS = {"package", "schedule"}


def an_issue_of(user: str, key: str, ticket: str | None) -> Issue:
    issue = an_issue(issue_id=key, details=details(username=user))
    return replace(issue, jira=replace(issue.jira, ticket=ticket))


JOE = an_issue_of("joe", "AKIAJOE0000000000001", "AWSSEC-4")
BOTH = an_issue_of("Smith,Ann", "AKIAANN0000000000002", None)
ANN = an_issue_of("ann", "AKIAANN0000000000003", "OPS2-17")
ISSUES = [JOE, BOTH, ANN]


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        (MAIN, [MAIN]),
        (" 123456789012 ", [MAIN]),
        ("1234-5678-9012", [MAIN]),
        ("1234 5678 9012", [MAIN]),
        ("master (123456789012)", [MAIN]),
        ("MASTER", [MAIN]),
        (" master", [MAIN]),
        ("prod, eu", [OTHER]),
        ("Prod, EU (210987654321)", [OTHER]),
        (f"{OTHER},master", [OTHER, MAIN]),
        (f"{OTHER} , {MAIN} ,{OTHER},", [OTHER, MAIN]),
    ],
)
def test_an_account_is_named_by_id_or_name_as_it_is_shown_anywhere(typed: str, expected: list[str]) -> None:
    assert list(chosen_accounts([typed], KNOWN, "aws.accounts")) == expected


def test_without_a_name_every_account_is_chosen_and_several_names_add_up() -> None:
    assert chosen_accounts([], KNOWN, "aws.accounts") == (MAIN, OTHER, THIRD)
    assert chosen_accounts([THIRD, "master", THIRD], KNOWN, "aws.accounts") == (THIRD, MAIN)


def test_every_account_that_is_not_known_is_said_with_those_that_are() -> None:
    with pytest.raises(WrongOption) as caught:
        chosen_accounts(["999999999999,master", "nobody"], KNOWN, "aws.accounts")
    known = f"not one of aws.accounts, which are master ({MAIN}), Prod, EU ({OTHER}), {THIRD}"
    assert caught.value.problems == (f"--account 999999999999: {known}", f"--account nobody: {known}")


def test_a_name_that_two_accounts_have_names_neither() -> None:
    with pytest.raises(WrongOption, match=f"--account DEV: {MAIN} and {OTHER} have this name; give the id"):
        chosen_accounts(["DEV"], {MAIN: "dev", OTHER: "Dev"}, "aws.accounts")


@pytest.mark.parametrize("typed", ["12345678901", "1234567890123", "master", "", "(123456789012) x"])
def test_what_has_no_account_id_in_it(typed: str) -> None:
    assert account_id(typed) is None


@pytest.mark.parametrize("typed", ["AKIAJOE0000000000001", "akiajoe0000000000001", "  AkiaJoe0000000000001 "])
def test_a_key_is_named_in_any_case(typed: str) -> None:
    assert key_id(typed) == JOE.issue_id


@pytest.mark.parametrize(
    "typed",
    [
        "AWSSEC-4",
        "awssec-4",
        " AWSSEC-4 ",
        "https://jira.example.com/browse/AWSSEC-4",
        "https://jira.example.com/browse/awssec-4/",
        "https://ops2-17.example.com:8443/jira/browse/AWSSEC-4?focusedCommentId=12&page=x#comment-12",
        "https://example.atlassian.net/jira/software/c/projects/OPS/boards/1?selectedIssue=AWSSEC-4",
        "https://example.atlassian.net/servicedesk/customer/portal/2/AWSSEC-4",
        "https://jira.example.com/projects/AWSSEC/issues/AWSSEC-4",
    ],
)
def test_a_ticket_is_named_by_its_key_in_any_case_or_by_its_url(typed: str) -> None:
    assert ticket_key(typed) == "AWSSEC-4"


def test_a_url_without_a_ticket_is_refused() -> None:
    with pytest.raises(click.BadParameter, match="has no ticket like AWSSEC-12 in it"):
        ticket_key("https://jira.example.com/browse/")


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection(), ISSUES),
        (Selection(users=("JOE",)), [JOE]),
        (Selection(users=("joe, ANN",)), [JOE, ANN]),
        (Selection(users=("joe", "ann")), [JOE, ANN]),
        (Selection(users=("smith,ann",)), [BOTH]),
        (Selection(keys=(JOE.issue_id,)), [JOE]),
        (Selection(tickets=("OPS2-17", "AWSSEC-4")), [JOE, ANN]),
        (Selection(users=("joe",), tickets=("OPS2-17",)), []),
        (Selection(users=("joe",), keys=(JOE.issue_id, ANN.issue_id)), [JOE]),
    ],
)
def test_an_issue_is_selected_if_every_option_names_it(selection: Selection, expected: list[Issue]) -> None:
    assert selection.among(ISSUES) == (expected, [])


@pytest.mark.parametrize(
    ("selection", "missing"),
    [
        (Selection(users=("bob,joe",)), Missing("user", "bob")),
        (Selection(keys=("AKIANOSUCHKEY",)), Missing("key", "AKIANOSUCHKEY")),
        (Selection(tickets=("AWSSEC-99",)), Missing("ticket", "AWSSEC-99")),
    ],
)
def test_a_value_that_no_issue_has_is_missing(selection: Selection, missing: Missing) -> None:
    assert selection.among(ISSUES)[1] == [missing]


def test_what_could_not_be_read_is_not_said_to_be_missing() -> None:
    missing = Missing("user", "bob")
    assert missing.said(all_read=True) == "--user bob: no issue of the accounts looked at has this user"
    assert missing.said(all_read=False) == "--user bob: no issue that could be read has this user"


@click.command()
@selectors(arguments=True)
def choose(selection: Selection) -> None:
    """Print what is selected."""
    click.echo(repr(selection))


def chosen(*arguments: str) -> str:
    done = CliRunner().invoke(choose, arguments)
    assert done.exit_code == 0, done.output
    return done.stdout.strip()


def test_options_are_lists_with_commas_and_repeated_and_keys_and_tickets_need_none() -> None:
    given = ("akia2", "--key", "akia1, AKIA2", "--ticket", "a-1,A-2", "--account", "x", "--accounts", "y,z", "b-3")
    assert chosen(*given) == repr(Selection(("x", "y,z"), (), ("AKIA1", "AKIA2"), ("A-1", "A-2", "B-3")))
    url = "https://jira.example.com/browse/AWSSEC-4"
    assert chosen(url) == repr(Selection(tickets=("AWSSEC-4",)))


@pytest.mark.parametrize("value", ["", " ", ",", " , "])
@pytest.mark.parametrize("option", ["--account", "--user", "--key", "--ticket", "--"])
def test_an_empty_value_selects_nothing_rather_than_everything(option: str, value: str) -> None:
    done = CliRunner().invoke(choose, [option, value])
    assert (done.exit_code, "which names nothing" in done.stderr) == (2, True)


def moment(typed: str) -> datetime:
    return Since().convert(typed, None, None)


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("2026-11-01", datetime(2026, 11, 1, tzinfo=UTC)),
        (" 2026-11-01 ", datetime(2026, 11, 1, tzinfo=UTC)),
        ("2026-11-01T08:30", datetime(2026, 11, 1, 8, 30, tzinfo=UTC)),
        ("2026-11-01 08:30 UTC", datetime(2026, 11, 1, 8, 30, tzinfo=UTC)),
        ("2026-11-01T08:30:05Z", datetime(2026, 11, 1, 8, 30, 5, tzinfo=UTC)),
        ("2026-11-01T08:30:00+02:00", datetime(2026, 11, 1, 6, 30, tzinfo=UTC)),
    ],
)
def test_since_takes_days_and_times_as_they_are_shown(typed: str, expected: datetime) -> None:
    assert moment(typed) == expected


@pytest.mark.parametrize(
    ("typed", "span"),
    [
        ("3d", timedelta(days=3)),
        ("3 D", timedelta(days=3)),
        ("24h", timedelta(hours=24)),
        ("1H", timedelta(hours=1)),
    ],
)
def test_since_takes_days_and_hours_ago(typed: str, span: timedelta) -> None:
    before = datetime.now(UTC)
    found = moment(typed)
    assert before - span <= found <= datetime.now(UTC) - span


@pytest.mark.parametrize("typed", ["", "yesterday", "2026-13-01", "3", "3w", "-3d", "0001-01-01T00:00+14:00"])
def test_since_says_what_it_takes(typed: str) -> None:
    with pytest.raises(click.BadParameter, match="days ago like 3d or hours ago like 24h"):
        moment(typed)


# --- as whom, and where ---


@click.command()
@aws_options
@click.option("--configured", default="eu-west-1")
def ask(configured: str) -> None:
    """Print as whom AWS would be asked, and check the region."""
    refuse_another_region(configured)
    names = ("AWS_PROFILE", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN")
    click.echo(" ".join(os.environ.get(name, "-") for name in names))


@pytest.fixture
def profiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two profiles, `audit` and `other`, beside credentials in the environment."""
    file = tmp_path / "config"
    file.write_text("[profile audit]\nregion = eu-west-1\n[profile other]\nregion = eu-west-2\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(file))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAOFTHEENVIRONMENT")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    monkeypatch.delenv("AWS_PROFILE", raising=False)


def asked(*arguments: str) -> Any:
    return CliRunner().invoke(ask, arguments)


@pytest.mark.usefixtures("profiles")
def test_a_profile_goes_before_the_credentials_of_the_environment_until_the_command_ends() -> None:
    before = dict(os.environ)
    assert asked("--profile", "audit").stdout == "audit us-east-1 - -\n"
    assert asked("--region", "eu-west-1").stdout == "- eu-west-1 AKIAOFTHEENVIRONMENT -\n"
    assert dict(os.environ) == before


@pytest.mark.usefixtures("profiles")
def test_a_profile_that_is_not_there_is_a_usage_error_that_names_the_others() -> None:
    done = asked("--profile", "aduit")
    assert (done.exit_code, "there is no profile 'aduit'; there are audit, other" in done.stderr) == (2, True)


def test_a_region_other_than_the_configurations_is_refused() -> None:
    done = asked("--region", "eu-west-2")
    assert isinstance(done.exception, WrongOption)
    assert "--region eu-west-2: the configuration's region (aws.region) is eu-west-1" in str(done.exception)


@pytest.mark.parametrize("name", [*SUBCOMMANDS, *IN_A_CLONE])
def test_every_command_that_calls_aws_takes_a_profile_and_a_region(name: str) -> None:
    module = {**SUBCOMMANDS, **IN_A_CLONE}[name].module
    if module in COMMANDS:
        options = {option for parameter in COMMANDS[module].params for option in parameter.opts}
        assert ({"--profile", "--region"} <= options) is (name not in WITHOUT_AWS)
