"""``inspect``: what the model is. Runs once, before any shard, so that a fault is told at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from audit.config.model import TARGET_KEYWORDS, Config
from audit.digest import digest_file
from audit.errors import AuditError, nearest
from audit.explain import ClassScore, Method, Question, Wanted, chosen_methods
from audit.models.labels import read_labels, resolve_mapping
from audit.stages.layout import Layout
from audit.stages.metadata import OtherInputs
from audit.stages.runtime import start_model
from audit.tables.atomic import write_json
from audit.tables.parquet import SCHEMA_VERSION


def run_inspect(config: Config, layout: Layout) -> None:
    """Write ``model.json``: the model's facts and the names of its outputs."""
    write_json(layout.model, inspect_model(config))


def inspect_model(config: Config) -> dict[str, Any]:
    """Load and trace the model; nothing is written."""
    from audit.models.probe import ModelProbe

    start_model(config)
    methods = methods_of(config)
    probe = ModelProbe(config, needs_layer(methods))
    facts = probe.facts
    OtherInputs(config, probe.blank_inputs())  # what is wrong with them is told at once
    labels = None
    if config.model.labels:
        labels = read_labels(Path(config.model.labels), facts.n_outputs)
    return {
        "schema_version": SCHEMA_VERSION,
        "sha256": digest_file(config.model.path or config.model.weights or ""),
        "facts": facts.as_dict(),
        "reference_grid": probe.default_grid(),
        "labels": labels,
        "notes": method_notes(config, probe, methods),
    }


def check_same_model(facts: dict[str, Any], noted: dict[str, Any], layers: bool = True) -> None:
    """That a model loaded again is the one that was inspected.

    ``facts``, ``noted``: its facts now and in ``model.json``; ``layers``: false where they were not
    looked for this time.

    Raises
    ------
    AuditError: it is not.
    """
    if any(facts[key] != noted[key] for key in facts if layers or key != "layers"):
        raise AuditError(
            "the model is not the one that was inspected", where="model.path",
            hint="run again; it was changed while the audit ran",
        )  # fmt: skip


def methods_of(config: Config) -> list[tuple[Method, dict[str, Any]]]:
    """The chosen methods, each with all its options."""
    return chosen_methods(config.explain.methods(), config.explain.options, "explain")


def needs_layer(methods: list[tuple[Method, dict[str, Any]]]) -> bool:
    """True where a chosen method looks at a layer; the others can do without any."""
    return any(m.level == "layer" for m, _ in methods)


def method_notes(
    config: Config, probe: Any, methods: list[tuple[Method, dict[str, Any]]]
) -> list[str]:
    """What the methods have to say of this model, each beginning with its name.

    Raises
    ------
    AuditError: a method cannot work with it.
    """
    checked = [(m, options) for m, options in methods if m.check is not None]
    if not checked:
        return []
    facts = probe.facts
    size = (probe.batch, facts.input_height, facts.input_width, facts.channels)
    noise = np.random.default_rng(0).integers(0, 256, size, np.uint8)
    score = ClassScore((0,), facts.score, facts.activation)
    question = Question(
        probe,
        probe.forward(noise, probe.blank_inputs()),
        [Wanted(0, score)],
        [0] * probe.batch,
        config.explain.grid,
        0,
    )
    return [f"{m.name}: {note}" for m, options in checked for note in m.notes(question, options)]


def map_classes(config: Config, model: dict[str, Any], classes: list[str]) -> dict[str, Any]:
    """Which outputs each class of the data set is, and what is left without a partner.

    ``model`` is the content of ``model.json``, ``classes`` those of the data set.

    Raises
    ------
    AuditError: a class maps to no output, or a target to no class.
    """
    labels, n_outputs = model["labels"], model["facts"]["n_outputs"]
    mapping = resolve_mapping(config.dataset.classes, classes, labels, n_outputs)
    for name in config.targets.chosen():
        if name not in TARGET_KEYWORDS and name not in mapping:
            raise AuditError(
                f"class {name!r} is not mapped to an output", where="targets.classes",
                hint=nearest(name, (*TARGET_KEYWORDS, *mapping)),
            )  # fmt: skip
    return {
        "classes": mapping,
        "classes_not_mapped": [c for c in classes if c not in mapping],
        "classes_without_annotation": [c for c in mapping if c not in classes],
    }
