"""Calls to Slack: what is repeated and when, what is not tried again in a run, each failure as one sentence."""

from __future__ import annotations

import threading
import time
from collections import Counter
from contextlib import contextmanager, nullcontext
from http import HTTPStatus
from http.client import HTTPException
from typing import TYPE_CHECKING, Any

from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.http_retry.builtin_handlers import ConnectionErrorRetryHandler, ServerErrorRetryHandler
from slack_sdk.http_retry.builtin_interval_calculators import BackoffRetryIntervalCalculator
from slack_sdk.http_retry.handler import RetryHandler

from library.errors import CredentialsError, MessageError
from library.messages import Message
from library.notifications.patience import FAILURES_IN_A_ROW, Patience
from library.notifications.slack_errors import (
    ChannelFailed,
    Limited,
    MissingScope,
    NotSlack,
    refusal,
    seconds_to_wait,
)
from library.notifications.slack_http import LimitedClient, Redirected, shown
from library.text import is_token

if TYPE_CHECKING:
    from collections.abc import Iterator

    from slack_sdk import WebClient
    from slack_sdk.http_retry import HttpResponse, RetryState
    from slack_sdk.http_retry.interval_calculator import RetryIntervalCalculator

_ANSWER_SECONDS = 15
_LONGEST_WAIT_SECONDS = 30

POST = "chat.postMessage"
_LISTINGS = ("conversations.list", "users.list")


class SlackCalls:
    """Makes calls with one bot token, none of them before it is asked to; several threads may share it.

    `base_url` ends with `/api/`; `team_id` is the workspace of an org-wide token, empty for any other one.
    `answer_seconds` is the end of each exchange as a whole, `interval` has the seconds between two tries. Raises
    CredentialsError for a token that cannot be valid.
    """

    def __init__(
        self,
        *,
        token: str,
        base_url: str = "https://slack.com/api/",
        team_id: str = "",
        answer_seconds: int = _ANSWER_SECONDS,
        interval: RetryIntervalCalculator | None = None,
    ) -> None:
        # Python's http.client quotes a header that it refuses, and with it the token.
        if not is_token(token):
            raise CredentialsError("the Slack token is empty or has a character that no token has")
        self.team_id = team_id
        interval = interval or BackoffRetryIntervalCalculator()
        # Every call may be repeated: a message said twice is better than one not said at all.
        self._client = LimitedClient(
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
        self._first = threading.Lock()
        self._answers = False
        self._hopeless: ChannelFailed | None = None
        self._refused: dict[str, MessageError] = {}
        self._listings_failed: Counter[str] = Counter()

    @contextmanager
    def client(self, method: str) -> Iterator[WebClient]:
        """The client for calls of one method; whatever they end with is raised as a MessageError, without the token.

        The MessageError is Unreachable if the recipient is the reason, and ChannelFailed if no other message of this
        run has better chances.
        """
        # Until Slack has answered once, one call at a time: a dead token is tried once, not by every thread.
        with nullcontext() if self._answers else self._first:
            self._refuse_what_is_hopeless(method)
            began = time.monotonic()
            try:
                yield self._client
            except SlackApiError as error:
                self._answers = True
                raise self._refusal(method, error, began) from error
            except Redirected as error:
                self._hopeless = ChannelFailed(str(error), id=error.id)
                raise self._hopeless from error
            except (SlackClientError, OSError, HTTPException) as error:
                said = shown(str(error) or type(error).__name__)
                failure = MessageError(f"Slack could not be reached: {said}", id=Message.SLACK_UNREACHABLE)
                self._failed(began, failure)
                raise failure from error
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                # Valid HTTP, but not in the form that Slack answers in: a proxy's page, for example.
                strange = NotSlack("what answered at Slack's address is not Slack")
                self._failed(began, strange)
                raise strange from error
            self._answers = True
            self._patience.answered()

    def _refuse_what_is_hopeless(self, method: str) -> None:
        if self._hopeless is not None:
            raise self._hopeless
        if method in self._refused:
            raise self._refused[method]

    def _refusal(self, method: str, error: SlackApiError, began: float) -> MessageError:
        failure = refusal(error)
        if isinstance(failure, MissingScope) and method == POST:
            failure = ChannelFailed(str(failure), id=failure.id)
        if isinstance(failure, ChannelFailed):
            self._hopeless = failure
        elif isinstance(failure, MissingScope) or (isinstance(failure, Limited) and method != POST):
            self._refused[method] = failure
        elif method in _LISTINGS:
            self._listings_failed[method] += 1
            if self._listings_failed[method] == FAILURES_IN_A_ROW:
                self._refused[method] = failure
        if error.response.status_code in (HTTPStatus.OK, HTTPStatus.TOO_MANY_REQUESTS):
            self._patience.answered()
        else:
            self._failed(began, failure)
        return failure

    def _failed(self, began: float, failure: MessageError) -> None:
        """A failure on Slack's side; after some in a row, nothing more is tried in this run."""
        self._patience.failed(began, str(failure))
        if self._patience.given_up and self._hopeless is None:
            self._hopeless = ChannelFailed(self._patience.given_up, id=failure.id)


class _BoundedRateLimit(RetryHandler):
    """Waits for as long as Slack asks, and the interval, unless that is longer than a run should stand still."""

    def _can_retry(self, *, state: RetryState, response: HttpResponse | None = None, **_: Any) -> bool:
        if response is None or response.status_code != HTTPStatus.TOO_MANY_REQUESTS:
            return False
        asked = seconds_to_wait(response.headers)
        waited = (state.custom_values or {}).get("waited", 0.0)
        return asked is not None and waited + asked <= _LONGEST_WAIT_SECONDS

    def prepare_for_next_attempt(
        self, *, state: RetryState, response: HttpResponse | None = None, **more: Any
    ) -> None:
        asked = seconds_to_wait(response.headers) if response is not None else None
        if asked is not None:
            time.sleep(asked)
            waited = (state.custom_values or {}).get("waited", 0.0)
            state.custom_values = {"waited": waited + asked}
        super().prepare_for_next_attempt(state=state, response=response, **more)
