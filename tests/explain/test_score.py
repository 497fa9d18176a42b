"""The score of a class and its derivative, against the definitions and finite differences."""

import numpy as np
import pytest

from audit.explain import ClassScore

SCORES = np.array([0.3, -1.2, 0.9, 0.1])


def one(score, at=SCORES):
    values, seeds = score.with_seeds(np.asarray(at)[None])
    return values[0], seeds[0]


def softmax(scores):
    return np.exp(scores) / np.exp(scores).sum()


def slopes(score, at=SCORES, step=1e-5):
    """Central differences of the value by each of the model's scores."""
    values = [
        (one(score, at + step * e)[0] - one(score, at - step * e)[0]) / (2 * step)
        for e in np.eye(len(at))
    ]
    return np.array(values)


def test_the_logit_of_several_outputs_is_the_log_of_their_summed_probability():
    value, _ = one(ClassScore((0, 2), "logit", "softmax"))
    rest = np.log(np.exp(SCORES).sum())
    assert value == pytest.approx(np.log(softmax(SCORES)[[0, 2]].sum()) + rest)


def test_the_logit_survives_scores_that_overflow():
    value, seed = one(ClassScore((0, 1), "logit", "softmax"), [1000.0, 999.0, -1000.0])
    assert value == pytest.approx(1000 + np.log1p(np.exp(-1)))
    assert np.isfinite(seed).all()


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
@pytest.mark.parametrize("kind", ["logit", "probability", "loss"])
@pytest.mark.parametrize("members", [(1,), (0, 2), (0, 1, 2, 3)])
def test_the_seed_is_the_derivative(kind, members, activation):
    score = ClassScore(members, kind, activation)
    seed = one(score)[1]
    assert seed.dtype == np.float32
    np.testing.assert_allclose(seed, slopes(score), atol=1e-6)


def test_the_loss_is_minus_the_cross_entropy():
    value, _ = one(ClassScore((2,), "loss", "softmax"))
    assert value == pytest.approx(np.log(softmax(SCORES)[2]))


@pytest.mark.parametrize("label", [0, 1])
def test_the_loss_of_one_sigmoid_unit_is_its_binary_cross_entropy(label):
    """Two nameable classes, whose scores are the negated logit and the logit."""
    logit = 0.7
    p = 1 / (1 + np.exp(-logit))
    value, seed = one(ClassScore((label,), "loss", "sigmoid"), [-logit, logit])
    assert value == pytest.approx(label * np.log(p) + (1 - label) * np.log(1 - p))
    assert (seed[1] - seed[0]) == pytest.approx(label - p, abs=1e-6)


def test_a_loss_whose_probability_vanishes_stays_finite():
    value, seed = one(ClassScore((0,), "loss", "softmax"), [-2000.0, 0.0])
    assert np.isfinite(value) and np.isfinite(seed).all()


def test_the_seed_of_independent_outputs_leaves_the_others_alone():
    assert one(ClassScore((0, 2), "probability", "sigmoid"))[1][[1, 3]].tolist() == [0, 0]


def test_probabilities_without_logits_are_summed_as_they_are():
    value, seed = one(ClassScore((0, 2), "probability", "none"), [0.2, 0.5, 0.3])
    assert value == pytest.approx(0.5)
    np.testing.assert_array_equal(seed, [1, 0, 1])


def test_many_at_once_are_as_each_alone():
    many = np.random.default_rng(0).normal(size=(5, 4))
    for kind in ("logit", "probability", "loss"):
        score = ClassScore((0, 3), kind, "softmax")
        values, seeds = score.with_seeds(many)
        for k in range(5):
            assert (values[k], seeds[k].tobytes()) == (one(score, many[k])[0],
                                                       one(score, many[k])[1].tobytes())  # fmt: skip


def test_only_one_output_s_own_logit_has_the_same_derivative_everywhere():
    assert ClassScore((1,), "logit", "softmax").constant_seeds
    assert not ClassScore((1, 2), "logit", "softmax").constant_seeds
    assert not ClassScore((1,), "loss", "softmax").constant_seeds
