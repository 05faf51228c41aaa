"""What Slack's error codes mean for a message: whom they concern, and whether waiting mends them. A table of data.

The codes are those that Slack documents for the methods called here: https://docs.slack.dev/reference/methods, pages
`chat.postMessage`, `conversations.open`, `conversations.list`, `conversations.info`, `users.list`, `users.info`,
`users.lookupByEmail` and `auth.test`, and what older ones of these pages had. A code that is not in the table passes.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Kind(Enum):
    """Whom a refusal concerns."""

    RECIPIENT = auto()
    """This recipient, for as long as nobody changes anything: the next in line is asked."""
    CHANNEL = auto()
    """Every message of this run: Slack is not tried again in it."""
    LIMIT = auto()
    """This conversation or method, which is not tried again in this run."""
    SETTING = auto()
    """Whatever needs this setting, until it is corrected."""
    PASSING = auto()
    """This message at this moment: it is owed, and sent again."""
    REQUEST = auto()
    """This message or call, which Slack does not understand: it is owed, and a newer Hammer may send it."""


_RECIPIENT: Mapping[str, str] = {
    "access_denied": "Slack denies access to this conversation",
    "cannot_dm_bot": "the Slack user is a bot",
    "channel_is_limited_access": "the bot has no access to the channel",
    "channel_not_found": "Slack knows no such channel, or it is private and the bot was not invited",
    "invalid_user_combination": "the bot shares no channel with this person of another organization",
    "is_archived": "the channel is archived",
    "messages_tab_disabled": "the app takes part in no direct messages: switch on its messages tab in App Home",
    "method_not_supported_for_channel_type": "this kind of conversation takes no messages of an app",
    "no_permission": "the token has no permission for this conversation",
    "not_allowed": "Slack does not allow it",
    "not_enough_users": "there is nobody to open a conversation with",
    "not_in_channel": "the bot is not a member of the channel: invite it there",
    "restricted_action": "an administrator lets only some members post there",
    "restricted_action_non_threadable_channel": "the channel takes no such messages",
    "restricted_action_read_only_channel": "the channel is read-only",
    "restricted_action_thread_locked": "an administrator has locked it",
    "restricted_action_thread_only_channel": "only answers in threads are allowed in the channel",
    "slack_connect_canvas_sharing_blocked": "an administrator does not allow this in shared channels",
    "slack_connect_file_link_sharing_blocked": "an administrator does not allow this in shared channels",
    "slack_connect_lists_sharing_blocked": "an administrator does not allow this in shared channels",
    "team_not_found": "with an org-wide token a channel is named by its id (C…), or slack.team_id is wrong",
    "user_disabled": "the Slack user is deactivated",
    "user_not_found": "the Slack user is not there any more",
    "user_not_visible": "the bot may not see this Slack user",
    "users_not_found": "no active Slack user has this e-mail address",
}
_CHANNEL: Mapping[str, str] = {
    "accesslimited": "Slack does not admit this token from this network",
    "account_inactive": "the Slack token belongs to a deactivated account",
    "app_access_restricted": "an administrator of Slack does not let the token's user use the app",
    "as_user_not_supported": "Slack does not take this type of token: a bot token begins with xoxb-",
    "ekm_access_denied": "the administrators of Slack have suspended the posting of messages",
    "enterprise_is_restricted": "Slack takes no calls of an Enterprise's token: install the app in the workspace",
    "invalid_auth": "Slack does not accept the token",
    "is_bot": "Slack does not take the token of a legacy bot: a bot token begins with xoxb-",
    "not_allowed_token_type": "Slack does not take this type of token: a bot token begins with xoxb-",
    "not_authed": "Slack got no token",
    "org_login_required": "the workspace is moved to an Enterprise, and out of reach until then",
    "team_access_not_granted": "the Slack token is not granted access to this workspace: see slack.team_id",
    "token_expired": "the Slack token has expired",
    "token_revoked": "the Slack token was revoked",
    "two_factor_setup_required": "the Slack token's account has to set up its second factor",
}
_SETTING: Mapping[str, str] = {
    "missing_argument": "an org-wide token has to say of which workspace: set slack.team_id",
}
_PASSING = (
    "fatal_error internal_error message_limit_exceeded request_timeout service_unavailable team_added_to_org "
    "upgrade_required"
)
_REQUEST = (
    "attachment_payload_limit_exceeded cannot_reply_to_message deprecated_endpoint draft_already_deleted "
    "draft_already_sent draft_has_conflict draft_not_found duplicate_channel_not_found duplicate_message_not_found "
    "invalid_arg_name invalid_arguments invalid_array_arg invalid_blocks invalid_blocks_format invalid_charset "
    "invalid_cursor invalid_form_data invalid_json invalid_limit invalid_metadata_format invalid_metadata_schema "
    "invalid_post_type invalid_types json_not_object limit_required markdown_text_conflict "
    "metadata_must_be_sent_from_app metadata_too_large method_deprecated missing_file_data missing_post_type "
    "msg_blocks_too_long msg_too_long no_text send_on_behalf_not_allowed too_many_attachments "
    "too_many_contact_cards too_many_users unknown_method users_list_not_supplied"
)

MEANINGS: Mapping[str, str] = {**_RECIPIENT, **_CHANNEL, **_SETTING}
"""What a code says, where that is more than the code."""

KINDS: Mapping[str, Kind] = {
    **dict.fromkeys(_RECIPIENT, Kind.RECIPIENT),
    **dict.fromkeys(_CHANNEL, Kind.CHANNEL),
    **dict.fromkeys(_SETTING, Kind.SETTING),
    **dict.fromkeys(("ratelimited", "rate_limited"), Kind.LIMIT),
    **dict.fromkeys(_PASSING.split(), Kind.PASSING),
    **dict.fromkeys(_REQUEST.split(), Kind.REQUEST),
}
"""Each documented code, but `missing_scope`, which names the scope that it is about."""


def kind_of(code: str) -> Kind:
    """Whom a code concerns; Slack adds restrictions of channels from time to time."""
    if code.startswith("restricted_action"):
        return Kind.RECIPIENT
    return KINDS.get(code, Kind.PASSING)
