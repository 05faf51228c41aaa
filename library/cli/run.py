"""A run of a command of the reporting and remediation host, from its beginning to its exit code."""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from library import messages
from library.cli import exit_codes, wiring
from library.cli.cloudwatch import logging_to_cloudwatch
from library.cli.logs import log_files, logger, logging_to_standard_error
from library.config.loading import load
from library.config.sources import log_group
from library.errors import AlreadyRunning, ConfigurationError, HammerError
from library.messages import Message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from library.config.settings import Config


def run(stream: str, body: Callable[[Config], int], *, read_only: bool = False, alone: bool = False) -> int:
    """Run a command and return its exit code (0, 1, 2, 3, 130 as the README says).

    `stream` names the log stream and file. A `read_only` run changes nothing anywhere: it needs no lock, and sends
    no log stream. A run that stands `alone` needs no lock either, nor more of the configuration than config.json.
    """
    with ExitStack() as stack:
        try:
            stack.enter_context(logging_to_standard_error(*([] if read_only else log_files(stream))))
            settings = load(alone=alone) if read_only else _logged(stream, stack, alone=alone)
            settings = _with_organization(settings, alone=alone)
            for warning in settings.warnings:
                messages.warning(logger, Message.CONFIGURATION_DOUBTFUL, warning)
            return body(settings)
        except exit_codes.EXPECTED as error:
            return exit_codes.told(
                error, logger.error, interrupted="Interrupted; what was done until now is recorded"
            )


def _logged(stream: str, stack: ExitStack, *, alone: bool) -> Config:
    """The configuration; until the stack is closed, this run logs to CloudWatch and, unless alone, has the lock."""
    try:
        settings = load(alone=alone)
    except ConfigurationError:
        # Its log is where the alarm looks; the region is that of the environment, as no other is known.
        stack.enter_context(logging_to_cloudwatch(log_group(), stream, None))
        raise
    if not alone:
        stack.enter_context(lock())
    stack.enter_context(logging_to_cloudwatch(log_group(), stream, settings.aws.region))
    return settings


def _with_organization(settings: Config, *, alone: bool) -> Config:
    try:
        return wiring.with_organization(settings)
    except HammerError as error:
        if not alone:
            raise
        messages.error(logger, error.id, f"{error}; the accounts that aws.accounts names are those looked at")
        return settings


@contextmanager
def lock() -> Iterator[None]:
    """Keep every other run that changes something out; raises AlreadyRunning if one is going on.

    The lock ends with its process, however that ends.
    """
    # The variable is for tests: whatever else runs on the machine must neither hold them up nor be held up by them.
    folder = os.environ.get("HAMMER_LOCK_FOLDER") or next(
        (f for f in ("/run/lock", tempfile.gettempdir()) if os.access(f, os.W_OK)), tempfile.gettempdir()
    )
    try:
        held = FileLock(Path(folder) / "hammer-reporting-remediation.lock", timeout=0).acquire()
    except Timeout as error:
        raise AlreadyRunning(
            f"Another reporting or remediation is running (lock {error.lock_file}); try again later"
        ) from error
    with held:
        yield
