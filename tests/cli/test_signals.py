"""Ctrl-C and SIGTERM, sent to this very process: what is begun is finished, and nothing after it is begun."""

from __future__ import annotations

import logging
import os
import signal
from typing import TYPE_CHECKING

import pytest

from library.cli.signals import stoppable, stoppable_between_keys, uninterrupted

if TYPE_CHECKING:
    from collections.abc import Iterator

BOTH = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])


STOPPING = "Stopping: what is in hand is finished first; the third signal stops at once\n"


def send(number: int) -> None:
    """Send a signal to this process, which gets it before the next line."""
    os.kill(os.getpid(), number)


@pytest.fixture(autouse=True)
def handlers_are_put_back() -> Iterator[None]:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    yield
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


# --- uninterrupted: the key in hand ---


@BOTH
def test_a_key_in_hand_is_finished_before_the_command_stops(number: int, caplog: pytest.LogCaptureFixture) -> None:
    done = []

    def work() -> None:
        with uninterrupted():
            done.append("announced")
            send(number)
            done.append("switched")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["announced", "switched"]
    assert caplog.messages == ["W-RUN-05 Stopping as soon as this key is finished and recorded"]


def test_a_signal_that_comes_again_does_not_break_off_the_key_in_hand() -> None:
    done = []

    def work() -> None:
        with uninterrupted():
            for _ in range(3):
                send(signal.SIGINT)
                send(signal.SIGTERM)
            done.append("recorded")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["recorded"]


def test_what_goes_wrong_with_the_key_in_hand_is_not_hidden_by_a_signal() -> None:
    def work() -> None:
        with uninterrupted():
            send(signal.SIGINT)
            raise ValueError("went wrong")

    with pytest.raises(ValueError, match="went wrong"):
        work()


def test_without_a_signal_the_next_key_follows() -> None:
    done = []
    for key in ("first", "second"):
        with uninterrupted():
            done.append(key)
    assert done == ["first", "second"]


# --- stoppable_between_keys: the rest of the time ---


@BOTH
def test_between_two_keys_both_signals_end_the_command_at_once(number: int) -> None:
    done = []

    def work() -> None:
        with stoppable_between_keys():
            done.append("first")
            send(number)
            done.append("second")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["first"]


@BOTH
def test_between_two_keys_holds_again_after_a_key_was_in_hand(number: int) -> None:
    done = []

    def work() -> None:
        with stoppable_between_keys():
            with uninterrupted():
                done.append("first")
            send(number)
            done.append("second")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["first"]


@BOTH
def test_a_signal_for_a_key_in_hand_ends_the_command_after_it(number: int) -> None:
    done = []

    def work() -> None:
        with stoppable_between_keys():
            with uninterrupted():
                send(number)
                done.append("first")
            done.append("second")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["first"]


# --- stoppable: several issues in hand at the same time ---


@BOTH
def test_a_signal_sets_the_event_and_the_block_goes_on_to_its_end(
    number: int, capfd: pytest.CaptureFixture[str]
) -> None:
    done = []

    def work() -> None:
        with stoppable() as stop:
            assert not stop.is_set()
            send(number)
            assert stop.is_set()
            done.append("what was begun")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["what was begun"]
    assert capfd.readouterr().err == STOPPING


@BOTH
def test_a_second_signal_does_not_break_off_what_was_begun(number: int, capfd: pytest.CaptureFixture[str]) -> None:
    done = []

    def work() -> None:
        with stoppable():
            send(number)
            send(number)
            done.append("what was begun")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["what was begun"]
    assert capfd.readouterr().err == STOPPING


def test_without_a_signal_nothing_is_raised(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with stoppable() as stop:
        pass
    assert not stop.is_set()
    assert caplog.messages == []


def test_what_goes_wrong_in_the_block_is_not_hidden_by_a_signal(capfd: pytest.CaptureFixture[str]) -> None:
    def work() -> None:
        with stoppable():
            send(signal.SIGTERM)
            raise ValueError("went wrong")

    with pytest.raises(ValueError, match="went wrong"):
        work()
