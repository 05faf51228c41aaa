"""What the words of every channel are made of: the facts of an issue, and values as one line of plain text.

Nothing here has markup in it; each channel's words escape what they take from here in their own way.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from library.issues import smtp
from library.issues.access_keys import idle_days
from library.issues.reporting import is_exempted
from library.text import cut, days, utc

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from library.issues.record import Issue

_NAME_LIMIT = 200

_ENDINGS = {
    "used": "the access key is in use again",
    "deactivated": "somebody switched the access key off",
    "deleted": "the access key was deleted",
    "remediated": "Hammer switched the access key off, and it has stayed off",
    "whitelisted": "an exemption covers the access key now",
}


@dataclass(frozen=True, slots=True)
class TextContext:
    """What the words need beside the issue.

    `criteria_days` is the rule (idle for more than this number of days); `now` and `remediation_due` are in UTC;
    `remediation_due` is None unless the key will be switched off automatically. `whitelisting_url` is empty if there
    is no procedure, `jira_server` if there is no JIRA; tickets are below it. `ask` are those who can have a key
    switched on again, as Slack or else JIRA knows them: channels, names, e-mail addresses.
    """

    account_name: str
    criteria_days: int
    now: datetime
    remediation_due: datetime | None
    whitelisting_url: str
    jira_server: str = ""
    ask: tuple[str, ...] = ()


def idleness(issue: Issue, context: TextContext) -> str:
    """For how long the key has been idle, as the rest of a sentence that begins with the key."""
    idle = days(idle_days(issue.details.last_used, context.now))
    if issue.details.never_used:
        return f"has never been used since it was created {idle} ago"
    return f"has not been used for {idle}"


def last_use(issue: Issue) -> str:
    """When the key was last used (UTC), or `never used`."""
    return "never used" if issue.details.never_used else utc(issue.details.last_used)


def last_use_place(issue: Issue) -> str:
    """The service and region of the last use as `(s3, us-east-1)`; empty if neither is known."""
    details = issue.details
    known = ", ".join(filter(None, (details.last_used_service, details.last_used_region)))
    return f"({clean(known)})" if known and not details.never_used else ""


def doubt(issue: Issue) -> str:
    """What makes it doubtful that the key is idle; mostly nothing."""
    return smtp.doubt(issue.details.username, issue.details.last_used_service)


def due(context: TextContext) -> str:
    """When Hammer will switch the key off, as the end of a sentence; empty if it will not."""
    if context.remediation_due is None:
        return ""
    if context.remediation_due <= context.now:
        return "in the next remediation run"
    return f"in the first remediation run after {utc(context.remediation_due)}"


def ending(issue: Issue) -> str:
    """Why the issue ended, as one word: `whitelisted`, a resolution, or `resolved` if none is recorded."""
    if is_exempted(issue):
        return "whitelisted"
    return issue.details.resolution.value if issue.details.resolution else "resolved"


def ending_words(issue: Issue) -> str:
    """Why the issue ended, as a clause."""
    return _ENDINGS.get(ending(issue), "the access key is not an idle, active key any more")


def key_id(issue: Issue) -> str:
    """The key's id as IAM allows it, which is word characters only."""
    return re.sub(r"\W", "", issue.issue_id, flags=re.ASCII)


def either(names: Iterable[str]) -> str:
    """`a`, `a or b`, `a, b or c`; whoever runs Hammer, if there are no names. They are escaped already."""
    *others, last = [*names] or ["the people who run Hammer"]
    return f"{', '.join(others)} or {last}" if others else last


def lines(parts: Iterable[str]) -> str:
    """The parts that are not empty, each on a line of its own."""
    return "\n".join(filter(None, parts))


def clean(value: object) -> str:
    """One line, without the characters that could break it or turn its text around."""
    shown = "".join(
        " " if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp") else character
        for character in str(value)
    )
    return " ".join(shown.split())


def name(value: str) -> str:
    """A name, of a user or an account, as one line of at most 200 characters."""
    return cut(clean(value), _NAME_LIMIT)


def address(url: str) -> str:
    """A URL without the characters that would end a link in JIRA or Slack."""
    return quote(url.strip(), safe=":/?#@!$&'()*+,;=%~-._")
