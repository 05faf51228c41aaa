"""What is read of AWS's answers, and whether an answer has it: nothing that is missing or odd is taken for "none".

botocore parses whatever comes: a member that is not there is left out, a list that is text is empty, a flag that is
neither true nor false is false. So each answer is held against READ before anybody reads it. Only what is read
counts; what AWS adds to its answers or leaves out of them otherwise is its own affair.
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from functools import reduce
from http import HTTPStatus
from operator import getitem
from typing import TYPE_CHECKING, Any

from botocore.parsers import ResponseParserError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from botocore.awsrequest import AWSResponse
    from botocore.model import OperationModel

    _Check = Callable[[Any, str], None]

_PAGED = ("IsTruncated", "Marker?~")

READ: Mapping[tuple[str, str], Sequence[str]] = {
    ("dynamodb", "BatchGetItem"): ("Responses?~", "UnprocessedKeys~"),
    ("dynamodb", "DeleteItem"): (),
    ("dynamodb", "GetItem"): ("Item?",),
    ("dynamodb", "PutItem"): (),
    ("dynamodb", "Query"): ("Items", "LastEvaluatedKey?"),
    ("dynamodb", "TransactWriteItems"): (),
    ("dynamodb", "UpdateItem"): (),
    ("iam", "GenerateCredentialReport"): ("State?",),
    ("iam", "GetAccessKeyLastUsed"): (
        "UserName",
        "AccessKeyLastUsed.LastUsedDate?",
        "AccessKeyLastUsed.ServiceName",
        "AccessKeyLastUsed.Region",
    ),
    ("iam", "GetAccountSummary"): ("SummaryMap~",),
    ("iam", "GetCredentialReport"): ("Content", "GeneratedTime"),
    ("iam", "ListAccessKeys"): (
        "AccessKeyMetadata.AccessKeyId",
        "AccessKeyMetadata.Status",
        "AccessKeyMetadata.CreateDate",
        *_PAGED,
    ),
    ("iam", "ListUserTags"): ("Tags.Key", "Tags.Value~", *_PAGED),
    ("iam", "ListUsers"): ("Users.UserName", "Users.UserId", "Users.CreateDate", *_PAGED),
    ("organizations", "ListAccounts"): (
        "Accounts.Id",
        "Accounts.Name?~",
        "Accounts.State?",
        "Accounts.Status?",
        "NextToken?",
    ),
    ("secretsmanager", "GetSecretValue"): ("SecretString?~",),
    ("sns", "PublishBatch"): ("Failed?.Id", "Failed?.Code", "Failed?.Message?~", "Successful?.Id"),
    ("sts", "AssumeRole"): ("Credentials.AccessKeyId", "Credentials.SecretAccessKey", "Credentials.SessionToken"),
    ("sts", "GetCallerIdentity"): ("Account", "Arn"),
}
"""The members that are read of the answers to an operation, also of each element of a list and each value of a map.

A member with `?` may be missing, one with `~` may be empty; the elements of a list may always be none. A text that
has to be there is a word of its list, where the model has a list of its words (the Status of a key).
"""
_TYPES = {
    "blob": bytes,
    "boolean": bool,
    "integer": int,
    "list": list,
    "map": dict,
    "structure": dict,
    "timestamp": datetime,
}
_NAMES = {
    bool: "true or false",
    bytes: "bytes",
    datetime: "a time",
    dict: "a map",
    int: "a number",
    list: "a list",
    str: "text",
    type(None): "null",
}
_checks: dict[tuple[str, str], _Check] = {}


def not_understood(what: str) -> ResponseParserError:
    """The error for an answer of which it is said `what` is wrong with it."""
    return ResponseParserError(f"AWS's answer is not understood ({what})")


def check(http_response: AWSResponse, parsed: Any, model: OperationModel, **_: object) -> None:
    """Raises ResponseParserError unless the answer has what is read of it (botocore's event after-call).

    It names the member and says of what type it is; what it holds may be a secret.
    """
    operation = (model.service_model.service_name, model.name)
    read, failed = READ.get(operation), http_response.status_code >= HTTPStatus.MULTIPLE_CHOICES
    if read is None or failed or model.output_shape is None:
        return
    in_json = _speaks_json(model)
    # An answer of botocore's Stubber was never sent.
    sent = http_response.raw is not None
    if sent and in_json and not http_response.content.lstrip().startswith(b"{"):
        raise not_understood("it is no JSON object")
    if operation not in _checks:
        _checks[operation] = _check_of(model.output_shape, read)
    _checks[operation](parsed, "it")
    found = {name: parsed[name] for name in map(_first, read) if name in parsed}
    made_up = _made_up_in_json if in_json else _made_up_in_xml
    for problem in (*_contradictions(found), *(made_up(found, http_response.content) if sent else ())):
        raise not_understood(problem)


def _first(path: str) -> str:
    return path.partition(".")[0].rstrip("?~")


def _speaks_json(model: OperationModel) -> bool:
    # The functions run on Lambda's own botocore, where a service may speak another protocol.
    service = model.service_model
    return getattr(service, "resolved_protocol", service.metadata.get("protocol")) == "json"


def _check_of(shape: Any, read: Sequence[str]) -> _Check:
    """Checks a value of this shape, of which these members are read."""
    if shape.type_name in ("list", "map"):
        return _check_of_elements(shape, read)
    if shape.type_name == "structure":
        return _check_of_members(shape, read)
    kind = _TYPES.get(shape.type_name, str)

    def is_of_its_type(value: Any, path: str) -> None:
        _expect(kind, value, path)

    return is_of_its_type


def _check_of_elements(shape: Any, read: Sequence[str]) -> _Check:
    kind = _TYPES[shape.type_name]
    inner = shape.member if kind is list else shape.value
    # The attributes of an item are for who reads items.
    element = None if inner.type_name == "structure" and not read else _check_of(inner, read)

    def has_such_elements(value: Any, path: str) -> None:
        _expect(kind, value, path)
        if element is not None:
            for name, each in enumerate(value) if kind is list else value.items():
                element(each, f"{path}[{name}]")

    return has_such_elements


def _check_of_members(shape: Any, read: Sequence[str]) -> _Check:
    inside: dict[str, list[str]] = {}
    for path in read:
        name, _, rest = path.partition(".")
        inside.setdefault(name, []).extend([rest] if rest else [])
    # An older botocore than this one's leaves out what it does not know.
    members = [
        (name, "?" in marked, _check_of_content(shape.members[name], rest, marked))
        for marked, rest in inside.items()
        if (name := marked.rstrip("?~")) in shape.members
    ]

    def has_such_members(value: Any, path: str) -> None:
        _expect(dict, value, path)
        for name, may_be_missing, is_so in members:
            place = name if path == "it" else f"{path}.{name}"
            found = value.get(name)
            if found is not None:
                is_so(found, place)
            elif not may_be_missing:
                raise not_understood(f"it lacks {place}")

    return has_such_members


def _check_of_content(shape: Any, read: Sequence[str], marks: str) -> _Check:
    check_type = _check_of(shape, read)
    not_empty = "~" not in marks and shape.type_name in ("string", "map", "blob")
    words: Sequence[str] = () if "?" in marks else getattr(shape, "enum", ())

    def is_so(value: Any, path: str) -> None:
        check_type(value, path)
        if not_empty and not value:
            raise not_understood(f"{path} is empty")
        if words and value not in words:
            raise not_understood(f"{path} is none of {', '.join(words)}")

    return is_so


def _expect(kind: type, value: Any, path: str) -> None:
    if not isinstance(value, kind):
        raise not_understood(f"{path} is {_NAMES.get(type(value), 'a number')}, where {_NAMES[kind]} belongs")


def _contradictions(found: Mapping[str, Any]) -> Iterator[str]:
    if found.get("IsTruncated") and not found.get("Marker"):
        yield "it lacks Marker, although there is more"
    if "Arn" in found and not re.match(r"arn:[^:]+:", found["Arn"]):
        yield "Arn is none"
    use = found.get("AccessKeyLastUsed")
    # IAM API reference, AccessKeyLastUsed: without a time, the service is "N/A".
    if use is not None and "LastUsedDate" not in use and use["ServiceName"] != "N/A":
        yield "it lacks AccessKeyLastUsed.LastUsedDate, although it names a service"


def _made_up_in_json(found: Mapping[str, Any], content: bytes) -> Iterator[str]:
    """What botocore has made an empty list of, though the answer does not say so."""
    paths: list[tuple[str, ...]] = [(name,) for name, value in found.items() if value == []]
    maps = [(name, value) for name, value in found.items() if isinstance(value, dict)]
    paths += [(name, key) for name, value in maps for key, part in value.items() if part == []]
    said = json.loads(content) if paths else {}
    for path in paths:
        if reduce(getitem, path, said) != []:
            yield f"{'.'.join(path)} is something else, where a list belongs"


def _made_up_in_xml(found: Mapping[str, Any], content: bytes) -> Iterator[str]:
    """What botocore has made an empty list or "false" of, though the answer does not say so."""
    for name, value in found.items():
        if value is False and not re.search(rb"<%s>\s*false\s*</" % name.encode(), content):
            yield f"{name} is neither true nor false"
        if value == [] and not re.search(rb"<%s\s*(/>|>\s*</)" % name.encode(), content):
            yield f"{name} is text, where a list belongs"
