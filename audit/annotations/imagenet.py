"""ImageNet localisation (CLS-LOC): VOC-like XML by synset, or Kaggle's CSV."""

from __future__ import annotations

import re
from pathlib import Path

from audit.annotations import AnnotationSource, register_format
from audit.annotations._collect import Collector, ImageEntry
from audit.annotations._text import (
    class_name,
    csv_table,
    distinct_names,
    number,
    read_text,
    require_columns,
)
from audit.annotations._xml import read_folder
from audit.errors import AuditError, nearest
from audit.records import Box, ParsedAnnotations

MAX_NAMES_BYTES = 16 * 2**20
_SYNSET_LINE = re.compile(r"(n\d{8})\s+(\S.*)")


@register_format(
    "imagenet",
    summary="ImageNet-LOC: XML files in folders by synset, or Kaggle's LOC_*_solution.csv",
    spec="Russakovsky et al., ImageNet Large Scale Visual Recognition Challenge, IJCV 2015; "
    "https://www.kaggle.com/c/imagenet-object-localization-challenge/data",
    names="LOC_synset_mapping.txt: 'n01440764 tench, Tinca tinca' a line",
)
def parse(source: AnnotationSource) -> ParsedAnnotations:
    """Read a tree of ImageNet XML files, or the CSV with ``ImageId,PredictionString``.

    Both count pixels from 1 as VOC does. File names carry no extension, and are unique in the whole
    data set: an image that is not at the corresponding place is taken from any folder. With a names
    file the classes are its names, whole (``tench, Tinca tinca``), with the synset appended where
    two share one; they are declared in its order. Without it they are the synsets as written.
    """
    names = _synset_names(source.names) if source.names else {}
    collector = Collector(source, unique_stems=True)

    def rename(text: str, where: str) -> str:
        synset = class_name(text, where)
        if names and synset not in names:
            raise AuditError(
                "synset is not in the names file",
                where=where,
                received=synset,
                hint=nearest(synset, names),
            )
        return names.get(synset, synset)

    if source.annotations.suffix.lower() == ".csv" and source.annotations.is_file():
        _read_csv(collector, source.annotations, rename)
    else:
        read_folder(collector, rename)
    return collector.finish(list(names.values()) if names else None)


def _synset_names(path: Path) -> dict[str, str]:
    names: dict[str, str] = {}
    text = read_text(path, path.name, MAX_NAMES_BYTES)
    for index, line in enumerate(text.split("\n"), start=1):
        where = f"{path.name}:{index}"
        if not line.strip():
            continue
        match = _SYNSET_LINE.fullmatch(line.strip())
        if not match:
            raise AuditError(
                "no synset line", where=where, expected="n01440764 name", received=line
            )
        if match[1] in names:
            raise AuditError("synset occurs twice", where=where, received=match[1])
        names[match[1]] = class_name(match[2], where)
    if not names:
        raise AuditError("names file is empty", where=path.name)
    return distinct_names(names)


def _read_csv(collector: Collector, path: Path, rename) -> None:
    header, rows = csv_table(path)
    require_columns(header, ["ImageId", "PredictionString"], f"{path.name}:1")
    for where, row in rows:
        stated = row["ImageId"].strip()
        entry = collector.image(stated, where, source_id=stated)
        _add_groups(entry, row["PredictionString"].split(), where, rename)


def _add_groups(entry: ImageEntry, words: list[str], where: str, rename) -> None:
    """Groups of five: the synset, then x0 y0 x1 y1."""
    if len(words) % 5:
        raise AuditError(
            "PredictionString is not made of fives",
            where=where,
            expected="synset x0 y0 x1 y1 ...",
            received=" ".join(words),
        )
    for index in range(0, len(words), 5):
        at = f"{where}: box {index // 5 + 1}"
        values = [number(word, "coordinate", at) for word in words[index + 1 : index + 5]]
        entry.add(rename(words[index], at), Box(*values), at, one_based=True)
