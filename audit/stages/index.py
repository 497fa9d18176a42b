"""``index``: annotations and image headers into shards; everything left out is listed.

An image is in exactly one of: a shard, or the exclusions. So is a box.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa

from audit.annotations import AnnotationSource, read_annotations
from audit.config.model import Config
from audit.digest import digest_bytes, digest_json
from audit.errors import AuditError
from audit.geometry import clip_box
from audit.images import ImageHeader, UnreadableImage, decode, read_file, read_header
from audit.images.header import SIDEWAYS
from audit.progress import Progress
from audit.records import AnnotatedImage, AnnotatedObject, Box, Exclusion, ParsedAnnotations
from audit.stages.ahead import in_order, processes
from audit.stages.inspect import map_classes
from audit.stages.layout import Layout
from audit.tables.atomic import write_json
from audit.tables.parquet import SCHEMA_VERSION, write_rows

# Files that a thread reads at a time, since handing over costs half as much as reading one; and how
# many such parts are read before it is asked for them.
TOGETHER = 32
PARTS_AHEAD = 32
# Files, not cores, are waited for.
READERS = 8
# Below this, processes cost more than they save: threads take turns, but start at once.
MIN_PROCESSES = 1000
OBJECT = pa.struct(
    [
        ("class_name", pa.string()),
        ("x0", pa.float64()),
        ("y0", pa.float64()),
        ("x1", pa.float64()),
        ("y1", pa.float64()),
        ("ignored", pa.bool_()),
        ("is_crowd", pa.bool_()),
        ("is_difficult", pa.bool_()),
        ("is_truncated", pa.bool_()),
        ("is_occluded", pa.bool_()),
        ("is_depiction", pa.bool_()),
        ("source_id", pa.string()),
    ]
)
INDEX_SCHEMA = pa.schema(
    [
        ("image_id", pa.string()),
        ("file_name", pa.string()),
        ("path", pa.string()),
        ("where", pa.string()),
        ("sha256", pa.string()),
        ("duplicate_of", pa.string()),
        ("format", pa.string()),
        ("mode", pa.string()),
        ("stored_width", pa.int32()),
        ("stored_height", pa.int32()),
        ("orientation", pa.int32()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("objects", pa.list_(OBJECT)),
    ]
)
EXCLUSION_SCHEMA = pa.schema(
    [
        ("kind", pa.string()),
        ("file_name", pa.string()),
        ("where", pa.string()),
        ("reason", pa.string()),
        ("detail", pa.string()),
        ("class_name", pa.string()),
        ("n_boxes", pa.int32()),
    ]
)


@dataclass
class _Tally:
    """What happened to the boxes on the way, for the notes."""

    notes: Counter = field(default_factory=Counter)
    excluded: list[Exclusion] = field(default_factory=list)


def run_index(
    config: Config, layout: Layout, model: dict[str, Any], progress: Progress, jobs: int = 1
) -> dict[str, Any]:
    """Write the shards and the manifest; returns the manifest. ``model``: that of ``model.json``."""
    index = build_index(config, progress, jobs=jobs)
    mapping = map_classes(config, model, index.classes)
    folder = layout.manifest.parent
    folder.mkdir(parents=True, exist_ok=True)
    shards = []
    for name, rows in _shards(index.rows, config.run.shard_size):
        write_rows(layout.index(name), INDEX_SCHEMA, rows)
        boxes = sum(len(r["objects"]) for r in rows)
        shards.append({"name": name, "images": len(rows), "boxes": boxes})
    write_rows(layout.index_excluded, EXCLUSION_SCHEMA, [asdict(e) for e in index.excluded])
    _remove_stale(folder, {s["name"] for s in shards})
    manifest = {
        "schema_version": SCHEMA_VERSION,
        "mapping": mapping,
        "counts": index.counts(),
        "notes": index.notes,
        "shards": shards,
    }
    write_json(layout.manifest, manifest)
    return manifest


@dataclass(frozen=True)
class Index:
    """A whole data set: rows as in :data:`INDEX_SCHEMA`, sorted by file name."""

    rows: list[dict[str, Any]]
    excluded: list[Exclusion]
    classes: list[str]
    notes: list[str]

    def counts(self) -> dict[str, int]:
        """Images and boxes in, kept and left out; in equals kept plus left out."""
        kept = sum(len(r["objects"]) for r in self.rows)
        lost_images = sum(e.kind == "image" for e in self.excluded)
        lost_boxes = sum(e.n_boxes for e in self.excluded)
        return {
            "images_in": len(self.rows) + lost_images,
            "images_kept": len(self.rows),
            "images_excluded": lost_images,
            "boxes_in": kept + lost_boxes,
            "boxes_kept": kept,
            "boxes_excluded": lost_boxes,
        }


def build_index(config: Config, progress: Progress, decoded: bool = False, jobs: int = 1) -> Index:
    """Read annotations and image headers; nothing is written.

    With ``decoded`` the pixels are decoded, too, as the explain stage will: it finds the images that
    are truncated, and takes longer. ``jobs``: with more than one, processes read the files, since
    threads take turns at a header; only where no other thread is at work.

    Raises
    ------
    AuditError: a fault in the annotations, or no image is left.
    """
    parsed = read_annotations(config.dataset.format, sources(config))
    labels = _root_labels([Path(p) for p in config.dataset.image_paths()])
    tally = _Tally()
    listed: list[tuple[Path, str, AnnotatedImage]] = []
    seen: dict[str, str] = {}
    for part, root, label in zip(parsed, config.dataset.image_paths(), labels, strict=True):
        tally.excluded += [_with_label(e, label) for e in part.excluded]
        for image in part.images:
            name = f"{label}{image.file_name}"
            if name in seen:
                tally.excluded.append(
                    Exclusion(
                        "image",
                        name,
                        image.where,
                        "duplicate_entry",
                        f"already given by {seen[name]}",
                        n_boxes=len(image.objects),
                    )  # fmt: skip
                )
                continue
            seen[name] = image.where
            listed.append((Path(root) / image.file_name, name, image))
    with _readers(jobs, len(listed)) as pool:
        rows = _read_images(pool, listed, config, tally, progress, decoded)
    if not rows:
        first = tally.excluded[0] if tally.excluded else None
        told = (
            f"{first.file_name}: {first.reason}, {first.detail}" if first else "an empty data set"
        )
        raise AuditError("no image is left to audit", where="dataset", received=told)
    _mark_duplicates(rows, tally)
    _unique_ids(rows)
    return Index(rows, tally.excluded, _classes(parsed), _notes(parsed, tally))


def sources(config: Config) -> list[AnnotationSource]:
    """The config's annotation and image folders as the parsers take them."""
    dataset = config.dataset
    return [
        AnnotationSource(
            annotations=Path(annotations),
            images=Path(images),
            names=Path(dataset.names) if dataset.names else None,
            columns=dataset.columns,
            options=dataset.options,
            links_outside=dataset.links_outside,
        )
        for annotations, images in zip(
            dataset.annotation_paths(), dataset.image_paths(), strict=True
        )
    ]


def _root_labels(roots: Sequence[Path]) -> list[str]:
    """What is put before a file name so that it is unique over several image folders."""
    resolved = [p.resolve() for p in roots]
    if len(set(resolved)) == 1:
        return [""] * len(roots)
    common = Path(os.path.commonpath(resolved))
    return ["" if r == common else f"{r.relative_to(common).as_posix()}/" for r in resolved]


def _with_label(exclusion: Exclusion, label: str) -> Exclusion:
    values = asdict(exclusion)
    return Exclusion(**{**values, "file_name": f"{label}{exclusion.file_name}"})


def _readers(jobs: int, count: int) -> AbstractContextManager[Executor]:
    parallel = jobs > 1 and count >= MIN_PROCESSES
    return processes(READERS, "index") if parallel else ThreadPoolExecutor(READERS)


def _read_images(
    pool: Executor,
    listed: Sequence[tuple[Path, str, AnnotatedImage]],
    config: Config,
    tally: _Tally,
    progress: Progress,
    decoded: bool,
) -> list[dict[str, Any]]:
    """Rows of the images that can be read, sorted by file name."""
    rows = []
    progress.start(len(listed), "images indexed")
    paths = [path for path, _, _ in listed]
    parts = (paths[k : k + TOGETHER] for k in range(0, len(paths), TOGETHER))
    read = in_order(pool, partial(_inspect, decoded=decoded), parts, PARTS_AHEAD)
    for (path, name, image), found in zip(listed, chain.from_iterable(read), strict=True):
        progress.step()
        if isinstance(found, UnreadableImage):
            tally.excluded.append(
                Exclusion(
                    "image",
                    name,
                    image.where,
                    found.reason,
                    found.detail,
                    n_boxes=len(image.objects),
                )  # fmt: skip
            )
            continue
        header, sha = found
        if config.dataset.exif == "ignore":
            header = ImageHeader(
                header.format, header.mode, header.stored_width, header.stored_height, 1
            )
        row = _row(path, name, image, header, sha, tally)
        if row is not None:
            rows.append(row)
    progress.finish()
    return sorted(rows, key=lambda r: r["file_name"])


def _inspect(
    paths: Sequence[Path], decoded: bool
) -> list[tuple[ImageHeader, str] | UnreadableImage]:
    return [_inspect_one(path, decoded) for path in paths]


def _inspect_one(path: Path, decoded: bool) -> tuple[ImageHeader, str] | UnreadableImage:
    try:
        data = read_file(path)
        header = read_header(data)
        if decoded:
            decode(data, header)
        return header, digest_bytes(data)
    except UnreadableImage as fault:
        return fault


def _row(
    path: Path, name: str, image: AnnotatedImage, header: ImageHeader, sha: str, tally: _Tally
) -> dict[str, Any] | None:
    turn = _stated_sideways(image, header)
    stated = (image.width, image.height)
    actual = (header.width, header.height)
    if None not in stated and not turn and stated != actual:
        tally.excluded.append(
            Exclusion(
                "image",
                name,
                image.where,
                "size_mismatch",
                f"annotated at {stated[0]}x{stated[1]}, the file is {actual[0]}x{actual[1]}",
                n_boxes=len(image.objects),
            )  # fmt: skip
        )
        return None
    if not header.matches(path.suffix):
        tally.notes[
            f"file is {header.format}, not what its name {path.suffix} says; read as it is"
        ] += 1
    if header.orientation != 1:
        tally.notes[
            "image turned upright by its EXIF orientation" + (", boxes with it" if turn else "")
        ] += 1
    objects = [o for o in (_object(o, name, header, turn, tally) for o in image.objects) if o]
    return {
        "image_id": image.source_id or name,
        "file_name": name,
        "path": str(path),
        "where": image.where,
        "sha256": sha,
        "format": header.format,
        "mode": header.mode,
        "stored_width": header.stored_width,
        "stored_height": header.stored_height,
        "orientation": header.orientation,
        "width": header.width,
        "height": header.height,
        "objects": objects,
    }


def _stated_sideways(image: AnnotatedImage, header: ImageHeader) -> bool:
    """True when the annotation's size is that of the pixels before EXIF turned them.

    A square image, or an annotation without a size, cannot tell; tools show pictures upright, so
    boxes are then taken to be upright, too.
    """
    stored = (header.stored_width, header.stored_height)
    sideways = header.orientation in SIDEWAYS and stored[0] != stored[1]
    return sideways and (image.width, image.height) == stored


def _object(
    item: AnnotatedObject, name: str, header: ImageHeader, turn: bool, tally: _Tally
) -> dict[str, Any] | None:
    box = item.box
    if item.relative:
        box = Box(
            box.x0 * header.width,
            box.y0 * header.height,
            box.x1 * header.width,
            box.y1 * header.height,
        )
    if turn:
        box = upright_box(box, header)
    clipped = clip_box(box, Box(0, 0, header.width, header.height))
    if clipped is None:
        tally.excluded.append(
            Exclusion(
                "box",
                name,
                item.where,
                "outside_image",
                f"image is {header.width}x{header.height}",
                item.class_name,
                1,
            )  # fmt: skip
        )
        return None
    # Fractions of a size come back with rounding errors; a thousandth of a pixel is not a fault.
    if max(abs(a - b) for a, b in zip(_corners(clipped), _corners(box), strict=True)) > 1e-3:
        tally.notes["box reaches over the edge of its image; clipped"] += 1
    if item.ignored:
        tally.notes[
            "box is a crowd, group or difficult one; left out of the scores, inside and outside"
        ] += 1
    return {
        "class_name": item.class_name,
        **dict(zip(("x0", "y0", "x1", "y1"), _corners(clipped), strict=True)),
        "ignored": item.ignored,
        "is_crowd": item.is_crowd,
        "is_difficult": item.is_difficult,
        "is_truncated": item.is_truncated,
        "is_occluded": item.is_occluded,
        "is_depiction": item.is_depiction,
        "source_id": item.source_id,
    }


def _corners(box: Box) -> tuple[float, float, float, float]:
    return box.x0, box.y0, box.x1, box.y1


def upright_box(box: Box, header: ImageHeader) -> Box:
    """A box in stored pixels of a sideways image (orientation 5 to 8) as one in upright pixels."""
    width, height = header.stored_width, header.stored_height
    across = (
        (box.y0, box.y1) if header.orientation in (5, 8) else (height - box.y1, height - box.y0)
    )
    down = (box.x0, box.x1) if header.orientation in (5, 6) else (width - box.x1, width - box.x0)
    return Box(across[0], down[0], across[1], down[1])


def _mark_duplicates(rows: Iterable[dict[str, Any]], tally: _Tally) -> None:
    """Name the first image of the same bytes; the later ones count once in the verdicts."""
    first: dict[str, str] = {}
    for row in rows:
        original = first.setdefault(row["sha256"], row["file_name"])
        row["duplicate_of"] = original if original != row["file_name"] else None
        if row["duplicate_of"]:
            tally.notes["image has the same bytes as another; counted once in the verdicts"] += 1


def _unique_ids(rows: Sequence[dict[str, Any]]) -> None:
    """Ids of several annotation files may clash: then file names are the ids."""
    if len({r["image_id"] for r in rows}) < len(rows):
        for row in rows:
            row["image_id"] = row["file_name"]


def _classes(parsed: Sequence[ParsedAnnotations]) -> list[str]:
    """Class names over all sources, in the order in which they are declared."""
    return list(dict.fromkeys(name for part in parsed for name in part.classes))


def _notes(parsed: Sequence[ParsedAnnotations], tally: _Tally) -> list[str]:
    counted = [f"{count}: {text}" for text, count in sorted(tally.notes.items())]
    return [note for part in parsed for note in part.notes] + counted


def _shards(
    rows: Sequence[dict[str, Any]], size: int
) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Rows by the first bits of the hashed file name; the name ends in a digest of the content.

    An image that is added or changed so changes the name of its own shard and of no other.
    """
    bits = max(0, (-(-len(rows) // size) - 1).bit_length())
    groups: dict[int, list[dict[str, Any]]] = {}
    for row in rows:
        key = int(digest_bytes(row["file_name"].encode(errors="surrogateescape"))[:8], 16)
        groups.setdefault(key >> (32 - bits) if bits else 0, []).append(row)
    digits = max(1, -(-bits // 4))
    for key in sorted(groups):
        yield f"{key:0{digits}x}-{digest_json(groups[key])[:16]}", groups[key]


def _remove_stale(folder: Path, names: set[str]) -> None:
    """Shards of an earlier data set: nothing reads them, but they would mislead a person."""
    for file in folder.glob("*-*.parquet"):
        if file.stem not in names:
            file.unlink()
