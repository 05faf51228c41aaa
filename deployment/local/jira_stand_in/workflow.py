"""How tickets go from one status to another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from deployment.local.jira_stand_in.calls import Refusal
from deployment.local.jira_stand_in.tickets import visible_issue, writable_issue

if TYPE_CHECKING:
    from deployment.local.jira_stand_in.calls import Call, Reply
    from deployment.local.jira_stand_in.site import JiraIssue, JiraSite, Transition

_RESOLUTIONS = ("Won't Do", "Done", "Duplicate")
"""What a resolution may be where the transition does not say otherwise."""


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
    issue = writable_issue(site, call, key)
    transition = _offered(site, issue).get(str(call.body.get("transition", {}).get("id")))
    if transition is None:
        raise Refusal(400, "It seems that you have tried to perform a workflow operation that is not valid.")
    sent: dict[str, Any] = call.body.get("fields") or {}
    screen = _screen(transition)
    errors = {
        name: f"Field '{name}' cannot be set. It is not on the appropriate screen, or unknown."
        for name in sent
        if name not in screen
    }
    if errors:
        raise Refusal(400, **errors)
    wanted = [*transition.required, *transition.wants, *(["resolution"] if transition.needs_resolution else [])]
    if missing := [name for name in wanted if name not in sent]:
        raise Refusal(400, *(f"Field {name.capitalize()} is required." for name in missing))
    if transition.refuses:
        raise Refusal(400, transition.refuses)
    if "resolution" in sent:
        issue.resolution = screen["resolution"][int(sent["resolution"]["id"])]
    issue.fields |= {name: value for name, value in sent.items() if name != "resolution"}
    if not transition.lies:
        issue.status = transition.to
    return 204, None


def _offered(site: JiraSite, issue: JiraIssue) -> dict[str, Transition]:
    """By id, the transitions that lead away from the ticket's status."""
    return {
        str(10 * number + 1): transition
        for number, transition in enumerate(site.transitions, start=1)
        if transition.to != issue.status
        and (not transition.of or issue.status in transition.of)
        and not (issue.archived or issue.project in site.archived)
    }


def _screen(transition: Transition) -> dict[str, tuple[str, ...]]:
    """The fields on the screen of a transition, with the names of the values that they may have."""
    usual = {"resolution": _RESOLUTIONS} if transition.needs_resolution else {}
    return {**usual, **transition.screen}


def _fields(transition: Transition) -> dict[str, Any]:
    """The fields on the screen of a transition, as JIRA shows them."""
    return {
        name: {
            "name": name.capitalize(),
            "required": name in transition.required or (name == "resolution" and transition.needs_resolution),
            **(
                {"allowedValues": [{"id": str(number), "name": each} for number, each in enumerate(values)]}
                if values
                else {}
            ),
        }
        for name, values in _screen(transition).items()
    }
