"""Which runs may be compared."""

import copy

import pytest

from audit.config.model import Config
from audit.gate import Setting, differences

CONFIG = Config.model_validate(
    {
        "audit": {"name": "a"},
        "model": {"path": "m.keras", "preprocess": "none"},
        "dataset": {"format": "coco", "annotations": "a.json", "images": "i"},
    }
).model_dump(mode="json")
HASHES = {"images": "1", "annotations": {"/here/a.json": "2"}}
PAIR, CLASSES = ("gradcam", "top"), ("cat", "dog")


def changed(section, key, value):
    config = copy.deepcopy(CONFIG)
    config[section][key] = value
    return {"config": config}


def setting(pair=PAIR, classes=CLASSES, config=CONFIG, hashes=HASHES):
    return Setting.of(pair, classes, config, hashes)


@pytest.mark.parametrize(
    "same",
    [
        {},
        {"classes": ("dog", "cat")},
        {"hashes": {"images": "1", "annotations": {"/there/a.json": "2"}}},  # moved
        changed("model", "path", "other.keras"),  # what is compared
        changed("gate", "fitness", "any"),
        changed("run", "shard_size", 7),
    ],
)
def test_what_does_not_matter(same):
    assert differences(setting(), setting(**same)) == []


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({"pair": ("saliency", "top")}, "method: saliency then, gradcam now"),
        ({"pair": ("gradcam", "low")}, "layer: low then, top now"),
        ({"classes": ("cat", "owl")}, "classes: owl only then, dog only now"),
        ({"hashes": {**HASHES, "images": "9"}}, "images: other files"),
        ({"hashes": {**HASHES, "annotations": {"a": "9"}}}, "annotations: other files"),
        (changed("heatmap", "threshold", 0.2), "heatmap.threshold: 0.2 then, 0.15 now"),
        (changed("flags", "max_rate", 0.5), "flags.max_rate: 0.5 then, 0.3 now"),
        (changed("explain", "score", "loss"), "explain.score: loss then, logit now"),
        (changed("model", "resize", {"mode": "letterbox"}), "resize.mode: letterbox then"),
    ],
)
def test_what_differs_is_said(other, told):
    found = differences(setting(), setting(**other))
    assert len(found) == 1 and told in found[0]
