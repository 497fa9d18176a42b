"""Plain CSV: a header and one row per box."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from audit.annotations import AnnotationSource, register_format
from audit.annotations._collect import Collector
from audit.annotations._text import (
    class_name,
    csv_table,
    flag,
    fraction,
    integer,
    number,
    require_columns,
)
from audit.errors import AuditError
from audit.records import Box, ParsedAnnotations

CORNERS = ("xmin", "ymin", "xmax", "ymax")
CORNER_AND_SIZE = ("xmin", "ymin", "box_width", "box_height")
MARKS = {
    "difficult": "is_difficult",
    "truncated": "is_truncated",
    "occluded": "is_occluded",
    "crowd": "is_crowd",
}
SIZE = ("image_width", "image_height")


@register_format(
    "csv",
    summary="plain CSV: a header, one row per box; columns are read by name",
    spec="RFC 4180 with a header; the column names are this tool's, and can be mapped",
    columns={
        "file_name": "the image, relative to the image folder",
        "class": "class name",
        "xmin": "left",
        "ymin": "top",
        "xmax": "right (boxes: xyxy)",
        "ymax": "bottom (boxes: xyxy)",
        "box_width": "width of the box (boxes: xywh)",
        "box_height": "height of the box (boxes: xywh)",
        "image_width": "width of the image, optional",
        "image_height": "height of the image, optional",
        **dict.fromkeys(MARKS, "0 or 1, optional"),
    },
    options={
        "boxes": "xyxy (two corners, the default) or xywh (corner, width, height)",
        "relative": "true: coordinates are fractions of the image's sides",
        "one_based": "true: pixels are counted from 1 and the last belongs to the box, as in VOC",
    },
)
def parse(source: AnnotationSource) -> ParsedAnnotations:
    """Read a CSV file with the columns ``file_name, class, xmin, ymin, xmax, ymax``, in any order.

    ``columns`` maps these names to the file's own. Coordinates are half-open from 0 unless an
    option says otherwise. A row with a file name only is an image without objects. Columns that
    are not read are noted.
    """
    path = source.annotations
    if not path.is_file():
        raise AuditError("CSV annotations are one file", where=str(path), received="a folder")
    to_box = _box_reader(source.options)
    header, rows = csv_table(path)
    columns = _columns(source, header)
    collector = Collector(source)
    for where, row in rows:
        _add_row(
            collector, {ours: row[its].strip() for ours, its in columns.items()}, where, to_box
        )
    unread = sorted(set(header) - set(columns.values()))
    if unread:
        collector.remarks.append("columns not read: " + ", ".join(unread))
    return collector.finish()


ToBox = Callable[[Mapping[str, str], str], tuple[Box, dict[str, bool]]]


def _box_reader(options: Mapping[str, object]) -> ToBox:
    """A function from a row to its stated box and to how that is to be read."""
    xywh = _chosen(options, "boxes", {"xyxy": False, "xywh": True})
    relative = _chosen(options, "relative", {False: False, True: True})
    one_based = _chosen(options, "one_based", {False: False, True: True})
    if one_based and relative:
        raise AuditError("relative boxes are not counted in pixels", where="options.one_based")
    read = fraction if relative else number

    def to_box(row: Mapping[str, str], where: str) -> tuple[Box, dict[str, bool]]:
        names = CORNER_AND_SIZE if xywh else CORNERS
        a, b, c, d = (read(row[name], name, where) for name in names)
        if not xywh:
            return Box(a, b, c, d), {"one_based": one_based, "relative": relative}
        shift = 1 if one_based else 0  # a width is a width: only the corner moves
        x, y = a - shift, b - shift
        return Box(x, y, x + c, y + d), {"relative": relative}

    return to_box


def _chosen(options: Mapping[str, object], key: str, choices: Mapping[object, bool]) -> bool:
    value = options.get(key, next(iter(choices)))
    kinds = {type(choice) for choice in choices}
    if type(value) not in kinds or value not in choices:
        raise AuditError(
            "unknown value",
            where=f"options.{key}",
            expected=" or ".join(map(str, choices)),
            received=value,
        )
    return choices[value]


def _columns(source: AnnotationSource, header: list[str]) -> dict[str, str]:
    """Our name -> the file's, for the columns to read: all needed ones, and known extra ones.

    Columns of the image's size are read on request only: ``width`` may mean the box.
    """
    xywh = source.options.get("boxes") == "xywh"
    needed = ["file_name", "class", *(CORNER_AND_SIZE if xywh else CORNERS)]
    extra = [name for name in (*MARKS, *SIZE) if name in source.columns or name in header]
    columns = {name: source.columns.get(name, name) for name in needed + extra}
    for name in source.columns:
        if name not in columns:
            raise AuditError("column is not used with these options", where=f"columns.{name}")
    hint = "say under `columns` what the file calls them"
    require_columns(header, list(columns.values()), f"{source.annotations.name}:1", hint)
    if len(set(columns.values())) < len(columns):
        raise AuditError("one column is to be read twice", where="columns", received=columns)
    return columns


def _add_row(collector: Collector, row: Mapping[str, str], where: str, to_box: ToBox) -> None:
    width, height = (integer(row[s], s, where) if row.get(s) else None for s in SIZE)
    image = collector.image_of_row(row["file_name"], where, width=width, height=height)
    if not any(value for name, value in row.items() if name not in ("file_name", *SIZE)):
        return
    box, reading = to_box(row, where)
    marks = {ours: flag(row[name], name, where) for name, ours in MARKS.items() if name in row}
    image.add(class_name(row["class"], where), box, where, **reading, **marks)
