"""The words of JIRA tickets and their comments, in JIRA's wiki markup."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from library.issues.access_keys import idle_days
from library.issues.record import Episode, Issue
from library.notifications import facts
from library.text import cut, days, utc

if TYPE_CHECKING:
    from library.notifications.facts import TextContext
    from library.notifications.terms import Audience

SUBJECT = "inactive-iam-keys"
"""The label of every ticket of ours."""

# JIRA refuses a longer one.
_SUMMARY_LIMIT = 255
_CAUSE_LIMIT = 1000

# What JIRA's renderer lets a backslash take the meaning from, https://jira.atlassian.com/secure/WikiRendererHelpAction.jspa
_TAKES_BACKSLASH = r"[-#*_+?^~|%{}\[\]()!@]"
# What it does not: a backslash itself, an entity, a face (:D), an address that would become a link.
_TAKES_ENTITY = r"\\|&(?=#?\w+;)|:(?=[DPp]|//)"
_WIKI = re.compile(f"(?P<backslash>{_TAKES_BACKSLASH})|{_TAKES_ENTITY}")


@dataclass(frozen=True, slots=True)
class NewTicket:
    """A ticket to raise.

    `assignees` are names, e-mail addresses or, on Cloud, account ids in order of preference: the first that JIRA
    knows and may assign in `project` wins. The last of `labels` is on no other ticket. `parent_ticket` is a key, or
    empty for none. `description` is wiki markup.
    """

    project: str
    summary: str
    description: str
    labels: tuple[str, ...]
    assignees: tuple[str, ...]
    parent_ticket: str


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment, and the line in it by which it is found again.

    The reference has letters, digits and spaces only, so that JIRA Cloud returns it unchanged, and nothing
    that differs between a run and a later one that says the same.
    """

    text: str
    reference: str


def labels(issue: Issue) -> tuple[str, str]:
    """The labels of a ticket: what it is about, and which issue it belongs to."""
    return SUBJECT, f"hammer-{issue.account_id}-{issue.issue_id}"


def new_ticket(issue: Issue, context: TextContext, audience: Audience) -> NewTicket:
    """The ticket of an issue."""
    return NewTicket(
        project=audience.jira_project,
        summary=summary(issue, context),
        description=description(issue, context),
        labels=labels(issue),
        assignees=audience.assignees,
        parent_ticket=audience.jira_parent_ticket,
    )


def summary(issue: Issue, context: TextContext) -> str:
    """One line of plain text, at most 255 characters."""
    text = (
        f"IAM access key {facts.key_id(issue)} of user {facts.clean(issue.details.username)} "
        f"in account {facts.clean(context.account_name)} ({issue.account_id}) {facts.idleness(issue, context)}"
    )
    return cut(text, _SUMMARY_LIMIT)


def description(issue: Issue, context: TextContext) -> str:
    """The text of a new ticket."""
    return _paragraphs(
        f"An IAM access key {facts.idleness(issue, context)}. "
        "A key that nobody uses can leak without anybody noticing.",
        _reactivated(issue),
        _facts(issue, context),
        facts.doubt(issue),
        f"*The rule:* an active key must not stay unused for more than {days(context.criteria_days)}.",
        _what_to_do(context),
        _automatic(context),
    )


def episode_comment(issue: Issue, context: TextContext) -> Comment:
    """For a ticket that is still open: the issue is there again."""
    return _comment(
        _reference(issue, f"{issue.episode.value} {_stamp(issue.timestamps.identified)}"),
        _reactivated(issue)
        or "This access key is an issue again: it is active and idle, and no exemption covers it.",
        _facts(issue, context),
        facts.doubt(issue),
        _what_to_do(context),
        _automatic(context),
    )


def date_comment(issue: Issue, context: TextContext) -> Comment:
    """When the key will be switched off, for people who were told no date yet, or an earlier one."""
    # A run that was killed before this was recorded is repeated, and then the date is some minutes later.
    day = f"{context.remediation_due.astimezone(UTC):%Y%m%d}" if context.remediation_due else "unknown"
    return _comment(
        _reference(issue, f"date {day} {_stamp(issue.timestamps.identified)}"),
        f"This access key {facts.idleness(issue, context)}.",
        facts.doubt(issue),
        _automatic(context),
        _what_to_do(context),
    )


def reminder_comment(issue: Issue, context: TextContext, days_left: int) -> Comment:
    """`days_left` before the key is switched off, or as soon after that as a run could say so."""
    return _comment(
        _reference(
            issue, f"reminder {days_left} {_stamp(issue.timestamps.identified)} {_stamp(issue.timestamps.promised)}"
        ),
        f"*Reminder:* this access key {facts.idleness(issue, context)} "
        f"and will be switched off within {days(days_left)}.",
        facts.doubt(issue),
        _what_to_do(context),
        _automatic(context),
    )


def closing_comment(issue: Issue, context: TextContext) -> Comment:
    """Why the ticket is being closed."""
    ending = facts.ending(issue)
    return _comment(
        _reference(issue, f"closing {ending} {_stamp(issue.timestamps.identified)}"),
        f"Closed: {facts.ending_words(issue)}.",
        f"Account {_account(issue, context)}, user {_wiki(issue.details.username)}, "
        f"access key {facts.key_id(issue)}.",
        _way_back(context) if ending == "remediated" else "",
    )


def remediated_comment(issue: Issue, context: TextContext) -> Comment:
    """Hammer has switched the key off; how to get it back."""
    return _comment(
        _reference(issue, f"remediated {_stamp(issue.timestamps.identified)}"),
        f"Hammer switched this access key off, as it {facts.idleness(issue, context)}. "
        "It was not deleted: its status is Inactive, and AWS refuses calls that are signed with it.",
        _facts(issue, context),
        facts.doubt(issue),
        _way_back(context),
    )


def failure_comment(issue: Issue, context: TextContext) -> Comment:
    """Hammer could not switch the key off; one reference per cause and episode."""
    cause = facts.clean(issue.remediation_error.cause if issue.remediation_error else "unknown")
    digest = hashlib.sha256(cause.encode()).hexdigest()[:16]
    # Inside noformat nothing has a meaning but its own end.
    verbatim = cut(cause, _CAUSE_LIMIT).replace("{", "{ ")
    outlook = (
        "It will try again in its next run; the key is still active."
        if issue.timestamps.remediation_started is None
        else "Whether the key is on or off now is not known; the next run checks, and tries again if it is on."
    )
    return _comment(
        _reference(issue, f"failure {digest} {_stamp(issue.timestamps.identified)}"),
        f"Hammer could not switch this access key of account {_wiki(context.account_name)} off. {outlook}",
        f"{{noformat}}\n{verbatim}\n{{noformat}}",
    )


def restored_comment(issue: Issue, context: TextContext, who: str) -> Comment:
    """Somebody had Hammer switch the key on again; to be called once `restored` is recorded."""
    return _comment(
        _reference(issue, f"restored {_stamp(issue.timestamps.restored or issue.timestamps.identified)}"),
        f"*Restored:* {_wiki(who)} had Hammer switch this access key of account "
        f"{_wiki(context.account_name)} on again.",
        "If it stays unused, the next scan reports it again, and the waiting time starts from the beginning.",
    )


def _comment(reference: str, *parts: str) -> Comment:
    return Comment(_paragraphs(*parts, reference), reference)


def _reference(issue: Issue, what: str) -> str:
    return f"Hammer reference {facts.key_id(issue)} {what}"


def _paragraphs(*parts: str) -> str:
    return "\n\n".join(part for part in parts if part)


def _facts(issue: Issue, context: TextContext) -> str:
    rows = (
        ("Account", _account(issue, context)),
        ("User", _wiki(issue.details.username)),
        ("Access key", facts.key_id(issue)),
        ("Created", utc(issue.details.create_date)),
        ("Last used", f"{facts.last_use(issue)} {_wiki(facts.last_use_place(issue))}".strip()),
        ("Idle for", days(idle_days(issue.details.last_used, context.now))),
    )
    return "\n".join(f"* *{name}:* {value}" for name, value in rows)


def _account(issue: Issue, context: TextContext) -> str:
    return f"{_wiki(context.account_name)} ({issue.account_id})"


def _what_to_do(context: TextContext) -> str:
    steps = [
        "If nobody needs the key, switch it off now, and delete it when nothing has broken for a while.",
        "If somebody needs it, see that it is used, or replace it by a role, which has no key to lose.",
    ]
    if context.whitelisting_url:
        url = facts.address(context.whitelisting_url)
        steps.append(f"For an exemption follow the [whitelisting procedure|{url}].")
    return "*What to do*\n" + "\n".join(f"# {step}" for step in steps)


def _automatic(context: TextContext) -> str:
    due = facts.due(context)
    if not due:
        return ""
    return f"*Automatic remediation:* if nothing changes, Hammer will switch this key off {due}."


def _reactivated(issue: Issue) -> str:
    if issue.episode is not Episode.REACTIVATED:
        return ""
    return "Somebody switched this access key on again after it had been switched off, and it is still idle."


def _way_back(context: TextContext) -> str:
    ask = facts.either(_wiki(name) for name in context.ask)
    text = (
        f"If something needs the key after all, ask {ask}: they can have it switched on again, by the number of this "
        "ticket."
    )
    if context.whitelisting_url:
        url = facts.address(context.whitelisting_url)
        text += f" So that it stays on without being used, follow the [whitelisting procedure|{url}]."
    return text


def _stamp(moment: datetime | None) -> str:
    return f"{moment.astimezone(UTC):%Y%m%dT%H%M%SZ}" if moment else "unknown"


def _wiki(value: str) -> str:
    """A value that JIRA shows as it is."""
    return _WIKI.sub(
        lambda match: f"\\{match[0]}" if match["backslash"] else f"&#{ord(match[0])};", facts.name(value)
    )
