"""The page of a first look in a real browser: it opens from a file alone, on a phone too, and trusts no value."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from library.issues.listing import RootKeys
from library.reports.first_look import AccountKeys, FailedAccount, first_look
from library.reports.first_look_page import page_of
from library.reports.page import render
from tests.browser.test_report_page import HOSTILE
from tests.builders import ACCOUNT, NOW, a_key, days_ago

if TYPE_CHECKING:
    from pathlib import Path

    from tests.browser.conftest import Browser

OTHER = "210987654321"


def write(folder: Path, text: str) -> Path:
    keys = (a_key(user_name=text), a_key(key_id="AKIAOLD", user_name="zoe", last_used=days_ago(900)))
    look = first_look(
        [AccountKeys(ACCOUNT, text, 2, keys, 9, RootKeys(2))], [FailedAccount(OTHER, text, text)], 90, NOW
    )
    file = folder / "first-look.html"
    file.write_text(render(page_of(look)), encoding="utf-8")
    return file


@pytest.mark.parametrize("text", HOSTILE)
def test_no_value_is_ever_taken_for_anything_but_text(browser: Browser, tmp_path: Path, text: str) -> None:
    file = write(tmp_path, text)
    browser.open(file)
    assert browser.console() == []
    assert browser.run("return window.pwned ?? null") is None
    assert {url for url in browser.requests() if not url.startswith("data:")} == {file.as_uri()}
    users = browser.run(
        "return [...document.querySelectorAll('#issues td:nth-child(2)')].map((one) => one.textContent)"
    )
    assert users == ["zoe", text]


def test_nothing_is_wider_than_a_phone(browser: Browser, tmp_path: Path) -> None:
    browser.size(375)
    browser.open(write(tmp_path, "x" * 64))
    assert browser.run("return [innerWidth, document.documentElement.scrollWidth]") == [375, 375]
