"""Messages to Slack channels and users, and who confirmed them."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from library.errors import MessageError
from library.notifications.patience import FAILURES_IN_A_ROW
from library.notifications.slack_calls import POST
from library.notifications.slack_directory import SlackDirectory, is_conversation_id, is_user_id
from library.notifications.slack_errors import Limited, MissingScope, NotSlack, Unreachable
from library.notifications.slack_http import shown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from library.notifications.slack_calls import SlackCalls


_NOT_BY_NAME = ("channel_not_found", "team_not_found")
"""With an org-wide token, Slack takes no name of a channel."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of one message: recipients as configured, and the cause of each failure."""

    delivered: tuple[str, ...]
    failed: Mapping[str, MessageError]

    @property
    def unknown(self) -> dict[str, Unreachable]:
        """Those of `failed` whom Slack does not know, or does not let the bot reach."""
        return {name: error for name, error in self.failed.items() if isinstance(error, Unreachable)}

    @property
    def owed(self) -> tuple[str, ...]:
        """Those of `failed` whom a passing fault kept from it."""
        return tuple(name for name in self.failed if name not in self.unknown)


class SlackMessages:
    """Sends messages; each name is looked up once per object. Several threads may share it."""

    # Locks are taken in this order only, so that no two threads wait for each other: a door, the directory, _lock.

    def __init__(self, calls: SlackCalls) -> None:
        self._calls = calls
        self._directory = SlackDirectory(calls)
        self._lock = threading.Lock()
        # One thread at a time looks a recipient up, or posts to a conversation: Slack limits the rate of each
        # conversation, so a thread that is told to wait for one lets the others wait behind it.
        self._doors: dict[str, threading.Lock] = {}
        self._addresses: dict[str, str] = {}
        self._given_up: dict[str, MessageError] = {}
        self._in_a_row: Counter[str] = Counter()
        self._limited: dict[str, Limited] = {}

    def log_in(self) -> str:
        """Whose token it is, as `bot of workspace`; raises MessageError if Slack does not take it."""
        with self._calls.client("auth.test") as client:
            found = client.auth_test()
            return f"{shown(str(found['user']))} of {shown(str(found['team']))}"

    def send(self, recipients: Sequence[str], text: str, otherwise: Sequence[Sequence[str]] = ()) -> Delivery:
        """Send `text` (mrkdwn) to each recipient once: `#channel`, a user's name, an e-mail address, or an id.

        If none of them can be reached, the first of `otherwise` who can be gets it; a Slack that is down is no
        reason to turn to them. Never raises for a recipient. Two names of one person or channel get one message.
        """
        delivered: list[str] = []
        failed: dict[str, MessageError] = {}
        reached: set[str] = set()
        for group in (recipients, *otherwise):
            for recipient in _names_first(group):
                try:
                    self._send_to(recipient, text, reached)
                    delivered.append(recipient)
                except MessageError as error:
                    failed[recipient] = error
            if delivered or not all(isinstance(error, Unreachable) for error in failed.values()):
                break
        return Delivery(tuple(delivered), failed)

    def _door(self, name: str) -> threading.Lock:
        with self._lock:
            return self._doors.setdefault(name, threading.Lock())

    def _send_to(self, recipient: str, text: str, reached: set[str]) -> None:
        """Send it unless it has `reached` the same conversation under another name."""
        with self._door(recipient):
            if recipient in self._given_up:
                raise self._given_up[recipient]
            try:
                address = self._addresses.get(recipient) or self._first_address(recipient.strip())
                self._addresses[recipient] = address
                if address in reached:
                    return
                posted = self._post(address, text)
                self._addresses[recipient] = posted
                reached.update((address, posted))
                self._in_a_row[recipient] = 0
            except MessageError as error:
                self._in_a_row[recipient] += 1
                if isinstance(error, Unreachable) or self._in_a_row[recipient] == FAILURES_IN_A_ROW:
                    self._given_up[recipient] = error
                raise

    def _first_address(self, name: str) -> str:
        """Where a recipient is posted to: an id, or the name of a channel."""
        if is_conversation_id(name):
            return name
        if name.startswith("#"):
            return name.removeprefix("#")
        user_id = self._directory.user(name.removeprefix("@"))
        try:
            with self._calls.client("conversations.open") as client:
                return str(client.conversations_open(users=[user_id])["channel"]["id"])
        except MissingScope:
            # A message to the user's own id needs no permission to open conversations.
            return user_id

    def _post(self, address: str, text: str) -> str:
        """The id of the conversation that has the message."""
        with self._door(f"to {address}"):
            try:
                return self._post_once(address, text)
            except Unreachable as error:
                if error.code not in _NOT_BY_NAME or is_conversation_id(address) or is_user_id(address):
                    raise
                # A name is posted to as it is: no listing shows all channels. One that Slack does not take as a name
                # may be listed, in other letters or as a private one.
                listed = self._directory.channel(address)
                if listed is None:
                    raise
        with self._door(f"to {listed}"):
            return self._post_once(listed, text)

    def _post_once(self, address: str, text: str) -> str:
        if address in self._limited:
            raise self._limited[address]
        try:
            with self._calls.client(POST) as client:
                answer = client.chat_postMessage(
                    channel=address, text=text, link_names=False, unfurl_links=False, unfurl_media=False
                )
                posted, when = answer["channel"], answer["ts"]
                if answer["ok"] is True and isinstance(posted, str) and posted and isinstance(when, str) and when:
                    return posted
            raise NotSlack("Slack's answer does not say that the message was posted")
        except Limited as error:
            self._limited[address] = error
            raise


def _names_first(group: Sequence[str]) -> list[str]:
    # What a name's message has reached is known by its id, so that the id is not posted to once more.
    return sorted(dict.fromkeys(group), key=lambda each: is_conversation_id(each.strip()))
