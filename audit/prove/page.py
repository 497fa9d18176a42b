"""The proving ground's results as a page to read."""

from __future__ import annotations

from typing import Any

import pandas as pd

from audit.prove.plan import FOREIGN, KINDS
from audit.prove.shortcuts import SHORTCUTS

TRUTHS = ("reliant", "clean", "between", "failed")


def page(found: dict[str, Any], rates: pd.DataFrame) -> str:
    """The results as Markdown."""
    lines = [
        "# The proving ground",
        "",
        f"Made by `focus-audit prove --plan {found['plan']}`; rules `{found['rules']}`, source "
        f"{', '.join(f'`{p}`' for p in found['packages'])}. {found['models']} of "
        f"{found['planned']} planned models are done.",
        "",
        *_headline(found),
        "",
        "Small networks were trained on rendered pictures in which a shortcut gives one class away,",
        "or nothing does. Whether one relies on it was found by rendering its pictures again with",
        "the object or the shortcut swapped; the audit, with its defaults, knew nothing of that.",
        "`plan.json` holds the rules, fixed before the first training; `trials.csv` has a row a",
        "model, `rates.csv` the last table. Training took "
        f"{found['median_training_seconds']:.0f} s (median, one core, by the clock).",
        "",
        f"In training, {100 * FOREIGN:.0f} % of the planted class's pictures with the shortcut show",
        "another class's object, so that the shortcut alone decides. In the group `strength`, the",
        "curve's, none does: object and shortcut both tell the class, and most networks use both.",
        "Networks with a head that sees where a feature is (`flat_`) are counted apart: Grad-CAM gives",
        "a channel one weight for the whole picture, which is not what such a head does.",
        "",
        "## Trainings",
        "",
        *_truth_table(found),
        "",
        "*Reliant*: at least 80 % of the planted class's pictures keep its name when the object is",
        "swapped for another class's. *Clean*: at most 5 % of accuracy is lost with the shortcut",
        "swapped. *Between* is on the curve only. *Failed* to train: under 90 % of pictures named",
        "rightly; left out of every rate.",
        "",
        "## Kinds of shortcut",
        "",
        *(_kind_line(found, rates, kind) for kind in KINDS),
        "",
        "## Rates",
        "",
        "Of models, with 95 % Clopper-Pearson intervals. `flagged`, `flagged_and_confirmed`: of the",
        "planted class; `false_alarm`: another class is flagged beside it, and `_confirmed`: its",
        "confirmation says so too; `any_flag`: of a clean model, any class at all.",
        "",
        "![share of models flagged, by strength](curve.svg)",
        "",
        "| models | rate of | k of n | rate | 95 % interval |",
        "|---|---|---|---|---|",
        *(_line(row) for row in rates.to_dict("records")),
    ]
    return "\n".join(lines) + "\n"


def _headline(found: dict[str, Any]) -> list[str]:
    """What came out, in words."""
    told = {(row["models"], row["rate_of"]): row for row in found["rates"]}

    def of(models: str, rate: str) -> str:
        row = told[models, rate]
        if not row["n"]:
            return "none of 0"
        return f"{row['k']} of {row['n']} ({row['low']:.3f} to {row['high']:.3f})"

    return [
        "- Models that rely on the background: "
        f"{of('background', 'flagged')} flagged, "
        f"{of('background', 'flagged_and_confirmed')} flagged and confirmed.",
        f"- In {of('background', 'false_alarm')} of them another class is flagged as well, in "
        f"{of('background', 'false_alarm_confirmed')} flagged and confirmed.",
        f"- Clean models: {of('clean models', 'any_flag')} with any class flagged, "
        f"{of('clean models', 'any_flag_confirmed')} with one flagged and confirmed.",
        f"- Trainings that failed: {found['truth'].get('failed', 0)} of {found['models']}.",
    ]


def _truth_table(found: dict[str, Any]) -> list[str]:
    rows = {**found["truth_by_group"], "all": found["truth"]}
    cells = [
        [name, sum(counts.values()), *(counts.get(truth, 0) for truth in TRUTHS)]
        for name, counts in rows.items()
    ]
    head = ["planted", "models", *TRUTHS]
    return [
        "| " + " | ".join(map(str, cells)) + " |" for cells in (head, ["---"] * len(head), *cells)
    ]


def _kind_line(found: dict[str, Any], rates: pd.DataFrame, kind: str) -> str:
    """What the audit makes of a kind of shortcut."""
    of_kind = rates[rates["models"] == f"shortcut {kind}"].set_index("rate_of")
    k, n = (int(of_kind.loc["flagged", column]) for column in ("k", "n"))
    sure = int(of_kind.loc["flagged_and_confirmed", "k"])
    figures = f"{k} of {n} models that rely on it flagged, {sure} of them confirmed"
    told = {
        "not_measured": "not measured: no model of this kind that relies on it",
        "seen": f"seen: {figures}",
        "not_seen": f"**not seen**: {figures}",
    }[found["kinds"][kind]]
    return f"- `{kind}` ({SHORTCUTS.get(kind).summary}): {told}."


def _line(row: dict[str, Any]) -> str:
    figures = " | | " if not row["n"] else (
        f" {row['rate']:.3f} | {row['low']:.3f} to {row['high']:.3f} "
    )  # fmt: skip
    return f"| {row['models']} | {row['rate_of']} | {row['k']} of {row['n']} |{figures}|"
