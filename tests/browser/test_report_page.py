"""The report in a real browser: it opens from a file alone, can be sorted, narrowed and printed, trusts no value."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from library.issues.account_state import AccountState, Seen
from library.issues.record import Issue, JiraDetails, RemediationError, Resolution, Status
from library.issues.whitelist import Exemption, Whitelist
from library.reports.entries import Failure
from library.reports.figures import figures
from library.reports.page import render
from library.reports.report_page import page_of
from tests.builders import ACCOUNT, NOW, an_issue, days_ago, details, times
from tests.reports.builders import LAST_SCAN, OTHER, in_force, scans

if TYPE_CHECKING:
    from tests.browser.conftest import Browser

HOSTILE = (
    "</script><script>window.pwned=1</script>",
    "</style><script>window.pwned=1</script>",
    '"><img src=x onerror=window.pwned=1>',
    "'><svg onload=window.pwned=1>",
    "<iframe srcdoc='<script>parent.pwned=1</script>'>",
    "<!--",
    "{{ 7*7 }}{% raw %}",
    "line\u2028separators\u2029here",
    "\u202egnp.exe\u202c right to left",
    "&lt;not an entity&gt; &amp;",
)

Write = Callable[..., Path]


def issues() -> list[Issue]:
    """One of each kind: due, in time, not reported, switched off, exempted, ended."""
    return [
        an_issue(issue_id="AKIADUE", timestamps=times(reported=days_ago(20)), jira=JiraDetails(ticket="AWSSEC-1")),
        an_issue(issue_id="AKIAINTIME", timestamps=times(reported=days_ago(2)), account_id=OTHER),
        an_issue(issue_id="AKIASILENT", details=details(username="jane", last_used=days_ago(1000), never_used=True)),
        an_issue(issue_id="AKIAOFF", timestamps=times(reported=days_ago(19), remediated=days_ago(1))),
        an_issue(issue_id="AKIAEXEMPT", status=Status.WHITELISTED, details=details(username="break-glass")),
        an_issue(
            issue_id="AKIAENDED",
            status=Status.CLOSED,
            details=details(username="zoe", resolution=Resolution.USED, last_used=days_ago(95)),
            timestamps=times(reported=days_ago(19), resolved=days_ago(8), closed=days_ago(8)),
        ),
    ]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes the page of these issues, and returns the file."""

    def write(
        found: list[Issue],
        *,
        names: tuple[str, str] = ("master", "slave1"),
        exceptions: tuple[Exemption, ...] = (Exemption("break-glass", date(2026, 12, 1), "Break glass", "security"),),
        unread: tuple[Failure, ...] = (),
    ) -> Path:
        accounts = dict(zip((ACCOUNT, OTHER), names, strict=True))
        settings = in_force(
            accounts=accounts, whitelist=Whitelist({ACCOUNT: exceptions}), jira_server="https://jira.example.com"
        )
        seen = Seen(70, 80, 20, NOW, active_keys=60, root_keys=2)
        scanned = scans(master=AccountState(scanned=LAST_SCAN, seen=seen))
        file = tmp_path / "report.html"
        file.write_text(render(page_of(figures(found, unread, scanned, settings, NOW), settings)), encoding="utf-8")
        return file

    return write


def column(browser: Browser, position: int) -> list[str]:
    """The first lines of the cells of a column of the list, as far as they are shown."""
    script = (
        "return [...document.querySelectorAll('#issues tbody tr')].filter((row) => row.checkVisibility())"
        f".map((row) => row.cells[{position}].firstChild?.textContent ?? '')"
    )
    return [str(text) for text in browser.run(script)]


def keys(browser: Browser) -> list[str]:
    return column(browser, 3)


def test_it_opens_without_an_error_and_asks_nobody_for_anything(browser: Browser, write: Write) -> None:
    file = write(issues())
    browser.open(file)
    assert browser.console() == []
    assert {url for url in browser.requests() if not url.startswith("data:")} == {file.as_uri()}
    assert browser.run("return document.title") == "Unused IAM access keys, 2026-11-23"


def test_the_headlines_are_read_first(browser: Browser, write: Write) -> None:
    browser.open(write(issues()))
    shown = browser.run("return [...document.querySelectorAll('.headlines li')].map((one) => one.innerText)")
    assert [re.sub(r"\s+", " ", text) for text in shown] == [
        "3 idle keys are on 2 of 60 active keys (3%), not known for 1 account; the longest for 1,000 days",
        "2 to be switched off within 30 days 1 of them in the next run",
        "1 resolved in 13 weeks 1 key switched off by this system",
        "1 left on by an exemption 1 exemption ends within 30 days",
        "0 failures",
        "2 root access keys in 1 account; not known for 1 account",
    ]


def test_a_heading_sorts_its_column_and_says_so(browser: Browser, write: Write) -> None:
    browser.open(write(issues()))
    assert keys(browser)[0] == "AKIASILENT"
    days = "#issues th:nth-child(5)"
    browser.run(f"document.querySelector('{days} button').click()")
    assert column(browser, 4) == ["1000", "100", "100", "100", "100", "95"]
    assert browser.run(f"return document.querySelector('{days}').ariaSort") == "descending"
    browser.run(f"document.querySelector('{days} button').click()")
    assert column(browser, 4) == ["95", "100", "100", "100", "100", "1000"]
    browser.run("document.querySelector('#issues th:nth-child(3) button').click()")
    assert column(browser, 2) == ["alice", "alice", "alice", "break-glass", "jane", "zoe"]
    sorted_by = "return [...document.querySelectorAll('#issues th')].map((one) => one.ariaSort)"
    assert browser.run(sorted_by) == [None, None, "ascending", *[None] * 6]


def test_what_is_not_there_comes_last_whichever_way_a_column_is_sorted(browser: Browser, write: Write) -> None:
    browser.open(write(issues()))
    for expected in (
        ["2026-11-22", "2026-12-05", "next run", "", "", ""],
        ["next run", "2026-12-05", "2026-11-22", "", "", ""],
    ):
        browser.run("document.querySelector('#issues th:nth-child(8) button').click()")
        assert column(browser, 7) == expected


def test_the_keyboard_does_it_too(browser: Browser, write: Write) -> None:
    browser.open(write(issues()))
    browser.type("#issues th:nth-child(3) button", "\n")
    assert column(browser, 2)[0] == "alice"
    browser.type("#search", "  ZOE akia")
    assert keys(browser) == ["AKIAENDED"]


def test_a_search_and_the_choices_narrow_the_list_and_the_count_says_so(browser: Browser, write: Write) -> None:
    browser.open(write(issues()))
    count = "return document.getElementById('shown').textContent"
    assert browser.run(count) == "6 of 6 shown"
    browser.type("#search", "owner bob")
    assert browser.run(count) == "6 of 6 shown"
    browser.type("#search", " awssec-1")
    assert (keys(browser), browser.run(count)) == (["AKIADUE"], "1 of 6 shown")
    browser.open(write(issues()))
    options = (
        "return [...document.querySelectorAll('select')].map((one) => [...one.options].map((each) => each.text))"
    )
    assert browser.run(options) == [
        ["All", "open", "resolved", "switched off", "whitelisted"],
        ["All", "master", "slave1"],
    ]
    choose = "const one = document.querySelectorAll('select')[{}]; one.value = '{}'; "
    choose += "one.dispatchEvent(new Event('change'))"
    browser.run(choose.format(0, "open"))
    assert keys(browser) == ["AKIASILENT", "AKIADUE", "AKIAINTIME"]
    browser.run(choose.format(1, "slave1"))
    assert keys(browser) == ["AKIAINTIME"]


def test_without_scripts_the_list_is_there_and_the_controls_are_not(browser: Browser, write: Write) -> None:
    file = write(issues())
    text, scripts = re.subn(r"<script>.*?</script>", "", file.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert scripts == 1
    file.write_text(text, encoding="utf-8")
    browser.open(file)
    assert len(keys(browser)) == 6
    assert browser.run("return document.getElementById('controls').checkVisibility()") is False
    assert browser.run("return document.querySelectorAll('th button').length") == 0


@pytest.mark.parametrize("text", HOSTILE)
def test_no_value_is_ever_taken_for_anything_but_text(browser: Browser, write: Write, text: str) -> None:
    hostile = details(username=text, tags={"owner": text}, last_used_service=text, last_used_region=text)
    found = [
        an_issue(
            issue_id=text,
            details=hostile,
            timestamps=times(reported=days_ago(20)),
            jira=JiraDetails(ticket=text),
            remediation_error=RemediationError(text, days_ago(1)),
        )
    ]
    file = write(
        found,
        names=(text, "slave1"),
        exceptions=(Exemption("nobody", None, text, text),),
        unread=(Failure(ACCOUNT, "could not be read: a row", text),),
    )
    browser.open(file)
    assert browser.console() == []
    assert browser.run("return window.pwned ?? null") is None
    assert browser.run("return document.querySelectorAll('script, style, img, iframe').length") == 2
    assert browser.run("return document.querySelectorAll('svg').length") == 3
    cells = browser.run(
        "return [...document.querySelectorAll('#issues td')].map((one) => one.firstChild.textContent)"
    )
    assert cells[1:4] == [text, text, text]
    everything = browser.run("return [...document.querySelectorAll('main *')].map((one) => one.textContent)")
    assert sum(text == each or text in each.split(", ") for each in everything) >= 8
    browser.type("#search", "no such text")
    assert browser.run("return document.querySelectorAll('select')[1].options[1].text") == text.strip()


def test_the_pages_own_policy_stops_what_an_escape_would_have_missed(browser: Browser, write: Write) -> None:
    file = write(issues())
    content = file.read_text(encoding="utf-8")
    injected = "<p><img src='https://example.com/x.png' onerror='window.pwned=1'><script>window.pwned=1</script></p>"
    file.write_text(content.replace("</main>", f"{injected}</main>"), encoding="utf-8")
    browser.open(file)
    assert browser.run("return window.pwned ?? null") is None
    assert len([line for line in browser.console() if "Content Security Policy" in line]) >= 2


CONTRAST = """
const parse = (text) => (text.match(/[\\d.]+/g) ?? [0, 0, 0, 0]).map(Number);
const light = (colour) => colour.slice(0, 3).map((each) => each / 255)
  .map((each) => each <= 0.03928 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4)
  .reduce((sum, each, place) => sum + each * [0.2126, 0.7152, 0.0722][place], 0);
const behind = (element) => {
  for (let each = element; each; each = each.parentElement) {
    const colour = parse(getComputedStyle(each).backgroundColor);
    if (colour.length < 4 || colour[3] > 0) return colour;
  }
  return [255, 255, 255];
};
const found = [];
for (const element of document.querySelectorAll("body *")) {
  const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
  if (!own || !element.checkVisibility() || element.closest("script, style, title, desc, option")) continue;
  const style = getComputedStyle(element);
  const [a, b] = [light(parse(element.closest("svg") ? style.fill : style.color)), light(behind(element))];
  found.push([(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), element.outerHTML.slice(0, 80)]);
}
return found.sort((one, other) => one[0] - other[0]);
"""


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_from_what_is_behind_it(
    browser: Browser, write: Write, scheme: str, width: int
) -> None:
    browser.size(width)
    browser.scheme(scheme)
    browser.open(write(issues(), unread=(Failure(ACCOUNT, "could not be read: a row", "no status"),)))
    found = browser.run(CONTRAST)
    assert len(found) > 100
    # WCAG 2.2, success criterion 1.4.3: normal text needs 4.5 to 1.
    assert found[0][0] >= 4.5, found[:3]
    background = browser.run("return getComputedStyle(document.body).backgroundColor")
    assert background == {"light": "rgb(255, 255, 255)", "dark": "rgb(17, 22, 28)"}[scheme]


def test_a_phone_shows_cards_and_nothing_is_wider_than_it(browser: Browser, write: Write) -> None:
    long = details(username="a-very-long-user-name-without-a-blank-in-it@a-very-long-domain-name.example")
    browser.size(375)
    browser.open(write([*issues(), an_issue(issue_id="AKIALONG", details=long)]))
    assert browser.run("return [innerWidth, document.documentElement.scrollWidth]") == [375, 375]
    assert browser.run("return getComputedStyle(document.querySelector('#issues tbody tr')).display") == "block"
    label = "return getComputedStyle(document.querySelector('#issues td:nth-child(3)'), '::before').content"
    assert browser.run(label) == '"User"'
    browser.run("document.querySelector('#issues th:nth-child(3) button').click()")
    assert column(browser, 2)[0].startswith("a-very-long")


def test_a_wide_screen_shows_a_table_without_the_labels_of_the_cards(browser: Browser, write: Write) -> None:
    browser.size(1280)
    browser.open(write(issues()))
    assert browser.run("return document.documentElement.scrollWidth") == 1280
    label = "return getComputedStyle(document.querySelector('#issues td:nth-child(3)'), '::before').content"
    assert browser.run(label) == "none"


@pytest.mark.parametrize("width", [390, 1280])
def test_a_key_id_is_never_broken(browser: Browser, write: Write, width: int) -> None:
    browser.size(width)
    browser.open(write([an_issue(issue_id="AKIAVMM46GWONAZAAPBA", timestamps=times(reported=days_ago(20)))]))
    lines = (
        "return [...document.querySelectorAll('td')].filter((one) => one.textContent === 'AKIAVMM46GWONAZAAPBA')"
        ".map((one) => { const all = document.createRange(); all.selectNodeContents(one);"
        " return all.getClientRects().length })"
    )
    assert browser.run(lines) == [1, 1]


def test_it_is_printed_with_the_list_light_and_without_the_controls(browser: Browser, write: Write) -> None:
    many = [an_issue(issue_id=f"AKIA{number:016}") for number in range(200)]
    browser.scheme("dark")
    browser.open(write(issues()))
    few = browser.pdf().count(b"/Type /Page\n")
    browser.open(write(many))
    assert browser.pdf().count(b"/Type /Page\n") >= few + 4
    assert few >= 1
    browser.medium("print")
    assert browser.run("return document.getElementById('controls').checkVisibility()") is False
    assert browser.run("return document.getElementById('issues').checkVisibility()") is True
    assert browser.run("return getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    figures_of_weeks = (
        "return document.querySelector('.several table').checkVisibility({contentVisibilityAuto: true})"
    )
    assert browser.run(figures_of_weeks) is True


SIDEWAYS = """
return [...document.querySelectorAll(".scroll")].filter((one) => one.checkVisibility()).map((one) => [
  one.scrollWidth > one.clientWidth, getComputedStyle(one, "::before").content.includes("More to the side"),
]);
"""


@pytest.mark.parametrize(("width", "wider"), [(390, True), (1280, False)])
def test_what_goes_on_to_the_side_says_so(browser: Browser, write: Write, width: int, wider: bool) -> None:
    browser.size(width)
    browser.open(write(issues()))
    browser.wait_until_drawn()
    found = browser.run(SIDEWAYS)
    assert len(found) == 6
    assert found == [[wider, wider]] * 6
    browser.run("document.querySelectorAll('details').forEach((one) => { one.open = true })")
    browser.wait_until_drawn()
    assert all(is_wider == said for is_wider, said in browser.run(SIDEWAYS))
    browser.medium("print")
    assert not any(said for _, said in browser.run(SIDEWAYS))


def test_a_phone_shows_the_newest_week_first_and_the_next_run(browser: Browser, write: Write) -> None:
    browser.size(390)
    browser.open(write(issues()))
    shown = (
        "return [...document.querySelectorAll('svg')].map((svg) => [...svg.querySelectorAll('.axis.x text')]"
        ".filter((one) => { const { left, right } = one.getBoundingClientRect(); return left >= 0 && right <= 390 })"
        ".map((one) => one.textContent.trim()).filter(Boolean))"
    )
    _, weeks, days = browser.run(shown)
    assert weeks[-1] == "W48"
    assert "W36" not in weeks
    assert days[0] == "23 Nov"


@pytest.mark.parametrize("width", [390, 1280])
def test_a_ticket_is_a_link_that_can_be_pressed(browser: Browser, write: Write, width: int) -> None:
    browser.size(width, 2000)
    browser.open(write(issues()))
    browser.wait_until_settled()
    links = "return [...document.querySelectorAll('main a')].map((one) => [one.innerText, one.href])"
    assert browser.run(links) == [["AWSSEC-1", "https://jira.example.com/browse/AWSSEC-1"]] * 2
    pressed = (
        "const link = document.querySelector('#issues a'); link.scrollIntoView({ block: 'center' });"
        "const { x, y, width, height } = link.getBoundingClientRect();"
        "return document.elementFromPoint(x + width / 2, y + height / 2) === link"
    )
    assert browser.run(pressed) is True


@pytest.mark.parametrize("more", [0, 14])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_printed_sheet_is_half_empty(browser: Browser, write: Write, scheme: str, more: int) -> None:
    many = [
        an_issue(
            issue_id=f"AKIA{number:016}",
            timestamps=times(reported=days_ago(20 - number)),
            jira=JiraDetails(ticket=f"AWSSEC-{number + 2}"),
        )
        for number in range(more)
    ]
    browser.scheme(scheme)
    browser.open(write([*issues(), *many]))
    *full, last = browser.sheets()
    assert len(full) == (3 if more else 2)
    assert min(full) > 0.75
    # More than what stands below the list.
    assert last > 0.2


@pytest.mark.parametrize("width", [1280, 375])
def test_who_cannot_see_it_is_told_what_there_is(browser: Browser, write: Write, width: int) -> None:
    browser.size(width)
    many = [an_issue(issue_id=f"AKIA{number:016}", status=Status.RESOLVED) for number in range(194)]
    browser.open(write([*issues(), *many]))
    browser.wait_until_settled()
    nodes = browser.nodes()

    def names(*roles: str) -> list[Any]:
        return [node["name"] for node in nodes if node["role"] in roles]

    assert {"banner", "main", "contentinfo", "search"} <= {node["role"] for node in nodes}
    images = [node for node in nodes if node["role"] in ("image", "img")]
    assert len(images) == 3
    assert all(node["name"] and node["description"] for node in images)
    assert all(names("table"))
    assert len(names("table")) == 4
    assert all(names("button", "searchbox", "combobox", "region", "heading", "columnheader", "rowheader"))
    assert names("searchbox", "combobox") == ["Search", "Status", "Account"]
    # However the list is laid out, it stays a table: its rows, and those of the three small ones that are shown.
    assert len(names("row")) == 201 + 4 + 3 + 2
    # On a phone, a cell without a text is not shown.
    shown = "td" if width > 800 else "td:not(:empty)"
    cells = browser.run(f"return document.querySelectorAll('#issues {shown}').length")
    assert cells > 1000
    assert len(names("cell")) == cells + 3 * 8 + 2 * 5 + 1 * 5
    headings = browser.run("return [...document.querySelectorAll('h1, h2')].map((one) => one.tagName)")
    assert headings[0] == "H1"
    assert set(headings[1:]) == {"H2"}


def test_a_table_without_issues_says_so(browser: Browser, write: Write) -> None:
    browser.open(write([], exceptions=()))
    assert browser.console() == []
    text = browser.run("return document.body.innerText")
    for said in ("No idle key is on.", "There is no exemption.", "The issues table has no row", "No key is due"):
        assert said in text, said
