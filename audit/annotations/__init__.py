"""Annotation formats: strict parsers of box annotations into one canonical form.

Every parser turns a file or folder into :class:`audit.records.ParsedAnnotations`: half-open
``xyxy`` boxes counted from 0, images sorted by file name, objects in file order. Nothing is
dropped in silence: an entry is kept, listed as an :class:`audit.records.Exclusion`, or is an
:class:`audit.errors.AuditError` with file and line; what the reader should know is a note.

::

    from audit.annotations import AnnotationSource, read_annotations

    (parsed,) = read_annotations("voc", [AnnotationSource(Path("annots"), Path("images"))])

How to add a format
-------------------
Write one module in this folder. It registers one function, and no other file changes::

    from audit.annotations import AnnotationSource, register_format
    from audit.annotations._collect import Collector

    @register_format("myformat", summary="what it is, in one line", spec="who defines it, where")
    def parse(source: AnnotationSource) -> ParsedAnnotations:
        collector = Collector(source)
        for ...:
            entry = collector.image("a.jpg", where="boxes.txt:1")
            entry.add("cat", Box(0, 0, 10, 10), where="boxes.txt:1")
        return collector.finish()

The :class:`~audit.annotations._collect.Collector` matches names to image files, sets boxes without
area and repeated images aside, sorts, and counts; ``_text`` and ``_xml`` hold strict readers of
numbers, flags, CSV rows and VOC-like XML. Say in ``register_format`` which names file, columns and
options the format reads: any other is refused. Then teach ``tests/annotations/writers.py`` to write
the format; the contract tests fail until it does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from audit.errors import AuditError, nearest
from audit.records import ParsedAnnotations
from audit.registry import Registry

OptionValue = str | bool | int | float


@dataclass(frozen=True, slots=True)
class AnnotationSource:
    """Where one set of annotations and its images lie."""

    annotations: Path
    """The annotation file, or the folder of them."""
    images: Path
    """The folder that the image file names are relative to."""
    names: Path | None = None
    """A class names file, for the formats that keep it apart."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """Our column name -> the file's column name, for ``csv``."""
    options: Mapping[str, OptionValue] = field(default_factory=dict)
    """Further options of the format."""
    links_outside: bool = False
    """Whether links in the image folder may lead out of it."""


Reader = Callable[[AnnotationSource], ParsedAnnotations]


@dataclass(frozen=True, slots=True)
class Format:
    """One annotation format: what it is, what it takes, and the function that reads it."""

    name: str
    summary: str
    """One line, for the list of formats."""
    spec: str
    """Who defines the format, and where."""
    reader: Reader
    names: str = ""
    """What a class names file means to it; empty where it takes none."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """Our column names -> what they hold; empty where columns have no names of their own."""
    options: Mapping[str, str] = field(default_factory=dict)
    """Option names -> what they do."""

    def parse(self, source: AnnotationSource) -> ParsedAnnotations:
        """Read one source.

        Raises
        ------
        AuditError: a path is not there, an option is unknown, or the annotations have a fault.
        """
        _check_paths(source)
        if source.names is not None and not self.names:
            raise AuditError(f"format {self.name!r} takes no class names file", where="names")
        _check_keys(source.columns, self.columns, "columns", self.name)
        _check_keys(source.options, self.options, "options", self.name)
        try:
            return self.reader(source)
        except OSError as error:
            reason = error.strerror or str(error)
            where = str(error.filename or source.annotations)
            raise AuditError(f"cannot be read: {reason}", where=where) from error


FORMATS: Registry[Format] = Registry("annotation format")


def register_format(
    name: str,
    *,
    summary: str,
    spec: str,
    names: str = "",
    columns: Mapping[str, str] | None = None,
    options: Mapping[str, str] | None = None,
) -> Callable[[Reader], Reader]:
    """Register the decorated function as the reader of format ``name``."""

    def add(reader: Reader) -> Reader:
        FORMATS.add(name, Format(name, summary, spec, reader, names, columns or {}, options or {}))
        return reader

    return add


def read_annotations(
    format_name: str, sources: Sequence[AnnotationSource]
) -> tuple[ParsedAnnotations, ...]:
    """Parse each source, in order.

    A file name is relative to the image root of its own source, so that the same name may occur
    under two roots: the result has one :class:`ParsedAnnotations` per source, and is not merged.

    Raises
    ------
    AuditError: the format is unknown, a source is given twice, or one of them has a fault.
    """
    entry = FORMATS.get(format_name, where="format")
    if not sources:
        raise AuditError("no annotations are given", where="annotations")
    _check_distinct(sources)
    return tuple(entry.parse(source) for source in sources)


def _check_paths(source: AnnotationSource) -> None:
    if not source.annotations.exists():
        raise AuditError("annotations are not there", where=str(source.annotations))
    if not source.images.is_dir():
        raise AuditError("image folder is not there", where=str(source.images))
    if source.names is not None and not source.names.is_file():
        raise AuditError("class names file is not there", where=str(source.names))


def _check_keys(
    given: Mapping[str, object], known: Mapping[str, str], where: str, format_name: str
) -> None:
    for key in given:
        if key not in known:
            raise AuditError(
                f"format {format_name!r} has no such key {key!r}",
                where=where,
                hint=nearest(key, known),
            )


def _check_distinct(sources: Sequence[AnnotationSource]) -> None:
    """The same pair twice would count every box twice."""
    pairs = [(source.annotations.resolve(), source.images.resolve()) for source in sources]
    for index, pair in enumerate(pairs):
        if pair in pairs[:index]:
            raise AuditError("the same annotations and images twice", where=str(pair[0]))


FORMATS.load(__name__, list(__path__))
