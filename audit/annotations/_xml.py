"""VOC-like XML, one file per image, as Pascal VOC, ImageNet and labelImg write it.

Pixels are counted from 1 and the last one belongs to the box, as the VOC development kit says: the
top left pixel is (1, 1)::

    <xmin>1</xmin> <xmax>3</xmax>   the first three pixels   ->   half-open from 0 to 3
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from audit.annotations import AnnotationSource
from audit.annotations._collect import NO_SIZE, Collector, ImageEntry
from audit.annotations._images import safe_name, walk
from audit.annotations._text import class_name, flag, integer, number
from audit.config.given import read_bounded
from audit.errors import AuditError
from audit.records import Box

# One image's boxes: ten thousand of them stay below this. A tree takes fifty times its text.
MAX_BYTES = 8 * 2**20


def read_folder(collector: Collector, rename: Callable[[str, str], str] = class_name) -> None:
    """Read every XML file of the source into ``collector``.

    ``rename`` turns (the ``<name>`` text, where it stands) into a class name.
    """
    for relative, where, path in _files(collector.source):
        root = _parse(path, where)
        entry = _image_entry(collector, root, relative, where)
        for index, element in enumerate(root.findall("object"), start=1):
            _add_object(entry, element, f"{where}: object {index}", rename)


def _files(source: AnnotationSource) -> list[tuple[str, str, Path]]:
    """(path relative to the folder, how messages call it, path) of each XML file."""
    base = source.annotations
    if base.is_file():
        return [(base.name, base.name, base)]
    names = [name for name in walk(base) if name.lower().endswith(".xml")]
    if not names:
        raise AuditError("folder holds no .xml file", where=str(base))
    return [(name, f"{base.name}/{name}", base / name) for name in names]


def _parse(path: Path, where: str) -> Element:
    data = read_bounded(path, where, MAX_BYTES)
    try:
        root = fromstring(data, forbid_dtd=True)
    except ParseError as error:
        raise AuditError(
            f"XML cannot be read ({error})",
            where=f"{where}:{error.position[0]}",
            hint="is the file cut short?",
        ) from error
    except DefusedXmlException as error:
        raise AuditError("XML with a document type or entities is refused", where=where) from error
    except (ValueError, LookupError) as error:
        raise AuditError(f"XML cannot be read ({error})", where=where) from error
    if root.tag != "annotation":
        raise AuditError(
            "wrong root element", where=where, expected="annotation", received=root.tag
        )
    return root


def _image_entry(collector: Collector, root: Element, relative: str, where: str) -> ImageEntry:
    """The file's image: ``<filename>`` in the folder that corresponds to the XML file's own."""
    folder, slash, own = relative.rpartition("/")
    stated = _text(root, "filename", where).strip()
    own_stem = own[: -len(".xml")]
    if stated == "%s":  # some of ImageNet's files were written with the name never filled in
        stated = own_stem
    width, height = _size(root, where)
    name = folder + slash + safe_name(stated, where)
    own_name = folder + slash + own_stem
    entry = collector.image(name, where, own_name=own_name, width=width, height=height)
    if not width or not height:
        collector.tally[NO_SIZE] += 1
    return entry


def _size(root: Element, where: str) -> tuple[int | None, int | None]:
    size = root.find("size")
    if size is None:
        return None, None
    at = f"{where}: size"
    sides = [integer(_text(size, tag, at), tag, at) for tag in ("width", "height")]
    if min(sides) < 0:
        raise AuditError("image size is negative", where=at, received=sides)
    return sides[0], sides[1]


def _add_object(
    entry: ImageEntry, element: Element, where: str, rename: Callable[[str, str], str]
) -> None:
    corners = _only(element, "bndbox", where)
    values = [
        number(_text(corners, tag, where), tag, where) for tag in ("xmin", "ymin", "xmax", "ymax")
    ]
    entry.add(
        rename(_text(element, "name", where), where),
        Box(*values),
        where,
        one_based=True,
        is_difficult=flag(element.findtext("difficult", ""), "difficult", where),
        is_truncated=flag(element.findtext("truncated", ""), "truncated", where),
        is_occluded=flag(element.findtext("occluded", ""), "occluded", where),
    )


def _only(parent: Element, tag: str, where: str) -> Element:
    found = parent.findall(tag)
    if len(found) != 1:
        raise AuditError(f"<{tag}> is not there once", where=where, received=f"{len(found)} times")
    return found[0]


def _text(parent: Element, tag: str, where: str) -> str:
    return _only(parent, tag, where).text or ""
