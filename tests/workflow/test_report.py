"""The report in a real browser, on a run whose names are hostile."""

import base64
import json
import re
import shutil
import subprocess
import sys

import pytest

from audit.errors import AuditError
from audit.progress import Progress
from audit.stages import gate, report_pdf
from audit.stages.report import run_report
from audit.tables.atomic import write_json
from tests.conftest import REPOSITORY

pytestmark = pytest.mark.slow
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]
EVIL = "<script>alert(1)</script>\"'\u202e=1+1\nblue" + "b" * 250
EVIL_FILE = "red/<img src=x onerror=alert(1)>'\"&.png"


@pytest.fixture(scope="module")
def run(tmp_path_factory, colour_config, write_config, focus_audit):
    """An audit in which a class, and a file, are called what nobody wants to show: its folder."""
    from tests.conftest import ColourWorld, fill

    world = ColourWorld(tmp_path_factory.mktemp("evil"))
    fill(world)
    world.add_scene(EVIL_FILE, "red")
    text = json.loads(world.annotations.read_text())
    for category in text["categories"]:
        if category["name"] == "blue":
            category["name"] = EVIL
    world.annotations.write_text(json.dumps(text))
    values = colour_config(world)
    values["dataset"]["classes"] = {"red": 0, "green": 1, EVIL: 2}
    done = focus_audit("run", write_config(world.folder, values), cwd=world.folder)
    assert done.returncode == 0, done.stderr
    return world.folder / "reports" / "colours"


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine (Debian: apt-get install chromium)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture
def page(browser, run):
    """The page, and all that it said or asked for that it should not have."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    opened, noise = context.new_page(), []
    opened.on("console", lambda message: noise.append(message.text))
    opened.on("pageerror", lambda error: noise.append(str(error)))
    opened.on("dialog", lambda dialog: (noise.append(dialog.message), dialog.dismiss()))
    asked = re.compile(r"^(data:|file://.*/(report\.html|gallery/[^/]+))")
    opened.on("request", lambda r: None if asked.match(r.url) else noise.append(r.url))
    opened.goto((run / "report.html").as_uri())
    yield opened
    assert noise == []
    context.close()


def visible(page, selector):
    return page.locator(f"{selector}:visible").count()


def test_hostile_names_are_text(page):
    first = page.locator("#class-table tbody th").first
    assert first.inner_text().startswith("<script>alert(1)</script>\"'\\u202e=1+1\\u000ablue")
    assert first.bounding_box()["width"] < 400
    assert page.locator("#main script, #main [onerror]").count() == 0
    assert page.locator(".gallery b", has_text="<script>").count() > 0


def test_tables_sort_by_value(page):
    def rates():
        return page.locator("#class-table tbody tr td:nth-child(5)").evaluate_all(
            "cells => cells.map((c) => Number(c.dataset.value))"
        )

    button = page.get_by_role("button", name="Background-focused")
    button.click()
    assert (
        rates() == sorted(rates())
        and button.locator("..").get_attribute("aria-sort") == "ascending"
    )
    button.press("Enter")
    assert rates() == sorted(rates(), reverse=True) and rates()[0] > rates()[-1]


def test_filters_search_and_count(page):
    page.get_by_label("Search a class").fill("GRE")
    assert visible(page, "#class-table tbody tr") == 1
    assert page.locator("form[data-list=class-table] .count").inner_text() == "1 of 3 shown"
    page.get_by_label("Search a class").fill("")
    page.get_by_role("combobox", name="Verdict").select_option("pass")
    assert visible(page, "#class-table tbody tr") == 2
    every = visible(page, ".gallery li")
    page.get_by_role("combobox", name="Type").select_option("background_focused")
    kept = page.locator(".gallery li:visible")
    assert 0 < kept.count() < every
    assert all("looks at the background" in text for text in kept.all_inner_texts())


def test_a_record_has_an_address_and_arrows_lead_on(page, run):
    record = page.locator(".gallery li").nth(1)
    key = record.get_attribute("id")
    page.goto(f"{(run / 'report.html').as_uri()}#{key}")
    dialog = page.get_by_role("dialog")
    dialog.wait_for()  # a new address on the same page is followed a moment later
    assert f"#{key}" in dialog.inner_text()
    picture = dialog.locator("img").element_handle()
    page.wait_for_function("image => image.complete && image.naturalWidth > 100", arg=picture)
    page.keyboard.press("ArrowRight")
    following = page.locator(".gallery li").nth(2).get_attribute("id")
    page.wait_for_function(f"location.hash === '#{following}'")
    page.keyboard.press("Escape")
    dialog.wait_for(state="hidden")
    page.goto(f"{(run / 'report.html').as_uri()}#record-000000000000")
    page.locator("#missing").wait_for()
    page.wait_for_timeout(100)
    assert page.evaluate("location.hash") == "#record-000000000000"


def test_a_link_opens_the_part_of_a_class(page):
    link = page.locator("#class-table tbody th a").last
    target = page.locator(link.get_attribute("href"))
    assert target.get_attribute("open") is None
    link.click()
    page.wait_for_function("element => element.open", arg=target.element_handle())


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 380])
def test_no_serious_fault_for_those_who_see_or_hear_it_otherwise(page, width, scheme):
    from axe_playwright_python.sync_playwright import Axe

    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 800})
    page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    found = Axe().run(page).response["violations"]
    bad = [
        (v["id"], [n["target"] for n in v["nodes"]][:3])
        for v in found
        if v["impact"] in ("serious", "critical")
    ]
    assert bad == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_page_can_be_used_by_keyboard_alone(page):
    seen = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        seen.add(page.evaluate("document.activeElement.tagName"))
    assert {"A", "BUTTON", "INPUT", "SELECT", "SUMMARY"} <= seen


def test_figures_that_are_in_no_table_lie_beside_it(run):
    data = json.loads((run / "report.json").read_text())
    assert sum(data["area_fraction"]["records"]) == data["n_scored"]
    assert sum(data["records_by_class"].values()) == 36
    assert data["mean_maps"]["red"]["n"] > 5 and len(data["mean_maps"]["red"]["in_box"]) == 24


def test_each_class_shows_its_strata_and_its_stability(run):
    page = (run / "report.html").read_text("utf-8")
    for part in ("By size, number of objects and other properties", "Stability of the verdict"):
        assert page.count(f"<h3>{part}</h3>") == 3, part


def test_a_changed_table_is_refused(run, tmp_path, focus_audit):
    copy = shutil.copytree(run, tmp_path / "copy")
    with (copy / "strata.csv").open("a") as file:
        file.write("\n")
    done = focus_audit("report", copy, cwd=tmp_path)
    assert done.returncode == 2 and "strata.csv" in done.stderr and "Traceback" not in done.stderr


def test_the_same_tables_give_the_same_page(run, tmp_path):
    copy = shutil.copytree(run, tmp_path / "copy")
    before = [(copy / name).read_bytes() for name in ("report.html", "report.json")]
    run_report(copy, Progress("report", quiet=True))
    assert [(copy / name).read_bytes() for name in ("report.html", "report.json")] == before


def test_it_prints(run, tmp_path, focus_audit):
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine (Debian: apt-get install chromium)")
    copy = shutil.copytree(run, tmp_path / "copy")
    assert focus_audit("report", copy, "--pdf", cwd=tmp_path).returncode == 0
    assert (copy / "report.pdf").read_bytes().startswith(b"%PDF-")


def test_without_a_browser_one_line_says_what_is_missing(run, tmp_path, monkeypatch):
    monkeypatch.setattr(report_pdf, "BROWSERS", ("no-such-browser",))
    monkeypatch.setattr(report_pdf.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(AuditError, match="no PDF can be made here.*install"):
        report_pdf.write_pdf(run / "report.html")


def test_the_larger_gallery_lies_beside_the_page(page, run):
    first = page.locator(".gallery li").first.get_attribute("id")
    page.goto((run / "gallery" / "index.html").as_uri() + f"#{first}")
    shown = page.get_by_role("dialog").locator("img")
    assert shown.evaluate("image => image.naturalWidth") > 400
    inside = json.loads((run / "report.json").read_text())["pictures"]
    assert page.locator(".gallery li").count() == len(inside)


def test_the_baseline_is_compared_image_by_image(run, tmp_path):
    old, new = (shutil.copytree(run, tmp_path / name) for name in ("old", "new"))
    policy = gate.gate(new, gate.today()).policy.model_copy(update={"baseline": str(old)})
    write_json(new / "verdict.json", gate.judge(new, policy, gate.today()).values())
    run_report(new, Progress("report", quiet=True))
    text = (new / "report.html").read_text()
    told = re.search(r"Since the baseline:</b> (.*?) <a href=\"(.*?)\"", text)
    assert "no change" in told[1].lower() and (new / told[2]).is_file()


def test_the_page_shows_who_signed_what(run, tmp_path, focus_audit):
    copy = shutil.copytree(run, tmp_path / "copy")
    told = ("--reviewer", "<i>Eve", "--role", "QA", "--decision", "reject", "--reason", "snow")
    assert focus_audit("sign-off", copy, *told, cwd=tmp_path).returncode == 0
    assert focus_audit("report", copy, cwd=tmp_path).returncode == 0
    assert "rejected by &lt;i&gt;Eve (QA)" in (copy / "report.html").read_text()


def test_snakemake_s_own_report_has_our_page(run, tmp_path):
    folder, out = run.parents[1], tmp_path / "all.html"
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--snakefile", REPOSITORY / "Snakefile",
         "--configfile", "audit.yaml", "--cores", "1", "--report", out],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    text = out.read_text()
    page = base64.b64encode((run / "report.html").read_bytes()).decode()
    assert "report.html" in text and page[:2000] in text
