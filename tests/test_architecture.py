"""Who may import whom, and that nobody passes an endpoint; read from the code with ast."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = Path(__file__).resolve().parents[1]
LIBRARY = REPOSITORY / "library"
LAMBDAS = sorted((REPOSITORY / "identification" / "lambdas").rglob("*.py"))
PRODUCT = sorted(
    path
    for folder in ("library", "identification", "reporting_remediation")
    for path in (REPOSITORY / folder).rglob("*.py")
)


def imports(path: Path) -> set[str]:
    """The dotted names of all modules that a file imports when it runs, ours down to the file."""
    return set(_imports(ast.parse(path.read_text())))


def _imports(node: ast.AST) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, "a relative import hides who imports whom"
            modules = {f"{child.module}.{alias.name}" for alias in child.names}
            yield from {name for name in modules if file_of(name)} or {str(child.module)}
        elif not (isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"):
            yield from _imports(child)


def file_of(module: str) -> Path | None:
    """The file of a module of the library, None for any other."""
    path = REPOSITORY / (module.replace(".", "/") + ".py")
    return path if module.startswith("library.") and path.is_file() else None


def everything_loaded_by(path: Path) -> set[str]:
    """The modules that are imported by a file, by what it imports, and so on."""
    loaded: set[str] = set()
    ahead = [path]
    while ahead:
        new = imports(ahead.pop()) - loaded
        loaded |= new
        ahead += [found for module in new if (found := file_of(module))]
    return loaded


def relative(path: Path) -> str:
    return str(path.relative_to(REPOSITORY))


@pytest.mark.parametrize("path", PRODUCT, ids=relative)
def test_nothing_passes_an_endpoint(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        names = (getattr(node, field, None) for field in ("arg", "id", "attr", "value"))
        assert "endpoint_url" not in names, f"{relative(path)}:{getattr(node, 'lineno', '?')}"


@pytest.mark.parametrize("path", LAMBDAS, ids=relative)
def test_a_lambda_imports_neither_jira_nor_slack_nor_host_command(path: Path) -> None:
    loaded = everything_loaded_by(path)
    assert "library.config.settings" in loaded
    assert not {module.split(".")[0] for module in loaded} & {"jira", "slack_sdk", "watchtower", "click", "rich"}
    assert not {
        name for name in loaded if name.startswith(("library.cli", "library.notifications", "library.reports"))
    }


def test_clients_are_made_by_nobody_at_import_time() -> None:
    for path in PRODUCT:
        for statement in ast.parse(path.read_text()).body:
            if isinstance(statement, ast.FunctionDef | ast.ClassDef | ast.If):
                continue
            called = {ast.unparse(node.func) for node in ast.walk(statement) if isinstance(node, ast.Call)}
            assert not {name for name in called if name.endswith((".client", ".resource", "Session"))}, relative(path)
