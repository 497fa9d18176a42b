"""``report``: the page that a person reads, ``report.html``, and its figures as ``report.json``.

All that the page says comes from the tables of a finished run, which have to be those that the run
wrote. What is in no table (mean heatmaps, histograms, which records are shown) is in ``report.json``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from audit.metrics.scoring import SCORED
from audit.progress import Progress
from audit.report.page import render
from audit.stages import report_parts as parts
from audit.stages.compliance import compliance, compliance_part, write_compliance
from audit.stages.gate import headline
from audit.stages.report_gallery import LARGE, SIDE, choose
from audit.stages.report_pictures import gallery
from audit.stages.report_records import RecordPass
from audit.stages.report_run import Run
from audit.tables.atomic import write_bytes, write_json, write_text
from audit.tables.version import SCHEMA_VERSION


def run_report(root: Path, progress: Progress) -> Path:
    """Write ``report.html`` and ``report.json`` into a finished run's folder; the page's path."""
    run = Run.read(root)
    scored = run.records[(run.records["status"] == SCORED) & (run.records["reference"] == "class")]
    shown = _shown(run, scored, [row["class"] for row in run.classes])
    manifest = run.json(run.layout.manifest)
    model = run.json(run.layout.model) | manifest["mapping"]
    record_pass = RecordPass(run.config, run.layout, model)
    listed = [row["class"] for row in run.classes[: parts.LISTED]]
    averaged = scored[scored["target_class"].isin(listed)]
    record_pass.run(averaged, shown, [s["name"] for s in manifest["shards"]], progress)
    maps = {name: found.values() for name, found in record_pass.maps.items()}
    data = parts.figures(run, maps, shown, len(scored))
    write_json(root / "report.json", {"schema_version": SCHEMA_VERSION, **data})
    _write_gallery(run, shown, len(scored))
    inside = [row for row in shown if SIDE in row["sides"]]
    told = compliance(root)
    write_compliance(root, told)
    sections = parts.sections(run, data, inside, headline(run.verdict))
    page = render("report.html.j2", **sections, compliance=compliance_part(told))
    path = root / "report.html"
    write_text(path, page)
    progress.say(f"{path}: {len(page.encode()) / 1e6:.1f} MB, {len(inside)} pictures in it")
    return path


def _shown(run: Run, scored: pd.DataFrame, names: Sequence[str]) -> list[dict[str, Any]]:
    """Records of the page and of the gallery beside it, each with the ``sides`` it is drawn in."""
    settings, seed = run.config.report, run.config.audit.seed
    inside = {row["key"] for row in choose(scored, names, settings.pictures, seed)}
    count = max(settings.gallery, settings.pictures)
    rows = choose(scored, names, count, seed, most=count)
    for row in rows:
        row["sides"] = [SIDE] * (row["key"] in inside) + [LARGE] * (settings.gallery > 0)
    return [row for row in rows if row["sides"]]


def _write_gallery(run: Run, shown: Sequence[dict[str, Any]], n_scored: int) -> None:
    """``gallery/index.html`` and its pictures; those of an earlier report are removed."""
    folder = run.layout.root / "gallery"
    for file in folder.glob("*.webp"):
        file.unlink()
    large = [row for row in shown if LARGE in row["sides"]]
    if not large:
        (folder / "index.html").unlink(missing_ok=True)
        return
    for row in large:
        if row["images"]:
            write_bytes(folder / f"{row['key']}.webp", row["images"][-1])
    write_text(folder / "index.html", render("gallery.html.j2", **gallery(run, large, n_scored)))
