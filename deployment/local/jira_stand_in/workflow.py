"""How tickets go from one status to another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from deployment.local.jira_stand_in.calls import Refusal
from deployment.local.jira_stand_in.tickets import visible_issue

if TYPE_CHECKING:
    from deployment.local.jira_stand_in.calls import Call, Reply
    from deployment.local.jira_stand_in.site import JiraIssue, JiraSite, Transition

_RESOLUTIONS = ("Won't Do", "Done", "Duplicate")


def transitions(site: JiraSite, call: Call, key: str) -> Reply:
    """The transitions that a ticket may take now."""
    issue = visible_issue(site, call, key)
    with_fields = "transitions.fields" in call.query.get("expand", "")
    return 200, {
        "transitions": [
            {"id": number, "name": transition.name, "to": site.status(transition.to)}
            | ({"fields": _fields(transition)} if with_fields else {})
            for number, transition in _offered(site, issue).items()
        ]
    }


def take(site: JiraSite, call: Call, key: str) -> Reply:
    """Take a transition."""
    issue = visible_issue(site, call, key)
    transition = _offered(site, issue).get(str(call.body.get("transition", {}).get("id")))
    if transition is None:
        raise Refusal(400, "It seems that you have tried to perform a workflow operation that is not valid.")
    resolution = (call.body.get("fields") or {}).get("resolution", {}).get("id")
    if transition.needs_resolution and resolution is None:
        raise Refusal(400, "Field Resolution is required.")
    if resolution is not None:
        issue.resolution = _RESOLUTIONS[int(resolution)]
    issue.status = transition.to
    return 204, None


def _offered(site: JiraSite, issue: JiraIssue) -> dict[str, Transition]:
    """By id, the transitions that lead away from the ticket's status."""
    return {
        str(10 * number + 1): transition
        for number, transition in enumerate(site.transitions, start=1)
        if transition.to != issue.status
    }


def _fields(transition: Transition) -> dict[str, Any]:
    """The fields on the screen of a transition."""
    if not transition.needs_resolution:
        return {}
    allowed = [{"id": str(number), "name": name} for number, name in enumerate(_RESOLUTIONS)]
    return {"resolution": {"required": True, "allowedValues": allowed}}
