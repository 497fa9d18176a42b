"""A whole run that somebody else had: what is read of it for the page, and the page itself."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import yaml

from audit.progress import Progress
from audit.stages.compare_methods import compare_run
from audit.stages.layout import TABLES, Layout
from audit.stages.report import run_report
from tests.conftest import REPOSITORY, ColourWorld, colour_values, fill, make_model

from .bounds import MEMORY, REFUSED
from .evidence import rehashed
from .target import target

STAGES = ("config.json", "model.json", "index/manifest.json")
# Elements that fetch, run or send something.
OF_NO_PAGE = {"iframe", "object", "embed", "form", "base", "link", "audio", "video", "frame"}
QUIET = Progress("fuzz", quiet=True)


@cache
def _run() -> Path:
    """An audit with two methods, as the command makes it."""
    folder = Path(tempfile.mkdtemp(prefix="fuzz-page-", dir=MEMORY))
    world = ColourWorld(folder)
    fill(world)
    make_model(folder / "model.keras")
    values = colour_values(
        world, folder / "model.keras", explain={"method": ["gradcam", "layercam"]}
    )
    (folder / "audit.yaml").write_text(yaml.safe_dump(values))
    subprocess.run(
        [sys.executable, "-m", "audit", "run", "audit.yaml"], cwd=folder, check=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)}, capture_output=True,
    )  # fmt: skip
    return folder / "reports/colours"


def _files() -> list[Path]:
    """What the page and the comparison read, relative to the results folder."""
    root = _run()
    parts = [
        p for stage in ("index", "explain") for p in (root / "stages" / stage).glob("*.parquet")
    ]
    named = ("provenance.json", "verdict.json", *TABLES, *(f"stages/{name}" for name in STAGES))
    return [Path(name) for name in named] + sorted(p.relative_to(root) for p in parts)


class Outline(HTMLParser):
    """The elements and attributes that a page is made of, and how many scripts run."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.scripts = 0
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.names |= {tag, *(f"{tag} {name}" for name, _ in attrs)}
        self.scripts += tag == "script"


@cache
def _honest() -> Outline:
    return Outline((_run() / "report.html").read_text())


@target("report", lambda: [
    bytes([48 + k]) + (_run() / name).read_bytes() for k, name in enumerate(_files())
], "audit.stages.report", "audit.stages.report_run", "audit.stages.report_parts",
   "audit.stages.report_records", "audit.stages.report_tables", "audit.stages.report_classes",
   "audit.stages.report_maps", "audit.stages.report_gallery", "audit.stages.report_method",
   "audit.stages.compliance", "audit.stages.compare_methods", seconds=20)  # fmt: skip
def report(data: bytes, folder: Path) -> None:
    """One file is another, and its digest is right; the page's outline is always an honest one's."""
    root = folder / "colours"
    shutil.copytree(_run(), root, copy_function=os.link)
    changed = root / _files()[(data[0] - 48) % len(_files()) if data else 0]
    for path in (changed, root / "provenance.json"):  # links: the run itself stays as it is
        content = path.read_bytes()
        path.unlink()
        path.write_bytes(content)
    changed.write_bytes(data[1:])
    rehashed(root)
    refused = None
    for ask in (lambda: compare_run(Layout(root)), lambda: _page(root)):
        try:
            ask()
        except REFUSED as error:
            refused = error
    if refused:
        raise refused


def _page(root: Path) -> None:
    found = Outline(run_report(root, QUIET).read_text())
    more = found.names - _honest().names
    assert found.scripts == _honest().scripts and not more & OF_NO_PAGE, more
    assert not any(name.partition(" ")[2].startswith("on") for name in more), more
