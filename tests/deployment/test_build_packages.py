"""The zips of the functions and of the host: complete, nothing beyond that, and the same bytes each time."""

import hashlib
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from deployment import build_packages
from deployment.build_packages import HOST_PACKAGE_NAME, PACKAGE_NAME, build, build_host
from deployment.commands import REPOSITORY
from deployment.pins import BuildError, pins
from deployment.sbom import write_sbom
from library.errors import ConfigurationError
from tests.deployment.lambda_emulator import AWS_PACKAGES, link_installed


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(None, tmp_path_factory.mktemp("build"))


@pytest.fixture(scope="module")
def host_package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_host(None, tmp_path_factory.mktemp("build"))


def names(package: Path) -> list[str]:
    with zipfile.ZipFile(package) as archive:
        return archive.namelist()


def test_the_same_files_give_the_same_bytes_whatever_their_times_and_modes(package: Path, tmp_path: Path) -> None:
    folder = tmp_path / "config"
    folder.mkdir()
    for file in (REPOSITORY / "config").glob("*.json"):
        copy = folder / file.name
        copy.write_bytes(file.read_bytes())
        copy.chmod(0o600)
        os.utime(copy, (1_000_000_000, 1_000_000_000))
    again = build(str(folder), tmp_path / "again")
    assert again.name == package.name
    assert again.read_bytes() == package.read_bytes()
    with zipfile.ZipFile(package) as archive:
        entries = archive.infolist()
    assert [entry.filename for entry in entries] == sorted(entry.filename for entry in entries)
    assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}
    assert {oct(entry.external_attr >> 16) for entry in entries} == {"0o100644"}


def test_it_holds_both_handlers_at_its_root_the_library_the_configuration_and_the_dependencies(package: Path) -> None:
    assert {
        "initiate_to_desc_iam_access_keys.py",
        "describe_iam_accesskey_details.py",
        "library/config/settings.py",
        "library/aws/__init__.py",
        "config/config.json",
        "config/whitelist.json",
        "config/ticket_owners.json",
        "aws_lambda_powertools/logging/logger.py",
        "marshmallow/schema.py",
        "typing_extensions.py",
    } <= set(names(package))


def test_it_holds_nothing_of_the_host_the_runtime_the_tests_or_one_architecture(package: Path) -> None:
    found = names(package)
    roots = {name.partition("/")[0] for name in found}
    assert not roots & {"boto3", "botocore", "jira", "slack_sdk", "watchtower", "tests", "deployment", "bin"}
    assert not roots & {"jinja2", "pygal"}
    assert not [name for name in found if "templates/" in name]
    host_only = ("jira_tickets.py", "slack_messages.py", "run.py", "terminal.py", "jira_words.py")
    assert not [name for name in found if name.startswith("library/") and name.endswith(host_only)]
    assert not [name for name in found if name.endswith((".pyc", ".so", ".pyd", "RECORD", "INSTALLER"))]
    assert not [name for name in found if "tests/" in name or ".." in name or name.startswith("/")]


def test_it_runs_on_nothing_but_the_standard_library_and_boto3(package: Path, tmp_path: Path) -> None:
    """In the embedded AWS the functions see everything that is installed here, so what is missing would not show."""
    code, runtime = tmp_path / "code", tmp_path / "runtime"
    link_installed(AWS_PACKAGES, runtime)
    with zipfile.ZipFile(package) as archive:
        archive.extractall(code)
    modules = [
        name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        for name in names(package)
        if name.endswith(".py") and (name.startswith("library/") or "/" not in name)
    ]
    program = (
        "import importlib, json, sys\n"
        f"sys.path[:0] = {[str(code), str(runtime)]!r}\n"
        f"for name in {modules!r}: importlib.import_module(name)\n"
        "from library.config.loading import load\n"
        "print(json.dumps([sorted(sys.modules), load().source]))\n"
    )
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "HAMMER_", "POWERTOOLS_"))
    }
    run = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program],
        env=environment | {"AWS_DEFAULT_REGION": "eu-west-1", "SNS_ARN": "arn:aws:sns:eu-west-1:123456789012:topic"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    loaded, source = json.loads(run.stdout)
    assert source == str(code / "config")
    assert not {"jira", "slack_sdk", "watchtower"} & set(loaded)


def test_two_builds_into_one_folder_do_not_write_into_one_file(package: Path, tmp_path: Path) -> None:
    begun = (tmp_path / package.name).with_suffix(".tmp")
    begun.write_bytes(b"half of another build")
    assert build(None, tmp_path).read_bytes() == package.read_bytes()
    assert begun.read_bytes() == b"half of another build"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([begun.name, package.name])


def test_a_wrong_configuration_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "config.json").write_text('{"aws": {}}', encoding="utf-8")
    with pytest.raises(ConfigurationError):
        build(str(tmp_path / "config"), tmp_path / "build")
    assert not (tmp_path / "build").exists()


def test_the_hosts_zip_has_the_manuals_layout_at_its_root(host_package: Path) -> None:
    found = names(host_package)
    assert {
        "reporting/create_iam_key_inactive_tickets.py",
        "remediation/clean_iam_keys_inactive.py",
        "remediation/restore_iam_keys.py",
        "library/cli/run.py",
        "library/notifications/jira_tickets.py",
        "library/aws/iam_keys.py",
        "config/config.json",
        "requirements.txt",
    } <= set(found)
    # What the report's page is made of.
    assert {f"library/reports/templates/page.{kind}" for kind in ("html", "css", "js")} <= set(found)
    assert {name.partition("/")[0] for name in found} - {"cronjobs"} == {
        *("reporting", "remediation", "library", "config", "requirements.txt")
    }
    assert not [name for name in found if "__pycache__" in name or name.endswith(".ini")]


def test_the_hosts_commands_start_from_its_unpacked_zip(host_package: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(host_package) as archive:
        archive.extractall(tmp_path)
    # Whatever is installed here is there on the host by requirements.txt, but not this repository's own modules.
    program = (
        "import sys, runpy\n"
        "sys.path.insert(0, '.')\n"
        "sys.argv = [sys.argv[1], '--help']\n"
        "runpy.run_module(sys.argv[0], run_name='__main__', alter_sys=True)\n"
    )
    for module in (
        *("reporting.create_iam_key_inactive_tickets", "reporting.inactive_keys_report"),
        "remediation.clean_iam_keys_inactive",
    ):
        run = subprocess.run(
            [sys.executable, "-c", program, module], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert (run.returncode, "Exit codes" in run.stdout) == (0, True), run.stderr
    program = "import sys; sys.path.insert(0, '.'); from library.config.loading import load; print(load().source)"
    run = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.stdout.strip() == str(tmp_path / "config"), run.stderr


def test_the_same_files_give_the_same_host_zip(host_package: Path, tmp_path: Path) -> None:
    assert build_host(None, tmp_path).read_bytes() == host_package.read_bytes()


@pytest.mark.parametrize("build_package", [build, build_host])
def test_what_is_deployed_with_a_source_elsewhere_has_no_configuration_in_it(
    build_package: Callable[..., Path], tmp_path: Path
) -> None:
    with_it = names(build_package(None, tmp_path / "with"))
    without = names(build_package(None, tmp_path / "without", with_configuration=False))
    assert set(with_it) - set(without) == {"config/config.json", "config/whitelist.json", "config/ticket_owners.json"}
    assert not set(without) - set(with_it)
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "config.json").write_text('{"aws": {}}', encoding="utf-8")
    with pytest.raises(ConfigurationError):
        build_package(str(tmp_path / "config"), tmp_path, with_configuration=False)


def test_a_file_that_was_changed_after_it_had_been_installed_is_not_packed(tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    installed = importlib.metadata.distribution("marshmallow")
    for file in installed.files or ():
        if ".." not in file.parts and file.suffix != ".pyc":
            (site / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(str(file.locate()), site / file)

    def done() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "deployment.build_packages", "--output", tmp_path / "build"],
            cwd=REPOSITORY,
            env=os.environ | {"PYTHONPATH": str(site)},
            capture_output=True,
            text=True,
            check=False,
        )

    assert (done().returncode, done().stderr) == (0, "")
    with (site / "marshmallow" / "schema.py").open("a") as changed:
        changed.write("\n# not of marshmallow\n")
    refused = done()
    assert refused.returncode == 1
    assert "marshmallow: marshmallow/schema.py was changed after it had been installed" in refused.stderr


def test_the_command_leaves_the_configuration_out_when_it_is_told_to(tmp_path: Path) -> None:
    result = CliRunner().invoke(build_packages.main, ["--output", str(tmp_path), "--without-configuration"])
    assert result.exit_code == 0, result.output
    assert not [name for zip_file in tmp_path.glob("*.zip") for name in names(zip_file) if name.startswith("config/")]


def test_the_command_says_what_it_built(tmp_path: Path) -> None:
    result = CliRunner().invoke(build_packages.main, ["--output", str(tmp_path)])
    assert result.exit_code == 0, result.output
    names = ("hammer-iam-user-inactive-keys", "hammer-reporting-remediation")
    for name, (built, listed) in zip(names, pairs(result.output.splitlines()), strict=True):
        assert re.fullmatch(rf"{tmp_path}/{name}\.zip \(\d+ KiB\)", built)
        assert listed == f"{tmp_path}/{name}.cdx.json"


def pairs(lines: list[str]) -> list[tuple[str, str]]:
    return list(zip(lines[::2], lines[1::2], strict=True))


def test_beside_each_zip_is_the_list_of_what_it_is_made_of_and_the_same_each_time(tmp_path: Path) -> None:
    locks = {PACKAGE_NAME: "requirements-lambda.txt", HOST_PACKAGE_NAME: "requirements.txt"}
    for place in ("one", "other"):
        assert CliRunner().invoke(build_packages.main, ["--output", str(tmp_path / place)]).exit_code == 0
    for name, lock in locks.items():
        package = tmp_path / "one" / name
        text = package.with_suffix(".cdx.json").read_text()
        assert text == (tmp_path / "other" / name).with_suffix(".cdx.json").read_text()
        document = json.loads(text)
        validator = JsonStrictValidator(SchemaVersion.from_version(document["specVersion"]))
        assert validator.validate_str(text) is None
        main = document["metadata"]["component"]
        assert main["hashes"] == [{"alg": "SHA-256", "content": hashlib.sha256(package.read_bytes()).hexdigest()}]
        found = {
            (component["name"], component["version"]): {
                digest["content"] for place in component["externalReferences"] for digest in place["hashes"]
            }
            for component in document["components"]
        }
        assert found == {(pin.name, pin.version): set(pin.hashes) for pin in pins(REPOSITORY / lock)}


def test_a_list_that_cannot_be_written_is_an_error_with_its_reason(tmp_path: Path) -> None:
    package = tmp_path / "hammer.zip"
    package.write_bytes(b"")
    with pytest.raises(BuildError, match=r"the list of what hammer\.zip is made of was not written: .*nowhere"):
        write_sbom(package, tmp_path / "nowhere.txt")
    assert not package.with_suffix(".cdx.json").exists()


def test_the_command_names_what_is_wrong_with_the_configuration_and_exits_with_2(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"aws": {}}', encoding="utf-8")
    result = CliRunner().invoke(build_packages.main, [str(tmp_path), "--output", str(tmp_path / "build")])
    assert result.exit_code == 2
    assert "inactive_criteria_days" in result.output
