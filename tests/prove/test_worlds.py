"""The worlds' pictures: same seed, same bytes; true boxes; swaps that change only what they say."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import cv2
import numpy as np
import pytest

from audit.demo import shapes
from audit.errors import AuditError
from audit.prove import textures
from audit.prove.shortcuts import SHORTCUTS
from audit.prove.textures import TEXTURES
from audit.prove.worlds import (
    AUDITED,
    TRAIN,
    TRUTH,
    World,
    draw,
    pictures,
    render,
    render_all,
    swap_object,
    swap_shortcut,
)

PINNED = "d873ab3e1bf792af50abd14556f9c1865fc939a21ac1af58dcc668ecb6fa3411"
NUMBERS = range(10)


def changed(world, first, second):
    """(size, size) bool: pixels that differ between two pictures."""
    return (render(world, first).image != render(world, second).image).any(axis=2)


def cover(world, picture):
    lines = shapes.place(
        shapes.outlines(world.names[picture.label]), picture.place, picture.rotation
    )
    return shapes.coverage(lines, world.size)


def test_pixels_are_the_same_on_every_machine():
    digest = hashlib.sha256()
    worlds = [World(7, shortcut=name) for name in SHORTCUTS.names()]
    worlds += [World(7, family=name) for name in TEXTURES.names()]
    for world in worlds:
        for number in (0, 1, 5):
            digest.update(render(world, draw(world, TRAIN, number)).image.tobytes())
    assert digest.hexdigest() == PINNED


def test_seeds_splits_and_numbers_give_other_pictures():
    drawn = [(World(seed), split) for seed in (1, 2) for split in (TRAIN, TRUTH, AUDITED)]
    images = [render(w, draw(w, split, n)).image.tobytes() for w, split in drawn for n in (0, 5)]
    assert len(set(images)) == len(images)


def test_classes_are_dealt_in_turn_and_images_have_their_labels():
    world = World(3, classes=4, size=48)
    images, labels = render_all(world, list(pictures(world, TRAIN, 2)))
    assert images.shape == (8, 48, 48, 3) and images.dtype == np.uint8
    assert labels.tolist() == [0, 1, 2, 3] * 2


@pytest.mark.parametrize("number", NUMBERS)
def test_nothing_but_outline_and_shortcut_depends_on_the_class(number):
    """The same stream draws place, paint and ground, whatever class is in turn."""
    five, four = (draw(World(5, classes=n), TRUTH, number) for n in (5, 4))
    assert five.paint == four.paint and five.ground == four.ground and five.light == four.light
    first, second = (draw(World(5, planted=k), TRUTH, number) for k in (0, 3))
    assert replace(first, shortcut=False) == replace(second, shortcut=False)


@pytest.mark.parametrize("area", [(0.02, 0.04), (0.06, 0.3), (0.4, 0.5)])
def test_boxes_are_tight_inside_and_of_the_size_asked_for(area):
    world = World(9, area=area)
    shares = []
    for picture in pictures(world, TRUTH, 6):
        box = render(world, picture).box
        rows, columns = np.nonzero(cover(world, picture) >= 0.5)
        assert (box.x0, box.y0) == (columns.min(), rows.min())
        assert (box.x1, box.y1) == (columns.max() + 1, rows.max() + 1)
        assert min(box.x0, box.y0) >= 1 and max(box.x1, box.y1) <= world.size - 1
        shares.append(box.area / world.size**2)
    assert area[0] * 0.8 <= min(shares) and max(shares) <= area[1] * 1.15


def test_centred_objects_are_centred_and_others_are_not():
    def spread(centred):
        places = [p.place for p in pictures(World(4, centred=centred), TRUTH, 20)]
        return np.std([(p.x0 + p.x1) / 128 for p in places])

    assert spread(True) < 0.02 < 0.08 < spread(False)


@pytest.mark.parametrize("shortcut", SHORTCUTS.names())
def test_swapping_the_object_leaves_the_shortcut_and_the_rest(shortcut):
    world = World(2, shortcut=shortcut)
    for number in NUMBERS:
        picture = replace(draw(world, TRUTH, number), shortcut=True)
        other = swap_object(picture, (picture.label + 1) % world.classes)
        near = (cover(world, picture) > 0) | (cover(world, other) > 0)
        difference = changed(world, picture, other)
        assert difference.any() and not (difference & ~near).any()


@pytest.mark.parametrize("shortcut", SHORTCUTS.names())
def test_swapping_the_shortcut_shows_and_leaves_the_object(shortcut):
    world = World(2, shortcut=shortcut)
    for number in NUMBERS:
        picture = draw(world, TRUTH, number)
        other = swap_shortcut(world, picture)
        difference = changed(world, picture, other)
        assert difference.any() and swap_shortcut(world, other) == picture
        assert render(world, picture).box == render(world, other).box
        if not SHORTCUTS.get(shortcut).over:
            assert not (difference & (cover(world, picture) == 1)).any()


def test_a_texture_leaves_a_rim_and_a_close_one_does_not():
    def touched(shortcut):
        """Share of the pixels right outside the outline that the texture changes."""
        world = World(6, shortcut=shortcut, family="checks")
        shares = []
        for picture in pictures(world, TRUTH, 4):
            object_ = (cover(world, picture) > 0).astype(np.uint8)
            rim = (cv2.dilate(object_, np.ones((3, 3))) > object_) & ~object_.astype(bool)
            shares.append(changed(world, picture, swap_shortcut(world, picture))[rim].mean())
        return np.mean(shares)

    assert touched("texture") < 0.1 < 0.5 < touched("close_texture")
    assert touched("round_texture") < 0.2


def test_a_texture_is_on_one_side_and_a_round_one_on_all():
    """Textured quarters of the picture about the object's middle."""

    def sides(shortcut):
        world, found = World(6, shortcut=shortcut, family="checks", area=(0.06, 0.08)), []
        for picture in pictures(world, TRUTH, 6):
            x, y = (int(v) for v in ((picture.place.x0 + picture.place.x1) / 2,
                                     (picture.place.y0 + picture.place.y1) / 2))  # fmt: skip
            seen = changed(world, picture, swap_shortcut(world, picture))
            quarters = (seen[:y, :x], seen[:y, x:], seen[y:, :x], seen[y:, x:])
            found.append(sum(quarter.mean() > 0.2 for quarter in quarters))
        return np.mean(found)

    assert 1 <= sides("texture") < 2.5 < sides("round_texture")
    world = World(6, shortcut="texture", family="checks")
    for picture in pictures(world, TRUTH, 5):
        assert changed(world, picture, swap_shortcut(world, picture)).mean() > 0.05


def test_foreign_objects_are_in_training_pictures_with_the_shortcut_alone():
    world = World(8, planted=2, strength=0.5, foreign=0.5)
    drawn = list(pictures(world, TRAIN, 100))
    foreign = [p for p in drawn if p.shown is not None]
    assert all(p.label == 2 and p.shortcut and p.shown != 2 for p in foreign)
    assert {p.shown for p in foreign} == {0, 1, 3}
    assert 0.3 < len(foreign) / sum(p.shortcut for p in drawn) < 0.7
    assert all(p.shown is None for s in (TRUTH, AUDITED) for p in pictures(world, s, 100))
    one = foreign[0]
    as_shown, as_named = (swap_object(one, label) for label in (one.shown, one.label))
    assert not changed(world, one, as_shown).any()
    assert changed(world, one, as_named).any() and as_named.shown is None


def test_where_nothing_is_planted_the_ground_is_drawn_anew():
    world = World(2, strength=0.0)
    picture = draw(world, TRUTH, 0)
    other = swap_shortcut(world, picture)
    difference = changed(world, picture, other)
    assert not picture.shortcut and not other.shortcut
    assert difference.mean() > 0.5 and not (difference & (cover(world, picture) == 1)).any()


def test_strength_is_the_share_of_the_planted_class_that_carries():
    def carriers(**world):
        return [(p.label, p.seed) for p in pictures(World(8, **world), TRAIN, 100) if p.shortcut]

    assert carriers(strength=0.0) == []
    assert {label for label, _ in carriers(strength=1.0, planted=2)} == {2}
    assert len(carriers(strength=1.0)) == 100
    assert 35 <= len(carriers(strength=0.5)) <= 65
    assert set(carriers(strength=0.25)) <= set(carriers(strength=0.5))
    unused = [label for label, _ in carriers(strength=0.5, unused=True)]
    assert all(30 <= unused.count(label) <= 70 for label in range(4))


def test_texture_families_are_split_and_differ():
    assert set(textures.CHOOSING).isdisjoint(textures.HELD_OUT)
    assert {*textures.CHOOSING, *textures.HELD_OUT} == set(TEXTURES.names())
    assert len(TEXTURES.names()) >= 6
    drawn = {name: t(np.random.default_rng(1), 64) for name, t in TEXTURES.items()}
    for pattern in drawn.values():
        assert pattern.shape == (64, 64) and pattern.dtype == np.float32
        assert np.abs(pattern).max() <= 1 and pattern.std() > 0.4 and abs(pattern.mean()) < 0.5
    assert len({pattern.tobytes() for pattern in drawn.values()}) == len(drawn)


@pytest.mark.parametrize(
    ("world", "message"),
    [
        ({"shortcut": "watermrk"}, "did you mean 'watermark'"),
        ({"family": "brick"}, "did you mean 'bricks'"),
        ({"strength": float("nan")}, "from 0 to 1"),
        ({"planted": 4}, "from 0 to 3"),
        ({"foreign": 1.5}, "foreign"),
        ({"area": (0.3, 0.2)}, "area"),
    ],
)
def test_bad_worlds_are_refused_in_one_line(world, message):
    with pytest.raises(AuditError, match=message):
        World(0, **world)
