"""What JIRA will refuse in a project, asked beforehand, with the setting or permission that mends it."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from library.notifications.jira_errors import Refused

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from library.notifications.jira_calls import JiraCalls
    from library.notifications.jira_rules import TicketRules

# https://developer.atlassian.com/cloud/jira/platform/rest/v2/api-group-permissions/, the same on Server.
_PERMISSIONS = ("BROWSE_PROJECTS", "CREATE_ISSUES", "EDIT_ISSUES", "ADD_COMMENTS", "TRANSITION_ISSUES")
_SET_BY_US = {"project", "summary", "description", "labels", "issuetype", "reporter"}


def obstacles(calls: JiraCalls, project: str, rules: TicketRules) -> Iterator[str]:
    """Each thing that a creation or a closing in the project will lack, as a sentence.

    Raises TicketError where JIRA cannot be asked.
    """
    try:
        shown = calls.read(
            f"show the permissions in {project}",
            lambda client: client.my_permissions(projectKey=project, permissions=",".join(_PERMISSIONS)),
        )["permissions"]
    except Refused as error:
        if error.status != HTTPStatus.NOT_FOUND:
            raise
        yield f"JIRA does not show the project {project} to this user: check jira_project, or give Browse Projects"
        return
    missing = [name for name in _PERMISSIONS if not shown.get(name, {}).get("havePermission")]
    if missing:
        yield f"in the project {project} this user lacks the permissions {', '.join(missing)}"
    yield from _of_creation(calls, project, rules)


def _of_creation(calls: JiraCalls, project: str, rules: TicketRules) -> Iterator[str]:
    types = _listed(calls, f"issue/createmeta/{project}/issuetypes", project)
    chosen = next((each for each in types if each["name"] == rules.issue_type), None)
    if chosen is None:
        names = ", ".join(str(each["name"]) for each in types) or "none"
        yield f"the project {project} has no issue type {rules.issue_type}: set issue_type to one of its ({names})"
        return
    for field in _listed(calls, f"issue/createmeta/{project}/issuetypes/{chosen['id']}", project):
        name = field["fieldId"]
        if field.get("required") and not field.get("hasDefaultValue") and name not in {*_SET_BY_US, *rules.fields_}:
            yield f"a ticket in {project} wants the field {field.get('name', name)}: set {name} in fields"


def _listed(calls: JiraCalls, path: str, project: str) -> list[Mapping[str, Any]]:
    """A listing of the creation's metadata, which each flavour has under another name."""
    shown = calls.read(f"say what tickets in {project} want", lambda client: client.asked(path, maxResults=200))
    found: list[Mapping[str, Any]] = shown.get("values") or shown.get("issueTypes") or shown.get("fields") or []
    return found
