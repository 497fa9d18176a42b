"""YOLO: one text file per image, as Darknet and Ultralytics read them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from audit.annotations import AnnotationSource, register_format
from audit.annotations._collect import Collector, ImageEntry
from audit.annotations._images import safe_name, stem, walk
from audit.annotations._text import class_name, fraction, integer, read_text, repeated
from audit.config.yaml_text import parse_yaml
from audit.errors import AuditError
from audit.records import Box, ParsedAnnotations

MAX_BYTES = 16 * 2**20
NAMES_FILES = ("data.yaml", "data.yml", "dataset.yaml", "obj.names", "classes.txt")
LISTS = ("train", "val", "valid", "test")
NO_LABELS = ("classes", "notes", "license", "readme")
POLYGONS = "polygons turned into their bounding boxes"
CONFIDENCE = "boxes with a sixth column, taken for a confidence and not read"
NO_LABEL_FILE = "listed images without a label file, taken as images without objects"


@register_format(
    "yolo",
    summary="YOLO: a text file per image with 'class cx cy width height', relative",
    spec="Redmon's Darknet, https://pjreddie.com/darknet/yolo/; "
    "Ultralytics, https://docs.ultralytics.com/datasets/detect/",
    names="data.yaml, or one class name a line (obj.names, classes.txt); found beside the labels "
    "where it is not given",
)
def parse(source: AnnotationSource) -> ParsedAnnotations:
    """Read a folder of label files (with subfolders), or the images of one list (``train.txt``).

    A label belongs to the image of the same stem: at the same place below the image root, with
    ``labels`` read as ``images``, or below a leading ``labels/`` or ``obj_train_data/``. A label
    file without lines, and an image in ``train.txt``, ``val.txt`` ... without one, is an image
    without objects. Polygons become their bounding boxes.
    """
    collector = Collector(source)
    base, listed_in = _base(source)
    names = _class_names(source, base)
    labels = {path[: -len(".txt")]: path for path in _label_files(collector, base)}
    if listed_in:
        _read_listed(collector, base, labels, names, _listed(base, listed_in))
    else:
        for label in labels.values():
            _read_label(collector, base, label, names)
        _add_unlabelled(collector, base, labels)
    return collector.finish(names)


def _base(source: AnnotationSource) -> tuple[Path, str]:
    """The folder of the labels, and the name of the image list if one is given."""
    if source.annotations.is_dir():
        return source.annotations, ""
    if source.annotations.suffix != ".txt":
        raise AuditError(
            "YOLO annotations are a folder of label files, or an image list",
            where=str(source.annotations),
        )
    return source.annotations.parent, source.annotations.name


def _class_names(source: AnnotationSource, base: Path) -> list[str]:
    places = [base / name for name in NAMES_FILES] + [base.parent / name for name in NAMES_FILES]
    path = source.names or next((place for place in places if place.is_file()), None)
    if path is None:
        raise AuditError(
            "class names are not found",
            where=str(base),
            expected="one of " + ", ".join(NAMES_FILES),
            hint="name the file with `names`",
        )
    text = read_text(path, path.name, MAX_BYTES)
    is_yaml = path.suffix.lower() in (".yaml", ".yml")
    names = list(_yaml_names(text, path.name) if is_yaml else _plain_names(text, path.name))
    if not names:
        raise AuditError("no class names", where=path.name)
    if (name := repeated(names)) is not None:
        raise AuditError("class name occurs twice", where=path.name, received=name)
    return names


def _plain_names(text: str, where: str) -> Iterator[str]:
    """One a line; an empty line within would shift the numbers, and is an error."""
    for index, line in enumerate(text.rstrip().split("\n"), start=1):
        yield class_name(line, f"{where}:{index}")


def _yaml_names(text: str, where: str) -> Iterator[str]:
    """``names`` of a data.yaml: a list, or a mapping from 0, 1, 2 ..."""
    document = parse_yaml(text, where)
    names = document.get("names") if isinstance(document, dict) else None
    if isinstance(names, dict):
        if [type(key) for key in names] != [int] * len(names) or set(names) != set(
            range(len(names))
        ):
            raise AuditError(
                "keys are not 0, 1, 2 ...", where=f"{where}: names", received=list(names)
            )
        names = [names[index] for index in range(len(names))]
    if not isinstance(names, list):
        raise AuditError("no class names", where=where, expected="a list `names`", received=names)
    if "nc" in document and document["nc"] != len(names):
        raise AuditError(
            "nc is not the number of names",
            where=f"{where}: nc",
            expected=str(len(names)),
            received=document["nc"],
        )
    for index, name in enumerate(names):
        yield class_name(name, f"{where}: names[{index}] (quote it)")


def _label_files(collector: Collector, base: Path) -> list[str]:
    """All text files but image lists and read-me files, unless an image has that name."""
    found = [path for path in walk(base) if path.endswith(".txt")]
    labels = [p for p in found if not _is_other(p) or collector.listing.by_stem(p[:-4])]
    if not labels:
        raise AuditError("folder holds no label file", where=str(base), expected="*.txt")
    return labels


def _is_other(path: str) -> bool:
    name = path[: -len(".txt")].lower()
    return name in LISTS or name in NO_LABELS or name.startswith("readme.")


def _read_label(collector: Collector, base: Path, label: str, names: list[str]) -> None:
    where = f"{base.name}/{label}"
    text = read_text(base / label, where, MAX_BYTES)
    entry = collector.image(_image_of(collector, label[: -len(".txt")]), where)
    # Not splitlines(), which also ends lines at characters that no tool means by it.
    for index, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            _add_line(collector, entry, line.split(), names, f"{where}:{index}")


def _image_of(collector: Collector, label: str) -> str:
    """The image of a label's stem; the stem itself where none is there."""
    for candidate in _places(label):
        if collector.listing.exact(candidate):  # some tools write a.jpg.txt
            return candidate
        files = collector.listing.by_stem(candidate)
        if files:  # where several fit, the collector keeps the stem, and notes it
            return files[0] if len(files) == 1 else candidate
    return label


def _places(label: str) -> Iterator[str]:
    """Stems at which the image of a label may be, likeliest first."""
    yield label
    parts = label.split("/")
    if "labels" in parts[:-1]:
        at = len(parts) - 2 - parts[-2::-1].index("labels")
        yield "/".join([*parts[:at], "images", *parts[at + 1 :]])
    if len(parts) > 1 and (parts[0] == "labels" or parts[0].startswith("obj_")):
        yield "/".join(parts[1:])


def _add_line(
    collector: Collector, entry: ImageEntry, words: list[str], names: list[str], where: str
) -> None:
    index = integer(words[0], "class", where)
    if not 0 <= index < len(names):
        raise AuditError(
            "class has no name", where=where, expected=f"0 to {len(names) - 1}", received=index
        )
    values = [fraction(word, "coordinate", where) for word in words[1:]]
    entry.add(names[index], _box(collector, values, where), where, relative=True)


def _box(collector: Collector, values: list[float], where: str) -> Box:
    if len(values) in (4, 5):
        if len(values) == 5:
            collector.tally[CONFIDENCE] += 1
        cx, cy, width, height = values[:4]
        return Box(cx - width / 2, cy - height / 2, cx + width / 2, cy + height / 2)
    if len(values) < 6 or len(values) % 2:
        raise AuditError(
            "line has the wrong number of fields",
            where=where,
            expected="class cx cy width height, or class and 3 points or more",
            received=len(values) + 1,
        )
    collector.tally[POLYGONS] += 1
    xs, ys = values[::2], values[1::2]
    return Box(min(xs), min(ys), max(xs), max(ys))


def _listed(base: Path, name: str) -> list[tuple[str, str]]:
    """The images that a list names, each with where it does so."""
    lines = read_text(base / name, name, MAX_BYTES).split("\n")
    return [
        (safe_name(line.strip(), f"{name}:{index}"), f"{name}:{index}")
        for index, line in enumerate(lines, start=1)
        if line.strip()
    ]


def _tails(name: str) -> Iterator[str]:
    """``a/b/c``, ``b/c``, ``c``: lists are written for a working folder that is not known."""
    parts = name.split("/")
    return ("/".join(parts[index:]) for index in range(len(parts)))


def _label_of(image: str, labels: Mapping[str, str]) -> str | None:
    for tail in _tails(stem(image)):
        for place in (tail, f"/{tail}".replace("/images/", "/labels/")[1:]):
            if place in labels:
                return labels[place]
    return None


def _read_listed(
    collector: Collector,
    base: Path,
    labels: Mapping[str, str],
    names: list[str],
    listed: list[tuple[str, str]],
) -> None:
    for image, where in listed:
        label = _label_of(image, labels)
        if label is not None:
            _read_label(collector, base, label, names)
        else:
            _add_without_label(collector, image, where)


def _add_unlabelled(collector: Collector, base: Path, labels: Mapping[str, str]) -> None:
    for name in (f"{each}.txt" for each in LISTS):
        if name not in labels.values() and (base / name).is_file():
            for image, where in _listed(base, name):
                if _label_of(image, labels) is None:
                    _add_without_label(collector, image, where)


def _add_without_label(collector: Collector, image: str, where: str) -> None:
    collector.tally[NO_LABEL_FILE] += 1
    there = next((tail for tail in _tails(image) if collector.listing.exact(tail)), image)
    collector.image(there, where)
