"""Messages to Slack channels and users, and who confirmed them."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from library.errors import MessageError
from library.notifications.slack_calls import MissingScope, Unreachable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from library.notifications.slack_calls import SlackCalls

# https://docs.slack.dev/apis/web-api/pagination recommends no more than 200 entries a page.
_PAGE_SIZE = 200


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of one message: recipients as configured, each failure with its cause in one sentence.

    `unknown` are those of `failed` whom Slack does not know, or does not let the bot reach.
    """

    delivered: tuple[str, ...]
    failed: tuple[tuple[str, str], ...]
    unknown: frozenset[str] = frozenset()


class SlackMessages:
    """Sends messages; each name is looked up once per object. Several threads may share it."""

    # Locks are taken in this order only, so that no two threads wait for each other: a door, _directory, _lock.

    def __init__(self, calls: SlackCalls) -> None:
        self._calls = calls
        self._lock = threading.Lock()
        # One thread at a time looks a recipient up, or posts to a conversation: Slack limits the rate of each
        # conversation, so a thread that is told to wait for one lets the others wait behind it.
        self._doors: dict[str, threading.Lock] = {}
        self._directory = threading.Lock()
        self._addresses: dict[str, str] = {}
        self._unreachable: dict[str, str] = {}
        self._channel_ids: dict[str, str] | None = None
        self._people: list[dict[str, str]] | None = None

    def log_in(self) -> str:
        """Whose token it is, as `bot of workspace`; raises MessageError if Slack does not take it."""
        with self._calls.client() as client:
            found = client.auth_test()
            return f"{found['user']} of {found['team']}"

    def send(self, recipients: Sequence[str], text: str, otherwise: Sequence[Sequence[str]] = ()) -> Delivery:
        """Send `text` (mrkdwn) to each recipient once: `#channel`, a user's name, or an e-mail address.

        If none of them can be reached, the first of `otherwise` who can be gets it; a Slack that is down is no
        reason to turn to them. Never raises for a recipient. Two names of one person or channel get one message.
        """
        delivered: list[str] = []
        failed: dict[str, str] = {}
        unknown: set[str] = set()
        reached: set[str] = set()
        for group in (recipients, *otherwise):
            for recipient in dict.fromkeys(group):
                try:
                    address = self._address(recipient)
                    if address not in reached:
                        self._post(address, text)
                        reached.add(address)
                    delivered.append(recipient)
                except Unreachable as error:
                    self._unreachable[recipient] = str(error)
                    unknown.add(recipient)
                    failed[recipient] = str(error)
                except MessageError as error:
                    failed[recipient] = str(error)
            if delivered or len(failed) > len(unknown):
                break
        return Delivery(tuple(delivered), tuple(failed.items()), frozenset(unknown))

    def _door(self, name: str) -> threading.Lock:
        with self._lock:
            return self._doors.setdefault(name, threading.Lock())

    def _post(self, address: str, text: str) -> None:
        with self._door(address), self._calls.client() as client:
            client.chat_postMessage(
                channel=address, text=text, link_names=False, unfurl_links=False, unfurl_media=False
            )

    def _address(self, recipient: str) -> str:
        """The id of the conversation with this recipient."""
        with self._door(recipient):
            if recipient in self._unreachable:
                raise Unreachable(self._unreachable[recipient])
            if recipient not in self._addresses:
                name = recipient.strip()
                if name.startswith("#"):
                    self._addresses[recipient] = self._channel(name.removeprefix("#"))
                else:
                    self._addresses[recipient] = self._direct(self._user(name.removeprefix("@")))
            return self._addresses[recipient]

    def _channel(self, name: str) -> str:
        with self._directory:
            if self._channel_ids is None:
                try:
                    self._channel_ids = self._list_channels()
                except MissingScope:
                    self._channel_ids = {}
        # chat.postMessage takes names, too, so a channel that the listing does not show is still tried.
        return self._channel_ids.get(name.casefold(), name)

    def _list_channels(self) -> dict[str, str]:
        with self._calls.client() as client:
            pages = client.conversations_list(types="public_channel,private_channel", limit=_PAGE_SIZE)
            return {str(each["name"]).casefold(): str(each["id"]) for page in pages for each in page["channels"]}

    def _user(self, name: str) -> str:
        if "@" in name:
            with self._calls.client() as client:
                return str(client.users_lookupByEmail(email=name)["user"]["id"])
        with self._directory:
            if self._people is None:
                self._people = self._list_people()
        return _one_of(self._people, name)

    def _list_people(self) -> list[dict[str, str]]:
        with self._calls.client() as client:
            return [
                _person(member)
                for page in client.users_list(limit=_PAGE_SIZE)
                for member in page["members"]
                # Slackbot is the one bot that Slack does not mark as such.
                if not (member.get("deleted") or member.get("is_bot") or member["id"] == "USLACKBOT")
            ]

    def _direct(self, user_id: str) -> str:
        with self._calls.client() as client:
            return str(client.conversations_open(users=[user_id])["channel"]["id"])


def _person(member: dict[str, Any]) -> dict[str, str]:
    """A member's id and the names that may be meant, in lower case."""
    profile = member.get("profile", {})
    return {
        "id": str(member["id"]),
        "name": str(member["name"]).casefold(),
        "display_name": str(profile.get("display_name", "")).casefold(),
        "real_name": str(member.get("real_name") or profile.get("real_name", "")).casefold(),
    }


def _one_of(people: Sequence[dict[str, str]], name: str) -> str:
    """The id of the one person of this name; raises Unreachable if there is none, or several."""
    wanted = name.casefold()
    # A handle belongs to one person, the other names may be shared.
    for spelling in ("name", "display_name", "real_name"):
        found = [person["id"] for person in people if wanted and person[spelling] == wanted]
        if len(found) > 1:
            raise Unreachable(f"{len(found)} Slack users have this name: use an e-mail address")
        if found:
            return found[0]
    raise Unreachable("Slack knows no active user of this name")
