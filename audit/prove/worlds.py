"""Worlds: what a planted model is trained, tested and audited on, described first, then rendered.

A :class:`World` says what all pictures have in common, a :class:`Picture` what one is made from. As
in the demo, each part of a picture draws from a random stream of its own: the object or the shortcut
can be swapped while every other pixel stays as it was.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from audit.demo import shapes
from audit.demo.brushes import blend, ellipse, noise, rgb, rows, soft, step
from audit.errors import AuditError
from audit.prove.shortcuts import SHORTCUTS, Site
from audit.prove.textures import TEXTURES
from audit.records import Box

# Two colours of the ground, and what lies in patches on it.
_GROUNDS = (
    ("93ab62", "5c8038", "8b9550"), ("b08c4a", "8a5f2c", "a8793a"), ("dcb67e", "c1935a", "cfa873"),
    ("d9e2ea", "b6c3cf", "aebfce"), ("8f7f86", "6a5a62", "7f6a55"), ("71697a", "4c4858", "635a62"),
    ("cfc3a2", "b3a37d", "c4b491"), ("7fa3b8", "5b86a0", "6d95a0"),
)  # fmt: skip
_PAINTS = (
    "c8352e", "e07b28", "e8c33a", "f0ece0", "7b3f98", "2f62b5", "23282e", "d6608f", "1f8a80",
    "8c2f39", "f4a6a0", "3a4fa0",
)  # fmt: skip
# Least distance, in RGB of [0, 1], from an object's paint to the ground's colours.
_CONTRAST = 0.3
# Least distance, pixels, from an object's box to the picture's edge.
_MARGIN = 1.5
# The number of each part's random stream.
_SCENE, _GROUND, _OBJECT, _EXPOSURE, _SHORTCUT, _CARRIES, _FOREIGN = range(7)

CLASSES = 4
"""Of a world, where nothing else is said."""
TRAIN, TRUTH, AUDITED = range(3)
"""Splits: part of a picture's seed, so that none of them shares a picture with another."""


@dataclass(frozen=True, slots=True)
class World:
    """What a planted model sees."""

    seed: int
    shortcut: str = "texture"
    """A name of :data:`~audit.prove.shortcuts.SHORTCUTS`."""
    family: str = "stripes"
    """Texture family, for the shortcuts that use one."""
    strength: float = 1.0
    """Share, in [0, 1], of the planted class's pictures that carry the shortcut; of the others none
    does."""
    foreign: float = 0.0
    """Share of the planted class's *training* pictures with the shortcut that show another class's
    object, as if labelled by where it lies: what makes a network leave the object aside."""
    unused: bool = False
    """The shortcut is in that share of *all* classes' pictures, so that it tells nothing."""
    classes: int = CLASSES
    planted: int = 0
    """Number of the class that the shortcut gives away."""
    size: int = 64
    """Height and width of a picture, pixels."""
    area: tuple[float, float] = (0.06, 0.25)
    """Smallest and largest share of the picture that an object's box takes, about."""
    centred: bool = False
    audited: int = 100
    """Audited pictures of each class."""
    duplicates: float = 0.0
    """Share of the audited pictures that a second time are in the data, saved again."""

    def __post_init__(self) -> None:
        SHORTCUTS.get(self.shortcut, "shortcut")
        TEXTURES.get(self.family, "family")
        for name, low, value, high in (
            ("strength", 0, self.strength, 1),
            ("foreign", 0, self.foreign, 1),
            ("classes", 2, self.classes, len(shapes.CLASSES)),
            ("planted", 0, self.planted, self.classes - 1),
            ("size", 32, self.size, 256),
            ("area", 0.01, self.area[0], self.area[1]),
            ("area", self.area[0], self.area[1], 0.5),
            ("duplicates", 0, self.duplicates, 1),
        ):
            if not low <= value <= high:
                expected = f"from {low} to {high}"
                raise AuditError("bad world", where=name, expected=expected, received=value)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the model's outputs."""
        return shapes.CLASSES[: self.classes]

    @property
    def shown(self) -> bool:
        """Whether any picture carries the shortcut."""
        return self.strength > 0


@dataclass(frozen=True, slots=True)
class Picture:
    """All that one picture of a world is made from."""

    seed: tuple[int, ...]
    label: int
    """Number of the object's class."""
    place: Box
    """Centre and area of the object's box, pixels; the sides follow from the outline."""
    rotation: float
    """Degrees, clockwise on the screen."""
    ground: int
    paint: str
    """The object's colour, RRGGBB."""
    light: float
    """Where the light comes from: -1 left, 1 right."""
    shortcut: bool
    redrawn: int = 0
    """How often the ground was drawn anew."""
    shown: int | None = None
    """Number of the class whose object is shown, where it is not the label's."""


class Rendered(NamedTuple):
    """A picture with the truth about it."""

    image: np.ndarray
    """(size, size, 3) uint8, RGB."""
    box: Box
    """Tight around the pixels that the object covers by a half or more."""


def pictures(world: World, split: int, per_class: int) -> Iterator[Picture]:
    """``per_class`` pictures of each class, the classes in turn."""
    for number in range(per_class * world.classes):
        yield draw(world, split, number)


def draw(world: World, split: int, number: int) -> Picture:
    """Picture ``number`` of a split; all but the object's outline and the shortcut is drawn from a
    stream that does not know the class."""
    seed = (world.seed, split, number)
    label = number % world.classes
    rng = _stream(seed, _SCENE)
    ground = int(rng.integers(len(_GROUNDS)))
    side = float(rng.uniform(math.sqrt(world.area[0]), math.sqrt(world.area[1]))) * world.size
    rotation = float(rng.uniform(-35, 35))
    place = _place(rng, world, side, rotation)
    paint = _paint(rng, ground)
    light = float(rng.choice([-1.0, 1.0]) * rng.uniform(0.4, 1.0))
    may = world.unused or label == world.planted
    carries = may and float(_stream(seed, _CARRIES).random()) < world.strength
    picture = Picture(seed, label, place, rotation, ground, paint, light, carries)
    if split == TRAIN and carries and label == world.planted:
        return _maybe_foreign(world, picture)
    return picture


def swap_object(picture: Picture, label: int) -> Picture:
    """The same picture with an object of another class, of the same paint, place and box area."""
    return replace(picture, label=label, shown=None)


def swap_shortcut(world: World, picture: Picture) -> Picture:
    """The object kept, the shortcut swapped.

    A picture with the shortcut loses it, one without gets it. In a world that never shows it there
    is nothing to swap in that the model could have learnt: there the ground is drawn anew.
    """
    if world.shown:
        return replace(picture, shortcut=not picture.shortcut)
    return replace(picture, redrawn=picture.redrawn + 1)


def render(world: World, picture: Picture) -> Rendered:
    """Paint a picture; the same picture gives the same bytes."""
    size = world.size
    shown = picture.label if picture.shown is None else picture.shown
    lines = shapes.place(shapes.outlines(world.names[shown]), picture.place, picture.rotation)
    cover = shapes.coverage(lines, size)
    kind = SHORTCUTS.get(world.shortcut)
    site = Site(_stream(picture.seed, _SHORTCUT), picture.place, world.family)
    canvas = _ground(picture, size)
    if picture.shortcut and not kind.over:
        canvas = kind.paint(canvas, site)
    canvas = _shadow(canvas, picture)
    canvas = blend(canvas, _surface(picture, cover), cover)
    canvas = _exposure(canvas, picture)
    if picture.shortcut and kind.over:
        canvas = kind.paint(canvas, site)
    image = np.floor(np.clip(canvas, 0, 1) * np.float32(255) + np.float32(0.5)).astype(np.uint8)
    return Rendered(image, shapes.tight_box(cover >= 0.5))


def render_all(world: World, drawn: list[Picture]) -> tuple[np.ndarray, np.ndarray]:
    """Images (n, size, size, 3) uint8 and labels (n,) int64."""
    images = np.empty((len(drawn), world.size, world.size, 3), np.uint8)
    for slot, picture in enumerate(drawn):
        images[slot] = render(world, picture).image
    return images, np.array([picture.label for picture in drawn], np.int64)


# --- drawing at random ----------------------------------------------------------------------------


def _stream(seed: tuple[int, ...], part: int) -> np.random.Generator:
    return np.random.default_rng([*seed, part])


def _maybe_foreign(world: World, picture: Picture) -> Picture:
    """With another class's object, in the world's share of draws."""
    rng = _stream(picture.seed, _FOREIGN)
    if float(rng.random()) >= world.foreign:
        return picture
    others = [label for label in range(world.classes) if label != picture.label]
    return replace(picture, shown=int(rng.choice(others)))


def _place(rng: np.random.Generator, world: World, side: float, rotation: float) -> Box:
    """A box of which no class's turned outline leaves the picture; made smaller where it would."""
    wide, high = _reach(world.names, rotation)
    side = round(min(side, (world.size - 2 * _MARGIN) / max(wide, high)), 3)
    spread = 0.04 if world.centred else 1.0
    x, y = (_within(rng, world.size, reach * side / 2 + _MARGIN, spread) for reach in (wide, high))
    return Box(x - side / 2, y - side / 2, x + side / 2, y + side / 2)


def _within(rng: np.random.Generator, size: int, margin: float, spread: float) -> float:
    """A coordinate at least ``margin`` from both edges, over the middle ``spread`` of that range."""
    free = max(size - 2 * margin, 0.0)
    return round(size / 2 + free * spread * float(rng.uniform(-0.5, 0.5)), 3)


def _reach(names: tuple[str, ...], rotation: float) -> tuple[float, float]:
    """Width and height of the largest turned outline, for a box of area 1."""
    sides = []
    for name in names:
        points = np.concatenate(shapes.place(shapes.outlines(name), Box(0, 0, 1, 1), rotation))
        sides.append(points.max(axis=0) - points.min(axis=0))
    wide, high = np.max(sides, axis=0)
    return float(wide), float(high)


def _paint(rng: np.random.Generator, ground: int) -> str:
    """A paint that stands out from the ground."""
    paints = _paints(ground)
    return paints[int(rng.integers(len(paints)))]


@functools.cache
def _paints(ground: int) -> tuple[str, ...]:
    colours = [rgb(c) for c in _GROUNDS[ground]]
    return tuple(p for p in _PAINTS if min(abs(rgb(p) - c).max() for c in colours) >= _CONTRAST)


# --- painting: (size, size, 3) float32, RGB in [0, 1] ---------------------------------------------


def _ground(picture: Picture, size: int) -> np.ndarray:
    """Patches and grain in the ground's colours, lighter towards one end."""
    rng = np.random.default_rng([*picture.seed, _GROUND, picture.redrawn])
    far, near, second = (rgb(c) for c in _GROUNDS[picture.ground])
    down = (rows(size) / size)[:, None, None]
    patches = noise(rng, rows(size) / 18, rows(size) / 18, octaves=3)[:, :, None]
    grain = noise(rng, rows(size) / 3, rows(size) / 3, octaves=2)[:, :, None]
    ground = far + (near - far) * down
    ground = ground + (second - ground) * step(patches, 0.35, 0.7)
    return ground * (0.72 + 0.26 * patches + 0.3 * grain)


def _shadow(canvas: np.ndarray, picture: Picture) -> np.ndarray:
    """A soft shadow at the object's foot: the same for all classes, so that it tells nothing."""
    place = picture.place
    side = place.width
    x = (place.x0 + place.x1) / 2 - picture.light * side * 0.12
    shade = ellipse(len(canvas), x, place.y1, side * 0.55, side * 0.14 + 1, side * 0.2 + 1)
    return blend(canvas, canvas * np.float32(0.45), shade)


def _surface(picture: Picture, cover: np.ndarray) -> np.ndarray:
    """The object's own surface: mottled paint, embossed by the light."""
    rng = _stream(picture.seed, _OBJECT)
    at = rows(len(cover)) / 6
    mottle = noise(rng, at, at, octaves=2)[:, :, None]
    height = soft(cover, max(picture.place.width / 9, 1.5))
    right, down = np.zeros_like(height), np.zeros_like(height)
    right[:, 1:-1] = height[:, 2:] - height[:, :-2]
    down[1:-1] = height[2:] - height[:-2]
    slope = (-np.float32(picture.light) * right + down)[:, :, None]
    return rgb(picture.paint) * (0.8 + 0.35 * mottle) * (1 - 1.1 * slope)


def _exposure(canvas: np.ndarray, picture: Picture) -> np.ndarray:
    """Brightness, a slight tint and film grain."""
    rng = _stream(picture.seed, _EXPOSURE)
    gain = np.float32(rng.uniform(0.85, 1.12)) * (
        1 + rng.uniform(-0.05, 0.05, 3).astype(np.float32)
    )
    grain = rng.uniform(-0.025, 0.025, (*canvas.shape[:2], 1)).astype(np.float32)
    return canvas * gain + grain
