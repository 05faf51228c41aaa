"""The page as a document: complete in itself, its charts figures and nothing else, no value ever markup."""

from __future__ import annotations

import base64
import hashlib
import re
import subprocess
import sys
from html.parser import HTMLParser
from typing import Any

import pytest

from library.reports.page import Chart, Grid, Headline, Listing, Note, Page, Section, render
from library.reports.text import linked, ticket_url
from tests.builders import NOW

HOSTILE = "</script><script>x()</script>\"'<img src=x>\u2028\u202e&amp;"


def a_page(**overrides: Any) -> Page:
    defaults: dict[str, Any] = {
        "title": "Title",
        "subtitle": "Subtitle",
        "now": NOW,
        "headlines": [Headline("1", "key")],
        "warnings": [],
        "sections": [],
        "listing": a_listing(),
    }
    return Page(**{**defaults, **overrides})


def a_listing(**overrides: Any) -> Listing:
    defaults: dict[str, Any] = {
        "title": "All",
        "caption": "One row each",
        "headings": ("Status", 'Quo"ted\\'),
        "rows": [("open", "1")],
        "empty": "Nothing",
        "tones": {"open": "open"},
    }
    return Listing(**{**defaults, **overrides})


class Reader(HTMLParser):
    """The tags with their attributes, and the texts below each kind of tag."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag

    def handle_data(self, data: str) -> None:
        self.texts.setdefault(self._inside, []).append(data)

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.tags)


def a_chart(**overrides: Any) -> Chart:
    defaults: dict[str, Any] = {
        "title": "Ages",
        "about": "About them",
        "what": "Age",
        "labels": ["young", "old"],
        "series": {"Keys": [3, 1200]},
        "tones": ["open"],
    }
    return Chart(**{**defaults, **overrides})


def drawn(chart: Chart) -> Reader:
    return Reader(render(a_page(sections=[Section("Charts", [chart])])))


def test_it_needs_nothing_beside_it() -> None:
    text = render(a_page(sections=[Section("Charts", [a_chart(), Note("A note")])]))
    reader = Reader(text)
    addresses = [value for _, given in reader.tags for name, value in given.items() if name in ("src", "href")]
    assert addresses == ["data:,", "#list"]
    assert not re.findall(r"url\(|@import|https?://(?!www\.w3\.org/)", text)


def test_its_policy_lets_its_own_style_and_script_through_and_nothing_else() -> None:
    text = render(a_page())
    found = re.search(r'Content-Security-Policy" content="([^"]+)"', text)
    assert found is not None
    policy = dict(part.strip().split(" ", 1) for part in found[1].split(";"))
    assert policy.pop("default-src") == "'none'"
    for tag in ("style", "script"):
        (content,) = re.findall(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert policy.pop(f"{tag}-src") == f"'sha256-{digest}'"
    assert policy == {"img-src": "data:", "base-uri": "'none'", "form-action": "'none'"}
    assert not [given for _, given in Reader(text).tags if "style" in given or any(n.startswith("on") for n in given)]


def test_it_is_the_same_for_the_same_facts() -> None:
    page = a_page(sections=[Section("Charts", [a_chart()])])
    assert render(page) == render(page)


def test_every_text_of_the_page_is_escaped() -> None:
    chart = a_chart(
        title=HOSTILE, about=HOSTILE, what=HOSTILE, labels=[HOSTILE, "b"], series={HOSTILE: [1, 2]}, tones=["off"]
    )
    rows = [(HOSTILE, f"{HOSTILE}\n{HOSTILE}")]
    grid = Grid(caption=HOSTILE, headings=(HOSTILE, "n"), rows=rows, empty=HOSTILE, numbers=frozenset({1}))
    empty = Grid(caption=HOSTILE, headings=(), rows=(), empty=HOSTILE)
    listing = Listing(
        title=HOSTILE,
        caption=HOSTILE,
        headings=(HOSTILE, HOSTILE),
        rows=[(HOSTILE, HOSTILE)],
        empty=HOSTILE,
        choices=frozenset({0}),
    )
    plain = Reader(render(a_page(sections=[Section("a", [a_chart()])])))
    hostile = Reader(
        render(
            Page(
                title=HOSTILE,
                subtitle=HOSTILE,
                now=NOW,
                headlines=[Headline(HOSTILE, HOSTILE, HOSTILE, "bad")],
                warnings=[HOSTILE],
                sections=[Section(HOSTILE, [Note(HOSTILE, "good"), chart, grid, empty])],
                listing=listing,
                footnotes=[HOSTILE],
            )
        )
    )
    for tag in ("script", "style", "svg", "img"):
        assert hostile.count(tag) == plain.count(tag)
    read = [text for texts in hostile.texts.values() for text in texts]
    assert sum(text.strip() == HOSTILE.strip() for text in read) >= 20


def test_the_headings_of_the_list_are_text_in_the_style_too() -> None:
    listing = a_listing(headings=('"} body { display: none } </style>\\',), rows=[("x",)])
    text = render(a_page(listing=listing))
    assert re.findall(r"nth-child\(1\)::before \{ content: (.*) \}", text) == [
        '"\\22 \\7d  body \\7b  display\\3a  none \\7d  \\3c \\2f style\\3e \\5c "'
    ]


def test_a_chart_is_a_picture_with_a_title_a_description_and_its_figures_as_a_table() -> None:
    reader = drawn(a_chart())
    (svg,) = [given for tag, given in reader.tags if tag == "svg"]
    assert (svg["role"], svg["aria-labelledby"]) == ("img", "chart-1-title chart-1-about")
    assert reader.texts["desc"] == ["About them"]
    assert {"3", "1,200"} <= set(reader.texts["text"])
    assert {"3", "1,200"} <= set(reader.texts["td"])
    bars = [given for tag, given in reader.tags if tag == "rect" and given.get("class", "").startswith("rect")]  # type: ignore[union-attr]
    heights = [float(given["height"] or 0) for given in bars]
    assert heights[0] / heights[1] == pytest.approx(3 / 1200, rel=0.01)


def test_series_beside_each_other_have_their_colours_and_a_legend_but_no_figures_that_overlap() -> None:
    reader = drawn(a_chart(series={"Opened": [1, 2], "Closed": [7, 4]}, tones=["open", "good"]))
    colours = [given["class"] for tag, given in reader.tags if tag == "g" and "series" in (given.get("class") or "")]
    assert colours[:2] == ["series tone-open", "series tone-good"]
    assert {"Opened", "Closed"} <= set(reader.texts["span"])
    assert "7" not in [text.strip() for text in reader.texts["text"]]


@pytest.mark.parametrize(
    ("top", "ticks"),
    [(0, ["0", "1"]), (1, ["0", "1"]), (5, ["0", "1", "2", "3", "4", "5"]), (6, ["0", "2", "4", "6"])],
)
def test_the_lines_of_a_chart_are_whole_numbers(top: int, ticks: list[str]) -> None:
    reader = drawn(a_chart(series={"Keys": [top, 0], "Others": [0, 0]}, tones=["open", "off"]))
    shown = [text.strip() for text in reader.texts["text"]]
    assert [text for text in shown if text.isdigit()] == ticks


@pytest.mark.process
def test_nothing_that_draws_is_loaded_before_a_page_is_wanted() -> None:
    program = (
        "import sys, library.reports.page; print({'jinja2', 'pygal'} & {name.split('.')[0] for name in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_the_time_is_written_as_html_allows_it() -> None:
    now = NOW.replace(microsecond=123456)
    (time,) = [given for tag, given in Reader(render(a_page(now=now))).tags if tag == "time"]
    assert time["datetime"] == "2026-11-23T12:00:00+00:00"


def test_a_link_is_the_last_line_of_its_cell_and_its_address_is_escaped() -> None:
    url = 'https://jira.example.com/browse/"><script>x()</script>'
    rows = [(linked("first\nA-1", url), linked("A-2", url)), (linked("first\n", url), linked("", url))]
    grid = Grid(caption="c", headings=("a", "b"), rows=rows, empty="")
    reader = Reader(render(a_page(sections=[Section("s", [grid])], listing=a_listing(rows=rows))))
    links = [given["href"] for tag, given in reader.tags if tag == "a" and given.get("class") != "skip"]
    assert links == [url, url, url, url]
    assert [text.strip() for text in reader.texts["a"] if text.strip() in ("A-1", "A-2")] == ["A-1", "A-2"] * 2
    assert reader.count("script") == 1


@pytest.mark.parametrize(
    ("server", "ticket", "url"),
    [
        ("https://jira.example.com", "A-1", "https://jira.example.com/browse/A-1"),
        ("https://jira.example.com/jira/", "A-1", "https://jira.example.com/jira/browse/A-1"),
        ("http://127.0.0.1:8970", "A-1", "http://127.0.0.1:8970/browse/A-1"),
        ("https://jira.example.com", '"/../<b>', "https://jira.example.com/browse/%22%2F..%2F%3Cb%3E"),
        ("https://jira.example.com", None, ""),
        ("https://jira.example.com", "", ""),
        ("", "A-1", ""),
        ("jira.example.com", "A-1", ""),
        ("javascript:alert(1)//", "A-1", ""),
        ("data:text/html,x", "A-1", ""),
        ("https://", "A-1", ""),
        ("https://api.atlassian.com/ex/jira/1-2", "A-1", ""),
    ],
)
def test_a_ticket_is_linked_only_where_people_can_open_it(server: str, ticket: str | None, url: str) -> None:
    assert ticket_url(server, ticket) == url
