"""Pictures of a few changed images of each class, for a person to see what was done."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from audit.config.model import Config
from audit.images import UnreadableImage
from audit.report.confirmation import Panel, draw_changes
from audit.stages.confirm_images import Pictures
from audit.stages.confirm_plan import BACKGROUND, CONTROL, OBJECT, Plan
from audit.stages.confirm_trial import Trial
from audit.stages.flagged import overlay_name
from audit.stages.layout import Layout
from audit.stages.overlays import JPEG_QUALITY
from audit.tables.atomic import write_bytes
from audit.tables.csv import write_csv

COLUMNS = (
    "picture", "file_name", "target_class", "fill", "p0", "p_object_removed",
    "p_background_removed", "p_control_removed", "note",
)  # fmt: skip
NAMES = {
    OBJECT: "object removed",
    BACKGROUND: "background removed",
    CONTROL: "as much background removed",
}


def draw_examples(
    config: Config,
    layout: Layout,
    plan: Plan,
    trial: Trial,
    changes: Sequence[Mapping[str, Any]],
    pictures: Pictures,
) -> None:
    """Write ``confirmation/*.jpg`` and their list: the first records of each asked class.

    ``changes``: rows of :data:`~audit.stages.confirm_images.CHANGE_SCHEMA`.
    """
    for file in layout.confirmation.glob("*.jpg"):
        file.unlink()
    listed = []
    rows_of = _rows_of(changes, trial.deciding[0].name)
    for name in plan.asked:
        files = plan.records.loc[plan.records["target_class"] == name, "file_name"]
        for rank, file_name in enumerate(files.head(config.confirm.examples), 1):
            path = overlay_name("example", rank, file_name, name)
            path = path.replace("overlays/", "confirmation/", 1)
            listed.append(_draw(layout, pictures, path, rows_of[file_name, name]))
    write_csv(layout.confirmation / "index.csv", pd.DataFrame(listed, columns=list(COLUMNS)))


def _rows_of(
    changes: Sequence[Mapping[str, Any]], fill: str
) -> dict[tuple[str, str], list[Mapping[str, Any]]]:
    """(file name, class) -> what was measured by a fill."""
    found: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in changes:
        if row["fill"] == fill:
            found.setdefault((row["file_name"], row["target_class"]), []).append(row)
    return found


def _draw(
    layout: Layout, pictures: Pictures, path: str, rows: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Draw one record by one fill; its row of the list."""
    first = rows[0]
    row = {"picture": path, **{k: first[k] for k in ("file_name", "target_class", "fill", "p0")}}
    row |= {f"p_{r['removed']}_removed": r["p"] for r in rows}
    try:
        pixels = pictures.picture(first["file_name"]).pixels
        panels = [Panel(pixels, "as it is", f"p = {first['p0']:.2f}")]
        for removed in (OBJECT, BACKGROUND, CONTROL):
            for change in (r for r in rows if r["removed"] == removed and r["p"] is not None):
                shown = pictures.changed(change)
                panels.append(Panel(shown, NAMES[removed], f"p = {change['p']:.2f}"))
    except UnreadableImage as fault:
        return {**row, "picture": None, "note": f"not drawn: {fault}"}
    title = f"{first['target_class']}: what the model answers to changed images"
    sheet = draw_changes(panels, title, f"{first['file_name']}   fill: {first['fill']}")
    buffer = io.BytesIO()
    sheet.save(buffer, "JPEG", quality=JPEG_QUALITY)
    write_bytes(layout.root / path, buffer.getvalue())
    missing = [f"{NAMES[r['removed']]}: {r['reason']}" for r in rows if r["reason"]]
    return {**row, "note": ", ".join(missing)}
