"""What a run would be refused by JIRA, said with the plan of a dry run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from library import messages
from library.cli import wiring
from library.cli.logs import logger
from library.errors import HammerError
from library.messages import Message
from library.notifications.jira_look_ahead import obstacles
from library.notifications.news import RaiseTicket

if TYPE_CHECKING:
    from collections.abc import Iterable

    from library.config.settings import Config
    from library.notifications.news import News


def look_ahead(settings: Config, planned: Iterable[News]) -> None:
    """Ask JIRA about each project that a ticket is planned in, and warn of what it will refuse there."""
    projects = {news.on_ticket.new.project for news in planned if isinstance(news.on_ticket, RaiseTicket)} - {""}
    if not settings.jira.enabled or not projects:
        return
    try:
        calls = wiring.jira_calls(settings, wiring.credentials(settings))
        for project in sorted(projects):
            rules = wiring.ticket_rules(settings, project)
            for obstacle in obstacles(calls, project, rules):
                messages.warning(logger, Message.JIRA_WILL_REFUSE, f"JIRA: {obstacle}")
    except HammerError as error:
        messages.warning(logger, Message.JIRA_NOT_ASKED, f"JIRA was not asked what it will refuse: {error}")
