"""Whatever people, time and trouble do: no key goes dark that must not, and nothing is lost."""

from __future__ import annotations

from hypothesis.stateful import run_state_machine_as_test

from tests.simulation.machine import Timelines, profile

TIMELINES = 70


def test_no_timeline_switches_off_what_is_protected_or_loses_an_issue() -> None:
    # Always the same ones; `python -m tests.simulation` plays as many others as one likes.
    run_state_machine_as_test(Timelines, settings=profile(TIMELINES, always_the_same=True))
