"""Which models are planted: the plans, fixed before anything is trained.

A plan's digest covers its cells, how the networks are trained, what counts as truth, and the audit's
own defaults: results that are added up were made under one and the same set of rules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

from audit.config.model import Config
from audit.digest import digest_json
from audit.errors import AuditError, nearest
from audit.prove import textures, train, truth
from audit.prove.worlds import CLASSES, World

TRAINING = 400
"""Pictures of each class that a network is trained on."""
KINDS = ("round_texture", "close_texture", "border", "watermark", "object", "cast")
"""Shortcuts besides the background texture."""
STRENGTHS = (0.25, 0.5, 0.75, 0.9, 1.0)
"""Of the curve; there the planted class's objects are its own in training too."""
FOREIGN = 0.5
"""Elsewhere this share of them is another class's, so that the shortcut alone decides. Where both
tell the class, most networks use both, and what they rely on is no longer a plain truth."""
# Sections of a config that no verdict depends on, or that each planted model has of its own.
NO_BEARING = {"audit", "model", "dataset", "report", "run", "system", "history"}
AREAS = ((0.05, 0.08), (0.2, 0.28), (0.3, 0.4), (0.4, 0.5))
IMAGES = (35, 50, 120)


@dataclass(frozen=True, slots=True)
class Cell:
    """One model to be planted."""

    name: str
    group: str
    """Cells of a group are counted together."""
    architecture: str
    world: World

    def as_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {**asdict(self), "world": {**asdict(self.world), "area": list(self.world.area)}}


@dataclass(frozen=True)
class Plan:
    """Cells under one set of rules."""

    name: str
    cells: tuple[Cell, ...]

    def rules(self) -> dict[str, Any]:
        """All that the outcome depends on, besides the package's source."""
        return {
            "plan": self.name,
            "cells": [cell.as_dict() for cell in self.cells],
            "training": {
                "pictures": TRAINING, "epochs": train.EPOCHS, "batch": train.BATCH,
                "rate": train.PEAK_RATE,
            },
            "truth": {
                "pictures": truth.PICTURES, "accuracy": truth.MIN_ACCURACY,
                "followed": truth.MIN_FOLLOWED, "lost": truth.MAX_LOST,
            },
            "audit": audit_defaults(),
        }  # fmt: skip

    @cached_property
    def digest(self) -> str:
        """Of the rules; 16 hex digits."""
        return digest_json(self.rules())[:16]


def audit_defaults() -> dict[str, Any]:
    """The audit's settings that the proving ground leaves as they are, and so measures."""
    config = Config.model_validate(
        {
            "audit": {"name": "defaults"},
            "model": {"path": "model", "preprocess": "none"},
            "dataset": {"format": "coco", "annotations": "boxes", "images": "images"},
        }
    )
    return config.model_dump(mode="json", exclude=NO_BEARING)


def get_plan(name: str) -> Plan:
    """A plan by its name.

    Raises
    ------
    AuditError: there is no such plan.
    """
    if name not in PLANS:
        raise AuditError(f"unknown plan {name!r}", where="--plan", hint=nearest(name, PLANS))
    return Plan(name, tuple(PLANS[name]()))


def _small() -> Iterator[Cell]:
    """A first look, some minutes: four models that should be flagged, four that should not."""
    draw = _Cells(textures.CHOOSING, train.CHOOSING, seed=1_000_000)
    yield from draw.group("background", 4, foreign=FOREIGN)
    yield from draw.group("clean", 2, strength=0.0)
    yield from draw.group("unused", 2, strength=0.5, unused=True)


def _choosing() -> Iterator[Cell]:
    """For moving the audit's defaults: none of its families and architectures is in ``full``."""
    draw = _Cells(textures.CHOOSING, train.CHOOSING, seed=2_000_000)
    flat = _flat(textures.CHOOSING, train.CHOOSING_FLAT, seed=2_500_000, count=4)
    yield from _design(draw, flat, background=24, clean=(12, 4, 4, 4), each=2, few=1)


def _full() -> Iterator[Cell]:
    """The measurement: held-out families and architectures.

    By what seeds 4,000,000 and on showed, the choice of controls was changed: they measure no more.
    """
    draw = _Cells(textures.HELD_OUT, train.HELD_OUT, seed=5_000_000)
    flat = _flat(textures.HELD_OUT, train.HELD_OUT_FLAT, seed=5_500_000, count=12)
    yield from _design(draw, flat, background=68, clean=(40, 12, 10, 10), each=4, few=3)


PLANS: dict[str, Callable[[], Iterator[Cell]]] = {
    "small": _small,
    "choosing": _choosing,
    "full": _full,
}


def _design(
    draw: _Cells,
    flat: Iterable[Cell],
    background: int,
    clean: tuple[int, int, int, int],
    each: int,
    few: int,
) -> Iterator[Cell]:
    """The full crossing, what matters most first: a run that was cut off has something of both.

    More models are planted than are asked for, since some trainings fail. ``clean``: how many
    without any shortcut, with one that tells nothing, with large centred objects, with duplicates.
    """
    plain, unused, large, doubled = clean
    yield from _in_turn(
        draw.group("background", background, foreign=FOREIGN),
        _in_turn(
            draw.group("clean", plain, strength=0.0),
            draw.group("unused", unused, strength=0.5, unused=True),
            draw.group("large", large, strength=0.0, area=(0.35, 0.5), centred=True),
            draw.group("duplicates", doubled, strength=0.0, duplicates=0.5),
        ),
    )
    yield from flat
    yield from _in_turn(*(draw.group(k, each, shortcut=k, foreign=FOREIGN) for k in KINDS))
    yield from _in_turn(*(draw.group("strength", each, strength=s) for s in STRENGTHS))
    yield from _in_turn(
        *(draw.group("area", few, area=area, foreign=FOREIGN) for area in AREAS),
        *(draw.group("images", few, audited=count, foreign=FOREIGN) for count in IMAGES),
        draw.group("centred", few, centred=True, foreign=FOREIGN),
    )


def _flat(
    families: tuple[str, ...], architectures: tuple[str, ...], seed: int, count: int
) -> Iterator[Cell]:
    """Heads that see where a feature is: as many that rely on the background as clean ones."""
    draw = _Cells(families, architectures, seed)
    yield from _in_turn(
        draw.group("flat_background", count, foreign=FOREIGN),
        draw.group("flat_clean", count, strength=0.0),
    )


def _in_turn(*groups: Iterable[Cell]) -> Iterator[Cell]:
    """Cells of several groups, spread evenly over each other."""
    dealt = [list(group) for group in groups]
    places = [
        ((place + 0.5) / len(cells), number, cell)
        for number, cells in enumerate(dealt)
        for place, cell in enumerate(cells)
    ]
    return (cell for _, _, cell in sorted(places, key=lambda entry: entry[:2]))


class _Cells:
    """Deals out families, architectures, planted classes and seeds in turn."""

    def __init__(
        self, families: tuple[str, ...], architectures: tuple[str, ...], seed: int
    ) -> None:
        self._families = families
        self._architectures = architectures
        self._seed = seed
        self._drawn = 0

    def group(self, name: str, count: int, **world: Any) -> Iterator[Cell]:
        """``count`` cells of a group; ``world``: what differs from the usual world."""
        for number in range(count):
            seed = self._seed + self._drawn
            self._drawn += 1
            planted = World(
                seed,
                # A step further in each round: families meet every class and architecture.
                family=self._families[number % len(self._families)],
                planted=(number + number // CLASSES + number // (2 * CLASSES)) % CLASSES,
            )
            turn = number + number // len(self._families)
            yield Cell(
                f"{name}-{seed}",
                name,
                self._architectures[turn % len(self._architectures)],
                replace(planted, **world),
            )
