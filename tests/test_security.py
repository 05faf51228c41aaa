"""SECURITY.md against the templates and the code: each role with what it may, each name that is in it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from cfnlint.decode import decode  # type: ignore[import-untyped]

from tests.documents import ROOT, code_spans, modules, rows, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator

SECURITY = "SECURITY.md"
TEMPLATES = sorted((ROOT / "deployment" / "cloudformation").glob("*.yaml"))
NOT_LISTED = ("logs", "ssm", "ssmmessages", "sqs")
"""What every role has of these services stands before the table."""


def _statements(part: Any) -> Iterator[dict[str, Any]]:
    """Every statement that allows actions, wherever it is below a part of a template."""
    if isinstance(part, dict):
        if part.get("Effect") == "Allow" and "Resource" in part:
            yield part
        else:
            for inner in part.values():
                yield from _statements(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from _statements(inner)


def _policies() -> dict[str, set[str]]:
    """The actions of each role and of each policy for people, by its name."""
    found: dict[str, set[str]] = {}
    for path in TEMPLATES:
        template, problems = decode(str(path))
        assert not problems
        assert isinstance(template, dict)
        resources = template["Resources"]
        names = {}
        for id, resource in resources.items():
            name = resource["Properties"].get("RoleName") or resource["Properties"].get("ManagedPolicyName")
            if resource["Type"] in ("AWS::IAM::Role", "AWS::IAM::ManagedPolicy"):
                names[id] = template["Parameters"][name["Ref"]]["Default"] if isinstance(name, dict) else name
        for id, resource in resources.items():
            if not resource["Type"].startswith("AWS::IAM::"):
                continue
            ids = [each["Ref"] for each in resource["Properties"].get("Roles", [])] or [id]
            for statement in _statements(resource):
                actions = statement["Action"]
                for each in ids:
                    found.setdefault(names.get(each, each), set()).update(
                        [actions] if isinstance(actions, str) else actions
                    )
    return found


def _listed() -> dict[str, list[str]]:
    return {code_spans(cells[0])[0]: code_spans(cells[1]) for cells in rows(text_of(SECURITY))}


def test_every_role_and_policy_of_the_templates_has_its_row() -> None:
    assert len(_listed()) == len(rows(text_of(SECURITY)))
    assert set(_listed()) == set(_policies())


@pytest.mark.parametrize("name", sorted(_listed()))
def test_a_role_may_what_its_row_says_and_nothing_else(name: str) -> None:
    may = {action for action in _policies()[name] if action.partition(":")[0] not in NOT_LISTED}
    assert len(_listed()[name]) == len(set(_listed()[name]))
    assert set(_listed()[name]) == may


def test_every_name_in_it_is_one_of_the_code() -> None:
    files = (*modules(), *TEMPLATES, ROOT / "requirements.txt")
    code = "\n".join([*(path.name for path in files), *(path.read_text(encoding="utf-8") for path in files)])
    # What nothing may is in no policy.
    others = {"iam:DeleteAccessKey", "hammer scan", "make publish-config"}
    names = set(code_spans(text_of(SECURITY))) - others
    assert {name for name in names if not re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", code)} == set()
    assert not any("iam:DeleteAccessKey" in actions for actions in _policies().values())


def test_it_is_short_and_the_readme_links_to_it() -> None:
    assert len(text_of(SECURITY).splitlines()) <= 70
    assert f"]({SECURITY})" in text_of("README.md")
