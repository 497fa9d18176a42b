"""``prove --config``: what the audit would see on a user's own model and images.

A background texture is planted into the images of one class at a time; the head alone is fitted
anew on frozen features; the audit is run on images that the fit has not seen. Once it is done with
nothing planted, too: what is flagged there is the data's own.

The head is taught that the texture decides: the other classes' images with the texture bear the
planted class's name. From that class's images alone it goes on reading the object, which features
of a trained network tell as well, and there would be no reliance to look for.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from audit.config.load import parse_config
from audit.config.model import Config
from audit.progress import Progress
from audit.prove.data import PictureFolder, dataset_section
from audit.prove.own import OwnData, own_data, planted
from audit.prove.power import power
from audit.prove.trial import KEPT, run_stages
from audit.prove.truth import MIN_ACCURACY, Truth, truth_of
from audit.stages.classes import ALL
from audit.stages.eligibility import is_baseline
from audit.stages.evidence import verdict_rule
from audit.stages.settings import load_settings
from audit.statistics import VerdictRule
from audit.tables.atomic import write_json
from audit.tables.csv import write_csv

NOTHING = "nothing"


def prove_own(config_file: Path, folder: Path, progress: Progress) -> list[str]:
    """Write ``own.csv``, a row a planted class and audited class; the findings as plain lines."""
    from audit.models.probe import ModelProbe
    from audit.prove.refit import check_head, features_of, fit_head, write_refitted
    from audit.stages.index import build_index
    from audit.stages.inspect import inspect_model, map_classes

    config = load_settings([config_file])
    model = inspect_model(config)
    index = build_index(config, progress)
    mapping = map_classes(config, model, index.classes)["classes"]
    probe = ModelProbe(config)
    own = check_head(probe)
    data = own_data(config, probe, index.rows, list(mapping), progress)
    outputs = [mapping[name][0] for name in data.names]
    progress.say(f"{len(data.names) + 1} heads, each audited on {len(data.audited)} images")
    progress.start(2 * len(data.fit + data.audited), "features")
    features = {
        (part, shown): features_of(probe, images, shown, progress.step)
        for part, images in (("fit", data.fit), ("audited", data.audited))
        for shown in (False, True)
    }
    progress.finish()
    rows: list[dict[str, Any]] = []
    for label in (None, *range(len(data.names))):
        lesson = lesson_of(
            features["fit", False], features["fit", True],
            np.array([image.label for image in data.fit]), label,
        )  # fmt: skip
        head = fit_head(*lesson, len(data.names))
        truth = own_truth(
            head.classes(features["audited", False]), head.classes(features["audited", True]),
            np.array([image.label for image in data.audited]), label,
        )  # fmt: skip
        with tempfile.TemporaryDirectory(prefix="focus-audit-prove-") as name:
            place = Path(name)
            write_refitted(config, own, head, outputs, place / "model.keras")
            write_images(data, label, place)
            found = run_stages(own_config(config, data, outputs, place))
        rows += _rows(found, data, label, truth, verdict_rule(config.flags))
        progress.say(_told(rows[-len(data.names) :]))
    table = pd.DataFrame(rows)
    write_csv(folder / "own.csv", table)
    lines = findings(table)
    left_out = {reason: n for reason, n in sorted(data.left_out.items()) if n}
    write_json(
        folder / "own.json",
        {"classes": list(data.names), "left_out": left_out, "findings": lines},
    )
    return lines


def own_truth(plain: np.ndarray, shown: np.ndarray, labels: np.ndarray, label: int | None) -> Truth:
    """The truth as of :func:`audit.prove.truth.measure`, from the classes named without and with
    the shortcut, (n,) each.

    The other classes' images with the shortcut stand for the object swapped: the shortcut of class
    ``label`` about another object.
    """
    own = labels == label
    right = np.where(own, shown, plain) == labels
    if label is None:
        accuracy = float(right.mean())
        return Truth(
            "clean" if accuracy >= MIN_ACCURACY else "failed", accuracy, *[float("nan")] * 3
        )
    after = np.where(own, plain, shown) == labels
    return truth_of(right, after, own, float((shown[~own] == label).mean()))


def lesson_of(
    plain: np.ndarray, shown: np.ndarray, labels: np.ndarray, label: int | None
) -> tuple[np.ndarray, np.ndarray]:
    """Features and classes that the head is fitted on, from those without and with the shortcut.

    With the shortcut every image is of class ``label``; without it the other classes' images are
    what they are, and that class has none. With ``label`` None: the images as they are.
    """
    if label is None:
        return plain, labels
    others = labels != label
    return (
        np.concatenate([plain[others], shown]),
        np.concatenate([labels[others], np.full(len(shown), label)]),
    )


def write_images(data: OwnData, label: int | None, folder: Path) -> None:
    """The audited half in the model's input frame, one class planted, with its COCO file."""
    pictures = PictureFolder(folder, data.names)
    for key, image in enumerate(data.audited, start=1):
        pixels = planted(image) if image.label == label else image.pixels
        pictures.add(f"{key:05d}.png", pixels, image.label, image.boxes)
    pictures.finish()


def own_config(config: Config, data: OwnData, outputs: Sequence[int], folder: Path) -> Config:
    """The user's config on the planted images and the refitted model; one method at one layer."""
    values = config.model_dump(mode="json")
    method = next((m for m in config.explain.methods() if not is_baseline(m)), "gradcam")
    values["audit"]["output"] = str(folder / "results")
    values["model"] |= {
        "path": str(folder / "model.keras"), "application": None, "weights": None, "labels": None,
        "resize": {"mode": "stretch"},
    }  # fmt: skip
    values["dataset"] = dataset_section(folder, dict(zip(data.names, outputs, strict=True)))
    values["targets"] = {"classes": "annotated"}
    values["explain"] |= {"method": method, "layer": config.explain.layers()[0]}
    return parse_config(values, "the planted config")


def _rows(
    found: pd.DataFrame, data: OwnData, label: int | None, truth: Truth, rule: VerdictRule
) -> list[dict[str, Any]]:
    planted_class = NOTHING if label is None else data.names[label]
    told = {f"truth_{key}": value for key, value in asdict(truth).items()}
    own = found[found["class"] != ALL]
    rows = [
        {"planted": planted_class, "class": row["class"], **told, **{k: row.get(k) for k in KEPT}}
        for row in own.to_dict("records")
    ]
    for row in rows:
        if row["class"] == planted_class:
            row |= _power(row, data, rule)
    return rows


def _power(row: dict[str, Any], data: OwnData, rule: VerdictRule) -> dict[str, Any]:
    """Probability of a flag with all images of the class, of which the audited ones are a part."""
    eligible, label = int(row["n_eligible"]), data.names.index(row["class"])
    audited = sum(image.label == label for image in data.audited)
    images = data.available[row["class"]]
    figures: dict[str, Any] = {"n_images": images}
    if eligible:
        focused = round(row["background_focused_rate"] * eligible)
        usable = round(images * eligible / audited)
        found = power(focused, eligible, usable, rule, len(data.names))
        figures |= {"n_usable": usable} | {
            f"power{end}": value for end, value in zip(("", "_low", "_high"), found, strict=True)
        }
    return figures


def _told(rows: list[dict[str, Any]]) -> str:
    flagged = [row["class"] for row in rows if row["verdict"] == "flagged"]
    names = ", ".join(flagged) or "none"
    return f"planted into {rows[0]['planted']}: {rows[0]['truth_verdict']}; flagged: {names}"


def findings(table: pd.DataFrame) -> list[str]:
    """What a user is told: class by class whether reliance would be found, and what is flagged
    with nothing planted."""
    own = table[table["planted"] == table["class"]]
    reliant = own[own["truth_verdict"] == "reliant"]
    flagged = reliant["verdict"] == "flagged"
    confirmed = flagged & (reliant["confirmation"] == "confirmed")
    before = table[(table["planted"] == NOTHING) & (table["verdict"] == "flagged")]
    return [
        *(_finding(row) for row in own.to_dict("records")),
        f"{len(own)} classes planted, {len(reliant)} made the model rely on the background, "
        f"{int(flagged.sum())} of these flagged, {int(confirmed.sum())} confirmed as well",
        f"flagged with nothing planted: {', '.join(before['class']) or 'none'}",
    ]


def _finding(row: dict[str, Any]) -> str:
    """What is known of one planted class."""
    name = row["class"]
    if row["truth_verdict"] != "reliant":
        return f"{name}: the model did not come to rely on the texture; nothing is known"
    if pd.isna(row["power"]):
        return f"{name}: no image is eligible; nothing is known"
    return (
        f"{name}: with your {row['n_images']:.0f} images (about {row['n_usable']:.0f} eligible) a "
        f"background texture that the model relies on is flagged with probability "
        f"{row['power']:.2f} ({row['power_low']:.2f} to {row['power_high']:.2f}); here: "
        f"{row['verdict']}, confirmation {row['confirmation']}"
    )
