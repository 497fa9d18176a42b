"""The report's part on the method: whether it is fit to judge by, and methods side by side."""

from __future__ import annotations

from typing import Any

from audit.report.page import percent, shown_name
from audit.stages.report_run import Run
from audit.stages.report_tables import limits, whole
from audit.stages.summarise import FITNESS

ROWS = 200
SANITY_HEAD = (
    "Method", "Layer", "Redrawn up to", "Weights redrawn", "Images", "Likeness to its own map",
)  # fmt: skip
METHODS_HEAD = (
    "Method", "Layer", "Records", "Pointing accuracy", "Chance", "Energy skill", "Mean IoU",
    "Agreement with the first", "Seconds an image",
)  # fmt: skip


def method_part(run: Run) -> dict[str, Any]:
    """What the template asks for."""
    fitness = run.json(run.layout.fitness)
    told = []
    for key, found in sorted(fitness.items()):
        method, _, layer = key.partition("|")
        told.append(
            {"method": method, "layer": layer, "state": FITNESS[found["fit"]], "reason": found["reason"]}
        )  # fmt: skip
    sanity = [
        [
            r["method"], r["layer"], r["up_to"], percent(r["parameters_redrawn"]), whole(r, "n"),
            limits(r, "spearman"),
        ]
        for r in run.table("sanity.csv")
    ]  # fmt: skip
    methods = [
        [
            r["method"], r["layer"], whole(r, "n_records"), r["pointing_accuracy"], r["pointing_chance"],
            r["energy_skill"], r["mean_iou"], r["agreement"], r["seconds_per_image"],
        ]
        for r in run.table("methods.csv")
    ]  # fmt: skip
    agreement = [
        [r["method_a"], r["layer_a"], r["method_b"], r["layer_b"], r["spearman"], whole(r, "n")]
        for r in run.table("methods_agreement.csv")
    ]
    return {
        "fitness": told, "sanity": sanity[:ROWS], "sanity_head": SANITY_HEAD,
        "methods": methods, "methods_head": METHODS_HEAD, "agreement": agreement[:ROWS],
        "agreement_head": ("Method", "Layer", "Method", "Layer", "Spearman", "Images"),
        "methods_differ": ", ".join(map(shown_name, run.results.summary["verdicts_differ"])),
    }  # fmt: skip
