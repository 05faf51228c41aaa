"""What JIRA publishes of the bodies of the calls that we make: members, which of them are required, and their types.

Cloud: https://developer.atlassian.com/cloud/jira/platform/rest/v2/ (in its OpenAPI document `IssueUpdateDetails`,
`IssueTransition`, `FieldUpdateOperation`, `Comment` and `LinkIssueRequestJsonBean`).
Server and Data Center: https://docs.atlassian.com/software/jira/docs/api/REST/9.12.0/, the same but for users.

A name with a question mark need not be there; `*` stands for any other. No member may be null.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from deployment.local.jira_stand_in import Flavour, JiraRequest

API = "/rest/api/2/"
ANY = object()
BY_NAME = {"id?": str, "name?": str}
BY_KEY = {"id?": str, "key?": str}
USERS = {"server": {"name": str}, "cloud": {"accountId": str}}


def bodies(flavour: Flavour) -> tuple[tuple[str, str, Any], ...]:
    """Method, path and body of each call that has one; of the fields those that every JIRA has."""
    fields = {
        "project?": BY_KEY,
        "issuetype?": BY_NAME,
        "summary?": str,
        "description?": str,
        "labels?": [str],
        "priority?": BY_NAME,
        "assignee?": USERS[flavour],
        "resolution?": BY_NAME,
        "*": ANY,
    }
    # Of each field a list of operations, which have one member each.
    operations = {"add?": ANY, "copy?": ANY, "edit?": ANY, "remove?": ANY, "set?": ANY}
    update = {"labels?": [operations], "*": [operations]}
    more = {"update?": update, "historyMetadata?": dict, "properties?": [dict]}
    required = ("project?", "issuetype?", "summary?")
    creation = {name.rstrip("?") if name in required else name: shape for name, shape in fields.items()}
    return (
        ("POST", "issue", {"fields": creation, **more}),
        ("PUT", "issue/[^/]+", {"fields?": fields, **more}),
        ("POST", "issue/[^/]+/transitions", {"transition": {"id": str}, "fields?": fields, **more}),
        ("POST", "issue/[^/]+/comment", {"body": str, "visibility?": dict, "properties?": [dict]}),
        (
            "POST",
            "issueLink",
            {"type": BY_NAME, "inwardIssue": BY_KEY, "outwardIssue": BY_KEY, "comment?": {"body": str}},
        ),
    )


def faults(flavour: Flavour, requests: Iterable[JiraRequest]) -> list[str]:
    """What is wrong with the bodies of calls, empty if nothing is."""
    return [fault for request in requests for fault in _of_call(flavour, request)]


def _of_call(flavour: Flavour, request: JiraRequest) -> Iterator[str]:
    call = f"{request.method} {request.path}"
    path = request.path.removeprefix(API)
    shapes = [
        body for method, known, body in bodies(flavour) if method == request.method and re.fullmatch(known, path)
    ]
    if not shapes:
        if request.method != "GET" or request.body is not None:
            yield f"{call} is no call that we know"
        return
    yield from _differences(call, request.body, shapes[0])


def _differences(where: str, value: Any, shape: Any) -> Iterator[str]:
    if value is None:
        yield f"{where} is null"
    elif isinstance(shape, Mapping):
        yield from _of_members(where, value, shape) if isinstance(value, dict) else [f"{where} is no object"]
    elif isinstance(shape, list):
        if not isinstance(value, list):
            yield f"{where} is no list"
        else:
            for number, each in enumerate(value):
                yield from _differences(f"{where}[{number}]", each, shape[0])
    elif shape is ANY:
        inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for name, each in inside:
            yield from _differences(f"{where}.{name}", each, ANY)
    elif not isinstance(value, shape):
        yield f"{where} is no {shape.__name__}"


def _of_members(where: str, value: dict[str, Any], shape: Mapping[str, Any]) -> Iterator[str]:
    known = {name.rstrip("?"): member for name, member in shape.items()}
    for name in shape:
        if name != "*" and not name.endswith("?") and name not in value:
            yield f"{where}.{name} is missing"
    for name, each in value.items():
        member = known.get(name, known.get("*"))
        if member is None:
            yield f"{where}.{name} is no member"
        else:
            yield from _differences(f"{where}.{name}", each, member)
