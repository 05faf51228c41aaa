"""Calls to Slack: what is repeated and when, and each failure as one sentence."""

from __future__ import annotations

import re
import time
from contextlib import contextmanager
from http import HTTPStatus
from http.client import HTTPException
from typing import TYPE_CHECKING, Any

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.http_retry.builtin_handlers import ConnectionErrorRetryHandler, ServerErrorRetryHandler
from slack_sdk.http_retry.builtin_interval_calculators import BackoffRetryIntervalCalculator
from slack_sdk.http_retry.handler import RetryHandler

from library.errors import CredentialsError, MessageError
from library.messages import Message
from library.notifications.patience import FAILURES_IN_A_ROW, Patience
from library.text import is_token

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from slack_sdk.http_retry import HttpResponse, RetryState
    from slack_sdk.http_retry.interval_calculator import RetryIntervalCalculator

_ANSWER_SECONDS = 15
_LONGEST_WAIT_SECONDS = 60

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


class Unreachable(MessageError):
    """The recipient cannot be reached, with no message of this run."""

    ID = Message.SLACK_RECIPIENT


class MissingScope(Unreachable):
    """The token may not call this method."""

    ID = Message.SLACK_SCOPE


class SlackCalls:
    """Makes calls with one bot token, none of them before it is asked to; several threads may share it.

    `base_url` ends with `/api/`. `interval` has the seconds between two tries. Raises CredentialsError for a token
    that cannot be valid.
    """

    def __init__(
        self,
        *,
        token: str,
        base_url: str = "https://slack.com/api/",
        answer_seconds: int = _ANSWER_SECONDS,
        interval: RetryIntervalCalculator | None = None,
    ) -> None:
        # Python's http.client quotes a header that it refuses, and with it the token.
        if not is_token(token):
            raise CredentialsError("the Slack token is empty or has a character that no token has")
        interval = interval or BackoffRetryIntervalCalculator()
        # Every call may be repeated: a message said twice is better than one not said at all.
        self._client = WebClient(
            token=token,
            base_url=base_url,
            timeout=answer_seconds,
            retry_handlers=[
                ConnectionErrorRetryHandler(1, interval),
                _BoundedRateLimit(3, interval),
                ServerErrorRetryHandler(2, interval),
            ],
        )
        # urllib reads the proxy variables by itself and, unlike slack_sdk, minds NO_PROXY.
        self._client.proxy = None
        self._patience = Patience()

    @contextmanager
    def client(self) -> Iterator[WebClient]:
        """The client; whatever its calls inside the block end with is raised as a MessageError, without the token.

        The MessageError is Unreachable if the recipient is the reason.
        """
        if self._patience.given_up:
            raise MessageError(
                f"not tried: Slack failed {FAILURES_IN_A_ROW} times in a row in this run",
                id=Message.SLACK_UNREACHABLE,
            )
        began = time.monotonic()
        try:
            yield self._client
        except SlackApiError as error:
            failure = _refused(error)
            if error.response.status_code == HTTPStatus.OK:
                self._patience.answered()
            else:
                self._patience.failed(began, str(failure))
            raise failure from error
        except (SlackClientError, OSError, HTTPException) as error:
            failure = MessageError(
                f"Slack could not be reached: {error or type(error).__name__}", id=Message.SLACK_UNREACHABLE
            )
            self._patience.failed(began, str(failure))
            raise failure from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            # Valid HTTP, but not in the form that Slack answers in: a proxy's page, for example.
            failure = MessageError("what answered at Slack's address is not Slack", id=Message.NOT_SLACK)
            self._patience.failed(began, str(failure))
            raise failure from error
        self._patience.answered()


class _BoundedRateLimit(RetryHandler):
    """Waits for as long as Slack asks, and the interval, unless that is longer than a run should stand still."""

    def _can_retry(self, *, response: HttpResponse | None = None, **_: Any) -> bool:
        if response is None or response.status_code != HTTPStatus.TOO_MANY_REQUESTS:
            return False
        asked = _retry_after(response.headers)
        return asked.isdecimal() and int(asked) <= _LONGEST_WAIT_SECONDS

    def prepare_for_next_attempt(
        self, *, state: RetryState, response: HttpResponse | None = None, **more: Any
    ) -> None:
        if response is not None:
            time.sleep(int(_retry_after(response.headers)))
        super().prepare_for_next_attempt(state=state, response=response, **more)


def _retry_after(headers: Mapping[str, list[str] | str], otherwise: str = "1") -> str:
    """What Slack says of how long to wait, in seconds if it is a number."""
    asked = {name.lower(): value for name, value in headers.items()}.get("retry-after", otherwise)
    return asked if isinstance(asked, str) else asked[0]


def _refused(error: SlackApiError) -> MessageError:
    answer, status = error.response, error.response.status_code
    code = str(answer.get("error") or "")
    if not re.fullmatch(r"[a-z0-9_]{1,60}", code):
        return MessageError(f"what answered at Slack's address is not Slack (HTTP {status})", id=Message.NOT_SLACK)
    if code == "missing_scope":
        return MissingScope(f"the Slack token lacks the scope {answer.get('needed') or 'that this takes'}")
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        asked = _retry_after(answer.headers, "an unknown number of")
        return MessageError(
            f"Slack's rate limit is still in force and asks to wait for {asked} seconds", id=Message.SLACK_LIMIT
        )
    if status != HTTPStatus.OK:
        return MessageError(f"Slack answered with HTTP {status} ({code})", id=Message.SLACK_UNREACHABLE)
    sentence = f"{_MEANINGS[code]} ({code})" if code in _MEANINGS else f"Slack answered {code}"
    return Unreachable(sentence) if code in _LASTING else MessageError(sentence, id=Message.SLACK_UNREACHABLE)
