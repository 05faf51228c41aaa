"""The first look as people and pipelines run it, against a server that plays IAM, STS and Organizations over HTTP."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import socket
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from click.testing import CliRunner, Result

from identification import scan
from identification.look import Wanted, look_at
from library.aws.iam_scan import SMALL_ACCOUNT
from library.reports.first_look import FirstLook, IdleKey, Threshold
from tests.builders import NOW
from tests.identification.test_lambdas import IDENTIFICATION, issues, load
from tests.wire import Wire, answer, failure, form, json_failure
from tests.world.process import Dialogue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from botocore.awsrequest import AWSPreparedRequest
    from mypy_boto3_dynamodb import DynamoDBClient

    from deployment.local.scanned_accounts import Control, KeySeed, UserSeed


REPOSITORY = Path(__file__).resolve().parents[2]
MAIN, OTHER, THIRD = "123456789012", "210987654321", "333333333333"
ROLE = ("--role-name", "audit")
READS = {
    *("GetCallerIdentity", "AssumeRole", "ListAccounts", "ListUsers", "ListAccessKeys", "GetAccessKeyLastUsed"),
    *("GenerateCredentialReport", "GetCredentialReport", "GetAccountSummary"),
}
IN_USE: UserSeed = {"keys": [{"created_days_ago": 400, "last_used_days_ago": 1}]}
SECOND = 1 / 86_400


def idle(days: float, **more: Any) -> UserSeed:
    """A user with one key, last used this number of days ago."""
    key: KeySeed = {"created_days_ago": max(days, 400), "last_used_days_ago": days, **more}  # type: ignore[typeddict-item]
    return {"keys": [key]}


def run(*arguments: str) -> Result:
    """Run the command in this process."""
    result = CliRunner().invoke(scan.main, list(arguments))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def found(result: Result) -> dict[str, Any]:
    """What `--format json` printed, which must be alone on standard output."""
    answer: dict[str, Any] = json.loads(result.stdout)
    return answer


def users(result: Result) -> list[str]:
    return [key["user"] for key in found(result)["idle_keys"]]


@pytest.fixture
def populated(scanned: Control, wire: Wire) -> Control:
    """Three accounts, of which the first is the caller's own."""
    scanned.populate(
        {
            MAIN: {"alice": idle(100), "never": {"keys": [{"created_days_ago": 200}]}, "carol": IN_USE},
            OTHER: {"bob": idle(150), "dave": IN_USE},
            THIRD: {"eve": IN_USE},
        },
        datetime.now(UTC),
    )
    return scanned


@pytest.fixture
def assumed(wire: Wire) -> list[dict[str, str]]:
    """The parameters of each AssumeRole."""
    seen: list[dict[str, str]] = []

    def remember(request: AWSPreparedRequest) -> None:
        seen.append(form(request))

    wire.react("AssumeRole", remember)
    return seen


# --- what is found ---------------------------------------------------------------------------------------------


def test_the_callers_account_is_scanned_without_any_option(populated: Control, wire: Wire) -> None:
    result = run("--format", "json")
    assert result.exit_code == 0, result.stderr
    never, alice = found(result)["idle_keys"]
    assert (never["user"], never["last_used"], never["idle_days"]) == ("never", None, 200)
    (key,) = populated.state()[MAIN]["alice"]["keys"]
    assert alice == {
        "account": MAIN,
        "account_name": "",
        "user": "alice",
        "key": key["id"],
        "created": key["created"],
        "last_used": key["last_used"],
        "last_used_service": "s3",
        "last_used_region": "eu-west-1",
        "idle_days": 100,
    }
    assert "AssumeRole" not in wire.sent


def test_the_table_shows_each_key_and_what_every_threshold_would_catch(populated: Control) -> None:
    lines = run().stdout.splitlines()
    assert lines[1].split("  ")[0] == "account"
    never, alice = (next(line.split() for line in lines if f" {name} " in line) for name in ("never", "alice"))
    state = populated.state()[MAIN]
    (key,) = state["alice"]["keys"]
    assert never == [MAIN, "never", state["never"]["keys"][0]["id"], state["never"]["created"][:10], "never", "200"]
    used = (key["last_used"] or "").replace("T", " ").split(" ")
    assert alice == [MAIN, "alice", key["id"], key["created"][:10], used[0], used[1][:5], "s3", "eu-west-1", "100"]
    assert lines[-1] == "No root access key in 1 account."
    counted = [line.split() for line in lines[lines.index("What a threshold would catch") + 2 : -2]]
    assert counted == [
        [*pair.split(), count]
        for pair, count in zip(("30 days", "60 days", "90 days", "180 days", "365 days"), "22210", strict=True)
    ]


def test_an_account_without_an_idle_key_says_so(scanned: Control) -> None:
    result = run()
    assert result.exit_code == 0
    assert "No Active key was unused for more than 90 days: 0 of 0 active keys." in result.stdout


def look(**wanted: Any) -> FirstLook:
    return look_at(Wanted(**{"days": 90, **wanted}), NOW)


def names(keys: tuple[IdleKey, ...]) -> list[str]:
    return [key.user for key in keys]


@pytest.mark.parametrize("days", [1, 29, 30, 31, 90, 365])
def test_exactly_the_criterion_is_not_enough_and_a_second_more_is(scanned: Control, days: int) -> None:
    scanned.populate(
        {
            MAIN: {
                "exactly": idle(days),
                "longer": idle(days + SECOND),
                "exactly-made": {"keys": [{"created_days_ago": days}]},
                "made-earlier": {"keys": [{"created_days_ago": days + SECOND}]},
            }
        },
        NOW,
    )
    seen = look(days=days)
    assert sorted(names(seen.idle_keys)) == ["longer", "made-earlier"]
    assert Threshold(days, 2) in seen.thresholds


def test_a_young_key_that_is_in_use_is_caught_by_no_threshold(scanned: Control, wire: Wire) -> None:
    """Read by 90 days, the last use of a key that is 40 days old would not be asked for."""
    scanned.populate(
        {
            MAIN: {
                "in-use": {"keys": [{"created_days_ago": 30 + SECOND, "last_used_days_ago": 1}]},
                "unused": {"keys": [{"created_days_ago": 40}]},
                "new": {"keys": [{"created_days_ago": 20}]},
                "old": idle(61),
            }
        },
        NOW,
    )
    seen = look()
    assert [(each.days, each.keys) for each in seen.thresholds] == [(30, 2), (60, 1), (90, 0), (180, 0), (365, 0)]
    assert wire.sent.count("GetAccessKeyLastUsed") == 3, "all but the new one"


def test_a_criterion_below_every_threshold_asks_younger_keys_too(scanned: Control) -> None:
    scanned.populate(
        {
            MAIN: {
                "in-use": {"keys": [{"created_days_ago": 10 + SECOND, "last_used_days_ago": 1}]},
                "unused": {"keys": [{"created_days_ago": 15, "last_used_days_ago": 12}]},
            }
        },
        NOW,
    )
    seen = look(days=10)
    assert names(seen.idle_keys) == ["unused"]
    assert [(each.days, each.keys) for each in seen.thresholds][:2] == [(10, 1), (30, 0)]


def test_it_finds_what_the_lambda_writes_down(
    scanned: Control, dynamodb: DynamoDBClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ages = [1, 29.9, 30, 89, 89.9, 90, 90 + SECOND, 91, 179, 365, 1000]
    people: dict[str, UserSeed] = {f"used-{age}".replace(" ", ""): idle(age) for age in ages}
    people |= {f"made-{age}": {"keys": [{"created_days_ago": age}]} for age in ages}
    people |= {
        "off": idle(300, status="Inactive"),
        "two+keys": {"keys": [*idle(200, service="sqs")["keys"], *idle(95, region="us-east-1")["keys"]]},
        "=cmd,@x.y_-": idle(400),
        "nobody": {"keys": []},
    }
    scanned.populate({MAIN: people}, NOW)
    config = {
        "aws": {"region": "eu-west-1", "main_account_id": MAIN, "accounts": {MAIN: "master"}},
        "user_inactivekeys": {"inactive_criteria_days": 90},
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    monkeypatch.setenv("HAMMER_CONFIG", str(tmp_path))
    load(IDENTIFICATION).identify(MAIN, "master", NOW)
    written = {
        (
            key_id,
            each.details.username,
            each.details.create_date,
            None if each.details.never_used else each.details.last_used,
            each.details.last_used_service,
            each.details.last_used_region,
        )
        for key_id, each in issues(dynamodb).items()
    }
    seen = {
        (key.key, key.user, key.created, key.last_used, key.last_used_service, key.last_used_region)
        for key in look().idle_keys
    }
    assert seen == written
    assert len(seen) == 2 * 5 + 2 + 1


def test_a_report_that_is_refused_costs_time_and_no_key(scanned: Control) -> None:
    crowd: dict[str, UserSeed] = {f"user{number:03}": {"keys": []} for number in range(SMALL_ACCOUNT)}
    scanned.populate({MAIN: {**crowd, "alice": idle(100), "zoe": IN_USE}}, datetime.now(UTC))
    scanned.fail(MAIN, "GenerateCredentialReport", "AccessDenied")
    result = run("--format", "json")
    assert result.exit_code == 0
    assert users(result) == ["alice"]
    assert f"WARNING W-SCAN-01 Account {MAIN}: every key is listed, which takes longer: " in result.stderr
    assert "GenerateCredentialReport" in result.stderr


def test_it_only_reads(populated: Control, wire: Wire) -> None:
    before = populated.state()
    run("--accounts", f"{MAIN},{OTHER}", *ROLE)
    assert set(wire.sent) <= READS
    assert populated.state() == before


# --- which accounts --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [("--accounts", f"{OTHER}, {MAIN}"), ("--accounts", OTHER, "--account", MAIN, "--accounts", OTHER)],
    ids=["list", "repeated"],
)
def test_other_accounts_are_reached_through_the_role_and_ones_own_is_not(
    populated: Control, assumed: list[dict[str, str]], arguments: tuple[str, ...]
) -> None:
    result = run("--format", "json", *arguments, *ROLE, "--external-id", "hush")
    assert result.exit_code == 0, result.stderr
    assert users(result) == ["never", "bob", "alice"]
    assert [account["account"] for account in found(result)["accounts"]] == [MAIN, OTHER]
    (call,) = assumed
    assert call["RoleArn"] == f"arn:aws:iam::{OTHER}:role/audit"
    assert (call["ExternalId"], call["RoleSessionName"]) == ("hush", "hammer-first-look")


def test_without_an_external_id_none_is_sent(populated: Control, assumed: list[dict[str, str]]) -> None:
    run("--accounts", OTHER, *ROLE)
    assert ["ExternalId" in call for call in assumed] == [False]


def test_ones_own_account_by_its_id_needs_no_role(populated: Control) -> None:
    assert users(run("--accounts", MAIN, "--format", "json")) == ["never", "alice"]


def test_the_role_is_that_of_the_callers_partition(
    populated: Control, wire: Wire, assumed: list[dict[str, str]]
) -> None:
    wire.react(
        "GetCallerIdentity",
        lambda _: answer(
            200,
            "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws-cn:iam::123456789012:user/me</Arn>"
            "<UserId>AIDA</UserId><Account>123456789012</Account></GetCallerIdentityResult>"
            "</GetCallerIdentityResponse>",
        ),
    )
    run("--accounts", OTHER, *ROLE)
    assert [call["RoleArn"] for call in assumed] == [f"arn:aws-cn:iam::{OTHER}:role/audit"]


def test_the_accounts_of_the_organization_are_scanned_by_their_names(scanned: Control, wire: Wire) -> None:
    client = boto3.Session().client("organizations")
    client.create_organization(FeatureSet="ALL")
    hostile = "[red]=1+1[/red] <b>"
    made = client.create_account(AccountName=hostile, Email="a@example.com")["CreateAccountStatus"]["AccountId"]
    scanned.populate({MAIN: {"alice": idle(100)}, made: {"bob": idle(150)}}, datetime.now(UTC))
    result = run("--organization", *ROLE, "--format", "json")
    assert result.exit_code == 0, result.stderr
    assert [(key["account_name"], key["user"]) for key in found(result)["idle_keys"]] == [
        (hostile, "bob"),
        ("master", "alice"),
    ]
    assert f"{hostile} ({made})" in run("--organization", *ROLE).stdout


def test_an_organization_that_cannot_be_listed_is_a_failure_that_says_what_to_do(
    populated: Control, wire: Wire
) -> None:
    wire.react("ListAccounts", lambda _: json_failure("AWSOrganizationsNotInUseException"))
    result = run("--organization", *ROLE)
    assert result.exit_code == 1
    assert "organizations:ListAccounts" in result.stderr
    assert "or name the accounts with --accounts." in result.stderr
    assert result.stdout == ""


# --- failures --------------------------------------------------------------------------------------------------


def test_an_account_that_fails_is_named_and_the_others_are_shown(populated: Control) -> None:
    populated.fail(OTHER, "ListUsers", "AccessDenied")
    result = run("--accounts", f"{MAIN},{OTHER},{THIRD}", *ROLE, "--format", "json")
    said = (
        f"Access denied in Account(id='{OTHER}', name='', role='audit') (iam:ListUsers): "
        "AccessDenied on ListUsers, as it was asked for"
    )
    assert result.exit_code == 1
    assert users(result) == ["never", "alice"]
    assert [account["account"] for account in found(result)["accounts"]] == [MAIN, THIRD]
    assert found(result)["failed"] == [{"account": OTHER, "account_name": "", "error": said}]
    assert f"ERROR E-AWS-02 {said}" in result.stderr


def test_a_listing_that_breaks_off_half_way_is_no_result(populated: Control) -> None:
    populated.fail(OTHER, "GetAccessKeyLastUsed", "AccessDenied")
    result = run("--accounts", OTHER, *ROLE, "--format", "json")
    assert result.exit_code == 1
    assert users(result) == []
    assert found(result)["accounts"] == []


@pytest.mark.parametrize("form", ["table", "html"])
def test_a_role_that_cannot_be_assumed_is_in_what_people_read(populated: Control, form: str) -> None:
    populated.fail(OTHER, "AssumeRole", "AccessDenied")
    result = run("--accounts", f"{MAIN},{OTHER}", *ROLE, "--format", form)
    assert result.exit_code == 1
    assert "Failed to assume role in Account(id=" in result.stdout
    assert "(sts:AssumeRole)" in result.stdout
    assert "alice" in result.stdout


def test_a_mistake_of_ours_on_one_account_does_not_lose_the_others(populated: Control, wire: Wire) -> None:
    def stumble(request: AWSPreparedRequest) -> None:
        if "testing/" not in str(request.headers["Authorization"]):
            raise RuntimeError("stumbled")

    wire.react("ListUsers", stumble)
    result = run("--accounts", f"{MAIN},{OTHER}", *ROLE, "--format", "json")
    assert result.exit_code == 1
    assert users(result) == ["never", "alice"]
    assert "RuntimeError('stumbled')" in found(result)["failed"][0]["error"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--days", "0"), "--days"),
        (("--days", "x"), "--days"),
        (("--accounts", "12345"), "found '12345'; expected account ids of 12 digits"),
        (("--accounts", ","), "found ',', which names nothing"),
        (("--accounts", MAIN, "--organization", *ROLE), "exclude each other"),
        (("--organization",), "--organization needs --role-name"),
        (ROLE, "add --accounts or --organization"),
        (("--external-id", "x"), "add --role-name"),
        (("--accounts", OTHER, "--role-name", "arn:aws:iam::210987654321:role/x"), "expected the name of a role"),
        (("--format", "xml"), "--format"),
        (("--output", "/no/such/folder/file"), "/no/such/folder"),
        (("--output", "/"), "--output"),
        (("extra",), "extra"),
    ],
)
def test_a_wrong_option_is_refused_before_anything_is_asked(
    scanned: Control, wire: Wire, arguments: tuple[str, ...], said: str
) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert said in " ".join(result.stderr.split())
    assert wire.sent == []


def test_another_account_without_a_role_is_a_usage_error_that_names_it(populated: Control, wire: Wire) -> None:
    result = run("--accounts", f"{MAIN},{OTHER}")
    assert result.exit_code == 2
    assert f"the credentials are of account {MAIN}; to scan {OTHER}, add --role-name" in result.stderr
    assert wire.sent == ["GetCallerIdentity"]


@pytest.fixture
def signed_out(scanned: Control, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)


@pytest.mark.parametrize("profile", ["", "nobody"])
def test_without_credentials_one_line_says_what_to_do(
    signed_out: None, monkeypatch: pytest.MonkeyPatch, profile: str
) -> None:
    if profile:
        monkeypatch.setenv("AWS_PROFILE", profile)
    result = run()
    assert result.exit_code == 2
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert "ERROR E-AWS-06 There are no usable AWS credentials" in line
    assert "aws sso login" in line
    assert profile in line


@pytest.mark.parametrize("code", ["ExpiredToken", "InvalidClientTokenId", "SignatureDoesNotMatch"])
def test_credentials_that_aws_does_not_take_are_the_callers_affair(scanned: Control, wire: Wire, code: str) -> None:
    wire.react("GetCallerIdentity", lambda _: failure(code, 403))
    result = run()
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert "AWS does not accept these credentials" in line
    assert code in line


def test_an_aws_that_has_trouble_is_a_failure(scanned: Control, wire: Wire, no_backoff: None) -> None:
    wire.react("GetCallerIdentity", lambda _: failure("ServiceUnavailable", 503))
    result = run()
    assert result.exit_code == 1
    assert "sts:GetCallerIdentity" in result.stderr
    assert wire.sent.count("GetCallerIdentity") == 3


def test_an_aws_that_cannot_be_reached_is_a_failure(
    scanned: Control, monkeypatch: pytest.MonkeyPatch, no_backoff: None
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    result = run()
    assert result.exit_code == 1
    assert "AWS cannot be reached (sts:GetCallerIdentity)" in result.stderr


def test_no_region_is_needed(populated: Control, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    result = run("--accounts", f"{MAIN},{OTHER}", *ROLE, "--format", "json")
    assert result.exit_code == 0, result.stderr
    assert len(users(result)) == 3


# --- exit code for pipelines -----------------------------------------------------------------------------------


def test_a_finding_fails_a_pipeline_only_if_it_was_asked_to(populated: Control) -> None:
    assert run("--fail-on-findings").exit_code == 10
    assert run().exit_code == 0


def test_no_finding_fails_no_pipeline(populated: Control) -> None:
    assert run("--fail-on-findings", "--days", "250").exit_code == 0
    assert run("--fail-on-findings", "--days", "150").exit_code == 10


def test_a_failure_comes_before_a_finding(populated: Control) -> None:
    populated.fail(OTHER, "AssumeRole", "AccessDenied")
    assert run("--fail-on-findings", "--accounts", f"{MAIN},{OTHER}", *ROLE).exit_code == 1


# --- formats ---------------------------------------------------------------------------------------------------


HOSTILE = ["=1+1", "+cmd", "-2", "@sum", "a,b=c", "x@y.z"]


@pytest.fixture
def hostile(scanned: Control) -> Control:
    scanned.populate({MAIN: {name: idle(100 + number) for number, name in enumerate(HOSTILE)}}, datetime.now(UTC))
    return scanned


def test_a_user_name_is_no_formula_in_a_spreadsheet(hostile: Control) -> None:
    result = run("--format", "csv")
    lines = list(csv.DictReader(io.StringIO(result.stdout)))
    assert list(lines[0]) == list(IdleKey.__dataclass_fields__)
    assert [line["user"] for line in reversed(lines)] == ["'=1+1", "'+cmd", "'-2", "'@sum", "a,b=c", "x@y.z"]
    assert lines[0]["idle_days"] == "105"


def test_json_and_table_have_the_names_as_they_are(hostile: Control) -> None:
    assert users(run("--format", "json")) == HOSTILE[::-1]
    printed = run().stdout
    assert [name for name in HOSTILE if f" {name} " not in printed] == []


def test_the_page_escapes_what_it_is_given(scanned: Control, wire: Wire) -> None:
    client = boto3.Session().client("organizations")
    client.create_organization(FeatureSet="ALL")
    hostile = "<script>alert(1)</script>"
    made = client.create_account(AccountName=hostile, Email="a@example.com")["CreateAccountStatus"]["AccountId"]
    scanned.populate({made: {"bob": idle(150)}}, datetime.now(UTC))
    page = run("--organization", *ROLE, "--format", "html").stdout
    assert page.startswith("<!doctype html>")
    assert hostile not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


@pytest.mark.parametrize("form", ["table", "json", "csv", "html"])
def test_a_file_gets_what_standard_output_would(populated: Control, tmp_path: Path, form: str) -> None:
    target = tmp_path / "look"
    target.write_text("an older one")
    result = run("--format", form, "--output", str(target))
    assert (result.exit_code, result.stdout) == (0, "")
    assert f"Written: {target}" in result.stderr
    written = target.read_text(encoding="utf-8")
    assert "an older one" not in written
    assert "alice" in written
    if form == "csv":
        assert written == run("--format", form).stdout


def test_a_file_that_cannot_be_written_is_a_failure(populated: Control) -> None:
    result = run("--output", "/dev/full")
    assert result.exit_code == 1
    assert "The result cannot be written" in result.stderr


# --- on a terminal, in a pipe ----------------------------------------------------------------------------------


@pytest.fixture
def terminal(populated: Control, tmp_path: Path) -> Iterator[Callable[..., Dialogue]]:
    """Starts the command on a terminal of its own."""
    started: list[Dialogue] = []

    def start(*arguments: str) -> Dialogue:
        started.append(Dialogue("identification.scan", *arguments, cwd=tmp_path, kind="xterm"))
        return started[-1]

    yield start
    for dialogue in started:
        dialogue.end()


def test_a_terminal_shows_how_far_it_is(terminal: Callable[..., Dialogue]) -> None:
    dialogue = terminal("--accounts", f"{MAIN},{OTHER}", *ROLE)
    dialogue.wait_for("Scanning")
    assert dialogue.exit_code() == 0
    assert "2/2" in dialogue.screen
    assert "5 users, 14 calls" in dialogue.screen
    assert "longest idle first" in dialogue.screen


def test_a_pipe_gets_the_data_and_no_bar(populated: Control, tmp_path: Path) -> None:
    done = process(tmp_path, "--format", "json")
    assert done.returncode == 0
    assert len(json.loads(done.stdout)["idle_keys"]) == 2
    assert "Scanning" not in done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    assert all(" INFO " in line for line in done.stderr.splitlines())


def process(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "identification.scan", *arguments],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_ctrl_c_ends_it_at_once(scanned: Control, tmp_path: Path) -> None:
    """IAM takes the call and does not answer; nobody waits for it."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(60)
        running = subprocess.Popen(
            [sys.executable, "-m", "identification.scan"],
            env={
                **os.environ,
                "PYTHONPATH": str(REPOSITORY),
                "AWS_ENDPOINT_URL_IAM": f"http://127.0.0.1:{silent.getsockname()[1]}",
            },
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        with silent.accept()[0] as call:
            call.settimeout(60)
            assert b"POST" in call.recv(65536)
            running.send_signal(signal.SIGINT)
            # Below the 30 seconds after which the call would be given up.
            out, said = running.communicate(timeout=20)
    assert running.returncode == 130
    assert out == ""
    assert "Interrupted" in said
    assert "Traceback" not in said


def test_help_needs_neither_aws_nor_configuration(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "identification.scan", "--help"],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    for word in ("--days", "--accounts", "--organization", "--role-name", "--fail-on-findings", "Exit codes: 0 done"):
        assert word in done.stdout


def test_a_first_look_loads_nothing_of_jira_slack_the_host_or_the_page(tmp_path: Path) -> None:
    code = "import identification.scan, sys; print(*sys.modules, *{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "boto3" in loaded
    assert not loaded & {
        "jira",
        "slack_sdk",
        "watchtower",
        "jinja2",
        "pygal",
        "library.cli.run",
        "library.config.settings",
    }
