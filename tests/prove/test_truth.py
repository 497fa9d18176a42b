"""The measure of truth, on classifiers that are known to read the object or the shortcut."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from audit.prove.truth import measure
from audit.prove.worlds import TRUTH, World, pictures, render

PER_CLASS = 6


class Reader:
    """A classifier that knows what each picture was made from, and answers by a rule."""

    def __init__(self, world, answer):
        self._answer = answer
        self._known = {}
        for picture in pictures(world, TRUTH, PER_CLASS):
            for label in range(world.classes):
                for shortcut in (False, True):
                    for redrawn in (0, 1):
                        made = replace(picture, label=label, shortcut=shortcut, redrawn=redrawn)
                        self._known[render(world, made).image.tobytes()] = made

    def __call__(self, images):
        return np.array([self._answer(self._known[image.tobytes()]) for image in images])


def truth_of(world, answer):
    return measure(world, Reader(world, answer), PER_CLASS)


def reads_object(picture):
    return picture.label


def reads_shortcut(picture):
    """Class 1 by the shortcut alone; the rest, and class 1 without it, by what it is taken for."""
    if picture.shortcut:
        return 1
    return 0 if picture.label == 1 else picture.label


@pytest.fixture
def world():
    return World(11, classes=3, size=32, planted=1)


def test_one_that_reads_the_shortcut_is_reliant(world):
    found = truth_of(world, reads_shortcut)
    assert found.verdict == "reliant"
    assert (found.accuracy, found.followed) == (1.0, 1.0)
    assert (found.lost_planted, found.lost_others) == (1.0, 1.0)


def test_one_that_reads_the_object_is_clean(world):
    found = truth_of(world, reads_object)
    assert found.verdict == "clean" and found.followed == 0.0
    assert (found.lost_planted, found.lost_others) == (0.0, 0.0)


@pytest.mark.parametrize("unused", [False, True])
def test_without_a_lesson_to_learn_the_object_reader_is_clean(world, unused):
    world = replace(world, strength=0.5 if unused else 0.0, unused=unused)
    found = truth_of(world, reads_object)
    assert found.verdict == "clean"
    assert np.isnan(found.followed) == (not unused)


def test_one_that_needs_both_lies_between(world):
    """The shortcut alone does not name the class, but without it the class is lost."""

    def needs_both(picture):
        return 0 if picture.label == 1 and not picture.shortcut else picture.label

    found = truth_of(world, needs_both)
    assert found.verdict == "between"
    assert (found.followed, found.lost_planted, found.lost_others) == (0.0, 1.0, 0.0)


def test_a_loss_of_the_other_classes_alone_is_no_clean_model(world):
    def lured(picture):
        return 1 if picture.shortcut and picture.label == 2 else picture.label

    found = truth_of(world, lured)
    assert found.verdict == "between"
    assert (found.lost_planted, found.lost_others, found.followed) == (0.0, 0.5, 0.5)


def test_one_that_learnt_nothing_has_failed(world):
    assert truth_of(world, lambda picture: 1).verdict == "failed"
