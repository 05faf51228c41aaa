"""Whom JIRA may assign a ticket to, found by name, e-mail address or account id."""

from __future__ import annotations

import logging
import re
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from library import messages
from library.messages import Message
from library.notifications.facts import clean
from library.notifications.jira_errors import Refused

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from library.notifications.jira_calls import JiraCalls

log = logging.getLogger(__name__)

# The most that JIRA returns, https://docs.atlassian.com/software/jira/docs/api/REST/9.12.0/#api/2/user
_USERS_PER_PAGE = 1000
# The two forms that account ids of Cloud have.
_ACCOUNT_ID = re.compile(r"[0-9a-f]{24}|\d+:[\w:-]+")


class Assignees:
    """Looks people up, each once per project; several threads may share it."""

    def __init__(self, calls: JiraCalls) -> None:
        self._calls = calls
        self._lock = threading.Lock()
        self._lookups: dict[tuple[str, str], _Lookup] = {}
        self._said: dict[tuple[str, ...], tuple[str, ...]] = {}

    def in_order(self, project: str, candidates: Sequence[str]) -> Iterator[str]:
        """User names (Server) or account ids (Cloud) of the candidates to whom JIRA may assign tickets in `project`.

        Each is looked up when it is asked for; raises TicketError if a call fails.
        """
        wanted = list(filter(None, map(str.strip, candidates)))
        found: list[str] = []
        for candidate in wanted:
            user = self._user(project, candidate)
            if user is not None and user not in found:
                found.append(user)
                yield user
        nobody = (project, *wanted)
        if wanted and not found and self._said.setdefault(nobody, nobody) is nobody:
            messages.warning(
                log, Message.JIRA_PERSON_UNKNOWN, f"JIRA assigns tickets in {project} to none of {', '.join(wanted)}"
            )

    def _user(self, project: str, candidate: str) -> str | None:
        with self._lock:
            lookup = self._lookups.setdefault((project, candidate), _Lookup())
        with lookup.lock:
            if not lookup.done:
                lookup.user = self._look_up(project, candidate)
                lookup.done = True
        return lookup.user

    def _look_up(self, project: str, candidate: str) -> str | None:
        cloud = self._calls.is_cloud
        if cloud and _ACCOUNT_ID.fullmatch(candidate):
            # The search does not find it; whether it may be assigned is for the creating call to say.
            return candidate
        try:
            users: list[dict[str, Any]] = self._calls.read(
                f"look for the user {candidate}",
                lambda client: [
                    user.raw
                    for user in client.search_assignable_users_for_issues(
                        username=None if cloud else candidate,
                        query=candidate if cloud else None,
                        project=project,
                        maxResults=_USERS_PER_PAGE,
                    )
                    if identity(user.raw)
                ],
            )
        except Refused as error:
            messages.warning(log, Message.JIRA_PERSON_UNKNOWN, str(error))
            return None
        user = _same_person(users, candidate)
        if user is None:
            several = [clean(identity(each)) for each in users if candidate.casefold() in _names(each)]
            said = (
                f"JIRA knows several people called {candidate}: {', '.join(several)}; name one of them so"
                if several
                else f"JIRA knows nobody called {candidate} to whom it may assign tickets in {project}"
            )
            messages.warning(log, Message.JIRA_PERSON_UNKNOWN, said)
        return user


@dataclass(slots=True)
class _Lookup:
    """A user whom JIRA is asked for once, by the thread that needs to know first."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    done: bool = False
    user: str | None = None


def identity(person: Mapping[str, Any] | None) -> str | None:
    """The account id (Cloud) or user name (Server) of a person as JIRA describes one."""
    return None if person is None else person.get("accountId") or person.get("name")


def _names(user: Mapping[str, Any]) -> set[str]:
    return {str(user.get(spelling, "")).casefold() for spelling in ("name", "emailAddress", "displayName")}


def _same_person(users: Sequence[Mapping[str, Any]], candidate: str) -> str | None:
    """The one of the users that is meant; JIRA also finds all whose names begin in the same way."""
    for spelling in ("name", "emailAddress", "displayName"):
        found = [user for user in users if str(user.get(spelling, "")).casefold() == candidate.casefold()]
        if len(found) == 1:
            return identity(found[0])
    # An address that its owner hides is searched nevertheless.
    if "@" in candidate and len(users) == 1 and not users[0].get("emailAddress"):
        return identity(users[0])
    return None
