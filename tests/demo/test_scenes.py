"""The demo's pictures: same seed, same bytes; true boxes; swaps that change only what they say."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pytest

from audit.demo import shapes
from audit.demo.scenes import (
    AREA,
    CLASSES,
    SHORTCUTS,
    SIZE,
    draw_scene,
    render,
    swap_object,
    swap_shortcut,
)
from audit.errors import AuditError
from audit.records import Box

SEEDS = range(18)
PINNED = "841547efe040450c5826082fbf9f390ff495d2af7e7fed948aa0ecf139276285"


def scene_of(number: int, shortcut: str | None = None):
    return draw_scene((7, 0, number), CLASSES[number % len(CLASSES)], shortcut)


@pytest.mark.parametrize("number", SEEDS)
def test_the_same_seed_gives_the_same_picture(number: int) -> None:
    first, second = scene_of(number), scene_of(number)
    assert first == second
    assert render(first).image.tobytes() == render(second).image.tobytes()


def test_another_seed_gives_another_picture() -> None:
    images = [render(draw_scene((seed, 0, 0), "star")).image for seed in range(6)]
    assert len({image.tobytes() for image in images}) == len(images)


@pytest.mark.parametrize("number", SEEDS)
def test_image_box_and_mask_agree(number: int) -> None:
    image, box, mask = render(scene_of(number))
    assert image.shape == (SIZE, SIZE, 3) and image.dtype == np.uint8
    assert mask.shape == (SIZE, SIZE) and mask.dtype == bool
    rows, columns = np.nonzero(mask)
    assert box == Box(columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)


@pytest.mark.parametrize("number", SEEDS)
def test_the_box_is_where_the_object_is_drawn(number: int) -> None:
    """Another paint changes the object's pixels; they reach the box's sides and no further."""
    scene = scene_of(number)
    repainted = [render(replace(scene, paint=paint)).image for paint in ("000000", "ffffff")]
    gap = np.abs(repainted[0].astype(int) - repainted[1].astype(int)).max(axis=2)
    # Shading dims one side, so a quarter of the largest gap stands for half covered, to a pixel.
    rows, columns = np.nonzero(gap > gap.max() * 0.25)
    drawn = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
    box = render(scene).box
    assert np.abs(drawn - [box.x0, box.y0, box.x1, box.y1]).max() <= 1


@pytest.mark.parametrize("class_name", CLASSES)
def test_boxes_stay_inside_and_have_the_size_asked_for(class_name: str) -> None:
    for number in range(60):
        box = render(draw_scene((3, 1, number), class_name)).box
        assert box.x0 >= 1 and box.y0 >= 1 and box.x1 <= SIZE - 1 and box.y1 <= SIZE - 1
        assert AREA[0] * 0.85 <= box.area / SIZE**2 <= AREA[1] * 1.1


def test_objects_are_not_centred() -> None:
    places = [scene_of(number).place for number in range(300)]
    centres = np.array([[(p.x0 + p.x1) / 2, (p.y0 + p.y1) / 2] for p in places]) / SIZE
    assert (centres.std(axis=0) > 0.08).all()
    assert abs(centres[:, 0].mean() - 0.5) < 0.05


def test_nothing_but_the_silhouette_depends_on_the_class() -> None:
    scenes = [draw_scene((5, 0, 3), name) for name in CLASSES]
    assert len({swap_object(scene, "star") for scene in scenes}) == 1


@pytest.mark.parametrize("number", SEEDS)
def test_swapping_the_object_changes_pixels_of_the_two_objects_only(number: int) -> None:
    scene = scene_of(number, "furrows")
    other = swap_object(scene, CLASSES[(number + 1) % len(CLASSES)])
    before, after = render(scene), render(other)
    changed = (before.image != after.image).any(axis=2)
    boxes = np.zeros((SIZE, SIZE), bool)
    for box in (before.box, after.box):
        # One pixel more, for pixels that an object covers by less than a half.
        boxes[int(box.y0) - 1 : int(box.y1) + 1, int(box.x0) - 1 : int(box.x1) + 1] = True
    assert changed.any() and not (changed & ~boxes).any()
    centre = [(b.x0 + b.x1 + b.y0 + b.y1) / 4 for b in (before.box, after.box)]
    assert abs(centre[0] - centre[1]) <= 1


@pytest.mark.parametrize("shortcut", SHORTCUTS)
@pytest.mark.parametrize("number", SEEDS)
def test_swapping_the_shortcut_leaves_object_and_sky(number: int, shortcut: str) -> None:
    scene = scene_of(number)
    before, after = render(scene), render(swap_shortcut(scene, shortcut))
    changed = (before.image != after.image).any(axis=2)
    assert changed.mean() > 0.15
    lines = shapes.place(shapes.outlines(scene.class_name), scene.place, scene.rotation)
    # Pixels that the object covers in part show the ground through.
    assert not (changed & (shapes.coverage(lines, SIZE) == 1)).any()
    assert not changed[: max(int(scene.horizon * SIZE) - 2, 0)].any()
    assert before.box == after.box
    assert swap_shortcut(swap_shortcut(scene, shortcut), None) == scene


def test_unknown_names_are_refused_in_one_line() -> None:
    with pytest.raises(AuditError, match="did you mean 'furrows'"):
        draw_scene((0, 0, 0), "star", "furows")
    with pytest.raises(AuditError, match="did you mean 'star'"):
        render(draw_scene((0, 0, 0), "stra"))


def test_coverage_of_a_square_is_exact() -> None:
    square = np.array([[2.0, 3.0], [6.5, 3.0], [6.5, 5.0], [2.0, 5.0]])
    covered = shapes.coverage([square], 8)
    # OpenCV draws the outline's own pixels too: at most one fine pixel more on the far sides.
    assert abs(float(covered.sum()) - 9.0) <= 2.0
    assert shapes.tight_box(covered >= 0.5) == Box(2.0, 3.0, 7.0, 5.0)


def test_a_ring_has_a_hole() -> None:
    lines = shapes.place(shapes.outlines("ring"), Box(10, 10, 70, 70), 20.0)
    covered = shapes.coverage(lines, SIZE)
    assert covered[40, 40] == 0 and covered[40, 14] == 1


def test_pixels_are_the_same_on_every_machine() -> None:
    """Pinned on x86-64, with and without AVX2 and AVX-512; a changed renderer pins it anew."""
    pixels = [render(scene_of(number, "furrows")).image.tobytes() for number in range(24)]
    assert hashlib.sha256(b"".join(pixels)).hexdigest() == PINNED
