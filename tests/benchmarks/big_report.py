"""The report of very many records: ``python -m tests.benchmarks.big_report RESULTS OUT COUNT``.

The records of a finished run are multiplied under other names and classes, with maps of their own,
and judged by the stages themselves; then the page is made in a process of its own.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from audit.config.load import read_resolved
from audit.heatmaps import encode
from audit.progress import Progress
from audit.stages.confirm import run_confirm
from audit.stages.gate import run_verdict
from audit.stages.judge import run_judge
from audit.stages.layout import Layout
from audit.stages.overlays import run_overlays
from audit.stages.provenance import run_provenance
from audit.stages.sanity import run_sanity
from audit.stages.score import run_score
from audit.stages.settings import write_settings
from audit.stages.summarise import run_summarise
from audit.tables.atomic import write_json
from audit.tables.parquet import read_table, write_rows

KINDS = 25
"""Names that each class is multiplied into."""


def main(results: str, out: str, count: str) -> None:
    """Write the large run into ``out``."""
    source, layout = Layout(Path(results)), Layout(Path(out))
    shutil.rmtree(out, ignore_errors=True)
    config = read_resolved(source.config)
    config = config.model_copy(
        update={
            "audit": config.audit.model_copy(update={"output": out}),
            "confirm": config.confirm.model_copy(update={"classes": "none"}),
            "sanity": config.sanity.model_copy(update={"images": 0}),
        }
    )
    write_settings(config, layout.config)
    shutil.copy(source.model, layout.model)
    manifest = _multiply(source, layout, int(count))
    found = {**json.loads(layout.model.read_text()), **manifest["mapping"]}
    quiet = Progress("bench", quiet=True)
    began = time.perf_counter()
    run_score(config, layout, found, manifest["shards"][0]["name"], quiet, jobs=2)
    for stage in (run_judge, run_confirm, run_sanity, run_summarise):
        stage(config, layout, manifest, found, quiet)
    run_overlays(config, layout, found, quiet)
    run_provenance(config, layout, manifest, found)
    run_verdict(config, layout, quiet)
    print(f"{count} records judged in {time.perf_counter() - began:.0f} s", flush=True)


def _multiply(source: Layout, layout: Layout, count: int) -> dict[str, Any]:
    """Index and explained records, ``count`` images in one shard; the new manifest."""
    manifest = json.loads(source.manifest.read_text())
    (shard,) = (s["name"] for s in manifest["shards"])
    paths = ("index", "explained", "seen")
    tables = [read_table(getattr(source, name)(shard)) for name in paths]
    rows = [table.to_pylist() for table in tables]
    made = [
        [_renamed(row, copy, rng_key) for copy in range(-(-count // len(part))) for row in part][
            :count
        ]
        for rng_key, part in enumerate(rows)
    ]
    for name, table, part in zip(paths, tables, made, strict=True):
        write_rows(getattr(layout, name)(shard), _plain(table.schema), part)
    write_rows(layout.index_excluded, read_table(source.index_excluded).schema, [])
    shutil.copy(source.timing(shard), layout.timing(shard))
    outputs = manifest["mapping"]["classes"]
    manifest["mapping"]["classes"] = {
        f"{name}_{k:02d}": units for name, units in outputs.items() for k in range(KINDS)
    }
    total = {"images": len(made[0]), "boxes": sum(len(row["objects"]) for row in made[0])}
    manifest["shards"] = [{"name": shard, **total}]
    manifest["counts"] |= {
        "images_in": total["images"], "images_kept": total["images"], "boxes_in": total["boxes"],
        "boxes_kept": total["boxes"],
    }  # fmt: skip
    write_json(layout.manifest, manifest)
    return manifest


def _renamed(row: dict[str, Any], copy: int, stream: int) -> dict[str, Any]:
    """A row of any of the three tables as that of another image."""
    rng = np.random.default_rng([copy, stream, zlib.crc32(row["file_name"].encode())])
    row = {**row, "file_name": f"copy_{copy:04d}/{row['file_name']}"}
    kind = f"_{copy % KINDS:02d}"
    for name in ("target_class", "predicted_class"):
        if row.get(name):
            row[name] += kind
    if "objects" in row:
        row["objects"] = [{**o, "class_name": o["class_name"] + kind} for o in row["objects"]]
        row["image_id"] = row["file_name"]
    if "heatmap" in row:
        shape = (row["grid_height"], row["grid_width"])
        row["heatmap"], row["heatmap_scale"] = encode(rng.random(shape) ** 4)
    if "fingerprint" in row:
        row["fingerprint"] = rng.bytes(len(row["fingerprint"]))
    return row


def _plain(schema: pa.Schema) -> pa.Schema:
    return schema.remove_metadata()


if __name__ == "__main__":
    main(*sys.argv[1:])
