"""A small JIRA, spoken to over real HTTP, that keeps what it is told and fails when it is asked to."""

from __future__ import annotations

import argparse
import base64
import json
import re
import signal
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA1

from deployment.local.stand_in import Silence, StandIn, StandInHandler

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable, Mapping

    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

DEFAULT_TOKEN = "jira-stand-in-token"
DEFAULT_USERNAME = "hammer@example.com"
DEFAULT_PASSWORD = "jira-stand-in-password"
DEFAULT_CONSUMER_KEY = "hammer-consumer"
DEFAULT_ACCESS_TOKEN = "jira-stand-in-access-token"

Flavour = Literal["server", "cloud"]

_API = "/rest/api/2/"
_SUMMARY_LIMIT = 255
_TEXT_LIMIT = 32767
_LINK_TYPES = ({"id": "10003", "name": "Relates", "inward": "relates to", "outward": "relates to"},)
_CATEGORIES = {"To Do": "new", "In Progress": "indeterminate", "Closed": "done", "Done": "done"}
_RESOLUTIONS = ("Won't Do", "Done", "Duplicate")


@dataclass(frozen=True, slots=True)
class JiraUser:
    """A user; Cloud knows him by `account_id` and shows no e-mail address that is hidden."""

    name: str
    email: str = ""
    display_name: str = ""
    email_hidden: bool = False
    active: bool = True
    assignable: bool = True

    @property
    def account_id(self) -> str:
        """The id that Cloud uses."""
        return f"712020:{self.name}"


@dataclass(frozen=True, slots=True)
class Transition:
    """A way to the status `to`, whose category is `new`, `indeterminate` or `done`."""

    name: str
    to: str
    category: str
    needs_resolution: bool = False


@dataclass(slots=True)
class JiraIssue:
    """A ticket; `assignee` and `watchers` are user names (Server) or account ids (Cloud), `links` are keys."""

    key: str
    project: str
    summary: str
    description: str = ""
    issue_type: str = "Task"
    priority: str | None = None
    labels: list[str] = field(default_factory=list)
    assignee: str | None = None
    status: str = "To Do"
    resolution: str | None = None
    comments: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    watchers: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class JiraRequest:
    """A call as it came in; values of a parameter that was given repeatedly are joined by commas.

    `scheme` is how it was signed (`Bearer`, `Basic`, `OAuth`); no header is kept, so no credential is.
    """

    method: str
    path: str
    query: Mapping[str, str]
    body: Any
    scheme: str = ""


@dataclass(slots=True)
class _Fault:
    method: str
    path_prefix: str
    status: int
    headers: Mapping[str, str]
    body: Any
    after_doing: bool
    silence: Silence | None


@dataclass(frozen=True, slots=True)
class _Call:
    request: JiraRequest
    known_caller: bool


class _Refusal(Exception):
    """The call is answered with this status and JIRA's error body."""

    def __init__(self, status: int, *messages: str, **errors: str) -> None:
        self.status = status
        self.body = {"errorMessages": list(messages), "errors": errors}
        super().__init__(status)


DEFAULT_USERS = (
    JiraUser("hammer", DEFAULT_USERNAME, "Hammer"),
    JiraUser("Support-General", "support@example.com", "General Support"),
    JiraUser("Support-Cloud", "support-cloud@example.com", "Cloud Support"),
    JiraUser("alice", "alice@example.com", "Alice Adams"),
    JiraUser("bob", "bob@example.com", "Bob Brown"),
)
DEFAULT_TRANSITIONS = (
    Transition("Start Progress", "In Progress", "indeterminate"),
    Transition("Close Issue", "Closed", "done"),
)


class JiraStandIn(StandIn):
    """A JIRA on a local port, from `start()` to `stop()` or for the length of a `with`.

    `issues` are keys of tickets that exist from the start. `transitions` may be set at any time; those that lead
    to the status a ticket has already are not offered. With `oauth_public_key` the signature of OAuth calls is
    verified. `refused_fields` are on none of JIRA's screens. The search has not noticed yet that the tickets in
    `unnoticed` are done. A page of a listing has at most `page_size` entries whatever is asked for, as JIRA may do,
    so that clients really have to page.
    """

    def __init__(
        self,
        flavour: Flavour = "server",
        users: Iterable[JiraUser] = DEFAULT_USERS,
        projects: Iterable[str] = ("AWSSEC",),
        host: str = "127.0.0.1",
        port: int = 0,
        issues: Iterable[str] = (),
        oauth_public_key: RSAPublicKey | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(_Handler, host, port, tls)
        self.issues: dict[str, JiraIssue] = {}
        self.requests: list[JiraRequest] = []
        self.transitions: tuple[Transition, ...] = DEFAULT_TRANSITIONS
        self.refused_fields: set[str] = set()
        self.unnoticed: set[str] = set()
        self.page_size = 50
        self._flavour = flavour
        self._users = tuple(users)
        self._numbers = dict.fromkeys(projects, 0)
        self._oauth_public_key = oauth_public_key
        self._faults: list[_Fault] = []
        for key in issues:
            self.issues[key] = JiraIssue(key, self._counted(key), f"What {key} is about")
        ticket = r"issue/([^/]+)"
        self._routes: tuple[tuple[str, str, Callable[..., tuple[int, Any]]], ...] = (
            ("GET", "serverInfo", self._server_info),
            ("GET", "myself", self._myself),
            ("GET", "field", self._fields),
            ("GET", "search", self._search),
            ("GET", "search/jql", self._search_by_token),
            ("GET", "user/assignable/search", self._assignable),
            ("GET", "issueLinkType", self._link_types),
            ("POST", "issueLink", self._link),
            ("POST", "issue", self._create),
            ("GET", ticket, self._read),
            ("PUT", ticket, self._edit),
            ("DELETE", ticket, self._delete),
            ("GET", f"{ticket}/comment", self._comments),
            ("POST", f"{ticket}/comment", self._comment),
            ("GET", f"{ticket}/transitions", self._transitions),
            ("POST", f"{ticket}/transitions", self._transition),
            ("POST", f"{ticket}/watchers", self._watch),
        )

    def fail_next(
        self,
        method: str,
        path_prefix: str,
        status: int = 503,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
        times: int = 1,
        after_doing: bool = False,
        drop_connection: bool = False,
        never_answer: bool = False,
    ) -> None:
        """Fail the next `times` calls whose path begins with `path_prefix` (`/rest/api/2/issue`).

        The answer is `status` with `headers` and `body` (by default JIRA's error body), with `drop_connection`
        a reset, with `never_answer` none at all; `after_doing` carries the call out first.
        """
        silence = Silence.RESET if drop_connection else Silence.HANGING if never_answer else None
        fault = _Fault(method, path_prefix, status, headers or {}, body, after_doing, silence)
        with self._lock:
            self._faults += [fault] * times

    def state(self) -> dict[str, Any]:
        """Everything received, as it is served under `/_stand_in/state`."""
        with self._lock:
            return {
                "flavour": self._flavour,
                "issues": {key: asdict(issue) for key, issue in self.issues.items()},
                "requests": [asdict(request) for request in self.requests],
            }

    def answer(
        self, request: JiraRequest, authorization: str, url: str
    ) -> tuple[int, Mapping[str, str], Any] | Silence:
        """Carry out one call to `url`: status, headers and body, or no answer."""
        with self._lock:
            self.requests.append(request)
            fault = self._due_fault(request)
            if fault is None or fault.after_doing:
                status, body = self._carry_out(request, authorization, url)
        if fault is None:
            return status, {}, body
        if fault.silence is not None:
            return fault.silence
        return (
            fault.status,
            fault.headers,
            fault.body or _Refusal(fault.status, "The stand-in was told to fail.").body,
        )

    def _due_fault(self, request: JiraRequest) -> _Fault | None:
        for position, fault in enumerate(self._faults):
            if fault.method == request.method and request.path.startswith(fault.path_prefix):
                return self._faults.pop(position)
        return None

    def _carry_out(self, request: JiraRequest, authorization: str, url: str) -> tuple[int, Any]:
        try:
            known = self._is_known(request.method, authorization, url)
            # Cloud takes wrong credentials for nobody's and shows what everybody may see.
            open_to_all = ("GET", f"{_API}serverInfo") == (request.method, request.path)
            if not known and self._flavour == "server" and (authorization or not open_to_all):
                raise _Refusal(401, "You are not authenticated. Authentication required to perform this operation.")
            for method, pattern, handler in self._routes:
                match = re.fullmatch(re.escape(_API) + pattern, request.path)
                if match and method == request.method:
                    return handler(_Call(request, known), *map(unquote, match.groups()))
            raise _Refusal(404, f"{request.method} {request.path} is not known here.")
        except _Refusal as refusal:
            return refusal.status, refusal.body

    def _is_known(self, method: str, authorization: str, url: str) -> bool:
        kind, _, value = authorization.partition(" ")
        if kind == "Basic":
            return base64.b64decode(value).decode() == f"{DEFAULT_USERNAME}:{DEFAULT_PASSWORD}"
        if kind == "OAuth":
            return self._is_signed(method, value, url)
        return authorization == f"Bearer {DEFAULT_TOKEN}"

    def _is_signed(self, method: str, header: str, url: str) -> bool:
        """As RFC 5849 has it for RSA-SHA1, the one method that JIRA's application links take."""
        sent = {name: unquote(value) for name, value in re.findall(r'(\w+)="([^"]*)"', header)}
        expected = {
            "oauth_consumer_key": DEFAULT_CONSUMER_KEY,
            "oauth_token": DEFAULT_ACCESS_TOKEN,
            "oauth_signature_method": "RSA-SHA1",
        }
        if not expected.items() <= sent.items():
            return False
        if self._oauth_public_key is None:
            return True
        signature = base64.b64decode(sent.pop("oauth_signature"))
        address = urlsplit(url)
        pairs = [*sent.items(), *parse_qsl(address.query, keep_blank_values=True)]
        parameters = "&".join(
            "=".join(pair) for pair in sorted((_encoded(name), _encoded(value)) for name, value in pairs)
        )
        place = f"{address.scheme}://{address.netloc}{address.path}"
        signed = "&".join((method, _encoded(place), _encoded(parameters)))
        try:
            self._oauth_public_key.verify(signature, signed.encode(), PKCS1v15(), SHA1())
        except InvalidSignature:
            return False
        return True

    def _server_info(self, _: _Call) -> tuple[int, Any]:
        cloud = self._flavour == "cloud"
        return 200, {
            "version": "1001.0.0-SNAPSHOT" if cloud else "9.12.4",
            "versionNumbers": [1001, 0, 0] if cloud else [9, 12, 4],
            "deploymentType": "Cloud" if cloud else "Server",
        }

    def _myself(self, call: _Call) -> tuple[int, Any]:
        _must_be_known(call)
        return 200, self._person(self._users[0])

    def _fields(self, call: _Call) -> tuple[int, Any]:
        _must_be_known(call)
        names = ("summary", "description", "labels", "assignee", "status", "priority")
        return 200, [{"id": name, "name": name.capitalize(), "clauseNames": [name]} for name in names]

    def _search(self, call: _Call) -> tuple[int, Any]:
        if self._flavour == "cloud":
            raise _Refusal(410, "The requested API has been removed. Please migrate to /rest/api/3/search/jql.")
        found, start = self._found(call), int(call.request.query.get("startAt", 0))
        size = self._size(call)
        page = found[start : start + size]
        return 200, {"startAt": start, "maxResults": size, "total": len(found), "issues": page}

    def _search_by_token(self, call: _Call) -> tuple[int, Any]:
        if self._flavour == "server":
            raise _Refusal(404, "There is no such resource.")
        if not call.known_caller:
            return 200, {"issues": [], "isLast": True}
        found, start = self._found(call), int(call.request.query.get("nextPageToken", 0))
        end = start + self._size(call)
        more = {"nextPageToken": str(end)} if end < len(found) else {}
        return 200, {"issues": found[start:end], "isLast": not more, **more}

    def _found(self, call: _Call) -> list[dict[str, Any]]:
        clauses, order = _parsed_jql(call.request.query.get("jql", ""))
        issues = [
            issue
            for issue in self.issues.values()
            if clauses.get("labels", "") in ("", *issue.labels)
            and clauses.get("project", issue.project) == issue.project
            and (
                "statuscategory" not in clauses
                or issue.key in self.unnoticed
                or self._status(issue.status)["statusCategory"]["key"] != "done"
            )
        ]
        issues.sort(key=lambda issue: _number(issue.key), reverse=order == "desc")
        return [self._shown(issue) for issue in issues]

    def _assignable(self, call: _Call) -> tuple[int, Any]:
        _must_be_known(call)
        query = call.request.query
        needed, other = ("query", "username") if self._flavour == "cloud" else ("username", "query")
        if other == "username" and other in query:
            raise _Refusal(400, "The query parameter 'username' is not supported in GDPR strict mode.")
        if needed not in query:
            raise _Refusal(400, f"The {needed} query parameter was not provided.")
        if query.get("project") not in self._numbers:
            raise _Refusal(404, f"No project could be found with key '{query.get('project')}'.")
        wanted = query[needed].casefold()
        return 200, [
            self._person(user)
            for user in self._users
            if user.active
            and user.assignable
            and any(
                word.startswith(wanted)
                for name in ((user.name if needed == "username" else ""), user.display_name, user.email)
                for word in (name.casefold(), *name.casefold().split())
            )
        ][: self._size(call)]

    def _create(self, call: _Call) -> tuple[int, Any]:
        _must_be_known(call)
        fields = dict(call.request.body.get("fields", {}))
        project = fields.get("project", {}).get("key")
        errors = self._off_screen(fields)
        if project not in self._numbers:
            errors["project"] = "project is required" if project is None else "valid project is required"
        if not fields.get("issuetype", {}).get("name"):
            errors["issuetype"] = "issue type is required"
        summary = fields.get("summary") or ""
        if not summary.strip() or "\n" in summary or len(summary) > _SUMMARY_LIMIT:
            errors["summary"] = f"Summary must be one line of 1 to {_SUMMARY_LIMIT} characters."
        description = fields.get("description") or ""
        if len(description) > _TEXT_LIMIT:
            errors["description"] = f"The entered text is too long. It exceeds the limit of {_TEXT_LIMIT} characters."
        labels = list(dict.fromkeys(fields.get("labels") or []))
        _check_labels(labels, errors)
        assignee = self._asked_assignee(fields, errors)
        if errors:
            raise _Refusal(400, **errors)
        self._numbers[project] += 1
        key = f"{project}-{self._numbers[project]}"
        self.issues[key] = JiraIssue(
            key,
            project,
            summary,
            description,
            issue_type=fields["issuetype"]["name"],
            priority=(fields.get("priority") or {}).get("name"),
            labels=labels,
            assignee=assignee,
        )
        return 201, self._reference(key)

    def _off_screen(self, names: Iterable[str]) -> dict[str, str]:
        return {
            name: f"Field '{name}' cannot be set. It is not on the appropriate screen, or unknown."
            for name in names
            if name in self.refused_fields
        }

    def _asked_assignee(self, fields: Mapping[str, Any], errors: dict[str, str]) -> str | None:
        if not fields.get("assignee"):
            return None
        identity = fields["assignee"].get("accountId" if self._flavour == "cloud" else "name")
        user = next((each for each in self._users if self._identity(each) == identity), None)
        if user is None or not (user.active and user.assignable):
            errors["assignee"] = f"User '{identity}' cannot be assigned issues."
        return str(identity)

    def _read(self, call: _Call, key: str) -> tuple[int, Any]:
        return 200, self._shown(self._issue(call, key))

    def _edit(self, call: _Call, key: str) -> tuple[int, Any]:
        issue = self._issue(call, key)
        added = [change["add"] for change in call.request.body.get("update", {}).get("labels", [])]
        errors = self._off_screen(["labels"] if added else [])
        _check_labels(added, errors)
        if errors:
            raise _Refusal(400, **errors)
        issue.labels += [label for label in added if label not in issue.labels]
        return 204, None

    def _delete(self, call: _Call, key: str) -> tuple[int, Any]:
        del self.issues[self._issue(call, key).key]
        return 204, None

    def _comments(self, call: _Call, key: str) -> tuple[int, Any]:
        issue, start = self._issue(call, key), int(call.request.query.get("startAt", 0))
        comments = [{"id": str(number), "body": body} for number, body in enumerate(issue.comments)]
        size = self._size(call)
        page = comments[start : start + size]
        return 200, {"startAt": start, "maxResults": size, "total": len(comments), "comments": page}

    def _comment(self, call: _Call, key: str) -> tuple[int, Any]:
        issue, body = self._issue(call, key), str(call.request.body.get("body") or "")
        if not body.strip() or len(body) > _TEXT_LIMIT:
            raise _Refusal(400, comment="Comment body can not be empty, nor too long!")
        issue.comments.append(body)
        return 201, {"id": str(len(issue.comments) - 1), "body": body}

    def _transitions(self, call: _Call, key: str) -> tuple[int, Any]:
        issue = self._issue(call, key)
        with_fields = "transitions.fields" in call.request.query.get("expand", "")
        return 200, {
            "transitions": [
                {"id": number, "name": transition.name, "to": self._status(transition.to)}
                | ({"fields": _transition_fields(transition)} if with_fields else {})
                for number, transition in self._offered(issue).items()
            ]
        }

    def _transition(self, call: _Call, key: str) -> tuple[int, Any]:
        issue, body = self._issue(call, key), call.request.body
        transition = self._offered(issue).get(str(body.get("transition", {}).get("id")))
        if transition is None:
            raise _Refusal(400, "It seems that you have tried to perform a workflow operation that is not valid.")
        resolution = (body.get("fields") or {}).get("resolution", {}).get("id")
        if transition.needs_resolution and resolution is None:
            raise _Refusal(400, "Field Resolution is required.")
        if resolution is not None:
            issue.resolution = _RESOLUTIONS[int(resolution)]
        issue.status = transition.to
        return 204, None

    def _offered(self, issue: JiraIssue) -> dict[str, Transition]:
        return {
            str(10 * number + 1): transition
            for number, transition in enumerate(self.transitions, start=1)
            if transition.to != issue.status
        }

    def _watch(self, call: _Call, key: str) -> tuple[int, Any]:
        issue, identity = self._issue(call, key), str(call.request.body)
        if identity not in map(self._identity, self._users):
            raise _Refusal(404, f"The user {identity} does not exist.")
        if identity not in issue.watchers:
            issue.watchers.append(identity)
        return 204, None

    def _link_types(self, call: _Call) -> tuple[int, Any]:
        _must_be_known(call)
        return 200, {"issueLinkTypes": list(_LINK_TYPES)}

    def _link(self, call: _Call) -> tuple[int, Any]:
        body = call.request.body
        if body["type"]["name"] not in [each["name"] for each in _LINK_TYPES]:
            raise _Refusal(404, f"No issue link type with name '{body['type']['name']}' found.")
        one, other = (self._issue(call, body[side]["key"]) for side in ("inwardIssue", "outwardIssue"))
        for issue, linked in ((one, other.key), (other, one.key)):
            if linked not in issue.links:
                issue.links.append(linked)
        return 201, None

    def _issue(self, call: _Call, key: str) -> JiraIssue:
        if not call.known_caller or key not in self.issues:
            raise _Refusal(404, "Issue does not exist or you do not have permission to see it.")
        return self.issues[key]

    def _counted(self, key: str) -> str:
        """The project of a key that is given, whose number is not given again."""
        project = key.rpartition("-")[0]
        self._numbers[project] = max(self._numbers.get(project, 0), _number(key))
        return project

    def _size(self, call: _Call) -> int:
        return min(int(call.request.query.get("maxResults", self.page_size)), self.page_size)

    def _status(self, name: str) -> dict[str, Any]:
        categories = _CATEGORIES | {transition.to: transition.category for transition in self.transitions}
        return {"name": name, "statusCategory": {"key": categories.get(name, "indeterminate")}}

    def _identity(self, user: JiraUser) -> str:
        return user.account_id if self._flavour == "cloud" else user.name

    def _person(self, user: JiraUser) -> dict[str, Any]:
        identity = self._identity(user)
        name, parameter = ("accountId", "accountId") if self._flavour == "cloud" else ("name", "username")
        shown = {
            "self": f"{self._own_address()}{_API}user?{parameter}={_encoded(identity)}",
            name: identity,
            "displayName": user.display_name or user.name,
            "active": user.active,
        }
        return shown if user.email_hidden else {**shown, "emailAddress": user.email}

    def _reference(self, key: str) -> dict[str, Any]:
        return {"id": str(10000 + _number(key)), "key": key, "self": f"{self._own_address()}{_API}issue/{key}"}

    def _own_address(self) -> str:
        """What JIRA takes for its address behind a proxy when nobody told it that the outside speaks https."""
        return self.url.replace("https:", "http:")

    def _shown(self, issue: JiraIssue) -> dict[str, Any]:
        assignee = next((self._person(user) for user in self._users if self._identity(user) == issue.assignee), None)
        return self._reference(issue.key) | {
            "fields": {
                "summary": issue.summary,
                "description": issue.description,
                "labels": list(issue.labels),
                "assignee": assignee,
                "status": self._status(issue.status),
            }
        }


class _Handler(StandInHandler):
    stand_in: JiraStandIn

    def do_GET(self) -> None:
        if urlsplit(self.path).path == "/_stand_in/state":
            self.send_json(200, {}, self.stand_in.state())
        else:
            self._call()

    def do_POST(self) -> None:
        self._call()

    def do_PUT(self) -> None:
        self._call()

    def do_DELETE(self) -> None:
        self._call()

    def _call(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        address = urlsplit(self.path)
        try:
            body = json.loads(raw) if raw else None
        except ValueError:
            self.send_json(400, {}, _Refusal(400, "The body is not JSON.").body)
            return
        query: dict[str, str] = {}
        for name, value in parse_qsl(address.query, keep_blank_values=True):
            query[name] = f"{query[name]},{value}" if name in query else value
        authorization = self.headers.get("Authorization", "")
        answer = self.stand_in.answer(
            JiraRequest(self.command, address.path, query, body, authorization.partition(" ")[0]),
            authorization,
            f"{urlsplit(self.stand_in.url).scheme}://{self.headers.get('Host', '')}{self.path}",
        )
        self.send(answer)


def _must_be_known(call: _Call) -> None:
    if not call.known_caller:
        raise _Refusal(401, "Client must be authenticated to access this resource.")


def _check_labels(labels: Iterable[str], errors: dict[str, str]) -> None:
    for label in labels:
        if not re.fullmatch(r"\S{1,255}", label):
            errors["labels"] = f"The label '{label}' contains spaces which is invalid."


def _number(key: str) -> int:
    return int(key.rpartition("-")[2])


def _encoded(value: str) -> str:
    return quote(value, safe="~")


def _transition_fields(transition: Transition) -> dict[str, Any]:
    if not transition.needs_resolution:
        return {}
    allowed = [{"id": str(number), "name": name} for number, name in enumerate(_RESOLUTIONS)]
    return {"resolution": {"required": True, "allowedValues": allowed}}


def _parsed_jql(jql: str) -> tuple[dict[str, str], str]:
    """The clauses of the one kind of query that is understood, by field, and asc or desc."""
    query, _, order = re.sub(r"(?i)\s+order\s+by\s+created\b", "\0", jql).partition("\0")
    clauses: dict[str, str] = {}
    for clause in re.split(r"(?i)\s+and\s+", query.strip()):
        match = re.fullmatch(
            r'(?i)(labels|project)\s*=\s*(?:"([^"\\]+)"|([\w-]+))|(statuscategory)\s*!=\s*done', clause
        )
        if match is None:
            raise _Refusal(400, f"Error in the JQL Query: '{clause}' is not understood here.")
        name, quoted, bare, category = match.groups()
        clauses[(name or category).lower()] = quoted or bare or "done"
    return clauses, order.strip().lower() or "asc"


def main() -> None:
    """Serve until interrupted or terminated."""
    parser = argparse.ArgumentParser(prog="python -m deployment.local.jira_stand_in", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="the port to listen on (default: any free one)")
    parser.add_argument("--flavour", choices=("server", "cloud"), default="server")
    parser.add_argument("--issue", action="append", default=[], metavar="KEY", help="a ticket that exists already")
    options = parser.parse_args()
    # Both ways to end it leave the port free and say nothing.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with JiraStandIn(flavour=options.flavour, port=options.port, issues=options.issue) as jira:
        print(f"JIRA stand-in ({options.flavour}): {jira.url}", flush=True)
        try:
            jira.wait()
        except KeyboardInterrupt:
            return


if __name__ == "__main__":
    main()
