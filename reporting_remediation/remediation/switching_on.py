"""Switching keys on again: only what this system switched off, and in the name of the operator who wants it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from library.cli import wiring
from library.config.sources import CONFIG
from library.issues import switch_steps
from library.issues.decisions import Outcome, Skip, Step, Verdict
from library.issues.reporting import TellRemediated
from library.issues.switching import SwitchOn, restore_look, restore_verdict
from library.notifications import news
from library.text import utc
from remediation.switching import Proceed, Ready, Way

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from library.aws.key_switch import KeySwitch
    from library.config.settings import Config
    from library.issues.access_keys import AccessKey
    from library.issues.record import Issue
    from library.notifications.news import News
    from remediation.options import Options

ON = Way(
    name="on",
    status="Active",
    run="Restore",
    question="Switch this key on again?",
    listed_in="aws.accounts",
    since="off since",
    done=Verdict.SWITCHED_ON,
    planned=Verdict.WOULD_BE_SWITCHED_ON,
    alone=True,
)


class SwitchingOn:
    """The direction `on`, for the issues of every account that is known."""

    way = ON

    def __init__(self, settings: Config, options: Options, keys: KeySwitch, channels: Sequence[str]) -> None:
        self._settings = settings
        self._options = options
        self._keys = keys
        self._channels = channels

    @property
    def accounts(self) -> list[str]:
        """All of the configuration's accounts; without a usable one also those that the options name by their ids."""
        typed = self._options.selection.account_ids if CONFIG in self._settings.unusable else ()
        listed = (each.id for each in self._settings.remediation_accounts())
        return sorted({*self._settings.aws.accounts, *listed, *typed})

    @property
    def limit(self) -> int | None:
        """The option."""
        return self._options.limit

    def changed_meanwhile(self, _account_id: str) -> None:
        """Nothing in the configuration speaks against giving a key back."""

    # --- whether a key may be switched on ---

    def order(self, issue: Issue) -> tuple[object, ...]:
        """Account by account."""
        return issue.account_id, issue.issue_id

    def due(self, _issue: Issue) -> None:
        """A key may be switched on again at any time."""

    def judge(self, issue: Issue, _now: datetime) -> Proceed | TellRemediated | Skip:
        """Switched off by us and not on again since; or an earlier run was cut off."""
        verdict = restore_verdict(issue)
        return Proceed(interrupted=verdict.announced) if isinstance(verdict, SwitchOn) else verdict

    def ready(self, issue: Issue, key: AccessKey | None, _now: datetime) -> Ready | Skip:
        """The issue says when we switched the key off, and the key exists and is Inactive."""
        verdict, looked = _allowed(issue), restore_look(key)
        if isinstance(verdict, Skip):
            return verdict
        if isinstance(looked, Skip):
            return looked
        if verdict.off_since is None:
            return Skip("this system did not switch the key off")
        return Ready(looked, f"switched off at {utc(verdict.off_since)}", verdict.off_since)

    # --- what is recorded and said ---

    def why(self, _ready: Ready, _now: datetime) -> str:
        """Who wants it: the user or role that runs this command."""
        return f"wanted by {self._keys.identity}"

    def why_completed(self, issue: Issue) -> str:
        """An earlier run did it, in the name of who wanted it then."""
        return f"wanted by {self._who(issue)}; an earlier run was cut off, the key is on"

    def announce(self, issue: Issue, _why: str, now: datetime) -> Step | Skip:
        """The intent, if the issue still allows it."""
        verdict = _allowed(issue)
        return (
            verdict if isinstance(verdict, Skip) else switch_steps.about_to_switch_on(issue, self._keys.identity, now)
        )

    def withdraw(self, issue: Issue, intent: Outcome, why: str, now: datetime) -> Step | None:
        """The intent is taken back."""
        if intent.before is None or intent.after is None or issue.restore != intent.after.restore:
            return None
        return switch_steps.not_switched_on(issue, intent.before.restore, why, now)

    def fail(self, issue: Issue, intent: Outcome, cause: str, now: datetime, *, certain: bool) -> Step | None:
        """The intent is taken back if the key is known to be off."""
        # Where nobody knows whether the call took effect, the intent stays: the next run looks and completes it.
        return self.withdraw(issue, intent, cause, now) if certain else None

    def record(self, issue: Issue, why: str, now: datetime) -> Step:
        """The key is on."""
        return switch_steps.switched_on(issue, why, now, channels=self._channels)

    def news(self, issue: Issue, now: datetime) -> News:
        """On every channel: the key is on again, and who wanted it."""
        return news.switched_on(issue, self._who(issue), wiring.terms(self._settings), now)

    def news_of_failure(self, _issue: Issue, _now: datetime) -> None:
        """Nothing: the operator who wanted the key on sees that it is not."""

    def _who(self, issue: Issue) -> str:
        return issue.restore.by if issue.restore is not None else self._keys.identity


def _allowed(issue: Issue) -> SwitchOn | Skip:
    verdict = restore_verdict(issue)
    return Skip("changed by somebody else meanwhile") if isinstance(verdict, TellRemediated) else verdict
