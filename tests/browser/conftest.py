"""A headless Chromium that opens files, and tells what happened in it; it reaches no network."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import zlib
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome")
DRIVERS = ("chromedriver", "chromium.chromedriver")


class Browser:
    """One page of a Chromium, as a reader has it."""

    def __init__(self, driver: Any) -> None:
        self._driver = driver

    def open(self, page: Path) -> None:
        """Open a file, and forget what was logged before."""
        self._driver.get("about:blank")
        for kind in ("browser", "performance"):
            self._driver.get_log(kind)
        self._driver.get(page.as_uri())

    def run(self, script: str) -> Any:
        """What a function body returns in the page."""
        return self._driver.execute_script(script)

    def console(self) -> list[str]:
        """Everything that the page's console has since it was opened."""
        return [str(entry["message"]) for entry in self._driver.get_log("browser")]

    def requests(self) -> list[str]:
        """The addresses of everything that was asked for since the page was opened."""
        messages = (json.loads(entry["message"])["message"] for entry in self._driver.get_log("performance"))
        return [one["params"]["request"]["url"] for one in messages if one["method"] == "Network.requestWillBeSent"]

    def milliseconds(self) -> float:
        """How long it took from the beginning of the navigation until the document was complete."""
        return float(self.run("return performance.getEntriesByType('navigation')[0].domComplete"))

    def wait_until_settled(self) -> None:
        """Wait until every row of the list is laid out."""
        self._driver.execute_async_script(
            "const [done] = arguments, table = document.getElementById('issues');"
            "const look = () => 'settled' in table.dataset ? done() : requestIdleCallback(look);"
            "look()"
        )

    def wait_until_drawn(self) -> None:
        """Wait until what was changed is on the screen, and whoever watches sizes was told."""
        twice = "const [done] = arguments; requestAnimationFrame(() => requestAnimationFrame(() => done()))"
        self._driver.execute_async_script(twice)

    def scheme(self, name: str) -> None:
        """Prefer `light` or `dark`."""
        self._do("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name}])

    def medium(self, name: str) -> None:
        """Show the page as it is on `screen` or in `print`."""
        self._do("Emulation.setEmulatedMedia", media=name)

    def size(self, width: int, height: int = 800) -> None:
        """Give the page so many pixels, as a phone does if there are few."""
        mobile = width < 600
        self._do("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=mobile)

    def pdf(self) -> bytes:
        """The page as it is printed."""
        return base64.b64decode(self._do("Page.printToPDF")["data"])

    def sheets(self) -> list[float]:
        """How far down each printed sheet has text, 1 being its lower margin."""
        objects = dict(re.findall(rb"(\d+) 0 obj\n(.*?)\nendobj", self.pdf(), re.DOTALL))
        pages = [content for content in objects.values() if b"/Type /Page\n" in content]
        return [_filled(objects[_found(rb"/Contents (\d+) 0 R", page)[0]]) for page in pages]

    def type(self, selector: str, text: str) -> None:
        """Press these keys with the focus on an element."""
        self._driver.find_element("css selector", selector).send_keys(text)

    def nodes(self) -> list[dict[str, Any]]:
        """What assistive technology is told: nodes with `role`, `name` and `description`."""
        tree = self._do("Accessibility.getFullAXTree")["nodes"]
        return [
            {part: node.get(part, {}).get("value", "") for part in ("role", "name", "description")}
            for node in tree
            if not node["ignored"]
        ]

    def reset(self) -> None:
        """Show pages as at the beginning."""
        self._do("Emulation.clearDeviceMetricsOverride")
        self._do("Emulation.setEmulatedMedia", media="", features=[])

    def _do(self, command: str, **parameters: Any) -> Any:
        return self._driver.execute_cdp_cmd(command, parameters)


def _filled(content: bytes) -> float:
    """How far down text goes in a page of Chromium's PDF, which has the whole document's pixels, moved up."""
    drawing = zlib.decompress(content.partition(b"stream\n")[2])
    _, y, _, height = map(float, _found(rb"\n([\d.]+) ([\d.]+) ([\d.]+) ([\d.]+) re\nW", drawing))
    scale, moved = map(float, _found(rb"\nq\n([\d.]+) 0 0 [\d.]+ [\d.]+ (-?[\d.]+) cm\n", drawing))
    top, height = (y - moved) / scale, height / scale
    lines = [float(line) for line in re.findall(rb"\n1 0 0 -1 -?[\d.]+ ([\d.]+) Tm", drawing)]
    return max((line - top) / height for line in lines if top <= line <= top + height)


def _found(pattern: bytes, content: bytes) -> tuple[bytes, ...]:
    found = re.search(pattern, content)
    assert found is not None, (pattern, content[:300])
    return found.groups()


@pytest.fixture(scope="session")
def _chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    binary = next(filter(None, map(shutil.which, NAMES)), None)
    driver = next(filter(None, map(shutil.which, DRIVERS)), None)
    if binary is None or driver is None:
        missing = "Chromium and its driver are not installed: apt-get install chromium chromium-driver"
        # Where changes are accepted, a test that was left out would pass for one that has passed.
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = binary
    profile = tmp_path_factory.mktemp("chromium")
    for argument in (
        "--headless=new",
        # Root, as in a container, has no sandbox; only pages of these tests are opened.
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--disable-gpu",
        "--hide-scrollbars",
        "--window-size=1280,900",
        f"--user-data-dir={profile}",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    chrome = webdriver.Chrome(options=options, service=Service(driver))
    try:
        yield Browser(chrome)
    finally:
        chrome.quit()


@pytest.fixture
def browser(_chromium: Browser) -> Iterator[Browser]:
    yield _chromium
    _chromium.reset()
