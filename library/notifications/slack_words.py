"""The words of Slack messages, as mrkdwn, https://docs.slack.dev/messaging/formatting-message-text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from library.issues.record import Episode, Issue
from library.notifications import facts
from library.text import days, utc

if TYPE_CHECKING:
    from collections.abc import Sequence

    from library.issues.whitelist import Exemption
    from library.notifications.facts import TextContext

_KEYS_NAMED = 10

_AGAIN = {
    Episode.FIRST: "",
    Episode.REOPENED: " (again)",
    Episode.REACTIVATED: " (somebody switched it on again)",
}


@dataclass(frozen=True, slots=True)
class Message:
    """A text, and the place in it where the ticket is named, whose key is only known once JIRA has raised it.

    The ticket is named on a line of its own: as a link below `server`, an address, or without one as text.
    """

    before: str
    after: str = ""
    server: str = ""

    def naming(self, ticket: str | None, browse_url: str = "") -> str:
        """The whole text; `ticket` is None if there is none. A `browse_url` is used instead of `server`."""
        key = facts.clean(ticket or "")
        server = browse_url or self.server
        named = f"Ticket {key}" if key else ""
        link = _link(f"{server.rstrip('/')}/browse/{key}", named) if key and server else _mrkdwn(named)
        return facts.lines((self.before, link, self.after))


def report(issue: Issue, context: TextContext) -> Message:
    """The report of an issue or its new episode."""
    due = facts.due(context)
    used = ("" if issue.details.never_used else "last used ") + facts.last_use(issue)
    place = _mrkdwn(facts.last_use_place(issue))
    return Message(
        facts.lines(
            (
                f"*Inactive IAM access key*{_AGAIN[issue.episode]}: "
                f"{_key(issue, context)} {facts.idleness(issue, context)}.",
                f"Created {utc(issue.details.create_date)}, {f'{used} {place}'.strip()}. "
                f"The rule: not more than {days(context.criteria_days)} without use.",
                facts.doubt(issue),
                f"Hammer will switch it off {due}." if due else "",
            )
        ),
        _procedure(context),
        context.jira_server,
    )


def reminder(issue: Issue, context: TextContext, days_left: int) -> Message:
    """`days_left` before the key is switched off, or as soon after that as a run could say so."""
    due = facts.due(context)
    when = f", {due}" if due else ""
    return Message(
        facts.lines(
            (
                f"*Reminder:* {_key(issue, context)} {facts.idleness(issue, context)} "
                f"and will be switched off within {days(days_left)}{when}.",
                facts.doubt(issue),
            )
        ),
        server=context.jira_server,
    )


def closed(issue: Issue, context: TextContext) -> Message:
    """Why the issue is closed."""
    return Message(
        f"*Closed:* {_key(issue, context)}: {facts.ending_words(issue)}.",
        _way_back(context) if facts.ending(issue) == "remediated" else "",
        context.jira_server,
    )


def remediated(issue: Issue, context: TextContext) -> Message:
    """Hammer has switched the key off; how to get it back."""
    return Message(
        facts.lines(
            (
                f"*Switched off:* {_key(issue, context)} {facts.idleness(issue, context)}.",
                facts.doubt(issue),
            )
        ),
        _way_back(context),
        context.jira_server,
    )


def restored(issue: Issue, context: TextContext, who: str) -> Message:
    """Somebody had Hammer switch the key on again."""
    return Message(
        f"*Switched on again:* {_key(issue, context)}, by {_code(facts.clean(who))}.", server=context.jira_server
    )


def exemption_ends(exemption: Exemption, issues: Sequence[Issue], context: TextContext) -> Message:
    """An exemption of `context`'s account ends soon; the idle keys that it covers, of which at most ten are named."""
    about = (("Reason", exemption.reason), ("Owner", exemption.owner))
    keys = [f"`{facts.key_id(issue)}` of user {_code(facts.name(issue.details.username))}" for issue in issues]
    if len(keys) > _KEYS_NAMED:
        keys[_KEYS_NAMED:] = [f"{len(issues) - _KEYS_NAMED} more"]
    count = "1 idle access key" if len(issues) == 1 else f"{len(issues)} idle access keys"
    account = f"{_code(facts.name(context.account_name))} ({issues[0].account_id})"
    return Message(
        facts.lines(
            (
                f"*An exemption ends soon:* {_code(facts.name(exemption.id))} in account {account} "
                f"holds until the end of {exemption.until} (UTC).",
                *(f"{name}: {_code(facts.name(text))}" for name, text in about if text),
                f"It covers {count}: {', '.join(keys)}. From then on, what is still idle is reported.",
                _procedure(context),
            )
        )
    )


def _procedure(context: TextContext) -> str:
    return _link(context.whitelisting_url, "How to ask for an exemption")


def _way_back(context: TextContext) -> str:
    ask = facts.either(_code(facts.name(name)) for name in context.ask)
    return facts.lines((f"To get it back, ask {ask}.", _procedure(context)))


def _key(issue: Issue, context: TextContext) -> str:
    return (
        f"`{facts.key_id(issue)}` of user {_code(facts.name(issue.details.username))} "
        f"in account {_code(facts.name(context.account_name))} ({issue.account_id})"
    )


def _link(url: str, text: str) -> str:
    return f"<{_mrkdwn(facts.address(url))}|{_mrkdwn(text)}>" if url else ""


def _mrkdwn(value: str) -> str:
    """A text in which Slack finds neither a link nor a mention."""
    return value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _code(value: str) -> str:
    """A value that Slack shows as it is: inside backticks neither * nor _ nor @ nor : has a meaning."""
    return "`" + (_mrkdwn(value).replace("`", "'") or "-") + "`"
