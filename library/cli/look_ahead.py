"""What JIRA and Slack would refuse, asked beforehand for a plan or a whole configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from library.cli import wiring
from library.errors import HammerError
from library.messages import Message
from library.notifications import jira_look_ahead, slack_look_ahead

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from library.config.settings import Config


def look_ahead(
    settings: Config, projects: Collection[str], recipients: Collection[str]
) -> Iterator[tuple[Message, str]]:
    """Each thing that an enabled channel would refuse, with what mends it, or that it could not be asked.

    JIRA is asked about tickets in these `projects`, Slack about messages to these `recipients`.
    """
    if settings.jira.enabled and projects:
        yield from _of_jira(settings, projects)
    if settings.slack.enabled and recipients:
        try:
            calls = wiring.slack_calls(settings, wiring.credentials(settings))
            for obstacle in slack_look_ahead.obstacles(calls, recipients):
                yield Message.SLACK_WILL_REFUSE, f"Slack: {obstacle}"
        except HammerError as error:
            yield Message.SLACK_NOT_ASKED, f"Slack was not asked what it will refuse: {error}"


def _of_jira(settings: Config, projects: Collection[str]) -> Iterator[tuple[Message, str]]:
    """Each project is asked by itself; one cause is said once, with those that it has kept from being asked."""
    not_asked: dict[str, list[str]] = {}
    try:
        calls = wiring.jira_calls(settings, wiring.credentials(settings))
    except HammerError as error:
        yield Message.JIRA_NOT_ASKED, f"JIRA was not asked what it will refuse: {error}"
        return
    for project in sorted(projects):
        try:
            for obstacle in jira_look_ahead.obstacles(calls, project, wiring.ticket_rules(settings, project)):
                yield Message.JIRA_WILL_REFUSE, f"JIRA: {obstacle}"
        except HammerError as error:
            cause = next(reversed(not_asked), "") if error.id is Message.JIRA_GIVEN_UP else ""
            not_asked.setdefault(cause or str(error), []).append(project)
    for cause, met in not_asked.items():
        yield Message.JIRA_NOT_ASKED, f"JIRA was not asked what it will refuse in {', '.join(met)}: {cause}"
