"""Classes whose answer is known, and the function of the pixels that stands for the model."""

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
from PIL import Image

from audit.config.model import Config
from audit.digest import digest_file
from audit.progress import Progress
from audit.stages.confirm import run_confirm
from audit.stages.index import INDEX_SCHEMA
from audit.stages.layout import Layout
from audit.tables.parquet import read_table, write_frame, write_rows

SIZE, PER_CLASS = 24, 36
# What each class's answer needs; a hostile name, too.
NEEDS = {
    "../../mead ow": ("background",),
    "thing": ("object",),
    "both": ("object", "background"),
    "fine": ("object",),
    "fine too": ("object",),
}
CLASSES = tuple(NEEDS)
VERDICTS = dict(zip(CLASSES, ("flagged", "inconclusive", "flagged", "pass", "pass"), strict=True))
HIGH, LOW = 0.8, 0.08


def colours(k):
    """Object and background of class k."""
    return (200, 10 * k, 0), (0, 10 * k, 200)


class Answers:
    """In the place of a probe: looks for a class's two colours, and answers by its needs."""

    def __init__(self, batch, dies_after=None):
        self.batch, self.left = batch, dies_after
        self.calls, self.seen = 0, set()

    def blank_inputs(self):
        return {}

    def forward(self, pixels, others):
        assert len(pixels) == self.batch and others == {}
        self.calls += 1
        if self.left is not None and self.calls > self.left:
            raise KeyboardInterrupt
        self.seen |= {image.tobytes() for image in pixels}
        return SimpleNamespace(probabilities=np.stack([self._answer(i) for i in pixels]))

    def _answer(self, image):
        found = np.full(len(CLASSES), LOW, np.float32)
        for k, needs in enumerate(NEEDS.values()):
            pairs = zip(("object", "background"), colours(k), (20, 150), strict=True)
            has = {name: (image == c).all(axis=-1).sum() >= least for name, c, least in pairs}
            if all(has[need] for need in needs):
                found[k] = HIGH
        return found


class Audit:
    """What ``judge`` leaves behind, in a folder."""

    def __init__(self, root, batch=8, **confirm):
        self.layout = Layout(root)
        self.config = Config.model_validate(
            {
                "audit": {"name": "confirm", "output": str(root)},
                "model": {"path": "m.keras", "preprocess": "none"},
                "dataset": {"format": "coco", "annotations": "a", "images": "i"},
                "run": {"batch_size": batch, "threads": 2},
                "confirm": {"examples": 1, "fills": ["mean", "donor", "inpaint"], **confirm},
            }
        )
        facts = {"input_height": SIZE, "input_width": SIZE, "channels": 3}
        self.found = {
            "sha256": "0",
            "facts": facts,
            "classes": {c: [k] for k, c in enumerate(CLASSES)},
        }
        self.manifest = {"shards": [{"name": "0-0"}, {"name": "1-1"}]}
        rows = [self._image(k, i) for k in range(len(CLASSES)) for i in range(PER_CLASS)]
        for n, shard in enumerate(self.manifest["shards"]):
            write_rows(self.layout.index(shard["name"]), INDEX_SCHEMA, rows[n::2])
        self.predictions = pd.DataFrame([self._record(r) for r in rows])
        self.judged = pd.DataFrame(
            [
                {"class": c, "method": "gradcam", "layer": "a", "verdict": v}
                for c, v in VERDICTS.items()
            ]
        )
        self.save()

    def save(self):
        write_frame(self.layout.root / "predictions.parquet", self.predictions)
        write_frame(self.layout.judged, self.judged)

    def _image(self, k, i):
        rng = np.random.default_rng([k, i])
        x, y = (int(v) for v in rng.integers(1, 14, 2))
        pixels = np.empty((SIZE, SIZE, 3), np.uint8)
        thing, ground = colours(k)
        pixels[...] = ground
        pixels[y : y + 8, x : x + 8] = thing
        path = self.layout.root / "images" / f"{k}_{i:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
        box = {
            "x0": x,
            "y0": y,
            "x1": x + 8,
            "y1": y + 8,
            "class_name": CLASSES[k],
            "ignored": False,
        }
        return {
            "image_id": path.name, "file_name": path.name, "path": str(path), "where": path.name,
            "sha256": digest_file(path), "format": "PNG", "mode": "RGB", "stored_width": SIZE,
            "stored_height": SIZE, "orientation": 1, "width": SIZE, "height": SIZE, "objects": [box],
        }  # fmt: skip

    def _record(self, row):
        return {
            "file_name": row["file_name"], "target_class": row["objects"][0]["class_name"],
            "method": "gradcam", "layer": "a", "eligible": True, "target_probability": HIGH,
            "area_fraction": 64 / SIZE**2,
        }  # fmt: skip

    def run(self, probe=None, progress=None):
        probe = probe or Answers(self.config.run.batch_size)
        progress = progress or Progress("confirm", quiet=True)
        run_confirm(self.config, self.layout, self.manifest, self.found, progress, probe)
        return probe

    def states(self):
        told = json.loads(self.layout.confirmed.read_text())
        return {name: entry["state"] for name, entry in told.items()}

    def table(self):
        return pd.read_csv(self.layout.root / "confirmation.csv").set_index(["class", "fill"])

    def changes(self):
        return read_table(self.layout.changes).to_pylist()

    def results(self):
        files = [self.layout.confirmed, self.layout.root / "confirmation.csv"]
        files += sorted(self.layout.confirmation.iterdir())
        return {f.name: f.read_bytes() for f in files}, self.changes()
