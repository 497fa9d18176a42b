"""What every parser does with what it reads: match, convert, set aside, sort, count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from audit.annotations import AnnotationSource
from audit.annotations._images import ImageListing, safe_name
from audit.errors import AuditError
from audit.records import (
    AnnotatedImage,
    AnnotatedObject,
    Box,
    Exclusion,
    ParsedAnnotations,
)

BY_STEM = "image names matched to a file without regard to folder or extension"
BY_OWN_NAME = "stated image names that are not there, matched by the annotation file's own name"
AMBIGUOUS = "image names that fit several files, kept as stated"
ZERO_BASED = "boxes with a coordinate below 1 though the format counts pixels from 1"
UNNAMED = "images in the image folder that no annotation names"
NO_SIZE = "images whose size the annotations leave out or state as 0"


class ImageEntry:
    """An image entry while its objects are being read."""

    __slots__ = ("file_name", "where", "size", "source_id", "objects", "excluded", "_collector")

    def __init__(
        self,
        collector: Collector,
        file_name: str,
        where: str,
        size: tuple[int | None, int | None],
        source_id: str,
    ) -> None:
        self.file_name = file_name
        self.where = where
        self.size = size
        self.source_id = source_id
        self.objects: list[AnnotatedObject] = []
        self.excluded: list[Exclusion] = []
        self._collector = collector

    def add(
        self,
        class_name: str,
        stated: Box,
        where: str,
        *,
        one_based: bool = False,
        **details: bool | str,
    ) -> None:
        """Add an object, or list its box as excluded where it has no area.

        ``one_based``: ``stated`` holds the first and last pixel, counted from 1. It is judged as
        stated: a tool that writes the same corner twice means a click without a drag, not a pixel.
        ``details``: further fields of :class:`AnnotatedObject`.
        """
        self._collector.classes.add(class_name)
        reason = _fault(stated)
        if reason:
            told = _told(stated)
            self.excluded.append(
                Exclusion("box", self.file_name, where, reason, told, class_name, 1)
            )
            return
        box = self._from_one_based(stated) if one_based else stated
        self.objects.append(AnnotatedObject(class_name, box, where, **details))

    def _from_one_based(self, stated: Box) -> Box:
        if stated.x0 < 1 or stated.y0 < 1:
            self._collector.tally[ZERO_BASED] += 1
        return Box(stated.x0 - 1, stated.y0 - 1, stated.x1, stated.y1)

    def done(self) -> AnnotatedImage:
        """The finished record."""
        return AnnotatedImage(
            self.file_name, self.where, tuple(self.objects), *self.size, self.source_id
        )


class Collector:
    """Gathers the entries of one source and turns them into :class:`ParsedAnnotations`.

    ``unique_stems`` says that a name is unique in the whole data set, so that its file may lie in
    any folder.
    """

    def __init__(self, source: AnnotationSource, *, unique_stems: bool = False) -> None:
        self.source = source
        self.listing = ImageListing(source.images)
        self.classes: set[str] = set()
        self.tally: Counter[str] = Counter()
        """Notes that are counts: text -> how many."""
        self.remarks: list[str] = []
        """Notes that are not."""
        self._unique_stems = unique_stems
        self._entries: list[ImageEntry] = []
        self._by_stated_name: dict[str, ImageEntry] = {}

    def image(
        self,
        stated: object,
        where: str,
        *,
        own_name: str = "",
        width: int | None = None,
        height: int | None = None,
        source_id: str = "",
    ) -> ImageEntry:
        """A new image entry.

        ``own_name``: that of the annotation file, tried where the ``stated`` image is not there.
        """
        file_name = self._resolve(safe_name(stated, where), own_name)
        # Half a size tells nothing; 0 is what tools write that did not open the image.
        size = (width, height) if width and height else (None, None)
        entry = ImageEntry(self, file_name, where, size, source_id)
        self._entries.append(entry)
        return entry

    def image_of_row(
        self, stated: str, where: str, *, width: int | None = None, height: int | None = None
    ) -> ImageEntry:
        """The entry of that stated name, for formats with one row per box."""
        entry = self._by_stated_name.get(stated)
        if entry is None:
            entry = self.image(stated, where, width=width, height=height)
            self._by_stated_name[stated] = entry
        return entry

    def _resolve(self, name: str, own_name: str) -> str:
        """The listed file that ``name`` means: as written, else the only one of its stem."""
        if self.listing.exact(name):
            return name
        for note, files in self._candidates(name, own_name):
            if files:
                self.tally[note if len(files) == 1 else AMBIGUOUS] += 1
                return files[0] if len(files) == 1 else name
        return name

    def _candidates(self, name: str, own_name: str) -> Iterator[tuple[str, list[str]]]:
        yield BY_STEM, self.listing.by_stem(name)
        if self._unique_stems:
            yield BY_STEM, self.listing.anywhere(name)
        if own_name:
            yield BY_OWN_NAME, self.listing.by_stem(own_name)

    def finish(self, classes: Sequence[str] | None = None) -> ParsedAnnotations:
        """Sort, set repeated images aside, and write the notes.

        Raises
        ------
        AuditError: there is no image entry at all.
        """
        if not self._entries:
            raise AuditError("no annotated image", where=str(self.source.annotations))
        images: list[AnnotatedImage] = []
        excluded: list[Exclusion] = []
        for entry in sorted(self._entries, key=lambda entry: entry.file_name):
            if images and images[-1].file_name == entry.file_name:
                excluded.append(_duplicate(entry, images[-1]))
            elif not self.source.links_outside and self.listing.leads_out(entry.file_name):
                excluded.append(_outside(entry))
            else:
                images.append(entry.done())
                excluded += entry.excluded
        declared = tuple(classes) if classes is not None else tuple(sorted(self.classes))
        return ParsedAnnotations(tuple(images), declared, tuple(excluded), self._notes())

    def _notes(self) -> tuple[str, ...]:
        self.tally[UNNAMED] = len(self.listing.files.difference(e.file_name for e in self._entries))
        counts = [f"{text}: {count}" for text, count in sorted(self.tally.items()) if count]
        return (*self.remarks, *counts)


def _fault(box: Box) -> str:
    if box.width < 0 or box.height < 0:
        return "inverted"
    return "no_area" if box.width == 0 or box.height == 0 else ""


def _told(box: Box) -> str:
    return f"x {box.x0:g} to {box.x1:g}, y {box.y0:g} to {box.y1:g} as stated"


def _duplicate(entry: ImageEntry, first: AnnotatedImage) -> Exclusion:
    lost = len(entry.objects) + len(entry.excluded)
    return Exclusion(
        "image",
        entry.file_name,
        entry.where,
        "duplicate_entry",
        f"first entry: {first.where}",
        n_boxes=lost,
    )


def _outside(entry: ImageEntry) -> Exclusion:
    return Exclusion(
        "image",
        entry.file_name,
        entry.where,
        "outside_image_folder",
        "a link to a file elsewhere; dataset.links_outside: true allows them",
        n_boxes=len(entry.objects) + len(entry.excluded),
    )
