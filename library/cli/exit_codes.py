"""What ends a command before its work is done: the exit code of each error, and what is said of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from library.aws.calls import AWS_ERRORS, unusable
from library.cli.codes import FAILED, INTERRUPTED, LOCKED, OK, USAGE
from library.errors import (
    AlreadyRunning,
    ConfigurationError,
    CredentialsError,
    CredentialsUnusable,
    HammerError,
    WrongOption,
)
from library.messages import Message, line
from library.text import unexpected

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["EXPECTED", "FAILED", "INTERRUPTED", "LOCKED", "OK", "USAGE", "told"]

EXPECTED = (HammerError, *AWS_ERRORS, OSError, KeyboardInterrupt)
"""What a command may end with; anything else is a mistake of ours, or of a library's."""


def told(error: BaseException, say: Callable[[str], None], *, interrupted: str) -> int:
    """Say what has ended a command, a line for each problem, and return the exit code.

    `interrupted` is what is said of Ctrl-C: how far the command has come, it alone knows.
    """
    match _in_our_words(error):
        case (ConfigurationError() | WrongOption()) as error:
            for problem in error.problems:
                say(line(error.id, str(problem)))
            return USAGE
        case (CredentialsError() | CredentialsUnusable()) as error:
            say(line(error.id, str(error)))
            return USAGE
        case AlreadyRunning() as error:
            say(line(error.id, str(error)))
            return LOCKED
        case HammerError() as error:
            say(line(error.id, str(error)))
            return FAILED
        case (ClientError() | BotoCoreError() | ResponseParserError()) as error:
            # botocore quotes an answer that it does not understand, line breaks included.
            say(line(Message.AWS_FAILED, " ".join(str(error).split())))
            return FAILED
        case OSError() as error:
            say(line(Message.FILE_OR_NETWORK, f"A file or the network is not usable: {error}"))
            return FAILED
        case KeyboardInterrupt():
            say(line(Message.INTERRUPTED, interrupted))
            return INTERRUPTED
        case _:
            say(line(Message.UNEXPECTED, unexpected(error)))
            return FAILED


def _in_our_words(error: BaseException) -> BaseException:
    """What all calls of this process would fail for, as every command says it; also of the configuration's."""
    cause = error.__cause__ if isinstance(error, ConfigurationError) else error
    return unusable(getattr(cause, "operation_name", "a call"), cause) or error
