"""What JIRA says of itself and of its users."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from deployment.local.jira_stand_in.callers import encoded
from deployment.local.jira_stand_in.calls import API, Refusal, page_size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from deployment.local.jira_stand_in.calls import Call, Reply
    from deployment.local.jira_stand_in.site import JiraSite, JiraUser


def server_info(site: JiraSite, call: Call) -> Reply:
    """The version, by which clients tell Cloud from Server."""
    cloud = site.flavour == "cloud"
    return 200, {
        "baseUrl": site.base_url or call.address,
        "version": "1001.0.0-SNAPSHOT" if cloud else "9.12.4",
        "versionNumbers": [1001, 0, 0] if cloud else [9, 12, 4],
        "deploymentType": "Cloud" if cloud else "Server",
    }


def myself(site: JiraSite, call: Call) -> Reply:
    """The user who is logged in."""
    return 200, shown_user(site, call, site.users[0])


def my_permissions(site: JiraSite, call: Call) -> Reply:
    """What the user who is logged in may do in a project."""
    project = call.query.get("projectKey", "")
    if project not in site.projects or "BROWSE_PROJECTS" in site.denied.get(project, ()):
        raise Refusal(404, f"No project could be found with key '{project}'.")
    wanted = call.query.get("permissions", "")
    if site.flavour == "cloud" and not wanted:
        raise Refusal(400, "The 'permissions' query parameter is required.")
    denied = site.denied.get(project, set())
    return 200, {
        "permissions": {name: {"key": name, "havePermission": name not in denied} for name in wanted.split(",")}
    }


def project(site: JiraSite, _call: Call, key: str) -> Reply:
    """A project, if the user may see it."""
    if key not in site.projects or "BROWSE_PROJECTS" in site.denied.get(key, ()):
        raise Refusal(404, f"No project could be found with key '{key}'.")
    return 200, {"id": "10000", "key": key, **({"archived": True} if key in site.archived else {})}


def assignable(site: JiraSite, call: Call) -> Reply:
    """The users who may have tickets of a project and have a name that begins so."""
    needed, other = ("query", "username") if site.flavour == "cloud" else ("username", "query")
    if other == "username" and other in call.query:
        raise Refusal(400, "The query parameter 'username' is not supported in GDPR strict mode.")
    if needed not in call.query:
        raise Refusal(400, f"The {needed} query parameter was not provided.")
    if call.query.get("project") not in site.projects:
        raise Refusal(404, f"No project could be found with key '{call.query.get('project')}'.")
    wanted = call.query[needed].casefold()
    found = [
        shown_user(site, call, user)
        for user in site.users
        if may_be_assigned(user) and any(word.startswith(wanted) for word in _words(site, user))
    ]
    return 200, found[: page_size(site, call)]


def may_be_assigned(user: JiraUser) -> bool:
    """Whether the user may have tickets."""
    return user.active and user.assignable


def shown_user(site: JiraSite, call: Call, user: JiraUser) -> dict[str, Any]:
    """A user as JIRA shows one."""
    identity = site.identity(user)
    name, parameter = ("accountId", "accountId") if site.flavour == "cloud" else ("name", "username")
    shown = {
        "self": f"{call.address}{API}user?{parameter}={encoded(identity)}",
        name: identity,
        "displayName": user.display_name or user.name,
        "active": user.active,
    }
    return shown if user.email_hidden else {**shown, "emailAddress": user.email}


def _words(site: JiraSite, user: JiraUser) -> Iterator[str]:
    """What a search for users looks at; Cloud does not know user names."""
    names = (user.display_name, user.email) if site.flavour == "cloud" else (user.name, user.display_name, user.email)
    for name in names:
        yield name.casefold()
        yield from name.casefold().split()
