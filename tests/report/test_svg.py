"""Charts: where things are drawn, and that nothing is drawn for what was not observed."""

import re
from xml.etree import ElementTree

import numpy as np

from audit.report import svg


def points(path):
    return re.findall(r"([ML])([\d.]+) ([\d.]+)", path)


def drawn(markup):
    """(class, element) of everything in a chart; it has to be well-formed."""
    return [(e.get("class"), e) for e in ElementTree.fromstring(str(markup)).iter()]


def test_an_interval_lies_where_its_numbers_are():
    shown = dict(drawn(svg.interval_plot(0.5, 0.25, 1.0, 0.1, 0.9, 'a "name" <b>')))
    assert shown["value"].get("cx") == "100.0" and shown["interval"].get("d") == "M53.0 11H194.0"
    assert shown["chance"].get("d").startswith("M24.8 ") and shown["center"].get("cx") == "175.2"


def test_what_was_not_observed_is_not_drawn():
    names = {name for name, _ in drawn(svg.interval_plot(None, None, float("nan"), None, None))}
    assert names <= {None, "axis"}


def test_a_gap_breaks_the_line():
    chart = svg.line_chart([("a", [(0, 0.0), (0.5, None), (0.75, 1.0), (1, 0.5)])], None, "x", "t")
    (line,) = [e.get("d") for c, e in drawn(chart) if c == "curve" and "h22" not in e.get("d")]
    assert points(line) == [("M", "34.0", "150.0"), ("M", "233.5", "10.0"), ("L", "300.0", "80.0")]


def test_bars_are_as_long_as_their_counts():
    chart = svg.bars([("a", 10), ("b" * 40, 5), ("c", 0)], "told")
    lengths = [re.search(r"h([\d.]+)", e.get("d"))[1] for c, e in drawn(chart) if c == "column"]
    assert lengths == ["150.0", "75.0", "0.0"]
    assert svg.bars([], "nothing")


def test_a_map_is_a_picture_with_its_frame():
    chart = svg.map_picture(np.linspace(0, 1, 16).reshape(4, 4), (0.25, 0.25, 0.75, 0.75), "map")
    frames = [e.get("d") for c, e in drawn(chart) if c and "frame" in c]
    assert frames == ["M50.0 50.0H150.0V150.0H50.0z"] * 2
