"""Switching keys off: what is asked of an issue and its key, by the configuration as it is right before each key."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from library.cli import wiring
from library.cli.stop_file import is_stopped, why_stopped
from library.config.loading import load
from library.errors import AwsCallFailed
from library.issues import switch_steps
from library.issues.access_keys import idle_days
from library.issues.decisions import Outcome, Skip, Step, Verdict
from library.issues.record import Issue, Status
from library.issues.reporting import TellRemediated, retention_over
from library.issues.switching import (
    Due,
    Finish,
    remediation_verdict,
    second_look,
    verdict_ignoring_intent,
    whitelisted,
)
from library.issues.whitelist import exemption_by_tag
from library.messages import Message
from library.notifications import news
from library.text import days, utc
from remediation.freshness import Freshness
from remediation.switching import NotSwitched, Proceed, Ready, Way

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from library.aws.key_switch import KeySwitch
    from library.config.settings import Config
    from library.issues.access_keys import AccessKey
    from library.issues.whitelist import Exemption
    from library.notifications.news import News
    from remediation.options import Options

OFF = Way(
    name="off",
    status="Inactive",
    run="Remediation",
    question="Switch this key off?",
    listed_in="remediation_accounts",
    since="due since",
    done=Verdict.SWITCHED_OFF,
    planned=Verdict.WOULD_BE_SWITCHED_OFF,
    failures_in_a_row=3,
)


class SwitchingOff:
    """The direction `off`, for the issues of `remediation_accounts`."""

    way = OFF

    def __init__(self, settings: Config, options: Options, keys: KeySwitch, channels: Sequence[str]) -> None:
        self._settings = settings
        self._options = options
        self._keys = keys
        self._channels = channels
        self._freshness = Freshness(wiring.state_table(settings))
        self._remediated = frozenset(self.accounts)

    # --- what is in force ---

    @property
    def accounts(self) -> list[str]:
        """The configuration's `remediation_accounts`."""
        return [account.id for account in self._settings.remediation_accounts()]

    @property
    def limit(self) -> int | None:
        """The smaller one of the option and the setting."""
        caps = (self._options.limit, self._settings.inactive_keys.remediation_max_keys_per_run)
        return min((cap for cap in caps if cap is not None), default=None)

    @property
    def _retention_days(self) -> int:
        return self._settings.inactive_keys.remediation_retention_period

    def changed_meanwhile(self, account_id: str) -> Skip | None:
        """Read the configuration as it is by now: an exemption, or more time, takes effect within a run."""
        before, by_now = self._settings, load(self._settings.source)
        self._settings = replace(before, inactive_keys=by_now.inactive_keys, whitelist=by_now.whitelist)
        if by_now.inactive_keys is not before.inactive_keys:
            self._remediated = frozenset(self.accounts)
        if self._options.batch and not by_now.inactive_keys.remediation:
            return Skip("remediation was switched off in the configuration meanwhile")
        if account_id not in self._remediated:
            return Skip("its account was taken out of the configuration's remediation_accounts meanwhile")
        return None

    # --- whether a key may be switched off ---

    def order(self, issue: Issue) -> tuple[object, ...]:
        """The longest idle first, and after them in turn what could not be switched off before.

        What failed longest ago is the first of these, so that every one is tried again, whatever ends a run.
        """
        failed = issue.remediation_error
        return failed is not None, failed and failed.time, issue.details.last_used, issue.issue_id

    def due(self, issue: Issue) -> datetime | None:
        """When a run like this may switch off a key that is not switched off; None if nobody knows yet."""
        times = issue.timestamps
        if issue.status is not Status.OPEN or times.remediated is not None:
            return None
        over = retention_over(issue, self._retention_days)
        if self._by_hand or over is None:
            return over
        return None if times.promised is None else max(over, times.promised)

    @property
    def _by_hand(self) -> bool:
        return not self._options.batch

    def judge(self, issue: Issue, now: datetime) -> Proceed | TellRemediated | Skip:
        """Open, reported, not exempted, its retention is over, and its account is scanned; or a run was cut off."""
        exemption = self._exemption(issue, issue.details.username, now)
        verdict = remediation_verdict(
            issue, self._retention_days, exemption=exemption, now=now, by_hand=self._by_hand
        )
        if isinstance(verdict, Finish):
            return Proceed(interrupted=True)
        if isinstance(verdict, Due):
            return self._against(issue.account_id, now) or Proceed(interrupted=False)
        return verdict

    def _against(self, account_id: str, now: datetime) -> Skip | None:
        """What speaks against every key of an account; a dry run shows what would be done without the file."""
        if not self._options.dry_run and is_stopped():
            return Skip(why_stopped())
        return self._freshness.against(account_id, now)

    def ready(self, issue: Issue, key: AccessKey | None, now: datetime) -> Ready | Skip:
        """The issue is due, and the key exists, is Active and idle, not exempted under its owner, and not our own."""
        verdict = self._due_or_not(issue, now)
        if isinstance(verdict, Skip):
            return verdict
        looked = second_look(
            issue,
            key,
            self._settings.inactive_keys.inactive_criteria_days,
            exemption=self._exemption(issue, key.user_name, now) if key is not None else None,
            own=key is not None and self._keys.is_own(issue.account_id, key),
            now=now,
        )
        if isinstance(looked, Skip):
            return looked
        tagged = exemption_by_tag(self._tags_now(issue, looked))
        if tagged is not None:
            return whitelisted(tagged)
        untold = "; nobody was told a date" if issue.timestamps.promised is None else ""
        return Ready(looked, f"due since {utc(verdict.since)}{untold}", verdict.since)

    def _tags_now(self, issue: Issue, key: AccessKey) -> Mapping[str, str] | None:
        """Those of the key's user at this moment: a scan reads them once a day. A call, for what may go off only."""
        try:
            return self._keys.tags_of_user(issue.account_id, key)
        except AwsCallFailed as error:
            what = "the tags of the key's user could not be read"
            raise NotSwitched(what, error, id=Message.KEY_NOT_LOOKED_AT) from error

    def _due_or_not(self, issue: Issue, now: datetime) -> Due | Skip:
        exemption = self._exemption(issue, issue.details.username, now)
        verdict = verdict_ignoring_intent(
            issue, self._retention_days, exemption=exemption, now=now, by_hand=self._by_hand
        )
        if isinstance(verdict, TellRemediated):
            return Skip("changed by somebody else meanwhile")
        against = self._against(issue.account_id, now) if isinstance(verdict, Due) else None
        return against or verdict

    def _exemption(self, issue: Issue, user_name: str, now: datetime) -> Exemption | None:
        tags = issue.details.tags
        return self._settings.whitelist.find(issue.account_id, user_name, issue.issue_id, now, tags)

    # --- what is recorded and said ---

    def why(self, ready: Ready, now: datetime) -> str:
        """How long the key is idle, since when it is due, and whether the operator was asked."""
        confirmed = "" if self._options.batch else ", confirmed by the operator"
        return f"idle for {days(idle_days(ready.key.idle_since, now))}, {ready.reason}{confirmed}"

    def why_completed(self, _issue: Issue) -> str:
        """An earlier run did it."""
        return "an earlier run was cut off; the key is off"

    def announce(self, issue: Issue, why: str, now: datetime) -> Step | Skip:
        """The intent, if the issue is still due."""
        verdict = self._due_or_not(issue, now)
        return switch_steps.about_to_switch_off(issue, why, now) if isinstance(verdict, Due) else verdict

    def withdraw(self, issue: Issue, intent: Outcome, why: str, now: datetime) -> Step | None:
        """The intent is taken back."""
        return switch_steps.not_switched_off(issue, why, now) if _has(issue, intent) else None

    def fail(self, issue: Issue, intent: Outcome, cause: str, now: datetime, *, certain: bool) -> Step | None:
        """The failure is recorded, and the intent is taken back if the key is known to be on."""
        return switch_steps.could_not_switch_off(issue, cause, now, stays_on=certain) if _has(issue, intent) else None

    def record(self, issue: Issue, why: str, now: datetime) -> Step:
        """The key is off."""
        return switch_steps.switched_off(issue, why, now, channels=self._channels)

    def news(self, issue: Issue, now: datetime) -> News:
        """On every channel that owes it: the key is off, and how to get it back."""
        owed = TellRemediated(jira=issue.jira.failed is not None, slack=issue.slack.failed is not None)
        return news.switched(issue, owed, wiring.terms(self._settings), now)

    def news_of_failure(self, issue: Issue, now: datetime) -> News:
        """On the ticket, once for each cause: the key could not be switched off."""
        return news.not_switched_off(issue, wiring.terms(self._settings), now)


def _has(issue: Issue, intent: Outcome) -> bool:
    announced = intent.after.timestamps.remediation_started if intent.after is not None else None
    return issue.timestamps.remediation_started == announced
