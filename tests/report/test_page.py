"""Pages: numbers as text, hostile text as text, nothing that asks a network."""

import math
import re

import jinja2
import pytest

from audit.report import page

HOSTILE = "</script><script>alert(1)</script>\"'&\n\u202e" + "x" * 300


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (None, "–"),
        (math.nan, "–"),
        (math.inf, "–"),
        (0.0, "0.00"),
        (1234, "1,234"),
        (0.125, "0.12"),
        (-0.001, "0.00"),
    ],
)
def test_what_was_not_observed_is_never_a_number(value, told):
    assert page.figure(value) == told


def test_shares_and_limits():
    assert page.percent(0.125, 1) == "12.5 %" and page.percent(None) == "–"
    assert [page.percent(v) for v in (0.997, 1.0, 0.002, 0.0)] == [
        "99.7 %",
        "100 %",
        "0.2 %",
        "0 %",
    ]
    assert page.interval(0.1, 0.2) == "0.10 to 0.20" and page.interval(0.1, math.nan) == "–"
    assert page.probability(1e-9) == "< .001" and page.probability(0.04) == "0.040"


def test_names_show_what_does_not_print_and_are_cut():
    told = page.shown_name(HOSTILE)
    assert "\\u202e" in told and "\\u000a" in told and len(told) == page.MAX_NAME
    assert page.shown_name("Straße 日本") == "Straße 日本"


def test_text_is_escaped_by_every_macro():
    source = (
        '{% from "macros.html.j2" import badge, name, table %}{{ name(x) }}{{ badge(x, x) }}'
        "{{ table([x], [[x]], x) }}"
    )
    shown = page._environment().from_string(source).render(x=HOSTILE)
    assert "<script" not in shown and shown.count("&lt;script") >= 5
    assert not re.search(r'="[^"]*"[^ >]', shown)


def test_a_name_that_is_not_given_is_an_error():
    with pytest.raises(jinja2.UndefinedError):
        page.render("report.html.j2")


def test_one_script_may_run_and_nothing_is_fetched():
    shown = page._environment().get_template("base.html.j2")
    script = page._static("page.js")
    text = shown.render(
        version="1", style="", script=script, script_digest=page._digest(script)
    )  # fmt: skip
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', text)[1]
    assert "default-src 'none'" in policy and "sha256-" in policy
    assert not re.search(r"https?://|\bimport\(|fetch\(|XMLHttp", text + page._static("page.css"))
