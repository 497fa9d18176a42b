"""The audited pictures of a planted model on disk, as a user has them: files and a COCO document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from audit.records import Box
from audit.tables.atomic import write_json

IMAGES, BOXES = "images", "boxes.json"


class PictureFolder:
    """Pictures below ``folder``, and what :meth:`finish` writes of their boxes."""

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        self._folder = folder
        self._images: list[dict[str, Any]] = []
        self._boxes: list[dict[str, Any]] = []
        self._categories = [{"id": i, "name": name} for i, name in enumerate(names, start=1)]
        (folder / IMAGES).mkdir()

    def add(self, file_name: str, pixels: np.ndarray, label: int, boxes: Sequence[Box]) -> None:
        """Write a picture, (h, w, 3) uint8 RGB, whose boxes are all of the class ``label``."""
        cv2.imwrite(str(self._folder / IMAGES / file_name), pixels[:, :, ::-1])
        height, width = pixels.shape[:2]
        key = len(self._images) + 1
        self._images.append({"id": key, "file_name": file_name, "width": width, "height": height})
        for box in boxes:
            self._boxes.append(
                {
                    "id": len(self._boxes) + 1,
                    "image_id": key,
                    "category_id": label + 1,
                    "bbox": [box.x0, box.y0, box.width, box.height],
                    "iscrowd": 0,
                }
            )

    def finish(self) -> None:
        """Write the COCO document."""
        write_json(
            self._folder / BOXES,
            {"images": self._images, "annotations": self._boxes, "categories": self._categories},
        )


def dataset_section(folder: Path, outputs: Mapping[str, int]) -> dict[str, Any]:
    """The config's ``dataset`` of such a folder; ``outputs``: class -> output of the model."""
    return {
        "format": "coco",
        "annotations": str(folder / BOXES),
        "images": str(folder / IMAGES),
        "classes": {name: [output] for name, output in outputs.items()},
    }
