"""The real network and photographs that several files audit; they are no part of a clone."""

from pathlib import Path

import pytest

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
NEEDS_DATA = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not DATA.is_dir(), reason="needs ../shared/data, which is not part of a clone"
    ),
]
MOBILENET_V2 = {
    "path": str(DATA / "weights/mobilenet_v2_100_224_imagenet.keras"),
    "labels": str(DATA / "weights/imagenet_class_index.json"),
    "preprocess": "mobilenet_v2",
}
KANGAROOS = {
    "format": "voc",
    "annotations": str(DATA / "kangaroo/annots"),
    "images": str(DATA / "kangaroo/images"),
    "classes": str(DATA / "imagenet_mapping.json"),
}
