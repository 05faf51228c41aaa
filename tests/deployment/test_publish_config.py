"""The configuration in S3: one consistent set at any moment, and an error as soon as a part of it is not right."""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING

import boto3
import pytest
from click.testing import CliRunner, Result

from deployment import publish_config, stacks
from deployment.commands import DeploymentError
from deployment.config_change import changes
from deployment.publish_config import publish
from library.config.loading import load
from library.config.sources import CONFIG, FILES, OWNERS, WHITELIST
from library.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from botocore.awsrequest import AWSPreparedRequest
    from mypy_boto3_s3.client import S3Client

    from library.config.settings import Config
    from tests.wire import Wire


MAIN = "123456789012"
PLACE = "s3://estate/hammer/prod"


class Died(Exception):
    """The publisher's process ended at this very call."""


@pytest.fixture
def s3(scanned: object, wire: Wire) -> S3Client:
    client = boto3.Session().client("s3", region_name="us-east-1")
    client.create_bucket(Bucket="estate")
    wire.sent.clear()
    return client


def files(folder: Path, mark: str, days: int = 10) -> Path:
    """A configuration in which each file bears the mark."""
    folder.mkdir(exist_ok=True)
    main = {
        "aws": {"region": "us-east-1", "main_account_id": MAIN, "accounts": {MAIN: mark}},
        "user_inactivekeys": {"inactive_criteria_days": days},
    }
    documents = {
        CONFIG: main,
        WHITELIST: {"user_inactivekeys": {MAIN: [mark]}},
        OWNERS: {"jira_owner": mark},
    }
    for name, document in documents.items():
        (folder / name).write_text(json.dumps(document))
    return folder


def marks(settings: Config) -> set[str]:
    """The marks of the files that the configuration was read from: more than one if it is half of a change."""
    (exemption,) = settings.whitelist.entries[MAIN]
    return {settings.aws.accounts[MAIN], exemption.id, settings.owners.default.jira_owner}


def keys(s3: S3Client) -> list[str]:
    return [one["Key"] for one in s3.list_objects_v2(Bucket="estate").get("Contents", [])]


def test_what_is_published_is_what_is_read(s3: S3Client, tmp_path: Path) -> None:
    done = publish(s3, files(tmp_path / "a", "old"), PLACE)
    assert done == [("config.json", "new"), ("whitelist.json", "new"), ("ticket_owners.json", "new")]
    assert marks(load(PLACE)) == marks(load(f"{PLACE}/")) == {"old"}
    assert load(PLACE).warnings == ()
    files(tmp_path / "a", "new")
    (tmp_path / "a" / OWNERS).unlink()
    done = publish(s3, tmp_path / "a", PLACE)
    assert done == [("config.json", "changed"), ("whitelist.json", "changed"), ("ticket_owners.json", "taken away")]
    assert load(PLACE).owners.default.jira_owner == ""
    assert [name for name, became in publish(s3, tmp_path / "a", PLACE) if became != "unchanged"] == []


def test_a_publisher_that_dies_at_any_call_leaves_the_set_of_before(s3: S3Client, wire: Wire, tmp_path: Path) -> None:
    publish(s3, files(tmp_path / "a", "old"), PLACE)
    files(tmp_path / "b", "new")
    wire.sent.clear()
    publish(boto3.Session().client("s3", region_name="us-east-1"), tmp_path / "b", "s3://estate/elsewhere")
    calls = len(wire.sent)
    assert calls >= 5
    for last in range(calls):
        left = iter([*[False] * last, True])

        def die(request: AWSPreparedRequest, left: Iterator[bool] = left, **_: object) -> None:
            if next(left):
                raise Died

        client = boto3.Session().client("s3", region_name="us-east-1")
        client.meta.events.register_first("before-send.s3", die)
        with pytest.raises(Died):
            publish(client, tmp_path / "b", PLACE)
        assert marks(load(PLACE)) == {"old"}, f"after {last} of {calls} calls"


def test_a_reader_that_is_overtaken_at_any_call_reads_one_set(s3: S3Client, tmp_path: Path) -> None:
    old, new = files(tmp_path / "a", "old"), files(tmp_path / "b", "new")
    seen = []
    for overtaken in range(4):
        publish(s3, old, PLACE)
        left = iter([*[False] * overtaken, True, *[False] * 9])

        def overtake(request: AWSPreparedRequest, left: Iterator[bool] = left, **_: object) -> None:
            if next(left):
                publish(s3, new, PLACE)

        client = boto3.Session().client("s3", region_name="us-east-1")
        client.meta.events.register_first("before-send.s3.GetObject", overtake)
        settings = load(PLACE, s3_client=lambda client=client: client)  # type: ignore[misc]
        seen.append(marks(settings))
        assert marks(load(PLACE)) == {"new"}
    assert seen == [{"new"}, {"old"}, {"old"}, {"old"}]


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_the_set_that_is_gone_or_another_is_an_error_and_not_an_absent_file(
    s3: S3Client, tmp_path: Path, name: str
) -> None:
    publish(s3, files(tmp_path / "a", "old"), PLACE)
    (place,) = [key for key in keys(s3) if key.endswith(name)]
    s3.put_object(Bucket="estate", Key=place, Body=(files(tmp_path / "b", "new") / name).read_bytes())
    with pytest.raises(ConfigurationError, match=rf"^{PLACE}/sets/\w+/{name}: found another content than"):
        load(PLACE)
    s3.delete_object(Bucket="estate", Key=place)
    with pytest.raises(ConfigurationError, match=rf"^{PLACE}/sets/\w+/{name}: found no such object"):
        load(PLACE)
    publish(s3, tmp_path / "a", PLACE)
    assert marks(load(PLACE)) == {"old"}, "publishing again mends it"


@pytest.mark.parametrize(
    "pointer",
    [
        b"",
        b"{}",
        b"[]",
        b'{"files": [], "set": ""}',
        b'{"files": {}, "set": "other"}',
        b'{"files": {"config.json": 1}, "set": "x"}',
    ],
)
def test_a_broken_pointer_is_an_error_and_publishing_mends_it(s3: S3Client, tmp_path: Path, pointer: bytes) -> None:
    folder = files(tmp_path / "a", "old")
    publish(s3, folder, PLACE)
    s3.put_object(Bucket="estate", Key="hammer/prod/current.json", Body=pointer)
    with pytest.raises(ConfigurationError, match=r"^current.json: found"):
        load(PLACE)
    publish(s3, folder, PLACE)
    assert marks(load(PLACE)) == {"old"}


def test_a_pointer_that_is_gone_is_an_error(s3: S3Client, tmp_path: Path) -> None:
    publish(s3, files(tmp_path / "a", "old"), PLACE)
    s3.delete_object(Bucket="estate", Key="hammer/prod/current.json")
    with pytest.raises(ConfigurationError, match=r"^config.json: found no such file"):
        load(PLACE)


def test_nothing_is_published_beside_plain_files(s3: S3Client, tmp_path: Path) -> None:
    folder = files(tmp_path / "a", "old")
    s3.put_object(Bucket="estate", Key="hammer/prod/whitelist.json", Body=b"{}")
    with pytest.raises(DeploymentError, match=r"holds whitelist.json themselves.*choose another prefix"):
        publish(s3, folder, PLACE)
    assert keys(s3) == ["hammer/prod/whitelist.json"]


def test_a_wrong_configuration_is_not_published(s3: S3Client, tmp_path: Path) -> None:
    publish(s3, files(tmp_path / "a", "old"), PLACE)
    before = keys(s3)
    (tmp_path / "a" / WHITELIST).write_text("{")
    with pytest.raises(ConfigurationError):
        publish(s3, tmp_path / "a", PLACE)
    assert keys(s3) == before
    assert marks(load(PLACE)) == {"old"}


def run(*arguments: str) -> Result:
    return CliRunner().invoke(publish_config.main, arguments)


def test_the_command_says_what_became_of_each_file(s3: S3Client, tmp_path: Path) -> None:
    result = run(str(files(tmp_path / "a", "old")), "s3://estate")
    assert result.exit_code == 0, result.output
    assert result.output.splitlines()[-1] == "In force from s3://estate"
    assert marks(load("s3://estate")) == {"old"}


def test_the_command_tells_each_failure_in_one_message(s3: S3Client, tmp_path: Path) -> None:
    folder = files(tmp_path / "a", "old")
    wrong = run(str(folder), "estate/prod")
    assert (wrong.exit_code, "is not s3://bucket/prefix" in wrong.output) == (2, True)
    gone = run(str(folder), "s3://no-such-bucket/x")
    assert (gone.exit_code, "NoSuchBucket" in gone.output) == (1, True)
    files(folder, "old", days=0)
    invalid = run(str(folder), PLACE)
    assert (invalid.exit_code, "inactive_criteria_days" in invalid.output) == (2, True)
    settings = json.loads((folder / CONFIG).read_text())
    settings["aws"] |= {"main_account_id": "999999999999", "accounts": {"999999999999": "other"}}
    settings["user_inactivekeys"]["inactive_criteria_days"] = 1
    (folder / CONFIG).write_text(json.dumps(settings))
    foreign = run(str(folder), PLACE)
    assert (foreign.exit_code, "credentials are of account 123456789012" in foreign.output) == (1, True)
    assert not any("Traceback" in result.output for result in (wrong, gone, invalid, foreign))
    assert keys(s3) == []


# --- what is shown and asked before ---


def changed(folder: Path, **settings: object) -> Path:
    """The configuration with other settings of `user_inactivekeys`."""
    content = json.loads((folder / CONFIG).read_text())
    content["user_inactivekeys"] |= settings
    (folder / CONFIG).write_text(json.dumps(content))
    return folder


def asked(folder: Path, *arguments: str, answer: str = "") -> Result:
    return CliRunner().invoke(publish_config.main, [str(folder), PLACE, *arguments], input=answer)


RISKS: tuple[tuple[dict[str, object], dict[str, object], str], ...] = (
    ({"remediation": False}, {"remediation": True}, "keys are switched off by schedule from now on"),
    ({"inactive_criteria_days": 10}, {"inactive_criteria_days": 9}, "keys are idle earlier"),
    (
        {"remediation_retention_period": 14},
        {"remediation_retention_period": 13},
        "keys are switched off earlier after their report",
    ),
    (
        {"remediation_max_keys_per_run": 3},
        {"remediation_max_keys_per_run": 4},
        "more keys are switched off in one run",
    ),
    (
        {"remediation_max_keys_per_run": 3},
        {"remediation_max_keys_per_run": None},
        "more keys are switched off in one run",
    ),
    ({"remediation_accounts": []}, {"remediation_accounts": [MAIN]}, "keys of this account may be switched off"),
)


@pytest.mark.parametrize(("safe", "less_safe", "risk"), RISKS)
def test_a_setting_by_which_keys_lose_protection_is_shown_and_asked_about_and_its_reverse_is_not(
    s3: S3Client, tmp_path: Path, safe: dict[str, object], less_safe: dict[str, object], risk: str
) -> None:
    folder = changed(files(tmp_path / "a", "old"), **safe)
    publish(s3, folder, PLACE)
    changed(folder, **less_safe)
    before = keys(s3)
    unanswered = asked(folder)
    assert (unanswered.exit_code, risk[:30] in unanswered.output) == (2, True), unanswered.output
    assert "Nobody answered" in unanswered.output
    refused, tried = asked(folder, answer="n\n"), asked(folder, "--dry-run")
    assert (refused.exit_code, tried.exit_code) == (0, 0)
    for result in (refused, tried):
        assert result.output.endswith("Nothing was published\n")
    assert keys(s3) == before
    assert asked(folder, answer="y\n").exit_code == 0
    changed(folder, **safe)
    again = asked(folder)
    assert (again.exit_code, "[y/N]" in again.output) == (0, False)


FOLLOWS = "The host's schedule follows by itself, at seven minutes past the hour"
NO_HOST = "Turned on: {}. But there is no host that would do it, so nobody is told"


@pytest.mark.parametrize("has_host", [True, False])
def test_who_turns_a_job_on_is_told_when_it_begins_or_what_is_left_to_do(
    s3: S3Client, tmp_path: Path, has_host: bool
) -> None:
    if has_host:
        template = json.dumps({"Resources": {"Any": {"Type": "AWS::SNS::Topic"}}})
        cloudformation = boto3.Session().client("cloudformation", region_name="us-east-1")
        cloudformation.create_stack(StackName=stacks.HOST_STACK, TemplateBody=template)

    def said(**settings: object) -> str:
        result = asked(changed(folder, **settings), "--yes")
        assert result.exit_code == 0, result.output
        return result.output.partition(f"In force from {PLACE}\n")[2]

    folder = files(tmp_path / "a", "old")
    assert said() == ""
    first, second = said(reporting=True), said(remediation=True)
    assert said(reporting=False, remediation=False).strip() == (FOLLOWS if has_host else "")
    assert said() == ""
    if has_host:
        assert first.strip() == second.strip() == FOLLOWS
    else:
        assert first.startswith(NO_HOST.format("reporting"))
        assert second.startswith(NO_HOST.format("reporting and remediation"))
    assert bool(said(reporting=True)) is True
    assert bool(said(inactive_criteria_days=11)) is not has_host, "what a host does already needs no word"


def whitelist(folder: Path, *entries: object) -> Path:
    (folder / WHITELIST).write_text(json.dumps({"user_inactivekeys": {MAIN: list(entries)}}))
    return folder


@pytest.mark.parametrize(
    ("before", "after", "risky"),
    [
        (["ann"], ["ann", "bob"], False),
        (["ann", "bob"], ["ann"], True),
        (["ann"], [{"id": "ann", "until": "2099-01-31"}], True),
        ([{"id": "ann", "until": "2099-01-31"}], [{"id": "ann", "until": "2099-01-30"}], True),
        ([{"id": "ann", "until": "2099-01-30"}], [{"id": "ann", "until": "2099-01-31"}], False),
        ([{"id": "ann", "until": "2099-01-30"}], ["ann"], False),
        ([{"id": "ann", "until": "2001-01-30"}], [], False),
        ([{"id": "ann", "reason": "x"}], [{"id": "ann", "reason": "y"}], False),
        (["ann", {"id": "ann", "until": "2099-01-30"}], ["ann"], False),
    ],
)
def test_an_exemption_that_is_lost_or_ends_earlier_is_shown_and_asked_about(
    s3: S3Client, tmp_path: Path, before: list[object], after: list[object], risky: bool
) -> None:
    folder = whitelist(files(tmp_path / "a", "old"), *before)
    publish(s3, folder, PLACE)
    result = asked(whitelist(folder, *after))
    assert result.exit_code == (2 if risky else 0), result.output
    assert ("exemption ann" in result.output or "exemption bob" in result.output) == (
        [each for each in before if "2001" not in str(each)] != after
    )


def test_a_whitelist_that_was_there_and_is_missing_is_an_error_that_only_its_option_overrides(
    s3: S3Client, tmp_path: Path
) -> None:
    folder = files(tmp_path / "a", "old")
    publish(s3, folder, PLACE)
    (folder / WHITELIST).rename(folder / "Whitelist.json")
    before = keys(s3)
    for arguments in ((), ("--yes",), ("--dry-run",)):
        result = asked(folder, *arguments)
        assert result.exit_code == 2
        assert "has no whitelist.json, but one is in force" in " ".join(result.output.split())
    assert keys(s3) == before
    unasked = asked(folder, "--without-whitelist")
    assert (unasked.exit_code, "exemption old" in unasked.output) == (2, True)
    assert asked(folder, "--without-whitelist", "--yes").exit_code == 0
    assert load(PLACE).whitelist.entries == {}


def test_the_first_configuration_is_asked_about_only_if_keys_are_switched_off_by_it(
    s3: S3Client, tmp_path: Path
) -> None:
    folder = files(tmp_path / "a", "old")
    assert asked(changed(folder, remediation=True)).exit_code == 2
    assert keys(s3) == []
    assert asked(changed(folder, remediation=False)).exit_code == 0


def test_what_cannot_be_compared_is_asked_about(s3: S3Client, tmp_path: Path) -> None:
    folder = files(tmp_path / "a", "old")
    publish(s3, folder, PLACE)
    (place,) = [key for key in keys(s3) if key.endswith(WHITELIST)]
    s3.delete_object(Bucket="estate", Key=place)
    result = asked(folder)
    assert (result.exit_code, "nobody can say what would change" in result.output) == (2, True)


def test_previous_puts_what_was_in_force_before_into_force_again(s3: S3Client, tmp_path: Path) -> None:
    folder = files(tmp_path / "a", "old")
    assert asked(folder, "--previous").exit_code == 1
    publish(s3, folder, PLACE)
    assert "holds no previous.json" in asked(folder, "--previous").output
    publish(s3, files(folder, "new"), PLACE)
    publish(s3, folder, PLACE)
    assert asked(folder, "--previous", "--yes").exit_code == 0
    assert marks(load(PLACE)) == {"old"}
    assert asked(folder, "--previous", "--yes").exit_code == 0
    assert marks(load(PLACE)) == {"new"}
    (place,) = [key for key in keys(s3) if key.endswith(OWNERS) and b"old" in content(s3, key)]
    s3.put_object(Bucket="estate", Key=place, Body=b"{}")
    changed_since = asked(folder, "--previous", "--yes")
    assert (changed_since.exit_code, "is not what was published" in changed_since.output) == (1, True)
    assert marks(load(PLACE)) == {"new"}


def content(s3: S3Client, key: str) -> bytes:
    return s3.get_object(Bucket="estate", Key=key)["Body"].read()


def test_every_setting_that_differs_is_named_as_the_file_has_it(tmp_path: Path) -> None:
    before = load(str(files(tmp_path / "a", "old")))
    folder = changed(files(tmp_path / "b", "new"), reporting=True, reminder_days_before_remediation=[3])
    found = changes(before, load(str(folder)), date(2026, 11, 25))
    assert [(each.what, each.before, each.after) for each in found] == [
        ("user_inactivekeys.reminder_days_before_remediation", "7, 1", "3"),
        ("user_inactivekeys.reporting", "false", "true"),
        (f"exemption new in {MAIN}", "", "no end"),
        (f"exemption old in {MAIN}", "no end", ""),
        ("ticket_owners.json", "one content", "another content"),
    ]
