"""A page of figures, and the one HTML file it becomes: no network, no file beside it, every value escaped."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Bars: for each label one of each series (whole numbers, by the name of the series), each series in a tone.

    `about` is one sentence for people who cannot see it. The page has the figures as a table, too; `what` heads its
    first column. `axis` has shorter labels for the bars, if there is no room for the labels themselves. Where
    there is no room for all bars, the first are shown, or the last if the chart `ends_now`.
    """

    title: str
    about: str
    what: str
    labels: Sequence[str]
    series: Mapping[str, Sequence[int]]
    tones: Sequence[Tone]
    axis: Sequence[str] = ()
    ends_now: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """A small table. `numbers` are the positions of columns with numbers; `empty` is shown if there are no rows.

    A cell that has a line break shows the rest small, below it; one that is `Linked` has a link in its last line.
    """

    caption: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    empty: str
    numbers: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page below its own heading; two `half` ones in a row stand side by side if there is room."""

    title: str
    blocks: Sequence[Note | Chart | Grid]
    half: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The full list, which the reader can sort by each column, search, and narrow to a value of each of `choices`.

    `numbers` and `choices` are positions of columns. Cells are as in a Grid.
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


@dataclass(frozen=True, slots=True, kw_only=True)
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
    # Only a page needs these; tables, CSV and JSON do without.
    import jinja2
    from markupsafe import Markup

    from library.reports.charts import svg

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["kind"] = lambda block: type(block).__name__
    environment.globals["svg"] = svg
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
    """The widths of the columns, and the label before each cell on a phone: once, not in thousands of cells."""
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
    return "".join(letter if letter.isalnum() or letter == " " else f"\\{ord(letter):x} " for letter in text)


def _hash(content: str) -> str:
    """What the page's own policy allows: exactly this style and script, and nothing that came in with a value."""
    return f"sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}"
