"""The report's pictures: changed images of a class, and records with their heatmaps."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from audit.report.page import figure, percent, shown_name, shown_text
from audit.stages.report_gallery import TYPES
from audit.stages.report_run import Run
from audit.stages.report_tables import Row

CONFIRM_PICTURES, CONFIRM_WIDTH = 24, 640


def confirm_pictures(run: Run) -> dict[str, list[Row]]:
    """Class -> its pictures of changed images, as many as fit."""
    root = run.layout.root.resolve()
    found: dict[str, list[Row]] = {}
    left = CONFIRM_PICTURES
    for row in run.table("confirmation/index.csv"):
        path = (root / (row["picture"] or ".")).resolve()
        if not left or not path.is_file() or not path.is_relative_to(root / "confirmation"):
            continue
        left -= 1
        told = (
            f"{row['file_name']}: probability {figure(row['p0'])}, without the object "
            f"{figure(row['p_object_removed'])}, without the background "
            f"{figure(row['p_background_removed'])}"
        )
        shown = {"path": row["picture"], "uri": _smaller(path), "alt": told}
        found.setdefault(row["target_class"], []).append(shown)
    return found


def _smaller(path: Path) -> str:
    with Image.open(path) as picture:
        scale = min(CONFIRM_WIDTH / picture.width, 0.75)
        size = (round(picture.width * scale), round(picture.height * scale))
        buffer = io.BytesIO()
        picture.convert("RGB").resize(size, Image.Resampling.LANCZOS).save(
            buffer, "WEBP", quality=70
        )
    return _uri(buffer.getvalue())


def _uri(webp: bytes) -> str:
    return f"data:image/webp;base64,{base64.b64encode(webp).decode()}"


def gallery(
    run: Run, shown: Sequence[dict[str, Any]], n_records: int, inside: bool = False
) -> dict[str, Any]:
    """What the list of pictures asks for. ``inside``: they lie in the page itself, else beside it."""
    overlays = {
        (r["file_name"], r["target_class"], r["method"]): r["overlay"]
        for r in run.table("overlays/index.csv")
        if not r["note"]
    }
    rows = [_picture(r, overlays, inside) for r in shown]
    return {
        "name": run.config.audit.name, "gallery": rows, "types": TYPES, "n_records": n_records,
        "gallery_classes": sorted({r["class"] for r in rows}),
    }  # fmt: skip


def _picture(
    record: Mapping[str, Any], overlays: Mapping[tuple[str, ...], str], inside: bool
) -> Row:
    told = "; ".join(TYPES[name] for name in record["types"])
    name, file = shown_name(record["target_class"]), shown_text(record["file_name"])
    size, uri = (0, 0), None
    if record["images"]:
        data = record["images"][0 if inside else -1]
        uri = _uri(data) if inside else f"{record['key']}.webp"
        with Image.open(io.BytesIO(data)) as picture:
            size = picture.size
    overlay = overlays.get(tuple(record[k] for k in ("file_name", "target_class", "method")))
    why_not = (record["ineligible_reason"] or "").replace("_", " ") or "–"
    area = percent(record["area_fraction"])
    pairs = [
        ("File", file),
        ("Class", name),
        ("Predicted", f"{shown_name(record['predicted_class'])} ({figure(record['predicted_score'])})"),
        ("Probability of the class", figure(record["target_probability"])),
        ("What it shows", told),
        ("Left out of the verdict because", why_not),
        ("Energy in box", f"{percent(record['energy_in_box'])}; the box is {area} of the image"),
        ("Energy skill", figure(record["energy_skill"])),
        ("IoU", figure(record["mask_iou"])),
        ("Maximum at", f"{record['point_x']:.0f}, {record['point_y']:.0f} px"),
        ("Address in this page", f"#record-{record['key']}"),
    ]  # fmt: skip
    return {
        "key": record["key"], "kind": record["kind"], "types": record["types"], "class": name,
        "file": file, "told": told, "note": record["note"], "pairs": pairs,
        "alt": f"{file}: photograph with boxes and heatmap of {name}; {told}",
        "uri": uri, "width": size[0], "height": size[1],
        "overlay": overlay if inside or overlay is None else f"../{overlay}",
    }  # fmt: skip
