"""The plain records that the rooms of this package hand to each other.

Nothing here computes. Coordinates are absolute pixels of the **upright original image** (EXIF
orientation applied) unless a field says otherwise: x to the right, y down, origin at the top left
corner of the top left pixel. A box is ``xyxy`` and half-open: pixel (column, row) is inside when
``x0 <= column + .5 < x1`` and ``y0 <= row + .5 < y1``.

::

    (0,0) ------------------------ x ->
      |     (x0,y0) +--------+
      |             |  box   |
      y             +--------+ (x1,y1)
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle, xyxy, half-open; see the module's picture for the convention."""

    x0: float
    y0: float
    x1: float
    y1: float

    @property
    def width(self) -> float:
        return self.x1 - self.x0

    @property
    def height(self) -> float:
        return self.y1 - self.y0

    @property
    def area(self) -> float:
        """Width times height; 0 where either is not positive."""
        return max(self.width, 0.0) * max(self.height, 0.0)


@dataclass(frozen=True, slots=True)
class AnnotatedObject:
    """One annotated object, as its file states it, in canonical form.

    ``relative`` boxes are fractions of the image's width and height (YOLO, Open Images): the index
    turns them into pixels once the image's size is known.
    """

    class_name: str
    box: Box
    where: str
    """File and line or element, for messages: ``labels/a.xml: object 2``."""
    relative: bool = False
    is_crowd: bool = False
    """COCO ``iscrowd``, Open Images ``IsGroupOf``: a region, not an instance."""
    is_difficult: bool = False
    """VOC ``difficult``, or an ``ignore`` mark."""
    is_truncated: bool = False
    is_occluded: bool = False
    is_depiction: bool = False
    source_id: str = ""
    """The object's id in its own file, if it has one."""

    @property
    def ignored(self) -> bool:
        """Counted neither as inside nor as outside when scores are taken."""
        return self.is_crowd or self.is_difficult


@dataclass(frozen=True, slots=True)
class AnnotatedImage:
    """One image entry of an annotation file; ``file_name`` is relative to the image root, posix."""

    file_name: str
    where: str
    objects: tuple[AnnotatedObject, ...] = ()
    width: int | None = None
    """Size as the annotation states it (None where it does not): tells turned images apart."""
    height: int | None = None
    source_id: str = ""


@dataclass(frozen=True, slots=True)
class Exclusion:
    """An image or box that was left out, with the reason: a row of ``excluded.csv``."""

    kind: str
    """``image`` or ``box``."""
    file_name: str
    where: str
    reason: str
    """A short snake_case word, the same for every such case: ``no_area``, ``truncated_image``."""
    detail: str = ""
    class_name: str = ""
    n_boxes: int = 0
    """Boxes lost by it: all of an image's boxes, 1 for a box."""


@dataclass(frozen=True, slots=True)
class ParsedAnnotations:
    """What a parser found: every entry of the file is in ``images`` or in ``excluded``."""

    images: tuple[AnnotatedImage, ...]
    classes: tuple[str, ...]
    """Class names that the format declares, in its order; else those seen, sorted."""
    excluded: tuple[Exclusion, ...] = ()
    notes: tuple[str, ...] = field(default=())
    """Facts that the user should know and that lose nothing."""


@dataclass(frozen=True, slots=True)
class Frame:
    """How an original image lies in the model's input.

    ``view`` is the rectangle, in pixels of the upright original image, that the model's whole input
    covers: the image itself for ``stretch``, a part of it for ``center_crop``, more than it for
    ``letterbox`` (what lies outside the image is padding). The map from original to input is the
    same affine one everywhere: ``x_input = (x - view.x0) * input_width / view.width``.
    """

    width: int
    height: int
    view: Box
    input_width: int
    input_height: int
