"""Whom a name means in a Slack workspace: listings that are read once per run, and only if they are needed."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from library.errors import MessageError
from library.notifications.slack_codes import MEANINGS
from library.notifications.slack_errors import MissingScope, Unreachable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from library.notifications.slack_calls import SlackCalls

# https://docs.slack.dev/apis/web-api/pagination recommends no more than 200 entries a page.
_PAGE_SIZE = 200
_MOST_PAGES = 1000


def is_conversation_id(name: str) -> bool:
    """Whether it is the id of a channel, a direct conversation or a group, which is used as it is."""
    return re.fullmatch(r"[CDGS][A-Z0-9]{8,}", name) is not None


def is_user_id(name: str) -> bool:
    """Whether it is the id of a user, which is not looked for among names."""
    return re.fullmatch(r"[UW][A-Z0-9]{8,}", name) is not None


def is_channel_id(name: str) -> bool:
    """Whether it is the id of a channel, public or private."""
    return name.startswith(("C", "G")) and is_conversation_id(name)


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel as Slack shows it to the bot."""

    id: str
    archived: bool
    private: bool
    bot_is_member: bool


class SlackDirectory:
    """The channels and people of the workspace; several threads may share it."""

    def __init__(self, calls: SlackCalls) -> None:
        self._calls = calls
        self._lock = threading.Lock()
        self._channels: dict[str, Channel] | None = None
        self._people: list[dict[str, str]] | None = None

    def channel(self, name: str) -> str | None:
        """The id of the channel with this name (without #), None if no listing shows it."""
        try:
            found = self.listed(name)
        except MissingScope:
            return None
        return None if found is None else found.id

    def listed(self, name: str) -> Channel | None:
        """The channel with this name (without #) as it is listed; raises MissingScope if the listing is denied."""
        with self._lock:
            if self._channels is None:
                self._channels = self._list_channels()
        return self._channels.get(name.casefold())

    def channel_of(self, channel_id: str) -> Channel:
        """The channel with this id; raises Unreachable if the bot cannot see it."""
        with self._calls.client("conversations.info") as client:
            return _channel(client.conversations_info(channel=channel_id)["channel"])

    def person(self, name: str) -> None:
        """Raises Unreachable if there is no one active person of this name, e-mail address or id."""
        if not is_user_id(name):
            self.user(name)
            return
        with self._calls.client("users.info") as client:
            found = client.users_info(user=name)["user"]
            if found.get("deleted"):
                raise Unreachable(f"{MEANINGS['user_disabled']} (user_disabled)")

    def user(self, name: str) -> str:
        """The id of the one active person of this name, e-mail address or id; raises Unreachable if there is none."""
        if is_user_id(name):
            return name
        if "@" in name:
            with self._calls.client("users.lookupByEmail") as client:
                return _text(client.users_lookupByEmail(email=name)["user"]["id"])
        with self._lock:
            if self._people is None:
                self._people = self._list_people()
        return _one_of(self._people, name)

    def _list_channels(self) -> dict[str, Channel]:
        with self._calls.client("conversations.list") as client:
            listed = self._pages(client.conversations_list, "channels", types="public_channel,private_channel")
            return {_text(each["name"]).casefold(): _channel(each) for each in listed}

    def _list_people(self) -> list[dict[str, str]]:
        with self._calls.client("users.list") as client:
            return [
                _person(member)
                for member in self._pages(client.users_list, "members")
                # Slackbot is the one bot that Slack does not mark as such.
                if not (member.get("deleted") or member.get("is_bot") or member["id"] == "USLACKBOT")
            ]

    def _pages(self, call: Callable[..., Any], name: str, **arguments: str) -> list[dict[str, Any]]:
        entries: list[dict[str, Any]] = []
        cursor = ""
        if self._calls.team_id:
            arguments["team_id"] = self._calls.team_id
        for _ in range(_MOST_PAGES):
            page = call(limit=_PAGE_SIZE, cursor=cursor, **arguments)
            entries.extend(page[name])
            cursor = (page.get("response_metadata") or {}).get("next_cursor") or ""
            if not cursor:
                return entries
        raise MessageError(f"Slack's listing of {name} does not end after {_MOST_PAGES} pages")


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError(f"{value!r} is not a text")
    return value


def _channel(shown: dict[str, Any]) -> Channel:
    return Channel(
        id=_text(shown["id"]),
        archived=bool(shown.get("is_archived")),
        private=bool(shown.get("is_private")),
        # Slack leaves it out where it makes no difference.
        bot_is_member=bool(shown.get("is_member", True)),
    )


def _person(member: dict[str, Any]) -> dict[str, str]:
    """A member's id and the names that may be meant, in lower case."""
    profile = member.get("profile", {})
    return {
        "id": _text(member["id"]),
        "name": _text(member["name"]).casefold(),
        "display_name": str(profile.get("display_name", "")).casefold(),
        "real_name": str(member.get("real_name") or profile.get("real_name", "")).casefold(),
    }


def _one_of(people: Sequence[dict[str, str]], name: str) -> str:
    """The id of the one person of this name; raises Unreachable if there is none, or several."""
    wanted = name.casefold()
    # A handle belongs to one person, the other names may be shared.
    for spelling in ("name", "display_name", "real_name"):
        found = [person for person in people if wanted and person[spelling] == wanted]
        if len(found) > 1:
            who = ", ".join(f"{person['name']} ({person['id']})" for person in found[:5])
            raise Unreachable(f"{len(found)} Slack users have this name, {who}: use an e-mail address or an id")
        if found:
            return found[0]["id"]
    raise Unreachable("no active Slack user has this name")
