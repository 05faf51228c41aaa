"""The search for tickets, which understands one kind of query; each flavour has a route of its own."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from deployment.local.jira_stand_in.calls import Refusal, page_of, page_size
from deployment.local.jira_stand_in.site import number_of
from deployment.local.jira_stand_in.tickets import is_browsable, is_visible, shown_issue

if TYPE_CHECKING:
    from collections.abc import Mapping

    from deployment.local.jira_stand_in.calls import Call, Reply
    from deployment.local.jira_stand_in.site import JiraIssue, JiraSite

_CLAUSE = re.compile(r'(?i)(labels|project)\s*=\s*(?:"([^"\\]+)"|([\w-]+))|(statuscategory)\s*!=\s*done')


def search(site: JiraSite, call: Call) -> Reply:
    """Server's search, whose pages begin at a number."""
    if site.flavour == "cloud":
        raise Refusal(410, "The requested API has been removed. Please migrate to /rest/api/3/search/jql.")
    return 200, page_of(site, call, _found(site, call), "issues")


def search_by_token(site: JiraSite, call: Call) -> Reply:
    """Cloud's search, whose pages begin at a token; callers who are not logged in find nothing."""
    if site.flavour == "server":
        raise Refusal(404, "There is no such resource.")
    found = _found(site, call) if call.logged_in else []
    start = int(call.query.get("nextPageToken", 0))
    end = start + page_size(site, call)
    more = {"nextPageToken": str(end)} if end < len(found) else {}
    return 200, {"issues": found[start:end], "isLast": not more, **more}


def _found(site: JiraSite, call: Call) -> list[dict[str, Any]]:
    clauses, descending = _parsed(call.query.get("jql", ""))
    project = clauses.get("project")
    if project is not None and not is_browsable(site, project):
        raise Refusal(400, f"The value '{project}' does not exist for the field 'project'.")
    found = [
        issue
        for issue in site.issues.values()
        if _matches(site, issue, clauses) and is_visible(site, issue) and issue.key not in site.unsearchable
    ]
    found.sort(key=lambda issue: number_of(issue.key), reverse=descending)
    return [shown_issue(site, call, issue) for issue in found]


def _matches(site: JiraSite, issue: JiraIssue, clauses: Mapping[str, str]) -> bool:
    if clauses.get("labels", "") not in ("", *issue.labels):
        return False
    if clauses.get("project", issue.project) != issue.project:
        return False
    is_done = site.category(issue.status) == "done" and issue.key not in site.unnoticed
    return not ("statuscategory" in clauses and is_done)


def _parsed(jql: str) -> tuple[dict[str, str], bool]:
    """The clauses of a query by field, and whether the newest ticket comes first."""
    query, _, order = re.sub(r"(?i)\s+order\s+by\s+created\b", "\0", jql).partition("\0")
    clauses: dict[str, str] = {}
    for clause in re.split(r"(?i)\s+and\s+", query.strip()):
        match = _CLAUSE.fullmatch(clause)
        if match is None:
            raise Refusal(400, f"Error in the JQL Query: '{clause}' is not understood here.")
        name, quoted, bare, category = match.groups()
        clauses[(name or category).lower()] = quoted or bare or "done"
    return clauses, order.strip().lower() == "desc"
