"""What the contracts of `.importlinter` cannot say: of files outside of packages, and of calls instead of imports."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
LAMBDAS = sorted((REPOSITORY / "identification" / "lambdas").rglob("*.py"))
PRODUCT = sorted(
    path
    for folder in ("library", "identification", "reporting_remediation")
    for path in (REPOSITORY / folder).rglob("*.py")
)
ROOMS_OF_THE_LAMBDAS = (
    *("library.aws", "library.aws_clients", "library.config", "library.issues", "library.errors"),
    *("library.messages", "library.text"),
)
"""The contracts hold what these import in turn."""
IN_THE_ZIP = ("boto3", "botocore", "aws_lambda_powertools")


def imported(path: Path) -> set[str]:
    """The dotted names of the modules that a file names in its imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def relative(path: Path) -> str:
    return str(path.relative_to(REPOSITORY))


# The clients' own module gives it to botocore's errors, which say it.
@pytest.mark.parametrize("path", [path for path in PRODUCT if path.name != "aws_clients.py"], ids=relative)
def test_nothing_passes_an_endpoint(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = (getattr(node, field, None) for field in ("arg", "id", "attr", "value"))
        assert "endpoint_url" not in names, f"{relative(path)}:{getattr(node, 'lineno', '?')}"


@pytest.mark.parametrize("path", LAMBDAS, ids=relative)
def test_a_lambda_imports_neither_jira_nor_slack_nor_what_is_the_hosts(path: Path) -> None:
    ours = {name for name in imported(path) if name.split(".")[0] not in sys.stdlib_module_names}
    assert any(name.startswith("library.config.") for name in ours)
    allowed = (*ROOMS_OF_THE_LAMBDAS, *IN_THE_ZIP)
    assert {name for name in ours if not f"{name}.".startswith(tuple(f"{each}." for each in allowed))} == set()


def test_clients_are_made_by_nobody_at_import_time() -> None:
    for path in PRODUCT:
        for statement in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(statement, ast.FunctionDef | ast.ClassDef | ast.If):
                continue
            called = {ast.unparse(node.func) for node in ast.walk(statement) if isinstance(node, ast.Call)}
            assert not {name for name in called if name.endswith((".client", ".resource", "Session"))}, relative(path)
