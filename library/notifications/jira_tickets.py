"""Tickets in JIRA, Server or Cloud: the calls that we make, nothing else."""

from __future__ import annotations

import json
import logging
import re
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from jira import JIRA, JIRAError
from oauthlib.oauth1 import SIGNATURE_RSA  # type: ignore[import-untyped]
from requests.exceptions import ChunkedEncodingError, ConnectTimeout, SSLError, Timeout
from requests.exceptions import ConnectionError as RequestsConnectionError
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt

from library.errors import CredentialsError, TicketError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

log = logging.getLogger(__name__)

# OAuth's libraries write tokens and signatures to their logs at DEBUG.
for _name in ("oauthlib", "requests_oauthlib"):
    logging.getLogger(_name).setLevel(logging.INFO)

T = TypeVar("T")

_CONNECT_SECONDS = 5
_ANSWER_SECONDS = 30
_ATTEMPTS = 4
_FIRST_WAIT_SECONDS = 0.5
# A server that asks for a longer wait is left alone until the next run.
_LONGEST_WAIT_SECONDS = 30
# After so many calls in a row that failed on JIRA's side, the rest of the run does not wait for it any more.
_PATIENCE = 3
_PASSING_STATUS = (502, 503, 504)
_TOO_MANY = 429
_COMMENTS_PER_PAGE = 100
# The most that JIRA returns, https://docs.atlassian.com/software/jira/docs/api/REST/9.12.0/#api/2/user
_USERS_PER_PAGE = 1000
_SAID_LIMIT = 500

_LINK = "relates to"
_RESOLUTIONS = ("done", "fixed", "resolved")
# The two forms that account ids of Cloud have.
_ACCOUNT_ID = re.compile(r"[0-9a-f]{24}|\d+:[\w:-]+")


@dataclass(frozen=True, slots=True)
class Ticket:
    """What we know of a ticket: its key (`AWSSEC-12`), and a user name (Server) or an account id (Cloud)."""

    key: str
    assignee: str | None


@dataclass(frozen=True, slots=True)
class NewTicket:
    """A ticket to raise.

    `assignees` are names, e-mail addresses or, on Cloud, account ids in order of preference: the first that JIRA
    knows and may assign in `project` wins. The last of `labels` is on no other ticket. `parent_ticket` is a key, or
    empty for none. `description` is wiki markup.
    """

    project: str
    summary: str
    description: str
    labels: tuple[str, ...]
    assignees: tuple[str, ...]
    parent_ticket: str


class TicketGone(TicketError):
    """The ticket does not exist any more."""


class _Refused(TicketError):
    """JIRA understood the call and will not do it; `fields` are those that it names as the reason."""

    def __init__(self, sentence: str, status: int, fields: Collection[str]) -> None:
        self.status = status
        self.fields = frozenset(fields)
        super().__init__(sentence)


class JiraTickets:
    """Tickets of one JIRA, which is contacted at first use; several threads may share them.

    `credentials` is `{"token": …}`, `{"basic": {"username", "password"}}` or `{"oauth": {"access_token",
    "access_token_secret", "consumer_key", "key_cert"}}`, where `key_cert` is a private key in PEM. An empty
    `ca_bundle` means the CAs that the system trusts, an empty `priority` JIRA's default one. Raises
    CredentialsError for credentials that cannot be any, and TicketError from every method for a call that failed.
    """

    # Locks are taken in this order only, so that no two threads wait for each other: that of a look-up, _login_lock,
    # _limited, _lock.

    def __init__(
        self,
        *,
        server: str,
        credentials: Mapping[str, Any],
        ca_bundle: str = "",
        issue_type: str = "Task",
        priority: str = "Major",
        close_transitions: Sequence[str] = ("Close Issue", "Done"),
        answer_seconds: float = _ANSWER_SECONDS,
    ) -> None:
        self._server = server.rstrip("/")
        self._login = _login(credentials)
        self._verify: str | bool = ca_bundle or True
        self._issue_type = issue_type
        self._priority = priority
        self._close_transitions = tuple(close_transitions)
        self._timeout = (_CONNECT_SECONDS, answer_seconds)
        # A session of requests is not made for several threads.
        self._own = threading.local()
        self._login_lock = threading.Lock()
        self._deployment: str | None = None
        # Held by the thread that waits because of a rate limit; reentrant, as that thread may look before it repeats.
        self._limited = threading.RLock()
        self._lock = threading.Lock()
        self._lookups: dict[tuple[str, str], _Lookup] = {}
        self._failures_in_a_row = 0
        self._last_failure = 0.0
        self._given_up = ""

    def log_in(self) -> str:
        """Who the credentials belong to, as JIRA shows the name; raises TicketError if JIRA does not take them."""
        return str(self._read("say who is logged in", lambda client: client.myself()["displayName"]))

    def find_open(self, label: str) -> Ticket | None:
        """The oldest ticket that has this label and is not done."""
        jql = f'labels = "{_quoted(label)}" AND statusCategory != Done ORDER BY created ASC'
        found = self._read(
            f"look for tickets with the label {label}",
            # Not limited to one: Cloud may fill a page with less than it was asked for.
            lambda client: [
                Ticket(str(issue.key), _identity(issue.raw["fields"]["assignee"]))
                for issue in client.search_issues(jql, maxResults=0, fields=["assignee", "status"])
                # The index may lag behind the ticket.
                if not _is_done(issue.raw)
            ],
        )
        return found[0] if found else None

    def raise_ticket(self, new: NewTicket) -> Ticket:
        """Create a ticket, without looking whether there is one: that is `find_open`.

        An assignee, a priority or a link that JIRA does not take costs a warning, not the ticket.
        """
        ticket = self._create(new)
        if new.parent_ticket:
            self.link(ticket.key, new.parent_ticket)
        return ticket

    def link(self, ticket: str, parent: str) -> None:
        """Link the ticket to its parent, which changes nothing if it is; a failure costs a warning."""
        try:
            self._call(f"link {ticket} to {parent}", lambda client: client.create_issue_link(_LINK, ticket, parent))
        except TicketError as error:
            log.warning("The ticket %s stays without a link: %s", ticket, error)

    def is_open(self, ticket: str) -> bool:
        """Whether the ticket exists and is not done."""
        try:
            return not _is_done(self._issue(ticket).raw)
        except TicketGone:
            return False

    def comment(self, ticket: str, text: str, reference: str) -> None:
        """Write a comment, unless there is one that has `reference` in it, as `text` must; raises TicketGone."""
        with _gone(ticket):
            if not self._has_comment(ticket, reference):
                self._call(f"comment on {ticket}", lambda client: client.add_comment(ticket, text))

    def close(self, ticket: str, label: str = "") -> None:
        """Add the label, if one is given, and close the ticket; one that is done or gone is left as it is.

        Of the transitions on offer the first configured one is taken, else one that leads to the status category
        done; if there is none, TicketError is raised.
        """
        try:
            issue = self._issue(ticket)
            if _is_done(issue.raw):
                return
            # Before the transition, so that a run that dies in between has both still to do.
            if label and label not in issue.raw["fields"]["labels"]:
                self._add_label(ticket, issue, label)
            with _gone(ticket):
                self._close(ticket)
        except TicketGone:
            return

    def _create(self, new: NewTicket) -> Ticket:
        required = {
            "project": {"key": new.project},
            "issuetype": {"name": self._issue_type},
            "summary": new.summary,
            "description": new.description,
            "labels": list(new.labels),
        }
        optional: dict[str, Any] = {"priority": {"name": self._priority}} if self._priority else {}
        assignees = self._assignable(new)
        assignee = next(assignees, None)
        while True:
            if assignee is not None:
                optional["assignee"] = {"accountId" if self._is_cloud() else "name": assignee}
            try:
                return self._created(new, {**required, **optional}, assignee)
            except _Refused as error:
                refused = optional.keys() & error.fields
                if error.status == 403 and not error.fields:
                    refused = optional.keys() & {"assignee"}
                # Any other status may come after the ticket was created.
                if error.status not in (400, 403) or not refused:
                    raise
                log.warning("The ticket is not raised with this %s: %s", " and ".join(sorted(refused)), error)
                for name in refused:
                    del optional[name]
                if "assignee" in refused:
                    # Who may not assign at all need not try the next.
                    assignee = next(assignees, None) if error.fields else None

    def _created(self, new: NewTicket, fields: dict[str, Any], assignee: str | None) -> Ticket:
        return self._call(
            f"raise a ticket in {new.project}",
            lambda client: Ticket(str(client.create_issue(fields=fields, prefetch=False).key), assignee),
            look_first=lambda: self.find_open(new.labels[-1]),
        )

    def _assignable(self, new: NewTicket) -> Iterator[str]:
        """Whom JIRA may assign, in order of preference."""
        candidates = list(filter(None, map(str.strip, new.assignees)))
        found: list[str] = []
        for candidate in candidates:
            user = self._assignable_user(new.project, candidate)
            if user is not None and user not in found:
                found.append(user)
                yield user
        if candidates and not found:
            log.warning("JIRA assigns tickets in %s to none of %s", new.project, ", ".join(candidates))

    def _assignable_user(self, project: str, candidate: str) -> str | None:
        with self._lock:
            lookup = self._lookups.setdefault((project, candidate), _Lookup())
        with lookup.lock:
            if not lookup.done:
                lookup.user = self._look_up(project, candidate)
                lookup.done = True
        return lookup.user

    def _look_up(self, project: str, candidate: str) -> str | None:
        cloud = self._is_cloud()
        if cloud and _ACCOUNT_ID.fullmatch(candidate):
            # The search does not find it; whether it may be assigned is for the creating call to say.
            return candidate
        try:
            users: list[dict[str, Any]] = self._read(
                f"look for the user {candidate}",
                lambda client: [
                    user.raw
                    for user in client.search_assignable_users_for_issues(
                        username=None if cloud else candidate,
                        query=candidate if cloud else None,
                        project=project,
                        maxResults=_USERS_PER_PAGE,
                    )
                ],
            )
        except _Refused as error:
            log.warning("%s", error)
            return None
        user = _same_person(users, candidate)
        if user is None:
            log.warning("JIRA knows nobody called %s to whom it may assign tickets in %s", candidate, project)
        return user

    def _issue(self, ticket: str) -> Any:
        with _gone(ticket):
            return self._read(f"show {ticket}", lambda client: client.issue(ticket, fields="status,labels"))

    def _has_comment(self, ticket: str, reference: str) -> bool:
        seen: set[str] = set()
        while True:
            page = self._read(
                f"show the comments of {ticket}",
                lambda client: client.comments(ticket, start_at=len(seen), max_results=_COMMENTS_PER_PAGE),
            )
            # JIRA may return fewer than asked for, or, when it is old, all of them each time.
            fresh = [comment.raw for comment in page if comment.raw["id"] not in seen]
            if any(reference in comment["body"] for comment in fresh):
                return True
            if not fresh:
                return False
            seen.update(comment["id"] for comment in fresh)

    def _add_label(self, ticket: str, issue: Any, label: str) -> None:
        # What JIRA takes for its own address may be plain http behind a proxy, where credentials must not go.
        issue.self = f"{self._server}/rest/api/2/issue/{ticket}"
        try:
            self._call(f"label {ticket} {label}", lambda _: issue.add_field_value("labels", label))
        except _Refused as error:
            log.warning("The ticket %s stays without the label %s: %s", ticket, label, error)

    def _close(self, ticket: str) -> None:
        offered: list[dict[str, Any]] = self._read(
            f"show the transitions of {ticket}",
            lambda client: client.transitions(ticket, expand="transitions.fields"),
        )
        chosen = self._closing(offered)
        if chosen is None:
            names = ", ".join(str(transition["name"]) for transition in offered) or "none"
            raise TicketError(f"JIRA offers no transition that closes {ticket}: configure one (it offers {names})")
        fields = _required_resolution(chosen)
        self._call(
            f"close {ticket} by '{chosen['name']}'",
            lambda client: client.transition_issue(ticket, chosen["id"], fields=fields),
        )

    def _closing(self, offered: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
        for name in self._close_transitions:
            for transition in offered:
                if transition["name"].strip().casefold() == name.strip().casefold():
                    return transition
        return next((each for each in offered if each["to"]["statusCategory"]["key"] == "done"), None)

    def _is_cloud(self) -> bool:
        self._connected()
        return self._deployment == "Cloud"

    def _connected(self) -> JIRA:
        """The client of this thread."""
        client: JIRA | None = getattr(self._own, "client", None)
        if client is None:
            # One thread after the other: JIRA locks out whoever tries wrong credentials again and again.
            with self._login_lock:
                try:
                    client = self._explained("log in", lambda: self._repeated(self._connect))
                except _Refused as error:
                    # This is not about any ticket.
                    self._given_up = str(error)
                    raise TicketError(self._given_up) from None
            self._own.client = client
        return client

    def _connect(self) -> JIRA:
        client = JIRA(
            self._server,
            options={"verify": self._verify},
            # The client would repeat a creation whose answer was lost, and wait for ever for one that never comes.
            max_retries=0,
            timeout=self._timeout,
            # Its log has headers and bodies in it.
            logging=False,
            get_server_info=self._deployment is None,
            **self._login,
        )
        if self._deployment is None:
            # Cloud shows nobody's eyes an empty JIRA instead of refusing wrong credentials: no ticket would be found.
            client.myself()
            self._deployment = str(client.deploymentType)
        client.deploymentType = self._deployment
        return client

    def _read(self, doing: str, call: Callable[[JIRA], T]) -> T:
        """Make a call that changes nothing, which may therefore be repeated."""
        client = self._connected()
        return self._heard(doing, lambda: self._repeated(lambda: call(client)))

    def _call(self, doing: str, call: Callable[[JIRA], T], look_first: Callable[[], T | None] | None = None) -> T:
        """Make a call once; only one that JIRA refused because of a rate limit is repeated.

        If `look_first` then finds what the call was to make, that is it.
        """
        client = self._connected()
        return self._heard(doing, lambda: self._within_limits(lambda: call(client), look_first))

    def _heard(self, doing: str, call: Callable[[], T]) -> T:
        result = self._explained(doing, call)
        # Logging in does not count: the client of a further thread is made without asking JIRA anything.
        self._failures_in_a_row = 0
        return result

    def _repeated(self, call: Callable[[], T]) -> T:
        result: T = _READING(self._within_limits, call)
        return result

    def _within_limits(self, call: Callable[[], T], look_first: Callable[[], T | None] | None = None) -> T:
        """Make a call, and when JIRA refuses it because of a rate limit, wait for as long as it asks and repeat it.

        The limit is that of the user, so all threads keep still meanwhile. Those that were refused as well go on one
        after the other instead of all at once.
        """
        with self._limited:
            pass
        try:
            return call()
        except JIRAError as error:
            refusal, refused_at = error, time.monotonic()
        if refusal.status_code != _TOO_MANY:
            raise refusal
        with self._limited:
            for attempt in range(_ATTEMPTS - 1):
                asked = _retry_after(refusal)
                wait = _FIRST_WAIT_SECONDS * 2.0**attempt if asked is None else asked
                if refusal.status_code != _TOO_MANY or wait > _LONGEST_WAIT_SECONDS:
                    break
                time.sleep(max(0.0, refused_at + wait - time.monotonic()))
                found = look_first() if look_first is not None else None
                if found is not None:
                    return found
                try:
                    return call()
                except JIRAError as error:
                    refusal, refused_at = error, time.monotonic()
        raise refusal

    def _explained(self, doing: str, call: Callable[[], T]) -> T:
        """Turn whatever a call may end with into a TicketError of one sentence.

        The client's own error is not chained to it, as its text has the headers of the answer, with JIRA's cookies.
        """
        began = time.monotonic()
        if self._given_up:
            raise TicketError(f"JIRA did not {doing}: not tried, as this run has given it up ({self._given_up})")
        failure: TicketError
        try:
            return call()
        except JIRAError as error:
            failure = _answered(doing, error)
        except OSError as error:
            failure = TicketError(f"JIRA could not be reached to {doing}: {_cause(error, self._timeout)}")
        except (ValueError, LookupError, TypeError, AttributeError, NotImplementedError):
            # Valid HTTP, but not in the form that JIRA answers in: a proxy's page, for example.
            failure = TicketError(f"JIRA did not {doing}: what answered at its address is not JIRA")
        if isinstance(failure, _Refused) and failure.status != 401:
            self._failures_in_a_row = 0
        else:
            self._count_failure(began, failure)
        raise failure

    def _count_failure(self, began: float, failure: TicketError) -> None:
        with self._lock:
            # What several threads tried at the same time counts once: it takes time to show that JIRA is down.
            if began < self._last_failure:
                return
            self._last_failure = time.monotonic()
            self._failures_in_a_row += 1
            if self._failures_in_a_row == _PATIENCE:
                self._given_up = str(failure)


@dataclass(slots=True)
class _Lookup:
    """A user whom JIRA is asked for once, by the thread that needs to know first."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    done: bool = False
    user: str | None = None


@contextmanager
def _gone(ticket: str) -> Iterator[None]:
    try:
        yield
    except _Refused as error:
        if error.status != 404:
            raise
        raise TicketGone(f"the ticket {ticket} is gone from JIRA, or this user may not see it any more") from None


def _login(credentials: Mapping[str, Any]) -> dict[str, Any]:
    """The client's arguments, checked so that no error of a library below can quote them."""
    match credentials:
        case {"token": str(token)}:
            if not re.fullmatch(r"[!-~]+", token):
                raise CredentialsError("the JIRA token is empty or has a character that no token has")
            return {"token_auth": token}
        case {"basic": {"username": str(username), "password": str(password)}}:
            # JIRA reads UTF-8, requests writes Latin-1.
            return {"basic_auth": tuple(each.encode().decode("latin-1") for each in (username, password))}
        case {
            "oauth": {
                "access_token": str(),
                "access_token_secret": str(),
                "consumer_key": str(),
                "key_cert": str(key),
            } as oauth
        }:
            try:
                load_pem_private_key(key.encode(), password=None)
            except (ValueError, TypeError, UnsupportedAlgorithm):
                raise CredentialsError(
                    "the JIRA credentials' oauth.key_cert is no private key in PEM without a passphrase"
                ) from None
            # The client's own default is HMAC, which JIRA does not take. It has to be this very object: the client
            # goes on to other methods after a refusal unless the method is identical to the last one it knows.
            return {"oauth": {**oauth, "signature_method": SIGNATURE_RSA}}
    raise CredentialsError(
        "the JIRA credentials have none of token, basic (username, password) "
        "and oauth (access_token, access_token_secret, consumer_key, key_cert)"
    )


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')


def _is_done(issue: Mapping[str, Any]) -> bool:
    return bool(issue["fields"]["status"]["statusCategory"]["key"] == "done")


def _identity(person: Mapping[str, Any] | None) -> str | None:
    return None if person is None else person.get("accountId") or person.get("name")


def _same_person(users: Sequence[Mapping[str, Any]], candidate: str) -> str | None:
    """Who of those that JIRA found is meant; JIRA also finds everybody whose name begins so."""
    for spelling in ("name", "emailAddress", "displayName"):
        found = [user for user in users if str(user.get(spelling, "")).casefold() == candidate.casefold()]
        if len(found) == 1:
            return _identity(found[0])
    # An address that its owner hides is searched nevertheless.
    if "@" in candidate and len(users) == 1 and not users[0].get("emailAddress"):
        return _identity(users[0])
    return None


def _required_resolution(transition: Mapping[str, Any]) -> dict[str, Any]:
    """The one field that closing a ticket commonly asks for."""
    field = transition.get("fields", {}).get("resolution", {})
    allowed = field.get("allowedValues") or []
    if not field.get("required") or not allowed:
        return {}
    usual = [value for value in allowed if value["name"].casefold() in _RESOLUTIONS]
    return {"resolution": {"id": (usual or allowed)[0]["id"]}}


def _retry_after(error: BaseException | None) -> int | None:
    """Seconds that JIRA asks to wait for."""
    response = error.response if isinstance(error, JIRAError) else None
    asked = response.headers.get("Retry-After", "") if response is not None else ""
    return int(asked) if asked.isdecimal() else None


def _is_passing(error: BaseException) -> bool:
    """Whether the same call may well succeed in a moment."""
    if isinstance(error, JIRAError):
        return error.status_code in _PASSING_STATUS and (_retry_after(error) or 0) <= _LONGEST_WAIT_SECONDS
    return isinstance(error, RequestsConnectionError | ChunkedEncodingError) and not isinstance(error, SSLError)


def _wait(state: RetryCallState) -> float:
    asked = _retry_after(state.outcome.exception()) if state.outcome else None
    return _FIRST_WAIT_SECONDS * 2.0 ** (state.attempt_number - 1) if asked is None else asked


_READING = Retrying(
    retry=retry_if_exception(_is_passing), wait=_wait, stop=stop_after_attempt(_ATTEMPTS), reraise=True
)


def _answered(doing: str, error: JIRAError) -> TicketError:
    status, response = error.status_code, error.response
    try:
        body = json.loads(response.text) if response is not None else None
    except ValueError:
        body = None
    if status == 401:
        return _Refused(f"JIRA did not {doing}: it does not accept the credentials (HTTP 401)", status, ())
    denied = response.headers.get("X-Authentication-Denied-Reason") if response is not None else None
    if status == 403 and denied:
        return _Refused(f"JIRA did not {doing}: it denies the login (HTTP 403, {_line(denied)})", status, ())
    if not isinstance(body, dict) or not body.keys() & {"errorMessages", "errors"}:
        # Of a proxy, for example; its 404 says nothing about a ticket.
        return TicketError(f"JIRA did not {doing}: HTTP {status}, and not in the form that JIRA answers in")
    messages, fields = body.get("errorMessages") or [], body.get("errors") or {}
    said = ", ".join(map(_line, [*messages, *(f"{name}: {text}" for name, text in fields.items())]))
    sentence = f"JIRA did not {doing}: HTTP {status}" + (f", {said[:_SAID_LIMIT]}" if said else "")
    if status is None or status == 429 or status >= 500:
        return TicketError(sentence)
    return _Refused(sentence, status, fields)


def _line(said: object) -> str:
    return " ".join(str(said).split()).rstrip(".")


def _cause(error: OSError, timeout: tuple[float, float]) -> str:
    if isinstance(error, SSLError):
        return f"its certificate cannot be verified; a private CA belongs into ca_bundle ({_root(error)})"
    if isinstance(error, Timeout):
        seconds = timeout[0] if isinstance(error, ConnectTimeout) else timeout[1]
        return f"no answer within {seconds} seconds"
    return _root(error)


def _root(error: BaseException) -> str:
    """The innermost error, which names the cause without the layers around it."""
    while inner := error.__cause__ or error.__context__:
        error = inner
    strerror = getattr(error, "strerror", None)
    return _line(strerror or error or type(error).__name__)
