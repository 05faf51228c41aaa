"""An estate for the pipeline's tests: the sample configuration on free ports, deployed once for all of them."""

import json
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from deployment.local.estate import CONFIG, Estate
from tests.world.configuration import write

HOST_LOG_GROUP = "/aws/ec2/hammer-reporting-remediation"


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, all different."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]
    finally:
        for each in sockets:
            each.close()


def configuration(folder: Path) -> Path:
    """The demo's configuration with stand-ins of its own, and the host's config.ini."""
    shutil.copytree(CONFIG, folder)
    jira, slack = free_ports(2)
    settings = json.loads((folder / "config.json").read_text())
    settings["jira"]["server"] = f"http://127.0.0.1:{jira}"
    settings["slack"]["base_url"] = f"http://127.0.0.1:{slack}/api/"
    write(folder, "config.json", settings)
    (folder / "config.ini").write_text(f"LOG_GROUP={HOST_LOG_GROUP}\n")
    return folder


@pytest.fixture
def estate(tmp_path: Path) -> Iterator[Estate]:
    """A running estate with the deployed stack, and nobody in its accounts."""
    with Estate(configuration(tmp_path / "config")) as estate:
        estate.deploy()
        yield estate
