"""Puts together what a command works with: the issues table, the channels and the accounts of the configuration.

All of it uses this process's own AWS credentials, in the region of the configuration.
"""

from __future__ import annotations

import getpass
import os
import socket
from dataclasses import fields, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from library import messages
from library.aws import organizations
from library.aws.caller import signed_in
from library.aws.issues_table import IssuesTable
from library.aws.lease import LIMITS, Holder, Lease
from library.aws.secrets import fetch_credentials
from library.aws.sessions import CLIENT_CONFIG, FIRST_CALL, AccountAccess
from library.aws.state_table import StateTable, state_table_name
from library.aws_clients import Session
from library.cli.logs import logger
from library.cli.one_by_one import by_itself
from library.config import checks
from library.config.sources import CONFIG, host_region
from library.errors import ConfigurationError, HammerError
from library.issues.deliveries import JIRA, SLACK
from library.messages import Message
from library.notifications.jira_calls import JiraCalls, address_for_people
from library.notifications.jira_rules import TicketRules
from library.notifications.jira_tickets import JiraTickets
from library.notifications.notices import Notices
from library.notifications.slack_calls import SlackCalls
from library.notifications.slack_messages import SlackMessages
from library.notifications.terms import Terms

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Iterable

    from library.aws.secrets import Credentials
    from library.config.settings import Config
    from library.issues.record import Issue


def with_organization(settings: Config) -> Config:
    """The configuration with the organization's accounts, if it wants them.

    Raises AccessDenied or AwsCallFailed if they cannot be listed, AwsUnusable as `reach` does.
    """
    if not settings.aws.accounts_from_organization:
        return settings
    reach(settings)
    client = Session(region_name=settings.aws.region).client("organizations", config=CLIENT_CONFIG)
    return checks.with_organization(settings, organizations.active_accounts(client))


def with_what_is_left(settings: Config) -> Config:
    """For a way back without a usable config.json: the account and region of the credentials where it names none.

    Warns of what is used instead. Raises as `signed_in`.
    """
    problem = settings.unusable.get(CONFIG)
    if problem is None:
        return settings
    aws = settings.aws
    session, own = signed_in(aws.region or host_region() or "")
    main = aws.main_account_id or own.account
    accounts = {main: "", **aws.accounts}
    aws = replace(aws, region=str(session.region_name), main_account_id=main, accounts=accounts)
    found = f"the table {settings.inactive_keys.table_name!r} in {aws.region} and the accounts {', '.join(accounts)}"
    said = (
        f"{problem}; {found} are used, which is what is left of it, config.ini, the environment and the defaults. "
        "Name another account by its id with --account"
    )
    messages.warning(logger, Message.CONFIGURATION_DOUBTFUL, said)
    return replace(settings, aws=aws)


def account_access(settings: Config) -> AccountAccess:
    """How this host gets into the accounts whose keys it switches."""
    aws = settings.aws
    return AccountAccess(
        aws.region, aws.partition, aws.main_account_id, aws.role_name_reporting, aws.external_id, aws.role_path
    )


def issues_table(settings: Config) -> IssuesTable:
    """The issues table of the main account; raises AwsUnusable as `reach` does."""
    reach(settings)
    client = Session(region_name=settings.aws.region).client("dynamodb", config=CLIENT_CONFIG)
    return IssuesTable(client, settings.inactive_keys.table_name)


def reach(settings: Config) -> None:
    """Ask the issues table once, with little patience, so that what holds for all accounts is said once and soon.

    Raises AwsUnusable if no account's issues can be had.
    """
    client = Session(region_name=settings.aws.region).client("dynamodb", config=FIRST_CALL)
    IssuesTable(client, settings.inactive_keys.table_name).reach()


def state_table(settings: Config) -> StateTable:
    """What is known of each account as a whole."""
    client = Session(region_name=settings.aws.region).client("dynamodb", config=CLIENT_CONFIG)
    odd = partial(messages.error, logger, Message.STATE_NOT_UNDERSTOOD)
    return StateTable(client, state_table_name(settings.inactive_keys.table_name), odd)


def lease(settings: Config, command: str) -> Lease:
    """The lease of a run of a command, which is not taken yet; raises AwsUnusable as `reach` does."""
    reach(settings)
    client = Session(region_name=settings.aws.region).client("dynamodb", config=CLIENT_CONFIG.merge(LIMITS))
    holder = Holder(command, _user(), socket.gethostname(), os.getpid(), datetime.now(UTC))
    return Lease(client, state_table_name(settings.inactive_keys.table_name), holder)


def _user() -> str:
    """Who runs this process, also behind sudo."""
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):
        # A user without a name, as in a container.
        return f"user {os.getuid()}"


def read_issues(
    table: IssuesTable, accounts: Iterable[str], counts: Counter[str], *, with_archive: bool = False
) -> list[Issue]:
    """Every readable issue of these accounts, in the table's order, those that are archived only if wanted.

    What cannot be read is logged, counted as `failed`, and stops nothing.
    """
    found: list[Issue] = []

    def complain(error: HammerError) -> None:
        counts["failed"] += 1
        messages.error(logger, error.id, str(error))

    for account_id in accounts:
        with by_itself(f"account {account_id}", counts):
            # All of an account or, if it fails on the way, none of it.
            found += list(table.of_account(account_id, complain, with_archive=with_archive))
    return found


def credentials(settings: Config) -> Credentials:
    """What the enabled channels log in with, from the secret; nothing is fetched if none is enabled.

    Warns of a token that may be sent to any server. Raises CredentialsError if the secret lacks what an enabled
    channel needs, or has it for another server than the configuration names.
    """
    client = Session(region_name=settings.aws.region).client("secretsmanager", config=CLIENT_CONFIG)
    name = settings.credentials_secret
    given = fetch_credentials(client, name, **token_addresses(settings))
    if given.for_any_server:
        said = (
            f"Secret '{name}' does not say for which server its entries are ({', '.join(given.for_any_server)}): who "
            "may write the configuration decides who gets them. make put-credentials stores them with their servers"
        )
        messages.warning(logger, Message.TOKEN_FOR_ANY_SERVER, said)
    return given


def token_addresses(settings: Config) -> dict[str, str | None]:
    """Where the tokens of JIRA and Slack are sent, by the entry of the secret; None for what is not enabled."""
    return {
        "jira": settings.jira.server if settings.jira.enabled else None,
        "slack": settings.slack.base_url if settings.slack.enabled else None,
    }


def channels(settings: Config) -> tuple[str, ...]:
    """The channels that are enabled, which are owed what happens."""
    return (*([JIRA] if settings.jira.enabled else []), *([SLACK] if settings.slack.enabled else []))


def notices(settings: Config, table: IssuesTable, missing: Callable[[str, str], None]) -> Notices:
    """The enabled channels; `missing` is told the key of a ticket, and what it is without, as in `The ticket …`.

    Raises CredentialsError if the secret lacks what one of them needs, and ConfigurationError if a file cannot be
    used that says who is told, or of what.
    """
    if settings.unusable:
        raise ConfigurationError(list(dict.fromkeys(settings.unusable.values())))
    given = credentials(settings)
    jira = slack = None
    if given.jira is not None:
        jira = JiraTickets(jira_calls(settings, given), ticket_rules(settings), settings.jira.projects, missing)
    if given.slack_token is not None:
        slack = SlackMessages(slack_calls(settings, given))
    return Notices(table, jira, slack)


def jira_calls(settings: Config, given: Credentials) -> JiraCalls:
    """Calls to the JIRA of the configuration; nobody is contacted yet."""
    return JiraCalls(
        server=settings.jira.server,
        credentials=given.jira or {},
        ca_bundle=settings.jira.ca_bundle,
        browse_url=settings.jira.browse_url,
    )


def slack_calls(settings: Config, given: Credentials) -> SlackCalls:
    """Calls to the Slack of the configuration; nobody is contacted yet."""
    slack = settings.slack
    return SlackCalls(token=given.slack_token or "", base_url=slack.base_url, team_id=slack.team_id)


def ticket_rules(settings: Config, project: str = "") -> TicketRules:
    """How tickets are raised and closed in a project, or where no project of its own says otherwise."""
    rules = TicketRules(**{each.name: getattr(settings.jira, each.name) for each in fields(TicketRules)})
    return replace(rules, **settings.jira.projects.get(project, {}))


def terms(settings: Config) -> Terms:
    """What the configuration says of what people are told, and whom."""
    inactive_keys = settings.inactive_keys
    remediated = settings.remediation_accounts() if inactive_keys.remediation else ()
    default = settings.owners.default
    over_slack = default.slack_owner if settings.slack.enabled else ()
    return Terms(
        owners=settings.owners,
        criteria_days=inactive_keys.inactive_criteria_days,
        retention_days=inactive_keys.remediation_retention_period,
        jira=settings.jira.enabled,
        slack=settings.slack.enabled,
        account_names=settings.aws.accounts,
        remediated_accounts=frozenset(account.id for account in remediated),
        reminder_days=inactive_keys.reminder_days_before_remediation,
        always_told=default.slack_owner if settings.slack.notify_default_owner else (),
        jira_server=settings.jira.browse_url or address_for_people(settings.jira.server),
        whitelisting_url=settings.whitelisting_procedure_url,
        default_owners=over_slack or tuple(filter(None, (default.jira_owner,))),
    )
