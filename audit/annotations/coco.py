"""COCO object detection: one JSON file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NoReturn

from audit.annotations import AnnotationSource, register_format
from audit.annotations._collect import NO_SIZE, Collector, ImageEntry
from audit.annotations._text import MAX_COORDINATE, class_name, read_text, usable
from audit.errors import AuditError
from audit.records import Box, ParsedAnnotations

# The largest public files of this kind hold tens of millions of boxes in a few GB.
MAX_BYTES = 8 * 2**30

Key = int | str
Record = Mapping[str, Any]


@register_format(
    "coco",
    summary="COCO detection: one JSON file of images, annotations and categories",
    spec="Lin et al., Microsoft COCO, ECCV 2014; https://cocodataset.org/#format-data",
)
def parse(source: AnnotationSource) -> ParsedAnnotations:
    """Read a COCO instances file.

    ``bbox`` is ``[x, y, width, height]`` from the image's corner at 0. ``iscrowd`` is kept,
    ``ignore`` is kept as difficult, and so are CVAT's ``attributes.occluded``. Ids may be any
    distinct whole numbers or strings. Messages give the JSON path: ``annotations[17].bbox``.
    """
    document = _load(source)
    file = source.annotations.name
    categories = _categories(_records(document, "categories", file), file)
    collector = Collector(source)
    images = _images(collector, _records(document, "images", file), file)
    seen: set[Key] = set()
    for index, record in enumerate(_records(document, "annotations", file)):
        _add_object(record, f"{file}: annotations[{index}]", images, categories, seen)
    return collector.finish(list(categories.values()))


def _load(source: AnnotationSource) -> Record:
    path = source.annotations
    if not path.is_file():
        raise AuditError("COCO annotations are one JSON file", where=str(path), received="a folder")
    try:
        document = json.loads(
            read_text(path, path.name, MAX_BYTES), parse_constant=lambda c: _no_json(c, path.name)
        )
    except json.JSONDecodeError as error:
        raise AuditError(
            f"JSON cannot be read ({error.msg})",
            where=f"{path.name}:{error.lineno}",
            hint="is the file cut short?",
        ) from error
    except (ValueError, RecursionError) as error:
        raise AuditError(f"JSON cannot be read ({error})", where=path.name) from error
    if not isinstance(document, dict):
        raise AuditError(
            "wrong top level", where=path.name, expected="an object", received=_kind(document)
        )
    return document


def _no_json(constant: str, file: str) -> NoReturn:
    raise AuditError("not a JSON number", where=file, received=constant)


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "a boolean"}
    return names.get(type(value), "null" if value is None else "a number")


def _records(document: Record, key: str, file: str) -> list[Record]:
    records = _field(document, key, file)
    if not isinstance(records, list):
        raise AuditError(
            f"{key!r} has the wrong type", where=file, expected="a list", received=_kind(records)
        )
    for index, record in enumerate(records):
        if not isinstance(record, dict):
            raise AuditError(
                "entry has the wrong type",
                where=f"{file}: {key}[{index}]",
                expected="an object",
                received=record,
            )
    return records


def _field(record: Record, key: str, where: str) -> Any:
    if key not in record:
        raise AuditError(f"{key!r} is missing", where=where)
    return record[key]


def _key(record: Record, field: str, where: str) -> Key:
    """An id: a whole number or a string; ``True`` would pass as 1."""
    value = _field(record, field, where)
    if type(value) is not int and type(value) is not str:
        raise AuditError(
            f"{field!r} is no id",
            where=f"{where}.{field}",
            expected="a whole number or a string",
            received=value,
        )
    return value


def _new_key(record: Record, where: str, seen: Any) -> Key:
    key = _key(record, "id", where)
    if key in seen:
        raise AuditError("id occurs twice", where=f"{where}.id", received=key)
    return key


def _categories(records: list[Record], file: str) -> dict[Key, str]:
    names: dict[Key, str] = {}
    taken: set[str] = set()
    for index, record in enumerate(records):
        where = f"{file}: categories[{index}]"
        key = _new_key(record, where, names)
        name = class_name(_field(record, "name", where), f"{where}.name")
        if name in taken:
            raise AuditError("class name occurs twice", where=f"{where}.name", received=name)
        taken.add(name)
        names[key] = name
    return names


def _images(collector: Collector, records: list[Record], file: str) -> dict[Key, ImageEntry]:
    entries: dict[Key, ImageEntry] = {}
    for index, record in enumerate(records):
        where = f"{file}: images[{index}]"
        key = _new_key(record, where, entries)
        width, height = (_side(record, side, where) for side in ("width", "height"))
        entries[key] = collector.image(
            _field(record, "file_name", where),
            where,
            width=width,
            height=height,
            source_id=str(key),
        )
        if not width or not height:
            collector.tally[NO_SIZE] += 1
    return entries


def _side(record: Record, side: str, where: str) -> int | None:
    """Width or height; the specification asks for it, but nothing here depends on it."""
    value = record.get(side)
    if value is None:
        return None
    whole = type(value) is int or (type(value) is float and value.is_integer())
    if not whole or not 0 <= value <= MAX_COORDINATE:
        raise AuditError(
            f"{side} is no image size",
            where=f"{where}.{side}",
            expected="a whole number",
            received=value,
        )
    return int(value)


def _add_object(
    record: Record,
    where: str,
    images: Mapping[Key, ImageEntry],
    categories: Mapping[Key, str],
    seen: set[Key],
) -> None:
    key = _new_key(record, where, seen)
    seen.add(key)
    image = _named(record, "image_id", images, where)
    image.add(
        _named(record, "category_id", categories, where),
        _box(_field(record, "bbox", where), f"{where}.bbox"),
        where,
        is_crowd=_mark(record, "iscrowd", where),
        is_difficult=_mark(record, "ignore", where),
        is_occluded=_occluded(record, where),
        source_id=str(key),
    )


def _named(record: Record, field: str, known: Mapping[Key, Any], where: str) -> Any:
    key = _key(record, field, where)
    if key not in known:
        kind = "an image" if field == "image_id" else "a category"
        raise AuditError(f"names {kind} that is not listed", where=f"{where}.{field}", received=key)
    return known[key]


def _box(value: object, where: str) -> Box:
    if not isinstance(value, list) or len(value) != 4:
        raise AuditError(
            "box is malformed", where=where, expected="[x, y, width, height]", received=value
        )
    for v in value:
        if (type(v) is not float and type(v) is not int) or not usable(v):
            raise AuditError(
                "box holds no number", where=where, expected="four finite numbers", received=value
            )
    x, y, width, height = map(float, value)
    return Box(x, y, x + width, y + height)


def _mark(record: Record, field: str, where: str) -> bool:
    value = record.get(field, 0)
    if type(value) is not int or value not in (0, 1):
        raise AuditError(f"{field!r} is neither 0 nor 1", where=f"{where}.{field}", received=value)
    return value == 1


def _occluded(record: Record, where: str) -> bool:
    attributes = record.get("attributes")
    if not isinstance(attributes, dict):
        return False
    value = attributes.get("occluded", False)
    if type(value) is not bool:
        raise AuditError(
            "'occluded' is no boolean", where=f"{where}.attributes.occluded", received=value
        )
    return value
