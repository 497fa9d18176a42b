"""Grad-CAM by the probe against the definition, on every kind of network."""

import numpy as np
import pytest

from audit.explain import METHODS, ClassScore, Question, Wanted

from .networks import BATCH, NETWORKS, images, slow_gradcam, tf

every_network = pytest.mark.parametrize("name", NETWORKS)


def heatmaps(probe, pixels, rows, outputs, method="gradcam"):
    """Maps of a class, which is these outputs together, in each of these images."""
    facts = probe.facts
    wanted = [
        Wanted(row, ClassScore(tuple(own), facts.score, facts.activation))
        for row, own in zip(rows, outputs, strict=True)
    ]
    question = Question(probe, probe.forward(pixels), wanted, range(BATCH), 56, 0)
    return METHODS.get(method).heatmaps(question.trace(0))


def assert_same(found, expected):
    assert expected.max() > 0
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * expected.max())


@every_network
def test_every_class_of_every_image(name, network, probe):
    made, asked, pixels = network(name)[0], probe(name), images()
    n = asked.facts.n_outputs
    rows = np.repeat(np.arange(BATCH), n)
    maps = heatmaps(asked, pixels, rows, [[k] for k in range(n)] * BATCH)
    (layer,) = asked.facts.layers
    assert layer.path == made.layer
    assert maps.shape == (BATCH * n, *layer.shape[:2])
    seen = 0
    for found, row, label in zip(maps, rows, np.tile(range(n), BATCH), strict=True):
        if name == "binary":
            score = lambda y, sign=2 * label - 1: sign * y[0]  # noqa: E731
        else:
            score = lambda y, label=label: y[label]  # noqa: E731
        expected = slow_gradcam(made, pixels[row], score)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * maps.max())
        seen += expected.max() > 0
    assert seen > len(maps) / 4


@pytest.mark.parametrize("name", ["gap", "flatten", "logits"])
def test_a_class_of_several_outputs(name, network, probe):
    """The log-sum-exp of its logits."""
    made, asked, pixels = network(name)[0], probe(name), images()
    outputs = [0, 2]
    for row, found in enumerate(heatmaps(asked, pixels, range(BATCH), [outputs] * BATCH)):
        expected = slow_gradcam(
            made, pixels[row], lambda y: tf.reduce_logsumexp(tf.gather(y, outputs))
        )
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-7)


def test_the_probability_as_score(network, probe):
    made, asked, pixels = network("gap")[0], probe("gap", explain__score="probability"), images()
    assert (asked.facts.score, asked.facts.score_reason) == ("probability", "asked for")
    (found,) = heatmaps(asked, pixels, [1], [[3]])
    assert_same(found, slow_gradcam(made, pixels[1], lambda y: tf.nn.softmax(y)[3]))


@every_network
def test_scores_and_activations_are_the_model_s_own(name, network, probe):
    made, asked, pixels = network(name)[0], probe(name), images()
    forward = asked.forward(pixels)
    x = tf.constant(pixels / np.float32(255))
    activation = made.front(x)
    output, head = made.model(x).numpy(), made.head(activation, x).numpy()
    if name == "binary":
        output, head = np.hstack([1 - output, output]), np.hstack([-head, head])
    if name == "logits":
        output = tf.nn.softmax(output).numpy()
    np.testing.assert_allclose(asked.activations(forward, 0), activation, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(forward.scores, head, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(forward.probabilities, output, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "layer", "pixels"),
    [
        ("gap", False, False),
        ("flatten", True, False),
        ("branches", False, True),
        ("skip", True, False),
    ],
)
def test_the_backward_is_fed_only_what_it_needs(name, layer, pixels, probe):
    """A linear head needs nothing of the forward pass, and no head runs the network again."""
    made = probe(name)._layer_backward(0, mean=True)
    assert (made.uses_layer, made.uses_inputs) == (layer, pixels)


@pytest.mark.parametrize(
    ("name", "output", "score", "reason"),
    [
        ("gap", "softmax", "logit", "input of the final activation"),
        ("separate_softmax", "softmax", "logit", "input of the final activation"),
        ("multi_label", "sigmoid", "logit", "input of the final activation"),
        ("binary", "binary", "logit", "input of the final activation"),
        ("logits", "logits", "logit", "linear output"),
        ("by_hand", "softmax", "probability", "logits not found, probability used"),
    ],
)
def test_what_was_found_is_said(name, output, score, reason, probe):
    facts = probe(name).facts
    assert (facts.output, facts.score, facts.score_reason) == (output, score, reason)
    assert facts.n_outputs == (2 if name == "binary" else 4)
    assert (facts.input_height, facts.input_width, facts.channels) == (16, 20, 3)
    assert facts.output_reason and facts.layers[0].reason


@pytest.mark.parametrize("asked", ["softmax", "sigmoid"])
def test_a_linear_head_that_is_said_to_be_something(asked, probe):
    """The config knows better: the function that the model lacks is applied."""
    forward = probe("logits", model__output=asked).forward(images())
    function = {"softmax": tf.nn.softmax, "sigmoid": tf.nn.sigmoid}[asked]
    np.testing.assert_allclose(forward.probabilities, function(forward.scores), rtol=1e-5)
    assert probe("logits", model__output=asked).facts.output == asked


def test_probabilities_made_by_hand_and_said_to_be_a_softmax(probe):
    facts = probe("by_hand", model__output="softmax").facts
    assert (facts.score, facts.score_reason) == (
        "probability",
        "logits not found, probability used",
    )
    assert probe("by_hand", model__output="logits").facts.score == "logit"
