"""The methods of the Web API: each takes the workspace and its arguments, and returns what is added to `ok`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from deployment.local.slack_stand_in.workspace import SlackMessage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from deployment.local.slack_stand_in.workspace import SlackChannel, Workspace

    Method = Callable[[Workspace, Mapping[str, Any]], dict[str, Any]]


class Refusal(Exception):
    """The call is answered with `ok` false and this error code."""

    def __init__(self, code: str, **more: str) -> None:
        self.body = {"ok": False, "error": code, **more}
        super().__init__(code)


def carry_out(workspace: Workspace, method: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """What a method answers. Raises Refusal."""
    if method not in METHODS:
        raise Refusal("unknown_method", req_method=method)
    return {"ok": True, **METHODS[method](workspace, arguments)}


def _test(_workspace: Workspace, _arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {"user": "hammer", "team": "Stand-in", "team_id": TEAM, "user_id": "UHAMMER01", "bot_id": "BHAMMER01"}


def _list_users(workspace: Workspace, arguments: Mapping[str, Any]) -> dict[str, Any]:
    return _page(workspace, "members", [_shown_user(workspace, user_id) for user_id in workspace.users], arguments)


def _look_up_by_email(workspace: Workspace, arguments: Mapping[str, Any]) -> dict[str, Any]:
    wanted = str(arguments.get("email", "")).casefold()
    for user_id, user in workspace.users.items():
        if wanted and user.email.casefold() == wanted and not user.deleted:
            return {"user": _shown_user(workspace, user_id)}
    raise Refusal("users_not_found")


def _list_channels(workspace: Workspace, arguments: Mapping[str, Any]) -> dict[str, Any]:
    types = str(arguments.get("types") or "public_channel").split(",")
    with_archived = str(arguments.get("exclude_archived", "")).lower() not in ("1", "true")
    listed = [
        _shown_channel(workspace, channel_id)
        for channel_id, channel in workspace.channels.items()
        if channel.listed and (with_archived or not channel.archived) and _is_listed(channel, types)
    ]
    return _page(workspace, "channels", listed, arguments)


def _channel_info(workspace: Workspace, arguments: Mapping[str, Any]) -> dict[str, Any]:
    channel_id = str(arguments.get("channel", ""))
    if channel_id not in workspace.channels or _is_hidden(workspace.channels[channel_id]):
        raise Refusal("channel_not_found")
    return {"channel": _shown_channel(workspace, channel_id)}


def _user_info(workspace: Workspace, arguments: Mapping[str, Any]) -> dict[str, Any]:
    user_id = str(arguments.get("user", ""))
    if user_id not in workspace.users:
        raise Refusal("user_not_found")
    return {"user": _shown_user(workspace, user_id)}


def _shown_channel(workspace: Workspace, channel_id: str) -> dict[str, Any]:
    channel = workspace.channels[channel_id]
    return {
        "id": channel_id,
        "name": channel.name,
        "is_private": channel.private,
        "is_archived": channel.archived,
        "is_member": channel.bot_is_member,
    }


def _is_listed(channel: SlackChannel, types: list[str]) -> bool:
    if channel.private:
        return "private_channel" in types and channel.bot_is_member
    return "public_channel" in types


def _open_conversation(workspace: Workspace, arguments: Mapping[str, Any]) -> dict[str, Any]:
    user_id = str(arguments.get("users", ""))
    if user_id not in workspace.users:
        raise Refusal("user_not_found")
    if workspace.users[user_id].deleted:
        raise Refusal("user_disabled")
    return {"channel": {"id": workspace.conversation(user_id)}}


def _post_message(workspace: Workspace, arguments: Mapping[str, Any]) -> dict[str, Any]:
    where, text = str(arguments.get("channel", "")), str(arguments.get("text") or "")
    blocks = arguments.get("blocks") or []
    if isinstance(blocks, str):
        blocks = json.loads(blocks)
    conversation, recipient = _recipient(workspace, where)
    if not text and not blocks:
        raise Refusal("no_text")
    workspace.messages.append(SlackMessage(recipient, text, tuple(blocks)))
    return {"channel": conversation, "ts": f"1700000000.{len(workspace.messages):06d}", "message": {"text": text}}


def _recipient(workspace: Workspace, where: str) -> tuple[str, str]:
    """The id of the conversation, and who reads it."""
    if where in workspace.users:
        where = workspace.conversation(where)
    if where in workspace.direct:
        user = workspace.users[workspace.direct[where]]
        if user.deleted:
            raise Refusal("user_disabled")
        return where, user.name
    channel_id = workspace.channel_id(where)
    if channel_id is None:
        raise Refusal("channel_not_found")
    channel = workspace.channels[channel_id]
    for code, applies in POSTING.items():
        if applies(channel):
            raise Refusal(code)
    return channel_id, f"#{channel.name}"


def _is_hidden(channel: SlackChannel) -> bool:
    return channel.private and not channel.bot_is_member


def _is_archived(channel: SlackChannel) -> bool:
    return channel.archived


def _is_closed_to_the_bot(channel: SlackChannel) -> bool:
    return not channel.bot_is_member


def _is_restricted(channel: SlackChannel) -> bool:
    return channel.restricted


POSTING: dict[str, Callable[[SlackChannel], bool]] = {
    "channel_not_found": _is_hidden,
    "is_archived": _is_archived,
    "not_in_channel": _is_closed_to_the_bot,
    "restricted_action": _is_restricted,
}
"""The error code with which a message to a channel is refused, and when; the first that applies."""

TEAM = "T00000001"
"""The id of the workspace."""

METHODS: dict[str, Method] = {
    "auth.test": _test,
    "users.list": _list_users,
    "users.lookupByEmail": _look_up_by_email,
    "conversations.list": _list_channels,
    "conversations.info": _channel_info,
    "conversations.open": _open_conversation,
    "users.info": _user_info,
    "chat.postMessage": _post_message,
}


SCOPES: dict[str, str] = {
    "users.list": "users:read",
    "users.lookupByEmail": "users:read.email",
    "conversations.list": "channels:read",
    "conversations.info": "channels:read",
    "users.info": "users:read",
    "conversations.open": "im:write",
    "chat.postMessage": "chat:write",
}
"""What a token must be allowed for a method; a method that is not named here needs nothing."""


def _shown_user(workspace: Workspace, user_id: str) -> dict[str, Any]:
    user = workspace.users[user_id]
    profile = {"display_name": user.display_name, "real_name": user.real_name, "email": user.email}
    return {
        "id": user_id,
        "name": user.name,
        "real_name": user.real_name,
        "deleted": user.deleted,
        "is_bot": user.is_bot,
        "profile": profile,
    }


def _page(
    workspace: Workspace, name: str, entries: list[dict[str, Any]], arguments: Mapping[str, Any]
) -> dict[str, Any]:
    """The page of a listing that is asked for by `cursor` and `limit`; its entries are under `name`."""
    if workspace.org_wide and arguments.get("team_id") != TEAM:
        raise Refusal("missing_argument")
    cursor = str(arguments.get("cursor") or "")
    if cursor and not cursor.removeprefix("from:").isdigit():
        raise Refusal("invalid_cursor")
    start = int(cursor.removeprefix("from:") or 0)
    end = start + min(int(arguments.get("limit") or workspace.page_size), workspace.page_size)
    following = f"from:{end}" if end < len(entries) else ""
    return {name: entries[start:end], "response_metadata": {"next_cursor": following}}
