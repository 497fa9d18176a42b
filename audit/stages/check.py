"""``check``: config, model, images and annotations looked at; nothing is written."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from audit.progress import Progress
from audit.stages.index import Index, build_index
from audit.stages.inspect import inspect_model, map_classes
from audit.stages.settings import load_settings

# Exclusions that are shown one by one; the run lists all of them in excluded.csv.
SHOWN = 10


def check_audit(config_file: Path, progress: Progress) -> list[str]:
    """Lines that say what an audit would take in and leave out.

    Raises
    ------
    AuditError: the first fault that would stop the run.
    """
    config = load_settings([config_file])
    index = build_index(config, progress, decoded=True)
    model = inspect_model(config)
    found = {**model, **map_classes(config, model, index.classes)}
    return [*_model_lines(found), *_data_lines(index, found)]


def _model_lines(found: dict[str, Any]) -> list[str]:
    facts = found["facts"]
    size = f"{facts['input_height']}x{facts['input_width']}x{facts['channels']}"
    return [
        f"model: input {size}, {facts['n_outputs']} outputs, {facts['output']} "
        f"({facts['output_reason']})",
        *(
            f"layer: {layer['path']}, {'x'.join(map(str, layer['shape']))} ({layer['reason']})"
            for layer in facts["layers"]
        ),
        f"score: {facts['score']} ({facts['score_reason']})",
    ]


def _data_lines(index: Index, found: dict[str, Any]) -> list[str]:
    counts = index.counts()
    lines = [
        f"images: {counts['images_kept']} of {counts['images_in']} would be audited",
        f"boxes: {counts['boxes_kept']} of {counts['boxes_in']}",
    ]
    boxes = Counter(o["class_name"] for row in index.rows for o in row["objects"])
    images = Counter(c for row in index.rows for c in {o["class_name"] for o in row["objects"]})
    for name, outputs in found["classes"].items():
        shown = ", ".join(map(str, outputs[:8])) + (" ..." if len(outputs) > 8 else "")
        lines.append(f"class {name}: {images[name]} images, {boxes[name]} boxes -> output {shown}")
    for name in found["classes_not_mapped"]:
        lines.append(f"class {name}: {boxes[name]} boxes, not mapped to an output: left out")
    for reason, number in sorted(Counter((e.kind, e.reason) for e in index.excluded).items()):
        lines.append(f"excluded: {number} {reason[0]}(s), {reason[1]}")
    for item in index.excluded[:SHOWN]:
        lines.append(f"  {item.file_name} ({item.where}): {item.reason}, {item.detail}")
    if len(index.excluded) > SHOWN:
        lines.append(f"  and {len(index.excluded) - SHOWN} more; a run lists all in excluded.csv")
    return [*lines, *(f"note: {note}" for note in index.notes)]
