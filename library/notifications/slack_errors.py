"""What Slack refuses, as one sentence each, and what becomes of the message."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from library.errors import MessageError
from library.messages import Message
from library.notifications.slack_codes import MEANINGS, Kind, kind_of
from library.notifications.slack_http import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from slack_sdk.errors import SlackApiError


class Unreachable(MessageError):
    """The recipient cannot be reached, with no message of this run; `code` is Slack's own, empty if it has none."""

    def __init__(self, text: str, *, code: str = "", id: Message | None = None) -> None:
        self.code = code
        super().__init__(text, id=id)


class MissingScope(Unreachable):
    """The token may not call this method."""

    ID = Message.SLACK_SCOPE


class WrongSetting(MessageError):
    """A setting is missing or wrong, and Slack takes nothing that needs it until it is corrected."""

    ID = Message.SLACK_UNREACHABLE


class NotSlack(MessageError):
    """What answered does not answer as Slack does."""

    ID = Message.NOT_SLACK


class ChannelFailed(MessageError):
    """Slack takes no message of this run: the cause is the channel's, and not one message's."""

    ID = Message.SLACK_UNREACHABLE


class Limited(MessageError):
    """Slack asks to wait, for one conversation or one method, for longer than a run stands still."""

    ID = Message.SLACK_LIMIT


def refusal(error: SlackApiError) -> MessageError:
    """What a call that Slack has answered failed of."""
    status = error.response.status_code
    answer: Mapping[str, Any] = error.response.data if isinstance(error.response.data, dict) else {}
    code = str(answer.get("error") or "")
    kind = kind_of(code)
    if status == HTTPStatus.TOO_MANY_REQUESTS or kind is Kind.LIMIT:
        asked = retry_after(error.response.headers) or "an unknown time"
        return Limited(f"Slack's rate limit is still in force and asks to wait: Retry-After {shown(asked)}")
    if not re.fullmatch(r"[a-z0-9_]{1,60}", code):
        return NotSlack(f"what answered at Slack's address is not Slack (HTTP {status}){_quoted(code)}")
    if code == "missing_scope":
        needed = shown(str(answer.get("needed") or "that this takes"))
        return MissingScope(f"the Slack token lacks the scope {needed} ({code}); it has {_had(answer)}")
    sentence = f"{MEANINGS[code]} ({code})" if code in MEANINGS else f"Slack answered {code}"
    if kind is Kind.CHANNEL:
        return ChannelFailed(sentence + _details(answer), id=Message.SLACK_LOGIN)
    if status != HTTPStatus.OK:
        return MessageError(
            f"Slack answered with HTTP {status} ({code}){_details(answer)}", id=Message.SLACK_UNREACHABLE
        )
    if kind is Kind.RECIPIENT:
        return Unreachable(sentence + _details(answer), code=code)
    if kind is Kind.SETTING:
        return WrongSetting(sentence + _details(answer))
    return MessageError(sentence + _details(answer), id=Message.SLACK_UNREACHABLE)


def retry_after(headers: Mapping[str, list[str] | str]) -> str:
    """What an answer says of how long to wait, as it says it; empty if it does not."""
    asked = {name.lower(): value for name, value in headers.items()}.get("retry-after", "")
    return asked if isinstance(asked, str) else asked[0]


def seconds_to_wait(headers: Mapping[str, list[str] | str]) -> float | None:
    """How long to wait, of seconds or of a date; one second if it is not said, None if it cannot be understood."""
    asked = retry_after(headers).strip() or "1"
    if asked.isdecimal():
        return float(asked)
    try:
        moment = parsedate_to_datetime(asked)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def _had(answer: Mapping[str, Any]) -> str:
    return shown(str(answer.get("provided") or "none that Slack names"))


def _details(answer: Mapping[str, Any]) -> str:
    """What Slack says beside the code."""
    metadata = answer.get("response_metadata")
    said = metadata.get("messages") if isinstance(metadata, dict) else None
    texts = [str(each) for each in said] if isinstance(said, list) else []
    return f": {shown('; '.join(texts))}" if texts else ""


def _quoted(text: str) -> str:
    # slack_sdk puts what it could not read in the place of the code.
    plain = shown(re.sub(r"<[^>]*>", " ", text))
    return f": {plain}" if plain else ""
