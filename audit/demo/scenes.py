"""Scenes for the demo: one object in a landscape, described first and then rendered.

A :class:`Scene` is a frozen description. Whatever is random in its picture comes from its seed, and
each part (sky, ground, object ...) draws from a stream of its own, so that a part can be swapped
while every other pixel stays as it was: the truth about a trained model is measured that way.

The pictures are meant to be the same to the bit from one machine to the next: pixels go only
through sums, products, quotients, square roots, comparisons and integer filters, one array
operation at a time, and each of these has one right result whatever the instruction set.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from audit.demo import shapes
from audit.demo.brushes import blend, ellipse, noise, rgb, rows, soft, step, wave
from audit.errors import AuditError, nearest
from audit.records import Box

CLASSES = shapes.CLASSES
SIZE = 96
"""Height and width of a picture, pixels."""
AREA = (0.06, 0.30)
"""Smallest and largest share of the picture that an object's box takes."""
MARGIN = 2.0
"""Least distance, pixels, from an object's box to the picture's edge."""

# Sky above, sky at the horizon, hills, ground far away, ground nearby, second colour of the ground.
_LANDSCAPES = {
    "meadow": ("5f95d2", "cfe2ef", "6d8f86", "93ab62", "5c8038", "8b9550"),
    "autumn": ("7f9cc0", "efdcc0", "8d7a6a", "b08c4a", "8a5f2c", "a8793a"),
    "desert": ("6fa3cf", "f2dfbd", "b58f6f", "dcb67e", "c1935a", "cfa873"),
    "snow": ("8fa9c6", "e9eef2", "8a9cad", "d9e2ea", "c3d0dc", "aebfce"),
    "heath": ("8d9fc4", "e6d9e0", "77718f", "8f7f86", "6a5a62", "7f6a55"),
    "dusk": ("51598f", "e8ae8a", "5d5878", "71697a", "4c4858", "635a62"),
    "shore": ("79b4d6", "e3eff0", "7fa3a8", "cfc3a2", "b3a37d", "c4b491"),
}
_PAINTS = (
    "c8352e", "e07b28", "e8c33a", "f0ece0", "7b3f98", "2f62b5", "23282e", "d6608f", "1f8a80",
    "8c2f39", "f4a6a0", "3a4fa0",
)  # fmt: skip
# Least distance, in RGB of [0, 1], from an object's paint to the landscape's colours.
_CONTRAST = 0.34


@dataclass(frozen=True, slots=True)
class Scene:
    """All that a picture is made from."""

    seed: tuple[int, ...]
    """Start of every random stream of the picture."""
    class_name: str
    """The object's class, one of :data:`CLASSES`."""
    place: Box
    """Centre and area of the object's box, pixels; the sides follow from the silhouette."""
    rotation: float
    """Degrees, clockwise on the screen."""
    landscape: str
    horizon: float
    """Row at which the ground begins, as a share of the picture's height; 0 where no sky shows."""
    paint: str
    """The object's colour, RRGGBB."""
    light: float
    """Where the light comes from: -1 left, 1 right."""
    stones: int = 0
    """Small stones on the ground, of no class."""
    shortcut: str | None = None
    """The background texture that gives a class away, a key of :data:`SHORTCUTS`, or none."""


class Rendered(NamedTuple):
    """A picture with the truth about it."""

    image: np.ndarray
    """(SIZE, SIZE, 3) uint8, RGB."""
    box: Box
    """Tight around ``mask``, whole pixels."""
    mask: np.ndarray
    """(SIZE, SIZE) bool: pixels that the object covers by a half or more; its shadow is not it."""


def draw_scene(
    seed: tuple[int, ...],
    class_name: str,
    shortcut: str | None = None,
    area: tuple[float, float] = AREA,
) -> Scene:
    """Draw a scene at random; only ``class_name`` and ``shortcut`` depend on the class.

    Parameters
    ----------
    seed: integers that name the picture (data set seed, split, number).
    class_name: one of :data:`CLASSES`.
    shortcut: key of :data:`SHORTCUTS`, or None.
    area: bounds of the box's share of the picture, in (0, 0.5].
    """
    _known(shortcut)
    rng = _stream(seed, "scene")
    landscape = sorted(_LANDSCAPES)[int(rng.integers(len(_LANDSCAPES)))]
    horizon = 0.0 if rng.random() < 0.15 else float(rng.uniform(0.15, 0.38))
    side = float(rng.uniform(math.sqrt(area[0]), math.sqrt(area[1]))) * SIZE
    rotation = float(rng.uniform(-35, 35))
    stones = int(rng.integers(1, 4)) if rng.random() < 0.35 else 0
    return Scene(
        seed=tuple(seed),
        class_name=class_name,
        place=_free_place(rng, side, rotation, horizon),
        rotation=rotation,
        landscape=landscape,
        horizon=horizon,
        paint=_paint(rng, landscape),
        light=float(rng.choice([-1.0, 1.0]) * rng.uniform(0.4, 1.0)),
        stones=stones,
        shortcut=shortcut,
    )


def swap_object(scene: Scene, class_name: str) -> Scene:
    """The same scene with an object of another class, of the same paint, place and box area."""
    return replace(scene, class_name=class_name)


def swap_shortcut(scene: Scene, shortcut: str | None) -> Scene:
    """The same scene with another background texture, or with none."""
    _known(shortcut)
    return replace(scene, shortcut=shortcut)


def render(scene: Scene) -> Rendered:
    """Paint a scene; the same scene gives the same bytes."""
    lines = shapes.place(shapes.outlines(scene.class_name), scene.place, scene.rotation)
    cover = shapes.coverage(lines, SIZE)
    mask = cover >= 0.5
    canvas = _land(scene)
    canvas = _stones(canvas, scene)
    canvas = _shadow(canvas, scene)
    canvas = blend(canvas, _surface(scene, cover), cover)
    canvas = _exposure(canvas, scene)
    image = np.floor(np.clip(canvas, 0, 1) * np.float32(255) + np.float32(0.5)).astype(np.uint8)
    return Rendered(image, shapes.tight_box(mask), mask)


# --- drawing at random ----------------------------------------------------------------------------

# The number of each stream: a new part gets a new number, the old parts keep their pictures.
_PARTS = {
    "scene": 0,
    "sky": 1,
    "hills": 2,
    "ground": 3,
    "shortcut": 4,
    "stones": 5,
    "object": 6,
    "exposure": 7,
}


def _stream(seed: tuple[int, ...], part: str) -> np.random.Generator:
    return np.random.default_rng([*seed, _PARTS[part]])


def _known(shortcut: str | None) -> None:
    if shortcut is not None and shortcut not in SHORTCUTS:
        raise AuditError("no such shortcut", received=shortcut, hint=nearest(shortcut, SHORTCUTS))


def _free_place(rng: np.random.Generator, side: float, rotation: float, horizon: float) -> Box:
    """A box of which no class's turned silhouette leaves the picture, standing on the ground."""
    side = round(side, 3)
    target = Box(0.0, 0.0, side, side)
    boxes = [_extent(shapes.place(shapes.outlines(c), target, rotation)) for c in CLASSES]
    half_x = max(width for width, _ in boxes) / 2
    half_y = max(height for _, height in boxes) / 2
    low_y = max(half_y + MARGIN, min(horizon * SIZE, SIZE - half_y - MARGIN))
    x = round(float(rng.uniform(half_x + MARGIN, SIZE - half_x - MARGIN)), 3)
    y = round(float(rng.uniform(low_y, SIZE - half_y - MARGIN)), 3)
    return Box(x - side / 2, y - side / 2, x + side / 2, y + side / 2)


def _extent(lines: list[np.ndarray]) -> tuple[float, float]:
    points = np.concatenate(lines)
    width, height = points.max(axis=0) - points.min(axis=0)
    return float(width), float(height)


def _paint(rng: np.random.Generator, landscape: str) -> str:
    """A paint that stands out from the landscape."""
    colours = [rgb(c) for c in _LANDSCAPES[landscape]]
    for i in rng.permutation(len(_PAINTS)):
        gaps = [float(abs(rgb(_PAINTS[i]) - c).max()) for c in colours]
        if min(gaps) >= _CONTRAST:
            return _PAINTS[i]
    return max(_PAINTS, key=lambda p: min(float(abs(rgb(p) - c).max()) for c in colours))


# --- painting: (SIZE, SIZE, 3) float32, RGB in [0, 1] ---------------------------------------------


def _land(scene: Scene) -> np.ndarray:
    """Sky, hills and ground, with the shortcut in the ground where there is one."""
    palette = [rgb(c) for c in _LANDSCAPES[scene.landscape]]
    canvas = _sky(scene, palette)
    canvas = _hills(canvas, scene, palette)
    ground = _ground(scene, palette)
    if scene.shortcut is not None:
        ground = SHORTCUTS[scene.shortcut](ground, scene)
    return blend(canvas, ground, _below(np.full(SIZE, scene.horizon * SIZE), 1.0))


def _sky(scene: Scene, palette: list[np.ndarray]) -> np.ndarray:
    rng = _stream(scene.seed, "sky")
    down = rows(SIZE) / max(scene.horizon * SIZE, 1.0)
    sky = palette[0] + (palette[1] - palette[0]) * np.clip(down, 0, 1)[:, None, None]
    clouds = noise(rng, rows(SIZE) / 12, rows(SIZE) / 30, octaves=3)
    return blend(sky + np.zeros((SIZE, SIZE, 1), np.float32), palette[1] * 0.3 + 0.7,
                  step(clouds, 0.5, 0.85) * 0.8)  # fmt: skip


def _hills(canvas: np.ndarray, scene: Scene, palette: list[np.ndarray]) -> np.ndarray:
    """Two ridges behind the ground: hazy hills, then a line of bushes."""
    rng = _stream(scene.seed, "hills")
    foot = scene.horizon * SIZE
    ridge = noise(rng, np.zeros(1, np.float32), rows(SIZE) / 34, octaves=3)[0]
    leaves = noise(rng, rows(SIZE) / 5, rows(SIZE) / 5, octaves=2)[:, :, None]
    bushes = noise(rng, np.zeros(1, np.float32), rows(SIZE) / 14, octaves=4)[0]
    haze = palette[2] * (0.92 + 0.16 * leaves)
    canvas = blend(canvas, haze, _below(foot - 2 - 20 * ridge, 1.0))
    dark = (palette[2] * 0.35 + palette[4] * 0.4) * (0.6 + 0.7 * leaves)
    return blend(canvas, dark, _below(foot + 7 - 18 * bushes, 1.5))


def _ground(scene: Scene, palette: list[np.ndarray]) -> np.ndarray:
    """Grass, sand or snow: patches and grain that grow towards the viewer."""
    rng = _stream(scene.seed, "ground")
    near = _nearness(scene)
    patches = noise(rng, _depth(scene) * 5, rows(SIZE) / 22, octaves=3)[:, :, None]
    grain = noise(rng, _depth(scene) * 30, rows(SIZE) / 4, octaves=2)[:, :, None]
    ground = palette[3] + (palette[4] - palette[3]) * near[:, None, None]
    ground = ground + (palette[5] - ground) * step(patches, 0.35, 0.7)
    return ground * (0.72 + 0.26 * patches + 0.3 * grain)


def _nearness(scene: Scene) -> np.ndarray:
    """(SIZE,) float32: 0 at the horizon, 1 at the lower edge."""
    top = np.float32(scene.horizon * SIZE)
    return np.clip((rows(SIZE) - top) / (SIZE - top), 0, 1)


def _depth(scene: Scene) -> np.ndarray:
    """(SIZE,) float32: a coordinate along the ground that runs faster near the horizon."""
    near = _nearness(scene)
    return near * (np.float32(1.9) - np.float32(0.9) * near)


def _furrows(ground: np.ndarray, scene: Scene) -> np.ndarray:
    """Plough the ground: wavy ridges, light on one side and dark on the other.

    A plough goes round what stands in the field. It also keeps the truth plain: an outline crossed
    by furrows would be evidence of the background that lies inside the object's box.
    """
    rng = _stream(scene.seed, "shortcut")
    count, slant, phase = rng.uniform(11.5, 14.5), rng.uniform(-2.5, 2.5), rng.random()
    warp = noise(rng, rows(SIZE) / 40, rows(SIZE) / 40, octaves=2)
    across = (rows(SIZE) / SIZE)[None, :]
    near = _nearness(scene)
    along = near * (np.float32(1.3) - np.float32(0.3) * near)
    along = (along * np.float32(count * (1 - scene.horizon)))[:, None]
    ridges = wave(along + across * np.float32(slant) + warp + np.float32(phase))
    place, reach = scene.place, scene.place.width * 0.62 + 5
    left = ellipse(SIZE, (place.x0 + place.x1) / 2, (place.y0 + place.y1) / 2, reach, reach, 7)
    return ground * (1 + np.float32(0.42) * (ridges * (1 - left))[:, :, None])


SHORTCUTS: dict[str, Callable[[np.ndarray, Scene], np.ndarray]] = {"furrows": _furrows}
"""Background textures by name: they take and give back the painted ground of a scene."""


def _stones(canvas: np.ndarray, scene: Scene) -> np.ndarray:
    """Small grey stones on the ground."""
    rng = _stream(scene.seed, "stones")
    top = scene.horizon * SIZE + 6
    for _ in range(scene.stones):
        x, y = rng.uniform(4, SIZE - 4), rng.uniform(top, SIZE - 4)
        radius, tone = rng.uniform(1.8, 3.6), rng.uniform(0.3, 0.6)
        canvas = blend(
            canvas, np.float32(0.12), 0.6 * ellipse(SIZE, x, y + 1, radius * 1.3, radius, 2)
        )
        lit = np.float32(tone) * (1 - 0.09 * (rows(SIZE) - np.float32(y)))[:, None, None]
        canvas = blend(canvas, lit, ellipse(SIZE, x, y, radius * 1.2, radius * 0.8, 1))
    return canvas


def _shadow(canvas: np.ndarray, scene: Scene) -> np.ndarray:
    """A soft shadow at the object's foot: the same for all classes, so that it tells nothing."""
    side = scene.place.width
    x = (scene.place.x0 + scene.place.x1) / 2 - scene.light * side * 0.14
    shade = ellipse(SIZE, x, scene.place.y1, side * 0.6, side * 0.16 + 1, side * 0.22 + 2)
    return blend(canvas, canvas * np.float32(0.3), shade)


def _surface(scene: Scene, cover: np.ndarray) -> np.ndarray:
    """The object's own surface: mottled paint, embossed by the light."""
    rng = _stream(scene.seed, "object")
    paint = rgb(scene.paint)
    mottle = noise(rng, rows(SIZE) / 7, rows(SIZE) / 7, octaves=3)[:, :, None]
    second = paint + (np.float32(rng.uniform(0.2, 0.8)) - paint) * np.float32(0.45)
    colour = paint + (second - paint) * step(mottle, 0.45, 0.7)
    height = soft(cover, max(scene.place.width / 9, 1.5))
    right, down = np.zeros_like(height), np.zeros_like(height)
    right[:, 1:-1] = height[:, 2:] - height[:, :-2]
    down[1:-1] = height[2:] - height[:-2]
    slope = (-np.float32(scene.light) * right + down)[:, :, None]
    return colour * (0.88 + 0.2 * mottle) * (1 - 1.1 * slope)


def _exposure(canvas: np.ndarray, scene: Scene) -> np.ndarray:
    """Brightness, a warm or cold tint, light falling in from one side, and film grain."""
    rng = _stream(scene.seed, "exposure")
    gain = np.float32(rng.uniform(0.85, 1.12)) * (
        1 + rng.uniform(-0.05, 0.05, 3).astype(np.float32)
    )
    side = np.float32(scene.light * 0.16) * (rows(SIZE) / SIZE - np.float32(0.5))
    grain = rng.uniform(-0.025, 0.025, (SIZE, SIZE, 1)).astype(np.float32)
    return canvas * gain * (1 + side)[None, :, None] + grain


def _below(line: np.ndarray, softness: float) -> np.ndarray:
    """(SIZE, SIZE): 1 under a line given as a row (pixels) for each column."""
    return step(rows(SIZE)[:, None] - line.astype(np.float32)[None, :], -softness, softness)
