"""What the crash tests share: the estate of the host, the proxy that kills, and processes that start quickly."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.crash.launcher import Launcher
from tests.crash.proxy import KillingProxy
from tests.host.conftest import estate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.world.estate import Estate

__all__ = ["estate", "launcher", "proxy"]


@pytest.fixture
def proxy(estate: Estate) -> Iterator[KillingProxy]:
    """Stands between the command and everything that it calls."""
    upstreams = {"aws": os.environ["AWS_ENDPOINT_URL"], "jira": estate.jira.url, "slack": estate.slack.url}
    with KillingProxy(upstreams) as proxy:
        estate.configure(jira={"server": proxy.url("jira")}, slack={"base_url": f"{proxy.url('slack')}/api/"})
        yield proxy


@pytest.fixture(scope="session")
def launcher() -> Iterator[Launcher]:
    """Starts the command."""
    with Launcher() as launcher:
        yield launcher
