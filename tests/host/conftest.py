"""What the tests of the host's commands share: the commands where the host has them, and an estate to run them on."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from tests.contract import jira_bodies
from tests.world import HOST_CODE
from tests.world.estate import Estate, estate_at

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from deployment.local.scanned_accounts.server import ScannedAccounts


@pytest.fixture(scope="session", autouse=True)
def _host_code() -> None:
    # On the host, this folder is where the commands are started from.
    if str(HOST_CODE) not in sys.path:
        sys.path.append(str(HOST_CODE))


@pytest.fixture
def estate(moto_server: ScannedAccounts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Estate]:
    with estate_at(moto_server.url, tmp_path / "config", monkeypatch) as estate:
        yield estate
        # Whatever a command was asked to do, JIRA was sent what its makers publish.
        assert jira_bodies.faults(estate.jira.site.flavour, estate.jira.requests) == []
