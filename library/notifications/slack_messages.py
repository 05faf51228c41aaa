"""Messages to Slack channels and users, and who confirmed them."""

from __future__ import annotations

import re
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from typing import TYPE_CHECKING, Any

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.http_retry.builtin_handlers import (
    ConnectionErrorRetryHandler,
    RateLimitErrorRetryHandler,
    ServerErrorRetryHandler,
)

from library.errors import CredentialsError, MessageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from slack_sdk.http_retry import HttpRequest, HttpResponse, RetryState

_ANSWER_SECONDS = 15
_LONGEST_WAIT_SECONDS = 60
# https://docs.slack.dev/apis/web-api/pagination recommends no more than 200 entries a page.
_PAGE_SIZE = 200
# After so many calls in a row that failed on Slack's side, the rest of the run does not wait for it any more.
_PATIENCE = 3

_MEANINGS = {
    "channel_not_found": "Slack knows no such channel, or it is private and the bot was not invited",
    "not_in_channel": "the bot is not a member of the channel: invite it there",
    "is_archived": "the channel is archived",
    "users_not_found": "no active Slack user has this e-mail address",
    "user_not_found": "the Slack user is not there any more",
    "user_disabled": "the Slack user is deactivated",
    "cannot_dm_bot": "the Slack user is a bot",
    "msg_too_long": "the message is too long for Slack",
    "not_authed": "Slack got no token",
    "invalid_auth": "Slack does not accept the token",
    "token_revoked": "the Slack token was revoked",
    "token_expired": "the Slack token has expired",
    "account_inactive": "the Slack token belongs to a deactivated account",
}
_LASTING = frozenset(
    {
        "channel_not_found",
        "not_in_channel",
        "is_archived",
        "users_not_found",
        "user_not_found",
        "user_disabled",
        "cannot_dm_bot",
    }
)


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of one message: recipients as configured, each failure with its cause in one sentence.

    `unknown` are those of `failed` whom Slack does not know, or does not let the bot reach.
    """

    delivered: tuple[str, ...]
    failed: tuple[tuple[str, str], ...]
    unknown: frozenset[str] = frozenset()


class _Unreachable(MessageError):
    """The recipient cannot be reached, with no message of this run."""


class _MissingScope(_Unreachable):
    """The token may not call this method."""


class _BoundedRateLimit(RateLimitErrorRetryHandler):
    """Waits as long as Slack asks for, unless that is longer than a run should stand still."""

    def _can_retry(
        self,
        *,
        state: RetryState,
        request: HttpRequest,
        response: HttpResponse | None = None,
        error: Exception | None = None,
    ) -> bool:
        if response is None or not super()._can_retry(state=state, request=request, response=response, error=error):
            return False
        headers = {name.lower(): value for name, value in response.headers.items()}
        asked = headers.get("retry-after", ["1"])[0]
        return asked.isdecimal() and int(asked) <= _LONGEST_WAIT_SECONDS


class SlackMessages:
    """Sends messages with one bot token; each name is looked up once per object, nothing before `send`.

    Several threads may share it. `base_url` ends with `/api/`. Raises CredentialsError for what cannot be a token.
    """

    # Locks are taken in this order only, so that no two threads wait for each other: a door, _directory, _lock.

    def __init__(
        self,
        *,
        token: str,
        base_url: str = "https://slack.com/api/",
        answer_seconds: int = _ANSWER_SECONDS,
    ) -> None:
        # Python's http.client quotes a header that it refuses, and with it the token.
        if not re.fullmatch(r"[!-~]+", token):
            raise CredentialsError("the Slack token is empty or has a character that no token has")
        # Whatever is called here may be repeated: a message said twice is better than one not said at all.
        self._client = WebClient(
            token=token,
            base_url=base_url,
            timeout=answer_seconds,
            retry_handlers=[
                ConnectionErrorRetryHandler(max_retry_count=1),
                _BoundedRateLimit(max_retry_count=3),
                ServerErrorRetryHandler(max_retry_count=2),
            ],
        )
        # urllib reads the proxy variables by itself and, unlike slack_sdk, minds NO_PROXY.
        self._client.proxy = None
        self._lock = threading.Lock()
        # One thread at a time looks a recipient up, or posts to a conversation: Slack limits the rate of each
        # conversation, so whoever is told to wait for one lets the others wait behind him.
        self._doors: dict[str, threading.Lock] = {}
        self._directory = threading.Lock()
        self._addresses: dict[str, str] = {}
        self._unreachable: dict[str, str] = {}
        self._channel_ids: dict[str, str] | None = None
        self._people: list[dict[str, Any]] | None = None
        self._failures_in_a_row = 0
        self._last_failure = 0.0

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
                except _Unreachable as error:
                    self._unreachable[recipient] = failed[recipient] = str(error)
                    unknown.add(recipient)
                except MessageError as error:
                    failed[recipient] = str(error)
            if delivered or len(failed) > len(unknown):
                break
        return Delivery(tuple(delivered), tuple(failed.items()), frozenset(unknown))

    def log_in(self) -> str:
        """Whose token it is, as `bot of workspace`; raises MessageError if Slack does not take it."""
        with self._explained():
            found = self._client.auth_test()
            return f"{found['user']} of {found['team']}"

    def _door(self, name: str) -> threading.Lock:
        with self._lock:
            return self._doors.setdefault(name, threading.Lock())

    def _post(self, address: str, text: str) -> None:
        with self._door(address), self._explained():
            self._client.chat_postMessage(
                channel=address, text=text, link_names=False, unfurl_links=False, unfurl_media=False
            )

    def _address(self, recipient: str) -> str:
        """The id of the conversation with this recipient."""
        with self._door(recipient):
            if recipient in self._unreachable:
                raise _Unreachable(self._unreachable[recipient])
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
                except _MissingScope:
                    self._channel_ids = {}
        # chat.postMessage takes names, too, so a channel that the listing does not show is still tried.
        return self._channel_ids.get(name.casefold(), name)

    def _list_channels(self) -> dict[str, str]:
        with self._explained():
            pages = self._client.conversations_list(types="public_channel,private_channel", limit=_PAGE_SIZE)
            return {str(each["name"]).casefold(): str(each["id"]) for page in pages for each in page["channels"]}

    def _user(self, name: str) -> str:
        if "@" in name:
            with self._explained():
                return str(self._client.users_lookupByEmail(email=name)["user"]["id"])
        with self._directory:
            if self._people is None:
                self._people = self._list_people()
        wanted = name.casefold()
        # A handle belongs to one person, the other names may be shared.
        for spelling in ("name", "display_name", "real_name"):
            found = [person for person in self._people if str(person[spelling]).casefold() == wanted != ""]
            if len(found) > 1:
                raise _Unreachable(f"{len(found)} Slack users are called so: use an e-mail address")
            if found:
                return str(found[0]["id"])
        raise _Unreachable("Slack knows no active user of this name")

    def _list_people(self) -> list[dict[str, Any]]:
        with self._explained():
            return [
                {
                    "id": member["id"],
                    "name": member["name"],
                    "display_name": member.get("profile", {}).get("display_name", ""),
                    "real_name": member.get("real_name") or member.get("profile", {}).get("real_name", ""),
                }
                for page in self._client.users_list(limit=_PAGE_SIZE)
                for member in page["members"]
                # Slackbot is the one bot that Slack does not mark as such.
                if not (member.get("deleted") or member.get("is_bot") or member["id"] == "USLACKBOT")
            ]

    def _direct(self, user_id: str) -> str:
        with self._explained():
            return str(self._client.conversations_open(users=[user_id])["channel"]["id"])

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn whatever a call may end with into a MessageError of one sentence, without the token."""
        if self._failures_in_a_row >= _PATIENCE:
            raise MessageError(f"not tried: Slack failed {_PATIENCE} times in a row in this run")
        began = time.monotonic()
        try:
            yield
        except SlackApiError as error:
            self._count(began, answered=error.response.status_code == 200)
            raise _refused(error) from error
        except (SlackClientError, OSError, HTTPException) as error:
            self._count(began, answered=False)
            raise MessageError(f"Slack could not be reached: {error or type(error).__name__}") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            # Valid HTTP, but not in the form that Slack answers in: a proxy's page, for example.
            self._count(began, answered=False)
            raise MessageError("what answered at Slack's address is not Slack") from error
        self._count(began, answered=True)

    def _count(self, began: float, *, answered: bool) -> None:
        with self._lock:
            if answered:
                self._failures_in_a_row = 0
            # What several threads tried at the same time counts once: it takes time to show that Slack is down.
            elif began >= self._last_failure:
                self._last_failure = time.monotonic()
                self._failures_in_a_row += 1


def _refused(error: SlackApiError) -> MessageError:
    answer, status = error.response, error.response.status_code
    code = str(answer.get("error") or "")
    if not re.fullmatch(r"[a-z0-9_]{1,60}", code):
        return MessageError(f"what answered at Slack's address is not Slack (HTTP {status})")
    if code == "missing_scope":
        return _MissingScope(f"the Slack token lacks the scope {answer.get('needed') or 'that this takes'}")
    if status == 429:
        headers = {name.lower(): value for name, value in answer.headers.items()}
        asked = headers.get("retry-after", "an unknown number of")
        return MessageError(f"Slack's rate limit is still in force and asks to wait for {asked} seconds")
    if status != 200:
        return MessageError(f"Slack answered with HTTP {status} ({code})")
    kind = _Unreachable if code in _LASTING else MessageError
    return kind(f"{_MEANINGS[code]} ({code})" if code in _MEANINGS else f"Slack answered {code}")
