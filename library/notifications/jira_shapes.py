"""What JIRA's answers have in them, as far as we rely on it: what answers anything else is not JIRA.

By https://docs.atlassian.com/software/jira/docs/api/REST/9.12.0/ and
https://developer.atlassian.com/cloud/jira/platform/rest/v2/. A member whose name has a question mark may be missing
or null, `*` stands for each other one; what is not named here may be there.
"""

from __future__ import annotations

import re
from typing import Any

_PERSON = {"accountId?": str, "name?": str, "displayName?": str, "emailAddress?": str}
_STATUS = {"name": str, "statusCategory": {"key": str}}
_TICKET = {
    "key": str,
    "fields": {"status": _STATUS, "labels?": [str], "creator?": _PERSON, "assignee?": _PERSON, "archiveddate?": str},
}
_SCREEN = {
    "resolution?": {"allowedValues?": [{"id": str, "name?": str}]},
    "*": {"name?": str, "required?": bool},
}
_TRANSITION = {
    "id": str,
    "name": str,
    "to?": {"name?": str, "statusCategory?": {"key?": str}},
    "fields?": _SCREEN,
}
_TYPES = [{"id": str, "name": str}]
_FIELDS = [{"fieldId": str, "name?": str, "required?": bool}]

_ANSWERS: tuple[tuple[str, Any], ...] = (
    (r"serverInfo", {"deploymentType": str, "baseUrl?": str}),
    (r"myself", {**_PERSON, "displayName": str}),
    (r"mypermissions", {"permissions": {"*": {"havePermission": bool}}}),
    (r"project/[^/]+", {"archived?": bool}),
    (r"search", {"issues": [_TICKET], "total": int}),
    (r"search/jql", {"issues": [_TICKET], "nextPageToken?": str}),
    (r"user/assignable/search", [_PERSON]),
    (r"issue/createmeta/[^/]+/issuetypes", {"values?": _TYPES, "issueTypes?": _TYPES, "total?": int}),
    (r"issue/createmeta/[^/]+/issuetypes/[^/]+", {"values?": _FIELDS, "fields?": _FIELDS, "total?": int}),
    (r"issue/[^/]+", _TICKET),
    (r"issue/[^/]+/comment", {"comments": [{"id": str, "body": str}]}),
    (r"issue/[^/]+/transitions", {"transitions": [_TRANSITION]}),
    (r"issueLinkType", {"issueLinkTypes": [{"name": str, "inward?": str, "outward?": str}]}),
)


def is_answer(path: str, body: object) -> bool:
    """Whether JIRA may have answered a question below its API (`issue/AWSSEC-1`) with this JSON."""
    return all(_fits(body, shape) for known, shape in _ANSWERS if re.fullmatch(known, path))


def _fits(value: Any, shape: Any) -> bool:
    if isinstance(shape, list):
        return isinstance(value, list) and all(_fits(each, shape[0]) for each in value)
    if not isinstance(shape, dict):
        return isinstance(value, shape)
    if not isinstance(value, dict):
        return False
    named = {name.rstrip("?"): member for name, member in shape.items() if name != "*"}
    lacking = [name for name in shape if not name.endswith("?") and name != "*" and value.get(name) is None]
    members = ((each, named.get(name, shape.get("*"))) for name, each in value.items() if each is not None)
    return not lacking and all(_fits(each, member) for each, member in members if member is not None)
