"""The same bytes for an image, whatever its slot, its neighbours and the padding."""

from pathlib import Path

import numpy as np
import pytest

from audit.explain import METHODS, ClassScore, Question, Wanted
from audit.models.probe import ModelProbe

from .networks import BATCH, config, images

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
needs_data = pytest.mark.skipif(
    not DATA.is_dir(), reason="needs ../shared/data, which is not part of a clone"
)


def explained(probe, pixels, slots, outputs):
    """Bytes of (scores, probabilities, map) of each (slot, output)."""
    forward, facts = probe.forward(pixels), probe.facts
    wanted = [
        Wanted(slot, ClassScore((output,), facts.score, facts.activation))
        for slot, output in zip(slots, outputs, strict=True)
    ]
    question = Question(probe, forward, wanted, range(probe.batch), 56, 0)
    maps = METHODS.get("gradcam").heatmaps(question.trace(0))
    return [
        (forward.scores[slot].tobytes(), forward.probabilities[slot].tobytes(), m.tobytes())
        for slot, m in zip(slots, maps, strict=True)
    ]


def check(probe, many):
    """``many`` images, more than fit in a batch, two classes each."""
    batch, size = probe.batch, many.shape[1:]
    rng = np.random.default_rng(0)
    known = {}
    for i, image in enumerate(many):
        alone = np.zeros((batch, *size), np.uint8)
        alone[0] = image
        for output in (0, 1):
            (known[i, output],) = explained(probe, alone, [0], [output])
    for _ in range(4):
        order = rng.permutation(len(many))[:batch]
        filled = int(rng.integers(1, batch + 1))
        pixels = np.zeros((batch, *size), np.uint8)
        pixels[:filled] = many[order[:filled]]
        jobs = [(slot, output) for slot in range(filled) for output in (0, 1)]
        found = explained(probe, pixels, *zip(*jobs, strict=True))
        for (slot, output), value in zip(jobs, found, strict=True):
            assert value == known[order[slot], output]


@pytest.mark.parametrize("name", ["gap", "flatten", "branches", "before_batch_norm", "binary"])
def test_an_image_does_not_depend_on_its_batch(name, probe):
    check(probe(name), images(2 * BATCH, seed=3))


@needs_data
def test_a_real_network_does_not_depend_on_the_batch():
    path = DATA / "weights" / "mobilenet_v1_025_128_imagenet.keras"
    probe = ModelProbe(config(path, model__preprocess="mobilenet"))
    check(probe, images(2 * BATCH, (128, 128, 3), seed=4))


def test_more_targets_than_a_batch_holds(probe):
    asked, pixels = probe("flatten"), images()
    rows = [3, 3, 0, 1, 2, 2, 2, 0, 1]
    outputs = [0, 1, 2, 3, 0, 1, 2, 3, 0]
    together = explained(asked, pixels, rows, outputs)
    for row, output, value in zip(rows, outputs, together, strict=True):
        assert explained(asked, pixels, [row], [output]) == [value]


def test_no_targets_at_all(probe):
    assert explained(probe("gap"), images(), [], []) == []
