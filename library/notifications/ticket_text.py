"""The words of tickets, comments and Slack messages about idle access keys."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import quote

from library.issues.access_keys import idle_days
from library.issues.record import Episode, Issue, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from library.issues.whitelist import Exemption

# JIRA refuses a longer one.
_SUMMARY_LIMIT = 255
_NAME_LIMIT = 200
_CAUSE_LIMIT = 1000
_KEYS_NAMED = 10

# What JIRA's renderer lets a backslash take the meaning from, https://jira.atlassian.com/secure/WikiRendererHelpAction.jspa
_TAKES_BACKSLASH = r"[-#*_+?^~|%{}\[\]()!@]"
# What it does not: a backslash itself, an entity, a face (:D), an address that would become a link.
_TAKES_ENTITY = r"\\|&(?=#?\w+;)|:(?=[DPp]|//)"
_WIKI = re.compile(f"(?P<backslash>{_TAKES_BACKSLASH})|{_TAKES_ENTITY}")

_CLOSING = {
    "used": "the access key is in use again",
    "deactivated": "somebody switched the access key off",
    "deleted": "the access key was deleted",
    "remediated": "Hammer switched the access key off, and it has stayed off",
    "whitelisted": "an exception covers the access key now",
}


@dataclass(frozen=True, slots=True)
class TextContext:
    """What the words need beside the issue.

    `criteria_days` is the rule (idle for more than so many days); `now` is in UTC; `remediation_due` is None
    unless the key will be switched off automatically; `whitelisting_url` is empty if there is no procedure.
    """

    account_name: str
    criteria_days: int
    now: datetime
    remediation_due: datetime | None
    whitelisting_url: str


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment in JIRA wiki markup, and the line in it by which it is found again.

    The reference has letters, digits and spaces only, so that JIRA Cloud hands it back as it was, and nothing
    that differs between a run and the one that makes up for it.
    """

    text: str
    reference: str


def labels(issue: Issue) -> tuple[str, str]:
    """The labels of a ticket: what it is about, and which issue it belongs to."""
    return "inactive-iam-keys", f"hammer-{issue.account_id}-{issue.issue_id}"


def summary(issue: Issue, context: TextContext) -> str:
    """One line of plain text, 255 characters at most."""
    text = (
        f"IAM access key {_word(issue.issue_id)} of user {_clean(issue.details.username)} "
        f"in account {_clean(context.account_name)} ({issue.account_id}) {_idleness(issue, context)}"
    )
    return _cut(text, _SUMMARY_LIMIT)


def description(issue: Issue, context: TextContext) -> str:
    """The text of a new ticket, in JIRA wiki markup."""
    return _paragraphs(
        f"An IAM access key {_idleness(issue, context)}. A key that nobody uses can leak without anybody noticing.",
        _reactivated(issue),
        _facts(issue, context),
        f"*The rule:* an active key must not stay unused for more than {_days(context.criteria_days)}.",
        _what_to_do(context),
        _automatic(context),
    )


def episode_comment(issue: Issue, context: TextContext) -> Comment:
    """For a ticket that is still open: the issue is there again."""
    return _comment(
        _reference(issue, f"{issue.episode.value} {_stamp(issue.timestamps.identified)}"),
        _reactivated(issue)
        or "This access key is an issue again: it is active and idle, and no exception covers it.",
        _facts(issue, context),
        _what_to_do(context),
        _automatic(context),
    )


def reminder_comment(issue: Issue, context: TextContext, days: int) -> Comment:
    """`days` before the key is switched off, or as soon after that as a run could say so."""
    return _comment(
        _reference(issue, f"reminder {days} {_stamp(issue.timestamps.identified)}"),
        f"*Reminder:* this access key {_idleness(issue, context)} and will be switched off within {_days(days)}.",
        _what_to_do(context),
        _automatic(context),
    )


def closing_comment(issue: Issue, context: TextContext) -> Comment:
    """Why the ticket is being closed."""
    reason = _closing_reason(issue)
    return _comment(
        _reference(issue, f"closing {reason} {_stamp(issue.timestamps.identified)}"),
        f"Closed: {_closing_words(reason)}.",
        f"Account {_wiki(context.account_name)} ({issue.account_id}), user {_wiki(issue.details.username)}, "
        f"access key {_word(issue.issue_id)}.",
        _way_back(issue) if reason == "remediated" else "",
    )


def remediated_comment(issue: Issue, context: TextContext) -> Comment:
    """Hammer has switched the key off; how to get it back."""
    return _comment(
        _reference(issue, f"remediated {_stamp(issue.timestamps.identified)}"),
        f"Hammer switched this access key off, as it {_idleness(issue, context)}. "
        "It was not deleted: its status is Inactive, and AWS refuses calls that are signed with it.",
        _facts(issue, context),
        _way_back(issue),
    )


def failure_comment(issue: Issue, context: TextContext) -> Comment:
    """Hammer could not switch the key off; one reference per cause and episode."""
    cause = _cause(issue)
    digest = hashlib.sha256(cause.encode()).hexdigest()[:16]
    # Inside noformat nothing has a meaning but its own end.
    verbatim = _cut(cause, _CAUSE_LIMIT).replace("{", "{ ")
    return _comment(
        _reference(issue, f"failure {digest} {_stamp(issue.timestamps.identified)}"),
        f"Hammer could not switch this access key of account {_wiki(context.account_name)} off. "
        + (
            "It will try again in its next run; the key is still active."
            if issue.timestamps.remediation_started is None
            else "Whether the key is on or off now is not known; the next run looks, and tries again if it is on."
        ),
        f"{{noformat}}\n{verbatim}\n{{noformat}}",
    )


def restored_comment(issue: Issue, context: TextContext, who: str) -> Comment:
    """Somebody had Hammer switch the key on again; to be called once `restored` is recorded."""
    return _comment(
        _reference(issue, f"restored {_stamp(issue.timestamps.restored or issue.timestamps.identified)}"),
        f"*Restored:* {_wiki(who)} had Hammer switch this access key of account "
        f"{_wiki(context.account_name)} on again.",
        "If it stays unused, the next scan reports it anew and the waiting time starts again.",
    )


def slack_report(issue: Issue, context: TextContext, ticket_url: str) -> str:
    """The report of an issue or its new episode, as mrkdwn; `ticket_url` is empty if there is no ticket."""
    due = _due(context)
    used = ("" if issue.details.never_used else "last used ") + _last_use(issue, _mrkdwn)
    again = "" if issue.episode is Episode.FIRST else " (again)"
    if issue.episode is Episode.REACTIVATED:
        again = " (somebody switched it on again)"
    return "\n".join(
        line
        for line in (
            f"*Inactive IAM access key*{again}: {_key(issue, context)} {_idleness(issue, context)}.",
            f"Created {_date(issue.details.create_date)}, {used}. "
            f"The rule: not more than {_days(context.criteria_days)} without use.",
            f"Hammer will switch it off {due}." if due else "",
            _slack_ticket(issue, ticket_url),
            _slack_link(context.whitelisting_url, "How to ask for an exception"),
        )
        if line
    )


def slack_reminder(issue: Issue, context: TextContext, days: int) -> str:
    """The reminder, as mrkdwn."""
    due = _due(context)
    when = f", {due}" if due else ""
    return _slack_note(
        issue,
        f"*Reminder:* {_key(issue, context)} {_idleness(issue, context)} "
        f"and will be switched off within {_days(days)}{when}.",
    )


def slack_closed(issue: Issue, context: TextContext) -> str:
    """Why the issue is closed, as mrkdwn."""
    return _slack_note(issue, f"*Closed:* {_key(issue, context)}: {_closing_words(_closing_reason(issue))}.")


def slack_remediated(issue: Issue, context: TextContext) -> str:
    """Hammer has switched the key off, as mrkdwn."""
    return _slack_note(
        issue,
        f"*Switched off:* {_key(issue, context)} {_idleness(issue, context)}. "
        f"To get it back: `{_restore_command(issue)}`",
    )


def slack_restored(issue: Issue, context: TextContext, who: str) -> str:
    """Somebody had the key switched on again, as mrkdwn."""
    return _slack_note(issue, f"*Switched on again:* {_key(issue, context)}, by {_code(who)}.")


def slack_exception(exemption: Exemption, issues: Sequence[Issue], context: TextContext) -> str:
    """An exception of `context`'s account that ends soon, with the idle keys that it covers, as mrkdwn.

    At most ten keys are named.
    """
    about = (("Reason", exemption.reason), ("Owner", exemption.owner))
    keys = [
        f"`{_word(issue.issue_id)}` of user {_code(_cut(issue.details.username, _NAME_LIMIT))}"
        for issue in issues[:_KEYS_NAMED]
    ]
    more = [f"{len(issues) - _KEYS_NAMED} more"] if len(issues) > _KEYS_NAMED else []
    count = "1 idle access key" if len(issues) == 1 else f"{len(issues)} idle access keys"
    account = f"{_code(_cut(context.account_name, _NAME_LIMIT))} ({issues[0].account_id})"
    return "\n".join(
        line
        for line in (
            f"*An exception ends soon:* {_code(_cut(exemption.id, _NAME_LIMIT))} in account {account} "
            f"holds until the end of {exemption.until} (UTC).",
            *(f"{name}: {_code(_cut(text, _NAME_LIMIT))}" for name, text in about if text),
            f"It covers {count}: {', '.join(keys + more)}. From then on, what is still idle is reported.",
            _slack_link(context.whitelisting_url, "How to ask for an exception"),
        )
        if line
    )


def _comment(reference: str, *parts: str) -> Comment:
    return Comment(_paragraphs(*parts, reference), reference)


def _reference(issue: Issue, what: str) -> str:
    return f"Hammer reference {_word(issue.issue_id)} {what}"


def _paragraphs(*parts: str) -> str:
    return "\n\n".join(part for part in parts if part)


def _facts(issue: Issue, context: TextContext) -> str:
    rows = (
        ("Account", f"{_wiki(context.account_name)} ({issue.account_id})"),
        ("User", _wiki(issue.details.username)),
        ("Access key", _word(issue.issue_id)),
        ("Created", _date(issue.details.create_date)),
        ("Last used", _last_use(issue, _wiki)),
        ("Idle for", _days(idle_days(issue.details.last_used, context.now))),
    )
    return "\n".join(f"* *{name}:* {value}" for name, value in rows)


def _what_to_do(context: TextContext) -> str:
    steps = [
        "If nobody needs the key, switch it off now, and delete it when nothing has broken for a while.",
        "If somebody needs it, see that it is used, or replace it by a role, which has no key to lose.",
        _whitelisting(context),
    ]
    return "*What to do*\n" + "\n".join(f"# {step}" for step in steps if step)


def _whitelisting(context: TextContext) -> str:
    if not context.whitelisting_url:
        return ""
    return f"For an exception follow the [whitelisting procedure|{_url(context.whitelisting_url)}]."


def _automatic(context: TextContext) -> str:
    due = _due(context)
    if not due:
        return ""
    return f"*Automatic remediation:* if nothing changes, Hammer will switch this key off {due}."


def _due(context: TextContext) -> str:
    if context.remediation_due is None:
        return ""
    if context.remediation_due <= context.now:
        return "in the next remediation run"
    return f"in the first remediation run after {_date(context.remediation_due)}"


def _reactivated(issue: Issue) -> str:
    if issue.episode is not Episode.REACTIVATED:
        return ""
    return "Somebody switched this access key on again after it had been switched off, and it is still idle."


def _way_back(issue: Issue) -> str:
    return (
        "If something needs the key after all, switch it on again on the Hammer host:\n"
        f"{{noformat}}\n{_restore_command(issue)}\n{{noformat}}"
    )


def _restore_command(issue: Issue) -> str:
    return f"python -m remediation.restore_iam_keys --key {_word(issue.issue_id)}"


def _closing_reason(issue: Issue) -> str:
    if issue.status is Status.WHITELISTED:
        return "whitelisted"
    return issue.details.resolution.value if issue.details.resolution else "resolved"


def _closing_words(reason: str) -> str:
    return _CLOSING.get(reason, "the access key is not an idle, active key any more")


def _cause(issue: Issue) -> str:
    return _clean(issue.remediation_error.cause if issue.remediation_error else "unknown")


def _idleness(issue: Issue, context: TextContext) -> str:
    idle = _days(idle_days(issue.details.last_used, context.now))
    if issue.details.never_used:
        return f"has never been used since it was created {idle} ago"
    return f"has not been used for {idle}"


def _last_use(issue: Issue, shown: Callable[[str], str]) -> str:
    details = issue.details
    if details.never_used:
        return "never used"
    # AWS answers N/A where it does not know.
    known = [part for part in (details.last_used_service, details.last_used_region) if part and part != "N/A"]
    where = shown(f"({_clean(', '.join(known))})") if known else ""
    return f"{_date(details.last_used)} {where}".strip()


def _days(count: int) -> str:
    return "1 day" if count == 1 else f"{count} days"


def _date(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _stamp(moment: datetime | None) -> str:
    return f"{moment.astimezone(UTC):%Y%m%dT%H%M%SZ}" if moment else "unknown"


def _word(value: str) -> str:
    """A key id as IAM allows it, which is word characters only."""
    return re.sub(r"\W", "", value, flags=re.ASCII)


def _clean(value: object) -> str:
    """One line, without the characters that could break it or turn its text around."""
    shown = "".join(
        " " if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp") else character
        for character in str(value)
    )
    return " ".join(shown.split())


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _wiki(value: str) -> str:
    """A value that JIRA shows as it is."""
    return _WIKI.sub(
        lambda match: f"\\{match[0]}" if match["backslash"] else f"&#{ord(match[0])};",
        _cut(_clean(value), _NAME_LIMIT),
    )


def _mrkdwn(value: str) -> str:
    """A text that Slack neither links nor takes for a mention, https://docs.slack.dev/messaging/formatting-message-text"""
    return value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _code(value: str) -> str:
    """A value that Slack shows as it is: inside backticks neither * nor _ nor @ nor : has a meaning."""
    return "`" + (_mrkdwn(_clean(value)).replace("`", "'") or "-") + "`"


def _key(issue: Issue, context: TextContext) -> str:
    return (
        f"`{_word(issue.issue_id)}` of user {_code(_cut(issue.details.username, _NAME_LIMIT))} "
        f"in account {_code(_cut(context.account_name, _NAME_LIMIT))} ({issue.account_id})"
    )


def _slack_note(issue: Issue, text: str) -> str:
    return f"{text} ({_mrkdwn(_clean(issue.jira.ticket))})" if issue.jira.ticket else text


def _slack_ticket(issue: Issue, ticket_url: str) -> str:
    return _slack_link(ticket_url, f"Ticket {_clean(issue.jira.ticket or '')}".strip())


def _slack_link(url: str, text: str) -> str:
    return f"<{_mrkdwn(_url(url))}|{_mrkdwn(text)}>" if url else ""


def _url(url: str) -> str:
    """An address without the characters that would end a link in JIRA or Slack."""
    return quote(url.strip(), safe=":/?#@!$&'()*+,;=%~-._")
