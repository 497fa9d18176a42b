"""``sanity``: whether the explanation is fit to judge by.

The model's weights are redrawn in steps from the output back, and each method's maps of a sample of
records are compared with what they were (:mod:`audit.statistics.fitness` has the rule). Beside it
stands how far a second method, which works in another way, agrees.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from audit.config.model import Config
from audit.explain import NO_LAYER, chosen_methods
from audit.models.probe import ModelProbe
from audit.models.randomise import Cascade
from audit.progress import Progress, duration
from audit.stages.eligibility import is_baseline
from audit.stages.explain import Run, runs_of
from audit.stages.figures import json_value
from audit.stages.inspect import check_same_model, methods_of, needs_layer
from audit.stages.layout import Layout
from audit.stages.runtime import start_model
from audit.stages.sanity_maps import (
    Asker,
    Plan,
    Ranked,
    common,
    crossed,
    known_mean,
    paired,
    ranked,
    structural,
)
from audit.stages.sanity_sample import choose_sample, explained_records, load_sample
from audit.stages.timing import as_explained
from audit.statistics.fitness import FitnessRule, judge_fitness
from audit.statistics.intervals import Estimate, clustered_mean
from audit.tables.atomic import write_json
from audit.tables.csv import write_csv

COLUMNS = (
    "method", "layer", "step", "up_to", "parameters_redrawn", "n_records", "n", "n_flat",
    "n_non_finite", "spearman", "spearman_low", "spearman_high", "spearman_other_images", "ssim",
)  # fmt: skip
# A slow method's steps: the head, half of the cascade, everything; and its maps as they are.
SLOW_STEPS = 3

Told = dict[str, dict[str, Any]]


def run_sanity(
    config: Config,
    layout: Layout,
    manifest: dict[str, Any],
    found: dict[str, Any],
    progress: Progress,
) -> None:
    """Write ``sanity.csv`` and ``stages/sanity/fitness.json``; ``images: 0`` loads no model."""
    told: Told = {}
    rows: list[dict[str, Any]] = []
    if config.sanity.images and any(not is_baseline(m) for m in config.explain.methods()):
        told, rows = _checked(config, layout, manifest, found, progress)
    else:
        progress.say("left out")
    write_csv(layout.sanity, pd.DataFrame(rows, columns=list(COLUMNS)))
    write_json(layout.fitness, told)


def _checked(
    config: Config,
    layout: Layout,
    manifest: dict[str, Any],
    found: dict[str, Any],
    progress: Progress,
) -> tuple[Told, list[dict[str, Any]]]:
    config = as_explained(config, layout, manifest)
    section = config.sanity
    shards = [s["name"] for s in manifest["shards"]]
    chosen = choose_sample(explained_records(layout, shards), section.images, config.audit.seed)
    if len(chosen) < section.min_records:
        why = (
            f"only {len(chosen)} images are annotated and predicted right, where "
            f"{section.min_records} are wanted."
        )
        return _all_unknown(config, found, why), []
    probe = _probe(config, found)
    cascade = probe.cascade()
    runs = [run for run in runs_of(config, probe) if run.method.level != "baseline"]
    if len(cascade.units) < section.min_kernels:
        why = (
            f"the model has {len(cascade.units)} kernels to redraw, where {section.min_kernels} are "
            "wanted: redrawn, so small a network still answers to the same edges and colours."
        )
        return {run.name: unknown(why) for run in runs}, []
    sample = load_sample(config, layout, shards, chosen, found["classes"], probe, progress)
    if len(sample) < section.min_records:
        why = (
            f"only {len(sample)} images can still be read, where {section.min_records} are wanted."
        )
        return {run.name: unknown(why) for run in runs}, []
    return Check(config, probe, cascade, Asker(config, probe, sample), sample, progress).run(runs)


def _all_unknown(config: Config, found: Mapping[str, Any], why: str) -> Told:
    """The same for every method and layer, without a model."""
    paths = [layer["path"] for layer in found["facts"]["layers"]]
    return {
        f"{method.name}|{layer}": unknown(why)
        for method, _ in methods_of(config)
        if method.level != "baseline"
        for layer in (paths if method.level == "layer" else [NO_LAYER[method.level]])
    }


def unknown(why: str) -> dict[str, Any]:
    """A method of which nothing can be said, and why."""
    return {"fit": None, "reason": f"Not known: {why}"}


def _probe(config: Config, found: Mapping[str, Any]) -> ModelProbe:
    start_model(config)
    probe = ModelProbe(config, needs_layer([*methods_of(config), *second_methods(config)]))
    check_same_model(probe.facts.as_dict(), found["facts"], layers=False)
    return probe


def second_methods(config: Config) -> list[tuple[Any, dict[str, Any]]]:
    """The method that the others are held against, with its options; none where it is null.

    Raises
    ------
    AuditError: there is no such method.
    """
    name = config.sanity.second_method
    if name is None:
        return []
    return chosen_methods([name], {name: config.explain.options.get(name, {})}, "explain")


class Check:
    """The check of some methods on a sample.

    What is kept between the steps: each method's maps as they were, and their ranks.
    """

    def __init__(
        self,
        config: Config,
        probe: ModelProbe,
        cascade: Cascade,
        asker: Asker,
        sample: Sequence[Any],
        progress: Progress,
    ) -> None:
        self._config = config
        self._probe = probe
        self._cascade = cascade
        self._asker = asker
        self._names = np.array([one.file_name for one in sample])
        self._progress = progress
        self._maps: dict[str, np.ndarray] = {}
        self._ranked: dict[str, Ranked] = {}

    def run(self, runs: Sequence[Run]) -> tuple[Told, list[dict[str, Any]]]:
        """``fitness.json``, and rows of ``sanity.csv``."""
        plans, left_out = self._plans(runs)
        told = {name: unknown(why) for name, why in left_out.items()}
        if not plans:
            return told, []
        began = time.perf_counter()
        self._maps = self._asker.maps(plans)
        self._ranked = {name: ranked(maps) for name, maps in self._maps.items()}
        steps = {plan.run.name: [] for plan in plans}
        self._redraw(plans, steps, time.perf_counter() - began)
        for plan in plans:
            told[plan.run.name] = self._verdict(plan.run, steps[plan.run.name])
        for plan in plans:
            told[plan.run.name]["agreement"] = self._agreement(plan)
        rows = [row for plan in plans for row in self._rows(plan, steps[plan.run.name])]
        return dict(sorted(told.items())), rows

    def _plans(self, runs: Sequence[Run]) -> tuple[list[Plan], dict[str, str]]:
        """Images and steps of each method, and why a slow one is left out."""
        section = self._config.sanity
        plans, left_out = [], {}
        for run in runs:
            count, steps = len(self._names), section.steps
            if run.method.passes is not None:
                passes, steps = self._passes(run), min(steps, SLOW_STEPS)
                count = min(count, section.max_passes // (passes * (steps + 1)))
            if count < section.min_records:
                left_out[run.name] = (
                    f"it takes {passes:,} forward passes a map, and sanity.max_passes "
                    f"({section.max_passes:,}) allows {count} images of {steps + 1} maps each, where "
                    f"{section.min_records} are wanted."
                )
            else:
                plans.append(Plan(run, count, tuple(self._cascade.stops(steps))))
        return plans, left_out

    def _redraw(self, plans: Sequence[Plan], steps: dict[str, list[_Step]], seconds: float) -> None:
        """Fill ``steps``, each method's comparison at each of its stops."""
        stops = sorted({stop for plan in plans for stop in plan.stops})
        self._progress.say(
            f"{len(self._names)} images, {len(stops)} steps: at most {duration(seconds * len(stops))}"
        )
        self._progress.start(len(stops), "steps")
        with self._cascade.randomising(self._config.audit.seed) as redraw:
            for stop in stops:
                redraw(stop)
                now = [plan for plan in plans if stop in plan.stops]
                for name, maps in self._asker.maps(now).items():
                    steps[name].append(_Step(stop, self._maps[name], self._ranked[name], maps))
                self._progress.step()
        self._progress.finish()

    def _verdict(self, run: Run, steps: Sequence[_Step]) -> dict[str, Any]:
        section, own = self._config.sanity, self._ranked[run.name]
        fitness = judge_fitness(
            [step.rho for step in steps],
            [step.chance for step in steps],
            [step.flat for step in steps],
            crossed(own, own),
            self._names[: len(own.ranks)],
            rule=FitnessRule(section.max_kept, section.min_records),
            seed=self._config.audit.seed,
        )
        return {
            "fit": fitness.fit,
            "reason": fitness.reason,
            "kept": _numbers(fitness.kept),
            "between_images": json_value(fitness.between_images),
            "redrawn_by": self._cascade.how(),
        }

    def _agreement(self, plan: Plan) -> dict[str, Any] | None:
        """How far the second method agrees, with the weights as they are; it decides nothing."""
        for method, options in second_methods(self._config):
            if method.name == plan.run.method.name:
                return None
            layer = plan.run.layer if method.level == "layer" else NO_LAYER[method.level]
            other = Run(method, options, layer, plan.run.place)
            count = self._affordable(other, plan.count)
            if count:
                second = self._second(Plan(other, count))
                rho = common(self._maps[plan.run.name][:count], second)
                found = clustered_mean(rho, self._names[:count], seed=self._config.audit.seed)
                return {"with": method.name, **_numbers(found)}
        return None

    def _affordable(self, run: Run, count: int) -> int:
        if run.method.passes is None:
            return count
        return min(count, self._config.sanity.max_passes // self._passes(run))

    def _passes(self, run: Run) -> int:
        """Forward passes that a slow method takes a map."""
        return run.method.passes(self._asker.first_question(), **run.options)

    def _second(self, plan: Plan) -> np.ndarray:
        """Its maps, which several methods are held against."""
        if len(self._maps.get(plan.run.name, ())) < plan.count:
            self._maps |= self._asker.maps([plan])
        return self._maps[plan.run.name][: plan.count]

    def _rows(self, plan: Plan, steps: Sequence[_Step]) -> list[dict[str, Any]]:
        rows = []
        for number, step in enumerate(steps, start=1):
            mean = clustered_mean(step.rho, self._names[: plan.count], seed=self._config.audit.seed)
            rows.append(
                {
                    "method": plan.run.method.name, "layer": plan.run.layer, "step": number,
                    "up_to": self._cascade.units[step.stop - 1].name,
                    "parameters_redrawn": self._cascade.share(step.stop),
                    "n_records": plan.count, "n": mean.n, "n_flat": int(step.flat.sum()),
                    "n_non_finite": int(step.non_finite.sum()),
                    "spearman": mean.value, "spearman_low": mean.low, "spearman_high": mean.high,
                    "spearman_other_images": step.chance, "ssim": step.ssim,
                }
            )  # fmt: skip
        return rows


class _Step:
    """One method's maps of the redrawn model beside those of the model as it is."""

    def __init__(self, stop: int, before: np.ndarray, own: Ranked, maps: np.ndarray) -> None:
        redrawn = ranked(maps)
        self.stop = stop
        self.rho = paired(own, redrawn)
        self.chance = crossed(own, redrawn)
        self.flat = redrawn.flat & own.known
        self.non_finite = redrawn.non_finite & own.known
        ssim = structural(before, maps)
        self.ssim = known_mean(np.where(np.isnan(self.rho), np.nan, ssim))


def _numbers(found: Estimate) -> dict[str, Any]:
    """For JSON, which has no NaN."""
    return {
        "value": json_value(found.value), "low": json_value(found.low), "high": json_value(found.high),
        "n": found.n,
    }  # fmt: skip
