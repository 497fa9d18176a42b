"""How often whole audits err, by simulation: from records, through eligibility, to verdicts."""

import numpy as np
import pandas as pd
import pytest

from audit.config.model import Config
from audit.stages.classes import class_table
from audit.stages.clusters import clusters
from audit.stages.eligibility import mark_eligible
from audit.stages.gather import Gathered
from audit.stages.judge import _clustered, _marked
from audit.statistics import (
    ClassEvidence,
    ClassMaps,
    class_verdicts,
    lay,
    permutation_p,
    shuffled_rate,
)
from tests.stages.hand_made import CONFIG, gathered, record

AUDITS, CLASSES, MARGIN = 2000, 10, 0.30


def records_of_audits(rng, correlation, sizes, audits=AUDITS, shared=False):
    """(class, group, background-focused?) of all audits' records; every class is at the margin.

    A class has 30 to 60 groups (videos, near-duplicates) of ``sizes`` images. The rates of groups
    are beta-distributed with mean .30 and this intra-class correlation; at 0 records are
    independent. ``shared``: the groups of an audit are the same ones in all of its classes.
    """
    n_groups = rng.integers(30, 61, audits * CLASSES)
    of_class = np.repeat(np.arange(audits * CLASSES), n_groups)
    group = np.arange(len(of_class))
    if shared:
        place = group - np.repeat(np.cumsum(n_groups) - n_groups, n_groups)
        group = of_class // CLASSES * 100 + place
    weight = (1 - correlation) / correlation if correlation else 1e12
    rates = rng.beta(MARGIN * weight, (1 - MARGIN) * weight, group.max() + 1)
    each = np.repeat(np.arange(len(group)), rng.integers(sizes[0], sizes[1] + 1, len(group)))
    of_class, group = of_class[each], group[each]
    return of_class, group, rng.random(len(group)) < rates[group]


def told(of_class, focused):
    """Share of audits in which any class is flagged, and of classes that pass.

    Of maps that beat shuffled ones, and by a baseline that spares no class: both claims are made as
    often as they can be.
    """
    n = np.bincount(of_class, minlength=AUDITS * CLASSES)
    k = np.bincount(of_class, weights=focused, minlength=AUDITS * CLASSES)
    known = {"shuffled_rate": 0.0, "permutation_p": 0.0005}
    flagged = passed = 0
    for counts in np.stack([k, n], axis=1).astype(int).reshape(AUDITS, CLASSES, 2).tolist():
        verdicts = class_verdicts(
            [ClassEvidence(n_background_focused=a, n_eligible=b, **known) for a, b in counts]
        )
        found = [v.verdict for v in verdicts]
        flagged += "flagged" in found
        passed += found.count("pass")
    return flagged / AUDITS, passed / (AUDITS * CLASSES)


def marked(of_class, group, kind):
    """Which records are eligible, and for what reason the others are not."""
    alone = np.arange(len(group))
    near = kind == "near_duplicate"
    columns = {
        "group": group if near else alone,
        "cluster": clusters(group) if near else clusters(alone, group.astype(str)),
    }
    same = {
        "reference": "class", "status": "scored", "correct": True, "n_classes": 1,
        "largest_box_cells": 4.0, "energy_skill": 0.3, "pointing_hit": True, "pointing_note": "",
        "method": "gradcam", "layer": "out", "predicted_class": "a", "predicted_score": 0.5,
        "target_probability": 0.5, "target_class": of_class,
    }  # fmt: skip
    table = pd.DataFrame(same | columns, index=alone)
    found = mark_eligible(table.astype({"correct": "boolean"}), {"a"}, 0.9)
    return found["eligible"].to_numpy(), set(found["ineligible_reason"].dropna())


@pytest.mark.slow
def test_independent_records_rarely_raise_a_false_flag():
    """Ten classes at the margin: in at most 5 % of 2,000 audits is any of them flagged."""
    of_class, _, focused = records_of_audits(np.random.default_rng(1), 0, (1, 1))
    flagged, passed = told(of_class, focused)
    assert 0.01 < flagged <= 0.05 and 0.01 < passed <= 0.05


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "correlation"),
    [
        ("same_group", 0.3),
        ("same_group", 0.9),
        ("near_duplicate", 0.9),
        ("group_of_all_classes", 0.9),
    ],
)
def test_records_of_a_group_do_not_raise_more(kind, correlation):
    """Counted as they come they would in 9 % or more of audits; counted once a group they do not.

    Nor do they clear a class that is at the margin more often than in 5 %.
    """
    rng = np.random.default_rng(2)
    shared = kind == "group_of_all_classes"
    of_class, group, focused = records_of_audits(rng, correlation, (1, 4), shared=shared)
    naive = told(of_class, focused)
    assert naive[0] > 0.09 and naive[1] > 0.055
    chosen, reasons = marked(of_class, group, kind)
    assert reasons == {"near_duplicate" if kind == "near_duplicate" else "same_group"}
    assert chosen.sum() == len(np.unique(np.stack([of_class, group]), axis=1).T)
    flagged, passed = told(of_class[chosen], focused[chosen])
    assert 0.005 < flagged <= 0.05 and 0.01 < passed <= 0.05


def simulated_audit(rng, flags, near):
    """One audit of ten classes with maps, groups and pictures, as ``judge`` gathers it."""
    of_class, group, focused = records_of_audits(rng, 0.9, (1, 3), audits=1)
    rows = [
        record(f"{i:05d}", f"c{c}", not off, (3, 3) if off else (0, 0), n_classes=1,
               largest_box_cells=4.0, predicted_class=f"c{c}", predicted_score=0.5,
               target_probability=0.5, group=int(g) if near else i)
        for i, (c, g, off) in enumerate(zip(of_class, group, focused, strict=True))
    ]  # fmt: skip
    made = gathered(*[{k: v for k, v in r.items() if k != "eligible"} for r in rows])
    columns = made.records[["file_name", "group"]]
    objects = made.records[["file_name"]].assign(class_name=made.records["target_class"])
    made = Gathered(made.records, made.arrays, columns, objects)
    labels = {} if near else {"video": group.astype(str).tolist()}
    config = Config.model_validate(
        CONFIG.model_dump()
        | {"flags": {**flags, "group": None if near else "video"}}
        | {"sensitivity": dict.fromkeys(CONFIG.sensitivity.model_dump(), [])}
    )
    made = _marked(_clustered(made, labels, config), config)
    table = class_table(made, [f"c{k}" for k in range(CLASSES)], {}, config).classes
    return table[table["verdict"].notna()], (of_class, group, focused)


@pytest.mark.slow
@pytest.mark.parametrize("near", [True, False])
def test_judge_s_own_tables_are_those_that_were_counted(near):
    """Whole audits by ``judge``: each class's counts and verdict are those of one record a group."""
    rng = np.random.default_rng(3)
    for _ in range(12):
        table, (of_class, group, focused) = simulated_audit(rng, {}, near)
        _, first = np.unique(group, return_index=True)
        n = np.bincount(of_class[first], minlength=CLASSES)
        k = np.bincount(of_class[first], weights=focused[first], minlength=CLASSES).astype(int)
        assert table["n_eligible"].tolist() == n.tolist()
        assert table["n_background_focused"].tolist() == k.tolist()
        expected = class_verdicts(
            [
                ClassEvidence(n_eligible=b, n_background_focused=a, shuffled_rate=s, permutation_p=p)
                for a, b, s, p in zip(
                    k.tolist(), n.tolist(), table["background_focused_shuffled"],
                    table["permutation_p"], strict=True,
                )
            ]
        )  # fmt: skip
        assert table["verdict"].tolist() == [v.verdict for v in expected]
        assert table["q_value"].tolist() == [v.q_value for v in expected]


def maps_of_a_class(rng, n=40, side=7, follow=0.0):
    """Blobs on objects of many sizes; a share of the maps follows its own object, the others none.

    Maps that follow none are about the middle, as many pictures' objects are.
    """
    centre = rng.uniform(0.25, 0.75, (n, 2))
    half = rng.uniform(0.1, 0.25, n)[:, None]
    boxes = np.concatenate([centre - half, centre + half], axis=1) * 100
    aim = np.where(rng.random((n, 1)) < follow, centre, rng.uniform(0.1, 0.9, (n, 2)))
    cells = (
        np.stack(np.meshgrid(np.arange(side), np.arange(side)), -1).reshape(-1, 2) + 0.5
    ) / side
    square = np.square(cells[None] - aim[:, None]).sum(axis=2)
    heatmaps = (np.exp(-square / 0.03) + 0.1 * rng.random((n, side**2))).astype(np.float32)
    inside = (np.abs(cells[None] - centre[:, None]) <= half[:, None]).all(axis=2)
    return ClassMaps(
        heatmaps=heatmaps,
        box_weights=inside.astype(np.float32),
        view_weights=np.ones_like(heatmaps),
        ceilings=np.ones(n),
        area_fractions=inside.mean(axis=1),
        points=cells[heatmaps.argmax(axis=1)],
        views=np.tile([0.0, 0, 100, 100], (n, 1)),
        sizes=np.full((n, 2), 100.0),
        boxes=[box[None] for box in boxes],
    )


def judged(maps, seed):
    laid = lay(maps)
    own_off, own = np.diagonal(laid.off), laid.own
    evidence = ClassEvidence(
        n_eligible=len(laid),
        n_background_focused=int(((own_off > 0) & (own < 0.1)).sum()),
        shuffled_rate=shuffled_rate(laid, 0, 0.1),
        permutation_p=permutation_p(laid.skill, n_permutations=199, seed=seed),
    )
    return evidence, class_verdicts([evidence])[0].verdict


@pytest.mark.slow
def test_permutation_p_of_maps_is_level_and_has_power():
    """Objects differ in size and place, maps in sharpness: under H0 p is at most .05 in 5 %."""
    rng = np.random.default_rng(5)
    nothing = np.array([judged(maps_of_a_class(rng), k)[0].permutation_p for k in range(600)])
    assert abs((nothing <= 0.05).mean() - 0.05) < 0.025
    assert np.abs(np.quantile(nothing, [0.25, 0.5, 0.75]) - [0.25, 0.5, 0.75]).max() < 0.07
    half = [judged(maps_of_a_class(rng, follow=0.5), k)[0].permutation_p for k in range(100)]
    assert np.mean(np.array(half) <= 0.05) > 0.95


@pytest.mark.slow
def test_maps_that_follow_pass_and_maps_that_follow_nothing_do_not():
    rng = np.random.default_rng(6)
    follow = [judged(maps_of_a_class(rng, follow=0.95), k)[1] for k in range(60)]
    nothing = [judged(maps_of_a_class(rng), k)[1] for k in range(60)]
    assert follow.count("pass") >= 57 and "flagged" not in follow
    assert "pass" not in nothing and nothing.count("flagged") >= 57
