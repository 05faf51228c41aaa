"""Where the files come from: a folder, S3, and `config.ini`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError

from deployment.publish_config import current, publish
from library.config.loading import load
from library.config.sources import log_group
from library.errors import ConfigurationError
from library.issues.whitelist import Exemption
from tests.config.conftest import MASTER, NO_WHITELIST, ROOT, SMALLEST, Folder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mypy_boto3_s3.client import S3Client

    from deployment.local.scanned_accounts import Control


def test_the_environment_names_the_folder(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.write()
    monkeypatch.setenv("HAMMER_CONFIG", str(folder.path))
    assert load().source == str(folder.path)


@pytest.mark.parametrize("value", [None, ""])
def test_without_the_environment_it_is_config_beside_the_code(
    value: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HAMMER_CONFIG", raising=False)
    if value is not None:
        monkeypatch.setenv("HAMMER_CONFIG", value)
    assert Path(load().source) == ROOT / "config"


def test_a_folder_needs_no_client(folder: Folder) -> None:
    folder.write()
    load(str(folder.path), s3_client=lambda: pytest.fail("a client was made"))


@pytest.fixture
def s3(scanned: Control) -> S3Client:
    client = boto3.client("s3", region_name="us-east-1")
    client.create_bucket(Bucket="estate")
    return client


def put(s3: S3Client, prefix: str, **files: Any) -> None:
    for name, document in files.items():
        s3.put_object(Bucket="estate", Key=f"{prefix}{name}.json", Body=json.dumps(document).encode())


@pytest.mark.parametrize(
    ("source", "prefix"),
    [
        ("s3://estate/hammer/prod", "hammer/prod/"),
        ("s3://estate/hammer/prod/", "hammer/prod/"),
        ("s3://estate", ""),
        ("s3://estate/", ""),
    ],
)
def test_the_three_files_may_lie_in_s3(s3: S3Client, source: str, prefix: str) -> None:
    put(s3, prefix, config=SMALLEST, whitelist={"user_inactivekeys": {MASTER: ["bob"]}}, ticket_owners={})
    config = load(source)
    assert config.whitelist.entries == {MASTER: (Exemption("bob"),)}
    assert (config.source, config.warnings) == (source, ())


def test_s3_is_read_with_the_client_that_is_handed_in(s3: S3Client, monkeypatch: pytest.MonkeyPatch) -> None:
    put(s3, "", config=SMALLEST, whitelist=NO_WHITELIST, ticket_owners={})
    made = []

    def client() -> S3Client:
        made.append(s3)
        return s3

    monkeypatch.setenv("HAMMER_CONFIG", "s3://estate")
    assert load(s3_client=client).warnings == ()
    assert made == [s3]


def test_an_absent_object_is_like_an_absent_file(s3: S3Client) -> None:
    put(s3, "a/", config=SMALLEST)
    assert [warning.split(":")[0] for warning in load("s3://estate/a").warnings] == [
        "whitelist.json",
        "ticket_owners.json",
    ]
    with pytest.raises(ConfigurationError, match=r"^config.json: found no such file in s3://estate/b"):
        load("s3://estate/b")


def test_a_broken_object_is_an_error(s3: S3Client) -> None:
    put(s3, "", config=SMALLEST)
    s3.put_object(Bucket="estate", Key="whitelist.json", Body=b"")
    with pytest.raises(ConfigurationError, match=r"^whitelist.json: found text that is not JSON"):
        load("s3://estate")


def test_any_other_failure_of_s3_is_an_error_that_names_the_object(s3: S3Client) -> None:
    with pytest.raises(ConfigurationError, match=r"^s3://no-such-bucket/prod/current.json: .*NoSuchBucket"):
        load("s3://no-such-bucket/prod")


def test_an_object_that_may_not_be_read_is_never_taken_for_an_absent_one(s3: S3Client) -> None:
    put(s3, "", config=SMALLEST, ticket_owners={})
    put(s3, "", whitelist=NO_WHITELIST)

    def refuse(params: dict[str, Any], **_: Any) -> Any:
        if params["Key"] == "whitelist.json":
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "Access Denied"}}, "GetObject")

    s3.meta.events.register("provide-client-params.s3.GetObject", refuse)
    with pytest.raises(ConfigurationError, match=r"^s3://estate/whitelist.json: .*AccessDenied"):
        load("s3://estate", s3_client=lambda: s3)


@pytest.mark.parametrize("source", ["s3://", "s3:///prod", "s3://Not A Bucket/x"])
def test_an_address_without_a_bucket_is_an_error(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(ConfigurationError, match="s3://"):
        load(source)


def test_a_profile_that_does_not_exist_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody-has-this-profile")
    with pytest.raises(ConfigurationError, match="no way to S3") as raised:
        load("s3://estate")
    assert len(raised.value.problems) == 1


@pytest.mark.parametrize(
    ("text", "group"),
    [
        ("LOG_GROUP=/aws/ec2/hammer\n", "/aws/ec2/hammer"),
        ("REGION=x\nLOG_GROUP = /aws/ec2/hammer \nOTHER=1", "/aws/ec2/hammer"),
        ('\ufeffLOG_GROUP="/aws/ec2/hammer"\r\n', "/aws/ec2/hammer"),
        ("# LOG_GROUP=old\n; LOG_GROUP=older\n[hammer]\nLOG_GROUP=new", "new"),
        ("LOG_GROUP=a=b", "a=b"),
        ("LOG_GROUP=\n", None),
        ("LOG_GROUP\n", None),
        ("MY_LOG_GROUP=x\n", None),
        ("", None),
    ],
)
def test_the_log_group_is_a_bare_line_of_config_ini(tmp_path: Path, text: str, group: str | None) -> None:
    (tmp_path / "config.ini").write_text(text, encoding="utf-8")
    assert log_group(str(tmp_path)) == group


def test_without_config_ini_there_is_no_log_group(folder: Folder) -> None:
    folder.write()
    assert log_group(str(folder.path)) is None


def test_a_config_ini_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "config.ini").mkdir()
    with pytest.raises(ConfigurationError, match=r"^config.ini"):
        log_group(str(tmp_path))


def test_config_ini_is_looked_for_in_the_local_folder_that_the_environment_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.ini").write_text("LOG_GROUP=there\n")
    monkeypatch.setenv("HAMMER_CONFIG", str(tmp_path))
    assert log_group() == "there"


def code_at(folder: Path, files: Mapping[str, str]) -> Callable[..., str]:
    """A copy of the code, as it lies on the host, with these files beside it; runs a script there."""
    shutil.copytree(ROOT / "library", folder / "library")
    (folder / "config").mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    kept = {key: value for key, value in os.environ.items() if key not in ("HAMMER_CONFIG", "PYTHONPATH")}

    def run(script: str, environment: str | None = None) -> str:
        variables = {**kept, "PYTHONPATH": str(folder), **({"HAMMER_CONFIG": environment} if environment else {})}
        done = subprocess.run(
            [sys.executable, "-c", script], cwd="/", env=variables, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    return run


@pytest.mark.process
@pytest.mark.parametrize(
    ("places", "group"),
    [
        ({"config/config.ini": "LOG_GROUP=folder\n", "config.ini": "LOG_GROUP=code\n"}, "folder"),
        ({"config.ini": "LOG_GROUP=code\n"}, "code"),
        ({"config/config.ini": "OTHER=1\n", "config.ini": "LOG_GROUP=code\n"}, "code"),
        ({}, None),
    ],
)
def test_config_ini_beside_the_code_is_the_second_choice(
    tmp_path: Path, places: dict[str, str], group: str | None
) -> None:
    run = code_at(tmp_path, places)
    for environment in (None, "s3://estate/prod"):
        said = run("from library.config.sources import log_group; print(log_group())", environment)
        assert said == str(group)


@pytest.mark.process
@pytest.mark.parametrize(
    ("places", "environment", "source"),
    [
        ({"config.ini": "HAMMER_CONFIG=s3://estate/prod\n"}, None, "s3://estate/prod"),
        ({"config.ini": "HAMMER_CONFIG=s3://estate/prod\n"}, "s3://estate/try", "s3://estate/try"),
        ({"config/config.ini": "HAMMER_CONFIG=s3://a/b\n", "config.ini": "HAMMER_CONFIG=s3://c/d"}, None, "s3://a/b"),
        ({"config/config.ini": "LOG_GROUP=x\n", "config.ini": "HAMMER_CONFIG=s3://c/d"}, None, "s3://c/d"),
        ({"config.ini": "HAMMER_CONFIG=/srv/hammer\n"}, None, "/srv/hammer"),
        ({"config.ini": "HAMMER_CONFIG=settings\n"}, None, "CODE/settings"),
        ({"config.ini": "HAMMER_CONFIG=\n"}, None, "CODE/config"),
        ({}, None, "CODE/config"),
    ],
)
def test_the_source_is_the_variable_s_else_that_of_config_ini_else_config_beside_the_code(
    tmp_path: Path, places: dict[str, str], environment: str | None, source: str
) -> None:
    run = code_at(tmp_path, places)
    said = run("from library.config.sources import default_source; print(default_source())", environment)
    assert said == source.replace("CODE", str(tmp_path))


@pytest.mark.process
def test_without_any_source_nothing_is_taken_for_an_empty_configuration(tmp_path: Path) -> None:
    run = code_at(tmp_path, {"config.ini": "LOG_GROUP=x\n"})
    (tmp_path / "config").rmdir()
    script = """
from library.config.loading import load
from library.errors import ConfigurationError
try:
    load()
except ConfigurationError as error:
    print(error)
"""
    expected = "a folder with config.json, whitelist.json and ticket_owners.json"
    assert run(script) == f"{tmp_path}/config: found no such folder; expected {expected}"


def test_the_digest_is_that_of_the_content_wherever_it_lies_and_names_the_published_set(
    s3: S3Client, folder: Folder
) -> None:
    folder.write(whitelist={"user_inactivekeys": {MASTER: ["bob"]}})
    publish(s3, folder.path, "s3://estate/prod")
    here, published = load(str(folder.path)), load("s3://estate/prod")
    in_force = current(s3, "s3://estate/prod")
    assert in_force is not None
    assert here.digest == published.digest == in_force.digest
    assert published.in_force == f"Configuration in force: s3://estate/prod, digest {in_force.digest[:12]}"
    assert here.in_force == f"Configuration in force: {folder.path}, digest {in_force.digest[:12]}"


@pytest.mark.parametrize("changed", ["config", "whitelist", "owners"])
def test_the_digest_is_another_one_for_any_change_of_any_file(folder: Folder, changed: str) -> None:
    folder.write()
    before = load(str(folder.path)).digest
    assert load(str(folder.path)).digest == before
    name = {"config": "config.json", "whitelist": "whitelist.json", "owners": "ticket_owners.json"}[changed]
    file = folder.path / name
    file.write_text(file.read_text() + "\n")
    after = load(str(folder.path)).digest
    if name != "config.json":
        file.unlink()
        assert len({before, after, load(str(folder.path)).digest}) == 3
    assert before != after
