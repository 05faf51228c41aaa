"""What the deployment hands to CloudFormation: a template and its parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from cfnlint.decode import decode_str  # type: ignore[import-untyped]

from deployment import stacks
from deployment.deploy import parameters_of, template_body
from library.config.loading import load
from tests.config.conftest import SMALLEST, Folder, with_value

if TYPE_CHECKING:
    from pathlib import Path

    from library.config.settings import Config


@pytest.fixture
def settings(tmp_path: Path) -> Config:
    """A configuration with an issues table of another name than the manual's."""
    Folder(tmp_path).write(with_value(SMALLEST, "user_inactivekeys/ddb.table_name", "my-own-table"))
    return load(str(tmp_path))


def decoded(stack: str, settings: Config) -> dict[str, Any]:
    template, problems = decode_str(template_body(stack, settings))
    assert not problems
    assert isinstance(template, dict)
    return template


def test_the_name_of_the_issues_table_comes_from_the_configuration(settings: Config) -> None:
    assert parameters_of(settings)["IssuesTableName"] == "my-own-table"
    for stack in (stacks.MAIN_STACK, stacks.HOST_STACK):
        parameter = decoded(stack, settings)["Parameters"]["IssuesTableName"]
        assert parameter["Default"] == "hammer-iam-user-keys-inactive"


def test_the_name_of_a_table_is_static_or_an_existing_one_would_not_be_taken_over(settings: Config) -> None:
    template = decoded(stacks.MAIN_STACK, settings)
    tables = [template["Resources"][name]["Properties"]["TableName"] for name in ("IssuesTable", "StateTable")]
    assert tables == ["my-own-table", "my-own-table-state"]


def test_nothing_else_of_a_template_is_changed(settings: Config) -> None:
    for stack, name in stacks.TEMPLATE_OF.items():
        file = (stacks.TEMPLATES / name).read_text(encoding="utf-8").splitlines()
        body = template_body(stack, settings).splitlines()
        changed = [line.strip() for line, sent in zip(file, body, strict=True) if line != sent]
        tables = ["TableName: !Ref IssuesTableName", "TableName: !Sub ${IssuesTableName}-state"]
        assert changed == (tables if stack == stacks.MAIN_STACK else [])
