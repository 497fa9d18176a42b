"""One planted model: from its world to the audit's verdicts, all in this process.

The audit is the package's own, stage by stage as ``focus-audit run`` calls them, on files as a user
has them and with its defaults.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from audit.config.load import parse_config
from audit.config.model import Config
from audit.digest import package_digest
from audit.progress import Progress
from audit.prove.data import PictureFolder, dataset_section
from audit.prove.plan import TRAINING, Cell
from audit.prove.truth import measure
from audit.prove.worlds import AUDITED, TRAIN, World, pictures, render, render_all
from audit.stages.classes import ALL
from audit.stages.figures import json_value
from audit.stages.layout import Layout
from audit.stages.settings import write_settings
from audit.tables.cells import unguarded

# What a row keeps of each class's row in per_class.csv.
KEPT = (
    "n_eligible", "accuracy", "background_focused_rate", "background_focused_shuffled",
    "heatmap_verdict", "verdict", "confirmation", "confirmation_reason", "fitness",
)  # fmt: skip


def run_trial(cell: Cell) -> dict[str, Any]:
    """Train, measure the truth, audit; a row of JSON values (``trials.jsonl``).

    A model that failed to train is not audited: its ``classes`` are empty.
    """
    from audit.models.runtime import start
    from audit.prove import train

    start(1)
    world, clock = cell.world, _Clock()
    images, labels = render_all(world, list(pictures(world, TRAIN, TRAINING)))
    clock.lap("render")
    model = train.train(images, labels, world.classes, cell.architecture, world.seed)
    clock.lap("train")
    truth = measure(world, train.classifier(model))
    clock.lap("truth")
    classes: list[dict[str, Any]] = []
    if truth.verdict != "failed":
        with tempfile.TemporaryDirectory(prefix="focus-audit-prove-") as folder:
            classes = audit(world, lambda path: train.save(model, path), Path(folder))
        clock.lap("audit")
    return {
        **cell.as_dict(),
        "package": package_digest()[:16],
        "truth": {name: json_value(value) for name, value in asdict(truth).items()},
        "classes": classes,
        "seconds": clock.laps,
    }


def audit(world: World, save: Callable[[Path], None], folder: Path) -> list[dict[str, Any]]:
    """Write data and model, run every stage that leads to a verdict; a row a class."""
    write_data(world, folder)
    save(folder / "model.keras")
    per_class = run_stages(audit_config(world, folder))
    rows = per_class[per_class["class"] != ALL].to_dict("records")
    return [
        {"class": row["class"], "planted": row["class"] == world.names[world.planted]}
        | {key: json_value(row.get(key)) for key in KEPT}
        for row in rows
    ]


def write_data(world: World, folder: Path) -> None:
    """The audited pictures as PNG, the copies among them as JPEG, and a COCO file."""
    data = PictureFolder(folder, world.names)
    drawn = list(pictures(world, AUDITED, world.audited))
    copied = drawn[: round(world.duplicates * len(drawn))]
    for ending, some in ((".png", drawn), ("-copy.jpg", copied)):
        for number, picture in enumerate(some):
            image, box = render(world, picture)
            data.add(f"{number:05d}{ending}", image, picture.label, [box])
    data.finish()


def audit_config(world: World, folder: Path) -> Config:
    """The config of the audit: the defaults, and where things lie."""
    values = {
        "audit": {"name": "proving-ground", "output": str(folder / "results")},
        "model": {"path": str(folder / "model.keras"), "preprocess": "scale_0_1"},
        "dataset": dataset_section(folder, {name: i for i, name in enumerate(world.names)}),
        "run": {"threads": 1},
    }
    return parse_config(values, "the proving ground's config")


def run_stages(config: Config) -> pd.DataFrame:
    """The audit without its pictures; the content of ``per_class.csv``."""
    from audit.stages.confirm import run_confirm
    from audit.stages.explain import run_explain
    from audit.stages.index import run_index
    from audit.stages.inspect import run_inspect
    from audit.stages.judge import run_judge
    from audit.stages.sanity import run_sanity
    from audit.stages.score import run_score
    from audit.stages.summarise import run_summarise

    layout, progress = Layout(Path(config.audit.output)), Progress("prove", quiet=True)
    write_settings(config, layout.config)
    run_inspect(config, layout)
    model = json.loads(layout.model.read_text())
    manifest = run_index(config, layout, model, progress)
    found = {**model, **manifest["mapping"]}
    for shard in (entry["name"] for entry in manifest["shards"]):
        run_explain(config, layout, found, shard, progress)
        run_score(config, layout, found, shard, progress, jobs=1)
    for stage in (run_judge, run_confirm, run_sanity, run_summarise):
        stage(config, layout, manifest, found, progress)
    return pd.read_csv(layout.root / "per_class.csv", converters={"class": unguarded})


class _Clock:
    """Seconds between laps."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = time.monotonic()

    def lap(self, name: str) -> None:
        now = time.monotonic()
        self.laps[name] = round(now - self._last, 2)
        self._last = now
