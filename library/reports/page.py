"""Renders figures as one self-contained HTML page: no network, no file beside it, every value escaped."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from xml.etree import ElementTree

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from markupsafe import Markup

TEMPLATES = Path(__file__).resolve().parent / "templates"

Tone = Literal["", "open", "off", "good", "calm", "bad"]
"""What a colour stands for: something to do, switched off by us, settled, left alone on purpose, failed."""


@dataclass(frozen=True, slots=True)
class Headline:
    """A figure that is read first: `value` large, `label` below it, `note` small."""

    value: str
    label: str
    note: str = ""
    tone: Tone = ""


@dataclass(frozen=True, slots=True)
class Note:
    """A paragraph."""

    text: str
    tone: Tone = ""


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars: for each label one of each series (whole numbers, by the name of the series), each series in a tone.

    `about` is one sentence for who cannot see it. The figures are on the page as a table, too; `what` heads its first
    column. `axis` has shorter labels for the bars, if there is no room for the labels themselves.
    """

    title: str
    about: str
    what: str
    labels: Sequence[str]
    series: Mapping[str, Sequence[int]]
    tones: Sequence[Tone]
    axis: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Grid:
    """A small table. `numbers` are the positions of columns with numbers; `empty` is said if there are no rows."""

    caption: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    empty: str
    numbers: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page below a heading of its own; two `half` ones in a row stand side by side if there is room."""

    title: str
    blocks: Sequence[Note | Chart | Grid]
    half: bool = False


@dataclass(frozen=True, slots=True)
class Listing:
    """The full list, which the reader can sort by each column, search, and narrow to a value of each of `choices`.

    `numbers` and `choices` are positions of columns. A cell that has a line break shows the rest small, below it.
    `tones` gives the first cell of a row its colour, by its first line; `widths` are relative.
    """

    title: str
    caption: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    empty: str
    numbers: frozenset[int] = frozenset()
    choices: frozenset[int] = frozenset()
    tones: Mapping[str, Tone] = field(default_factory=dict)
    widths: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """All that is on the page, in the order in which it is read; `now` (UTC) is when its facts held."""

    title: str
    subtitle: str
    now: datetime
    headlines: Sequence[Headline]
    warnings: Sequence[str]
    sections: Sequence[Section]
    listing: Listing
    footnotes: Sequence[str] = ()


def render(page: Page) -> str:
    """The page as one HTML document, the same for the same facts."""
    # Only who wants a page needs these; tables, CSV and JSON do without.
    import jinja2
    from markupsafe import Markup

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["kind"] = lambda block: type(block).__name__
    environment.globals["svg"] = _svg
    style = _text("page.css") + _columns(page.listing)
    script = _text("page.js")
    return environment.get_template("page.html").render(
        page=page,
        listing=page.listing,
        style=Markup(style),
        script=Markup(script),
        style_hash=_hash(style),
        script_hash=_hash(script),
    )


def _text(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


def _columns(listing: Listing) -> str:
    """The widths of the columns, and what stands before each cell on a phone: once, not in thousands of cells."""
    shares = listing.widths or [1] * len(listing.headings)
    tracks = " ".join(f"minmax(0, {share}fr)" for share in shares)
    widths = "".join(
        f"#issues th:nth-child({number}) {{ width: {100 * share / sum(shares):.1f}% }}\n"
        for number, share in enumerate(shares, 1)
    )
    labels = "".join(
        f'#issues td:nth-child({number})::before {{ content: "{_css_text(heading)}" }}\n'
        for number, heading in enumerate(listing.headings, 1)
    )
    return (
        f"@media screen and (min-width: 50.01rem) {{\n#issues tr {{ grid-template-columns: {tracks} }}\n}}\n"
        f"@media screen and (max-width: 50rem) {{\n{labels}}}\n@media print {{\n{widths}}}\n"
    )


def _css_text(text: str) -> str:
    return "".join(each if each.isalnum() or each == " " else f"\\{ord(each):x} " for each in text)


def _hash(content: str) -> str:
    """What the page's own policy lets through: this very style and script, and nothing that came in with a value."""
    return f"sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}"


# --- charts ---------------------------------------------------------------------------------------------------

_WIDTH, _HEIGHT = 640, 250
_TICKS = 5


def _svg(chart: Chart, number: int) -> Markup:
    """The chart as SVG whose colours come from the page's style, so that it follows dark, light and print."""
    import pygal
    from markupsafe import Markup

    top = max((value for values in chart.series.values() for value in values), default=0)
    step = _step(top)
    ticks = list(range(0, max(top, 1) + step, step))
    bars = pygal.Bar(
        js=[],
        show_legend=False,
        explicit_size=False,
        width=_WIDTH,
        height=_HEIGHT,
        margin=10,
        margin_top=22,
        spacing=12,
        range=(0, ticks[-1]),
        # Beside each other they would run into each other; the table has them.
        print_values=len(chart.series) == 1,
        print_values_position="top",
        print_zeroes=False,
        formatter=lambda value: f"{value:,.0f}",
        y_labels=ticks,
        y_labels_major=[0],
        truncate_label=-1,
    )
    bars.x_labels = list(chart.axis or chart.labels)
    for name, values in chart.series.items():
        bars.add(name, list(values))
    tree: ElementTree.Element = bars.render_tree()
    _strip(tree)
    tree.set("role", "img")
    tree.set("aria-labelledby", f"chart-{number}-title chart-{number}-about")
    tree.attrib.pop("id", None)
    for position, (tag, text) in enumerate((("title", chart.title), ("desc", chart.about))):
        element = ElementTree.Element(tag, id=f"chart-{number}-{'about' if position else 'title'}")
        element.text = text
        tree.insert(position, element)
    for series, tone in zip(_all_of(tree, "series"), [*chart.tones, *chart.tones], strict=True):
        series.set("class", f"series tone-{tone}")
    return Markup(ElementTree.tostring(tree, encoding="unicode"))


def _step(top: int) -> int:
    """The distance of the lines: 1, 2 or 5 times a power of ten, so that there are few of them."""
    power = 1
    while True:
        for step in (power, 2 * power, 5 * power):
            if top <= step * _TICKS:
                return step
        power *= 10


def _strip(element: ElementTree.Element) -> None:
    """Take out what is there for pygal's own script and style, and would be refused by the page's policy."""
    for child in list(element):
        overlay = "overlay" in child.get("class", "").split() or "tooltip-overlay" in child.get("class", "").split()
        if not isinstance(child.tag, str) or child.tag in ("defs", "title", "desc") or overlay:
            element.remove(child)
        else:
            _strip(child)


def _all_of(tree: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    return [each for each in tree.iter() if name in each.get("class", "").split()]
