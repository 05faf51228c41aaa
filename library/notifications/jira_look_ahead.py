"""What JIRA will refuse in a project, asked beforehand, with the setting or permission that mends it."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from library.errors import TicketError
from library.notifications.jira_closing import candidates, is_done, values
from library.notifications.jira_errors import Refused
from library.notifications.jira_words import SUBJECT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from library.notifications.jira_calls import JiraCalls
    from library.notifications.jira_rules import TicketRules

# https://developer.atlassian.com/cloud/jira/platform/rest/v2/api-group-permissions/, the same on Server.
_PERMISSIONS = ("BROWSE_PROJECTS", "CREATE_ISSUES", "EDIT_ISSUES", "ADD_COMMENTS", "TRANSITION_ISSUES")
_ALWAYS_SENT = ("summary", "description", "labels")
# JIRA knows them from the call, or fills them in; an assignee is looked for.
_NEVER_LACKING = {*_ALWAYS_SENT, "project", "issuetype", "reporter", "assignee"}
_TICKETS_LOOKED_AT = 50


def obstacles(calls: JiraCalls, project: str, rules: TicketRules) -> Iterator[str]:
    """Each thing that a creation or a closing in the project will lack, as a sentence.

    A closing is asked about on a ticket that is open, if there is one. Raises TicketError where JIRA cannot be
    asked, after all else was.
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
    errors: list[TicketError] = []
    for ask in (_of_creation, _of_closing):
        try:
            yield from ask(calls, project, rules)
        except TicketError as error:
            errors.append(error)
    if errors:
        raise errors[0]


def _of_creation(calls: JiraCalls, project: str, rules: TicketRules) -> Iterator[str]:
    types = _listed(calls, f"issue/createmeta/{project}/issuetypes", project)
    chosen = next((each for each in types if each["name"] == rules.issue_type), None)
    if chosen is None:
        names = ", ".join(str(each["name"]) for each in types) or "none"
        yield f"the project {project} has no issue type {rules.issue_type}: set issue_type to one of its ({names})"
        return
    sent = {*_NEVER_LACKING, *rules.fields_, *(["priority"] if rules.priority else [])}
    fields = {str(each["fieldId"]): each for each in _listed(calls, _path_of(project, chosen), project)}
    for name in _wanted(fields, sent):
        yield f"a ticket in {project} wants the field {_named(fields[name], name)}: set {name} in fields"
    for name in (*_ALWAYS_SENT, *rules.fields_):
        if name not in fields and name not in ("project", "issuetype"):
            yield f"a new ticket in {project} has no field {name}: put it on the screen of the issue type's creation"


def _of_closing(calls: JiraCalls, project: str, rules: TicketRules) -> Iterator[str]:
    ticket = _open_one(calls, project)
    if ticket is None:
        return
    offered: list[dict[str, Any]] = calls.read(
        f"show the transitions of {ticket}", lambda client: client.transitions(ticket, expand="transitions.fields")
    )
    chosen = candidates(offered, rules.close_transitions)
    if not chosen:
        names = ", ".join(str(each["name"]) for each in offered) or "none"
        mend = "set close_transitions to the first step towards done"
        yield f"no transition closes {ticket}: {mend} (it offers {names})"
        return
    refused = []
    for transition in chosen:
        screen = transition.get("fields") or {}
        lacking = _wanted(screen, values(transition, rules.close_fields))
        if not lacking:
            return
        wanted = ", ".join(f"{_named(screen[name], name)} ({name})" for name in lacking)
        refused.append(f"'{transition['name']}' wants {wanted}")
    yield f"{ticket} cannot be closed: {'; '.join(refused)}: set close_fields, or another of close_transitions"


def _open_one(calls: JiraCalls, project: str) -> str | None:
    """A ticket about an access key that is not done."""
    jql = f'project = "{project}" AND labels = "{SUBJECT}" AND statusCategory != Done ORDER BY created DESC'
    found: list[dict[str, Any]] = calls.read(
        f"look for a ticket in {project}",
        lambda client: client.found(jql, ["status"], _TICKETS_LOOKED_AT),
    )
    # The index may lag behind the ticket.
    return next((str(each["key"]) for each in found if not is_done(each)), None)


def _wanted(fields: Mapping[str, Mapping[str, Any]], sent: Mapping[str, Any] | set[str]) -> list[str]:
    """The fields that have to be there, and neither are `sent` nor have a default."""
    return [
        name
        for name, each in fields.items()
        if each.get("required") and not each.get("hasDefaultValue") and name not in sent
    ]


def _named(field: Mapping[str, Any], name: str) -> str:
    return str(field.get("name") or name)


def _path_of(project: str, issue_type: Mapping[str, Any]) -> str:
    return f"issue/createmeta/{project}/issuetypes/{issue_type['id']}"


def _listed(calls: JiraCalls, path: str, project: str) -> list[Mapping[str, Any]]:
    """A listing of the creation's metadata."""
    return calls.read(f"say what tickets in {project} want", lambda client: client.listed(path))
