"""Cost of everything but the model against the number of records: index, score, judge, ... report.

``python -m tests.benchmarks.size [COUNT ...]``. Every image is a file of its own; what the model would
have said of it is drawn at random, so that no two maps, answers or fingerprints are alike. Every stage
is the command itself, and its memory that of all its processes together, without mapped files.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil
import yaml

from audit.heatmaps.peak import PEAK
from audit.stages.explain import IMAGE_SCHEMA, RECORD_SCHEMA
from audit.stages.layout import Layout
from audit.stages.settings import load_settings, write_settings
from audit.tables.atomic import write_json
from audit.tables.parquet import read_table, write_rows
from tests.benchmarks.size_plot import draw

COMMAND = str(Path(sys.executable).parent / "focus-audit")
COUNTS = (10_000, 100_000, 1_000_000)
CLASSES = [f"class {k:02d}" for k in range(100)]
WIDTH, HEIGHT = 160, 120
INPUT, GRID = 224, 7
PICTURES = 500
LIMIT_MB = 4096
AFTER_SCORE = (
    "judge",
    "confirm",
    "sanity",
    "summarise",
    "overlays",
    "provenance",
    "verdict",
    "report",
)
ANON = re.compile(r"^Pss_Anon:\s+(\d+) kB", re.MULTILINE)


def main(folder: Path, counts: Sequence[int]) -> None:
    """Print seconds and megabytes of each stage at each size; draw them beside the run's files."""
    costs = {count: measure(folder / f"size_{count}", count) for count in counts}
    write_json(folder / "costs.json", {str(count): costs[count] for count in counts})
    plot = folder / "cost_against_size.svg"
    plot.write_text(draw(costs, LIMIT_MB), "utf-8")
    print(f"drawn in {plot}")
    for stage in costs[counts[0]]:
        line = "  ".join(
            f"{count:>9,}: {costs[count][stage][0]:7.1f} s {1e6 * costs[count][stage][0] / count:8.1f} "
            f"us each {costs[count][stage][1]:6.0f} MB"
            for count in counts
        )
        print(f"{stage:<10} {line}")
    over = [s for c in counts for s in costs[c] if costs[c][s][1] > LIMIT_MB]
    print(f"above {LIMIT_MB} MB: {', '.join(over) or 'none'}")


def measure(folder: Path, count: int) -> dict[str, tuple[float, float]]:
    """Stage -> seconds and megabytes, for ``count`` images with a record each."""
    config_file = write_inputs(folder, count)
    config = load_settings([config_file])
    layout = Layout(Path(config.audit.output or ""))
    shutil.rmtree(layout.root, ignore_errors=True)
    write_settings(config, layout.config)
    stage(layout, "inspect")
    costs = {"index": stage(layout, "index")}
    shards = [s["name"] for s in json.loads(layout.manifest.read_text())["shards"]]
    for number, shard in enumerate(shards):
        explain(layout, shard, number)
    scored = [stage(layout, "score", "--shard", s, "--jobs", "2") for s in shards]
    costs["score"] = sum(t for t, _ in scored), max(m for _, m in scored)
    for name in AFTER_SCORE:
        costs[name] = stage(layout, name)
        print(f"{count:,}: {name} {costs[name][0]:.1f} s, {costs[name][1]:.0f} MB", flush=True)
    page = layout.root / "report.html"
    print(f"{count:,}: {len(shards)} shards, report.html {page.stat().st_size / 1e6:.2f} MB")
    costs["dag"] = watched(
        [sys.executable, "-m", "snakemake", "--snakefile", str(Path.cwd() / "Snakefile"),
         "--configfile", str(config_file), "--cores", "2", "--dry-run", "--quiet"], folder,
    )  # fmt: skip
    return costs


def stage(layout: Layout, name: str, *more: str) -> tuple[float, float]:
    """Seconds and megabytes of one stage."""
    given = [str(layout.root)] if name == "report" else ["--config", str(layout.config)]
    return watched([COMMAND, name, *given, *more], layout.root)


def watched(command: list[str], folder: Path) -> tuple[float, float]:
    """Seconds, and the most megabytes that the command and its children had at once."""
    began, peak = time.perf_counter(), 0
    with (folder / "size.log").open("ab") as log:
        process = psutil.Popen(command, stdout=log, stderr=log)
        while process.poll() is None:
            peak = max(peak, sum(_anonymous(process)))
            time.sleep(0.05)
    if process.returncode not in (0, 1):
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}: see {log.name}")
    return time.perf_counter() - began, peak / 1024


def _anonymous(process: psutil.Popen) -> Iterator[int]:
    """Kilobytes of each process that are no file's: shared pages are shared out among their owners."""
    try:
        owners = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for owner in owners:
        try:
            yield int(ANON.search(Path(f"/proc/{owner.pid}/smaps_rollup").read_text())[1])
        except (OSError, TypeError):  # it has just ended
            continue


# -- what is measured


def write_inputs(folder: Path, count: int) -> Path:
    """Images, boxes, a model of the right shape, and the config; kept between runs."""
    config_file = folder / "audit.yaml"
    if config_file.exists():
        return config_file
    images = folder / "images"
    images.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(3)
    pictures = [_picture(rng) for _ in range(PICTURES)]
    for k in range(count):
        # What stands behind the end of a JPEG is not looked at: every file has a digest of its own.
        (images / name_of(k)).write_bytes(pictures[k % PICTURES] + k.to_bytes(8, "big"))
    _write_coco(folder / "coco.json", count, rng)
    _write_model(folder / "model.keras")
    (folder / "labels.json").write_text(json.dumps(CLASSES))
    config = {
        "audit": {"name": "size", "output": str(folder / "report")},
        "model": {
            "path": str(folder / "model.keras"), "preprocess": "none",
            "labels": str(folder / "labels.json"),
        },
        "dataset": {
            "format": "coco", "annotations": str(folder / "coco.json"), "images": str(images),
        },
        "confirm": {"classes": "none"},
        "sanity": {"images": 0},
    }  # fmt: skip
    config_file.write_text(yaml.safe_dump(config))
    return config_file


def name_of(number: int) -> str:
    return f"{number:07d}.jpg"


def _picture(rng: np.random.Generator) -> bytes:
    noise = rng.integers(0, 256, (12, 16, 3), np.uint8)
    picture = cv2.resize(noise, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    return cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 80])[1].tobytes()


def _write_coco(path: Path, count: int, rng: np.random.Generator) -> None:
    sizes = rng.integers(20, 80, (count, 2))
    corners = rng.integers(0, np.array([WIDTH, HEIGHT]) - sizes)
    images = [
        {"id": k + 1, "file_name": name_of(k), "width": WIDTH, "height": HEIGHT}
        for k in range(count)
    ]
    boxes = [
        {
            "id": k + 1, "image_id": k + 1, "category_id": k % len(CLASSES) + 1, "iscrowd": 0,
            "bbox": [int(x), int(y), int(w), int(h)], "area": int(w * h),
        }
        for k, ((x, y), (w, h)) in enumerate(zip(corners, sizes, strict=True))
    ]  # fmt: skip
    categories = [{"id": k + 1, "name": name} for k, name in enumerate(CLASSES)]
    path.write_text(json.dumps({"images": images, "annotations": boxes, "categories": categories}))


def _write_model(path: Path) -> None:
    import keras

    stride = INPUT // GRID
    keras.Sequential(
        [
            keras.Input((INPUT, INPUT, 3)),
            keras.layers.Conv2D(4, stride, strides=stride, activation="relu"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(len(CLASSES), activation="softmax"),
        ]
    ).save(path)


def explain(layout: Layout, shard: str, number: int) -> None:
    """What the explain stage would have written of a shard, drawn at random: nine answers in ten are
    right, and the maps have a hill near the object's middle as often.
    """
    index = read_table(layout.index(shard), ["file_name", "objects"]).to_pylist()
    layer = json.loads(layout.model.read_text())["facts"]["layers"][0]["path"]
    rng = np.random.default_rng([5, number])
    n = len(index)
    names = [row["file_name"] for row in index]
    objects = [row["objects"][0] for row in index]
    own = np.array([CLASSES.index(o["class_name"]) for o in objects])
    right = rng.random(n) < 0.9
    given = np.where(right, own, (own + 1) % len(CLASSES))
    score = rng.uniform(0.4, 1, n)
    maps, peaks = _hills(objects, rng)
    records = {
        "file_name": names, "target_class": [CLASSES[k] for k in own], "method": ["gradcam"] * n,
        "layer": [layer] * n, "role": ["annotated"] * n, "reference": ["class"] * n,
        "correct": right, "target_score": 10 * score, "target_probability": score,
        "target_rank": np.where(right, 1, 2), "grid_height": [GRID] * n, "grid_width": [GRID] * n,
        "heatmap": [m.tobytes() for m in maps.astype("<f2")], "heatmap_scale": rng.random(n) + 0.1,
        "point_u": peaks[:, 0], "point_v": peaks[:, 1], "tied": [False] * n, "map_kind": [PEAK] * n,
    }  # fmt: skip
    seen: dict[str, Any] = {
        "file_name": names, "n_targets": [1] * n, "predicted_output": given,
        "predicted_class": [CLASSES[k] for k in given], "predicted_score": score,
        "fingerprint": [rng.bytes(32) for _ in range(n)], "fault": [None] * n, "detail": [None] * n,
    }  # fmt: skip
    layout.explained(shard).parent.mkdir(parents=True, exist_ok=True)
    write_rows(layout.explained(shard), RECORD_SCHEMA, _rows(records))
    write_rows(layout.seen(shard), IMAGE_SCHEMA, _rows(seen))
    write_json(layout.timing(shard), {"images": n, "seconds": {"forward": 1.0}})


def _rows(columns: dict[str, Any]) -> list[dict[str, Any]]:
    plain = [c.tolist() if isinstance(c, np.ndarray) else c for c in columns.values()]
    return [dict(zip(columns, values, strict=True)) for values in zip(*plain, strict=True)]


def _hills(
    objects: Sequence[dict[str, Any]], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Maps (n, 7, 7) relative to their maximum, and where that is, u and v in [0, 1]."""
    corners = np.array([[o["x0"], o["y0"], o["x1"], o["y1"]] for o in objects])
    middle = (corners[:, :2] + corners[:, 2:]) / 2 / [WIDTH, HEIGHT]
    middle = np.where(rng.random((len(objects), 1)) < 0.9, middle, rng.random((len(objects), 2)))
    cell = (np.arange(GRID) + 0.5) / GRID
    away = ((cell - middle[:, :1]) ** 2)[:, None, :] + ((cell - middle[:, 1:]) ** 2)[:, :, None]
    maps = np.exp(-away / 0.05) + 0.1 * rng.random((len(objects), GRID, GRID))
    maps /= maps.max(axis=(1, 2), keepdims=True)
    rows, columns = np.divmod(maps.reshape(len(maps), -1).argmax(1), GRID)
    return maps, np.stack([cell[columns], cell[rows]], axis=1)


if __name__ == "__main__":
    target = Path(os.environ.get("BENCH_FOLDER", "/tmp/focus-audit-bench"))
    main(target, [int(c) for c in sys.argv[1:]] or COUNTS)
