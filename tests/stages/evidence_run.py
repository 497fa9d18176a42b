"""A finished run made by hand: a few tables, two pictures, a config, benchmarks and a verdict."""

import csv
import json

from audit.config.model import Config
from audit.digest import digest_bytes, digest_file
from audit.gate.figures import REQUIRED
from audit.progress import Progress
from audit.stages.gate import run_verdict
from audit.stages.layout import Layout

HOSTILE = 'ünsafe,"b"\r\n../<c>\x1b[31m'
FIGURES = {"n_images": 40, "n_scored": 40, "n_unscored": 0, "n_eligible": 40, "accuracy": 0.9}
TABLES = ("per_class.csv", "predictions.csv", "summary.json")
MODEL = b"weights"
CONFIG = Config.model_validate(
    {
        "audit": {"name": "zoo"},
        "model": {"path": "m.keras", "preprocess": "none"},
        "dataset": {"format": "coco", "annotations": "a.json", "images": "i"},
        "gate": {"overall": {"min_accuracy": 0.5}, "classes": {"flagged": "warn"}},
    }
)


def finished_run(root, flagged="cat", other="pass"):
    """Writes the results folder of a run that passes its gate, with a warning for ``flagged``."""
    for folder in ("stages", "overlays", "benchmarks/explain", "logs"):
        (root / folder).mkdir(parents=True)
    config = CONFIG.model_dump(mode="json")
    (root / "stages/config.json").write_text(json.dumps(config))
    (root / "stages/.lock").touch()
    (root / "stages/heatmaps.parquet").write_bytes(b"maps")
    (root / "overlays/flagged 1.jpg").write_bytes(b"\xff\xd8picture")
    (root / "predictions.csv").write_text("file_name,correct\na.jpg,True\nb.jpg,False\n")
    for name in ("judge", "explain/0-ab"):
        (root / f"benchmarks/{name}.tsv").write_text("s\th:m:s\tmax_rss\n2.05\t0:00:02\tNA\n")
    with (root / "per_class.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, REQUIRED, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
        table.writeheader()
        for name, verdict in {flagged: "flagged", HOSTILE: other, "__all__": ""}.items():
            row = {"class": name, "method": "gradcam", "layer": "top", "verdict": verdict}
            table.writerow({**FIGURES, **row, "confirmation": "not_run", "fitness": "fit"})
    summary = {
        "schema_version": "1", "name": "zoo", "warnings": [],
        "counts": {"images_in": 50, "images_excluded": 10},
        "methods": [{"method": "gradcam", "layer": "top"}],
    }  # fmt: skip
    (root / "summary.json").write_text(json.dumps(summary))
    hashes = {
        "model": {"/there/m.keras": digest_bytes(MODEL)}, "images": "1" * 64,
        "annotations": {"/there/a.json": "2" * 64}, "package_source": "3" * 64,
        "tables": {name: digest_file(root / name) for name in TABLES},
    }  # fmt: skip
    provenance = {
        "schema_version": "1", "focus_audit": "0.1.0", "started": "2026-05-01T10:00:00+00:00",
        "finished": "2026-05-01T10:01:00+00:00", "config": config, "hashes": hashes,
        "versions": {"python": "3.11.7", "snakemake": "9.27.1"},
    }  # fmt: skip
    (root / "provenance.json").write_text(json.dumps(provenance))
    run_verdict(CONFIG, Layout(root), Progress("verdict", quiet=True))
    return root


def edit(path, old, new):
    """Replace some bytes of a file, which must be there."""
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new))
