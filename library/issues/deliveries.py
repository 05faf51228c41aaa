"""What the channels did not take, and what an issue records as still owed for it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from library.messages import Message
from library.text import listed

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import datetime

    from library.issues.record import Issue

JIRA, SLACK = "JIRA", "Slack"


@dataclass(frozen=True, slots=True)
class Failure:
    """A channel that did not take what it was given, the cause as one sentence, and the id of its message.

    `recipients` are those of Slack who did not get it, empty where the cause is about none of them. Where they
    `alone` did not, nobody else is owed it.
    """

    channel: str
    cause: str
    id: Message = Message.UNEXPECTED
    recipients: tuple[str, ...] = ()
    alone: bool = False

    @property
    def said(self) -> str:
        """What failed, for whom and why, in one sentence."""
        if not self.recipients:
            return self.cause
        who = listed(self.recipients)
        return (
            f"{who} did not get the message: {self.cause}"
            if self.alone
            else f"nobody got the message ({who}: {self.cause})"
        )

    def with_more(self, others: Iterable[Failure]) -> Failure:
        """The same cause, met by the recipients of `others`, too."""
        met = [self, *others]
        recipients = dict.fromkeys(each for failure in met for each in failure.recipients)
        about_all = not all(failure.recipients for failure in met)
        return replace(
            self, recipients=() if about_all else tuple(recipients), alone=any(failure.alone for failure in met)
        )


def owing(issue: Issue, channels: Collection[str], now: datetime, alone: Collection[str] = ()) -> Issue:
    """The issue with what these channels are owed: since `now` (UTC), or since before.

    `alone` are those over Slack who are owed it, empty if everybody is. Where everybody was, everybody still is.
    """
    jira, slack = issue.jira, issue.slack
    everybody = slack.failed is not None and not slack.owed
    return replace(
        issue,
        jira=replace(jira, failed=jira.failed or now) if JIRA in channels else jira,
        slack=replace(slack, failed=slack.failed or now, owed=() if everybody else tuple(alone))
        if SLACK in channels
        else slack,
    )


def owed_alone(failures: Iterable[Failure]) -> tuple[str, ...]:
    """The recipients over Slack who alone are owed what failed; empty if everybody is."""
    over_slack = [failure for failure in failures if failure.channel == SLACK]
    if not all(failure.alone for failure in over_slack):
        return ()
    return tuple(recipient for failure in over_slack for recipient in failure.recipients)


def owing_for(issue: Issue, failures: Collection[Failure], now: datetime) -> Issue:
    """The issue with what these failures leave owed."""
    return owing(issue, [failure.channel for failure in failures], now, owed_alone(failures))
