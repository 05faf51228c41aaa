"""Draws a chart as SVG whose colours come from the page's style, so that it follows dark, light and print."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pygal
from markupsafe import Markup
from pygal.etree import etree

if TYPE_CHECKING:
    from library.reports.page import Chart

# pygal takes lxml where that is installed, whose trees are others.
etree.to_etree()

_WIDTH, _HEIGHT = 640, 250
_MOST_LINES = 5


def svg(chart: Chart, number: int) -> Markup:
    """The chart as an `svg` element; `number` makes its ids unique on the page."""
    tree: ElementTree.Element = _bars(chart).render_tree()
    _strip(tree)
    tree.attrib.pop("id", None)
    _describe(tree, chart, number)
    # pygal draws each series twice: the bars, and what is written over them.
    for series, tone in zip(_all_of(tree, "series"), [*chart.tones, *chart.tones], strict=True):
        series.set("class", f"series tone-{tone}")
    return Markup(ElementTree.tostring(tree, encoding="unicode"))


def _bars(chart: Chart) -> pygal.Bar:
    top = max((value for values in chart.series.values() for value in values), default=0)
    distance = _distance(top)
    lines = list(range(0, max(top, 1) + distance, distance))
    bars = pygal.Bar(
        js=[],
        show_legend=False,
        explicit_size=False,
        width=_WIDTH,
        height=_HEIGHT,
        margin=10,
        margin_top=22,
        spacing=12,
        range=(0, lines[-1]),
        # The values of two series would overlap; the table has them.
        print_values=len(chart.series) == 1,
        print_values_position="top",
        print_zeroes=False,
        formatter=lambda value: f"{value:,.0f}",
        y_labels=lines,
        y_labels_major=[0],
        truncate_label=-1,
    )
    bars.x_labels = list(chart.axis or chart.labels)
    for name, values in chart.series.items():
        bars.add(name, list(values))
    return bars


def _distance(top: int) -> int:
    """The distance of the lines: 1, 2 or 5 times a power of ten, so that there are few of them."""
    power = 1
    while True:
        for distance in (power, 2 * power, 5 * power):
            if top <= distance * _MOST_LINES:
                return distance
        power *= 10


def _strip(element: ElementTree.Element) -> None:
    """Remove what serves pygal's own script and style; the page's policy would refuse it."""
    for child in list(element):
        overlay = {"overlay", "tooltip-overlay"} & set(child.get("class", "").split())
        if overlay or not isinstance(child.tag, str) or child.tag in ("defs", "title", "desc"):
            element.remove(child)
        else:
            _strip(child)


def _describe(tree: ElementTree.Element, chart: Chart, number: int) -> None:
    """Say what the chart is about to people who cannot see it."""
    tree.set("role", "img")
    tree.set("aria-labelledby", f"chart-{number}-title chart-{number}-about")
    for position, (tag, name, text) in enumerate((("title", "title", chart.title), ("desc", "about", chart.about))):
        element = ElementTree.Element(tag, id=f"chart-{number}-{name}")
        element.text = text
        tree.insert(position, element)


def _all_of(tree: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    return [element for element in tree.iter() if name in element.get("class", "").split()]
