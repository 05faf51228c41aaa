"""When a service that fails is given up for the rest of a run."""

from __future__ import annotations

import time

from library.notifications.patience import FAILURES_IN_A_ROW, Patience


def fail(patience: Patience, times: int) -> None:
    for number in range(times):
        patience.failed(time.monotonic(), f"failure {number + 1}")


def test_a_service_is_given_up_after_three_failures_in_a_row_because_of_the_last() -> None:
    patience = Patience()
    fail(patience, 2)
    assert patience.given_up == ""
    fail(patience, 1)
    assert patience.given_up == "failure 1"
    assert FAILURES_IN_A_ROW == 3


def test_an_answer_in_between_begins_the_count_again() -> None:
    patience = Patience()
    fail(patience, 2)
    patience.answered()
    fail(patience, 2)
    assert patience.given_up == ""


def test_failures_of_calls_that_began_before_the_last_failure_count_once() -> None:
    patience = Patience()
    began = time.monotonic()
    for _ in range(9):
        patience.failed(began, "down")
    fail(patience, 1)
    assert patience.given_up == ""
    fail(patience, 1)
    assert patience.given_up == "failure 1"


def test_a_service_that_was_given_up_stays_so_for_the_run() -> None:
    patience = Patience()
    patience.give_up("it does not accept the credentials")
    patience.answered()
    assert patience.given_up == "it does not accept the credentials"
