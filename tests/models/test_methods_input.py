"""Methods that see pixels, each against its paper written out in loops on the eager model."""

import numpy as np
import pytest

from audit.errors import AuditError
from audit.explain import METHODS, ClassScore, Question, Wanted
from audit.explain.integrated_gradients import attributions
from audit.explain.occlusion import corners
from audit.explain.pixels import fill_colour
from audit.explain.rise import draw, enlarged
from audit.explain.smoothgrad import noisy
from audit.models.probe import ModelProbe

from .networks import (
    BATCH,
    NETWORKS,
    SIZE,
    L,
    config,
    conv,
    dense,
    images,
    keras,
    slow_gradcam,
    tf,
)
from .ruled import twin

GRID = 8
SEED = 3
every_network = pytest.mark.parametrize("name", NETWORKS)
METHOD_OPTIONS = {
    "saliency": {},
    "smoothgrad": {"samples": 6},
    "integrated_gradients": {"steps": 6},
    "guided_backprop": {},
    "deconvnet": {},
    "guided_gradcam": {},
    "occlusion": {"patch": 5, "stride": 3},
    "rise": {"masks": 10, "cells": 3},
}
every_method = pytest.mark.parametrize("method", METHOD_OPTIONS)


def question_of(probe, pixels, rows, outputs, keys=None):
    """The question about a class, which is these outputs together, in each of these images."""
    facts = probe.facts
    wanted = [
        Wanted(row, ClassScore(tuple(own), facts.score, facts.activation))
        for row, own in zip(rows, outputs, strict=True)
    ]
    keys = keys or [100 + k for k in range(BATCH)]
    return Question(probe, probe.forward(pixels), wanted, keys, GRID, SEED)


def heatmaps(method, question, **options):
    entry = METHODS.get(method)
    settings = entry.settings({**METHOD_OPTIONS[method], **options}, "test")
    return entry.heatmaps(question.trace(0), settings)


# The slow side: plain loops over one image at a time.


def slow_scores(network, x):
    """Scores (n,) of one image (H, W, C) in 0-255, a tensor."""
    x = x[None] / 255.0
    return network.head(network.front(x), x)[0]


def slow_score(network, name, outputs, kind="logit"):
    """y(x) of one image: the score of a class that is these outputs together."""

    def score(x):
        y = slow_scores(network, x)
        if name == "binary":
            y = tf.concat([-y, y], 0)
        p = tf.nn.sigmoid(y) if name in ("binary", "multi_label") else tf.nn.softmax(y)
        if name == "by_hand":
            return tf.reduce_sum(tf.gather(y, outputs))
        if kind == "logit":
            return tf.reduce_logsumexp(tf.gather(y, outputs))
        p = tf.reduce_sum(tf.gather(p, outputs))
        return p if kind == "probability" else tf.math.log(p)

    return score


def slow_gradient(score, image):
    x = tf.constant(image, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = score(x)
    return tape.gradient(y, x).numpy()


def slow_grid(pixel_map, side=GRID):
    """Each cell's mean, pixels on its border counted by the share that is inside."""
    grid = np.zeros((side, side))
    tall, wide = (size / side for size in pixel_map.shape)
    for i in range(side):
        for j in range(side):
            for r in range(int(i * tall), int(np.ceil((i + 1) * tall))):
                for c in range(int(j * wide), int(np.ceil((j + 1) * wide))):
                    high = min(r + 1, (i + 1) * tall) - max(r, i * tall)
                    long = min(c + 1, (j + 1) * wide) - max(c, j * wide)
                    grid[i, j] += high * long * pixel_map[r, c] / (tall * wide)
    return grid


def slow_reduced(gradient, how="max"):
    if how == "positive":
        return np.maximum(gradient, 0).sum(axis=2)
    return {"max": np.max, "sum": np.sum}[how](np.abs(gradient), axis=2)


def slow_bilinear(small, height, width):
    """Half-pixel centres, clamped at the border."""
    wide = np.zeros((height, width))
    for r in range(height):
        for c in range(width):
            y = min(max((r + 0.5) * small.shape[0] / height - 0.5, 0), small.shape[0] - 1)
            x = min(max((c + 0.5) * small.shape[1] / width - 0.5, 0), small.shape[1] - 1)
            i, j = int(y), int(x)
            k, m = min(i + 1, small.shape[0] - 1), min(j + 1, small.shape[1] - 1)
            upper = small[i, j] * (1 - (x - j)) + small[i, m] * (x - j)
            lower = small[k, j] * (1 - (x - j)) + small[k, m] * (x - j)
            wide[r, c] = upper * (1 - (y - i)) + lower * (y - i)
    return wide


def assert_same(found, expected, rtol=1e-4):
    assert found.dtype == np.float32 and expected.max() > 0
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=rtol * expected.max())


# Gradients.


@every_network
def test_saliency(name, network, probe):
    made, asked, pixels = network(name)[0], probe(name), images()
    n = asked.facts.n_outputs
    rows = np.repeat(np.arange(BATCH), n)
    found = heatmaps("saliency", question_of(asked, pixels, rows, [[k] for k in range(n)] * BATCH))
    assert found.shape == (BATCH * n, GRID, GRID)
    for heatmap, row, label in zip(found, rows, np.tile(range(n), BATCH), strict=True):
        gradient = slow_gradient(slow_score(made, name, [label]), pixels[row])
        np.testing.assert_allclose(
            heatmap, slow_grid(slow_reduced(gradient)), rtol=1e-4, atol=1e-5 * found.max()
        )


@pytest.mark.parametrize("reduce", ["sum", "positive"])
@pytest.mark.parametrize("method", ["saliency", "guided_backprop", "deconvnet", "smoothgrad"])
def test_other_ways_to_reduce_the_channels(method, reduce, network, probe):
    made, asked, pixels = network("gap")[0], probe("gap"), images()
    options = {"noise": 0.0} if method == "smoothgrad" else {}
    (found,) = heatmaps(method, question_of(asked, pixels, [2], [[1]]), reduce=reduce, **options)
    rule = {"guided_backprop": "guided", "deconvnet": "deconv"}.get(method, "plain")
    with twin(made.model, rule):
        gradient = slow_gradient(slow_score(made, "gap", [1]), pixels[2])
    assert_same(found, slow_grid(slow_reduced(gradient, reduce)))


@pytest.mark.parametrize("kind", ["probability", "loss"])
@pytest.mark.parametrize("name", ["gap", "multi_label", "binary"])
@pytest.mark.parametrize("method", ["saliency", "smoothgrad", "integrated_gradients"])
def test_probability_and_loss_as_scores(method, name, kind, network, probe):
    """Their derivative by the logits is another one at every image on the way."""
    made, asked, pixels = network(name)[0], probe(name, explain__score=kind), images()
    score = slow_score(made, name, [1], kind)
    (found,) = heatmaps(method, question_of(asked, pixels, [2], [[1]]))
    assert_same(found, slow_grid(SLOW[method](score, pixels[2], 102)), rtol=1e-3)


@pytest.mark.parametrize("method", ["saliency", "smoothgrad", "integrated_gradients", "occlusion"])
def test_a_class_of_several_outputs(method, network, probe):
    """The log-sum-exp of its logits."""
    made, asked, pixels = network("flatten")[0], probe("flatten"), images()
    score = slow_score(made, "flatten", [0, 2])
    (found,) = heatmaps(method, question_of(asked, pixels, [1], [[0, 2]]))
    assert_same(found, slow_grid(SLOW[method](score, pixels[1], 101)), rtol=1e-3)


@every_network
@pytest.mark.parametrize(
    ("method", "rule"), [("guided_backprop", "guided"), ("deconvnet", "deconv")]
)
def test_rules(name, method, rule, network, probe):
    made, asked, pixels = network(name)[0], probe(name), images()
    rows, labels = [0, 3], [[0], [1]]
    found = heatmaps(method, question_of(asked, pixels, rows, labels))
    for heatmap, row, label in zip(found, rows, labels, strict=True):
        with twin(made.model, rule):
            gradient = slow_gradient(slow_score(made, name, label), pixels[row])
        np.testing.assert_allclose(
            heatmap, slow_grid(slow_reduced(gradient)), rtol=1e-3, atol=1e-5 * found.max()
        )


@pytest.mark.parametrize("name", ["nested", "transfer"])
def test_rules_reach_into_nested_models(name, probe):
    question = question_of(probe(name), images(), range(BATCH), [[1]] * BATCH)
    plain, guided, deconv = (
        heatmaps(m, question).ravel() for m in ("saliency", "guided_backprop", "deconvnet")
    )
    for one, other in ((plain, guided), (plain, deconv), (guided, deconv)):
        assert np.abs(one - other).max() > 0.1 * max(one.max(), other.max())


@pytest.mark.parametrize(
    ("name", "rule", "told"),
    [
        ("nested", "guided", ["2 ReLU or the like go by the guided rule"]),
        ("shared", "deconv", ["1 ReLU or the like go by the deconv rule; left alone: 2 Tanh"]),
    ],
)
def test_what_the_rules_replace_is_noted(name, rule, told, probe):
    method = METHODS.get({"guided": "guided_backprop", "deconv": "deconvnet"}[rule])
    question = question_of(probe(name), images(), [0], [[0]])
    assert method.notes(question, method.defaults()) == told
    assert METHODS.get("guided_gradcam").check is METHODS.get("guided_backprop").check


@pytest.mark.parametrize("activation", ["relu", "silu"])
def test_rules_hold_in_a_saved_model(activation, tmp_path):
    """Its graph has no layers, and silu has lost the gradient of its own."""
    x = keras.Input(SIZE)
    inner = keras.Sequential([conv(strides=2, activation=activation), conv(activation=activation)])
    model = keras.Model(x, dense(4, "softmax")(L.GlobalAveragePooling2D()(inner(x))))
    model.save(tmp_path / "model.keras")
    model.export(tmp_path / "served", verbose=False)
    maps = []
    for path in (tmp_path / "model.keras", tmp_path / "served"):
        question = question_of(ModelProbe(config(path)), images(), [0, 2], [[1], [3]])
        assert len(question.subject.replaced_rules("guided")[0]) == 2
        maps.append([heatmaps(m, question) for m in ("saliency", "guided_backprop", "deconvnet")])
    for one, other in zip(*maps, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5 * one.max())


def slow_saliency(score, image, key):
    return slow_reduced(slow_gradient(score, image))


def slow_smoothgrad(score, image, key, samples=6, noise=0.15, square=False, reduce="max"):
    image = image.astype(np.float64)
    rng = np.random.default_rng(key)
    total = np.zeros(image.shape)
    for _ in range(samples):
        error = rng.standard_normal(image.shape, np.float32)
        gradient = slow_gradient(score, image + noise * (image.max() - image.min()) * error)
        total += gradient**2 if square else gradient
    return slow_reduced(total / samples, reduce)


@pytest.mark.parametrize("name", ["gap", "nested", "binary", "by_hand"])
@pytest.mark.parametrize("average", ["mean", "squared"])
def test_smoothgrad(name, average, network, probe):
    made, asked, pixels = network(name)[0], probe(name), images()
    rows, labels = [0, 0, 3], [[0], [1], [0]]
    question = question_of(asked, pixels, rows, labels)
    found = heatmaps("smoothgrad", question, noise=0.3, average=average)
    for heatmap, row, label in zip(found, rows, labels, strict=True):
        score = slow_score(made, name, label)
        expected = slow_smoothgrad(
            score, pixels[row], 100 + row, noise=0.3, square=average == "squared"
        )
        assert_same(heatmap, slow_grid(expected), rtol=1e-3)


def test_smoothgrad_without_noise_is_saliency(probe):
    question = question_of(probe("flatten"), images(), [1, 2], [[0], [3]])
    np.testing.assert_allclose(
        heatmaps("smoothgrad", question, noise=0.0), heatmaps("saliency", question), rtol=1e-5
    )


def test_the_noise_is_the_image_s_own(probe):
    """Another key, another map; the spread follows the image's range."""
    asked, pixels = probe("flatten"), images()
    first, other = (
        heatmaps("smoothgrad", question_of(asked, pixels, [1], [[0]], keys))
        for keys in ([7, 7, 7, 7], [7, 8, 7, 7])
    )
    assert not (first == other).all()
    image = np.float32(np.tile([[[10.0], [60.0]]], (200, 100, 1)))
    copies = np.stack(list(noisy(image, 0, 5, 0.2))) - image
    assert abs(copies.std() - 10) < 0.2 and abs(copies.mean()) < 0.1


def slow_path(score, image, baseline, steps):
    """Attributions with their sign: the midpoint rule."""
    image = image.astype(np.float64)
    total = np.zeros(image.shape)
    for k in range(1, steps + 1):
        total += slow_gradient(score, baseline + (k - 0.5) / steps * (image - baseline)) / steps
    return (image - baseline) * total


def slow_integrated_gradients(score, image, key):
    return np.abs(slow_path(score, image, 0.0, 6)).sum(axis=2)


@pytest.mark.parametrize(
    ("name", "baseline"),
    [
        ("gap", "black"), ("nested", "grey"), ("binary", "mean"), ("skip", "black"),
        ("by_hand", "grey"),
    ],
)  # fmt: skip
def test_integrated_gradients(name, baseline, network, probe):
    made, asked, pixels = network(name)[0], probe(name), images()
    rows, labels = [0, 3, 3], [[0], [0], [1]]
    question = question_of(asked, pixels, rows, labels)
    found = {
        sign: heatmaps("integrated_gradients", question, baseline=baseline, sign=sign)
        for sign in ("absolute", "positive")
    }
    for place, (row, label) in enumerate(zip(rows, labels, strict=True)):
        colour = {"black": 0.0, "grey": 127.5, "mean": pixels[row].mean(axis=(0, 1))}[baseline]
        parts = slow_path(slow_score(made, name, label), pixels[row], colour, 6)
        assert_same(found["absolute"][place], slow_grid(np.abs(parts).sum(2)), rtol=1e-3)
        assert_same(found["positive"][place], slow_grid(np.maximum(parts.sum(2), 0)), rtol=1e-3)


@pytest.mark.parametrize("kind", ["logit", "probability"])
@pytest.mark.parametrize("name", ["gap", "flatten", "nested", "binary", "skip"])
def test_attributions_add_up_to_what_the_score_gained(name, kind, network, probe):
    """Completeness, proposition 1 of the paper."""
    made, asked, pixels = network(name)[0], probe(name, explain__score=kind), images()
    question = question_of(asked, pixels, [0, 0], [[0], [1]])
    image = pixels[0].astype(np.float32)
    baseline = fill_colour(image, "grey")
    parts = attributions(question, image, [0, 1], 300, baseline)
    for label in (0, 1):
        score = slow_score(made, name, [label], kind)
        gained = score(tf.constant(image)) - score(tf.zeros_like(image) + baseline)
        error = 0.003 * float(np.abs(parts[label]).sum())
        assert abs(gained) > 2 * error
        assert parts[label].sum() == pytest.approx(float(gained), abs=error)


@pytest.mark.parametrize("name", ["gap", "nested", "flatten"])
def test_guided_gradcam(name, network, probe):
    made, asked, pixels = network(name)[0], probe(name), images()
    rows, labels = range(BATCH), [[0], [1], [2], [3]]
    question = question_of(asked, pixels, rows, labels)
    for reduce in ("positive", "max"):
        found = heatmaps("guided_gradcam", question, reduce=reduce)
        for heatmap, row, label in zip(found, rows, labels, strict=True):
            gradcam = slow_gradcam(made, pixels[row], lambda y, k=label[0]: y[k])
            with twin(made.model, "guided"):
                gradient = slow_gradient(slow_score(made, name, label), pixels[row])
            wide = slow_bilinear(gradcam, *pixels.shape[1:3])
            expected = slow_grid(slow_reduced(gradient, reduce) * wide)
            np.testing.assert_allclose(heatmap, expected, rtol=1e-3, atol=1e-4 * found.max())


# Perturbations.


def slow_occlusion(score, image, key, patch=5, stride=3, fill="grey"):
    image = image.astype(np.float64)
    height, width = image.shape[:2]
    total, count = np.zeros((height, width)), np.zeros((height, width))
    colour = {"grey": 127.5, "black": 0.0, "mean": image.mean(axis=(0, 1))}[fill]
    y = float(score(tf.constant(image, tf.float32)))
    tops, lefts = (
        sorted({min(k, side - patch) for k in range(0, side, stride)}) for side in (height, width)
    )
    for top in tops:
        for left in lefts:
            covered = image.copy()
            covered[top : top + patch, left : left + patch] = colour
            drop = y - float(score(tf.constant(covered, tf.float32)))
            for r in range(top, top + patch):
                for c in range(left, left + patch):
                    total[r, c] += drop
                    count[r, c] += 1
    assert count.min() > 0
    return np.maximum(total / count, 0)


SLOW = {
    "saliency": slow_saliency,
    "smoothgrad": slow_smoothgrad,
    "integrated_gradients": slow_integrated_gradients,
    "occlusion": slow_occlusion,
}


@pytest.mark.parametrize(
    ("name", "fill"),
    [
        ("gap", "grey"), ("nested", "black"), ("binary", "mean"), ("multi_label", "grey"),
        ("by_hand", "black"),
    ],
)  # fmt: skip
def test_occlusion(name, fill, network, probe):
    made, asked, pixels = network(name)[0], probe(name), images()
    rows, labels = [0, 0, 3], [[0], [1], [1]]
    found = heatmaps("occlusion", question_of(asked, pixels, rows, labels), fill=fill)
    for heatmap, row, label in zip(found, rows, labels, strict=True):
        expected = slow_occlusion(slow_score(made, name, label), pixels[row], 0, fill=fill)
        # A drop is the small difference of two scores.
        np.testing.assert_allclose(heatmap, slow_grid(expected), rtol=1e-3, atol=1e-6)
    assert found.max() > 1e-4


@pytest.mark.parametrize("kind", ["probability", "loss"])
def test_occlusion_of_other_scores(kind, network, probe):
    made, asked, pixels = network("gap")[0], probe("gap", explain__score=kind), images()
    (found,) = heatmaps("occlusion", question_of(asked, pixels, [1], [[2]]))
    expected = slow_grid(slow_occlusion(slow_score(made, "gap", [2], kind), pixels[1], 0))
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("size", [(16, 20), (7, 7), (13, 29)])
@pytest.mark.parametrize(("patch", "stride"), [(5, 5), (5, 3), (7, 1), (1, 1), (7, 7)])
def test_patches_cover_every_pixel_and_stay_inside(size, patch, stride):
    covered = np.zeros(size, int)
    for top, left in corners(size, patch, stride):
        assert 0 <= top <= size[0] - patch and 0 <= left <= size[1] - patch
        covered[top : top + patch, left : left + patch] += 1
    assert covered.min() >= 1
    assert len(set(corners(size, patch, stride))) == len(corners(size, patch, stride))


@pytest.mark.parametrize(
    ("method", "options", "message"),
    [
        ("occlusion", {"patch": 17, "stride": 1}, "patch larger than the image"),
        ("occlusion", {"patch": 4, "stride": 5}, "stride larger than the patch"),
        ("rise", {"cells": 17}, "more cells than pixels"),
    ],
)
def test_what_does_not_fit_the_image_is_refused(method, options, message, probe):
    entry, question = METHODS.get(method), question_of(probe("gap"), images(), [0], [[0]])
    with pytest.raises(AuditError, match=message) as caught:
        entry.notes(question, entry.settings(options, "test"))
    assert "16" in str(caught.value) or "4" in str(caught.value)


def test_occlusion_left_to_itself_follows_the_input_s_size(probe):
    method, question = METHODS.get("occlusion"), question_of(probe("gap"), images(), [0], [[0]])
    assert method.notes(question, method.defaults()) == ["285 patches of 2x2 pixels, 1 apart"]
    assert method.passes(question, **method.defaults()) == 288  # the last batch is padded


def slow_masks(cells, keep, size, seed, masks):
    """Section 3.2 of the paper; ours rounds the cell up, so that the mask covers the image."""
    cell = [-(-side // cells) for side in size]
    rng = np.random.default_rng(seed)
    small = [rng.random((cells, cells)) < keep for _ in range(masks)]
    shifts = rng.integers(0, cell, (masks, 2))
    for one, (down, right) in zip(small, shifts, strict=True):
        wide = slow_bilinear(one.astype(float), *((cells + 1) * c for c in cell))
        yield wide[down : down + size[0], right : right + size[1]]


@pytest.mark.parametrize(
    ("name", "fill"),
    [
        ("gap", "grey"), ("nested", "black"), ("binary", "mean"), ("multi_label", "grey"),
        ("by_hand", "black"),
    ],
)  # fmt: skip
def test_rise(name, fill, network, probe):
    made, asked, pixels = network(name)[0], probe(name), images()
    rows, labels = [0, 0, 3], [[0], [1], [1]]
    found = heatmaps("rise", question_of(asked, pixels, rows, labels), fill=fill, keep=0.4)
    masks = list(slow_masks(3, 0.4, pixels.shape[1:3], SEED, 10))
    for heatmap, row, label in zip(found, rows, labels, strict=True):
        image = pixels[row].astype(np.float64)
        colour = {"grey": 127.5, "black": 0.0, "mean": image.mean(axis=(0, 1))}[fill]
        probability = slow_score(made, name, label, "probability")
        total = np.zeros(image.shape[:2])
        for mask in masks:
            seen = image * mask[:, :, None] + (1 - mask[:, :, None]) * colour
            total += float(probability(tf.constant(seen, tf.float32))) * mask
        assert_same(heatmap, slow_grid(total / (10 * 0.4)))


@pytest.mark.parametrize("score", ["logit", "loss", "probability"])
def test_rise_weighs_by_the_probability_and_says_so(score, probe):
    asked = probe("gap", explain__score=score)
    question = question_of(asked, images(), [1], [[0]])
    reference = question_of(probe("gap"), images(), [1], [[0]])
    assert (heatmaps("rise", question) == heatmaps("rise", reference)).all()
    method = METHODS.get("rise")
    assert len(method.notes(question, method.defaults())) == (score != "probability")


def test_masks_are_the_paper_s():
    """Cells visible with their probability, shifts over a whole cell, each value in 0-1."""
    size = (20, 33)
    drawn = visible, shifts = draw(400, 7, 0.3, size, 0)
    assert abs(visible.mean() - 0.3) < 0.01
    assert shifts.min(0).tolist() == [0, 0] and shifts.max(0).tolist() == [2, 4]
    masks = np.stack([enlarged(*drawn, k, size) for k in range(400)])
    assert masks.shape == (400, *size) and masks.min() == 0 and masks.max() == 1
    # No pixel is favoured, though the grid's own border is clamped.
    assert np.abs(masks.mean(0) - 0.3).max() < 0.1
    assert draw(400, 7, 0.3, size, 0)[0] is visible  # once a run
    assert not (draw(400, 7, 0.3, size, 1)[0] == visible).all()


# What holds for all of them.


def bytes_of(method, probe, pixels, rows, outputs, keys):
    maps = heatmaps(method, question_of(probe, pixels, rows, [[k] for k in outputs], keys))
    return [one.tobytes() for one in maps]


@every_method
@pytest.mark.parametrize("name", ["gap", "flatten", "binary"])
def test_an_image_does_not_depend_on_its_batch(method, name, probe):
    asked, many = probe(name), images(2 * BATCH, seed=3)
    rng = np.random.default_rng(0)
    known = {}
    for i, image in enumerate(many):
        pixels = np.zeros((BATCH, *image.shape), np.uint8)
        pixels[0] = image
        for k in (0, 1):
            (known[i, k],) = bytes_of(method, asked, pixels, [0], [k], [i, 0, 0, 0])
    for filled in (1, 3, BATCH):
        order = rng.permutation(len(many))[:BATCH]
        jobs = [(slot, k) for slot in range(filled) for k in (0, 1)]
        found = bytes_of(
            method, asked, many[order], *zip(*jobs, strict=True), [int(i) for i in order]
        )
        for (slot, k), value in zip(jobs, found, strict=True):
            assert value == known[order[slot], k]


@every_method
def test_no_targets(method, probe):
    maps = heatmaps(method, question_of(probe("gap"), images(), [], []))
    assert maps.shape == (0, GRID, GRID) and maps.dtype == np.float32


class Watched:
    """A probe that notes how many images it is given at once."""

    def __init__(self, probe):
        self._probe = probe
        self.sizes = []

    def __getattr__(self, name):
        return getattr(self._probe, name)

    def input_gradients(self, forward, images, *rest):
        self.sizes.append(len(images))
        return self._probe.input_gradients(forward, images, *rest)

    def scores_of(self, forward, images, rows):
        self.sizes.append(len(images))
        return self._probe.scores_of(forward, images, rows)


@every_method
@pytest.mark.parametrize("score", ["logit", "probability"])
def test_memory_is_bounded_by_the_batch(method, score, probe):
    """Whatever the number of targets: more of one image than fit in a batch, too."""
    watched = Watched(probe("gap", explain__score=score))
    rows, outputs = [2] * 11 + [0, 3], [[k % 4] for k in range(13)]
    maps = heatmaps(method, question_of(watched, images(), rows, outputs))
    assert max(watched.sizes) == BATCH
    alone = question_of(watched, images(), [2], [[2]])
    assert heatmaps(method, alone)[0].tobytes() == maps[2].tobytes() == maps[6].tobytes()


@pytest.mark.parametrize("method", ["smoothgrad", "integrated_gradients", "occlusion", "rise"])
def test_slow_methods_tell_how_far_they_are(method, probe):
    question = question_of(probe("gap"), images(), [0, 0, 2, 2], [[0], [1]] * 2)
    entry = METHODS.get(method)
    steps = []
    question.tick = steps.append
    settings = entry.settings(METHOD_OPTIONS[method], "test")
    entry.heatmaps(question.trace(0), settings)
    assert sum(steps) == 2 * entry.passes(question, **settings)
    assert max(steps) <= 3 * BATCH


@every_method
def test_a_model_with_broken_weights_gives_no_map_that_looks_empty(method, network, probe):
    asked = probe("logits")
    question = question_of(asked, images(), [1], [[1]])
    kernel = next(v for v in asked._model.weights if v.shape.rank == 2)
    kernel.assign(tf.fill(kernel.shape, np.float32(np.nan)))
    assert np.isnan(heatmaps(method, question)).any()
