"""Who may import whom, and that nobody passes an endpoint; read from the code with ast."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
LIBRARY = REPOSITORY / "library"
LAMBDAS = sorted((REPOSITORY / "identification" / "lambdas").rglob("*.py"))
PRODUCT = sorted(
    path
    for folder in ("library", "identification", "reporting_remediation")
    for path in (REPOSITORY / folder).rglob("*.py")
)
PURE = {
    *("access_keys", "asff", "credential_report", "first_look", "history", "issues", "lifecycle", "report_figures"),
    *("ticket_text", "whitelist", "errors"),
}
ADAPTERS = {"ddb_issues", "jira_tickets", "slack_messages"} | {
    f"aws.{path.stem}" for path in (LIBRARY / "aws").glob("*.py") if path.stem != "__init__"
}


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


def short(module: str) -> str:
    return module.removeprefix("library.")


def ours(path: Path) -> set[str]:
    """The modules of the library that a file imports, without `library.`."""
    return {short(module) for module in imports(path) if module.split(".")[0] == "library"}


def everything_loaded_by(path: Path) -> set[str]:
    """The modules that are imported by a file, by what it imports, and so on."""
    loaded: set[str] = set()
    ahead = [path]
    while ahead:
        new = imports(ahead.pop()) - loaded
        loaded |= new
        ahead += [found for module in new if (found := file_of(module))]
    return loaded


def path_of(name: str) -> Path:
    return LIBRARY / (name.replace(".", "/") + ".py")


def relative(path: Path) -> str:
    return str(path.relative_to(REPOSITORY))


@pytest.mark.parametrize("path", PRODUCT, ids=relative)
def test_nothing_passes_an_endpoint(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        names = (getattr(node, field, None) for field in ("arg", "id", "attr", "value"))
        assert "endpoint_url" not in names, f"{relative(path)}:{getattr(node, 'lineno', '?')}"


@pytest.mark.parametrize("name", sorted(ADAPTERS))
def test_an_adapter_imports_neither_another_one_nor_config(name: str) -> None:
    assert path_of(name).is_file()
    assert ours(path_of(name)) <= PURE


@pytest.mark.parametrize("name", sorted(PURE))
def test_a_pure_module_imports_only_pure_ones_and_the_standard_library(name: str) -> None:
    assert ours(path_of(name)) <= PURE
    others = {module.split(".")[0] for module in imports(path_of(name))} - {"library"}
    assert others <= sys.stdlib_module_names


@pytest.mark.parametrize("name", ["config", "config_schema", "config_fields"])
def test_the_configuration_imports_errors_and_pure_modules_only(name: str) -> None:
    assert ours(path_of(name)) <= PURE | {"config_schema", "config_fields"}


@pytest.mark.parametrize("path", LAMBDAS, ids=relative)
def test_a_lambda_imports_neither_jira_nor_slack_nor_host_command(path: Path) -> None:
    loaded = everything_loaded_by(path)
    assert "library.config" in loaded
    assert not {module.split(".")[0] for module in loaded} & {"jira", "slack_sdk", "watchtower", "click", "rich"}
    assert not loaded & {"library.host_command", "library.jira_tickets", "library.slack_messages"}


def test_the_library_imports_no_entrypoint() -> None:
    for path in LIBRARY.rglob("*.py"):
        entrypoints = {"identification", "reporting", "remediation", "cronjobs", "deployment"}
        assert not {module.split(".")[0] for module in imports(path)} & entrypoints


def test_clients_are_made_by_nobody_at_import_time() -> None:
    for path in PRODUCT:
        for statement in ast.parse(path.read_text()).body:
            if isinstance(statement, ast.FunctionDef | ast.ClassDef | ast.If):
                continue
            called = {ast.unparse(node.func) for node in ast.walk(statement) if isinstance(node, ast.Call)}
            assert not {name for name in called if name.endswith((".client", ".resource", "Session"))}, relative(path)
