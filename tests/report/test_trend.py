"""The drawing of trends, read back as XML."""

from xml.etree import ElementTree

from audit.report.trend import LINES, Trend, draw

SVG = "{http://www.w3.org/2000/svg}"


def run(day, **figures):
    known = {f"{name}{end}": None for name in LINES for end in ("", "_low", "_high")}
    return {"finished": f"2026-05-{day:02d}T10:00:00+00:00", **known, **figures}


def observed(day, value):
    figures = {"pointing_accuracy": value}
    if value is not None:
        figures |= {"pointing_accuracy_low": value - 0.1, "pointing_accuracy_high": value + 0.1}
    return run(day, **figures)


def parse(*rows, changes=None, title="zoo: dog"):
    trend = Trend(title, rows, changes or [""] * len(rows))
    root = ElementTree.fromstring(draw([trend]))
    texts = [node.text for node in root.iter(f"{SVG}text")]
    lines = [p.get("d") for p in root.iter(f"{SVG}path") if p.get("stroke-width") == "1.6"]
    return root, texts, lines[len(LINES) :]


def test_what_was_not_observed_is_a_gap():
    values = [0.5, 0.6, None, 0.7, 0.8]
    _, _, (line,) = parse(*(observed(k, v) for k, v in enumerate(values, 1)))
    assert line.count("M") == 2 and line.count("L") == 2
    _, _, lines = parse(observed(1, None), observed(2, None))
    assert lines == []


def test_a_higher_value_is_higher_up_and_later_is_further_right():
    root, _, _ = parse(observed(1, 0.2), observed(2, 0.9), observed(9, 0.9))
    marks = [c for c in root.iter(f"{SVG}circle") if "accuracy 0." in c[0].text]
    x, y = ([float(c.get(k)) for c in marks] for k in ("cx", "cy"))
    assert y[0] > y[1] == y[2] and x[0] < x[1] < x[2]
    assert abs((x[2] - x[1]) / (x[1] - x[0]) - 7) < 0.02
    whisker = next(
        p.get("d") for p in root.iter(f"{SVG}path") if p.get("stroke-width") == "1.2"
    )  # fmt: skip
    low, high = map(float, whisker.partition(" ")[2].split("V"))
    assert low > y[0] > high


def test_lines_differ_in_more_than_colour():
    assert len({(dashes, mark) for _, _, dashes, mark in LINES.values()}) == len(LINES)


def test_dates_verdicts_and_names_are_text():
    hostile = "<script>&\x00"
    _, texts, _ = parse(
        observed(1, 0.5), observed(9, 0.5), changes=["", "pass -> flagged"], title=hostile
    )
    assert "2026-05-01" in texts and "2026-05-09" in texts and "pass -> flagged" in texts
    assert "<script>&\\u0000" in texts
    _, texts, _ = parse(observed(1, 0.5))
    assert "2026-05-01 10:00" in texts


def test_a_skill_below_zero_has_room():
    _, texts, (line,) = parse(run(1, energy_skill=-0.3), run(2, energy_skill=0.4))
    assert "-0.5" in texts and line.count("L") == 1
