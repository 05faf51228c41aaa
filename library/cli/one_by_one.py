"""Work on one issue after the other, where one that fails costs the others nothing."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from library import messages
from library.cli.logs import logger
from library.errors import AwsUnusable, ConfigurationError, HammerError, LeaseLost
from library.messages import Message
from library.text import unexpected

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator


@contextmanager
def by_itself(what: str, counts: Counter[str]) -> Iterator[None]:
    """Say at ERROR what fails in the block, count it as `failed`, and end nothing but the block.

    `what` is what the block is about, which errors of ours say themselves. What ends the whole run is raised:
    AwsUnusable, ConfigurationError, LeaseLost.
    """
    try:
        yield
    except (AwsUnusable, ConfigurationError, LeaseLost):
        raise
    except HammerError as error:
        counts["failed"] += 1
        messages.error(logger, error.id, str(error))
    except Exception as error:
        # A mistake of ours on one issue must not keep the others from their turn in every run.
        counts["failed"] += 1
        messages.error(logger, Message.UNEXPECTED, f"{what}: {unexpected(error)}")
