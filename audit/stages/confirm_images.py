"""Changed images: what is taken away of each record, and the pixels that the model sees then."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa

from audit.config.model import Config
from audit.digest import digest_file
from audit.fills import FILLS, Fill, Picture, control_boxes, fill_region, touched
from audit.geometry import Placement, Window, box_to_input, frame_of
from audit.images import UnreadableImage
from audit.records import Box
from audit.stages.confirm_plan import BACKGROUND, CONTROL, CONTROL_STREAM
from audit.stages.layout import Layout
from audit.stages.loading import INDEX_COLUMNS, header_of, image_key, image_placement, load_image
from audit.statistics import MAX_CONTROL_AREA
from audit.tables.parquet import iterate_rows

# A row is one record and one change of its image. `region`: boxes xyxy in pixels of the model's
# input, one after the other; what is removed, or for the background what is kept. `control`: fills
# were tried by it. `answer`: the data set's class that the model names then, null for any other.
CHANGE_SCHEMA = pa.schema(
    [
        ("file_name", pa.string()),
        ("target_class", pa.string()),
        ("control", pa.bool_()),
        ("removed", pa.string()),
        ("fill", pa.string()),
        ("p0", pa.float64()),
        ("p", pa.float64()),
        ("r", pa.float64()),
        ("answer", pa.string()),
        ("area_fraction", pa.float64()),
        ("region", pa.list_(pa.int32())),
        ("donor", pa.string()),
        ("reason", pa.string()),
    ]
)
# Why a change is not made that the image does not allow; other reasons are faults.
NOT_POSSIBLE = ("area_over_half", "no_room", "no_donor")
# Pictures kept in memory: donors come again, and one record is changed several times.
KEPT = 64


class Pictures:
    """Images of the index as the model sees them, changed or not.

    ``found``: the content of ``model.json``; ``images``: file name -> row of the index.
    """

    def __init__(
        self, config: Config, found: Mapping[str, Any], images: Mapping[str, dict[str, Any]]
    ) -> None:
        self._config = config
        # What loading asks of a model, as it was noted: no model is needed to make an image again.
        self._facts = SimpleNamespace(**found["facts"])
        self._images = images
        self._seed = config.audit.seed
        self.picture = lru_cache(KEPT)(self._picture)

    def has_control(self, file_name: str, target_class: str) -> bool:
        """Whether as much background as the class's objects are large can be taken away."""
        _, _, _, why = self._plan(file_name, target_class)
        return why is None

    def changes(
        self, record: Mapping[str, Any], tests: Sequence[tuple[str, Fill]], control: bool = False
    ) -> list[dict[str, Any]]:
        """Rows of :data:`CHANGE_SCHEMA` for a record of the plan, without what is measured.

        A change that cannot be made has a ``reason``: ``area_over_half``, ``no_room``, ``no_donor``.
        """
        kept, area, control_region, why = self._plan(record["file_name"], record["target_class"])
        rows = []
        for removed, fill in tests:
            donor = record[fill.donor] if fill.donor else None
            region = control_region if removed == CONTROL else kept
            reason = why if removed == CONTROL else None
            if fill.donor and donor is None:
                reason = "no_donor"
            rows.append(
                {
                    "file_name": record["file_name"], "target_class": record["target_class"],
                    "control": control, "removed": removed, "fill": fill.name, "p0": record["p0"],
                    "area_fraction": area, "region": region, "donor": donor, "reason": reason,
                }
            )  # fmt: skip
        return rows

    def changed(self, row: Mapping[str, Any]) -> np.ndarray:
        """The changed image of a row without a reason, uint8 (H, W, C): the same bytes each time.

        Raises
        ------
        UnreadableImage: the image, or its donor, cannot be read (any more), or was changed since.
        """
        picture = self.picture(row["file_name"])
        height, width = picture.pixels.shape[:2]
        boxes = np.array(row["region"], np.float64).reshape(-1, 4)
        region = touched(boxes, height, width)
        if row["removed"] == BACKGROUND:
            region = ~region
        donor = self.picture(row["donor"]) if row["donor"] else None
        return fill_region(FILLS.get(row["fill"]), picture, region, donor)

    def _picture(self, file_name: str) -> Picture:
        """An image in the model's input; kept for the next who asks."""
        image = self._images[file_name]
        loaded = load_image(image, self._config, self._facts)
        if loaded.fault is not None:
            raise loaded.fault
        if digest_file(image["path"]) != image["sha256"]:
            raise UnreadableImage("changed_file", "it is not the image that was audited")
        height, width = loaded.pixels.shape[:2]
        objects = touched(self._input_boxes(file_name, image["objects"]), height, width)
        return Picture(loaded.pixels, _visible(self._placement(file_name)), objects)

    def _placement(self, file_name: str) -> Placement:
        return image_placement(header_of(self._images[file_name]), self._config, self._facts)

    def _input_boxes(self, file_name: str, objects: Sequence[Mapping[str, Any]]) -> np.ndarray:
        """Boxes of an image's objects in pixels of the input, (n, 4), cut to it."""
        header, placed = header_of(self._images[file_name]), self._placement(file_name)
        frame = frame_of(placed, header.width, header.height)
        own = [box_to_input(frame, Box(o["x0"], o["y0"], o["x1"], o["y1"])) for o in objects]
        boxes = np.array([(b.x0, b.y0, b.x1, b.y1) for b in own], np.float64).reshape(-1, 4)
        return np.clip(boxes, 0, np.tile(placed.canvas, 2))

    def _touched(self, file_name: str, target_class: str) -> np.ndarray:
        """The class's boxes, ignored ones too, in whole pixels that they touch."""
        mine = [o for o in self._images[file_name]["objects"] if o["class_name"] == target_class]
        boxes = self._input_boxes(file_name, mine)
        return np.concatenate((np.floor(boxes[:, :2]), np.ceil(boxes[:, 2:])), axis=1)

    def _regions(self, file_name: str, target_class: str) -> tuple[Window, np.ndarray, np.ndarray]:
        """What is visible; the class's pixels in it, and those of all objects, bool (H, W)."""
        placed = self._placement(file_name)
        visible, (width, height) = _visible(placed), placed.canvas
        every = self._input_boxes(file_name, self._images[file_name]["objects"])
        inside = np.zeros((height, width), bool)
        inside[visible.row0 : visible.row1, visible.col0 : visible.col1] = True
        own = touched(self._touched(file_name, target_class), height, width) & inside
        return visible, own, touched(every, height, width)

    def _plan(
        self, file_name: str, target_class: str
    ) -> tuple[list[int], float, list[int] | None, str | None]:
        """The class's boxes, the part of the image that they take, the control's boxes, or why
        there are none."""
        visible, own, objects = self._regions(file_name, target_class)
        area = float(own.sum()) / (visible.rows * visible.cols)
        control, why = self._control(file_name, own, objects, visible, area)
        return _boxes_of(self._touched(file_name, target_class)), area, control, why

    def _control(
        self, file_name: str, own: np.ndarray, objects: np.ndarray, visible: Window, area: float
    ) -> tuple[list[int] | None, str | None]:
        """The control's boxes, or why there are none."""
        if area > MAX_CONTROL_AREA:
            return None, "area_over_half"
        rng = np.random.default_rng([image_key(file_name, self._seed), CONTROL_STREAM])
        boxes = control_boxes(own, objects, visible, rng)
        return (None, "no_room") if boxes is None else (boxes.ravel().tolist(), None)


def read_images(
    layout: Layout, manifest: Mapping[str, Any], names: set[str]
) -> dict[str, dict[str, Any]]:
    """File name -> row of the index, for these images, over all shards."""
    return {row["file_name"]: row for row in _rows(layout, manifest) if row["file_name"] in names}


def _rows(layout: Layout, manifest: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for shard in manifest["shards"]:
        yield from iterate_rows(layout.index(shard["name"]), [*INDEX_COLUMNS, "sha256"])


def remake(
    config: Config,
    layout: Layout,
    manifest: Mapping[str, Any],
    found: Mapping[str, Any],
    row: Mapping[str, Any],
) -> np.ndarray:
    """The changed image of a row of ``stages/confirm/records.parquet``, as the model saw it.

    uint8 (H, W, C) in the model's input; see :meth:`Pictures.changed`.
    """
    names = {row["file_name"], row["donor"]}
    return Pictures(config, found, read_images(layout, manifest, names)).changed(row)


def _visible(placed: Placement) -> Window:
    """The input's rows and columns that show the image."""
    (x, y), (width, height) = placed.offset, placed.resized
    return Window(y, y + height, x, x + width)


def _boxes_of(boxes: np.ndarray) -> list[int]:
    return [int(v) for v in boxes.ravel()]
