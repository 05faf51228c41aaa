"""What Slack will refuse, asked beforehand without a message, with the scope, name or invitation that mends it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from library.notifications.slack_codes import MEANINGS
from library.notifications.slack_directory import SlackDirectory, is_channel_id, is_conversation_id, is_user_id
from library.notifications.slack_errors import MissingScope, Unreachable, WrongSetting

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from library.notifications.slack_calls import SlackCalls
    from library.notifications.slack_directory import Channel

# https://docs.slack.dev/reference/scopes
_POST, _POST_ANYWHERE = "chat:write", "chat:write.public"
_LOOK_UP, _LOOK_UP_BY_EMAIL = "users:read", "users:read.email"


def obstacles(calls: SlackCalls, recipients: Collection[str]) -> Iterator[str]:
    """Each thing that will keep a message from one of the recipients, as a sentence.

    Raises MessageError where Slack cannot be asked.
    """
    scopes = _scopes(calls)
    anywhere = not scopes or _POST_ANYWHERE in scopes
    directory = SlackDirectory(calls)
    for scope in _needed(recipients):
        if scopes and scope not in scopes:
            yield f"the token lacks the scope {scope}: add it to the app, and install the app again"
    for recipient in sorted(recipients):
        try:
            against = _against(directory, recipient.strip(), anywhere=anywhere)
        except MissingScope:
            # Said above, or nothing that a message needs.
            continue
        except (Unreachable, WrongSetting) as error:
            against = str(error)
        if against:
            yield f"{recipient} will get no message: {against}"


def _scopes(calls: SlackCalls) -> frozenset[str]:
    """What the token is allowed; empty if Slack does not say so."""
    with calls.client("auth.test") as client:
        answer = client.auth_test()
        said = {name.lower(): value for name, value in answer.headers.items()}.get("x-oauth-scopes", "")
        listed = said if isinstance(said, str) else ",".join(said)
        return frozenset(scope.strip() for scope in listed.split(",")) - {""}


def _needed(recipients: Collection[str]) -> Iterator[str]:
    yield _POST
    people = [each.strip().removeprefix("@") for each in recipients if not each.strip().startswith("#")]
    if any("@" in person for person in people):
        yield _LOOK_UP_BY_EMAIL
    if any(not (is_user_id(person) or is_conversation_id(person)) for person in people):
        yield _LOOK_UP


def _against(directory: SlackDirectory, recipient: str, *, anywhere: bool) -> str:
    """Why a message will not be taken; empty if nothing speaks against it."""
    if recipient.startswith("#"):
        channel = directory.listed(recipient.removeprefix("#"))
        return MEANINGS["channel_not_found"] if channel is None else _against_posting(channel, anywhere=anywhere)
    if is_channel_id(recipient):
        return _against_posting(directory.channel_of(recipient), anywhere=anywhere)
    if not is_conversation_id(recipient):
        directory.person(recipient.removeprefix("@"))
    return ""


def _against_posting(channel: Channel, *, anywhere: bool) -> str:
    if channel.archived:
        return MEANINGS["is_archived"]
    if not channel.bot_is_member and (channel.private or not anywhere):
        more = "" if channel.private else f", or add the scope {_POST_ANYWHERE} to the app"
        return MEANINGS["not_in_channel"] + more
    return ""
