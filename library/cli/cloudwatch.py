"""Sends the log of a run on the host to CloudWatch Logs, where the alarms look."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

import watchtower
from botocore.config import Config as ClientConfig
from botocore.exceptions import BotoCoreError, ClientError

from library import messages
from library.aws_clients import Session
from library.cli.logs import OneLine, logger
from library.messages import Message
from library.text import unexpected

if TYPE_CHECKING:
    from collections.abc import Iterator

# Short limits: a CloudWatch that cannot be reached must not hold up the work.
_LIMITS = ClientConfig(connect_timeout=3, read_timeout=5, retries={"total_max_attempts": 2})


@contextmanager
def logging_to_cloudwatch(group: str | None, stream: str, region: str | None) -> Iterator[None]:
    """Send the log lines of the block to this log stream; nowhere without a group.

    Without a `region`, that of the environment is used. If CloudWatch cannot be reached, the run goes on with a
    warning.
    """
    handler = _handler(group, stream, region) if group else None
    if handler is None:
        yield
        return
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
        try:
            handler.flush()  # type: ignore[no-untyped-call]
            handler.close()  # type: ignore[no-untyped-call]
        except Exception as error:
            _say_that_logs_stay_here(error)


def _handler(group: str, stream: str, region: str | None) -> watchtower.CloudWatchLogHandler | None:
    try:
        handler = watchtower.CloudWatchLogHandler(
            log_group_name=group,
            log_stream_name=stream,
            boto3_client=Session(region_name=region).client("logs", config=_LIMITS),
        )
    except Exception as error:
        # Whatever it is: the log must not keep a run from its work.
        _say_that_logs_stay_here(error)
        return None
    handler.setFormatter(OneLine("%(levelname)s %(message)s"))
    return handler


def _say_that_logs_stay_here(error: Exception) -> None:
    expected = isinstance(error, (ClientError, BotoCoreError, watchtower.WatchtowerError))
    said = error if expected else unexpected(error)
    messages.warning(
        logger, Message.LOGS_STAY_HERE, f"CloudWatch Logs cannot be reached, this run is logged here only: {said}"
    )
