"""A small Slack, spoken to over real HTTP, that keeps what it is told and fails when it is asked to.

`workspace` is what it holds, `methods` what each method of the Web API does, `stand_in` the server. A new way to
refuse a message is a check in a table (`methods.POSTING`), or a `Rule` that a test adds.
"""

from deployment.local.slack_stand_in.stand_in import DEFAULT_TOKEN, SlackRequest, SlackStandIn, arguments_of
from deployment.local.slack_stand_in.workspace import DEFAULT_CHANNELS, SlackChannel, SlackMessage, SlackUser

__all__ = [
    "DEFAULT_CHANNELS",
    "DEFAULT_TOKEN",
    "SlackChannel",
    "SlackMessage",
    "SlackRequest",
    "SlackStandIn",
    "SlackUser",
    "arguments_of",
]
