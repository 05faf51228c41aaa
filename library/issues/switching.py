"""Whether a key may be switched off, and on again: what its issue says, and what a look at it must show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from library.issues.access_keys import ACTIVE, INACTIVE, AccessKey, is_idle
from library.issues.decisions import Skip
from library.issues.record import Issue, Status
from library.issues.reporting import TellRemediated, retention_days, retention_over
from library.text import days as in_days
from library.text import utc

if TYPE_CHECKING:
    from datetime import datetime

    from library.issues.whitelist import Exemption

# --- remediation ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Due:
    """The key may be switched off, since `since` (UTC), once it was looked at again."""

    since: datetime


@dataclass(frozen=True, slots=True)
class Finish:
    """An earlier run was cut off after it had recorded the intent: if the key is off, complete the rest."""


RemediationVerdict = Due | Finish | TellRemediated | Skip


def remediation_verdict(
    issue: Issue, configured_days: int, *, exemption: Exemption | None, now: datetime, by_hand: bool = False
) -> RemediationVerdict:
    """Whether an issue allows its key to be switched off at `now` (UTC).

    `configured_days` is the retention, `exemption` the entry of the whitelist that names the key or its user now. A
    schedule switches off no key before the date that people were told, and none of people who were told no date. An
    operator who is shown that date decides `by_hand`.
    """
    times = issue.timestamps
    if times.remediated is not None and issue.status is Status.OPEN:
        return _what_is_owed(issue) or Skip(where_it_stands(issue))
    if issue.on_again_since is not None and issue.status is not Status.WHITELISTED:
        return Skip(where_it_stands(issue))
    if issue.interrupted and issue.status is Status.RESOLVED:
        return Finish()
    if issue.status is not Status.OPEN:
        return Skip(f"{issue.status.value}, not open")
    over = retention_over(issue, configured_days)
    if over is None:
        return Skip("not reported yet")
    if issue.interrupted:
        return Finish()
    days = retention_days(issue, configured_days)
    return _may_switch_off(issue, over, days, exemption=exemption, now=now, by_hand=by_hand)


def verdict_ignoring_intent(
    issue: Issue, configured_days: int, *, exemption: Exemption | None, now: datetime, by_hand: bool = False
) -> Due | TellRemediated | Skip:
    """As `remediation_verdict` for a key that is on: ignores an earlier recorded intent to switch it off."""
    verdict = remediation_verdict(issue, configured_days, exemption=exemption, now=now, by_hand=by_hand)
    if not isinstance(verdict, Finish):
        return verdict
    over = retention_over(issue, configured_days)
    if issue.status is not Status.OPEN or over is None:
        return Skip("switching it off was announced, but the key is on")
    days = retention_days(issue, configured_days)
    return _may_switch_off(issue, over, days, exemption=exemption, now=now, by_hand=by_hand)


def where_it_stands(issue: Issue) -> str:
    """What has become of a key that we switched off, in a few words."""
    if issue.on_again_since is not None:
        return f"switched on again at {utc(issue.on_again_since)}; the next scan decides"
    off = issue.switched_off_at
    return "not switched off" if off is None else f"already switched off at {utc(off)}"


def _what_is_owed(issue: Issue) -> TellRemediated | None:
    jira, slack = issue.jira.failed is not None, issue.slack.failed is not None
    return TellRemediated(jira=jira, slack=slack) if jira or slack else None


def _may_switch_off(
    issue: Issue, over: datetime, days: int, *, exemption: Exemption | None, now: datetime, by_hand: bool
) -> Due | Skip:
    """What holds for an interrupted remediation, too: not exempted, the retention is over, the told date has come."""
    if exemption is not None:
        return whitelisted(exemption)
    promised = issue.timestamps.promised
    if promised is None and not by_hand:
        return Skip("nobody was told a date; reporting tells one")
    due = over if promised is None or by_hand else max(over, promised)
    if now >= due:
        return Due(since=due)
    if due > over:
        return Skip(f"its people were told {utc(due)}", due)
    return Skip(f"within its retention period of {in_days(days)}, due {utc(due)}", due)


def whitelisted(exemption: Exemption) -> Skip:
    """Why a key stays on that an exemption covers."""
    return Skip(f"whitelisted by {exemption.shown}")


def second_look(
    issue: Issue,
    key: AccessKey | None,
    criteria_days: int,
    *,
    exemption: Exemption | None,
    own: bool,
    now: datetime,
) -> AccessKey | Skip:
    """The key, if it may be switched off as it is *now*, else why it must not be.

    `key` is what IAM says at this moment, None if the key does not exist; `exemption` is the entry of the whitelist
    for its current owner; `own` is whether this process's own requests may be signed with it.
    """
    if key is None:
        return Skip("the key does not exist any more")
    if key.status != ACTIVE:
        return Skip(f"the key is {key.status} already")
    if exemption is not None:
        return whitelisted(exemption)
    if not is_idle(key, criteria_days, now):
        return Skip("the key is not idle any more")
    if issue.ended_by_use(key.idle_since):
        return Skip("the key was used after it was reported; the next scan begins a new episode")
    if own:
        return Skip("the key is used by Hammer itself")
    return key


# --- going back -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SwitchOn:
    """The key may be switched on again if it is still Inactive; it was switched off by us at `off_since` (UTC).

    `off_since` is None if the issue does not say so any more. `announced` is whether an earlier run had recorded
    that it was about to switch the key on, and nothing after it: then a key that is on was switched on by that run.
    """

    off_since: datetime | None
    announced: bool


RestoreVerdict = SwitchOn | TellRemediated | Skip


def restore_verdict(issue: Issue) -> RestoreVerdict:
    """Whether an issue allows its key to be switched on again."""
    off, restored = issue.switched_off_at, issue.timestamps.restored
    wanted = issue.restore.started if issue.restore is not None else None
    if wanted is not None and (restored is None or restored < wanted) and (off is None or off < wanted):
        return SwitchOn(off, announced=True)
    if off is None:
        return Skip("this system did not switch the key off")
    if restored is None or restored < off:
        return SwitchOn(off, announced=False)
    return _what_is_owed(issue) or Skip(f"switched on again at {utc(restored)}")


def restore_look(key: AccessKey | None) -> AccessKey | Skip:
    """The key, if it may be switched on as it is *now*, else why it stays as it is; None is a key that is gone."""
    if key is None:
        return Skip("the key does not exist any more")
    if key.status == ACTIVE:
        return Skip("the key is on already")
    return key if key.status == INACTIVE else Skip(f"the key is {key.status}")
