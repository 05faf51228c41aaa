"""What is done with tickets: to raise, read, change and delete them, to comment on them and to link them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from deployment.local.jira_stand_in.calls import API, Refusal, page_of
from deployment.local.jira_stand_in.people import may_be_assigned, shown_user
from deployment.local.jira_stand_in.site import JiraIssue, number_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from deployment.local.jira_stand_in.calls import Call, Reply
    from deployment.local.jira_stand_in.site import JiraSite

_SUMMARY_LIMIT = 255
_TEXT_LIMIT = 32767
_LABEL = re.compile(r"\S{1,255}")
_LINK_TYPES = ({"id": "10003", "name": "Relates", "inward": "relates to", "outward": "relates to"},)

_USUAL = ("project", "summary", "description", "issuetype", "priority", "labels", "assignee")

Fields = dict[str, Any]
Errors = dict[str, str]
"""What is wrong with a field, by its name."""


def create(site: JiraSite, call: Call) -> Reply:
    """Raise a ticket, unless one of the checks of CREATION finds something wrong."""
    fields: Fields = dict(call.body.get("fields", {}))
    errors: Errors = {}
    for check in CREATION:
        errors |= check(site, fields)
    if errors:
        raise Refusal(400, **errors)
    project = fields["project"]["key"]
    issue = JiraIssue(
        site.new_key(project),
        project,
        fields["summary"],
        fields.get("description") or "",
        issue_type=fields["issuetype"]["name"],
        priority=(fields.get("priority") or {}).get("name"),
        labels=list(dict.fromkeys(fields.get("labels") or [])),
        assignee=_asked_assignee(site, fields),
    )
    issue.creator = site.identity(site.users[0])
    issue.hidden = site.hides_new
    issue.fields = {name: value for name, value in fields.items() if name not in _USUAL}
    site.issues[issue.key] = issue
    if site.lags:
        site.unsearchable.add(issue.key)
    return 201, _reference(call, issue.key)


def issue_types(site: JiraSite, call: Call, project: str) -> Reply:
    """The types that tickets of a project may have."""
    names = site.issue_types.get(project, ("Task", "Bug"))
    shown = [{"id": str(number), "name": name} for number, name in enumerate(names)]
    return 200, page_of(site, call, shown, "issueTypes" if site.flavour == "cloud" else "values")


def wanted_fields(site: JiraSite, call: Call, project: str, _issue_type: str) -> Reply:
    """The fields of a creation; those on its screen, and whether JIRA wants them."""
    usual = {name: name.capitalize() for name in _USUAL if name not in site.refused_fields}
    wanted = site.required.get(project, {})
    shown = [
        {"fieldId": name, "name": each, "required": name in ("project", "summary", "issuetype", *wanted)}
        for name, each in {**usual, **wanted}.items()
    ]
    return 200, page_of(site, call, shown, "fields" if site.flavour == "cloud" else "values")


def read(site: JiraSite, call: Call, key: str) -> Reply:
    """Show a ticket."""
    return 200, shown_issue(site, call, visible_issue(site, call, key))


def edit(site: JiraSite, call: Call, key: str) -> Reply:
    """Add labels to a ticket."""
    issue = writable_issue(site, call, key)
    added = [change["add"] for change in call.body.get("update", {}).get("labels", [])]
    errors = _off_screen(site, ["labels"] if added else []) | _malformed(added)
    if errors:
        raise Refusal(400, **errors)
    issue.labels += [label for label in added if label not in issue.labels]
    return 204, None


def delete(site: JiraSite, call: Call, key: str) -> Reply:
    """Delete a ticket."""
    del site.issues[visible_issue(site, call, key).key]
    return 204, None


def comments(site: JiraSite, call: Call, key: str) -> Reply:
    """The comments on a ticket, the oldest first."""
    bodies = visible_issue(site, call, key).comments
    shown = [{"id": str(number), "body": body} for number, body in enumerate(bodies)]
    return 200, page_of(site, call, shown, "comments")


def comment(site: JiraSite, call: Call, key: str) -> Reply:
    """Comment on a ticket."""
    issue, body = writable_issue(site, call, key), str(call.body.get("body") or "")
    if not body.strip() or len(body) > _TEXT_LIMIT:
        raise Refusal(400, comment="Comment body can not be empty, nor too long!")
    issue.comments.append(body)
    return 201, {"id": str(len(issue.comments) - 1), "body": body}


def link_types(_site: JiraSite, _call: Call) -> Reply:
    """The ways in which tickets may be linked."""
    return 200, {"issueLinkTypes": list(_LINK_TYPES)}


def link(site: JiraSite, call: Call) -> Reply:
    """Link two tickets."""
    name = call.body["type"]["name"]
    if name not in [each["name"] for each in _LINK_TYPES]:
        raise Refusal(404, f"No issue link type with name '{name}' found.")
    one, other = (visible_issue(site, call, call.body[side]["key"]) for side in ("inwardIssue", "outwardIssue"))
    for issue, linked in ((one, other.key), (other, one.key)):
        if linked not in issue.links:
            issue.links.append(linked)
    return 201, None


def visible_issue(site: JiraSite, call: Call, key: str) -> JiraIssue:
    """The ticket, if it is there and the caller may see it; else it is refused, and JIRA does not say why."""
    issue = site.issues.get(key)
    if not call.logged_in or issue is None or not is_visible(site, issue):
        raise Refusal(404, "Issue does not exist or you do not have permission to see it.")
    return issue


def is_visible(site: JiraSite, issue: JiraIssue) -> bool:
    """Whether the user who logs in may see a ticket."""
    return not issue.hidden and is_browsable(site, issue.project)


def is_browsable(site: JiraSite, project: str) -> bool:
    """Whether the user who logs in may see a project."""
    return project in site.projects and "BROWSE_PROJECTS" not in site.denied.get(project, ())


def writable_issue(site: JiraSite, call: Call, key: str) -> JiraIssue:
    """The ticket, unless nobody may change it."""
    issue = visible_issue(site, call, key)
    if issue.archived or issue.project in site.archived:
        raise Refusal(403, f"The issue {key} is archived and read-only.")
    return issue


def shown_issue(site: JiraSite, call: Call, issue: JiraIssue) -> dict[str, Any]:
    """A ticket as JIRA shows one."""
    assignee, creator = site.user(issue.assignee), site.user(issue.creator)
    return _reference(call, issue.key) | {
        "fields": {
            "summary": issue.summary,
            "description": issue.description,
            "labels": list(issue.labels),
            "assignee": None if assignee is None else shown_user(site, call, assignee),
            "status": site.status(issue.status),
            "creator": None if creator is None else shown_user(site, call, creator),
            # JIRA's own way to write a time has no colon in its offset.
            "created": re.sub(r":(\d\d)$", r"\1", issue.created),
            "archiveddate": "2026-01-31T00:00:00.000+0000" if issue.archived else None,
        }
    }


def _reference(call: Call, key: str) -> dict[str, Any]:
    return {"id": str(10000 + number_of(key)), "key": key, "self": f"{call.address}{API}issue/{key}"}


# --- what may be wrong with a new ticket ---


def _off_screen(site: JiraSite, names: Iterable[str]) -> Errors:
    return {
        name: f"Field '{name}' cannot be set. It is not on the appropriate screen, or unknown."
        for name in names
        if name in site.refused_fields
    }


def _unknown_project(site: JiraSite, fields: Fields) -> Errors:
    project = fields.get("project", {}).get("key")
    if project in site.projects:
        return {}
    return {"project": "project is required" if project is None else "valid project is required"}


def _wrong_issue_type(site: JiraSite, fields: Fields) -> Errors:
    name, project = fields.get("issuetype", {}).get("name"), fields.get("project", {}).get("key")
    known = site.issue_types.get(project, (name,))
    return {} if name and name in known else {"issuetype": "The issue type selected is invalid."}


def _missing(site: JiraSite, fields: Fields) -> Errors:
    wanted = site.required.get(fields.get("project", {}).get("key"), {})
    return {name: f"{shown} is required." for name, shown in wanted.items() if not fields.get(name)}


def _wrong_summary(_site: JiraSite, fields: Fields) -> Errors:
    summary = fields.get("summary") or ""
    if summary.strip() and "\n" not in summary and len(summary) <= _SUMMARY_LIMIT:
        return {}
    return {"summary": f"Summary must be one line of 1 to {_SUMMARY_LIMIT} characters."}


def _long_description(_site: JiraSite, fields: Fields) -> Errors:
    if len(fields.get("description") or "") <= _TEXT_LIMIT:
        return {}
    return {"description": f"The entered text is too long. It exceeds the limit of {_TEXT_LIMIT} characters."}


def _wrong_labels(_site: JiraSite, fields: Fields) -> Errors:
    return _malformed(fields.get("labels") or [])


def _malformed(labels: Iterable[str]) -> Errors:
    wrong = [label for label in labels if not _LABEL.fullmatch(label)]
    return {"labels": f"The label '{wrong[-1]}' contains spaces which is invalid."} if wrong else {}


def _unassignable(site: JiraSite, fields: Fields) -> Errors:
    identity = _asked_assignee(site, fields)
    user = site.user(identity)
    if identity is None or (user is not None and may_be_assigned(user)):
        return {}
    return {"assignee": f"User '{identity}' cannot be assigned issues."}


def _asked_assignee(site: JiraSite, fields: Mapping[str, Any]) -> str | None:
    if not fields.get("assignee"):
        return None
    return str(fields["assignee"].get("accountId" if site.flavour == "cloud" else "name"))


CREATION: tuple[Callable[[JiraSite, Fields], Errors], ...] = (
    _off_screen,
    _unknown_project,
    _wrong_issue_type,
    _missing,
    _wrong_summary,
    _long_description,
    _wrong_labels,
    _unassignable,
)
"""What JIRA checks of a new ticket's fields."""
