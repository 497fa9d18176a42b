"""``summarise``: the final verdict of each class, and ``summary.json``.

Three things are put together: what the heatmaps say (``judge``), what the model's answers to changed
images say (``confirm``), and whether the explanation is fit to be believed (``sanity``).
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from audit.config.model import Config
from audit.progress import Progress
from audit.stages.classes import ALL
from audit.stages.counts import tally
from audit.stages.eligibility import is_baseline, level_of
from audit.stages.figures import json_value
from audit.stages.layout import Layout
from audit.stages.timing import batch_warnings
from audit.tables.atomic import write_json
from audit.tables.csv import write_csv
from audit.tables.json_file import read_json
from audit.tables.parquet import SCHEMA_VERSION, read_table

VERDICTS = ("flagged", "inconclusive", "insufficient", "pass")
# Below this an accuracy is said to be suspicious, once the interval is sure of it: the usual cause
# is a wrong preprocessing or class mapping, and then no heatmap means anything.
LOW_ACCURACY = 0.5
FITNESS = {True: "fit", False: "unfit", None: "unknown"}


def run_summarise(
    config: Config,
    layout: Layout,
    manifest: dict[str, Any],
    found: dict[str, Any],
    progress: Progress,
) -> None:
    """Write ``per_class.csv`` and ``summary.json``."""
    judged = read_table(layout.judged).to_pandas()
    fitness = read_json(layout.fitness)
    per_class = final_verdicts(judged, read_json(layout.confirmed), fitness)
    write_csv(layout.root / "per_class.csv", per_class)
    told = read_json(layout.counts)
    summary = summarise(config, manifest, found, told, per_class)
    summary["warnings"] += fitness_warnings(fitness)
    summary["warnings"] += batch_warnings(config, layout, manifest)
    write_json(layout.root / "summary.json", summary)
    verdicts = tally(per_class["verdict"].dropna())
    progress.say(", ".join(f"{name} {count}" for name, count in verdicts.items()))


def final_verdicts(
    judged: pd.DataFrame, confirmed: dict[str, Any], fitness: dict[str, Any]
) -> pd.DataFrame:
    """Rows of ``per_class.csv``: the heatmaps' verdict, its confirmation, and the verdict itself.

    An explanation that is unfit clears and condemns nothing: the verdict is ``inconclusive``, and
    ``heatmap_verdict`` keeps what it would have been.

    ``confirmed``: class -> ``{"state", "reason"}``; a class that is not in it was not run.
    ``fitness``: ``method|layer`` -> ``{"fit": true, false or null, "reason"}``; null: tried, and not
    known; one that is not in it was not run.
    """
    table = judged.assign(heatmap_verdict=judged["verdict"], confirmation_reason=None, fitness=None)
    names = ["verdict", "reason", "confirmation", "confirmation_reason", "fitness"]
    columns = {name: table[name].to_numpy(object, copy=True) for name in names}
    pairs = zip(table["class"], table["method"], table["layer"], strict=True)
    for i, (name, method, layer) in enumerate(pairs):
        if pd.isna(columns["verdict"][i]):
            continue
        changed = confirmed.get(name, {})
        told = fitness.get(f"{method}|{layer}", {})
        fit = FITNESS[told["fit"]] if told else "not_run"
        columns["confirmation"][i] = changed.get("state", "not_run")
        columns["confirmation_reason"][i] = changed.get("reason")
        columns["fitness"][i] = fit
        if fit == "unfit" and columns["verdict"][i] in ("pass", "flagged"):
            columns["verdict"][i] = "inconclusive"
            columns["reason"][i] = f"The explanation is not fit to judge by: {told['reason']}"
    return table.assign(**columns)


def summarise(
    config: Config,
    manifest: dict[str, Any],
    found: dict[str, Any],
    told: dict[str, Any],
    per_class: pd.DataFrame,
) -> dict[str, Any]:
    """``summary.json``: counts that add up, verdicts, and what a reader should be told first.

    ``told``: what ``judge`` counted. What stands at the top is of the first of its methods;
    ``methods`` has them all.
    """
    methods = [_method(counted, per_class) for counted in told["methods"]]
    leading = methods[0]
    overall = _of(per_class, (leading["method"], leading["layer"]), ALL)
    return {
        "schema_version": SCHEMA_VERSION,
        "name": config.audit.name,
        "model": {"sha256": found["sha256"], **found["facts"]},
        "counts": told["counts"],
        "accuracy": json_value(overall["accuracy"].iloc[0]),
        "pointing_accuracy": leading["pointing_accuracy"],
        "background_focused_rate": leading["background_focused_rate"],
        "verdicts": leading["verdicts"],
        "methods": methods,
        "verdicts_differ": verdicts_differ(per_class),
        "classes_not_mapped": found["classes_not_mapped"],
        "classes_without_annotation": found["classes_without_annotation"],
        "warnings": _warnings(per_class, found),
        "notes": manifest["notes"],
    }


def _method(counted: dict[str, Any], per_class: pd.DataFrame) -> dict[str, Any]:
    """What one method at one layer found; a baseline finds nothing, and has figures alone."""
    pair = (counted["method"], counted["layer"])
    overall = _of(per_class, pair, ALL).iloc[0]
    classes = _of(per_class, pair)
    rate = None if is_baseline(pair[0]) else json_value(overall["background_focused_rate"])
    return {
        "method": pair[0],
        "layer": pair[1],
        "level": level_of(pair[0]),
        "counts": counted["counts"],
        "pointing_accuracy": json_value(overall["pointing_accuracy"]),
        "background_focused_rate": rate,
        "verdicts": {
            name: sorted(classes.loc[classes["verdict"] == name, "class"].unique())
            for name in VERDICTS
        },
    }


def _of(table: pd.DataFrame, pair: tuple[str, str], name: str | None = None) -> pd.DataFrame:
    """The rows of one method and layer, and of one class."""
    chosen = (table["method"] == pair[0]) & (table["layer"] == pair[1])
    return table[chosen if name is None else chosen & (table["class"] == name)]


def verdicts_differ(per_class: pd.DataFrame) -> dict[str, list[dict[str, str]]]:
    """Classes on which methods and layers do not agree, and what each says."""
    told = per_class[per_class["verdict"].notna()]
    return {
        name: rows[["method", "layer", "verdict"]].to_dict("records")
        for name, rows in told.groupby("class")
        if rows["verdict"].nunique() > 1
    }


def _warnings(per_class: pd.DataFrame, found: dict[str, Any]) -> list[str]:
    """What makes the whole audit doubtful."""
    warnings = []
    overall = per_class[per_class["class"] == ALL].iloc[0]
    if overall["accuracy_high"] < LOW_ACCURACY:
        warnings.append(
            f"accuracy is only {overall['accuracy']:.3f}: check model.preprocess, model.resize and "
            "dataset.classes before believing any heatmap"
        )
    if found["facts"]["score_reason"].startswith("logits not found"):
        warnings.append(found["facts"]["score_reason"])
    return warnings


def fitness_warnings(fitness: dict[str, Any]) -> list[str]:
    """A line for each method and layer whose verdicts count for nothing."""
    return [
        f"{name.replace('|', ' at ')} is not fit to judge by, and gives no verdict: {told['reason']}"
        for name, told in sorted(fitness.items())
        if told["fit"] is False
    ]
