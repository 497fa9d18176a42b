"""Open Images: one CSV file with a row per box."""

from __future__ import annotations

import re
from pathlib import Path

from audit.annotations import AnnotationSource, register_format
from audit.annotations._collect import Collector
from audit.annotations._images import stem
from audit.annotations._text import (
    class_name,
    csv_rows,
    csv_table,
    distinct_names,
    flag,
    fraction,
    require_columns,
)
from audit.errors import AuditError, nearest
from audit.records import Box, ParsedAnnotations

SIDES = ("XMin", "XMax", "YMin", "YMax")
COLUMNS = ["ImageID", "LabelName", *SIDES]
MARKS = {
    "is_occluded": "IsOccluded",
    "is_truncated": "IsTruncated",
    "is_crowd": "IsGroupOf",
    "is_depiction": "IsDepiction",
}
COMMAS = "coordinates written with a decimal comma"
EXTENSIONS = "rows whose ImageID carries a file extension"
INSIDE = "boxes seen from the inside of the object (IsInside), kept as they are"
_COMMA = re.compile(r"\s*[+-]?\d*,\d+\s*", re.ASCII)


@register_format(
    "openimages",
    summary="Open Images: a CSV file with a row per box, relative coordinates",
    spec="Kuznetsova et al., The Open Images Dataset V4, IJCV 2020; "
    "https://storage.googleapis.com/openimages/web/download_v7.html#df-boxes",
    names="class descriptions, a CSV of label and name: '/m/011k07,Tortoise'",
)
def parse(source: AnnotationSource) -> ParsedAnnotations:
    """Read an Open Images box file; columns are found by name and may come in any order.

    Boxes are fractions of the image's sides. ``IsGroupOf`` is kept as a crowd; a mark of ``-1``
    (unknown) or an absent one is no. ``ImageID`` has no extension: the image may lie in any folder;
    ids with an extension and decimal commas, which some exporters write, are read and noted. With
    class descriptions the classes are their names (with the label appended where two share one),
    in their order; without, the labels as written.
    """
    path = source.annotations
    if not path.is_file():
        raise AuditError("Open Images annotations are one CSV file", where=str(path))
    names = _descriptions(source.names) if source.names else {}
    header, rows = csv_table(path)
    require_columns(header, COLUMNS, f"{path.name}:1")
    collector = Collector(source, unique_stems=True)
    for where, row in rows:
        _add_row(collector, row, where, names)
    return collector.finish(list(names.values()) if names else None)


def _add_row(collector: Collector, row: dict[str, str], where: str, names: dict[str, str]) -> None:
    stated = row["ImageID"].strip()
    collector.tally[EXTENSIONS] += stem(stated) != stated
    x0, x1, y0, y1 = (_coordinate(collector, row[side], side, where) for side in SIDES)
    collector.tally[INSIDE] += _mark(row, "IsInside", where)
    collector.image_of_row(stated, where).add(
        _class(row["LabelName"], names, where),
        Box(x0, y0, x1, y1),
        where,
        relative=True,
        **{key: _mark(row, column, where) for key, column in MARKS.items()},
    )


def _coordinate(collector: Collector, text: str, side: str, where: str) -> float:
    if _COMMA.fullmatch(text):
        collector.tally[COMMAS] += 1
        text = text.replace(",", ".")
    return fraction(text, side, where)


def _mark(row: dict[str, str], column: str, where: str) -> bool:
    text = row.get(column, "")
    return text.strip() != "-1" and flag(text, column, where)


def _class(label: str, names: dict[str, str], where: str) -> str:
    label = class_name(label, where)
    if names and label not in names:
        raise AuditError(
            "label is not in the class descriptions",
            where=where,
            received=label,
            hint=nearest(label, names),
        )
    return names.get(label, label)


def _descriptions(path: Path) -> dict[str, str]:
    """Label -> name; the first files had no header, later ones have ``LabelName,DisplayName``."""
    names: dict[str, str] = {}
    for line, row in csv_rows(path):
        where = f"{path.name}:{line}"
        if len(row) != 2:
            raise AuditError(
                "no class description", where=where, expected="label,name", received=row
            )
        if line == 1 and row[0].strip() == "LabelName":
            continue
        label = class_name(row[0], where)
        if label in names:
            raise AuditError("label occurs twice", where=where, received=label)
        names[label] = class_name(row[1], where)
    if not names:
        raise AuditError("class descriptions are empty", where=path.name)
    return distinct_names(names)
