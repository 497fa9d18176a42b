"""A model's weights redrawn from the output back, and put back again.

Cascading parameter randomisation: Adebayo et al. 2018, Sanity Checks for Saliency Maps, NeurIPS. A
unit of the cascade is a kernel with what belongs to it: its bias, and the scales, shifts and
statistics that come after it. The order is that of the graph, so that nested models, branches and
models without layer objects are all read in the same way.

Each variable is drawn anew by **its own initialiser** (:data:`OWN`), so that a network that is
redrawn all the way is the network before its training: batch normalisation included, whose scale,
shift and statistics become what they were at the start. Where the initialiser is not known, as in a
SavedModel, or makes a kernel that is no random one, all of the variable's own values are shuffled
among all of its places (:data:`SHUFFLED`): along one axis only, a 1x1 kernel would stay as it is,
and from other numbers a variance might become negative.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from audit.digest import digest_json
from audit.models.graph import downstream
from audit.models.runtime import tensorflow
from audit.models.saved_model import ServedModel
from audit.models.trace import Trace, named_layers

OWN, SHUFFLED = "own initialiser", "own values, shuffled"
# What it holds says how pixels are read, and was measured, not learned.
NOT_LEARNED = {"Normalization"}


@dataclass(frozen=True)
class Weight:
    """One variable of the model, and how it is redrawn."""

    name: str
    """The layer's path and the variable's own name."""
    variable: Any
    """``tf.Variable``."""
    initialiser: Any | None
    """Of Keras; None: its values are shuffled."""

    @property
    def size(self) -> int:
        return int(self.variable.shape.num_elements())

    @property
    def how(self) -> str:
        return SHUFFLED if self.initialiser is None else OWN

    def redraw(self, seed: int) -> None:
        """Assign new values, the same for the same name and seed."""
        tf = tensorflow()
        own_seed = int(digest_json([seed, self.name])[:8], 16) >> 1
        if self.initialiser is not None:
            value = _reseeded(self.initialiser, own_seed)(self.variable.shape, dtype="float32")
        else:
            values = np.asarray(self.variable.numpy()).ravel()
            shuffled = np.random.default_rng(own_seed).permutation(values)
            value = shuffled.reshape(self.variable.shape)
        self.variable.assign(tf.cast(value, self.variable.dtype))


@dataclass(frozen=True)
class Unit:
    """A kernel and what belongs to it."""

    weights: tuple[Weight, ...]

    @property
    def name(self) -> str:
        """The layer that holds the kernel, or the variable where there are no layers."""
        return self.weights[-1].name.rpartition("/")[0] or self.weights[-1].name

    @property
    def size(self) -> int:
        return sum(w.size for w in self.weights)


class Cascade:
    """The weights that a model's scores depend on, in units from the output back.

    Parameters
    ----------
    model: what :func:`audit.models.loading.load_model` gave.
    trace: of it.
    scores: tensor (B, n) of the trace.
    changed: called whenever weights were assigned, so that what was read of them is forgotten.
    """

    def __init__(
        self, model: Any, trace: Trace, scores: Any, changed: Callable[[], None] = lambda: None
    ) -> None:
        self._changed = changed
        self.units = tuple(_units(_weights(model, trace, scores)))
        self.n_parameters = sum(unit.size for unit in self.units)

    def share(self, stop: int) -> float:
        """Part of the parameters that lies in the first ``stop`` units."""
        return sum(unit.size for unit in self.units[:stop]) / max(1, self.n_parameters)

    def stops(self, count: int) -> list[int]:
        """How many units each of ``count`` steps redraws: 1 first, all last, evenly between."""
        n = len(self.units)
        steps = min(count, n)
        return [1 + round(k * (n - 1) / max(1, steps - 1)) for k in range(steps)]

    def how(self) -> dict[str, int]:
        """Parameters by how they are redrawn."""
        found: dict[str, int] = {}
        for weight in (w for unit in self.units for w in unit.weights):
            found[weight.how] = found.get(weight.how, 0) + weight.size
        return dict(sorted(found.items()))

    @contextmanager
    def randomising(self, seed: int) -> Iterator[Callable[[int], None]]:
        """Gives a function that redraws the first ``stop`` units; all is put back at the end.

        A unit is drawn once, when a stop first reaches it: stops have to rise.
        """
        kept = [(w.variable, w.variable.numpy()) for unit in self.units for w in unit.weights]
        done = 0

        def redraw(stop: int) -> None:
            nonlocal done
            for weight in (w for unit in self.units[done:stop] for w in unit.weights):
                weight.redraw(seed)
            done = stop
            self._changed()

        try:
            yield redraw
        finally:
            for variable, value in kept:
                variable.assign(value)
            self._changed()


def _weights(model: Any, trace: Trace, scores: Any) -> list[Weight]:
    """Those that the scores depend on, the one used last first."""
    levels = _levels(trace, scores)
    captured = {id(value): own for value, own in trace.function.graph.captures}
    found = []
    for weight in _served(model) if isinstance(model, ServedModel) else _of_layers(model):
        own = captured.get(id(weight.variable.handle))
        if own is None or not weight.variable.dtype.is_floating:
            continue
        met = _meets(own, levels)
        if met:
            found.append((-max(met), weight.name, weight))
    return [weight for *_, weight in sorted(found, key=lambda entry: entry[:2])]


def _levels(trace: Trace, scores: Any) -> dict[Any, int]:
    """Operations on the ways from the image to the scores -> the longest way to them, in steps."""
    reached = downstream(trace.pixels)
    waiting, before = [scores.op], set()
    while waiting:
        op = waiting.pop()
        if op in reached and op not in before:
            before.add(op)
            waiting.extend(i.op for i in op.inputs)
    levels: dict[Any, int] = {}
    for op in trace.function.graph.get_operations():  # made in an order in which they can run
        if op in before:
            levels[op] = 1 + max((levels.get(i.op, 0) for i in op.inputs), default=0)
    return levels


def _meets(capture: Any, levels: Mapping[Any, int]) -> list[int]:
    """Levels of the operations at which a variable comes together with what is of the image."""
    met, seen, waiting = [], set(), [capture]
    while waiting:
        for op in waiting.pop().consumers():
            if op in levels:
                met.append(levels[op])
            elif op not in seen:
                seen.add(op)
                waiting.extend(op.outputs)
    return met


def _served(model: ServedModel) -> list[Weight]:
    """Variables of a SavedModel: there are no layers, and no initialisers, to be asked."""
    return [Weight(v.name.split(":")[0], v, None) for v in model.signature.variables]


def _of_layers(model: Any) -> list[Weight]:
    """Variables of a Keras model, each with the innermost layer that holds it."""
    found: dict[int, Weight | None] = {}
    for path, layer in [(model.name, model), *named_layers(model, "")]:
        for own in layer.variables:
            variable = own if isinstance(own, tensorflow().Variable) else own.value
            found[id(variable)] = _weight(path, layer, own.name, variable)
    return [weight for weight in found.values() if weight is not None]


def _weight(path: str, layer: Any, name: str, variable: Any) -> Weight | None:
    """A layer's own variable; None for one that says how pixels are read."""
    if type(layer).__name__ in NOT_LEARNED:
        return None
    own = name.rpartition("/")[2].split(":")[0]
    initialiser = _initialiser(layer, own)
    if variable.shape.rank >= 2 and not _is_random(initialiser):
        initialiser = None
    return Weight(f"{path}/{own}", variable, initialiser)


def _initialiser(layer: Any, name: str) -> Any | None:
    """By the attribute that Keras' layers have for it."""
    stems = [name, name.removesuffix("_kernel"), *(["depthwise"] if name == "kernel" else [])]
    for stem in stems:
        found = getattr(layer, f"{stem}_initializer", None)
        if hasattr(found, "get_config"):
            return found
    return None


def _is_random(initialiser: Any | None) -> bool:
    return initialiser is not None and "seed" in initialiser.get_config()


def _reseeded(initialiser: Any, seed: int) -> Any:
    if not _is_random(initialiser):
        return initialiser
    return type(initialiser).from_config({**initialiser.get_config(), "seed": seed})


def _units(weights: Sequence[Weight]) -> Iterator[Unit]:
    """Groups that end with a kernel: what comes after it in the graph was met before."""
    units: list[list[Weight]] = [[]]
    for weight in weights:
        units[-1].append(weight)
        if weight.variable.shape.rank >= 2:
            units.append([])
    before = units.pop()  # what stands before the first kernel
    if before:
        units[-1:] = [[*before, *own] for own in units[-1:]] or [before]
    return (Unit(tuple(own)) for own in units)
