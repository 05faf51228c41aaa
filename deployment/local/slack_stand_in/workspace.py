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
    """A channel; `name` is without #.

    `restricted` lets only some of its members post; one that is not `listed` is left out of every listing, as a
    large workspace or an administrator may have it.
    """

    name: str
    private: bool = False
    archived: bool = False
    bot_is_member: bool = True
    restricted: bool = False
    listed: bool = True


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

    To an `org_wide` token a listing is refused that does not say of which workspace (`team_id`). A page of a listing
    has at most `page_size` entries whatever is asked for, as Slack may do, so that clients have to follow cursors.
    """

    users: dict[str, SlackUser]
    channels: dict[str, SlackChannel]
    page_size: int
    org_wide: bool = False
    direct: dict[str, str] = field(default_factory=dict)
    messages: list[SlackMessage] = field(default_factory=list)

    def channel_id(self, where: str) -> str | None:
        """The id of the channel with this id or name."""
        by_name = next((number for number, channel in self.channels.items() if channel.name == where), None)
        return where if where in self.channels else by_name

    def conversation(self, user_id: str) -> str:
        """The id of the direct conversation with a user, who need not have one yet."""
        conversation = user_id.replace("U", "D", 1)
        self.direct[conversation] = user_id
        return conversation


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
