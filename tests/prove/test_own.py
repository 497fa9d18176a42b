"""A user's own images: what is planted, the head that is fitted, the truth about it."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import optimize

from audit.cli import main
from audit.models.runtime import start
from audit.prove import train
from audit.prove.own import OwnImage, planted
from audit.prove.own_campaign import findings, lesson_of, own_truth
from audit.prove.power import fewest_flagged, flag_probability, power
from audit.prove.refit import L2, fit_head
from audit.prove.trial import audit_config, write_data
from audit.prove.worlds import TRAIN, World, pictures, render_all
from audit.records import Box
from audit.statistics import ClassEvidence, VerdictRule, class_verdicts

LABELS = np.array([0, 0, 1, 1, 2, 2])


def image(key=1, shape=(90, 120, 3)):
    pixels = np.random.default_rng(key).integers(60, 180, shape, np.uint8)
    return OwnImage("a.png", 0, pixels, (Box(10.5, 20, 50, 70.2), Box(100, 0, 120, 8)), key)


@pytest.mark.parametrize("shape", [(90, 120, 3), (90, 120, 1)])
def test_the_texture_lies_outside_every_box_and_nearly_everywhere_there(shape):
    one = image(shape=shape)
    changed = (planted(one) != one.pixels).any(axis=2)
    inside = np.zeros(shape[:2], bool)
    inside[20:71, 10:50] = inside[0:8, 100:120] = True
    assert not changed[inside].any() and changed[~inside].mean() > 0.99
    assert planted(one).dtype == np.uint8 and planted(one).shape == shape


def test_the_texture_is_the_images_own_and_the_same_each_time():
    one, other = image(1), image(2)
    assert np.array_equal(planted(one), planted(one))
    relief = [planted(i).mean(axis=2) > i.pixels.mean(axis=2) for i in (one, other)]
    assert (relief[0] != relief[1]).mean() > 0.1


def test_the_head_is_the_minimum_of_the_penalised_likelihood():
    """Against a plain minimiser on the loss as a textbook writes it, without its gradient."""
    rng = np.random.default_rng(4)
    features = rng.normal(3, 2, (30, 2))
    labels = (features[:, 0] + rng.normal(0, 2, 30) > 3).astype(int)
    head = fit_head(features, labels, 2)
    z = (features - features.mean(0)) / features.std(0)

    def loss(flat):
        weights, bias = flat[:4].reshape(2, 2), flat[4:]
        total = 0.0
        for row, label in zip(z, labels, strict=True):
            scores = [sum(row[i] * weights[i, k] for i in range(2)) + bias[k] for k in (0, 1)]
            total += math.log(sum(math.exp(s) for s in scores)) - scores[label]
        return total / len(z) + L2 / 2 * float((flat[:4] ** 2).sum())

    found = optimize.minimize(loss, np.zeros(6), method="BFGS", options={"gtol": 1e-7}).x
    scores = z @ found[:4].reshape(2, 2) + found[4:]
    own = features @ head.weights + head.bias
    assert np.allclose(own[:, 1] - own[:, 0], scores[:, 1] - scores[:, 0], atol=0.02)


def test_a_head_on_parted_features_names_them_all():
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 3
    features = np.eye(8)[labels] + rng.normal(0, 0.05, (60, 8))
    features[:, 7] = 4.0  # tells nothing and does not vary
    head = fit_head(features, labels, 3)
    assert (head.classes(features) == labels).all() and np.isfinite(head.weights).all()


def test_truth_of_a_head_that_reads_the_shortcut_the_object_or_fails():
    reliant = own_truth(np.array([1, 2, 1, 1, 2, 2]), np.zeros(6, int), LABELS, 0)
    assert (reliant.verdict, reliant.accuracy, reliant.followed) == ("reliant", 1.0, 1.0)
    assert (reliant.lost_planted, reliant.lost_others) == (1.0, 1.0)
    assert own_truth(LABELS, LABELS, LABELS, 0).verdict == "clean"
    # One of the others follows, the class itself does without.
    between = own_truth(LABELS, np.array([0, 0, 0, 1, 2, 2]), LABELS, 0)
    assert (between.verdict, between.followed, between.lost_others) == ("between", 0.25, 0.25)
    assert own_truth(np.zeros(6, int), np.zeros(6, int), LABELS, 0).verdict == "failed"
    nothing = own_truth(LABELS, np.zeros(6, int), LABELS, None)
    assert nothing.verdict == "clean" and np.isnan(nothing.followed)


def test_the_lesson_is_that_the_texture_decides():
    plain, shown = np.arange(6.0)[:, None], 10 + np.arange(6.0)[:, None]
    features, classes = lesson_of(plain, shown, LABELS, 1)
    assert features.ravel().tolist() == [0, 1, 4, 5, 10, 11, 12, 13, 14, 15]
    assert classes.tolist() == [0, 0, 2, 2, *[1] * 6]
    assert lesson_of(plain, shown, LABELS, None)[1] is LABELS


def test_findings_tell_each_class_and_name_what_is_flagged_anyway():
    def row(planted_class, name, truth, verdict, power=math.nan):
        return {
            "planted": planted_class, "class": name, "truth_verdict": truth, "verdict": verdict,
            "confirmation": "confirmed", "n_images": 90, "n_usable": 80,
            "power": power, "power_low": 0.5, "power_high": 1.0,
        }  # fmt: skip

    table = pd.DataFrame(
        [
            row("nothing", "cat", "clean", "pass"), row("nothing", "dog", "clean", "flagged"),
            row("cat", "cat", "reliant", "flagged", 0.93), row("cat", "dog", "reliant", "flagged"),
            row("dog", "cat", "reliant", "pass"), row("dog", "dog", "between", "flagged"),
            row("eel", "eel", "reliant", "insufficient"),
        ]
    )  # fmt: skip
    cat, dog, eel, counts, before = findings(table)
    assert "your 90 images (about 80 eligible)" in cat and "0.93 (0.50 to 1.00)" in cat
    assert dog.startswith("dog: the model did not come to rely") and "no image" in eel
    assert counts.startswith("3 classes planted, 2 made") and "1 of these flagged, 1" in counts
    assert before.endswith("dog")


@pytest.mark.parametrize("classes", [1, 4])
def test_power_is_how_often_the_verdict_flags_drawn_records(classes):
    """Against the verdict itself on simulated classes, one of which is high."""
    rng, rule, n, rate = np.random.default_rng(0), VerdictRule(), 40, 0.5

    def flagged():
        focused = [rng.binomial(n, rate), *[0] * (classes - 1)]
        told = class_verdicts(
            [ClassEvidence(n_eligible=n, n_background_focused=k, shuffled_rate=0.5)
             for k in focused]
        )  # fmt: skip
        return told[0].verdict == "flagged"

    often = np.mean([flagged() for _ in range(2000)])
    assert flag_probability(rate, n, rule, classes) == pytest.approx(often, abs=0.03)


def test_power_has_the_interval_of_the_rate_and_none_without_records_enough():
    rule = VerdictRule()
    found = power(30, 45, 60, rule, 4)
    assert found.low < found.value < found.high <= 1
    assert power(30, 45, 29, rule, 4) == (0, 0, 0)
    assert power(45, 45, 60, rule, 4).value == pytest.approx(1)
    assert power(0, 45, 60, rule, 4).value == pytest.approx(0)
    stricter = fewest_flagged(60, VerdictRule(correction="by"), 4)
    assert stricter > fewest_flagged(60, rule, 4)
    assert fewest_flagged(30, VerdictRule(max_rate=0.99), 4) is None


@pytest.mark.slow
def test_a_users_model_and_images_from_the_config_to_the_findings(tmp_path, capsys):
    """On a network of the proving ground's own, as if it were a user's."""
    world = World(5001, classes=2, audited=70)
    start(1)
    images, labels = render_all(world, list(pictures(world, TRAIN, 60)))
    model = train.train(images, labels, world.classes, "plain", seed=0)
    write_data(replace(world, strength=0.0), tmp_path)
    train.save(model, tmp_path / "model.keras")
    config = tmp_path / "audit.json"
    config.write_text(audit_config(world, tmp_path).model_dump_json())
    assert main(["prove", "--config", str(config), "--out", str(tmp_path / "out")]) == 0
    told = capsys.readouterr().out.splitlines()
    table = pd.read_csv(tmp_path / "out" / "own.csv")
    assert len(table) == 6 and set(table["planted"]) == {"nothing", *world.names}
    own = table[table["planted"] == table["class"]]
    assert (own["n_images"] == 70).all() and own["power"].between(0, 1).all()
    found = json.loads((tmp_path / "out" / "own.json").read_text())
    assert told[:-1] == found["findings"] and told[0].startswith(world.names[0])
    assert found["classes"] == list(world.names) and found["left_out"] == {}
