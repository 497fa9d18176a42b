"""The report's classes: what the table shows of each, and what its own part shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup

from audit.digest import digest_bytes
from audit.report import svg
from audit.report.page import figure, shown_name
from audit.report.words import advice
from audit.stages.report_maps import AROUND
from audit.stages.report_pictures import confirm_pictures
from audit.stages.report_run import Run
from audit.stages.report_tables import Row, limits, of_pair, whole

# Classes with a part of their own: what fits a page of 5 MB.
DETAILED = 40
CONFIRM_HEAD = (
    "Fill", "Images", "Object removed", "Background removed", "As much background removed", "Says",
)  # fmt: skip
STRATA_HEAD = (
    "By", "Part", "Records", "Judged", "Pointing accuracy", "Energy skill", "Background-focused", "Note",
)  # fmt: skip


def class_rows(run: Run, data: Mapping[str, Any]) -> list[Row]:
    """Rows with what the table shows; the first also with what their own part shows."""
    detailed = {row["class"] for row in run.classes[:DETAILED]}
    of_class = {
        name: _by_class(of_pair(run.table(f"{name}.csv", detailed), run.pair))
        for name in ("strata", "thresholds", "sensitivity")
    }
    of_class["confirmation"] = _by_class(run.table("confirmation.csv"))
    pictures = confirm_pictures(run)
    rows = []
    for place, row in enumerate(run.classes):
        told = f"c{digest_bytes(row['class'].encode(errors='surrogateescape'))[:10]}"
        row = {**row, "anchor": told, "rank": place, "detailed": place < DETAILED}
        state = row["confirmation"] or "not_run"
        row |= {"confirmation": state, "advice": advice(row["verdict"], state, row)}
        row["plot"] = _pointing_plot(row)
        if row["detailed"]:
            mine = {name: found.get(row["class"], []) for name, found in of_class.items()}
            row |= _details(run, row, mine, data["mean_maps"].get(row["class"]))
            row["confirm_pictures"] = pictures.get(row["class"], [])
        rows.append(row)
    return rows


def _pointing_plot(row: Row) -> Markup:
    value, low, high = (row[f"pointing_accuracy{end}"] for end in ("", "_low", "_high"))
    chance, center = row["pointing_chance"], row["pointing_center"]
    told = f"pointing accuracy {limits(row, 'pointing_accuracy')}"
    if chance is not None:
        told += f", chance {figure(chance)}, centre {figure(center)}"
    return svg.interval_plot(value, low, high, chance, center, told)


def _by_class(rows: Sequence[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row["class"], []).append(row)
    return found


def _details(
    run: Run, row: Row, mine: Mapping[str, Sequence[Row]], maps: Mapping[str, Any] | None
) -> Row:
    name = shown_name(row["class"])
    maps = maps or {"n": 0, "in_image": None, "in_box": None}
    frame = (AROUND / (1 + 2 * AROUND), 1 - AROUND / (1 + 2 * AROUND))
    threshold = run.config.heatmap.threshold
    cut = threshold if isinstance(threshold, float) else None
    return {
        "maps": maps,
        "in_image": _map(maps["in_image"], None, f"mean heatmap of {name} over the image"),
        "in_box": _map(maps["in_box"], (frame[0],) * 2 + (frame[1],) * 2,
                       f"mean heatmap of {name} around its box"),
        "curve": _curve(mine["thresholds"], cut, name),
        "cut_told": f"the configured threshold, {threshold}",
        "confirm_rows": [_confirm_row(r) for r in mine["confirmation"]],
        "strata": [_stratum(r) for r in mine["strata"]],
        "sensitivity": _stability(row, mine["sensitivity"]),
    }  # fmt: skip


def _map(rows: Sequence[Sequence[float | None]] | None, box: Any, told: str) -> Markup:
    if rows is None:
        return Markup('<p class="soft">Not observed.</p>')
    values = np.array([[np.nan if v is None else v for v in row] for row in rows], float)
    top = np.nanmax(values, initial=0)
    return svg.map_picture(np.nan_to_num(values / top if top > 0 else values), box, told)


def _curve(rows: Sequence[Row], cut: float | None, name: str) -> Markup:
    points = [(r["threshold"], r["mean_mask_iou"]) for r in rows if r["threshold"] is not None]
    boxes = [(r["threshold"], r["mean_box_iou"]) for r in rows if r["threshold"] is not None]
    told = f"{name}: mean IoU by threshold, " + ", ".join(f"{x:g}: {figure(y)}" for x, y in points)
    return svg.line_chart(
        [("mean IoU of the mask", points), ("of the box around it", boxes)], cut,
        "threshold", told,
    )  # fmt: skip


def _confirm_row(row: Row) -> list[Any]:
    says = row["state"] or row["reason"] or "–"
    means = ("object_removed", "background_removed", "control_removed")
    return [row["fill"], whole(row, "n"), *(limits(row, name) for name in means), says]


def _stratum(row: Row) -> list[Any]:
    note = "few records" if row["small"] else "few judged" if row["small_eligible"] else ""
    return [
        row["by"].replace("_", " "), row["stratum"], whole(row, "n_records"),
        whole(row, "n_eligible"), limits(row, "pointing_accuracy"), limits(row, "energy_skill"),
        limits(row, "background_focused_rate"), note,
    ]  # fmt: skip


def _stability(row: Row, rows: Sequence[Row]) -> str:
    if len(rows) < 2:
        return ""
    tried = len(rows) - 1
    changed = [r for r in rows if not r["same_verdict"]]
    if not changed:
        return f"The verdict stays the same under all {tried} other settings of the rule."
    told = ", ".join(
        f"{r['setting'].replace('_', ' ')} {r['value']:g}: {r['verdict']}" for r in changed
    )
    return f"Of {tried} other settings of the rule {len(changed)} change the verdict: {told}."
