"""What an explanation method is: a function, where it comes from, and what can be set about it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from audit.errors import AuditError, nearest
from audit.registry import Registry

if TYPE_CHECKING:
    from audit.explain.question import LayerTrace, Question

Level = Literal["layer", "input", "baseline"]
# What a record's `layer` column says of the methods that look at no layer.
NO_LAYER = {"input": "input", "baseline": "none"}


@dataclass(frozen=True)
class Option:
    """One keyword of a method's function; its default is the function's own."""

    description: str
    least: float | None = None
    most: float | None = None
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Method:
    """An explanation method.

    ``function(trace, **options)`` takes a :class:`~audit.explain.question.LayerTrace` and gives
    float32 (P, h, w), one raw map per target, not normalised, non-negative, NaN where the model
    gave NaN.

    ``level``: ``layer`` methods look at a layer and are run once for each that is chosen; ``input``
    methods see the input's pixels and answer on the coarser grid of ``explain.grid``; a ``baseline``
    explains nothing, and is there to be compared with.
    """

    name: str
    summary: str
    source: str
    level: Level
    function: Callable[..., np.ndarray]
    options: Mapping[str, Option]
    passes: Callable[..., int] | None
    """``passes(question, **options)``: forward passes an image costs, where it is not one."""
    check: Callable[..., list[str]] | None
    """``check(question, **options)``: notes for the record; raises where the model will not do."""

    def defaults(self) -> dict[str, Any]:
        """Each option's value where the config gives none."""
        parameters = inspect.signature(self.function).parameters
        return {name: parameters[name].default for name in self.options}

    def settings(self, given: Mapping[str, Any], where: str) -> dict[str, Any]:
        """All options, those that are given checked.

        Raises
        ------
        AuditError: an unknown option, a wrong type, a value out of range.
        """
        settings = self.defaults()
        for name, value in given.items():
            key = f"{where}.{name}"
            if name not in self.options:
                raise AuditError(
                    f"{self.name} has no option {name!r}", where=key,
                    hint=nearest(name, self.options),
                )  # fmt: skip
            settings[name] = _checked(value, settings[name], self.options[name], key)
        return settings

    def heatmaps(self, trace: LayerTrace, options: Mapping[str, Any] | None = None) -> np.ndarray:
        """The maps, float32 (P, h, w)."""
        return self.function(trace, **(self.defaults() if options is None else options))

    def notes(self, question: Question, options: Mapping[str, Any]) -> list[str]:
        """What the record has to say of this method on this model; raises where it cannot work."""
        return self.check(question, **options) if self.check else []


METHODS: Registry[Method] = Registry("explanation method")


def method(
    name: str,
    summary: str,
    source: str,
    *,
    level: Level = "layer",
    options: Mapping[str, Option] | None = None,
    passes: Callable[..., int] | None = None,
    check: Callable[..., list[str]] | None = None,
) -> Callable:
    """Register a function of a :class:`~audit.explain.question.LayerTrace` as a method.

    ``options`` describes the function's keyword arguments, whose defaults are theirs.
    """

    def add(function: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
        entry = Method(name, summary, source, level, function, options or {}, passes, check)
        METHODS.add(name, entry)
        return function

    return add


def chosen_methods(
    names: Sequence[str], options: Mapping[str, Mapping[str, Any]], where: str
) -> list[tuple[Method, dict[str, Any]]]:
    """The methods of a config, each with all its options.

    Raises
    ------
    AuditError: an unknown method or option, or options of a method that is not chosen.
    """
    for name in options:
        if name not in names:
            raise AuditError(
                f"options of {name!r}, which is not a chosen method", where=f"{where}.options",
                hint=nearest(name, names),
            )  # fmt: skip
    found = [METHODS.get(name, f"{where}.method") for name in names]
    return [(m, m.settings(options.get(m.name, {}), f"{where}.options.{m.name}")) for m in found]


def _checked(value: Any, default: Any, option: Option, where: str) -> Any:
    """``value`` in the default's type: a whole number may stand for a real one, nothing else."""
    wanted = type(default)
    if wanted is float and type(value) is int:
        value = float(value)
    if type(value) is not wanted:
        raise AuditError("wrong type", where=where, expected=wanted.__name__, received=value)
    if option.choices and value not in option.choices:
        raise AuditError(
            "unknown choice", where=where, expected=", ".join(option.choices), received=value
        )
    low, high = option.least, option.most
    if (low is not None and value < low) or (high is not None and value > high):
        limits = " and ".join(
            t for t in (f"at least {low:g}" if low is not None else "",
                        f"at most {high:g}" if high is not None else "") if t
        )  # fmt: skip
        raise AuditError("out of range", where=where, expected=limits, received=value)
    return value
