"""A run's stage files, made without a model: two layers, pixels and two baselines, on four grids."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from audit.config.load import dump_config
from audit.config.model import Config
from audit.heatmaps import encode, maximum
from audit.progress import Progress
from audit.stages.explain import IMAGE_SCHEMA, RECORD_SCHEMA
from audit.stages.index import EXCLUSION_SCHEMA, INDEX_SCHEMA
from audit.stages.judge import run_judge
from audit.stages.layout import Layout
from audit.stages.overlays import run_overlays
from audit.stages.score import run_score
from audit.stages.summarise import run_summarise
from audit.tables.atomic import write_json
from audit.tables.csv import write_csv
from audit.tables.parquet import write_rows

WIDTH, HEIGHT = 40, 30
# (method, layer) -> grid, in the order in which explain writes them.
RUNS = {
    ("center", "none"): (4, 4),
    ("gradcam", "a/out"): (4, 4),
    ("gradcam", "b/out"): (3, 5),
    ("saliency", "input"): (8, 10),
    ("uniform", "none"): (4, 4),
}
METHODS, LAYERS = ["saliency", "gradcam", "uniform", "center"], ["b/out", "a/out"]
CLASSES = ("cat", "dog")


def thing(name, box, ignored=False):
    return dict(zip(("x0", "y0", "x1", "y1"), box, strict=True)) | {
        "class_name": name, "ignored": ignored,
    }  # fmt: skip


def random_of(*names):
    """Random numbers that depend on names alone."""
    return np.random.default_rng(list("\0".join(names).encode()))


def scenes():
    """Pictures: file name -> (objects, predicted class, targets); no targets: it cannot be read."""
    rng = np.random.default_rng(3)
    found = {}
    for k in range(16):
        name = CLASSES[k % 2]
        x, y = rng.integers(12, 24), rng.integers(10, 18)
        box = (float(x), float(y), float(x + 10 + k % 6), float(y + 8 + k % 4))
        found[f"{name}_{k:02d}.png"] = ([thing(name, box)], name, {name: "class"})
    cat, dog = thing("cat", (2.0, 2.0, 16.0, 12.0)), thing("dog", (20.0, 15.0, 38.0, 29.0))
    found["both.png"] = ([cat, dog], "dog", {"cat": "class", "dog": "class"})
    found["crowd.png"] = ([thing("cat", (1.0, 1.0, 20.0, 20.0), True)], "cat", {"cat": "class"})
    owl = thing("owl", (30.0, 2.0, 38.0, 9.0))
    found["other.png"] = ([cat, owl], "dog", {"cat": "class", "dog": "any_object"})
    found["broken.png"] = ([cat], None, {})
    return found


def heatmap(rng, method, grid, box):
    """A map of each method: cats' lie on the box, more or less; dogs' lie in a corner."""
    h, w = grid
    v, u = np.meshgrid((np.arange(h) + 0.5) / h, (np.arange(w) + 0.5) / w, indexing="ij")
    if method == "uniform":
        return np.full(grid, 0.3, np.float32)
    if method == "center":
        box = (WIDTH / 2, HEIGHT / 2, WIDTH / 2, HEIGHT / 2)
    x, y = (box[0] + box[2]) / 2 / WIDTH, (box[1] + box[3]) / 2 / HEIGHT
    a = np.exp(-((u - x) ** 2 + (v - y) ** 2) / 0.05)
    if method != "center":
        a += 0.3 * rng.random(grid)
        a[a < 0.25] = 0  # as ReLU leaves them: many are tied
    return a.astype(np.float32)


@dataclass
class StageFiles:
    """A results folder with everything up to the explain stage, and what stands in it."""

    root: Path
    runs: dict = field(default_factory=lambda: dict(RUNS))
    shards: int = 2
    output: str = "softmax"
    maps: dict = field(default_factory=dict)
    """(file, class, method, layer) -> float32 map."""

    def __post_init__(self) -> None:
        self.layout = Layout(self.root)
        methods = [m for m in METHODS if m in {run[0] for run in self.runs}]
        self.config = Config.model_validate(
            {
                "audit": {"name": "several", "output": str(self.root)},
                "model": {"path": "m.keras", "preprocess": "none"},
                "dataset": {"format": "coco", "annotations": "a", "images": "i"},
                "explain": {"method": methods, "layer": LAYERS},
                "flags": {"min_eligible": 4},
                "heatmap": {"sweep": [0.2, 0.5]},
                "report": {"overlays_flagged": 5, "overlays_sample": 6},
            }
        )
        self.layout.config.parent.mkdir(parents=True)
        self.layout.config.write_text(dump_config(self.config))
        facts = {
            "input_height": 24, "input_width": 24, "output": self.output,
            "score_reason": "input of the final activation",
            "layers": [{"path": path} for path in LAYERS],
        }  # fmt: skip
        model = {"sha256": "0" * 64, "facts": facts, "labels": None, "notes": []}
        write_json(self.layout.model, model)
        self._write(scenes())
        self.found = {**model, **self.manifest["mapping"]}

    def _write(self, pictures: dict) -> None:
        names = sorted(pictures)
        cuts = [names[k :: self.shards] for k in range(self.shards)]
        counts = {"images_in": len(names), "boxes_in": sum(len(p[0]) for p in pictures.values())}
        self.manifest = {
            "mapping": {
                "classes": {name: [k] for k, name in enumerate(CLASSES)},
                "classes_not_mapped": ["owl"], "classes_without_annotation": [],
            },
            "counts": counts, "notes": [],
            "shards": [{"name": f"{k}-{k:016x}"} for k in range(self.shards)],
        }  # fmt: skip
        write_json(self.layout.manifest, self.manifest)
        write_rows(self.layout.index_excluded, EXCLUSION_SCHEMA, [])
        for shard, part in zip(self.names, cuts, strict=True):
            of_part = {name: pictures[name] for name in part}
            write_rows(self.layout.index(shard), INDEX_SCHEMA, self._index(of_part))
            write_rows(self.layout.seen(shard), IMAGE_SCHEMA, self._seen(of_part))
            write_rows(self.layout.explained(shard), RECORD_SCHEMA, self._records(of_part))

    @property
    def names(self) -> list[str]:
        return [s["name"] for s in self.manifest["shards"]]

    def _index(self, pictures: dict) -> list[dict]:
        rows = []
        for name, (objects, _, _) in pictures.items():
            width = WIDTH + 6 * name.endswith(("both.png", "3.png"))
            path = self.root / "images" / name
            path.parent.mkdir(exist_ok=True)
            pixels = random_of(name).integers(0, 256, (HEIGHT, width, 3), np.uint8)
            Image.fromarray(pixels).save(path)
            rows.append(
                {
                    "image_id": name, "file_name": name, "path": str(path), "where": name,
                    "sha256": name, "format": "PNG", "mode": "RGB", "stored_width": width,
                    "stored_height": HEIGHT, "orientation": 1, "width": width, "height": HEIGHT,
                    "objects": objects,
                }
            )  # fmt: skip
        return rows

    def _seen(self, pictures: dict) -> list[dict]:
        rows = []
        for name, (_, predicted, targets) in pictures.items():
            if predicted is None:
                rows.append({"file_name": name, "fault": "truncated_image", "detail": "it ends"})
                continue
            rows.append(
                {
                    "file_name": name, "n_targets": len(targets), "predicted_output": 0,
                    "predicted_class": predicted, "predicted_score": 0.9,
                    "fingerprint": random_of(name).bytes(32),
                }
            )  # fmt: skip
        return rows

    def _records(self, pictures: dict) -> list[dict]:
        rows = []
        for name, (objects, predicted, targets) in pictures.items():
            for target, reference in sorted(targets.items()):
                for (method, layer), grid in sorted(self.runs.items()):
                    key = (name, target, method, layer)
                    here = objects[0] if target == "cat" else thing("dog", (0, 0, 4, 4))
                    a = heatmap(
                        random_of(*key), method, grid, [here[c] for c in ("x0", "y0", "x1", "y1")]
                    )
                    if key[::2] == ("cat_04.png", "saliency"):
                        a[:] = 0  # flat by accident: it stays unscored
                    self.maps[key] = a
                    rows.append(self._record(key, a, reference, predicted))
        return rows

    def _record(self, key, a, reference, predicted) -> dict:
        peak, (data, scale) = maximum(a), encode(a)
        names = ("file_name", "target_class", "method", "layer")
        return dict(zip(names, key, strict=True)) | {
            "role": "annotated", "reference": reference,
            "correct": predicted == key[1] if reference == "class" else False,
            "target_score": 1.0, "target_probability": 0.9, "target_rank": 1,
            "grid_height": a.shape[0], "grid_width": a.shape[1], "heatmap": data,
            "heatmap_scale": scale, "point_u": peak.u, "point_v": peak.v, "tied": peak.tied,
            "map_kind": "even" if key[2] == "uniform" else peak.kind,
        }  # fmt: skip

    def finish(self) -> "StageFiles":
        """Everything after the explain stage."""
        for shard in self.names:
            run_score(self.config, self.layout, self.found, shard, Progress("score"), 1)
        run_judge(self.config, self.layout, self.manifest, self.found, Progress("judge"))
        # In place of the two stages that ask the model.
        write_json(self.layout.confirmed, {})
        write_json(self.layout.fitness, {})
        for name in ("confirmation.csv", "sanity.csv"):
            write_csv(self.root / name, pd.DataFrame(columns=["method"]))
        run_summarise(self.config, self.layout, self.manifest, self.found, Progress("summarise"))
        run_overlays(self.config, self.layout, self.found, Progress("overlays"))
        return self

    def summary(self) -> dict:
        return json.loads((self.root / "summary.json").read_text())


@pytest.fixture(scope="session")
def stage_files(tmp_path_factory):
    """Builds a run's files in a folder of its own; with ``runs``, ``shards`` or ``output`` changed."""

    def build(**change) -> StageFiles:
        return StageFiles(tmp_path_factory.mktemp("stages") / "several", **change)

    return build


@pytest.fixture(scope="session")
def several(stage_files) -> StageFiles:
    """The finished run of all methods, only to be read."""
    return stage_files().finish()
