"""Fuzzers of everything that reads what a user was given by somebody else.

``python -m tests.fuzz TARGET --seconds N`` looks for new inputs. Every input that once failed lies in
``corpus/<target>/``, and the quick suite reads all of them again.
"""

from __future__ import annotations

import importlib

# Module of this folder -> the targets in it. Kept here, so that the parent of a search stays small.
TARGETS_OF = {
    "texts": ("config", "policy", "classes", "labels", "metadata"),
    "boxes": ("coco", "voc", "yolo", "openimages", "imagenet_xml", "imagenet_csv", "csv"),
    "pictures": ("image",),
    "evidence": ("bundle", "manifest", "sign_off", "results", "table", "history"),
    "model_files": ("keras", "h5", "saved_model"),
}
NAMES = tuple(name for names in TARGETS_OF.values() for name in names)


def load_targets(name: str | None = None) -> None:
    """Import the modules that register targets: that of one target, or all."""
    for module, names in TARGETS_OF.items():
        if name is None or name in names:
            importlib.import_module(f"{__name__}.{module}")
