"""Whatever people, time and trouble do: no key goes dark that must not, and nothing is lost."""

from __future__ import annotations

import pytest
from hypothesis.stateful import run_state_machine_as_test

from tests.simulation.machine import Timelines, profile
from tests.simulation.mistakes import MISTAKES, Mistake, plant

TIMELINES = 70


def test_no_timeline_switches_off_what_is_protected_or_loses_an_issue() -> None:
    # Always the same ones; `python -m tests.simulation` plays as many others as one likes.
    run_state_machine_as_test(Timelines, settings=profile(TIMELINES, always_the_same=True))


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_a_mistake_can_be_planted(mistake: Mistake) -> None:
    compile(mistake.planted_text(), mistake.file, "exec")


def test_a_planted_mistake_is_found() -> None:
    when, why = plant(MISTAKES[0], timelines=5, seed=1)
    assert when.startswith("in timeline ")
    assert "was switched off" in why
