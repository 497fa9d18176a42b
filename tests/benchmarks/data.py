"""Inputs of the benchmarks: JPEG files of 500x375, COCO boxes, models, configs."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import yaml

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
WIDTH, HEIGHT = 500, 375
LARGE = (4000, 3000)
JPEG_QUALITY = 88
CLASSES = {"c0": 281, "c1": 282, "c2": 283, "c3": 285}


def write_images(folder: Path, count: int) -> None:
    """``count`` different photographs; crops of VOC's where they are at hand, else textures."""
    folder.mkdir(parents=True, exist_ok=True)
    sources = [cv2.imread(str(p)) for p in sorted((SHARED / "voc2012_100/images").glob("*.jpg"))]
    for number in range(count):
        path = folder / f"{number:05d}.jpg"
        if path.exists():
            continue
        rng = np.random.default_rng([7, number])
        picture = _crop(sources, number, rng) if sources else texture(rng)
        cv2.imwrite(str(path), picture, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])


def large_jpeg(picture: np.ndarray, seed: int, grain: float = 0.0) -> bytes:
    """A picture, BGR, made twelve megapixels large, with a sensor's grain (grey levels), as JPEG."""
    large = cv2.resize(picture, LARGE, interpolation=cv2.INTER_CUBIC)
    if grain:
        noise = np.random.default_rng(seed).normal(0, grain, large.shape)
        large = np.clip(large + noise, 0, 255).astype(np.uint8)
    return cv2.imencode(".jpg", large, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()


def _crop(sources: list[np.ndarray], number: int, rng: np.random.Generator) -> np.ndarray:
    source = sources[number % len(sources)]
    scale = rng.uniform(0.8, 1)
    height, width = (int(side * scale) for side in source.shape[:2])
    y = rng.integers(0, source.shape[0] - height + 1)
    x = rng.integers(0, source.shape[1] - width + 1)
    return cv2.resize(source[y : y + height, x : x + width], (WIDTH, HEIGHT))


def texture(rng: np.random.Generator) -> np.ndarray:
    """Noise at several scales, which compresses about as a photograph does."""
    picture = np.zeros((HEIGHT, WIDTH, 3))
    for cells in (4, 12, 40, 120, 300):
        noise = rng.random((cells, cells, 3))
        picture += cv2.resize(noise, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC) / cells**0.5
    low, high = picture.min(), picture.max()
    return np.uint8(255 * (picture - low) / (high - low))


def write_audit(folder: Path, name: str, model: Path, preprocess: str, count: int, **more) -> Path:
    """A config for the first ``count`` images of ``folder/images``; returns its path."""
    rng = np.random.default_rng(count)
    images, annotations = [], []
    for number in range(count):
        images.append(
            {"id": number + 1, "file_name": f"{number:05d}.jpg", "width": WIDTH, "height": HEIGHT}
        )
        w, h = int(rng.integers(100, 300)), int(rng.integers(80, 250))
        box = [int(rng.integers(0, WIDTH - w)), int(rng.integers(0, HEIGHT - h)), w, h]
        annotations.append(
            {
                "id": number + 1, "image_id": number + 1, "category_id": number % 4 + 1,
                "bbox": box, "area": w * h, "iscrowd": 0,
            }
        )  # fmt: skip
    categories = [{"id": k + 1, "name": name} for k, name in enumerate(CLASSES)]
    coco = {"images": images, "annotations": annotations, "categories": categories}
    (folder / f"{name}.json").write_text(json.dumps(coco))
    config = {
        "audit": {"name": name, "output": str(folder / "reports" / name)},
        "model": {"path": str(model), "preprocess": preprocess},
        "dataset": {
            "format": "coco", "annotations": f"{name}.json", "images": "images", "classes": CLASSES,
        },
        "run": {"shard_size": 20_000},
    }  # fmt: skip
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump({**config, **more}))
    return path


def model_file(folder: Path, name: str) -> Path:
    """A MobileNetV2 or ResNet50 at 224 px; real weights where they are at hand."""
    real = SHARED / "weights" / "mobilenet_v2_100_224_imagenet.keras"
    if name == "MobileNetV2" and real.exists():
        return real
    path = folder / f"{name}.keras"
    if not path.exists():
        import keras

        getattr(keras.applications, name)(weights=None).save(path)
    return path
