"""What may be saved on a real network: the answers stay within the tolerance that the manual states."""

import cv2
import numpy as np
import pandas as pd
import pytest

from audit.config.load import parse_config
from audit.images import read_header
from audit.models.probe import ModelProbe
from audit.stages.loading import model_input
from tests.benchmarks.data import large_jpeg
from tests.models.test_runtime import has_bfloat16

from .sources import DATA, KANGAROOS, MOBILENET_V2, NEEDS_DATA

pytestmark = NEEDS_DATA


def test_large_photographs_decoded_at_a_part_of_their_size():
    def config(decode):
        resize = {"interpolation": "area", "decode": decode}
        values = {
            "audit": {"name": "x"},
            "model": {**MOBILENET_V2, "resize": resize},
            "dataset": KANGAROOS,
        }
        return parse_config(values, "test")

    probe = ModelProbe(config("full"), needs_layer=False)
    answers = {"full": [], "reduced": []}
    batch = np.zeros((probe.batch, 224, 224, 3), np.uint8)
    files = [
        large_jpeg(cv2.imread(str(path)), number, grain=6)
        for number, path in enumerate(sorted((DATA / "kangaroo/images").glob("*.jpg"))[:24])
    ]
    for decode, found in answers.items():
        for k, data in enumerate(files):
            batch[k] = model_input(data, read_header(data), config(decode), probe.facts)[1]
        found.append(probe.forward(batch).probabilities[: len(files)])
    full, reduced = (found[0] for found in answers.values())
    apart = np.abs(full - reduced).max(axis=1)
    print(f"probability moves {apart.mean():.4f} in the mean, {apart.max():.4f} at most")
    assert (full.argmax(1) == reduced.argmax(1)).mean() >= 0.95
    assert apart.mean() < 0.02 and 0 < apart.max() < 0.1


def test_half_precision_on_a_processor(tmp_path, write_config, focus_audit):
    if not has_bfloat16():
        pytest.skip("this processor has no bfloat16")
    found = []
    for precision in ("float32", "mixed_bfloat16"):
        values = {
            "audit": {"name": "kangaroos"}, "model": MOBILENET_V2, "dataset": KANGAROOS,
            "confirm": {"classes": "none"}, "sanity": {"images": 0}, "gate": {"fitness": "any"},
            "run": {"precision": precision},
        }  # fmt: skip
        folder = tmp_path / precision
        folder.mkdir()
        done = focus_audit("run", write_config(folder, values), cwd=folder, timeout=900)
        assert done.returncode in (0, 1), done.stderr
        found.append(pd.read_csv(folder / "reports/kangaroos/predictions.csv"))
    exact, half = found
    assert list(exact["file_name"]) == list(half["file_name"])
    moved = (exact["predicted_score"] - half["predicted_score"]).abs()
    print(
        f"predicted class alike {(exact.predicted_class == half.predicted_class).mean():.3f}, "
        f"score moves {moved.mean():.4f} (at most {moved.max():.4f}), "
        f"hits alike {(exact.pointing_hit == half.pointing_hit).mean():.3f}, "
        f"energy moves {(exact.energy_in_box - half.energy_in_box).abs().mean():.4f}"
    )
    assert (exact["predicted_class"] == half["predicted_class"]).mean() >= 0.95
    assert 0 < moved.mean() < 0.02 and moved.max() < 0.2
    assert (exact["pointing_hit"] == half["pointing_hit"]).mean() >= 0.95
    assert (exact["energy_in_box"] - half["energy_in_box"]).abs().mean() < 0.01
