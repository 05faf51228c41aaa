"""What a Slack workspace holds: people, channels, conversations and messages."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class SlackUser:
    """A member of the workspace; `name` is the handle, without @."""

    name: str
    real_name: str = ""
    display_name: str = ""
    email: str = ""
    deleted: bool = False
    is_bot: bool = False


@dataclass(frozen=True, slots=True)
class SlackChannel:
    """A channel; `name` is without #."""

    name: str
    private: bool = False
    archived: bool = False
    bot_is_member: bool = True


@dataclass(frozen=True, slots=True)
class SlackMessage:
    """A message that was posted; `recipient` is `#channel`, or the user's name for a direct message."""

    recipient: str
    text: str
    blocks: tuple[Any, ...] = ()


DEFAULT_USERS = (
    SlackUser("slackbot", real_name="Slackbot"),
    SlackUser("alice", real_name="Alice Adams", display_name="Alice", email="alice@example.com"),
    SlackUser("bob", real_name="Bob Brown", display_name="Bobby", email="bob@example.com"),
    SlackUser("hammer", real_name="Hammer", is_bot=True),
)
DEFAULT_CHANNELS = (SlackChannel("general"), SlackChannel("random"), SlackChannel("devops-channel"))


@dataclass(slots=True)
class Workspace:
    """The state of a workspace: `users` and `channels` by id, `direct` a user's id by that of the conversation.

    A page of a listing has at most `page_size` entries whatever is asked for, as Slack may do, so that clients have
    to follow cursors.
    """

    users: dict[str, SlackUser]
    channels: dict[str, SlackChannel]
    page_size: int
    direct: dict[str, str] = field(default_factory=dict)
    messages: list[SlackMessage] = field(default_factory=list)

    def channel(self, where: str) -> SlackChannel | None:
        """The channel with this id or name."""
        by_name = next((channel for channel in self.channels.values() if channel.name == where), None)
        return self.channels.get(where, by_name)


def workspace_of(users: tuple[SlackUser, ...], channels: tuple[SlackChannel, ...], page_size: int) -> Workspace:
    """A workspace whose users and channels have ids in their order."""
    return Workspace(
        # Slackbot has this id in every workspace, and is not marked as a bot.
        users={
            "USLACKBOT" if user.name == "slackbot" else f"U{number:08d}": user for number, user in enumerate(users)
        },
        channels={f"C{number:08d}": channel for number, channel in enumerate(channels)},
        page_size=page_size,
    )
