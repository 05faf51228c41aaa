"""A run of a command of the reporting and remediation host, from its beginning to its exit code."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

from library import messages
from library.cli import exit_codes, wiring
from library.cli.aws_options import refuse_another_region
from library.cli.cloudwatch import logging_to_cloudwatch
from library.cli.deadline import ended_in_time
from library.cli.logs import log_files, logger, logging_to, logging_to_standard_error
from library.cli.signals import ended_by_the_third
from library.cli.stop_file import is_stopped, why_stopped
from library.config.loading import load
from library.config.sources import CONFIG, host_region, log_group
from library.errors import AwsCallFailed, ConfigurationError, HammerError
from library.messages import Message

if TYPE_CHECKING:
    from collections.abc import Iterator

    from library.config.settings import Config

Hold = Callable[[], None]
"""To be called before each key or issue that is changed; raises LeaseLost if another run may be at work by now."""


def run(
    stream: str,
    body: Callable[[Config], int],
    *,
    read_only: bool = False,
    alone: bool = False,
    way_back: bool = False,
    command: str = "",
) -> int:
    """Run a command and return its exit code (0, 1, 2, 3, 130 as deployment/REFERENCE.md says).

    `stream` names the log stream and file. A `read_only` run changes nothing anywhere, and sends no log stream. A
    run that stands `alone` needs no more of the configuration than config.json, a `way_back` not even that. Whatever
    ends the run is said at ERROR; one that was brought to its end has a closing line, in which it is called `command`
    (if not as the stream).
    """
    with ExitStack() as stack:
        stack.enter_context(logging_to_standard_error())
        time_is_over = stack.enter_context(ended_in_time())
        logs = _Logs(stack, stream, read_only=read_only)
        try:
            stack.enter_context(ended_by_the_third())
            logs.to_file()
            settings = wiring.with_what_is_left(load(alone=alone, way_back=way_back))
            refuse_another_region(settings.aws.region)
            with suppress(*([ConfigurationError] if way_back else [])):
                logs.to_cloudwatch(settings.aws.region)
            if CONFIG not in settings.unusable:
                logger.info(settings.in_force)
            settings = _with_organization(settings, alone=alone or way_back)
            for warning in settings.warnings:
                messages.warning(logger, Message.CONFIGURATION_DOUBTFUL, warning)
            if is_stopped():
                messages.warning(logger, Message.STOPPED_BY_HAND, why_stopped())
            code = body(settings)
        except BaseException as error:
            # The alarm looks there. Without a configuration only config.ini or the environment says in which region.
            with suppress(ConfigurationError):
                logs.to_cloudwatch(host_region())
            if time_is_over.is_set() and isinstance(error, KeyboardInterrupt):
                return exit_codes.FAILED
            return exit_codes.told(
                error, logger.error, interrupted="Interrupted; what was done until now is recorded"
            )
        if not read_only:
            logger.info(closing_line(command or stream, code, settings))
        return code


def closing_line(command: str, code: int, settings: Config) -> str:
    """What is said once of each run that came to its end; the alarms of a silent host count it, word by word."""
    keys, known = settings.inactive_keys, CONFIG not in settings.unusable
    reporting, remediation = (
        ("on" if each else "off") if known else "unknown" for each in (keys.reporting, keys.remediation)
    )
    return f"Run of {command} ended with {code}, reporting={reporting} remediation={remediation}"


class _Logs:
    """Where a run logs to, until the stack is closed; a run that is `read_only` only to standard error."""

    def __init__(self, stack: ExitStack, stream: str, *, read_only: bool) -> None:
        self._stack = stack
        self._stream = stream
        self._wanted = not read_only

    def to_file(self) -> None:
        """To the file as well; raises OSError if its folder may be written to, but not the file."""
        if self._wanted:
            self._stack.enter_context(logging_to(*log_files(self._stream)))

    def to_cloudwatch(self, region: str | None) -> None:
        """To CloudWatch as well, as far as config.ini names a group; tried once."""
        if self._wanted:
            self._wanted = False
            self._stack.enter_context(logging_to_cloudwatch(log_group(), self._stream, region))


def run_with_lease(stream: str, body: Callable[[Config, Hold], int], *, dry_run: bool) -> int:
    """As `run`, for what may change something: no two such runs work at once, on any host; a dry run needs none.

    Ends with exit code 3 if another one is at work, with 1 if the state table cannot be written.
    """
    if dry_run:
        return run(stream, lambda settings: body(settings, _nothing), read_only=True)

    def alone_at_work(settings: Config) -> int:
        with _leased(settings, stream) as hold:
            return body(settings, hold)

    return run(stream, alone_at_work)


def _nothing() -> None:
    """What changes nothing needs no lease."""


@contextmanager
def _leased(settings: Config, stream: str) -> Iterator[Hold]:
    lease = wiring.lease(settings, stream)
    lease.take()
    try:
        with lease.kept():
            yield lease.hold
    finally:
        try:
            lease.give_back()
        except AwsCallFailed as error:
            text = f"The lease could not be given back, and is over by itself within five minutes: {error}"
            messages.warning(logger, Message.LEASE_NOT_GIVEN_BACK, text)


def _with_organization(settings: Config, *, alone: bool) -> Config:
    try:
        return wiring.with_organization(settings)
    except HammerError as error:
        if not alone:
            raise
        messages.error(logger, error.id, f"{error}; the accounts that aws.accounts names are those looked at")
        return settings
