"""The documents against the code: each alarm, line and exit code has its row, each link leads somewhere."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import botocore.session
import pytest
from botocore import xform_name
from cfnlint.decode import decode  # type: ignore[import-untyped]
from click.testing import CliRunner

from library.cli import exit_codes
from library.messages import Message
from tests.documents import (
    DOCUMENTS,
    ROOT,
    aws_calls,
    code_spans,
    commands_of_the_code,
    headings,
    lines_without_an_id,
    modules,
    option_names,
    options_of,
    parts,
    rows,
    section,
    targets_of,
    text_of,
)

OPERATING = "deployment/OPERATING.md"
TEMPLATES = sorted((ROOT / "deployment" / "cloudformation").glob("*.yaml"))


def alarms() -> list[str]:
    """The names of all alarms of the templates, with the names of the functions filled in."""
    found = []
    for path in TEMPLATES:
        template, problems = decode(str(path))
        assert not problems
        assert isinstance(template, dict)
        resources = template["Resources"]
        for one in resources.values():
            if one["Type"] == "AWS::CloudWatch::Alarm":
                name = one["Properties"]["AlarmName"]
                if isinstance(name, dict):
                    function, _, rest = name["Fn::Sub"].removeprefix("${").partition("}")
                    name = resources[function]["Properties"]["FunctionName"] + rest
                found.append(name)
    return found


def test_every_alarm_of_the_templates_has_one_row_and_nothing_else_has() -> None:
    found = rows(section(OPERATING, "## Alarms"))
    assert Counter(cells[0] for cells in found) == Counter(f"`{name}`" for name in alarms())
    assert all(len(cells) == 4 and all(cells) for cells in found)


def test_every_exit_code_has_one_row() -> None:
    codes = {exit_codes.OK, exit_codes.FAILED, exit_codes.USAGE, exit_codes.LOCKED, exit_codes.INTERRUPTED}
    for module, command in commands_of_the_code().items():
        said = re.search(r"Exit codes: (.*)", " ".join(f"{command.help} {command.epilog or ''}".split()))
        assert said is not None, module
        codes |= {int(code) for code in re.findall(r"(?:^|, )(\d+) [a-zA-Z]", re.sub(r"\([^)]*\)", "", said[1]))}
    found = [cells[0] for cells in rows(section(OPERATING, "## Exit codes"))]
    assert found == [str(code) for code in sorted(codes)]


def ids_of(level: str) -> list[str]:
    """The id of each row under the heading of a level."""
    found = rows(section(OPERATING, f"## Lines at {level}"))
    assert all(len(cells) == 4 and all(cells) for cells in found)
    return [cells[0].strip("`") for cells in found]


@pytest.mark.parametrize("level", ["ERROR", "WARNING"])
def test_each_message_has_one_row(level: str) -> None:
    assert Counter(ids_of(level)) == Counter(str(each) for each in Message if each.startswith(f"{level[0]}-"))


def test_each_message_is_said_by_the_code() -> None:
    code = "\n".join(path.read_text(encoding="utf-8") for path in (*modules(), *TEMPLATES))
    assert [each for each in Message if not re.search(rf"\bMessage\.{each.name}\b|\bERROR {each}\b", code)] == []


def test_nothing_is_logged_at_warning_or_above_without_an_id() -> None:
    own = {ROOT / "library" / "messages.py"}
    assert [line for path in modules() if path not in own for line in lines_without_an_id(path)] == []


COMMANDS = commands_of_the_code()
COMMON = {"--profile", "--region", "--accounts"}
"""The same in many commands, and explained once."""


@pytest.mark.parametrize("module", COMMANDS)
def test_help_needs_neither_configuration_nor_aws_and_begins_with_what_it_does(
    module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HAMMER_CONFIG", "/nowhere")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    done = CliRunner().invoke(COMMANDS[module], ["--help"], prog_name=f"python -m {module}")
    assert done.exit_code == 0
    assert done.output.startswith(f"Usage: python -m {module} ")
    assert "Exit codes: " in " ".join(done.output.split())


@pytest.mark.parametrize("module", COMMANDS)
def test_every_option_of_a_command_is_explained_where_the_command_is(module: str) -> None:
    names = [
        rf"\b{module.rpartition('.')[2]}\b",
        *(rf"`make {target}\b|make {target} " for target in targets_of(module)),
    ]
    where = "\n".join(
        part
        for document in ("deployment/REFERENCE.md", "deployment/README.md")
        for part in parts(document)
        if any(re.search(name, part) for name in names)
    )
    assert where
    assert {
        option for option in options_of(COMMANDS[module]) - COMMON if not re.search(rf"{option}\b(?!-)", where)
    } == set()


def test_what_many_commands_take_is_explained_with_the_commands() -> None:
    assert COMMON - set(re.findall(r"--[a-z]+", section("deployment/REFERENCE.md", "## Commands"))) == set()


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_option_that_a_document_names_is_one_of_a_command(document: str) -> None:
    known = {"--help", "--version"}.union(*(options_of(command) for command in COMMANDS.values()))
    assert option_names(document) - known == set()


def test_every_call_of_the_aws_command_line_is_one_that_aws_knows() -> None:
    calls = [call for document in DOCUMENTS for call in aws_calls(document)]
    assert len(calls) > 5
    session = botocore.session.get_session()
    for service, operation, options in calls:
        client: Any = session.create_client(service.removesuffix("api"), region_name="eu-west-1")
        if operation.startswith("wait "):
            waiter = client.get_waiter(operation.removeprefix("wait ").replace("-", "_"))
            operation = waiter.config.operation
        else:
            operation = client.meta.method_to_api_mapping[operation.replace("-", "_")]
        members = client.meta.service_model.operation_model(operation).input_shape.members
        known = {xform_name(member, "-") for member in members} | {"query"}
        assert {option.removeprefix("no-") for option in options} <= known, (service, operation)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_leads_somewhere(document: str) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", text_of(document)):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        file = ((ROOT / document).parent / path).resolve() if path else ROOT / document
        assert file.exists(), target
        assert file.is_relative_to(ROOT), target
        assert not anchor or anchor in headings(str(file.relative_to(ROOT))), target


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_file_that_a_document_names_is_there(document: str) -> None:
    folders = "library|identification|reporting_remediation|deployment|tests|config"
    for span in code_spans(text_of(document)):
        # The manual's folder of that name is Hammer's.
        if re.fullmatch(rf"(?:{folders})/[\w./-]+", span) and not span.startswith("deployment/terraform/"):
            assert (ROOT / span).exists(), span


def test_the_seam_for_another_issue_type_is_where_it_is_said_to_be() -> None:
    found = rows(section("CONTRIBUTING.md", "## Another issue type"))
    assert len(found) > 10
    for file, names, todo in found:
        code = (ROOT / file.strip("`")).read_text(encoding="utf-8")
        assert [name for name in code_spans(names) if not re.search(rf"\b{name}\b", code)] == []
        assert names
        assert todo
