"""What the campaign found: a row a model, rates with intervals, and a page to read.

Counted by model: a clean model with any flagged class is one false alarm, however many there are.
Intervals are Clopper and Pearson's, 95 %.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from audit.prove.campaign import Row
from audit.prove.curve import Point, curve
from audit.prove.page import page
from audit.prove.plan import KINDS, Plan
from audit.stages.counts import tally
from audit.stages.figures import json_value
from audit.statistics import clopper_pearson_interval
from audit.tables.atomic import write_json, write_text
from audit.tables.csv import write_csv

# Groups in which nothing should be flagged, whatever was planted.
CLEAN_GROUPS = ("clean", "unused", "large", "duplicates")
# What is told of the background models.
HEADLINE = ("flagged", "flagged_and_confirmed", "false_alarm", "false_alarm_confirmed")
# A kind of shortcut that is found in fewer of the reliant models than this is called unseen.
SEEN = 0.5


def write_results(plan: Plan, rows: Sequence[Row], folder: Path) -> dict[str, Any]:
    """Write ``trials.csv``, ``rates.csv``, ``summary.json``, ``curve.svg`` and ``README.md``."""
    trials = trial_table(rows)
    rates = rate_table(trials)
    found = summary(plan, rows, trials, rates)
    write_csv(folder / "trials.csv", trials)
    write_csv(folder / "rates.csv", rates)
    write_json(folder / "summary.json", found)
    write_text(folder / "curve.svg", curve(_points(trials, "detected"), _points(trials, "others")))
    write_text(folder / "README.md", page(found, rates))
    return found


def trial_table(rows: Sequence[Row]) -> pd.DataFrame:
    """A row a model: what it is, the truth, and what the audit made of it.

    ``detected``: the planted class is flagged; ``confirmed``: and its confirmation says so too;
    ``others``: how many other classes are flagged. Empty for a training that failed.
    """
    return pd.DataFrame([_trial(row) for row in rows])


def _trial(row: Row) -> dict[str, Any]:
    world, truth = row["world"], row["truth"]
    planted = next((c for c in row["classes"] if c["planted"]), None)
    others = [c for c in row["classes"] if not c["planted"]]
    judged = bool(row["classes"])
    flagged = bool(planted) and planted["verdict"] == "flagged"
    return {
        "name": row["name"],
        "group": row["group"],
        "architecture": row["architecture"],
        **{
            key: world[key]
            for key in ("shortcut", "family", "strength", "foreign", "seed", "audited")
        },
        "area_low": world["area"][0],
        "area_high": world["area"][1],
        "truth": truth["verdict"],
        **{key: truth[key] for key in ("accuracy", "followed", "lost_planted", "lost_others")},
        "n_eligible": _of(planted, "n_eligible"),
        "background_focused_rate": _of(planted, "background_focused_rate"),
        "heatmap_verdict": _of(planted, "heatmap_verdict"),
        "verdict": _of(planted, "verdict"),
        "confirmation": _of(planted, "confirmation"),
        "detected": flagged if judged else None,
        "confirmed": flagged and planted["confirmation"] == "confirmed" if judged else None,
        "others": sum(c["verdict"] == "flagged" for c in others) if judged else None,
        "others_confirmed": sum(_both(c) for c in others) if judged else None,
    }


def _of(planted: dict[str, Any] | None, key: str) -> Any:
    return planted[key] if planted else None


def _both(row: dict[str, Any]) -> bool:
    return row["verdict"] == "flagged" and row["confirmation"] == "confirmed"


def rate_table(trials: pd.DataFrame) -> pd.DataFrame:
    """Rates by group, and by what the background models differ in; ``k`` of ``n`` models."""
    rows = []
    audited = trials[trials["truth"] != "failed"]
    reliant = audited[audited["truth"] == "reliant"]
    clean = audited[audited["group"].isin(CLEAN_GROUPS) & (audited["truth"] == "clean")]
    background = reliant[reliant["group"] == "background"]
    rows += _rates("background", background, HEADLINE)
    rows += _rates("clean models", clean, ("any_flag", "any_flag_confirmed"))
    for name, part in clean.groupby("group", sort=True):
        rows += _rates(f"clean models: {name}", part, ("any_flag",))
    for column in ("family", "architecture"):
        for name, part in background.groupby(column, sort=True):
            rows += _rates(f"background, {column} {name}", part, HEADLINE)
    for name, part in clean.groupby("architecture", sort=True):
        rows += _rates(f"clean models, architecture {name}", part, ("any_flag",))
    flat = audited[audited["group"] == "flat_clean"]
    rows += _rates(
        "flat heads: clean", flat[flat["truth"] == "clean"], ("any_flag", "any_flag_confirmed")
    )
    rows += _rates(
        "flat heads: background", reliant[reliant["group"] == "flat_background"], HEADLINE
    )
    told = ("flagged", "flagged_and_confirmed")
    for name in KINDS:
        rows += _rates(f"shortcut {name}", reliant[reliant["group"] == name], told)
    for group, columns in (("area", ("area_low", "area_high")), ("images", ("audited",))):
        for key, part in reliant[reliant["group"] == group].groupby(list(columns), sort=True):
            rows += _rates(f"{group} {'-'.join(f'{v:g}' for v in key)}", part, told)
    rows += _rates("centred", reliant[reliant["group"] == "centred"], told)
    for strength, part in audited[audited["group"] == "strength"].groupby("strength"):
        rows += _rates(f"strength {strength:g}, reliant or not", part, told)
    return pd.DataFrame(rows)


_COUNTED: dict[str, Callable[[pd.DataFrame], pd.Series]] = {
    "flagged": lambda t: t["detected"].astype(bool),
    "flagged_and_confirmed": lambda t: t["confirmed"].astype(bool),
    "false_alarm": lambda t: t["others"] > 0,
    "false_alarm_confirmed": lambda t: t["others_confirmed"] > 0,
    "any_flag": lambda t: t["detected"].astype(bool) | (t["others"] > 0),
    "any_flag_confirmed": lambda t: t["confirmed"].astype(bool) | (t["others_confirmed"] > 0),
}


def _rates(what: str, trials: pd.DataFrame, names: Iterable[str]) -> list[dict[str, Any]]:
    rows = []
    for name in names:
        k, n = int(_COUNTED[name](trials).sum()) if len(trials) else 0, len(trials)
        low, high = clopper_pearson_interval(k, n)
        rate = k / n if n else float("nan")
        rows.append(
            {"models": what, "rate_of": name, "k": k, "n": n, "rate": rate}
            | {"low": float(low), "high": float(high)}
        )
    return rows


def summary(
    plan: Plan, rows: Sequence[Row], trials: pd.DataFrame, rates: pd.DataFrame
) -> dict[str, Any]:
    """What a reader is told first; JSON values."""
    first = rates.set_index(["models", "rate_of"])
    headline = [("background", name) for name in HEADLINE]
    headline += [("clean models", "any_flag"), ("clean models", "any_flag_confirmed")]
    return {
        "plan": plan.name,
        "rules": plan.digest,
        "packages": sorted({row["package"] for row in rows}),
        "planned": len(plan.cells),
        "models": len(trials),
        "median_training_seconds": float(np.median([row["seconds"]["train"] for row in rows])),
        "truth": tally(trials["truth"]),
        "truth_by_group": {
            name: tally(part["truth"]) for name, part in trials.groupby("group", sort=False)
        },
        "rates": [
            {"models": key[0], "rate_of": key[1], **_plain(first.loc[key])} for key in headline
        ],
        "kinds": {kind: _kind(first, kind) for kind in KINDS},
    }  # fmt: skip


def told_rates(found: dict[str, Any]) -> list[str]:
    """The headline as plain lines."""
    truth = ", ".join(f"{count} {name}" for name, count in found["truth"].items())
    lines = [f"{found['models']} of {found['planned']} planned models: {truth}"]
    for row in (row for row in found["rates"] if row["n"]):
        lines.append(
            f"{row['models']}, {row['rate_of']}: {row['k']} of {row['n']} "
            f"({row['low']:.3f} to {row['high']:.3f})"
        )
    return lines


def _kind(rates: pd.DataFrame, kind: str) -> str:
    """Whether the audit sees a kind of shortcut: ``seen``, ``not_seen`` or ``not_measured``."""
    row = rates.loc[(f"shortcut {kind}", "flagged")]
    if not row["n"]:
        return "not_measured"
    return "seen" if row["rate"] >= SEEN else "not_seen"


def _plain(row: pd.Series) -> dict[str, Any]:
    counts = {key: int(row[key]) for key in ("k", "n")}
    return counts | {key: json_value(row[key]) for key in ("rate", "low", "high")}


def _points(trials: pd.DataFrame, column: str) -> list[Point]:
    """Share of models by strength of the background texture."""
    usual = trials[trials["group"].isin(("clean", "strength"))]
    points = []
    for strength, part in usual[usual["truth"] != "failed"].groupby("strength", sort=True):
        k = int((part[column].astype(float) > 0).sum())
        low, high = clopper_pearson_interval(k, len(part))
        points.append(Point(float(strength), k, len(part), float(low), float(high)))
    return points
