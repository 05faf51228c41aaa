"""What fails with one issue is said and counted, and ends nothing else."""

from __future__ import annotations

import logging
from collections import Counter

import pytest

from library.cli.one_by_one import by_itself
from library.errors import ConfigurationError, HammerError, LeaseLost
from library.messages import Message


@pytest.mark.parametrize(
    "error", [ValueError("odd"), KeyError("x"), RecursionError(), MemoryError(), OSError("full"), AssertionError()]
)
def test_a_mistake_of_ours_is_said_with_what_it_is_about_and_where_it_came_up(
    caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    counts: Counter[str] = Counter()
    with by_itself("account 1 key A", counts):
        raise error
    assert counts["failed"] == 1
    (line,) = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert line.startswith(f"E-RUN-01 account 1 key A: unexpected {error!r} in cli/test_one_by_one.py line ")


def test_an_error_of_ours_says_itself_what_it_is_about(caplog: pytest.LogCaptureFixture) -> None:
    counts: Counter[str] = Counter()
    with by_itself("account 1 key A", counts):
        raise HammerError("table 'x' has failed", id=Message.TABLE_FAILED)
    assert [record.getMessage() for record in caplog.records] == ["E-TABLE-01 table 'x' has failed"]
    assert counts["failed"] == 1


@pytest.mark.parametrize("error", [ConfigurationError([]), LeaseLost("lost"), KeyboardInterrupt()])
def test_what_ends_the_run_is_raised(error: BaseException) -> None:
    with pytest.raises(type(error)), by_itself("account 1 key A", Counter()):
        raise error
