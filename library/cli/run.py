"""What the commands of the reporting and remediation host share: logging, the lock, the channels, how they fail."""

from __future__ import annotations

import logging
import os
import signal
import tempfile
import threading
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import watchtower
from botocore.config import Config as ClientConfig
from botocore.exceptions import BotoCoreError, ClientError
from filelock import FileLock, Timeout

from library.aws import organizations
from library.aws.issues_table import IssuesTable
from library.aws.secrets import fetch_credentials
from library.aws.sessions import CLIENT_CONFIG
from library.cli.terminal import FAILED, INTERRUPTED, LOCKED, USAGE, logging_to_standard_error
from library.config.checks import with_organization
from library.config.loading import load
from library.config.sources import log_group
from library.errors import ConfigurationError, CredentialsError, HammerError
from library.notifications.jira_calls import JiraCalls
from library.notifications.jira_tickets import JiraTickets
from library.notifications.notices import Notices
from library.notifications.slack_calls import SlackCalls
from library.notifications.slack_messages import SlackMessages

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Iterator

    from library.config.settings import Config
    from library.issues.record import Issue

LOG_FOLDER = Path("/var/log/hammer")

logger = logging.getLogger("hammer")


def run(stream: str, body: Callable[[Config], int], *, read_only: bool = False) -> int:
    """Run a command and return its exit code (0, 1, 2, 3, 130 as the README says).

    `stream` names the log stream and file. A `read_only` run changes nothing anywhere: it needs no lock, and sends
    no log stream.
    """
    with ExitStack() as stack:
        try:
            stack.enter_context(_logging(None if read_only else stream))
            try:
                settings = load()
            except ConfigurationError:
                if not read_only:
                    # Its log is where the alarm looks; the region is that of the environment, as no other is known.
                    stack.enter_context(_cloudwatch(stream, None))
                raise
            if not read_only:
                stack.enter_context(_lock())
                stack.enter_context(_cloudwatch(stream, settings.aws.region))
            for warning in settings.warnings:
                logger.warning(warning)
            if settings.aws.accounts_from_organization:
                session = boto3.Session(region_name=settings.aws.region)
                client = session.client("organizations", config=CLIENT_CONFIG)
                settings = with_organization(settings, organizations.active_accounts(client))
            return body(settings)
        except ConfigurationError as error:
            for problem in error.problems:
                logger.error(str(problem))
            return USAGE
        except CredentialsError as error:
            logger.error(str(error))
            return USAGE
        except Timeout as error:
            logger.error(
                "Another reporting, remediation or restore is running (lock %s); try again later", error.lock_file
            )
            return LOCKED
        except HammerError as error:
            logger.error(str(error))
            return FAILED
        except (ClientError, BotoCoreError) as error:
            logger.error("AWS: %s", error)
            return FAILED
        except OSError as error:
            logger.error("A file or the network is not usable: %s", error)
            return FAILED
        except KeyboardInterrupt:
            logger.error("Interrupted; what was done until now is recorded")
            return INTERRUPTED


def issues_table(settings: Config) -> IssuesTable:
    """The table of the main account, with this process's own credentials."""
    session = boto3.Session(region_name=settings.aws.region)
    return IssuesTable(session.client("dynamodb", config=CLIENT_CONFIG), settings.inactive_keys.table_name)


def read_issues(table: IssuesTable, account_id: str, counts: Counter[str]) -> list[Issue]:
    """Every readable issue of an account; what cannot be read is logged, counted as `failed`, and stops nothing."""

    def complain(error: HammerError) -> None:
        counts["failed"] += 1
        logger.error("%s", error)

    try:
        return list(table.of_account(account_id, complain))
    except HammerError as error:
        complain(error)
        return []


def notices(settings: Config, table: IssuesTable) -> Notices:
    """The enabled channels, with their credentials from the secret; nothing is fetched if none is enabled.

    Raises CredentialsError if the secret lacks what an enabled channel needs.
    """
    jira = slack = None
    if settings.jira.enabled or settings.slack.enabled:
        session = boto3.Session(region_name=settings.aws.region)
        credentials = fetch_credentials(
            session.client("secretsmanager", config=CLIENT_CONFIG),
            settings.credentials_secret,
            jira=settings.jira.enabled,
            slack=settings.slack.enabled,
        )
        if credentials.jira is not None:
            jira = JiraTickets(
                JiraCalls(
                    server=settings.jira.server,
                    credentials=credentials.jira,
                    ca_bundle=settings.jira.ca_bundle,
                ),
                issue_type=settings.jira.issue_type,
                priority=settings.jira.priority,
                close_transitions=settings.jira.close_transitions,
            )
        if credentials.slack_token is not None:
            slack = SlackMessages(SlackCalls(token=credentials.slack_token, base_url=settings.slack.base_url))
    return Notices(settings, table, jira, slack)


def log_decision(account_id: str, user: str, key: str, verdict: str, reason: str) -> None:
    """The one line at INFO that every decision on a key gets."""
    logger.info("account=%s user=%s key=%s verdict=%s reason=%s", account_id, user, key, verdict, reason)


@contextmanager
def stoppable() -> Iterator[threading.Event]:
    """Hold Ctrl-C and SIGTERM back: they set the event, at which the block is to finish what it has in hand.

    Raises KeyboardInterrupt once the block is done, if one came. A second one ends the process at once.
    """
    asked = threading.Event()

    def ask(_number: int, _frame: object) -> None:
        asked.set()
        for each in before:
            signal.signal(each, signal.SIG_DFL)
        # Past logging and the buffer of standard error: the signal may have come in the middle of either.
        os.write(2, b"Stopping: what is in hand is finished first; once more stops at once\n")

    before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    for each in before:
        signal.signal(each, ask)
    try:
        yield asked
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
    if asked.is_set():
        raise KeyboardInterrupt


def _logging(stream: str | None) -> AbstractContextManager[None]:
    if stream is not None and LOG_FOLDER.is_dir() and os.access(LOG_FOLDER, os.W_OK):
        return logging_to_standard_error(logging.FileHandler(LOG_FOLDER / f"{stream}.log", encoding="utf-8"))
    return logging_to_standard_error()


@contextmanager
def _cloudwatch(stream: str, region: str | None) -> Iterator[None]:
    group = log_group()
    if group is None:
        yield
        return
    # Short limits: a CloudWatch that cannot be reached must not hold up the work.
    limits = ClientConfig(connect_timeout=3, read_timeout=5, retries={"total_max_attempts": 2})
    try:
        handler = watchtower.CloudWatchLogHandler(
            log_group_name=group,
            log_stream_name=stream,
            boto3_client=boto3.Session(region_name=region).client("logs", config=limits),
        )
    except (ClientError, BotoCoreError, watchtower.WatchtowerError) as error:
        logger.warning("CloudWatch Logs cannot be reached, this run is logged here only: %s", error)
        yield
        return
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
        handler.flush()  # type: ignore[no-untyped-call]
        handler.close()  # type: ignore[no-untyped-call]


@contextmanager
def _lock() -> Iterator[None]:
    # The variable is for tests: whatever else runs on the machine must neither hold them up nor be held up by them.
    folder = os.environ.get("HAMMER_LOCK_FOLDER") or next(
        (f for f in ("/run/lock", tempfile.gettempdir()) if os.access(f, os.W_OK)), tempfile.gettempdir()
    )
    with FileLock(Path(folder) / "hammer-reporting-remediation.lock", timeout=0):
        yield
