"""Whatever people, time and trouble do: no key goes dark that must not, and nothing is lost."""

from __future__ import annotations

import pytest

from tests.simulation.machine import Timelines, profile

pytestmark = pytest.mark.moto

TestTimelines = Timelines.TestCase
TestTimelines.settings = profile(80, always_the_same=True)
